//! Built components.

use std::path::PathBuf;

/// The file of a built connector: where `SPORTELLO_GUESTS` says, or where `cargo xtask guests` leaves it.
///
/// # Panics
/// If it has not been built.
#[must_use]
pub fn component(name: &str) -> PathBuf {
    let folder = std::env::var_os("SPORTELLO_GUESTS")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../plugins/target/guests"), PathBuf::from);
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

/// The same component with another digest: a custom section is added, which nothing reads.
#[must_use]
pub fn with_note(component: &[u8], note: &str) -> Vec<u8> {
    // [id 0 | length | length of the name | name | contents]; lengths below 128 are one LEB128 byte.
    const NAME: &[u8] = b"note";
    let length = u8::try_from(1 + NAME.len() + note.len()).ok().filter(|length| *length < 128).expect("a short note");
    let mut bytes = component.to_vec();
    bytes.extend_from_slice(&[0, length, 4]);
    bytes.extend_from_slice(NAME);
    bytes.extend_from_slice(note.as_bytes());
    bytes
}
