//! Who may call: OAuth 2 user tokens that end after two hours, refresh tokens that serve once, and calls signed with OAuth 1.0a.
//! [oauth2]

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::super::random_hex;
use super::limits::Endpoint;
use super::oauth1::{self, Keys, Nonces, Signed};
use super::problem::{Answer, Problem};

/// How long a user's access token lasts. [oauth2]
const TOKEN_TIME: SignedDuration = SignedDuration::from_hours(2);
/// What an application is authorised for as a rule. [oauth2]
pub(super) const SCOPE: &str = "tweet.read tweet.write users.read dm.read offline.access";

/// The client of OAuth 2 with what it was given.
#[derive(Debug)]
pub(super) struct Access {
    client_id: String,
    client_secret: String,
    keys: Keys,
    nonces: Nonces,
    /// Until when each access token is taken. The documentation does not say that a refresh ends the token before; it does not here.
    tokens: BTreeMap<String, Timestamp>,
    token: String,
    refresh_token: String,
    scope: String,
    is_revoked: bool,
    refreshes: u64,
}

/// The scopes a token of OAuth 2 needs for a call. Sending direct messages would need `dm.write` and is not modelled.
/// <https://docs.x.com/fundamentals/authentication/guides/v2-authentication-mapping>
fn scopes_of(endpoint: Endpoint) -> &'static [&'static str] {
    match endpoint {
        Endpoint::Me | Endpoint::Mentions | Endpoint::Timeline | Endpoint::Lookups => &["tweet.read", "users.read"],
        Endpoint::Posts => &["tweet.read", "tweet.write", "users.read"],
    }
}

impl Access {
    pub(super) fn new(client: (&str, &str), tokens: (&str, &str), scope: &str, keys: Keys, now: Timestamp) -> Self {
        Self {
            client_id: client.0.to_owned(),
            client_secret: client.1.to_owned(),
            keys,
            nonces: Nonces::default(),
            tokens: BTreeMap::from([(tokens.0.to_owned(), now + TOKEN_TIME)]),
            token: tokens.0.to_owned(),
            refresh_token: tokens.1.to_owned(),
            scope: scope.to_owned(),
            is_revoked: false,
            refreshes: 0,
        }
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn refresh_token(&self) -> &str {
        &self.refresh_token
    }

    pub(super) fn refreshes(&self) -> u64 {
        self.refreshes
    }

    pub(super) fn expire(&mut self) {
        self.tokens.clear();
    }

    /// A user who revokes an application in the settings of their account ends every token it has for them, those of OAuth 1.0a too.
    /// <https://docs.x.com/fundamentals/authentication/faq>
    pub(super) fn revoke(&mut self) {
        self.is_revoked = true;
        self.tokens.clear();
    }

    pub(super) fn authorize(
        &mut self,
        endpoint: Endpoint,
        headers: &HeaderMap,
        request: &Signed<'_>,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let header = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let Some(token) = header.strip_prefix("Bearer ") else {
            let is_right = !self.is_revoked && oauth1::verify(&self.keys, &mut self.nonces, header, request, now);
            return is_right.then_some(()).ok_or_else(Problem::unauthorized);
        };
        if self.tokens.get(token).is_none_or(|end| *end <= now) {
            return Err(Problem::unauthorized());
        }
        // It does not say which scope is missing, as answered in 2022: <https://github.com/plhery/node-twitter-api-v2/issues/265>.
        let has = |scope: &&str| self.scope.split(' ').any(|given| given == *scope);
        scopes_of(endpoint).iter().all(has).then_some(()).ok_or_else(|| Problem::forbidden("Forbidden"))
    }

    /// `POST /2/oauth2/token`.
    pub(super) fn refresh(&mut self, headers: &HeaderMap, form: Option<&BTreeMap<String, String>>, now: Timestamp) -> Answer {
        let Some(form) = form else {
            return Err(Problem::oauth(400, "invalid_request", "The body must be a form."));
        };
        let basic = format!("Basic {}", STANDARD.encode(format!("{}:{}", self.client_id, self.client_secret)));
        if headers.get("authorization").is_none_or(|value| value.as_bytes() != basic.as_bytes()) {
            return Err(Problem::oauth(401, "unauthorized_client", "Missing valid authorization header"));
        }
        match form.get("grant_type").map(String::as_str) {
            Some("refresh_token") => {}
            Some("authorization_code" | "client_credentials") => return Err(Problem::not_modelled("this grant_type")),
            _ => return Err(Problem::oauth(400, "invalid_request", "Missing required parameter [grant_type].")),
        }
        if self.is_revoked || form.get("refresh_token") != Some(&self.refresh_token) {
            // Seen as an answer to a spent refresh token; RFC 6749 would have it `invalid_grant`.
            return Err(Problem::oauth(400, "invalid_request", "Value passed for the token was invalid."));
        }
        self.refreshes += 1;
        (self.token, self.refresh_token) = (random_hex(32), random_hex(32));
        self.tokens.insert(self.token.clone(), now + TOKEN_TIME);
        let document = json!({
            "token_type": "bearer", "expires_in": TOKEN_TIME.as_secs(), "access_token": self.token, "scope": self.scope,
            "refresh_token": self.refresh_token,
        });
        Ok((200, document))
    }
}
