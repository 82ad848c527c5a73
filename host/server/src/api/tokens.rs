//! Tokens: who may do what.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use sportello_core::commands::RevokeToken;
use sportello_core::domain::access::{Role, TOKENS, Token};
use sportello_core::ids::TokenId;
use utoipa::ToSchema;

use crate::access::create_token;
use crate::api::problem::Problem;
use crate::api::request::{Asked, At, Given, Page, Paging};
use crate::api::vocabulary::{self, Moment};
use crate::api::{Answer, Caller, number, reading};

/// A token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TokenView {
    /// Its number.
    token: u64,
    /// Whose it is; what stands in the record of what was done with it.
    name: String,
    /// What it may do.
    #[schema(schema_with = vocabulary::role)]
    role: Role,
    /// When it was made.
    created_at: Moment,
    /// Whether it has been revoked.
    revoked: bool,
}

/// A token that has just been made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct NewTokenView {
    /// The token.
    token: TokenView,
    /// What its holder sends as `Authorization: Bearer …`. It is shown this once.
    secret: String,
}

/// A token to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TokenGiven {
    /// Whose it is, 1 to 64 characters.
    name: String,
    /// What it may do.
    #[schema(schema_with = vocabulary::role)]
    role: Role,
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MeView {
    /// The tenant.
    tenant: String,
    /// The token's number.
    token: u64,
    /// The token's name.
    name: String,
    /// What it may do.
    #[schema(schema_with = vocabulary::role)]
    role: Role,
}

fn view(id: TokenId, row: Token) -> TokenView {
    TokenView { token: id.0, name: row.name, role: row.role, created_at: row.created_at.into(), revoked: row.revoked }
}

async fn shown(caller: Caller, id: TokenId) -> Answer<TokenView> {
    reading(caller, move |caller| Ok(view(id, caller.row(&TOKENS, &id, "token")?))).await
}

/// What the token you send may do.
#[utoipa::path(get, path = "/me", tag = "tokens", operation_id = "me", responses((status = 200, description = "Who you are here", body = MeView)))]
pub(crate) async fn me(caller: Caller) -> Json<MeView> {
    Json(MeView { tenant: caller.tenant().name().to_owned(), token: caller.token.0, name: caller.name.clone(), role: caller.role })
}

/// Tokens, revoked ones too.
#[utoipa::path(get, path = "/tokens", tag = "tokens", operation_id = "list_tokens", params(Paging), responses((status = 200, description = "A page of tokens", body = Page<TokenView>)))]
pub(crate) async fn list(caller: Caller, Asked(paging): Asked<Paging>) -> Answer<Page<TokenView>> {
    reading(caller, move |caller| caller.page(&TOKENS, &[], &paging, |key, row| Ok(Some(view(TokenId(number(key)), row))))).await
}

/// Makes a token.
#[utoipa::path(post, path = "/tokens", tag = "tokens", operation_id = "create_token", request_body = TokenGiven, responses((status = 201, description = "The token with its secret", body = NewTokenView)))]
pub(crate) async fn create(caller: Caller, Given(given): Given<TokenGiven>) -> Result<Response, Problem> {
    let made = create_token(caller.tenant(), &caller.name, &given.name, given.role).await?;
    let Json(token) = shown(caller, made.token).await?;
    Ok((StatusCode::CREATED, Json(NewTokenView { token, secret: made.secret })).into_response())
}

/// Revokes a token, at once and for ever.
#[utoipa::path(delete, path = "/tokens/{token}", tag = "tokens", operation_id = "revoke_token", responses((status = 200, description = "The token as it is now", body = TokenView)))]
pub(crate) async fn revoke(caller: Caller, At(id): At<u64>) -> Answer<TokenView> {
    caller.tenant().submit(&caller.name, RevokeToken { token: TokenId(id) }).await?;
    shown(caller, TokenId(id)).await
}
