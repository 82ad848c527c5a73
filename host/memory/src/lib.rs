//! The allocator of the product's programs, and how it is set.
//!
//! What comes in is allocated on one thread and freed on another, all day, which mimalloc is made for. By default it gives memory back to the system
//! after it was free for a second; under changing load the system then clears and maps the same memory again and again, which took 5 to 6 % of
//! the host's time (`cargo xtask bench --only whole-path`, 2026-11-26). So it is kept for [`KEPT_FREE_MS`]: 363 instead of 338 MiB resident
//! at most under that load.

use std::ffi::{c_int, c_long};

/// A program that links this crate allocates with it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long memory may be free before the system gets it back, in milliseconds.
pub const KEPT_FREE_MS: i32 = 10_000;

/// mimalloc's `mi_option_purge_delay`. The crate has no name for it; a test sees that it is this one.
const PURGE_DELAY: c_int = 15;

/// Sets the allocator, but for what the environment says already (`MIMALLOC_PURGE_DELAY`).
///
/// # Safety
/// Nothing but the calling thread runs yet: every thread's allocator reads what is written here.
pub unsafe fn set_up() {
    // SAFETY: the function stores a number in mimalloc's own table of options, under an index that is in it (a test reads the default back). It is not
    // safe beside other threads; the caller promises that there are none.
    unsafe { libmimalloc_sys::mi_option_set_default(PURGE_DELAY, c_long::from(KEPT_FREE_MS)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_is_how_long_free_memory_is_kept() {
        // SAFETY: reads a number from mimalloc's table, which nobody else writes.
        let kept_ms = || unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(kept_ms(), 1_000, "mimalloc's own default: another option, another mimalloc, or the environment says otherwise");
        // SAFETY: the test harness's own thread waits for this one.
        unsafe { set_up() };
        assert_eq!(kept_ms(), c_long::from(KEPT_FREE_MS));
    }
}
