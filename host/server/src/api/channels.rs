//! Channels: connectors configured, granted and live.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde::{Deserialize, Serialize};
use sportello_core::domain::access::Role;
use sportello_core::domain::channel::{CHANNELS, Channel, ChannelKind, ChannelSettings, Idempotency, LinkPermission, Policy};
use sportello_core::domain::delivery::kept_ms;
use sportello_core::ids::ChannelName;
use sportello_core::time::Timestamp;
use sportello_runtime::QuarantineState;
use sportello_runtime::outbound::SessionStanding;
use utoipa::ToSchema;

use crate::api::connectors::parse_digest;
use crate::api::problem::Problem;
use crate::api::request::{At, Given, Page};
use crate::api::vocabulary::{self, Moment};
use crate::api::{Answer, Caller, off_thread, reading};
use crate::channels::{CHANNELS_MAX, LiveChannel};
use crate::health::{Calls, Purpose, Shown};

/// The longest time between two polls, in milliseconds: a year.
const POLL_MS_MAX: u64 = 366 * 24 * 60 * 60 * 1_000;
const HOUR_MS: u64 = 60 * 60 * 1_000;
/// An authorisation ends soon when less than this is left of it: 30 days.
const AUTHORISATION_LEFT_MS_MIN: u64 = 30 * 24 * HOUR_MS;

/// A channel.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChannelView {
    /// Its name.
    channel: String,
    /// The name of the connector it uses.
    connector: String,
    /// Whether it takes part.
    enabled: bool,
    /// What is granted to it.
    grant: Option<GrantView>,
    /// Digests granted before, newest first, for going back.
    earlier: Vec<String>,
    /// What is live right now; null: nothing is.
    live: Option<LiveView>,
    /// The policy in force: the stricter of the network's and the operator's.
    policy: Option<PolicyView>,
    /// How often it is polled, in milliseconds; 0: never.
    poll_ms: u64,
    /// Keys its connector holds in its state.
    state_keys: u32,
    /// When it was changed last.
    changed_at: Moment,
    /// Its settings, secrets by their names. Null below operator.
    settings: Option<ChannelGiven>,
}

/// The component granted to a channel.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct GrantView {
    /// Its SHA-256.
    digest: String,
    /// Its version.
    version: String,
    /// Its kind.
    #[schema(schema_with = vocabulary::channel_kind)]
    kind: ChannelKind,
    /// The network's name, as it stands in identifiers.
    network: String,
    /// What it can do.
    actions: Vec<ActionView>,
}

/// An action of a connector.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ActionView {
    /// `reply`, `post`, `activity`.
    name: String,
    /// What a repetition would do.
    #[schema(schema_with = vocabulary::idempotency)]
    idempotency: Idempotency,
    /// How long the effect may take to become visible, in milliseconds.
    settling_ms: u64,
}

/// How a live channel is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LiveView {
    /// `webhook`, `poll`, `publish`, `find`, `crm`.
    capabilities: Vec<&'static str>,
    /// Whether its connector is in service.
    quarantine: QuarantineView,
    /// Calls running now.
    calls_under_way: usize,
    /// Its credentials: what they are bound to, and how their sessions stand.
    credentials: Vec<CredentialView>,
    /// What the calls of each purpose came to since the host started.
    calls: Vec<CallsView>,
    /// What the platform says is left under its limits; windows that have ended are left out.
    headroom: Vec<WindowView>,
    /// When something came in last that was not there before; null: not since the host started.
    heard_at: Option<Moment>,
    /// What its guests did on the network since the host started.
    http: HttpView,
}

/// A credential of a channel. Never the secret.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CredentialView {
    /// Its name.
    credential: String,
    /// What the connector needs it for.
    purpose: String,
    /// Whether it is bound; if not, and it is not optional, requests to its origin are refused.
    bound: bool,
    /// Whether the channel works without it.
    optional: bool,
    /// How its session stands; null: it has none, or is not bound.
    session: Option<SessionView>,
    /// When the application's authorisation ends for good, however often the host logs in: a person must authorise it anew before. Null: the
    /// platform does not say, or was not asked yet.
    authorised_until: Option<Moment>,
    /// Whether fewer than 30 days are left until then, or none.
    authorisation_ends_soon: bool,
}

/// How a credential's session stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub(crate) enum SessionView {
    /// The next request will log in.
    Idle,
    /// A log-in is under way.
    LoggingIn,
    /// It is in use.
    Live {
        /// When it ends; null: when the platform says so.
        expires_at: Option<Moment>,
    },
    /// The last log-in brought none.
    Failed {
        /// Whether the platform refused the credential; otherwise it could not be asked.
        refused: bool,
        /// Why; null for viewers and agents: it may say how the host reaches the platform.
        reason: Option<String>,
        /// When the next is tried at the earliest.
        retry_at: Moment,
    },
}

