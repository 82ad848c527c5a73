//! A runtime with one connector that misbehaves as told, and what every test ends with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sportello_runtime::contract::{ConnectorError, Page};
use sportello_runtime::limits::{CallLimits, EngineLimits, QuarantineLimits};
use sportello_runtime::{
    Call, CallFailure, CallTime, Channel, ChannelOptions, Done, NoVault, Runtime, RuntimeError, RuntimeOptions, Secret, Uncounted,
};
use sportello_tests::guests::guest;

pub(crate) const TOKEN: &str = "the/token+nobody=may&see-0123456789";
pub(crate) const SIGNING_SECRET: &str = "the-signing-secret";
/// A granted origin nobody asks.
const UNREACHED: &str = "https://api.example.com";

/// A runtime with one connector that misbehaves as told.
pub(crate) struct House {
    pub(crate) runtime: Runtime,
    pub(crate) slots: usize,
}

impl House {
    pub(crate) fn new() -> Self {
        let limits = EngineLimits { calls_max: 4, slot_wait_max: Duration::from_millis(200), ..EngineLimits::default() };
        let slots = limits.calls_max as usize;
        Self { runtime: Runtime::new(RuntimeOptions { limits, ..RuntimeOptions::default() }).unwrap(), slots }
    }

    pub(crate) async fn channel(&self, behaviour: &str) -> Channel {
        self.configured(behaviour, |_| {}).await.unwrap()
    }

    pub(crate) async fn configured(&self, behaviour: &str, change: impl FnOnce(&mut ChannelOptions)) -> Result<Channel, RuntimeError> {
        let prepared = self.runtime.prepare(&guest("hostile")).await.unwrap();
        let secret = |field: &str, text: &str| BTreeMap::from([(field.to_owned(), Secret::new(text).into())]);
        let mut options = ChannelOptions {
            tenant: "tenant".into(),
            name: "channel".into(),
            settings: json!({ "behaviour": behaviour, "granted": UNREACHED }),
            granted_origins: vec![UNREACHED.to_owned()],
            granted_folders: Vec::new(),
            secrets: BTreeMap::from([
                ("signing".to_owned(), secret("secret", SIGNING_SECRET)),
                ("token".to_owned(), secret("token", TOKEN)),
            ]),
            allow_private_network: false,
            vault: Arc::new(NoVault),
            limits: CallLimits { wall_max: Duration::from_secs(30), computing_max: Duration::from_millis(300), ..CallLimits::default() },
            quarantine: QuarantineLimits::default(),
        };
        change(&mut options);
        self.runtime.channel(&prepared, options)
    }

    /// A channel whose granted origin is `granted`, on loopback, and whose requests go to `target`.
    pub(crate) async fn reaching(&self, behaviour: &str, granted: &str, target: &str) -> Channel {
        let settings = json!({ "behaviour": behaviour, "granted": granted, "target": target });
        let granted = vec![granted.to_owned()];
        self.configured(behaviour, |options| {
            options.settings = settings;
            options.granted_origins = granted;
            options.allow_private_network = true;
        })
        .await
        .unwrap()
    }

    /// What every test ends with.
    pub(crate) async fn still_serves(&self) {
        let channel = self.configured("well-behaved", |options| options.limits = CallLimits::default()).await.unwrap();
        let answer = poll(&channel).await.unwrap();
        assert_eq!(told(&answer), "well");
        assert_eq!(self.runtime.free_slots(), self.slots, "a slot of the pool was lost");
    }
}

pub(crate) fn call() -> Call {
    Call {
        time: CallTime::begin("2026-11-22T10:15:00.25Z".parse::<jiff::Timestamp>().unwrap()),
        seed: 7,
        state: Arc::new(BTreeMap::<String, Vec<u8>>::new()),
        headroom: Arc::new(Uncounted),
    }
}

pub(crate) async fn poll(channel: &Channel) -> Result<Done<Result<Page, ConnectorError>>, CallFailure> {
    channel.poll(call(), None).await
}

/// What the guest wrote into its cursor.
pub(crate) fn told(answer: &Done<Result<Page, ConnectorError>>) -> &str {
    answer.value.as_ref().unwrap().cursor.as_deref().unwrap()
}
