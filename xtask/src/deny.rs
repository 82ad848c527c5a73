//! `cargo xtask deny`: what both lock files bring in, held against `deny.toml`.

use crate::process::{self, Failure, Workspace};

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    let advisories = match arguments {
        [] => false,
        [flag] if flag == "--advisories" => true,
        _ => return Err(Failure::new("`deny` takes nothing, or --advisories")),
    };
    if !process::has_cargo_subcommand("deny") {
        return Err(Failure::new("cargo-deny is not installed: `cargo install cargo-deny --locked`"));
    }
    for workspace in Workspace::BOTH {
        // Not `process::cargo`: cargo-deny wants what it is about before its subcommand.
        let mut command = process::program("cargo");
        command.args(["deny", "--manifest-path", workspace.manifest()]);
        command.args(["--config", "deny.toml"]);
        if process::in_ci() {
            command.arg("--locked");
        }
        // deny.toml serves two workspaces: what only one of them needs is no fault in the other.
        command.args(["check", "--hide-inclusion-graph"]);
        command.args(["--allow", "unmatched-skip", "--allow", "unnecessary-skip"]);
        command.args(["bans", "licenses", "sources"]);
        if advisories {
            command.arg("advisories");
        }
        process::run(&mut command)?;
    }
    Ok(())
}
