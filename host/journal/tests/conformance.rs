//! The conformance suite, run for the segment journal: with its defaults, and with everything small.

use std::sync::Arc;

use sportello_journal::conformance::Subject;
use sportello_journal::{JournalOptions, SegmentJournal};

fn subject(options: fn() -> JournalOptions) -> Subject {
    let folder = tempfile::tempdir().unwrap();
    let record_bytes_max = options().record_bytes_max;
    Subject { open: Box::new(move || Arc::new(SegmentJournal::open(folder.path(), options()).unwrap().0)), record_bytes_max }
}

mod defaults {
    fn fresh() -> super::Subject {
        super::subject(super::JournalOptions::default)
    }
    sportello_journal::conformance!(fresh);
}

mod small {
    fn options() -> super::JournalOptions {
        super::JournalOptions {
            segment_bytes_max: 4096,
            record_bytes_max: 2000,
            queue_bytes_max: 3000,
            group_bytes_max: 1500,
            zero_ahead_bytes: 1000,
            before_write: None,
        }
    }
    fn fresh() -> super::Subject {
        super::subject(options)
    }
    sportello_journal::conformance!(fresh);
}
