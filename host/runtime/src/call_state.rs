//! A connector's key-value state, as one call reads and writes it. Nothing is written anywhere: a call that succeeds hands its writes over.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bindings::sportello::connector::state;
use crate::limits::state as state_limits;

/// Where a guest's key-value state is read from.
pub trait ConnectorState: Send + Sync {
    /// The value of `key` now.
    fn get(&self, key: &str) -> Option<Vec<u8>>;

    /// How much there is of it now.
    fn extent(&self) -> StateExtent;
}

/// How much a channel's state holds, and which it is of those it has been.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateExtent {
    /// Its keys: a call may not bring them above [`limits::state::KEYS_MAX`](crate::limits::state::KEYS_MAX).
    pub keys: usize,
    /// Grows with every change.
    pub version: u64,
}

impl ConnectorState for BTreeMap<String, Vec<u8>> {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        BTreeMap::get(self, key).cloned()
    }

    fn extent(&self) -> StateExtent {
        StateExtent { keys: self.len(), version: 0 }
    }
}

/// One change of a connector's state, to be committed with the call's interactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateWrite {
    /// The key.
    pub key: String,
    /// Its new value; none deletes it.
    pub value: Option<Vec<u8>>,
    /// The state's version when the call first looked at it: whoever commits the write finds out whether somebody else changed the key since.
    pub based_on: u64,
}

/// The key-value state as one call sees it: what was there, and its own writes over it.
pub(crate) struct CallState {
    before: Arc<dyn ConnectorState>,
    writable: bool,
    written: BTreeMap<String, Option<Vec<u8>>>,
    writes: usize,
    /// What there was when the call first looked, with the keys there would be after it. Most calls never look.
    extent: Option<StateExtent>,
}

impl CallState {
    /// The channel's state before the call.
    pub(crate) fn new(before: Arc<dyn ConnectorState>, writable: bool) -> Self {
        Self { before, writable, written: BTreeMap::new(), writes: 0, extent: None }
    }

    pub(crate) fn get(&mut self, key: &str) -> Option<Vec<u8>> {
        // Before the value is read: what changes between the two counts as changed since.
        self.extent.get_or_insert_with(|| self.before.extent());
        match self.written.get(key) {
            Some(value) => value.clone(),
            None => self.before.get(key),
        }
    }

    pub(crate) fn put(&mut self, key: String, value: Option<Vec<u8>>) -> Result<(), state::Refusal> {
        if !self.writable {
            return Err(state::Refusal::ReadOnly);
        }
        if key.is_empty() || key.len() > state_limits::KEY_BYTES_MAX {
            return Err(state::Refusal::TooLarge(format!("a key has 1 to {} bytes", state_limits::KEY_BYTES_MAX)));
        }
        if value.as_ref().is_some_and(|value| value.len() > state_limits::VALUE_BYTES_MAX) {
            return Err(state::Refusal::TooLarge(format!("a value has at most {} bytes", state_limits::VALUE_BYTES_MAX)));
        }
        if self.writes == state_limits::WRITES_MAX {
            return Err(state::Refusal::TooLarge(format!("at most {} writes a call", state_limits::WRITES_MAX)));
        }
        let there = self.get(&key).is_some();
        let extent = self.extent.get_or_insert_default();
        if value.is_some() && !there {
            if extent.keys >= state_limits::KEYS_MAX {
                return Err(state::Refusal::TooLarge(format!("at most {} keys a channel", state_limits::KEYS_MAX)));
            }
            extent.keys += 1;
        }
        if value.is_none() && there {
            extent.keys = extent.keys.saturating_sub(1);
        }
        self.writes += 1;
        self.written.insert(key, value);
        Ok(())
    }

    /// What was written, the last value of each key. Whether it changes anything shows when it is committed.
    pub(crate) fn into_writes(self) -> Vec<StateWrite> {
        let based_on = self.extent.unwrap_or_default().version;
        self.written.into_iter().map(|(key, value)| StateWrite { key, value, based_on }).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn state(before: &[(&str, &str)], writable: bool) -> CallState {
        let before: BTreeMap<String, Vec<u8>> = before.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
        CallState::new(Arc::new(before), writable)
    }

    #[test]
    fn a_call_reads_its_own_writes_and_leaves_the_last_of_each_key() {
        let mut state = state(&[("changed", "1"), ("gone", "1")], true);
        state.put("changed".into(), Some(b"2".to_vec())).unwrap();
        state.put("changed".into(), Some(b"3".to_vec())).unwrap();
        state.put("gone".into(), None).unwrap();
        assert_eq!(state.get("changed"), Some(b"3".to_vec()));
        assert_eq!(state.get("gone"), None);
        let write = |key: &str, value: Option<&[u8]>| StateWrite { key: key.into(), value: value.map(<[u8]>::to_vec), based_on: 0 };
        assert_eq!(state.into_writes(), [write("changed", Some(b"3")), write("gone", None)]);
    }

    /// Somebody else's change with every look.
    struct Restless(AtomicU64);

    impl ConnectorState for Restless {
        fn get(&self, _: &str) -> Option<Vec<u8>> {
            Some(self.0.fetch_add(1, Ordering::Relaxed).to_le_bytes().to_vec())
        }

        fn extent(&self) -> StateExtent {
            StateExtent { keys: 1, version: self.0.load(Ordering::Relaxed) }
        }
    }

    #[test]
    fn writes_are_based_on_what_the_state_was_before_anything_of_it_was_seen() {
        let mut state = CallState::new(Arc::new(Restless(AtomicU64::new(7))), true);
        state.get("seen");
        state.get("seen");
        state.put("written".into(), None).unwrap();
        assert_eq!(state.into_writes()[0].based_on, 7);
    }

    #[test]
    fn state_is_read_only_outside_of_webhook_and_poll() {
        let mut state = state(&[("a", "1")], false);
        assert!(matches!(state.put("a".into(), None), Err(state::Refusal::ReadOnly)));
        assert_eq!(state.get("a"), Some(b"1".to_vec()));
    }

    #[test]
    fn every_limit_of_state_is_kept() {
        let refused = |result| matches!(result, Err(state::Refusal::TooLarge(_)));
        let mut small = state(&[], true);
        assert!(refused(small.put("k".repeat(129), Some(vec![]))));
        assert!(refused(small.put(String::new(), Some(vec![]))));
        assert!(refused(small.put("k".into(), Some(vec![0; (16 << 10) + 1]))));
        for write in 0..64 {
            small.put(format!("key-{write}"), Some(vec![0; 16 << 10])).unwrap();
        }
        assert!(refused(small.put("key-0".into(), None)));

        let keys: Vec<String> = (0..1024).map(|key| key.to_string()).collect();
        let keys: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "")).collect();
        let mut full = state(&keys, true);
        assert!(refused(full.put("one-more".into(), Some(vec![]))));
        full.put("7".into(), None).unwrap();
        full.put("one-more".into(), Some(vec![])).unwrap();
    }
}
