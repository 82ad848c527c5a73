//! Looking whether a reply or post is there: the organisation's own, with the same words, made since the effect was queued.
//!
//! Lists are read whole, because the order they come in is not promised. LinkedIn may re-break a text, so words are compared without
//! regard to white space. An empty list is not believed at once: who has no role at the organisation is shown one too.

use sportello_sdk::find::Presence;
use sportello_sdk::{Context, Effect, Error, Receipt, diagnostics, time};

use crate::comments::{self, Shown};
use crate::list::{self, Listed};
use crate::role::{self, Role};
use crate::urn::Target;
use crate::{Settings, posts, publish};

/// How far the platform's clock may be behind ours, in milliseconds.
const CLOCK_SKEW_MS: i64 = 120_000;
/// Why an empty list says nothing.
const NO_ROLE: &str = "an empty list was shown, as it is to those without a role at the organisation";

/// What a look brought.
pub(crate) enum Look {
    /// The whole list was read.
    Seen {
        /// Those with the same words since the effect was queued.
        since: Vec<Receipt>,
        /// How many of ours have the same words and are older.
        before: usize,
        /// How many have the same words and no author.
        unclear: usize,
    },
    /// Nobody can tell, and why.
    Blind(&'static str),
}

/// Says whether the effect is there.
pub(crate) fn presence(context: &Context<Settings>, effect: &Effect) -> Result<Presence, Error> {
    let look = match effect.action.as_str() {
        "reply" => reply(context, effect, publish::target(effect)?)?,
        "post" => post(context, effect, false)?,
        _ => return Err(effect.unknown_action()),
    };
    Ok(match look {
        Look::Seen { mut since, unclear, .. } => match (since.pop(), unclear) {
            (Some(receipt), _) if since.is_empty() => Presence::Present(receipt),
            (None, 0) => Presence::Absent,
            // Two with the same words, or one that hides its author: which effect is which, nobody can tell.
            _ => Presence::CannotTell,
        },
        Look::Blind(reason) => {
            diagnostics::warning!("effect {}: can't be looked for: {reason}", effect.key);
            Presence::CannotTell
        }
    })
}

/// Looks among the organisation's posts, or, if `whole`, also among those that are too old to be this one.
pub(crate) fn post(context: &Context<Settings>, effect: &Effect, whole: bool) -> Result<Look, Error> {
    let since_ms = since_ms(effect);
    Ok(match posts::since(context, if whole { i64::MIN } else { since_ms })? {
        Listed::All(rows) if rows.is_empty() && role::ours(context)? != Role::Administrator => Look::Blind(NO_ROLE),
        Listed::All(rows) => posts::look_of(&rows, effect, since_ms),
        Listed::TooMany => Look::Blind("there are too many posts to read them all"),
        Listed::Gone => Look::Blind("LinkedIn knows no posts of the organisation"),
    })
}

/// Looks below what a reply answers.
pub(crate) fn reply(context: &Context<Settings>, effect: &Effect, target: Target) -> Result<Look, Error> {
    match below(context, &target)? {
        Listed::All(rows) if rows.is_empty() => below_nothing(context, effect, &target),
        Listed::All(rows) => Ok(compare(context, effect, target.post(), &rows)),
        Listed::TooMany => Ok(Look::Blind("there are too many comments to read them all")),
        // What was below it went with it.
        Listed::Gone => Ok(Look::Blind("the comment or post that was answered is gone")),
    }
}

fn below(context: &Context<Settings>, target: &Target) -> Result<Listed<Shown>, Error> {
    list::read(context, &context.settings.comments_below(&target.urn()), |_| false)
}

/// Nothing stands below it, or nothing is shown to us.
fn below_nothing(context: &Context<Settings>, effect: &Effect, target: &Target) -> Result<Look, Error> {
    let nothing = Look::Seen { since: Vec::new(), before: 0, unclear: 0 };
    let Target::Comment(comment) = target else {
        return Ok(match role::ours(context)? {
            Role::Administrator => nothing,
            Role::None | Role::Unknown => Look::Blind(NO_ROLE),
        });
    };
    // Without the role this is refused, and so the operator is told.
    let Some(shown) = comments::read(context, comment)? else {
        return Ok(Look::Blind("the comment that was answered is gone"));
    };
    match shown.parent().filter(|parent| parent != comment) {
        // An answer itself: whatever answers it stands beside it.
        Some(parent) => match below(context, &Target::Comment(parent))? {
            Listed::All(rows) if !rows.is_empty() => Ok(compare(context, effect, target.post(), &rows)),
            _ => Ok(Look::Blind("the comment above the one that was answered shows no answers")),
        },
        None if shown.answers() > 0 => Ok(Look::Blind("the comment has answers that are not shown")),
        None => Ok(nothing),
    }
}

fn compare(context: &Context<Settings>, effect: &Effect, post: &str, rows: &[Shown]) -> Look {
    let mut look = Counted::new(effect, since_ms(effect));
    for row in rows {
        if row.actor.as_ref().is_some_and(|actor| *actor != context.settings.organization) {
            continue;
        }
        let receipt = row.comment(post, None).map(|comment| Receipt::new(comment.urn()).url(Target::Comment(comment).url()));
        look.count(row.text(), row.actor.is_some(), row.created_ms(), receipt);
    }
    look.into()
}

/// Counts rows that may be the effect.
pub(crate) struct Counted<'a> {
    effect: &'a Effect,
    since_ms: i64,
    since: Vec<Receipt>,
    before: usize,
    unclear: usize,
}

impl<'a> Counted<'a> {
    pub(crate) fn new(effect: &'a Effect, since_ms: i64) -> Self {
        Self { effect, since_ms, since: Vec::new(), before: 0, unclear: 0 }
    }

    /// Counts a row that is ours, or nobody's as far as one can see.
    pub(crate) fn count(&mut self, text: Option<&str>, is_ours: bool, at_ms: Option<i64>, receipt: Option<Receipt>) {
        if !text.is_some_and(|text| same_words(text, &self.effect.text)) {
            return;
        }
        let is_recent = at_ms.is_none_or(|at_ms| at_ms >= self.since_ms);
        match receipt {
            _ if !is_recent => self.before += usize::from(is_ours),
            Some(receipt) if is_ours => {
                let receipt = match at_ms {
                    Some(at_ms) => receipt.at(time::from_milliseconds(at_ms)),
                    None => receipt,
                };
                // A list that grows at its beginning shows a row again on the next page.
                if !self.since.iter().any(|known| known.native_id == receipt.native_id) {
                    self.since.push(receipt);
                }
            }
            _ => self.unclear += 1,
        }
    }
}

impl From<Counted<'_>> for Look {
    fn from(counted: Counted<'_>) -> Self {
        Self::Seen { since: counted.since, before: counted.before, unclear: counted.unclear }
    }
}

/// What was made before this moment is not the effect.
fn since_ms(effect: &Effect) -> i64 {
    time::milliseconds(&effect.queued_at).map_or(i64::MIN, |queued_ms| queued_ms - CLOCK_SKEW_MS)
}

fn same_words(one: &str, other: &str) -> bool {
    one.split_whitespace().eq(other.split_whitespace())
}
