//! The memory of a guest without WASI: dlmalloc, which the standard library has for such guests too, begun with memory that is there from the start.
//!
//! The standard library's grows the memory with the first allocation of an instance, and every call has an instance of its own. To grow, and to be
//! small again for the next call, costs more than the rest of a small call (`docs/decisions/0014-guests-without-wasi.md`).

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32::memory_grow;
use std::cell::UnsafeCell;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};

use dlmalloc::{Allocator, Dlmalloc};

/// What is there from the start: enough for some dozens of deliveries in one call. Pages of it that a call does not touch cost nothing.
const FIRST_BYTES: usize = 512 << 10;
/// By what memory grows.
const PAGE_BYTES: usize = 64 << 10;
/// As many as addresses of 32 bits reach.
const PAGES_MAX: usize = 1 << 16;

/// Apart from all else, and zero: it takes no place in the component's file.
static FIRST: First = First(UnsafeCell::new([0; FIRST_BYTES]));
static FIRST_IS_GIVEN: AtomicBool = AtomicBool::new(false);

#[global_allocator]
static MEMORY: Memory = Memory(UnsafeCell::new(Dlmalloc::new_with_allocator(Pages)));

#[repr(align(16))]
struct First(UnsafeCell<[u8; FIRST_BYTES]>);

// SAFETY: it is read and written by whoever `MEMORY` gave a part of it to.
unsafe impl Sync for First {}

struct Memory(UnsafeCell<Dlmalloc<Pages>>);

// SAFETY: this target has one thread.
unsafe impl Sync for Memory {}

// SAFETY: dlmalloc keeps the promises. Nobody but these functions touches it, on one thread, and none of them is called within another.
unsafe impl GlobalAlloc for Memory {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { (*self.0.get()).malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        unsafe { (*self.0.get()).calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above, and whoever calls promises that it came from here with this layout.
        unsafe { (*self.0.get()).free(pointer, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, bytes: usize) -> *mut u8 {
        // SAFETY: as above, and whoever calls promises that it came from here with this layout.
        unsafe { (*self.0.get()).realloc(pointer, layout.size(), layout.align(), bytes) }
    }
}

/// Where dlmalloc gets memory from.
struct Pages;

// SAFETY: what it gives is zero, as large as it says, given once and never taken back.
unsafe impl Allocator for Pages {
    fn alloc(&self, bytes: usize) -> (*mut u8, usize, u32) {
        if bytes <= FIRST_BYTES && !FIRST_IS_GIVEN.swap(true, Ordering::Relaxed) {
            return (FIRST.0.get().cast(), FIRST_BYTES, 0);
        }
        let pages = bytes.div_ceil(PAGE_BYTES);
        match memory_grow(0, pages) {
            // An end at 2^32 would be no address; where it could not grow, `before` is beyond that, too.
            before if before < PAGES_MAX - pages => ((before * PAGE_BYTES) as *mut u8, pages * PAGE_BYTES, 0),
            _ => (null_mut(), 0, 0),
        }
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE_BYTES
    }
}
