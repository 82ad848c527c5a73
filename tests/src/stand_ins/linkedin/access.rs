//! Who may call, in which version, and how often.

use std::collections::BTreeMap;

use axum::http::HeaderMap;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::super::random_hex;

/// How long an access token lives: 60 days. [refresh]
const ACCESS_TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(60 * 24);
/// How long a refresh token lives: 365 days from the member's consent, however often it is used. [refresh]
const REFRESH_TOKEN_LIFE: SignedDuration = SignedDuration::from_hours(365 * 24);
/// Rest.li's protocol version that all calls here are written in. [protocol]
const PROTOCOL: &str = "2.0.0";

/// Whose daily limit it is. [limits]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DailyLimit {
    /// All calls of the app.
    App,
    /// The calls with one member's token.
    Member,
}

/// What a member's consent gives an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// What calls must bring.
    pub access_token: String,
    /// What gets another access token.
    pub refresh_token: String,
}

/// A refusal in the platform's words. [errors]
#[derive(Debug, Clone)]
pub(super) struct Refusal {
    pub(super) status: u16,
    service_code: Option<u32>,
    code: &'static str,
    message: String,
    /// What is wrong with the input, by its code.
    input_error: Option<&'static str>,
}

impl Refusal {
    pub(super) fn new(status: u16, service_code: Option<u32>, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, service_code, code, message: message.into(), input_error: None }
    }

    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, None, "ILLEGAL_ARGUMENT", message)
    }

    pub(super) fn not_found(what: &str) -> Self {
        Self::new(404, None, "RESOURCE_NOT_FOUND", format!("{what} does not exist"))
    }

    pub(super) fn denied(what: &str) -> Self {
        Self::new(403, Some(100), "ACCESS_DENIED", format!("Not enough permissions to access: {what}"))
    }

    pub(super) fn not_modelled(what: &str) -> Self {
        Self::new(501, None, "NOT_MODELLED", format!("The stand-in does not model {what}"))
    }

    /// Its shape: <https://github.com/Arisamiga/Linkedin-RSS/issues/5>.
    pub(super) fn duplicate_post(urn: &str) -> Self {
        Self { input_error: Some("DUPLICATE_POST"), ..Self::new(422, None, "", format!("Content is a duplicate of {urn}")) }
    }

    pub(super) fn body(&self) -> Value {
        if let Some(code) = self.input_error {
            let errors = json!({"inputErrors": [{"description": self.message, "input": {}, "code": code}]});
            return json!({"status": self.status, "message": self.message, "errorDetails": errors});
        }
        let mut body = json!({"status": self.status, "code": self.code, "message": self.message});
        if let Some(service_code) = self.service_code {
            body["serviceErrorCode"] = json!(service_code);
        }
        body
    }
}

#[derive(Debug)]
struct AccessToken {
    text: String,
    expires: Timestamp,
    is_revoked: bool,
    scopes: Vec<String>,
}

#[derive(Debug)]
struct RefreshToken {
    text: String,
    expires: Timestamp,
    scopes: Vec<String>,
}

/// What calls are judged by.
#[derive(Debug)]
pub(super) struct Access {
    client_id: String,
    client_secret: String,
    oldest_version: String,
    scopes: Vec<String>,
    gives_new_refresh_tokens: bool,
    tokens: Vec<AccessToken>,
    refresh_token: Option<RefreshToken>,
    refreshes: u64,
    limited_until: Option<Timestamp>,
    daily_limits: Vec<(DailyLimit, u64)>,
    day: Date,
    calls_today: BTreeMap<&'static str, u64>,
    calls_over_limit: u64,
}

impl Access {
    pub(super) fn new(settings: &super::LinkedInSettings) -> Self {
        let expires = settings.now + ACCESS_TOKEN_LIFE;
        let token = AccessToken { text: settings.access_token.clone(), expires, is_revoked: false, scopes: settings.scopes.clone() };
        let expires = settings.now + REFRESH_TOKEN_LIFE;
        Self {
            client_id: settings.client_id.clone(),
            client_secret: settings.client_secret.clone(),
            oldest_version: settings.oldest_version.clone(),
            scopes: settings.scopes.clone(),
            gives_new_refresh_tokens: settings.gives_new_refresh_tokens,
            tokens: vec![token],
            refresh_token: Some(RefreshToken { text: settings.refresh_token.clone(), expires, scopes: settings.scopes.clone() }),
            refreshes: 0,
            limited_until: None,
            daily_limits: Vec::new(),
            day: day_of(settings.now),
            calls_today: BTreeMap::new(),
            calls_over_limit: 0,
        }
    }

