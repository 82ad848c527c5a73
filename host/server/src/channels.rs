//! The live channels of a tenant: which component answers for each right now.
//!
//! Making a component live is *prepare* (load, check, validate settings, bind secrets: changes nothing) → *commit* (one journalled command, then
//! one pointer swap) → *drain* (calls under way finish on the generation they began with). Any failure before the commit leaves everything as
//! it was. A commit that has begun goes on to its end, whatever becomes of the caller: what is durable is live.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use ring::digest;
use sportello_core::commands::{Command, ConfigureChannel, GrantConnector, SetUpChannel};
use sportello_core::domain::channel::{CHANNELS, Channel as ChannelRow, ChannelSettings};
use sportello_core::ids::{ChannelName, Digest, Fingerprint};
use sportello_core::tables::key_bytes;
use sportello_runtime::contract::SettingsProblem;
use sportello_runtime::limits::{CallLimits, QuarantineLimits};
use sportello_runtime::{BoundField, CallFailure, Channel, ChannelOptions, Prepared, RuntimeError};
use sportello_views::Direction;
use thiserror::Error;
use tokio::sync::{Mutex, OwnedMutexGuard, watch};

use crate::connectors::{ConnectorError, Connectors, grant_of};
use crate::health::{Bound, Health};
use crate::ingress::gathering::Gathering;
use crate::secrets::{SecretError, Secrets};
use crate::tenant::{SubmitError, Tenant};

/// Channels of one tenant.
pub const CHANNELS_MAX: usize = 1_000;

