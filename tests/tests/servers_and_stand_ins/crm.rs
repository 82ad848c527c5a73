//! The promises of Tryton's JSON-RPC that our connector is built on.

use serde_json::{Value, json};
use sportello_tests::servers::{Account, ContactMechanism, Crm, CrmUser, Release};

/// Makes a module of tests out of these promises; `$start` gives `Option<impl Crm>`, `None` to skip.
#[macro_export]
macro_rules! crm_promises {
    ($module:ident, $start:expr) => {
        mod $module {
            use super::*;
            $crate::crm_promises!(@each $start;
                a_session_is_needed_and_ends
                a_wrong_password_is_401_without_a_challenge_and_slows_down
                a_party_is_found_by_each_of_its_mechanisms
                a_party_s_write_date_is_null_until_its_first_write_on_6
                what_hangs_on_a_party_and_is_written_alone_leaves_the_party_s_date
                changes_since_a_time_are_searched_by_both_dates
                a_write_on_stale_data_is_refused
                a_party_s_code_is_fixed_on_8
                a_note_is_kept_on_a_party_and_found_by_its_key
                errors_are_http_200_and_an_unknown_method_is_403
                inactive_parties_are_left_out_but_their_mechanisms_are_found
                patterns_and_lists_are_searched
            );
        }
    };
    (@each $start:expr; $($promise:ident)*) => { $(
        #[tokio::test]
        async fn $promise() {
            let Some(crm) = $start.await else { return };
            $crate::servers_and_stand_ins::crm::$promise(&crm).await;
        }
    )* };
}

fn code<Done: std::fmt::Debug>(result: sportello_tests::error::Result<Done>) -> String {
    let error = result.expect_err("the CRM should refuse this");
    error.code().unwrap_or_else(|| panic!("the CRM should refuse with an error object, not: {error}")).to_owned()
}

async fn ada(operator: &CrmUser) -> u64 {
    let mechanisms = [
        ContactMechanism::email("ada@example.org"),
        ContactMechanism::phone("+39 02 1234567"),
        ContactMechanism::wiki("Ada L"),
        ContactMechanism::facebook("10001"),
    ];
    operator.create_party("Ada Lovelace", "EXT-1", &mechanisms).await.expect("a party can be created")
}

fn ids(rows: &Value) -> Vec<u64> {
    rows.as_array().expect("rows").iter().filter_map(|row| row["id"].as_u64().or(row.as_u64())).collect()
}

pub(crate) async fn a_session_is_needed_and_ends(crm: &dyn Crm) {
    let operator = crm.operator();
    let read = json!([[1], ["name"], {}]);
    let refused = operator.post("model.party.party.read", &read, None).await.expect("an answer");
    assert_eq!((refused.status, refused.header("www-authenticate"), refused.body.len()), (401, "Basic realm=\"Tryton\"", 0));
    let session = operator.log_in().await.expect("the password is right");
    ada(&operator).await;
    crm.expire_sessions().await.expect("sessions can be expired");
    let refused = operator.post("model.party.party.read", &read, Some(&session)).await.expect("an answer");
    assert_eq!((refused.status, refused.header("www-authenticate"), refused.body.len()), (401, "Basic realm=\"Tryton\"", 0));
    assert_eq!(operator.party(1).await.expect("logged in anew")["name"], "Ada Lovelace");
    let session = operator.log_in().await.expect("the password is right");
    operator.log_out().await.expect("a session can be ended");
    assert_eq!(operator.post("model.party.party.read", &read, Some(&session)).await.expect("an answer").status, 401);
}

pub(crate) async fn a_wrong_password_is_401_without_a_challenge_and_slows_down(crm: &dyn Crm) {
    let stranger = CrmUser::new(&crm.rpc_url(), Account::new("admin", "wrong"));
    for _ in 0..2 {
        let answer = stranger.post("common.db.login", &json!(["admin", {"password": "wrong"}, "en"]), None).await.expect("an answer");
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, ""));
        assert!(answer.header("content-type").starts_with("text/html"));
    }
    let asked = stranger.post("common.db.login", &json!(["admin", {}, "en"]), None).await.expect("an answer").json().expect("JSON");
    assert_eq!(asked["error"][0], "LoginException", "without a password the CRM asks for one");
    crm.operator().log_in().await.expect("the right password still works, later");
}

