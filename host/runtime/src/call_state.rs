//! A connector's key-value state, as one call reads and writes it. Nothing is written anywhere: a call that succeeds hands its writes over.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::bindings::sportello::connector::state;
use crate::limits::state as state_limits;

/// Where a guest's key-value state is read from: the channel's state as of the call's start.
pub trait ConnectorState: Send + Sync {
    /// The value of `key`.
    fn get(&self, key: &str) -> Option<Vec<u8>>;

    /// How many keys the channel has: a call may not bring it above [`limits::state::KEYS_MAX`](crate::limits::state::KEYS_MAX).
    fn key_count(&self) -> usize;
}

impl ConnectorState for BTreeMap<String, Vec<u8>> {
    fn get(&self, key: &str) -> Option<Vec<u8>> {
        BTreeMap::get(self, key).cloned()
    }

    fn key_count(&self) -> usize {
        self.len()
    }
}

/// One change of a connector's state, to be committed with the call's interactions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateWrite {
    /// The key.
    pub key: String,
    /// Its new value; none deletes it.
    pub value: Option<Vec<u8>>,
}

/// The key-value state as one call sees it: what was there, and its own writes over it.
pub(crate) struct CallState {
    before: Arc<dyn ConnectorState>,
    writable: bool,
    written: BTreeMap<String, Option<Vec<u8>>>,
    writes: usize,
    /// Keys there would be after the call.
    keys: usize,
}

impl CallState {
    /// The channel's state before the call.
    pub(crate) fn new(before: Arc<dyn ConnectorState>, writable: bool) -> Self {
        let keys = before.key_count();
        Self { before, writable, written: BTreeMap::new(), writes: 0, keys }
    }

    pub(crate) fn get(&self, key: &str) -> Option<Vec<u8>> {
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
        if value.is_some() && !there {
            if self.keys >= state_limits::KEYS_MAX {
                return Err(state::Refusal::TooLarge(format!("at most {} keys a channel", state_limits::KEYS_MAX)));
            }
            self.keys += 1;
        }
        if value.is_none() && there {
            self.keys -= 1;
        }
        self.writes += 1;
        self.written.insert(key, value);
        Ok(())
    }

    /// The writes that change something.
    pub(crate) fn into_writes(self) -> Vec<StateWrite> {
        let before = self.before;
        self.written.into_iter().filter(|(key, value)| before.get(key) != *value).map(|(key, value)| StateWrite { key, value }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(before: &[(&str, &str)], writable: bool) -> CallState {
        let before: BTreeMap<String, Vec<u8>> = before.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
        CallState::new(Arc::new(before), writable)
    }

    #[test]
    fn a_call_reads_its_own_writes_and_leaves_only_what_changed() {
        let mut state = state(&[("kept", "1"), ("changed", "1"), ("gone", "1")], true);
        state.put("kept".into(), Some(b"1".to_vec())).unwrap();
        state.put("changed".into(), Some(b"2".to_vec())).unwrap();
        state.put("gone".into(), None).unwrap();
        state.put("brief".into(), Some(b"1".to_vec())).unwrap();
        state.put("brief".into(), None).unwrap();
        assert_eq!(state.get("changed"), Some(b"2".to_vec()));
        assert_eq!(state.get("gone"), None);
        assert_eq!(
            state.into_writes(),
            [StateWrite { key: "changed".into(), value: Some(b"2".to_vec()) }, StateWrite { key: "gone".into(), value: None },]
        );
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
