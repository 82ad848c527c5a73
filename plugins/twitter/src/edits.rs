//! Which post an edited one once was: a deletion names one version, and all versions are gone.
//!
//! X tells of a deletion with the id of a version and nothing else. The later versions of edited posts are remembered, the newest few hundred of
//! them: posts can be edited for an hour, and are rarely.

use std::collections::BTreeMap;

use sportello_sdk::{Error, state};

use crate::post::Post;

/// Where they stand in the channel's state.
const KEY: &str = "edits";
/// Versions remembered: two ids of twenty digits each, so that they fit into one value of the state.
const VERSIONS_MAX: usize = 300;

/// Later version → first version.
#[derive(Default)]
pub(crate) struct Edits {
    roots: BTreeMap<u64, u64>,
    changed: bool,
}

impl Edits {
    pub(crate) fn read() -> Result<Self, Error> {
        Ok(Self { roots: state::get(KEY)?.unwrap_or_default(), changed: false })
    }

    /// Remembers the versions of a post.
    pub(crate) fn note(&mut self, post: &Post) {
        let mut ids = post.history.iter().filter_map(|id| id.parse::<u64>().ok());
        let Some(root) = ids.next() else { return };
        for version in ids {
            self.changed |= self.roots.insert(version, root) != Some(root);
        }
        while self.roots.len() > VERSIONS_MAX {
            // Ids grow with time.
            self.roots.pop_first();
        }
    }

    /// The first version of a post.
    pub(crate) fn root_of(&self, id: &str) -> String {
        id.parse::<u64>().ok().and_then(|id| self.roots.get(&id)).map_or_else(|| id.to_owned(), u64::to_string)
    }

    pub(crate) fn write(&self) -> Result<(), Error> {
        if self.changed { state::set(KEY, &self.roots) } else { Ok(()) }
    }
}
