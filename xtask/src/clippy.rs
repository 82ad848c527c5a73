//! `cargo xtask clippy`: lints of both workspaces, warnings are errors.

use crate::guests::TARGET;
use crate::process::{self, Failure, Workspace};
use crate::sabotage;

pub(crate) fn run(arguments: &[String]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(Failure::new("`clippy` takes no argument"));
    }
    let features = sabotage::features()?.join(",");
    // Cheapest first. What only a sabotaged build or only the sandbox compiles is looked at too, so that it cannot rot.
    let passes: [(Workspace, &[&str]); 4] = [
        (Workspace::Connectors, &["--all-targets"]),
        (Workspace::Connectors, &["--lib", "--target", TARGET]),
        (Workspace::Host, &["--all-targets"]),
        (Workspace::Host, &["--all-targets", "--features", &features]),
    ];
    for (workspace, flags) in passes {
        let mut command = process::cargo(&["clippy"], workspace);
        command.arg("--workspace").args(flags);
        command.args(["--", "-D", "warnings"]);
        process::run(&mut command)?;
    }
    Ok(())
}
