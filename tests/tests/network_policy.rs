//! What a network's terms allow is kept by the host, whatever anybody asks: how long things stay, who may be linked, who may be answered. On a clock
//! that the tests move, with proof that what had to go cannot be read any more.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Method;
use jiff::Timestamp as Moment;
use serde_json::{Value, json};
use sportello_core::domain::conversation::CONVERSATIONS;
use sportello_core::domain::effect::{EFFECTS, EffectState};
use sportello_core::domain::interaction::INTERACTIONS;
use sportello_core::domain::person::{Standing, standing};
use sportello_core::domain::profile::{LOOK_UPS_PENDING, PROFILES};
use sportello_core::ids::{EffectId, InteractionId};
use sportello_core::time::Timestamp;
use sportello_server::clock::{Clock, SetClock};
use sportello_server::desk::Desk;
use sportello_tests::canaries;
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::kept::{nothing_due, openable};
use sportello_tests::servers::{ContactMechanism, Crm};
use sportello_tests::stand_ins::crm::CrmStandIn;
use sportello_tests::stand_ins::facebook::Facebook;
use sportello_tests::stand_ins::linkedin::{LinkedIn, LinkedInSettings};
use sportello_tests::stand_ins::twitter::{Endpoint, Limit, Payloads, Twitter, TwitterSettings};
use sportello_tests::stand_ins::{DeliveryPlan, Fault};
use sportello_views::Direction;

const HOUR: Duration = Duration::from_secs(60 * 60);
const HOUR_MS: u64 = 60 * 60 * 1_000;
const ANSWER: &str = "name: answer\non: case.opened\nsteps:\n  - reply: \"Caso ${case.number}: ci stiamo lavorando\"\n";

/// A clock that shows now, to the second.
fn clock() -> (Arc<SetClock>, Moment) {
    let now = Moment::from_second(Moment::now().as_second()).unwrap();
    (Arc::new(SetClock::at(Timestamp(now.as_millisecond()))), now)
}

async fn start(folder: &Path, plan: &HostPlan, clock: &Arc<SetClock>) -> RunningHost {
    RunningHost::start_at(folder, plan, Arc::clone(clock) as Arc<dyn Clock>).await
}

fn can_be_read(desk: &Desk, word: &str) -> bool {
    openable(&desk.tenant).iter().any(|content| content.contains(word))
}

