//! What platforms say is left under their rate limits, as a call asks and tells.

use jiff::Timestamp;

use crate::bindings::sportello::connector::headroom::Window as ReportedWindow;
use crate::limits::HEADROOM_NAME_BYTES_MAX;

/// A window of a platform's limit, as an answer told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeadroomWindow {
    /// Its name by the connector, 1 to [`HEADROOM_NAME_BYTES_MAX`] bytes; or the host's for a credential's log-in.
    pub name: String,
    /// How much is allowed, if the platform says so.
    pub allowed: Option<u32>,
    /// What is left.
    pub remaining: u32,
    /// When it ends.
    pub resets_at: Timestamp,
}

impl HeadroomWindow {
    /// None: its name or its end cannot be used.
    pub(crate) fn usable(reported: ReportedWindow) -> Option<Self> {
        let resets_at = reported.resets_at.parse().ok()?;
        is_name(&reported.name).then_some(Self { name: reported.name, allowed: reported.allowed, remaining: reported.remaining, resets_at })
    }
}

/// Whether a window can be called that.
pub(crate) fn is_name(name: &str) -> bool {
    (1..=HEADROOM_NAME_BYTES_MAX).contains(&name.len())
}

/// Who counts what is left, for all calls of a channel and the host's log-ins, and keeps until when its credentials work.
pub trait Headroom: Send + Sync {
    /// One request is about to be made.
    ///
    /// # Errors
    /// Until when nothing is left.
    fn take(&self, window: &str) -> Result<(), Timestamp>;

    /// An answer said this.
    fn report(&self, window: HeadroomWindow);

    /// The platform says that what is bound to this credential works until then; None: that it has no end. It is bound.
    fn ends(&self, credential: &str, at: Option<Timestamp>);
}

/// Nobody counts, and there is always room: for calls outside of a host.
#[derive(Debug, Clone, Copy, Default)]
pub struct Uncounted;

impl Headroom for Uncounted {
    fn take(&self, _window: &str) -> Result<(), Timestamp> {
        Ok(())
    }

    fn report(&self, _window: HeadroomWindow) {}

    fn ends(&self, _credential: &str, _at: Option<Timestamp>) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_without_a_name_or_an_end_or_with_a_long_name_is_left_out() {
        let window = |name: &str, resets_at: &str| {
            let reported = ReportedWindow { name: name.into(), allowed: None, remaining: 7, resets_at: resets_at.into() };
            HeadroomWindow::usable(reported).map(|window| window.remaining)
        };
        assert_eq!(window("posts", "2026-11-26T10:15:00Z"), Some(7));
        assert_eq!(window(&"n".repeat(HEADROOM_NAME_BYTES_MAX), "2026-11-26T10:15:00Z"), Some(7));
        assert_eq!(window(&"n".repeat(HEADROOM_NAME_BYTES_MAX + 1), "2026-11-26T10:15:00Z"), None);
        assert_eq!((window("", "2026-11-26T10:15:00Z"), window("posts", "soon")), (None, None));
    }
}
