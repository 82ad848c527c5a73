//! Asks sources that do not push: `poll` and `recheck` of channels, `changes` of CRMs. One task a source; pauses with jitter, longer ones after failures. A
//! changed channel is asked at once, but never before a platform's limit ends.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use sportello_core::commands::TakeContacts;
use sportello_core::domain::channel::{CURSORS, Source};
use sportello_core::ids::ChannelName;
use sportello_core::time::Timestamp;
use sportello_runtime::contract::ConnectorError;
use tokio::task::{self, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::channels::LiveChannel;
use crate::desk::{Desk, kind_of_error, kind_of_failure};
use crate::health::{Purpose, limit_ends_at};
use crate::ingress::contacts::contact_news;
use crate::ingress::take_in::{Brought, Part, take_in};
use crate::workers::recheck::{self, Looked};
use crate::workers::{Rest, backoff, millis};

/// First and longest pause after failures.
const RETRY_FIRST: Duration = Duration::from_secs(2);
/// See [`RETRY_FIRST`].
const RETRY_LONGEST: Duration = Duration::from_secs(15 * 60);
/// The least between two looks at a source, whatever is configured.
const INTERVAL_LEAST: Duration = Duration::from_millis(100);
/// Before a source is asked again that made us panic.
const PANIC_PAUSE: Duration = Duration::from_secs(60);
/// Pages fetched in a row before other sources get their turn.
const PAGES_IN_A_ROW_MAX: u32 = 100;
/// Share of the interval by which a poll may come early, so that many channels do not ask at once.
const JITTER: f64 = 0.1;

/// A source: whose, and of which kind.
type Asked = (ChannelName, u8);

pub(crate) async fn run(desk: Arc<Desk>, stopping: CancellationToken) {
    let mut changes = desk.channels.watch();
    let mut tasks = JoinSet::new();
    let mut running: HashMap<task::Id, Asked> = HashMap::new();
    let mut panicked: HashSet<Asked> = HashSet::new();
    loop {
        for (name, live) in desk.channels.live().iter() {
            for source in [Source::Poll, Source::Changes, Source::Recheck] {
                let asked = (name.clone(), source.code());
                if interval(live, source).is_some() && !running.values().any(|running| *running == asked) {
                    let first_pause = if panicked.remove(&asked) { PANIC_PAUSE } else { Duration::ZERO };
                    let following = follow(Arc::clone(&desk), name.clone(), source, first_pause, stopping.clone());
                    running.insert(tasks.spawn(following).id(), asked);
                }
            }
        }
        // A task ends when its channel does not take part. By the time that is seen here the channel may do so again: look anew either way.
        let ended = tokio::select! {
            () = stopping.cancelled() => break,
            changed = changes.changed() => if changed.is_err() { break } else { continue },
            Some(ended) = tasks.join_next_with_id() => ended,
        };
        let (id, fault) = match ended {
            Ok((id, ())) => (id, None),
            Err(error) => (error.id(), Some(error)),
        };
        if let (Some(asked), Some(error)) = (running.remove(&id), fault) {
            tracing::error!(tenant = desk.tenant.name(), channel = %asked.0, %error, "asking a source went wrong inside the host; it is tried again");
            panicked.insert(asked);
        }
    }
    while tasks.join_next().await.is_some() {}
}

/// How often a channel's source is asked; None: never.
fn interval(live: &LiveChannel, source: Source) -> Option<Duration> {
    let capabilities = live.prepared.capabilities();
    let is_there = match source {
        Source::Poll => capabilities.poll,
        Source::Changes => capabilities.crm,
        // Half of the time begins a round, the other half is for the round itself.
        Source::Recheck => {
            let granted_ms = live.row.policy().and_then(|policy| policy.recheck_ms).filter(|_| capabilities.recheck)?;
            return Some(Duration::from_millis(granted_ms / 2).max(INTERVAL_LEAST));
        }
    };
    let declared_ms = live.row.grant.as_ref().map_or(0, |grant| grant.poll_ms);
    if is_there { interval_of(live.row.settings.poll_ms, declared_ms) } else { None }
}

fn interval_of(configured_ms: Option<u64>, declared_ms: u64) -> Option<Duration> {
    match configured_ms.unwrap_or(declared_ms) {
        0 => None,
        interval_ms => Some(Duration::from_millis(interval_ms).max(INTERVAL_LEAST)),
    }
}

/// Asks one source as long as its channel takes part.
async fn follow(desk: Arc<Desk>, name: ChannelName, source: Source, first_pause: Duration, stopping: CancellationToken) {
    let rest = Rest::new(&desk, stopping);
    let mut changes = desk.channels.watch();
    let mut failures = 0;
    if !rest.pause(first_pause).await {
        return;
    }
    while !rest.stopping() {
        // Before looking: a change after this line ends the rest below.
        changes.mark_unchanged();
        let Some(live) = desk.channels.get(&name) else { return };
        let Some(interval) = interval(&live, source) else { return };
        let fetched = fetch_all(&desk, &live, source, interval, &rest).await;
        let whatever_changes = matches!(fetched, Err(Setback { pause: Pause::Limited(_), .. }));
        let pause = match fetched {
            Ok(Fetched::Everything) => {
                failures = 0;
                interval.mul_f64(1.0 - JITTER * fastrand::f64()).max(INTERVAL_LEAST)
            }
            Ok(Fetched::Until(moment)) => {
                failures = 0;
                Duration::from_millis(moment.ms_since(desk.tenant.now())).max(INTERVAL_LEAST)
            }
            Ok(Fetched::Part) => {
                failures = 0;
                INTERVAL_LEAST
            }
            Err(Setback { problem, pause }) => {
                failures += 1;
                let pause = match pause {
                    Pause::Ours => backoff(failures, RETRY_FIRST, RETRY_LONGEST),
                    Pause::Asked(pause) | Pause::Limited(pause) => pause,
                };
                tracing::warn!(tenant = desk.tenant.name(), channel = %name, problem, pause_ms = pause.as_millis(), "a source could not be asked");
                pause
            }
        };
        let later = desk.tenant.clock_shows(desk.tenant.now().plus_ms(millis(pause)));
        // The tenant's clock goes slower while the machine's, set back, catches up: nobody is asked later for that.
        let lasted = tokio::time::sleep(pause);
        tokio::pin!(later, lasted);
        loop {
            tokio::select! {
                () = rest.stopping.cancelled() => return,
                () = &mut later => break,
                () = &mut lasted => break,
                changed = changes.changed() => match changed {
                    Err(_) => return,
                    // Another interval, other settings, another component: they hold from now on.
                    Ok(()) if !whatever_changes && !is_current(&desk, &live) => break,
                    Ok(()) => {}
                },
            }
        }
    }
}

/// Whether this generation is the one calls are made on.
fn is_current(desk: &Desk, live: &Arc<LiveChannel>) -> bool {
    desk.channels.get(&live.name).is_some_and(|current| Arc::ptr_eq(&current, live))
}

/// Why a source gave nothing.
pub(super) struct Setback {
    problem: String,
    pause: Pause,
}

/// How long a source is left alone.
#[derive(Debug, PartialEq, Eq)]
enum Pause {
    /// As long as we see fit.
    Ours,
    /// As long as the connector asks for, at most [`RETRY_LONGEST`].
    Asked(Duration),
    /// As long as the platform's limit lasts, whatever is configured meanwhile.
    Limited(Duration),
}

impl Pause {
    fn limited(until: Timestamp, now: Timestamp) -> Self {
        Self::Limited(Duration::from_millis(until.ms_since(now)))
    }

    fn of(error: &ConnectorError, now: Timestamp) -> Self {
        match error {
            ConnectorError::Retry(retry) => {
                Self::Asked(Duration::from_millis(u64::from(retry.after_ms)).clamp(INTERVAL_LEAST, RETRY_LONGEST))
            }
            ConnectorError::RateLimited(limit) => Self::limited(limit_ends_at(limit, now), now),
            ConnectorError::Auth(_) | ConnectorError::Reject(_) | ConnectorError::Uncertain(_) => Self::Ours,
        }
    }
}

impl Setback {
    pub(super) fn new(problem: impl ToString) -> Self {
        Self { problem: problem.to_string(), pause: Pause::Ours }
    }

    pub(super) fn from_connector(desk: &Desk, error: &ConnectorError) -> Self {
        Self { problem: kind_of_error(error).to_owned(), pause: Pause::of(error, desk.tenant.now()) }
    }
}

/// How far a source was read.
enum Fetched {
    /// It has nothing more now.
    Everything,
    /// It need not be asked before this moment.
    Until(Timestamp),
    /// There is more.
    Part,
}

async fn fetch_all(desk: &Desk, live: &Arc<LiveChannel>, source: Source, interval: Duration, rest: &Rest) -> Result<Fetched, Setback> {
    let purpose = match source {
        Source::Poll => Purpose::Poll,
        Source::Changes => Purpose::Changes,
        Source::Recheck => Purpose::Recheck,
    };
    let page = || async move {
        let now = desk.tenant.now();
        if let Some(until) = live.health.windows.held(purpose, now) {
            return Err(Setback { problem: "nothing is left under the platform's limit".to_owned(), pause: Pause::limited(until, now) });
        }
        let more = match source {
            Source::Poll => fetch_page(desk, live).await?,
            Source::Changes => fetch_changes(desk, live).await?,
            Source::Recheck => match recheck::look(desk, live, interval).await? {
                Looked::Part => true,
                Looked::Until(moment) => return Ok(Fetched::Until(moment)),
            },
        };
        Ok(if more { Fetched::Part } else { Fetched::Everything })
    };
    in_a_row(page, || rest.stopping() || !is_current(desk, live)).await
}

/// Page after page, as long as there is more, nothing else is called for, and others need not have their turn.
async fn in_a_row<Page>(mut page: impl FnMut() -> Page, is_called_off: impl Fn() -> bool) -> Result<Fetched, Setback>
where
    Page: Future<Output = Result<Fetched, Setback>>,
{
    for _ in 0..PAGES_IN_A_ROW_MAX {
        match page().await? {
            Fetched::Part if !is_called_off() => {}
            fetched => return Ok(fetched),
        }
    }
    Ok(Fetched::Part)
}

async fn fetch_page(desk: &Desk, live: &LiveChannel) -> Result<bool, Setback> {
    let cursor = cursor(desk, live, Source::Poll)?;
    let called = live.runtime.poll(desk.call(live, Purpose::Poll), cursor).await;
    desk.note(live, Purpose::Poll, &called);
    let done = called.map_err(|failure| Setback::new(kind_of_failure(&failure)))?;
    let page = done.value.map_err(|error| Setback::from_connector(desk, &error))?;
    let brought = Brought {
        parts: &[Part { interactions: &page.interactions, input: &[] }],
        cursor: Some((Source::Poll, page.cursor)),
        state_writes: &done.state_writes,
        replayed: None,
    };
    match take_in(&desk.tenant, live, &brought).await {
        Ok(accepted) => {
            desk.metrics.ingested(&live.name, accepted);
            Ok(page.more)
        }
        // The same page again.
        Err(error) if error.asks_for_another_call() => Ok(true),
        Err(error) => Err(Setback::new(error)),
    }
}

async fn fetch_changes(desk: &Desk, live: &LiveChannel) -> Result<bool, Setback> {
    let cursor = cursor(desk, live, Source::Changes)?;
    let called = live.runtime.changes(desk.call(live, Purpose::Changes), cursor).await;
    desk.note(live, Purpose::Changes, &called);
    let done = called.map_err(|failure| Setback::new(kind_of_failure(&failure)))?;
    let page = done.value.map_err(|error| Setback::from_connector(desk, &error))?;
    let contacts = contact_news(&desk.tenant, live, &page.contacts).map_err(Setback::new)?;
    let command = TakeContacts { channel: live.name.clone(), contacts, cursor: Some(page.cursor) };
    desk.tenant.submit(&format!("channel:{}", live.name), command).await.map_err(Setback::new)?;
    Ok(page.more)
}

fn cursor(desk: &Desk, live: &LiveChannel, source: Source) -> Result<Option<String>, Setback> {
    desk.tenant.get(&CURSORS, &(live.name.clone(), source.code())).map_err(Setback::new)
}

#[cfg(test)]
mod tests {
    use sportello_runtime::contract::{RateLimit, Retry};

    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn limited(after_ms: i64) -> Pause {
        let until = jiff::Timestamp::from_millisecond(NOW.0 + after_ms).unwrap().to_string();
        Pause::of(&ConnectorError::RateLimited(RateLimit { until, reason: String::new() }), NOW)
    }

    #[test]
    fn a_platform_s_limit_is_waited_for_to_its_end_within_a_day() {
        let hours = |hours: u64| Duration::from_secs(hours * 60 * 60);
        assert_eq!(limited(2 * 60 * 60 * 1_000), Pause::Limited(hours(2) + Duration::from_secs(1)), "a second for clocks that differ");
        assert_eq!(limited(365 * 24 * 60 * 60 * 1_000), Pause::Limited(hours(24)));
        assert_eq!(limited(-5_000), Pause::Limited(Duration::from_secs(1)), "an end in the past is none");
    }

    #[tokio::test]
    async fn a_source_that_always_has_more_is_left_for_others_after_so_many_pages() {
        let mut pages = 0;
        let page = || {
            pages += 1;
            assert!(pages <= PAGES_IN_A_ROW_MAX, "others have no turn");
            std::future::ready(Ok(Fetched::Part))
        };
        assert!(matches!(in_a_row(page, || false).await, Ok(Fetched::Part)));
        assert_eq!(pages, PAGES_IN_A_ROW_MAX);
    }

    #[test]
    fn a_source_is_never_asked_in_a_busy_loop() {
        assert_eq!(interval_of(Some(1), 60_000), Some(INTERVAL_LEAST));
        assert_eq!(interval_of(None, 60_000), Some(Duration::from_secs(60)));
        assert_eq!(interval_of(Some(0), 60_000), None, "0 says never");
        let at_once = ConnectorError::Retry(Retry { after_ms: 0, reason: String::new() });
        assert_eq!(Pause::of(&at_once, NOW), Pause::Asked(INTERVAL_LEAST));
    }
}
