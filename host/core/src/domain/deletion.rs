//! Requests for deletion that came by way of a platform, so that whoever made one can see what became of it.

use serde::{Deserialize, Serialize};

use crate::domain::erasure::{Due, ERASURES_DUE};
use crate::ids::{ChannelName, Fingerprint, ProfileId};
use crate::tables::{Rows, Table, Tables};
use crate::time::Timestamp;

/// Requests by the keyed hash of channel and code.
pub const DELETION_REQUESTS: Table<Fingerprint, DeletionRequest> = Table::new(92, "deletion-requests");

/// A request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletionRequest {
    /// Whose data; None: nothing was kept of them.
    pub profile: Option<ProfileId>,
    /// When.
    pub at: Timestamp,
}

/// Somebody had the platform ask that what is kept of them be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeletionRequested {
    /// The channel it came by.
    pub channel: ChannelName,
    /// The keyed hash of channel and code.
    pub confirmation: Fingerprint,
    /// Whose data; None: nothing was kept of them.
    pub profile: Option<ProfileId>,
}

/// Whether the keys of all that was kept have been overwritten.
pub fn is_done(rows: &(impl Rows + ?Sized), request: &DeletionRequest) -> bool {
    request.profile.is_none_or(|profile| ERASURES_DUE.get(rows, &(request.at, Due::WholeProfile(profile))).is_none())
}

pub(crate) fn requested(tables: &mut Tables, at: Timestamp, event: &DeletionRequested) {
    tables.put(&DELETION_REQUESTS, &event.confirmation, &DeletionRequest { profile: event.profile, at });
}
