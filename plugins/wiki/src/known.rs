//! Which revisions a deleted page takes along.
//!
//! The wiki says only that a page was deleted. So the connector remembers the numbers of the revisions it reported, by the page's number: in
//! the channel's state, which holds nothing personal. Pages share [`BUCKETS`] entries; where one grows too large its oldest revisions are
//! forgotten, and their deletion will not be noticed.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use sportello_sdk::{Error, state};

/// Entries of the state; a channel may have 1,024, and 64 may be written in one call, which reads at most [`PAGES_PER_CALL_MAX`] pages.
const BUCKETS: u64 = 512;
/// Revisions remembered in one entry: at most 16 KiB, with numbers of up to 12 digits each. A page's must not be more than one call can tell.
const REVISIONS_PER_BUCKET_MAX: usize = 1_000;
/// Pages whose revisions can be remembered or forgotten in one call.
pub(crate) const PAGES_PER_CALL_MAX: usize = 60;

type Bucket = BTreeMap<u64, Vec<u64>>;

/// The remembered revisions this call has to do with; written back by [`Known::keep`].
#[derive(Default)]
pub(crate) struct Known {
    buckets: BTreeMap<u64, Bucket>,
}

impl Known {
    /// Remembers a reported revision of a page.
    pub(crate) fn remember(&mut self, page: u64, revision: u64) -> Result<(), Error> {
        let bucket = self.bucket(page)?;
        let revisions = bucket.entry(page).or_default();
        if !revisions.contains(&revision) {
            revisions.push(revision);
        }
        while bucket.values().map(Vec::len).sum::<usize>() > REVISIONS_PER_BUCKET_MAX {
            let oldest = bucket.iter().filter_map(|(page, revisions)| Some((*revisions.iter().min()?, *page))).min();
            let Some((oldest, page)) = oldest else { break };
            if let Some(revisions) = bucket.get_mut(&page) {
                revisions.retain(|revision| *revision != oldest);
                if revisions.is_empty() {
                    bucket.remove(&page);
                }
            }
        }
        Ok(())
    }

    /// The revisions of a page that were reported, at most as many as one call may tell.
    pub(crate) fn of(&mut self, page: u64) -> Result<Vec<u64>, Error> {
        Ok(self.bucket(page)?.get(&page).cloned().unwrap_or_default())
    }

    /// Forgets a deleted page.
    pub(crate) fn forget(&mut self, page: u64) -> Result<(), Error> {
        self.bucket(page)?.remove(&page);
        Ok(())
    }

    /// Writes what changed into the state.
    pub(crate) fn keep(self) -> Result<(), Error> {
        for (number, bucket) in self.buckets {
            let key = key(number);
            if bucket.is_empty() {
                state::delete(&key)?;
            } else {
                state::set(&key, &bucket)?;
            }
        }
        Ok(())
    }

    fn bucket(&mut self, page: u64) -> Result<&mut Bucket, Error> {
        let number = page % BUCKETS;
        match self.buckets.entry(number) {
            Entry::Occupied(entry) => Ok(entry.into_mut()),
            Entry::Vacant(entry) => Ok(entry.insert(state::get(&key(number))?.unwrap_or_default())),
        }
    }
}

fn key(bucket: u64) -> String {
    format!("revisions-{bucket}")
}
