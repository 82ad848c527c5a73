//! What the doubles promise: what the contract says of the host, a test sees too.

use serde::Deserialize;
use serde_json::json;
use sportello_sdk::testing::{Channel, Host, NOW, reply};
use sportello_sdk::{
    Context, Credential, Description, Effect, Error, Interaction, LinkPermission, Mac, Manifest, Origin, Profile, Publish, Receipt,
    ReplyPermission, Webhook, credentials, diagnostics, http, limits, state, time, webhook,
};

#[derive(Deserialize)]
struct Settings {
    greeting: String,
}

struct Greeter;

impl Description for Greeter {
    type Settings = Settings;

    fn describe() -> Manifest {
        Manifest::channel("greeter", "1.0.0", "greeter").credential(Credential::basic(
            "login",
            "logs in",
            Origin::fixed("https://a.example"),
        ))
    }
}

impl Webhook for Greeter {
    fn handle(context: &Context<Settings>, request: &webhook::Request) -> Result<webhook::Outcome, Error> {
        let count = state::get::<u32>("count")?.unwrap_or(0) + 1;
        state::set("count", &count)?;
        diagnostics::info!("delivery {count} at {}", context.now);
        if request.body == b"bad" {
            return Err(Error::reject("bad"));
        }
        Ok(webhook::Outcome::answer(webhook::Response::text(200, context.settings.greeting.clone())))
    }
}

impl Publish for Greeter {
    fn publish(_: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
        state::set("published", &effect.key)?;
        Ok(Receipt::new("1"))
    }
}

sportello_sdk::export!(Greeter: webhook, publish);

#[test]
fn a_batch_has_one_answer_for_each_request_in_order() {
    let host = Host::new().state("count", &41).start();
    let greeter = Channel::<Greeter>::new(json!({ "greeting": "ciao" }));
    let requests: Vec<_> = ["good", "bad", "good"].map(webhook::Request::post).into();
    let outcomes = greeter.deliver_all(&requests);
    assert_eq!(outcomes.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(host.state::<u32>("count"), Some(44));
    assert_eq!(host.diagnostics()[0], (diagnostics::Level::Info, format!("delivery 42 at {NOW}")));
}

#[test]
fn settings_that_do_not_fit_the_type_are_rejected_with_the_reason_for_every_item() {
    let _host = Host::new().start();
    let outcomes = Channel::<Greeter>::new(json!({ "greetings": 1 })).deliver_all(&["a", "b"].map(webhook::Request::post));
    assert_eq!(outcomes.len(), 2);
    for outcome in outcomes {
        let Err(Error::Reject(reason)) = outcome else { panic!("rejected") };
        assert!(reason.contains("missing field `greeting`") && reason.contains("`test`"), "{reason}");
    }
}

#[test]
fn state_is_refused_where_the_host_refuses_it() {
    let _host = Host::new().read_only().start();
    assert!(matches!(Channel::<Greeter>::new(json!({ "greeting": "" })).publish(&reply("k", "c", "t")), Err(Error::Reject(_))));
    let _host = Host::new().state("count", &"not a number").start();
    assert!(state::set(&"k".repeat(128), &1).is_ok());
    assert!(state::set(&"k".repeat(129), &1).is_err());
    assert!(state::set("v", &"v".repeat(16 << 10)).is_err(), "with its quotes it is over 16 KiB");
    assert!(matches!(state::get::<u32>("count"), Err(Error::Reject(_))), "a value of another shape");
    state::delete("count").unwrap();
    assert_eq!(state::get::<u32>("count").unwrap(), None);
}

#[test]
fn what_is_only_to_be_read_is_cut_at_the_contracts_limits_between_characters() {
    let long = "😡".repeat(20_000);
    let interaction = Interaction::new("1", "comment", NOW, "1").text(&long).attribute("note", &long).conversation_title(&long);
    assert_eq!(interaction.text.unwrap().len(), limits::TEXT_BYTES_MAX);
    assert_eq!(interaction.attributes[0].value.len(), limits::ATTRIBUTE_BYTES_MAX);
    assert_eq!(interaction.conversation.title.unwrap().len(), limits::ID_BYTES_MAX);
    let profile = Profile::new("1").display_name(format!("x{long}")).url(format!("https://a.example/{long}"));
    assert_eq!((profile.display_name.unwrap().len(), profile.url), (509, None), "no half character, and no cut URL");
    let Error::Reject(reason) = Error::reject(&long) else { panic!("reject") };
    assert_eq!(reason.len(), limits::REASON_BYTES_MAX);
}

#[test]
fn macs_are_those_of_the_standards() {
    let _host = Host::new().credential("secret", "key").start();
    let sentence = b"The quick brown fox jumps over the lazy dog";
    let hex = |mac| credentials::sign_hex("secret", mac, sentence).unwrap();
    assert_eq!(hex(Mac::HmacSha256), "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
    assert_eq!(hex(Mac::HmacSha1), "de7c9b85b8b78aa6bc8a7a36f70a90701c9db4d9");
    assert!(credentials::matches("secret", "key").unwrap());
    assert!(!credentials::matches("secret", "Key").unwrap());
    assert!(matches!(credentials::sign("other", Mac::HmacSha256, b""), Err(Error::Auth(_))));
}

#[test]
fn nothing_is_granted_that_a_test_did_not_grant() {
    let host = Host::new().now("2026-02-03T04:05:06.007Z").start();
    assert!(matches!(http::Request::get("https://a.example/").send(), Err(Error::Reject(_))));
    assert_eq!(host.requests().len(), 1, "a denied request is on record too");
    assert!(matches!(credentials::matches("any", "x"), Err(Error::Auth(_))));
    assert_eq!(time::now(), "2026-02-03T04:05:06.007Z");
    credentials::renew("login").unwrap();
    assert_eq!(host.renewed(), ["login"]);
    assert_eq!(host.ends("login"), None, "nothing was said");
    credentials::ends("login", Some("2026-03-01T00:00:00Z")).unwrap();
    assert!(matches!(credentials::ends("login", Some("soon")), Err(Error::Reject(_))));
    assert_eq!(host.ends("login"), Some(Some("2026-03-01T00:00:00Z".into())));
    credentials::ends("login", None).unwrap();
    assert_eq!(host.ends("login"), Some(None));
}

#[test]
fn a_manifest_asks_for_nothing_that_was_not_said() {
    let manifest = Channel::<Greeter>::new(json!({})).manifest();
    assert_eq!(manifest.origins, [Origin::fixed("https://a.example")], "a credential's origin is asked for with it");
    assert!(manifest.signatures.is_empty() && manifest.actions.is_empty());
    assert_eq!((manifest.policy.link, manifest.policy.reply), (LinkPermission::Forbidden, ReplyPermission::Summoned));
    assert_eq!((manifest.poll_seconds, manifest.state_version), (0, 1));
    assert!(!manifest.credentials[0].sign && manifest.credentials[0].session.is_none());
}
