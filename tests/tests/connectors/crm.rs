//! What the CRM connector promises.

use std::collections::BTreeSet;

use serde_json::json;
use sportello_runtime::contract::{ConnectorError, Contact, Presence};
use sportello_tests::servers::gateway::Gateway;
use sportello_tests::servers::{ContactMechanism, Crm, CrmUser, Release};

use super::between::Between;
pub(crate) use super::crm_contacts::*;
use super::driver::{Driver, activity, split};

/// Makes a module of tests out of these promises; `$start` gives `Option<impl Crm>`, `None` to skip.
#[macro_export]
macro_rules! crm_connector_promises {
    ($module:ident, $start:expr) => {
        mod $module {
            use super::*;
            $crate::crm_connector_promises!(@each $start;
                a_contact_is_found_by_each_of_its_identifiers
                an_inactive_party_is_a_deleted_contact
                a_party_that_was_never_written_is_among_the_changes
                a_mechanism_written_alone_reports_its_party
                many_records_of_one_moment_are_paged_without_loss
                from_now_on_means_not_what_was_there_before
                an_activity_is_a_note_and_is_found
                an_activity_on_nobody_is_refused
                an_expired_session_is_renewed
                a_failed_log_in_is_told
                an_answer_that_was_lost_is_uncertain_and_the_note_is_found
                the_concurrency_error_is_the_one_the_connector_knows
                a_phone_number_is_found_however_it_was_typed
                a_customer_number_is_looked_up
                whoever_is_there_is_found_whatever_the_trouble_at_any_request
                an_address_written_alone_reports_its_party
                a_cursor_survives_a_restart_at_every_page
                a_contact_is_made_and_found_by_all_it_says
                a_contact_is_made_with_the_number_the_settings_say
                nobody_is_made_twice
                a_party_whose_answer_was_lost_is_found_and_not_made_again
                a_contact_is_changed_as_it_was_seen
                a_contact_that_was_changed_meanwhile_is_left_as_it_is
                a_change_between_our_look_and_our_write_is_refused_by_tryton
                a_customer_number_is_changed_where_tryton_lets_one
                an_identifier_that_was_put_away_identifies_nobody_and_hides_no_key
            );
        }
    };
    (@each $start:expr; $($promise:ident)*) => { $(
        #[tokio::test]
        async fn $promise() {
            let Some(crm) = $start.await else { return };
            $crate::connectors::crm::$promise(&crm).await;
        }
    )* };
}

async fn ada(operator: &CrmUser) -> u64 {
    let mechanisms = [
        ContactMechanism::email("Ada_L@example.org"),
        ContactMechanism::phone("+39 02 1234567"),
        ContactMechanism::wiki("Ada L"),
        ContactMechanism::facebook("10001"),
    ];
    operator.create_party("Ada Lovelace", "EXT-1", &mechanisms).await.expect("a party")
}

fn schemes(contact: &Contact) -> BTreeSet<(&str, &str)> {
    contact.identifiers.iter().map(|identifier| (identifier.scheme.as_str(), identifier.value.as_str())).collect()
}

fn ids(contacts: &[Contact]) -> BTreeSet<String> {
    contacts.iter().map(|contact| contact.id.clone()).collect()
}

fn only(id: u64) -> BTreeSet<String> {
    BTreeSet::from([id.to_string()])
}

pub(crate) async fn a_contact_is_found_by_each_of_its_identifiers(crm: &dyn Crm) {
    let operator = crm.operator();
    let party = ada(&operator).await;
    operator
        .create_party("Adam", "EXT-2", &[ContactMechanism::email("AdaXL@example.org"), ContactMechanism::wiki("ada l")])
        .await
        .expect("a party");
    let driver = Driver::crm(crm, None, json!({})).await;
    for (scheme, value) in [("wiki.handle", "Ada L"), ("email", "ada_l@EXAMPLE.org"), ("phone", "+39 02 1234567"), ("facebook.id", "10001")]
    {
        let found = driver.look_up(scheme, value).await;
        let [contact] = found.as_slice() else { panic!("{scheme} {value}: {found:?}") };
        assert_eq!(
            (contact.id.clone(), contact.display_name.as_deref(), contact.deleted),
            (party.to_string(), Some("Ada Lovelace"), false)
        );
        let all = [
            ("email", "Ada_L@example.org"),
            ("phone", "+39 02 1234567"),
            ("wiki.handle", "Ada L"),
            ("facebook.id", "10001"),
            ("external", "EXT-1"),
        ];
        assert_eq!(schemes(contact), BTreeSet::from(all), "all of them, whichever was asked for");
    }
    for (scheme, value) in [("wiki.handle", "10001"), ("email", "%@example.org"), ("wiki.handle", "Nobody"), ("twitter.id", "10001")] {
        assert_eq!(driver.look_up(scheme, value).await, [], "{scheme} {value}");
    }
    let settings = json!({ "identifiers": [{ "type": "email", "scheme": "email" }], "external": { "from": "nothing" } });
    let strict = Driver::crm(crm, None, settings).await;
    assert_eq!(strict.look_up("wiki.handle", "Ada L").await, [], "the settings say what identifies");
    assert_eq!(schemes(&strict.look_up("email", "ada_l@example.org").await[0]), BTreeSet::from([("email", "Ada_L@example.org")]));
}