    // --- tokens -----------------------------------------------------------------------------------------------------------------------

    /// The tokens given out last; empty where there is none.
    pub(super) fn tokens(&self) -> Tokens {
        Tokens {
            access_token: self.tokens.last().map(|token| token.text.clone()).unwrap_or_default(),
            refresh_token: self.refresh_token.as_ref().map(|token| token.text.clone()).unwrap_or_default(),
        }
    }

    /// The member consents anew.
    pub(super) fn authorize(&mut self, now: Timestamp) -> Tokens {
        let text = format!("AQW{}", random_hex(24));
        self.refresh_token = Some(RefreshToken { text, expires: now + REFRESH_TOKEN_LIFE, scopes: self.scopes.clone() });
        self.give_access_token(now + ACCESS_TOKEN_LIFE, self.scopes.clone());
        self.tokens()
    }

    pub(super) fn change_scopes(&mut self, scopes: &[&str]) {
        self.scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
        self.tokens.iter_mut().for_each(|token| token.is_revoked = true);
        self.refresh_token = None;
    }

    pub(super) fn expire_tokens(&mut self, now: Timestamp) {
        self.tokens.iter_mut().for_each(|token| token.expires = token.expires.min(now));
    }

    pub(super) fn revoke_refresh_token(&mut self) {
        self.refresh_token = None;
    }

    pub(super) fn refreshes(&self) -> u64 {
        self.refreshes
    }

    /// `POST /oauth/v2/accessToken`: status and body. Refusals as in RFC 6749, section 5.2.
    pub(super) fn refresh(&mut self, form: &BTreeMap<String, String>, now: Timestamp) -> (u16, Value) {
        let refusal = |status, error: &str, text: &str| (status, json!({"error": error, "error_description": text}));
        let field = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        if field("grant_type") != "refresh_token" {
            return refusal(400, "unsupported_grant_type", "The stand-in knows no grant but refresh_token");
        }
        if let Some(missing) = ["refresh_token", "client_id", "client_secret"].into_iter().find(|name| field(name).is_empty()) {
            return refusal(400, "invalid_request", &format!("The parameter {missing} is missing"));
        }
        if field("client_id") != self.client_id || field("client_secret") != self.client_secret {
            return refusal(401, "invalid_client", "The client is not the one it says");
        }
        let Some(known) = self.refresh_token.as_mut().filter(|known| known.text == field("refresh_token") && known.expires > now) else {
            return refusal(400, "invalid_grant", "The refresh token is invalid, expired or revoked");
        };
        if self.gives_new_refresh_tokens {
            known.text = format!("AQW{}", random_hex(24));
        }
        let (expires, scopes) = (known.expires.min(now + ACCESS_TOKEN_LIFE), known.scopes.clone());
        let (refresh_token, refresh_seconds) = (known.text.clone(), known.expires.as_second() - now.as_second());
        let scope = scopes.join(",");
        self.give_access_token(expires, scopes);
        self.refreshes += 1;
        let answer = json!({
            "access_token": self.tokens().access_token, "expires_in": expires.as_second() - now.as_second(), "refresh_token": refresh_token,
            "refresh_token_expires_in": refresh_seconds, "scope": scope, "token_type": "Bearer",
        });
        (200, answer)
    }

    fn give_access_token(&mut self, expires: Timestamp, scopes: Vec<String>) {
        self.tokens.push(AccessToken { text: format!("AQV{}", random_hex(24)), expires, is_revoked: false, scopes });
    }

    // --- limits -----------------------------------------------------------------------------------------------------------------------

    pub(super) fn limit_rate(&mut self, until: Timestamp) {
        self.limited_until = Some(until);
    }

    pub(super) fn limit_calls_per_day(&mut self, limit: DailyLimit, calls: u64) {
        self.daily_limits.retain(|(known, _)| *known != limit);
        self.daily_limits.push((limit, calls));
    }

