//! Commands: what may be asked of a tenant, one file each. A command is refused with a reason or accepted with events; an accepted command
//! without events changed nothing (it had been carried out before).

mod answer_look_ups;
mod assign_case;
mod configure_channel;
mod create_token;
mod decide_effect;
mod end_link;
mod enforce_policy;
mod erase_person;
mod finish_effect;
mod grant_connector;
mod ingest;
mod install_connector;
mod link_profile;
mod park_delivery;
mod prioritise_case;
mod queue_effect;
mod record_erased;
mod request_deletions;
mod retire_connector;
mod revoke_token;
mod set_case_state;
mod set_up_channel;
mod start_effect;
mod take_contacts;

pub use answer_look_ups::AnswerLookUps;
pub use assign_case::AssignCase;
pub use configure_channel::ConfigureChannel;
pub use create_token::CreateToken;
pub use decide_effect::{DecideEffect, EffectDecision};
pub use end_link::EndLink;
pub use enforce_policy::{ENFORCED_AT_ONCE_MAX, EnforcePolicy};
pub use erase_person::ErasePerson;
pub use finish_effect::{EffectOutcome, FAILURES_MAX, FinishEffect, Setback};
pub use grant_connector::GrantConnector;
pub use ingest::{Arrival, Author, INTERACTIONS_PER_INGEST_MAX, Ingest, ProfileNews, StateChange};
pub use install_connector::InstallConnector;
pub use link_profile::LinkProfile;
pub use park_delivery::ParkDelivery;
pub use prioritise_case::PrioritiseCase;
pub use queue_effect::QueueEffect;
pub use record_erased::RecordErased;
pub use request_deletions::{RequestDeletions, RequestedDeletion};
pub use retire_connector::RetireConnector;
pub use revoke_token::RevokeToken;
pub use set_case_state::SetCaseState;
pub use set_up_channel::SetUpChannel;
pub use start_effect::StartEffect;
pub use take_contacts::{ContactNews, TakeContacts};

use crate::event::Event;
use crate::ids::{CaseId, DeliveryId, EffectId, LinkId, TokenId};

/// What an accepted command came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It is done; nothing else to say.
    Done,
    /// Interactions were taken in.
    Ingested {
        /// New ones.
        new: u32,
        /// Ones that were there already.
        duplicates: u32,
    },
    /// An effect was queued, or had been under the same key.
    Effect(EffectId),
    /// A link holds.
    Link(LinkId),
    /// A delivery was parked.
    Delivery(DeliveryId),
    /// A token was made.
    Token(TokenId),
    /// A case was changed.
    Case(CaseId),
}

/// Makes a domain's `Command` of its commands, each a type in scope that decides itself, and `decide`, which carries any of them out in a draft of events
/// that can be made from those named.
#[macro_export]
macro_rules! commands {
    ($(#[$about:meta])* pub enum Command of $events:path; $($name:ident),* $(,)?) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[allow(clippy::large_enum_variant, reason = "one command at a time is alive per queue slot")]
        pub enum Command {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)*
        }

        $(impl From<$name> for Command {
            fn from(command: $name) -> Self {
                Self::$name(command)
            }
        })*

        /// Carries a command out in the draft, or refuses it; a refused one may leave the draft half changed, so restore it.
        ///
        /// # Errors
        /// The reason of the refusal.
        pub fn decide<E: $events>(
            draft: &mut $crate::draft::Draft<'_, E>,
            command: &Command,
        ) -> Result<$crate::commands::Accepted, $crate::refusal::Refusal> {
            match command { $(Command::$name(command) => command.decide(draft),)* }
        }
    };
}

commands! {
    /// Any command of the core.
    pub enum Command of From<Event>;

    AnswerLookUps, AssignCase, ConfigureChannel, CreateToken, DecideEffect, EndLink, EnforcePolicy, ErasePerson, FinishEffect, GrantConnector, Ingest,
    InstallConnector, LinkProfile, ParkDelivery, PrioritiseCase, QueueEffect, RecordErased, RequestDeletions, RetireConnector, RevokeToken, SetCaseState,
    SetUpChannel, StartEffect, TakeContacts,
}
