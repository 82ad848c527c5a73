//! What a connector may do with secrets it never sees: credentials whose manifest entry says `sign`.

use crate::bindings::shared::sportello::connector::credentials;
use crate::{Error, Mac};

/// The MAC of `data` under the credential's secret: answers to challenges.
///
/// Whoever challenges has it signed, so judge `data` first: with a key that verifies deliveries never sign what could be one.
///
/// # Errors
/// [`Error::auth`]: not declared for this use, not granted, or no secret bound; or the credential verifies deliveries and `data` is no token: more
/// than 256 bytes, or anything but letters, digits, spaces and `+/=_-.:~`.
pub fn sign(credential: &str, mac: Mac, data: &[u8]) -> Result<Vec<u8>, Error> {
    #[cfg(target_arch = "wasm32")]
    let outcome = credentials::sign(credential, mac, data);
    #[cfg(not(target_arch = "wasm32"))]
    let outcome = crate::testing::sign(credential, mac, data);
    outcome.map_err(|refusal| refused(credential, refusal))
}

/// The same as hexadecimal digits in lower case.
///
/// # Errors
/// As for [`sign`].
pub fn sign_hex(credential: &str, mac: Mac, data: &[u8]) -> Result<String, Error> {
    Ok(sign(credential, mac, data)?.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether `candidate` is the credential's secret, compared in constant time: verify tokens.
///
/// # Errors
/// As for [`sign`].
pub fn matches(credential: &str, candidate: &str) -> Result<bool, Error> {
    #[cfg(target_arch = "wasm32")]
    let outcome = credentials::matches(credential, candidate);
    #[cfg(not(target_arch = "wasm32"))]
    let outcome = crate::testing::matches(credential, candidate);
    outcome.map_err(|refusal| refused(credential, refusal))
}

/// Has the host forget the credential's session: the next request logs in anew. For platforms that say "expired" in other words than HTTP 401.
///
/// # Errors
/// As for [`sign`].
pub fn renew(credential: &str) -> Result<(), Error> {
    #[cfg(target_arch = "wasm32")]
    let outcome = credentials::renew(credential);
    #[cfg(not(target_arch = "wasm32"))]
    let outcome = crate::testing::renew(credential);
    outcome.map_err(|refusal| refused(credential, refusal))
}

fn refused(credential: &str, refusal: credentials::Refusal) -> Error {
    let credentials::Refusal::NotGranted(reason) = refusal;
    Error::auth(format!("credential `{credential}`: {reason}"))
}
