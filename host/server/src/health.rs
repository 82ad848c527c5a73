//! How each channel is: what its last calls came to, when it was heard of last, what its platform says is left under its limits, and until when its
//! credentials work. In memory, but for what a host that starts anew must not find out by being refused: see the two modules.

mod ends;
mod windows;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use sportello_core::ids::{ChannelName, Fingerprint};
use sportello_core::time::Timestamp;
use sportello_runtime::{Headroom, HeadroomWindow};

pub use ends::{Bound, Ends};
pub use windows::{Window, Windows, limit_ends_at};

/// The longest file that is read: all windows and the account, or the ends of all credentials.
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
    /// To look whether what came in is still there.
    Recheck,
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
            Self::Recheck => "recheck",
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
    /// When one last did not, and why.
    pub failed: Option<(Timestamp, Trouble)>,
}

/// Why a call did not do what it was made for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// In our own words, without personal content.
    pub problem: &'static str,
    /// Of a credential that does not work: what is to be done, in the connector's words. For those who configure the channel only.
    pub reason: Option<String>,
}

impl From<&'static str> for Trouble {
    fn from(problem: &'static str) -> Self {
        Self { problem, reason: None }
    }
}

#[derive(Debug, Default)]
struct State {
    calls: BTreeMap<Purpose, Calls>,
    heard_at: Option<Timestamp>,
}

/// How a channel is.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Calls, by what they were for.
    pub calls: Vec<(Purpose, Calls)>,
    /// What the platform said is left under its limits.
    pub windows: Vec<Window>,
    /// When something came in last.
    pub heard_at: Option<Timestamp>,
}

/// How one channel is, over all generations of its connector.
#[derive(Debug, Default)]
pub struct Health {
    state: Mutex<State>,
    /// What is left under the platform's limits.
    pub windows: Windows,
    /// Until when its credentials work.
    pub ends: Ends,
}

impl Health {
    /// That of a channel, with what was written down before the last stop.
    #[must_use]
    pub fn open(folder: &Path, channel: &ChannelName) -> Self {
        Self { state: Mutex::default(), windows: Windows::open(folder, channel), ends: Ends::open(folder, channel) }
    }

    /// From now on the channel serves this account, with this bound to its credentials. What was said of another one says nothing of it.
    pub fn serve(&self, account: Fingerprint, bound: &Bound) {
        self.windows.serve(account);
        self.ends.bind(account, bound);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under it is a whole value.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A call ended; `trouble`: it did not do what it was made for.
    pub fn called(&self, purpose: Purpose, now: Timestamp, trouble: Option<Trouble>) {
        let mut state = self.state();
        let calls = state.calls.entry(purpose).or_default();
        match trouble {
            Some(trouble) => calls.failed = Some((now, trouble)),
            None => calls.succeeded_at = Some(now),
        }
    }

    /// Something came in that was not there before.
    pub fn heard(&self, now: Timestamp) {
        self.state().heard_at = Some(now);
    }

    /// Counts for the calls of one purpose, made for this account.
    #[must_use]
    pub fn of(self: &Arc<Self>, account: Fingerprint, purpose: Purpose, now: Timestamp) -> Counting {
        Counting { health: Arc::clone(self), account, purpose, now }
    }

    /// All of it, without windows that have ended.
    #[must_use]
    pub fn shown(&self, now: Timestamp) -> Shown {
        let state = self.state();
        Shown {
            calls: state.calls.iter().map(|(purpose, calls)| (*purpose, calls.clone())).collect(),
            windows: self.windows.shown(now),
            heard_at: state.heard_at,
        }
    }
}

/// What the calls of one purpose take and are told.
#[derive(Clone, Debug)]
pub struct Counting {
    health: Arc<Health>,
    account: Fingerprint,
    purpose: Purpose,
    now: Timestamp,
}

impl Headroom for Counting {
    fn take(&self, window: &str) -> Result<(), jiff::Timestamp> {
        let taken = self.health.windows.take(self.account, self.purpose, self.now, window);
        taken.map_err(|until| jiff::Timestamp::from_millisecond(until.0).unwrap_or(jiff::Timestamp::MAX))
    }

    fn report(&self, window: HeadroomWindow) {
        self.health.windows.report(self.account, self.purpose, self.now, window);
    }

    fn ends(&self, credential: &str, at: Option<jiff::Timestamp>) {
        self.health.ends.tell(self.account, credential, at.map(|at| Timestamp(at.as_millisecond())));
    }
}

/// What a file says; nothing, if it cannot be read or is too long.
fn short_file(file: &Path) -> Vec<u8> {
    let is_short = std::fs::metadata(file).is_ok_and(|metadata| metadata.len() <= FILE_BYTES_MAX);
    if is_short { std::fs::read(file).unwrap_or_default() } else { Vec::new() }
}

/// Writes a file whole or not at all.
fn put_in_place(file: &Path, what: &impl Serialize) -> std::io::Result<()> {
    let beside = file.with_extension("json.new");
    std::fs::write(&beside, serde_json::to_vec(what)?)?;
    std::fs::rename(&beside, file)
}
