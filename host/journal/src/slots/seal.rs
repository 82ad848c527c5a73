//! AES-256-GCM under the key of a slot, and where keys and nonces come from.

use std::cell::RefCell;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use zeroize::Zeroizing;

use super::row::ROW_BYTES;
use crate::JournalError;

/// How much longer a sealed item is than the plain one: nonce and tag.
pub const SEAL_OVERHEAD_BYTES: usize = NONCE_LEN + MAX_TAG_LEN;

/// Nonces fetched from the system at a time and per thread: a system call for each would cost more than the sealing.
const NONCES_AHEAD: usize = 256;

thread_local! {
    /// Random bytes not used yet. A nonce is no secret, so this may stay in memory.
    static NONCES: RefCell<Vec<[u8; NONCE_LEN]>> = const { RefCell::new(Vec::new()) };
}

fn nonce() -> Result<[u8; NONCE_LEN], JournalError> {
    NONCES.with_borrow_mut(|nonces| {
        if nonces.is_empty() {
            let mut bytes = [0; NONCES_AHEAD * NONCE_LEN];
            SystemRandom::new().fill(&mut bytes).map_err(|_| JournalError::NoRandomness)?;
            nonces.extend(bytes.as_chunks().0);
        }
        nonces.pop().ok_or(JournalError::NoRandomness)
    })
}

fn cipher(key: &[u8; 32]) -> LessSafeKey {
    match UnboundKey::new(&AES_256_GCM, key) {
        Ok(key) => LessSafeKey::new(key),
        // The only error is a key of another length than the algorithm's 32 bytes.
        Err(_) => unreachable!("a key of 32 bytes is one of AES-256"),
    }
}

/// Nonce, ciphertext, tag.
pub(super) fn seal(key: &[u8; 32], associated_data: &[u8], plain: &[u8]) -> Result<Vec<u8>, JournalError> {
    let nonce = nonce()?;
    let mut sealed = Vec::with_capacity(plain.len() + SEAL_OVERHEAD_BYTES);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let text = &mut sealed[NONCE_LEN..];
    let tag = cipher(key).seal_in_place_separate_tag(Nonce::assume_unique_for_key(nonce), Aad::from(associated_data), text);
    match tag {
        Ok(tag) => sealed.extend_from_slice(tag.as_ref()),
        // The only error is more than 64 GiB of text, which no memory of ours holds.
        Err(_) => unreachable!("an item is shorter than 64 GiB"),
    }
    Ok(sealed)
}

/// What was sealed, if key, associated data and bytes belong together.
pub(super) fn open(key: &[u8; 32], associated_data: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut text = text.to_vec();
    let length = cipher(key).open_in_place(nonce, Aad::from(associated_data), &mut text).ok()?.len();
    text.truncate(length);
    Some(text)
}

/// A chunk of random keys, and the rows that hold them.
#[expect(clippy::type_complexity, reason = "two views of the same keys, used once")]
pub(super) fn new_keys(count: usize) -> Result<(Vec<Zeroizing<[u8; 32]>>, Zeroizing<Vec<u8>>), JournalError> {
    let mut random = Zeroizing::new(vec![0; count * 32]);
    SystemRandom::new().fill(&mut random).map_err(|_| JournalError::NoRandomness)?;
    let mut rows = Zeroizing::new(vec![0; count * ROW_BYTES]);
    let mut keys = Vec::with_capacity(count);
    for (key, row) in random.as_chunks::<32>().0.iter().zip(rows.chunks_exact_mut(ROW_BYTES)) {
        row[..32].copy_from_slice(key);
        keys.push(Zeroizing::new(*key));
    }
    Ok((keys, rows))
}
