//! The stand-ins keep the promises of what they stand in for, refuse what it refuses, and count rightly.

mod servers_and_stand_ins;

#[path = "stand_ins/facebook.rs"]
mod facebook;
#[path = "stand_ins/linkedin.rs"]
mod linkedin;
#[path = "stand_ins/receiver.rs"]
mod receiver;
#[path = "stand_ins/twitter.rs"]
mod twitter;

use std::time::Duration;

use serde_json::json;
use sportello_tests::http_client::HttpClient;
use sportello_tests::servers::{Crm, Release, Wiki};
use sportello_tests::stand_ins::Fault;
use sportello_tests::stand_ins::crm::CrmStandIn;
use sportello_tests::stand_ins::wiki::WikiStandIn;

/// How long the stand-ins wait where a test answers too late: a busy machine must have the time to give the right answers.
const ANSWER_TIME: Duration = Duration::from_secs(2);

wiki_promises!(async { Some(WikiStandIn::start().await.expect("a loopback port")) });
crm_promises!(crm_6, async { Some(CrmStandIn::start().await.expect("a loopback port")) });
crm_promises!(crm_8, async { Some(CrmStandIn::start_release(Release::Eight).await.expect("a loopback port")) });

#[tokio::test]
async fn what_the_stand_ins_do_not_model_they_refuse_loudly() {
    let wiki = WikiStandIn::start().await.expect("a loopback port");
    let http = HttpClient::default();
    let unknown = [("action", "query"), ("meta", "userinfo"), ("format", "json"), ("formatversion", "2"), ("glorious", "1")];
    assert_eq!(http.get(&wiki.api_url(), &unknown).await.expect("an answer").status, 501);
    assert_eq!(
        http.get(&wiki.api_url(), &[("action", "query"), ("format", "json")]).await.expect("an answer").status,
        501,
        "formatversion 1"
    );
    let for_people = http.get(&wiki.api_url(), &[("action", "query")]).await.expect("an answer");
    assert!(for_people.header("content-type").starts_with("text/html"), "without format=json the API answers people");
    let refused =
        http.get(&wiki.api_url(), &[("action", "frobnicate"), ("format", "json"), ("formatversion", "2")]).await.expect("an answer");
    assert_eq!((refused.status, refused.header("mediawiki-api-error")), (200, "badvalue"));
    let crm = CrmStandIn::start().await.expect("a loopback port");
    let bare = http.post_json(&crm.rpc_url(), &[], &json!({"method": "common.db.login", "params": []})).await.expect("an answer");
    assert_eq!(bare.status, 501, "calls have an id");
    wiki.faults().arm(Fault::Refuse { status: 500, retry_after_s: None }, &["action=query"], 1);
    assert_eq!(
        http.get(&wiki.api_url(), &[("action", "query"), ("format", "json"), ("formatversion", "2")]).await.expect("an answer").status,
        500
    );
}

#[tokio::test]
async fn after_five_bad_logins_the_stand_in_crm_answers_429() {
    let crm = CrmStandIn::start_with_slow_down(Duration::from_micros(10)).await.expect("a loopback port");
    let operator = crm.operator();
    let wrong = json!(["ghost", {"password": "wrong"}, "en"]);
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(operator.post("common.db.login", &wrong, None).await.expect("an answer").status);
    }
    assert_eq!(statuses, [401, 401, 401, 401, 401, 401, 429]);
    operator.log_in().await.expect("other names are not touched");
}
