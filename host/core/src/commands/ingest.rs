//! Taking in what a connector brought: everything one call gave, or nothing of it.

use crate::commands::Accepted;
use crate::commands::finish_effect::took_place;
use crate::domain::case::{CASES, CaseAnswered, CaseOpened, CaseState, CaseStateChanged};
use crate::domain::channel::{
    CHANNELS, CONNECTOR_STATE, CRMS, CURSORS, Channel, CursorMoved, LinkPermission, STATE_KEYS_MAX, Source, StateWrite, StateWritten,
};
use crate::domain::conversation::CONVERSATIONS;
use crate::domain::delivery::{DELIVERIES, DeliveryReplayed, DeliveryState};
use crate::domain::effect::{EFFECTS, EFFECTS_BY_KEY, Effect, EffectDone, EffectState, RECEIPTS};
use crate::domain::interaction::{Change, IDENTITIES, INTERACTIONS, InteractionReceived, InteractionWithdrawn, SUBJECTS, VERSIONS_MAX};
use crate::domain::person::{Origin, PersonAppeared};
use crate::domain::profile::{Identified, LookUp, PROFILES, Profile, ProfileSeen, link_permission};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::{ChannelName, ConversationId, DeliveryId, Fingerprint, InteractionId, PersonId, ProfileId, SlotId, SubjectId};
use crate::matching;
use crate::numbers::Counter;
use crate::refusal::Refusal;
use crate::time::Timestamp;

/// Interactions in one command.
pub const INTERACTIONS_PER_INGEST_MAX: usize = 5_000;

/// How long after somebody was seen last their retention is put off again: a day.
const PUT_OFF_EVERY_MS: u64 = 24 * 60 * 60 * 1_000;

/// Kinds that tell something but ask nothing: they open no case.
const KINDS_WITHOUT_CASE: [&str; 5] = ["reaction", "repost", "follow", "check-in", "page-edit"];

/// Takes in the output of one webhook or poll call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ingest {
    /// Where it came from.
    pub channel: ChannelName,
    /// What was done there, in the order the connector gave it.
    pub arrivals: Vec<Arrival>,
    /// How many more there were that the edge saw were in already.
    pub known: u32,
    /// Where the source goes on, if it was a poll.
    pub cursor: Option<(Source, Option<String>)>,
    /// What the connector wants to remember.
    pub state_writes: Vec<StateChange>,
    /// The parked delivery this is a replay of.
    pub replayed: Option<DeliveryId>,
}

/// What a connector wants to remember under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// The key, and the value if it is to have one.
    pub write: StateWrite,
    /// The state's version that the connector went by. Whatever changed the key since is not overwritten unseen.
    pub based_on: u64,
}

/// One interaction, its words sealed and its identities resolved by the edge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Hash of (subject, revision).
    pub identity: Fingerprint,
    /// (channel, native id).
    pub subject: SubjectId,
    /// Whether that native id names the author.
    pub names_author: bool,
    /// What happened to the thing.
    pub change: Change,
    /// `comment`, `direct-message`, …
    pub kind: String,
    /// Who did it.
    pub author: Option<Author>,
    /// In which thread.
    pub conversation: ConversationId,
    /// Whether the company's own account did it.
    pub own: bool,
    /// The key of the effect that brought it about, where the connector found it in the thing itself. Believed of what is own only.
    pub effect_key: Option<String>,
    /// Whether only those who take part can see it.
    pub private: bool,
    /// Whether it addresses the company.
    pub summons: bool,
    /// The thing it answers.
    pub in_reply_to: Option<SubjectId>,
    /// When, by the platform.
    pub occurred_at: Timestamp,
    /// Where its words' key is.
    pub slot: SlotId,
    /// Its words, sealed.
    pub sealed: Vec<u8>,
}

/// Who did it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The profile.
    pub profile: ProfileId,
    /// What is new about it; None: nothing, and the profile is known.
    pub news: Option<ProfileNews>,
}

/// What a profile says of itself now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileNews {
    /// Names, handle and address, sealed under the profile's slot.
    pub sealed: Vec<u8>,
    /// What it can be recognised by.
    pub identifiers: Vec<Identified>,
    /// What was known when this was made of it, sealed: with anything else known by now the command is refused. None: nothing was.
    pub replaces: Option<Vec<u8>>,
}

