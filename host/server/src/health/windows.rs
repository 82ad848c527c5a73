//! What a platform says is left under its limits. A connector takes a request out of a window before it makes it, and reports what the headers of the
//! answer say (`headroom` of the contract).
//!
//! Windows are counted here for all calls of the channel, so that what is under way, and what got lost on the way, has been counted. Which capability
//! needs which window shows by what its calls took and reported. While nothing is left, none of them is called before the window ends; while
//! something is left, no more calls are under way than could be made. Of a window that has ended the next one has what the platform allows, until
//! an answer says otherwise. So a limit is kept before the platform has to refuse. Limits are an account's: with other settings or another credential
//! the channel begins anew, and what calls of before have still to say is passed over. The host itself counts here where it logs in: what a platform asks
//! it to wait with that is a window with nothing left.
//!
//! Windows in which little is left lie in `headroom-CHANNEL.json` in the tenant's folder, with the account they are of. It is no record: a file that is
//! lost or cannot be read is as if nothing had been said, and it is not fsynced, because a process that is killed leaves what it wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use sportello_core::ids::{ChannelName, Fingerprint};
use sportello_core::time::Timestamp;
use sportello_runtime::HeadroomWindow;
use sportello_runtime::contract::RateLimit;
use sportello_runtime::limits::HEADROOM_WINDOWS_MAX;

use super::{Purpose, put_in_place, short_file};
use crate::ingress::arrivals::moment;

/// The longest a window is believed: a wrong date must not freeze a channel for years.
const WINDOW_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// The end of a limit is told in whole seconds and by another clock than ours: calls that can wait are made so much later. Clocks that differ by more cost
/// one refusal, which tells anew. A call under way, a delivery's above all, waits for nothing and may ask at the end that was told.
const CLOCKS_DIFFER_MS: u64 = 1_000;
/// The shortest pause after a refusal, whatever end it names.
const LIMIT_MS_MIN: u64 = 1_000;
/// How long the windows that follow an ended one are believed to last, until an answer says when it ends.
const UNSAID_MS: u64 = 60_000;
/// A window is written down when no more than this is left of it: above, the calls under way when a host starts anew cannot use it up.
const LITTLE_LEFT: u32 = 16;

/// A window of a platform's limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Window {
    /// Its name, by the connector; `log-in CREDENTIAL` where the platform asked to wait with a log-in.
    pub name: String,
    /// How much is allowed, if the platform says so.
    pub allowed: Option<u32>,
    /// What is left.
    pub remaining: u32,
    /// When it ends.
    pub resets_at: Timestamp,
    /// What is called that needs it.
    pub used_by: BTreeSet<Purpose>,
    /// It followed one that ended then, and no answer has told of it yet.
    #[serde(default, skip)]
    follows: Option<Timestamp>,
}

impl Window {
    /// Until when nothing is called for this that it has no room for. A delivery is not made to wait.
    fn held_until(&self, purpose: Purpose) -> Timestamp {
        if purpose == Purpose::Webhook { self.resets_at } else { later_there(self.resets_at) }
    }
}

/// When a platform's limit surely is over, a second to a day from now: what a call was refused for is not called before.
#[must_use]
pub fn limit_ends_at(limit: &RateLimit, now: Timestamp) -> Timestamp {
    moment(&limit.until).map(later_there).unwrap_or_default().clamp(now.plus_ms(LIMIT_MS_MIN), now.plus_ms(WINDOW_MS_MAX))
}

/// By our clock: when a platform's clock surely shows this moment, if the two differ by a second at most.
const fn later_there(moment: Timestamp) -> Timestamp {
    moment.plus_ms(CLOCKS_DIFFER_MS)
}

#[derive(Debug, Default)]
struct State {
    /// Whose windows these are.
    account: Option<Fingerprint>,
    windows: BTreeMap<String, Window>,
    /// Whether the file says something.
    written: bool,
}

/// What is written down, and read.
#[derive(Serialize, Deserialize)]
struct File<W> {
    account: Fingerprint,
    windows: Vec<W>,
}

/// The windows of one channel, over all generations of its connector.
#[derive(Debug, Default)]
pub struct Windows {
    state: Mutex<State>,
    /// Where those with little left are written down; None: nowhere.
    file: Option<PathBuf>,
}

impl Windows {
    /// Those of a channel, with what was written down before the last stop.
    #[must_use]
    pub fn open(folder: &Path, channel: &ChannelName) -> Self {
        let file = folder.join(format!("headroom-{channel}.json"));
        let kept: Option<File<Window>> = serde_json::from_slice(&short_file(&file)).ok();
        let account = kept.as_ref().map(|kept| kept.account);
        let windows = kept.into_iter().flat_map(|kept| kept.windows).map(|window| (window.name.clone(), window)).collect();
        Self { state: Mutex::new(State { account, windows, written: true }), file: Some(file) }
    }

