//! The tenant's vault: secrets that platforms change, refresh tokens above all.
//!
//! # Format of `vault.json`
//! `{"version": 1, "entries": [{"key", "slot", "sealed", "ends_at"}]}`: the digest a secret is found under (hexadecimal), the key slot, the secret
//! sealed under that slot's key (base64; see `sportello_journal::KeySlots`), and when it ends for good, in milliseconds since 1970; null or
//! missing: the platform does not say. The file's mode is 0600.
//!
//! # Invariants
//! 1. **Kept is durable.** The file is written beside the old one, fsynced, renamed over it, and the folder is fsynced.
//! 2. **What was replaced is gone**: once the new file is durable, the slot of the old value is overwritten.
//! 3. **Nothing is used that is not durable**: a value that could not be written is remembered, and reading tries again first.
//! 4. **What a first token became stays while the vault does**, also when no channel binds that token any more: whoever binds it again, to take back a
//!    mistake, must not be given a spent one. There are at most [`ENTRIES_MAX`].
//!
//! # Failure
//! A file that cannot be read as above stops the tenant from opening, with what to do: starting without it would use refresh tokens that
//! platforms have given up, which some of them answer by closing the account's access. A crash between a platform's answer and the fsync loses the
//! new token; a person must authorise again.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use sportello_journal::{KeySlots, SlotId, Unsealed};
use sportello_runtime::{Secret, Vault, VaultKey};

const VERSION: u32 = 1;
/// Secrets in one vault.
const ENTRIES_MAX: usize = 10_000;
/// Bytes of one secret.
const SECRET_BYTES_MAX: usize = 16 * 1024;

#[derive(Serialize, Deserialize)]
struct File {
    version: u32,
    entries: Vec<FileEntry>,
}

#[derive(Serialize, Deserialize)]
struct FileEntry {
    key: String,
    slot: SlotId,
    sealed: String,
    #[serde(default)]
    ends_at: Option<i64>,
}

#[derive(Clone)]
struct Entry {
    secret: Secret,
    /// Its key slot, and the secret sealed under it. None: not sealed yet.
    sealed: Option<(SlotId, Vec<u8>)>,
    ends_at: Option<jiff::Timestamp>,
}

struct State {
    entries: BTreeMap<[u8; 32], Entry>,
    /// What is remembered is not what is on disk.
    dirty: bool,
    /// Slots of values that were replaced, to be overwritten once the file is durable.
    replaced: Vec<SlotId>,
}

/// The vault of an open tenant.
pub(crate) struct TenantVault {
    path: PathBuf,
    slots: Arc<KeySlots>,
    entries_max: usize,
    state: Mutex<State>,
}