pub(crate) async fn a_party_is_found_by_each_of_its_mechanisms(crm: &dyn Crm) {
    let operator = crm.operator();
    let party = ada(&operator).await;
    operator
        .create_party("Bruno Rossi", "EXT-2", &[ContactMechanism::wiki("Bruno"), ContactMechanism::email("bruno@example.org")])
        .await
        .expect("a party");
    let fields = json!(["party", "party.name", "party.code", "party.active", "type", "name", "value"]);
    for (kind, label, value) in [
        ("email", Value::Null, "ada@example.org"),
        ("phone", Value::Null, "+39 02 1234567"),
        ("other", json!("wiki"), "Ada L"),
        ("other", json!("facebook"), "10001"),
    ] {
        let domain = json!([["type", "=", kind], ["name", "=", label], ["value", "=", value]]);
        let rows = operator
            .call("model.party.contact_mechanism.search_read", json!([domain, 0, 10, [["id", "ASC"]], fields, {}]))
            .await
            .expect("a search");
        assert_eq!(rows.as_array().map(Vec::len), Some(1), "{value}: {rows}");
        assert_eq!(
            (&rows[0]["party"], &rows[0]["party."]["name"], &rows[0]["party."]["code"]),
            (&json!(party), &json!("Ada Lovelace"), &json!("EXT-1"))
        );
        assert_eq!(rows[0]["party."]["active"], 1, "flags come as numbers");
        let domain = json!([["contact_mechanisms.value", "=", value]]);
        let found = operator.call("model.party.party.search", json!([domain, 0, 10, null, {}])).await.expect("a search");
        assert_eq!(ids(&found), [party], "{value}");
    }
    // Two conditions about one mechanism need `where`; apart they may be met by two.
    let apart = json!([["contact_mechanisms.type", "=", "email"], ["contact_mechanisms.value", "=", "Ada L"]]);
    assert_eq!(ids(&operator.call("model.party.party.search", json!([apart, 0, 10, null, {}])).await.expect("a search")), [party]);
    let together = json!([["contact_mechanisms", "where", [["type", "=", "email"], ["value", "=", "Ada L"]]]]);
    assert_eq!(
        ids(&operator.call("model.party.party.search", json!([together, 0, 10, null, {}])).await.expect("a search")),
        Vec::<u64>::new()
    );
    let either = json!([
        "OR",
        [["type", "=", "email"], ["value", "=", "bruno@example.org"]],
        [["type", "=", "other"], ["name", "=", "wiki"], ["value", "=", "Ada L"]]
    ]);
    let rows = operator
        .call("model.party.contact_mechanism.search_read", json!([either, 0, 10, [["party", "ASC"]], ["party"], {}]))
        .await
        .expect("a search");
    assert_eq!(rows.as_array().expect("rows").iter().map(|row| row["party"].as_u64()).collect::<Vec<_>>(), [Some(party), Some(party + 1)]);
}

pub(crate) async fn a_party_s_write_date_is_null_until_its_first_write_on_6(crm: &dyn Crm) {
    let operator = crm.operator();
    let party = ada(&operator).await;
    let fresh = operator.party(party).await.expect("readable");
    match crm.release() {
        Release::Six => assert_eq!(fresh["write_date"], Value::Null),
        Release::Eight => assert_eq!(fresh["write_date"], fresh["create_date"]),
    }
    assert_eq!(fresh["create_date"]["__class__"], "datetime");
    assert_eq!(fresh["contact_mechanisms."].as_array().map(Vec::len), Some(4), "{fresh}");
    operator.write_party(party, json!({"name": "Ada King"}), None).await.expect("a write");
    let written = operator.party(party).await.expect("readable");
    assert_eq!((&written["name"], &written["write_date"]["__class__"]), (&json!("Ada King"), &json!("datetime")));
    let numbered = operator.call("model.party.party.create", json!([[{"name": "No code"}], {}])).await.expect("a party without a code");
    let numbered = operator.party(numbered[0].as_u64().expect("an id")).await.expect("readable");
    assert!(numbered["code"].as_str().is_some_and(|code| !code.is_empty()), "it gets a code: {numbered}");
}

/// What hangs on a party and has dates of its own, with what is written to it.
const PARTS: [(&str, &str, &str); 3] =
    [("party.contact_mechanism", "value", "Ada King"), ("party.address", "city", "Pisa"), ("party.identifier", "code", "K-2")];

pub(crate) async fn what_hangs_on_a_party_and_is_written_alone_leaves_the_party_s_date(crm: &dyn Crm) {
    let operator = crm.operator();
    let party = ada(&operator).await;
    let parts = json!({ "addresses": [["create", [{ "city": "Roma" }]]], "identifiers": [["create", [{ "code": "K-1" }]]] });
    operator.write_party(party, parts, None).await.expect("a write");
    let before = operator.party(party).await.expect("readable")["write_date"].clone();
    for (model, field, value) in PARTS {
        let rows = json!([[["party", "=", party]], 0, 1, [["id", "DESC"]], ["create_date", "write_date"], {}]);
        let part = async || operator.call(&format!("model.{model}.search_read"), rows.clone()).await.expect("a search")[0].clone();
        let made = part().await;
        if model == "party.contact_mechanism" {
            assert_eq!(made["write_date"], made["create_date"], "a mechanism's write date is there from the start");
        }
        operator.call(&format!("model.{model}.write"), json!([[made["id"]], { field: value }, {}])).await.expect("a write");
        assert_ne!(part().await["write_date"], made["write_date"], "{model} has a date of its own");
        assert_eq!(operator.party(party).await.expect("readable")["write_date"], before, "{model}");
    }
    operator.add_mechanism(party, &ContactMechanism::phone("+39 333 1234567")).await.expect("a write through the party");
    assert_ne!(operator.party(party).await.expect("readable")["write_date"], before);
}

