//! Channels: configured, granted, switched on and off; what is shown of them stands in `channel_view.rs`.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use sportello_core::domain::channel::{CHANNELS, ChannelSettings, LinkPermission, Policy};
use sportello_core::ids::ChannelName;
use utoipa::ToSchema;

use crate::api::channel_view::{ChannelView, HOUR_MS, view};
use crate::api::connectors::parse_digest;
use crate::api::problem::Problem;
use crate::api::request::{At, Given, Page};
use crate::api::vocabulary;
use crate::api::{Answer, Caller, off_thread, reading};
use crate::channels::CHANNELS_MAX;

/// The longest time between two polls, in milliseconds: a year.
const POLL_MS_MAX: u64 = 366 * 24 * 60 * 60 * 1_000;

/// A stricter policy than the network's.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PolicyGiven {
    /// Linking profiles to contacts. Default `evidence`.
    #[serde(default = "on_evidence")]
    #[schema(schema_with = vocabulary::link_permission)]
    link: LinkPermission,
    /// Answer only where one was addressed.
    #[serde(default)]
    reply_only_summoned: bool,
    /// Hours a profile is kept after it was seen last.
    profile_hours: Option<u64>,
    /// Hours content is kept.
    content_hours: Option<u64>,
    /// Hours a delivery that could not be taken in is kept as it came.
    raw_hours: Option<u64>,
    /// Hours what came in may go without a look whether it is still there; only where the connector can look.
    recheck_hours: Option<u64>,
}

/// All settings of a channel.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelGiven {
    /// The name of the connector it uses. It cannot be changed once a component is granted.
    connector: String,
    /// The connector's settings, by its own schema; without secrets.
    #[serde(default = "empty")]
    #[schema(value_type = Object)]
    settings: serde_json::Value,
    /// Origins it may call.
    #[serde(default)]
    origins: Vec<String>,
    /// Whether these may lie in private networks.
    #[serde(default)]
    private_network: bool,
    /// Folders of the host's machine it may read, absolute paths.
    #[serde(default)]
    folders: Vec<String>,
    /// Credential → field → name of one of the tenant's secrets.
    #[serde(default)]
    secrets: BTreeMap<String, BTreeMap<String, String>>,
    /// How often it is polled, in milliseconds, 0 = never; null: as its manifest says.
    poll_ms: Option<u64>,
    /// A stricter policy than the network's.
    policy: Option<PolicyGiven>,
    /// Whether it takes part. Default true.
    #[serde(default = "yes")]
    enabled: bool,
}

/// Which component becomes live on a channel.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GrantGiven {
    /// The SHA-256 of an installed component, 64 hexadecimal digits.
    digest: String,
}

fn empty() -> serde_json::Value {
    serde_json::json!({})
}

const fn yes() -> bool {
    true
}

const fn on_evidence() -> LinkPermission {
    LinkPermission::Evidence
}

impl ChannelGiven {
    fn into_settings(self) -> Result<ChannelSettings, Problem> {
        if !self.settings.is_object() {
            return Err(Problem::invalid("settings is a JSON object, as the connector's schema says"));
        }
        if self.poll_ms.is_some_and(|poll_ms| poll_ms > POLL_MS_MAX) {
            return Err(Problem::invalid(format!("poll_ms is 0 (never) to {POLL_MS_MAX} (a year)")));
        }
        Ok(ChannelSettings {
            connector: self.connector,
            settings: self.settings.to_string(),
            origins: self.origins,
            private_network: self.private_network,
            folders: self.folders,
            secrets: self.secrets,
            poll_ms: self.poll_ms,
            policy: self.policy.map(|policy| Policy {
                link: policy.link,
                reply_only_summoned: policy.reply_only_summoned,
                profile_ms: policy.profile_hours.map(|hours| hours.saturating_mul(HOUR_MS)),
                content_ms: policy.content_hours.map(|hours| hours.saturating_mul(HOUR_MS)),
                raw_ms: policy.raw_hours.map(|hours| hours.saturating_mul(HOUR_MS)),
                recheck_ms: policy.recheck_hours.map(|hours| hours.saturating_mul(HOUR_MS)),
            }),
            enabled: self.enabled,
        })
    }

