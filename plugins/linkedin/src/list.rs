//! Lists, page by page, in whatever order they come.

use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use sportello_sdk::{Context, Error, diagnostics, lenient};

use crate::Settings;
use crate::api;

/// Pages of a list that are read before it is given up.
const PAGES_MAX: usize = 50;
/// Rows of a page.
const ROWS: usize = 100;
/// How long to wait before a list that lost rows while it was read is read again.
const READ_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// A page of a list.
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
    #[serde(default, deserialize_with = "lenient::list")]
    links: Vec<Link>,
}

#[derive(Deserialize)]
struct Link {
    #[serde(default, deserialize_with = "lenient::text")]
    rel: Option<String>,
}

impl<T> Page<T> {
    /// Whether rows follow this page, which began at `start` and was to have `rows`.
    pub(crate) fn has_more(&self, start: usize, rows: usize) -> bool {
        let links = self.paging.iter().flat_map(|paging| &paging.links);
        let is_linked = links.into_iter().any(|link| link.rel.as_deref() == Some("next"));
        let is_followed = match self.total() {
            Some(total) => start + self.elements.len() < total,
            None => self.elements.len() >= rows,
        };
        !self.elements.is_empty() && (is_linked || is_followed)
    }

    fn total(&self) -> Option<usize> {
        self.paging.as_ref()?.total
    }
}

/// What a list holds.
pub(crate) enum Listed<T> {
    All(Vec<T>),
    /// What is shown of a list that says itself that it is longer.
    Some(Vec<T>),
    /// There is more than is read.
    TooMany,
    /// There is no such list any more.
    Gone,
}

/// Reads a list to its end, or until a page is enough.
pub(crate) fn read<T: DeserializeOwned>(
    context: &Context<Settings>,
    url: &str,
    is_enough: impl Fn(&[T]) -> bool,
) -> Result<Listed<T>, Error> {
    let (mut rows, mut total) = (Vec::new(), None);
    for _ in 0..PAGES_MAX {
        let start = rows.len();
        let request =
            api::request(&context.settings, "GET", url.to_owned()).query("start", start.to_string()).query("count", ROWS.to_string());
        let page: Page<T> = match api::send(request)? {
            Ok(response) => response.json()?,
            Err(refusal) if refusal.status() == 404 => return Ok(Listed::Gone),
            Err(refusal) => return Err(refusal.meaning(context)),
        };
        // Where a row went, those behind it moved up: one of them may have been passed over.
        if let (Some(now), Some(before)) = (page.total(), total)
            && now < before
        {
            return Err(Error::retry(READ_AGAIN_AFTER, "the list became shorter while it was read"));
        }
        total = page.total();
        let (has_more, is_enough) = (page.has_more(start, ROWS), is_enough(&page.elements));
        rows.extend(page.elements);
        if is_enough {
            return Ok(Listed::All(rows));
        }
        if !has_more {
            return Ok(match total.filter(|total| rows.len() < *total) {
                Some(total) => {
                    diagnostics::warning!("a list shows {} of the {total} that it says there are", rows.len());
                    Listed::Some(rows)
                }
                None => Listed::All(rows),
            });
        }
    }
    Ok(Listed::TooMany)
}
