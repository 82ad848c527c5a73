//! Who may call the Graph API: tokens, proofs, permissions.

use ring::hmac;

use super::FacebookSettings;
use super::problem::GraphError;

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
        }
    }

    /// Whose token it is, or why it is none.
    pub(super) fn caller(&self, token: Option<&str>) -> Result<Caller, GraphError> {
        let bad_token = |subcode, text: &str| Err(GraphError::new("OAuthException", 190, subcode, text));
        match token {
            None => Err(GraphError::new("OAuthException", 104, None, "An access token is required to request this resource.")),
            Some(token) if token == self.app_token => Ok(Caller::App),
            Some(token) if self.retired.iter().any(|old| old == token) => bad_token(
                Some(460),
                "Error validating access token: The session has been invalidated because the user changed their password or Facebook has changed the session for security reasons.",
            ),
            Some(token) if token != self.token => bad_token(None, "Invalid OAuth access token - Cannot parse access token"),
            Some(_) if self.state == TokenState::Expired => bad_token(Some(463), "Error validating access token: Session has expired."),
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