pub(crate) async fn changes_since_a_time_are_searched_by_both_dates(crm: &dyn Crm) {
    let operator = crm.operator();
    let first = ada(&operator).await;
    let second = operator.create_party("Bruno Rossi", "EXT-2", &[]).await.expect("a party");
    operator.write_party(first, json!({"name": "Ada King"}), None).await.expect("a write");
    let since = operator.party(second).await.expect("readable")["create_date"].clone();
    let since_then = |field: &str, operator: &str| json!([field, operator, since]);
    let both = json!(["OR", since_then("write_date", ">="), since_then("create_date", ">=")]);
    let rows =
        operator.call("model.party.party.search_read", json!([both, 0, 100, [["write_date", "ASC"], ["id", "ASC"]], ["name"], {}])).await;
    assert_eq!(ids(&rows.expect("a search")), [second, first], "an empty date sorts first");
    let written = json!([since_then("write_date", ">=")]);
    let found = ids(&operator.call("model.party.party.search", json!([written, 0, 100, [["id", "ASC"]], {}])).await.expect("a search"));
    match crm.release() {
        Release::Six => assert_eq!(found, [first], "null is never later"),
        Release::Eight => assert_eq!(found, [first, second]),
    }
    let later = json!([["write_date", "=", null], since_then("create_date", ">")]);
    assert_eq!(
        ids(&operator.call("model.party.party.search", json!([later, 0, 100, null, {}])).await.expect("a search")),
        Vec::<u64>::new()
    );
    let page = operator.call("model.party.party.search", json!([[], 1, 1, [["id", "ASC"]], {}])).await.expect("a search");
    assert_eq!(ids(&page), [second], "offset and limit");
}

pub(crate) async fn a_write_on_stale_data_is_refused(crm: &dyn Crm) {
    let operator = crm.operator();
    let party = ada(&operator).await;
    let seen = operator.party(party).await.expect("readable")["_timestamp"].as_str().expect("a text of seconds").to_owned();
    assert_eq!(seen.contains('.'), crm.release() == Release::Eight, "whole seconds, or fractions: {seen}");
    operator.write_party(party, json!({"name": "Ada Byron"}), Some(&seen)).await.expect("the data is fresh");
    // Where `_timestamp` knows whole seconds, what was read a second ago is said to have been read: no waiting, an older reading.
    let older = match crm.release() {
        Release::Six => (seen.parse::<u64>().expect("a number") - 1).to_string(),
        Release::Eight => seen,
    };
    assert_eq!(code(operator.write_party(party, json!({"name": "Ada King"}), Some(&older)).await), "ConcurrencyException");
    assert_eq!(operator.party(party).await.expect("readable")["name"], "Ada Byron", "nothing was written");
}

pub(crate) async fn a_party_s_code_is_fixed_on_8(crm: &dyn Crm) {
    let operator = crm.operator();
    let party = ada(&operator).await;
    let written = operator.write_party(party, json!({"code": "EXT-9"}), None).await;
    let is_fixed = crm.release() == Release::Eight;
    assert_eq!(written.is_err(), is_fixed, "{written:?}");
    if is_fixed {
        assert_eq!(code(written), "UserError");
    }
    let wanted = if is_fixed { "EXT-1" } else { "EXT-9" };
    assert_eq!(operator.party(party).await.expect("readable")["code"], wanted);
}

pub(crate) async fn a_note_is_kept_on_a_party_and_found_by_its_key(crm: &dyn Crm) {
    let operator = crm.operator();
    let party = ada(&operator).await;
    let note = operator.create_note(party, "Answered on the wiki: perché no?\nkey: run-1/answer/1").await.expect("a note");
    operator.create_note(party, "Another\nkey: run-1/answer/2").await.expect("a note");
    let notes = operator.notes(party).await.expect("notes");
    assert_eq!(notes.len(), 2);
    assert_eq!((notes[0].id, notes[0].message.as_str()), (note, "Answered on the wiki: perché no?\nkey: run-1/answer/1"));
    let resource = format!("party.party,{party}");
    let domain = json!([["resource", "=", resource], ["message", "like", "%key: run-1/answer/1%"]]);
    let rows =
        operator.call("model.ir.note.search_read", json!([domain, 0, 10, null, ["resource", "create_date"], {}])).await.expect("a search");
    assert_eq!(ids(&rows), [note]);
    assert_eq!(rows[0]["resource"], json!(resource));
    assert_eq!(code(operator.create_note(party + 99, "nobody").await), "UserError");
    assert_eq!(code(operator.call("model.ir.note.create", json!([[{"message": "nowhere"}], {}])).await), "UserError");
}

