//! When the page's token ends. Facebook tells nobody of it unasked:
//! <https://developers.facebook.com/docs/facebook-login/guides/%20access-tokens/debugging>
//!
//! Where the settings say so, the token is asked about itself once a day, after a poll has come to its end, and the host is told. It costs the poll
//! nothing whatever becomes of it: that a token has ended shows with the next call.

use serde::Deserialize;
use sportello_sdk::{Context, Error, credentials, diagnostics, http, lenient, state, time};

use crate::graph::{Purpose, send_with};
use crate::{PAGE_TOKEN, PAGE_TOKEN_CHECK, Settings};

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

impl Token {
    /// When a person must have authorised the app anew; None: Facebook names no end.
    fn ends(&self) -> Option<String> {
        let ends = [self.expires_at, self.data_access_expires_at];
        ends.into_iter().flatten().filter(|ends_ms| *ends_ms > 0).min().map(time::from_milliseconds)
    }
}

/// Tells the host when the token ends.
///
/// # Errors
/// The channel's state is not as this connector wrote it.
pub(crate) fn watch(context: &Context<Settings>) -> Result<(), Error> {
    let now_ms = time::milliseconds(&context.now).unwrap_or_default();
    let is_fresh = |asked_ms: i64| now_ms < asked_ms.saturating_add(DAY_MS);
    if !context.settings.ask_token_end || state::get(ASKED_AT)?.is_some_and(is_fresh) {
        return Ok(());
    }
    match asked(context).and_then(|token| credentials::ends(PAGE_TOKEN, token.ends().as_deref())) {
        Ok(()) => state::set(ASKED_AT, &now_ms),
        Err(error) => {
            diagnostics::warning!("when the page's token ends could not be asked: {}", error.reason());
            Ok(())
        }
    }
}

fn asked(context: &Context<Settings>) -> Result<Token, Error> {
    let request = http::Request::get(context.settings.url("debug_token"));
    let answer = send_with(PAGE_TOKEN_CHECK, request)?.map_err(|refusal| refusal.meaning(Purpose::Look))?;
    Ok(answer.json::<Answer>()?.data)
}
