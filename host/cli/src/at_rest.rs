//! A tenant's files while no host has them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sportello_runtime::{Runtime, RuntimeOptions};
use sportello_server::clock::SystemClock;
use sportello_server::config::Config;
use sportello_server::connectors::{ConnectorError, Connectors};
use sportello_server::tenant::{Tenant, TenantError, TenantOptions};

use crate::reach::Purpose;
use crate::{Problem, diagnostics};

/// Who stands in the record for what is done here.
pub(crate) const ACTOR: &str = "command-line";

/// How long the views may take to come up to the journal before somebody who waits is told.
const SILENT_FOR: Duration = Duration::from_secs(1);

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenProblem {
    #[error(transparent)]
    Tenant(#[from] TenantError),
    #[error("{} does not exist: the host has not run with this configuration yet (sportello serve), or data = … is another folder", .0.display())]
    Nothing(PathBuf),
}

/// An open tenant that nobody else has.
pub(crate) struct AtRest {
    config: Config,
    tenant: Arc<Tenant>,
}

impl AtRest {
    pub(crate) fn open(config: Config, name: &str, purpose: Purpose) -> Result<Self, OpenProblem> {
        let folder = config.resolve(&config.data).join("tenants").join(name);
        if purpose == Purpose::ToRead && !folder.is_dir() {
            return Err(OpenProblem::Nothing(folder));
        }
        diagnostics::start_quietly();
        let began = Instant::now();
        let mut told = |applied, last| {
            if began.elapsed() > SILENT_FOR {
                eprintln!("{name}: views are brought up to the journal: {applied} of {last} records");
            }
        };
        let tenant = Tenant::open(name, &folder, &TenantOptions::default(), Arc::new(SystemClock), &mut told)?;
        Ok(Self { config, tenant })
    }

    /// Does something with the tenant and closes it, whatever came of it.
    pub(crate) fn with<T>(self, work: impl FnOnce(&Self) -> Result<T, Problem>) -> Result<T, Problem> {
        let outcome = work(&self);
        let closed = self.tenant.close();
        let outcome = outcome?;
        closed?;
        Ok(outcome)
    }

    pub(crate) fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// The components of this configuration's host.
    pub(crate) fn connectors(&self) -> Result<Arc<Connectors>, ConnectorError> {
        let data = self.config.resolve(&self.config.data);
        let options = RuntimeOptions { compiled_folder: Some(data.join("compiled")), ..RuntimeOptions::default() };
        Connectors::new(Runtime::new(options)?, &data.join("connectors"))
    }
}
