//! What the LinkedIn connector promises, as built and run by our runtime, against the platform's stand-in.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sportello_runtime::contract::{Change, ConnectorError, Interaction, Presence};
use sportello_tests::stand_ins::linkedin::{DailyLimit, DuplicateComments, Forgery, LinkedIn, LinkedInSettings};
use sportello_tests::stand_ins::{DeliveryPlan, Fault, FaultHandle};

use super::driver::{Driver, MemoryVault, Opening, fields, post, reply};
use super::inbox::Inbox;

const TEXT: &str = "Stiamo riparando: è colpa nostra. 🙏";

/// A page, a channel that follows it, and where deliveries go.
struct Stage {
    linkedin: LinkedIn,
    driver: Driver,
    inbox: Inbox,
}

impl Stage {
    async fn set() -> Self {
        Self::set_with(LinkedInSettings::default()).await
    }

    async fn set_with(settings: LinkedInSettings) -> Self {
        let linkedin = LinkedIn::start_with(settings).await.expect("a loopback port");
        let driver = driver(&linkedin, &linkedin.refresh_token(), json!({})).await;
        let inbox = Inbox::open(&driver).await;
        linkedin.register_webhook(&inbox.url).await.expect("the challenge is answered");
        Self { linkedin, driver, inbox }
    }

    /// Delivers what waits; what came of it.
    async fn deliver(&self) -> Vec<Interaction> {
        let plan = DeliveryPlan::default();
        let report = self.linkedin.deliver(&plan).await.expect("registered");
        assert_eq!(report.posted, report.acknowledged, "{report:?}");
        self.inbox.take()
    }

    /// A customer asks something; the comment's URN and what came of it.
    async fn question(&self) -> (String, Interaction) {
        let post = self.linkedin.post("Buongiorno");
        let comment = self.linkedin.comment(&self.linkedin.person("Ada Lovelace"), &post, "La rete è giù, perché? 😡");
        let mut told = self.deliver().await;
        assert_eq!(told.len(), 1);
        (comment, told.remove(0))
    }
}

/// The connector with the refresh token that the operator bound.
async fn driver(linkedin: &LinkedIn, refresh_token: &str, more: Value) -> Driver {
    let url = linkedin.api_url();
    let mut settings = json!({ "organization": linkedin.organization_urn(), "api-url": url, "token-url": url,
        "version": linkedin.newest_version(), "since": "2020-01-01T00:00:00Z" });
    for (name, value) in more.as_object().expect("an object") {
        settings[name] = value.clone();
    }
    let token = [("client-id", linkedin.client_id()), ("client-secret", linkedin.client_secret()), ("refresh-token", refresh_token)];
    let secrets = BTreeMap::from([
        ("client-secret".to_owned(), fields(&[("secret", linkedin.client_secret())])),
        ("token".to_owned(), fields(&token)),
    ]);
    Driver::open(Opening { connector: "linkedin", settings, origins: vec![url], secrets, vault: Arc::new(MemoryVault::default()) }).await
}

fn identities(interactions: &[Interaction]) -> Vec<(String, String, String)> {
    let mut all: Vec<_> =
        interactions.iter().map(|one| (one.native_id.clone(), one.revision.clone(), one.conversation.key.clone())).collect();
    all.sort();
    all
}

fn present(presence: Result<Presence, ConnectorError>) -> String {
    match presence.expect("a look") {
        Presence::Present(receipt) => receipt.native_id,
        other => panic!("present, not {other:?}"),
    }
}

