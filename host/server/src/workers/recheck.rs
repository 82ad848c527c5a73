//! Looks again at what came in: whether it is still there. Where the network's terms want deletions honoured, not all of them are told.
//!
//! All that is still kept of a channel is gone through in rounds, [`THINGS_AT_ONCE_MAX`] things at a time. How far the round has come is the
//! source's cursor, recorded together with what was found gone, so that a host that starts anew goes on there. A round begins when half of the
//! time has passed that the policy grants: then it may take the other half, and no look comes too late.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sportello_core::domain::channel::{CURSORS, Source};
use sportello_core::domain::interaction::{Change, INTERACTIONS, Interaction};
use sportello_core::ids::{InteractionId, SubjectId};
use sportello_core::tables::key_bytes;
use sportello_core::time::Timestamp;
use sportello_runtime::contract::{self, ConversationReference, Thing, Visibility};
use sportello_views::Direction;

use crate::channels::LiveChannel;
use crate::desk::{Desk, kind_of_failure};
use crate::health::Purpose;
use crate::ingress::take_in::{Brought, Part, take_in};
use crate::tenant::content::InteractionContent;
use crate::workers::millis;
use crate::workers::poll::Setback;

/// Things asked about in one call: the contract's limit.
const THINGS_AT_ONCE_MAX: usize = 100;
/// Interactions listed in one go.
const LIST_MAX: usize = 256;
/// What a deletion that was found has as its revision: the word of connectors that are told of one, so that it enters once.
const REVISION: &str = "deleted";

/// A round of looks.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Round {
    began_at: Timestamp,
    /// The last interaction looked at.
    after: Option<InteractionId>,
    ended: bool,
}

/// What is looked at, with its row.
struct Kept {
    content: InteractionContent,
    row: Interaction,
}

/// How far a look has come.
pub(super) enum Looked {
    /// There is more to look at now.
    Part,
    /// The round has ended; the next begins then.
    Until(Timestamp),
}

/// Looks at the next things; `every` is the time between the beginnings of two rounds.
pub(super) async fn look(desk: &Desk, live: &LiveChannel, every: Duration) -> Result<Looked, Setback> {
    let now = desk.tenant.now();
    let stored = desk.tenant.get(&CURSORS, &(live.name.clone(), Source::Recheck.code())).map_err(Setback::new)?;
    let stored: Option<Round> = stored.and_then(|cursor| serde_json::from_str(&cursor).ok());
    let round = match stored {
        Some(round) if !round.ended => round,
        Some(round) if round.next_begins_at(every) > now => return Ok(Looked::Until(round.next_begins_at(every))),
        _ => Round { began_at: now, after: None, ended: false },
    };
    let (things, after) = next_things(desk, live, round.after).await?;
    let next = Round { ended: after.is_none(), after: after.or(round.after), ..round };
    let gone = if things.is_empty() { Vec::new() } else { gone(desk, live, &things).await? };
    let cursor = serde_json::to_string(&next).map_err(Setback::new)?;
    let brought = Brought {
        parts: &[Part { interactions: &gone, input: &[] }],
        cursor: Some((Source::Recheck, Some(cursor))),
        state_writes: &[],
        replayed: None,
    };
    let accepted = take_in(&desk.tenant, live, &brought).await.map_err(Setback::new)?;
    desk.metrics.ingested(&live.name, accepted);
    Ok(if next.ended { Looked::Until(next.next_begins_at(every)) } else { Looked::Part })
}

impl Round {
    fn next_begins_at(&self, every: Duration) -> Timestamp {
        self.began_at.plus_ms(millis(every))
    }
}

/// What comes after an interaction and is still kept, and the last one listed; None: these are the last.
async fn next_things(desk: &Desk, live: &LiveChannel, after: Option<InteractionId>) -> Result<(Vec<Kept>, Option<InteractionId>), Setback> {
    let mut things = Vec::new();
    let mut subjects: BTreeSet<SubjectId> = BTreeSet::new();
    let mut after = after.map(|after| key_bytes(&after));
    loop {
        let page = desk.tenant.list(&INTERACTIONS, &[], after.as_deref(), Direction::Forward, LIST_MAX).map_err(Setback::new)?;
        if page.is_empty() {
            return Ok((things, None));
        }
        for (key, row) in page {
            after = Some(key.clone());
            let is_kept = row.channel == live.name && !row.own && !row.withdrawn && row.change != Change::Deleted;
            if is_kept && subjects.insert(row.subject) {
                let content = desk.tenant.open_sealed(row.slot, &row.sealed).map_err(Setback::new)?;
                things.extend(content.map(|content| Kept { content, row }));
            }
            if things.len() == THINGS_AT_ONCE_MAX {
                return Ok((things, key.last_chunk::<8>().map(|bytes| InteractionId(u64::from_be_bytes(*bytes)))));
            }
        }
        // The rows of other channels may be many.
        tokio::task::yield_now().await;
    }
}

/// Asks the connector; gives the deletions of what is gone.
async fn gone(desk: &Desk, live: &LiveChannel, things: &[Kept]) -> Result<Vec<contract::Interaction>, Setback> {
    let asked: Vec<Thing> =
        things.iter().map(|thing| Thing { native_id: thing.content.native_id.clone(), kind: thing.row.kind.clone() }).collect();
    let called = live.runtime.gone(desk.call(live, Purpose::Recheck), &asked).await;
    desk.note(live, Purpose::Recheck, &called);
    let done = called.map_err(|failure| Setback::new(kind_of_failure(&failure)))?;
    let gone: BTreeSet<String> = done.value.map_err(|error| Setback::from_connector(desk, &error))?.into_iter().collect();
    let seen_at = jiff::Timestamp::from_millisecond(desk.tenant.now().0).unwrap_or_default().to_string();
    Ok(things.iter().filter(|thing| gone.contains(&thing.content.native_id)).map(|thing| thing.deleted(&seen_at)).collect())
}

impl Kept {
    /// As a connector tells of a deletion.
    fn deleted(&self, seen_at: &str) -> contract::Interaction {
        contract::Interaction {
            native_id: self.content.native_id.clone(),
            revision: REVISION.to_owned(),
            change: contract::Change::Deleted,
            kind: self.row.kind.clone(),
            occurred_at: seen_at.to_owned(),
            author: None,
            own: false,
            conversation: ConversationReference { key: self.content.conversation_key.clone(), title: None, url: None },
            in_reply_to: None,
            text: None,
            language: None,
            visibility: if self.row.private { Visibility::Participants } else { Visibility::Everyone },
            attributes: Vec::new(),
            raw: None,
        }
    }
}
