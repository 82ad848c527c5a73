//! Each promise of the contract that an answer can break, broken.

use super::*;
use crate::contract::*;

fn sound() -> Interaction {
    Interaction {
        native_id: "1".into(),
        revision: String::new(),
        change: Change::Created,
        kind: "direct-message".into(),
        occurred_at: "2026-11-22T10:15:00.250Z".into(),
        author: Some(Profile {
            id: "7".into(),
            handle: Some("ada".into()),
            display_name: None,
            url: None,
            identifiers: vec![Identifier { scheme: "example.handle".into(), value: "ada".into() }],
        }),
        own: false,
        conversation: ConversationReference { key: "c".into(), title: None, url: None },
        in_reply_to: None,
        text: Some("hello".into()),
        language: None,
        visibility: Visibility::Everyone,
        attributes: vec![Attribute { name: "sub-kind".into(), value: "x".into() }],
        raw: Some(Raw::Input(ByteRange { start: 0, length: 10 })),
    }
}

#[test]
fn only_what_was_asked_about_can_be_gone() {
    let things = ["1", "2"].map(|id| Thing { native_id: id.into(), kind: "mention".into() });
    let said = |ids: &[&str]| gone(&things, &Ok(ids.iter().map(|id| (*id).to_owned()).collect())).map_err(|fault| fault.field);
    assert_eq!((said(&[]), said(&["2"]), said(&["1", "2"])), (Ok(()), Ok(()), Ok(())));
    assert_eq!(said(&["1", "3"]), Err("gone[1]".to_owned()));
    assert!(said(&["1", "2", "2"]).is_err(), "more than was asked about");
}

fn request(method: &str) -> WebhookRequest {
    WebhookRequest { method: method.into(), query: vec![], headers: vec![], body: vec![0; 10] }
}

fn answer(interaction: Interaction) -> Vec<Result<WebhookOutcome, ConnectorError>> {
    vec![Ok(WebhookOutcome { interactions: vec![interaction], deletion_requests: vec![], response: None })]
}

#[test]
fn a_sound_answer_passes() {
    webhook(&[request("POST")], &answer(sound())).unwrap();
}

