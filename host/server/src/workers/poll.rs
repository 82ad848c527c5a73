//! Asks sources that do not push: `poll` of channels, `changes` of CRMs. One task a source; pauses with jitter, longer ones after failures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sportello_core::commands::TakeContacts;
use sportello_core::domain::channel::{CURSORS, Source};
use sportello_core::ids::ChannelName;
use sportello_runtime::contract::ConnectorError;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::channels::LiveChannel;
use crate::desk::Desk;
use crate::ingress::arrivals::moment;
use crate::ingress::contacts::contact_news;
use crate::ingress::take_in::{Brought, take_in};
use crate::ingress::webhook::reason;
use crate::workers::{Rest, backoff};

/// First and longest pause after failures.
const RETRY_FIRST: Duration = Duration::from_secs(2);
/// See [`RETRY_FIRST`].
const RETRY_LONGEST: Duration = Duration::from_secs(15 * 60);
/// Pages fetched in a row before other sources get their turn.
const PAGES_IN_A_ROW_MAX: u32 = 100;
/// Share of the interval by which a poll may come early, so that many channels do not ask at once.
const JITTER: f64 = 0.1;

pub(crate) async fn run(desk: Arc<Desk>, stopping: CancellationToken) {
    let mut changes = desk.channels.watch();
    let mut running: BTreeMap<(ChannelName, u8), JoinHandle<()>> = BTreeMap::new();
    loop {
        running.retain(|_, task| !task.is_finished());
        for (name, live) in desk.channels.live().iter() {
            let capabilities = live.prepared.capabilities();
            for (source, has) in [(Source::Poll, capabilities.poll), (Source::Changes, capabilities.crm)] {
                let key = (name.clone(), source.code());
                if has && !running.contains_key(&key) {
                    running.insert(key, tokio::spawn(follow(Arc::clone(&desk), name.clone(), source, stopping.clone())));
                }
            }
        }
        tokio::select! {
            () = stopping.cancelled() => break,
            changed = changes.changed() => if changed.is_err() { break },
        }
    }
    for (_, task) in running {
        let _ = task.await;
    }
}

async fn follow(desk: Arc<Desk>, name: ChannelName, source: Source, stopping: CancellationToken) {
    let rest = Rest::new(&desk, stopping);
    let mut failures = 0;
    while !rest.stopping() {
        let Some(live) = desk.channels.get(&name) else { return };
        let interval_ms = live.row.settings.poll_ms.or(live.row.grant.as_ref().map(|grant| grant.poll_ms)).unwrap_or(0);
        if interval_ms == 0 {
            return;
        }
        let pause = match fetch_all(&desk, &live, source, &rest).await {
            Ok(()) => {
                failures = 0;
                Duration::from_millis(interval_ms).mul_f64(1.0 - JITTER * fastrand::f64())
            }
            Err(Setback { problem, pause }) => {
                failures += 1;
                let pause = pause.unwrap_or_else(|| backoff(failures, RETRY_FIRST, RETRY_LONGEST));
                tracing::warn!(tenant = desk.tenant.name(), channel = %name, problem, pause_ms = pause.as_millis(), "a source could not be asked");
                pause
            }
        };
        if !rest.pause(pause).await {
            return;
        }
    }
}

/// Why a source gave nothing.
struct Setback {
    problem: String,
    /// What the platform asks for, if it does.
    pause: Option<Duration>,
}

impl Setback {
    fn new(problem: impl ToString) -> Self {
        Self { problem: problem.to_string(), pause: None }
    }

    fn from_connector(desk: &Desk, error: &ConnectorError) -> Self {
        let pause = match error {
            ConnectorError::Retry(retry) => Some(Duration::from_millis(u64::from(retry.after_ms))),
            ConnectorError::RateLimited(limit) => {
                moment(&limit.until).map(|until| Duration::from_millis(until.ms_since(desk.tenant.now()).max(1_000)))
            }
            ConnectorError::Auth(_) | ConnectorError::Reject(_) | ConnectorError::Uncertain(_) => None,
        };
        Self { problem: reason(error), pause: pause.map(|pause| pause.min(RETRY_LONGEST)) }
    }
}

async fn fetch_all(desk: &Desk, live: &LiveChannel, source: Source, rest: &Rest) -> Result<(), Setback> {
    for _ in 0..PAGES_IN_A_ROW_MAX {
        let more = match source {
            Source::Poll => fetch_page(desk, live).await?,
            Source::Changes => fetch_changes(desk, live).await?,
        };
        if !more || rest.stopping() {
            break;
        }
    }
    Ok(())
}

async fn fetch_page(desk: &Desk, live: &LiveChannel) -> Result<bool, Setback> {
    let cursor = cursor(desk, live, Source::Poll)?;
    let done = live.runtime.poll(desk.call(live), cursor).await.map_err(Setback::new)?;
    desk.diagnostics(live, &done.diagnostics, done.diagnostics_dropped);
    let page = done.value.map_err(|error| Setback::from_connector(desk, &error))?;
    let brought = Brought {
        interactions: &page.interactions,
        input: &[],
        cursor: Some((Source::Poll, page.cursor)),
        state_writes: &done.state_writes,
        replayed: None,
    };
    let accepted = take_in(&desk.tenant, live, &brought).await.map_err(Setback::new)?;
    desk.metrics.ingested(&live.name, accepted);
    Ok(page.more)
}

async fn fetch_changes(desk: &Desk, live: &LiveChannel) -> Result<bool, Setback> {
    let cursor = cursor(desk, live, Source::Changes)?;
    let done = live.runtime.changes(desk.call(live), cursor).await.map_err(Setback::new)?;
    desk.diagnostics(live, &done.diagnostics, done.diagnostics_dropped);
    let page = done.value.map_err(|error| Setback::from_connector(desk, &error))?;
    let contacts = contact_news(&desk.tenant, live, &page.contacts).map_err(Setback::new)?;
    let command = TakeContacts { channel: live.name.clone(), contacts, cursor: Some(page.cursor) };
    desk.tenant.submit(&format!("channel:{}", live.name), command).await.map_err(Setback::new)?;
    Ok(page.more)
}

fn cursor(desk: &Desk, live: &LiveChannel, source: Source) -> Result<Option<String>, Setback> {
    desk.tenant.get(&CURSORS, &(live.name.clone(), source.code())).map_err(Setback::new)
}
