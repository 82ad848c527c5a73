//! Every kind of trouble at every request of everything that a CRM is asked for: afterwards nothing is lost and nothing there twice, as the CRM itself
//! counts.

use http::Method;
use serde_json::{Value, json};
use sportello_core::ids::EffectId;
use sportello_tests::stand_ins::{Fault, FaultHandle, Faults, TROUBLES};

use super::*;
use crate::books::Writing;

/// What a CRM is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// What has changed: somebody was entered, or is called otherwise.
    Follow,
    /// Who it is that asks something, which is noted there.
    Recognise,
    /// To take something down.
    Write(Writing),
}

/// More than from one look at what has changed to the next.
const POLLED: Duration = Duration::from_secs(15 * 60);
/// The longest one thing is waited for, by the machine's clock.
const WAITED_MAX: Duration = Duration::from_secs(100);
/// Minutes without anything left to do, after all of it.
const QUIET_MINUTES: u32 = 20;
/// What a customer's first question is.
const QUESTION: &str = "Chi mi richiama?";

/// What is asked for next.
struct Wanted {
    /// The record it is about; empty: one that is to be made.
    record: String,
    name: String,
    /// What the CRM has once because of it.
    mark: String,
    /// For the host's API.
    request: Option<(Method, String, Value)>,
}

/// A day on which one thing after the other is asked for.
struct Trial<B> {
    day: Day<B>,
    deed: Deed,
    rounds: usize,
}

pub(crate) async fn every_trouble_at_every_request<B: Books>(deed: Deed) {
    let Some(mut trial) = Trial::<B>::begin(deed).await else { return };
    trial.every_request(None).await;
    if let Deed::Write(writing) = deed {
        // The look whether it was done.
        trial.every_request(Some(B::words(writing))).await;
    }
    trial.end().await;
}

impl<B: Books> Trial<B> {
    /// None: there is no such thing to go through, or the CRM is not installed.
    async fn begin(deed: Deed) -> Option<Self> {
        let books = B::open().await?;
        let is_asked = match deed {
            Deed::Follow => true,
            Deed::Recognise | Deed::Write(Writing::Note) => B::TAKES_NOTES,
            Deed::Write(_) => B::TAKES_CONTACTS,
        };
        books.faults().filter(|_| is_asked)?;
        let mut trial = Self { day: Day::begin(books).await, deed, rounds: 0 };
        match deed {
            Deed::Write(Writing::Change) => {
                for _ in 0..B::CHANGED_IN_TURN {
                    trial.enter(None).await;
                }
            }
            Deed::Write(Writing::Note) => {
                let wanted = trial.customer().await;
                trial.asks(&wanted).await;
                trial.as_time_passes("the first question is noted", |trial| trial.is_noted()).await;
            }
            _ => {}
        }
        Some(trial)
    }

