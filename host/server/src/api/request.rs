//! How requests are read: what stands in the path, in the query and in the body, each with its limit.

use std::str::FromStr;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sportello_views::Direction;
use utoipa::{IntoParams, ToSchema};

use crate::api::problem::Problem;

/// Largest JSON body, in bytes.
pub(crate) const JSON_BYTES_MAX: usize = 256 * 1024;
/// Items of a page where the caller does not say.
const PAGE_ITEMS: usize = 50;
/// Most items of a page.
const PAGE_ITEMS_MAX: usize = 200;

/// What the path names after the tenant.
pub(crate) struct At<T>(pub(crate) T);

impl<S: Send + Sync, T: FromStr> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = parts.uri.path().to_owned();
        let named = RawPathParams::from_request_parts(parts, state).await.map_err(|_| Problem::no_route(&path))?;
        let (name, text) = named.iter().last().ok_or_else(|| Problem::no_route(&path))?;
        text.parse().map(Self).map_err(|_| Problem::not_found(name, text))
    }
}

/// The query. A parameter nobody knows is refused by its name.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        query.map(|query| Self(query.0)).map_err(|error| Problem::malformed(format!("the query: {}", innermost(&error))))
    }
}

/// A JSON body. A field nobody knows is refused by its name.
pub(crate) struct Given<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Given<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        if !is_of_type(request.headers(), &["application/json"]) {
            return Err(Problem::media_type("application/json"));
        }
        let body = read_body(request.into_body(), JSON_BYTES_MAX).await?;
        match serde_json::from_slice(&body) {
            Ok(given) => Ok(Self(given)),
            Err(error) if error.is_data() => Err(Problem::invalid(format!("the body: {error}"))),
            Err(error) => Err(Problem::malformed(format!("the body is no JSON: {error}"))),
        }
    }
}

/// A JSON body that may be left out.
pub(crate) struct MaybeGiven<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Default> FromRequest<S> for MaybeGiven<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (parts, body) = request.into_parts();
        let body = read_body(body, JSON_BYTES_MAX).await?;
        if body.is_empty() {
            return Ok(Self(T::default()));
        }
        Given::from_request(Request::from_parts(parts, body.into()), state).await.map(|Given(given)| Self(given))
    }
}

/// Whether the body is said to be one of these media types.
pub(crate) fn is_of_type(headers: &HeaderMap, types: &[&str]) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let given = given.split(';').next().unwrap_or_default().trim();
    types.iter().any(|known| given.eq_ignore_ascii_case(known))
}

/// Reads a body of at most `limit_bytes`.
pub(crate) async fn read_body(body: Body, limit_bytes: usize) -> Result<Bytes, Problem> {
    match Limited::new(body, limit_bytes).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.downcast_ref::<LengthLimitError>().is_some() => Err(Problem::too_large(limit_bytes)),
        Err(_) => Err(Problem::malformed("the body broke off")),
    }
}

/// The order of a list.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Order {
    /// The latest first.
    #[default]
    Newest,
    /// The earliest first.
    Oldest,
}

impl Order {
    pub(crate) const fn direction(self) -> Direction {
        match self {
            Self::Newest => Direction::Backward,
            Self::Oldest => Direction::Forward,
        }
    }
}

/// Which part of a list.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// Items of the page, 1 to 200. Default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// The `next` of the page before.
    after: Option<String>,
    /// `newest` (default) or `oldest` first.
    #[param(inline)]
    order: Option<Order>,
}

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The items, in order.
    pub(crate) items: Vec<T>,
    /// Give this as `after` for the next page; null: this is the last one.
    pub(crate) next: Option<String>,
}

impl Paging {
    pub(crate) fn of(limit: Option<usize>, after: Option<String>, order: Option<Order>) -> Self {
        Self { limit, after, order }
    }

    /// The first `limit` of the latest.
    pub(crate) fn first(limit: usize) -> Self {
        Self { limit: Some(limit), ..Self::default() }
    }

    pub(crate) fn limit(&self) -> Result<usize, Problem> {
        match self.limit.unwrap_or(PAGE_ITEMS) {
            limit @ 1..=PAGE_ITEMS_MAX => Ok(limit),
            limit => Err(Problem::invalid(format!("limit is between 1 and {PAGE_ITEMS_MAX}, not {limit}"))),
        }
    }

    pub(crate) fn direction(&self) -> Direction {
        self.order.unwrap_or_default().direction()
    }

    /// The key the page before ended with. It is checked to lie in the list: it comes from outside.
    pub(crate) fn after(&self, prefix: &[u8]) -> Result<Option<Vec<u8>>, Problem> {
        let Some(text) = &self.after else { return Ok(None) };
        let key = URL_SAFE_NO_PAD.decode(text).ok().filter(|key| key.starts_with(prefix) && key.len() > prefix.len());
        key.map(Some).ok_or_else(|| Problem::invalid("after is not the \"next\" of a page of this list"))
    }
}

/// A key as a page's `next`.
pub(crate) fn cursor(key: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

fn innermost(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_at_least_one_row_and_no_more_than_the_most() {
        let limit = |limit| Paging { limit, ..Paging::default() }.limit();
        assert_eq!(limit(None).unwrap(), PAGE_ITEMS);
        assert_eq!((limit(Some(1)).unwrap(), limit(Some(PAGE_ITEMS_MAX)).unwrap()), (1, PAGE_ITEMS_MAX));
        for wrong in [0, PAGE_ITEMS_MAX + 1, usize::MAX] {
            assert!(limit(Some(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_page_goes_on_within_its_own_list_only() {
        let after = |text: &str| Paging { after: Some(text.to_owned()), ..Paging::default() }.after(b"list-a");
        assert_eq!(after(&cursor(b"list-a-7")).unwrap().unwrap(), b"list-a-7");
        for wrong in [cursor(b"list-b-7"), cursor(b"list-a"), "%%%".to_owned(), String::new()] {
            assert!(after(&wrong).is_err(), "{wrong}");
        }
    }
}