pub(crate) async fn errors_are_http_200_and_an_unknown_method_is_403(crm: &dyn Crm) {
    let operator = crm.operator();
    let party = ada(&operator).await;
    assert_eq!(code(operator.party(party + 99).await), "UserError");
    assert_eq!(code(operator.write_party(party + 99, json!({"name": "x"}), None).await), "UserError");
    assert_eq!(code(operator.create_party("Twin", "EXT-1", &[]).await), "UserError", "codes are unique");
    assert_eq!(code(operator.call("model.party.party.create", json!([[{"name": "Y", "nope": 1}], {}])).await), "'nope'");
    assert_eq!(code(operator.call("model.party.party.read", json!([[party], ["nope"], {}])).await), "'nope'");
    let without_context = operator.call("model.party.party.read", json!([[party], ["name"]])).await;
    match crm.release() {
        Release::Six => assert_eq!(code(without_context), "Missing context argument"),
        Release::Eight => assert_eq!(without_context.expect_err("a refusal").status(), Some(422)),
    }
    assert_eq!(code(operator.call("model.frob.frob.read", json!([[1], [], {}])).await), "'frob.frob'");
    let bogus = json!([[{"name": "W", "contact_mechanisms": [["create", [{"type": "bogus", "value": "x"}]]]}], {}]);
    assert_eq!(code(operator.call("model.party.party.create", bogus).await), "UserError");
    let all = operator.call("model.party.party.search_count", json!([[], {}])).await.expect("a count");
    assert_eq!(all, json!(1), "what was refused left nothing behind");
    let unknown = operator.call("model.party.party.frob", json!([[party], {}])).await.expect_err("no such method");
    assert_eq!(unknown.status(), Some(403));
    let session = operator.log_in().await.expect("a session");
    let headers = [("content-type", "application/json"), ("authorization", session.as_str())];
    let garbage = operator.http().send(http::Method::POST, &crm.rpc_url(), &headers, "{not json".into()).await.expect("an answer");
    assert_eq!(garbage.status, if crm.release() == Release::Six { 500 } else { 400 });
    let got = operator.http().get(&crm.rpc_url(), &[]).await.expect("an answer");
    assert_eq!(got.status, 405);
}

pub(crate) async fn inactive_parties_are_left_out_but_their_mechanisms_are_found(crm: &dyn Crm) {
    let operator = crm.operator();
    let party = ada(&operator).await;
    operator.write_party(party, json!({"active": false}), None).await.expect("a write");
    let search = |domain: Value, context: Value| {
        let operator = &operator;
        async move { ids(&operator.call("model.party.party.search", json!([domain, 0, 10, null, context])).await.expect("a search")) }
    };
    assert_eq!(search(json!([]), json!({})).await, Vec::<u64>::new());
    assert_eq!(search(json!([]), json!({"active_test": false})).await, [party]);
    assert_eq!(search(json!([["active", "=", false]]), json!({})).await, [party]);
    let domain = json!([["value", "=", "Ada L"]]);
    let rows = operator
        .call("model.party.contact_mechanism.search_read", json!([domain, 0, 10, null, ["party.active"], {}]))
        .await
        .expect("a search");
    assert_eq!(rows[0]["party."]["active"], 0);
    let domain = json!([["value", "=", "Ada L"], ["party.active", "=", true]]);
    let found = operator.call("model.party.contact_mechanism.search", json!([domain, 0, 10, null, {}])).await.expect("a search");
    assert_eq!(ids(&found), Vec::<u64>::new());
}

pub(crate) async fn patterns_and_lists_are_searched(crm: &dyn Crm) {
    let operator = crm.operator();
    let party = ada(&operator).await;
    let found = |domain: Value| {
        let operator = &operator;
        async move { ids(&operator.call("model.party.party.search", json!([domain, 0, 10, null, {}])).await.expect("a search")) }
    };
    assert_eq!(found(json!([["contact_mechanisms.value", "ilike", "ADA@example.org"]])).await, [party]);
    assert_eq!(found(json!([["contact_mechanisms.value", "in", ["nobody", "10001"]]])).await, [party]);
    assert_eq!(found(json!([["name", "ilike", "%love%"]])).await, [party]);
    assert_eq!(found(json!([["name", "like", "Ada%"], ["code", "!=", "EXT-1"]])).await, Vec::<u64>::new());
}
