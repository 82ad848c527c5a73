//! What the platform says is left under its rate limits.
//!
//! [`take`] a request out of its window before it is made, and [`report`] what the headers of every answer tell. The host counts for all calls of
//! the channel, shows it to the operator, and where nothing is left it makes no further call of that capability before the window ends. So a connector
//! need not count for itself, and never learns of a limit by being refused.

pub use crate::bindings::shared::sportello::connector::headroom::Window;

use crate::Error;

/// Takes a request out of a window before it is made. A window of which nothing was reported has room.
///
/// # Errors
/// Nothing is left: rate limited until the window ends. No request may be made.
pub fn take(window: &str) -> Result<(), Error> {
    #[cfg(target_arch = "wasm32")]
    let taken = crate::bindings::shared::sportello::connector::headroom::take(window);
    #[cfg(not(target_arch = "wasm32"))]
    let taken = crate::testing::take(window);
    taken.map_err(|until| Error::rate_limited(until, format!("nothing is left of what the platform allows of `{window}`")))
}

/// Tells the host what an answer said.
pub fn report(window: &Window) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::shared::sportello::connector::headroom::report(window);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::headroom(window);
}

/// Tells the host that nothing is left of a window before `until` (RFC 3339 in UTC), where a refusal says so and no header counts. Give it a name that no
/// header's window has: of one that is counted, the end that was told last would hold.
pub fn report_refusal(window: &str, until: &str) {
    report(&Window { name: window.to_owned(), allowed: None, remaining: 0, resets_at: until.to_owned() });
}
