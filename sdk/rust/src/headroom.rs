//! What the platform says is left under its rate limits.
//!
//! [`take`] a request out of its window before it is made, and [`report`] what the headers of every answer tell. The host counts for all calls of
//! the channel, shows it to the operator, and where nothing is left it makes no further call of that capability before the window ends. So a connector
//! need not count for itself, and never learns of a limit by being refused.

pub use crate::bindings::shared::sportello::connector::headroom::Window;

use crate::Error;

/// Takes a request out of a window before it is made. A window of which nothing was reported has room.
///
/// # Errors
/// Nothing is left: rate limited until the window ends. No request may be made.
pub fn take(window: &str) -> Result<(), Error> {
    #[cfg(target_arch = "wasm32")]
    let taken = crate::bindings::shared::sportello::connector::headroom::take(window);
    #[cfg(not(target_arch = "wasm32"))]
    let taken = crate::testing::take(window);
    taken.map_err(|until| Error::rate_limited(until, format!("nothing is left of what the platform allows of `{window}`")))
}

/// Tells the host what an answer said.
pub fn report(window: &Window) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::shared::sportello::connector::headroom::report(window);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::headroom(window);
}
