//! The day, and what must be true after it.

#[path = "contacts.rs"]
mod contacts;
#[path = "restarts.rs"]
pub(crate) mod restarts;
#[path = "trial.rs"]
pub(crate) mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp as Moment;
use sportello_core::domain::access::Role;
use sportello_core::domain::contact::{CONTACTS, Contact};
use sportello_core::domain::delivery::DELIVERIES;
use sportello_core::domain::effect::{EFFECTS, Effect, EffectState};
use sportello_core::event::Event as CoreEvent;
use sportello_core::ids::{ChannelName, ContactId};
use sportello_core::time::Timestamp;
use sportello_server::access::create_token;
use sportello_server::clock::{Clock, SetClock};
use sportello_server::health::Purpose;
use sportello_server::tenant::Event;
use sportello_server::tenant::content::ContactContent;
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::stand_ins::facebook::{Facebook, FacebookSettings, Person};
use sportello_tests::stand_ins::{DeliveryPlan, Fault, Faults};
use sportello_views::Direction;
use tempfile::TempDir;

use self::contacts::Asked;
use crate::books::{Books, Entry};

/// Share of requests and moments that meet each kind of trouble.
const TROUBLE_PERCENT: u8 = 5;
/// A limit that lasts longer than the clock's steps.
const LIMIT: Fault = Fault::Refuse { status: 429, retry_after_s: Some(300) };
const MINUTE: Duration = Duration::from_secs(60);
/// The longest it is waited for, by the machine's clock, until nothing is left to do.
const SETTLE_MAX: Duration = Duration::from_secs(240);
/// Two looks at the CRM and more, after nothing was left to do.
const AFTERWARDS: u32 = 40;

/// What the CRM knows of somebody.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Record {
    name: String,
    is_away: bool,
}

/// A contact as the host knows it.
struct Seen {
    contact: ContactId,
    is_away: bool,
    content: ContactContent,
}

impl Seen {
    fn record(&self) -> Record {
        Record { name: self.content.display_name.clone().unwrap_or_default(), is_away: self.is_away }
    }
}

/// Somebody with an account on Facebook.
struct Customer {
    person: Person,
    record: String,
    asked: Vec<String>,
}

struct Day<B> {
    books: B,
    facebook: Facebook,
    post: String,
    running: RunningHost,
    plan: HostPlan,
    clock: Arc<SetClock>,
    folder: TempDir,
    records: BTreeMap<String, Record>,
    customers: Vec<Customer>,
    /// An agent's token.
    agent: String,
    asked: Asked,
}

fn workflow(takes_notes: bool) -> HostPlan {
    let record = "name: record\non: case.opened\nsteps:\n  - if: person.customer\n    then:\n      - activity: {subject: \"${interaction.text}\", \
                  text: \"Caso ${case.number}\"}\n";
    if takes_notes { HostPlan::default().workflow("record", record) } else { HostPlan::default() }
}