/// Why a channel cannot be made live or changed. What was live stays so.
#[derive(Debug, Error)]
pub enum ChannelError {
    /// Its component.
    #[error("channel {channel}: {source}")]
    Connector {
        /// Which.
        channel: ChannelName,
        /// What is wrong.
        source: ConnectorError,
    },
    /// Its settings or grants; the runtime's message names the channel.
    #[error("{source}")]
    Runtime {
        /// Which.
        channel: ChannelName,
        /// What is wrong.
        source: Box<RuntimeError>,
    },
    /// One of its secrets.
    #[error("channel {channel}: {source}")]
    Secret {
        /// Which.
        channel: ChannelName,
        /// What is wrong.
        source: SecretError,
    },
    /// Its settings are no JSON.
    #[error("channel {channel}: its settings are not JSON: {problem}")]
    Settings {
        /// Which.
        channel: ChannelName,
        /// What is wrong.
        problem: String,
    },
    /// The connector says what is wrong with its settings.
    #[error("channel {channel}: its settings are wrong:\n{problems}")]
    Configuration {
        /// Which.
        channel: ChannelName,
        /// One line for each problem.
        problems: String,
    },
    /// The connector could not be asked whether its settings are right.
    #[error("channel {channel}: its settings could not be checked: {source}")]
    Unchecked {
        /// Which.
        channel: ChannelName,
        /// What went wrong.
        source: Box<CallFailure>,
    },
    /// There is no such channel.
    #[error("there is no channel {0}")]
    Unknown(ChannelName),
    /// The tenant refused or stopped.
    #[error(transparent)]
    Submit(#[from] SubmitError),
    /// The view store.
    #[error(transparent)]
    Views(#[from] sportello_views::ViewsError),
}

/// A channel that takes part.
pub struct LiveChannel {
    /// Its name.
    pub name: ChannelName,
    /// What the core knows of it.
    pub row: ChannelRow,
    /// Its component.
    pub prepared: Prepared,
    /// The generation calls are made on.
    pub runtime: Channel,
    /// How it is, over all generations.
    pub health: Arc<Health>,
    /// Equal for generations with the same settings and secrets.
    pub account: Fingerprint,
    /// What is bound to its credentials.
    pub bound: Bound,
    /// Deliveries that wait for a guest.
    pub(crate) gathering: Gathering,
}

impl LiveChannel {
    /// The network's name, as it stands in identifiers.
    #[must_use]
    pub fn network(&self) -> &str {
        &self.prepared.manifest().network
    }
}

/// All live channels by name.
pub type LiveChannels = BTreeMap<ChannelName, Arc<LiveChannel>>;

/// The channels of one tenant.
pub struct Channels {
    tenant: Arc<Tenant>,
    connectors: Arc<Connectors>,
    secrets: Secrets,
    live: ArcSwap<LiveChannels>,
    health: std::sync::Mutex<BTreeMap<ChannelName, Arc<Health>>>,
    /// Changes one at a time.
    changing: Arc<Mutex<()>>,
    changed: watch::Sender<u64>,
}

impl Channels {
    /// No channel is live yet; see [`Channels::open_all`].
    #[must_use]
    pub fn new(tenant: Arc<Tenant>, connectors: Arc<Connectors>, secrets: Secrets) -> Arc<Self> {
        Arc::new(Self {
            tenant,
            connectors,
            secrets,
            live: ArcSwap::default(),
            health: std::sync::Mutex::default(),
            changing: Arc::default(),
            changed: watch::Sender::new(0),
        })
    }

    /// Makes every granted, enabled channel live. One that cannot be is reported and left out: the others work.
    ///
    /// # Errors
    /// The view store's.
    pub async fn open_all(&self) -> Result<Vec<ChannelError>, ChannelError> {
        let mut problems = Vec::new();
        for (_, name, _) in self.rows()? {
            if let Err(error) = self.refresh(&name).await {
                problems.push(error);
            }
        }
        Ok(problems)
    }

    /// All configured channels: (key bytes, name, row).
    ///
    /// # Errors
    /// The view store's.
    pub fn rows(&self) -> Result<Vec<(Vec<u8>, ChannelName, ChannelRow)>, ChannelError> {
        let rows = self.tenant.list(&CHANNELS, &[], None, Direction::Forward, CHANNELS_MAX)?;
        Ok(rows
            .into_iter()
            .filter_map(|(key, row)| {
                let text = String::from_utf8(key[..key.len().saturating_sub(1)].to_vec()).ok()?;
                Some((key, ChannelName::new(text).ok()?, row))
            })
            .collect())
    }

    /// What is live right now.
    #[must_use]
    pub fn live(&self) -> Arc<LiveChannels> {
        self.live.load_full()
    }

    /// One live channel.
    #[must_use]
    pub fn get(&self, name: &ChannelName) -> Option<Arc<LiveChannel>> {
        self.live.load().get(name).cloned()
    }

    /// Changes whenever the set of live channels does.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Whether there is such a channel at all.
    ///
    /// # Errors
    /// The view store's.
    pub fn is_configured(&self, name: &ChannelName) -> Result<bool, ChannelError> {
        Ok(self.tenant.get(&CHANNELS, name)?.is_some())
    }

    /// Gives a channel new settings. With a component granted they are validated against it first.
    ///
    /// # Errors
    /// [`ChannelError`]; the old settings stay in force.
    pub async fn configure(self: &Arc<Self>, actor: &str, name: &ChannelName, settings: ChannelSettings) -> Result<(), ChannelError> {
        let one_at_a_time = Arc::clone(&self.changing).lock_owned().await;
        let row = self.tenant.get(&CHANNELS, name)?;
        let mut next = None;
        if let Some(row) = row
            && row.grant.is_some()
            && settings.enabled
        {
            next = self.prepare(name, ChannelRow { settings: settings.clone(), ..row }).await?;
        }
        let configure = ConfigureChannel { channel: name.clone(), settings };
        self.commit(one_at_a_time, actor, name, configure.into(), next).await
    }

    /// Makes an installed component live on a channel.
    ///
    /// # Errors
    /// [`ChannelError`]; the old component stays live.
    pub async fn grant(self: &Arc<Self>, actor: &str, name: &ChannelName, digest: Digest) -> Result<(), ChannelError> {
        let one_at_a_time = Arc::clone(&self.changing).lock_owned().await;
        let row = self.tenant.get(&CHANNELS, name)?.ok_or_else(|| ChannelError::Unknown(name.clone()))?;
        let failed = |source| ChannelError::Connector { channel: name.clone(), source };
        let prepared = self.connectors.load(digest).await.map_err(failed)?;
        let grant = grant_of(&prepared);
        let next = self.prepare(name, ChannelRow { grant: Some(grant.clone()), ..row }).await?;
        let grant = GrantConnector { channel: name.clone(), grant };
        self.commit(one_at_a_time, actor, name, grant.into(), next).await
    }

    /// Gives a channel settings and a component that belong together: the settings are validated against this component, whatever was live
    /// before, so that both can change at once and a component that went bad can be replaced.
    ///
    /// # Errors
    /// [`ChannelError`]; the old settings and the old component stay in force.
    pub async fn set_up(
        self: &Arc<Self>,
        actor: &str,
        name: &ChannelName,
        settings: ChannelSettings,
        digest: Digest,
    ) -> Result<(), ChannelError> {
        let one_at_a_time = Arc::clone(&self.changing).lock_owned().await;
        let failed = |source| ChannelError::Connector { channel: name.clone(), source };
        let prepared = self.connectors.load(digest).await.map_err(failed)?;
        let grant = grant_of(&prepared);
        let row = match self.tenant.get(&CHANNELS, name)? {
            Some(row) => ChannelRow { settings: settings.clone(), grant: Some(grant.clone()), ..row },
            None => ChannelRow {
                settings: settings.clone(),
                grant: Some(grant.clone()),
                earlier: Vec::new(),
                state_keys: 0,
                state_version: 0,
                state_removed_in: 0,
                changed_at: self.tenant.now(),
                loosest: None,
            },
        };
        let next = self.prepare(name, row).await?;
        let set_up = SetUpChannel { channel: name.clone(), settings, grant };
        self.commit(one_at_a_time, actor, name, set_up.into(), next).await
    }

    /// Brings one channel in line with what the core knows of it.
    ///
    /// # Errors
    /// [`ChannelError`]; what was live stays so.
    pub async fn refresh(&self, name: &ChannelName) -> Result<(), ChannelError> {
        let _one_at_a_time = self.changing.lock().await;
        let row = self.tenant.get(&CHANNELS, name)?.ok_or_else(|| ChannelError::Unknown(name.clone()))?;
        let next = self.prepare(name, row).await?;
        self.swap(name, next);
        Ok(())
    }

    /// A generation for this row; None: the channel does not take part.
    async fn prepare(&self, name: &ChannelName, row: ChannelRow) -> Result<Option<Arc<LiveChannel>>, ChannelError> {
        let Some(grant) = row.grant.as_ref().filter(|_| row.settings.enabled) else { return Ok(None) };
        let prepared =
            self.connectors.load(grant.digest).await.map_err(|source| ChannelError::Connector { channel: name.clone(), source })?;
        let settings = serde_json::from_str(&row.settings.settings)
            .map_err(|error| ChannelError::Settings { channel: name.clone(), problem: error.to_string() })?;
        let mut secrets = BTreeMap::new();
        for (credential, fields) in &row.settings.secrets {
            let mut read = BTreeMap::new();
            for (field, secret) in fields {
                let secret = self.secrets.read(secret).map_err(|source| ChannelError::Secret { channel: name.clone(), source })?;
                read.insert(field.clone(), secret);
            }
            secrets.insert(credential.clone(), read);
        }
        let bound = bound(&self.tenant, &secrets);
        let account = account(&self.tenant, &row.settings, &bound);
        let options = ChannelOptions {
            tenant: self.tenant.name().to_owned(),
            name: name.to_string(),
            settings,
            granted_origins: row.settings.origins.clone(),
            granted_folders: row.settings.folders.clone(),
            secrets,
            allow_private_network: row.settings.private_network,
            vault: self.tenant.vault(),
            limits: CallLimits::default(),
            quarantine: QuarantineLimits::default(),
        };
        let runtime = self
            .connectors
            .runtime()
            .channel(&prepared, options)
            .map_err(|source| ChannelError::Runtime { channel: name.clone(), source: Box::new(source) })?;
        let now = jiff::Timestamp::from_millisecond(self.tenant.now().0).unwrap_or_default();
        let problems = runtime
            .check_settings(now)
            .await
            .map_err(|failure| ChannelError::Unchecked { channel: name.clone(), source: Box::new(failure) })?;
        if !problems.is_empty() {
            return Err(ChannelError::Configuration { channel: name.clone(), problems: told(&problems) });
        }
        let recheck_ms = row.settings.policy.as_ref().and_then(|policy| policy.recheck_ms);
        if let Some(problem) = problem_of_recheck(recheck_ms, prepared.capabilities().recheck) {
            return Err(ChannelError::Configuration { channel: name.clone(), problems: problem.to_owned() });
        }
        let health = self.health(name);
        let gathering = Gathering::default();
        Ok(Some(Arc::new(LiveChannel { name: name.clone(), row, prepared, runtime, health, account, bound, gathering })))
    }

    /// How a channel is. There are as many as there are channels.
    fn health(&self, name: &ChannelName) -> Arc<Health> {
        let mut all = self.health.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Arc::clone(all.entry(name.clone()).or_insert_with(|| Arc::new(Health::open(self.tenant.folder(), name))))
    }

    /// Has the command carried out and swaps, in a task of its own: a caller that goes away meanwhile (a client that hangs up) must not leave
    /// an old generation live beside a durable change.
    async fn commit(
        self: &Arc<Self>,
        one_at_a_time: OwnedMutexGuard<()>,
        actor: &str,
        name: &ChannelName,
        command: Command,
        next: Option<Arc<LiveChannel>>,
    ) -> Result<(), ChannelError> {
        let (channels, actor, name) = (Arc::clone(self), actor.to_owned(), name.clone());
        let committing = tokio::spawn(async move {
            let _one_at_a_time = one_at_a_time;
            channels.tenant.submit(&actor, command).await?;
            channels.swap(&name, next);
            Ok(())
        });
        // It ends early only with the host itself.
        committing.await.unwrap_or_else(|error| Err(SubmitError::Stopped(error.to_string()).into()))
    }

    fn swap(&self, name: &ChannelName, next: Option<Arc<LiveChannel>>) {
        if let Some(channel) = &next {
            channel.health.serve(channel.account, &channel.bound);
        }
        let mut live = LiveChannels::clone(&self.live.load());
        match next {
            Some(channel) => live.insert(name.clone(), channel),
            None => live.remove(name),
        };
        self.live.store(Arc::new(live));
        self.changed.send_modify(|changes| *changes += 1);
    }
}

/// What is wrong with the looks that the operator's policy asks for: nobody is to believe that a channel looks again where its connector cannot.
fn problem_of_recheck(asked_ms: Option<u64>, can_look: bool) -> Option<&'static str> {
    match asked_ms? {
        0 => Some("recheck-hours of its policy is at least 1"),
        _ if !can_look => Some(
            "recheck-hours of its policy asks for looks whether what came in is still there, and its connector has no `recheck`: leave it out",
        ),
        _ => None,
    }
}

/// What is bound to each credential.
fn bound(tenant: &Tenant, secrets: &BTreeMap<String, BTreeMap<String, BoundField>>) -> Bound {
    let of = |fields: &BTreeMap<String, BoundField>| {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut add = |text: &str| {
            context.update(&(text.len() as u64).to_le_bytes());
            context.update(text.as_bytes());
        };
        for (field, bound) in fields {
            add(field);
            add(match bound {
                BoundField::Secret(secret) => secret.expose(),
                BoundField::Plain(text) => text,
            });
        }
        tenant.fingerprint("bound", &[&hex::encode(context.finish())])
    };
    secrets.iter().map(|(credential, fields)| (credential.clone(), of(fields))).collect()
}

/// Whom the channel is to its platform, as far as the host can tell.
fn account(tenant: &Tenant, settings: &ChannelSettings, bound: &Bound) -> Fingerprint {
    let bound: Vec<String> = bound.iter().map(|(credential, bound)| format!("{credential} {}", hex::encode(bound.0))).collect();
    tenant.fingerprint("account", &[&settings.connector, &settings.settings, &bound.join("\n")])
}

/// Problems of settings as people read them: one line each, with the setting and the line in it.
#[must_use]
pub fn told(problems: &[SettingsProblem]) -> String {
    let told = problems.iter().map(|problem| {
        let line = problem.line.map_or_else(String::new, |line| format!(", line {line}"));
        format!("  {}{line}: {}", problem.pointer, problem.message)
    });
    told.collect::<Vec<_>>().join("\n")
}

/// The prefix under which rows of one channel lie.
#[must_use]
pub fn channel_prefix(name: &ChannelName) -> Vec<u8> {
    key_bytes(name)
}

#[cfg(test)]
mod tests {
    use sportello_runtime::Secret;

