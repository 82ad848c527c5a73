//! Prospects of whom agents make contacts, and contacts they change as they see them, while the CRM's own people change the same ones.

use http::Method;
use serde_json::{Value, json};
use sportello_core::domain::effect::EFFECTS;
use sportello_core::domain::profile::{LookUp, PROFILES, Profile};
use sportello_core::ids::{EffectId, ProfileId};
use sportello_server::tenant::content::{ProfileContent, ReceiptContent};
use sportello_tests::http_client::HttpClient;

use super::*;

/// What a change says that was refused because somebody else had changed the contact.
const OUTDATED: &str = "nothing was written";

/// A contact that was asked for.
struct Made {
    effect: EffectId,
    profile: ProfileId,
    name: String,
    facebook: String,
    record: Option<String>,
}

/// A change that was asked for.
struct Change {
    effect: EffectId,
    record: String,
    name: String,
    /// What it adds, which nobody else has.
    email: String,
    /// Whether the contact was then as the agent saw it.
    was_current: bool,
    /// Whether the operators have changed anything of it since.
    is_overtaken: bool,
    /// Whether they have given it another name since.
    is_renamed: bool,
    end: Option<EffectState>,
}

/// What agents asked for.
#[derive(Default)]
pub(super) struct Asked {
    made: Vec<Made>,
    changes: Vec<Change>,
}

impl Asked {
    /// The operators have changed a record.
    pub(super) fn overtake(&mut self, record: &str, is_renamed: bool) {
        for change in self.changes.iter_mut().filter(|change| change.record == record && change.end.is_none()) {
            change.is_overtaken = true;
            change.is_renamed |= is_renamed;
        }
    }

    /// The changes of a record.
    pub(super) fn of(&self, record: &str) -> String {
        let changes = self.changes.iter().filter(|change| change.record == record);
        changes
            .map(|change| format!("{} {:?} (renamed meanwhile: {})", change.name, change.end, change.is_renamed))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// How many contacts were made, changes done and refused.
    pub(super) fn counts(&self) -> (usize, usize, usize) {
        let ended = |state| self.changes.iter().filter(|change| change.end == Some(state)).count();
        (self.made.len(), ended(EffectState::Done), ended(EffectState::Failed))
    }
}

impl<B: Books> Day<B> {
    /// A contact is made or changed now and then.
    pub(super) async fn agents_work(&mut self, random: &mut fastrand::Rng) {
        if !B::TAKES_CONTACTS {
            return;
        }
        self.learn();
        match random.u8(..10) {
            0..2 => self.make_contact(random).await,
            2..6 => self.change_contact(random).await,
            _ => {}
        }
    }

    /// Takes down what became of what was asked for.
    pub(super) fn learn(&mut self) {
        let tenant = &self.running.desk().tenant;
        let effect = |id: &EffectId| tenant.get(&EFFECTS, id).expect("the views can be read").expect("it was queued");
        for made in self.asked.made.iter_mut().filter(|made| made.record.is_none()) {
            let effect = effect(&made.effect);
            if effect.state == EffectState::Done {
                let receipt: ReceiptContent =
                    tenant.open_sealed(effect.slot, &effect.receipt).expect("it can be opened").expect("nobody was erased");
                let record = receipt.native_id.rsplit(',').next().expect("a record").to_owned();
                self.records.insert(record.clone(), Record { name: made.name.clone(), is_away: false });
                made.record = Some(record);
            }
        }
        for change in self.asked.changes.iter_mut().filter(|change| change.end.is_none()) {
            change.end = Some(effect(&change.effect).state).filter(|state| matches!(state, EffectState::Done | EffectState::Failed));
            if change.end == Some(EffectState::Done) && !change.is_renamed {
                self.records.get_mut(&change.record).expect("it is known").name.clone_from(&change.name);
            }
        }
    }

    async fn make_contact(&mut self, random: &mut fastrand::Rng) {
        let Some((profile, content)) = random.choice(self.prospects()) else { return };
        let (_, facebook) = content.identifiers.into_iter().find(|(scheme, _)| scheme == "facebook.id").expect("it is from Facebook");
        let effect = self.ask(Method::POST, &format!("/profiles/{}/contact", profile.0), json!({})).await;
        let name = content.display_name.expect("everybody has one there");
        self.asked.made.push(Made { effect, profile, name, facebook, record: None });
    }

