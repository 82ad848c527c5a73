//! `changes[]`: what happens on the page's wall.
//!
//! # Identity
//! Facebook gives no event id. The native id is the thing's own (comment, post, rating); a reaction has none and gets one from what it is on and
//! who reacted. The revision is empty when the thing appears, `deleted` when it is gone, and `edited@<time>-<checksum of the words>` for an
//! edit: sources disagree whether `created_time` of an edit is that of the edit, and the checksum keeps two edits apart where it is not. Nothing of
//! the envelope is part of it, so a redelivery 36 hours later is the same interaction.
//!
//! # Conversation
//! On a company's post hundreds of people comment, each with their own trouble, so a post is no conversation: a top-level comment with its
//! replies is one, and its key is the comment's id. A visitor's post on the page is one, and its key is the post's id. The page's own
//! top-level comment is filed under the post: on a visitor's post that is the answer to them.

use serde::Deserialize;
use serde_json::value::RawValue;
use sportello_sdk::{Interaction, Profile, lenient, time};

use crate::account::Account;
use crate::delivery::Around;
use crate::list::Row;
use crate::publish::post_url;

/// The field that tells of the wall.
const FEED: &str = "feed";

#[derive(Deserialize)]
struct Change<'a> {
    #[serde(default, deserialize_with = "lenient::text")]
    field: Option<String>,
    #[serde(borrow)]
    value: Option<&'a RawValue>,
}

