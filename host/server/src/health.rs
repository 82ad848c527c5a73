//! How each channel is: what its last calls came to, when it was heard of last, and what its platform says is left under its limits. In memory, but
//! for windows in which little is left: a host that starts anew must not find out by being refused. They lie in `headroom-CHANNEL.json` in
//! the tenant's folder, an array of windows. It is no record: a file that is lost or cannot be read is as if nothing had been said, and it is not
//! fsynced, because a process that is killed leaves what it wrote.
//!
//! # Headroom
//! A connector reports what the headers of an answer say (`headroom` of the contract). A window holds for the capability whose call reported it.
//! While nothing is left, no further call of that capability is made before the window ends; while something is left, no more calls are
//! under way than could be made. So a limit is kept before the platform has to refuse.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use sportello_core::ids::ChannelName;
use sportello_core::time::Timestamp;
use sportello_runtime::contract::HeadroomWindow;
use sportello_runtime::limits::HEADROOM_WINDOWS_MAX;

use crate::ingress::arrivals::moment;

/// The longest a window is believed: a wrong date must not freeze a channel for years.
const WINDOW_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// A window is written down when no more than this is left of it: above, the calls under way when a host starts anew cannot use it up.
const LITTLE_LEFT: u32 = 16;
/// The longest file that is read: all windows of all purposes.
const FILE_BYTES_MAX: u64 = 64 * 1024;

/// What a channel is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// To read a delivery.
    Webhook,
    /// To ask a source for what is new.
    Poll,
    /// To ask a CRM for what changed.
    Changes,
    /// To look somebody up.
    LookUp,
    /// To do something outside.
    Publish,
    /// To look whether it is done.
    Find,
}

impl Purpose {
    /// Its word in the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Poll => "poll",
            Self::Changes => "changes",
            Self::LookUp => "look-up",
            Self::Publish => "publish",
            Self::Find => "find",
        }
    }
}

/// What the calls of one purpose came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Calls {
    /// When one last did what it was made for.
    pub succeeded_at: Option<Timestamp>,
    /// When one last did not, and why, in words without personal content.
    pub failed: Option<(Timestamp, &'static str)>,
}

/// A window of a platform's limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its name, by the connector.
    pub name: String,
    /// How much is allowed, if the platform says so.
    pub allowed: Option<u32>,
    /// What is left.
    pub remaining: u32,
    /// When it ends.
    pub resets_at: Timestamp,
}

#[derive(Debug, Default)]
struct State {
    calls: BTreeMap<Purpose, Calls>,
    windows: BTreeMap<(Purpose, String), Window>,
    heard_at: Option<Timestamp>,
    /// Whether the file says something.
    written: bool,
}

/// How a channel is.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Calls, by what they were for.
    pub calls: Vec<(Purpose, Calls)>,
    /// What the platform said is left under its limits.
    pub windows: Vec<(Purpose, Window)>,
    /// When something came in last.
    pub heard_at: Option<Timestamp>,
}

/// How one channel is, over all generations of its connector.
#[derive(Debug, Default)]
pub struct Health {
    state: Mutex<State>,
    /// Where windows with little left are written down; None: nowhere.
    file: Option<PathBuf>,
}

