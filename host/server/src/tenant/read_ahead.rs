//! Records, read, checked and decoded on a thread of their own, while those before them are applied.

use std::sync::mpsc::{Receiver, sync_channel};

use sportello_journal::Records;

use crate::tenant::{TenantError, TenantRecord};

/// Records handed over at a time.
const CHUNK_RECORDS: usize = 256;
/// Chunks that wait for whoever applies them; then reading waits.
const CHUNKS_MAX: usize = 4;

/// A decoded record and its sequence, or why there is none.
pub type Decoded = Result<(u64, TenantRecord), TenantError>;

/// What `records` holds, decoded, in order. Dropping it ends the reading.
///
/// # Errors
/// [`TenantError::System`] if the system refuses a thread.
pub fn read_ahead(records: Records) -> Result<ReadAhead, TenantError> {
    let (sender, chunks) = sync_channel(CHUNKS_MAX);
    let read = move || {
        let mut decoded = records.map(|record| {
            let record = record?;
            let sequence = record.sequence.get();
            TenantRecord::decode(&record.bytes).map(|record| (sequence, record)).map_err(|source| TenantError::Record { sequence, source })
        });
        loop {
            let chunk: Vec<Decoded> = decoded.by_ref().take(CHUNK_RECORDS).collect();
            // Nobody wants more after an error.
            if chunk.is_empty() || sender.send(chunk).is_err() {
                return;
            }
        }
    };
    std::thread::Builder::new()
        .name("read-ahead".to_owned())
        .spawn(read)
        .map_err(|source| TenantError::System { what: "start the thread that reads the journal".to_owned(), source })?;
    Ok(ReadAhead { chunks, chunk: Vec::new().into_iter() })
}

/// See [`read_ahead`].
pub struct ReadAhead {
    chunks: Receiver<Vec<Decoded>>,
    chunk: std::vec::IntoIter<Decoded>,
}

impl Iterator for ReadAhead {
    type Item = Decoded;

    fn next(&mut self) -> Option<Decoded> {
        loop {
            if let Some(record) = self.chunk.next() {
                return Some(record);
            }
            self.chunk = self.chunks.recv().ok()?.into_iter();
        }
    }
}