/// What calls of one purpose came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CallsView {
    /// `webhook`, `poll`, `changes`, `look-up`, `publish`, `find`.
    purpose: &'static str,
    /// When one last did what it was made for.
    succeeded_at: Option<Moment>,
    /// When one last did not.
    failed_at: Option<Moment>,
    /// Why not.
    problem: Option<&'static str>,
    /// Of a credential that does not work, what is to be done, in the connector's words; null for viewers and agents.
    reason: Option<String>,
}

/// A window of a platform's limit.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WindowView {
    /// Which calls need it.
    used_by: Vec<&'static str>,
    /// Its name, by the connector.
    name: String,
    /// How much is allowed in the window; null: the platform does not say.
    allowed: Option<u32>,
    /// How much is left.
    remaining: u32,
    /// When it ends.
    resets_at: Moment,
}

/// Whether a connector is in service.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub(crate) enum QuarantineView {
    /// Calls go through.
    Serving {
        /// Failures in the window.
        failures: u32,
    },
    /// No call goes through.
    Resting {
        /// How long still, in milliseconds.
        remaining_ms: u64,
    },
    /// One call is on its way and decides.
    Probing,
}

/// Requests of a channel's guests.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HttpView {
    /// Made.
    requests: u64,
    /// Refused by policy.
    refused: u64,
    /// Sent back by a limit.
    limited: u64,
    /// Without a usable answer for another reason.
    failed: u64,
    /// Log-ins tried.
    logins: u64,
    /// Log-ins that brought no session.
    logins_failed: u64,
}

/// A policy.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PolicyView {
    /// Linking profiles to contacts.
    #[schema(schema_with = vocabulary::link_permission)]
    link: LinkPermission,
    /// Whether only who addressed the company may be answered automatically.
    reply_only_summoned: bool,
    /// Hours a profile is kept after it was seen last; null: no limit.
    profile_hours: Option<u64>,
    /// Hours content is kept; null: no limit.
    content_hours: Option<u64>,
    /// Hours a delivery that could not be taken in is kept as it came: never more than 72, nor than content.
    raw_hours: u64,
    /// Hours what came in may go without a look whether it is still there; null: nobody looks.
    recheck_hours: Option<u64>,
}

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

    fn of(settings: &ChannelSettings) -> Self {
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

fn view(caller: &Caller, name: &ChannelName, row: &Channel) -> ChannelView {
    let grant = row.grant.as_ref();
    ChannelView {
        channel: name.to_string(),
        connector: row.settings.connector.clone(),
        enabled: row.settings.enabled,
        grant: grant.map(|grant| GrantView {
            digest: hex::encode(grant.digest.0),
            version: grant.version.clone(),
            kind: grant.kind,
            network: grant.network.clone(),
            actions: grant
                .actions
                .iter()
                .map(|action| ActionView { name: action.name.clone(), idempotency: action.idempotency, settling_ms: action.settling_ms })
                .collect(),
        }),
        earlier: row.earlier.iter().map(|digest| hex::encode(digest.0)).collect(),
        live: caller.desk.channels.get(name).map(|live| live_view(&live, caller.desk.tenant.now(), caller.role)),
        policy: row.policy().map(|policy| PolicyView {
            link: policy.link,
            reply_only_summoned: policy.reply_only_summoned,
            profile_hours: policy.profile_ms.map(|ms| ms / HOUR_MS),
            content_hours: policy.content_ms.map(|ms| ms / HOUR_MS),
            raw_hours: kept_ms(Some(&policy)) / HOUR_MS,
            recheck_hours: policy.recheck_ms.map(|ms| ms / HOUR_MS),
        }),
        poll_ms: row.settings.poll_ms.or(grant.map(|grant| grant.poll_ms)).unwrap_or(0),
        state_keys: row.state_keys,
        changed_at: row.changed_at.into(),
        settings: (caller.role >= Role::Operator).then(|| ChannelGiven::of(&row.settings)),
    }
}

fn credential_views(live: &LiveChannel, now: Timestamp, role: Role) -> Vec<CredentialView> {
    let mut sessions: BTreeMap<String, SessionStanding> = live.runtime.sessions().into_iter().collect();
    let declared = live.prepared.manifest().credentials.iter();
    declared
        .map(|credential| {
            let authorised_until = live.runtime.authorised_until(&credential.name).map(|ends_at| Timestamp(ends_at.as_millisecond()));
            CredentialView {
                credential: credential.name.clone(),
                purpose: credential.purpose.clone(),
                bound: live.runtime.is_bound(&credential.name),
                optional: credential.optional,
                session: sessions.remove(&credential.name).map(|session| session_view(session, now, role)),
                authorised_until: authorised_until.map(Into::into),
                authorisation_ends_soon: authorised_until.is_some_and(|ends_at| ends_at < now.plus_ms(AUTHORISATION_LEFT_MS_MIN)),
            }
        })
        .collect()
}

fn session_view(session: SessionStanding, now: Timestamp, role: Role) -> SessionView {
    let after = |duration: std::time::Duration| now.plus_ms(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)).into();
    match session {
        SessionStanding::Idle => SessionView::Idle,
        SessionStanding::LoggingIn => SessionView::LoggingIn,
        SessionStanding::Live { expires_in } => SessionView::Live { expires_at: expires_in.map(after) },
        SessionStanding::Failed { refused, reason, retry_in } => {
            let reason = (role >= Role::Operator).then_some(reason);
            SessionView::Failed { refused, reason, retry_at: after(retry_in) }
        }
    }
}

