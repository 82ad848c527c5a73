//! What is counted, in the text format that Prometheus reads.

use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sportello_core::commands::Accepted;
use sportello_core::ids::ChannelName;

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub enum Outcome {
    /// Taken in.
    Taken,
    /// Parked.
    Parked,
    /// Refused: its signature is missing or wrong.
    Unsigned,
    /// Refused: its body is too large.
    TooLarge,
    /// Sent away for now.
    Overloaded,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabels {
    channel: String,
    outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChannelLabels {
    channel: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EffectLabels {
    channel: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TenantLabels {
    tenant: String,
}

/// How a tenant is at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantGauges {
    /// Commands that wait for the writer.
    pub queued_commands: u64,
    /// Records applied in memory and not yet in the view store.
    pub view_lag_records: u64,
    /// The last durable record.
    pub durable_sequence: u64,
}

/// All counters of a host.
pub struct Metrics {
    registry: Registry,
    deliveries: Family<DeliveryLabels, Counter>,
    interactions: Family<ChannelLabels, Counter>,
    duplicates: Family<ChannelLabels, Counter>,
    effects: Family<EffectLabels, Counter>,
    queued_commands: Family<TenantLabels, Gauge>,
    view_lag_records: Family<TenantLabels, Gauge>,
    durable_sequence: Family<TenantLabels, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("sportello");
        let deliveries = Family::default();
        registry.register("webhook_deliveries", "Deliveries by what became of them", deliveries.clone());
        let interactions = Family::default();
        registry.register("interactions", "Interactions taken in", interactions.clone());
        let duplicates = Family::default();
        registry.register("interaction_duplicates", "Interactions that had been taken in before", duplicates.clone());
        let effects = Family::default();
        registry.register("effect_attempts", "Effect calls and looks by what became of them", effects.clone());
        let queued_commands = Family::default();
        registry.register("queued_commands", "Commands that wait for the tenant's writer", queued_commands.clone());
        let view_lag_records = Family::default();
        registry.register("view_lag_records", "Records applied in memory and not yet in the view store", view_lag_records.clone());
        let durable_sequence = Family::default();
        registry.register("durable_sequence", "The last durable record of the tenant's journal", durable_sequence.clone());
        Self { registry, deliveries, interactions, duplicates, effects, queued_commands, view_lag_records, durable_sequence }
    }
}

impl Metrics {
    pub(crate) fn delivery(&self, channel: &ChannelName, outcome: Outcome) {
        self.deliveries.get_or_create(&DeliveryLabels { channel: channel.to_string(), outcome }).inc();
    }

    pub(crate) fn ingested(&self, channel: &ChannelName, accepted: Accepted) {
        if let Accepted::Ingested { new, duplicates } = accepted {
            let labels = ChannelLabels { channel: channel.to_string() };
            self.interactions.get_or_create(&labels).inc_by(u64::from(new));
            self.duplicates.get_or_create(&labels).inc_by(u64::from(duplicates));
        }
    }

    pub(crate) fn effect(&self, channel: &ChannelName, outcome: &'static str) {
        self.effects.get_or_create(&EffectLabels { channel: channel.to_string(), outcome }).inc();
    }

    /// Notes how a tenant is, just before it is shown.
    pub fn tenant(&self, tenant: &str, gauges: TenantGauges) {
        let labels = TenantLabels { tenant: tenant.to_owned() };
        let shown = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.queued_commands.get_or_create(&labels).set(shown(gauges.queued_commands));
        self.view_lag_records.get_or_create(&labels).set(shown(gauges.view_lag_records));
        self.durable_sequence.get_or_create(&labels).set(shown(gauges.durable_sequence));
    }

    /// The text Prometheus reads.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing into a String cannot fail.
        let _ = prometheus_client::encoding::text::encode(&mut text, &self.registry);
        text
    }
}