pub(crate) async fn an_inactive_party_is_a_deleted_contact(crm: &dyn Crm) {
    let operator = crm.operator();
    let party = ada(&operator).await;
    let mut driver = Driver::crm(crm, None, json!({})).await;
    driver.all_changes().await;
    operator.write_party(party, json!({ "active": false }), None).await.expect("a write");
    let changed = driver.all_changes().await;
    assert!(changed.iter().any(|contact| contact.id == party.to_string() && contact.deleted), "{changed:?}");
    assert!(driver.look_up("wiki.handle", "Ada L").await.iter().all(|contact| contact.deleted));
}

pub(crate) async fn a_party_that_was_never_written_is_among_the_changes(crm: &dyn Crm) {
    let operator = crm.operator();
    let first = ada(&operator).await;
    let is_written = !operator.party(first).await.expect("readable")["write_date"].is_null();
    assert_eq!(is_written, crm.release() == Release::Eight, "what the test is about");
    let mut driver = Driver::crm(crm, None, json!({})).await;
    let before = driver.all_changes().await;
    assert!(ids(&before).contains(&first.to_string()), "from the beginning");
    let second = operator.create_party("Bruno Rossi", "EXT-2", &[]).await.expect("a party");
    assert!(ids(&driver.all_changes().await).contains(&second.to_string()), "a party made later");

    // While the second of the last record is young by the server's clock, more of it may come: once it is not, it is read again.
    let mut looks = 0;
    loop {
        let cursor = driver.cursor().map(str::to_owned);
        let is_quiet = driver.all_changes().await.is_empty() && driver.cursor().map(str::to_owned) == cursor;
        if is_quiet {
            break;
        }
        looks += 1;
        assert!(looks < 5, "where nothing changed, nothing is read, and the cursor stays");
    }

    let version =
        |contacts: &[Contact]| contacts.iter().find(|contact| contact.id == first.to_string()).map(|contact| contact.version.clone());
    operator.write_party(first, json!({ "name": "Ada King" }), None).await.expect("a write");
    let changed = driver.all_changes().await;
    assert_eq!(
        changed.iter().find(|contact| contact.id == first.to_string()).and_then(|contact| contact.display_name.as_deref()),
        Some("Ada King")
    );
    assert_ne!(version(&changed), version(&before));
}

pub(crate) async fn a_mechanism_written_alone_reports_its_party(crm: &dyn Crm) {
    let operator = crm.operator();
    let party = ada(&operator).await;
    let mut driver = Driver::crm(crm, None, json!({ "overlap-seconds": 1 })).await;
    driver.all_changes().await;
    // The last moments once more, so that nothing but the change is left to tell.
    driver.all_changes().await;
    let domain = json!([["party", "=", party], ["name", "=", "wiki"]]);
    let rows =
        operator.call("model.party.contact_mechanism.search_read", json!([domain, 0, 1, null, ["value"], {}])).await.expect("a search");
    operator.call("model.party.contact_mechanism.write", json!([[rows[0]["id"]], { "value": "Ada King" }, {}])).await.expect("a write");
    let changed = driver.all_changes().await;
    let contact = changed.iter().find(|contact| contact.id == party.to_string()).expect("the mechanism's party");
    assert!(schemes(contact).contains(&("wiki.handle", "Ada King")), "{contact:?}");
}

pub(crate) async fn an_address_written_alone_reports_its_party(crm: &dyn Crm) {
    let operator = crm.operator();
    let party = ada(&operator).await;
    operator.write_party(party, json!({ "addresses": [["create", [{ "city": "Roma" }]]] }), None).await.expect("a write");
    let mut driver = Driver::crm(crm, None, json!({ "overlap-seconds": 1 })).await;
    let before = driver.all_changes().await;
    driver.all_changes().await;
    let rows = json!([[["party", "=", party]], 0, 1, null, ["city"], {}]);
    let rows = operator.call("model.party.address.search_read", rows).await.expect("a search");
    operator.call("model.party.address.write", json!([[rows[0]["id"]], { "city": "Pisa" }, {}])).await.expect("a write");
    let changed = driver.all_changes().await;
    let version =
        |contacts: &[Contact]| contacts.iter().find(|contact| contact.id == party.to_string()).map(|contact| contact.version.clone());
    assert!(version(&changed).is_some(), "{changed:?}");
    assert_ne!(version(&changed), version(&before));
}

