//! LinkedIn's check of the webhook's address, every two hours: a code comes in the query, and its MAC under the app's secret goes back.

use serde_json::json;
use sportello_sdk::{Error, Mac, credentials, webhook};

use crate::CLIENT_SECRET;

/// A code longer than this is none of LinkedIn's: those are UUIDs.
const CODE_BYTES_MAX: usize = 64;

/// Answers a challenge. Deliveries are signed with the same secret, so a text that could be one is never signed for whoever asks.
pub(crate) fn answer(request: &webhook::Request) -> Result<webhook::Outcome, Error> {
    let Some(code) = request.query_value("challengeCode").filter(|code| is_code(code)) else {
        return Ok(webhook::Outcome::answer(webhook::Response::text(400, "no challenge of LinkedIn's")));
    };
    let digits = credentials::sign_hex(CLIENT_SECRET, Mac::HmacSha256, code.as_bytes())?;
    let response = webhook::Response::json(200, &json!({ "challengeCode": code, "challengeResponse": digits }))?;
    Ok(webhook::Outcome::answer(response))
}

fn is_code(text: &str) -> bool {
    (1..=CODE_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}