    /// Those whom no CRM knows, and who are not asked for yet.
    pub(super) fn prospects(&self) -> Vec<(ProfileId, ProfileContent)> {
        let tenant = &self.running.desk().tenant;
        let rows = tenant.list(&PROFILES, &[], None, Direction::Forward, usize::MAX).expect("the views can be read");
        let prospect = |(key, row): (Vec<u8>, Profile)| {
            let id = ProfileId(u64::from_be_bytes(key.try_into().expect("a number")));
            let is_one = row.link.is_none() && row.look_up == LookUp::Absent && self.asked.made.iter().all(|made| made.profile != id);
            Some((id, tenant.open_sealed(id.slot(), &row.sealed).expect("it can be opened")?)).filter(|_| is_one)
        };
        rows.into_iter().filter_map(prospect).collect()
    }

    async fn change_contact(&mut self, random: &mut fastrand::Rng) {
        let is_free = |seen: &Seen| {
            let record = self.records.get(&seen.content.id);
            let is_asked = |change: &Change| change.end.is_none() && change.record == seen.content.id;
            !seen.is_away && record.is_some_and(|record| !record.is_away) && !self.asked.changes.iter().any(is_asked)
        };
        let Some(seen) = random.choice(self.contents().into_iter().filter(is_free).collect::<Vec<_>>()) else { return };
        let record = seen.content.id.clone();
        let when = random.u8(..4);
        if when == 0 {
            self.rename(&record, random).await;
        }
        let number = self.asked.changes.len();
        let (name, email) = (format!("Cambiato {number}, è"), format!("nuovo-{number}@example.org"));
        let was_current = self.records[&record] == seen.record();
        let identifiers = if B::TAKES_ADDRESSES { json!([{ "scheme": "email", "value": email }]) } else { json!([]) };
        let body = json!({ "version": seen.content.version, "display_name": name, "identifiers": identifiers });
        let effect = self.ask(Method::PATCH, &format!("/contacts/{}", seen.contact.0), body).await;
        let change = Change { effect, record, name, email, was_current, is_overtaken: false, is_renamed: false, end: None };
        let record = change.record.clone();
        self.asked.changes.push(change);
        if when == 1 {
            self.rename(&record, random).await;
        }
    }

    pub(super) async fn ask(&self, method: Method, path: &str, body: Value) -> EffectId {
        let key = format!("asked-{}", self.effects().len());
        let authorization = format!("Bearer {}", self.agent);
        let headers = [("authorization", &*authorization), ("content-type", "application/json"), ("idempotency-key", &key)];
        let url = self.running.url(&format!("/api/v1/demo{path}"));
        let answer = HttpClient::default().send(method, &url, &headers, body.to_string().into()).await.expect("an answer");
        assert_eq!(answer.status, 201, "{}", answer.text());
        EffectId(answer.json().expect("JSON")["effect"].as_u64().expect("an effect"))
    }

    /// What agents asked for and is not at its end.
    pub(super) fn open_contacts(&self) -> Vec<String> {
        let made = self.asked.made.iter().filter(|made| made.record.is_none()).map(|made| made.effect);
        let changes = self.asked.changes.iter().filter(|change| change.end.is_none()).map(|change| change.effect);
        let tenant = &self.running.desk().tenant;
        let effect = |id| tenant.get(&EFFECTS, &id).expect("the views can be read").expect("it was queued");
        made.chain(changes).map(|id| self.told(&effect(id))).collect()
    }

    /// By the CRM's own books.
    pub(super) async fn judge_contacts(&self) {
        if !B::TAKES_CONTACTS {
            return;
        }
        // Everybody who was entered or asked for is there once, by the name that whoever came last gave them.
        let names: BTreeMap<String, String> = self.records.iter().map(|(id, record)| (id.clone(), record.name.clone())).collect();
        assert_eq!(self.books.names().await, names);
        for made in &self.asked.made {
            assert_eq!(self.books.holders(&made.facebook).await, Vec::from_iter(made.record.clone()), "{}", made.name);
        }
        let tenant = &self.running.desk().tenant;
        for change in &self.asked.changes {
            let holders = self.books.holders(if B::TAKES_ADDRESSES { &change.email } else { &change.name }).await;
            let effect = tenant.get(&EFFECTS, &change.effect).expect("the views can be read").expect("it was queued");
            if change.end == Some(EffectState::Done) {
                assert!(change.was_current, "{} overwrote what nobody had seen", change.name);
                assert_eq!(holders, std::slice::from_ref(&change.record), "{}", change.name);
            } else {
                assert!(!change.was_current || change.is_overtaken, "{} was refused: {}", change.name, self.told(&effect));
                assert!(self.told(&effect).contains(OUTDATED), "{}", self.told(&effect));
                // Without a mark of its own in the record nobody can tell that it was done once somebody else has changed it.
                let is_hidden = !B::TAKES_ADDRESSES && change.is_overtaken && effect.attempts > 1;
                assert!(holders.is_empty() || is_hidden && holders.len() == 1, "{} is that of {holders:?}", change.name);
            }
        }
    }
}
