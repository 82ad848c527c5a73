//! What the CRM connector promises about making and changing contacts.

use std::time::Duration;

use serde_json::{Value, json};
use sportello_runtime::contract::{Attribute, ConnectorError, Contact, Effect, Presence, Receipt};
use sportello_tests::servers::{ContactMechanism, Crm, CrmUser, Release};

use super::between::Between;
use super::driver::{Driver, contact, split};

const ADA: [(&str, &str); 5] = [
    ("display-name", "Ada Lovelace"),
    ("email", "ada@example.org"),
    ("phone", "+39 02 1234567"),
    ("wiki.handle", "Ada L"),
    ("facebook.id", "10001"),
];

/// The effect of this key; `about` is the party, None: one that is to be made.
fn effect(key: &str, about: Option<&str>, attributes: &[(&str, &str)]) -> Effect {
    let attributes = attributes.iter().map(|(name, value)| Attribute { name: (*name).to_owned(), value: (*value).to_owned() });
    Effect { attributes: attributes.collect(), ..contact(key, about) }
}

/// The party in a receipt.
fn party(receipt: &Receipt) -> String {
    receipt.native_id.strip_prefix("party.party,").expect("a party").to_owned()
}

async fn the_only(driver: &Driver, scheme: &str, value: &str) -> Contact {
    let mut found = driver.look_up(scheme, value).await;
    assert_eq!(found.len(), 1, "{scheme} {value}: {found:?}");
    found.remove(0)
}

fn says(contact: &Contact, scheme: &str, value: &str) -> bool {
    contact.identifiers.iter().any(|held| held.scheme == scheme && held.value == value)
}

/// Publishes as the host does: a passing refusal is tried again.
async fn publish(driver: &Driver, effect: &Effect) -> Result<Receipt, ConnectorError> {
    loop {
        match driver.publish(effect).await {
            // Tryton 6 cannot tell apart the changes of one second.
            Err(ConnectorError::Retry(retry)) => tokio::time::sleep(Duration::from_millis(u64::from(retry.after_ms) / 4)).await,
            outcome => return outcome,
        }
    }
}

async fn count(operator: &CrmUser) -> u64 {
    let everybody = json!([[["active", "in", [true, false]]], {}]);
    operator.call("model.party.party.search_count", everybody).await.expect("a count").as_u64().expect("a number")
}

pub(crate) async fn a_contact_is_made_and_found_by_all_it_says(crm: &dyn Crm) {
    let driver = Driver::crm(crm, None, json!({})).await;
    let effect = effect("api-1-a", None, &ADA);
    assert_eq!(driver.find(&effect).await.expect("a look"), Presence::Absent);
    let receipt = driver.publish(&effect).await.expect("a party");
    for (scheme, value) in &ADA[1..] {
        let contact = the_only(&driver, scheme, value).await;
        assert_eq!((contact.id, contact.display_name.as_deref()), (party(&receipt), Some("Ada Lovelace")));
        assert!(
            ADA[1..].iter().all(|(scheme, value)| contact.identifiers.iter().any(|held| (&*held.scheme, &*held.value) == (scheme, value)))
        );
    }
    assert!(matches!(driver.find(&effect).await, Ok(Presence::Present(found)) if found.native_id == receipt.native_id));
    for other in ["api-1", "api-1-ab", "api-1-b"] {
        assert_eq!(driver.find(&self::effect(other, None, &ADA)).await.expect("a look"), Presence::Absent, "{other}");
    }
    let mut driver = Driver::crm(crm, None, json!({})).await;
    let changes = driver.all_changes().await;
    assert!(changes.iter().any(|contact| contact.id == party(&receipt)), "it comes back by the changes: {changes:?}");
}

