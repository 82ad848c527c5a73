//! Making a contact of a prospect, and changing one, in a stand-in CRM.

use std::time::Duration;

use http::Method;
use serde_json::{Value, json};
use sportello_core::domain::access::Role;
use sportello_core::domain::effect::{EFFECTS, EffectState};
use sportello_core::domain::profile::{LookUp, PROFILES};
use sportello_core::ids::{EffectId, ProfileId};
use sportello_server::desk::Desk;
use sportello_tests::host::HostPlan;
use sportello_tests::servers::{ContactMechanism, Crm};
use sportello_tests::stand_ins::crm::CrmStandIn;

use super::client::{NAME, Stage, Told};

/// The plan's further channel of this name, on a CRM.
fn crm_channel(plan: HostPlan, name: &str, crm: &CrmStandIn) -> HostPlan {
    let account = crm.account();
    let toml = format!(
        "connector = \"legacy-crm\"\ncomponent = \"{{component:legacy-crm}}\"\norigins = [\"{base}\"]\nprivate-network = true\n\
         settings = {{ base-url = \"{base}\", rpc-path = \"/crm/\" }}\npoll-seconds = 0.2\n\
         secrets.user = {{ user = \"{name}-user\", password = \"{name}-password\" }}\n",
        base = crm.base_url()
    );
    plan.channel(name, &toml).plain(&format!("{name}-user"), &account.name).secret(&format!("{name}-password"), &account.password)
}

/// A host with a CRM, and a comment of somebody whom it does not know: their profile's number.
async fn prospect(crm: &CrmStandIn, more: &str) -> (Stage, u64) {
    let stage = Stage::with(None, more, crm_channel(HostPlan::default(), "crm", crm)).await;
    let profile = commented(&stage).await;
    (stage, profile)
}

async fn commented(stage: &Stage) -> u64 {
    stage.comment().await;
    let profile = stage.get(Role::Agent, "/cases/1").await.expect(200)["case"]["profile"].as_u64().unwrap();
    stage.running.until("the CRMs have answered", |desk| look_up(desk, profile) != LookUp::Pending).await;
    profile
}

fn look_up(desk: &Desk, profile: u64) -> LookUp {
    desk.tenant.get(&PROFILES, &ProfileId(profile)).unwrap().expect("a profile").look_up
}

async fn make(stage: &Stage, profile: u64, key: &str, body: &Value) -> Told {
    stage.json(Role::Agent, Method::POST, &format!("/profiles/{profile}/contact"), &[("idempotency-key", key)], body).await
}

async fn change(stage: &Stage, contact: u64, key: &str, body: &Value) -> Told {
    stage.json(Role::Agent, Method::PATCH, &format!("/contacts/{contact}"), &[("idempotency-key", key)], body).await
}

async fn ended(stage: &Stage, effect: u64) -> Value {
    let is_over = |desk: &Desk| {
        let row = desk.tenant.get(&EFFECTS, &EffectId(effect)).unwrap();
        row.is_some_and(|row| matches!(row.state, EffectState::Done | EffectState::Failed))
    };
    stage.running.until("the effect is over", is_over).await;
    stage.get(Role::Agent, &format!("/effects/{effect}")).await.expect(200)
}

