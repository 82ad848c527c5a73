//! Waiting until all is done that is going to be done. What is waited for is counted at the platforms.

use std::time::{Duration, Instant};

use crate::Problem;
use crate::cast::Actor;
use crate::host_process::HostProcess;
use crate::ledger::Ledger;
use crate::platforms::Platforms;
use crate::player::deliver;
use crate::screen::{Look, Screen};
use crate::stage::Stage;

/// How long is waited at most. The longest single wait of a host is the minute after which a network is asked whether an answer of unknown fate
/// is there.
const SETTLE_TIME_MAX: Duration = Duration::from_secs(180);
/// Nothing moved for so long: it is over. The workflows' last wait is five seconds, and a busy machine is late.
const QUIET_TIME: Duration = Duration::from_secs(10);
/// How often the platforms are asked.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How often it is said that one waits.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Waits until every expected answer and activity stands where it belongs, the host says that they are done, and nothing has moved since.
pub(crate) async fn settle(stage: &Stage, actors: &[Actor], ledger: &Ledger, host: &HostProcess, screen: &Screen) -> Result<(), Problem> {
    let expected = Expected::of(ledger, actors);
    let started = Instant::now();
    let (mut moved_at, mut moved, mut said_at) = (Instant::now(), [0, 0], Instant::now());
    loop {
        deliver(stage).await?;
        let metrics = host.metrics().await?;
        let now = ["sportello_interactions_total", "sportello_effect_attempts_total"].map(|counter| metrics.sum(counter, &[]));
        if now != moved {
            moved = now;
            moved_at = Instant::now();
        }
        let platforms = Platforms::ask(stage, actors).await?;
        let (replies, notes) = (platforms.all_replies(), platforms.note_count());
        let taken = usize::try_from(metrics.sum("sportello_interactions_total", &[])).unwrap_or(usize::MAX);
        let done = usize::try_from(metrics.sum("sportello_effect_attempts_total", &["outcome=\"done\""])).unwrap_or(usize::MAX);
        let complete = replies >= expected.replies
            && notes >= expected.notes
            && done >= replies + notes
            && stage.networks.iter().all(|(_, network)| network.counts().updates_pending == 0)
            // X is asked for what it tells nobody.
            && taken >= platforms.hold_count(ledger);
        if complete && moved_at.elapsed() >= QUIET_TIME {
            return Ok(());
        }
        if started.elapsed() >= SETTLE_TIME_MAX {
            let line = format!(
                "after {SETTLE_TIME_MAX:?} {replies} of {} answers and {notes} of {} activities are there",
                expected.replies, expected.notes
            );
            screen.say(&screen.look(&line, Look::Bad));
            return Ok(());
        }
        if said_at.elapsed() >= SAY_EVERY {
            said_at = Instant::now();
            let waiting = format!(
                "           waiting: {replies} of {} answers, {notes} of {} activities, {done} effects done",
                expected.replies, expected.notes
            );
            screen.say(&screen.look(&waiting, Look::Faint));
        }
        // A network repeats what was not acknowledged only when its own clock says so.
        for (_, network) in &stage.networks {
            if network.counts().updates_pending > 0 && started.elapsed() > Duration::from_secs(20) {
                network.advance(network.repeats_after());
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// How much must be there at least.
struct Expected {
    replies: usize,
    notes: usize,
}

impl Expected {
    fn of(ledger: &Ledger, actors: &[Actor]) -> Self {
        let standing = || ledger.threads.iter().filter(|thread| !thread.removed).map(|thread| thread.expected(actors));
        Self {
            replies: standing().filter(|expected| expected.reply.is_some()).count(),
            notes: standing().filter(|expected| expected.activity).count(),
        }
    }
}
