//! The promises of MediaWiki's action API that our connector is built on.

use serde_json::{Value, json};
use sportello_tests::servers::{Wiki, WikiUser};

/// Makes a module of tests out of these promises; `$start` gives `Option<impl Wiki>`, `None` to skip.
#[macro_export]
macro_rules! wiki_promises {
    ($start:expr) => {
        mod wiki {
            use super::*;
            $crate::wiki_promises!(@each $start;
                a_bot_password_logs_in_in_two_steps
                a_login_within_a_bot_session_is_aborted
                a_failed_login_is_answered_200_and_leaves_the_anonymous_token
                an_edit_with_the_anonymous_token_succeeds_anonymously
                an_expired_session_fails_the_assertion_and_voids_the_token
                a_changed_password_refuses_the_old_one
                tokens_and_passwords_must_stand_in_the_body
                recent_changes_page_without_loss_or_double
                recent_changes_resume_at_the_row_named
                a_deleted_page_leaves_a_log_row_and_loses_its_edit_rows
                a_revision_whose_text_is_hidden_is_named_in_a_log_row
                a_moved_page_keeps_its_id
                sections_are_found_by_heading
                a_section_is_appended_to_at_its_end
                an_edit_of_the_same_section_meanwhile_conflicts
                an_edit_of_another_section_meanwhile_is_merged
                identical_text_is_no_change
                a_deleted_page_is_refused_when_it_must_exist
                revisions_are_read_by_id_and_missing_ones_named
                a_key_in_the_summary_is_found_among_contributions
                only_an_administrator_deletes
                a_set_clock_is_the_wiki_s_time
                more_values_than_an_account_may_name_are_refused
                a_limit_above_the_highest_is_lowered_with_a_warning
            );
        }
    };
    (@each $start:expr; $($promise:ident)*) => { $(
        #[tokio::test]
        async fn $promise() {
            let Some(mut wiki) = $start.await else { return };
            $crate::servers_and_stand_ins::wiki::$promise(&mut wiki).await;
        }
    )* };
}

const PAGE: &str = "Talk:Product";

fn code<Done: std::fmt::Debug>(result: sportello_tests::error::Result<Done>) -> String {
    let error = result.expect_err("the wiki should refuse this");
    error.code().unwrap_or_else(|| panic!("the wiki should refuse with a code, not: {error}")).to_owned()
}

async fn revision_of(wiki: &dyn Wiki, page: &str) -> String {
    let rows = wiki.bot().revisions(page).await.expect("revisions are readable");
    rows.last().expect("the page has a revision")["revid"].to_string()
}

pub(crate) async fn a_bot_password_logs_in_in_two_steps(wiki: &mut dyn Wiki) {
    let bot = wiki.bot();
    bot.log_in().await.expect("the bot password is right");
    assert!(
        bot.http().cookies().contains_key("wiki_BPsession"),
        "a bot password's session has a cookie of its own: {:?}",
        bot.http().cookies()
    );
    let reply = bot.get(&[("action", "query"), ("meta", "userinfo"), ("assert", "user")]).await.expect("logged in");
    assert_eq!(reply["query"]["userinfo"]["name"], "ConnectorBot");
    assert_ne!(bot.csrf_token().await.expect("a token"), "+\\");
}

pub(crate) async fn a_login_within_a_bot_session_is_aborted(wiki: &mut dyn Wiki) {
    let bot = wiki.bot();
    bot.log_in().await.expect("the bot password is right");
    assert_eq!(code(bot.log_in().await), "Aborted", "the cookie of a running session stands in the way");
    bot.http().forget_cookies();
    bot.log_in().await.expect("without it there is no objection");
    wiki.customer().log_in().await.expect("people log in as before");
}

