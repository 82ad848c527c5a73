//! A network's stand-in as a command, for whoever writes or tries a connector: it serves the API, plays people, delivers to a webhook with
//! the trouble one asks for, and keeps the books.
//!
//! | file | what it is |
//! |---|---|
//! | `arguments.rs` | what can be asked for |
//! | `start.rs` | starting a network, and what a connector has to know of it |
//! | `play.rs` | people act, what waits is delivered, now and then something breaks |
//! | `books.rs` | what the network counts at the end |

mod arguments;
mod books;
mod play;
mod start;

use std::process::ExitCode;

use clap::Parser as _;

use crate::arguments::Arguments;

/// What went wrong, for a person.
type Problem = Box<dyn std::error::Error + Send + Sync>;

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Arguments::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("stand-in: {problem}");
            ExitCode::FAILURE
        }
    }
}

/// Whether nothing was lost or doubled, as the network counts.
async fn run(arguments: &Arguments) -> Result<bool, Problem> {
    let (network, facts) = start::start(arguments).await?;
    start::show(arguments, &network, &facts);
    let clock = tokio::spawn(network.clone().keep_time());
    let played = play::play(arguments, &network).await;
    clock.abort();
    let books = books::Books::of(&network, &played?);
    books.show(arguments.json);
    Ok(books.is_right())
}
