//! `cargo xtask guests`: the connectors, built for the sandbox.

use std::path::PathBuf;

use crate::process::{self, Failure, Workspace};
use crate::stage::stage;

/// What guests are compiled to.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// The package that runs their code outside the sandbox, for the benchmarks.
pub(crate) const NATIVE: &str = "bench-native";

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if let Some(argument) = arguments.first() {
        return Err(Failure::new(format!("`guests` takes no argument, `{argument}` was given")));
    }
    build()
}

/// Where the built components lie; absolute.
pub(crate) fn folder() -> PathBuf {
    Workspace::Connectors.target_folder().join(TARGET).join("release")
}

/// Adds the target if it is missing, builds every connector in release, prints the sizes.
pub(crate) fn build() -> Result<(), Failure> {
    let (built, _) = stage("build the connectors for wasm32-wasip2", || {
        add_target()?;
        let mut command = process::cargo(&["build"], Workspace::Connectors);
        command.args(["--workspace", "--exclude", NATIVE, "--release", "--target", TARGET]);
        process::run(&mut command)?;
        print_sizes()
    });
    built
}

fn add_target() -> Result<(), Failure> {
    let sysroot = process::output(process::program("rustc").args(["--print", "sysroot"]))?;
    let installed = PathBuf::from(sysroot).join("lib/rustlib").join(TARGET);
    if installed.is_dir() {
        return Ok(());
    }
    process::run(process::program("rustup").args(["target", "add", TARGET])).map_err(|failure| {
        Failure::new(format!(
            "{failure}\nThis toolchain has no {TARGET}. With rustup: `rustup target add {TARGET}`; \
             otherwise install your distribution's package of Rust's standard library for {TARGET}."
        ))
    })
}

fn print_sizes() -> Result<(), Failure> {
    let folder = folder();
    let unreadable = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
    let mut components = Vec::new();
    for entry in std::fs::read_dir(&folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            let bytes = entry.metadata().map_err(unreadable)?.len();
            components.push((entry.file_name().to_string_lossy().into_owned(), bytes));
        }
    }
    if components.is_empty() {
        return Err(Failure::new(format!(
            "no component was built: no *.wasm in {}; does a connector's Cargo.toml say crate-type = [\"cdylib\"]?",
            folder.display()
        )));
    }
    components.sort();
    for (name, bytes) in components {
        eprintln!("   {:>7} KiB  {name}", bytes.div_ceil(1024));
    }
    Ok(())
}
