//! A connector's own bookkeeping, per channel: small, capped, nothing personal.
//!
//! Written only from `webhook` and `poll`, and kept only if the call succeeds, together with its interactions. Values are JSON.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::bindings::shared::sportello::connector::state;

/// Reads a value, None if there is none.
///
/// # Errors
/// [`Error::reject`] where what is stored is of another shape: raise the manifest's state version when you change it.
pub fn get<T: DeserializeOwned>(key: &str) -> Result<Option<T>, Error> {
    #[cfg(target_arch = "wasm32")]
    let stored = state::get(key);
    #[cfg(not(target_arch = "wasm32"))]
    let stored = crate::testing::state_get(key);
    stored
        .map(|bytes| serde_json::from_slice(&bytes))
        .transpose()
        .map_err(|error| Error::reject(format!("state `{key}` has another shape than this version of the connector expects: {error}")))
}

/// Writes a value. Writing what is there already costs nothing.
///
/// # Errors
/// [`Error::reject`]: over a limit (keys 128 bytes, values 16 KiB, 64 writes a call, 1,024 keys a channel), or not in `webhook` or `poll`.
pub fn set<T: Serialize + ?Sized>(key: &str, value: &T) -> Result<(), Error> {
    let bytes = serde_json::to_vec(value).map_err(|error| Error::reject(format!("state `{key}` can't be written as JSON: {error}")))?;
    #[cfg(target_arch = "wasm32")]
    let outcome = state::set(key, &bytes);
    #[cfg(not(target_arch = "wasm32"))]
    let outcome = crate::testing::state_set(key, Some(bytes));
    outcome.map_err(|refusal| refused(key, &refusal))
}

/// Forgets a value.
///
/// # Errors
/// As for [`set`].
pub fn delete(key: &str) -> Result<(), Error> {
    #[cfg(target_arch = "wasm32")]
    let outcome = state::delete(key);
    #[cfg(not(target_arch = "wasm32"))]
    let outcome = crate::testing::state_set(key, None);
    outcome.map_err(|refusal| refused(key, &refusal))
}

fn refused(key: &str, refusal: &state::Refusal) -> Error {
    match refusal {
        state::Refusal::TooLarge(limit) => Error::reject(format!("state `{key}` is over a limit: {limit}")),
        state::Refusal::ReadOnly => Error::reject(format!("state `{key}`: only webhook and poll may write state")),
    }
}
