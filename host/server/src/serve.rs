//! From a configuration to a running host.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use sportello_core::ids::{ChannelName, Digest};
use sportello_runtime::{Runtime, RuntimeOptions};
use sportello_workflow::commands::DefineWorkflow;
use thiserror::Error;
use tokio::net::TcpListener;

use crate::api;
use crate::channels::ChannelError;
use crate::clock::{Clock, SystemClock};
use crate::config::{ChannelConfig, Config, TenantConfig};
use crate::connectors::{ConnectorError, Connectors, core_digest, install_command};
use crate::desk::{Desk, Host};
use crate::ingress::{deletions, webhook};
use crate::listen::{self, ListenLimits};
use crate::metrics::TenantGauges;
use crate::tenant::{SubmitError, Tenant, TenantError, TenantOptions};
use crate::watch_folder;

/// Who stands in the record for what the configuration file says.
const ACTOR: &str = "configuration";

/// Why the host cannot start, or had to stop.
#[derive(Debug, Error)]
pub enum ServeError {
    /// A tenant's files.
    #[error("tenant {tenant}: {source}")]
    Tenant {
        /// Which.
        tenant: String,
        /// What is wrong.
        source: TenantError,
    },
    /// The runtime or a component.
    #[error(transparent)]
    Connector(#[from] ConnectorError),
    /// A component that the configuration names.
    #[error("{place}: component {path}: {source}")]
    Component {
        /// Its table in the file.
        place: String,
        /// The component's file.
        path: String,
        /// What is wrong.
        source: ConnectorError,
    },
    /// A channel of the configuration.
    #[error("{place}: {source}")]
    Channel {
        /// Its table in the file.
        place: String,
        /// What is wrong.
        source: ChannelError,
    },
    /// A workflow of the configuration; the message has file, line and column.
    #[error("{0}")]
    Workflow(String),
    /// A file of the configuration.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The tenant refused what the configuration says.
    #[error("{place}: {source}")]
    Submit {
        /// Its place in the file.
        place: String,
        /// What is wrong.
        source: SubmitError,
    },
    /// The address cannot be listened on.
    #[error("{address} cannot be listened on: {source}; choose another in [listen]")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// Opens every tenant of a configuration, without starting anything.
///
/// # Errors
/// [`ServeError`].
pub fn open_tenants(config: &Config, progress: &mut dyn FnMut(&str, u64, u64)) -> Result<Vec<Arc<Tenant>>, ServeError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let data = config.resolve(&config.data);
    let open = |name: &String| {
        let folder = data.join("tenants").join(name);
        let mut told = |applied, last| progress(name, applied, last);
        Tenant::open(name, &folder, &TenantOptions::default(), Arc::clone(&clock), &mut told)
            .map_err(|source| ServeError::Tenant { tenant: name.clone(), source })
    };
    config.tenants.keys().map(open).collect()
}

/// A host of a configuration: tenants open, components loaded, channels and workflows of the file in force, workers not yet started.
///
/// # Errors
/// [`ServeError`].
pub async fn build(config: &Config, tenants: Vec<Arc<Tenant>>) -> Result<Arc<Host>, ServeError> {
    let data = config.resolve(&config.data);
    let options = RuntimeOptions { compiled_folder: Some(data.join("compiled")), outbound: config.outbound(), ..RuntimeOptions::default() };
    let runtime = Runtime::new(options).map_err(ConnectorError::from)?;
    let connectors = Connectors::new(runtime, &data.join("connectors"))?;
    let with_secrets = |tenant: Arc<Tenant>| {
        let secrets = config.secrets(tenant.name());
        (tenant, secrets)
    };
    let host = Host::new(tenants.into_iter().map(with_secrets).collect(), connectors)
        .await
        .map_err(|source| ServeError::Channel { place: config.path.display().to_string(), source })?;
    for (name, tenant) in &config.tenants {
        let Some(desk) = host.desk(name) else { continue };
        apply_tenant(config, &host, &desk, tenant).await?;
    }
    Ok(host)
}

async fn apply_tenant(config: &Config, host: &Host, desk: &Desk, tenant: &TenantConfig) -> Result<(), ServeError> {
    for (name, channel) in &tenant.channels {
        apply_channel(config, host, desk, name, channel).await?;
    }
    for path in &tenant.workflows {
        for file in workflow_files(&config.resolve(path))? {
            define_workflow(desk, &file).await?;
        }
    }
    Ok(())
}

async fn apply_channel(config: &Config, host: &Host, desk: &Desk, name: &str, channel: &ChannelConfig) -> Result<(), ServeError> {
    let place = format!("{}: [tenants.{}.channels.{name}]", config.path.display(), desk.tenant.name());
    let failed = |source| ServeError::Channel { place: place.clone(), source };
    // Checked when the file was read.
    let Ok(name) = ChannelName::new(name) else { return Ok(()) };
    let digest = match (&channel.component, &channel.grant) {
        (Some(component), _) => {
            let path = config.resolve(component);
            let shown = path.display().to_string();
            let unusable = |source| ServeError::Component { place: place.clone(), path: shown.clone(), source };
            let bytes = std::fs::read(&path).map_err(|source| unusable(ConnectorError::Unread(source)))?;
            let prepared = host.connectors.install(&bytes).await.map_err(unusable)?;
            let submitted = desk.tenant.submit(ACTOR, install_command(&prepared)).await;
            submitted.map_err(|source| ServeError::Submit { place: place.clone(), source })?;
            Some(core_digest(&prepared))
        }
        (None, Some(grant)) => Some(parse_digest(&place, grant)?),
        (None, None) => None,
    };
    let settings = channel.settings();
    let applied = match digest {
        Some(digest) => desk.channels.set_up(ACTOR, &name, settings, digest).await,
        None => desk.channels.configure(ACTOR, &name, settings).await,
    };
    applied.map_err(failed)
}

fn parse_digest(place: &str, text: &str) -> Result<Digest, ServeError> {
    let bytes = hex::decode(text).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    bytes.map(Digest).ok_or_else(|| ServeError::File {
        path: place.to_owned(),
        source: std::io::Error::new(
            std::io::ErrorKind::InvalidInput,
            "grant is the 64 hexadecimal digits that `sportello connector list` shows",
        ),
    })
}

/// The workflow files of a path: itself, or what a folder holds, in order of their names.
///
/// # Errors
/// [`ServeError::File`].
pub fn workflow_files(path: &Path) -> Result<Vec<PathBuf>, ServeError> {
    let failed = |source| ServeError::File { path: path.display().to_string(), source };
    if !path.metadata().map_err(failed)?.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(failed)?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml"))
        .collect();
    files.sort();
    Ok(files)
}

async fn define_workflow(desk: &Desk, path: &Path) -> Result<(), ServeError> {
    let shown = path.display().to_string();
    let source = std::fs::read_to_string(path).map_err(|source| ServeError::File { path: shown.clone(), source })?;
    let checked = sportello_workflow::check(&source, &shown)
        .map_err(|problems| ServeError::Workflow(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    let command = DefineWorkflow { name: checked.name, hash: checked.hash, source, plan: checked.plan };
    desk.tenant.submit_workflow(ACTOR, command).await.map_err(|source| ServeError::Submit { place: shown, source })?;
    Ok(())
}

/// Everything that is answered over HTTP.
pub fn router(host: Arc<Host>) -> Router {
    let api = api::router(&host);
    Router::new()
        .route("/hooks/{tenant}/{channel}", get(webhook::handle).post(webhook::handle))
        .route("/hooks/{tenant}/{channel}/deletions/{code}", get(deletions::show))
        .route("/metrics", get(metrics))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(host)
        .merge(api)
}

async fn metrics(axum::extract::State(host): axum::extract::State<Arc<Host>>) -> impl axum::response::IntoResponse {
    for desk in host.desks() {
        let gauges = TenantGauges {
            queued_commands: desk.tenant.queued_commands() as u64,
            view_lag_records: desk.tenant.view_metrics().lag_records,
            durable_sequence: *desk.tenant.watch_durable().borrow(),
        };
        host.metrics.tenant(desk.tenant.name(), gauges);
    }
    ([(axum::http::header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], host.metrics.text())
}

/// Ready means that every tenant takes commands.
async fn ready(axum::extract::State(host): axum::extract::State<Arc<Host>>) -> (axum::http::StatusCode, String) {
    for desk in host.desks() {
        if let Some(reason) = desk.tenant.watch_stopped().borrow().as_deref() {
            return (axum::http::StatusCode::SERVICE_UNAVAILABLE, format!("tenant {} has stopped: {reason}\n", desk.tenant.name()));
        }
    }
    (axum::http::StatusCode::OK, "ready\n".to_owned())
}

/// Runs until the host is told to stop, then shuts down in order: no new connections, requests under way finish (or are cut off after 35
/// seconds), workers stop, files close.
///
/// # Errors
/// [`ServeError`].
pub async fn serve(config: &Config, host: Arc<Host>, on_listening: impl FnOnce(SocketAddr)) -> Result<(), ServeError> {
    let address = config.listen.address;
    let failed = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    host.start_workers();
    let mut watching = None;
    if let Some(folder) = &config.connectors.watch {
        let folder = config.resolve(folder);
        std::fs::create_dir_all(&folder).map_err(|source| ServeError::File { path: folder.display().to_string(), source })?;
        watching = Some(tokio::spawn(watch_folder::run(Arc::clone(&host), folder, host.stopping())));
    }
    on_listening(listener.local_addr().map_err(failed)?);
    let stopping = host.stopping();
    listen::serve(listener, router(Arc::clone(&host)), &ListenLimits::default(), stopping).await;
    if let Some(watching) = watching {
        let _ = watching.await;
    }
    host.shut_down().await.map_err(|source| ServeError::Tenant { tenant: "(closing)".to_owned(), source })
}