    pub(super) fn calls_over_limit(&self) -> u64 {
        self.calls_over_limit
    }

    /// Counts a call of `resource` (each has a limit of its own) and refuses it when there were too many since midnight UTC. [limits]
    fn count_call(&mut self, resource: &'static str, now: Timestamp) -> Result<(), Refusal> {
        if day_of(now) != self.day {
            self.day = day_of(now);
            self.calls_today.clear();
        }
        let calls = self.calls_today.entry(resource).or_default();
        let passed = self.daily_limits.iter().find(|(_, most)| *calls >= *most).map(|(limit, _)| *limit);
        let text = match passed {
            Some(DailyLimit::App) => "Resource level throttle APPLICATION DAY limit for calls to this resource is reached.",
            Some(DailyLimit::Member) => "Resource level throttle MEMBER DAY limit for calls to this resource is reached.",
            None if self.limited_until.is_some_and(|until| until > now) => "Too many calls at the moment.",
            None => {
                *calls += 1;
                return Ok(());
            }
        };
        self.calls_over_limit += 1;
        // There is no `Retry-After` and no other header about limits. [limits]
        Err(Refusal::new(429, Some(101), "TOO_MANY_REQUESTS", text))
    }

    // --- judging a call ---------------------------------------------------------------------------------------------------------------

    pub(super) fn retire_versions_before(&mut self, version: &str) {
        self.oldest_version = version.to_owned();
    }

    /// Judges a call's headers; `scopes` are those of which one is needed.
    pub(super) fn check(&mut self, headers: &HeaderMap, resource: &'static str, scopes: &[&str], now: Timestamp) -> Result<(), Refusal> {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let granted = self.token_scopes(header("authorization"), now)?;
        self.check_version(header("linkedin-version"), now)?;
        if header("x-restli-protocol-version") != Some(PROTOCOL) {
            return Err(Refusal::bad_request(format!("Calls with Rest.li {PROTOCOL} keys need the header X-Restli-Protocol-Version")));
        }
        self.count_call(resource, now)?;
        if scopes.is_empty() || scopes.iter().any(|scope| granted.iter().any(|granted| granted == scope)) {
            return Ok(());
        }
        Err(Refusal::denied(resource))
    }

    /// 401 and its three codes: <https://github.com/jclusso/omniauth-linkedin-openid/issues/6> shows the shape.
    fn token_scopes(&self, authorization: Option<&str>, now: Timestamp) -> Result<Vec<String>, Refusal> {
        let bearer = authorization.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
        let refused = |service_code, code, text: &str| Err(Refusal::new(401, Some(service_code), code, text));
        match self.tokens.iter().find(|token| token.text == bearer) {
            None => refused(65600, "INVALID_ACCESS_TOKEN", "The access token is not one of this platform's"),
            Some(token) if token.is_revoked => refused(65601, "REVOKED_ACCESS_TOKEN", "The access token was revoked"),
            Some(token) if token.expires <= now => refused(65602, "EXPIRED_ACCESS_TOKEN", "The access token has expired"),
            Some(token) => Ok(token.scopes.clone()),
        }
    }

    /// [versions]; the refusal's shape: <https://github.com/n8n-io/n8n/issues/14737>. That a version beside YYYYMM is a 400 is ours.
    fn check_version(&self, version: Option<&str>, now: Timestamp) -> Result<(), Refusal> {
        let Some(version) = version else {
            return Err(Refusal::new(400, None, "VERSION_MISSING", "The header LinkedIn-Version is missing"));
        };
        let is_written_rightly = version.len() == 6 && version.bytes().all(|byte| byte.is_ascii_digit());
        if !is_written_rightly {
            return Err(Refusal::bad_request(format!("{version} is no version: they are written YYYYMM")));
        }
        if version < self.oldest_version.as_str() || *version > *version_of(now) {
            return Err(Refusal::new(426, None, "NONEXISTENT_VERSION", format!("Requested version {version}01 is not active")));
        }
        Ok(())
    }
}

/// The version of the month: a new one comes with every month. [versions]
pub(super) fn version_of(now: Timestamp) -> String {
    now.strftime("%Y%m").to_string()
}

fn day_of(now: Timestamp) -> Date {
    now.to_zoned(TimeZone::UTC).date()
}
