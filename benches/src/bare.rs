//! The same component on wasmtime as it comes: the engine's settings, the pool, the limits and WASI are those of `host/runtime`, and nothing else.
//!
//! Left out is what the runtime adds: quarantine, slots, channel settings, outgoing HTTP, credentials, connector state, diagnostics, the check of
//! what the guest answered. So the ratio is the price of all that.

use std::time::{Duration, Instant};

use sportello_runtime::PageScan;
use sportello_runtime::limits::{CallLimits, EngineLimits};
use wasmtime::component::{Component, HasSelf, InstancePre, Linker, ResourceTable};
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Store, StoreLimits, StoreLimitsBuilder,
    UpdateDeadline,
};
use wasmtime_wasi::random::Deterministic;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::Problem;

/// The contract, as far as it is called here.
#[allow(missing_docs, unreachable_pub, dead_code, reason = "generated; what it means stands in wit/")]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        inline: "
            package sportello:bench;

            world guest {
                import sportello:connector/diagnostics@0.1.0;
                export sportello:connector/webhook@0.1.0;
                export sportello:connector/poll@0.1.0;
            }
        ",
        world: "sportello:bench/guest",
        exports: { default: async },
    });
}

use bindings::exports::sportello::connector::{poll, webhook};
use bindings::sportello::connector::diagnostics;
use bindings::sportello::connector::types::Context;

/// A component ready to be called on bare wasmtime.
pub(crate) struct Bare {
    engine: Engine,
    pre: InstancePre<Data>,
    poll: poll::GuestIndices,
    webhook: webhook::GuestIndices,
    limits: CallLimits,
    tick: Duration,
}

struct Data {
    wasi: WasiCtx,
    table: ResourceTable,
    limits: StoreLimits,
    deadline: Instant,
    ticks_left: u64,
}

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

/// Nobody reads them.
impl diagnostics::Host for Data {
    fn emit(&mut self, _: diagnostics::Level, _: String) {}
}

impl Bare {
    pub(crate) fn new(guest: &[u8], scan: PageScan) -> Result<Self, Problem> {
        let limits = EngineLimits::default();
        let engine = Engine::new(&config(&limits, scan))?;
        let (ticking, tick) = (engine.weak(), limits.epoch_tick);
        std::thread::spawn(move || {
            while let Some(engine) = ticking.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(tick);
            }
        });
        let component = Component::new(&engine, guest)?;
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
        // Of the contract this guest imports types, which need no definition, and diagnostics, which it writes when it panics.
        diagnostics::add_to_linker::<_, HasSelf<_>>(&mut linker, |data| data)?;
        let pre = linker.instantiate_pre(&component)?;
        Ok(Self {
            poll: poll::GuestIndices::new(&pre)?,
            webhook: webhook::GuestIndices::new(&pre)?,
            limits: CallLimits::default(),
            engine,
            pre,
            tick,
        })
    }

    /// The trivial export, on a fresh instance.
    pub(crate) async fn poll(&self) -> Result<(), Problem> {
        let (mut store, deadline) = self.store();
        let answer = tokio::time::timeout_at(deadline.into(), async {
            let instance = self.pre.instantiate_async(&mut store).await?;
            self.poll.load(&mut store, &instance)?.call_poll(&mut store, &context(), None).await
        });
        answer.await??.map(drop).map_err(|error| format!("the guest refused a poll: {error:?}").into())
    }

    /// The parse, on a fresh instance; gives the number of interactions.
    pub(crate) async fn webhook(&self, body: &[u8]) -> Result<usize, Problem> {
        let request = webhook::Request { method: "POST".to_owned(), query: Vec::new(), headers: Vec::new(), body: body.to_vec() };
        let (mut store, deadline) = self.store();
        let answers = tokio::time::timeout_at(deadline.into(), async {
            let instance = self.pre.instantiate_async(&mut store).await?;
            self.webhook.load(&mut store, &instance)?.call_handle(&mut store, &context(), &[request]).await
        });
        match answers.await??.as_slice() {
            [Ok(outcome)] => Ok(outcome.interactions.len()),
            other => Err(format!("the guest refused a delivery: {other:?}").into()),
        }
    }

    fn store(&self) -> (Store<Data>, Instant) {
        let deadline = Instant::now() + self.limits.wall_max;
        let ticks = self.limits.computing_max.as_nanos() / self.tick.as_nanos().max(1);
        let mut table = ResourceTable::new();
        table.set_max_capacity(self.limits.resources_max);
        let data = Data {
            // Randomness that costs no call of the system, as the runtime's.
            wasi: WasiCtx::builder()
                .secure_random(Deterministic::new(vec![7; 32]))
                .insecure_random(Deterministic::new(vec![9; 32]))
                .insecure_random_seed(11)
                .allow_tcp(false)
                .allow_udp(false)
                .allow_ip_name_lookup(false)
                .build(),
            table,
            limits: StoreLimitsBuilder::new().memory_size(self.limits.memory_bytes_max).trap_on_grow_failure(true).build(),
            deadline,
            ticks_left: u64::try_from(ticks).unwrap_or(u64::MAX),
        };
        let mut store = Store::new(&self.engine, data);
        store.limiter(|data| &mut data.limits);
        store.set_hostcall_fuel(self.limits.crossing_bytes_max);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(|mut context| {
            let data = context.data_mut();
            if data.ticks_left == 0 || Instant::now() >= data.deadline {
                return Ok(UpdateDeadline::Interrupt);
            }
            data.ticks_left -= 1;
            Ok(UpdateDeadline::Yield(1))
        });
        (store, deadline)
    }
}

