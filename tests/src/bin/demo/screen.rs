//! What is shown while the weekend goes by.

use std::io::IsTerminal as _;

/// Writes to standard error, so that the outcome on standard output can be piped. Colours only for people.
pub(crate) struct Screen {
    colours: bool,
}

/// How a piece of text looks on a terminal.
#[derive(Clone, Copy)]
pub(crate) enum Look {
    Bold,
    Faint,
    Good,
    Bad,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self { colours: std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none() }
    }

    /// A line.
    pub(crate) fn say(&self, line: &str) {
        eprintln!("{line}");
    }

    /// A text in a look.
    pub(crate) fn look(&self, text: &str, look: Look) -> String {
        paint(self.colours, text, look)
    }
}

/// A text in a look, where colours are wanted.
pub(crate) fn paint(colours: bool, text: &str, look: Look) -> String {
    if !colours {
        return text.to_owned();
    }
    let code = match look {
        Look::Bold => "1",
        Look::Faint => "2",
        Look::Good => "32",
        Look::Bad => "31;1",
    };
    format!("\x1b[{code}m{text}\x1b[0m")
}