pub(crate) async fn a_failed_login_is_answered_200_and_leaves_the_anonymous_token(wiki: &mut dyn Wiki) {
    let stranger = wiki.anonymous();
    let reply = stranger.get(&[("action", "query"), ("meta", "tokens"), ("type", "login")]).await.expect("a login token");
    let token = reply["query"]["tokens"]["logintoken"].as_str().expect("a token").to_owned();
    let name = wiki.bot_account().name;
    let reply = stranger
        .post(&[("action", "login"), ("lgname", &name), ("lgpassword", "wrongwrongwrongwrongwrongwrong00"), ("lgtoken", &token)])
        .await
        .expect("a failed login is HTTP 200 without an error object");
    assert_eq!(reply["login"]["result"], "Failed");
    assert_eq!(stranger.csrf_token().await.expect("a token"), "+\\", "who is not logged in gets the anonymous token");
    assert_eq!(code(stranger.get(&[("action", "query"), ("meta", "userinfo"), ("assert", "user")]).await), "assertuserfailed");
}

pub(crate) async fn an_edit_with_the_anonymous_token_succeeds_anonymously(wiki: &mut dyn Wiki) {
    wiki.anonymous().edit_talk(PAGE, "Who am I", "nobody").await.expect("the wiki lets anybody edit");
    let rows = wiki.customer().recent_changes(50).await.expect("recent changes");
    let row = rows.last().expect("the edit's row");
    assert_eq!((&row["user"], &row["userid"], &row["anon"]), (&json!("127.0.0.1"), &json!(0), &json!(true)));
}

pub(crate) async fn an_expired_session_fails_the_assertion_and_voids_the_token(wiki: &mut dyn Wiki) {
    let bot = wiki.bot();
    bot.edit_talk(PAGE, "First", "before").await.expect("the session is fresh");
    let token = bot.csrf_token().await.expect("a token");
    wiki.expire_sessions().await.expect("sessions can be expired");
    let edit = [("action", "edit"), ("title", PAGE), ("section", "1"), ("appendtext", "\n\nafter"), ("token", token.as_str())];
    let asserted: Vec<(&str, &str)> = edit.iter().copied().chain([("assert", "user")]).collect();
    assert_eq!(code(bot.post(&asserted).await), "assertuserfailed");
    assert_eq!(code(bot.post(&edit).await), "badtoken", "without the assertion the old token is refused");
    bot.log_in().await.expect("logging in again works with the old cookies in the jar");
    assert_eq!(code(bot.post(&asserted).await), "badtoken", "a token does not outlive its session");
    bot.append_to_section(PAGE, "1", "after").await.expect("a new session and a new token work");
    assert_eq!(wiki.customer().revisions(PAGE).await.expect("revisions").len(), 2, "nothing was written while refused");
}

pub(crate) async fn a_changed_password_refuses_the_old_one(wiki: &mut dyn Wiki) {
    let (before, running) = (wiki.bot(), wiki.bot());
    running.log_in().await.expect("the password is still right");
    wiki.change_bot_password("fedcba9876543210fedcba9876543210").await.expect("the password can be changed");
    assert_eq!(code(before.log_in().await), "Failed");
    wiki.bot().log_in().await.expect("the new password is right");
    assert_eq!(
        code(running.get(&[("action", "query"), ("meta", "userinfo"), ("assert", "user")]).await),
        "assertuserfailed",
        "its sessions ended"
    );
}

pub(crate) async fn tokens_and_passwords_must_stand_in_the_body(wiki: &mut dyn Wiki) {
    let customer = wiki.customer();
    let token = customer.csrf_token().await.expect("a token");
    assert_eq!(code(customer.get(&[("action", "edit"), ("title", PAGE), ("text", "x"), ("token", &token)]).await).get(..4), Some("must"));
    assert_eq!(
        code(customer.get(&[("action", "login"), ("lgname", "x"), ("lgpassword", "y"), ("lgtoken", "z")]).await).get(..4),
        Some("must")
    );
    assert_eq!(code(customer.post(&[("action", "edit"), ("title", PAGE), ("text", "x"), ("token", "deadbeef+\\")]).await), "badtoken");
    assert_eq!(code(customer.post(&[("action", "edit"), ("title", PAGE), ("text", "x")]).await), "missingparam");
    assert_eq!(
        code(customer.post(&[("action", "edit"), ("title", PAGE), ("token", &token)]).await),
        "missingparam",
        "an edit without any text"
    );
}

