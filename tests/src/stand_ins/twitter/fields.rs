//! What the second version of the API shows of a post or a person, field by field.
//! <https://docs.x.com/x-api/fundamentals/data-dictionary>

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::length::LENGTH_MAX;
use super::wording::{Link, Sent};
use super::world::{EDITS_MAX, Mention, Person, Post, Reference, World, opened};

/// What is shown of a post without being asked for: the data dictionary's page on posts.
pub(super) const POST_DEFAULT: [&str; 3] = ["id", "text", "edit_history_tweet_ids"];
/// What is shown of a person without being asked for: its page on users.
pub(super) const USER_DEFAULT: [&str; 3] = ["id", "name", "username"];
/// What can be asked for of a post and is modelled.
pub(super) const POST_FIELDS: &[&str] = &[
    "id",
    "text",
    "edit_history_tweet_ids",
    "author_id",
    "created_at",
    "conversation_id",
    "in_reply_to_user_id",
    "referenced_tweets",
    "entities",
    "display_text_range",
    "lang",
    "possibly_sensitive",
    "reply_settings",
    "paid_partnership",
    "public_metrics",
    "edit_controls",
    "note_tweet",
];
/// What the platform has of a post besides.
pub(super) const POST_FIELDS_NOT_MODELLED: &[&str] = &[
    "article",
    "attachments",
    "card_uri",
    "community_id",
    "context_annotations",
    "geo",
    "media_metadata",
    "non_public_metrics",
    "organic_metrics",
    "promoted_metrics",
    "scopes",
    "source",
    "withheld",
];
/// What can be asked for of a person and is modelled.
pub(super) const USER_FIELDS: &[&str] = &[
    "id",
    "name",
    "username",
    "created_at",
    "description",
    "profile_image_url",
    "protected",
    "public_metrics",
    "verified",
    "verified_type",
    "is_identity_verified",
    "url",
];
/// What the platform has of a person besides.
pub(super) const USER_FIELDS_NOT_MODELLED: &[&str] = &[
    "affiliation",
    "confirmed_email",
    "connection_status",
    "entities",
    "location",
    "most_recent_tweet_id",
    "parody",
    "pinned_tweet_id",
    "profile_banner_url",
    "receives_your_dm",
    "subscription_type",
    "verified_followers_count",
    "withheld",
];

/// Times as the second version writes them: whole seconds with three zeros behind.
pub(super) fn time_text(time: Timestamp) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S.000Z").to_string()
}

/// These fields of a post; what it does not have is left out.
pub(super) fn post_row<Name: AsRef<str>>(world: &World, post: &Post, fields: &[Name]) -> Map<String, Value> {
    let shown = |name: &Name| post_field(world, post, name.as_ref()).map(|value| (name.as_ref().to_owned(), value));
    fields.iter().filter_map(shown).collect()
}

/// These fields of a person.
pub(super) fn user_row<Name: AsRef<str>>(person: &Person, fields: &[Name]) -> Map<String, Value> {
    let shown = |name: &Name| user_field(person, name.as_ref()).map(|value| (name.as_ref().to_owned(), value));
    fields.iter().filter_map(shown).collect()
}

/// The beginning of a text that is longer, as it is sent. The whole is in `note_tweet`.
pub(super) fn short_text(post: &Post, letters_max: usize) -> String {
    Sent::of(&post.text.chars().take(letters_max - 1).chain(['…']).collect::<String>()).text
}

fn post_field(world: &World, post: &Post, name: &str) -> Option<Value> {
    let sent = Sent::of(&post.text);
    let is_long = sent.letters > LENGTH_MAX;
    let value = match name {
        "id" => json!(post.id.to_string()),
        "text" if is_long => json!(short_text(post, LENGTH_MAX)),
        "text" => json!(sent.text),
        "edit_history_tweet_ids" => json!(world.chain(post).iter().map(u64::to_string).collect::<Vec<_>>()),
        "author_id" => json!(post.author),
        "created_at" => json!(time_text(post.created)),
        "conversation_id" => json!(post.conversation.to_string()),
        "in_reply_to_user_id" => json!(post.replied_to.as_ref()?.author),
        "in_reply_to_tweet_id" => json!(post.replied_to.as_ref()?.post.to_string()),
        "referenced_tweets" => references(post)?,
        "entities" => entities(world, post, &sent)?,
        "display_text_range" => json!([post.implicit, sent.end()]),
        "lang" => json!("und"),
        "possibly_sensitive" | "paid_partnership" => json!(false),
        "reply_settings" => json!("everyone"),
        "public_metrics" => json!({
            "retweet_count": 0, "reply_count": 0, "like_count": 0, "quote_count": 0, "bookmark_count": 0, "impression_count": 0,
        }),
        "edit_controls" => json!({
            "edits_remaining": (EDITS_MAX + 1).saturating_sub(world.chain(post).len()), "is_edit_eligible": post.replied_to.is_none(),
            // [edits] says 30 minutes, and that is what is kept to; the documented payloads show an hour.
            "editable_until": time_text(post.created + SignedDuration::from_hours(1)),
        }),
        "note_tweet" if is_long => {
            let mut note = json!({"text": sent.text});
            if let Some(entities) = entities(world, post, &sent) {
                note["entities"] = entities;
            }
            note
        }
        _ => return None,
    };
    Some(value)
}

fn entities(world: &World, post: &Post, sent: &Sent) -> Option<Value> {
    let mention = |mention: Mention| {
        let (start, end) = (sent.place(mention.start), sent.place(mention.end));
        json!({"start": start, "end": end, "username": mention.person.handle, "id": mention.person.id})
    };
    let link = |link: &Link| json!({"start": link.start, "end": link.end, "url": link.short, "expanded_url": link.whole, "display_url": link.displayed});
    let lists: [(&str, Vec<Value>); 2] =
        [("mentions", world.mentions(&post.text).into_iter().map(mention).collect()), ("urls", sent.links.iter().map(link).collect())];
    let lists: Map<String, Value> =
        lists.into_iter().filter(|(_, rows)| !rows.is_empty()).map(|(name, rows)| (name.to_owned(), json!(rows))).collect();
    (!lists.is_empty()).then_some(Value::Object(lists))
}

fn references(post: &Post) -> Option<Value> {
    let kinds = [("replied_to", &post.replied_to), ("quoted", &post.quoted), ("retweeted", &post.reposted)];
    let row = |(kind, target): &(&str, &Option<Reference>)| {
        let target = target.as_ref()?;
        Some(json!({"type": kind, "id": target.post.to_string()}))
    };
    let rows: Vec<Value> = kinds.iter().filter_map(row).collect();
    (!rows.is_empty()).then_some(Value::Array(rows))
}

fn user_field(person: &Person, name: &str) -> Option<Value> {
    let value = match name {
        "id" => json!(person.id),
        "name" => json!(person.name),
        "username" => json!(person.handle),
        "created_at" => json!(time_text(opened(person))),
        "description" | "url" => json!(""),
        "profile_image_url" => json!("https://pbs.twimg.com/profile_images/1/example_normal.jpg"),
        "protected" | "verified" | "is_identity_verified" => json!(false),
        "verified_type" => json!("none"),
        "public_metrics" => json!({
            "followers_count": 3, "following_count": 4, "tweet_count": 5, "listed_count": 0, "like_count": 6, "media_count": 0,
        }),
        _ => return None,
    };
    Some(value)
}
