//! Deliveries that come while guests are busy are handed to the next guest together.
//!
//! A fresh guest costs more than the reading of most deliveries, and so does a record of its own in the journal. So what comes during a call
//! waits for the next one, as records wait for an fsync: who comes alone waits for nobody, and under load the price is shared. One guest reads
//! up to [`DELIVERIES_MAX`], what they hold becomes one record, and each platform is answered once that is durable.
//!
//! Deliveries stay each other's strangers: a connector answers for each, and when a call or its record fails as a whole each is tried
//! again by itself. (Nothing of the failed call is left; only what it asked other servers for may be asked twice, as after any redelivery.)
//!
//! Nobody waits behind a guest that waits for a network: after [`PATIENCE`] it no longer counts as busy. Where all of a channel's guests wait, what comes
//! meanwhile waits together for the first one that is free: deliveries are chosen once their guest is there.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sportello_runtime::contract::{ConnectorError, WebhookOutcome, WebhookRequest, WebhookResponse};
use sportello_runtime::{CallFailure, Done, WebhookPlace};
use tokio::sync::oneshot;

use crate::channels::LiveChannel;
use crate::desk::Desk;
use crate::health::Purpose;
use crate::ingress::delivery::{Cause, Failure, process};
use crate::ingress::take_in::{Brought, Part, take_deletion_requests, take_in};

/// Deliveries one guest reads.
const DELIVERIES_MAX: usize = 64;
/// Bytes of their bodies together, unless a single one has more: what a guest may return is limited, too.
const BODIES_BYTES_MAX: usize = 64 * 1024;
/// How long a guest counts as busy.
const PATIENCE: Duration = Duration::from_millis(20);
/// How many guests of a channel may be busy. They compute on half of the processors: the other half decides and answers meanwhile, and more
/// comes together for each guest. Found out once: the standard library reads the limits of the control group from files, which took a tenth of the
/// host's time when every delivery asked.
static LEADERS_MAX: LazyLock<usize> =
    LazyLock::new(|| std::thread::available_parallelism().map_or(1, |processors| (processors.get() / 2).max(1)));

/// What waits for the guests of one channel.
#[derive(Default)]
pub(crate) struct Gathering {
    state: Mutex<State>,
}

/// Invariant: while anything waits, somebody leads who has not been at it for longer than [`PATIENCE`].
#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    leaders: usize,
}

struct Waiting {
    request: WebhookRequest,
    answer: Answer,
}

/// Where a guest reads them, or why there is none.
type Place = Result<WebhookPlace, CallFailure>;

/// To the one who delivered: what the connector wants to be answered, once all is durable.
type Answer = oneshot::Sender<Result<Option<WebhookResponse>, Failure>>;

/// Has the channel's connector read a delivery, alone or with others, and takes in what it found.
///
/// Goes on to its end when the caller goes away.
pub(crate) async fn deliver(
    desk: &Arc<Desk>,
    live: &Arc<LiveChannel>,
    request: WebhookRequest,
) -> Result<Option<WebhookResponse>, Failure> {
    let (answer, answered) = oneshot::channel();
    live.gathering.state().waiting.push_back(Waiting { request, answer });
    lead_if_needed(desk, live);
    // A task of ours that panicked took the sender along.
    answered.await.unwrap_or_else(|_| Err(Failure::TryLater("the host had a fault".to_owned())))
}

/// Starts a leader if something waits and there is room for one.
fn lead_if_needed(desk: &Arc<Desk>, live: &Arc<LiveChannel>) {
    let mut state = live.gathering.state();
    if !state.waiting.is_empty() && state.leaders < *LEADERS_MAX {
        state.leaders += 1;
        tokio::spawn(lead(Arc::clone(desk), Arc::clone(live), Lead(Arc::clone(live))));
    }
}