impl TenantVault {
    /// Reads the vault kept in the tenant's folder; a tenant that has none yet has an empty one.
    ///
    /// # Errors
    /// What is wrong with the file, and what to do.
    pub(crate) fn open(folder: &Path, slots: Arc<KeySlots>) -> Result<Self, String> {
        let path = folder.join("vault.json");
        let entries = match std::fs::read(&path) {
            Ok(bytes) => read_entries(&bytes, &slots).map_err(|problem| {
                format!("{}: {problem}; restore the file, or remove it and authorise the channels whose tokens rotate anew", path.display())
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(format!("{}: {error}", path.display())),
        };
        Ok(Self { path, slots, entries_max: ENTRIES_MAX, state: Mutex::new(State { entries, dirty: false, replaced: Vec::new() }) })
    }

    fn persist(&self, state: &mut State) -> Result<(), String> {
        let mut entries = Vec::with_capacity(state.entries.len());
        for (key, entry) in &mut state.entries {
            if entry.sealed.is_none() {
                let slot = self.slots.allocate().map_err(|error| error.to_string())?;
                let sealed = self.slots.seal(slot, key, entry.secret.expose().as_bytes()).map_err(|error| error.to_string())?;
                entry.sealed = Some((slot, sealed));
            }
            let ends_at = entry.ends_at.map(jiff::Timestamp::as_millisecond);
            let of = |(slot, sealed): &(SlotId, Vec<u8>)| FileEntry {
                key: hex::encode(key),
                slot: *slot,
                sealed: STANDARD.encode(sealed),
                ends_at,
            };
            entries.extend(entry.sealed.as_ref().map(of));
        }
        let file = File { version: VERSION, entries };
        let bytes = serde_json::to_vec(&file).map_err(|error| error.to_string())?;
        write_durably(&self.path, &bytes).map_err(|error| format!("{}: {error}", self.path.display()))?;
        state.dirty = false;
        // Nobody refers to these any more. If it fails they stay sealed under keys that are still there: tried again with the next change.
        if !state.replaced.is_empty() {
            match self.slots.erase(&state.replaced) {
                Ok(()) => state.replaced.clear(),
                Err(error) => tracing::warn!(%error, "a replaced token's key could not be overwritten yet"),
            }
        }
        Ok(())
    }
}

impl Vault for TenantVault {
    fn read(&self, key: VaultKey) -> Result<Option<Secret>, String> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.dirty {
            self.persist(&mut state)?;
        }
        // Told now, while the token that would be traded in is still good.
        if state.entries.len() >= self.entries_max && !state.entries.contains_key(key.as_bytes()) {
            return Err(format!("the vault holds {} secrets, which is all it may", self.entries_max));
        }
        Ok(state.entries.get(key.as_bytes()).map(|entry| entry.secret.clone()))
    }

    fn ends_at(&self, key: VaultKey) -> Option<jiff::Timestamp> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.entries.get(key.as_bytes())?.ends_at
    }

    fn keep(&self, key: VaultKey, value: &Secret, ends_at: Option<jiff::Timestamp>) -> Result<(), String> {
        if value.expose().len() > SECRET_BYTES_MAX {
            return Err(format!("a secret has at most {SECRET_BYTES_MAX} bytes"));
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        // Remembered before anything can fail: what it replaces is spent.
        let old = state.entries.insert(*key.as_bytes(), Entry { secret: value.clone(), sealed: None, ends_at });
        state.replaced.extend(old.and_then(|old| old.sealed).map(|(slot, _)| slot));
        state.dirty = true;
        self.persist(&mut state)
    }
}

fn read_entries(bytes: &[u8], slots: &KeySlots) -> Result<BTreeMap<[u8; 32], Entry>, String> {
    let file: File = serde_json::from_slice(bytes).map_err(|error| format!("it is damaged: {error}"))?;
    if file.version != VERSION {
        return Err(format!("it is of version {}, this program reads {VERSION}", file.version));
    }
    file.entries
        .into_iter()
        .map(|entry| {
            let mut key = [0; 32];
            hex::decode_to_slice(&entry.key, &mut key).map_err(|_| format!("it is damaged: {:?} is no key", entry.key))?;
            let damaged = || format!("it is damaged: the entry {} cannot be opened", entry.key);
            let sealed = STANDARD.decode(&entry.sealed).map_err(|_| damaged())?;
            let Ok(Unsealed::Plain(plain)) = slots.open_sealed(entry.slot, &key, &sealed) else { return Err(damaged()) };
            let secret = Secret::new(String::from_utf8(plain).map_err(|_| damaged())?);
            let ends_at = entry.ends_at.and_then(|ends_at| jiff::Timestamp::from_millisecond(ends_at).ok());
            Ok((key, Entry { secret, sealed: Some((entry.slot, sealed)), ends_at }))
        })
        .collect()
}

fn write_durably(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension("json.new");
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    // The mode above is for a file that is made; one left by a crash may have any.
    file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&beside, path)?;
    let folder = path.parent().ok_or_else(|| std::io::Error::other("it has no folder"))?;
    std::fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use sportello_journal::SlotOptions;

    use super::*;

    fn slots(folder: &Path) -> Arc<KeySlots> {
        Arc::new(KeySlots::open(&folder.join("keys.slots"), SlotOptions { chunk_slots: 16 }).unwrap())
    }

