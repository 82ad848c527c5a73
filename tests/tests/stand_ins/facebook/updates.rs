//! What the webhook tells besides words: pictures, links, moderation, recommendations, what is taken back.
//! <https://developers.facebook.com/docs/graph-api/webhooks/reference/page>

use serde_json::{Value, json};
use sportello_tests::stand_ins::DeliveryPlan;
use sportello_tests::stand_ins::facebook::{Attachment, Facebook};

use super::{changes, subscribed};

/// Field, item and verb of all changes.
fn kinds(changes: &[Value]) -> Vec<(&str, &str, &str)> {
    changes
        .iter()
        .map(|change| {
            let word = |name: &str| change["value"][name].as_str().unwrap_or_default();
            (change["field"].as_str().unwrap_or_default(), word("item"), word("verb"))
        })
        .collect()
}

#[tokio::test]
async fn a_post_is_named_after_what_is_in_it_and_keeps_that_when_it_is_edited() {
    let facebook = Facebook::start().await.expect("a loopback port");
    let receiver = subscribed(&facebook).await;
    let ada = facebook.person("Ada");
    let photo = facebook.attach(&ada, Attachment::Photo, "Ecco il guasto");
    facebook.attach(&ada, Attachment::Video, "");
    facebook.attach(&ada, Attachment::Share, "È vero?");
    facebook.edit(&photo, "Ecco");
    facebook.deliver(&DeliveryPlan::default()).await.expect("a subscription");
    let changes = changes(&receiver);
    let feed = |item: &'static str, verb: &'static str| ("feed", item, verb);
    assert_eq!(kinds(&changes), [feed("photo", "add"), feed("video", "add"), feed("share", "add"), feed("photo", "edited")]);
    for (change, id) in changes.iter().zip(["photo_id", "video_id", "share_id"]) {
        assert!(change["value"][id].is_string() && change["value"]["link"].is_string(), "{change}");
        assert!(change["value"]["post_id"].as_str().is_some_and(|post| post.starts_with(facebook.page_id())), "on the page's wall");
    }
    assert_eq!((changes[0]["value"]["message"].as_str(), changes[1]["value"].get("message")), (Some("Ecco il guasto"), None));
}

#[tokio::test]
async fn moderation_is_the_pages_and_tells_no_words() {
    let facebook = Facebook::start().await.expect("a loopback port");
    let receiver = subscribed(&facebook).await;
    let post = facebook.post(&facebook.page(), "Notizie");
    let comment = facebook.comment(&facebook.person("Ada"), &post, "Vergogna!");
    facebook.hide(&comment);
    facebook.unhide(&comment);
    facebook.deliver(&DeliveryPlan::default()).await.expect("a subscription");
    let changes = changes(&receiver).split_off(2);
    assert_eq!(kinds(&changes), [("feed", "comment", "hide"), ("feed", "comment", "unhide")]);
    for change in &changes {
        assert_eq!((&change["value"]["comment_id"], change["value"].get("message")), (&json!(comment), None));
        assert_eq!(change["value"]["from"]["name"], "Telefonia Sole");
    }
    assert_eq!(facebook.message_of(&comment).as_deref(), Some("Vergogna!"));
}

#[tokio::test]
async fn a_reaction_can_be_taken_back_and_a_recommendation_has_a_field_of_its_own() {
    let facebook = Facebook::start().await.expect("a loopback port");
    let receiver = subscribed(&facebook).await;
    let ada = facebook.person("Ada");
    let post = facebook.post(&facebook.page(), "Notizie");
    facebook.react(&ada, &post, "like");
    facebook.unreact(&ada, &post, "like");
    let recommendation = facebook.recommend(&ada, false, "Mai più");
    facebook.deliver(&DeliveryPlan::default()).await.expect("a subscription");
    let changes = changes(&receiver).split_off(1);
    assert_eq!(kinds(&changes), [("feed", "reaction", "add"), ("feed", "reaction", "remove"), ("ratings", "rating", "add")]);
    let value = &changes[2]["value"];
    assert_eq!((value["reviewer_name"].as_str(), value["review_text"].as_str()), (Some("Ada"), Some("Mai più")));
    assert_eq!((&value["open_graph_story_id"], value["recommendation_type"].as_str()), (&json!(recommendation), Some("NEGATIVE")));
    assert_eq!(value.get("from"), None);
}

/// <https://developers.facebook.com/documentation/business-messaging/messenger-platform/webhooks/webhook-events/message-edits>
#[tokio::test]
async fn a_direct_message_can_be_edited() {
    let facebook = Facebook::start().await.expect("a loopback port");
    let receiver = subscribed(&facebook).await;
    let ada = facebook.person("Ada");
    let message = facebook.direct_message(&ada, "Aiuto");
    facebook.edit_message(&ada, &message, "Aiuto!", 1);
    facebook.deliver(&DeliveryPlan::default()).await.expect("a subscription");
    let body: Value = serde_json::from_slice(&receiver.bodies()[0]).expect("JSON");
    let events = body["entry"][0]["messaging"].as_array().expect("messages");
    assert_eq!(events[1]["message_edit"], json!({"mid": message, "text": "Aiuto!", "num_edit": 1}));
    assert_eq!((&events[1]["sender"]["id"], events[1].get("message")), (&json!(ada.id), None));
}