#[tokio::test]
async fn a_comment_is_answered_and_the_echo_is_known_by_the_receipt() {
    let stage = Stage::set().await;
    let (comment, question) = stage.question().await;
    assert_eq!((question.native_id.as_str(), question.kind.as_str(), question.own), (comment.as_str(), "comment", false));
    assert_eq!(question.text.as_deref(), Some("La rete è giù, perché? 😡"));

    let receipt = stage.driver.publish(&reply("run-1-reply-1", &question, TEXT)).await.expect("a reply");
    let replies = stage.linkedin.replies_to(&comment);
    assert_eq!(replies.len(), 1);
    assert_eq!((replies[0].text.as_str(), replies[0].id.as_str()), (TEXT, receipt.native_id.as_str()));

    let told = stage.deliver().await;
    let [echo] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((echo.own, &echo.native_id, echo.text.as_deref()), (true, &receipt.native_id, Some(TEXT)));
    assert_eq!(echo.conversation.key, question.conversation.key, "filed with its question");
}

#[tokio::test]
async fn a_reply_is_found_once_it_is_there_and_absent_before() {
    let stage = Stage::set().await;
    let (_, question) = stage.question().await;
    let effect = reply("run-1-reply-1", &question, TEXT);
    assert_eq!(stage.driver.find(&effect).await.expect("a look"), Presence::Absent);
    let receipt = stage.driver.publish(&effect).await.expect("a reply");
    assert_eq!(present(stage.driver.find(&effect).await), receipt.native_id);
    assert_eq!(stage.driver.find(&reply("run-1-reply-2", &question, "Altro")).await.expect("a look"), Presence::Absent);
    stage.linkedin.wrong_role(true);
    let looked = stage.driver.find(&effect).await;
    assert!(matches!(looked, Err(ConnectorError::Auth(_))), "an empty list is not believed without the role: {looked:?}");
}

#[tokio::test]
async fn an_answer_that_was_lost_is_uncertain_and_the_reply_is_found() {
    let stage = Stage::set().await;
    let (comment, question) = stage.question().await;
    let effect = reply("run-1-reply-1", &question, TEXT);
    for (number, fault) in [(1, Fault::RefuseAfterEffect { status: 502 }), (2, Fault::BrokenBody)] {
        let effect = sportello_runtime::contract::Effect { text: format!("{TEXT} {number}"), ..effect.clone() };
        let struck: FaultHandle = stage.linkedin.faults().arm(fault, &["POST /rest/socialActions"], 1);
        let unsure = stage.driver.publish(&effect).await;
        assert!(matches!(unsure, Err(ConnectorError::Uncertain(_))), "{unsure:?}");
        assert_eq!(struck.count(), 1);
        assert_eq!(present(stage.driver.find(&effect).await), stage.linkedin.replies_to(&comment).last().expect("a reply").id);
    }
    assert_eq!(stage.linkedin.doubled_replies(), []);
}

#[tokio::test]
async fn answers_are_filed_with_their_question_and_all_that_happens_comes_the_same_by_poll() {
    let mut stage = Stage::set().await;
    let (linkedin, ada) = (&stage.linkedin, stage.linkedin.person("Ada"));
    let post = linkedin.post("Buongiorno");
    let question = linkedin.comment(&linkedin.hidden_person("Nessuno"), &post, "Aiuto");
    let below = linkedin.comment(&ada, &question, "Anche da me");
    let deeper = linkedin.comment(&ada, &below, "E da me");
    linkedin.admin_comment(&below, "Eccoci");
    linkedin.edit(&deeper, "E ancora da me");
    linkedin.like(&ada, &question);
    linkedin.like(&ada, &post);
    linkedin.share(&ada, &post, "Leggete");
    linkedin.mention(&ada, "Brava Telefonia Sole");
    linkedin.unknown_action();
    let delivered = stage.deliver().await;
    assert_eq!(delivered.len(), 10);
    let in_thread = delivered.iter().filter(|one| one.conversation.key == question).count();
    assert_eq!(in_thread, 6, "the question, three answers, an edit and a like: {delivered:?}");
    let is_known = |one: &Interaction| one.attributes.iter().all(|attribute| attribute.name != "not-understood");
    let (known, unknown): (Vec<_>, Vec<_>) = delivered.into_iter().partition(is_known);
    assert_eq!(unknown.len(), 1);

    let polled = stage.driver.poll().await.expect("a poll");
    assert_eq!(identities(&polled), identities(&known), "what a pull can't ask for comes by delivery alone");
    assert_eq!(stage.driver.poll().await.expect("a poll"), []);

    stage.linkedin.remove(&question);
    let deleted = stage.deliver().await;
    assert_eq!((deleted[0].native_id.as_str(), deleted[0].change, &deleted[0].text), (question.as_str(), Change::Deleted, &None));
    assert_eq!(identities(&stage.driver.poll().await.expect("a poll")), identities(&deleted));
}