    /// From now on the channel serves this account. What was said of another one says nothing of it.
    pub fn serve(&self, account: Fingerprint) {
        let mut state = self.state();
        if state.account != Some(account) {
            state.account = Some(account);
            state.windows.clear();
            self.write_down(&mut state);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under it is a whole value.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_down(&self, state: &mut State) {
        let (Some(file), Some(account)) = (&self.file, state.account) else { return };
        let little: Vec<&Window> = state.windows.values().filter(|window| window.remaining <= LITTLE_LEFT).collect();
        if little.is_empty() && !state.written {
            return;
        }
        state.written = !little.is_empty();
        if let Err(error) = put_in_place(file, &File { account, windows: little }) {
            tracing::warn!(%error, file = %file.display(), "what is left under a platform's limits could not be written down");
        }
    }

    /// Takes a request out of a window. Err: nothing is left until then.
    pub(super) fn take(&self, account: Fingerprint, purpose: Purpose, now: Timestamp, name: &str) -> Result<(), Timestamp> {
        let mut state = self.state();
        if state.account != Some(account) {
            return Ok(());
        }
        // Of what the platform has said nothing, nothing can be counted.
        let Some(window) = state.windows.get_mut(name) else { return Ok(()) };
        window.used_by.insert(purpose);
        if window.resets_at <= now {
            let Some(allowed) = window.allowed else { return Ok(()) };
            window.follows = window.follows.or(Some(window.resets_at));
            (window.remaining, window.resets_at) = (allowed, now.plus_ms(UNSAID_MS));
        }
        match window.remaining.checked_sub(1) {
            Some(remaining) => window.remaining = remaining,
            None => return Err(window.resets_at),
        }
        self.write_down(&mut state);
        Ok(())
    }

    /// An answer said what is left of a window.
    pub(super) fn report(&self, account: Fingerprint, purpose: Purpose, now: Timestamp, reported: HeadroomWindow) {
        let resets_at = Timestamp(reported.resets_at.as_millisecond()).min(now.plus_ms(WINDOW_MS_MAX));
        let mut state = self.state();
        if state.account != Some(account) {
            return;
        }
        if !state.windows.contains_key(&reported.name) && state.windows.len() >= HEADROOM_WINDOWS_MAX {
            state.windows.retain(|_, window| window.resets_at > now);
            if state.windows.len() >= HEADROOM_WINDOWS_MAX {
                return;
            }
        }
        let HeadroomWindow { name, allowed, remaining, .. } = reported;
        let fresh = Window { name: name.clone(), allowed, remaining, resets_at, used_by: BTreeSet::new(), follows: None };
        let window = state.windows.entry(name).or_insert(fresh);
        window.used_by.insert(purpose);
        // Answers overtake each other: what is said of an earlier window comes too late, and of one window the least counts.
        match window.follows {
            Some(end) if resets_at > end => {
                (window.remaining, window.resets_at, window.follows) = (window.remaining.min(remaining), resets_at, None);
            }
            None if resets_at == window.resets_at => window.remaining = window.remaining.min(remaining),
            None if resets_at > window.resets_at => (window.remaining, window.resets_at) = (remaining, resets_at),
            _ => {}
        }
        window.allowed = allowed.or(window.allowed);
        self.write_down(&mut state);
    }

    /// How many calls may be under way at once by what the platform says is left, and until when that holds. None: it says nothing.
    #[must_use]
    pub fn room(&self, purpose: Purpose, now: Timestamp) -> Option<(usize, Timestamp)> {
        let state = self.state();
        let windows = state.windows.values().filter(|window| window.held_until(purpose) > now && window.used_by.contains(&purpose));
        windows
            .map(|window| (window.remaining as usize, window.held_until(purpose)))
            // Of two that leave nothing the one counts that ends last.
            .min_by_key(|(remaining, until)| (*remaining, std::cmp::Reverse(*until)))
    }

    /// Until when no call may be made, because nothing is left.
    #[must_use]
    pub fn held(&self, purpose: Purpose, now: Timestamp) -> Option<Timestamp> {
        self.room(purpose, now).filter(|(remaining, _)| *remaining == 0).map(|(_, until)| until)
    }

    /// Those that have not ended.
    #[must_use]
    pub fn shown(&self, now: Timestamp) -> Vec<Window> {
        self.state().windows.values().filter(|window| later_there(window.resets_at) > now).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);
    const ACCOUNT: Fingerprint = Fingerprint([1; 16]);
    const ANOTHER: Fingerprint = Fingerprint([2; 16]);

    fn served() -> Windows {
        let windows = Windows::default();
        windows.serve(ACCOUNT);
        windows
    }

    /// When a window is over that ends so long after [`NOW`].
    fn over(after_ms: u64) -> Timestamp {
        later_there(NOW.plus_ms(after_ms))
    }

    fn say(windows: &Windows, purpose: Purpose, now: Timestamp, name: &str, remaining: u32, ends_after_ms: i64) {
        let resets_at = jiff::Timestamp::from_millisecond(NOW.0 + ends_after_ms).unwrap();
        windows.report(ACCOUNT, purpose, now, HeadroomWindow { name: name.into(), allowed: Some(15), remaining, resets_at });
    }

    #[test]
    fn what_is_used_up_holds_those_who_need_it_until_the_window_ends_and_nobody_else() {
        let windows = served();
        say(&windows, Purpose::Poll, NOW, "mentions", 0, 60_000);
        say(&windows, Purpose::Poll, NOW, "app", 0, 90_000);
        say(&windows, Purpose::Poll, NOW, "day", 7, 3_600_000);
        assert_eq!(windows.held(Purpose::Poll, NOW), Some(over(90_000)));
        assert_eq!(windows.held(Purpose::Publish, NOW), None);
        // Who is found to need it, too, is held with them.
        assert_eq!(windows.take(ACCOUNT, Purpose::Publish, NOW, "app"), Err(NOW.plus_ms(90_000)));
        assert_eq!(windows.held(Purpose::Publish, NOW), Some(over(90_000)));
        let later = over(90_000);
        assert_eq!((windows.held(Purpose::Poll, later), windows.room(Purpose::Poll, later)), (None, Some((7, over(3_600_000)))));
    }

    #[test]
    fn no_more_calls_may_be_under_way_than_the_least_window_leaves() {
        let windows = served();
        assert_eq!(windows.room(Purpose::Publish, NOW), None);
        say(&windows, Purpose::Publish, NOW, "posts", 3, 60_000);
        say(&windows, Purpose::Publish, NOW, "day", 40, 3_600_000);
        assert_eq!(windows.room(Purpose::Publish, NOW).unwrap().0, 3);
        // Of one window the least counts, whichever answer came last; another window is another.
        say(&windows, Purpose::Publish, NOW, "posts", 4, 60_000);
        assert_eq!(windows.room(Purpose::Publish, NOW).unwrap().0, 3);
        say(&windows, Purpose::Publish, NOW, "posts", 15, 120_000);
        assert_eq!(windows.room(Purpose::Publish, NOW).unwrap().0, 15);
        // An answer of the window before comes late.
        say(&windows, Purpose::Publish, NOW, "posts", 2, 60_000);
        assert_eq!(windows.room(Purpose::Publish, NOW).unwrap().0, 15);
    }

    #[test]
    fn a_request_counts_before_it_is_made_whatever_becomes_of_its_answer() {
        let windows = served();
        // Nothing is known: there is room.
        assert_eq!(windows.take(ACCOUNT, Purpose::Find, NOW, "timeline"), Ok(()));
        say(&windows, Purpose::Find, NOW, "timeline", 3, 60_000);
        // Two are under way, of different calls; one of them is told what the platform counted before the other came.
        assert_eq!(windows.take(ACCOUNT, Purpose::Find, NOW, "timeline"), Ok(()));
        assert_eq!(windows.take(ACCOUNT, Purpose::Webhook, NOW, "timeline"), Ok(()));
        say(&windows, Purpose::Find, NOW, "timeline", 2, 60_000);
        assert_eq!(windows.take(ACCOUNT, Purpose::Find, NOW, "timeline"), Ok(()));
        assert_eq!(windows.take(ACCOUNT, Purpose::Find, NOW, "timeline"), Err(NOW.plus_ms(60_000)));
    }

    #[test]
    fn the_next_window_has_what_is_allowed_until_an_answer_tells() {
        let windows = served();
        say(&windows, Purpose::Find, NOW, "timeline", 0, 60_000);
        let next = NOW.plus_ms(60_000);
        for _ in 0..15 {
            assert_eq!(windows.take(ACCOUNT, Purpose::Find, next, "timeline"), Ok(()));
        }
        assert_eq!(windows.take(ACCOUNT, Purpose::Find, next, "timeline"), Err(next.plus_ms(UNSAID_MS)));
        // A call that began before the end of the one before is told of that one, too late.
        say(&windows, Purpose::Find, NOW, "timeline", 0, 60_000);
        assert_eq!(windows.take(ACCOUNT, Purpose::Find, next, "timeline"), Err(next.plus_ms(UNSAID_MS)));
        // The first answer says when it ends; those under way stay counted.
        say(&windows, Purpose::Find, next, "timeline", 14, 960_000);
        assert_eq!(windows.held(Purpose::Find, next), Some(over(960_000)));
        // Of a window without a number nothing can be counted.
        let resets_at = jiff::Timestamp::from_millisecond(NOW.plus_ms(60_000).0).unwrap();
        windows.report(ACCOUNT, Purpose::Poll, NOW, HeadroomWindow { name: "mentions".into(), allowed: None, remaining: 0, resets_at });
        assert_eq!(windows.take(ACCOUNT, Purpose::Poll, NOW, "mentions"), Err(next));
        assert_eq!(windows.take(ACCOUNT, Purpose::Poll, next, "mentions"), Ok(()));
    }

    #[test]
    fn a_host_that_starts_anew_knows_where_little_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let channel = ChannelName::new("x").unwrap();
        let windows = Windows::open(folder.path(), &channel);
        windows.serve(ACCOUNT);
        say(&windows, Purpose::Publish, NOW, "posts", 1, 60_000);
        say(&windows, Purpose::Publish, NOW, "day", 900, 3_600_000);
        // A request that the stop interrupts.
        assert_eq!(windows.take(ACCOUNT, Purpose::Publish, NOW, "posts"), Ok(()));
        let again = Windows::open(folder.path(), &channel);
        again.serve(ACCOUNT);
        assert_eq!(again.held(Purpose::Publish, NOW), Some(over(60_000)));
        assert_eq!((again.held(Purpose::Find, NOW), again.held(Purpose::Publish, over(60_000))), (None, None));
        // Where much is left again nothing stays behind; what is no such file says nothing.
        say(&again, Purpose::Publish, NOW.plus_ms(60_000), "posts", 100, 120_000);
        assert_eq!(Windows::open(folder.path(), &channel).room(Purpose::Publish, NOW), None);
        for text in ["", "{", "[7]"] {
            std::fs::write(folder.path().join("headroom-x.json"), text).unwrap();
            assert_eq!(Windows::open(folder.path(), &channel).room(Purpose::Publish, NOW), None);
        }
    }

    #[test]
    fn what_is_left_to_one_account_says_nothing_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let channel = ChannelName::new("x").unwrap();
        let window = |remaining| HeadroomWindow {
            name: "posts".into(),
            allowed: Some(15),
            remaining,
            resets_at: jiff::Timestamp::from_millisecond(NOW.0 + 60_000).unwrap(),
        };
        let windows = Windows::open(folder.path(), &channel);
        windows.serve(ACCOUNT);
        windows.report(ACCOUNT, Purpose::Publish, NOW, window(0));
        // The same account served by another generation is held; another one is not.
        windows.serve(ACCOUNT);
        assert!(windows.held(Purpose::Publish, NOW).is_some());
        windows.serve(ANOTHER);
        assert_eq!((windows.held(Purpose::Publish, NOW), windows.shown(NOW).len()), (None, 0));
        // A call of before is still under way.
        assert_eq!(windows.take(ACCOUNT, Purpose::Publish, NOW, "posts"), Ok(()));
        windows.report(ACCOUNT, Purpose::Publish, NOW, window(0));
        assert_eq!(windows.held(Purpose::Publish, NOW), None);
        windows.report(ANOTHER, Purpose::Publish, NOW, window(3));
        assert_eq!(windows.take(ACCOUNT, Purpose::Publish, NOW, "posts"), Ok(()));
        assert_eq!(windows.room(Purpose::Publish, NOW).unwrap().0, 3, "it took from what is the other's");

        // Nor after the host starts anew.
        let again = Windows::open(folder.path(), &channel);
        again.serve(ACCOUNT);
        assert_eq!(again.room(Purpose::Publish, NOW), None);
        assert_eq!(Windows::open(folder.path(), &channel).shown(NOW), []);
    }

    #[test]
    fn a_wrong_date_and_too_many_windows_do_no_harm() {
        let windows = served();
        say(&windows, Purpose::Poll, NOW, "mentions", 0, 365 * 24 * 3_600_000);
        assert_eq!(windows.held(Purpose::Poll, NOW), Some(over(WINDOW_MS_MAX)));
        for number in 0..100 {
            say(&windows, Purpose::Poll, NOW, &format!("window-{number}"), 5, 60_000);
        }
        assert_eq!(windows.shown(NOW).len(), HEADROOM_WINDOWS_MAX);
        // Ended ones make room.
        let later = over(60_000);
        say(&windows, Purpose::Find, later, "own", 5, 120_000);
        let names: Vec<String> = windows.shown(later).into_iter().map(|window| window.name).collect();
        assert_eq!(names, ["mentions", "own"]);
    }
}
