//! Plans: a definition made flat, as it stands in the journal. Instructions with jumps forwards; expressions are kept as text and are
//! compiled where they are evaluated, outside the writer.

use serde::{Deserialize, Serialize};
use sportello_core::domain::case::CaseState;

use crate::limits::{CHANNELS_MAX, INSTRUCTIONS_MAX};

/// What starts a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Trigger {
    /// A case was opened.
    CaseOpened,
    /// A resolved case was opened again.
    CaseReopened,
    /// A case was resolved.
    CaseResolved,
    /// A case changed its state, whatever the states.
    CaseStateChanged,
    /// A case was given to somebody or taken from them.
    CaseAssigned,
    /// A case got its first answer.
    CaseAnswered,
    /// Somebody other than the company did something new in a conversation that has a case.
    InteractionReceived,
    /// A profile was linked to a contact; the run is about the case the profile opened last.
    LinkMade,
    /// No CRM knows the profile, or there is none; the run is about the case the profile opened last.
    ProfileLookedUp,
}

impl Trigger {
    /// All of them, in the order of their codes.
    pub const ALL: [Self; 9] = [
        Self::CaseOpened,
        Self::CaseReopened,
        Self::CaseResolved,
        Self::CaseStateChanged,
        Self::CaseAssigned,
        Self::CaseAnswered,
        Self::InteractionReceived,
        Self::LinkMade,
        Self::ProfileLookedUp,
    ];

    /// The number that stands for it in keys.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::CaseOpened => 1,
            Self::CaseReopened => 2,
            Self::CaseResolved => 3,
            Self::CaseStateChanged => 4,
            Self::CaseAssigned => 5,
            Self::CaseAnswered => 6,
            Self::InteractionReceived => 7,
            Self::LinkMade => 8,
            Self::ProfileLookedUp => 9,
        }
    }

    /// Its word in definitions.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::CaseOpened => "case.opened",
            Self::CaseReopened => "case.reopened",
            Self::CaseResolved => "case.resolved",
            Self::CaseStateChanged => "case.state-changed",
            Self::CaseAssigned => "case.assigned",
            Self::CaseAnswered => "case.answered",
            Self::InteractionReceived => "interaction.received",
            Self::LinkMade => "link.made",
            Self::ProfileLookedUp => "profile.looked-up",
        }
    }
}

/// What ends a wait before its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// The case has had its first answer.
    CaseAnswered,
    /// The case is resolved.
    CaseResolved,
    /// Somebody other than the company did something new in the case's conversation.
    InteractionReceived,
}

impl Until {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::CaseAnswered, Self::CaseResolved, Self::InteractionReceived];

    /// Its word in definitions.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::CaseAnswered => "case.answered",
            Self::CaseResolved => "case.resolved",
            Self::InteractionReceived => "interaction.received",
        }
    }
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Part {
    /// These words.
    Words(String),
    /// The value of a CEL expression.
    Value(String),
}

/// A text with values in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Template(pub Vec<Part>);

/// A text in one or several languages. The first one is used where none fits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// Language (`it`, `en`; empty: any) and text.
    pub languages: Vec<(String, Template)>,
}

/// How often a step's effect is asked for when it failed for certain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// All attempts, the first one included.
    pub attempts: u32,
    /// Milliseconds between a failure and the next attempt.
    pub every_ms: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self { attempts: 1, every_ms: 60_000 }
    }
}

/// What a step does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Goes on if a condition holds, or else at another instruction.
    If {
        /// CEL, a yes or a no.
        condition: String,
        /// Where to go on if it does not hold.
        otherwise: u16,
    },
    /// Goes on elsewhere.
    Jump {
        /// Where.
        to: u16,
    },
    /// Gives the case to somebody.
    Assign {
        /// A person's or a team's name.
        owner: String,
    },
    /// Moves the case.
    State {
        /// Where to.
        to: CaseState,
    },
    /// Says how urgent the case is.
    Priority {
        /// 0 to 100.
        priority: u8,
    },
    /// Answers in the case's conversation.
    Reply {
        /// What.
        text: Text,
        /// How often.
        retry: Retry,
    },
    /// Records something in a CRM, where a contact is linked.
    Activity {
        /// The crm channel; None: the contact's own.
        crm: Option<String>,
        /// One line.
        subject: Template,
        /// The rest.
        text: Text,
        /// How often.
        retry: Retry,
    },
    /// Waits.
    Wait {
        /// How long.
        ms: u64,
        /// What ends it before.
        unless: Option<Until>,
    },
    /// Ends the run.
    Stop,
}

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instruction {
    /// The step's name, as in the definition or made from its place there.
    pub step: String,
    /// Whether the run goes on if it is refused or fails.
    pub may_fail: bool,
    /// What it does.
    pub action: Action,
}

/// A checked definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// What starts a run.
    pub trigger: Trigger,
    /// Only for cases on these channels; empty: on all.
    pub channels: Vec<String>,
    /// The condition under which a run starts at all.
    pub when: Option<String>,
    /// What is done, from the first on. Behind the last one the run has ended.
    pub instructions: Vec<Instruction>,
}

impl Plan {
    /// Whether the plan keeps the limits and only jumps forwards.
    ///
    /// # Errors
    /// A sentence saying what it breaks.
    pub fn verify(&self) -> Result<(), String> {
        let length = self.instructions.len();
        if length > INSTRUCTIONS_MAX {
            return Err(format!("the plan has {length} instructions; at most {INSTRUCTIONS_MAX} are carried out"));
        }
        if self.channels.len() > CHANNELS_MAX {
            return Err(format!("{} channels are named; at most {CHANNELS_MAX} can be", self.channels.len()));
        }
        for (index, instruction) in self.instructions.iter().enumerate() {
            let target = match instruction.action {
                Action::If { otherwise, .. } => otherwise,
                Action::Jump { to } => to,
                _ => continue,
            };
            if usize::from(target) <= index || usize::from(target) > length {
                return Err(format!("instruction {index} jumps to {target}: jumps go forwards, to {length} at most"));
            }
        }
        Ok(())
    }
}
