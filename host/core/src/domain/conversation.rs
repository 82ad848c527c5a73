//! Conversations: threads on a channel. The key by which the connector finds the thread again is sealed; the slot tells threads apart.

use serde::{Deserialize, Serialize};

use crate::ids::{CaseId, ChannelName, ConversationId, InteractionId};
use crate::tables::Table;
use crate::time::Timestamp;

/// Conversations by their slot.
pub const CONVERSATIONS: Table<ConversationId, Conversation> = Table::new(40, "conversations");

/// A conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Where it takes place.
    pub channel: ChannelName,
    /// The case of it that is open or was open last. One case at most is open per conversation.
    pub case: Option<CaseId>,
    /// Its first interaction.
    pub first: InteractionId,
    /// The latest interaction by somebody other than us.
    pub latest_inbound: Option<InteractionId>,
    /// Whether somebody addressed the company here (a mention, a private message, a post on the company's own page).
    pub summoned: bool,
    /// When something was last said in it.
    pub changed_at: Timestamp,
}