pub(crate) async fn recent_changes_page_without_loss_or_double(wiki: &mut dyn Wiki) {
    let customer = wiki.customer();
    for number in 0..7 {
        customer.edit_talk(PAGE, &format!("Thread {number}"), "È così").await.expect("an edit");
    }
    let whole = customer.recent_changes(50).await.expect("one page");
    let in_pages = customer.recent_changes(3).await.expect("several pages");
    assert_eq!(whole, in_pages, "paging neither loses nor doubles rows");
    let ours: Vec<&Value> = whole.iter().filter(|row| row["title"] == PAGE).collect();
    assert_eq!(ours.len(), 7);
    assert_eq!(ours[0]["type"], "new");
    assert_eq!(ours[1]["type"], "edit");
    assert_eq!(ours[1]["comment"], "/* Thread 1 */ new section");
    assert_eq!(ours[1]["old_revid"], ours[0]["revid"]);
    let ids: Vec<u64> = whole.iter().filter_map(|row| row["rcid"].as_u64()).collect();
    assert!(ids.is_sorted_by(|one, two| one < two), "rows come in the order of their ids: {ids:?}");
    let filtered = [("action", "query"), ("list", "recentchanges"), ("rcnamespace", "1"), ("rcexcludeuser", "Customer"), ("rcprop", "ids")];
    assert_eq!(customer.get(&filtered).await.expect("a filtered list")["query"]["recentchanges"], json!([]));
}

pub(crate) async fn recent_changes_resume_at_the_row_named(wiki: &mut dyn Wiki) {
    let customer = wiki.customer();
    for number in 0..3 {
        customer.edit_talk(PAGE, &format!("Thread {number}"), "text").await.expect("an edit");
    }
    let rows = customer.recent_changes(50).await.expect("recent changes");
    let from = &rows[rows.len() - 2];
    let time: String = from["timestamp"].as_str().expect("a time").chars().filter(char::is_ascii_digit).collect();
    let place = format!("{time}|{}", from["rcid"]);
    let query = [
        ("action", "query"),
        ("list", "recentchanges"),
        ("rcdir", "newer"),
        ("rcprop", "ids"),
        ("rccontinue", &place),
        ("continue", "-||"),
    ];
    let reply = customer.get(&query).await.expect("a remembered place may be used in a later poll");
    let ids: Vec<u64> = reply["query"]["recentchanges"].as_array().expect("rows").iter().filter_map(|row| row["rcid"].as_u64()).collect();
    assert_eq!(
        ids,
        [from["rcid"].as_u64().expect("an id"), rows[rows.len() - 1]["rcid"].as_u64().expect("an id")],
        "the named row is the first"
    );
    let bad = [("action", "query"), ("list", "recentchanges"), ("rccontinue", "bad")];
    assert_eq!(code(customer.get(&bad).await), "badcontinue");
}

pub(crate) async fn a_deleted_page_leaves_a_log_row_and_loses_its_edit_rows(wiki: &mut dyn Wiki) {
    let edit = wiki.customer().edit_talk("Talk:Gone", "Rude", "words").await.expect("an edit");
    wiki.admin().delete_page("Talk:Gone", "cleaning").await.expect("an administrator may");
    let rows = wiki.customer().recent_changes(50).await.expect("recent changes");
    let ours: Vec<&Value> = rows.iter().filter(|row| row["title"] == "Talk:Gone").collect();
    assert_eq!(ours.len(), 1, "the edit's row is gone: {ours:?}");
    let row = ours[0];
    assert_eq!((&row["type"], &row["logtype"], &row["logaction"]), (&json!("log"), &json!("delete"), &json!("delete")));
    assert_eq!((&row["pageid"], &row["revid"], &row["comment"]), (&json!(edit.page_id), &json!(0), &json!("cleaning")));
    let again = wiki.customer().edit_talk("Talk:Gone", "Kind", "words").await.expect("a page may come again");
    assert_ne!(again.page_id, edit.page_id, "it is another page");
}

