//! X's check of the webhook's address, every hour: a token comes in the query, and its MAC under the application's secret goes back.
//! <https://docs.x.com/x-api/webhooks/introduction>

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use sportello_sdk::{Error, Mac, credentials, webhook};

use crate::CONSUMER_SECRET;

/// X says of the token's length only that it varies; this is several times what is seen.
const TOKEN_BYTES_MAX: usize = 128;

/// Answers a challenge. Deliveries are signed with the same secret and in the same way, so a text that could be one is never signed for whoever
/// asks.
pub(crate) fn answer(request: &webhook::Request) -> Result<webhook::Outcome, Error> {
    let Some(token) = request.query_value("crc_token").filter(|token| is_token(token)) else {
        return Ok(webhook::Outcome::answer(webhook::Response::text(400, "no challenge of X's")));
    };
    let mac = credentials::sign(CONSUMER_SECRET, Mac::HmacSha256, token.as_bytes())?;
    let response = webhook::Response::json(200, &json!({ "response_token": format!("sha256={}", STANDARD.encode(mac)) }))?;
    Ok(webhook::Outcome::answer(response))
}

/// Base64 in either alphabet, which JSON never is.
fn is_token(text: &str) -> bool {
    let is_of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+/=".contains(&byte);
    (1..=TOKEN_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_of_token)
}
