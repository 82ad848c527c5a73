//! `sportello workflow …`.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};
use sportello_workflow::TrialReport;

use crate::{Problem, output};

const EXAMPLES: &str = "Examples:
  sportello workflow check workflows/
  sportello workflow check --test workflows/outage.yaml    Run the definition's own tests too
  sportello workflow check --json --test workflows/        One JSON object a file";

#[derive(Debug, Subcommand)]
pub(crate) enum Workflow {
    /// Check definitions: files, or folders of them. Problems come as file:line:column. Nothing is done outside.
    #[command(after_help = EXAMPLES)]
    Check {
        /// Files or folders.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Run the tests that stand in the definitions: waits pass at once, effects are imagined.
        #[arg(long)]
        test: bool,
        /// One JSON object a file.
        #[arg(long)]
        json: bool,
    },
}

impl Workflow {
    pub(crate) fn run(&self) -> Result<(), Problem> {
        match self {
            Self::Check { paths, test, json } => check(paths, *test, *json),
        }
    }
}

/// Checks every definition, and says all that is wrong.
pub(crate) fn check(paths: &[PathBuf], test: bool, json: bool) -> Result<(), Problem> {
    let mut wrong = Vec::new();
    let mut files = 0_usize;
    for path in paths {
        for file in sportello_server::serve::workflow_files(path)? {
            files += 1;
            let result = check_file(&file, test)?;
            if json {
                output::json_line(&result.document())?;
            } else if result.is_right() {
                output::line(format!("{}: workflow {}: {}", result.file, result.name, output::good(&result.summary())))?;
            }
            wrong.extend(result.problems.iter().chain(result.tests.iter().flat_map(|tests| &tests.failed)).map(ToString::to_string));
        }
    }
    match wrong.as_slice() {
        [] if files == 0 => Err("there is no definition: a folder's are its files *.yaml and *.yml".into()),
        [] => Ok(()),
        // The objects have said what.
        wrong if json => Err(format!("{} problems", wrong.len()).into()),
        wrong => Err(wrong.join("\n").into()),
    }
}

/// What is to be said of one file.
struct FileResult {
    file: String,
    name: String,
    problems: Vec<sportello_workflow::Problem>,
    tests: Option<TrialReport>,
}

impl FileResult {
    fn is_right(&self) -> bool {
        self.problems.is_empty() && self.tests.as_ref().is_none_or(|tests| tests.failed.is_empty())
    }

    fn summary(&self) -> String {
        match &self.tests {
            None => "right".to_owned(),
            Some(tests) if tests.passed.is_empty() => "right, and has no tests".to_owned(),
            Some(tests) => format!("right, {} tests passed", tests.passed.len()),
        }
    }

    fn document(&self) -> Value {
        let shown =
            |problem: &sportello_workflow::Problem| json!({ "line": problem.line, "column": problem.column, "message": problem.message });
        json!({
            "file": self.file,
            "workflow": Some(&self.name).filter(|name| !name.is_empty()),
            "right": self.is_right(),
            "problems": self.problems.iter().map(shown).collect::<Vec<_>>(),
            "tests": self.tests.as_ref().map(|tests| json!({
                "passed": tests.passed,
                "failed": tests.failed.iter().map(shown).collect::<Vec<_>>(),
            })),
        })
    }
}

fn check_file(file: &Path, test: bool) -> Result<FileResult, Problem> {
    let shown = file.display().to_string();
    let source = std::fs::read_to_string(file).map_err(|error| format!("{shown}: {error}"))?;
    let checked = sportello_workflow::check(&source, &shown);
    let (name, mut problems) = match checked {
        Ok(checked) => (checked.name, Vec::new()),
        Err(problems) => (String::new(), problems),
    };
    let mut tests = None;
    if test && problems.is_empty() {
        match sportello_workflow::run_tests(&source, &shown) {
            Ok(report) => tests = Some(report),
            Err(found) => problems = found,
        }
    }
    Ok(FileResult { file: shown, name, problems, tests })
}
