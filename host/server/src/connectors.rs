//! Installed components: checked by the runtime, kept by digest in one folder, loaded when a channel needs them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use sportello_core::commands::InstallConnector;
use sportello_core::domain::channel::{Action, ChannelKind, Grant, Idempotency, LinkPermission, Policy};
use sportello_core::ids::Digest;
use sportello_runtime::contract;
use sportello_runtime::{Prepared, Runtime, RuntimeError};
use thiserror::Error;

/// Why a component cannot be installed or loaded. Nothing has changed.
#[derive(Debug, Error)]
pub enum ConnectorError {
    /// The runtime refuses it.
    #[error(transparent)]
    Runtime(Box<RuntimeError>),
    /// The file given cannot be read.
    #[error("it cannot be read: {0}")]
    Unread(std::io::Error),
    /// A file of ours cannot be read or written.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Nobody installed it, or its file is gone.
    #[error("connector {0} is not installed here; install its file: sportello connector install FILE")]
    NotInstalled(String),
    /// The file's bytes are not those of its name.
    #[error("{path} does not hold the component of its name: damaged; install it again")]
    Damaged {
        /// Which.
        path: String,
    },
}

impl From<RuntimeError> for ConnectorError {
    fn from(error: RuntimeError) -> Self {
        Self::Runtime(Box::new(error))
    }
}

/// The components this host has.
pub struct Connectors {
    runtime: Runtime,
    folder: PathBuf,
    prepared: Mutex<HashMap<Digest, Prepared>>,
}

impl Connectors {
    /// Components kept in `folder`.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn new(runtime: Runtime, folder: &Path) -> Result<Arc<Self>, ConnectorError> {
        std::fs::create_dir_all(folder).map_err(|source| ConnectorError::File { path: folder.display().to_string(), source })?;
        Ok(Arc::new(Self { runtime, folder: folder.to_path_buf(), prepared: Mutex::default() }))
    }

    /// The runtime they run in.
    #[must_use]
    pub fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    /// Checks a component and keeps it. Installing the same again changes nothing, or mends its file if that was damaged.
    ///
    /// # Errors
    /// [`ConnectorError`], with what is wrong with it.
    pub async fn install(&self, bytes: &[u8]) -> Result<Prepared, ConnectorError> {
        let prepared = self.runtime.prepare(bytes).await?;
        let digest = core_digest(&prepared);
        let path = self.path(digest);
        let failed = |source| ConnectorError::File { path: path.display().to_string(), source };
        if tokio::fs::read(&path).await.ok().as_deref() != Some(bytes) {
            let (folder, path, bytes) = (self.folder.clone(), path.clone(), bytes.to_vec());
            let written = tokio::task::spawn_blocking(move || write_durably(&folder, &path, &bytes)).await;
            written.unwrap_or_else(|error| Err(std::io::Error::other(error))).map_err(failed)?;
        }
        self.keep(digest, &prepared);
        Ok(prepared)
    }

    /// The component of a digest, from memory or from its file.
    ///
    /// # Errors
    /// [`ConnectorError`].
    pub async fn load(&self, digest: Digest) -> Result<Prepared, ConnectorError> {
        if let Some(prepared) = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(&digest) {
            return Ok(prepared.clone());
        }
        let path = self.path(digest);
        let bytes = match tokio::fs::read(&path).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(ConnectorError::NotInstalled(hex::encode(digest.0))),
            Err(source) => return Err(ConnectorError::File { path: path.display().to_string(), source }),
        };
        let prepared = self.runtime.prepare(&bytes).await?;
        if core_digest(&prepared) != digest {
            return Err(ConnectorError::Damaged { path: path.display().to_string() });
        }
        self.keep(digest, &prepared);
        Ok(prepared)
    }

    fn keep(&self, digest: Digest, prepared: &Prepared) {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).insert(digest, prepared.clone());
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(format!("{}.wasm", hex::encode(digest.0)))
    }
}

/// Under another name first, so that a crash leaves the whole file or none.
fn write_durably(folder: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;

    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    std::fs::File::open(folder)?.sync_all()
}

/// The core's form of a component's digest.
#[must_use]
pub fn core_digest(prepared: &Prepared) -> Digest {
    Digest(*prepared.digest().as_bytes())
}

/// The command that records an installation.
#[must_use]
pub fn install_command(prepared: &Prepared) -> InstallConnector {
    let manifest = prepared.manifest();
    InstallConnector { digest: core_digest(prepared), name: manifest.name.clone(), version: manifest.version.clone() }
}

/// What a component declares, as the core keeps it.
#[must_use]
pub fn grant_of(prepared: &Prepared) -> Grant {
    let manifest = prepared.manifest();
    Grant {
        digest: core_digest(prepared),
        connector: manifest.name.clone(),
        version: manifest.version.clone(),
        kind: match manifest.kind {
            contract::ConnectorKind::Channel => ChannelKind::Channel,
            contract::ConnectorKind::Crm => ChannelKind::Crm,
            contract::ConnectorKind::Enricher => ChannelKind::Enricher,
        },
        network: manifest.network.clone(),
        actions: manifest.actions.iter().map(action).collect(),
        policy: policy(&manifest.policy),
        poll_ms: u64::from(manifest.poll_seconds) * 1_000,
    }
}

fn action(action: &contract::Action) -> Action {
    Action {
        name: action.name.clone(),
        idempotency: match action.idempotency {
            contract::Idempotency::Idempotent => Idempotency::Idempotent,
            contract::Idempotency::Keyed => Idempotency::Keyed,
            contract::Idempotency::Findable => Idempotency::Findable,
            contract::Idempotency::Unsafe => Idempotency::Unsafe,
        },
        settling_ms: u64::from(action.settling_seconds) * 1_000,
    }
}

fn policy(declared: &contract::NetworkPolicy) -> Policy {
    let kept_ms = |class: &str| {
        let hours = declared.retention.iter().find(|retention| retention.class == class)?.hours;
        Some(u64::from(hours) * 60 * 60 * 1_000)
    };
    Policy {
        link: match declared.link {
            contract::LinkPermission::Evidence => LinkPermission::Evidence,
            contract::LinkPermission::Consent => LinkPermission::Consent,
            contract::LinkPermission::Forbidden => LinkPermission::Forbidden,
        },
        reply_only_summoned: declared.reply == contract::ReplyPermission::Summoned,
        profile_ms: kept_ms("profile"),
        content_ms: kept_ms("content"),
        raw_ms: kept_ms("raw"),
        recheck_ms: (declared.recheck_hours > 0).then(|| u64::from(declared.recheck_hours) * 60 * 60 * 1_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_of_data_is_kept_as_long_as_the_connector_declares() {
        let retention = |class: &str, hours| contract::Retention { class: class.to_owned(), hours };
        let declared = contract::NetworkPolicy {
            retention: vec![retention("raw", 1), retention("profile", 24), retention("content", 48)],
            link: contract::LinkPermission::Forbidden,
            reply: contract::ReplyPermission::Summoned,
            recheck_hours: 0,
        };
        let kept = policy(&declared);
        let hours = |ms: Option<u64>| ms.map(|ms| ms / (60 * 60 * 1_000));
        assert_eq!((hours(kept.raw_ms), hours(kept.profile_ms), hours(kept.content_ms)), (Some(1), Some(24), Some(48)));
    }
}