pub(crate) async fn a_revision_whose_text_is_hidden_is_named_in_a_log_row(wiki: &mut dyn Wiki) {
    let first = wiki.customer().edit_talk(PAGE, "Bill", "My number is 123").await.expect("an edit").revision.expect("a revision");
    let last = wiki.customer().append_to_section(PAGE, "1", ":Still nothing.").await.expect("an edit").revision.expect("a revision");
    assert_eq!(code(wiki.bot().hide_revision(first, "no").await), "permissiondenied");
    assert!(!wiki.admin().hide_revision(last, "personal").await.expect("an administrator may"), "the last one is shown with its page");
    assert!(wiki.admin().hide_revision(first, "personal").await.expect("an administrator may"));
    let rows = wiki.customer().recent_changes(50).await.expect("recent changes");
    let ours: Vec<&Value> = rows.iter().filter(|row| row["title"] == PAGE).collect();
    assert_eq!(
        ours.iter().map(|row| row["type"].as_str().unwrap_or_default()).collect::<Vec<_>>(),
        ["new", "edit", "log"],
        "the edits stay: {ours:?}"
    );
    let row = ours[2];
    assert_eq!((&row["logtype"], &row["logaction"], &row["revid"]), (&json!("delete"), &json!("revision"), &json!(0)));
    let params = &row["logparams"];
    assert_eq!((&params["type"], &params["ids"], &params["new"]["content"]), (&json!("revision"), &json!([first]), &json!(true)));
    let asked = first.to_string();
    let shown = [("action", "query"), ("prop", "revisions"), ("revids", &asked), ("rvprop", "ids|content"), ("rvslots", "main")];
    let reply = wiki.bot().get(&shown).await.expect("it is named all the same");
    assert_eq!(reply.pointer("/query/pages/0/revisions/0/slots/main"), Some(&json!({"texthidden": true})));
}

pub(crate) async fn a_moved_page_keeps_its_id(wiki: &mut dyn Wiki) {
    let edit = wiki.customer().edit_talk("Talk:Old name", "Hello", "there").await.expect("an edit");
    wiki.admin().move_page("Talk:Old name", "Talk:New name", "tidying").await.expect("an administrator may");
    let rows = wiki.customer().recent_changes(50).await.expect("recent changes");
    let ours: Vec<&Value> = rows.iter().filter(|row| row["pageid"] == json!(edit.page_id)).collect();
    assert_eq!(ours.len(), 2, "the edit and the move: {ours:?}");
    assert!(ours.iter().all(|row| row["title"] == "Talk:Old name"), "rows keep the old title");
    assert_eq!((&ours[1]["logtype"], &ours[1]["logparams"]["target_title"]), (&json!("move"), &json!("Talk:New name")));
    let appended = wiki.customer().append_to_section("Talk:New name", "1", "again").await.expect("the page goes on under the new name");
    assert_eq!(appended.page_id, edit.page_id);
}

pub(crate) async fn sections_are_found_by_heading(wiki: &mut dyn Wiki) {
    let customer = wiki.customer();
    customer
        .replace_page("Talk:My  big_page", "Intro\n== A==\na\n\n\n==B ==\n\nb\n<nowiki>\n== not ==\n</nowiki>\n== B == \nc")
        .await
        .expect("an edit");
    customer.append_to_section("Talk:My big page", "2", "=== Below ===\nè").await.expect("the title is the same page");
    let query = [("action", "parse"), ("page", "Talk:My big page"), ("prop", "sections|revid|wikitext")];
    let reply = customer.get(&query).await.expect("the page parses");
    let rows = reply["parse"]["sections"].as_array().expect("sections");
    let shown: Vec<(&str, &str, &str, &str)> = rows
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap_or_default();
            (text("index"), text("level"), text("line"), text("anchor"))
        })
        .collect();
    assert_eq!(shown, [("1", "2", "A", "A"), ("2", "2", "B", "B"), ("3", "3", "Below", "Below"), ("4", "2", "B", "B_2")]);
    assert!(rows.iter().all(|row| row["fromtitle"] == "Talk:My_big_page"));
    let text = reply["parse"]["wikitext"].as_str().expect("text");
    let at = rows[3]["byteoffset"].as_u64().expect("an offset") as usize;
    let from: String = text.chars().skip(at).collect();
    assert!(from.starts_with("== B == \nc"), "byteoffset counts characters, whatever its name: {from}");
    assert_eq!(code(customer.get(&[("action", "parse"), ("page", PAGE), ("prop", "sections")]).await), "missingtitle");
    let beyond = [("action", "parse"), ("page", "Talk:My big page"), ("section", "9"), ("prop", "wikitext")];
    assert_eq!(code(customer.get(&beyond).await), "nosuchsection");
}

