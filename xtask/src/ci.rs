//! `cargo xtask ci`: what CI runs, for people to run before they push.

use crate::process::Failure;
use crate::{check, test};

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::new("`ci` takes no argument"));
    }
    check::run(&[])?;
    test::run(&[])
}
