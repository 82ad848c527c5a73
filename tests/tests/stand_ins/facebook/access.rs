//! Who may call: the page's token, the app's own, and what is asked with it.

use std::time::Duration;

use sportello_tests::http_client::Answer;
use sportello_tests::stand_ins::facebook::{Person, RateLimit};

use super::{Graph, code_of};

impl Graph {
    /// Asks with the app's own token and its proof.
    async fn ask_as_the_app(&self, path: &str, query: &[(&str, &str)]) -> Answer {
        let (token, proof) = (self.facebook.app_token(), self.facebook.app_token_proof());
        let all: Vec<_> = query.iter().copied().chain([("access_token", token.as_str()), ("appsecret_proof", proof.as_str())]).collect();
        self.http.get(&format!("{}{path}", self.facebook.graph_url()), &all).await.expect("an answer")
    }
}

fn ids_for_pages(person: &Person) -> String {
    format!("/v24.0/{}/ids_for_pages", person.id_in_the_app)
}

/// <https://developers.facebook.com/docs/messenger-platform/identity/id-matching>
#[tokio::test]
async fn the_app_is_told_by_which_id_the_page_knows_somebody() {
    let (graph, post) = Graph::start().await;
    let (ada, stranger) = (graph.facebook.person("Ada"), graph.facebook.person("Nessuno"));
    graph.facebook.comment(&ada, &post, "Aiuto");
    for page in [&[][..], &[("page", graph.facebook.page_id())]] {
        let told = graph.ask_as_the_app(&ids_for_pages(&ada), page).await.json().expect("JSON");
        assert_eq!((&told["data"][0]["id"], &told["data"][0]["page"]["id"]), (&ada.id.as_str().into(), &graph.facebook.page_id().into()));
    }
    for (path, page) in [(ids_for_pages(&ada), "7"), (ids_for_pages(&stranger), graph.facebook.page_id())] {
        assert_eq!(graph.ask_as_the_app(&path, &[("page", page)]).await.text(), r#"{"data":[]}"#, "nothing to do with that page");
    }
    let by_the_pages_id = format!("/v24.0/{}/ids_for_pages", ada.id);
    assert_eq!(code_of(&graph.ask_as_the_app(&by_the_pages_id, &[]).await), (400, 100, Some(33)));
}

/// <https://developers.facebook.com/docs/graph-api/overview/rate-limiting>
#[tokio::test]
async fn an_app_that_has_used_up_its_hour_is_refused_with_its_own_token_too_and_one_whose_page_has_its_day_is_not() {
    let (graph, post) = Graph::start().await;
    let anna = graph.facebook.person("Anna");
    graph.facebook.comment(&anna, &post, "Ciao");
    for (limit, status) in [(RateLimit::App, 400), (RateLimit::BusinessUseCase, 200)] {
        graph.facebook.limit_rate(limit, Duration::from_secs(60));
        let answer = graph.ask_as_the_app(&ids_for_pages(&anna), &[]).await;
        assert_eq!(answer.status, status, "{limit:?}");
        assert!(status == 200 || code_of(&answer).1 == 4);
        graph.facebook.advance(Duration::from_secs(60));
    }
    assert_eq!(graph.facebook.calls_over_limit(), 1);
}

/// <https://developers.facebook.com/docs/graph-api/guides/secure-requests>
#[tokio::test]
async fn who_somebody_is_is_told_to_the_app_alone_and_with_its_proof() {
    let (graph, _) = Graph::start().await;
    let ada = graph.facebook.person("Ada");
    let (path, token) = (ids_for_pages(&ada), graph.facebook.app_token());
    assert_eq!(code_of(&graph.get(&path, &[]).await), (400, 15, None), "the page's token");
    let url = format!("{}{path}", graph.facebook.graph_url());
    for proof in [&[][..], &[("appsecret_proof", "00")]] {
        let query: Vec<_> = proof.iter().copied().chain([("access_token", token.as_str())]).collect();
        assert_eq!(code_of(&graph.http.get(&url, &query).await.expect("an answer")), (400, 100, None), "{proof:?}");
    }
    assert_eq!(code_of(&graph.ask_as_the_app(&path, &[("shimmer", "1")]).await), (400, 100, None), "what is not modelled");
    let own = format!("/v24.0/{}/feed", graph.facebook.page_id());
    assert_eq!(code_of(&graph.ask_as_the_app(&own, &[]).await), (400, 210, None), "a page wants its own token");
    assert_eq!(graph.get(&own, &[("appsecret_proof", "00")]).await.status, 400, "a wrong proof is refused of any token");
}

#[tokio::test]
async fn calls_that_the_platform_refuses_are_refused() {
    let (graph, post) = Graph::start().await;
    let url = graph.facebook.graph_url();
    let without = graph.http.post_form(&format!("{url}/v21.0/{post}/comments"), &[("message", "x")]).await.expect("an answer");
    assert_eq!(code_of(&without), (400, 104, None));
    let wrong = graph
        .http
        .post_form(&format!("{url}/v21.0/{post}/comments"), &[("message", "x"), ("access_token", "no")])
        .await
        .expect("an answer");
    assert_eq!(code_of(&wrong), (400, 190, None));
    assert!(wrong.header("www-authenticate").contains("invalid_token"));
    assert_eq!(code_of(&graph.reply("104857600000001_999", "x").await), (400, 100, Some(33)));
    assert_eq!(code_of(&graph.get("/v21.0/999", &[]).await), (400, 100, Some(33)));
    assert_eq!(code_of(&graph.reply(&post, "  ").await), (400, 100, None));
    assert_eq!(code_of(&graph.get(&format!("/v21.0/{post}"), &[("fields", "mood")]).await), (400, 100, None));
    assert_eq!(code_of(&graph.get(&format!("/{post}/comments"), &[]).await), (400, 2500, None), "the version is missing");
    assert_eq!(code_of(&graph.get(&format!("/v21.0/{post}/comments"), &[("after", "nonsense")]).await), (400, 100, None));
    let comment = graph.facebook.comment(&graph.facebook.person("Ada"), &post, "Aiuto");
    graph.facebook.remove(&comment);
    assert_eq!(code_of(&graph.reply(&comment, "x").await), (400, 100, Some(33)), "what was removed can't be answered");
    assert!(graph.facebook.replies().is_empty(), "nothing refused was done");
}

#[tokio::test]
async fn a_token_that_expired_or_was_renewed_is_named_by_its_subcode() {
    let (graph, post) = Graph::start().await;
    let old = graph.facebook.access_token();
    graph.facebook.expire_token();
    assert_eq!(code_of(&graph.reply(&post, "x").await), (400, 190, Some(463)));
    graph.facebook.renew_token();
    assert_eq!(graph.reply(&post, "x").await.status, 200);
    let url = format!("{}/v21.0/{post}/comments", graph.facebook.graph_url());
    let retired = graph.http.post_form(&url, &[("message", "x"), ("access_token", &old)]).await.expect("an answer");
    assert_eq!(code_of(&retired), (400, 190, Some(460)));
}

/// <https://developers.facebook.com/docs/facebook-login/guides/%20access-tokens/debugging>
#[tokio::test]
async fn a_token_is_told_when_it_ends_and_ends_then() {
    let (graph, _) = Graph::start().await;
    let (token, path) = (graph.facebook.access_token(), "/v24.0/debug_token");
    let asks = async |token: &str| graph.ask_as_the_app(path, &[("input_token", token)]).await.json().expect("JSON")["data"].clone();
    let told = graph.get(path, &[("input_token", &token)]).await.json().expect("JSON")["data"].clone();
    assert_eq!(told, asks(&token).await, "it may ask about itself");
    assert_eq!((&told["type"], &told["is_valid"], &told["expires_at"]), (&"PAGE".into(), &true.into(), &0.into()), "it has no end");
    let days = (told["data_access_expires_at"].as_i64().expect("a time") - graph.facebook.now().as_second()) / (24 * 60 * 60);
    assert_eq!((days, &told["profile_id"]), (90, &graph.facebook.page_id().into()));
    assert_eq!(told["scopes"].as_array().expect("a list").len(), 4);

    let ends = graph.facebook.now() + Duration::from_secs(60);
    graph.facebook.end_token_at(ends);
    assert_eq!(asks(&token).await["expires_at"], ends.as_second());
    graph.facebook.advance(Duration::from_secs(60));
    let ended = asks(&token).await;
    assert_eq!((&ended["is_valid"], &ended["error"]["subcode"]), (&false.into(), &463.into()));
    assert_eq!(code_of(&graph.get(path, &[("input_token", &token)]).await), (400, 190, Some(463)), "what has ended asks nothing");
    assert_eq!(asks("nonsense").await["error"]["code"], 190);
    for query in [&[][..], &[("input_token", "x"), ("fields", "scopes")]] {
        assert_eq!(code_of(&graph.ask_as_the_app(path, query).await), (400, 100, None), "{query:?}");
    }
    let renewed = graph.facebook.renew_token();
    assert_eq!(asks(&renewed).await["expires_at"], 0);
}
