//! `cargo xtask check`: all that needs no test to run, cheapest first.

use crate::process::Failure;
use crate::stage::stage;
use crate::{clippy, deny, fmt};

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::new("`check` takes no argument"));
    }
    stage("formatting", || fmt::format_all(true)).0?;
    stage("licences, duplicates and sources of dependencies", || deny::run(&[])).0?;
    stage("lints", || clippy::run(&[])).0?;
    Ok(())
}
