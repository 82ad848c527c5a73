//! How often a page, an app and a user may call, and what is told of it.

use std::time::Duration;

use serde_json::Value;
use sportello_tests::http_client::Answer;
use sportello_tests::stand_ins::facebook::{FacebookSettings, RateLimit};

use super::{Graph, code_of};

/// What a header says of the page's share in percent, and the minutes until calls are taken again; and the app's share.
fn usage(graph: &Graph, answer: &Answer) -> (u64, i64, u64) {
    let header = |name: &str| serde_json::from_str::<Value>(answer.header(name)).expect("JSON in the header");
    let page = header("x-business-use-case-usage")[graph.facebook.page_id()][0].clone();
    let share = |of: &Value| of["call_count"].as_u64().expect("a share");
    (share(&page), page["estimated_time_to_regain_access"].as_i64().expect("minutes"), share(&header("x-app-usage")))
}

#[tokio::test]
async fn a_rate_limited_hour_is_http_400_and_a_page_is_told_when_it_ends() {
    let (graph, post) = Graph::start().await;
    for (limit, code, is_told) in [
        (RateLimit::Page, 32, (100, 60, 3)),
        (RateLimit::BusinessUseCase, 80001, (100, 60, 3)),
        (RateLimit::App, 4, (0, 0, 100)),
        (RateLimit::User, 17, (0, 0, 3)),
        (RateLimit::Custom, 613, (0, 0, 3)),
    ] {
        graph.facebook.limit_rate(limit, Duration::from_secs(3_600));
        let refused = graph.reply(&post, "x").await;
        assert_eq!((code_of(&refused), usage(&graph, &refused)), ((400, code, None), is_told));
        graph.facebook.advance(Duration::from_secs(1_801));
        let wait = if is_told.1 > 0 { 30 } else { 0 };
        assert_eq!(usage(&graph, &graph.reply(&post, "x").await).1, wait, "minutes, rounded up");
        graph.facebook.advance(Duration::from_secs(1_799));
        let taken = graph.reply(&post, &format!("after {code}")).await;
        assert_eq!((taken.status, usage(&graph, &taken)), (200, (0, 0, 3)), "the limit ends with the platform's clock");
    }
    assert_eq!((graph.facebook.replies().len(), graph.facebook.calls_over_limit()), (5, 10));
}

#[tokio::test]
async fn a_share_is_told_of_a_day_that_slides_and_what_is_refused_counts() {
    let (graph, post) = Graph::start_with(FacebookSettings { calls_max: 8, ..FacebookSettings::default() }).await;
    let hour = Duration::from_secs(3_600);
    graph.facebook.others_called(4, 23 * hour);
    let mut told = Vec::new();
    for number in 0..4 {
        told.push(usage(&graph, &graph.reply(&post, &number.to_string()).await));
        graph.facebook.advance(Duration::from_secs(60));
    }
    assert_eq!(told, [(62, 0, 3), (75, 0, 3), (87, 0, 3), (100, 57, 3)], "rounded down, and told with the call that uses it up");
    assert_eq!(graph.facebook.calls_over_limit(), 0);
    let refused = graph.reply(&post, "over").await;
    assert_eq!((code_of(&refused), usage(&graph, &refused)), ((400, 80001, None), (112, 56, 3)));
    graph.facebook.advance(hour - Duration::from_secs(4 * 60));
    let taken = graph.reply(&post, "again").await;
    assert_eq!((taken.status, usage(&graph, &taken)), (200, (75, 0, 3)), "the others' are a day old, ours are not");
    assert_eq!((graph.facebook.replies().len(), graph.facebook.calls_over_limit()), (5, 1));
}