pub(crate) async fn a_section_is_appended_to_at_its_end(wiki: &mut dyn Wiki) {
    let customer = wiki.customer();
    customer.edit_talk(PAGE, "No network", "È da ieri che non c'è rete & <b>basta</b>.").await.expect("an edit");
    customer.edit_talk(PAGE, "Bill", "It is wrong.").await.expect("an edit");
    wiki.bot().append_to_section(PAGE, "1", ":We are at it.").await.expect("an answer");
    let text = customer.page_text(PAGE).await.expect("readable").expect("there");
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    assert_eq!(lines.len(), 5, "{text}");
    assert!(lines[0] == "== No network ==" && lines[3] == "== Bill ==", "{text}");
    assert!(
        lines[1].starts_with("È da ieri che non c'è rete & <b>basta</b>. [[User:Customer|Customer]] ([[User talk:Customer|talk]]) "),
        "{text}"
    );
    assert!(lines[2].starts_with(":We are at it. [[User:ConnectorBot|ConnectorBot]]") && lines[2].ends_with("(UTC)"), "signed: {text}");
    assert!(text.contains("(UTC)\n\n== Bill =="), "one empty line before the next thread: {text}");
    let query =
        [("action", "query"), ("titles", PAGE), ("prop", "revisions"), ("rvprop", "ids|content"), ("rvslots", "main"), ("rvsection", "2")];
    let reply = customer.get(&query).await.expect("one section");
    let section = reply.pointer("/query/pages/0/revisions/0/slots/main/content").and_then(Value::as_str).expect("its text");
    assert!(section.starts_with("== Bill ==\n\nIt is wrong. "), "{section}");
}

pub(crate) async fn an_edit_of_the_same_section_meanwhile_conflicts(wiki: &mut dyn Wiki) {
    let customer = wiki.customer();
    customer.edit_talk(PAGE, "No network", "Hello?").await.expect("an edit");
    let seen = revision_of(wiki, PAGE).await;
    customer.append_to_section(PAGE, "1", "Anybody?").await.expect("an edit meanwhile");
    let answer = [("section", "1"), ("appendtext", "\n\n:We are at it. ~~~~"), ("baserevid", seen.as_str())];
    assert_eq!(code(wiki.bot().edit(PAGE, &answer).await), "editconflict");
    let replace = [("section", "1"), ("text", "== No network ==\n\n:Gone. ~~~~"), ("baserevid", seen.as_str())];
    assert_eq!(code(wiki.bot().edit(PAGE, &replace).await), "editconflict");
    let text = customer.page_text(PAGE).await.expect("readable").expect("there");
    assert!(!text.contains("We are at it") && text.contains("Anybody?"), "nothing was written: {text}");
    let now = revision_of(wiki, PAGE).await;
    let answer = [("section", "1"), ("appendtext", "\n\n:We are at it. ~~~~"), ("baserevid", now.as_str()), ("bot", "1")];
    wiki.bot().edit(PAGE, &answer).await.expect("with the newest revision as base it works");
    let rows = customer.recent_changes(50).await.expect("recent changes");
    assert_eq!(rows.last().expect("the answer's row")["bot"], true);
}

