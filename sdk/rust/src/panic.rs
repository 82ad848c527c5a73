//! What becomes of a panic: a message for the operator. Standard error is read by nobody, and a guest without WASI has none.

use std::panic::{PanicHookInfo, set_hook};

use crate::diagnostics::{self, Level};

/// From now on a panic writes a diagnostic before it ends the call. Every export begins with this: each call has an instance of its own.
pub(crate) fn tell_the_operator() {
    // Natively the panics are the tests' own.
    if cfg!(target_arch = "wasm32") {
        write_diagnostics();
    }
}

fn write_diagnostics() {
    set_hook(Box::new(|panic| diagnostics::emit(Level::Error, &message(panic))));
}

/// Where it panicked, and why if that is a text of the program's. One made at run time may quote people or secrets: cutting a text in the middle of
/// a character quotes all of it. The host cuts what is too long.
fn message(panic: &PanicHookInfo<'_>) -> String {
    let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
    match panic.payload().downcast_ref::<&'static str>() {
        Some(text) => format!("panicked at {place}: {text}"),
        None => format!("panicked at {place}; what it said may quote somebody and is left out"),
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{catch_unwind, take_hook};

    use super::*;
    use crate::testing::Host;

    #[test]
    fn a_panic_tells_the_operator_where_and_why_and_quotes_nobody() {
        let host = Host::new().start();
        let before = take_hook();
        write_diagnostics();
        let words = std::hint::black_box("perché nessuno risponde");
        let panics: [fn(&str); 3] = [|_| panic!("as asked"), |words| drop(words[..6].to_owned()), |words| panic!("cannot read {words}")];
        for panic in panics {
            catch_unwind(|| panic(words)).expect_err("it panics");
        }
        std::panic::set_hook(before);
        let told = host.diagnostics();
        assert_eq!(told.len(), panics.len());
        for (level, message) in &told {
            assert_eq!(*level, Level::Error);
            assert!(message.starts_with("panicked at ") && message.contains("panic.rs:"), "{message}");
            assert!(!message.contains("nessuno"), "{message}");
        }
        assert!(told[0].1.ends_with(": as asked"), "{}", told[0].1);
    }
}
