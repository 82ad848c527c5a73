//! The data-deletion callback: somebody took the app's access away and asks that what it keeps of them be deleted.
//! <https://developers.facebook.com/docs/development/create-an-app/app-dashboard/data-deletion-callback>
//!
//! The host has verified the signed request, and hands over the document in it. It names the person by the id they have for the app; whatever they do
//! on the page names them by the id they have for the page (<https://developers.facebook.com/docs/pages/support/psid-api/>). Facebook is asked which
//! that is. Where it does not say, nobody is told that anything was deleted, and the request comes in as a private message, so that it is a person's
//! case.
//!
//! Facebook wants a code and an address where the person can see with it what became of their request; the host answers there. The code is a MAC of the
//! person's id, so that it can't be guessed and is the same when Facebook asks again.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use sportello_sdk::{Context, Error, Interaction, Mac, credentials, diagnostics, http, lenient, time, webhook};

use crate::account::Account;
use crate::graph::{Purpose, send_as_the_app};
use crate::list::Page;
use crate::{APP_SECRET, Settings};

/// What a conversation that such a request begins is named after, besides who asks. Objects of the graph never begin so.
pub(crate) const KEY_PREFIX: &str = "deletion:";
/// Digits of a code.
const CODE_DIGITS: usize = 32;
/// How long Facebook may take to say who somebody is: it waits for the answer itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// What Facebook passes on.
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(default, deserialize_with = "lenient::text")]
    algorithm: Option<String>,
    /// Who asks: the id they have for the app.
    #[serde(deserialize_with = "lenient::id")]
    user_id: Option<String>,
    /// When, in milliseconds, though Facebook tells seconds.
    #[serde(default, deserialize_with = "lenient::moment")]
    issued_at: Option<i64>,
}

/// An id of somebody's, and the page it is for.
#[derive(Deserialize)]
struct Known {
    #[serde(default, deserialize_with = "lenient::id")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient::value")]
    page: Option<Account>,
}

/// Whose data is to be deleted, if the body is such a document. Deliveries are told from it by what they must have.
pub(crate) fn asked(body: &[u8]) -> Option<Asked> {
    let asked: Asked = serde_json::from_slice(body).ok()?;
    (asked.algorithm.as_deref() == Some("HMAC-SHA256") && asked.user_id.is_some()).then_some(asked)
}

/// Passes the request on and answers Facebook.
pub(crate) fn request(context: &Context<Settings>, asked: &Asked) -> Result<webhook::Outcome, Error> {
    let user = asked.user_id.as_deref().unwrap_or_default();
    let public_url = context.settings.public_url.as_deref().ok_or_else(|| {
        Error::reject("somebody asks for the deletion of their data, and Facebook wants to know where they can follow that: set public-url")
    })?;
    let mut code = credentials::sign_hex(APP_SECRET, Mac::HmacSha256, format!("deletion of {user}").as_bytes())?;
    code.truncate(CODE_DIGITS);
    let answer = json!({ "url": format!("{}/deletions/{code}", public_url.trim_end_matches('/')), "confirmation_code": code });
    let mut outcome = webhook::Outcome::answer(webhook::Response::json(200, &answer)?);
    let profile = match id_for_the_page(context, user) {
        // Nobody is known by the id for the app: the host finds nothing, and says so.
        Ok(known) => known.unwrap_or_else(|| user.to_owned()),
        Err(error) => {
            diagnostics::warning!("somebody asks to be deleted, and Facebook does not say who that is on the page: their case says why");
            outcome.interactions.push(case(context, asked, user, error.reason()));
            user.to_owned()
        }
    };
    Ok(outcome.deletion_request(profile, code))
}

/// The id that somebody has for the page. None: they never had to do with it.
/// <https://developers.facebook.com/docs/messenger-platform/identity/id-matching>
fn id_for_the_page(context: &Context<Settings>, user: &str) -> Result<Option<String>, Error> {
    if context.has_given_up() {
        return Err(Error::retry(PATIENCE, "Facebook did not answer a moment ago"));
    }
    let page = &context.settings.page_id;
    let request = http::Request::get(context.settings.edge(user, "ids_for_pages")).query("page", page).timeout(PATIENCE);
    let answer = send_as_the_app(request).and_then(|answer| answer.map_err(|refusal| refusal.meaning(Purpose::Look)));
    let answer = answer.inspect_err(|error| {
        // A refusal is an answer, and cost no time.
        if !matches!(error, Error::Reject(_)) {
            context.give_up();
        }
    })?;
    let known: Vec<Known> = answer.json::<Page<Known>>()?.data.ok_or_else(|| Error::reject("Facebook answered without a list"))?;
    let is_here = |known: &Known| known.page.as_ref().and_then(|account| account.id.as_ref()) == Some(page);
    Ok(known.into_iter().find(is_here).and_then(|known| known.id))
}

/// The request as something that a person must see to.
fn case(context: &Context<Settings>, asked: &Asked, user: &str, reason: &str) -> Interaction {
    let at = asked.issued_at.map_or_else(|| context.now.clone(), time::from_milliseconds);
    Interaction::new(format!("{KEY_PREFIX}{user}@{at}"), "direct-message", at, format!("{KEY_PREFIX}{user}"))
        .text(format!(
            "By way of Facebook somebody asks that what is kept of them be deleted. Facebook knows them by the id {user} for the app and did not say by \
             which for the page: {reason}. Nothing was deleted: find out who it is, and erase them."
        ))
        .private()
}
