//! Comments as the API shows them.

use serde::Deserialize;
use sportello_sdk::{Context, Error, http, lenient};

use crate::Settings;
use crate::api;
use crate::urn::Comment;

/// A comment.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    #[serde(default, deserialize_with = "lenient::id")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    comment_urn: Option<String>,
    #[serde(rename = "$URN", default, deserialize_with = "lenient::id")]
    urn: Option<String>,
    /// The post it stands below.
    #[serde(default, deserialize_with = "lenient::id")]
    object: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    parent_comment: Option<String>,
    /// Who wrote it; missing where the member does not let apps see it.
    #[serde(default, deserialize_with = "lenient::id")]
    pub(crate) actor: Option<String>,
    #[serde(default, deserialize_with = "lenient::value")]
    message: Option<Message>,
    #[serde(default, deserialize_with = "lenient::value")]
    created: Option<Created>,
    #[serde(default, deserialize_with = "lenient::value")]
    comments_summary: Option<Summary>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default, deserialize_with = "lenient::text")]
    text: Option<String>,
}

#[derive(Deserialize)]
struct Created {
    #[serde(default, deserialize_with = "lenient::moment")]
    time: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    #[serde(default, deserialize_with = "lenient::value")]
    aggregated_total_comments: Option<usize>,
}

impl Shown {
    /// Which comment it is: by its URN, or by its post and id. `id` is what a header said, should the body say nothing.
    pub(crate) fn comment(&self, post: &str, id: Option<&str>) -> Option<Comment> {
        let named = self.comment_urn.as_deref().and_then(Comment::parse).or_else(|| self.urn.as_deref().and_then(Comment::parse));
        named.or_else(|| {
            let post = self.object.as_deref().and_then(crate::urn::post).unwrap_or_else(|| post.to_owned());
            Comment::new(post, self.id.as_deref().or(id)?)
        })
    }

    /// The comment it answers.
    pub(crate) fn parent(&self) -> Option<Comment> {
        self.parent_comment.as_deref().and_then(Comment::parse)
    }

    pub(crate) fn text(&self) -> Option<&str> {
        self.message.as_ref()?.text.as_deref()
    }

    /// When, in milliseconds.
    pub(crate) fn created_ms(&self) -> Option<i64> {
        self.created.as_ref()?.time
    }

    /// How many answers stand below it, as it says itself.
    pub(crate) fn answers(&self) -> usize {
        self.comments_summary.as_ref().and_then(|summary| summary.aggregated_total_comments).unwrap_or_default()
    }
}

/// The request for one comment.
pub(crate) fn request(settings: &Settings, comment: &Comment) -> http::Request {
    let url = format!("{}/{}", settings.comments_below(&comment.post), http::encode(&comment.id));
    api::request(settings, "GET", url)
}

/// Reads one comment; None: it is not there.
pub(crate) fn read(context: &Context<Settings>, comment: &Comment) -> Result<Option<Shown>, Error> {
    match api::send(request(&context.settings, comment))? {
        Ok(response) => response.json().map(Some),
        Err(refusal) if refusal.status() == 404 => Ok(None),
        Err(refusal) => Err(refusal.meaning(context)),
    }
}
