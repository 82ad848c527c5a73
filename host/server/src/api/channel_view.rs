//! What is shown of a channel: its settings and grant, and how it is right now.

use std::collections::BTreeMap;

use serde::Serialize;
use sportello_core::domain::access::Role;
use sportello_core::domain::channel::{Channel, ChannelKind, Idempotency, LinkPermission};
use sportello_core::domain::delivery::kept_ms;
use sportello_core::ids::ChannelName;
use sportello_core::time::Timestamp;
use sportello_runtime::QuarantineState;
use sportello_runtime::outbound::SessionStanding;
use utoipa::ToSchema;

use crate::api::Caller;
use crate::api::channels::ChannelGiven;
use crate::api::vocabulary::{self, Moment};
use crate::channels::LiveChannel;
use crate::health::{Calls, Purpose, Shown};

/// An hour in milliseconds.
pub(super) const HOUR_MS: u64 = 60 * 60 * 1_000;
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
    /// When the application's authorisation ends for good, however often the host logs in, or what is bound stops working: a person must authorise
    /// it anew before. Null: the platform does not say, or was not asked yet.
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
    /// Its name, by the connector; `log-in CREDENTIAL` where the platform asked to wait with a log-in.
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

/// A channel as this caller may see it.
pub(super) fn view(caller: &Caller, name: &ChannelName, row: &Channel) -> ChannelView {
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
            let rotates_until = live.runtime.authorised_until(&credential.name).map(|ends_at| Timestamp(ends_at.as_millisecond()));
            let authorised_until = rotates_until.into_iter().chain(live.health.ends.of(&credential.name)).min();
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
