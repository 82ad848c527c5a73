//! Who asks to be forgotten is forgotten, in every byte; what must not be kept is not kept; everybody else's words stay.

use std::path::Path;
use std::sync::Arc;

use http::Method;
use serde_json::json;
use sportello_core::commands::{ContactNews, TakeContacts};
use sportello_core::domain::case::CASES;
use sportello_core::domain::delivery::{DELIVERIES, DeliveryState};
use sportello_core::domain::effect::{EFFECTS, EffectState};
use sportello_core::domain::interaction::{INTERACTIONS, Interaction, VERSIONS_MAX};
use sportello_core::domain::person::PEOPLE;
use sportello_core::domain::profile::{Identified, PROFILES, Profile};
use sportello_core::ids::{ChannelName, DeliveryId, PersonId, ProfileId};
use sportello_core::time::Timestamp;
use sportello_server::clock::SetClock;
use sportello_server::desk::Desk;
use sportello_server::tenant::Tenant;
use sportello_server::tenant::content::{ContactContent, InteractionContent};
use sportello_tests::canaries::{self, Canaries};
use sportello_tests::host::{HostPlan, RunningHost, tenant_folder};
use sportello_tests::kept::{nothing_due, openable};
use sportello_tests::stand_ins::facebook::{DeliveryPlan, Facebook};
use sportello_views::Direction;

const HOOK: &str = "/hooks/demo/facebook-page";
const HOUR_MS: u64 = 60 * 60 * 1_000;
const GREETING: &str = "name: answer\non: case.opened\nsteps:\n  - reply: \"Ciao ${profile.display_name}, caso ${case.number}.\"\n";

async fn start(folder: &Path, plan: &HostPlan, facebook: &Facebook) -> RunningHost {
    let running = RunningHost::start(folder, plan).await;
    facebook.subscribe(&running.url(HOOK)).await.unwrap();
    running
}

async fn deliver(facebook: &Facebook) {
    let report = facebook.deliver(&DeliveryPlan::default()).await.unwrap();
    assert_eq!(report.posted, report.acknowledged, "{report:?}");
}

fn interactions(desk: &Desk) -> Vec<Interaction> {
    desk.tenant.list(&INTERACTIONS, &[], None, Direction::Forward, usize::MAX).unwrap().into_iter().map(|(_, row)| row).collect()
}

fn text_of(tenant: &Tenant, row: &Interaction) -> Option<String> {
    tenant.open_sealed::<InteractionContent>(row.slot, &row.sealed).unwrap().and_then(|content| content.text)
}

fn texts(desk: &Desk) -> Vec<String> {
    interactions(desk).iter().filter_map(|row| text_of(&desk.tenant, row)).collect()
}

/// The profile that wrote `text`.
fn author_of(desk: &Desk, text: &str) -> (ProfileId, Profile) {
    let row = interactions(desk).into_iter().find(|row| text_of(&desk.tenant, row).as_deref() == Some(text));
    let id = row.and_then(|row| row.profile).expect("somebody wrote it");
    (id, desk.tenant.get(&PROFILES, &id).unwrap().unwrap())
}

/// Whether any file below a folder holds these bytes.
fn holds(folder: &Path, bytes: &[u8]) -> bool {
    std::fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        // A file that is put in the place of another one has gone away meanwhile, and holds nothing.
        let has = || std::fs::read(&path).is_ok_and(|file| file.windows(bytes.len()).any(|window| window == bytes));
        if path.is_dir() { holds(&path, bytes) } else { has() }
    })
}

/// A contact as a CRM would bring it.
async fn contact(tenant: &Tenant, id: &str, name: &str, identifiers: &[(&str, &str)]) {
    let channel = ChannelName::new("crm").unwrap();
    let content = ContactContent {
        id: id.to_owned(),
        version: "1".to_owned(),
        display_name: Some(name.to_owned()),
        identifiers: identifiers.iter().map(|(scheme, value)| ((*scheme).to_owned(), (*value).to_owned())).collect(),
        attributes: Vec::new(),
    };
    let identified = |(scheme, value): &(&str, &str)| Identified {
        scheme: (*scheme).to_owned(),
        identifier: tenant.identifier_of(scheme, value).unwrap(),
    };
    let contact = tenant.contact_of(&channel, id).unwrap();
    let news = ContactNews {
        contact,
        version: tenant.fingerprint("contact-version", &["1"]).0,
        sealed: tenant.seal(contact.slot(), &content).unwrap(),
        identifiers: identifiers.iter().map(identified).collect(),
        deleted: false,
    };
    tenant.submit("test", TakeContacts { channel, contacts: vec![news], cursor: None }).await.unwrap();
}

