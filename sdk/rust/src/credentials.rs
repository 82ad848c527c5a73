//! What a connector may do with secrets it never sees, and say of them.
//!
//! Only credentials whose manifest entry says `sign` sign and match.

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

/// Tells the host until when what is bound to the credential works, as the platform says (RFC 3339 in UTC); None: it has no end that the platform
/// knows of. An operator sees it until it is told anew or another secret is bound: a person must bring another before.
///
/// # Errors
/// [`Error::auth`]: not declared, or no secret bound. [`Error::reject`]: `at` is no such moment.
pub fn ends(credential: &str, at: Option<&str>) -> Result<(), Error> {
    #[cfg(target_arch = "wasm32")]
    let outcome = credentials::ends(credential, at);
    #[cfg(not(target_arch = "wasm32"))]
    let outcome = crate::testing::ends(credential, at);
    outcome.map_err(|refusal| refused(credential, refusal))
}

fn refused(credential: &str, refusal: credentials::Refusal) -> Error {
    match refusal {
        credentials::Refusal::NotGranted(reason) => Error::auth(format!("credential `{credential}`: {reason}")),
        credentials::Refusal::Malformed(reason) => Error::reject(format!("credential `{credential}`: {reason}")),
    }
}