pub(crate) async fn an_edit_of_another_section_meanwhile_is_merged(wiki: &mut dyn Wiki) {
    let customer = wiki.customer();
    customer.edit_talk(PAGE, "No network", "Hello?").await.expect("an edit");
    customer.edit_talk(PAGE, "Bill", "It is wrong.").await.expect("an edit");
    let seen = revision_of(wiki, PAGE).await;
    customer.append_to_section(PAGE, "1", "Anybody?").await.expect("an edit meanwhile");
    let answer = [("section", "2"), ("appendtext", "\n\n:We look at it. ~~~~"), ("baserevid", seen.as_str())];
    wiki.bot().edit(PAGE, &answer).await.expect("the other thread is not touched");
    let thread = [("section", "new"), ("sectiontitle", "News"), ("text", "It works again."), ("baserevid", seen.as_str())];
    wiki.bot().edit(PAGE, &thread).await.expect("a new thread never conflicts");
    let text = customer.page_text(PAGE).await.expect("readable").expect("there");
    let places: Vec<usize> =
        ["Hello?", "Anybody?", "== Bill ==", "We look at it.", "== News =="].iter().filter_map(|words| text.find(words)).collect();
    assert!(places.len() == 5 && places.is_sorted(), "{text}");
}

pub(crate) async fn identical_text_is_no_change(wiki: &mut dyn Wiki) {
    let customer = wiki.customer();
    let first = customer.replace_page(PAGE, "The same").await.expect("an edit");
    let ids = customer.recent_change_ids().await.expect("recent changes");
    let second = wiki.bot().replace_page(PAGE, "The same").await.expect("the same text is no error");
    assert_eq!((second.page_id, second.revision), (first.page_id, None));
    assert_eq!(customer.recent_change_ids().await.expect("recent changes"), ids, "no row was made");
}

pub(crate) async fn a_deleted_page_is_refused_when_it_must_exist(wiki: &mut dyn Wiki) {
    wiki.customer().edit_talk(PAGE, "No network", "Hello?").await.expect("an edit");
    let seen = revision_of(wiki, PAGE).await;
    wiki.admin().delete_page(PAGE, "cleaning").await.expect("an administrator may");
    let bot = wiki.bot();
    let answer = [("section", "1"), ("appendtext", "\n\n:Here.")];
    assert_eq!(code(bot.edit(PAGE, &answer).await), "nosuchsection");
    let must_exist = [("section", "1"), ("appendtext", "\n\n:Here."), ("baserevid", &seen), ("nocreate", "1")];
    assert_eq!(code(bot.edit(PAGE, &must_exist).await), "missingtitle");
    let thread = [("section", "new"), ("sectiontitle", "x"), ("text", "y"), ("nocreate", "1")];
    assert_eq!(code(bot.edit(PAGE, &thread).await), "missingtitle");
    assert_eq!(bot.page_text(PAGE).await.expect("readable"), None);
}

pub(crate) async fn revisions_are_read_by_id_and_missing_ones_named(wiki: &mut dyn Wiki) {
    let customer = wiki.customer();
    let first = customer.edit_talk(PAGE, "One", "first").await.expect("an edit").revision.expect("a revision");
    let second = customer.append_to_section(PAGE, "1", "second").await.expect("an edit").revision.expect("a revision");
    let gone = customer.edit_talk("Talk:Gone", "One", "x").await.expect("an edit").revision.expect("a revision");
    wiki.admin().delete_page("Talk:Gone", "cleaning").await.expect("an administrator may");
    let ids = format!("{first}|{second}|{gone}");
    let query = [
        ("action", "query"),
        ("revids", ids.as_str()),
        ("prop", "revisions"),
        ("rvprop", "ids|user|userid|timestamp|comment|content"),
        ("rvslots", "main"),
    ];
    let reply = customer.get(&query).await.expect("revisions");
    let rows = reply.pointer("/query/pages/0/revisions").and_then(Value::as_array).expect("the page's revisions");
    let known: Vec<u64> = rows.iter().filter_map(|row| row["revid"].as_u64()).collect();
    assert_eq!(known, [first, second]);
    let text = |row: &Value| row.pointer("/slots/main/content").and_then(Value::as_str).map(str::to_owned).expect("content");
    assert!(!text(&rows[0]).contains("second") && text(&rows[1]).contains("second"), "what an edit added is the difference of two texts");
    assert_eq!(reply["query"]["badrevids"][gone.to_string()]["missing"], true);
}