/// The only contact there is, once it says this.
async fn the_contact(stage: &Stage, words: &str) -> (u64, Value) {
    let mut durable = stage.running.desk().tenant.watch_durable();
    let found = async {
        loop {
            let contacts = stage.get(Role::Agent, "/contacts").await.expect(200);
            if let Some(found) = contacts["items"].as_array().unwrap().iter().find(|contact| contact.to_string().contains(words)) {
                return found.clone();
            }
            durable.changed().await.unwrap();
        }
    };
    let contact = tokio::time::timeout(Duration::from_secs(30), found).await.expect("no contact says this");
    (contact["contact"].as_u64().unwrap(), contact["record"].clone())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prospect_becomes_a_contact_of_the_crm_and_is_linked_by_evidence() {
    let crm = CrmStandIn::start().await.unwrap();
    let (stage, profile) = prospect(&crm, "").await;
    let path = format!("/profiles/{profile}");
    let before = stage.get(Role::Agent, &path).await.expect(200);
    assert_eq!((&before["standing"], &before["contact"]), (&json!("prospect"), &Value::Null));

    stage.post(Role::Agent, &format!("{path}/contact"), &json!({})).await.problem(400, "malformed");
    let made = make(&stage, profile, "key-1", &json!({})).await.expect(201);
    assert_eq!((&made["action"], &made["channel"], &made["profile"]), (&json!("contact"), &json!("crm"), &json!(profile)));
    assert!(made["words"]["attributes"].as_array().unwrap().contains(&json!({ "name": "display-name", "value": NAME })), "{made}");
    let (agent, contact, key) = (Some(stage.secret(Role::Agent)), format!("{path}/contact"), [("idempotency-key", "key-1")]);
    let again = stage.send(agent, Method::POST, &contact, &key, "".into()).await.expect(200);
    assert_eq!(again["effect"], made["effect"], "the same key is the same effect, and the body may be left out");
    let done = ended(&stage, made["effect"].as_u64().unwrap()).await;
    assert_eq!((&done["state"], &done["receipt"]["native_id"]), (&json!("done"), &json!("party.party,1")), "{done}");

    let is_linked = |desk: &Desk| desk.tenant.get(&PROFILES, &ProfileId(profile)).unwrap().is_some_and(|row| row.link.is_some());
    stage.running.until("the profile is linked", is_linked).await;
    let after = stage.get(Role::Agent, &path).await.expect(200);
    assert_eq!(after["standing"], "customer", "{after}");
    let link = stage.get(Role::Agent, &format!("/links/{}", after["link"])).await.expect(200);
    assert_eq!(link["evidence"]["kind"], "identifier", "as with any other contact: {link}");
    let party = crm.operator().party(1).await.unwrap();
    assert_eq!((&party["name"], &party["contact_mechanisms."][0]["name"]), (&json!(NAME), &json!("facebook")), "{party}");

    let detail = make(&stage, profile, "key-2", &json!({})).await.problem(409, "conflict");
    assert!(detail.contains("linked to contact"), "{detail}");
    let used = change(&stage, after["contact"].as_u64().unwrap(), "key-1", &json!({ "version": "v", "display_name": "x" })).await;
    used.problem(422, "invalid");
    assert!(crm.operator().party(2).await.is_err(), "one party");
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_crm_is_told_of_a_network_whose_policy_forbids_linking() {
    let crm = CrmStandIn::start().await.unwrap();
    let (stage, profile) = prospect(&crm, "policy = { link = \"forbidden\" }").await;
    for given in [json!({}), json!({ "crm": "crm", "basis": "consent" })] {
        let detail = make(&stage, profile, "key-1", &given).await.problem(403, "forbidden");
        assert!(detail.contains("no CRM may be told"), "{detail}");
    }
    assert!(stage.get(Role::Agent, "/effects").await.expect(200)["items"].as_array().unwrap().is_empty());
    assert!(crm.operator().party(1).await.is_err());
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_that_waits_is_made_only_if_the_policy_of_that_time_allows_it() {
    for (link, basis, is_made) in
        [("forbidden", json!("consent"), false), ("consent", json!(null), false), ("consent", json!("consent"), true)]
    {
        let crm = CrmStandIn::start().await.unwrap();
        let (stage, profile) = prospect(&crm, "").await;
        stage.post(Role::Operator, "/channels/crm/disable", &Value::Null).await.expect(200);
        let made = make(&stage, profile, "key-1", &json!({ "crm": "crm", "basis": basis })).await.expect(201);
        let mut settings = stage.get(Role::Operator, "/channels/facebook-page").await.expect(200)["settings"].take();
        settings["policy"] = json!({ "link": link });
        stage.json(Role::Operator, Method::PUT, "/channels/facebook-page", &[], &settings).await.expect(200);
        stage.post(Role::Operator, "/channels/crm/enable", &Value::Null).await.expect(200);
        let ended = ended(&stage, made["effect"].as_u64().unwrap()).await;
        let (state, attempts) = if is_made { ("done", 1) } else { ("failed", 0) };
        assert_eq!((&ended["state"], &ended["attempts"]), (&json!(state), &json!(attempts)), "{link}, {basis}: {ended}");
        let says_why = ended["problem"].as_str().is_some_and(|problem| problem.contains("no longer lets a CRM be told"));
        assert_eq!(says_why, !is_made, "{ended}");
        // A call that was made is over then.
        stage.running.stop().await;
        assert_eq!(crm.operator().party(1).await.is_ok(), is_made, "{link}, {basis}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_consent_is_needed_it_must_be_said() {
    let crm = CrmStandIn::start().await.unwrap();
    let (stage, profile) = prospect(&crm, "policy = { link = \"consent\" }").await;
    let detail = make(&stage, profile, "key-1", &json!({})).await.problem(403, "forbidden");
    assert!(detail.contains("consent"), "{detail}");
    let made = make(&stage, profile, "key-1", &json!({ "basis": "consent" })).await.expect(201);
    assert_eq!(ended(&stage, made["effect"].as_u64().unwrap()).await["state"], "done");
    make(&stage, profile, "key-1", &json!({})).await.problem(422, "invalid");
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_several_crms_one_is_named() {
    let (first, second) = (CrmStandIn::start().await.unwrap(), CrmStandIn::start().await.unwrap());
    let plan = crm_channel(crm_channel(HostPlan::default(), "crm-one", &first), "crm-two", &second);
    let stage = Stage::with(None, "", plan).await;
    let profile = commented(&stage).await;
    let detail = make(&stage, profile, "key-1", &json!({})).await.problem(422, "invalid");
    assert!(detail.contains("crm-one") && detail.contains("crm-two"), "{detail}");
    make(&stage, profile, "key-1", &json!({ "crm": "facebook-page" })).await.problem(422, "invalid");
    make(&stage, profile, "key-1", &json!({ "crm": "crm-three" })).await.problem(404, "not-found");
    let made = make(&stage, profile, "key-1", &json!({ "crm": "crm-two" })).await.expect(201);
    assert_eq!(ended(&stage, made["effect"].as_u64().unwrap()).await["state"], "done");
    assert!(second.operator().party(1).await.is_ok() && first.operator().party(1).await.is_err());
    stage.running.stop().await;

    let stage = Stage::new().await;
    let profile = commented(&stage).await;
    let detail = make(&stage, profile, "key-1", &json!({})).await.problem(409, "conflict");
    assert!(detail.contains("no CRM is live"), "{detail}");
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_contact_is_changed_only_as_it_was_seen_and_the_change_is_forgotten_with_the_person() {
    let crm = CrmStandIn::start().await.unwrap();
    let party = crm.operator().create_party("Ada", "EXT-1", &[ContactMechanism::email("ada@example.org")]).await.unwrap();
    let stage = Stage::with(None, "", crm_channel(HostPlan::default(), "crm", &crm)).await;
    let (contact, record) = the_contact(&stage, "Ada").await;
    for wrong in [json!({ "version": "v" }), json!({ "version": "v", "identifiers": [{ "scheme": "expects-version", "value": "w" }] })] {
        change(&stage, contact, "key-0", &wrong).await.problem(422, "invalid");
    }
    let given = json!({
        "version": record["version"],
        "display_name": "Ada King",
        "identifiers": [{ "scheme": "wiki.handle", "value": "Ada L" }],
    });
    let queued = change(&stage, contact, "key-1", &given).await.expect(201)["effect"].as_u64().unwrap();
    assert_eq!(change(&stage, contact, "key-1", &given).await.expect(200)["effect"], queued);
    let mut other = given.clone();
    other["display_name"] = "Ada Byron".into();
    change(&stage, contact, "key-1", &other).await.problem(422, "invalid");
    assert_eq!(ended(&stage, queued).await["state"], "done");
    assert_eq!(crm.operator().party(party).await.unwrap()["name"], "Ada King");
    let (same, changed) = the_contact(&stage, "Ada L").await;
    assert_eq!((same, &changed["display_name"]), (contact, &json!("Ada King")), "as the CRM tells it");

    let late = change(&stage, contact, "key-2", &other).await.expect(201)["effect"].as_u64().unwrap();
    let refused = ended(&stage, late).await;
    assert_eq!(refused["state"], "failed", "{refused}");
    assert!(refused["detail"].as_str().unwrap().contains("nothing was written"), "{refused}");
    assert_eq!(crm.operator().party(party).await.unwrap()["name"], "Ada King");

    let person = stage.get(Role::Agent, &format!("/contacts/{contact}")).await.expect(200)["person"].clone();
    let admin = Some(stage.secret(Role::Admin));
    stage.send(admin, Method::DELETE, &format!("/people/{person}"), &[], "".into()).await.expect(202);
    let are_gone = |desk: &Desk| {
        [queued, late].iter().all(|id| desk.tenant.get(&EFFECTS, &EffectId(*id)).unwrap().is_some_and(|effect| effect.sealed.is_empty()))
    };
    stage.running.until("the words of the changes are gone", are_gone).await;
    change(&stage, contact, "key-3", &other).await.problem(409, "conflict");
    stage.running.stop().await;
}
