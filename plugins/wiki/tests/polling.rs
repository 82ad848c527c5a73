//! What the connector promises about polling.

mod recorded;

use recorded::{channel, play};
use serde_json::{Value, json};
use sportello_sdk::http::{Failure, Request, Response};
use sportello_sdk::testing::Host;
use sportello_sdk::{Change, Error};

const CURSOR: &str = r#"{"first_ms":1795346700000,"last_ms":1795346700000,"read":[]}"#;

#[test]
fn the_first_poll_starts_now_by_the_wikis_clock() {
    let _host = play(&["user_info"]).start();
    let page = channel(&json!({})).poll(None).unwrap();
    assert_eq!((page.interactions.len(), page.more, page.cursor.as_deref()), (0, false, Some(CURSOR)));
    let _host = play(&[]).start();
    let page = channel(&json!({ "since": "2026-11-22T11:25:00Z" })).poll(None).unwrap();
    assert_eq!((page.more, page.cursor.as_deref()), (true, Some(CURSOR)), "or when the settings say");
}

#[test]
fn a_thread_is_a_post_and_what_is_added_to_it_a_comment() {
    let _host = play(&["recent_changes", "revisions_2_3"]).start();
    let page = channel(&json!({ "language": "it" })).poll(Some(CURSOR)).unwrap();
    let [post, comment] = page.interactions.as_slice() else { panic!("{:?}", page.interactions) };
    assert_eq!((post.native_id.as_str(), post.kind.as_str(), post.text.as_deref()), ("rev:2", "post", Some("Down, è vero.")));
    assert_eq!((comment.native_id.as_str(), comment.kind.as_str(), comment.text.as_deref()), ("rev:3", "comment", Some("Still nothing.")));
    assert_eq!(post.conversation.key, "Talk:Product#No network since Saturday");
    assert_eq!(comment.conversation, post.conversation);
    let url = "https://wiki.example.org/w/index.php?title=Talk%3AProduct#No_network_since_Saturday";
    assert_eq!(post.conversation.url.as_deref(), Some(url));
    let author = post.author.as_ref().unwrap();
    assert_eq!((author.id.as_str(), author.handle.as_deref()), ("4", Some("Customer")));
    assert_eq!((post.occurred_at.as_str(), post.own, post.language.as_deref()), ("2026-11-22T11:25:37Z", false, Some("it")));
    assert!(!page.more);
}

#[test]
fn the_next_page_goes_on_where_the_wiki_says() {
    let _host = play(&["recent_changes_first_page", "revision_2", "recent_changes_second_page", "revisions_2_3"]).start();
    let channel = channel(&json!({}));
    let first = channel.poll(Some(CURSOR)).unwrap();
    assert_eq!((first.interactions.len(), first.more), (1, true));
    let second = channel.poll(first.cursor.as_deref()).unwrap();
    assert_eq!((second.interactions.len(), second.more), (1, false));
}

#[test]
fn what_was_read_is_not_read_again_and_leaves_the_cursor_alone() {
    let _host = play(&["recent_changes", "revisions_2_3", "recent_changes"]).start();
    let channel = channel(&json!({}));
    let first = channel.poll(Some(CURSOR)).unwrap();
    let again = channel.poll(first.cursor.as_deref()).unwrap();
    assert_eq!((again.interactions.len(), again.cursor), (0, first.cursor));
}

#[test]
fn a_place_the_wiki_does_not_know_any_more_is_found_again_by_time() {
    let _host =
        play(&["recent_changes_first_page", "revision_2", "recent_changes_bad_continue", "recent_changes", "revisions_2_3"]).start();
    let channel = channel(&json!({}));
    let first = channel.poll(Some(CURSOR)).unwrap();
    let lost = channel.poll(first.cursor.as_deref()).unwrap();
    assert_eq!((lost.interactions.len(), lost.more), (0, true));
    let found = channel.poll(lost.cursor.as_deref()).unwrap();
    assert_eq!(found.interactions.iter().map(|interaction| interaction.native_id.as_str()).collect::<Vec<_>>(), ["rev:3"]);
}

