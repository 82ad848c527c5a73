//! Messages for the operator of the channel. Capped in number and size per call. Never write a person's words here.
//!
//! ```
//! # let host = sportello_sdk::testing::Host::new().start();
//! use sportello_sdk::diagnostics;
//! diagnostics::info!("{} changes in this delivery", 3);
//! # assert_eq!(host.diagnostics()[0].1, "3 changes in this delivery");
//! ```

pub use crate::bindings::shared::sportello::connector::diagnostics::Level;
pub use crate::{__debug as debug, __error as error, __info as info, __warning as warning};

/// Writes one message.
pub fn emit(level: Level, message: &str) {
    #[cfg(target_arch = "wasm32")]
    crate::bindings::shared::sportello::connector::diagnostics::emit(level, message);
    #[cfg(not(target_arch = "wasm32"))]
    crate::testing::emit(level, message);
}

#[doc(hidden)]
#[macro_export]
macro_rules! __debug {
    ($($argument:tt)*) => { $crate::diagnostics::emit($crate::diagnostics::Level::Debug, &::std::format!($($argument)*)) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __info {
    ($($argument:tt)*) => { $crate::diagnostics::emit($crate::diagnostics::Level::Info, &::std::format!($($argument)*)) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __warning {
    ($($argument:tt)*) => { $crate::diagnostics::emit($crate::diagnostics::Level::Warning, &::std::format!($($argument)*)) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __error {
    ($($argument:tt)*) => { $crate::diagnostics::emit($crate::diagnostics::Level::Error, &::std::format!($($argument)*)) };
}
