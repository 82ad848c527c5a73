//! Who may call: OAuth 2 user tokens that end after two hours, refresh tokens that serve once, and calls signed with OAuth 1.0a.
//! [oauth2]

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::super::random_hex;
use super::oauth1::{self, Keys, Nonces, Signed};
use super::problem::{Answer, Problem};

/// How long a user's access token lasts. [oauth2]
const TOKEN_TIME: SignedDuration = SignedDuration::from_hours(2);
const SCOPE: &str = "tweet.read tweet.write users.read dm.read offline.access";

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
    is_refresh_revoked: bool,
    refreshes: u64,
}

impl Access {
    pub(super) fn new(client: (&str, &str), tokens: (&str, &str), keys: Keys, now: Timestamp) -> Self {
        Self {
            client_id: client.0.to_owned(),
            client_secret: client.1.to_owned(),
            keys,
            nonces: Nonces::default(),
            tokens: BTreeMap::from([(tokens.0.to_owned(), now + TOKEN_TIME)]),
            token: tokens.0.to_owned(),
            refresh_token: tokens.1.to_owned(),
            is_refresh_revoked: false,
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

    pub(super) fn revoke_refresh(&mut self) {
        self.is_refresh_revoked = true;
    }

    pub(super) fn authorize(&mut self, headers: &HeaderMap, request: &Signed<'_>, now: Timestamp) -> Result<(), Problem> {
        let header = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
        let is_right = match header.strip_prefix("Bearer ") {
            Some(token) => self.tokens.get(token).is_some_and(|end| *end > now),
            None => oauth1::verify(&self.keys, &mut self.nonces, header, request, now),
        };
        is_right.then_some(()).ok_or_else(Problem::unauthorized)
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
        if self.is_refresh_revoked || form.get("refresh_token") != Some(&self.refresh_token) {
            // Seen as an answer to a spent refresh token; RFC 6749 would have it `invalid_grant`.
            return Err(Problem::oauth(400, "invalid_request", "Value passed for the token was invalid."));
        }
        self.refreshes += 1;
        (self.token, self.refresh_token) = (random_hex(32), random_hex(32));
        self.tokens.insert(self.token.clone(), now + TOKEN_TIME);
        let document = json!({
            "token_type": "bearer", "expires_in": TOKEN_TIME.as_secs(), "access_token": self.token, "scope": SCOPE,
            "refresh_token": self.refresh_token,
        });
        Ok((200, document))
    }
}