#[test]
fn a_deleted_page_deletes_what_was_reported_of_it() {
    let host = play(&["recent_changes", "revisions_2_3", "recent_changes_deletion"]).start();
    let channel = channel(&json!({}));
    let first = channel.poll(Some(CURSOR)).unwrap();
    let deleted = channel.poll(first.cursor.as_deref()).unwrap().interactions;
    assert_eq!(deleted.iter().map(|deletion| deletion.native_id.as_str()).collect::<Vec<_>>(), ["rev:2", "rev:3"]);
    assert!(
        deleted.iter().all(|deletion| deletion.change == Change::Deleted && deletion.revision == "deleted" && deletion.author.is_none())
    );
    assert_eq!(host.state::<Value>("revisions-2"), None, "and is forgotten");
}

/// Plays these rows of recent changes, and the texts of the revisions that are shown.
fn recent(rows: Value, texts: &[(u64, &str)]) -> Host {
    let shown = texts.iter().map(|(revision, text)| json!({ "revid": revision, "slots": { "main": { "content": text } } }));
    let hidden = json!({ "revid": 3, "slots": { "main": { "texthidden": true } } });
    let revisions = json!({ "query": { "pages": [{ "revisions": shown.chain([hidden]).collect::<Vec<_>>() }] } });
    let rows = json!({ "query": { "recentchanges": rows } });
    Host::new()
        .http(move |request: &Request| Response::with_json(200, if request.query_value("list").is_some() { &rows } else { &revisions }))
}

#[test]
fn a_revision_whose_text_is_hidden_takes_back_what_it_said_and_one_whose_author_is_hidden_does_not() {
    let row = |rcid: u64, action: &str, of: &str, content: bool| {
        let hidden = json!({ "content": content, "comment": !content, "user": !content, "restricted": false });
        json!({ "type": "log", "title": "Talk:Product", "pageid": 2, "revid": 0, "old_revid": 0, "rcid": rcid, "user": "Admin", "userid": 1,
            "timestamp": "2026-11-22T11:40:00Z", "logtype": "delete", "logaction": action, "logparams": { "type": of, "ids": [3, 5], "new": hidden } })
    };
    let rows = json!([row(9, "revision", "revision", true), row(10, "revision", "revision", false), row(11, "event", "logging", true)]);
    let _host = recent(rows, &[]).start();
    let told = channel(&json!({})).poll(Some(CURSOR)).unwrap().interactions;
    assert_eq!(told.iter().map(|deletion| deletion.native_id.as_str()).collect::<Vec<_>>(), ["rev:3", "rev:5"]);
    assert!(
        told.iter().all(|deletion| deletion.change == Change::Deleted && deletion.author.is_none() && deletion.text.is_none()),
        "{told:?}"
    );
}

/// A row of the log: this page was deleted.
fn deletion(rcid: u64, page: u64, title: &str) -> Value {
    json!({ "type": "log", "title": title, "pageid": page, "revid": 0, "old_revid": 0, "rcid": rcid, "user": "Admin", "userid": 1,
        "timestamp": "2026-11-22T11:40:00Z", "logtype": "delete", "logaction": "delete", "logparams": {} })
}

/// Polls to the end where this is the log, and gives the revisions that each call took back.
fn taken_back(host: Host, more: &Value, rows: &[Value]) -> Vec<Vec<String>> {
    let rows = rows.to_vec();
    let respond = move |request: &Request| {
        let from = request.query_value("rccontinue").map_or(0, |place| place.split('|').nth(1).unwrap().parse::<u64>().unwrap());
        let rows: Vec<_> = rows.iter().filter(|row| row["rcid"].as_u64() >= Some(from)).collect();
        Response::with_json(200, &json!({ "query": { "recentchanges": rows } }))
    };
    let _host = host.http(respond).start();
    let (channel, mut cursor, mut calls) = (channel(more), CURSOR.to_owned(), Vec::new());
    while calls.len() < 10 {
        let page = channel.poll(Some(&cursor)).unwrap();
        assert!(page.interactions.iter().all(|deletion| deletion.change == Change::Deleted));
        calls.push(page.interactions.into_iter().map(|deletion| deletion.native_id).collect());
        cursor = page.cursor.unwrap();
        if !page.more {
            return calls;
        }
    }
    panic!("it never ends: {:?}", calls.iter().map(Vec::len).collect::<Vec<_>>());
}