impl Health {
    /// That of a channel, with what was written down before the last stop.
    #[must_use]
    pub fn open(folder: &Path, channel: &ChannelName) -> Self {
        let file = folder.join(format!("headroom-{channel}.json"));
        let is_short = std::fs::metadata(&file).is_ok_and(|metadata| metadata.len() <= FILE_BYTES_MAX);
        let bytes = if is_short { std::fs::read(&file).unwrap_or_default() } else { Vec::new() };
        let kept: Vec<(Purpose, Window)> = serde_json::from_slice(&bytes).unwrap_or_default();
        let windows = kept.into_iter().map(|(purpose, window)| ((purpose, window.name.clone()), window)).collect();
        Self { state: Mutex::new(State { windows, written: true, ..State::default() }), file: Some(file) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under it is a whole value.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_down(&self, state: &mut State) {
        let Some(file) = &self.file else { return };
        let little: Vec<(Purpose, &Window)> = state
            .windows
            .iter()
            .filter(|(_, window)| window.remaining <= LITTLE_LEFT)
            .map(|((purpose, _), window)| (*purpose, window))
            .collect();
        if little.is_empty() && !state.written {
            return;
        }
        state.written = !little.is_empty();
        let beside = file.with_extension("json.new");
        let written = serde_json::to_vec(&little).map_err(std::io::Error::other).and_then(|bytes| std::fs::write(&beside, bytes));
        if let Err(error) = written.and_then(|()| std::fs::rename(&beside, file)) {
            tracing::warn!(%error, file = %file.display(), "what is left under a platform's limits could not be written down");
        }
    }

    /// A call ended; `problem`: it did not do what it was made for.
    pub fn called(&self, purpose: Purpose, now: Timestamp, problem: Option<&'static str>) {
        let mut state = self.state();
        let calls = state.calls.entry(purpose).or_default();
        match problem {
            Some(problem) => calls.failed = Some((now, problem)),
            None => calls.succeeded_at = Some(now),
        }
    }

    /// Something came in that was not there before.
    pub fn heard(&self, now: Timestamp) {
        self.state().heard_at = Some(now);
    }

    /// What a call's answers said is left. A call that says nothing may have lost the answer on the way: it is taken to have used up one.
    pub fn report(&self, purpose: Purpose, now: Timestamp, windows: &[HeadroomWindow]) {
        let mut state = self.state();
        if windows.is_empty() {
            let of_this = state.windows.iter_mut().filter(|((of, _), _)| *of == purpose);
            let mut used = false;
            of_this.for_each(|(_, window)| {
                window.remaining = window.remaining.saturating_sub(1);
                used = true;
            });
            if used {
                self.write_down(&mut state);
            }
            return;
        }
        state.windows.retain(|_, window| window.resets_at > now);
        for reported in windows {
            let Some(resets_at) = moment(&reported.resets_at).map(|at| at.min(now.plus_ms(WINDOW_MS_MAX))) else { continue };
            let key = (purpose, reported.name.clone());
            let of_this = state.windows.keys().filter(|(of, _)| *of == purpose).count();
            if of_this >= HEADROOM_WINDOWS_MAX && !state.windows.contains_key(&key) {
                continue;
            }
            // Answers overtake each other: what is said of an earlier window comes too late, and of one window the least counts.
            if state.windows.get(&key).is_some_and(|window| window.resets_at > resets_at) {
                continue;
            }
            let said = state.windows.get(&key).filter(|window| window.resets_at == resets_at);
            let remaining = said.map_or(reported.remaining, |window| window.remaining.min(reported.remaining));
            state.windows.insert(key, Window { name: reported.name.clone(), allowed: reported.allowed, remaining, resets_at });
        }
        self.write_down(&mut state);
    }

    /// How many calls may be under way at once by what the platform says is left, and until when that holds. None: it says nothing.
    #[must_use]
    pub fn room(&self, purpose: Purpose, now: Timestamp) -> Option<(usize, Timestamp)> {
        let state = self.state();
        let windows = state.windows.range((purpose, String::new())..).take_while(|((of, _), _)| *of == purpose).map(|(_, window)| window);
        windows
            .filter(|window| window.resets_at > now)
            .map(|window| (window.remaining as usize, window.resets_at))
            // Of two that leave nothing the one counts that ends last.
            .min_by_key(|(remaining, resets_at)| (*remaining, std::cmp::Reverse(*resets_at)))
    }

    /// Until when no call may be made, because nothing is left.
    #[must_use]
    pub fn held(&self, purpose: Purpose, now: Timestamp) -> Option<Timestamp> {
        self.room(purpose, now).filter(|(remaining, _)| *remaining == 0).map(|(_, until)| until)
    }

    /// All of it, without windows that have ended.
    #[must_use]
    pub fn shown(&self, now: Timestamp) -> Shown {
        let state = self.state();
        let windows = state.windows.iter().filter(|(_, window)| window.resets_at > now);
        Shown {
            calls: state.calls.iter().map(|(purpose, calls)| (*purpose, calls.clone())).collect(),
            windows: windows.map(|((purpose, _), window)| (*purpose, window.clone())).collect(),
            heard_at: state.heard_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn window(name: &str, remaining: u32, after_ms: i64) -> HeadroomWindow {
        let resets_at = jiff::Timestamp::from_millisecond(NOW.0 + after_ms).unwrap().to_string();
        HeadroomWindow { name: name.into(), allowed: Some(15), remaining, resets_at }
    }

    #[test]
    fn what_is_used_up_holds_its_purpose_until_the_window_ends_and_no_other() {
        let health = Health::default();
        health.report(Purpose::Poll, NOW, &[window("mentions", 0, 60_000), window("app", 0, 90_000), window("day", 7, 3_600_000)]);
        assert_eq!(health.held(Purpose::Poll, NOW), Some(NOW.plus_ms(90_000)));
        assert_eq!(health.held(Purpose::Publish, NOW), None);
        let later = NOW.plus_ms(90_000);
        assert_eq!((health.held(Purpose::Poll, later), health.room(Purpose::Poll, later)), (None, Some((7, NOW.plus_ms(3_600_000)))));
    }

    #[test]
    fn no_more_calls_may_be_under_way_than_the_least_window_leaves() {
        let health = Health::default();
        assert_eq!(health.room(Purpose::Publish, NOW), None);
        health.report(Purpose::Publish, NOW, &[window("posts", 3, 60_000), window("day", 40, 3_600_000)]);
        assert_eq!(health.room(Purpose::Publish, NOW).unwrap().0, 3);
        // Of one window the least counts, whichever answer came last; another window is another.
        health.report(Purpose::Publish, NOW, &[window("posts", 4, 60_000)]);
        assert_eq!(health.room(Purpose::Publish, NOW).unwrap().0, 3);
        health.report(Purpose::Publish, NOW, &[window("posts", 15, 120_000)]);
        assert_eq!(health.room(Purpose::Publish, NOW).unwrap().0, 15);
        // An answer of the window before comes late.
        health.report(Purpose::Publish, NOW, &[window("posts", 2, 60_000)]);
        assert_eq!(health.room(Purpose::Publish, NOW).unwrap().0, 15);
    }

    #[test]
    fn a_call_whose_answer_was_lost_is_taken_to_have_used_up_one() {
        let health = Health::default();
        health.report(Purpose::Publish, NOW, &[window("posts", 2, 60_000)]);
        health.report(Purpose::Publish, NOW, &[]);
        assert_eq!((health.room(Purpose::Publish, NOW).unwrap().0, health.held(Purpose::Publish, NOW)), (1, None));
        health.report(Purpose::Publish, NOW, &[]);
        assert_eq!(health.held(Purpose::Publish, NOW), Some(NOW.plus_ms(60_000)));
    }

    #[test]
    fn a_host_that_starts_anew_knows_where_little_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let channel = ChannelName::new("x").unwrap();
        let health = Health::open(folder.path(), &channel);
        health.report(Purpose::Publish, NOW, &[window("posts", 0, 60_000), window("day", 900, 3_600_000)]);
        let again = Health::open(folder.path(), &channel);
        assert_eq!(again.held(Purpose::Publish, NOW), Some(NOW.plus_ms(60_000)));
        assert_eq!((again.held(Purpose::Find, NOW), again.held(Purpose::Publish, NOW.plus_ms(60_000))), (None, None));
        // Where much is left again nothing stays behind; what is no such file says nothing.
        again.report(Purpose::Publish, NOW.plus_ms(60_000), &[window("posts", 100, 120_000)]);
        assert_eq!(Health::open(folder.path(), &channel).room(Purpose::Publish, NOW), None);
        for text in ["", "{", "[7]"] {
            std::fs::write(folder.path().join("headroom-x.json"), text).unwrap();
            assert_eq!(Health::open(folder.path(), &channel).room(Purpose::Publish, NOW), None);
        }
    }

    #[test]
    fn a_wrong_date_and_too_many_windows_do_no_harm() {
        let health = Health::default();
        health.report(Purpose::Poll, NOW, &[window("mentions", 0, 365 * 24 * 3_600_000)]);
        assert_eq!(health.held(Purpose::Poll, NOW), Some(NOW.plus_ms(WINDOW_MS_MAX)));
        for number in 0..100 {
            health.report(Purpose::Poll, NOW, &[window(&format!("window-{number}"), 5, 60_000)]);
        }
        assert_eq!(health.shown(NOW).windows.len(), HEADROOM_WINDOWS_MAX);
        // Each purpose has its own.
        health.report(Purpose::Publish, NOW, &[window("posts", 0, 30_000)]);
        assert_eq!(health.held(Purpose::Publish, NOW), Some(NOW.plus_ms(30_000)));
        // Ended ones make room.
        health.report(Purpose::Find, NOW.plus_ms(60_000), &[window("own", 5, 120_000)]);
        assert_eq!(health.shown(NOW.plus_ms(60_000)).windows.len(), 2);
    }
}
