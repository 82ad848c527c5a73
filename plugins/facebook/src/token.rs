//! When the page's token ends. Facebook tells nobody of it unasked:
//! <https://developers.facebook.com/docs/facebook-login/guides/%20access-tokens/debugging>
//!
//! Where the settings say so, the token is asked about itself once a day, after a poll has come to its end, and what ends within so many days is said to
//! the operator. It costs the poll nothing whatever becomes of it: that a token has ended shows with the next call.

use serde::Deserialize;
use sportello_sdk::{Context, Error, diagnostics, http, lenient, state, time};

use crate::graph::{Purpose, send_with};
use crate::{PAGE_TOKEN_CHECK, Settings};

/// Where in the channel's state it stands when the token was asked about itself last, in milliseconds since 1970.
const ASKED_AT: &str = "token-asked-at";
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

#[derive(Deserialize)]
struct Answer {
    data: Token,
}

/// Moments in milliseconds, though Facebook tells seconds; 0: it has no end.
#[derive(Deserialize)]
struct Token {
    /// When nothing can be done with it any more.
    #[serde(default, deserialize_with = "lenient::moment")]
    expires_at: Option<i64>,
    /// When nothing of people can be read with it any more: 90 days after who gave it used the app last.
    /// <https://developers.facebook.com/docs/facebook-login/auth-vs-data>
    #[serde(default, deserialize_with = "lenient::moment")]
    data_access_expires_at: Option<i64>,
}

/// Tells the operator what of the token ends soon.
///
/// # Errors
/// The channel's state is not as this connector wrote it.
pub(crate) fn watch(context: &Context<Settings>) -> Result<(), Error> {
    let Some(days) = context.settings.token_days else { return Ok(()) };
    let now_ms = time::milliseconds(&context.now).unwrap_or_default();
    if state::get::<i64>(ASKED_AT)?.is_some_and(|asked_ms| now_ms < asked_ms.saturating_add(DAY_MS)) {
        return Ok(());
    }
    let token = match asked(context) {
        Ok(token) => token,
        Err(error) => {
            diagnostics::warning!("when the page's token ends could not be asked: {}", error.reason());
            return Ok(());
        }
    };
    let until_ms = now_ms + i64::from(days) * DAY_MS;
    for (what, ends_ms) in
        [("the page's token", token.expires_at), ("what may be read with the page's token", token.data_access_expires_at)]
    {
        if let Some(ends_ms) = ends_ms.filter(|ends_ms| (1..=until_ms).contains(ends_ms)) {
            let ends = time::from_milliseconds(ends_ms);
            diagnostics::warning!("{what} ends at {ends}: have a person authorise the app anew before, and put the new token in its place");
        }
    }
    state::set(ASKED_AT, &now_ms)
}

fn asked(context: &Context<Settings>) -> Result<Token, Error> {
    let request = http::Request::get(context.settings.url("debug_token"));
    let answer = send_with(PAGE_TOKEN_CHECK, request)?.map_err(|refusal| refusal.meaning(Purpose::Look))?;
    Ok(answer.json::<Answer>()?.data)
}
