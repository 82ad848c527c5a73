//! Pulling notifications, and what the stand-in does not model.

use std::collections::BTreeSet;
use std::time::Duration;

use http::Method;
use serde_json::Value;
use sportello_tests::stand_ins::DeliveryPlan;

use super::{Api, elements, encoded, refusal, refused};

fn path(api: &Api, more: &str) -> String {
    let organization = encoded(&api.linkedin.organization_urn());
    format!("/rest/organizationalEntityNotifications?q=criteria&organizationalEntity={organization}{more}")
}

fn actions(rows: &[Value]) -> Vec<&str> {
    rows.iter().filter_map(|row| row["action"].as_str()).collect()
}

#[tokio::test]
async fn what_is_pushed_can_be_pulled_by_action_and_time() {
    let api = Api::start().await;
    let linkedin = &api.linkedin;
    let (ada, post) = (linkedin.person("Ada"), linkedin.post("Buongiorno"));
    let begin = linkedin.now().as_millisecond();
    let comment = linkedin.comment(&ada, &post, "Aiuto");
    linkedin.advance(Duration::from_secs(10));
    linkedin.edit(&comment, "Aiuto!");
    linkedin.advance(Duration::from_secs(10));
    linkedin.like(&ada, &comment);
    assert!(linkedin.deliver(&DeliveryPlan::default()).await.is_err(), "a pull needs no webhook");
    assert_eq!(actions(&api.all(&path(&api, "")).await), ["COMMENT", "COMMENT_EDIT", "LIKE"]);
    assert_eq!(actions(&api.all(&path(&api, "&actions=List(LIKE,COMMENT)")).await), ["COMMENT", "LIKE"]);
    let from = |start: i64| format!("&timeRange=(start:{start})");
    assert_eq!(actions(&api.all(&path(&api, &from(begin + 10_000))).await), ["COMMENT_EDIT", "LIKE"]);
    let range = format!("&timeRange=(start:{begin},end:{})", begin + 10_000);
    assert_eq!(actions(&api.all(&path(&api, &range)).await), ["COMMENT", "COMMENT_EDIT"]);
    linkedin.wrong_role(true);
    let empty = api.get(&path(&api, "")).await;
    assert_eq!((empty.status, elements(&empty.json().expect("JSON")).len()), (200, 0), "only for administrators");
}

#[tokio::test]
async fn late_notifications_can_be_pulled_only_when_their_time_has_come() {
    let api = Api::start().await;
    let (ada, post) = (api.linkedin.person("Ada"), api.linkedin.post("Buongiorno"));
    api.linkedin.late_notifications(Duration::from_secs(90));
    api.linkedin.comment(&ada, &post, "Aiuto");
    api.linkedin.late_notifications(Duration::ZERO);
    api.linkedin.advance(Duration::from_secs(89));
    api.linkedin.like(&ada, &post);
    assert_eq!(actions(&api.all(&path(&api, "")).await), ["LIKE"]);
    api.linkedin.advance(Duration::from_secs(1));
    assert_eq!(actions(&api.all(&path(&api, "")).await), ["COMMENT", "LIKE"], "in its place");
}

#[tokio::test]
async fn pulled_pages_lose_and_double_nothing_and_end_after_sixty_days() {
    let api = Api::start().await;
    let (ada, post) = (api.linkedin.person("Ada"), api.linkedin.post("Buongiorno"));
    (0..20).for_each(|_| api.linkedin.like(&ada, &post));
    for count in 1..=21 {
        let rows = api.all(&path(&api, &format!("&actions=List(LIKE)&count={count}"))).await;
        let ids: BTreeSet<u64> = rows.iter().filter_map(|row| row["notificationId"].as_u64()).collect();
        assert_eq!((rows.len(), ids.len()), (20, 20), "{count} in a page");
    }
    api.linkedin.advance(Duration::from_secs(60 * 24 * 3_600));
    assert_eq!(api.linkedin.counts().updates_made, 20);
    api.linkedin.authorize();
    assert_eq!(api.all(&path(&api, "")).await.len(), 20);
    api.linkedin.advance(Duration::from_secs(1));
    assert_eq!(api.all(&path(&api, "")).await.len(), 0);
}

#[tokio::test]
async fn a_query_that_is_not_written_as_rest_li_wants_it_is_refused() {
    let api = Api::start().await;
    let bad = refused(400, "ILLEGAL_ARGUMENT");
    for wrong in [
        "&actions=List%28LIKE%29",
        "&actions=LIKE",
        "&actions=List()",
        "&actions=List(SHIMMER)",
        "&timeRange=%28start%3A1%29",
        "&timeRange=(end:7)",
        "&timeRange=(start:soon)",
        "&count=0",
        "&count=101",
        "&start=-1",
    ] {
        assert_eq!(refusal(&api.get(&path(&api, wrong)).await), bad, "{wrong}");
    }
    let bare = path(&api, "").replace("%3A", ":");
    assert_eq!(refusal(&api.get(&bare).await), bad, "a URN in a query is encoded too");
    assert_eq!(refusal(&api.get("/rest/organizationalEntityNotifications?q=criteria").await), bad, "which organisation?");
}

#[tokio::test]
async fn what_is_not_modelled_is_refused_loudly() {
    let api = Api::start().await;
    for unknown in [
        "/rest/posts?q=dscAdAccount",
        "/v2/socialActions/7/comments",
        "/rest/organizationalEntityNotifications?q=all",
        &path(&api, "&fields=a"),
    ] {
        assert_eq!(refusal(&api.get(unknown).await), refused(501, "NOT_MODELLED"), "{unknown}");
    }
    assert_eq!(api.send(Method::DELETE, "/rest/socialActions/7/comments/8", &api.headers(), "").await.status, 501);
}
