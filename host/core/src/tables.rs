//! Typed rows over a plain ordered key-value store.
//!
//! The core reads rows through [`Rows`] (the overlay, then the view store) and writes them into [`Tables`], a draft that lies over it. When a
//! command is accepted the draft's changes go to the views in one batch; when it is refused the draft is dropped and nothing happened.
//! A key's bytes sort as its values do, so that the edge can list rows in order.

use std::cell::Cell;
use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;
use sportello_rows::Shelves;
pub use sportello_rows::{Place, Value};

use crate::encoding;
use crate::numbers::{COUNTERS, COUNTERS_MAX, Counter};

/// Where rows are read from. Look-ups only: nothing in the core scans.
pub trait Rows {
    /// The row's bytes. A store that cannot answer remembers its failure and says `None`; whoever composes the core checks before it commits.
    fn row(&self, table: u8, key: &[u8]) -> Option<Value>;
}

/// Something a row is found by.
pub trait Key {
    /// Appends bytes that sort as the key does.
    fn write_to(&self, key: &mut Vec<u8>);
}

impl Key for str {
    /// Ends with a zero byte so that a text is no prefix of another when more follows.
    fn write_to(&self, key: &mut Vec<u8>) {
        key.extend(self.bytes().filter(|byte| *byte != 0));
        key.push(0);
    }
}

impl Key for String {
    fn write_to(&self, key: &mut Vec<u8>) {
        self.as_str().write_to(key);
    }
}

impl Key for u8 {
    fn write_to(&self, key: &mut Vec<u8>) {
        key.push(*self);
    }
}

impl Key for u64 {
    fn write_to(&self, key: &mut Vec<u8>) {
        key.extend_from_slice(&self.to_be_bytes());
    }
}

impl Key for () {
    fn write_to(&self, _key: &mut Vec<u8>) {}
}

impl<A: Key, B: Key> Key for (A, B) {
    fn write_to(&self, key: &mut Vec<u8>) {
        self.0.write_to(key);
        self.1.write_to(key);
    }
}

impl<A: Key, B: Key, C: Key> Key for (A, B, C) {
    fn write_to(&self, key: &mut Vec<u8>) {
        self.0.write_to(key);
        self.1.write_to(key);
        self.2.write_to(key);
    }
}

/// A key's bytes.
pub fn key_bytes(key: &(impl Key + ?Sized)) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(24);
    key.write_to(&mut bytes);
    bytes
}

/// A kind of row. The number is part of the stored form: never reused.
pub struct Table<K: ?Sized, V> {
    /// The table's number.
    pub id: u8,
    /// The table's name, for messages and listings.
    pub name: &'static str,
    shape: PhantomData<fn(&K) -> V>,
}

impl<K: Key + ?Sized, V: Serialize + DeserializeOwned> Table<K, V> {
    /// Declares a table.
    #[must_use]
    pub const fn new(id: u8, name: &'static str) -> Self {
        Self { id, name, shape: PhantomData }
    }

    /// Reads a row's bytes as the table's type. `None` where they are not: a row only this program writes, so that is damage.
    #[must_use]
    pub fn decode(&self, bytes: &[u8]) -> Option<V> {
        postcard::from_bytes(bytes).ok()
    }

    /// Reads one row straight from a store.
    pub fn get(&self, rows: &(impl Rows + ?Sized), key: &K) -> Option<V> {
        rows.row(self.id, &key_bytes(key)).and_then(|bytes| self.decode(&bytes))
    }
}

/// One changed row; no value means it is gone.
pub type RowChange = (Place, Option<Value>);

/// A draft of changed rows over a store.
pub struct Tables<'rows> {
    rows: &'rows dyn Rows,
    changed: Shelves<Option<Value>>,
    /// The next number of each counted thing, 0 where it has not changed: they change with nearly every event, so they become rows at the end.
    numbers: [u64; COUNTERS_MAX],
    /// Where places and values are put together before they have a size: neither allocates twice.
    scratch: Cell<Vec<u8>>,
}

impl<'rows> Tables<'rows> {
    /// An empty draft over `rows`.
    #[must_use]
    pub fn over(rows: &'rows dyn Rows) -> Self {
        Self { rows, changed: Shelves::default(), numbers: [0; COUNTERS_MAX], scratch: Cell::default() }
    }

