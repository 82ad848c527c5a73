//! The stored form of events and rows: postcard.

use postcard::ser_flavors::Flavor;
use serde::Serialize;

/// Appends a value's stored form.
pub(crate) fn append(value: &impl Serialize, bytes: &mut Vec<u8>) {
    let encoded = postcard::serialize_with_flavor(value, Appending(bytes));
    // What is stored are plain structs without maps or texts of unknown length, into memory.
    debug_assert_eq!(encoded, Ok(()), "a plain struct always encodes into memory");
}

/// Copies bytes as a block; postcard's own flavour for anything that can be extended takes them one by one.
struct Appending<'bytes>(&'bytes mut Vec<u8>);

impl Flavor for Appending<'_> {
    type Output = ();

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
