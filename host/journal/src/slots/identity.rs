//! Keyed hashes for exact look-ups.

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use crate::JournalError;

/// The tenant's key for look-ups; without it nobody can test a guessed address against the index.
#[derive(Clone)]
pub(super) struct LookupKey {
    bytes: Zeroizing<[u8; 32]>,
    key: hmac::Key,
}

impl LookupKey {
    pub(super) fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, bytes.as_slice());
        Self { bytes, key }
    }

    pub(super) fn random() -> Result<Self, JournalError> {
        let mut bytes = Zeroizing::new([0; 32]);
        SystemRandom::new().fill(bytes.as_mut_slice()).map_err(|_| JournalError::NoRandomness)?;
        Ok(Self::new(bytes))
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    pub(super) fn identity(&self, kind: &str, value: &str) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.key);
        for part in [kind, value] {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part.as_bytes());
        }
        let mut identity = [0; 32];
        identity.copy_from_slice(context.sign().as_ref());
        identity
    }
}
