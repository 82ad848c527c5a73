//! What runs: a host with its tenants. A *desk* is one tenant at work: its channels and workers, its room for deliveries.

use std::collections::BTreeMap;
use std::sync::Arc;

use sportello_runtime::contract::{ConnectorError, Level};
use sportello_runtime::{Call, CallFailure, CallTime, Clock, ConnectorState, Diagnostic, Done, StateExtent};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::channels::{Channels, LiveChannel};
use crate::connectors::Connectors;
use crate::health::{Purpose, Trouble};
use crate::ingress::webhook::{CHALLENGES_UNDER_WAY_MAX, DELIVERIES_UNDER_WAY_MAX};
use crate::metrics::Metrics;
use crate::secrets::Secrets;
use crate::tenant::{Tenant, TenantError};
use crate::workers;

/// The host: every tenant's desk, and what they share.
pub struct Host {
    /// Installed components.
    pub connectors: Arc<Connectors>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    desks: BTreeMap<String, Arc<Desk>>,
    stopping: CancellationToken,
    tasks: TaskTracker,
}

/// One tenant at work.
pub struct Desk {
    /// The tenant.
    pub tenant: Arc<Tenant>,
    /// Its channels.
    pub channels: Arc<Channels>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Room for deliveries.
    pub deliveries_under_way: Semaphore,
    /// Room for challenges.
    pub challenges_under_way: Semaphore,
}

impl Host {
    /// A host of these tenants, each with its secrets; their granted channels are made live.
    ///
    /// # Errors
    /// The view store's. A channel that cannot be made live is reported and left out.
    pub async fn new(
        tenants: Vec<(Arc<Tenant>, Secrets)>,
        connectors: Arc<Connectors>,
    ) -> Result<Arc<Self>, crate::channels::ChannelError> {
        let metrics = Arc::new(Metrics::default());
        let mut desks = BTreeMap::new();
        for (tenant, secrets) in tenants {
            let channels = Channels::new(Arc::clone(&tenant), Arc::clone(&connectors), secrets);
            for problem in channels.open_all().await? {
                tracing::error!(tenant = tenant.name(), "{problem}; the channel is not live");
            }
            let desk = Desk {
                tenant: Arc::clone(&tenant),
                channels,
                metrics: Arc::clone(&metrics),
                deliveries_under_way: Semaphore::new(DELIVERIES_UNDER_WAY_MAX),
                challenges_under_way: Semaphore::new(CHALLENGES_UNDER_WAY_MAX),
            };
            desks.insert(tenant.name().to_owned(), Arc::new(desk));
        }
        Ok(Arc::new(Self { connectors, metrics, desks, stopping: CancellationToken::new(), tasks: TaskTracker::new() }))
    }

    /// Starts the workers of every tenant.
    pub fn start_workers(&self) {
        for desk in self.desks.values() {
            workers::start(desk, &self.tasks, &self.stopping);
        }
        self.tasks.close();
    }

    /// A tenant's desk.
    #[must_use]
    pub fn desk(&self, tenant: &str) -> Option<Arc<Desk>> {
        self.desks.get(tenant).cloned()
    }

    /// Every tenant's desk.
    pub fn desks(&self) -> impl Iterator<Item = &Arc<Desk>> {
        self.desks.values()
    }

    /// Fires when the host is to stop.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Stops the workers, lets calls under way finish, and closes every tenant, whatever becomes of the others.
    ///
    /// # Errors
    /// The first that could not be closed (the rest is logged); everything acknowledged is durable all the same.
    pub async fn shut_down(&self) -> Result<(), TenantError> {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        let mut outcome = Ok(());
        for desk in self.desks.values() {
            let tenant = Arc::clone(&desk.tenant);
            // Closing joins threads and fsyncs.
            let closed = tokio::task::spawn_blocking(move || tenant.close()).await.unwrap_or(Ok(()));
            if let Err(error) = closed {
                tracing::error!(tenant = desk.tenant.name(), %error, "a tenant could not be closed");
                outcome = outcome.and(Err(error));
            }
        }
        outcome
    }
}

impl Desk {
    /// What a guest is called with right now.
    pub(crate) fn call(&self, live: &LiveChannel, purpose: Purpose) -> Call {
        let now = self.tenant.now();
        Call {
            time: CallTime::begin(TenantClock(Arc::clone(&self.tenant))),
            seed: fastrand::u64(..),
            state: Arc::new(StoredState { tenant: Arc::clone(&self.tenant), channel: live.name.clone() }),
            headroom: Arc::new(live.health.of(live.account, purpose, now)),
        }
    }

    /// Notes what a call came to: its messages for the operator, and how the channel is.
    pub(crate) fn note<T: Verdict>(&self, live: &LiveChannel, purpose: Purpose, called: &Result<Done<T>, CallFailure>) {
        let now = self.tenant.now();
        let trouble = match called {
            Ok(done) => {
                self.diagnostics(live, &done.diagnostics, done.diagnostics_dropped);
                done.value.trouble(purpose)
            }
            // Nothing was called.
            Err(CallFailure::Busy { .. } | CallFailure::NoCapability { .. }) => return,
            Err(failure) => Some(kind_of_failure(failure).into()),
        };
        live.health.called(purpose, now, trouble);
    }

