//! The configuration file: what listens where, which tenants there are, where their secrets stand, and (if the operator likes files) their
//! channels and workflows. `examples/sportello.toml` explains every line. Anything unknown is an error with its line.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sportello_core::domain::channel::{ChannelSettings, LinkPermission, Policy};
use sportello_core::ids::ChannelName;
use sportello_runtime::outbound::OutboundOptions;
use thiserror::Error;

use crate::secrets::{SecretSource, Secrets};

/// Why a configuration cannot be used. What runs goes on as it was.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not what is expected; the message shows the line.
    #[error("{path}: {source}")]
    Form {
        /// Which.
        path: String,
        /// What is wrong, with the line.
        source: Box<toml::de::Error>,
    },
    /// A value makes no sense.
    #[error("{path}: {place}: {problem}")]
    Value {
        /// The file.
        path: String,
        /// The table and key.
        place: String,
        /// What is wrong and what to do.
        problem: String,
    },
}

/// The whole file.
#[expect(clippy::manual_non_exhaustive, reason = "the private field refuses a table; it is not there to keep others from making one")]
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// Folder of everything that is kept.
    pub data: PathBuf,
    /// What listens where.
    #[serde(default)]
    pub listen: Listen,
    /// Secrets belong to tenants; a table of all tenants' is refused.
    #[serde(default, rename = "secrets", deserialize_with = "refuse_shared_secrets")]
    _shared_secrets: (),
    /// Components.
    #[serde(default)]
    pub connectors: ConnectorsConfig,
    /// What connectors may trust when they call out.
    #[serde(default)]
    pub outgoing: OutgoingConfig,
    /// Tenants by name.
    pub tenants: BTreeMap<String, TenantConfig>,
    /// The file itself, for messages and relative paths.
    #[serde(skip)]
    pub path: PathBuf,
}

/// What listens where.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Listen {
    /// Webhooks, API, live stream, metrics.
    pub address: SocketAddr,
}

impl Default for Listen {
    fn default() -> Self {
        Self { address: SocketAddr::from(([127, 0, 0, 1], 8_470)) }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
enum SecretPlace {
    Env(String),
    File(PathBuf),
    Plain(String),
}

/// Requests of connectors to the outside.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct OutgoingConfig {
    /// PEM files of certificate authorities of the operator's own, trusted by channels with `private-network = true`.
    #[serde(default)]
    pub extra_roots: Vec<PathBuf>,
}

/// Where components come from.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConnectorsConfig {
    /// A folder that is watched: a component put there is installed.
    pub watch: Option<PathBuf>,
}

/// A tenant.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct TenantConfig {
    /// Channels by name.
    #[serde(default)]
    pub channels: BTreeMap<String, ChannelConfig>,
    /// Workflow files, or folders of them.
    #[serde(default)]
    pub workflows: Vec<PathBuf>,
    /// Where its secrets stand, by name. No other tenant can name them.
    #[serde(default)]
    secrets: BTreeMap<String, SecretPlace>,
}

/// A channel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ChannelConfig {
    /// The connector's name.
    pub connector: String,
    /// The component to install and grant.
    pub component: Option<PathBuf>,
    /// Or the digest of an installed one.
    pub grant: Option<String>,
    /// The connector's settings.
    #[serde(default = "empty_table")]
    pub settings: toml::Value,
    /// Origins it may call.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Whether these may lie in private networks.
    #[serde(default)]
    pub private_network: bool,
    /// Settings whose text stands in a file: setting → path, relative to this file.
    #[serde(default)]
    pub settings_files: BTreeMap<String, PathBuf>,
    /// Folders it may read, absolute paths.
    #[serde(default)]
    pub folders: Vec<String>,
    /// Credential → field → name of one of the tenant's secrets.
    #[serde(default)]
    pub secrets: BTreeMap<String, BTreeMap<String, String>>,
    /// How often it is polled, in seconds; fractions are allowed.
    pub poll_seconds: Option<f64>,
    /// A stricter policy than the network's.
    pub policy: Option<PolicyConfig>,
    /// Whether it takes part.
    #[serde(default = "yes")]
    pub enabled: bool,
}

/// A stricter policy than the network's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PolicyConfig {
    /// `evidence`, `consent`, `forbidden`.
    #[serde(default = "on_evidence")]
    pub link: LinkPermission,
    /// Answer only where one was addressed.
    #[serde(default)]
    pub reply_only_summoned: bool,
    /// Hours a profile is kept after it was seen last.
    pub profile_hours: Option<u64>,
    /// Hours content is kept.
    pub content_hours: Option<u64>,
    /// Hours a delivery that could not be taken in is kept as it came.
    pub raw_hours: Option<u64>,
    /// Hours what came in may go without a look whether it is still there; only where the connector can look.
    pub recheck_hours: Option<u64>,
}

