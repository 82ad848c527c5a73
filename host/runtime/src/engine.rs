//! The one engine of the process: how it compiles, where instances live, what interrupts them.
//!
//! Each knob says why it stands as it does; the figures behind the pool's are in `docs/decisions/0003-pool-knobs.md` and are made by
//! `cargo run --release --example pool_knobs`.

use std::time::Duration;

use wasmtime::{Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig};

use crate::error::RuntimeError;
use crate::limits::EngineLimits;

/// Whether the kernel can say which pages of a slot were touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageScan {
    /// `PAGEMAP_SCAN` works (Linux 6.7 and newer).
    Available,
    /// It does not: only a small part of each slot is kept resident.
    Missing,
}

/// Where instances live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pooling {
    /// In the pool, with the page scan if the kernel has it.
    #[default]
    Pool,
    /// In the pool, without the page scan.
    PoolWithoutScan,
    /// Nowhere in particular: every instance is mapped and unmapped anew. Three times slower, for systems where address space is short
    /// (`ulimit -v`).
    OnDemand,
}

/// Starts the engine. The page scan is tried out first: whether it works shows when the pool is built.
pub(crate) fn start(limits: &EngineLimits, pooling: Pooling) -> Result<(Engine, PageScan), RuntimeError> {
    match pooling {
        Pooling::Pool => {}
        Pooling::PoolWithoutScan => {
            let engine = Engine::new(&config(limits, PageScan::Missing)).map_err(RuntimeError::Engine)?;
            return Ok((engine, PageScan::Missing));
        }
        Pooling::OnDemand => {
            let mut config = config(limits, PageScan::Missing);
            config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
            return Ok((Engine::new(&config).map_err(RuntimeError::Engine)?, PageScan::Missing));
        }
    }
    if let Ok(engine) = Engine::new(&config(limits, PageScan::Available)) {
        return Ok((engine, PageScan::Available));
    }
    let engine = Engine::new(&config(limits, PageScan::Missing)).map_err(RuntimeError::Engine)?;
    tracing::info!("the kernel has no PAGEMAP_SCAN (Linux 6.7): fresh instances cost about twice as much");
    Ok((engine, PageScan::Missing))
}

/// The engine's configuration.
pub(crate) fn config(limits: &EngineLimits, scan: PageScan) -> Config {
    let mut config = Config::new();

    // Compiling. Connectors are compiled once per digest and run many times.
    config.cranelift_opt_level(OptLevel::Speed);
    // Backtraces would carry names of functions only, and capturing one costs more than the call that trapped; what matters is in the trap.
    config.wasm_backtrace_max_frames(None);
    // The host's unwinder never walks guest frames here, so their tables would only be dead weight in every compiled file.
    config.native_unwind_info(false);

    // What guests may be. Threads, 64-bit memories, GC and the asynchronous component model are off: no toolchain of the contract's needs
    // them, and each is surface. (Threads, GC and component-model-async are not even compiled into wasmtime here.)
    config.wasm_memory64(false);
    config.wasm_relaxed_simd(false); // differs between machines, and a call must be replayable on another one
    config.cranelift_nan_canonicalization(false); // NaN payloads differ only between architectures; replay compares the connector's records
    config.concurrency_support(false); // no async component functions, so no event loop per store

    // Stopping. The epoch stops whatever computes; see `call.rs` for who stops what waits.
    config.epoch_interruption(true);
    config.max_wasm_stack(limits.guest_stack_bytes_max);
    // Host functions run on the same stack and need room above what the guest may take; 1 MiB is four times what we ever saw.
    config.async_stack_size(limits.guest_stack_bytes_max + (1 << 20));
    // A stack is given to another guest next: that it holds nothing of the last one must not depend on the compiler alone.
    config.async_stack_zeroing(true);

    // Memory. 4 GiB of address space per memory lets the guard pages do the bounds checks; memory comes only with use.
    config.memory_reservation(4 << 30);
    config.memory_may_move(false); // pool slots never move, and the compiled code can rely on it
    config.memory_init_cow(true); // a fresh instance maps the initial image instead of copying it
    // Images up to the largest memory a slot can have are mapped, however sparse: instantiation stays flat for interpreters too.
    config.memory_guaranteed_dense_image_size(64 << 20);

    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits, scan)));
    config
}