pub(crate) async fn a_contact_is_made_with_the_number_the_settings_say(crm: &dyn Crm) {
    let operator = crm.operator();
    let by_code = Driver::crm(crm, None, json!({})).await;
    let receipt = by_code.publish(&effect("api-1-a", None, &[("external", "K-77"), ("wiki.handle", "Ada L")])).await.expect("a party");
    assert_eq!(the_only(&by_code, "external", "K-77").await.id, party(&receipt));
    let made = operator.party(party(&receipt).parse().expect("a number")).await.expect("readable");
    assert_eq!((&made["code"], &made["name"]), (&json!("K-77"), &json!("K-77")), "without a name, something people can read");

    let by_identifier = Driver::crm(crm, None, json!({ "external": { "from": "identifier" } })).await;
    let receipt = by_identifier.publish(&effect("api-1-b", None, &[("external", "N 78")])).await.expect("a party");
    let contact = the_only(&by_identifier, "external", "N 78").await;
    assert_eq!(contact.id, party(&receipt));
    assert_eq!(contact.identifiers.len(), 1, "the effect's key is no number of anybody's: {contact:?}");
    assert_eq!(by_code.look_up("external", "N 78").await, []);
}

pub(crate) async fn nobody_is_made_twice(crm: &dyn Crm) {
    let operator = crm.operator();
    let held = operator.create_party("Ada", "EXT-1", &[ContactMechanism::phone("0039-02 (12) 34567")]).await.expect("a party");
    let driver = Driver::crm(crm, None, json!({})).await;
    let refused = driver.publish(&effect("api-1-a", None, &ADA)).await;
    assert!(
        matches!(&refused, Err(ConnectorError::Reject(reason)) if reason.contains(&format!("party {held} has this `phone`"))),
        "{refused:?}"
    );
    let refused = driver.publish(&effect("api-1-b", None, &[("external", "EXT-1"), ("display-name", "Ada")])).await;
    assert!(matches!(&refused, Err(ConnectorError::Reject(reason)) if reason.contains("`external`")), "{refused:?}");
    let refused = driver.publish(&effect("api-1-c", None, &[("display-name", "Ada"), ("twitter.id", "7")])).await;
    assert!(matches!(&refused, Err(ConnectorError::Reject(reason)) if reason.contains("twitter.id")), "{refused:?}");
    assert_eq!(count(&operator).await, 1);
}

pub(crate) async fn a_party_whose_answer_was_lost_is_found_and_not_made_again(crm: &dyn Crm) {
    let operator = crm.operator();
    let between = Between::start(&split(&crm.rpc_url()).0).await;
    let driver = Driver::crm(crm, Some(between.base_url()), json!({})).await;
    between.lose_answer("model.party.party.create");
    let effect = effect("api-1-a", None, &ADA);
    let unsure = driver.publish(&effect).await;
    assert!(matches!(unsure, Err(ConnectorError::Uncertain(_))), "{unsure:?}");
    let found = driver.find(&effect).await;
    let Ok(Presence::Present(receipt)) = &found else { panic!("{found:?}") };
    assert_eq!(the_only(&driver, "wiki.handle", "Ada L").await.id, party(receipt));
    assert_eq!(count(&operator).await, 1);
}

pub(crate) async fn a_contact_is_changed_as_it_was_seen(crm: &dyn Crm) {
    let operator = crm.operator();
    let driver = Driver::crm(crm, None, json!({})).await;
    let id = party(&driver.publish(&effect("api-1-a", None, &ADA)).await.expect("a party"));
    let seen = the_only(&driver, "wiki.handle", "Ada L").await;
    let said =
        [("expects-version", &*seen.version), ("display-name", "Ada King"), ("email", "ADA@example.org"), ("email", "king@example.org")];
    let change = effect("api-1-b", Some(&id), &said);
    assert_eq!(driver.find(&change).await.expect("a look"), Presence::Absent);
    let receipt = publish(&driver, &change).await.expect("a change");
    assert_eq!(party(&receipt), id);
    let changed = the_only(&driver, "email", "king@example.org").await;
    assert_eq!(changed.display_name.as_deref(), Some("Ada King"));
    assert!(ADA[1..].iter().all(|(scheme, value)| says(&changed, scheme, value)), "nothing is taken away: {changed:?}");
    assert_eq!(changed.identifiers.len(), seen.identifiers.len() + 1, "what it says already is not said twice: {changed:?}");
    assert!(matches!(driver.find(&change).await, Ok(Presence::Present(found)) if found == receipt));
    assert_ne!(changed.version, seen.version);

    let again =
        effect("api-1-c", Some(&id), &[("expects-version", &changed.version), ("display-name", "Ada King"), ("phone", "0039021234567")]);
    publish(&driver, &again).await.expect("nothing to do");
    assert_eq!(the_only(&driver, "wiki.handle", "Ada L").await, changed, "which changes nothing");
    let markers = json!([[["party", "=", id.parse::<u64>().expect("a number")]], {}]);
    assert_eq!(operator.call("model.party.identifier.search_count", markers).await.expect("a count"), json!(1), "one key at most");

    let gone = effect("api-1-d", Some("77"), &[("display-name", "x")]);
    assert!(matches!(driver.publish(&gone).await, Err(ConnectorError::Reject(_))));
}

