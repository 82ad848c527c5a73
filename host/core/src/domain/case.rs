//! Cases: the unit of work, in exactly one state, with at most one owner.

use serde::{Deserialize, Serialize};

use crate::domain::conversation::CONVERSATIONS;
use crate::ids::{CaseId, ChannelName, ConversationId, ProfileId};
use crate::tables::{Table, Tables};
use crate::time::Timestamp;

/// Cases by number.
pub const CASES: Table<CaseId, Case> = Table::new(50, "cases");
/// Cases by state, for lists.
pub const CASES_BY_STATE: Table<(u8, CaseId), ()> = Table::new(51, "cases-by-state");
/// Cases by the profile that opened them, for a person's history.
pub const CASES_BY_PROFILE: Table<(ProfileId, CaseId), ()> = Table::new(52, "cases-by-profile");
/// The case a profile opened last.
pub const LATEST_CASES: Table<ProfileId, CaseId> = Table::new(53, "latest-cases");

/// Where a case stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaseState {
    /// Nobody has it.
    Open,
    /// Its owner works on it.
    Assigned,
    /// The customer, or somebody else, is to move.
    Waiting,
    /// Done.
    Resolved,
}

impl CaseState {
    /// The number that stands for it in keys.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Open => 1,
            Self::Assigned => 2,
            Self::Waiting => 3,
            Self::Resolved => 4,
        }
    }

    /// The state's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Assigned => "assigned",
            Self::Waiting => "waiting",
            Self::Resolved => "resolved",
        }
    }
}

/// A case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Case {
    /// Where it came up.
    pub channel: ChannelName,
    /// Its thread.
    pub conversation: ConversationId,
    /// Who opened it, where the platform says so.
    pub profile: Option<ProfileId>,
    /// Where it stands.
    pub state: CaseState,
    /// Who answers for it: an agent's or a team's name.
    pub owner: Option<String>,
    /// 0 = ordinary to 100 = most urgent. The channel is no input to it.
    pub priority: u8,
    /// When it was opened first.
    pub opened_at: Timestamp,
    /// When the company answered first.
    pub first_answer_at: Option<Timestamp>,
    /// When it was resolved last.
    pub resolved_at: Option<Timestamp>,
    /// How often it was opened again.
    pub reopened: u32,
    /// When it changed last.
    pub changed_at: Timestamp,
}

/// A case was opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseOpened {
    /// Its number.
    pub case: CaseId,
    /// Where it came up.
    pub channel: ChannelName,
    /// Its thread.
    pub conversation: ConversationId,
    /// Who opened it.
    pub profile: Option<ProfileId>,
}

/// A case was given to somebody, or taken from them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseAssigned {
    /// The case.
    pub case: CaseId,
    /// The new owner; None: nobody.
    pub owner: Option<String>,
}

/// A case changed its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseStateChanged {
    /// The case.
    pub case: CaseId,
    /// The state it left.
    pub from: CaseState,
    /// The state it is in now.
    pub to: CaseState,
}

/// A case's urgency changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CasePrioritised {
    /// The case.
    pub case: CaseId,
    /// 0 to 100.
    pub priority: u8,
}

/// The company answered in a case for the first time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseAnswered {
    /// The case.
    pub case: CaseId,
    /// When the answer was given.
    pub answered_at: Timestamp,
}

pub(crate) fn opened(tables: &mut Tables, at: Timestamp, event: &CaseOpened) {
    let case = Case {
        channel: event.channel.clone(),
        conversation: event.conversation,
        profile: event.profile,
        state: CaseState::Open,
        owner: None,
        priority: 0,
        opened_at: at,
        first_answer_at: None,
        resolved_at: None,
        reopened: 0,
        changed_at: at,
    };
    tables.put(&CASES, &event.case, &case);
    tables.put(&CASES_BY_STATE, &(CaseState::Open.code(), event.case), &());
    if let Some(profile) = event.profile {
        tables.put(&CASES_BY_PROFILE, &(profile, event.case), &());
        tables.put(&LATEST_CASES, &profile, &event.case);
    }
    tables.update(&CONVERSATIONS, &event.conversation, |conversation| conversation.case = Some(event.case));
}

pub(crate) fn assigned(tables: &mut Tables, at: Timestamp, event: &CaseAssigned) {
    tables.update(&CASES, &event.case, |case| {
        case.owner.clone_from(&event.owner);
        case.changed_at = at;
    });
}

pub(crate) fn state_changed(tables: &mut Tables, at: Timestamp, event: &CaseStateChanged) {
    tables.delete(&CASES_BY_STATE, &(event.from.code(), event.case));
    tables.put(&CASES_BY_STATE, &(event.to.code(), event.case), &());
    tables.update(&CASES, &event.case, |case| {
        if event.from == CaseState::Resolved {
            case.reopened += 1;
        }
        if event.to == CaseState::Resolved {
            case.resolved_at = Some(at);
        }
        case.state = event.to;
        case.changed_at = at;
    });
}

pub(crate) fn prioritised(tables: &mut Tables, at: Timestamp, event: &CasePrioritised) {
    tables.update(&CASES, &event.case, |case| {
        case.priority = event.priority;
        case.changed_at = at;
    });
}

pub(crate) fn answered(tables: &mut Tables, event: &CaseAnswered) {
    tables.update(&CASES, &event.case, |case| case.first_answer_at = Some(event.answered_at));
}