impl Ingest {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let channel = draft.tables().get(&CHANNELS, &self.channel).ok_or_else(|| Refusal::not_found("channel", &self.channel))?;
        if self.arrivals.len() > INTERACTIONS_PER_INGEST_MAX {
            return Err(Refusal::Invalid(format!(
                "{} interactions in one call; at most {INTERACTIONS_PER_INGEST_MAX} are taken in",
                self.arrivals.len()
            )));
        }
        let mut new = 0;
        let mut duplicates = self.known;
        for arrival in &self.arrivals {
            if draft.tables().contains(&IDENTITIES, &(arrival.subject, arrival.identity)) && !crate::sabotage::sabotaged("skip-dedupe") {
                duplicates += 1;
            } else {
                self.take_in(draft, &channel, arrival)?;
                new += 1;
            }
        }
        self.move_cursor(draft);
        self.write_state(draft, &channel)?;
        self.close_delivery(draft);
        Ok(Accepted::Ingested { new, duplicates })
    }

    fn take_in<E: From<Event>>(&self, draft: &mut Draft<'_, E>, channel: &Channel, arrival: &Arrival) -> Result<(), Refusal> {
        if let Some(author) = &arrival.author {
            self.see_author(draft, channel, author, arrival.own)?;
        }
        let subject = draft.tables().get(&SUBJECTS, &arrival.subject).unwrap_or_default();
        let deleted_before = subject.deleted;
        let conversation = thread_of(draft, &subject.versions, arrival);
        if subject.versions.len() >= VERSIONS_MAX
            && let Some(replaced) = subject.versions.last()
        {
            // It drops out of what a deletion of the thing would reach, so its words go now.
            withdraw(draft, *replaced);
        }
        let interaction = InteractionId(draft.next(Counter::Interaction));
        let kept_ms = channel.policy().and_then(|policy| policy.content_ms);
        let received_at = self.received_at(draft);
        draft.emit(InteractionReceived {
            interaction,
            identity: arrival.identity,
            channel: self.channel.clone(),
            subject: arrival.subject,
            names_author: arrival.names_author,
            change: arrival.change,
            kind: arrival.kind.clone(),
            profile: arrival.author.as_ref().map(|author| author.profile),
            conversation,
            own: arrival.own,
            private: arrival.private,
            summons: arrival.summons,
            in_reply_to: arrival.in_reply_to,
            occurred_at: arrival.occurred_at,
            slot: arrival.slot,
            sealed: arrival.sealed.clone(),
            received_at,
            erase_at: kept_ms.map(|kept_ms| received_at.plus_ms(kept_ms)),
        });
        if arrival.change == Change::Deleted || deleted_before {
            withdraw_versions(draft, arrival.subject);
        }
        if arrival.own {
            note_answer(draft, arrival, conversation);
            self.note_echo(draft, arrival, interaction);
        } else if arrival.change != Change::Deleted && !deleted_before && !KINDS_WITHOUT_CASE.contains(&arrival.kind.as_str()) {
            self.open_case(draft, arrival, conversation);
        }
        Ok(())
    }

    /// An echo of an effect is evidence that it took place, whatever was known of it before: nobody needs to look any more.
    fn note_echo<E: From<Event>>(&self, draft: &mut Draft<'_, E>, arrival: &Arrival, interaction: InteractionId) {
        let by_key = arrival.effect_key.as_ref().and_then(|key| draft.tables().get(&EFFECTS_BY_KEY, key));
        let Some(id) = by_key.or_else(|| draft.tables().get(&RECEIPTS, &arrival.subject)) else { return };
        let Some(effect) = draft.tables().get(&EFFECTS, &id).filter(|effect| effect.channel == self.channel) else { return };
        if effect.state != EffectState::Done && !crate::sabotage::sabotaged("overlook-echo") {
            let done = EffectDone { effect: id, receipt: arrival.subject, sealed: Vec::new(), echo: Some(interaction) };
            took_place(draft, &effect, done);
        }
        if is_to_the_erased(draft, &effect) {
            withdraw(draft, interaction);
        }
    }

    fn see_author<E: From<Event>>(&self, draft: &mut Draft<'_, E>, channel: &Channel, author: &Author, own: bool) -> Result<(), Refusal> {
        let known = draft.tables().get(&PROFILES, &author.profile);
        if known.as_ref().is_some_and(|profile| profile.erased) {
            return Err(Refusal::ProfileErased(author.profile.0));
        }
        let kept_ms = profile_kept_ms(channel, known.as_ref());
        let received_at = self.received_at(draft);
        let seen_at = known.as_ref().map_or(received_at, |known| received_at.max(known.last_seen_at));
        let (sealed, identifiers) = match (&author.news, &known) {
            (Some(news), known) if news.replaces.as_ref() != known.as_ref().map(|known| &known.sealed) => {
                return Err(Refusal::ProfileChanged(author.profile.0));
            }
            (Some(news), _) => (news.sealed.clone(), news.identifiers.clone()),
            (None, Some(known)) if known.own == own && !is_deadline_moved(known, seen_at, kept_ms) => return Ok(()),
            (None, Some(known)) => (known.sealed.clone(), known.identifiers.clone()),
            (None, None) => return Err(Refusal::Invalid(format!("profile {} is not known and nothing is said of it", author.profile))),
        };
        let person = known.as_ref().map_or_else(|| PersonId(draft.next(Counter::Person)), |profile| profile.person);
        if known.is_none() {
            draft.emit(PersonAppeared { person, origin: Origin::Profile(author.profile) });
        }
        let permission = link_permission(draft.tables(), known.as_ref().map_or(&self.channel, |known| &known.channel));
        let is_among_contacts = permission != LinkPermission::Forbidden && !matching::contacts_of(draft, &identifiers).is_empty();
        let may_be_asked = permission == LinkPermission::Evidence;
        let look_up = look_up_after(draft, known.as_ref(), own, &identifiers, may_be_asked, is_among_contacts);
        draft.emit(ProfileSeen {
            profile: author.profile,
            channel: self.channel.clone(),
            network: channel.grant.as_ref().map_or_else(String::new, |grant| grant.network.clone()),
            sealed,
            identifiers,
            own,
            person,
            look_up,
            seen_at,
            erase_at: kept_ms.map(|kept_ms| seen_at.plus_ms(kept_ms)),
        });
        if is_among_contacts {
            matching::link_by_evidence(draft, author.profile);
        }
        Ok(())
    }

    /// When what comes in became durable here first.
    fn received_at<E: From<Event>>(&self, draft: &Draft<'_, E>) -> Timestamp {
        let delivery = self.replayed.and_then(|delivery| draft.tables().get(&DELIVERIES, &delivery));
        delivery.map_or(draft.now(), |delivery| delivery.parked_at)
    }

    fn open_case<E: From<Event>>(&self, draft: &mut Draft<'_, E>, arrival: &Arrival, conversation: ConversationId) {
        let present = draft.tables().get(&CONVERSATIONS, &conversation).and_then(|conversation| conversation.case);
        let Some(case) = present else {
            let case = crate::ids::CaseId(draft.next(Counter::Case));
            draft.emit(CaseOpened {
                case,
                channel: self.channel.clone(),
                conversation,
                profile: arrival.author.as_ref().map(|author| author.profile),
            });
            return;
        };
        let Some(row) = draft.tables().get(&CASES, &case) else { return };
        if arrival.change == Change::Created && matches!(row.state, CaseState::Resolved | CaseState::Waiting) {
            let to = if row.owner.is_some() { CaseState::Assigned } else { CaseState::Open };
            draft.emit(CaseStateChanged { case, from: row.state, to });
        }
    }

    fn move_cursor<E: From<Event>>(&self, draft: &mut Draft<'_, E>) {
        let Some((source, cursor)) = &self.cursor else { return };
        let stored = draft.tables().get(&CURSORS, &(self.channel.clone(), source.code()));
        if stored != *cursor {
            draft.emit(CursorMoved { channel: self.channel.clone(), source: *source, cursor: cursor.clone() });
        }
    }

    fn write_state<E: From<Event>>(&self, draft: &mut Draft<'_, E>, channel: &Channel) -> Result<(), Refusal> {
        let mut added: u32 = 0;
        let mut writes = Vec::new();
        for StateChange { write, based_on } in &self.state_writes {
            let stored = draft.tables().get(&CONNECTOR_STATE, &(self.channel.clone(), write.key.clone()));
            // Of a key that is not there nobody can say when it went.
            if stored.as_ref().map_or(channel.state_removed_in, |stored| stored.version) > *based_on
                && !crate::sabotage::sabotaged("skip-state-version")
            {
                return Err(Refusal::StateChanged { channel: self.channel.clone(), key: write.key.clone() });
            }
            if stored.as_ref().map(|stored| &stored.bytes) == write.value.as_ref() {
                continue;
            }
            added += u32::from(stored.is_none() && write.value.is_some());
            writes.push(write.clone());
        }
        if channel.state_keys.saturating_add(added) > STATE_KEYS_MAX {
            return Err(Refusal::Invalid(format!(
                "the connector of channel {} would hold more than {STATE_KEYS_MAX} keys in its state; it must delete old ones",
                self.channel
            )));
        }
        if !writes.is_empty() {
            draft.emit(StateWritten { channel: self.channel.clone(), writes });
        }
        Ok(())
    }

    fn close_delivery<E: From<Event>>(&self, draft: &mut Draft<'_, E>) {
        let Some(delivery) = self.replayed else { return };
        if draft.tables().get(&DELIVERIES, &delivery).is_some_and(|row| row.state == DeliveryState::Parked) {
            draft.emit(DeliveryReplayed { delivery });
        }
    }
}