pub(crate) async fn a_key_in_the_summary_is_found_among_contributions(wiki: &mut dyn Wiki) {
    wiki.customer().edit_talk(PAGE, "No network", "Hello?").await.expect("an edit");
    let fields = [("section", "1"), ("appendtext", "\n\n:Here. ~~~~"), ("summary", "/* No network */ answer (run-1/answer/1)")];
    let made = wiki.bot().edit(PAGE, &fields).await.expect("an answer");
    let query = [
        ("action", "query"),
        ("list", "usercontribs"),
        ("ucuser", "ConnectorBot"),
        ("ucprop", "ids|title|timestamp|comment"),
        ("uclimit", "5"),
    ];
    let reply = wiki.bot().get(&query).await.expect("contributions");
    let row = &reply["query"]["usercontribs"][0];
    assert_eq!((&row["revid"], &row["title"]), (&json!(made.revision), &json!(PAGE)));
    assert!(row["comment"].as_str().is_some_and(|comment| comment.contains("run-1/answer/1")), "{row}");
}

pub(crate) async fn only_an_administrator_deletes(wiki: &mut dyn Wiki) {
    wiki.customer().edit_talk(PAGE, "No network", "Hello?").await.expect("an edit");
    assert_eq!(code(wiki.bot().delete_page(PAGE, "no").await), "permissiondenied");
    let one_more = wiki.add_customer("Bruna Neri", "BrunaPass-9876").await.expect("people can be added");
    let bruna = WikiUser::new(&wiki.api_url(), one_more);
    bruna.append_to_section(PAGE, "1", "Me too").await.expect("she may write");
    let rows = bruna.recent_changes(50).await.expect("recent changes");
    assert_eq!(rows.last().expect("her row")["user"], "Bruna Neri");
}

pub(crate) async fn a_set_clock_is_the_wiki_s_time(wiki: &mut dyn Wiki) {
    let customer = wiki.customer();
    for (moment, signed) in [("2031-03-02T08:07:06Z", "08:07, 2 March 2031 (UTC)"), ("2031-03-02T08:09:06Z", "08:09, 2 March 2031 (UTC)")] {
        wiki.set_clock(moment.parse().expect("a moment")).expect("the clock can be set");
        customer.edit_talk(PAGE, "When", "now").await.expect("an edit");
        let reply = customer.get(&[("action", "query"), ("meta", "userinfo"), ("curtimestamp", "1")]).await.expect("a look");
        assert_eq!(reply["curtimestamp"], moment);
        let revisions = customer.revisions(PAGE).await.expect("readable");
        assert_eq!(revisions.last().expect("a revision")["timestamp"], moment);
        let rows = customer.recent_changes(50).await.expect("readable");
        assert_eq!(rows.last().expect("a row")["timestamp"], moment);
        let text = customer.page_text(PAGE).await.expect("readable").expect("the page is there");
        assert!(text.contains(signed), "{text}");
    }
}

