//! Every task is one command: `cargo xtask TASK`. One file per task; `cargo xtask help` lists them.
//!
//! Nothing here knows what Sportello does. A task starts `cargo` (and what it built) and says what it started, so that every line
//! can be typed by hand. Progress goes to standard error; standard output belongs to the program a task runs.

mod bench;
mod check;
mod ci;
mod clippy;
mod counts;
mod deny;
mod fmt;
mod guests;
mod help;
mod missing;
mod process;
mod report;
mod run;
mod sabotage;
mod stage;
mod test;

use std::process::ExitCode;

use process::Failure;

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let task = arguments.next().unwrap_or_else(|| "help".to_owned());
    let arguments: Vec<String> = arguments.collect();
    let wants_help = arguments.iter().any(|argument| argument == "--help" || argument == "-h");
    let outcome = match task.as_str() {
        "help" | "--help" | "-h" => help::run(arguments.first().map(String::as_str)),
        task if wants_help => help::run(Some(task)),
        "guests" => guests::run(&arguments),
        "test" => test::run(&arguments),
        "run" => run::run(&arguments),
        "bench" => bench::run(&arguments),
        "sabotage" => sabotage::run(&arguments),
        "fmt" => fmt::run(&arguments),
        "clippy" => clippy::run(&arguments),
        "deny" => deny::run(&arguments),
        "check" => check::run(&arguments),
        "ci" => ci::run(&arguments),
        unknown => Err(Failure::new(format!("there is no task `{unknown}`; `cargo xtask help` lists them"))),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("\nxtask {task}: {failure}");
            ExitCode::FAILURE
        }
    }
}