#[derive(Debug, Default, Deserialize)]
struct Value {
    #[serde(default, deserialize_with = "lenient::text")]
    item: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    verb: Option<String>,
    #[serde(default, deserialize_with = "lenient::value")]
    from: Option<Account>,
    /// The older spelling of `from`.
    #[serde(default, deserialize_with = "lenient::id")]
    sender_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    sender_name: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    reviewer_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    reviewer_name: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    post_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    parent_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    comment_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    photo_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    video_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    share_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    open_graph_story_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    message: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    review_text: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    reaction_type: Option<String>,
    /// One to five stars, before there were recommendations.
    #[serde(default, deserialize_with = "lenient::text")]
    rating: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    recommendation_type: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    link: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    photo: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    video: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    permalink_url: Option<String>,
    #[serde(default, deserialize_with = "lenient::value")]
    post: Option<Post>,
    #[serde(default, deserialize_with = "lenient::moment")]
    created_time: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
struct Post {
    #[serde(default, deserialize_with = "lenient::text")]
    permalink_url: Option<String>,
}

/// What a change tells. Every change tells something, if only that it is not understood.
pub(crate) fn interaction(around: &Around<'_>) -> Option<Interaction> {
    let change: Change<'_> = serde_json::from_str(around.raw).unwrap_or(Change { field: None, value: None });
    let field = change.field.unwrap_or_default();
    let value = change.value.and_then(|raw| serde_json::from_str::<Value>(raw.get()).ok()).unwrap_or_default();
    let item = value.item.clone().unwrap_or_default();

    let interaction = match (field.as_str(), item.as_str()) {
        (_, "reaction" | "like") => reaction(around, &value),
        ("ratings", _) | (_, "rating") => rating(around, &value),
        (_, "comment") => comment(around, &field, &value),
        (FEED | "mention", _) => post_or_mention(around, &field, &item, &value),
        _ => None,
    };
    let interaction = interaction.unwrap_or_else(|| not_understood(around, &value));
    Some(annotate(interaction, &field, &value))
}

/// What a row of a list tells, as the delivery told it when it was made: the same identity in the same conversation. `below`: the post that a comment
/// stands under, at whatever level; None: the row is a post. A row without an id is not understood.
pub(crate) fn listed(around: &Around<'_>, row: Row, below: Option<&str>) -> Interaction {
    let post = below.map(str::to_owned).or_else(|| row.id.clone());
    let mut value = Value {
        verb: Some("add".to_owned()),
        from: row.from,
        message: row.message,
        created_time: row.created_time,
        permalink_url: post.as_deref().map(post_url),
        post_id: post,
        ..Value::default()
    };
    let interaction = if below.is_some() {
        value.item = Some("comment".to_owned());
        value.parent_id = row.parent.and_then(|parent| parent.id);
        value.comment_id = row.id;
        comment(around, FEED, &value)
    } else {
        value.item = Some("post".to_owned());
        post_or_mention(around, FEED, "post", &value)
    };
    annotate(interaction.unwrap_or_else(|| not_understood(around, &value)), FEED, &value)
}

fn comment(around: &Around<'_>, field: &str, value: &Value) -> Option<Interaction> {
    let id = value.comment_id.clone()?;
    let post = value.post_id.as_deref();
    let parent = value.parent_id.as_deref().or(post);
    // Whoever runs the page can hide anybody's comment: that does not make it the page's.
    let own = is_own(around, value) && !matches!(value.verb.as_deref(), Some("hide" | "unhide"));
    let top_level = parent == post;
    let conversation = match parent {
        Some(parent) if !top_level => parent,
        Some(post) if own => post,
        _ => &id,
    };
    let kind = match (field, top_level) {
        ("mention", _) => "mention",
        (_, true) => "comment",
        (_, false) => "reply",
    };
    let interaction = Interaction::new(id.clone(), kind, occurred_at(around, value), conversation);
    let interaction = match parent {
        Some(parent) => interaction.in_reply_to(parent),
        None => interaction,
    };
    changed(around, interaction, value)
}

/// A post of the page, of a visitor, or one elsewhere that mentions the page: `post`, `status`, `photo`, `video`, `share`, and whatever comes.
fn post_or_mention(around: &Around<'_>, field: &str, item: &str, value: &Value) -> Option<Interaction> {
    let id = value.post_id.as_ref().or(value.share_id.as_ref()).or(value.photo_id.as_ref()).or(value.video_id.as_ref())?;
    let kind = match (field, item) {
        ("mention", _) => "mention",
        // A share is a link that somebody puts on the page's wall to say something about it, or a post of the page's passed on.
        (_, "share") if value.message.is_some() && is_on_the_wall(around, id) => "post",
        (_, "share") => "repost",
        (_, "post" | "status" | "photo" | "video" | "album" | "link" | "note") => "post",
        // An item of a name unknown to us in which somebody says something.
        _ if value.message.is_some() => "post",
        _ => return None,
    };
    changed(around, Interaction::new(id.clone(), kind, occurred_at(around, value), id.clone()), value)
}

/// Posts on the page's wall are named after the page and their number.
fn is_on_the_wall(around: &Around<'_>, post: &str) -> bool {
    post.strip_prefix(around.page).is_some_and(|number| number.starts_with('_'))
}

fn reaction(around: &Around<'_>, value: &Value) -> Option<Interaction> {
    let target =
        value.comment_id.as_ref().or(value.post_id.as_ref()).or(value.open_graph_story_id.as_ref()).or(value.parent_id.as_ref())?;
    let who = author_id(value).unwrap_or("somebody");
    let conversation = match (&value.comment_id, value.parent_id.as_ref(), value.post_id.as_ref()) {
        // A reaction on a reply belongs to the comment above it.
        (Some(_), Some(parent), post) if Some(parent) != post => parent,
        _ => target,
    };
    let interaction = Interaction::new(format!("reaction:{target}:{who}"), "reaction", occurred_at(around, value), conversation.clone());
    changed(around, interaction.in_reply_to(target.clone()).attribute("names-author", "true"), value)
}

fn rating(around: &Around<'_>, value: &Value) -> Option<Interaction> {
    let id = value.open_graph_story_id.as_ref().or(value.post_id.as_ref())?;
    if let Some(comment) = &value.comment_id {
        let interaction = Interaction::new(comment.clone(), "comment", occurred_at(around, value), id.clone()).in_reply_to(id.clone());
        return changed(around, interaction, value);
    }
    changed(around, Interaction::new(id.clone(), "review", occurred_at(around, value), id.clone()), value)
}

/// What the verb says became of the thing. None: a verb unknown to us.
fn changed(around: &Around<'_>, interaction: Interaction, value: &Value) -> Option<Interaction> {
    let at = value.created_time.unwrap_or(around.fallback_ms);
    let interaction = interaction.own(is_own(around, value));
    Some(match value.verb.as_deref().unwrap_or("add") {
        "add" => interaction,
        "edited" | "edit" | "update" => {
            let distinction = format!("{}{}", words(value).unwrap_or_default(), value.reaction_type.as_deref().unwrap_or_default());
            interaction.edited(format!("edited@{}-{}", value.created_time.unwrap_or_default(), lenient::checksum(&distinction)))
        }
        "remove" | "delete" => interaction.deleted("deleted"),
        // Somebody who runs the page hid it or showed it again: nothing its author did, so an event of its own.
        verb @ ("hide" | "unhide") => {
            let conversation = interaction.conversation.key;
            let moderation =
                Interaction::new(format!("{verb}:{}@{at}", interaction.native_id), "page-edit", time::from_milliseconds(at), conversation);
            return Some(moderation.own(true).in_reply_to(interaction.native_id));
        }
        _ => return None,
    })
}

/// Something that has no words in the contract: a change of the page, kept with its raw text. It has no id either, so its content is its identity.
fn not_understood(around: &Around<'_>, value: &Value) -> Interaction {
    let subject = value.comment_id.as_ref().or(value.post_id.as_ref()).cloned().unwrap_or_else(|| "page".into());
    let id = format!("change:{}:{}", subject, lenient::checksum(around.raw));
    let interaction = Interaction::new(id, "page-edit", occurred_at(around, value), subject);
    interaction.own(is_own(around, value)).attribute("not-understood", "true")
}

/// Who, what was said, where it can be seen, and the rest as attributes.
fn annotate(mut interaction: Interaction, field: &str, value: &Value) -> Interaction {
    let moderated = interaction.own && interaction.kind == "page-edit";
    if let Some(id) = author_id(value).filter(|_| !moderated) {
        let name = value.from.as_ref().and_then(|from| from.name.clone());
        let profile = Profile::new(id);
        interaction.author = Some(match name.or_else(|| value.sender_name.clone()).or_else(|| value.reviewer_name.clone()) {
            Some(name) => profile.display_name(name),
            None => profile,
        });
    }
    if let Some(words) = words(value).filter(|_| !moderated && interaction.change != sportello_sdk::Change::Deleted) {
        interaction = interaction.text(words);
    }
    if let Some(url) = value.permalink_url.as_ref().or_else(|| value.post.as_ref()?.permalink_url.as_ref()) {
        interaction = interaction.conversation_url(url.clone());
    }
    let attributes = [
        ("field", Some(field)),
        ("item", value.item.as_deref()),
        ("verb", value.verb.as_deref()),
        ("post-id", value.post_id.as_deref()),
        ("reaction", value.reaction_type.as_deref()),
        ("rating", value.rating.as_deref()),
        ("recommendation", value.recommendation_type.as_deref()),
        ("link", value.link.as_deref()),
        ("photo", value.photo.as_deref()),
        ("video", value.video.as_deref()),
    ];
    for (name, text) in attributes {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            interaction = interaction.attribute(name, text);
        }
    }
    interaction
}

fn words(value: &Value) -> Option<&str> {
    value.message.as_deref().or(value.review_text.as_deref())
}

fn author_id(value: &Value) -> Option<&str> {
    let from = value.from.as_ref().and_then(|from| from.id.as_deref());
    from.or(value.sender_id.as_deref()).or(value.reviewer_id.as_deref())
}

fn is_own(around: &Around<'_>, value: &Value) -> bool {
    author_id(value) == Some(around.page)
}

fn occurred_at(around: &Around<'_>, value: &Value) -> String {
    time::from_milliseconds(value.created_time.unwrap_or(around.fallback_ms))
}