#[test]
fn of_more_deletions_than_one_call_can_tell_none_is_lost() {
    let reported = |from: u64| (from..from + 600).collect::<Vec<u64>>();
    let host = Host::new().state("revisions-2", &json!({ "2": reported(1_000) })).state("revisions-3", &json!({ "3": reported(5_000) }));
    let calls = taken_back(host, &json!({}), &[deletion(9, 2, "Talk:Product"), deletion(10, 3, "Talk:Bill")]);
    assert_eq!(calls.iter().map(Vec::len).collect::<Vec<_>>(), [600, 600]);
    let ids = |from| reported(from).into_iter().map(|id| format!("rev:{id}")).collect::<Vec<_>>();
    assert_eq!(calls, [ids(1_000), ids(5_000)]);
}

#[test]
fn of_more_hidden_revisions_than_one_call_can_tell_those_that_were_reported_are_taken_back() {
    let hidden = json!({ "type": "log", "title": "Talk:Product", "pageid": 2, "rcid": 9, "user": "Admin", "userid": 1,
        "timestamp": "2026-11-22T11:40:00Z", "logtype": "delete", "logaction": "revision",
        "logparams": { "type": "revision", "ids": (1..=3_000).collect::<Vec<u64>>(), "new": { "content": true } } });
    let host = Host::new().state("revisions-2", &json!({ "2": [2_500, 2_900] }));
    assert_eq!(taken_back(host, &json!({}), &[hidden]), [["rev:2500", "rev:2900"]]);
}

#[test]
fn a_page_that_was_moved_away_takes_along_what_was_reported_of_it() {
    let host = Host::new().state("revisions-2", &json!({ "2": [7] }));
    let more = json!({ "pages": ["Talk:Product"] });
    assert_eq!(taken_back(host, &more, &[deletion(9, 2, "Talk:Product/Archive"), deletion(10, 3, "Talk:Other")]), [["rev:7"]]);
}

#[test]
fn an_edit_behind_a_hidden_revision_is_kept_with_its_author_and_costs_nothing_else() {
    let row = |revid: u64| {
        json!({ "type": "edit", "title": "Talk:Product", "pageid": 2, "revid": revid, "old_revid": revid - 1, "rcid": revid, "user": "Customer",
            "userid": 3, "oldlen": 9, "newlen": 9, "timestamp": "2026-11-22T11:31:00Z" })
    };
    let texts = [
        (2, "== Bill ==\n\nToo high."),
        (4, "== Bill ==\n\nToo high.\n\n:x\n\n:Mine too."),
        (5, "== Bill ==\n\nToo high.\n\n:x\n\n:Mine too.\n\n:Late."),
    ];
    let _host = recent(json!([row(3), row(4), row(5)]), &texts).start();
    let told = channel(&json!({})).poll(Some(CURSOR)).unwrap().interactions;
    let [unclear, clear] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((unclear.native_id.as_str(), unclear.kind.as_str(), unclear.text.as_deref()), ("rev:4", "page-edit", None));
    assert_eq!(unclear.author.as_ref().map(|author| author.id.as_str()), Some("3"));
    assert!(unclear.attributes.iter().any(|attribute| attribute.name == "not-understood"), "{unclear:?}");
    assert_eq!((clear.native_id.as_str(), clear.text.as_deref()), ("rev:5", Some("Late.")));
}

#[test]
fn a_revision_that_was_deleted_before_it_was_read_says_nothing() {
    let _host = play(&["recent_changes", "revisions_deleted"]).start();
    assert_eq!(channel(&json!({})).poll(Some(CURSOR)).unwrap().interactions, []);
}