/// How long somebody may be kept who is seen on this channel: no longer than on any other that they were seen on. What the deadline there is leaves of
/// them is the strictest so far.
fn profile_kept_ms(channel: &Channel, known: Option<&Profile>) -> Option<u64> {
    let here = channel.policy().and_then(|policy| policy.profile_ms);
    let so_far = known.and_then(|known| Some(known.erase_at?.ms_since(known.last_seen_at)));
    here.into_iter().chain(so_far).min()
}

/// Retention counts from the last time somebody was seen; it is put off once a day at most, so that not every word of theirs is an event. It comes
/// nearer at once.
fn is_deadline_moved(known: &Profile, seen_at: Timestamp, kept_ms: Option<u64>) -> bool {
    let Some(kept_ms) = kept_ms else { return false };
    let comes_nearer = known.erase_at.is_none_or(|present| seen_at.plus_ms(kept_ms) < present);
    comes_nearer || seen_at.ms_since(known.last_seen_at) >= PUT_OFF_EVERY_MS.min(kept_ms / 2)
}

/// Where looking somebody up stands once they are seen like this; None: where it stood.
fn look_up_after<E: From<Event>>(
    draft: &Draft<'_, E>,
    known: Option<&Profile>,
    own: bool,
    identifiers: &[Identified],
    may_be_asked: bool,
    is_among_contacts: bool,
) -> Option<LookUp> {
    if own {
        return Some(LookUp::NotAsked);
    }
    let is_linked = known.is_some_and(|known| known.link.is_some());
    // Who is new, or can be recognised by something else than before, is asked about.
    if known.is_some_and(|known| !known.own && (is_linked || known.identifiers == identifiers)) {
        return None;
    }
    let is_asked = may_be_asked && draft.tables().get(&CRMS, &()).is_some_and(|crms| !crms.is_empty());
    Some(match (is_asked, is_linked) {
        (true, _) => LookUp::Pending,
        (false, true) => LookUp::Found,
        // Answered with the link, if it may be made.
        (false, false) if is_among_contacts => LookUp::Pending,
        // Where there is no CRM that may be asked, there is nothing to wait for.
        (false, false) => LookUp::Absent,
    })
}