#[tokio::test]
async fn a_poll_brings_what_no_delivery_brought_in_either_order_and_in_small_pages() {
    for lists_newest_first in [false, true] {
        let linkedin =
            LinkedIn::start_with(LinkedInSettings { lists_newest_first, ..LinkedInSettings::default() }).await.expect("a loopback port");
        let mut driver = driver(&linkedin, &linkedin.refresh_token(), json!({ "page-rows": 3 })).await;
        let (ada, post) = (linkedin.person("Ada"), linkedin.post("Buongiorno"));
        let mut made: Vec<String> = (0..10).map(|number| linkedin.comment(&ada, &post, &format!("{number}"))).collect();
        let mut polled: Vec<String> = driver.poll().await.expect("a poll").into_iter().map(|one| one.native_id).collect();
        made.sort();
        polled.sort();
        assert_eq!(polled, made, "newest first: {lists_newest_first}");
    }
}

#[tokio::test]
async fn a_delivery_is_taken_in_whatever_the_api_says() {
    // What was said a quarter of an hour ago waits for no limit any more.
    let now = jiff::Timestamp::now() - Duration::from_secs(15 * 60);
    let stage = Stage::set_with(LinkedInSettings { now, ..LinkedInSettings::default() }).await;
    let post = stage.linkedin.post("Buongiorno");
    let question = stage.linkedin.comment(&stage.linkedin.person("Ada"), &post, "Aiuto");
    let below = stage.linkedin.comment(&stage.linkedin.person("Ben"), &question, "Anche da me");
    let hour = Duration::from_secs(60 * 60);
    stage.linkedin.limit_rate(hour);
    let told = stage.deliver().await;
    assert_eq!(told.len(), 2);
    assert_eq!(told[1].conversation.key, below, "a conversation of its own");
    stage.linkedin.advance(hour);
    stage.driver.publish(&reply("run-1-reply-1", &told[1], TEXT)).await.expect("a reply");
    assert_eq!(stage.linkedin.replies_to(&question).len(), 1, "answered where the platform takes it");
}

#[tokio::test]
async fn a_post_is_seen_as_it_was_written_once_and_is_found() {
    let stage = Stage::set().await;
    let text = "Da lunedì (8 gennaio) apriamo alle 8. #orari \\o/ 🙏";
    let effect = post("run-1-post-1", text);
    assert_eq!(stage.driver.find(&effect).await.expect("a look"), Presence::Absent);
    let receipt = stage.driver.publish(&effect).await.expect("a post");
    assert_eq!(stage.linkedin.posts_by_api(), [(receipt.native_id.clone(), text.to_owned())]);
    assert_eq!(present(stage.driver.find(&effect).await), receipt.native_id);

    let again = stage.driver.publish(&effect).await;
    assert!(matches!(again, Err(ConnectorError::Uncertain(_))), "it may be ours: {again:?}");
    assert_eq!(stage.linkedin.posts_by_api().len(), 1);
    stage.linkedin.wrong_role(true);
    assert_eq!(stage.driver.find(&effect).await.expect("a look"), Presence::CannotTell, "an empty list is not believed without the role");
}

