//! What one notification tells, delivered or pulled: the same document, so the same interaction.
//!
//! # Identity
//! A notification has an id of its own, but an edit has another one than what it edits. So the native id is the thing's: the comment's or
//! post's URN in the long spelling. A like has none and is known by who liked what; a repost is `repost:` and the post it made, because
//! that post may mention the organisation too and is then told of twice. The revision is empty when the thing appears, `deleted` when it
//! is gone, and
//! `edited@<time>-<checksum of the words>` for an edit. Only what names no thing is known by the notification's own id.
//!
//! # Conversation
//! On a company's post hundreds of people comment, each with their own trouble: a top-level comment with its answers is a conversation,
//! and its key is the comment's URN, which holds the post's. See `thread.rs` for how an answer finds it. A mention is a conversation of
//! its own.

use serde::Deserialize;
use sportello_sdk::{Error, Interaction, Profile, lenient, time};

use crate::thread::{Place, Threads};
use crate::urn::{self, Comment, Like, Target};

/// The attribute of what is kept without being understood.
const NOT_UNDERSTOOD: &str = "not-understood";

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Notification {
    #[serde(default, deserialize_with = "lenient::id")]
    notification_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    organizational_entity: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    action: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    source_post: Option<String>,
    #[serde(default, deserialize_with = "lenient::moment")]
    last_modified_at: Option<i64>,
    #[serde(default, deserialize_with = "lenient::id")]
    generated_activity: Option<String>,
    #[serde(default, deserialize_with = "lenient::value")]
    decorated_generated_activity: Option<Decorated>,
}

#[derive(Default, Deserialize)]
struct Decorated {
    #[serde(default, deserialize_with = "lenient::value")]
    comment: Option<Decoration>,
    #[serde(default, deserialize_with = "lenient::value")]
    share: Option<Decoration>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decoration {
    #[serde(default, deserialize_with = "lenient::id")]
    entity: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    object: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    parent_comment: Option<String>,
    /// Who wrote it; missing where the member does not let apps see it.
    #[serde(default, deserialize_with = "lenient::id")]
    owner: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    text: Option<String>,
}

/// A notification as it is read: what does not fit is left out of it, so that everything can be read.
pub(crate) struct Read {
    notification: Notification,
    checksum: String,
}

impl Read {
    pub(crate) fn new(raw: &str) -> Self {
        Self { notification: serde_json::from_str(raw).unwrap_or_default(), checksum: lenient::checksum(raw) }
    }

    /// The organisation it is about; None: it does not say.
    pub(crate) fn organization(&self) -> Option<&str> {
        self.notification.organizational_entity.as_deref()
    }

    /// When it happened, in milliseconds.
    pub(crate) fn at_ms(&self) -> Option<i64> {
        self.notification.last_modified_at
    }

    /// What tells it from all others.
    pub(crate) fn id(&self) -> String {
        match &self.notification.notification_id {
            Some(id) => format!("notification:{id}"),
            None => format!("notification:{}", self.checksum),
        }
    }

    /// What it tells; every notification tells something, if only that it is not understood. `organization` is the channel's.
    pub(crate) fn interaction(&self, organization: &str, now_ms: i64, threads: &mut Threads<'_>) -> Result<Interaction, Error> {
        let notification = &self.notification;
        let action = notification.action.as_deref().unwrap_or_default();
        let at = time::from_milliseconds(self.at_ms().unwrap_or(now_ms));
        let told = match action {
            "COMMENT" | "ADMIN_COMMENT" | "COMMENT_EDIT" | "COMMENT_DELETE" => self.comment("comment", &at, threads)?,
            "LIKE" => self.like(&at),
            "SHARE" => self.repost(&at),
            _ if action.ends_with("MENTION") => self.mention(&at, threads)?,
            _ => None,
        };
        let interaction = match told {
            Some(interaction) => interaction,
            None => {
                let about = notification.generated_activity.as_deref().and_then(Target::parse);
                let about = about.or_else(|| notification.source_post.as_deref().and_then(Target::parse));
                let key = about.map_or_else(|| organization.to_owned(), |target| target.urn());
                Interaction::new(self.id(), "page-edit", at, key).attribute(NOT_UNDERSTOOD, "true")
            }
        };
        Ok(self.annotated(interaction, organization))
    }