#[test]
fn the_bot_is_own_and_an_address_is_nobody() {
    let _host = play(&["recent_changes_own_and_anonymous", "revisions_2_3"]).start();
    let found = channel(&json!({ "bot": "connectorBot@connector" })).poll(Some(CURSOR)).unwrap().interactions;
    assert_eq!((found[0].own, found[0].author.as_ref()), (false, None));
    assert!(found[0].attributes.iter().any(|attribute| attribute.name == "minor"));
    assert!(found[1].own && found[1].attributes.iter().any(|attribute| attribute.name == "bot"));
}

#[test]
fn our_own_reply_names_its_effect_and_a_copy_by_somebody_else_does_not() {
    let rows = |user: &str| {
        json!({ "query": { "recentchanges": [{ "type": "edit", "title": "Talk:Product", "pageid": 2, "revid": 4, "old_revid": 3, "rcid": 4,
            "user": user, "userid": 3, "oldlen": 0, "newlen": 99, "timestamp": "2026-11-22T11:31:00Z" }] } })
    };
    let asked = "== Bill ==\n\nToo high.\n";
    let texts = [(3, asked.to_owned()), (4, format!("{asked}\n:Mended. ~~~~<!-- sportello 1a2b3c-run-1-1 -->"))];
    let texts = texts.map(|(revision, text)| json!({ "revid": revision, "slots": { "main": { "content": text } } }));
    let revisions = json!({ "query": { "pages": [{ "revisions": texts }] } });
    for (user, key) in [("ConnectorBot", Some("1a2b3c-run-1-1")), ("Customer", None)] {
        let (rows, revisions) = (rows(user), revisions.clone());
        let _host = Host::new()
            .http(move |request: &Request| Response::with_json(200, if request.query_value("list").is_some() { &rows } else { &revisions }))
            .start();
        let found = channel(&json!({})).poll(Some(CURSOR)).unwrap().interactions;
        let named = found[0].attributes.iter().find(|attribute| attribute.name == "effect-key");
        assert_eq!(named.map(|attribute| attribute.value.as_str()), key, "{user}");
    }
}

#[test]
fn a_session_that_ended_is_renewed_and_the_request_made_again() {
    let host = play(&["session_ended", "recent_changes_none"]).start();
    assert_eq!(channel(&json!({})).poll(Some(CURSOR)).unwrap().interactions, []);
    assert_eq!(host.renewed(), ["bot"]);
    let _host = play(&["session_ended", "session_ended"]).start();
    assert!(matches!(channel(&json!({})).poll(Some(CURSOR)), Err(Error::Auth(_))), "not for ever");
}

#[test]
fn each_error_of_the_wiki_becomes_what_the_host_must_do() {
    let outcome = |code: &'static str| {
        let body = json!({ "error": { "code": code, "info": "x" } });
        let _host = Host::new().http(move |_: &_| Response::with_json(200, &body).with_header("retry-after", "7")).start();
        channel(&json!({})).poll(Some(CURSOR)).unwrap_err()
    };
    for code in ["maxlag", "readonly", "ratelimited"] {
        assert!(matches!(outcome(code), Error::RateLimited(limit) if limit.until == "2026-01-15T12:00:07Z"), "{code}");
    }
    assert!(matches!(outcome("internal_api_error_DBQueryError"), Error::Retry(_)));
    assert!(matches!(outcome("blocked"), Error::Auth(_)));
    assert!(matches!(outcome("readapidenied"), Error::Auth(_)));
    assert!(matches!(outcome("badvalue"), Error::Reject(_)));
}

#[test]
fn texts_that_were_asked_for_and_did_not_come_are_asked_for_again() {
    let row = json!({ "type": "new", "ns": 1, "title": "Talk:Product", "rcid": 6, "pageid": 2, "revid": 6, "newlen": 9, "timestamp": "2026-11-22T11:25:37Z" });
    let rows = json!({ "query": { "recentchanges": [row] } });
    let host = Host::new().http(move |request: &Request| match request.method() {
        "POST" => Err(Failure::Interrupted("time-out".into())),
        _ => Ok(Response::with_json(200, &rows)),
    });
    let _host = host.start();
    let outcome = channel(&json!({})).poll(Some(CURSOR));
    assert!(matches!(outcome, Err(Error::Retry(_))), "nothing is changed by asking: {outcome:?}");
}