pub(crate) async fn a_phone_number_is_found_however_it_was_typed(crm: &dyn Crm) {
    let operator = crm.operator();
    let typed = ["+39 02 1234567", "0039-02-1234567", "+39 (02) 12.34.567", "0039021234567"];
    let mut parties = BTreeSet::new();
    for (number, phone) in typed.into_iter().enumerate() {
        let made = operator.create_party("Ada", &format!("EXT-{number}"), &[ContactMechanism::phone(phone)]).await;
        parties.insert(made.expect("a party").to_string());
    }
    for (number, other) in ["+39 02 12345678", "+39 02 123456", "02 1234567"].into_iter().enumerate() {
        operator.create_party("Eva", &format!("OTHER-{number}"), &[ContactMechanism::phone(other)]).await.expect("a party");
    }
    let driver = Driver::crm(crm, None, json!({})).await;
    for asked in typed {
        assert_eq!(ids(&driver.look_up("phone", asked).await), parties, "{asked}");
    }
}

pub(crate) async fn a_customer_number_is_looked_up(crm: &dyn Crm) {
    let operator = crm.operator();
    let party = ada(&operator).await;
    operator.write_party(party, json!({ "identifiers": [["create", [{ "code": "N 7" }]]] }), None).await.expect("a write");
    let by_code = Driver::crm(crm, None, json!({})).await;
    assert_eq!(ids(&by_code.look_up("external", "EXT-1").await), only(party));
    assert_eq!(by_code.look_up("external", "ext-1").await, []);
    let by_identifier = Driver::crm(crm, None, json!({ "external": { "from": "identifier" } })).await;
    let found = by_identifier.look_up("external", "N 7").await;
    assert_eq!(ids(&found), only(party));
    assert!(schemes(&found[0]).contains(&("external", "N 7")) && !schemes(&found[0]).contains(&("external", "EXT-1")), "{found:?}");
    assert_eq!(by_identifier.look_up("external", "EXT-1").await, []);
}

pub(crate) async fn whoever_is_there_is_found_whatever_the_trouble_at_any_request(crm: &dyn Crm) {
    let party = ada(&crm.operator()).await;
    let gateway = Gateway::start(&split(&crm.rpc_url()).0).await.expect("the gateway starts");
    let driver = Driver::crm(crm, Some(&gateway.base_url()), json!({})).await;
    driver.look_up("external", "EXT-1").await;
    for (scheme, value) in [("email", "ada_l@EXAMPLE.org"), ("phone", "0039021234567"), ("wiki.handle", "Ada L"), ("external", "EXT-1")] {
        let found = driver.look_up_in_trouble(gateway.faults(), scheme, value).await;
        assert!(found.len() > 1 && found.iter().all(|found| ids(found) == only(party)), "{scheme}: {found:?}");
    }
}

pub(crate) async fn a_cursor_survives_a_restart_at_every_page(crm: &dyn Crm) {
    let operator = crm.operator();
    let mut made = BTreeSet::new();
    for number in 0..7 {
        made.insert(operator.create_party("Ada", &format!("EXT-{number}"), &[]).await.expect("a party").to_string());
    }
    let mut driver = Driver::crm(crm, None, json!({ "page-size": 2 })).await;
    let (mut seen, mut pages) = (BTreeSet::new(), 0);
    loop {
        let page = driver.changes().await.expect("a look at changes");
        seen.extend(ids(&page.contacts));
        pages += 1;
        if !page.more {
            break;
        }
        driver = Driver::crm(crm, None, json!({ "page-size": 2 })).await;
        driver.resume(page.cursor.as_deref());
    }
    assert_eq!(seen, made);
    assert!(pages >= 4, "{pages} pages");
}

pub(crate) async fn many_records_of_one_moment_are_paged_without_loss(crm: &dyn Crm) {
    let operator = crm.operator();
    let parties: Vec<_> = (0..23).map(|number| json!({ "name": format!("Party {number}"), "code": format!("EXT-{number}") })).collect();
    let made = operator.call("model.party.party.create", json!([parties, {}])).await.expect("parties");
    let made: BTreeSet<String> = made.as_array().expect("ids").iter().map(ToString::to_string).collect();
    let mut driver = Driver::crm(crm, None, json!({ "page-size": 5 })).await;
    let all = driver.all_changes().await;
    assert!(ids(&all).is_superset(&made), "{:?}", ids(&all));
}

pub(crate) async fn from_now_on_means_not_what_was_there_before(crm: &dyn Crm) {
    let operator = crm.operator();
    ada(&operator).await;
    let mut driver = Driver::crm(crm, None, json!({ "changes-from": "now" })).await;
    driver.all_changes().await;
    let second = operator.create_party("Bruno Rossi", "EXT-2", &[]).await.expect("a party");
    assert!(ids(&driver.all_changes().await).is_superset(&only(second)));
}