fn context() -> Context {
    Context { channel: "bench".to_owned(), settings: "{}".to_owned(), now: "2026-11-22T10:15:00Z".to_owned() }
}

/// As `host/runtime/src/engine.rs` sets it, where each knob says why.
fn config(limits: &EngineLimits, scan: PageScan) -> Config {
    let mut config = Config::new();
    config.cranelift_opt_level(OptLevel::Speed);
    config.wasm_backtrace_max_frames(None);
    config.native_unwind_info(false);
    config.wasm_memory64(false);
    config.wasm_relaxed_simd(false);
    config.concurrency_support(false);
    config.epoch_interruption(true);
    config.max_wasm_stack(limits.guest_stack_bytes_max);
    config.async_stack_size(limits.guest_stack_bytes_max + (1 << 20));
    config.async_stack_zeroing(true);
    config.memory_reservation(4 << 30);
    config.memory_may_move(false);
    config.memory_init_cow(true);
    config.memory_guaranteed_dense_image_size(64 << 20);
    let calls = limits.calls_max;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls);
    pool.total_stacks(calls);
    pool.total_core_instances(calls.saturating_mul(limits.core_instances_max));
    pool.total_memories(calls.saturating_mul(limits.memories_max));
    pool.total_tables(calls.saturating_mul(limits.tables_max));
    pool.max_core_instances_per_component(limits.core_instances_max);
    pool.max_memories_per_component(limits.memories_max);
    pool.max_tables_per_component(limits.tables_max);
    pool.table_elements(limits.table_elements_max);
    pool.max_memory_size(limits.slot_memory_bytes_max);
    pool.max_unused_warm_slots(calls);
    let (keep_resident, scanning) = match scan {
        PageScan::Available => (limits.keep_resident_bytes_max, Enabled::Yes),
        PageScan::Missing => (limits.keep_resident_bytes_max_without_scan, Enabled::No),
    };
    pool.linear_memory_keep_resident(keep_resident);
    pool.table_keep_resident(keep_resident.min(limits.table_elements_max * size_of::<usize>()));
    pool.async_stack_keep_resident(32 << 10);
    pool.pagemap_scan(scanning);
    pool.decommit_batch_size(1);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    config
}