    /// Goes through every request that is made; with `lost`, through those that follow one with these words whose confirmation was lost.
    async fn every_request(&mut self, lost: Option<&'static [&'static str]>) {
        for request in 0.. {
            let mut met = 0;
            for trouble in TROUBLES.iter().chain(B::TROUBLES).chain(&[Fault::HoldBefore]) {
                met += self.round(request, *trouble, lost).await;
                if met == 0 {
                    assert!(request > 0, "{:?} makes no request", self.deed);
                    return;
                }
            }
        }
    }

    /// How often the trouble was met: not at all where there is no such request.
    async fn round(&mut self, request: usize, trouble: Fault, lost: Option<&'static [&'static str]>) -> usize {
        let wanted = self.wanted().await;
        let (effect, struck) = match lost {
            Some(words) => {
                let effect = self.is_lost(&wanted, words).await;
                (effect, self.is_armed(request, trouble).await)
            }
            None => {
                let struck = self.is_armed(request, trouble).await;
                (self.asks(&wanted).await, struck)
            }
        };
        self.meets(&struck, trouble, &wanted, effect).await;
        let met = struck.count();
        if met > 0 {
            let behind = if lost.is_some() { " behind the lost one" } else { "" };
            println!("{trouble:?} at request {request}{behind}: {}", struck.met().replace('\n', " "));
        }
        self.faults().clear();
        self.judge(&wanted).await;
        met
    }

    /// From now on the trouble waits for a request, behind so many others. The sessions end, so that a log-in is one of them.
    async fn is_armed(&self, request: usize, trouble: Fault) -> FaultHandle {
        self.day.books.expire_sessions().await;
        self.faults().arm_behind(request, trouble, &[], 1)
    }

    /// Asks for it; it is done, and nobody here knows.
    async fn is_lost(&mut self, wanted: &Wanted, words: &[&str]) -> Option<EffectId> {
        let lost = self.faults().arm(Fault::RefuseAfterEffect { status: 502 }, words, 1);
        let effect = self.asks(wanted).await;
        self.as_time_passes("the confirmation is lost", |_| lost.count() == 1).await;
        self.day.running.until("nobody knows whether it was done", |_| self.state(effect) == Some(EffectState::Unknown)).await;
        effect
    }

    /// Goes on until it is as it was wanted. Where a request is held, the sessions end meanwhile.
    async fn meets(&self, struck: &FaultHandle, trouble: Fault, wanted: &Wanted, effect: Option<EffectId>) {
        let strikes = async {
            struck.struck(1).await;
            if trouble == Fault::HoldBefore {
                self.day.books.expire_sessions().await;
            }
            struck.release();
            std::future::pending::<()>().await;
        };
        let what = format!("{:?} in spite of {trouble:?}", self.deed);
        tokio::select! {
            () = strikes => {}
            () = self.as_time_passes(&what, |trial| trial.is_there(wanted, effect)) => {}
        }
    }

    /// What is asked for next, while nothing else is.
    async fn wanted(&mut self) -> Wanted {
        self.rounds += 1;
        if self.deed != Deed::Follow {
            self.looks_at_changes().await;
        }
        let number = self.rounds;
        match self.deed {
            Deed::Follow => Wanted { record: String::new(), name: format!("Cliente {number}"), mark: String::new(), request: None },
            Deed::Recognise => self.customer().await,
            Deed::Write(Writing::Contact) => self.prospect(number).await,
            Deed::Write(Writing::Change) => self.change(number),
            Deed::Write(Writing::Note) => {
                let customer = &mut self.day.customers[0];
                let mark = format!("Richiamato {number}, è");
                customer.asked.push(mark.clone());
                let record = customer.record.clone();
                let body = json!({ "subject": mark, "text": "Nessuno ha risposto" });
                Wanted { record, name: String::new(), mark, request: Some((Method::POST, "/cases/1/activities".to_owned(), body)) }
            }
        }
    }

    /// A customer with an account on Facebook, whom the host does not know yet.
    async fn customer(&mut self) -> Wanted {
        let name = format!("Ada {}", self.rounds);
        let person = self.day.facebook.person(&name);
        let record = self.enter(Some((&name, &person.id))).await;
        self.day.customers.push(Customer { person, record: record.clone(), asked: vec![QUESTION.to_owned()] });
        Wanted { record, name, mark: QUESTION.to_owned(), request: None }
    }

    /// Somebody whom no CRM knows.
    async fn prospect(&mut self, number: usize) -> Wanted {
        let name = format!("Nuovo {number}, è");
        let person = self.day.facebook.person(&name);
        self.comments(&person, "Passavo di qui").await;
        let profile = |trial: &Self| {
            let prospects = trial.day.prospects().into_iter();
            prospects.filter(|(_, content)| content.display_name.as_ref() == Some(&name)).map(|(profile, _)| profile).next()
        };
        self.as_time_passes("the CRM was asked about them", |trial| profile(trial).is_some()).await;
        let path = format!("/profiles/{}/contact", profile(self).expect("they are there").0);
        Wanted { record: String::new(), name, mark: person.id, request: Some((Method::POST, path, json!({}))) }
    }

    fn change(&self, number: usize) -> Wanted {
        let seen = self.day.contents();
        let records: Vec<&String> = self.day.records.keys().collect();
        let record = records[number % records.len()];
        let seen = seen.iter().find(|seen| seen.content.id == *record).expect("it is known");
        let (name, email) = (format!("Cambiato {number}, è"), format!("nuovo-{number}@example.org"));
        let identifiers = if B::TAKES_ADDRESSES { json!([{ "scheme": "email", "value": email }]) } else { json!([]) };
        let body = json!({ "version": seen.content.version, "display_name": name, "identifiers": identifiers });
        let mark = if B::TAKES_ADDRESSES { email } else { name.clone() };
        Wanted { record: record.clone(), name, mark, request: Some((Method::PATCH, format!("/contacts/{}", seen.contact.0), body)) }
    }

    /// Asks for it.
    async fn asks(&mut self, wanted: &Wanted) -> Option<EffectId> {
        match (&wanted.request, self.deed) {
            (Some((method, path, body)), _) => return Some(self.day.ask(method.clone(), path, body.clone()).await),
            (None, Deed::Follow) => {
                self.is_changed(&wanted.name).await;
                self.day.advance(POLLED);
            }
            (None, _) => {
                let customer = self.day.customers.last().expect("they were entered").person.clone();
                self.comments(&customer, QUESTION).await;
            }
        }
        None
    }

    /// The operators enter somebody, or give somebody else another name.
    async fn is_changed(&mut self, name: &str) {
        let in_turn: Vec<String> = self.day.records.keys().cloned().collect();
        match in_turn.get(self.rounds % B::CHANGED_IN_TURN) {
            Some(record) if self.rounds.is_multiple_of(2) => {
                self.day.books.rename(record, name).await;
                name.clone_into(&mut self.day.records.get_mut(record).expect("it is there").name);
            }
            _ => drop(self.enter(None).await),
        }
    }

    async fn enter(&mut self, customer: Option<(&str, &str)>) -> String {
        let number = self.day.records.len() + 1;
        let name = customer.map_or_else(|| format!("Cliente {number}, è"), |(name, _)| name.to_owned());
        let facebook = customer.map(|(_, id)| id.to_owned());
        let id = self.day.books.enter(&Entry { number, name: name.clone(), facebook }).await;
        self.day.records.insert(id.clone(), Record { name, is_away: false });
        id
    }

    async fn comments(&self, person: &Person, text: &str) {
        self.day.facebook.comment(person, &self.day.post, text);
        self.day.facebook.deliver(&DeliveryPlan::default()).await.expect("it is registered");
    }

    /// Whether it is as it was wanted.
    fn is_there(&self, wanted: &Wanted, effect: Option<EffectId>) -> bool {
        match self.state(effect) {
            Some(EffectState::Failed) => panic!("it failed: {:?}", self.day.effects().last().map(|effect| self.day.told(effect))),
            Some(state) => state == EffectState::Done,
            None if self.deed == Deed::Follow => self.are_all_known(),
            None => self.is_noted() && self.day.contacts().contains_key(&wanted.record),
        }
    }

    /// Whether everybody is known as the CRM has them.
    fn are_all_known(&self) -> bool {
        self.day.known() == self.day.records.len()
    }

    /// Whether everything is noted that was asked.
    fn is_noted(&self) -> bool {
        let notes = self.day.activities();
        let asked: usize = self.day.customers.iter().map(|customer| customer.asked.len()).sum();
        notes.len() == asked && notes.iter().all(|note| note.state == EffectState::Done)
    }

    fn state(&self, effect: Option<EffectId>) -> Option<EffectState> {
        let row = self.day.running.desk().tenant.get(&EFFECTS, &effect?).expect("the views can be read");
        Some(row.expect("it was queued").state)
    }

    /// By the CRM's own books.
    async fn judge(&mut self, wanted: &Wanted) {
        match self.deed {
            Deed::Follow => {}
            Deed::Recognise | Deed::Write(Writing::Note) => {
                let notes = self.day.books.notes(&wanted.record).await;
                assert_eq!(notes.iter().filter(|note| note.contains(&wanted.mark)).count(), 1, "{}: {notes:?}", wanted.mark);
            }
            Deed::Write(_) => {
                let holders = self.day.books.holders(&wanted.mark).await;
                let [record] = holders.as_slice() else { panic!("{} is there as {holders:?}", wanted.mark) };
                assert!([record, ""].contains(&wanted.record.as_str()), "{} is that of {record}", wanted.mark);
                let names = self.day.books.names().await;
                assert_eq!(names.get(record), Some(&wanted.name));
                self.day.records.insert(record.clone(), Record { name: wanted.name.clone(), is_away: false });
            }
        }
    }

    /// The host looks at what has changed, and has seen all of it.
    async fn looks_at_changes(&self) {
        self.day.advance(POLLED);
        let now = self.day.running.desk().tenant.now();
        self.as_time_passes("it was looked what has changed", |trial| trial.day.looked_at() >= Some(now) && trial.are_all_known()).await;
    }

    fn faults(&self) -> Faults {
        self.day.books.faults().expect("there is a way to it").clone()
    }

    /// Waits until something holds while time passes.
    async fn as_time_passes(&self, what: &str, holds: impl Fn(&Self) -> bool) {
        let begun = Instant::now();
        while !holds(self) {
            if begun.elapsed() > WAITED_MAX {
                let desk = self.day.running.desk();
                let health: Vec<_> = desk.channels.live().values().map(|channel| channel.health.shown(desk.tenant.now())).collect();
                let open = self.day.open_matters();
                panic!("not in time: {what}; still open: {open:?}; the channels say: {health:?}");
            }
            self.day.advance(B::STEP);
            self.is_still().await;
        }
    }

    /// Lets the host work until it makes no request any more: on a busy machine time must not run ahead of it.
    async fn is_still(&self) {
        let made = || self.day.running.desk().channels.live().values().map(|channel| channel.runtime.http_counters().requests).sum::<u64>();
        let mut before = None;
        while before != Some(made()) {
            before = Some(made());
            self.day.running.works(Duration::from_millis(B::MS_PER_MINUTE)).await;
        }
    }

    async fn end(mut self) {
        println!("{} rounds", self.rounds);
        self.day.settle(&mut fastrand::Rng::new(), QUIET_MINUTES).await;
        self.day.judge().await;
        self.day.running.stop().await;
    }
}
