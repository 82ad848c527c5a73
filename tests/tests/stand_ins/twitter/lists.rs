use std::time::Duration;

use serde_json::{Value, json};
use sportello_tests::stand_ins::twitter::TwitterSettings;

use super::{Api, ids, problem};

/// All pages from here on, and what each held.
async fn pages(api: &Api, path: &str, query: &[(&str, &str)]) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut all = query.to_vec();
        all.extend(token.as_deref().map(|token| ("pagination_token", token)));
        let document = api.read(path, &all).await;
        assert_eq!(document["meta"]["result_count"], json!(ids(&document).len()));
        pages.push(ids(&document));
        token = document["meta"]["next_token"].as_str().map(str::to_owned);
        if token.is_none() {
            return pages;
        }
    }
}

#[tokio::test]
async fn pages_lose_and_double_nothing_at_any_boundary() {
    for count in [0_usize, 1, 4, 5, 6, 9, 10, 11, 12] {
        let api = Api::start().await;
        let ada = api.twitter.person("Ada");
        let mut posts: Vec<String> = (0..count).map(|number| api.twitter.post(&ada, &format!("@TelefoniaSole {number}"))).collect();
        posts.reverse();
        for rows_max in 5..=12_usize {
            let pages = pages(&api, &api.mentions_path(), &[("max_results", &rows_max.to_string())]).await;
            assert_eq!(pages.concat(), posts, "{count} posts in pages of {rows_max}");
            assert_eq!(pages.len(), count.div_ceil(rows_max).max(1), "the last page has no token");
        }
    }
}

/// <https://github.com/HunterLarco/twitter-v2/issues/26>
#[tokio::test]
async fn what_is_not_shown_is_missing_in_data_and_named_among_the_errors() {
    let api = Api::start().await;
    let (ada, bob) = (api.twitter.person("Ada"), api.twitter.person("Bob"));
    let author = |number: usize| if (3..9).contains(&number) { &bob } else { &ada };
    let posts: Vec<String> = (0..12).rev().map(|number| api.twitter.post(author(number), &format!("@TelefoniaSole {number}"))).collect();
    let posts: Vec<String> = posts.into_iter().rev().collect();
    let answer = api.twitter.reply(&ada, &posts[4], "@TelefoniaSole anch'io");
    api.twitter.hide(&bob, true);
    let size = [("max_results", "5")];
    let all = pages(&api, &api.mentions_path(), &size).await;
    assert_eq!(all, [vec![answer.clone(), posts[0].clone(), posts[1].clone(), posts[2].clone()], vec![], posts[9..].to_vec()]);
    let first = api.read(&api.mentions_path(), &size).await;
    let error = &first["errors"][0];
    assert_eq!((&error["resource_id"], &error["resource_type"]), (&json!(posts[3]), &json!("tweet")));
    assert!(error["type"].as_str().is_some_and(|kind| kind.ends_with("/not-authorized-for-resource")), "{error}");

    let both = format!("{},{}", posts[0], posts[5]);
    let found = api.read("/2/tweets", &[("ids", &both)]).await;
    assert_eq!(
        (ids(&found), &found["errors"][0]["value"], &found["errors"][0]["parameter"]),
        (vec![posts[0].clone()], &json!(posts[5]), &json!("ids"))
    );
    let alone = api.read(&format!("/2/tweets/{}", posts[5]), &[]).await;
    assert!(alone.get("data").is_none() && alone["errors"][0]["title"] == "Authorization Error", "{alone}");
    let expanded = api.read(&format!("/2/tweets/{answer}"), &[("expansions", "referenced_tweets.id,in_reply_to_user_id")]).await;
    assert!(expanded.get("includes").is_none(), "{expanded}");
    assert_eq!(expanded["errors"][0]["resource_id"], json!(posts[4]));

    api.twitter.hide(&bob, false);
    assert_eq!(pages(&api, &api.mentions_path(), &size).await.concat().len(), 13, "a suspension ends");
}

