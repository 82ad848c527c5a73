//! `cargo xtask guests`: the connectors, built for the sandbox.

use std::path::{Path, PathBuf};

use crate::process::{self, Failure, Workspace};
use crate::stage::stage;

/// What guests are compiled to: WebAssembly without WASI, of which `wasm-component-ld`, named in `.cargo/config.toml`, makes a component.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// What those are compiled to that need more of WASI than the contract speaks of.
pub(crate) const WASI_TARGET: &str = "wasm32-wasip2";

/// The package that runs their code outside the sandbox, for the benchmarks.
pub(crate) const NATIVE: &str = "bench-native";

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if let Some(argument) = arguments.first() {
        return Err(Failure::new(format!("`guests` takes no argument, `{argument}` was given")));
    }
    build()
}

/// Where the built components lie, whatever they were compiled to; absolute.
pub(crate) fn folder() -> PathBuf {
    Workspace::Connectors.target_folder().join("guests")
}

/// Where Cargo leaves what it built for a target; absolute.
pub(crate) fn built_for(target: &str) -> PathBuf {
    Workspace::Connectors.target_folder().join(target).join("release")
}

/// Adds the targets if they are missing, builds every connector in release, prints the sizes.
pub(crate) fn build() -> Result<(), Failure> {
    let (built, _) = stage("build the connectors for the sandbox", || {
        add_target(TARGET)?;
        add_target(WASI_TARGET)?;
        let with_wasi = with_wasi()?;
        let mut command = cargo_build(TARGET);
        command.args(["--workspace", "--exclude", NATIVE]);
        command.args(with_wasi.iter().flat_map(|guest| ["--exclude", guest]));
        process::run(&mut command)?;
        let mut command = cargo_build(WASI_TARGET);
        command.args(with_wasi.iter().flat_map(|guest| ["--package", guest]));
        process::run(&mut command)?;
        gather(&with_wasi)?;
        print_sizes()
    });
    built
}

pub(crate) fn cargo_build(target: &str) -> std::process::Command {
    let mut command = process::cargo(&["build"], Workspace::Connectors);
    command.args(["--release", "--target", target]);
    command
}

/// The guests that are built for [`WASI_TARGET`]: the connectors' workspace lists them.
pub(crate) fn with_wasi() -> Result<Vec<String>, Failure> {
    let manifest = process::root().join(Workspace::Connectors.manifest());
    let text = std::fs::read_to_string(&manifest).map_err(|error| Failure::new(format!("{}: {error}", manifest.display())))?;
    listed(&text).ok_or_else(|| Failure::new(format!("{}: no line `with-wasi = [\"…\"]`", manifest.display())))
}

fn listed(manifest: &str) -> Option<Vec<String>> {
    let list = manifest.lines().find_map(|line| line.strip_prefix("with-wasi = [")?.strip_suffix(']'))?;
    list.split(',').map(|name| Some(name.trim().strip_prefix('"')?.strip_suffix('"')?.to_owned())).collect()
}

/// Puts what was built for either target into [`folder`].
fn gather(with_wasi: &[String]) -> Result<(), Failure> {
    let file = |guest: &String| format!("{}.wasm", guest.replace('-', "_"));
    let with_wasi: Vec<String> = with_wasi.iter().map(file).collect();
    let folder = folder();
    std::fs::create_dir_all(&folder).map_err(|error| Failure::new(format!("{}: {error}", folder.display())))?;
    for (target, wasi) in [(TARGET, false), (WASI_TARGET, true)] {
        for (name, path) in components(&built_for(target))? {
            if with_wasi.contains(&name) == wasi {
                replace(&path, &folder.join(&name)).map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
            }
        }
    }
    Ok(())
}

/// Whoever reads `to` meanwhile finds the old file or the new one, whole.
fn replace(from: &Path, to: &Path) -> std::io::Result<()> {
    let beside = to.with_extension("new");
    std::fs::copy(from, &beside)?;
    std::fs::rename(&beside, to)
}

fn add_target(target: &str) -> Result<(), Failure> {
    let sysroot = process::output(process::program("rustc").args(["--print", "sysroot"]))?;
    let installed = PathBuf::from(sysroot).join("lib/rustlib").join(target);
    if installed.is_dir() {
        return Ok(());
    }
    process::run(process::program("rustup").args(["target", "add", target])).map_err(|failure| {
        Failure::new(format!(
            "{failure}\nThis toolchain has no {target}. With rustup: `rustup target add {target}`; \
             otherwise install your distribution's package of Rust's standard library for {target}."
        ))
    })
}

/// Names and paths of the components in a folder, by name.
fn components(folder: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let unreadable = |error: std::io::Error| Failure::new(format!("{}: {error}", folder.display()));
    let mut components = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "wasm") {
            components.push((entry.file_name().to_string_lossy().into_owned(), path));
        }
    }
    components.sort();
    if components.is_empty() {
        return Err(Failure::new(format!(
            "no component was built: no *.wasm in {}; does a connector's Cargo.toml say crate-type = [\"cdylib\"]?",
            folder.display()
        )));
    }
    Ok(components)
}

fn print_sizes() -> Result<(), Failure> {
    for (name, path) in components(&folder())? {
        let bytes = path.metadata().map_err(|error| Failure::new(format!("{}: {error}", path.display())))?.len();
        eprintln!("   {:>7} KiB  {name}", bytes.div_ceil(1024));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guests_that_need_wasi_are_those_the_workspace_lists() {
        assert_eq!(listed("[workspace.metadata.guests]\nwith-wasi = [\"a-b\", \"c\"]\n"), Some(vec!["a-b".to_owned(), "c".to_owned()]));
        assert_eq!(listed("with-wasi = [a]"), None);
        assert_eq!(with_wasi().expect("listed"), ["mapped-crm", "hostile"]);
    }
}