/// What somebody at the CRM may do to a party between two looks.
async fn meddle(operator: &CrmUser, party: u64, how: &str) {
    let part = async |model: &str, method: &str, values: Option<Value>| {
        let rows = json!([[["party", "=", party]], 0, 1, [["id", "ASC"]], [], {}]);
        let id = operator.call(&format!("model.{model}.search_read"), rows).await.expect("a search")[0]["id"].clone();
        let params = json!([[id], values, {}]);
        let params = json!(params.as_array().expect("a list").iter().filter(|value| !value.is_null()).collect::<Vec<_>>());
        operator.call(&format!("model.{model}.{method}"), params).await.expect("a change");
    };
    match how {
        "name" => operator.write_party(party, json!({ "name": "Ada Byron" }), None).await.expect("a write"),
        "mechanism written" => part("party.contact_mechanism", "write", Some(json!({ "value": "byron@example.org" }))).await,
        "mechanism deleted" => part("party.contact_mechanism", "delete", None).await,
        "address written" => part("party.address", "write", Some(json!({ "city": "Pisa" }))).await,
        other => panic!("{other}"),
    }
}

pub(crate) async fn a_contact_that_was_changed_meanwhile_is_left_as_it_is(crm: &dyn Crm) {
    let operator = crm.operator();
    let driver = Driver::crm(crm, None, json!({})).await;
    let parts = json!({ "addresses": [["create", [{ "city": "Roma" }]]] });
    for (number, how) in ["name", "mechanism written", "address written", "mechanism deleted"].into_iter().enumerate() {
        let code = format!("EXT-{number}");
        let mechanisms = [ContactMechanism::email(&format!("ada-{number}@example.org")), ContactMechanism::wiki(&format!("Ada {number}"))];
        let party = operator.create_party("Ada", &code, &mechanisms).await.expect("a party");
        operator.write_party(party, parts.clone(), None).await.expect("a write");
        let seen = the_only(&driver, "external", &code).await;
        meddle(&operator, party, how).await;
        let is = the_only(&driver, "external", &code).await;
        let late = effect("api-1-a", Some(&party.to_string()), &[("expects-version", &seen.version), ("display-name", "Ada King")]);
        let refused = publish(&driver, &late).await;
        assert!(matches!(&refused, Err(ConnectorError::Reject(reason)) if reason.contains("nothing was written")), "{how}: {refused:?}");
        assert_eq!(the_only(&driver, "external", &code).await, is, "{how}");
        assert_eq!(driver.find(&late).await.expect("a look"), Presence::Absent, "{how}");
    }
}

pub(crate) async fn a_change_between_our_look_and_our_write_is_refused_by_tryton(crm: &dyn Crm) {
    let operator = crm.operator();
    let party = operator.create_party("Ada", "EXT-1", &[]).await.expect("a party");
    let between = Between::start(&split(&crm.rpc_url()).0).await;
    let driver = Driver::crm(crm, Some(between.base_url()), json!({})).await;
    let seen = the_only(&driver, "external", "EXT-1").await;
    let (rpc_url, account) = (crm.rpc_url(), crm.account());
    between.before("model.party.party.write", 1, move || {
        let somebody = CrmUser::new(&rpc_url, account.clone());
        Box::pin(async move { somebody.write_party(party, json!({ "name": "Ada Byron" }), None).await.expect("a write") })
    });
    let late = effect("api-1-a", Some(&party.to_string()), &[("expects-version", &seen.version), ("display-name", "Ada King")]);
    let refused = publish(&driver, &late).await;
    assert!(matches!(&refused, Err(ConnectorError::Reject(reason)) if reason.contains("nothing was written")), "{refused:?}");
    assert_eq!(between.count("model.party.party.write"), 1, "it was the lock, then the look, that refused");
    assert_eq!(operator.party(party).await.expect("readable")["name"], "Ada Byron");
}

