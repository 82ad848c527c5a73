//! What the connector promises about people who ask Facebook to be forgotten.

use facebook::Facebook;
use serde_json::{Value, json};
use sportello_sdk::http::{Failure, Request, Response};
use sportello_sdk::testing::{Answer, Channel, Host, reply};
use sportello_sdk::{Error, Visibility, webhook};

const PAGE: &str = "100200300400500";

/// What Facebook is asked and what the host is told when the person with the id 218471 for the app asks to be deleted.
fn asks_to_be_deleted<A: Answer>(settings: Value, answer: impl FnMut(&Request) -> A + 'static) -> Result<webhook::Outcome, Error> {
    somebody_asks_to_be_deleted("218471", settings, answer)
}

fn somebody_asks_to_be_deleted<A: Answer>(
    user: &str,
    settings: Value,
    answer: impl FnMut(&Request) -> A + 'static,
) -> Result<webhook::Outcome, Error> {
    let _host = Host::new().credential("app-secret", "the secret of the app").http(answer).start();
    let document = json!({"algorithm": "HMAC-SHA256", "issued_at": 1_291_836_800, "user_id": user}).to_string();
    Channel::<Facebook>::new(settings).deliver(&webhook::Request::post(document.into_bytes()))
}

fn reachable() -> Value {
    json!({ "page-id": PAGE, "graph-url": "https://graph.facebook.com", "public-url": "https://desk.sole.example/hooks/sole/page/" })
}

/// <https://developers.facebook.com/docs/messenger-platform/identity/id-matching>
fn known_as(ids: &[(&str, &str)]) -> Response {
    let rows: Vec<Value> = ids.iter().map(|(page, id)| json!({ "id": id, "page": { "name": "Sole", "id": page } })).collect();
    Response::with_json(200, &json!({ "data": rows }))
}

#[test]
fn a_request_for_deletion_is_passed_on_by_the_id_for_the_page_and_answered_with_where_to_follow_it() {
    let answer = |request: &Request| {
        assert_eq!((request.method(), request.path()), ("GET", "/v24.0/218471/ids_for_pages"));
        assert_eq!(request.query_value("page").as_deref(), Some(PAGE));
        assert_eq!(request.header_value("sportello-credential"), Some("app-token"));
        known_as(&[("7", "99"), (PAGE, "7000000000000001")])
    };
    let outcome = asks_to_be_deleted(reachable(), answer).unwrap();
    assert!(outcome.interactions.is_empty());
    let [asked] = &outcome.deletion_requests[..] else { panic!("{outcome:?}") };
    assert_eq!((asked.profile.as_str(), asked.confirmation.len()), ("7000000000000001", 32));
    let told: Value = serde_json::from_slice(&outcome.response.unwrap().body).unwrap();
    let url = format!("https://desk.sole.example/hooks/sole/page/deletions/{}", asked.confirmation);
    assert_eq!(told, json!({"url": url, "confirmation_code": asked.confirmation}));
    assert_eq!(
        asks_to_be_deleted(reachable(), answer).unwrap().deletion_requests,
        outcome.deletion_requests,
        "asked again it is the same code"
    );
    // Without the address nothing is promised, and the delivery can be replayed once it is there.
    let error = asks_to_be_deleted(json!({ "page-id": PAGE, "graph-url": "https://graph.facebook.com" }), answer).unwrap_err();
    assert!(matches!(&error, Error::Reject(reason) if reason.contains("public-url")), "{error:?}");
}

#[test]
fn nobody_can_follow_with_their_code_what_became_of_somebody_else() {
    let code = |user: &str| {
        let outcome = somebody_asks_to_be_deleted(user, reachable(), |_: &Request| known_as(&[])).unwrap();
        outcome.deletion_requests[0].confirmation.clone()
    };
    assert_ne!(code("218471"), code("218472"));
}

#[test]
fn who_never_had_to_do_with_the_page_is_passed_on_as_facebook_names_them() {
    for ids in [&[][..], &[("7", "99")]] {
        let outcome = asks_to_be_deleted(reachable(), move |_: &Request| known_as(ids)).unwrap();
        assert_eq!((outcome.deletion_requests[0].profile.as_str(), outcome.interactions.len()), ("218471", 0), "{ids:?}");
    }
}

#[test]
fn whom_facebook_does_not_match_is_a_private_message_that_nobody_can_answer() {
    let refused =
        json!({ "error": { "message": "Unsupported get request.", "type": "GraphMethodException", "code": 100, "error_subcode": 33 } });
    let troubles = [
        Err(Failure::Denied("not granted".into())),
        Err(Failure::Interrupted("time-out".into())),
        Ok(Response::with_json(400, &refused)),
        Ok(Response::with_json(503, &json!({}))),
        Ok(Response::with_json(200, &json!({ "id": "7" }))),
        Ok(Response::with_json(200, &json!("?"))),
    ];
    for trouble in troubles {
        let playing = trouble.clone();
        let outcome = asks_to_be_deleted(reachable(), move |_: &Request| playing.clone()).unwrap();
        assert_eq!(outcome.deletion_requests[0].profile, "218471", "{trouble:?}");
        assert!(outcome.response.is_some(), "Facebook is answered all the same");
        let [told] = &outcome.interactions[..] else { panic!("{trouble:?}: {outcome:?}") };
        assert_eq!(
            (told.native_id.as_str(), told.kind.as_str(), told.visibility, told.conversation.key.as_str()),
            ("deletion:218471@2010-12-08T19:33:20Z", "direct-message", Visibility::Participants, "deletion:218471")
        );
        assert!(told.author.is_none() && told.text.as_ref().is_some_and(|text| text.contains("218471")), "{told:?}");
        let error = Channel::<Facebook>::new(reachable()).publish(&reply("run-1-reply-1", &told.conversation.key, "Ci siamo")).unwrap_err();
        assert!(matches!(error, Error::Reject(_)), "{error:?}");
    }
}

#[test]
fn of_many_requests_for_deletion_one_waits_in_vain_for_a_platform_that_does_not_answer() {
    let host = Host::new().credential("app-secret", "the secret of the app");
    let host = host.http(|_: &Request| Err::<Response, _>(Failure::Interrupted("time-out".into()))).start();
    let document = |user: u32| json!({"algorithm": "HMAC-SHA256", "issued_at": 1_291_836_800, "user_id": user}).to_string();
    let requests: Vec<_> = (0..5).map(|user| webhook::Request::post(document(user).into_bytes())).collect();
    let outcomes = Channel::<Facebook>::new(reachable()).deliver_all(&requests);
    assert!(outcomes.iter().all(|outcome| outcome.as_ref().is_ok_and(|outcome| outcome.interactions.len() == 1)));
    assert_eq!(host.requests().len(), 1);
}
