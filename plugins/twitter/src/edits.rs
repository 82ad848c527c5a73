//! Which post an edited one once was: a deletion names one version, and all versions are gone.
//! <https://docs.x.com/x-api/fundamentals/edit-posts>
//!
//! X tells of a deletion with the id of a version and nothing else, and does not say whether it tells of the other versions, too. The later versions of
//! edited posts are remembered, the newest few hundred of them: posts can be edited for half an hour, and are rarely. A deletion can come before whatever
//! tells that its id is a version: what was deleted is remembered likewise, and takes the post back once that is known.

use std::collections::{BTreeMap, BTreeSet};

use sportello_sdk::{Error, state};

use crate::post::Post;

/// Where they stand in the channel's state.
const KEY: &str = "edits";
const GONE_KEY: &str = "gone";
/// Versions remembered: two ids of twenty digits each, so that they fit into one value of the state.
const VERSIONS_MAX: usize = 300;
/// Deletions remembered, one id each.
const GONE_MAX: usize = 300;

#[derive(Default)]
pub(crate) struct Edits {
    /// Later version → first version.
    roots: BTreeMap<u64, u64>,
    /// Versions told to be deleted.
    gone: BTreeSet<u64>,
    changed: bool,
}

impl Edits {
    pub(crate) fn read() -> Result<Self, Error> {
        Ok(Self { roots: state::get(KEY)?.unwrap_or_default(), gone: state::get(GONE_KEY)?.unwrap_or_default(), changed: false })
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

    /// Remembers that a version was deleted.
    pub(crate) fn note_gone(&mut self, id: &str) {
        self.changed |= id.parse::<u64>().is_ok_and(|id| self.gone.insert(id));
        while self.gone.len() > GONE_MAX {
            self.gone.pop_first();
        }
    }

    /// Whether a version of an edited post was deleted, and with it all.
    pub(crate) fn is_gone(&self, post: &Post) -> bool {
        let mut later = post.history.iter().skip(1).filter_map(|id| id.parse::<u64>().ok());
        later.any(|id| self.gone.contains(&id))
    }

    /// The first version of a post.
    pub(crate) fn root_of(&self, id: &str) -> String {
        id.parse::<u64>().ok().and_then(|id| self.roots.get(&id)).map_or_else(|| id.to_owned(), u64::to_string)
    }

    /// Both or neither: each goes by the other. Of two calls at once, one that notes a version and one its deletion, neither would know of the other's; so
    /// the later one is refused and repeated.
    pub(crate) fn write(&self) -> Result<(), Error> {
        if !self.changed {
            return Ok(());
        }
        state::set(KEY, &self.roots)?;
        state::set(GONE_KEY, &self.gone)
    }
}
