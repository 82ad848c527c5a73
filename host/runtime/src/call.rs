//! One call of a guest: what goes in, what comes out, what ends it.
//!
//! ## Who stops what
//!
//! | the guest | is stopped by |
//! |---|---|
//! | computes for ever | the epoch: every tick its callback looks at the deadline and the ticks left, and otherwise yields to the executor |
//! | waits in a host call for ever | the timer around the whole call; it works because the epoch's callback yields |
//! | takes memory | its store's limiter, and behind it the slot's size |
//! | hands over too much, also by aliasing one string many times | host-call fuel, counted in bytes as they would be in the host |
//! | recurses | the guard below its stack |
//! | traps, or returns what the contract forbids | itself |
//!
//! Whatever ends a call but success drops its store and everything in it: nothing is left behind.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wasmtime::{Engine, Store, Trap, UpdateDeadline};

use crate::call_state::{ConnectorState, StateWrite};
use crate::call_time::CallTime;
use crate::guest::{Diagnostic, GuestData, GuestOptions, MemoryExceeded};
use crate::headroom::Headroom;
use crate::limits::{CallLimits, EngineLimits};
use crate::output::OutputFault;
use crate::slots::Slots;

/// What every call needs.
#[derive(Clone)]
pub struct Call {
    /// The call's time.
    pub time: CallTime,
    /// Where the guest's randomness comes from. The same seed gives the same bytes.
    pub seed: u64,
    /// The channel's key-value state.
    pub state: Arc<dyn ConnectorState>,
    /// Who counts what is left under the platform's limits.
    pub headroom: Arc<dyn Headroom>,
}

/// A call that ended well. Everything in it belongs together: it is committed in one record or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Done<T> {
    /// What the guest answered, checked against the contract.
    pub value: T,
    /// What it wrote to its state, in order of the keys.
    pub state_writes: Vec<StateWrite>,
    /// What it, and the host about its requests, had to say to the operator. Without the channel's secrets.
    pub diagnostics: Vec<Diagnostic>,
    /// Diagnostics beyond the limit.
    pub diagnostics_dropped: u32,
    /// Bytes the guest wrote to standard output and error, where nobody reads them.
    pub output_bytes_discarded: u64,
    /// From the slot to the answer.
    pub elapsed: Duration,
    /// Requests the guest made.
    pub http_requests: u32,
}

/// Why a call brought nothing. Nothing it did is kept, but what it asked other servers for may have happened.
#[derive(Debug, thiserror::Error)]
pub enum CallFailure {
    /// The guest trapped: it panicked, left its memory, recursed too deep, divided by zero.
    #[error("{call} of {connector} trapped: {reason}; the connector has a fault, roll it back or mend it")]
    Trap {
        /// The connector.
        connector: String,
        /// The function called.
        call: &'static str,
        /// What WebAssembly calls it.
        reason: String,
    },
    /// It was still computing or waiting when its time was over.
    #[error(
        "{call} of {connector} was stopped after {}: it was still {}; if it needs longer, raise the channel's {}",
        seconds(*.elapsed),
        if *.computing { "computing" } else { "waiting or working" },
        if *.computing { "computing_max" } else { "wall_max" }
    )]
    Deadline {
        /// The connector.
        connector: String,
        /// The function called.
        call: &'static str,
        /// How long it ran.
        elapsed: Duration,
        /// Whether the time for computing was used up, not the time of the whole call.
        computing: bool,
    },
    /// It asked for more memory than it may use.
    #[error(
        "{call} of {connector} asked for {asked_bytes} bytes of memory, {limit_bytes} are allowed; if it needs more, raise the channel's memory_bytes_max"
    )]
    Memory {
        /// The connector.
        connector: String,
        /// The function called.
        call: &'static str,
        /// What it would have used.
        asked_bytes: usize,
        /// What it may use.
        limit_bytes: usize,
    },
    /// It handed over more than the host takes at once.
    #[error("{call} of {connector} handed over more than {limit_bytes} bytes at once; it should return fewer interactions and say `more`")]
    OutputTooLarge {
        /// The connector.
        connector: String,
        /// The function called.
        call: &'static str,
        /// The limit.
        limit_bytes: usize,
    },
    /// What it returned is against the contract.
    #[error("{call} of {connector} answered against the contract: {fault}")]
    Output {
        /// The connector.
        connector: String,
        /// The function called.
        call: &'static str,
        /// Which field, and what is wrong with it.
        fault: OutputFault,
    },
    /// What it returned could not even be read: broken UTF-8, a pointer out of its memory.
    #[error("{call} of {connector} answered something unreadable: {reason}; the connector has a fault, roll it back or mend it")]
    Unreadable {
        /// The connector.
        connector: String,
        /// The function called.
        call: &'static str,
        /// What could not be read.
        reason: String,
    },
    /// All slots were taken, the pool's or the channel's share of them. Nothing was started: the same call may be made later.
    #[error("all {slots} were taken for {}; try again later, or raise {}", seconds(*.waited), .slots.limit())]
    Busy {
        /// Which slots.
        slots: Slots,
        /// How long was waited.
        waited: Duration,
    },
    /// The channel is out of service after repeated failures. Nothing was started.
    #[error("{connector} on channel {channel} is quarantined after repeated failures; it is tried again in {}", seconds(*.retry_after))]
    Quarantined {
        /// The connector.
        connector: String,
        /// The channel.
        channel: String,
        /// When it makes sense to call again.
        retry_after: Duration,
    },
    /// A folder the channel is granted cannot be opened (any more). Nothing was started.
    #[error("a folder granted to channel {channel} cannot be read: {reason}")]
    Folder {
        /// The channel.
        channel: String,
        /// Which, and what the system said.
        reason: String,
    },
    /// The connector does not export what was called.
    #[error("{connector} has no `{capability}`; it has {available}")]
    NoCapability {
        /// The connector.
        connector: String,
        /// What was asked for.
        capability: &'static str,
        /// What it has.
        available: String,
    },
}

