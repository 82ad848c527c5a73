//! What the wiki connector promises.

use std::sync::Arc;

use futures_util::FutureExt;
use serde_json::json;
use sportello_runtime::contract::{Change, ConnectorError, Interaction, Presence};
use sportello_tests::servers::Wiki;

use super::between::Between;
use super::driver::{Driver, reply};

/// Makes a module of tests out of these promises; `$start` gives `Option<impl Wiki>`, `None` to skip.
#[macro_export]
macro_rules! wiki_connector_promises {
    ($module:ident, $start:expr) => {
        mod $module {
            use super::*;
            $crate::wiki_connector_promises!(@each $start;
                what_a_customer_writes_comes_with_words_author_and_thread
                a_reply_stands_in_its_section_once_and_is_found
                a_reply_goes_to_its_section_wherever_it_is_now
                a_reply_follows_a_moved_page
                an_edit_conflict_is_resolved_and_nothing_of_either_is_lost
                a_section_that_others_keep_editing_is_left_for_later
                an_expired_session_is_renewed
                a_session_that_ends_right_before_the_edit_does_not_make_it_anonymous
                a_failed_log_in_is_told_and_nothing_is_written
                a_save_without_change_says_nothing
                a_deleted_page_takes_its_interactions_along_and_refuses_replies
                a_hidden_revision_takes_back_what_it_said
                a_section_that_is_gone_refuses_replies
                an_anonymous_edit_has_no_author
                an_answer_that_was_lost_is_uncertain_and_the_reply_is_found
                rows_read_one_by_one_come_all_and_once
                only_the_pages_wanted_are_read
            );
        }
    };
    (@each $start:expr; $($promise:ident)*) => { $(
        #[tokio::test]
        async fn $promise() {
            let Some(wiki) = $start.await else { return };
            $crate::connectors::wiki::$promise(std::sync::Arc::new(wiki)).await;
        }
    )* };
}

const PAGE: &str = "Talk:Product";
const THREAD: &str = "No network since Saturday";

type Shared = Arc<dyn Wiki>;

async fn driver(wiki: &Shared) -> Driver {
    started(Driver::wiki(wiki.as_ref(), None, json!({})).await).await
}

/// Somebody stands between the connector and the wiki.
async fn driver_with_between(wiki: &Shared) -> (Driver, Between) {
    let api_url = wiki.api_url();
    let between = Between::start(api_url.trim_end_matches("/api.php")).await;
    let driver = Driver::wiki(wiki.as_ref(), Some(between.base_url()), json!({})).await;
    (started(driver).await, between)
}

/// The first poll says from where on is read.
async fn started(mut driver: Driver) -> Driver {
    assert_eq!(driver.poll().await.expect("a first poll"), []);
    driver
}