impl Gathering {
    fn state(&self) -> MutexGuard<'_, State> {
        // What it protects is whole at every moment.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place among the leaders; given back whatever happens.
struct Lead(Arc<LiveChannel>);

impl Drop for Lead {
    fn drop(&mut self) {
        self.0.gathering.state().leaders -= 1;
    }
}

async fn lead(desk: Arc<Desk>, live: Arc<LiveChannel>, lead: Lead) {
    loop {
        // Whoever is ready to add a delivery may do so first.
        tokio::task::yield_now().await;
        if live.gathering.state().waiting.is_empty() {
            break;
        }
        let place = live.runtime.webhook_place().await;
        let batch = take(&mut live.gathering.state().waiting);
        if batch.is_empty() {
            continue;
        }
        let mut reading = std::pin::pin!(read(&desk, &live, place, batch));
        if tokio::time::timeout(PATIENCE, &mut reading).await.is_err() {
            // Others lead from here on.
            drop(lead);
            lead_if_needed(&desk, &live);
            reading.await;
            return;
        }
    }
    drop(lead);
    // Something may have come between the last look and the giving back.
    lead_if_needed(&desk, &live);
}

/// The next deliveries for one guest.
fn take(waiting: &mut VecDeque<Waiting>) -> Vec<Waiting> {
    let mut bytes = 0;
    let fitting = waiting.iter().take(DELIVERIES_MAX).take_while(|next| {
        bytes += next.request.body.len();
        bytes <= BODIES_BYTES_MAX
    });
    let count = fitting.count().max(1).min(waiting.len());
    waiting.drain(..count).collect()
}

/// Has a guest read them. What follows the reading goes on by itself: those that come next need not wait for the disk.
async fn read(desk: &Arc<Desk>, live: &Arc<LiveChannel>, place: Place, batch: Vec<Waiting>) {
    let (requests, answers): (Vec<_>, Vec<_>) = batch.into_iter().map(|waiting| (waiting.request, waiting.answer)).unzip();
    let called = match place {
        Ok(place) => live.runtime.webhook_at(place, desk.call(live, Purpose::Webhook), &requests).await,
        Err(failure) => Err(failure),
    };
    desk.note(live, Purpose::Webhook, &called);
    let read = Read { desk: Arc::clone(desk), live: Arc::clone(live), requests, answers };
    match called {
        Ok(done) => drop(tokio::spawn(read.take_in(done))),
        Err(failure @ (CallFailure::Busy { .. } | CallFailure::Quarantined { .. })) => read.turned_away(&failure),
        Err(failure) => read.failed(Failure::of_call(&failure)),
    }
}

/// Deliveries a guest has read, and who waits for their answers.
struct Read {
    desk: Arc<Desk>,
    live: Arc<LiveChannel>,
    requests: Vec<WebhookRequest>,
    answers: Vec<Answer>,
}

impl Read {
    async fn take_in(self, done: Done<Vec<Result<WebhookOutcome, ConnectorError>>>) {
        let read = self.requests.iter().zip(&done.value);
        let parts: Vec<Part<'_>> = read
            .filter_map(|(request, outcome)| Some(Part { interactions: &outcome.as_ref().ok()?.interactions, input: &request.body }))
            .collect();
        if !parts.is_empty() {
            let brought = Brought { parts: &parts, cursor: None, state_writes: &done.state_writes, replayed: None };
            // First, as where a delivery comes by itself.
            let asked = done.value.iter().flatten().flat_map(|outcome| &outcome.deletion_requests);
            if let Err(error) = take_deletion_requests(&self.desk.tenant, &self.live, asked).await {
                return self.failed(Failure::of_taking_in(error));
            }
            match take_in(&self.desk.tenant, &self.live, &brought).await {
                Ok(accepted) => {
                    self.desk.metrics.ingested(&self.live.name, accepted);
                }
                Err(error) if error.asks_for_another_call() => return self.each_by_itself(),
                Err(error) => return self.failed(Failure::of_taking_in(error)),
            }
        }
        for (answer, outcome) in self.answers.into_iter().zip(done.value) {
            // A caller that went away needs no answer.
            let _ = answer.send(match outcome {
                Ok(outcome) => Ok(outcome.response),
                Err(error) => Err(Failure::Park(Cause::of_error(&error))),
            });
        }
    }

    /// Nobody was called: the same holds for all of them.
    fn turned_away(self, failure: &CallFailure) {
        for answer in self.answers {
            let _ = answer.send(Err(Failure::of_call(failure)));
        }
    }

    /// Nothing of them was taken in: whose fault it was shows when each comes by itself.
    fn failed(mut self, failure: Failure) {
        if let [_] = self.requests[..]
            && let Some(answer) = self.answers.pop()
        {
            let _ = answer.send(Err(failure));
            return;
        }
        self.each_by_itself();
    }

    fn each_by_itself(self) {
        for (request, answer) in self.requests.into_iter().zip(self.answers) {
            let (desk, live) = (Arc::clone(&self.desk), Arc::clone(&self.live));
            tokio::spawn(async move {
                let _ = answer.send(process(&desk, &live, &request, None).await.map(|taken| taken.response));
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(bodies_bytes: impl IntoIterator<Item = usize>) -> VecDeque<Waiting> {
        let waiting = bodies_bytes.into_iter().map(|bytes| {
            let body = vec![b' '; bytes];
            let request = WebhookRequest { method: "POST".to_owned(), query: Vec::new(), headers: Vec::new(), body };
            Waiting { request, answer: oneshot::channel().0 }
        });
        waiting.collect()
    }

    #[test]
    fn a_guest_is_handed_so_many_deliveries_and_so_many_bytes_and_at_least_one() {
        assert_eq!(take(&mut waiting([])).len(), 0);
        assert_eq!(take(&mut waiting(vec![1; DELIVERIES_MAX + 1])).len(), DELIVERIES_MAX);
        assert_eq!(take(&mut waiting([BODIES_BYTES_MAX - 1, 1, 1])).len(), 2);
        let mut larger = waiting([BODIES_BYTES_MAX + 1, 1]);
        assert_eq!((take(&mut larger).len(), larger.len()), (1, 1));
    }
}