    use super::*;
    use crate::clock::SystemClock;
    use crate::tenant::TenantOptions;

    #[test]
    fn a_message_names_its_channel_once() {
        let (channel, connector) = ("crm".to_owned(), "example".to_owned());
        let problem = "nothing is bound to it".to_owned();
        let source = RuntimeError::Credential { channel, connector, credential: "user".to_owned(), problem };
        let error = ChannelError::Runtime { channel: ChannelName::new("crm").unwrap(), source: Box::new(source) };
        assert_eq!(error.to_string().matches("channel crm").count(), 1, "{error}");
    }

    #[test]
    fn looks_nobody_can_make_are_refused_where_they_are_asked_for() {
        let problem = |asked_ms, can_look| problem_of_recheck(asked_ms, can_look).unwrap_or_default();
        assert!(problem(Some(3_600_000), false).contains("has no `recheck`"));
        assert!(problem(Some(0), true).contains("at least 1"));
        assert_eq!((problem(Some(3_600_000), true), problem(None, false)), ("", ""));
    }

    #[test]
    fn another_secret_or_other_settings_are_another_account_and_the_same_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let tenant = Tenant::open("demo", folder.path(), &TenantOptions::default(), Arc::new(SystemClock), &mut |_, _| {}).unwrap();
        let of = |settings: &str, token: &str| {
            let settings = ChannelSettings {
                connector: "example".into(),
                settings: settings.into(),
                origins: Vec::new(),
                private_network: false,
                folders: Vec::new(),
                secrets: BTreeMap::new(),
                poll_ms: None,
                policy: None,
                enabled: true,
            };
            let fields = BTreeMap::from([("token".to_owned(), BoundField::Secret(Secret::new(token)))]);
            account(&tenant, &settings, &bound(&tenant, &BTreeMap::from([("bearer".to_owned(), fields)])))
        };
        let first = of("{}", "a-token");
        assert_eq!(first, of("{}", "a-token"));
        assert_ne!(first, of("{}", "another-token"));
        assert_ne!(first, of(r#"{"page":"2"}"#, "a-token"));
        tenant.close().unwrap();
    }
}