pub(crate) async fn an_activity_is_a_note_and_is_found(crm: &dyn Crm) {
    let operator = crm.operator();
    let party = ada(&operator).await;
    let driver = Driver::crm(crm, None, json!({})).await;
    let effect = activity("run-1-activity-1", party, "Abbiamo risposto: perché 100 % è 100_%");
    assert_eq!(driver.find(&effect).await.expect("a look"), Presence::Absent);
    let receipt = driver.publish(&effect).await.expect("a note");
    let notes = operator.notes(party).await.expect("readable");
    let [note] = notes.as_slice() else { panic!("{notes:?}") };
    assert_eq!(receipt.native_id, format!("ir.note,{}", note.id));
    assert!(note.message.starts_with("Answered on the wiki\n\nAbbiamo risposto: perché 100 % è 100_%\n\n"), "{}", note.message);
    assert!(matches!(driver.find(&effect).await, Ok(Presence::Present(found)) if found.native_id == receipt.native_id));
    for other in
        [activity("run-1-activity-10", party, "x"), activity("run-1-activity", party, "x"), activity("run-1-activity-1", party + 1, "x")]
    {
        assert_eq!(driver.find(&other).await.expect("a look"), Presence::Absent, "{other:?}");
    }
}

pub(crate) async fn an_activity_on_nobody_is_refused(crm: &dyn Crm) {
    let driver = Driver::crm(crm, None, json!({})).await;
    let refused = driver.publish(&activity("run-1-activity-1", 77, "x")).await;
    assert!(matches!(&refused, Err(ConnectorError::Reject(reason)) if reason.contains("UserError")), "{refused:?}");
}

pub(crate) async fn an_expired_session_is_renewed(crm: &dyn Crm) {
    let operator = crm.operator();
    let party = ada(&operator).await;
    let driver = Driver::crm(crm, None, json!({})).await;
    assert_eq!(ids(&driver.look_up("wiki.handle", "Ada L").await), only(party));
    crm.expire_sessions().await.expect("sessions can be expired");
    assert_eq!(ids(&driver.look_up("wiki.handle", "Ada L").await), only(party));
    crm.expire_sessions().await.expect("sessions can be expired");
    driver.publish(&activity("run-1-activity-1", party, "x")).await.expect("a note");
    assert_eq!(crm.operator().notes(party).await.expect("readable").len(), 1);
}

pub(crate) async fn a_failed_log_in_is_told(crm: &dyn Crm) {
    let (origin, path) = split(&crm.rpc_url());
    let mut account = crm.account();
    account.password = "wrong-password".to_owned();
    let mut driver = Driver::new("legacy-crm", json!({ "base-url": origin, "rpc-path": path }), &origin, "user", &account).await;
    let refused = driver.changes().await;
    assert!(matches!(&refused, Err(ConnectorError::Auth(reason)) if !reason.contains("wrong-password")), "{refused:?}");
}

pub(crate) async fn an_answer_that_was_lost_is_uncertain_and_the_note_is_found(crm: &dyn Crm) {
    let party = ada(&crm.operator()).await;
    let between = Between::start(&split(&crm.rpc_url()).0).await;
    let driver = Driver::crm(crm, Some(between.base_url()), json!({})).await;
    between.lose_answer("model.ir.note.create");
    let effect = activity("run-1-activity-1", party, "x");
    let unsure = driver.publish(&effect).await;
    assert!(matches!(unsure, Err(ConnectorError::Uncertain(_))), "{unsure:?}");
    assert!(matches!(driver.find(&effect).await, Ok(Presence::Present(_))));
    assert_eq!(crm.operator().notes(party).await.expect("readable").len(), 1);
}

pub(crate) async fn the_concurrency_error_is_the_one_the_connector_knows(crm: &dyn Crm) {
    // The connector's own test plays this recorded reply and shows that it is tried again; here the server says that the recording is true.
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugins/legacy-crm/tests/exchanges/concurrency_exception.json");
    let recorded: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path).expect("the recording")).expect("JSON");
    let operator = crm.operator();
    let party = ada(&operator).await;
    let stale = json!([[party], { "name": "Ada King" }, { "_timestamp": { format!("party.party,{party}"): "1000000000" } }]);
    let session = operator.log_in().await.expect("a log-in");
    let answer = operator.post("model.party.party.write", &stale, Some(&session)).await.expect("an answer");
    assert_eq!(u64::from(answer.status), recorded["response"]["status"].as_u64().expect("a status"));
    assert_eq!(answer.json().expect("JSON")["error"], recorded["response"]["body"]["error"]);
}