    fn diagnostics(&self, live: &LiveChannel, diagnostics: &[Diagnostic], dropped: u32) {
        for diagnostic in diagnostics {
            let message = diagnostic.message.as_str();
            match diagnostic.level {
                Level::Debug => tracing::debug!(target: "connector", tenant = self.tenant.name(), channel = %live.name, "{message}"),
                Level::Info => tracing::info!(target: "connector", tenant = self.tenant.name(), channel = %live.name, "{message}"),
                Level::Warning => tracing::warn!(target: "connector", tenant = self.tenant.name(), channel = %live.name, "{message}"),
                Level::Error => tracing::error!(target: "connector", tenant = self.tenant.name(), channel = %live.name, "{message}"),
            }
        }
        if dropped > 0 {
            tracing::warn!(target: "connector", tenant = self.tenant.name(), channel = %live.name, dropped, "the connector said too much");
        }
    }
}

/// The tenant's clock, as calls are given it.
struct TenantClock(Arc<Tenant>);

impl Clock for TenantClock {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0.now().0).unwrap_or_default()
    }
}

/// What an answer of a connector says of how the channel is.
pub(crate) trait Verdict {
    /// Why the call did not do what it was made for. None: it did, as far as the channel is concerned.
    fn trouble(&self, purpose: Purpose) -> Option<Trouble>;
}

impl<T> Verdict for Result<T, ConnectorError> {
    fn trouble(&self, purpose: Purpose) -> Option<Trouble> {
        match self {
            Ok(_) => None,
            // An answer about the one thing that was asked, not about the channel; but who asks for what is new asks about nothing else.
            Err(ConnectorError::Reject(_)) if !matches!(purpose, Purpose::Poll | Purpose::Changes | Purpose::Recheck) => None,
            Err(error @ ConnectorError::Auth(reason)) => Some(Trouble { problem: kind_of_error(error), reason: Some(reason.clone()) }),
            Err(error) => Some(kind_of_error(error).into()),
        }
    }
}

impl<T> Verdict for Vec<Result<T, ConnectorError>> {
    fn trouble(&self, purpose: Purpose) -> Option<Trouble> {
        self.iter().find_map(|answer| answer.trouble(purpose))
    }
}

/// What a failed call comes to, in our own words: a connector's own may quote people, so they stand in no diagnostics and no clear record.
#[must_use]
pub fn kind_of_failure(failure: &CallFailure) -> &'static str {
    match failure {
        CallFailure::Trap { .. } => "the connector trapped",
        CallFailure::Deadline { .. } => "the connector did not answer in time",
        CallFailure::Memory { .. } => "the connector asked for too much memory",
        CallFailure::OutputTooLarge { .. } => "the connector returned too much at once",
        CallFailure::Output { .. } | CallFailure::Unreadable { .. } => "the connector answered against the contract",
        CallFailure::Busy { .. } => "all guests are busy",
        CallFailure::Quarantined { .. } => "the connector is quarantined",
        CallFailure::Folder { .. } => "a folder granted to the channel cannot be read",
        CallFailure::NoCapability { .. } => "the connector has no such capability",
    }
}

/// What a connector's error comes to, in our own words.
#[must_use]
pub fn kind_of_error(error: &ConnectorError) -> &'static str {
    match error {
        ConnectorError::Retry(_) => "the connector asks to try again",
        ConnectorError::RateLimited(_) => "the platform's limit is reached",
        ConnectorError::Auth(_) => "the credential does not work",
        ConnectorError::Reject(_) => "the platform refuses it",
        ConnectorError::Uncertain(_) => "it may or may not have taken effect",
    }
}

/// A connector's state as the views hold it.
struct StoredState {
    tenant: Arc<Tenant>,
    channel: sportello_core::ids::ChannelName,
}

impl ConnectorState for StoredState {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        let key = (self.channel.clone(), key.to_owned());
        self.tenant.get(&sportello_core::domain::channel::CONNECTOR_STATE, &key).ok().flatten().map(|value| value.bytes)
    }

    fn extent(&self) -> StateExtent {
        let row = self.tenant.get(&sportello_core::domain::channel::CHANNELS, &self.channel).ok().flatten();
        row.map_or_else(StateExtent::default, |row| StateExtent { keys: row.state_keys as usize, version: row.state_version })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_that_refuses_to_be_asked_is_in_trouble_and_one_refused_reply_is_not() {
        let refused: Result<(), ConnectorError> = Err(ConnectorError::Reject("too many files".into()));
        for (purpose, in_trouble) in [
            (Purpose::Poll, true),
            (Purpose::Changes, true),
            (Purpose::Recheck, true),
            (Purpose::Webhook, false),
            (Purpose::LookUp, false),
            (Purpose::Publish, false),
            (Purpose::Find, false),
        ] {
            assert_eq!(refused.trouble(purpose).is_some(), in_trouble, "{purpose:?}");
            assert_eq!(vec![Ok(()), refused.clone()].trouble(purpose).is_some(), in_trouble, "{purpose:?}");
        }
    }
}
