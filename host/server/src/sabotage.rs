//! Promises broken on purpose, to see which test notices. Compiled out unless the feature `sabotage` is on.

/// Whether the promise of this name is to be broken.
#[cfg(feature = "sabotage")]
pub(crate) fn sabotaged(name: &str) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("SPORTELLO_SABOTAGE").ok()).as_deref() == Some(name)
}

/// Never, in a normal build.
#[cfg(not(feature = "sabotage"))]
pub(crate) const fn sabotaged(_name: &str) -> bool {
    false
}
