//! Breaks one promise on purpose, to see that a test notices. Compiled in by the feature `sabotage` only.

/// Whether the promise of this name is to be broken: named by the environment variable `SPORTELLO_SABOTAGE`, read once.
#[cfg(feature = "sabotage")]
pub(crate) fn sabotaged(promise: &str) -> bool {
    static NAMED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    NAMED.get_or_init(|| std::env::var("SPORTELLO_SABOTAGE").ok()).as_deref() == Some(promise)
}

/// Never, in a build without the feature `sabotage`.
#[cfg(not(feature = "sabotage"))]
pub(crate) const fn sabotaged(_promise: &str) -> bool {
    false
}