fn calls_view(purpose: Purpose, calls: Calls, role: Role) -> CallsView {
    let (failed_at, trouble) = calls.failed.unzip();
    CallsView {
        purpose: purpose.word(),
        succeeded_at: calls.succeeded_at.map(Into::into),
        failed_at: failed_at.map(Into::into),
        problem: trouble.as_ref().map(|trouble| trouble.problem),
        reason: trouble.and_then(|trouble| trouble.reason).filter(|_| role >= Role::Operator),
    }
}

fn live_view(live: &LiveChannel, now: Timestamp, role: Role) -> LiveView {
    let http = live.runtime.http_counters();
    let Shown { calls, windows, heard_at } = live.health.shown(now);
    LiveView {
        capabilities: live.prepared.capabilities().names().collect(),
        quarantine: match live.runtime.quarantine() {
            QuarantineState::Serving { failures } => QuarantineView::Serving { failures },
            QuarantineState::Resting { remaining } => {
                QuarantineView::Resting { remaining_ms: u64::try_from(remaining.as_millis()).unwrap_or(u64::MAX) }
            }
            QuarantineState::Probing => QuarantineView::Probing,
        },
        calls_under_way: live.runtime.in_flight(),
        credentials: credential_views(live, now, role),
        calls: calls.into_iter().map(|(purpose, calls)| calls_view(purpose, calls, role)).collect(),
        headroom: windows
            .into_iter()
            .map(|window| WindowView {
                used_by: window.used_by.iter().map(|purpose| purpose.word()).collect(),
                name: window.name,
                allowed: window.allowed,
                remaining: window.remaining,
                resets_at: window.resets_at.into(),
            })
            .collect(),
        heard_at: heard_at.map(Into::into),
        http: HttpView {
            requests: http.requests,
            refused: http.refused,
            limited: http.limited,
            failed: http.failed,
            logins: http.logins,
            logins_failed: http.logins_failed,
        },
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::health::Trouble;

    #[test]
    fn what_is_to_be_done_about_a_credential_is_told_to_those_who_configure_it_only() {
        let trouble =
            Trouble { problem: "the credential does not work", reason: Some("give the role back to olga@internal.example".into()) };
        let calls = Calls { succeeded_at: None, failed: Some((Timestamp(0), trouble)) };
        for (role, told) in [(Role::Viewer, false), (Role::Agent, false), (Role::Operator, true), (Role::Admin, true)] {
            let shown = serde_json::to_string(&calls_view(Purpose::Poll, calls.clone(), role)).unwrap();
            assert_eq!(shown.contains("internal.example"), told, "{role:?}");
            assert!(shown.contains("does not work"), "{role:?}");
        }
    }

    #[test]
    fn why_a_log_in_failed_is_told_to_those_who_configure_it_only() {
        let shown = |role| {
            let reason = "https://login.internal.example:8443/token refused the connection".to_owned();
            let failed = SessionStanding::Failed { refused: false, reason, retry_in: Duration::from_secs(5) };
            serde_json::to_string(&session_view(failed, Timestamp(0), role)).unwrap()
        };
        for (role, told) in [(Role::Viewer, false), (Role::Agent, false), (Role::Operator, true), (Role::Admin, true)] {
            assert_eq!(shown(role).contains("login.internal.example"), told, "{role:?}");
            assert!(shown(role).contains("\"refused\":false"), "{role:?}");
        }
    }
}
