//! What is written for people and programs. Colours only where somebody looks: on a terminal, and without `NO_COLOR`.

use std::io::{IsTerminal as _, Write as _};

use serde::Serialize;

use crate::Problem;

/// Whoever read our standard output has gone. No problem of ours.
#[derive(Debug, thiserror::Error)]
#[error("nobody reads any more")]
pub(crate) struct ReaderGone;

/// Writes one line to standard output and hands it on at once.
pub(crate) fn line(text: impl std::fmt::Display) -> Result<(), Problem> {
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Err(ReaderGone.into()),
        Err(error) => Err(format!("standard output cannot be written: {error}").into()),
    }
}

/// Writes a value as one line of JSON.
pub(crate) fn json_line(value: &impl Serialize) -> Result<(), Problem> {
    line(serde_json::to_string(value)?)
}

/// Writes rows under headings, in columns.
pub(crate) fn table<const COLUMNS: usize>(headings: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> Result<(), Problem> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).chain([headings[column].len()]).max().unwrap_or(0);
    let widths: [usize; COLUMNS] = std::array::from_fn(width);
    let aligned = |cells: [&str; COLUMNS]| {
        let cells: Vec<String> = cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        cells.join("  ").trim_end().to_owned()
    };
    line(painted("1", &aligned(headings), std::io::stdout().is_terminal()))?;
    rows.iter().try_for_each(|row| line(aligned(std::array::from_fn(|column| row[column].as_str()))))
}

/// A word that says that something is right, on standard output.
pub(crate) fn good(text: &str) -> String {
    painted("32", text, std::io::stdout().is_terminal())
}

/// A word that says that something is wrong, on standard error.
pub(crate) fn bad_on_stderr(text: &str) -> String {
    painted("1;31", text, std::io::stderr().is_terminal())
}

fn painted(code: &str, text: &str, on_terminal: bool) -> String {
    let wanted = on_terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    if wanted { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
