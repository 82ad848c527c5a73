//! Every limit of this crate: its name, its default, its unit.
//!
//! Three groups. [`EngineLimits`] size the pool and hold for the whole process. [`CallLimits`] hold for one call and can be set per channel.
//! [`output`] and the rest are the contract's own limits as `wit/` documents them: a connector may rely on them, so they are constants.

use std::time::Duration;

use crate::outbound::HttpLimits;

/// Sizes of the engine and its pool. They reserve address space, not memory, unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineLimits {
    /// Calls running at the same time, over all channels, besides challenges. Each holds one slot of the pool; the next one waits for a slot.
    pub calls_max: u32,
    /// Calls of one channel running at the same time, at most `calls_max`: a slow platform must leave slots to the others.
    pub channel_calls_max: u32,
    /// Challenges answered at the same time, over all channels, in slots of their own: a platform gives up an address that misses some, and whatever
    /// else a channel waits for must not stand in their way.
    pub challenges_max: u32,
    /// Challenges of one channel answered at the same time, at most `challenges_max`.
    pub channel_challenges_max: u32,
    /// How long a call waits for a slot, its channel's and the pool's together, before it is refused as busy.
    pub slot_wait_max: Duration,
    /// The most memory one linear memory of any guest can ever have, in bytes: the size of a slot. [`CallLimits::memory_bytes_max`] is below.
    pub slot_memory_bytes_max: usize,
    /// Linear memories in one connector. Rust guests have one; an interpreter with its libraries has a few.
    pub memories_max: u32,
    /// Tables in one connector.
    pub tables_max: u32,
    /// Elements in one table.
    pub table_elements_max: usize,
    /// Core instances in one connector: the guest, WASI's shims, libraries.
    pub core_instances_max: u32,
    /// Bytes of a component file. Python guests are about 19 MB, Rust guests 0.3 MB.
    pub component_bytes_max: usize,
    /// Memory kept resident per slot after a call, in bytes: reusing pages beats faulting them in again. Real memory: times all slots at most.
    pub keep_resident_bytes_max: usize,
    /// Memory kept resident per slot where the kernel cannot tell which pages were touched (before Linux 6.7): all of it is rewritten after
    /// every call, so it is small.
    pub keep_resident_bytes_max_without_scan: usize,
    /// How often running guests are interrupted to look at their deadline.
    pub epoch_tick: Duration,
    /// Stack of a guest in bytes.
    pub guest_stack_bytes_max: usize,
}

impl EngineLimits {
    /// Slots of the pool: as many guests as can be there at the same time.
    pub(crate) fn slots(&self) -> u32 {
        self.calls_max.saturating_add(self.challenges_max)
    }
}

impl Default for EngineLimits {
    fn default() -> Self {
        Self {
            calls_max: 64,
            channel_calls_max: 16,
            challenges_max: 8,
            channel_challenges_max: 2,
            slot_wait_max: Duration::from_secs(5),
            slot_memory_bytes_max: 256 << 20,
            memories_max: 4,
            tables_max: 16,
            table_elements_max: 20_000,
            core_instances_max: 64,
            component_bytes_max: 32 << 20,
            keep_resident_bytes_max: 1 << 20,
            keep_resident_bytes_max_without_scan: 64 << 10,
            epoch_tick: Duration::from_millis(5),
            guest_stack_bytes_max: 512 << 10,
        }
    }
}

/// What one call may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallLimits {
    /// Time from the start of the call to its end, waiting for the network included.
    pub wall_max: Duration,
    /// Time the guest itself computes, counted in ticks of the epoch: a guest that is interrupted this often is stopped.
    pub computing_max: Duration,
    /// All linear memories of the guest together, in bytes.
    pub memory_bytes_max: usize,
    /// Bytes a guest may hand to the host in one crossing of the border (its result, an argument of a host call), as they are in the host,
    /// so that many aliases of one string cost as much as many strings.
    pub crossing_bytes_max: usize,
    /// Entries a guest may have in the host's resource table: streams, requests, pollables.
    pub resources_max: usize,
    /// Diagnostics kept of one call; the rest is counted.
    pub diagnostics_max: usize,
    /// Bytes kept of one diagnostic; the rest is cut off.
    pub diagnostic_bytes_max: usize,
    /// Bytes of one answer of WASI's random source.
    pub random_bytes_max: u64,
    /// What it may do on the network.
    pub http: HttpLimits,
}