#[tokio::test]
async fn what_is_posted_between_two_pages_moves_nothing() {
    let api = Api::start().await;
    let ada = api.twitter.person("Ada");
    let mut posts: Vec<String> = (0..12).map(|number| api.twitter.post(&ada, &format!("@TelefoniaSole {number}"))).collect();
    posts.reverse();
    let query = |token: &str| [("max_results".to_owned(), "5".to_owned()), ("pagination_token".to_owned(), token.to_owned())];
    let first = api.read(&api.mentions_path(), &[("max_results", "5")]).await;
    assert_eq!((&first["meta"]["newest_id"], &first["meta"]["oldest_id"]), (&json!(posts[0]), &json!(posts[4])));
    api.twitter.post(&ada, "@TelefoniaSole ancora");
    api.twitter.remove(&posts[4]);
    let token = first["meta"]["next_token"].as_str().expect("a token").to_owned();
    let words = query(&token);
    let words: Vec<(&str, &str)> = words.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let second = api.read(&api.mentions_path(), &words).await;
    assert_eq!(ids(&second), posts[5..10]);
    let back = second["meta"]["previous_token"].as_str().expect("a token").to_owned();
    let words = query(&back);
    let words: Vec<(&str, &str)> = words.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let again = ids(&api.read(&api.mentions_path(), &words).await);
    assert_eq!((again.len(), &again[1..]), (5, &posts[..4]), "back from there, without what was deleted");
    let stranger = api.get(&api.timeline_path(), &[("pagination_token", &token)]).await;
    assert_eq!(stranger.status, 400, "a token serves for its own list only");
}

#[tokio::test]
async fn a_list_is_narrowed_by_ids_and_time() {
    let settings = TwitterSettings { now: "2027-01-31T08:00:00Z".parse().expect("a time"), ..TwitterSettings::default() };
    let api = Api::start_with(settings).await;
    let mut posts = Vec::new();
    for number in 0..4 {
        posts.push(api.twitter.post(&api.twitter.company(), &number.to_string()));
        api.twitter.advance(Duration::from_secs(60));
    }
    let list = async |query: &[(&str, &str)]| ids(&api.read(&api.timeline_path(), query).await);
    assert_eq!(list(&[("since_id", &posts[1])]).await, [posts[3].clone(), posts[2].clone()], "itself not");
    assert_eq!(list(&[("until_id", &posts[1])]).await, [posts[0].clone()], "itself not");
    assert_eq!(list(&[("start_time", "2027-01-31T08:02:00Z")]).await, [posts[3].clone(), posts[2].clone()], "the moment itself too");
    assert_eq!(list(&[("since_id", &posts[3])]).await.len(), 0);
    let empty = api.read(&api.timeline_path(), &[("since_id", &posts[3])]).await;
    assert_eq!(empty, json!({"meta": {"result_count": 0}}), "an empty list has no data");
}

#[tokio::test]
async fn a_late_post_comes_into_the_lists_below_what_was_seen() {
    let api = Api::start().await;
    let ada = api.twitter.person("Ada");
    api.twitter.late_posts(Duration::from_secs(90));
    let late = api.twitter.post(&ada, "@TelefoniaSole tardi");
    api.twitter.late_posts(Duration::ZERO);
    api.twitter.advance(Duration::from_secs(1));
    let early = api.twitter.post(&ada, "@TelefoniaSole subito");
    assert_eq!(ids(&api.read(&api.mentions_path(), &[]).await), std::slice::from_ref(&early));
    assert_eq!(api.read(&format!("/2/tweets/{late}"), &[]).await["data"]["id"], json!(late), "a look-up finds it");
    api.twitter.advance(Duration::from_secs(88));
    assert_eq!(ids(&api.read(&api.mentions_path(), &[]).await).len(), 1);
    api.twitter.advance(Duration::from_secs(1));
    assert_eq!(ids(&api.read(&api.mentions_path(), &[]).await), [early.clone(), late]);
    assert_eq!(ids(&api.read(&api.mentions_path(), &[("since_id", &early)]).await).len(), 0, "who reads on from the newest misses it");
}

#[tokio::test]
async fn only_what_is_asked_for_is_shown() {
    let api = Api::start().await;
    let ada = api.twitter.person("Ada");
    let own = api.twitter.post(&api.twitter.company(), "Notizie");
    let reply = api.twitter.reply(&ada, &own, "Aiuto");
    let bare = api.read(&api.mentions_path(), &[]).await;
    assert_eq!(bare["data"], json!([{"id": reply, "text": "@TelefoniaSole Aiuto", "edit_history_tweet_ids": [reply]}]));
    assert_eq!(bare.get("includes"), None);
    let query = [
        ("tweet.fields", "created_at,conversation_id,entities"),
        ("expansions", "author_id,referenced_tweets.id"),
        ("user.fields", "created_at"),
    ];
    let full = api.read(&api.mentions_path(), &query).await;
    let row = &full["data"][0];
    assert_eq!((&row["author_id"], &row["conversation_id"]), (&json!(ada.id), &json!(own)));
    assert_eq!(row["entities"]["mentions"][0], json!({"start": 0, "end": 14, "username": "TelefoniaSole", "id": api.twitter.user_id()}));
    assert_eq!(full["includes"]["users"][0]["username"], json!(ada.handle));
    assert!(full["includes"]["users"][0]["created_at"].is_string());
    assert_eq!(full["includes"]["tweets"][0]["id"], json!(own));
    let me = api.read("/2/users/me", &[]).await;
    assert_eq!(me, json!({"data": {"id": api.twitter.user_id(), "name": "Telefonia Sole", "username": "TelefoniaSole"}}));
}

