//! What a field is read from: an object of an answer, or a row of a table.

use std::borrow::Cow;

use crate::pointer::{self, Json, Pointer};

/// A record of any source.
pub(crate) trait Record {
    /// Every text that a pointer leads to.
    fn texts(&self, pointer: &Pointer) -> Vec<Cow<'_, str>>;

    /// The whole record as JSON.
    fn json(&self) -> Cow<'_, str>;
}

impl Record for Json {
    fn texts(&self, pointer: &Pointer) -> Vec<Cow<'_, str>> {
        pointer.all(self).into_iter().filter_map(pointer::text).collect()
    }

    fn json(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.get())
    }
}