async fn forgotten(running: &RunningHost) {
    running.until("what is due is forgotten", nothing_due).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_linkedin_says_of_somebody_is_gone_after_a_day_and_their_words_after_two() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, now) = clock();
    let linkedin = LinkedIn::start_with(LinkedInSettings { now, ..LinkedInSettings::default() }).await.unwrap();
    let plan = HostPlan::default().linkedin(&linkedin, "poll-seconds = 0").workflow("answer", ANSWER);
    let running = start(folder.path(), &plan, &clock).await;
    linkedin.register_webhook(&running.url("/hooks/demo/linkedin")).await.unwrap();
    let (id_before, words) = (linkedin.person("Ada Moretti"), canaries::word("text"));
    let post = linkedin.post("Manutenzione sabato");
    linkedin.comment(&id_before, &post, &words);
    linkedin.deliver(&DeliveryPlan::default()).await.unwrap();
    running.until("it is answered", |desk| state_of(desk, 1) == Some(EffectState::Done)).await;
    let who = id_before.urn();
    let id = who.rsplit(':').next().unwrap().to_owned();
    let desk = running.desk();
    let profile_is_kept =
        |desk: &Desk| desk.tenant.known_profile("linkedin", &id).is_some() || desk.tenant.known_profile("linkedin", &who).is_some();
    assert!(profile_is_kept(&desk) && can_be_read(&desk, &words));

    let step = |by: Duration| {
        linkedin.advance(by);
        clock.advance_ms(u64::try_from(by.as_millis()).unwrap());
    };
    step(HOUR * 24 - Duration::from_secs(60));
    forgotten(&running).await;
    assert!(profile_is_kept(&desk), "a minute before a day has passed");
    step(Duration::from_secs(60));
    running.until("the profile is erased", |desk| !profile_is_kept(desk)).await;
    forgotten(&running).await;
    let profiles = desk.tenant.list(&PROFILES, &[], None, Direction::Forward, usize::MAX).unwrap();
    assert!(profiles.iter().all(|(_, row)| row.erased || row.own), "{profiles:?}");
    assert!(can_be_read(&desk, &words), "words may stay for another day");

    step(HOUR * 24);
    running.until("the words are gone", |desk| !can_be_read(desk, &words)).await;
    forgotten(&running).await;
    assert!(!openable(&desk.tenant).iter().any(|content| content.contains("ci stiamo lavorando")), "and so is what was answered");
    let verified = running.verify().await;
    assert!(verified.equal, "{verified:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_deleted_on_x_is_given_up_when_x_says_so() {
    let (clock, now) = clock();
    for payloads in [Payloads::Activity, Payloads::AccountActivity] {
        let folder = tempfile::tempdir().unwrap();
        let twitter = Twitter::start_with(TwitterSettings { now, payloads, ..TwitterSettings::default() }).await.unwrap();
        let running = start(folder.path(), &HostPlan::default().twitter(&twitter, "poll-seconds = 0"), &clock).await;
        twitter.register_webhook(&running.url("/hooks/demo/twitter")).await.unwrap();
        let (first, second, kept) = (canaries::word("first"), canaries::word("second"), canaries::word("kept"));
        let handle = &twitter.settings().handle;
        let ada = twitter.person("Ada");
        let post = twitter.post(&ada, &format!("@{handle} {first}"));
        twitter.post(&ada, &format!("@{handle} {kept}"));
        let edited = twitter.edit(&post, &format!("@{handle} {second}"));
        twitter.deliver(&DeliveryPlan::default()).await.unwrap();
        let desk = running.desk();
        assert!([&first, &second, &kept].iter().all(|word| can_be_read(&desk, word)));

        // One version is deleted, and all are gone.
        twitter.remove(&edited);
        twitter.deliver(&DeliveryPlan::default()).await.unwrap();
        forgotten(&running).await;
        assert!(!can_be_read(&desk, &first) && !can_be_read(&desk, &second), "{payloads:?}");
        assert!(can_be_read(&desk, &kept));
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_that_x_tells_nobody_of_is_honoured_within_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, now) = clock();
    let twitter = Twitter::start_with(TwitterSettings { now, ..TwitterSettings::default() }).await.unwrap();
    twitter.unsubscribe_from_authors();
    let running = start(folder.path(), &HostPlan::default().twitter(&twitter, "poll-seconds = 0"), &clock).await;
    twitter.register_webhook(&running.url("/hooks/demo/twitter")).await.unwrap();
    let (vanishing, edited, kept) = (canaries::word("vanishing"), canaries::word("edited"), canaries::word("kept"));
    let handle = &twitter.settings().handle;
    let ada = twitter.person("Ada");
    let post = twitter.post(&ada, &format!("@{handle} {vanishing}"));
    let later = twitter.edit(&post, &format!("@{handle} {edited}"));
    let liked = twitter.post(&ada, &format!("@{handle} {kept}"));
    twitter.like(&ada, &liked);
    twitter.deliver(&DeliveryPlan::default()).await.unwrap();
    twitter.remove(&later);
    twitter.deliver(&DeliveryPlan::default()).await.unwrap();
    let desk = running.desk();
    assert!([&vanishing, &edited, &kept].iter().all(|word| can_be_read(&desk, word)), "nobody tells of it");

    let step = |by: Duration| {
        twitter.advance(by);
        clock.advance_ms(u64::try_from(by.as_millis()).unwrap());
    };
    for _ in 0..23 {
        step(HOUR);
        forgotten(&running).await;
    }
    running.until("what is gone is forgotten", |desk| !can_be_read(desk, &vanishing) && !can_be_read(desk, &edited)).await;
    forgotten(&running).await;
    assert!(can_be_read(&desk, &kept));
    let channel = api(&running, Method::GET, "/channels/twitter", json!(null)).await;
    assert_eq!(channel["policy"]["recheck_hours"], 24, "{channel}");
    // Who tells of it later says nothing new.
    let interactions = |desk: &Desk| desk.tenant.list(&INTERACTIONS, &[], None, Direction::Forward, usize::MAX).unwrap().len();
    let before = interactions(&desk);
    for _ in 0..24 {
        step(HOUR);
        forgotten(&running).await;
    }
    assert_eq!(interactions(&desk), before, "what is gone is not asked about again");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_at_what_is_still_there_keeps_to_limits_and_goes_on_where_a_stop_interrupted_it() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, now) = clock();
    let mut settings = TwitterSettings { now, ..TwitterSettings::default() };
    settings.calls_max.insert((Limit::Quarter, Endpoint::Lookups), 1);
    let twitter = Twitter::start_with(settings).await.unwrap();
    twitter.unsubscribe_from_authors();
    let plan = HostPlan::default().twitter(&twitter, "poll-seconds = 0\npolicy.recheck-hours = 4");
    let running = start(folder.path(), &plan, &clock).await;
    twitter.register_webhook(&running.url("/hooks/demo/twitter")).await.unwrap();
    let words: Vec<String> = ["first", "second", "third"].map(canaries::word).to_vec();
    let handle = &twitter.settings().handle;
    let ada = twitter.person("Ada");
    let mut removed = Vec::new();
    // A look is at a hundred at once.
    for number in 0..250 {
        let word = if number % 100 == 10 { words[number / 100].clone() } else { "ciao".to_owned() };
        let post = twitter.post(&ada, &format!("@{handle} {number} {word}"));
        if number % 100 == 10 {
            removed.push(post);
        }
    }
    twitter.deliver(&DeliveryPlan::default()).await.unwrap();
    for post in &removed {
        twitter.remove(post);
    }
    let step = |by: Duration| {
        twitter.advance(by);
        clock.advance_ms(u64::try_from(by.as_millis()).unwrap());
    };
    let readable = |desk: &Desk| words.iter().filter(|word| can_be_read(desk, word)).count();
    step(HOUR * 2);
    running.until("the first hundred are looked at", |desk| readable(desk) == 2).await;
    running.stop().await;

    let running = start(folder.path(), &plan, &clock).await;
    for left in [1, 0] {
        assert_eq!(readable(&running.desk()), left + 1);
        step(Duration::from_secs(15 * 60));
        running.until("the next are looked at", |desk| readable(desk) == left).await;
    }
    assert_eq!(twitter.calls_over_limit(), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_link_that_the_networks_terms_forbid_can_be_made_by_nobody_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, now) = clock();
    let linkedin = LinkedIn::start_with(LinkedInSettings { now, ..LinkedInSettings::default() }).await.unwrap();
    // The operator would like to; what the network says is stricter, and counts.
    let loosened = "poll-seconds = 0\npolicy = { link = \"evidence\", profile-hours = 1000, content-hours = 1000 }";
    let running = start(folder.path(), &HostPlan::default().linkedin(&linkedin, loosened), &clock).await;
    let channel = api(&running, Method::GET, "/channels/linkedin", json!(null)).await;
    let policy = &channel["policy"];
    assert_eq!(
        (&policy["link"], &policy["profile_hours"], &policy["content_hours"]),
        (&json!("forbidden"), &json!(24), &json!(48)),
        "{policy}"
    );

    linkedin.register_webhook(&running.url("/hooks/demo/linkedin")).await.unwrap();
    let ada = linkedin.person("Ada Moretti");
    let post = linkedin.post("Manutenzione sabato");
    linkedin.comment(&ada, &post, "Perché?");
    linkedin.deliver(&DeliveryPlan::default()).await.unwrap();
    let desk = running.desk();
    let profile = desk.tenant.get(&INTERACTIONS, &first_question(&desk)).unwrap().unwrap().profile.unwrap();

    // A CRM knows her by exactly that identifier.
    let content = desk.tenant.get(&PROFILES, &profile).unwrap().unwrap();
    let crm = sportello_core::ids::ChannelName::new("linkedin").unwrap();
    let contact = desk.tenant.contact_of(&crm, "7").unwrap();
    let sealed = desk.tenant.seal(contact.slot(), &json!({})).unwrap();
    let news =
        sportello_core::commands::ContactNews { contact, version: [1; 16], sealed, identifiers: content.identifiers, deleted: false };
    desk.tenant.submit("test", sportello_core::commands::TakeContacts { channel: crm, contacts: vec![news], cursor: None }).await.unwrap();
    linkedin.comment(&ada, &post, "Ancora niente?");
    linkedin.deliver(&DeliveryPlan::default()).await.unwrap();
    assert_eq!(desk.tenant.get(&PROFILES, &profile).unwrap().unwrap().link, None, "evidence links nobody");

    let refused = running
        .ask(
            Method::POST,
            &format!("/profiles/{profile}/link"),
            "application/json",
            json!({"contact": contact.0, "reason": "she told me", "basis": "consent"}).to_string(),
        )
        .await;
    let text = refused.text();
    assert!((400..500).contains(&refused.status) && text.contains("linkedin") && text.contains("forbids"), "{} {text}", refused.status);
    assert_eq!(desk.tenant.get(&PROFILES, &profile).unwrap().unwrap().link, None);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_crm_is_asked_about_members_of_a_network_whose_terms_forbid_linking() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, now) = clock();
    let linkedin = LinkedIn::start_with(LinkedInSettings { now, ..LinkedInSettings::default() }).await.unwrap();
    let (facebook, crm) = (Facebook::start().await.unwrap(), CrmStandIn::start().await.unwrap());
    let plan = with_crm(HostPlan::default().linkedin(&linkedin, "poll-seconds = 0").facebook_page(&facebook, ""), &crm);
    let (ada, bruno) = (linkedin.person("Ada Moretti"), facebook.person("Bruno"));
    let member = ada.urn().rsplit(':').next().unwrap().to_owned();
    let questions = |id: &str| {
        let questions = crm.faults().arm(Fault::HoldAfter, &["contact_mechanism.search_read", id], usize::MAX);
        questions.release();
        questions
    };
    let (about_member, about_bruno) = (questions(&member), questions(&bruno.id));
    let running = start(folder.path(), &plan, &clock).await;
    linkedin.register_webhook(&running.url("/hooks/demo/linkedin")).await.unwrap();
    facebook.subscribe(&running.url("/hooks/demo/facebook-page")).await.unwrap();

    linkedin.comment(&ada, &linkedin.post("Manutenzione sabato"), "Perché?");
    linkedin.deliver(&DeliveryPlan::default()).await.unwrap();
    facebook.comment(&bruno, &facebook.post(&facebook.page(), "Manutenzione sabato"), "Perché?");
    facebook.deliver(&DeliveryPlan::default()).await.unwrap();
    let answered = |desk: &Desk| desk.tenant.list(&LOOK_UPS_PENDING, &[], None, Direction::Forward, 1).unwrap().is_empty();
    running.until("nobody is to be asked about any more", answered).await;
    assert_eq!((about_bruno.count(), about_member.count()), (1, 0), "the CRM is told nothing of her");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_did_not_address_the_company_on_x_is_a_persons_task() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, now) = clock();
    let settings = TwitterSettings { now, payloads: Payloads::AccountActivity, ..TwitterSettings::default() };
    let twitter = Twitter::start_with(settings).await.unwrap();
    let plan = HostPlan::default().twitter(&twitter, "poll-seconds = 0").workflow("answer", ANSWER);
    let running = start(folder.path(), &plan, &clock).await;
    twitter.register_webhook(&running.url("/hooks/demo/twitter")).await.unwrap();
    let (ada, bruno) = (twitter.person("Ada"), twitter.person("Bruno"));
    let post = twitter.post(&ada, &format!("@{} la rete è giù", twitter.settings().handle));
    // He answers her, not the company; X puts the company's name before his words all the same.
    let aside = twitter.reply(&bruno, &post, "anche da me");
    twitter.deliver(&DeliveryPlan::default()).await.unwrap();
    running.until("Ada is answered", |desk| effects(desk).contains(&EffectState::Done)).await;
    running.until("Bruno is somebody's task", |desk| effects(desk).contains(&EffectState::Undecided)).await;
    assert_eq!((twitter.replies_to(&post).len(), twitter.replies_to(&aside).len(), twitter.unsummoned_refused()), (1, 0, 0));
    let undecided = api(&running, Method::GET, "/effects?which=undecided", json!(null)).await;
    let problem = undecided["items"][0]["problem"].as_str().unwrap();
    assert!(problem.contains("only where one was addressed"), "{problem}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_quotes_the_company_on_x_is_answered_and_who_neither_names_nor_quotes_it_is_not() {
    let (clock, now) = clock();
    for payloads in [Payloads::Activity, Payloads::AccountActivity] {
        let folder = tempfile::tempdir().unwrap();
        let twitter = Twitter::start_with(TwitterSettings { now, payloads, ..TwitterSettings::default() }).await.unwrap();
        let plan = HostPlan::default().twitter(&twitter, "poll-seconds = 60").workflow("answer", ANSWER);
        let running = start(folder.path(), &plan, &clock).await;
        twitter.register_webhook(&running.url("/hooks/demo/twitter")).await.unwrap();
        let (ada, bruno) = (twitter.person("Ada"), twitter.person("Bruno"));
        let quote = twitter.quote(&ada, &twitter.post(&twitter.company(), "Manutenzione sabato"), "E domenica?");
        twitter.deliver(&DeliveryPlan::default()).await.unwrap();
        running.until("who quotes is answered", |desk| effects(desk) == [EffectState::Done]).await;

        // X puts the company's name before his words: the newer shape does not tell that, the list shows it.
        let named = twitter.post(&ada, &format!("@{} la rete è giù", twitter.settings().handle));
        let aside = twitter.reply(&bruno, &named, "anche da me");
        twitter.deliver(&DeliveryPlan::default()).await.unwrap();
        clock.advance_ms(60_000);
        twitter.advance(Duration::from_secs(60));
        let states = |desk: &Desk| effects(desk).into_iter().map(|state| state == EffectState::Done).collect::<Vec<_>>();
        running.until("who does neither is somebody's task", |desk| effects(desk).contains(&EffectState::Undecided)).await;
        running.until("the others are answered", |desk| states(desk) == [true, true, false]).await;
        let answers = [quote, named, aside].map(|post| twitter.replies_to(&post).len());
        assert_eq!((answers, twitter.unsummoned_refused()), ([1, 1, 0], 0), "{payloads:?}");
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_known_on_x_from_the_list_only_is_recognised_by_their_handle() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, now) = clock();
    let twitter = Twitter::start_with(TwitterSettings { now, ..TwitterSettings::default() }).await.unwrap();
    let (crm, ada) = (CrmStandIn::start().await.unwrap(), twitter.person(&canaries::word("name")));
    let handle = ContactMechanism { kind: "other", label: Some("twitter-handle"), value: ada.handle.clone() };
    crm.operator().create_party("Ada Bianchi", "K-1", &[handle]).await.unwrap();
    let running = start(folder.path(), &with_crm(HostPlan::default().twitter(&twitter, "poll-seconds = 60"), &crm), &clock).await;
    twitter.post(&ada, &format!("@{} la rete è giù", twitter.settings().handle));
    clock.advance_ms(60_000);
    twitter.advance(Duration::from_secs(60));
    let is_recognised = |desk: &Desk| {
        let profiles = desk.tenant.list(&PROFILES, &[], None, Direction::Forward, usize::MAX).unwrap();
        profiles.iter().any(|(_, profile)| standing(profile) == Standing::Customer)
    };
    running.until("she is recognised", is_recognised).await;
    assert!(can_be_read(&running.desk(), &ada.name), "and her name is known");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_addressed_the_company_on_x_is_not_answered_for_all_they_say_after_it() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, now) = clock();
    let settings = TwitterSettings { now, payloads: Payloads::AccountActivity, ..TwitterSettings::default() };
    let twitter = Twitter::start_with(settings).await.unwrap();
    let each = ANSWER.replace("case.opened", "interaction.received");
    let plan = HostPlan::default().twitter(&twitter, "poll-seconds = 0").workflow("answer", &each);
    let running = start(folder.path(), &plan, &clock).await;
    twitter.register_webhook(&running.url("/hooks/demo/twitter")).await.unwrap();
    let ada = twitter.person("Ada");
    let post = twitter.post(&ada, &format!("@{} la rete è giù", twitter.settings().handle));
    twitter.deliver(&DeliveryPlan::default()).await.unwrap();
    running.until("Ada is answered", |desk| effects(desk) == [EffectState::Done]).await;

    // She goes on below her own post, to nobody in particular.
    let aside = twitter.reply(&ada, &post, "e piove");
    twitter.deliver(&DeliveryPlan::default()).await.unwrap();
    running.until("the rest is somebody's task", |desk| effects(desk) == [EffectState::Done, EffectState::Undecided]).await;
    let conversations = running.desk().tenant.list(&CONVERSATIONS, &[], None, Direction::Forward, usize::MAX).unwrap();
    assert_eq!(conversations.len(), 1, "one person in one thread");
    assert_eq!((twitter.replies_to(&post).len(), twitter.replies_to(&aside).len(), twitter.unsummoned_refused()), (1, 0, 0));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_stored_goes_by_the_policy_that_the_operator_tightens() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, _) = clock();
    let facebook = Facebook::start().await.unwrap();
    // Asked for, the answer would come in hours later, and be kept from then on.
    let plan = |more: &str| HostPlan::default().facebook_page(&facebook, &format!("poll-seconds = 0\n{more}")).workflow("answer", ANSWER);
    let running = start(folder.path(), &plan(""), &clock).await;
    facebook.subscribe(&running.url("/hooks/demo/facebook-page")).await.unwrap();
    let (name, words) = (canaries::word("name"), canaries::word("text"));
    facebook.comment(&facebook.person(&name), &facebook.post(&facebook.page(), "Manutenzione sabato"), &words);
    facebook.deliver(&DeliveryPlan::default()).await.unwrap();
    running.until("it is answered", |desk| state_of(desk, 1) == Some(EffectState::Done)).await;
    running.stop().await;

    clock.advance_ms(2 * HOUR_MS);
    let running = start(folder.path(), &plan("policy = { profile-hours = 3, content-hours = 4 }"), &clock).await;
    let enforced = |desk: &Desk| desk.channels.rows().unwrap().iter().all(|(_, _, row)| row.loosest == row.policy());
    running.until("the policy is enforced", enforced).await;
    forgotten(&running).await;
    let desk = running.desk();
    assert!(can_be_read(&desk, &name) && can_be_read(&desk, &words), "they came two hours ago");
    clock.advance_ms(HOUR_MS);
    running.until("the profile is erased", |desk| !can_be_read(desk, &name)).await;
    forgotten(&running).await;
    assert!(can_be_read(&desk, &words), "words may stay for another hour");
    clock.advance_ms(HOUR_MS);
    running.until("the words are gone", |desk| !can_be_read(desk, &words)).await;
    forgotten(&running).await;
    assert!(!openable(&desk.tenant).iter().any(|content| content.contains("ci stiamo lavorando")), "and so is what was answered");
    let verified = running.verify().await;
    assert!(verified.equal, "{verified:?}");
    running.stop().await;
}

