//! Looking whether a reply or post is there: the organisation's own, with the same words, made since the effect was queued.
//!
//! Lists are read whole, because the order they come in is not promised. LinkedIn may re-break a text, so words are compared without
//! regard to white space. An empty list is not believed at once: who has no role at the organisation is shown one too.

use sportello_sdk::find::{Candidates, Presence, same_words, since_ms};
use sportello_sdk::{Context, Effect, Error, Receipt, diagnostics};

use crate::comments::{self, Shown};
use crate::list::{self, Listed};
use crate::role::{self, Role};
use crate::urn::Target;
use crate::{Settings, posts, publish};

/// Why an empty list says nothing.
const NO_ROLE: &str = "an empty list was shown, as it is to those without a role at the organisation";

/// What a look brought.
pub(crate) enum Look {
    /// The list was read as far as it is shown.
    Seen(Candidates),
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
        Look::Seen(candidates) => candidates.presence(),
        Look::Blind(reason) => {
            diagnostics::warning!("effect {}: can't be looked for: {reason}", effect.key);
            Presence::CannotTell
        }
    })
}

/// Looks among the organisation's posts, or, if `whole`, also among those that are too old to be this one.
pub(crate) fn post(context: &Context<Settings>, effect: &Effect, whole: bool) -> Result<Look, Error> {
    Ok(match posts::since(context, if whole { i64::MIN } else { since_ms(effect) })? {
        Listed::All(rows) if rows.is_empty() && role::ours(context)? != Role::Administrator => Look::Blind(NO_ROLE),
        Listed::All(rows) => Look::Seen(posts::candidates(&rows, effect)),
        Listed::Some(rows) => Look::Seen(not_all(posts::candidates(&rows, effect))),
        Listed::TooMany => Look::Blind("there are too many posts to read them all"),
        Listed::Gone => Look::Blind("LinkedIn knows no posts of the organisation"),
    })
}

/// Looks below what a reply answers.
pub(crate) fn reply(context: &Context<Settings>, effect: &Effect, target: Target) -> Result<Look, Error> {
    match below(context, &target)? {
        Listed::All(rows) if rows.is_empty() => below_nothing(context, effect, &target),
        Listed::All(rows) => Ok(Look::Seen(compare(context, effect, target.post(), &rows))),
        Listed::Some(rows) => Ok(Look::Seen(not_all(compare(context, effect, target.post(), &rows)))),
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
    let nothing = Look::Seen(Candidates::new(effect));
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
            Listed::All(rows) if !rows.is_empty() => Ok(Look::Seen(compare(context, effect, target.post(), &rows))),
            Listed::Some(rows) => Ok(Look::Seen(not_all(compare(context, effect, target.post(), &rows)))),
            _ => Ok(Look::Blind("the comment above the one that was answered shows no answers")),
        },
        None if shown.answers() > 0 => Ok(Look::Blind("the comment has answers that are not shown")),
        None => Ok(nothing),
    }
}

/// What is not shown may be ours.
fn not_all(mut candidates: Candidates) -> Candidates {
    candidates.unclear();
    candidates
}

fn compare(context: &Context<Settings>, effect: &Effect, post: &str, rows: &[Shown]) -> Candidates {
    let mut candidates = Candidates::new(effect);
    for row in rows.iter().filter(|row| row.text().is_some_and(|text| same_words(text, &effect.text))) {
        let at_ms = row.created_ms();
        match &row.actor {
            Some(actor) if *actor == context.settings.organization => {
                let comment = row.comment(post, None);
                candidates.own(at_ms, comment.map(|comment| Receipt::new(comment.urn()).url(Target::Comment(comment).url())));
            }
            None if candidates.is_since(at_ms) => candidates.unclear(),
            _ => {}
        }
    }
    candidates
}
