//! What the platform says is left under its rate limits.
//!
//! Report what the headers of every answer tell: the host shows it to the operator, and where nothing is left it makes no further call of the same
//! capability before the window ends. So a connector need not count for itself, and never learns of a limit by being refused.

pub use crate::bindings::shared::sportello::connector::headroom::Window;

/// Tells the host. The last word on a window counts.
pub fn report(window: &Window) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::shared::sportello::connector::headroom::report(window);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::headroom(window);
}
