//! Proof that the journal is whole and that the views are what it says.

use sportello_journal::Journal;
use sportello_views::{Views, ViewsOptions};

use crate::tenant::{Progress, Tenant, TenantError, made_from, replay};

/// What `verify` found.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Verified {
    /// Records checked.
    pub records: u64,
    /// The last record's sequence.
    pub last: u64,
    /// The hash of the chain at the last record, hex.
    pub chain: String,
    /// The hash of the live rows, hex.
    pub live: String,
    /// The hash of rows rebuilt from the journal alone, hex.
    pub rebuilt: String,
    /// Whether both are the same.
    pub equal: bool,
}

impl Tenant {
    /// Checks every record's checksum and the hash chain, rebuilds all rows in a folder of their own and compares their hash with that of the
    /// live ones. Blocks; meant for a tenant at rest, because rows that change meanwhile differ.
    ///
    /// # Errors
    /// Damage, or a folder that cannot be written.
    pub fn verify(&self, progress: Progress<'_>) -> Result<Verified, TenantError> {
        let report = self.journal.verify(&mut |_| {})?;
        self.views.flush()?;
        let folder = self.folder.join("views-verify");
        let drop_folder = |_| ();
        std::fs::remove_dir_all(&folder).unwrap_or_else(drop_folder);
        let rebuilt = Views::open(&folder, ViewsOptions::new(made_from(&self.slots)))?.views;
        replay::catch_up(self.journal.as_ref(), &rebuilt, progress)?;
        rebuilt.flush()?;
        let live = self.views.state_hash()?;
        let again = rebuilt.state_hash()?;
        rebuilt.close()?;
        drop(rebuilt);
        std::fs::remove_dir_all(&folder).unwrap_or_else(drop_folder);
        Ok(Verified {
            records: report.records,
            last: report.last.get(),
            chain: hex::encode(report.hash),
            live: hex::encode(live.sha256),
            rebuilt: hex::encode(again.sha256),
            equal: live.sha256 == again.sha256 && live.cursor == again.cursor,
        })
    }
}