#[tokio::test]
async fn an_answer_can_hold_data_and_errors() {
    let api = Api::start().await;
    let ada = api.twitter.person("Ada");
    let own = api.twitter.post(&api.twitter.company(), "Notizie");
    let reply = api.twitter.reply(&ada, &own, "Aiuto");
    let both = api.read("/2/tweets", &[("ids", &format!("{own},999,{reply}"))]).await;
    assert_eq!(ids(&both), [own.clone(), reply.clone()]);
    let error = &both["errors"][0];
    assert_eq!((&error["resource_id"], &error["parameter"], &error["resource_type"]), (&json!("999"), &json!("ids"), &json!("tweet")));
    assert!(error["type"].as_str().is_some_and(|kind| kind.ends_with("/resource-not-found")));
    let none = api.read("/2/tweets/999", &[]).await;
    assert_eq!((none.get("data"), none["errors"].as_array().map(Vec::len)), (None, Some(1)), "HTTP 200 all the same");
    assert_eq!(api.read("/2/users/999/mentions", &[]).await["errors"][0]["resource_type"], "user");
    api.twitter.partial_errors(true);
    let partial = api.read(&api.mentions_path(), &[]).await;
    assert_eq!((ids(&partial), partial["errors"].as_array().map(Vec::len)), (vec![reply], Some(1)));
    api.twitter.partial_errors(false);
    api.twitter.remove(&own);
    let orphan = api.read(&api.mentions_path(), &[("expansions", "referenced_tweets.id")]).await;
    assert_eq!(orphan["errors"][0]["parameter"], "referenced_tweets.id", "what was answered is gone");
    assert_eq!(ids(&orphan).len(), 1);
}

#[tokio::test]
async fn an_edit_is_a_new_post_and_deleting_one_version_deletes_all() {
    let settings = TwitterSettings { now: "2027-01-31T08:00:00Z".parse().expect("a time"), ..TwitterSettings::default() };
    let api = Api::start_with(settings).await;
    let ada = api.twitter.person("Ada");
    let first = api.twitter.post(&ada, "@TelefoniaSole aiuto");
    let second = api.twitter.edit(&first, "@TelefoniaSole aiuto!");
    assert_ne!(first, second);
    let both = api.read("/2/tweets", &[("ids", &format!("{first},{second}"))]).await;
    let histories: Vec<&Value> = both["data"].as_array().expect("rows").iter().map(|row| &row["edit_history_tweet_ids"]).collect();
    assert_eq!(histories, [&json!([first, second]); 2]);
    assert_eq!(both["data"][0]["text"], "@TelefoniaSole aiuto", "the old version says what it said");
    let controls = api.read("/2/tweets", &[("ids", &first), ("tweet.fields", "edit_controls")]).await["data"][0]["edit_controls"].clone();
    assert_eq!(controls, json!({"edits_remaining": 4, "is_edit_eligible": true, "editable_until": "2027-01-31T09:00:00.000Z"}));
    assert_eq!(ids(&api.read(&api.mentions_path(), &[]).await), std::slice::from_ref(&second), "lists show the newest");
    api.twitter.remove(&first);
    let gone = api.read("/2/tweets", &[("ids", &format!("{first},{second}"))]).await;
    assert_eq!((gone.get("data"), gone["errors"].as_array().map(Vec::len)), (None, Some(2)));
    assert_eq!(api.read(&api.mentions_path(), &[]).await["meta"]["result_count"], 0);
}

#[tokio::test]
async fn lists_reach_back_to_the_last_800_mentions_and_3200_own_posts() {
    let api = Api::start().await;
    let (ada, company) = (api.twitter.person("Ada"), api.twitter.company());
    let mut cases = Vec::new();
    for (author, path, reached) in [(&ada, api.mentions_path(), 800), (&company, api.timeline_path(), 3_200)] {
        let posts: Vec<String> = (0..=reached).map(|number| api.twitter.post(author, &format!("@TelefoniaSole {number}"))).collect();
        cases.push((path, posts));
    }
    for (path, posts) in cases {
        let all = pages(&api, &path, &[("max_results", "100")]).await.concat();
        let reached: Vec<String> = posts[1..].iter().rev().cloned().collect();
        assert_eq!((all.len(), all == reached), (reached.len(), true), "{path}");
    }
}

