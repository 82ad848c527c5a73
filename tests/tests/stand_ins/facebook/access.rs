//! Who may call: the app's own token, and what is asked with it.

use sportello_tests::http_client::Answer;
use sportello_tests::stand_ins::facebook::Person;

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
