//! Looking whether a reply or post is there: the page's own, with the same words, made since the effect was queued.
//!
//! Facebook trims and may re-break a text, so words are compared without regard to white space. Absent is only answered when everything since the
//! effect was queued was read and has an author where it matters, and the host believes it only after the declared settling time.

use sportello_sdk::find::{Candidates, Presence, same_words, since_ms};
use sportello_sdk::{Context, Effect, Error, Receipt, diagnostics, http};

use crate::Settings;
use crate::graph::{Purpose, send};
use crate::list::{Next, Page, Row, reaches_behind};
use crate::publish::{post_url, public_object};

/// How many pages of a list a look reads before it gives up.
const PAGES_MAX: usize = 50;
/// How many rows a page has; the platform's own limit.
const ROWS_PER_PAGE: &str = "100";

/// Where an effect would stand.
enum List<'a> {
    /// Below an object, in an order that is not promised: it is read whole.
    Comments(&'a str),
    /// The page's own posts and nobody else's. <https://developers.facebook.com/docs/graph-api/reference/page/published_posts>
    Posts,
}

impl List<'_> {
    fn request(&self, settings: &Settings) -> http::Request {
        let (url, fields) = match self {
            Self::Comments(object) => (settings.edge(object, "comments"), "id,message,from,created_time"),
            Self::Posts => (settings.edge(&settings.page_id, "published_posts"), "id,message,created_time"),
        };
        http::Request::get(url).query("fields", fields).query("limit", ROWS_PER_PAGE)
    }

    /// Whose a row is: ours or not; None: nobody can tell.
    fn is_ours(&self, row: &Row, page_id: &str) -> Option<bool> {
        match self {
            Self::Comments(_) => row.from.as_ref().and_then(|from| from.id.as_deref()).map(|author| author == page_id),
            Self::Posts => Some(true),
        }
    }

    fn receipt(&self, row: &Row) -> Option<Receipt> {
        let id = row.id.as_deref()?;
        Some(match self {
            Self::Comments(_) => Receipt::new(id),
            Self::Posts => Receipt::new(id).url(post_url(id)),
        })
    }
}

/// What a look has seen.
pub(crate) struct Seen {
    candidates: Candidates,
    /// When the newest of all was made, and whether it is ours with the same words.
    newest: Option<(i64, bool)>,
}

impl Seen {
    /// Whether one from before the effect has the same words and nothing has been made since.
    pub(crate) fn newest_is_an_older_twin(&self) -> bool {
        self.candidates.are_others() && self.newest.is_some_and(|(_, is_twin)| is_twin)
    }

    fn take(&mut self, context: &Context<Settings>, effect: &Effect, list: &List<'_>, row: &Row) {
        let has_the_words = row.message.as_deref().is_some_and(|message| same_words(message, &effect.text));
        let is_ours = list.is_ours(row, &context.settings.page_id);
        if let Some(at_ms) = row.created_time
            && self.newest.is_none_or(|(newest_ms, _)| at_ms > newest_ms)
        {
            self.newest = Some((at_ms, has_the_words && is_ours == Some(true)));
        }
        match is_ours {
            Some(true) if has_the_words => self.candidates.own(row.created_time, list.receipt(row)),
            None if has_the_words && self.candidates.is_since(row.created_time) => self.candidates.unclear(),
            _ => {}
        }
    }
}

/// Looks below what a reply answers.
pub(crate) fn reply(context: &Context<Settings>, effect: &Effect) -> Result<Presence, Error> {
    look(context, effect, &List::Comments(public_object(effect)?)).map(presence)
}

/// Looks among the page's posts.
pub(crate) fn post(context: &Context<Settings>, effect: &Effect) -> Result<Presence, Error> {
    posts(context, effect).map(presence)
}

/// What the page's posts show; None: nobody can tell.
pub(crate) fn posts(context: &Context<Settings>, effect: &Effect) -> Result<Option<Seen>, Error> {
    look(context, effect, &List::Posts)
}

fn presence(seen: Option<Seen>) -> Presence {
    seen.map_or(Presence::CannotTell, |seen| seen.candidates.presence())
}

/// None: nobody can tell.
fn look(context: &Context<Settings>, effect: &Effect, list: &List<'_>) -> Result<Option<Seen>, Error> {
    let mut seen = Seen { candidates: Candidates::new(effect), newest: None };
    let mut after: Option<String> = None;

    for _ in 0..PAGES_MAX {
        let mut request = list.request(&context.settings);
        if let Some(cursor) = &after {
            request = request.query("after", cursor);
        }
        let page: Page<Row> = match send(request).and_then(|answer| answer.map_err(|refusal| refusal.meaning(Purpose::Look))) {
            Ok(response) => response.json()?,
            // The comment or post we answered is gone, and what was below it with it: nobody can tell any more.
            Err(Error::Reject(reason)) => {
                diagnostics::info!("effect {}: can't be looked for: {reason}", effect.key);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let next = page.next(after.as_deref());
        let Some(rows) = page.data else { return Ok(None) };
        rows.iter().for_each(|row| seen.take(context, effect, list, row));
        if matches!(list, List::Posts) && reaches_behind(&rows, since_ms(effect)) {
            return Ok(Some(seen));
        }
        match next {
            Next::Nothing => return Ok(Some(seen)),
            Next::After(cursor) => after = Some(cursor),
            Next::OutOfReach => break,
        }
    }
    diagnostics::warning!("effect {}: not everything could be read within {PAGES_MAX} pages", effect.key);
    Ok(None)
}
