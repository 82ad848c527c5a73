//! Connectors: installed components. Installing one makes nothing live; a channel's grant does.

use axum::Json;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;
use sportello_core::commands::RetireConnector;
use sportello_core::domain::connector::{CONNECTORS, Connector};
use sportello_core::ids::Digest;
use sportello_runtime::limits::EngineLimits;
use utoipa::ToSchema;

use crate::api::problem::Problem;
use crate::api::request::{Asked, At, Page, Paging, is_of_type, read_body};
use crate::api::vocabulary::Moment;
use crate::api::{Answer, Caller, reading};
use crate::connectors::{core_digest, install_command};

/// An installed component.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ConnectorView {
    /// Its SHA-256: what a channel is granted to.
    digest: String,
    /// Its manifest's name.
    name: String,
    /// Its manifest's version.
    version: String,
    /// When it was installed first.
    installed_at: Moment,
    /// Whether it has been retired: no new grants.
    retired: bool,
}

fn view(digest: &[u8], row: Connector) -> ConnectorView {
    ConnectorView {
        digest: hex::encode(digest),
        name: row.name,
        version: row.version,
        installed_at: row.installed_at.into(),
        retired: row.retired,
    }
}

/// Reads the 64 hexadecimal digits of a digest.
pub(crate) fn parse_digest(text: &str) -> Result<Digest, Problem> {
    let bytes = hex::decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes.map(Digest).ok_or_else(|| Problem::invalid("a digest is the 64 hexadecimal digits that GET …/connectors shows"))
}

async fn shown(caller: Caller, digest: Digest) -> Answer<ConnectorView> {
    reading(caller, move |caller| {
        let row = caller.tenant().get(&CONNECTORS, &digest)?;
        let row = row.ok_or_else(|| Problem::not_found("installed connector", hex::encode(digest.0)))?;
        Ok(view(&digest.0, row))
    })
    .await
}

/// Installed components, by digest.
#[utoipa::path(get, path = "/connectors", tag = "connectors", operation_id = "list_connectors", params(Paging), responses((status = 200, description = "A page of components", body = Page<ConnectorView>)))]
pub(crate) async fn list(caller: Caller, Asked(paging): Asked<Paging>) -> Answer<Page<ConnectorView>> {
    reading(caller, move |caller| caller.page(&CONNECTORS, &[], &paging, |key, row| Ok(Some(view(key, row))))).await
}

/// Installs a component: it is checked, compiled and kept. Installing the same again changes nothing.
#[utoipa::path(post, path = "/connectors", tag = "connectors", operation_id = "install_connector", request_body(content = Vec<u8>, content_type = "application/wasm", description = "The component, at most 32 MiB"), responses((status = 201, description = "It is installed", body = ConnectorView)))]
pub(crate) async fn install(caller: Caller, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    if !is_of_type(&headers, &["application/wasm"]) {
        return Err(Problem::media_type("application/wasm"));
    }
    let Ok(_place) = caller.installs.try_acquire() else {
        return Err(Problem::overloaded("another component is being installed; try again in a second"));
    };
    let bytes = read_body(body, EngineLimits::default().component_bytes_max).await?;
    let prepared = caller.connectors.install(&bytes).await?;
    caller.tenant().submit(&caller.name, install_command(&prepared)).await?;
    let Json(view) = shown(caller.clone(), core_digest(&prepared)).await?;
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// Retires a component: no new grants; where it is live it stays so.
#[utoipa::path(post, path = "/connectors/{digest}/retire", tag = "connectors", operation_id = "retire_connector", responses((status = 200, description = "The component as it is now", body = ConnectorView)))]
pub(crate) async fn retire(caller: Caller, At(digest): At<String>) -> Answer<ConnectorView> {
    let digest = parse_digest(&digest)?;
    caller.tenant().submit(&caller.name, RetireConnector { digest }).await?;
    shown(caller, digest).await
}
