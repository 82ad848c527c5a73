//! `sportello workflow …`.

use std::path::{Path, PathBuf};

use clap::Subcommand;

use crate::Problem;

#[derive(Debug, Subcommand)]
pub(crate) enum Workflow {
    /// Check definitions: files, or folders of them. Problems come as file:line:column.
    Check {
        /// Files or folders.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
    },
}

impl Workflow {
    pub(crate) fn run(&self) -> Result<(), Problem> {
        match self {
            Self::Check { paths } => check(paths),
        }
    }
}

/// Checks every definition, and says all that is wrong.
pub(crate) fn check(paths: &[PathBuf]) -> Result<(), Problem> {
    let mut problems = Vec::new();
    for path in paths {
        for file in sportello_server::serve::workflow_files(path)? {
            match check_file(&file) {
                Ok(name) => println!("{}: workflow {name}: right", file.display()),
                Err(problem) => problems.push(problem.to_string()),
            }
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems.join("\n").into()) }
}

fn check_file(file: &Path) -> Result<String, Problem> {
    let shown = file.display().to_string();
    let source = std::fs::read_to_string(file).map_err(|error| format!("{shown}: {error}"))?;
    let checked = sportello_workflow::check(&source, &shown);
    let checked = checked.map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))?;
    Ok(checked.name)
}
