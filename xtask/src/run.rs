//! `cargo xtask run`: the demo, from nothing but a toolchain.

use std::os::unix::process::CommandExt;

use crate::guests;
use crate::process::{self, Failure, Workspace};
use crate::stage::stage;

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    guests::build()?;
    stage("build the host and the demo (the first time takes minutes: a compiler is among its parts)", || {
        let mut command = process::cargo(&["build"], Workspace::Host);
        command.args(["-p", "sportello-cli", "-p", "sportello-tests", "--bins"]);
        process::run(&mut command)
    })
    .0?;
    eprintln!("\n── the demo");
    let built = Workspace::Host.target_folder().join("debug");
    let mut demo = process::program(built.join("demo"));
    demo.args(arguments).env("SPORTELLO_BINARY", built.join("sportello")).env("SPORTELLO_GUESTS", guests::folder());
    process::announce(&demo);
    // The demo takes our place, so that Ctrl-C and the exit code are its own.
    let error = demo.exec();
    Err(process::could_not_start(&demo, &error))
}