/// A customer opens a thread; the interaction that comes of it.
async fn complaint(wiki: &Shared, driver: &mut Driver) -> Interaction {
    wiki.customer().edit_talk(PAGE, THREAD, "The network is down since Saturday, è una vergogna!").await.expect("an edit");
    let mut found = driver.poll().await.expect("a poll");
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

async fn page_text(wiki: &Shared) -> String {
    wiki.customer().page_text(PAGE).await.expect("readable").expect("the page is there")
}

fn present(presence: Result<Presence, ConnectorError>) -> String {
    match presence.expect("a look") {
        Presence::Present(receipt) => receipt.native_id,
        other => panic!("present, not {other:?}"),
    }
}

pub(crate) async fn what_a_customer_writes_comes_with_words_author_and_thread(wiki: Shared) {
    let mut driver = driver(&wiki).await;
    let post = complaint(&wiki, &mut driver).await;
    assert_eq!((post.kind.as_str(), post.change, post.own), ("post", Change::Created, false));
    assert_eq!(post.text.as_deref(), Some("The network is down since Saturday, è una vergogna!"), "without the signature");
    assert_eq!(post.conversation.key, format!("{PAGE}#{THREAD}"));
    assert_eq!(post.conversation.title.as_deref(), Some(THREAD));
    let author = post.author.expect("an author");
    assert_eq!(author.handle.as_deref(), Some("Customer"));
    assert!(author.id.parse::<u64>().is_ok_and(|id| id > 0), "{author:?}");

    wiki.customer().append_to_section(PAGE, "1", ":Still nothing.").await.expect("an edit");
    let found = driver.poll().await.expect("a poll");
    let [comment] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((comment.kind.as_str(), comment.text.as_deref()), ("comment", Some("Still nothing.")));
    assert_eq!(comment.conversation.key, post.conversation.key);
    assert_ne!(comment.native_id, post.native_id);

    let cursor = driver.cursor().map(str::to_owned);
    assert_eq!(driver.poll().await.expect("a poll"), []);
    assert_eq!(driver.cursor().map(str::to_owned), cursor, "an empty poll leaves nothing to write");
}

pub(crate) async fn a_reply_stands_in_its_section_once_and_is_found(wiki: Shared) {
    let mut driver = driver(&wiki).await;
    let post = complaint(&wiki, &mut driver).await;
    wiki.customer().edit_talk(PAGE, "Bill", "Too high.").await.expect("an edit");
    let effect = reply("run-1-reply-1", &post, "We are working on it.\n\nIt is our fault: <b>è</b> {{sorry}} ~~~~");
    assert_eq!(driver.find(&effect).await.expect("a look"), Presence::Absent);
    let receipt = driver.publish(&effect).await.expect("a reply");

    let text = page_text(&wiki).await;
    let (before, after) =
        (text.find("We are working on it.").expect("it stands there"), text.find("== Bill ==").expect("the other section"));
    assert!(before < after, "in its own section: {text}");
    assert!(text.contains("[[User:ConnectorBot|ConnectorBot]]"), "signed: {text}");
    assert!(text.contains("&lt;b>è&lt;/b>") && !text.contains("{{sorry}}"), "words, not markup: {text}");
    assert_eq!(present(driver.find(&effect).await), receipt.native_id);
    assert_eq!(driver.find(&reply("run-1-reply-10", &post, "x")).await.expect("a look"), Presence::Absent, "another key is another effect");

    let again = driver.publish(&effect).await.expect("the same effect again");
    assert_eq!(again.native_id, receipt.native_id);
    assert_eq!(page_text(&wiki).await, text, "nothing is done twice");

    let found = driver.poll().await.expect("a poll");
    let own: Vec<_> = found.iter().filter(|interaction| interaction.own).collect();
    let [echo] = own.as_slice() else { panic!("{found:?}") };
    assert_eq!((&echo.native_id, &echo.conversation.key), (&receipt.native_id, &post.conversation.key), "the echo is known by the receipt");
    assert!(echo.text.as_deref().is_some_and(|text| text.starts_with("We are working on it.") && !text.contains("sportello")), "{echo:?}");

    wiki.customer().replace_page(PAGE, "All archived.").await.expect("an edit");
    assert_eq!(present(driver.find(&effect).await), receipt.native_id, "an archived reply took place");
}

pub(crate) async fn a_reply_goes_to_its_section_wherever_it_is_now(wiki: Shared) {
    let mut driver = driver(&wiki).await;
    let post = complaint(&wiki, &mut driver).await;
    let text = page_text(&wiki).await;
    let moved = format!("Intro è ù.\n\n== Perché ==\n\nà\n\n=== {THREAD} again ===\n\nx\n\n{text}\n\n== Last ==\n\ny");
    wiki.customer().replace_page(PAGE, &moved).await.expect("an edit");
    driver.publish(&reply("run-1-reply-1", &post, "Mended.")).await.expect("a reply");
    let text = page_text(&wiki).await;
    let place = text.find("Mended.").expect("it stands there");
    assert!(text.find(&format!("== {THREAD} ==")).is_some_and(|heading| heading < place), "{text}");
    assert!(text.find("== Last ==").is_some_and(|heading| place < heading), "{text}");
}

pub(crate) async fn a_reply_follows_a_moved_page(wiki: Shared) {
    let mut driver = driver(&wiki).await;
    let post = complaint(&wiki, &mut driver).await;
    wiki.admin().move_page(PAGE, "Talk:Product 2", "renamed").await.expect("a move");
    let effect = reply("run-1-reply-1", &post, "We are working on it.");
    let receipt = driver.publish(&effect).await.expect("a reply");
    let text = wiki.customer().page_text("Talk:Product 2").await.expect("readable").expect("the page is there");
    assert!(text.contains("We are working on it."), "{text}");
    assert_eq!(present(driver.find(&effect).await), receipt.native_id);
}

/// The customer writes into the thread each time the connector is about to edit, `times` times.
fn interrupt(wiki: &Shared, between: &Between, times: usize) {
    let wiki = Arc::clone(wiki);
    between.before("action=edit", times, move || {
        let wiki = Arc::clone(&wiki);
        async move {
            wiki.customer().append_to_section(PAGE, "1", ":Hello? Anybody there?").await.expect("an edit");
        }
        .boxed()
    });
}

pub(crate) async fn an_edit_conflict_is_resolved_and_nothing_of_either_is_lost(wiki: Shared) {
    let (mut driver, between) = driver_with_between(&wiki).await;
    let post = complaint(&wiki, &mut driver).await;
    interrupt(&wiki, &between, 2);
    let effect = reply("run-1-reply-1", &post, "We are working on it.");
    let receipt = driver.publish(&effect).await.expect("a reply in the end");
    let text = page_text(&wiki).await;
    assert_eq!(text.matches("We are working on it.").count(), 1, "{text}");
    assert_eq!(text.matches("Hello? Anybody there?").count(), 2, "{text}");
    assert_eq!(between.count("action=edit"), 3, "two conflicts, then success");
    assert_eq!(present(driver.find(&effect).await), receipt.native_id);
}

pub(crate) async fn a_section_that_others_keep_editing_is_left_for_later(wiki: Shared) {
    let (mut driver, between) = driver_with_between(&wiki).await;
    let post = complaint(&wiki, &mut driver).await;
    interrupt(&wiki, &between, 100);
    let effect = reply("run-1-reply-1", &post, "We are working on it.");
    let refused = driver.publish(&effect).await;
    assert!(matches!(refused, Err(ConnectorError::Retry(_))), "{refused:?}");
    assert!(!page_text(&wiki).await.contains("We are working on it."), "nothing took effect");
    assert_eq!(driver.find(&effect).await.expect("a look"), Presence::Absent);
}

pub(crate) async fn an_expired_session_is_renewed(wiki: Shared) {
    let mut driver = driver(&wiki).await;
    let post = complaint(&wiki, &mut driver).await;
    wiki.expire_sessions().await.expect("sessions can be expired");
    driver.publish(&reply("run-1-reply-1", &post, "We are working on it.")).await.expect("a reply");
    wiki.expire_sessions().await.expect("sessions can be expired");
    let found = driver.poll().await.expect("a poll");
    assert!(matches!(found.as_slice(), [echo] if echo.own), "{found:?}");
}

pub(crate) async fn a_session_that_ends_right_before_the_edit_does_not_make_it_anonymous(wiki: Shared) {
    let (mut driver, between) = driver_with_between(&wiki).await;
    let post = complaint(&wiki, &mut driver).await;
    let expiring = Arc::clone(&wiki);
    between.before("action=edit", 1, move || {
        let wiki = Arc::clone(&expiring);
        async move { wiki.expire_sessions().await.expect("sessions can be expired") }.boxed()
    });
    driver.publish(&reply("run-1-reply-1", &post, "We are working on it.")).await.expect("a reply");
    let revisions = wiki.customer().revisions(PAGE).await.expect("readable");
    let users: Vec<_> = revisions.iter().map(|revision| revision["user"].as_str().unwrap_or_default()).collect();
    assert_eq!(users, ["Customer", "ConnectorBot"]);
}

pub(crate) async fn a_failed_log_in_is_told_and_nothing_is_written(wiki: Shared) {
    let mut known = driver(&wiki).await;
    let post = complaint(&wiki, &mut known).await;
    let (settings, origin) = {
        let api_url = wiki.api_url();
        let origin = api_url.trim_end_matches("/api.php").to_owned();
        (json!({ "base-url": origin, "api-path": "/api.php", "bot": "ConnectorBot" }), origin)
    };
    let mut account = wiki.bot_account();
    account.password = "ffffffffffffffffffffffffffffffff".to_owned();
    let mut stranger = Driver::new("wiki", settings, &origin, "bot", &account).await;
    let refused = stranger.poll().await;
    assert!(matches!(&refused, Err(ConnectorError::Auth(reason)) if !reason.contains(&account.password)), "{refused:?}");
    let refused = stranger.publish(&reply("run-1-reply-1", &post, "We are working on it.")).await;
    assert!(matches!(refused, Err(ConnectorError::Auth(_))), "{refused:?}");
    assert_eq!(wiki.customer().revisions(PAGE).await.expect("readable").len(), 1, "nothing is written, anonymously neither");
}

pub(crate) async fn a_save_without_change_says_nothing(wiki: Shared) {
    let mut driver = driver(&wiki).await;
    complaint(&wiki, &mut driver).await;
    let edit = wiki.customer().replace_page(PAGE, &page_text(&wiki).await).await.expect("a save");
    assert_eq!(edit.revision, None, "the wiki says nochange");
    assert_eq!(driver.poll().await.expect("a poll"), []);
}

pub(crate) async fn a_deleted_page_takes_its_interactions_along_and_refuses_replies(wiki: Shared) {
    let mut driver = driver(&wiki).await;
    let post = complaint(&wiki, &mut driver).await;
    wiki.customer().append_to_section(PAGE, "1", ":Still nothing.").await.expect("an edit");
    let comment = driver.poll().await.expect("a poll").remove(0);
    wiki.admin().delete_page(PAGE, "spam").await.expect("a deletion");
    let mut deleted = driver.poll().await.expect("a poll");
    deleted.sort_by(|one, other| one.native_id.cmp(&other.native_id));
    let mut ids = [post.native_id.clone(), comment.native_id];
    ids.sort();
    assert_eq!(deleted.iter().map(|deletion| deletion.native_id.clone()).collect::<Vec<_>>(), ids);
    assert!(deleted.iter().all(|deletion| deletion.change == Change::Deleted && deletion.text.is_none()), "{deleted:?}");

    let effect = reply("run-1-reply-1", &post, "We are working on it.");
    let refused = driver.publish(&effect).await;
    assert!(matches!(refused, Err(ConnectorError::Reject(_))), "{refused:?}");
    assert_eq!(wiki.customer().page_text(PAGE).await.expect("readable"), None, "a reply does not bring the page back");
    assert_eq!(driver.find(&effect).await.expect("a look"), Presence::CannotTell, "its history is gone with it");
}

pub(crate) async fn a_hidden_revision_takes_back_what_it_said(wiki: Shared) {
    let mut driver = driver(&wiki).await;
    let post = complaint(&wiki, &mut driver).await;
    wiki.customer().append_to_section(PAGE, "1", ":Call me: 02 1234567.").await.expect("an edit");
    let comment = driver.poll().await.expect("a poll").remove(0);
    wiki.customer().append_to_section(PAGE, "1", ":Still nothing.").await.expect("an edit");
    assert_eq!(driver.poll().await.expect("a poll").len(), 1);
    let revision = comment.native_id.trim_start_matches("rev:").parse().expect("a number");
    assert!(wiki.admin().hide_revision(revision, "personal").await.expect("an administrator may"));
    let told = driver.poll().await.expect("a poll");
    let [deleted] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((deleted.native_id.as_str(), deleted.change, deleted.text.as_deref()), (comment.native_id.as_str(), Change::Deleted, None));

    wiki.customer().append_to_section(PAGE, "1", ":Hello?").await.expect("an edit");
    let found = driver.poll().await.expect("a poll");
    let [next] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((next.text.as_deref(), next.conversation.key.as_str()), (Some("Hello?"), post.conversation.key.as_str()));
}

pub(crate) async fn a_section_that_is_gone_refuses_replies(wiki: Shared) {
    let mut driver = driver(&wiki).await;
    let post = complaint(&wiki, &mut driver).await;
    wiki.customer().replace_page(PAGE, "== Other ==\n\nx").await.expect("an edit");
    let refused = driver.publish(&reply("run-1-reply-1", &post, "We are working on it.")).await;
    assert!(matches!(refused, Err(ConnectorError::Reject(_))), "{refused:?}");
}

pub(crate) async fn an_anonymous_edit_has_no_author(wiki: Shared) {
    let mut driver = driver(&wiki).await;
    wiki.anonymous().edit_talk(PAGE, THREAD, "It is down.").await.expect("an edit");
    let found = driver.poll().await.expect("a poll");
    let [post] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!((post.author.as_ref(), post.text.as_deref()), (None, Some("It is down.")));
}

pub(crate) async fn an_answer_that_was_lost_is_uncertain_and_the_reply_is_found(wiki: Shared) {
    let (mut driver, between) = driver_with_between(&wiki).await;
    let post = complaint(&wiki, &mut driver).await;
    between.lose_answer("action=edit");
    let effect = reply("run-1-reply-1", &post, "We are working on it.");
    let unsure = driver.publish(&effect).await;
    assert!(matches!(unsure, Err(ConnectorError::Uncertain(_))), "{unsure:?}");
    let found = present(driver.find(&effect).await);
    let echo = driver.poll().await.expect("a poll").remove(0);
    assert_eq!(echo.native_id, found);
}

pub(crate) async fn rows_read_one_by_one_come_all_and_once(wiki: Shared) {
    let mut driver = started(Driver::wiki(wiki.as_ref(), None, json!({ "page-rows": 1 })).await).await;
    for number in 0..5 {
        wiki.customer().edit_talk(PAGE, &format!("Thread {number}"), &format!("Words {number}.")).await.expect("an edit");
    }
    let found = driver.poll().await.expect("a poll");
    let texts: Vec<_> = found.iter().map(|interaction| interaction.text.clone().unwrap_or_default()).collect();
    assert_eq!(texts, (0..5).map(|number| format!("Words {number}.")).collect::<Vec<_>>());
}

pub(crate) async fn only_the_pages_wanted_are_read(wiki: Shared) {
    let mut driver = started(Driver::wiki(wiki.as_ref(), None, json!({ "pages": ["talk:Product"] })).await).await;
    wiki.customer().edit_talk("Talk:Other", THREAD, "Not ours.").await.expect("an edit");
    wiki.customer().replace_page("Product", "== An article ==\n\nNo talk.").await.expect("an edit");
    complaint(&wiki, &mut driver).await;
    driver.catch_up().await;
}