    pub(super) fn of(settings: &ChannelSettings) -> Self {
        Self {
            connector: settings.connector.clone(),
            settings: serde_json::from_str(&settings.settings).unwrap_or_default(),
            origins: settings.origins.clone(),
            private_network: settings.private_network,
            folders: settings.folders.clone(),
            secrets: settings.secrets.clone(),
            poll_ms: settings.poll_ms,
            policy: settings.policy.as_ref().map(|policy| PolicyGiven {
                link: policy.link,
                reply_only_summoned: policy.reply_only_summoned,
                profile_hours: policy.profile_ms.map(|ms| ms / HOUR_MS),
                content_hours: policy.content_ms.map(|ms| ms / HOUR_MS),
                raw_hours: policy.raw_ms.map(|ms| ms / HOUR_MS),
                recheck_hours: policy.recheck_ms.map(|ms| ms / HOUR_MS),
            }),
            enabled: settings.enabled,
        }
    }
}

fn name(text: String) -> Result<ChannelName, Problem> {
    ChannelName::new(text).map_err(Problem::invalid)
}

async fn shown(caller: Caller, name: ChannelName) -> Answer<ChannelView> {
    reading(caller, move |caller| Ok(view(caller, &name, &caller.row(&CHANNELS, &name, "channel")?))).await
}

/// All channels, by name. There are at most 1,000: they come in one page.
#[utoipa::path(get, path = "/channels", tag = "channels", operation_id = "list_channels", responses((status = 200, description = "All channels", body = Page<ChannelView>)))]
pub(crate) async fn list(caller: Caller) -> Answer<Page<ChannelView>> {
    reading(caller, |caller| {
        let rows = caller.desk.channels.rows()?;
        Ok(Page { items: rows.iter().map(|(_, name, row)| view(caller, name, row)).collect(), next: None })
    })
    .await
}

/// One channel.
#[utoipa::path(get, path = "/channels/{channel}", tag = "channels", operation_id = "get_channel", responses((status = 200, description = "The channel", body = ChannelView)))]
pub(crate) async fn get(caller: Caller, At(channel): At<String>) -> Answer<ChannelView> {
    shown(caller, name(channel)?).await
}

/// Adds a channel, or gives it new settings. With a component granted they are checked against its schema first, and are in force at once.
#[utoipa::path(put, path = "/channels/{channel}", tag = "channels", operation_id = "configure_channel", request_body = ChannelGiven, responses((status = 200, description = "The channel as it is now", body = ChannelView), (status = 201, description = "The channel was added", body = ChannelView)))]
pub(crate) async fn configure(caller: Caller, At(channel): At<String>, Given(given): Given<ChannelGiven>) -> Result<Response, Problem> {
    let name = name(channel)?;
    let settings = given.into_settings()?;
    let asked = name.clone();
    let is_new = off_thread(caller.clone(), move |caller| {
        let is_new = !caller.desk.channels.is_configured(&asked)?;
        if is_new && caller.desk.channels.rows()?.len() >= CHANNELS_MAX {
            return Err(Problem::conflict(format!("there are {CHANNELS_MAX} channels, the most there can be")));
        }
        Ok(is_new)
    })
    .await?;
    caller.desk.channels.configure(&caller.name, &name, settings).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, shown(caller, name).await?).into_response())
}

/// Makes an installed component live on a channel. Calls under way finish on the one before.
#[utoipa::path(post, path = "/channels/{channel}/grant", tag = "channels", operation_id = "grant_channel", request_body = GrantGiven, responses((status = 200, description = "The channel as it is now", body = ChannelView)))]
pub(crate) async fn grant(caller: Caller, At(channel): At<String>, Given(given): Given<GrantGiven>) -> Answer<ChannelView> {
    let name = name(channel)?;
    caller.desk.channels.grant(&caller.name, &name, parse_digest(&given.digest)?).await?;
    shown(caller, name).await
}

/// Lets a channel take part again.
#[utoipa::path(post, path = "/channels/{channel}/enable", tag = "channels", operation_id = "enable_channel", responses((status = 200, description = "The channel as it is now", body = ChannelView)))]
pub(crate) async fn enable(caller: Caller, At(channel): At<String>) -> Answer<ChannelView> {
    switch(caller, channel, true).await
}

/// Takes a channel out of service. Its history stays, its work waits.
#[utoipa::path(post, path = "/channels/{channel}/disable", tag = "channels", operation_id = "disable_channel", responses((status = 200, description = "The channel as it is now", body = ChannelView)))]
pub(crate) async fn disable(caller: Caller, At(channel): At<String>) -> Answer<ChannelView> {
    switch(caller, channel, false).await
}

async fn switch(caller: Caller, channel: String, enabled: bool) -> Answer<ChannelView> {
    let name = name(channel)?;
    let asked = name.clone();
    let row = off_thread(caller.clone(), move |caller| caller.row(&CHANNELS, &asked, "channel")).await?;
    caller.desk.channels.configure(&caller.name, &name, ChannelSettings { enabled, ..row.settings }).await?;
    shown(caller, name).await
}
