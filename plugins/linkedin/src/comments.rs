//! Comments as the API shows them: one by its id, or all below a post or comment.

use std::time::Duration;

use serde::Deserialize;
use sportello_sdk::{Context, Error, http, lenient};

use crate::Settings;
use crate::api::{self, Purpose};
use crate::urn::{Comment, Target};

/// Pages of a list that are read before it is given up.
const PAGES_MAX: usize = 50;
/// Comments of a page.
const ROWS: usize = 100;
/// How long to wait before a list that lost rows while it was read is read again.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(5);

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
        Err(refusal) if refusal.status == 404 => Ok(None),
        Err(refusal) => Err(refusal.meaning(context, Purpose::Look)),
    }
}

/// A page of any list.
#[derive(Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) elements: Vec<T>,
    #[serde(default, deserialize_with = "lenient::value")]
    paging: Option<Paging>,
}

#[derive(Deserialize)]
struct Paging {
    #[serde(default, deserialize_with = "lenient::value")]
    total: Option<usize>,
    #[serde(default, deserialize_with = "lenient::value")]
    links: Option<Vec<Link>>,
}

#[derive(Deserialize)]
struct Link {
    #[serde(default, deserialize_with = "lenient::text")]
    rel: Option<String>,
}

impl<T> Page<T> {
    /// Whether rows follow this page, which began at `start` and was to have `rows`.
    pub(crate) fn has_more(&self, start: usize, rows: usize) -> bool {
        let paging = self.paging.as_ref();
        let links = paging.and_then(|paging| paging.links.as_ref());
        let is_linked = links.is_some_and(|links| links.iter().any(|link| link.rel.as_deref() == Some("next")));
        let is_full = self.elements.len() >= rows;
        !self.elements.is_empty()
            && match self.total() {
                Some(total) => is_linked || start + self.elements.len() < total,
                None => is_linked || is_full,
            }
    }

    fn total(&self) -> Option<usize> {
        self.paging.as_ref()?.total
    }
}

/// What stands directly below something.
pub(crate) enum Below {
    All(Vec<Shown>),
    /// There is more than is read.
    TooMany,
    /// What they stood below is gone.
    Gone,
}

/// Reads the whole list below a post or comment, in whatever order it comes.
pub(crate) fn below(context: &Context<Settings>, target: &Target) -> Result<Below, Error> {
    let url = context.settings.comments_below(&target.urn());
    let (mut rows, mut total) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let start = rows.len();
        let request =
            api::request(&context.settings, "GET", url.clone()).query("start", start.to_string()).query("count", ROWS.to_string());
        let page: Page<Shown> = match api::send(request)? {
            Ok(response) => response.json()?,
            Err(refusal) if refusal.status == 404 => return Ok(Below::Gone),
            Err(refusal) => return Err(refusal.meaning(context, Purpose::Look)),
        };
        // Where a row went, those behind it moved up: one of them may have been passed over.
        if let (Some(now), Some(before)) = (page.total(), total)
            && now < before
        {
            return Err(Error::retry(READ_AGAIN_AFTER, "the list of comments became shorter while it was read"));
        }
        total = page.total();
        let has_more = page.has_more(start, ROWS);
        rows.extend(page.elements);
        if !has_more {
            return Ok(Below::All(rows));
        }
    }
    Ok(Below::TooMany)
}
