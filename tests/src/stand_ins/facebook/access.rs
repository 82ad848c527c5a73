//! Who may call the Graph API: tokens, proofs, permissions.

use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use serde_json::{Value, json};

use super::FacebookSettings;
use super::problem::GraphError;

/// For how long what people gave the app may be read after they used it last. <https://developers.facebook.com/docs/facebook-login/auth-vs-data>
const DATA_ACCESS_TIME: SignedDuration = SignedDuration::from_hours(90 * 24);

/// What a page token may be allowed. [posts]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// `pages_manage_posts`: to publish posts.
    ManagePosts,
    /// `pages_manage_engagement`: to write comments.
    ManageEngagement,
    /// `pages_read_engagement`: to read what the page publishes.
    ReadEngagement,
    /// `pages_read_user_content`: to read what others write on the page.
    ReadUserContent,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::ManagePosts, Self::ManageEngagement, Self::ReadEngagement, Self::ReadUserContent];

    /// As it is called where tokens are described.
    fn name(self) -> &'static str {
        match self {
            Self::ManagePosts => "pages_manage_posts",
            Self::ManageEngagement => "pages_manage_engagement",
            Self::ReadEngagement => "pages_read_engagement",
            Self::ReadUserContent => "pages_read_user_content",
        }
    }
}

/// Whose token a call brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    Page,
    App,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenState {
    Valid,
    Expired,
}

/// Who may call now.
#[derive(Debug)]
pub(super) struct Access {
    /// The app's own token. [tokens]
    app_token: String,
    app_secret: String,
    token: String,
    permissions: Vec<Permission>,
    retired: Vec<String>,
    state: TokenState,
    /// When the token ends by itself; None: never.
    ends: Option<Timestamp>,
    /// When nothing of people can be read with it any more. <https://developers.facebook.com/docs/facebook-login/auth-vs-data>
    data_access_ends: Timestamp,
}

impl Access {
    pub(super) fn new(settings: &FacebookSettings) -> Self {
        Self {
            app_token: app_token(settings),
            app_secret: settings.app_secret.clone(),
            token: settings.access_token.clone(),
            permissions: settings.permissions.clone(),
            retired: Vec::new(),
            state: TokenState::Valid,
            ends: None,
            data_access_ends: settings.now + DATA_ACCESS_TIME,
        }
    }

    /// Whose token it is at this time, or why it is none.
    pub(super) fn caller(&self, token: Option<&str>, now: Timestamp) -> Result<Caller, GraphError> {
        let bad_token = |subcode, text: &str| Err(GraphError::new("OAuthException", 190, subcode, text));
        match token {
            None => Err(GraphError::new("OAuthException", 104, None, "An access token is required to request this resource.")),
            Some(token) if token == self.app_token => Ok(Caller::App),
            Some(token) if self.retired.iter().any(|old| old == token) => bad_token(
                Some(460),
                "Error validating access token: The session has been invalidated because the user changed their password or Facebook has changed the session for security reasons.",
            ),
            Some(token) if token != self.token => bad_token(None, "Invalid OAuth access token - Cannot parse access token"),
            Some(_) if self.state == TokenState::Expired || self.ends.is_some_and(|ends| ends <= now) => {
                bad_token(Some(463), "Error validating access token: Session has expired.")
            }
            Some(_) => Ok(Caller::Page),
        }
    }

    /// Whether the proof, where one is given, is of this token. What is seen where it is not:
    /// <https://developers.facebook.com/docs/graph-api/guides/secure-requests>.
    pub(super) fn check_proof(&self, token: Option<&str>, proof: Option<&str>) -> Result<(), GraphError> {
        let is_right = proof.is_none_or(|proof| token.is_some_and(|token| proof == app_secret_proof(&self.app_secret, token)));
        let refusal = || GraphError::new("GraphMethodException", 100, None, "Invalid appsecret_proof provided in the API argument");
        is_right.then_some(()).ok_or_else(refusal)
    }

    pub(super) fn token(&self) -> &str {
        &self.token
    }

    pub(super) fn expire(&mut self) {
        self.state = TokenState::Expired;
    }

    pub(super) fn renew(&mut self, token: &str) {
        self.retired.push(std::mem::replace(&mut self.token, token.to_owned()));
        self.state = TokenState::Valid;
        self.ends = None;
    }

    pub(super) fn end_at(&mut self, ends: Timestamp) {
        self.ends = Some(ends);
    }

    /// What is told of a token of this app. <https://developers.facebook.com/docs/facebook-login/guides/%20access-tokens/debugging>
    pub(super) fn described(&self, token: &str, page_id: &str, now: Timestamp) -> Value {
        match self.caller(Some(token), now) {
            Ok(Caller::Page) => json!({
                "app_id": self.app_id(), "type": "PAGE", "application": "Sportello", "data_access_expires_at": self.data_access_ends.as_second(),
                "expires_at": self.ends.map_or(0, Timestamp::as_second), "is_valid": true, "profile_id": page_id,
                "scopes": self.permissions.iter().map(|permission| permission.name()).collect::<Vec<_>>(),
            }),
            Ok(Caller::App) => json!({"app_id": self.app_id(), "type": "APP", "application": "Sportello", "is_valid": true, "scopes": []}),
            Err(error) => {
                let mut told = json!({"error": {"code": error.code, "message": error.message}, "is_valid": false, "scopes": []});
                if let Some(subcode) = error.subcode {
                    told["error"]["subcode"] = json!(subcode);
                }
                told
            }
        }
    }

    fn app_id(&self) -> &str {
        self.app_token.split('|').next().unwrap_or_default()
    }

    pub(super) fn allow(&mut self, permissions: &[Permission]) {
        self.permissions = permissions.to_vec();
    }

    /// Whether the token is allowed all of this; otherwise the refusal. Its words are those that are seen where posts are published.
    /// <https://github.com/Codeinwp/tweet-old-post/issues/649>, and for reading <https://github.com/sns-sdks/python-facebook/issues/102>; the same are
    /// seen where `pages_read_user_content` alone is missing. <https://github.com/pdir/social-feed-bundle/issues/184>
    pub(super) fn require(&self, permissions: &[Permission]) -> Result<(), GraphError> {
        if permissions.iter().all(|permission| self.permissions.contains(permission)) {
            return Ok(());
        }
        Err(match permissions {
            [Permission::ReadEngagement, ..] => GraphError::new(
                "OAuthException",
                10,
                None,
                "(#10) This endpoint requires the 'pages_read_engagement' permission or the 'Page Public Content Access' feature.",
            ),
            _ => GraphError::new(
                "OAuthException",
                200,
                None,
                "(#200) If posting to a page, requires both pages_read_engagement and pages_manage_posts as an admin with sufficient administrative permission",
            ),
        })
    }
}

/// `{app-id}|{app-secret}`. [tokens]
pub(super) fn app_token(settings: &FacebookSettings) -> String {
    format!("{}|{}", settings.app_id, settings.app_secret)
}

/// A token's MAC under the app's secret, in lower-case digits. <https://developers.facebook.com/docs/graph-api/guides/secure-requests>
pub(super) fn app_secret_proof(app_secret: &str, token: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, app_secret.as_bytes());
    hex::encode(hmac::sign(&key, token.as_bytes()))
}