impl CallFailure {
    /// Whether the connector is to blame, so that the failure counts towards its quarantine.
    pub fn is_connectors_fault(&self) -> bool {
        match self {
            Self::Trap { .. }
            | Self::Deadline { .. }
            | Self::Memory { .. }
            | Self::OutputTooLarge { .. }
            | Self::Output { .. }
            | Self::Unreadable { .. } => true,
            Self::Busy { .. } | Self::Quarantined { .. } | Self::Folder { .. } | Self::NoCapability { .. } => false,
        }
    }

    /// Whether the guest never ran, so that nothing can have taken effect anywhere. After any other failure of `publish` an effect may have.
    pub fn nothing_started(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::Quarantined { .. } | Self::Folder { .. } | Self::NoCapability { .. })
    }

    /// How long to wait before the same call may work; none where waiting alone does not help.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { .. } => Some(Duration::from_secs(1)),
            Self::Quarantined { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

/// Who is called, for messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Callee<'a> {
    pub(crate) connector: &'a str,
    pub(crate) call: &'static str,
}

/// A store for one call, with every limit set, and when the call must be over.
///
/// # Errors
/// A granted folder cannot be opened.
pub(crate) fn store(
    engine: &Engine,
    options: GuestOptions<'_>,
    engine_limits: &EngineLimits,
) -> wasmtime::Result<(Store<GuestData>, Instant)> {
    let limits = options.limits;
    let deadline = Instant::now() + limits.wall_max;
    let ticks = limits.computing_max.as_nanos() / engine_limits.epoch_tick.as_nanos().max(1);
    let crossing_bytes_max = limits.crossing_bytes_max;
    let data = GuestData::new(options, deadline, u64::try_from(ticks).unwrap_or(u64::MAX))?;
    let mut store = Store::new(engine, data);
    store.limiter(|data| &mut data.memory);
    store.set_hostcall_fuel(crossing_bytes_max);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|mut context| {
        let data = context.data_mut();
        if data.ticks_left == 0 || Instant::now() >= data.deadline {
            return Ok(UpdateDeadline::Interrupt);
        }
        data.ticks_left -= 1;
        // Yielding, not only continuing: the timer around the call shares a thread with the guest and must get its turn.
        Ok(UpdateDeadline::Yield(1))
    });
    Ok((store, deadline))
}

/// How a call came out of the timer.
pub(crate) type Timed<T> = Result<wasmtime::Result<T>, tokio::time::error::Elapsed>;

/// Runs `work` until `deadline`.
pub(crate) async fn until<T>(deadline: Instant, work: impl Future<Output = wasmtime::Result<T>>) -> Timed<T> {
    tokio::time::timeout_at(deadline.into(), work).await
}

/// What ended the call, from what wasmtime says.
pub(crate) fn failure(
    callee: Callee<'_>,
    limits: &CallLimits,
    data: &GuestData,
    elapsed: Duration,
    error: Option<wasmtime::Error>,
) -> CallFailure {
    let connector = callee.connector.to_owned();
    let call = callee.call;
    let Some(error) = error else {
        return CallFailure::Deadline { connector, call, elapsed, computing: false };
    };
    if let Some(exceeded) = error.chain().find_map(|cause| cause.downcast_ref::<MemoryExceeded>()) {
        return CallFailure::Memory { connector, call, asked_bytes: exceeded.asked_bytes, limit_bytes: exceeded.limit_bytes };
    }
    match error.downcast_ref::<Trap>() {
        Some(Trap::Interrupt) => CallFailure::Deadline { connector, call, elapsed, computing: data.ticks_left == 0 },
        Some(trap) => CallFailure::Trap { connector, call, reason: trap.to_string() },
        None => {
            let reason = format!("{error:#}");
            if reason.contains(FUEL_EXHAUSTED) {
                CallFailure::OutputTooLarge { connector, call, limit_bytes: limits.crossing_bytes_max }
            } else if error.is::<wasmtime_wasi::I32Exit>() {
                CallFailure::Trap { connector, call, reason: "it ended its process".to_owned() }
            } else {
                CallFailure::Unreadable { connector, call, reason }
            }
        }
    }
}

/// What wasmtime says when host-call fuel is used up; its error type is private, and the test with the aliased giant result notices a change.
const FUEL_EXHAUSTED: &str = "fuel allocated for hostcalls has been exhausted";
