//! What a connector can do: which of the contract's interfaces its component exports.

use serde::{Deserialize, Serialize};
use wasmtime::component::InstancePre;

use crate::bindings::exports::sportello::connector::{configuration, crm, description, find, poll, publish, recheck, webhook};

/// The capabilities of one connector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Capabilities {
    /// Takes deliveries.
    pub webhook: bool,
    /// Asks a source.
    pub poll: bool,
    /// Does effects.
    pub publish: bool,
    /// Looks whether an effect took place.
    pub find: bool,
    /// Looks whether what came in is still there.
    pub recheck: bool,
    /// Looks up contacts and reports their changes.
    pub crm: bool,
    /// Judges its settings.
    pub configuration: bool,
}

impl Capabilities {
    /// Their names in the contract.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        [
            ("webhook", self.webhook),
            ("poll", self.poll),
            ("publish", self.publish),
            ("find", self.find),
            ("recheck", self.recheck),
            ("crm", self.crm),
            ("configuration", self.configuration),
        ]
        .into_iter()
        .filter_map(|(name, there)| there.then_some(name))
    }

    /// Whether it can do nothing for anybody.
    pub(crate) fn is_idle(self) -> bool {
        self == Self { configuration: self.configuration, ..Self::default() }
    }
}

/// Where in a component each exported function is. Looked up once, used by every fresh instance.
#[derive(Clone)]
pub(crate) struct Indices {
    pub(crate) description: description::GuestIndices,
    pub(crate) webhook: Option<webhook::GuestIndices>,
    pub(crate) poll: Option<poll::GuestIndices>,
    pub(crate) publish: Option<publish::GuestIndices>,
    pub(crate) find: Option<find::GuestIndices>,
    pub(crate) recheck: Option<recheck::GuestIndices>,
    pub(crate) crm: Option<crm::GuestIndices>,
    pub(crate) configuration: Option<configuration::GuestIndices>,
}

impl Indices {
    /// Looks up the functions of `capabilities`. An error names the function that is missing.
    pub(crate) fn new<T: 'static>(pre: &InstancePre<T>, capabilities: Capabilities) -> wasmtime::Result<Self> {
        Ok(Self {
            description: description::GuestIndices::new(pre)?,
            webhook: capabilities.webhook.then(|| webhook::GuestIndices::new(pre)).transpose()?,
            poll: capabilities.poll.then(|| poll::GuestIndices::new(pre)).transpose()?,
            publish: capabilities.publish.then(|| publish::GuestIndices::new(pre)).transpose()?,
            find: capabilities.find.then(|| find::GuestIndices::new(pre)).transpose()?,
            recheck: capabilities.recheck.then(|| recheck::GuestIndices::new(pre)).transpose()?,
            crm: capabilities.crm.then(|| crm::GuestIndices::new(pre)).transpose()?,
            configuration: capabilities.configuration.then(|| configuration::GuestIndices::new(pre)).transpose()?,
        })
    }
}