fn refuse_shared_secrets<'de, D: serde::Deserializer<'de>>(_: D) -> Result<(), D::Error> {
    Err(serde::de::Error::custom("secrets belong to a tenant: rename this table to [tenants.NAME.secrets], with the name of the tenant"))
}

fn empty_table() -> toml::Value {
    toml::Value::Table(toml::Table::new())
}

const fn yes() -> bool {
    true
}

const fn on_evidence() -> LinkPermission {
    LinkPermission::Evidence
}

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// [`ConfigError`], with file and line.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::File { path: shown.clone(), source })?;
        let mut config: Self = toml::from_str(&text).map_err(|source| ConfigError::Form { path: shown, source: Box::new(source) })?;
        config.path = path.to_path_buf();
        config.read_settings_files()?;
        config.check()?;
        Ok(config)
    }

    /// Puts the texts of files into the settings they are meant for.
    fn read_settings_files(&mut self) -> Result<(), ConfigError> {
        let mut texts = Vec::new();
        for (tenant, settings) in &self.tenants {
            for (channel, settings) in &settings.channels {
                let place = format!("[tenants.{tenant}.channels.{channel}]");
                for (setting, file) in &settings.settings_files {
                    if settings.settings.get(setting).is_some() {
                        return Err(
                            self.value(&place, &format!("{setting} stands in settings and in settings-files; leave one of them out"))
                        );
                    }
                    let path = self.resolve(file);
                    let text = std::fs::read_to_string(&path);
                    let text = text.map_err(|source| ConfigError::File { path: path.display().to_string(), source })?;
                    texts.push((tenant.clone(), channel.clone(), setting.clone(), text));
                }
            }
        }
        for (tenant, channel, setting, text) in texts {
            let channel = self.tenants.get_mut(&tenant).and_then(|settings| settings.channels.get_mut(&channel));
            if let Some(table) = channel.and_then(|channel| channel.settings.as_table_mut()) {
                table.insert(setting, toml::Value::String(text));
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), ConfigError> {
        for (tenant, settings) in &self.tenants {
            let place = format!("[tenants.{tenant}]");
            ChannelName::new(tenant.clone()).map_err(|_| self.value(&place, "a tenant's name has 1 to 64 of a-z, 0-9 and '-'"))?;
            let known = &settings.secrets;
            for (channel, settings) in &settings.channels {
                let place = format!("[tenants.{tenant}.channels.{channel}]");
                ChannelName::new(channel.clone()).map_err(|problem| self.value(&place, &problem))?;
                if settings.component.is_some() && settings.grant.is_some() {
                    return Err(self.value(&place, "give either component (a file) or grant (the digest of an installed one), not both"));
                }
                if settings.poll_seconds.is_some_and(|seconds| !(0.0..=31_536_000.0).contains(&seconds)) {
                    return Err(self.value(&place, "poll-seconds is between 0 (never) and a year"));
                }
                for secret in settings.secrets.values().flat_map(BTreeMap::values) {
                    if !known.contains_key(secret) {
                        let nearest = known
                            .keys()
                            .max_by(|left, right| strsim::jaro_winkler(left, secret).total_cmp(&strsim::jaro_winkler(right, secret)));
                        let hint = nearest.map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
                        return Err(self.value(&place, &format!("there is no secret {secret:?} in [tenants.{tenant}.secrets]{hint}")));
                    }
                }
            }
        }
        Ok(())
    }

    fn value(&self, place: &str, problem: &str) -> ConfigError {
        ConfigError::Value { path: self.path.display().to_string(), place: place.to_owned(), problem: problem.to_owned() }
    }

    /// What the runtime's outgoing HTTP is made of.
    #[must_use]
    pub fn outbound(&self) -> OutboundOptions {
        let extra_roots = self.outgoing.extra_roots.iter().map(|path| self.resolve(path)).collect();
        OutboundOptions { extra_roots, ..OutboundOptions::default() }
    }

    /// A path of the file, relative to it.
    #[must_use]
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.path.parent().map_or_else(|| path.to_path_buf(), |folder| folder.join(path))
    }

    /// Where a tenant's secrets stand. A tenant that is not in the file has none.
    #[must_use]
    pub fn secrets(&self, tenant: &str) -> Secrets {
        let place = |place: &SecretPlace| match place {
            SecretPlace::Env(variable) => SecretSource::Environment(variable.clone()),
            SecretPlace::File(path) => SecretSource::File(self.resolve(path)),
            SecretPlace::Plain(text) => SecretSource::Plain(text.clone()),
        };
        let is_its_own = |name: &str| name == tenant || crate::sabotage::sabotaged("share-secrets");
        let secrets = self.tenants.iter().filter(|(name, _)| is_its_own(name)).map(|(_, settings)| &settings.secrets);
        Secrets::new(tenant, secrets.flatten().map(|(name, source)| (name.clone(), place(source))).collect())
    }
}

