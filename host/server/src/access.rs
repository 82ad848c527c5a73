//! Who may do what: tokens, and the role each route of the API needs.
//!
//! A token is `spt_` and 32 random bytes in base64url. Only its SHA-256 is kept: it is shown once, when it is made. It is found by its hash, so
//! comparing takes the same time whatever was sent, and a revoked one is not found any more the moment it is revoked.

use axum::http::{HeaderMap, Method, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};
use sportello_core::commands::{Accepted, CreateToken};
use sportello_core::domain::access::{Role, TOKENS, TOKENS_BY_HASH, TokenHash};
use sportello_core::ids::TokenId;
use sportello_core::refusal::Refusal;
use sportello_views::ViewsError;
use thiserror::Error;

use crate::tenant::{SubmitError, Tenant};

/// What every token begins with, so that a scanner for leaked secrets can find it.
pub const TOKEN_PREFIX: &str = "spt_";
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// Longest text looked at as a token.
const TOKEN_CHARACTERS_MAX: usize = 128;

/// The least role of every route under `/api/v1/{tenant}`. A route that is not here is refused to everybody.
pub const ROLES: &[(&str, &str, Role)] = &[
    ("GET", "/me", Role::Viewer),
    ("GET", "/summary", Role::Viewer),
    ("GET", "/events", Role::Viewer),
    ("GET", "/cases", Role::Viewer),
    ("GET", "/cases/{case}", Role::Viewer),
    ("GET", "/cases/{case}/effects", Role::Viewer),
    ("GET", "/cases/{case}/runs", Role::Viewer),
    ("POST", "/cases/{case}/assign", Role::Agent),
    ("POST", "/cases/{case}/state", Role::Agent),
    ("POST", "/cases/{case}/priority", Role::Agent),
    ("POST", "/cases/{case}/replies", Role::Agent),
    ("POST", "/cases/{case}/activities", Role::Agent),
    ("GET", "/conversations/{conversation}", Role::Viewer),
    ("GET", "/conversations/{conversation}/interactions", Role::Viewer),
    ("GET", "/interactions/{interaction}", Role::Viewer),
    ("GET", "/profiles/{profile}", Role::Viewer),
    ("GET", "/profiles/{profile}/interactions", Role::Viewer),
    ("POST", "/profiles/{profile}/link", Role::Agent),
    ("POST", "/profiles/{profile}/unlink", Role::Agent),
    ("POST", "/profiles/{profile}/contact", Role::Agent),
    ("GET", "/people", Role::Viewer),
    ("GET", "/people/{person}", Role::Viewer),
    ("GET", "/people/{person}/history", Role::Viewer),
    ("DELETE", "/people/{person}", Role::Admin),
    ("GET", "/contacts", Role::Viewer),
    ("GET", "/contacts/{contact}", Role::Viewer),
    ("PATCH", "/contacts/{contact}", Role::Agent),
    ("GET", "/links/{link}", Role::Viewer),
    ("GET", "/effects", Role::Viewer),
    ("GET", "/effects/{effect}", Role::Viewer),
    ("POST", "/effects/{effect}/decision", Role::Agent),
    ("GET", "/channels", Role::Viewer),
    ("GET", "/channels/{channel}", Role::Viewer),
    ("PUT", "/channels/{channel}", Role::Operator),
    ("POST", "/channels/{channel}/grant", Role::Operator),
    ("POST", "/channels/{channel}/enable", Role::Operator),
    ("POST", "/channels/{channel}/disable", Role::Operator),
    ("POST", "/channels/{channel}/posts", Role::Agent),
    ("GET", "/connectors", Role::Viewer),
    ("POST", "/connectors", Role::Operator),
    ("POST", "/connectors/{digest}/retire", Role::Operator),
    ("GET", "/deliveries", Role::Viewer),
    ("GET", "/deliveries/{delivery}", Role::Viewer),
    ("POST", "/deliveries/{delivery}/replay", Role::Operator),
    ("GET", "/workflows", Role::Viewer),
    ("GET", "/workflows/{workflow}", Role::Viewer),
    ("PUT", "/workflows/{workflow}", Role::Operator),
    ("POST", "/workflows/{workflow}/retire", Role::Operator),
    ("GET", "/runs/{run}", Role::Viewer),
    ("POST", "/runs/{run}/cancel", Role::Operator),
    ("GET", "/tokens", Role::Admin),
    ("POST", "/tokens", Role::Admin),
    ("DELETE", "/tokens/{token}", Role::Admin),
];

/// The least role of a route, by its path under `/api/v1/{tenant}`.
pub(crate) fn needed_role(method: &Method, path: &str) -> Option<Role> {
    // The router answers HEAD where there is GET.
    let method = if method == Method::HEAD { Method::GET } else { method.clone() };
    ROLES.iter().find(|(known, pattern, _)| *known == method.as_str() && *pattern == path).map(|(_, _, role)| *role)
}

