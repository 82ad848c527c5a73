//! Compiled connectors on disk, addressed by content.
//!
//! ```text
//! <folder>/<source digest>-<engine>.ref        64 hexadecimal digits: the digest of the compiled file
//! <folder>/<compiled digest>.cwasm             the compiled component, mapped into memory by every process that uses it
//! ```
//!
//! `engine` is a hash of wasmtime's version and every setting that shapes the code, so that another build never loads these files.
//! A file is written under a temporary name, synced and renamed, the compiled one first: a reference always points to a whole file. Before a
//! file is loaded its digest is compared with the reference: a torn or rotten one is compiled anew. Loading native code trusts the folder, so
//! it belongs to this user and is closed to others (mode 0700); the check is against accidents, the mode against people.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::digest::Digest;
use crate::error::RuntimeError;

/// The folder of compiled connectors.
#[derive(Debug, Clone)]
pub(crate) struct CompileCache {
    folder: PathBuf,
    engine: String,
}

impl CompileCache {
    /// Opens the folder, creating it if need be.
    pub(crate) fn open(folder: &Path, engine: &Engine) -> Result<Self, RuntimeError> {
        let refuse = |problem: String| RuntimeError::CacheFolder { folder: folder.to_owned(), problem };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| refuse(format!("it cannot be created: {error}")))?;
        let metadata = fs::metadata(folder).map_err(|error| refuse(format!("it cannot be read: {error}")))?;
        let mode = metadata.permissions().mode() & 0o777;
        if mode & 0o022 != 0 {
            return Err(refuse(format!(
                "others may write to it (mode {mode:o}), and what stands there is run as native code: chmod 700 it"
            )));
        }
        // A file we create belongs to us; a folder of somebody else's could be exchanged under our feet.
        let probe = tempfile::NamedTempFile::new_in(folder).map_err(|error| refuse(format!("it cannot be written to: {error}")))?;
        let own = probe.as_file().metadata().map_err(|error| refuse(format!("it cannot be read: {error}")))?.uid();
        if metadata.uid() != own && metadata.uid() != 0 {
            return Err(refuse("it belongs to another user".to_owned()));
        }
        // The standard hasher has fixed keys, and its algorithm may change only with the toolchain: then everything is compiled once more.
        let mut hasher = std::hash::DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Ok(Self { folder: folder.to_owned(), engine: format!("{:016x}", hasher.finish()) })
    }

    /// The compiled component, if it is there and whole.
    pub(crate) fn load(&self, engine: &Engine, source: Digest) -> Option<Component> {
        let reference = fs::read_to_string(self.reference(source)).ok()?;
        let expected: Digest = reference.parse().ok()?;
        let path = self.compiled(expected);
        let found = Digest::of(&fs::read(&path).ok()?);
        if found != expected {
            tracing::warn!(file = %path.display(), "a compiled connector is damaged and is compiled anew");
            return None;
        }
        // SAFETY: deserializing runs the file's native code, so it must be one that wasmtime made. The folder is ours and closed to others
        // (checked in `open`), only `store` writes such files there, and this one has the digest that `store` recorded.
        let loaded = unsafe { Component::deserialize_file(engine, &path) };
        match loaded {
            Ok(component) => Some(component),
            Err(error) => {
                tracing::warn!(file = %path.display(), %error, "a compiled connector does not load and is compiled anew");
                None
            }
        }
    }

    /// Keeps what `Engine::precompile_component` made of `source`.
    pub(crate) fn store(&self, source: Digest, compiled: &[u8]) -> io::Result<()> {
        let digest = Digest::of(compiled);
        self.write(&self.compiled(digest), compiled)?;
        self.write(&self.reference(source), digest.to_string().as_bytes())
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path)?;
        Ok(())
    }

    fn reference(&self, source: Digest) -> PathBuf {
        self.folder.join(format!("{source}-{}.ref", self.engine))
    }

    fn compiled(&self, compiled: Digest) -> PathBuf {
        self.folder.join(format!("{compiled}.cwasm"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest component: nothing in it.
    const EMPTY_COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

    fn engine() -> Engine {
        Engine::new(&wasmtime::Config::new()).unwrap()
    }

    #[test]
    fn what_was_stored_is_loaded_and_what_was_not_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine();
        let cache = CompileCache::open(&folder.path().join("compiled"), &engine).unwrap();
        let source = Digest::of(EMPTY_COMPONENT);
        assert!(cache.load(&engine, source).is_none());
        cache.store(source, &engine.precompile_component(EMPTY_COMPONENT).unwrap()).unwrap();
        assert!(cache.load(&engine, source).is_some());
        assert!(cache.load(&engine, Digest::of(b"another")).is_none());
    }

    #[test]
    fn a_damaged_file_is_never_loaded() {
        let folder = tempfile::tempdir().unwrap();
        let engine = engine();
        let cache = CompileCache::open(&folder.path().join("compiled"), &engine).unwrap();
        let source = Digest::of(EMPTY_COMPONENT);
        let compiled = engine.precompile_component(EMPTY_COMPONENT).unwrap();
        cache.store(source, &compiled).unwrap();
        let path = cache.compiled(Digest::of(&compiled));
        let mut damaged = compiled.clone();
        *damaged.last_mut().unwrap() ^= 1;
        fs::write(&path, &damaged).unwrap();
        assert!(cache.load(&engine, source).is_none(), "a flipped bit");
        fs::write(&path, &compiled[..compiled.len() / 2]).unwrap();
        assert!(cache.load(&engine, source).is_none(), "half a file");
        cache.store(source, &compiled).unwrap();
        assert!(cache.load(&engine, source).is_some(), "stored anew");
    }

    #[test]
    fn a_folder_others_can_write_to_is_refused_with_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = CompileCache::open(folder.path(), &engine()).unwrap_err().to_string();
        assert!(error.contains("chmod 700"), "{error}");
    }
}
