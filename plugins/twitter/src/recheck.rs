//! Looking whether posts are still there: X tells of deletions only where the application is subscribed to the author, and wants all of them honoured.
//! <https://docs.x.com/developer-terms/policy>, <https://docs.x.com/x-api/posts/get-posts-by-ids>
//!
//! All versions of an edited post go together, so looking for the first one tells of all. Only what X does not find counts as gone: "not authorized" is
//! also what it says of everything once our own account has lost access, and what is given up cannot be had back.

use serde::de::IgnoredAny;
use sportello_sdk::{Context, Error, http, recheck};

use crate::Settings;
use crate::api::{self, Document};

/// What is a post of X's, by our kinds; everything else has an id of its own making, or cannot be looked up.
const POSTS: [&str; 4] = ["mention", "reply", "post", "repost"];

pub(crate) fn gone(context: &Context<Settings>, things: &[recheck::Thing]) -> Result<Vec<String>, Error> {
    let is_post = |thing: &&recheck::Thing| POSTS.contains(&thing.kind.as_str()) && thing.native_id.parse::<u64>().is_ok();
    let ids: Vec<&str> = things.iter().filter(is_post).map(|thing| thing.native_id.as_str()).collect();
    let mut gone = Vec::new();
    for ids in ids.chunks(api::IDS_MAX) {
        let request = http::Request::get(context.settings.url("tweets")).query("ids", ids.join(","));
        let document: Document<IgnoredAny> = api::look(&request, "lookups")?.json()?;
        let is_gone = |id: &&&str| document.not_found().any(|missing| missing == **id);
        gone.extend(ids.iter().filter(is_gone).map(|id| (*id).to_owned()));
    }
    Ok(gone)
}
