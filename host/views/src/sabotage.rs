//! Promises broken on purpose, so that it can be shown which test notices.

/// Whether the promise called `name` is to be broken in this run.
#[cfg(feature = "sabotage")]
pub(crate) fn sabotaged(name: &str) -> bool {
    std::env::var("SPORTELLO_SABOTAGE").is_ok_and(|broken| broken == name)
}

/// Whether the promise called `name` is to be broken: never, in a build without the feature.
#[cfg(not(feature = "sabotage"))]
pub(crate) const fn sabotaged(_name: &str) -> bool {
    false
}
