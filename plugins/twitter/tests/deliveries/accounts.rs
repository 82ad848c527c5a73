//! Deliveries of several accounts of one application.

use serde_json::{Value, json};
use sportello_sdk::{Change, Error, webhook};

use crate::bodies::{COMPANY, POST, account, account_post, channel, event, host, identity, maria, only, post};

#[test]
fn a_delivery_for_another_account_is_rejected_so_that_it_can_be_replayed_with_the_right_settings() {
    let _host = host().start();
    let mut body = account("tweet_create_events", &json!([account_post(1, "x")]));
    body["for_user_id"] = json!("42");
    let error = channel().deliver(&webhook::Request::post(body.to_string().into_bytes())).unwrap_err();
    assert!(matches!(&error, Error::Reject(reason) if reason.contains("42") && reason.contains(COMPANY)), "{error:?}");
}

#[test]
fn an_event_of_another_account_of_the_application_is_not_this_channels_and_a_deletion_of_anybodys_is() {
    let host = host().start();
    let others = |kind: &str, payload: &Value| {
        let mut body = event(1, kind, payload, &maria());
        body["data"]["filter"]["user_id"] = json!("42");
        body
    };
    let body = others("post.mention.create", &post(POST, "@altro ciao"));
    let error = channel().deliver(&webhook::Request::post(body.to_string().into_bytes())).unwrap_err();
    assert!(matches!(&error, Error::Reject(reason) if reason.contains("42") && reason.contains(COMPANY)), "{error:?}");
    let ours = event(2, "post.mention.create", &post(POST, "@sole ciao"), &maria());
    let both = json!({"data": [others("mystery.shimmer", &json!({}))["data"], ours["data"]]});
    assert_eq!(only(&both).text.as_deref(), Some("@sole ciao"));
    assert!(host.diagnostics().iter().any(|(_, message)| message.contains("1 of 2 events")));
    // To hear of deletions the application is subscribed to whoever wrote.
    let gone = only(&others("post.delete", &json!({"id": POST, "author_id": "42"})));
    assert_eq!((identity(&gone), gone.change), ((POST, "deleted"), Change::Deleted));
}
