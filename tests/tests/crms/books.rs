//! What the soak needs of a CRM: its operators, and its books.

use std::collections::BTreeMap;
use std::time::Duration;

use sportello_tests::host::HostPlan;
use sportello_tests::stand_ins::{Fault, Faults};

/// Somebody to be entered.
pub(crate) struct Entry {
    /// Told apart by this number.
    pub(crate) number: usize,
    pub(crate) name: String,
    /// Their id on Facebook, if it is known.
    pub(crate) facebook: Option<String>,
}

/// What is written in a CRM from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writing {
    /// A contact is made.
    Contact,
    /// A contact is changed.
    Change,
    /// What a customer asked is noted.
    Note,
}

/// A CRM with its operators.
pub(crate) trait Books: Sized {
    /// How many minutes there are from one deed of the operators to the next.
    const MINUTES_PER_DEED: u64;
    /// What the host is given to work in while a minute passes, in milliseconds: it works by the machine's clock.
    const MS_PER_MINUTE: u64 = 25;
    /// Whether it takes notes of what customers asked.
    const TAKES_NOTES: bool;
    /// Whether contacts are made and changed in it from here.
    const TAKES_CONTACTS: bool = false;

    /// Whether a record takes one more e-mail address with each change; otherwise a change is known by the name it gives.
    const TAKES_ADDRESSES: bool = true;
    /// How many records a trial changes in turn: the second in which one was changed must be over before it is changed again.
    const CHANGED_IN_TURN: usize = 40;

    /// What can become of a request here and nowhere else, in the CRM's words.
    const TROUBLES: &'static [Fault] = &[];
    /// How much time passes at once in a trial: so little that nothing the host does at its own time comes before the CRM has answered.
    const STEP: Duration = Duration::from_secs(3);
    /// How many records are more than two pages of what has changed.
    const OF_THREE_PAGES: usize;
    /// Requests that a host makes before the first one for a page: a log-in.
    const BEFORE_A_PAGE: usize = 0;

    /// Whether its operators have something to tidy up once all of it is known.
    const TIDIES: bool = false;

    /// What a request contains that writes this, for faults. Asked where it is written.
    fn words(_what: Writing) -> &'static [&'static str] {
        &[]
    }

    /// None: it is not installed, which has been said.
    async fn open() -> Option<Self>;

    /// The plan with the channel `crm`.
    fn plan(&self, plan: HostPlan) -> HostPlan;

    /// What can be made to go wrong on the way to it; None: there is no way.
    fn faults(&self) -> Option<&Faults>;

    /// Gives the record's id.
    async fn enter(&self, entry: &Entry) -> String;

    async fn rename(&self, id: &str, name: &str);

    /// The record is kept, and not in use any more.
    async fn put_away(&self, id: &str);

    /// Ends all sessions.
    async fn expire_sessions(&self);

    /// A minute ends: what is still in hand is handed over.
    async fn minute_ends(&self, random: &mut fastrand::Rng);

    /// The operators tidy up: nothing is left that is not known.
    fn tidies(&self) {}

    /// The notes about somebody.
    async fn notes(&self, id: &str) -> Vec<String>;

    /// Names by records' ids, also of those put away. Asked where contacts are made and changed from here.
    async fn names(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }

    /// The records with this e-mail address or id on Facebook, also those put away, as often as they have it. Asked where contacts are made and
    /// changed from here.
    async fn holders(&self, _value: &str) -> Vec<String> {
        Vec::new()
    }
}
