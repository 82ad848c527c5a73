//! Breaking one promise on purpose, so that the tests can be tested.
//!
//! Only with the feature `sabotage`, which no product build has: the environment variable `SPORTELLO_SABOTAGE` names the promise to break.

/// Whether the promise called `name` is to be broken.
#[cfg(feature = "sabotage")]
pub(crate) fn sabotaged(name: &str) -> bool {
    std::env::var("SPORTELLO_SABOTAGE").is_ok_and(|broken| broken == name)
}

/// Whether the promise called `name` is to be broken: never, in this build.
#[cfg(not(feature = "sabotage"))]
pub(crate) const fn sabotaged(_name: &str) -> bool {
    false
}