impl Default for CallLimits {
    fn default() -> Self {
        Self {
            wall_max: Duration::from_secs(30),
            computing_max: Duration::from_secs(2),
            memory_bytes_max: 64 << 20,
            crossing_bytes_max: 4 << 20,
            resources_max: 1024,
            diagnostics_max: 64,
            diagnostic_bytes_max: 2 << 10,
            random_bytes_max: 64 << 10,
            http: HttpLimits::default(),
        }
    }
}

/// When a connector is taken out of service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineLimits {
    /// Failed calls within `window` that close the channel.
    pub failures_max: u32,
    /// The window in which failures count.
    pub window: Duration,
    /// How long nothing is tried after that; then one call probes.
    pub rest: Duration,
}

impl Default for QuarantineLimits {
    fn default() -> Self {
        Self { failures_max: 5, window: Duration::from_secs(60), rest: Duration::from_secs(30) }
    }
}

/// Limits of `state.wit`.
pub mod state {
    /// Bytes of a key.
    pub const KEY_BYTES_MAX: usize = 128;
    /// Bytes of a value.
    pub const VALUE_BYTES_MAX: usize = 16 << 10;
    /// Writes and deletions in one call.
    pub const WRITES_MAX: usize = 64;
    /// Keys of one channel.
    pub const KEYS_MAX: usize = 1024;
}

/// Windows of rate limits one channel reports.
pub const HEADROOM_WINDOWS_MAX: usize = 16;
/// Bytes of such a window's name.
pub const HEADROOM_NAME_BYTES_MAX: usize = 64;
/// Bytes of a delivery whose signature stands in a field of its body.
pub const SIGNED_FIELD_BYTES_MAX: usize = 16 << 10;

/// Limits of what a guest returns.
pub mod output {
    /// Interactions of one call, over all requests of a batch.
    pub const INTERACTIONS_MAX: usize = 1000;
    /// Requests for deletion in one delivery.
    pub const DELETION_REQUESTS_MAX: usize = 64;
    /// Contacts of one answer.
    pub const CONTACTS_MAX: usize = 1000;
    /// Attributes of one record.
    pub const ATTRIBUTES_MAX: usize = 32;
    /// Bytes of an attribute's value.
    pub const ATTRIBUTE_BYTES_MAX: usize = 4 << 10;
    /// Bytes of a name from an open set (kind, scheme, an attribute's name).
    pub const NAME_BYTES_MAX: usize = 64;
    /// Identifiers of one profile or contact.
    pub const IDENTIFIERS_MAX: usize = 32;
    /// Bytes of an id, a handle, a display name, a revision, an identifier's value, a conversation's title.
    pub const ID_BYTES_MAX: usize = 512;
    /// Bytes of a conversation's key.
    pub const CONVERSATION_KEY_BYTES_MAX: usize = 512;
    /// Bytes of a URL.
    pub const URL_BYTES_MAX: usize = 4 << 10;
    /// Bytes of an interaction's text.
    pub const TEXT_BYTES_MAX: usize = 64 << 10;
    /// Bytes of raw text a guest fetched itself.
    pub const RAW_TEXT_BYTES_MAX: usize = 64 << 10;
    /// Bytes of a cursor.
    pub const CURSOR_BYTES_MAX: usize = 16 << 10;
    /// Bytes of a reason in an error.
    pub const REASON_BYTES_MAX: usize = 2 << 10;
    /// Bytes of a webhook response's body.
    pub const RESPONSE_BYTES_MAX: usize = 64 << 10;
}

/// Limits of a manifest.
pub mod manifest {
    /// Bytes of the settings' schema.
    pub const SCHEMA_BYTES_MAX: usize = 64 << 10;
    /// Entries of any list of the manifest.
    pub const LIST_MAX: usize = 64;
    /// Bytes of any other text of the manifest.
    pub const TEXT_BYTES_MAX: usize = 8 << 10;
    /// Problems of settings that a connector may tell of.
    pub const PROBLEMS_MAX: usize = 64;
    /// Bytes of a channel's settings as JSON.
    pub const SETTINGS_BYTES_MAX: usize = 64 << 10;
}