/// A role's word.
pub(crate) const fn role_word(role: Role) -> &'static str {
    match role {
        Role::Viewer => "viewer",
        Role::Agent => "agent",
        Role::Operator => "operator",
        Role::Admin => "admin",
    }
}

/// Why no token was made.
#[derive(Debug, Error)]
pub enum AccessError {
    /// The system gave no random bytes.
    #[error("the system gave no random bytes for a token; nothing was made, try again")]
    Random,
    /// The tenant refused, is overloaded or has stopped.
    #[error(transparent)]
    Submit(#[from] SubmitError),
}

/// A token that has just been made. Its secret cannot be had again.
pub struct NewToken {
    /// Its number, by which it is revoked.
    pub token: TokenId,
    /// What its holder sends.
    pub secret: String,
}

/// Makes a token; returns once it is durable. `actor` stands in the record as who made it.
///
/// # Errors
/// [`AccessError`].
pub async fn create_token(tenant: &Tenant, actor: &str, name: &str, role: Role) -> Result<NewToken, AccessError> {
    // `channel:…` and `worker:…` stand in the record for what the host does itself.
    if name.contains(':') {
        return Err(SubmitError::Refused(Refusal::Invalid(format!("a token's name has no ':', unlike {name:?}"))).into());
    }
    let mut bytes = [0; TOKEN_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| AccessError::Random)?;
    let secret = format!("{TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes));
    let command = CreateToken { name: name.to_owned(), role, hash: hash(&secret) };
    match tenant.submit(actor, command).await? {
        Accepted::Token(token) => Ok(NewToken { token, secret }),
        // The core answers this command with a token.
        _ => Err(AccessError::Random),
    }
}

/// What a token's secret is found by.
fn hash(secret: &str) -> TokenHash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, secret.as_bytes()).as_ref());
    TokenHash(hash)
}

/// Whose token a request brings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) token: TokenId,
    pub(crate) name: String,
    pub(crate) role: Role,
}

/// The token of a request's `Authorization` header, if it brings one in force.
pub(crate) fn holder(tenant: &Tenant, headers: &HeaderMap) -> Result<Option<Holder>, ViewsError> {
    let Some(secret) = bearer(headers) else { return Ok(None) };
    let Some(token) = tenant.get(&TOKENS_BY_HASH, &hash(secret))? else { return Ok(None) };
    let row = tenant.get(&TOKENS, &token)?.filter(|row| !row.revoked);
    Ok(row.map(|row| Holder { token, name: row.name, role: row.role }))
}

/// Whether a token is still in force, for what lasts longer than one request.
pub(crate) fn in_force(tenant: &Tenant, token: TokenId) -> bool {
    tenant.get(&TOKENS, &token).is_ok_and(|row| row.is_some_and(|row| !row.revoked))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, secret) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let secret = secret.trim();
    (scheme.eq_ignore_ascii_case("bearer") && secret.starts_with(TOKEN_PREFIX) && secret.len() <= TOKEN_CHARACTERS_MAX).then_some(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_route_stands_twice_in_the_table_and_head_needs_what_get_does() {
        for (place, (method, path, _)) in ROLES.iter().enumerate() {
            assert!(!ROLES[..place].iter().any(|(other, earlier, _)| other == method && earlier == path), "{method} {path} stands twice");
        }
        assert_eq!(needed_role(&Method::HEAD, "/cases"), Some(Role::Viewer));
        assert_eq!(needed_role(&Method::DELETE, "/cases"), None);
    }

    #[test]
    fn a_text_too_long_for_a_token_is_not_looked_at() {
        let of = |characters: usize| {
            let secret = format!("{TOKEN_PREFIX}{}", "x".repeat(characters - TOKEN_PREFIX.len()));
            let headers = HeaderMap::from_iter([(header::AUTHORIZATION, format!("Bearer {secret}").parse().unwrap())]);
            bearer(&headers).map(str::len)
        };
        assert_eq!(of(TOKEN_CHARACTERS_MAX), Some(TOKEN_CHARACTERS_MAX));
        assert_eq!(of(TOKEN_CHARACTERS_MAX + 1), None);
    }

    #[test]
    fn only_a_bearer_token_of_ours_is_looked_up() {
        let with = |value: &str| HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
        assert_eq!(bearer(&with("bearer spt_x")), Some("spt_x"));
        assert_eq!(bearer(&with("Basic spt_x")), None);
        assert_eq!(bearer(&with("Bearer other")), None);
        assert_eq!(bearer(&with(&format!("Bearer spt_{}", "x".repeat(200)))), None);
        assert_eq!(bearer(&HeaderMap::new()), None);
    }
}