#[tokio::test]
async fn an_answer_that_is_refused_because_it_stands_there_may_be_ours_and_is_found() {
    let settings = LinkedInSettings { duplicate_comments: DuplicateComments::Refused, ..LinkedInSettings::default() };
    let stage = Stage::set_with(settings).await;
    let (_, question) = stage.question().await;
    let effect = reply("run-1-reply-1", &question, TEXT);
    let receipt = stage.driver.publish(&effect).await.expect("a reply");
    let again = stage.driver.publish(&effect).await;
    assert!(matches!(again, Err(ConnectorError::Uncertain(_))), "it may be ours: {again:?}");
    assert_eq!(present(stage.driver.find(&effect).await), receipt.native_id);
    assert_eq!(stage.linkedin.replies().len(), 1);
}

#[tokio::test]
async fn nothing_that_was_forged_gets_in() {
    let stage = Stage::set().await;
    for forgery in Forgery::ALL {
        assert_eq!(stage.linkedin.forge(forgery).await.expect("an answer").status, 401, "{forgery:?}");
    }
    assert_eq!(stage.inbox.take(), []);
}

#[tokio::test]
async fn a_token_is_refreshed_with_the_newest_refresh_token() {
    let settings = LinkedInSettings { gives_new_refresh_tokens: true, ..LinkedInSettings::default() };
    let mut stage = Stage::set_with(settings).await;
    let first = stage.linkedin.refresh_token();
    let (_, question) = stage.question().await;
    assert_eq!(stage.linkedin.token_refreshes(), 1, "the first look of the thread logged in");
    assert_ne!(stage.linkedin.refresh_token(), first);

    stage.linkedin.expire_token();
    let effect = reply("run-1-reply-1", &question, TEXT);
    let expired = stage.driver.publish(&effect).await;
    assert!(matches!(expired, Err(ConnectorError::Retry(_))), "nothing took effect: {expired:?}");
    assert_eq!(stage.linkedin.replies(), []);
    stage.driver.publish(&effect).await.expect("with a new token");
    assert_eq!(stage.linkedin.token_refreshes(), 2);

    stage.linkedin.expire_token();
    stage.driver.find(&effect).await.expect("a look goes on by itself");
    stage.linkedin.expire_token();
    stage.driver.poll().await.expect("so does a poll");
    assert_eq!((stage.linkedin.token_refreshes(), stage.linkedin.replies().len()), (4, 1));
}

#[tokio::test]
async fn an_operator_is_told_when_the_app_must_be_authorised_or_the_version_raised() {
    let mut stage = Stage::set().await;
    let (_, question) = stage.question().await;
    let effect = reply("run-1-reply-1", &question, TEXT);
    stage.linkedin.retire_versions_before("999901");
    let sunset = stage.driver.publish(&effect).await;
    assert!(matches!(&sunset, Err(ConnectorError::Auth(reason)) if reason.contains("`version`")), "{sunset:?}");
    stage.linkedin.retire_versions_before("202001");

    stage.linkedin.change_scopes(&["r_organization_social"]);
    let revoked = stage.driver.publish(&effect).await;
    assert!(matches!(revoked, Err(ConnectorError::Auth(_))), "{revoked:?}");
    let refused = stage.driver.poll().await;
    assert!(matches!(&refused, Err(ConnectorError::Auth(reason)) if !reason.contains(stage.linkedin.client_secret())), "{refused:?}");
    assert_eq!(stage.linkedin.replies(), []);
}

#[tokio::test]
async fn a_daily_limit_holds_until_midnight_utc() {
    let stage = Stage::set().await;
    let (_, question) = stage.question().await;
    stage.linkedin.limit_calls_per_day(DailyLimit::Member, 0);
    let limited = stage.driver.publish(&reply("run-1-reply-1", &question, TEXT)).await;
    let Err(ConnectorError::RateLimited(limit)) = limited else { panic!("{limited:?}") };
    assert!(limit.until.ends_with("T00:00:00Z") && limit.until.as_str() > jiff::Timestamp::now().to_string().as_str(), "{}", limit.until);
    assert_eq!(stage.linkedin.replies(), []);
}