/// With the channel `crm`, whose parties are recognised by their number at LinkedIn and at Facebook, and their handle at X.
fn with_crm(plan: HostPlan, crm: &CrmStandIn) -> HostPlan {
    let account = crm.account();
    let toml = format!(
        "connector = \"legacy-crm\"\ncomponent = \"{{component:legacy-crm}}\"\norigins = [\"{base}\"]\nprivate-network = true\npoll-seconds = 0\n\
         settings = {{ base-url = \"{base}\", rpc-path = \"/crm/\", identifiers = [{{ type = \"other\", scheme = \"linkedin.id\" }}, \
         {{ type = \"other\", scheme = \"facebook.id\" }}, \
         {{ type = \"other\", label = \"twitter-handle\", scheme = \"twitter.handle\" }}] }}\nsecrets.user = {{ user = \"crm-user\", password = \"crm-password\" }}\n",
        base = crm.base_url()
    );
    plan.channel("crm", &toml).plain("crm-user", &account.name).secret("crm-password", &account.password)
}

fn state_of(desk: &Desk, effect: u64) -> Option<EffectState> {
    desk.tenant.get(&EFFECTS, &EffectId(effect)).unwrap().map(|effect| effect.state)
}

fn effects(desk: &Desk) -> Vec<EffectState> {
    desk.tenant.list(&EFFECTS, &[], None, Direction::Forward, usize::MAX).unwrap().into_iter().map(|(_, effect)| effect.state).collect()
}

fn first_question(desk: &Desk) -> InteractionId {
    let rows = desk.tenant.list(&INTERACTIONS, &[], None, Direction::Forward, usize::MAX).unwrap();
    let (key, _) = rows.iter().find(|(_, row)| !row.own).expect("somebody asked");
    InteractionId(u64::from_be_bytes(*key.last_chunk::<8>().unwrap()))
}

async fn api(running: &RunningHost, method: Method, path: &str, body: Value) -> Value {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = running.ask(method, path, "application/json", body).await;
    assert!((200..300).contains(&answer.status), "{} {}", answer.status, answer.text());
    answer.json().unwrap()
}