pub(crate) async fn a_customer_number_is_changed_where_tryton_lets_one(crm: &dyn Crm) {
    let operator = crm.operator();
    let party = operator.create_party("Ada", "EXT-1", &[]).await.expect("a party").to_string();
    let driver = Driver::crm(crm, None, json!({})).await;
    let changed = publish(&driver, &effect("api-1-a", Some(&party), &[("external", "EXT-2")])).await;
    match crm.release() {
        Release::Six => assert_eq!(the_only(&driver, "external", "EXT-2").await.id, party),
        Release::Eight => {
            assert!(
                matches!(&changed, Err(ConnectorError::Reject(reason)) if reason.contains("UserError")),
                "codes are fixed: {changed:?}"
            );
            assert_eq!(the_only(&driver, "external", "EXT-1").await.id, party);
        }
    }
    let driver = Driver::crm(crm, None, json!({ "external": { "from": "identifier" } })).await;
    for number in ["N 1", "N 2"] {
        publish(&driver, &effect("api-1-b", Some(&party), &[("external", number)])).await.expect("a change");
        assert_eq!(the_only(&driver, "external", number).await.id, party);
    }
    assert_eq!(driver.look_up("external", "N 1").await, [], "in place of the one before");
}

/// Puts the identifier of this code away, or all of the party.
async fn put_away(operator: &CrmUser, party: &str, code: Option<&str>) -> usize {
    let mut domain = vec![json!(["party", "=", party.parse::<u64>().expect("a number")])];
    domain.extend(code.map(|code| json!(["code", "=", code])));
    let found = operator.call("model.party.identifier.search", json!([domain, 0, 10, [["id", "ASC"]], {}])).await.expect("a search");
    operator.call("model.party.identifier.write", json!([found, { "active": false }, {}])).await.expect("a change");
    found.as_array().expect("a list").len()
}

/// Tryton 6.0 cannot put identifiers away.
pub(crate) async fn an_identifier_that_was_put_away_identifies_nobody_and_hides_no_key(crm: &dyn Crm) {
    if crm.release() == Release::Six {
        return;
    }
    let operator = crm.operator();
    let mut driver = Driver::crm(crm, None, json!({ "external": { "from": "identifier" } })).await;
    let made = effect("api-1-a", None, &[("display-name", "Ada"), ("external", "N 1"), ("email", "ada@example.org")]);
    let id = party(&driver.publish(&made).await.expect("a party"));
    let seen = driver.all_changes().await.pop().expect("the party");
    assert_eq!((&seen.id, says(&seen, "external", "N 1")), (&id, true));

    assert_eq!(put_away(&operator, &id, Some("N 1")).await, 1);
    assert_eq!(driver.look_up("external", "N 1").await, []);
    let told = driver.all_changes().await.pop().expect("it is told");
    assert!(!says(&told, "external", "N 1") && told.version != seen.version, "{told:?}");
    assert_eq!(the_only(&driver, "email", "ada@example.org").await, told);

    let change = effect("api-1-b", Some(&id), &[("expects-version", &told.version), ("external", "N 2")]);
    publish(&driver, &change).await.expect("a change");
    assert_eq!(the_only(&driver, "external", "N 2").await.id, id);
    let kept = json!([[["code", "=", "N 1"], ["active", "=", false]], {}]);
    assert_eq!(operator.call("model.party.identifier.search_count", kept).await.expect("a count"), json!(1), "it is left as it is");

    assert_eq!(put_away(&operator, &id, None).await, 2, "the number, and the effect's key");
    assert!(matches!(driver.find(&change).await, Ok(Presence::Present(_))), "it took place, whatever became of its key");
    let again = effect("api-1-c", Some(&id), &[("display-name", "Ada King"), ("external", "N 3")]);
    publish(&driver, &again).await.expect("a change");
    assert!(matches!(driver.find(&again).await, Ok(Presence::Present(_))));
    assert_eq!(the_only(&driver, "external", "N 3").await.display_name.as_deref(), Some("Ada King"));
}
