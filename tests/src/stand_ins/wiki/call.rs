//! One call of the stand-in wiki: its parameters, who makes it, and what can be wrong with it.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, Method};

use super::Inside;
use super::store::Actor;

/// The token of everybody who is not logged in.
pub(super) const ANONYMOUS_TOKEN: &str = "+\\";
/// The cookie of bot passwords.
pub(super) const BOT_COOKIE: &str = "wiki_BPsession";
/// The cookie of people, and of a log-in under way.
pub(super) const SESSION_COOKIE: &str = "wiki_session";

/// Pages or revisions an ordinary account may name in one call.
const VALUES_MAX: usize = 50;

/// An error of the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) code: &'static str,
    pub(super) info: String,
}

impl ApiError {
    pub(super) fn new(code: &'static str, info: impl Into<String>) -> Self {
        Self { code, info: info.into() }
    }
}

/// One call: its parameters, who makes it, and the cookie to set.
pub(super) struct Call {
    pub(super) method: Method,
    pub(super) in_query: BTreeMap<String, String>,
    pub(super) all: BTreeMap<String, String>,
    pub(super) session: Option<String>,
    /// Whether a bot password's session was sent along and still runs.
    pub(super) in_bot_session: bool,
    pub(super) actor: Actor,
    pub(super) csrf_token: String,
    pub(super) set_cookie: Option<String>,
}

impl Call {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.all.get(name).map(String::as_str)
    }

    /// A flag is set when it is there, whatever its value, as MediaWiki reads booleans.
    pub(super) fn flag(&self, name: &str) -> bool {
        self.all.contains_key(name)
    }

    /// Members of a `a|b|c` list.
    pub(super) fn list(&self, name: &str) -> Vec<&str> {
        self.get(name).unwrap_or_default().split('|').filter(|member| !member.is_empty()).collect()
    }

    /// The same of a list that names pages or revisions, empty members and those that occur twice included: measured, they count.
    pub(super) fn named(&self, name: &str) -> Result<Vec<&str>, ApiError> {
        let values: Vec<&str> = self.get(name).map(|text| text.split('|').collect()).unwrap_or_default();
        let values_max = self.at_most(VALUES_MAX);
        if values.len() > values_max {
            let info = format!("Too many values supplied for parameter \"{name}\". The limit is {values_max}.");
            return Err(ApiError::new("toomanyvalues", info));
        }
        Ok(values)
    }

    /// A limit as it is for this account: those with `apihighlimits`, which bots and administrators have, may ask for ten times as much.
    pub(super) fn at_most(&self, limit: usize) -> usize {
        if self.actor.bot || self.actor.admin { limit * 10 } else { limit }
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, ApiError> {
        self.get(name).ok_or_else(|| ApiError::new("missingparam", format!("The \"{name}\" parameter must be set.")))
    }

    pub(super) fn must_be_posted(&self, module: &str, secrets: &[&str]) -> Result<(), ApiError> {
        if self.method != Method::POST {
            return Err(ApiError::new("mustbeposted", format!("The \"{module}\" module requires a POST request.")));
        }
        match secrets.iter().find(|name| self.in_query.contains_key(**name)) {
            Some(name) => Err(ApiError::new(
                "mustpostparams",
                format!("The following parameter was found in the query string, but must be in the POST body: {name}."),
            )),
            None => Ok(()),
        }
    }

    pub(super) fn check_token(&self) -> Result<(), ApiError> {
        if self.required("token")? == self.csrf_token { Ok(()) } else { Err(ApiError::new("badtoken", "Invalid CSRF token.")) }
    }
}

pub(super) fn identify(
    inside: &Inside,
    method: Method,
    in_query: BTreeMap<String, String>,
    all: BTreeMap<String, String>,
    headers: &HeaderMap,
) -> Call {
    let cookies: BTreeMap<&str, &str> = headers
        .get_all("cookie")
        .iter()
        .filter_map(|header| header.to_str().ok())
        .flat_map(|text| text.split("; "))
        .filter_map(|pair| pair.split_once('='))
        .collect();
    // A bot password's session is taken where there is one; the other cookie alone is anonymous after a bot's log-in.
    let held = |cookie: &str| cookies.get(cookie).and_then(|id| inside.sessions.get_key_value(*id));
    let bot = held(BOT_COOKIE);
    let found = bot.or_else(|| held(SESSION_COOKIE));
    let anonymous = Actor { id: 0, name: "127.0.0.1".to_owned(), bot: false, admin: false };
    let actor = found.and_then(|(_, session)| session.actor.clone());
    let csrf_token = match (&actor, found) {
        (Some(_), Some((_, session))) => session.csrf_token.clone(),
        _ => ANONYMOUS_TOKEN.to_owned(),
    };
    let session = held(SESSION_COOKIE).map(|(id, _)| id.clone());
    Call { method, in_query, all, session, in_bot_session: bot.is_some(), actor: actor.unwrap_or(anonymous), csrf_token, set_cookie: None }
}