    fn exposed(vault: &TenantVault, key: VaultKey) -> Option<String> {
        vault.read(key).unwrap().map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn what_is_kept_is_there_after_a_restart_and_what_was_replaced_cannot_be_opened() {
        let folder = tempfile::tempdir().unwrap();
        let (key, other) = (VaultKey::new("refresh-token", "first"), VaultKey::new("refresh-token", "another"));
        let path = folder.path().join("vault.json");
        let end = jiff::Timestamp::constant(1_800_000_000, 0);
        let before = {
            let vault = TenantVault::open(folder.path(), slots(folder.path())).unwrap();
            assert_eq!(exposed(&vault, key), None);
            vault.keep(key, &Secret::new("second-token"), None).unwrap();
            let before = std::fs::read(&path).unwrap();
            vault.keep(key, &Secret::new("third-token"), Some(end)).unwrap();
            vault.keep(other, &Secret::new("of another"), None).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
            before
        };
        let vault = TenantVault::open(folder.path(), slots(folder.path())).unwrap();
        assert_eq!(exposed(&vault, key).as_deref(), Some("third-token"));
        assert_eq!(exposed(&vault, other).as_deref(), Some("of another"));
        assert_eq!((vault.ends_at(key), vault.ends_at(other)), (Some(end), None));
        for file in [&path, &folder.path().join("keys.slots")] {
            let bytes = std::fs::read(file).unwrap();
            assert!(!bytes.windows(11).any(|window| window == b"third-token"), "{} holds it in clear", file.display());
        }
        // Whoever kept a copy of the file of before has nothing to open it with.
        drop(vault);
        std::fs::write(&path, before).unwrap();
        let problem = TenantVault::open(folder.path(), slots(folder.path())).err().unwrap();
        assert!(problem.contains("vault.json") && problem.contains("authorise"), "{problem}");
    }

    #[test]
    fn a_value_that_could_not_be_written_is_not_used_and_not_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let tenant = folder.path().join("tenant");
        std::fs::create_dir(&tenant).unwrap();
        let vault = TenantVault::open(&tenant, slots(folder.path())).unwrap();
        let key = VaultKey::new("refresh-token", "first");
        std::fs::remove_dir_all(&tenant).unwrap();
        assert!(vault.keep(key, &Secret::new("second-token"), None).unwrap_err().contains("vault.json"));
        assert!(vault.read(key).is_err(), "it is not durable");
        std::fs::create_dir(&tenant).unwrap();
        assert_eq!(exposed(&vault, key).as_deref(), Some("second-token"));
        assert!(tenant.join("vault.json").exists());
    }

    #[test]
    fn a_damaged_vault_stops_the_tenant_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["", "{", r#"{"version":2,"entries":[]}"#, r#"{"version":1,"entries":[{"key":"00","slot":1,"sealed":""}]}"#] {
            std::fs::write(folder.path().join("vault.json"), text).unwrap();
            let problem = TenantVault::open(folder.path(), slots(folder.path())).err().unwrap();
            assert!(problem.contains("restore the file"), "{problem}");
        }
    }

    #[test]
    fn a_vault_has_limits() {
        let folder = tempfile::tempdir().unwrap();
        let vault = TenantVault::open(folder.path(), slots(folder.path())).unwrap();
        let key = VaultKey::new("refresh-token", "first");
        assert!(vault.keep(key, &Secret::new("x".repeat(SECRET_BYTES_MAX + 1)), None).unwrap_err().contains("at most"));
        assert_eq!(exposed(&vault, key), None);

        // A full one says so before a token is traded in for which it would have no place, and goes on with those it has.
        let vault = TenantVault { entries_max: 2, ..vault };
        let keys = ["first", "second", "third"].map(|first| VaultKey::new("refresh-token", first));
        vault.keep(keys[0], &Secret::new("a"), None).unwrap();
        assert_eq!(exposed(&vault, keys[1]), None);
        vault.keep(keys[1], &Secret::new("b"), None).unwrap();
        assert!(vault.read(keys[2]).unwrap_err().contains("all it may"));
        vault.keep(keys[1], &Secret::new("c"), None).unwrap();
        assert_eq!(exposed(&vault, keys[1]).as_deref(), Some("c"));
    }
}
