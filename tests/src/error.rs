//! What can go wrong while a test talks with a server.

/// A failure of the test bench itself or an answer a test did not ask for.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The real server is not on this machine. [`crate::servers::require`] turns it into a skip or, in CI, a failure.
    #[error("{server} is not installed ({missing} not found); install it with: apt-get install -y --no-install-recommends {packages}")]
    NotInstalled {
        /// The server's name.
        server: &'static str,
        /// The file or program that was looked for.
        missing: String,
        /// Debian packages that bring it.
        packages: &'static str,
    },
    /// The same of a server that comes by no package of Debian's.
    #[error("{server} is not there ({missing} not found); make it with: {commands}")]
    NotMade {
        /// The server's name.
        server: &'static str,
        /// The file or program that was looked for.
        missing: String,
        /// What makes it, run in the repository's folder.
        commands: &'static str,
    },
    /// A server or its set-up program did not come up.
    #[error("{what} did not start: {why}\n--- its output ---\n{output}")]
    Start {
        /// Which program.
        what: String,
        /// What was waited for.
        why: String,
        /// The end of its output.
        output: String,
    },
    /// The file system or a process refused.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done, with the path.
        doing: String,
        /// The system's reason.
        source: std::io::Error,
    },
    /// No HTTP answer came.
    #[error("no answer from {url}: {why}")]
    NoAnswer {
        /// The whole URL.
        url: String,
        /// Connection error or time-out.
        why: String,
    },
    /// An HTTP status that is not the one a call needs.
    #[error("{what} was answered with HTTP {status}: {body}")]
    Status {
        /// Which call.
        what: String,
        /// The HTTP status.
        status: u16,
        /// The beginning of the body.
        body: String,
    },
    /// The server understood and refused, in its own words.
    #[error("{what} was refused: {code}: {info}")]
    Refused {
        /// Which call.
        what: String,
        /// The server's error code (`editconflict`, `ConcurrencyException`, …).
        code: String,
        /// The server's explanation.
        info: String,
    },
    /// An answer of an unknown shape.
    #[error("{what} was answered with something unexpected: {answer}")]
    Unexpected {
        /// Which call.
        what: String,
        /// The beginning of the answer.
        answer: String,
    },
}

/// The crate's result.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Wraps an I/O error with what was being done.
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }

    /// The server's own error code, where it gave one.
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Refused { code, .. } => Some(code),
            _ => None,
        }
    }

    /// The HTTP status, where that was the refusal.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}
