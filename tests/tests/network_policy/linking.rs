//! Whose profiles may be linked to contacts, and whom a CRM may be asked about.

use std::time::Duration;

use http::Method;
use serde_json::json;
use sportello_core::domain::access::Role;
use sportello_core::domain::effect::EFFECTS;
use sportello_core::domain::interaction::INTERACTIONS;
use sportello_core::domain::person::{Standing, standing};
use sportello_core::domain::profile::{LOOK_UPS_PENDING, PROFILES};
use sportello_core::ids::InteractionId;
use sportello_server::access::create_token;
use sportello_server::desk::Desk;
use sportello_server::tenant::content::ContactContent;
use sportello_tests::canaries;
use sportello_tests::host::HostPlan;
use sportello_tests::http_client::HttpClient;
use sportello_tests::servers::{ContactMechanism, Crm};
use sportello_tests::stand_ins::crm::CrmStandIn;
use sportello_tests::stand_ins::facebook::Facebook;
use sportello_tests::stand_ins::linkedin::{LinkedIn, LinkedInSettings};
use sportello_tests::stand_ins::twitter::{Twitter, TwitterSettings};
use sportello_tests::stand_ins::{DeliveryPlan, Fault};
use sportello_views::Direction;

use crate::{api, can_be_read, clock, start};

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
async fn no_record_is_given_an_identifier_of_a_network_whose_terms_forbid_linking() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, now) = clock();
    let linkedin = LinkedIn::start_with(LinkedInSettings { now, ..LinkedInSettings::default() }).await.unwrap();
    let (facebook, crm) = (Facebook::start().await.unwrap(), CrmStandIn::start().await.unwrap());
    let plan = with_crm(HostPlan::default().linkedin(&linkedin, "poll-seconds = 0").facebook_page(&facebook, ""), &crm);
    let running = start(folder.path(), &plan, &clock).await;
    // A record of the CRM's.
    let desk = running.desk();
    let crm = sportello_core::ids::ChannelName::new("crm").unwrap();
    let contact = desk.tenant.contact_of(&crm, "7").unwrap();
    let record = ContactContent {
        id: "7".to_owned(),
        version: "1".to_owned(),
        display_name: Some("Ada Moretti".to_owned()),
        identifiers: Vec::new(),
        attributes: Vec::new(),
    };
    let sealed = desk.tenant.seal(contact.slot(), &record).unwrap();
    let news = sportello_core::commands::ContactNews { contact, version: [1; 16], sealed, identifiers: Vec::new(), deleted: false };
    desk.tenant.submit("test", sportello_core::commands::TakeContacts { channel: crm, contacts: vec![news], cursor: None }).await.unwrap();

    let token = create_token(&desk.tenant, "test", "anna", Role::Agent).await.unwrap().secret;
    let change = async |key: &str, schemes: &[&str]| {
        let identifiers: Vec<_> = schemes.iter().map(|scheme| json!({"scheme": scheme, "value": "member-1"})).collect();
        let authorization = format!("Bearer {token}");
        let headers = [("authorization", &*authorization), ("content-type", "application/json"), ("idempotency-key", key)];
        let url = running.url(&format!("/api/v1/demo/contacts/{}", contact.0));
        let body = json!({"version": "1", "display_name": "Ada", "identifiers": identifiers}).to_string();
        HttpClient::default().send(Method::PATCH, &url, &headers, body.into()).await.unwrap()
    };
    for (key, schemes) in [("a", ["linkedin.id", "email"]), ("b", ["facebook.id", "linkedin.handle"])] {
        let refused = change(key, &schemes).await;
        let text = refused.text();
        assert!(refused.status == 403 && text.contains("the policy of channel linkedin forbids linking profiles of linkedin"), "{text}");
    }
    assert!(desk.tenant.list(&EFFECTS, &[], None, Direction::Forward, 1).unwrap().is_empty(), "the CRM is told nothing");
    let allowed = change("c", &["facebook.id", "email"]).await;
    assert_eq!(allowed.status, 201, "{}", allowed.text());
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

fn first_question(desk: &Desk) -> InteractionId {
    let rows = desk.tenant.list(&INTERACTIONS, &[], None, Direction::Forward, usize::MAX).unwrap();
    let (key, _) = rows.iter().find(|(_, row)| !row.own).expect("somebody asked");
    InteractionId(u64::from_be_bytes(*key.last_chunk::<8>().unwrap()))
}
