//! The data-deletion callback: somebody took the app's access away and asks that what it keeps of them be deleted.
//! <https://developers.facebook.com/docs/development/create-an-app/app-dashboard/data-deletion-callback>
//!
//! The host has verified the signed request, and hands over the document in it. Facebook wants a code and an address where the person can see with
//! it what became of their request; the host answers there. The code is a MAC of the person's id, so that it can't be guessed and is the same when
//! Facebook asks again.

use serde::Deserialize;
use serde_json::json;
use sportello_sdk::{Context, Error, Mac, credentials, lenient, webhook};

use crate::{APP_SECRET, Settings};

/// Digits of a code.
const CODE_DIGITS: usize = 32;

#[derive(Deserialize)]
struct Document {
    #[serde(default, deserialize_with = "lenient::text")]
    algorithm: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    user_id: Option<String>,
}

/// Whose data is to be deleted, if the body is such a document. Deliveries are told from it by what they must have.
pub(crate) fn asked(body: &[u8]) -> Option<String> {
    let document: Document = serde_json::from_slice(body).ok()?;
    document.algorithm.filter(|algorithm| algorithm == "HMAC-SHA256")?;
    document.user_id
}

/// Passes the request on and answers Facebook.
pub(crate) fn request(context: &Context<Settings>, user: &str) -> Result<webhook::Outcome, Error> {
    let public_url = context.settings.public_url.as_deref().ok_or_else(|| {
        Error::reject("somebody asks for the deletion of their data, and Facebook wants to know where they can follow that: set public-url")
    })?;
    let mut code = credentials::sign_hex(APP_SECRET, Mac::HmacSha256, format!("deletion of {user}").as_bytes())?;
    code.truncate(CODE_DIGITS);
    let answer = json!({ "url": format!("{}/deletions/{code}", public_url.trim_end_matches('/')), "confirmation_code": code });
    Ok(webhook::Outcome::answer(webhook::Response::json(200, &answer)?).deletion_request(user, code))
}
