//! Where a secret goes that the platform changes: a refresh token that works once.
//!
//! The operator binds the first one; each later one is in the vault. It is found under the digest of the first, so that another first one (the
//! operator authorised anew) is another matter, and so that all channels bound to the same one share what came of it.

use std::fmt;

use jiff::Timestamp;
use ring::digest;

use crate::sabotage::sabotaged;
use crate::secret::Secret;

/// Names a secret without saying anything about it that could be guessed: the first value is a random token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VaultKey([u8; 32]);

impl VaultKey {
    /// The key for what became of `first`, the value of a credential's `field` as the operator bound it.
    pub fn new(field: &str, first: &str) -> Self {
        let mut context = digest::Context::new(&digest::SHA256);
        context.update(&(field.len() as u64).to_le_bytes());
        context.update(field.as_bytes());
        if !sabotaged("share-vault-entries") {
            context.update(first.as_bytes());
        }
        let mut key = [0; 32];
        key.copy_from_slice(context.finish().as_ref());
        Self(key)
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl From<[u8; 32]> for VaultKey {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

/// Keeps secrets for good. Its calls block: they are made where that is allowed.
pub trait Vault: Send + Sync {
    /// The newest value; `None`: it never changed.
    ///
    /// # Errors
    /// It cannot be read, or what was kept last is not durable yet. Nothing must be used then.
    fn read(&self, key: VaultKey) -> Result<Option<Secret>, String>;

    /// When the newest value ends for good, as was said when it was kept; `None`: nobody said.
    fn ends_at(&self, key: VaultKey) -> Option<Timestamp>;

    /// Keeps a value in the place of the last, with its end if the platform says so. Durable when it returns. After an error it is remembered, and [`Vault::read`] tries again to make it
    /// durable: the platform has given up the value before.
    ///
    /// # Errors
    /// It is not durable.
    fn keep(&self, key: VaultKey, value: &Secret, ends_at: Option<Timestamp>) -> Result<(), String>;
}

/// No vault: for channels whose credentials do not rotate.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoVault;

impl Vault for NoVault {
    fn read(&self, _: VaultKey) -> Result<Option<Secret>, String> {
        Err("there is no vault".to_owned())
    }

    fn ends_at(&self, _: VaultKey) -> Option<Timestamp> {
        None
    }

    fn keep(&self, _: VaultKey, _: &Secret, _: Option<Timestamp>) -> Result<(), String> {
        Err("there is no vault".to_owned())
    }
}

impl fmt::Debug for dyn Vault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Vault")
    }
}