#[tokio::test]
async fn a_wrong_parameter_is_named() {
    let api = Api::start().await;
    let mentions = api.mentions_path();
    let cases = [
        (mentions.as_str(), "max_results", "4"),
        (&mentions, "max_results", "101"),
        (&mentions, "since_id", "abc"),
        (&mentions, "start_time", "yesterday"),
        (&mentions, "pagination_token", "nonsense"),
        (&mentions, "tweet.fields", "mood"),
        (&mentions, "expansions", "mood"),
        (&mentions, "mood", "good"),
        ("/2/tweets", "ids", ""),
        ("/2/users/me", "user.fields", "mood"),
    ];
    for (path, name, value) in cases {
        let refused = api.get(path, &[(name, value)]).await;
        assert_eq!(problem(&refused), (400, "One or more parameters to your request was invalid.".to_owned()), "{path} {name}={value}");
        assert_eq!(refused.json().expect("JSON")["errors"][0]["parameters"], json!({name: [value]}));
    }
    let hundred_and_one = vec!["1"; 101].join(",");
    assert_eq!(api.get("/2/tweets", &[("ids", &hundred_and_one)]).await.status, 400);
    assert_eq!(api.get("/2/tweets/abc", &[]).await.status, 400);
    let twice = [("max_results", "5"), ("max_results", "6")];
    assert_eq!(api.get(&mentions, &twice).await.status, 400);
}

#[tokio::test]
async fn what_is_not_modelled_is_refused_loudly() {
    let api = Api::start().await;
    for path in ["/2/tweets/search/recent", "/2/users/by/username/ada", "/1.1/statuses/show.json", "/"] {
        assert_eq!(api.get(path, &[]).await.status, 501, "{path}");
    }
    assert_eq!(api.get(&api.mentions_path(), &[("end_time", "2027-01-31T08:00:00Z")]).await.status, 501);
    assert_eq!(api.get(&api.mentions_path(), &[("tweet.fields", "geo")]).await.status, 501);
    assert_eq!(api.create(&json!({"text": "x", "poll": {}})).await.status, 501);
}

#[tokio::test]
async fn texts_come_with_short_links_and_escaped_letters_in_lists_and_answers() {
    let api = Api::start().await;
    let (ada, handle) = (api.twitter.person("Ada"), api.twitter.settings().handle.clone());
    let text = format!("R&D <b> https://example.org/a?b=1&c=2 @{handle}");
    let mention = api.twitter.post(&ada, &text);
    let listed = api.read(&api.mentions_path(), &[("tweet.fields", "entities,note_tweet")]).await["data"][0].clone();
    let link = listed["entities"]["urls"][0].clone();
    let sent = listed["text"].as_str().expect("a text");
    let short = link["url"].as_str().expect("a link");
    assert_eq!(sent, format!("R&amp;D &lt;b&gt; {short} @{handle}"));
    assert_eq!((&link["expanded_url"], &link["display_url"]), (&json!("https://example.org/a?b=1&c=2"), &json!("example.org/a?b=1&c=2")));
    assert_eq!(listed["entities"]["mentions"][0]["end"], json!(sent.chars().count()));
    assert_eq!(listed["note_tweet"], Value::Null);
    assert_eq!(api.twitter.text_of(&mention), Some(text), "people see what was typed");
    let created = api.reply(&mention, "Q&A: https://example.org/a").await.json().expect("JSON");
    let answered = created["data"]["text"].as_str().expect("a text");
    assert!(answered.starts_with("@Ada Q&amp;A: https://t.co/"), "{answered}");
    assert_eq!(api.twitter.replies_to(&mention)[0].text, "Q&A: https://example.org/a");
    // A link counts as it is sent: this is not long.
    let fits = api.twitter.post(&ada, &format!("@{handle} https://example.org/{}", "a".repeat(300)));
    let long = api.twitter.post(&ada, &format!("@{handle} {} https://example.org/a&b", "b".repeat(280)));
    let ids = format!("{fits},{long}");
    let rows = api.read("/2/tweets", &[("ids", &ids), ("tweet.fields", "entities,note_tweet")]).await["data"].clone();
    assert_eq!(rows[0]["note_tweet"], Value::Null);
    assert!(rows[1]["text"].as_str().is_some_and(|text| text.ends_with('…')));
    assert_eq!(rows[1]["note_tweet"]["entities"]["urls"][0]["expanded_url"], "https://example.org/a&b");
}
