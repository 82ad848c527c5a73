//! Every limit of a workflow, in one place.

/// Bytes of a definition's text.
pub const SOURCE_BYTES_MAX: usize = 64 * 1024;
/// Instructions of a plan.
pub const INSTRUCTIONS_MAX: usize = 200;
/// Steps within `then` or `else` within `then` or `else` …
pub const NESTING_MAX: usize = 8;
/// Workflows a tenant can have defined at once, for each trigger.
pub const WORKFLOWS_PER_TRIGGER_MAX: usize = 256;
/// Channels a workflow can name.
pub const CHANNELS_MAX: usize = 64;
/// Steps a run can visit, retries included.
pub const VISITS_MAX: u64 = 1_000;
/// Runs that one event can start.
pub const RUNS_PER_EVENT_MAX: usize = 16;
/// Runs of one case that can be under way at once.
pub const LIVE_RUNS_PER_CASE_MAX: usize = 64;
/// Times one workflow can start for one case within [`STARTS_WINDOW_MS`]. What ends two workflows that wake each other.
pub const STARTS_PER_WINDOW_MAX: u32 = 30;
/// The window of [`STARTS_PER_WINDOW_MAX`], in milliseconds.
pub const STARTS_WINDOW_MS: u64 = 60_000;
/// The longest a run can wait, in milliseconds: 366 days.
pub const WAIT_MS_MAX: u64 = 366 * 24 * 60 * 60 * 1_000;
/// Effects a step can ask for before it is given up.
pub const RETRY_ATTEMPTS_MAX: u32 = 10;
/// The shortest time between two of them, in milliseconds.
pub const RETRY_EVERY_MS_MIN: u64 = 1_000;
/// The longest time between two of them, in milliseconds: a day.
pub const RETRY_EVERY_MS_MAX: u64 = 24 * 60 * 60 * 1_000;
/// Bytes of one CEL expression.
pub const EXPRESSION_BYTES_MAX: usize = 1_024;
/// Expressions within expressions in one CEL expression, as the parser counts them and in its tree.
pub const EXPRESSION_DEPTH_MAX: usize = 32;
/// What one evaluation may cost: roughly the bytes and list items it may touch.
pub const EVALUATION_COST_MAX: u64 = 4_000_000;
/// What one value within an evaluation may come to, in bytes and list items.
pub const EVALUATION_SIZE_MAX: u64 = 256 * 1024;
/// Bytes of a rendered text.
pub const TEXT_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a problem's text in an event; longer ones are cut.
pub const PROBLEM_BYTES_MAX: usize = 512;
/// Languages a text can be given in.
pub const LANGUAGES_MAX: usize = 32;
/// Bytes of a name of a workflow or a step.
pub const NAME_BYTES_MAX: usize = 64;
/// Problems one check reports.
pub const PROBLEMS_MAX: usize = 100;