/// The pool. Its totals are the per-connector limits times the number of calls, so that whoever holds one of `calls_max` permits can never
/// find the pool exhausted.
pub(crate) fn pool(limits: &EngineLimits, scan: PageScan) -> PoolingAllocationConfig {
    let slots = limits.slots();
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots);
    pool.total_stacks(slots);
    pool.total_core_instances(slots.saturating_mul(limits.core_instances_max));
    pool.total_memories(slots.saturating_mul(limits.memories_max));
    pool.total_tables(slots.saturating_mul(limits.tables_max));
    pool.max_core_instances_per_component(limits.core_instances_max);
    pool.max_memories_per_component(limits.memories_max);
    pool.max_tables_per_component(limits.tables_max);
    pool.table_elements(limits.table_elements_max);
    // The hard wall behind the per-call limit: no slot ever grows beyond it, whatever a channel was configured to.
    pool.max_memory_size(limits.slot_memory_bytes_max);

    // A slot that last held the same connector still has its image mapped, which saves the mapping. All slots may keep it:
    // the resident memory this can hold is bounded by keep_resident × slots.
    pool.max_unused_warm_slots(slots);
    // Resetting pages in place beats giving them back and faulting them in again, but only if the kernel says which were touched: without the
    // scan the whole range is rewritten after each call, and 1 MiB of that is slower than no pool at all.
    let keep_resident = match scan {
        PageScan::Available => limits.keep_resident_bytes_max,
        PageScan::Missing => limits.keep_resident_bytes_max_without_scan,
    };
    pool.linear_memory_keep_resident(keep_resident);
    pool.table_keep_resident(keep_resident.min(limits.table_elements_max * size_of::<usize>()));
    // Stacks are zeroed (above) by writing this much and giving the rest back; a shallow guest touches less.
    pool.async_stack_keep_resident(32 << 10);
    pool.pagemap_scan(match scan {
        PageScan::Available => Enabled::Yes,
        PageScan::Missing => Enabled::No,
    });
    // One at a time: with the scan there is rarely anything to give back, and a batch would keep a customer's pages around for longer.
    pool.decommit_batch_size(1);
    pool
}

/// Advances the epoch every `tick` until the engine is gone.
pub(crate) fn start_ticking(engine: &Engine, tick: Duration) -> Result<(), RuntimeError> {
    let engine = engine.weak();
    std::thread::Builder::new()
        .name("guest-epoch".into())
        .spawn(move || {
            // A thread of its own: a runtime whose workers are all busy in guests could not advance the clock that stops them.
            while let Some(engine) = engine.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(tick);
            }
        })
        .map(drop)
        .map_err(|error| RuntimeError::Engine(wasmtime::Error::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_page_scan_the_engine_starts_with_the_small_setting() {
        let limits = EngineLimits::default();
        let pool = pool(&limits, PageScan::Missing);
        assert_eq!(pool.get_memory_keep_resident(), limits.keep_resident_bytes_max_without_scan);
        Engine::new(&config(&limits, PageScan::Missing)).unwrap();
    }

    #[test]
    fn a_permit_is_a_slot_whatever_the_connector_needs() {
        let limits = EngineLimits {
            calls_max: 5,
            challenges_max: 2,
            memories_max: 3,
            tables_max: 5,
            core_instances_max: 11,
            ..EngineLimits::default()
        };
        let pool = pool(&limits, PageScan::Missing);
        assert_eq!(pool.get_total_memories(), 7 * pool.get_max_memories_per_component());
        assert_eq!(pool.get_total_tables(), 7 * pool.get_max_tables_per_component());
        assert_eq!(pool.get_total_core_instances(), 7 * pool.get_max_core_instances_per_component());
        assert_eq!(pool.get_total_component_instances(), 7);
        assert_eq!(pool.get_total_stacks(), 7);
    }
}
