//! `cargo xtask bench`: the budgets, measured in release.

use std::os::unix::process::CommandExt;

use crate::guests::{self, WASI_TARGET};
use crate::process::{self, Failure, Workspace};
use crate::stage::stage;

/// The guest that is measured with and without WASI.
const GUEST: &str = "bench-guest";

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    guests::build()?;
    stage("build the connectors for this machine", || {
        let mut command = process::cargo(&["build", "--profile", "native"], Workspace::Connectors);
        process::run(command.args(["-p", guests::NATIVE]))
    })
    .0?;
    stage("build the benchmarks' guest with WASI, too", || process::run(guests::cargo_build(WASI_TARGET).args(["--package", GUEST]))).0?;
    stage("build the benchmarks and the host in release", || {
        let mut command = process::cargo(&["build", "--release"], Workspace::Host);
        command.args(["-p", "sportello-bench", "-p", "sportello-cli", "--bins"]);
        process::run(&mut command)
    })
    .0?;
    eprintln!("\n── measure");
    let built = Workspace::Host.target_folder().join("release");
    let mut benchmarks = process::program(built.join("sportello-bench"));
    benchmarks.args(arguments).env("SPORTELLO_BINARY", built.join("sportello")).env("SPORTELLO_GUESTS", guests::folder());
    benchmarks.env("SPORTELLO_BENCH_WITH_WASI", guests::built_for(WASI_TARGET).join(GUEST.replace('-', "_")).with_extension("wasm"));
    benchmarks.env("SPORTELLO_BENCH_NATIVE", Workspace::Connectors.target_folder().join("native").join(guests::NATIVE));
    process::announce(&benchmarks);
    let error = benchmarks.exec();
    Err(process::could_not_start(&benchmarks, &error))
}