fn withdraw_versions<E: From<Event>>(draft: &mut Draft<'_, E>, subject: SubjectId) {
    let versions = draft.tables().get(&SUBJECTS, &subject).unwrap_or_default().versions;
    for interaction in versions {
        withdraw(draft, interaction);
    }
}

fn withdraw<E: From<Event>>(draft: &mut Draft<'_, E>, interaction: InteractionId) {
    if draft.tables().get(&INTERACTIONS, &interaction).is_some_and(|row| !row.withdrawn) {
        draft.emit(InteractionWithdrawn { interaction });
    }
}

/// The thread an arrival belongs to. What becomes of a thing belongs where the thing was first filed: platforms tell of a deletion with an id and
/// nothing else.
fn thread_of<E: From<Event>>(draft: &Draft<'_, E>, versions: &[InteractionId], arrival: &Arrival) -> ConversationId {
    let first = versions.first().filter(|_| arrival.change != Change::Created);
    first.and_then(|first| draft.tables().get(&INTERACTIONS, first)).map_or(arrival.conversation, |first| first.conversation)
}

/// Whether an effect's words are to somebody who asked to be forgotten.
fn is_to_the_erased<E: From<Event>>(draft: &Draft<'_, E>, effect: &Effect) -> bool {
    let of_case = effect.case.and_then(|case| draft.tables().get(&CASES, &case)).and_then(|case| case.profile);
    let mut profiles = effect.profile.into_iter().chain(of_case);
    profiles.any(|profile| draft.tables().get(&PROFILES, &profile).is_some_and(|profile| profile.erased))
}

/// The company spoke in a thread: the case's first answer, whoever gave it.
fn note_answer<E: From<Event>>(draft: &mut Draft<'_, E>, arrival: &Arrival, conversation: ConversationId) {
    if arrival.change != Change::Created || KINDS_WITHOUT_CASE.contains(&arrival.kind.as_str()) {
        return;
    }
    let case = draft.tables().get(&CONVERSATIONS, &conversation).and_then(|conversation| conversation.case);
    let Some(case) = case else { return };
    if draft.tables().get(&CASES, &case).is_some_and(|row| row.first_answer_at.is_none()) {
        draft.emit(CaseAnswered { case, answered_at: arrival.occurred_at });
    }
}