#[test]
fn a_row_that_nobody_understands_is_kept_and_holds_up_nothing() {
    let at = "2026-11-22T11:25:37Z";
    let rows = json!({ "query": { "recentchanges": [
        { "type": "shimmer", "ns": 1, "title": "Talk:Product", "rcid": 2, "timestamp": at, "hue": 7 },
        { "type": "edit", "ns": 1, "title": "Talk:Product", "rcid": 3, "revid": "many", "timestamp": at },
        { "type": "shimmer", "ns": 1, "title": null, "rcid": 4, "timestamp": at },
        { "type": "log", "ns": 1, "title": "Talk:Product", "rcid": 5, "logtype": "shimmer", "logaction": "glow", "timestamp": at },
        { "type": "new", "ns": 1, "title": "Talk:Product", "rcid": 6, "pageid": 2, "revid": 6, "newlen": 9, "timestamp": at, "hue": 7 },
    ] } });
    let revisions = json!({ "query": { "pages": [{ "revisions": [{ "revid": 6, "slots": { "main": { "content": "Down." } } }] }] } });
    let _host = Host::new()
        .http(move |request: &Request| Response::with_json(200, if request.query_value("list").is_some() { &rows } else { &revisions }))
        .start();
    let found = channel(&json!({})).poll(Some(CURSOR)).unwrap().interactions;
    let strange =
        |interaction: &sportello_sdk::Interaction| interaction.attributes.iter().any(|attribute| attribute.name == "not-understood");
    let told: Vec<_> =
        found.iter().map(|interaction| (interaction.native_id.as_str(), interaction.kind.as_str(), strange(interaction))).collect();
    assert_eq!(told, [("rc:2", "page-edit", true), ("rc:3", "page-edit", true), ("rc:4", "page-edit", true), ("rev:6", "comment", false)]);
    assert_eq!((found[0].conversation.key.as_str(), found[2].conversation.key.as_str()), ("Talk:Product", "rc:4"));
}

#[test]
fn nothing_a_customer_writes_breaks_the_contracts_limits() {
    let heading = "è".repeat(5_000);
    let text = format!("== {heading} ==\n\n{}\n", "à b ".repeat(30_000));
    let row = |id: u64, title: &str| {
        json!({ "type": "new", "ns": 1, "title": title, "pageid": id, "revid": id, "old_revid": 0, "rcid": id, "user": "ù".repeat(120), "userid": 4,
            "bot": false, "minor": false, "oldlen": 0, "newlen": 99, "timestamp": "2026-11-22T11:25:37Z" })
    };
    let rows = json!({ "query": { "recentchanges": [row(2, &format!("Talk:{}", "È".repeat(125))), row(3, "")] } });
    let revisions = json!({ "query": { "pages": [{ "revisions": [{ "revid": 2, "slots": { "main": { "content": text } } }] }] } });
    let _host = Host::new()
        .http(move |request: &Request| Response::with_json(200, if request.query_value("list").is_some() { &rows } else { &revisions }))
        .start();
    let found = channel(&json!({})).poll(Some(CURSOR)).unwrap().interactions;
    let [post] = found.as_slice() else { panic!("the row whose title is hidden is left out: {}", found.len()) };
    assert!(post.text.as_ref().is_some_and(|text| text.len() <= 64 << 10));
    assert!(post.conversation.key.len() <= 512 && post.conversation.title.as_ref().is_some_and(|title| title.len() <= 512));
    assert!(
        post.conversation.url.as_ref().is_some_and(|url| url.len() <= 4 << 10),
        "{:?}",
        post.conversation.url.as_ref().map(String::len)
    );
}
