//! Looking whether a reply is there: the organisation's own comment with the same words, made since the effect was queued, below the same
//! comment.
//!
//! All pages of the list are read, because the order they come in is not promised. LinkedIn may re-break a text, so words are compared
//! without regard to white space. An empty list is not believed at once: who has no role at the organisation is shown one too.

use sportello_sdk::find::Presence;
use sportello_sdk::{Context, Effect, Error, Receipt, diagnostics, time};

use crate::Settings;
use crate::comments::{self, Below, Shown};
use crate::publish;
use crate::role::{self, Role};
use crate::urn::Target;

/// How far the platform's clock may be behind ours, in milliseconds.
const CLOCK_SKEW_MS: i64 = 120_000;

/// What a look brought.
pub(crate) enum Look {
    /// The whole list was read.
    Seen {
        /// Comments with the same words since the effect was queued.
        since: Vec<Receipt>,
        /// How many of ours have the same words and are older.
        before: usize,
        /// How many have the same words and no author.
        unclear: usize,
    },
    /// Nobody can tell, and why.
    Blind(&'static str),
}

pub(crate) fn reply(context: &Context<Settings>, effect: &Effect) -> Result<Presence, Error> {
    Ok(match look(context, effect, publish::target(effect)?)? {
        Look::Seen { mut since, unclear, .. } => match (since.pop(), unclear) {
            (Some(receipt), _) if since.is_empty() => Presence::Present(receipt),
            (None, 0) => Presence::Absent,
            // Two replies with the same words, or one that hides its author: which effect is which, nobody can tell.
            _ => Presence::CannotTell,
        },
        Look::Blind(reason) => {
            diagnostics::warning!("effect {}: can't be looked for: {reason}", effect.key);
            Presence::CannotTell
        }
    })
}

pub(crate) fn look(context: &Context<Settings>, effect: &Effect, target: Target) -> Result<Look, Error> {
    match comments::below(context, &target)? {
        Below::All(rows) if rows.is_empty() => below_nothing(context, effect, &target),
        Below::All(rows) => Ok(compare(context, effect, target.post(), &rows)),
        Below::TooMany => Ok(Look::Blind("there are too many comments to read them all")),
        // What was below it went with it.
        Below::Gone => Ok(Look::Blind("the comment or post that was answered is gone")),
    }
}

/// Nothing stands below it, or nothing is shown to us.
fn below_nothing(context: &Context<Settings>, effect: &Effect, target: &Target) -> Result<Look, Error> {
    let nothing = Look::Seen { since: Vec::new(), before: 0, unclear: 0 };
    let Target::Comment(comment) = target else {
        return Ok(match role::ours(context)? {
            Role::Administrator => nothing,
            Role::None | Role::Unknown => Look::Blind("an empty list was shown, as it is to those without a role at the organisation"),
        });
    };
    // Without the role this is refused, and so the operator is told.
    let Some(shown) = comments::read(context, comment)? else {
        return Ok(Look::Blind("the comment that was answered is gone"));
    };
    match shown.parent().filter(|parent| parent != comment) {
        // An answer itself: whatever answers it stands beside it.
        Some(parent) => match comments::below(context, &Target::Comment(parent))? {
            Below::All(rows) if !rows.is_empty() => Ok(compare(context, effect, target.post(), &rows)),
            _ => Ok(Look::Blind("the comment above the one that was answered shows no answers")),
        },
        None if shown.answers() > 0 => Ok(Look::Blind("the comment has answers that are not shown")),
        None => Ok(nothing),
    }
}

fn compare(context: &Context<Settings>, effect: &Effect, post: &str, rows: &[Shown]) -> Look {
    let since_ms = time::milliseconds(&effect.queued_at).map_or(i64::MIN, |queued_ms| queued_ms - CLOCK_SKEW_MS);
    let (mut since, mut before, mut unclear) = (Vec::<Receipt>::new(), 0, 0);
    for row in rows.iter().filter(|row| row.text().is_some_and(|text| same_words(text, &effect.text))) {
        let is_recent = row.created_ms().is_none_or(|at| at >= since_ms);
        match (row.actor.as_deref(), row.comment(post, None)) {
            (Some(actor), _) if actor != context.settings.organization => {}
            (Some(_), _) if !is_recent => before += 1,
            (Some(_), Some(comment)) => {
                let receipt = Receipt::new(comment.urn()).url(Target::Comment(comment).url());
                let receipt = match row.created_ms() {
                    Some(at) => receipt.at(time::from_milliseconds(at)),
                    None => receipt,
                };
                // A list that grows at its beginning shows a row again on the next page.
                if !since.iter().any(|known| known.native_id == receipt.native_id) {
                    since.push(receipt);
                }
            }
            _ => unclear += usize::from(is_recent),
        }
    }
    Look::Seen { since, before, unclear }
}

fn same_words(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}
