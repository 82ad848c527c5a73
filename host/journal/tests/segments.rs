//! Rotation, the lock, the bytes of the format.

use std::path::Path;

use sportello_journal::{Journal, JournalError, JournalOptions, SegmentJournal, Sequence};

fn segments(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name.ends_with(".segment")).collect();
    names.sort();
    names
}

#[test]
fn segments_rotate_at_their_limit_and_are_named_by_their_first_record() {
    let folder = tempfile::tempdir().unwrap();
    let options = || JournalOptions { segment_bytes_max: 4096, zero_ahead_bytes: 512, ..JournalOptions::default() };
    let (journal, _) = SegmentJournal::open(folder.path(), options()).unwrap();
    for _ in 0..20 {
        journal.wait_durable(journal.append(&[7; 1000]).unwrap()).unwrap();
    }
    // A header of 64, a frame of 1056 and three of 1024 pass 4096.
    let expected: Vec<_> = (0..5).map(|segment| format!("{:020}.segment", segment * 4 + 1)).collect();
    assert_eq!(segments(folder.path()), expected);
    assert_eq!(
        std::fs::metadata(folder.path().join(&expected[0])).unwrap().len(),
        64 + 1056 + 3 * 1024,
        "a full segment ends with its last record"
    );
    let report = journal.verify(&mut |_| ()).unwrap();
    assert_eq!((report.records, report.segments), (20, 5));
    drop(journal);
    let (journal, recovery) = SegmentJournal::open(folder.path(), options()).unwrap();
    assert_eq!((recovery.last, recovery.segments, recovery.torn), (Sequence::new(20), 5, None));
    assert_eq!(journal.read(Sequence::new(6)).unwrap().count(), 15);
}

#[test]
fn a_folder_belongs_to_one_journal_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = SegmentJournal::open(folder.path(), JournalOptions::default()).unwrap();
    let error = SegmentJournal::open(folder.path(), JournalOptions::default()).unwrap_err();
    assert!(matches!(error, JournalError::Locked { .. }), "{error}");
    drop(journal);
    SegmentJournal::open(folder.path(), JournalOptions::default()).unwrap();
}

#[test]
fn a_closed_journal_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = SegmentJournal::open(folder.path(), JournalOptions::default()).unwrap();
    journal.append(b"queued").unwrap();
    assert_eq!(journal.close().unwrap(), Sequence::new(1), "closing makes durable what is queued");
    assert!(matches!(journal.append(b"late"), Err(JournalError::Closed { .. })));
    assert!(matches!(journal.wait_durable(Sequence::new(2)), Err(JournalError::Closed { .. })));
    journal.wait_durable(Sequence::new(1)).unwrap();
}

#[test]
fn a_panic_on_the_syncing_thread_stops_the_journal_and_hangs_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = SegmentJournal::open(folder.path(), JournalOptions::default()).unwrap();
    journal.on_durable(Box::new(|durable| assert!(durable.unwrap_or_default() < Sequence::new(2), "a callback that panics at 2")));
    journal.wait_durable(journal.append(b"one").unwrap()).unwrap();
    let _ = journal.append(b"two").unwrap();
    let error = journal.wait_durable(Sequence::new(3)).unwrap_err();
    assert!(error.to_string().contains("panicked"), "{error}");
}

#[test]
fn options_that_cannot_work_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let options = JournalOptions { segment_bytes_max: 100, ..JournalOptions::default() };
    let error = SegmentJournal::open(folder.path(), options).unwrap_err();
    assert!(matches!(error, JournalError::Option { option: "segment_bytes_max", .. }), "{error}");
}

/// A change of these bytes is a new format version: from the first release on old journals must stay readable. Written anew with `GOLDEN=write`.
#[test]
fn the_format_is_what_the_golden_segment_says() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/00000000000000000001.segment");
    let folder = tempfile::tempdir().unwrap();
    let (journal, _) = SegmentJournal::open(folder.path(), JournalOptions { zero_ahead_bytes: 0, ..JournalOptions::default() }).unwrap();
    let records: [&[u8]; 4] = [b"first", b"", b"Buongiorno, il mio telefono non funziona.", &[0; 100]];
    for record in records {
        journal.wait_durable(journal.append(record).unwrap()).unwrap();
    }
    drop(journal);
    let written = std::fs::read(folder.path().join("00000000000000000001.segment")).unwrap();
    if std::env::var("GOLDEN").is_ok_and(|value| value == "write") {
        std::fs::write(&golden, &written).unwrap();
    }
    assert!(written == std::fs::read(&golden).unwrap(), "the bytes differ from {}", golden.display());

    let folder = tempfile::tempdir().unwrap();
    std::fs::copy(&golden, folder.path().join("00000000000000000001.segment")).unwrap();
    let (journal, _) = SegmentJournal::open(folder.path(), JournalOptions::default()).unwrap();
    let read: Vec<_> = journal.read(Sequence::FIRST).unwrap().map(|record| record.unwrap().bytes).collect();
    assert_eq!(read, records);
}