    /// The row as it stands in the draft.
    pub fn get<K: Key + ?Sized, V: Serialize + DeserializeOwned>(&self, table: &Table<K, V>, key: &K) -> Option<V> {
        self.look(table.id, key, |bytes| table.decode(bytes)).flatten()
    }

    /// Whether there is such a row.
    pub fn contains<K: Key + ?Sized, V>(&self, table: &Table<K, V>, key: &K) -> bool {
        self.look(table.id, key, |_| ()).is_some()
    }

    /// Shows the row's bytes, if there is such a row.
    fn look<K: Key + ?Sized, T>(&self, table: u8, key: &K, see: impl FnOnce(&[u8]) -> T) -> Option<T> {
        self.at(table, key, |place| match self.changed.get(place) {
            Some(change) => change.as_deref().map(see),
            None => self.rows.row(table, &place[1..]).map(|bytes| see(&bytes)),
        })
    }

    /// Writes a row.
    pub fn put<K: Key + ?Sized, V: Serialize + DeserializeOwned>(&mut self, table: &Table<K, V>, key: &K, value: &V) {
        let mut bytes = self.scratch.take();
        bytes.clear();
        encoding::append(value, &mut bytes);
        let value = Value::from(bytes.as_slice());
        self.scratch.set(bytes);
        self.change(table.id, key, Some(value));
    }

    /// Removes a row.
    pub fn delete<K: Key + ?Sized, V>(&mut self, table: &Table<K, V>, key: &K) {
        self.change(table.id, key, None);
    }

    fn change<K: Key + ?Sized>(&mut self, table: u8, key: &K, value: Option<Value>) {
        let mut place = self.scratch.take();
        place.clear();
        place.push(table);
        key.write_to(&mut place);
        self.changed.put(&place, value);
        self.scratch.set(place);
    }

    /// Shows the place of a row.
    fn at<K: Key + ?Sized, T>(&self, table: u8, key: &K, see: impl FnOnce(&[u8]) -> T) -> T {
        let mut place = self.scratch.take();
        place.clear();
        place.push(table);
        key.write_to(&mut place);
        let seen = see(&place);
        self.scratch.set(place);
        seen
    }

    /// Changes a row in place if it is there; tells whether it was.
    pub fn update<K: Key + ?Sized, V: Serialize + DeserializeOwned>(
        &mut self,
        table: &Table<K, V>,
        key: &K,
        change: impl FnOnce(&mut V),
    ) -> bool {
        let Some(mut value) = self.get(table, key) else { return false };
        change(&mut value);
        self.put(table, key, &value);
        true
    }

    /// The number the next thing of this kind will have.
    #[must_use]
    pub fn next_number(&self, counter: Counter) -> u64 {
        match self.numbers[counter as usize] {
            0 => self.get(&COUNTERS, &(counter as u8)).unwrap_or(1),
            next => next,
        }
    }

    /// The last thing of this kind has this number.
    pub fn note_number(&mut self, counter: Counter, number: u64) {
        self.numbers[counter as usize] = number + 1;
    }

    /// How many rows are changed, counters left out.
    #[must_use]
    pub fn changed(&self) -> usize {
        self.changed.len()
    }

    /// The changes, in order of place.
    #[must_use]
    pub fn into_changes(mut self) -> Vec<RowChange> {
        for (counter, next) in (0..).zip(self.numbers) {
            if next > 0 {
                self.put(&COUNTERS, &counter, &next);
            }
        }
        let mut changes = Vec::with_capacity(self.changed.len());
        changes.extend(self.changed);
        changes
    }
}

impl Rows for Tables<'_> {
    fn row(&self, table: u8, key: &[u8]) -> Option<Value> {
        self.at(table, &Bytes(key), |place| match self.changed.get(place) {
            Some(change) => change.clone(),
            None => self.rows.row(table, key),
        })
    }
}

/// A key whose bytes are known already.
struct Bytes<'bytes>(&'bytes [u8]);

impl Key for Bytes<'_> {
    fn write_to(&self, key: &mut Vec<u8>) {
        key.extend_from_slice(self.0);
    }
}