    fn comment(&self, kind: &str, at: &str, threads: &mut Threads<'_>) -> Result<Option<Interaction>, Error> {
        let Some(comment) = self.commented() else { return Ok(None) };
        let decoration = self.decoration();
        let action = self.notification.action.as_deref().unwrap_or_default();
        let place = match decoration.and_then(|decoration| said_parent(decoration, &comment)) {
            Some(parent) => Place::Below(parent),
            // What is gone can't be read any more.
            None if action == "COMMENT_DELETE" => Place::Unknown,
            None => threads.place(&comment, self.at_ms())?,
        };
        let kind = if kind == "comment" && matches!(place, Place::Below(_)) { "reply" } else { kind };
        let root = if let Place::Below(parent) = &place { parent } else { &comment };
        let conversation = Target::Comment(root.clone());
        let interaction = Interaction::new(comment.urn(), kind, at, conversation.urn()).conversation_url(conversation.url());
        let interaction = match &place {
            Place::Top => interaction.in_reply_to(comment.post.clone()),
            Place::Below(parent) => interaction.in_reply_to(parent.urn()),
            Place::Unknown => interaction.attribute("thread", "unknown"),
        };
        let words = decoration.and_then(|decoration| decoration.text.as_deref()).unwrap_or_default();
        Ok(Some(match action {
            "ADMIN_COMMENT" => interaction.own(true),
            "COMMENT_EDIT" => {
                let modified = self.at_ms().unwrap_or_default();
                interaction.edited(format!("edited@{modified}-{}", lenient::checksum(words)))
            }
            "COMMENT_DELETE" => interaction.deleted("deleted"),
            _ => interaction,
        }))
    }

    fn like(&self, at: &str) -> Option<Interaction> {
        let source = self.notification.source_post.as_deref().and_then(Target::parse);
        let Some(like) = self.notification.generated_activity.as_deref().and_then(Like::parse) else {
            // Somebody who does not let apps see who they are; what they liked stands only beside their name.
            let source = source?;
            return Some(Interaction::new(self.id(), "reaction", at, source.urn()).in_reply_to(source.urn()));
        };
        let object = like.object.urn();
        let interaction = Interaction::new(like.urn(), "reaction", at, object.clone()).in_reply_to(object);
        Some(interaction.author(Profile::new(like.who)).attribute("names-author", "true").attribute("reaction", "like"))
    }

    fn repost(&self, at: &str) -> Option<Interaction> {
        let post = self.shared()?;
        let interaction = Interaction::new(format!("repost:{post}"), "repost", at, post.clone());
        let interaction = interaction.conversation_url(Target::Post(post).url());
        Some(match self.notification.source_post.as_deref().and_then(urn::post) {
            Some(source) => interaction.in_reply_to(source),
            None => interaction,
        })
    }

    /// In somebody's post, or in a comment somewhere.
    fn mention(&self, at: &str, threads: &mut Threads<'_>) -> Result<Option<Interaction>, Error> {
        if self.commented().is_some() {
            return self.comment("mention", at, threads);
        }
        Ok(self.shared().map(|post| {
            let url = Target::Post(post.clone()).url();
            Interaction::new(post.clone(), "mention", at, post).conversation_url(url)
        }))
    }

    fn commented(&self) -> Option<Comment> {
        let entity = || self.notification.decorated_generated_activity.as_ref()?.comment.as_ref()?.entity.as_deref();
        self.notification.generated_activity.as_deref().and_then(Comment::parse).or_else(|| Comment::parse(entity()?))
    }

    fn shared(&self) -> Option<String> {
        let entity = || self.notification.decorated_generated_activity.as_ref()?.share.as_ref()?.entity.as_deref();
        self.notification.generated_activity.as_deref().and_then(urn::post).or_else(|| urn::post(entity()?))
    }

    fn decoration(&self) -> Option<&Decoration> {
        let decorated = self.notification.decorated_generated_activity.as_ref()?;
        decorated.comment.as_ref().or(decorated.share.as_ref())
    }

    /// Who, what was said, and the rest as attributes.
    fn annotated(&self, mut interaction: Interaction, organization: &str) -> Interaction {
        if let Some(decoration) = self.decoration() {
            if let Some(owner) = &decoration.owner {
                interaction.author = Some(Profile::new(owner.clone()));
            }
            if let Some(text) = &decoration.text {
                interaction = interaction.text(text.clone());
            }
        }
        interaction.own |= interaction.author.as_ref().is_some_and(|author| author.id == organization);
        if interaction.own && interaction.author.is_none() {
            interaction.author = Some(Profile::new(organization));
        }
        for (name, value) in [("action", &self.notification.action), ("notification-id", &self.notification.notification_id)] {
            if let Some(value) = value {
                interaction = interaction.attribute(name, value.clone());
            }
        }
        interaction
    }
}

/// The platform's own words without who somebody is, where they say that: it may be kept for less long than what somebody wrote, and is known besides.
/// What is not understood is kept as it came, so that somebody can see what it is.
pub(crate) fn without_people(told: &Interaction, raw: &str) -> Option<String> {
    if told.attributes.iter().any(|attribute| attribute.name == NOT_UNDERSTOOD) {
        return None;
    }
    let kept = urn::without_people(raw);
    (kept != raw).then_some(kept)
}

/// The comment above, where the notification names it after all.
fn said_parent(decoration: &Decoration, comment: &Comment) -> Option<Comment> {
    let named = [&decoration.parent_comment, &decoration.object].into_iter().flatten();
    named.filter_map(|urn| Comment::parse(urn)).find(|parent| parent != comment)
}