async fn erase(running: &RunningHost, person: PersonId) {
    let answer = running.ask(Method::DELETE, &format!("/people/{person}"), "", "").await;
    assert_eq!(answer.status, 202, "{}", answer.text());
    running.until("nothing is left to forget", nothing_due).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_byte_on_disk_and_no_key_speaks_of_somebody_erased() {
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let plan = HostPlan::default().facebook_page(&facebook, "").channel("crm", "connector = \"legacy-crm\"\n").workflow("answer", GREETING);
    let running = start(folder.path(), &plan, &facebook).await;
    let desk = running.desk();

    let words: Vec<String> = ["name", "text", "edited", "message", "handle", "email", "parked"].map(canaries::word).into();
    let [name, text, edited, message, handle, email, parked] = &words[..] else { unreachable!() };
    let person = facebook.person(name);
    let mut looked_for: Vec<&str> = words.iter().map(String::as_str).collect();
    looked_for.push(&person.id);
    let canaries = Canaries::new(&looked_for);

    let post = facebook.post(&facebook.page(), "Manutenzione sabato");
    let comment = facebook.comment(&person, &post, text);
    let other = facebook.person("Grace Hopper");
    let others = facebook.comment(&other, &post, "Anche da me è giù.");
    facebook.direct_message(&person, message);
    facebook.react(&person, &post, "angry");
    // What whoever has the disk, and the key of its hashes, can work out from a guess at who reacted to what.
    let reaction = format!("reaction:{post}:{}", person.id);
    let guesses = [("subject", vec!["facebook-page", &reaction]), ("interaction", vec!["facebook-page", &reaction, ""])];
    let hashes = guesses.map(|(kind, parts)| desk.tenant.fingerprint(kind, &parts).0);
    let is_on_disk = || hashes.iter().any(|hash| holds(&tenant_folder(folder.path()), hash));
    deliver(&facebook).await;
    facebook.edit(&comment, edited);
    let address = format!("{email}@example.org");
    contact(&desk.tenant, "4711", name, &[("facebook.id", &person.id), ("wiki.handle", handle), ("email", &address)]).await;
    // The direct message's answer fails: this connector only reads messages. Its words are kept all the same.
    let ended = |desk: &Desk| {
        let effects = desk.tenant.list(&EFFECTS, &[], None, Direction::Forward, usize::MAX).unwrap();
        effects.len() == 3 && effects.iter().all(|(_, effect)| matches!(effect.state, EffectState::Done | EffectState::Failed))
    };
    running.until("every answer is given or given up", ended).await;
    assert!(facebook.replies_to(&comment)[0].text.contains(name.as_str()), "the reply names them");
    // The platform's echo of our own replies, and the edit.
    deliver(&facebook).await;
    // Signed and unreadable, in two ways; the second makes a parser quote it.
    facebook.send_signed(format!("{{{parked}")).await.unwrap();
    facebook.send_signed(json!({"object": "page", "entry": parked}).to_string()).await.unwrap();

    let (profile_id, profile) = author_of(&desk, edited);
    let person_row = desk.tenant.get(&PEOPLE, &profile.person).unwrap().expect("there is such a person");
    assert!(profile.link.is_some(), "they are known as a customer: {person_row:?}");
    assert!(is_on_disk(), "it is told apart by that");
    assert_eq!(canaries.below(folder.path()), Vec::<String>::new(), "sealed from the first byte, erased or not");
    let readable = openable(&desk.tenant);
    for word in &looked_for {
        assert!(readable.iter().any(|content| Canaries::new(&[word]).in_bytes(content.as_bytes()).is_some()), "{word} was kept");
    }
    assert!(running.verify().await.equal);

    erase(&running, profile.person).await;
    for content in openable(&desk.tenant) {
        assert_eq!(canaries.in_bytes(content.as_bytes()), None, "it can still be opened: {content}");
    }
    assert!(!is_on_disk(), "a guess could be tested");
    assert_eq!(desk.tenant.get(&DELIVERIES, &DeliveryId(1)).unwrap().unwrap().state, DeliveryState::Expired);
    assert!(texts(&desk).contains(&"Anche da me è giù.".to_owned()), "others' words stay");
    assert!(texts(&desk).contains(&"Manutenzione sabato".to_owned()), "the company's words to everybody stay");
    assert!(!facebook.replies_to(&others).is_empty());
    let live = running.verify().await;
    assert!(live.equal, "{live:?}");
    assert_eq!(canaries.below(folder.path()), Vec::<String>::new());

    // Somebody who was erased and writes again is somebody new.
    facebook.comment(&person, &post, "Sono di nuovo qui.");
    deliver(&facebook).await;
    let (new_id, new) = author_of(&desk, "Sono di nuovo qui.");
    assert_ne!((new_id, new.person), (profile_id, profile.person));
    assert_eq!(new.link, None, "what was known of them is not known any more");
    running.until("the new case is answered", |_| facebook.replies().len() == 3).await;
    erase(&running, new.person).await;
    drop(desk);
    running.stop().await;
    assert_eq!(canaries.below(folder.path()), Vec::<String>::new());

    std::fs::remove_dir_all(tenant_folder(folder.path()).join("views")).unwrap();
    let again = RunningHost::start(folder.path(), &plan).await;
    let rebuilt = again.verify().await;
    assert!(rebuilt.equal, "{rebuilt:?}");
    assert!(texts(&again.desk()).contains(&"Anche da me è giù.".to_owned()));
    for content in openable(&again.desk().tenant) {
        assert_eq!(canaries.in_bytes(content.as_bytes()), None, "its key came back with the restart: {content}");
    }
    assert!(again.desk().tenant.get(&PROFILES, &profile_id).unwrap().unwrap().erased);
    again.stop().await;
    assert_eq!(canaries.below(folder.path()), Vec::<String>::new());
}

/// Whether anything that can still be opened holds the word.
fn can_be_read(tenant: &Tenant, word: &str) -> bool {
    let canaries = Canaries::new(&[word]);
    openable(tenant).iter().any(|content| canaries.in_bytes(content.as_bytes()).is_some())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_on_the_platform_overwrites_every_version() {
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let running = start(folder.path(), &HostPlan::default().facebook_page(&facebook, ""), &facebook).await;
    let desk = running.desk();
    let person = facebook.person("Ada");
    let post = facebook.post(&facebook.page(), "Manutenzione");
    let stays = canaries::word("stays");
    facebook.comment(&person, &post, &stays);
    // More versions than are remembered for one thing.
    let versions: Vec<String> = (0..VERSIONS_MAX + 6).map(|_| canaries::word("version")).collect();
    let comment = facebook.comment(&person, &post, &versions[0]);
    for version in &versions[1..] {
        facebook.edit(&comment, version);
    }
    deliver(&facebook).await;
    assert!(can_be_read(&desk.tenant, versions.last().unwrap()));
    facebook.remove(&comment);
    deliver(&facebook).await;
    running.until("nothing is left to forget", nothing_due).await;
    for (number, version) in versions.iter().enumerate() {
        assert!(!can_be_read(&desk.tenant, version), "version {number} can still be read");
    }
    assert!(can_be_read(&desk.tenant, &stays), "the other comment stays");
    assert!(running.verify().await.equal);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_overtakes_what_it_deletes_is_obeyed() {
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let running = start(folder.path(), &HostPlan::default().facebook_page(&facebook, ""), &facebook).await;
    let desk = running.desk();
    let word = canaries::word("late");
    let update = |verb: &str, message: Option<&str>| {
        let page = facebook.page_id();
        let value = json!({
            "from": {"id": "77", "name": "Ada"}, "item": "comment", "verb": verb, "message": message, "post_id": format!("{page}_1"),
            "comment_id": "1_2", "parent_id": format!("{page}_1"), "created_time": 1_790_000_000,
        });
        json!({"object": "page", "entry": [{"id": page, "time": 1_790_000_001, "changes": [{"field": "feed", "value": value}]}]})
            .to_string()
    };
    for (verb, message) in [("remove", None), ("add", Some(word.as_str())), ("edited", Some(word.as_str()))] {
        assert_eq!(facebook.send_signed(update(verb, message)).await.unwrap().status, 200);
    }
    running.until("nothing is left to forget", nothing_due).await;
    assert_eq!(interactions(&desk).len(), 3);
    assert!(!can_be_read(&desk.tenant, &word));
    assert!(desk.tenant.list(&CASES, &[], None, Direction::Forward, 1).unwrap().is_empty(), "what is gone opens no case");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn content_is_kept_as_long_as_the_channel_allows_and_no_longer() {
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let plan = HostPlan::default().facebook_page(&facebook, "policy = { content-hours = 2 }");
    let clock = Arc::new(SetClock::at(Timestamp(1_790_000_000_000)));
    let running = RunningHost::start_at(folder.path(), &plan, Arc::clone(&clock) as Arc<_>).await;
    facebook.subscribe(&running.url(HOOK)).await.unwrap();
    let desk = running.desk();
    let post = facebook.post(&facebook.page(), "Manutenzione");
    let [first, second] = [canaries::word("first"), canaries::word("second")];
    let person = facebook.person("Ada");
    facebook.comment(&person, &post, &first);
    deliver(&facebook).await;
    clock.advance_ms(HOUR_MS);
    facebook.comment(&person, &post, &second);
    deliver(&facebook).await;

    clock.advance_ms(HOUR_MS - 1);
    // A pass of the worker that forgets nothing: somebody else's erasure makes it look.
    facebook.remove(&facebook.comment(&person, &post, "ripensato"));
    deliver(&facebook).await;
    running.until("the worker has looked", nothing_due).await;
    assert!(can_be_read(&desk.tenant, &first), "a millisecond early");

    clock.advance_ms(1);
    running.until("the first comment is forgotten", |desk| !can_be_read(&desk.tenant, &first)).await;
    assert!(can_be_read(&desk.tenant, &second), "the second has an hour left");
    clock.advance_ms(HOUR_MS);
    running.until("the second comment is forgotten", |desk| !can_be_read(&desk.tenant, &second)).await;
    assert!(running.verify().await.equal);
    running.stop().await;
    assert_eq!(Canaries::new(&[&first, &second]).below(folder.path()), Vec::<String>::new());
}
