//! Until when what is bound to a channel's credentials works, as its connector is told by the platform: `ends` of the contract. It is shown, and nothing
//! is decided by it. It lies in `ends-CHANNEL.json` in the tenant's folder, beside the fingerprints of what was bound, because of another secret
//! nothing is known. As with windows, a file that is lost is as if nothing had been said.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use sportello_core::ids::{ChannelName, Fingerprint};
use sportello_core::time::Timestamp;

use super::{put_in_place, short_file};

/// What is bound to each credential, told apart and never shown.
pub type Bound = BTreeMap<String, Fingerprint>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct End {
    bound: Fingerprint,
    at: Timestamp,
}

#[derive(Debug, Default)]
struct State {
    /// Whose calls are listened to.
    account: Option<Fingerprint>,
    bound: Bound,
    ends: BTreeMap<String, End>,
}

/// The ends of one channel's credentials, over all generations of its connector.
#[derive(Debug, Default)]
pub struct Ends {
    state: Mutex<State>,
    /// Where they are written down; None: nowhere.
    file: Option<PathBuf>,
}

impl Ends {
    /// Those of a channel, with what was written down before the last stop.
    #[must_use]
    pub fn open(folder: &Path, channel: &ChannelName) -> Self {
        let file = folder.join(format!("ends-{channel}.json"));
        let ends = serde_json::from_slice(&short_file(&file)).unwrap_or_default();
        Self { state: Mutex::new(State { ends, ..State::default() }), file: Some(file) }
    }

    /// From now on this is bound, for this account. What was said of anything else is forgotten.
    pub fn bind(&self, account: Fingerprint, bound: &Bound) {
        let mut state = self.state();
        state.account = Some(account);
        state.bound.clone_from(bound);
        let before = state.ends.len();
        state.ends.retain(|credential, end| bound.get(credential) == Some(&end.bound));
        if state.ends.len() != before {
            self.write_down(&state);
        }
    }

    /// A call made for this account was told until when what is bound to a credential works; None: it has no end.
    pub(super) fn tell(&self, account: Fingerprint, credential: &str, at: Option<Timestamp>) {
        let mut state = self.state();
        let Some(bound) = state.bound.get(credential).copied().filter(|_| state.account == Some(account)) else { return };
        let end = at.map(|at| End { bound, at });
        if state.ends.get(credential).copied() == end {
            return;
        }
        match end {
            Some(end) => state.ends.insert(credential.to_owned(), end),
            None => state.ends.remove(credential),
        };
        self.write_down(&state);
    }

    /// Until when what is bound to a credential works, as was said last. None: it has no end, or nobody said.
    #[must_use]
    pub fn of(&self, credential: &str) -> Option<Timestamp> {
        self.state().ends.get(credential).map(|end| end.at)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change under it is a whole value.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_down(&self, state: &State) {
        let Some(file) = &self.file else { return };
        if let Err(error) = put_in_place(file, &state.ends) {
            tracing::warn!(%error, file = %file.display(), "until when credentials work could not be written down");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const END: Timestamp = Timestamp(1_800_000_000_000);
    const ACCOUNT: Fingerprint = Fingerprint([1; 16]);
    const ANOTHER: Fingerprint = Fingerprint([2; 16]);

    fn bound(token: u8) -> Bound {
        BTreeMap::from([("token".to_owned(), Fingerprint([token; 16])), ("secret".to_owned(), Fingerprint([9; 16]))])
    }

    #[test]
    fn what_was_said_of_a_secret_is_known_after_a_restart_until_it_is_said_anew_or_another_is_bound() {
        let folder = tempfile::tempdir().unwrap();
        let open = || Ends::open(folder.path(), &ChannelName::new("page").unwrap());
        let ends = open();
        ends.bind(ACCOUNT, &bound(1));
        ends.tell(ACCOUNT, "token", Some(END));
        ends.tell(ACCOUNT, "secret", Some(END.plus_ms(1)));
        ends.tell(ACCOUNT, "not-bound", Some(END));
        // Other settings are another account, with the same secrets.
        let again = open();
        again.bind(ANOTHER, &bound(1));
        assert_eq!((again.of("token"), again.of("secret"), again.of("not-bound")), (Some(END), Some(END.plus_ms(1)), None));
        again.tell(ANOTHER, "secret", None);
        assert_eq!(again.of("secret"), None);

        again.bind(ANOTHER, &bound(2));
        assert_eq!(again.of("token"), None);
        let again = open();
        again.bind(ANOTHER, &bound(1));
        assert_eq!((again.of("token"), again.of("secret")), (None, None));
    }

    #[test]
    fn a_call_of_before_says_nothing_of_what_is_bound_now() {
        let ends = Ends::default();
        ends.bind(ACCOUNT, &bound(1));
        ends.bind(ANOTHER, &bound(2));
        ends.tell(ACCOUNT, "token", Some(END));
        assert_eq!(ends.of("token"), None);
        ends.tell(ANOTHER, "token", Some(END));
        assert_eq!(ends.of("token"), Some(END));
        ends.tell(ACCOUNT, "token", None);
        assert_eq!(ends.of("token"), Some(END));
    }

    #[test]
    fn what_is_no_such_file_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "{", "[7]", r#"{"token":7}"#] {
            std::fs::write(folder.path().join("ends-page.json"), text).unwrap();
            let ends = Ends::open(folder.path(), &ChannelName::new("page").unwrap());
            ends.bind(ACCOUNT, &bound(1));
            assert_eq!(ends.of("token"), None);
        }
    }
}