pub(crate) async fn everything_goes_wrong<B: Books>(hours: u64) {
    let Some(books) = B::open().await else { return };
    let seed = std::env::var("SPORTELLO_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("{hours} hours, SPORTELLO_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let mut day = Day::begin(books).await;
    let trouble = |day: &Day<B>, percent, seed| day.books.faults().into_iter().for_each(|faults| faults.at_random(percent, seed, &[LIMIT]));
    trouble(&day, TROUBLE_PERCENT, seed);
    let mut troubles = 0;
    for minute in 0..hours * 60 {
        if minute % B::MINUTES_PER_DEED == 0 {
            day.operators_work(&mut random).await;
        }
        day.agents_work(&mut random).await;
        day.books.minute_ends(&mut random).await;
        day.somebody_asks(&mut random, minute);
        day.facebook.deliver(&DeliveryPlan::default()).await.expect("it is registered");
        if random.u8(..100) < TROUBLE_PERCENT {
            day.books.expire_sessions().await;
        }
        if random.u8(..100) < 1 {
            troubles += day.troubles();
            day = day.restarted().await;
            trouble(&day, TROUBLE_PERCENT, random.u64(..));
        }
        if B::TIDIES && minute % 60 == 59 {
            day.settle(&mut random, 1).await;
            day.books.tidies();
        }
        day.running.calls_end().await;
        day.advance(MINUTE);
        day.running.works(Duration::from_millis(B::MS_PER_MINUTE)).await;
    }
    troubles += day.troubles();
    trouble(&day, 0, seed);
    day.settle(&mut random, AFTERWARDS).await;
    day.judge().await;
    let asked: usize = day.customers.iter().map(|customer| customer.asked.len()).sum();
    let (made, changed, refused) = day.asked.counts();
    println!("{} records, {made} of them asked for here, {changed} changes, {refused} more refused as outdated", day.records.len());
    println!("{asked} questions, {troubles} requests in trouble");
    day.running.stop().await;
}

impl<B: Books> Day<B> {
    async fn begin(books: B) -> Self {
        let now = Moment::from_second(Moment::now().as_second()).expect("now is a time");
        let clock = Arc::new(SetClock::at(Timestamp(now.as_millisecond())));
        let facebook = Facebook::start_with(FacebookSettings { now, ..FacebookSettings::default() }).await.expect("the stand-in starts");
        let post = facebook.post(&facebook.page(), "Manutenzione sabato");
        let plan = books.plan(workflow(B::TAKES_NOTES)).facebook_page(&facebook, "poll-seconds = 0");
        let folder = tempfile::tempdir().expect("a folder");
        if let Some(faults) = books.faults() {
            let time = Arc::clone(&clock);
            faults.go_by(move || Moment::from_millisecond(time.now().0).expect("a time"));
        }
        let running = RunningHost::start_at(folder.path(), &plan, Arc::clone(&clock) as Arc<dyn Clock>).await;
        let agent = create_token(&running.desk().tenant, "test", "anna", Role::Agent).await.expect("a token").secret;
        let (records, customers, asked) = (BTreeMap::new(), Vec::new(), Asked::default());
        let day = Self { books, facebook, post, running, plan, clock, folder, records, customers, agent, asked };
        day.subscribe().await;
        day
    }

    async fn subscribe(&self) {
        self.facebook.subscribe(&self.running.url("/hooks/demo/facebook-page")).await.expect("the host proves itself");
    }

    async fn restarted(self) -> Self {
        self.running.stop().await;
        self.books.faults().into_iter().for_each(Faults::is_cut_off);
        let running = RunningHost::start_at(self.folder.path(), &self.plan, Arc::clone(&self.clock) as Arc<dyn Clock>).await;
        let day = Self { running, ..self };
        day.subscribe().await;
        day
    }

    fn troubles(&self) -> usize {
        self.books.faults().map_or(0, Faults::struck_at_random)
    }

    fn advance(&self, time: Duration) {
        self.facebook.advance(time);
        self.clock.advance_ms(u64::try_from(time.as_millis()).expect("a short while"));
    }

    async fn operators_work(&mut self, random: &mut fastrand::Rng) {
        let in_use: Vec<String> = self.records.iter().filter(|(_, record)| !record.is_away).map(|(id, _)| id.clone()).collect();
        match (random.u8(..10), random.choice(&in_use)) {
            (0..5, _) | (_, None) => {
                let number = self.records.len() + 1;
                let name = format!("Cliente {number}, è");
                let person = (B::TAKES_NOTES && random.bool()).then(|| self.facebook.person(&name));
                let facebook = person.as_ref().map(|person| person.id.clone());
                let id = self.books.enter(&Entry { number, name: name.clone(), facebook }).await;
                self.customers.extend(person.map(|person| Customer { person, record: id.clone(), asked: Vec::new() }));
                self.records.insert(id, Record { name, is_away: false });
            }
            (5..8, Some(id)) => self.rename(id, random).await,
            // Who asks must be there when it is noted.
            (_, Some(id)) if self.customers.iter().all(|customer| customer.record != *id) => {
                self.books.put_away(id).await;
                self.asked.overtake(id, false);
                self.records.get_mut(id).expect("it is in use").is_away = true;
            }
            _ => {}
        }
    }

    async fn rename(&mut self, id: &str, random: &mut fastrand::Rng) {
        let name = format!("Cliente {}", random.u32(..));
        self.books.rename(id, &name).await;
        self.asked.overtake(id, true);
        self.records.get_mut(id).expect("it is in use").name = name;
    }

    /// Whom the host knows asks something.
    fn somebody_asks(&mut self, random: &mut fastrand::Rng, minute: u64) {
        if random.u8(..100) >= 40 || self.customers.is_empty() {
            return;
        }
        let stranger = self.facebook.person(&format!("Qualcuno {minute}"));
        self.facebook.comment(&stranger, &self.post, &format!("Passavo di qui {minute}"));
        let known: BTreeSet<(String, String)> = self.contents().into_iter().flat_map(|seen| seen.content.identifiers).collect();
        let is_known = |customer: &&mut Customer| known.contains(&("facebook.id".to_owned(), customer.person.id.clone()));
        let known = self.customers.iter_mut().filter(is_known);
        let Some(customer) = random.choice(known.collect::<Vec<_>>()) else { return };
        // One open case holds all somebody asks below a post: one question each opens one.
        if customer.asked.is_empty() {
            let question = format!("Domanda {minute}: quando torna?");
            self.facebook.comment(&customer.person, &self.post, &question);
            customer.asked.push(question);
        }
    }

    /// What the host knows from the CRM.
    fn contents(&self) -> Vec<Seen> {
        let tenant = &self.running.desk().tenant;
        let rows = tenant.list(&CONTACTS, &[], None, Direction::Forward, usize::MAX).expect("the views can be read");
        let content = |(key, row): (Vec<u8>, Contact)| {
            let contact = ContactId(u64::from_be_bytes(key.try_into().expect("a number")));
            let content = tenant.open_sealed(contact.slot(), &row.sealed).expect("it can be opened")?;
            Some(Seen { contact, is_away: row.deleted, content })
        };
        rows.into_iter().filter_map(content).collect()
    }

    /// The CRM's records as the host knows them, by the CRM's id.
    fn contacts(&self) -> BTreeMap<String, Record> {
        self.contents().into_iter().map(|seen| (seen.content.id.clone(), seen.record())).collect()
    }

    /// How many of the CRM's records are known here as it has them.
    fn known(&self) -> usize {
        let here = self.contacts();
        self.records.iter().filter(|(id, record)| here.get(*id) == Some(*record)).count()
    }

    /// When the host last looked at what has changed.
    fn looked_at(&self) -> Option<Timestamp> {
        let desk = self.running.desk();
        let calls = desk.channels.get(&ChannelName::new("crm").expect("a name"))?.health.shown(desk.tenant.now()).calls;
        calls.into_iter().find(|(purpose, _)| *purpose == Purpose::Changes)?.1.succeeded_at
    }

    fn effects(&self) -> Vec<Effect> {
        let tenant = &self.running.desk().tenant;
        let effects = tenant.list(&EFFECTS, &[], None, Direction::Forward, usize::MAX).expect("the views can be read");
        effects.into_iter().map(|(_, effect)| effect).collect()
    }

    /// The notes that were asked for.
    fn activities(&self) -> Vec<Effect> {
        self.effects().into_iter().filter(|effect| effect.action == "activity").collect()
    }

    /// Where an effect stands, and why.
    fn told(&self, effect: &Effect) -> String {
        let detail = self.running.desk().tenant.open_sealed::<String>(effect.slot, &effect.detail).ok().flatten();
        format!("{:?}: {:?}, {detail:?}", effect.state, effect.problem)
    }

    /// What is not yet as it must be.
    fn open_matters(&self) -> Vec<String> {
        let contacts = self.contacts();
        let wrong = self.records.iter().filter(|(id, record)| contacts.get(*id) != Some(*record));
        let mut open: Vec<String> = wrong.map(|(id, record)| format!("{id} is {record:?}, here {:?}", contacts.get(id))).collect();
        let effects = self.activities();
        let asked: usize = self.customers.iter().map(|customer| customer.asked.len()).sum();
        if effects.len() < asked {
            open.push(format!("{} of {asked} notes are queued", effects.len()));
        }
        let unfinished = effects.iter().filter(|effect| effect.state != EffectState::Done);
        open.extend(unfinished.map(|effect| self.told(effect)));
        open.extend(self.open_contacts());
        open
    }

    /// Of records that are not as they must be: the CRM's own name for them, and what was asked for.
    async fn the_crm_says(&self) -> Vec<String> {
        let (here, names) = (self.contacts(), self.books.names().await);
        let wrong = self.records.iter().filter(|(id, record)| here.get(*id) != Some(*record));
        wrong.map(|(id, _)| format!("{id} is {:?}, {}", names.get(id), self.asked.of(id))).collect()
    }

    /// Time passes until nothing is left to do for so many minutes.
    async fn settle(&mut self, random: &mut fastrand::Rng, minutes: u32) {
        let begun = Instant::now();
        let mut quiet = 0;
        while quiet < minutes {
            self.books.minute_ends(random).await;
            self.facebook.deliver(&DeliveryPlan::default()).await.expect("it is registered");
            self.learn();
            let open = self.open_matters();
            quiet = if open.is_empty() { quiet + 1 } else { 0 };
            if begun.elapsed() > SETTLE_MAX {
                let desk = self.running.desk();
                let health: Vec<_> = desk.channels.live().values().map(|channel| channel.health.shown(desk.tenant.now())).collect();
                panic!(
                    "{} things are not as they must be, first {:?}; the CRM says: {:?}; the channels say: {health:?}",
                    open.len(),
                    &open[..open.len().min(5)],
                    self.the_crm_says().await,
                );
            }
            self.running.calls_end().await;
            self.advance(MINUTE);
            self.running.works(Duration::from_millis(B::MS_PER_MINUTE)).await;
        }
    }

    async fn judge(&self) {
        assert_eq!(self.open_matters(), [""; 0]);
        let too_early = self.books.faults().map(Faults::too_early).unwrap_or_default();
        assert!(too_early.is_empty(), "{} requests came before they were told to come again: {too_early:#?}", too_early.len());
        // Nobody is here twice, and each state of a record was taken in once.
        let tenant = &self.running.desk().tenant;
        assert_eq!(self.contents().len(), self.contacts().len(), "a record is here twice");
        let mut seen = BTreeSet::new();
        for record in tenant.records(1).expect("the journal can be read") {
            for event in record.expect("a record").1.events {
                if let Event::Core(CoreEvent::ContactSeen(event)) = event.expect("an event") {
                    assert!(seen.insert((event.contact, event.version)), "{:?} was taken in twice as the same", event.contact);
                }
            }
        }
        // What each customer asked is noted once, as the CRM counts.
        for customer in &self.customers {
            let notes = self.books.notes(&customer.record).await;
            let noted: Vec<usize> =
                customer.asked.iter().map(|question| notes.iter().filter(|note| note.contains(question)).count()).collect();
            assert!(noted.iter().all(|count| *count == 1) && notes.len() == customer.asked.len(), "{:?}: {notes:?}", customer.asked);
        }
        self.judge_contacts().await;
        let parked = tenant.list(&DELIVERIES, &[], None, Direction::Forward, usize::MAX).expect("the views can be read");
        assert!(parked.is_empty(), "{} deliveries were set aside", parked.len());
    }
}