impl ChannelConfig {
    /// What the core is told of it.
    #[must_use]
    pub fn settings(&self) -> ChannelSettings {
        const HOUR_MS: u64 = 60 * 60 * 1_000;
        ChannelSettings {
            connector: self.connector.clone(),
            settings: serde_json::to_string(&self.settings).unwrap_or_else(|_| "{}".to_owned()),
            origins: self.origins.clone(),
            private_network: self.private_network,
            folders: self.folders.clone(),
            secrets: self.secrets.clone(),
            // Checked to be between 0 and a year.
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            poll_ms: self.poll_seconds.map(|seconds| (seconds * 1_000.0) as u64),
            policy: self.policy.as_ref().map(|policy| Policy {
                link: policy.link,
                reply_only_summoned: policy.reply_only_summoned,
                profile_ms: policy.profile_hours.map(|hours| hours.saturating_mul(HOUR_MS)),
                content_ms: policy.content_hours.map(|hours| hours.saturating_mul(HOUR_MS)),
                raw_ms: policy.raw_hours.map(|hours| hours.saturating_mul(HOUR_MS)),
                recheck_ms: policy.recheck_hours.map(|hours| hours.saturating_mul(HOUR_MS)),
            }),
            enabled: self.enabled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sportello.toml");
        std::fs::write(&path, text).unwrap();
        Config::read(&path)
    }

    #[test]
    fn a_setting_can_stand_in_a_file_of_its_own_and_only_there() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("crm.yaml"), "look-up:\n  email: x\n").unwrap();
        let path = folder.path().join("sportello.toml");
        let text = "data = \"d\"\n[tenants.demo.channels.crm]\nconnector = \"mapped\"\nsettings-files.mapping = \"crm.yaml\"\n";
        std::fs::write(&path, text).unwrap();
        let config = Config::read(&path).unwrap();
        let settings: serde_json::Value = serde_json::from_str(&config.tenants["demo"].channels["crm"].settings().settings).unwrap();
        assert_eq!(settings, serde_json::json!({"mapping": "look-up:\n  email: x\n"}));
        std::fs::write(&path, format!("{text}settings.mapping = \"x\"\n")).unwrap();
        let error = Config::read(&path).unwrap_err().to_string();
        assert!(error.contains("[tenants.demo.channels.crm]") && error.contains("leave one of them out"), "{error}");
        std::fs::write(&path, text.replace("crm.yaml", "crn.yaml")).unwrap();
        assert!(Config::read(&path).unwrap_err().to_string().contains("crn.yaml"));
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line() {
        let error = read("data = \"d\"\n[tenants.demo]\nchanels = {}\n").unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("chanels"), "{error}");
    }

    #[test]
    fn a_secret_that_is_not_there_is_named_with_the_nearest() {
        let text = "data = \"d\"\n[tenants.demo.secrets]\npage-token = { env = \"T\" }\n[tenants.demo.channels.page]\nconnector = \"chirper\"\n\
                    secrets.page-token.token = \"pagetoken\"\n";
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains("[tenants.demo.channels.page]") && error.contains("did you mean \"page-token\""), "{error}");
    }

    #[test]
    fn a_secret_of_another_tenant_is_none() {
        let text = "data = \"d\"\n[tenants.acme.secrets]\npage-token = { plain = \"acme's\" }\n[tenants.demo.channels.page]\n\
                    connector = \"chirper\"\nsecrets.page-token.token = \"page-token\"\n";
        let error = read(text).unwrap_err().to_string();
        assert!(error.contains("there is no secret \"page-token\" in [tenants.demo.secrets]") && !error.contains("acme"), "{error}");
        let config = read("data = \"d\"\n[tenants.acme.secrets]\npage-token = { plain = \"acme's\" }\n[tenants.demo]\n").unwrap();
        assert!(config.secrets("acme").read("page-token").is_ok());
        assert!(config.secrets("demo").read("page-token").is_err());
    }

    #[test]
    fn secrets_of_all_tenants_are_refused_with_the_table_they_belong_into() {
        let error = read("data = \"d\"\n\n[secrets]\npage-token = { env = \"T\" }\n[tenants.demo]\n").unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("[tenants.NAME.secrets]"), "{error}");
    }
}
