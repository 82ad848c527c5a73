//! Built components.

use std::path::PathBuf;

/// The file of a built connector: where `SPORTELLO_GUESTS` says, or where `cargo xtask guests` leaves it.
///
/// # Panics
/// If it has not been built.
#[must_use]
pub fn component(name: &str) -> PathBuf {
    let folder = std::env::var_os("SPORTELLO_GUESTS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../plugins/target/wasm32-wasip2/release"), PathBuf::from);
    let path = folder.join(format!("{}.wasm", name.replace('-', "_")));
    assert!(path.exists(), "{} is missing: run cargo xtask guests", path.display());
    path.canonicalize().unwrap_or(path)
}

/// The bytes of a built component.
///
/// # Panics
/// If it has not been built.
#[must_use]
pub fn guest(name: &str) -> Vec<u8> {
    let path = component(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
