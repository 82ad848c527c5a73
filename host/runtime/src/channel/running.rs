//! A call under way: let in, given a slot and a store, judged when it ends.

use std::sync::Arc;
use std::time::Instant;

use wasmtime::Store;

use super::{Channel, Inner};
use crate::call::{self, Call, CallFailure, Callee, Done, Timed};
use crate::guest::{GuestData, GuestOptions, NoCredentials};
use crate::output::OutputFault;
use crate::quarantine::Admission;
use crate::slots::{self, Errand, Held};

/// What a call may use besides its folders.
pub(super) enum Access {
    /// Neither network nor credentials; its state is empty.
    Nobody,
    /// The network, the credentials, and state to read.
    Read,
    /// State to write, too.
    Write,
}

/// A call under way. Dropping it, at whatever point, gives back its slots and its place in the count.
pub(super) struct Running {
    inner: Arc<Inner>,
    call: &'static str,
    probe: bool,
    /// Whether a failure says something about the connector.
    pub(super) accountable: bool,
    settled: bool,
    started: Instant,
    /// When it is over at the latest.
    pub(super) deadline: Instant,
    _slots: Option<Held>,
}

/// A place for a call that hands over deliveries. It holds a slot, so it is not to be kept for long.
pub struct WebhookPlace(pub(super) Running);

impl Channel {
    /// Lets a call in, which is no challenge, and makes its store.
    pub(super) async fn begin(&self, name: &'static str, call: Call, access: Access) -> Result<(Store<GuestData>, Running), CallFailure> {
        self.open(self.admit(name, Errand::Work).await?, call, access)
    }

    /// Asks the quarantine, which concerns no challenges, and waits for a slot.
    pub(super) async fn admit(&self, name: &'static str, errand: Errand) -> Result<Running, CallFailure> {
        let inner = &self.inner;
        let admission = match errand {
            Errand::Work => inner.quarantine().admit(Instant::now()),
            Errand::Challenge => Admission::Serve,
        };
        let probe = match admission {
            Admission::Serve => false,
            Admission::Probe => true,
            Admission::Refuse { retry_after } => {
                return Err(CallFailure::Quarantined {
                    connector: inner.prepared.label().to_owned(),
                    channel: inner.name.clone(),
                    retry_after,
                });
            }
        };
        inner.in_flight.send_modify(|calls| *calls += 1);
        // From here on `running` gives everything back, however this ends.
        let mut running = Running {
            inner: Arc::clone(inner),
            call: name,
            probe,
            accountable: errand == Errand::Work,
            settled: false,
            started: Instant::now(),
            deadline: Instant::now(),
            _slots: None,
        };
        running._slots = Some(slots::hold(&inner.host.pool, Some(&inner.share), errand, inner.host.limits.slot_wait_max).await?);
        Ok(running)
    }

    /// Makes the store.
    pub(super) fn open(&self, mut running: Running, call: Call, access: Access) -> Result<(Store<GuestData>, Running), CallFailure> {
        let inner = &self.inner;
        let reaches_out = !matches!(access, Access::Nobody);
        let options = GuestOptions {
            folders: &inner.folders,
            time: call.time,
            seed: call.seed,
            state: call.state,
            state_writable: matches!(access, Access::Write),
            credentials: if reaches_out { inner.credentials.clone() } else { Arc::new(NoCredentials) },
            http: reaches_out.then(|| Arc::clone(&inner.http)),
            headroom: call.headroom,
            limits: &inner.limits,
            table_elements_max: inner.host.limits.table_elements_max,
        };
        running.started = Instant::now();
        let opened = call::store(&inner.host.engine, options, &inner.host.limits);
        let (store, deadline) = opened.map_err(|error| {
            running.settled = true;
            CallFailure::Folder { channel: inner.name.clone(), reason: format!("{error:#}") }
        })?;
        running.deadline = deadline;
        Ok((store, running))
    }
}

impl Running {
    /// What came of it.
    pub(super) fn end<T>(
        mut self,
        store: Store<GuestData>,
        answer: Timed<T>,
        check: impl FnOnce(&T) -> Result<(), OutputFault>,
    ) -> Result<Done<T>, CallFailure> {
        let elapsed = self.started.elapsed();
        let callee = Callee { connector: self.inner.prepared.label(), call: self.call };
        let answer = match answer {
            Ok(Ok(value)) => match check(&value) {
                Ok(()) => Ok(value),
                Err(fault) => Err(CallFailure::Output { connector: callee.connector.to_owned(), call: callee.call, fault }),
            },
            Ok(Err(error)) => Err(call::failure(callee, &self.inner.limits, store.data(), elapsed, Some(error))),
            Err(_) => Err(call::failure(callee, &self.inner.limits, store.data(), elapsed, None)),
        };
        // A probe that fails without saying anything about the connector decided nothing.
        self.settled = answer.is_ok() || self.accountable;
        match answer {
            Ok(value) => {
                self.inner.quarantine().succeeded(self.probe);
                let left = store.into_data().finish();
                Ok(Done {
                    value,
                    state_writes: left.state_writes,
                    diagnostics: left.diagnostics,
                    diagnostics_dropped: left.diagnostics_dropped,
                    output_bytes_discarded: left.output_bytes_discarded,
                    elapsed,
                    http_requests: left.http_requests,
                })
            }
            Err(failure) => {
                self.report(&failure, &store);
                Err(failure)
            }
        }
    }

    fn report(&self, failure: &CallFailure, store: &Store<GuestData>) {
        let (channel, tenant) = (&self.inner.name, &self.inner.tenant);
        let (diagnostics, dropped) = store.data().diagnostics();
        tracing::warn!(%tenant, %channel, %failure, ?diagnostics, dropped, "a call failed");
        if self.accountable && failure.is_connectors_fault() && self.inner.quarantine().failed(Instant::now(), self.probe) {
            tracing::error!(%tenant, %channel, connector = self.inner.prepared.label(), "the connector is quarantined");
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.probe && !self.settled {
            self.inner.quarantine().given_up(Instant::now());
        }
        self.inner.in_flight.send_modify(|calls| *calls -= 1);
    }
}