#[test]
fn each_broken_promise_is_refused_by_its_field() {
    type Break = (&'static str, fn(&mut Interaction));
    let cases: &[Break] = &[
        ("native-id", |interaction| interaction.native_id.clear()),
        ("native-id", |interaction| interaction.native_id = "x".repeat(513)),
        ("revision", |interaction| interaction.revision = "x".repeat(513)),
        ("kind", |interaction| interaction.kind = "Direct Message".into()),
        ("kind", |interaction| interaction.kind = "k".repeat(65)),
        ("occurred-at", |interaction| interaction.occurred_at = "2026-11-22T10:15:00+01:00".into()),
        ("occurred-at", |interaction| interaction.occurred_at = "2026-11-31T10:15:00Z".into()),
        ("occurred-at", |interaction| interaction.occurred_at = "yesterday".into()),
        ("author.id", |interaction| interaction.author.as_mut().unwrap().id.clear()),
        ("author.identifiers[0].scheme", |interaction| {
            interaction.author.as_mut().unwrap().identifiers[0].scheme = "E mail".into();
        }),
        ("author.url", |interaction| interaction.author.as_mut().unwrap().url = Some("u".repeat((4 << 10) + 1))),
        ("author.identifiers", |interaction| {
            let identifiers = &mut interaction.author.as_mut().unwrap().identifiers;
            *identifiers = vec![identifiers[0].clone(); 33];
        }),
        ("conversation.key", |interaction| interaction.conversation.key = "k".repeat(513)),
        ("text", |interaction| interaction.text = Some("t".repeat((64 << 10) + 1))),
        ("attributes[0].name", |interaction| interaction.attributes[0].name = "a_b".into()),
        ("attributes[0].value", |interaction| interaction.attributes[0].value = "v".repeat((4 << 10) + 1)),
        ("attributes", |interaction| interaction.attributes = vec![interaction.attributes[0].clone(); 33]),
        ("raw", |interaction| interaction.raw = Some(Raw::Input(ByteRange { start: 1, length: 10 }))),
        ("raw", |interaction| interaction.raw = Some(Raw::Input(ByteRange { start: u32::MAX, length: u32::MAX }))),
        ("raw", |interaction| interaction.raw = Some(Raw::Text("r".repeat((64 << 10) + 1)))),
    ];
    for (field, spoil) in cases {
        let mut interaction = sound();
        spoil(&mut interaction);
        let fault = webhook(&[request("POST")], &answer(interaction)).expect_err(field);
        assert_eq!(fault.field, format!("answers[0].interactions[0].{field}"));
    }
}

#[test]
fn an_unsigned_challenge_brings_no_interactions() {
    assert_eq!(webhook(&[request("GET")], &answer(sound())).unwrap_err().field, "answers[0]");
}

#[test]
fn there_is_one_answer_for_each_request() {
    assert_eq!(webhook(&[request("POST"), request("POST")], &answer(sound())).unwrap_err().field, "answers");
    assert_eq!(receipts(1, &[]).unwrap_err().field, "answers");
}

#[test]
fn one_more_than_an_answer_may_hold_is_refused_by_its_field() {
    let plain = Interaction { raw: None, ..sound() };
    let page = |count: usize, cursor_bytes: usize| {
        Ok(Page { interactions: vec![plain.clone(); count], cursor: Some("c".repeat(cursor_bytes)), more: false })
    };
    super::page(&page(limits::INTERACTIONS_MAX, limits::CURSOR_BYTES_MAX)).unwrap();
    assert_eq!(super::page(&page(limits::INTERACTIONS_MAX + 1, 0)).unwrap_err().field, "page.interactions");
    assert_eq!(super::page(&page(0, limits::CURSOR_BYTES_MAX + 1)).unwrap_err().field, "page.cursor");

    let outcome = |bytes: usize| {
        let response = WebhookResponse { status: 200, content_type: "text/plain".into(), body: vec![0; bytes] };
        vec![Ok(WebhookOutcome { interactions: vec![], deletion_requests: vec![], response: Some(response) })]
    };
    webhook(&[request("GET")], &outcome(limits::RESPONSE_BYTES_MAX)).unwrap();
    assert_eq!(webhook(&[request("GET")], &outcome(limits::RESPONSE_BYTES_MAX + 1)).unwrap_err().field, "answers[0].response.body");
    let asks = |count: usize| {
        let asked = DeletionRequest { profile: "7".into(), confirmation: "0".repeat(16) };
        vec![Ok(WebhookOutcome { interactions: vec![], deletion_requests: vec![asked; count], response: None })]
    };
    webhook(&[request("POST")], &asks(limits::DELETION_REQUESTS_MAX)).unwrap();
    let too_many = webhook(&[request("POST")], &asks(limits::DELETION_REQUESTS_MAX + 1));
    assert_eq!(too_many.unwrap_err().field, "answers[0].deletion-requests");
    // Of all deliveries of a call together.
    let half =
        WebhookOutcome { interactions: vec![plain.clone(); limits::INTERACTIONS_MAX / 2 + 1], deletion_requests: vec![], response: None };
    let both = webhook(&[request("POST"), request("POST")], &[Ok(half.clone()), Ok(half)]);
    assert_eq!(both.unwrap_err().field, "answers[1].interactions");

    let contact = Contact {
        id: "1".into(),
        version: String::new(),
        display_name: None,
        identifiers: vec![],
        deleted: false,
        attributes: vec![],
        raw: None,
    };
    contacts(&Ok(vec![contact.clone(); limits::CONTACTS_MAX])).unwrap();
    assert_eq!(contacts(&Ok(vec![contact; limits::CONTACTS_MAX + 1])).unwrap_err().field, "answer.contacts");
    let refused = |bytes: usize| contacts(&Err(ConnectorError::Reject("r".repeat(bytes))));
    refused(limits::REASON_BYTES_MAX).unwrap();
    assert_eq!(refused(limits::REASON_BYTES_MAX + 1).unwrap_err().field, "answer.reason");
}

#[test]
fn what_is_wrong_with_settings_is_told_in_a_limited_number_of_problems() {
    let problem = |bytes: usize| SettingsProblem { pointer: "/mapping".into(), line: Some(1), message: "m".repeat(bytes) };
    problems(&vec![problem(limits::REASON_BYTES_MAX); manifest::PROBLEMS_MAX]).unwrap();
    assert_eq!(problems(&vec![problem(1); manifest::PROBLEMS_MAX + 1]).unwrap_err().field, "problems.list");
    assert_eq!(problems(&[problem(limits::REASON_BYTES_MAX + 1)]).unwrap_err().field, "problem.message");
}

#[test]
fn a_confirmation_code_is_long_enough_not_to_be_guessed_and_fits_an_address_as_it_is() {
    let asks = |method: &str, profile: &str, code: &str| {
        let asked = DeletionRequest { profile: profile.into(), confirmation: code.into() };
        let outcome = WebhookOutcome { interactions: vec![], deletion_requests: vec![asked], response: None };
        webhook(&[request(method)], &[Ok(outcome)])
    };
    let code = |length: usize| "a7".repeat(32)[..length].to_owned();
    for length in [16, 64] {
        asks("POST", "7", &code(length)).unwrap();
    }
    let wrong = ["", &code(15), &"7".repeat(65), "ABCDEFGHIJKLMNOP", "../../../../../../etc", "a7a7a7a7a7a7a7a?", "a7a7a7a7a7a7a7à"];
    for wrong in wrong {
        assert_eq!(asks("POST", "7", wrong).unwrap_err().field, "answers[0].deletion-requests.confirmation", "{wrong:?}");
    }
    assert_eq!(asks("POST", "", &code(16)).unwrap_err().field, "answers[0].deletion-requests.profile");
    assert_eq!(asks("GET", "7", &code(16)).unwrap_err().field, "answers[0]", "nobody signed it");
}

#[test]
fn a_poll_has_no_body_to_quote_from() {
    let page = Page { interactions: vec![sound()], cursor: None, more: false };
    assert_eq!(super::page(&Ok(page)).unwrap_err().field, "interactions[0].raw");
}
