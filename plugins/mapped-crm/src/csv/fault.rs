//! Why a file is not read.

/// Why a file is not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It may be the beginning of a file that somebody still writes.
    Incomplete(String),
    /// Waiting would not help.
    Broken(String),
}

impl Fault {
    /// What is wrong.
    pub(crate) fn told(&self) -> &str {
        match self {
            Self::Incomplete(told) | Self::Broken(told) => told,
        }
    }
}