/// Measured, for values that occur twice and for empty ones, too; with the right `apihighlimits`, which bots have, it is ten times as many.
pub(crate) async fn more_values_than_an_account_may_name_are_refused(wiki: &mut dyn Wiki) {
    let (customer, bot) = (wiki.customer(), wiki.bot());
    customer.edit_talk(PAGE, "No network", "Hello?").await.expect("an edit");
    bot.log_in().await.expect("the bot password is right");
    let ask = async |user: &WikiUser, name: &str, values: &str| {
        user.get(&[("action", "query"), (name, values), ("prop", "revisions"), ("rvprop", "ids")]).await
    };
    let numbers = |count: usize| (1..=count).map(|number| number.to_string()).collect::<Vec<_>>().join("|");
    for name in ["revids", "titles"] {
        ask(&customer, name, &numbers(50)).await.expect("fifty are not too many");
        for values in [numbers(51), ["1"; 51].join("|"), format!("{}|", numbers(50))] {
            assert_eq!(code(ask(&customer, name, &values).await), "toomanyvalues", "{name}");
        }
        ask(&bot, name, &numbers(500)).await.expect("a bot may name more");
        assert_eq!(code(ask(&bot, name, &numbers(501)).await), "toomanyvalues", "{name}");
    }
    for several in [[("titles", "Talk:Product|Main Page"), ("rvlimit", "5")], [("revids", "1|2"), ("rvlimit", "5")]] {
        let query: Vec<_> = [("action", "query"), ("prop", "revisions")].into_iter().chain(several).collect();
        assert_eq!(code(customer.get(&query).await), "invalidparammix", "a history is of one page");
    }
    ask(&customer, "titles", "1|").await.expect("no title is none");
    assert_eq!(code(ask(&customer, "revids", "1|").await), "badinteger", "no number is no number");
}

/// Measured.
pub(crate) async fn a_limit_above_the_highest_is_lowered_with_a_warning(wiki: &mut dyn Wiki) {
    let (customer, bot) = (wiki.customer(), wiki.bot());
    customer.edit_talk(PAGE, "No network", "Hello?").await.expect("an edit");
    customer.append_to_section(PAGE, "1", "Anybody?").await.expect("an edit");
    bot.log_in().await.expect("the bot password is right");
    let warned = async |user: &WikiUser, query: &[(&str, &str)]| {
        let query: Vec<_> = [("action", "query")].into_iter().chain(query.iter().copied()).collect();
        let reply = user.get(&query).await.expect("it is no error");
        let module = if query[1].0 == "list" { query[1].1 } else { "revisions" };
        reply["warnings"][module]["warnings"].as_str().unwrap_or_default().to_owned()
    };
    let changes = |limit| [("list", "recentchanges"), ("rclimit", limit)];
    assert_eq!(warned(&customer, &changes("500")).await, "");
    assert_eq!(warned(&customer, &changes("501")).await, "The value \"501\" for parameter \"rclimit\" must be between 1 and 500.");
    assert_eq!(warned(&customer, &changes("0")).await, "The value \"0\" for parameter \"rclimit\" must be between 1 and 500.");
    assert_eq!(warned(&customer, &changes("max")).await, "");
    assert_eq!(warned(&bot, &changes("501")).await, "");
    assert_eq!(warned(&bot, &changes("5001")).await, "The value \"5001\" for parameter \"rclimit\" must be between 1 and 5,000.");
    let contributions = [("list", "usercontribs"), ("ucuser", "Customer"), ("uclimit", "501")];
    assert_eq!(warned(&customer, &contributions).await, "The value \"501\" for parameter \"uclimit\" must be between 1 and 500.");
    let history = |limit, shown| [("prop", "revisions"), ("titles", PAGE), ("rvslots", "main"), ("rvlimit", limit), ("rvprop", shown)];
    assert_eq!(warned(&customer, &history("51", "ids")).await, "");
    let of_content = "The value \"51\" for parameter \"rvlimit\" must be between 1 and 50.";
    assert_eq!(warned(&customer, &history("51", "ids|content")).await, of_content, "of whole texts fewer are given");
    let twice = "The value \"501\" for parameter \"rvlimit\" must be between 1 and 500.\n\
                 The value \"500\" for parameter \"rvlimit\" must be between 1 and 50.";
    assert_eq!(warned(&customer, &history("501", "ids|content")).await, twice);
    let bad = [("action", "query"), ("list", "recentchanges"), ("rclimit", "many")];
    assert_eq!(code(customer.get(&bad).await), "badinteger");
}
