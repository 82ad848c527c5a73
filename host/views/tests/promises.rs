//! The promises of the store, one test each.

use std::fs;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use sportello_views::{Change, Direction, Views, ViewsError, ViewsOptions};

/// A store that writes only when asked.
fn options() -> ViewsOptions {
    ViewsOptions { write_behind_max: Duration::from_secs(3600), ..ViewsOptions::new("journal 1, rows 1") }
}

fn open(folder: &Path) -> Views {
    let opened = Views::open(folder, options()).unwrap();
    assert_eq!(opened.rebuilt_because, None);
    opened.views
}

fn set(table: u8, key: &str, value: &str) -> Change {
    Change { table, key: key.as_bytes().to_vec(), value: Some(value.as_bytes().to_vec()) }
}

fn text(views: &Views, key: &str) -> Option<String> {
    views.get(1, key.as_bytes()).unwrap().map(|value| String::from_utf8(value).unwrap())
}

/// Writes `records` records of 20 rows, stores and closes them.
fn filled(folder: &Path, records: u64) {
    let views = open(folder);
    for sequence in 1..=records {
        let rows = (0..20).map(|row| set(1, &format!("{sequence}/{row}"), &format!("value {row}").repeat(10)));
        views.apply(sequence, rows.collect()).unwrap();
    }
    views.only_up_to(records);
    views.close().unwrap();
}

fn rows_folder(folder: &Path) -> PathBuf {
    let mut found = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    found.find(|path| path.file_name().unwrap().to_string_lossy().starts_with("rows-")).unwrap()
}

/// A byte-for-byte copy, as a backup of a running machine would make it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_row_not_yet_durable_never_reaches_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let views = open(folder.path());
    views.apply(1, vec![set(1, "a", "durable"), set(1, "b", "durable")]).unwrap();
    views.apply(2, vec![set(1, "a", "from the future"), set(1, "c", "from the future")]).unwrap();
    views.only_up_to(1);
    views.flush().unwrap();
    assert_eq!((views.cursor(), views.stored_cursor()), (2, 1));
    assert_eq!(text(&views, "a").as_deref(), Some("from the future"), "readers see it at once");
    // The process ends and the journal turns out to end at record 1.
    drop(views);
    let views = open(folder.path());
    assert_eq!(views.cursor(), 1);
    assert_eq!(text(&views, "a").as_deref(), Some("durable"));
    assert_eq!(text(&views, "b").as_deref(), Some("durable"));
    assert_eq!(text(&views, "c"), None);
}

#[test]
fn a_clean_close_stores_only_what_is_durable_and_later_calls_say_closed() {
    let folder = tempfile::tempdir().unwrap();
    let views = open(folder.path());
    views.apply(1, vec![set(1, "a", "durable")]).unwrap();
    views.only_up_to(1);
    views.apply(2, vec![set(1, "a", "from the future")]).unwrap();
    views.close().unwrap();
    views.close().unwrap();
    assert!(matches!(views.get(1, b"a"), Err(ViewsError::Closed)));
    assert!(matches!(views.apply(3, vec![]), Err(ViewsError::Closed)));
    assert!(matches!(views.reset(), Err(ViewsError::Closed)));
    assert!(matches!(views.state_hash(), Err(ViewsError::Closed)));
    // The folder is free although the closed store is still around.
    let again = open(folder.path());
    assert_eq!((again.cursor(), text(&again, "a").as_deref()), (1, Some("durable")));
}

#[test]
fn a_row_changed_many_times_within_the_window_is_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let views = open(folder.path());
    for sequence in 1..=10 {
        views.apply(sequence, vec![set(1, "hot", &sequence.to_string())]).unwrap();
    }
    views.only_up_to(10);
    views.flush().unwrap();
    let metrics = views.metrics();
    assert_eq!((metrics.batches, metrics.rows_written, metrics.rows_coalesced), (1, 1, 9));
    assert_eq!((metrics.overlay_rows, metrics.overlay_bytes, metrics.lag_records), (0, 0, 0));
    assert_eq!(text(&views, "hot").as_deref(), Some("10"));
}

#[test]
fn a_row_changed_again_while_older_records_are_stored_stays_in_the_overlay() {
    let folder = tempfile::tempdir().unwrap();
    let views = open(folder.path());
    views.apply(1, vec![set(1, "a", "1"), set(1, "b", "1")]).unwrap();
    views.apply(2, vec![set(1, "a", "2")]).unwrap();
    views.only_up_to(1);
    views.flush().unwrap();
    let metrics = views.metrics();
    assert_eq!((metrics.overlay_rows, metrics.lag_records), (1, 1));
    assert_eq!((text(&views, "a").as_deref(), text(&views, "b").as_deref()), (Some("2"), Some("1")));
}

#[test]
fn the_overlay_holds_no_more_than_its_limit_while_the_writer_runs_ahead() {
    let folder = tempfile::tempdir().unwrap();
    let overlay_bytes_max = 64 << 10;
    let views = Views::open(folder.path(), ViewsOptions { overlay_bytes_max, ..options() }).unwrap().views;
    views.only_up_to(u64::MAX);
    let value = "x".repeat(1000);
    for sequence in 1..=2000 {
        views.apply(sequence, vec![set(1, &sequence.to_string(), &value)]).unwrap();
        let metrics = views.metrics();
        assert!(metrics.overlay_bytes <= overlay_bytes_max as u64 + 1200, "{metrics:?} at record {sequence}");
    }
    assert!(views.metrics().apply_waits > 0, "2 MB went through 64 KiB without a wait");
}

#[test]
fn the_writer_never_waits_for_records_that_are_not_durable() {
    let folder = tempfile::tempdir().unwrap();
    let views = Views::open(folder.path(), ViewsOptions { overlay_bytes_max: 1 << 10, ..options() }).unwrap().views;
    for sequence in 1..=100 {
        // Would hang here if the thread that is to call `only_up_to` had to wait for it.
        views.apply(sequence, vec![set(1, &sequence.to_string(), &"x".repeat(1000))]).unwrap();
    }
    assert_eq!((views.stored_cursor(), views.metrics().apply_waits), (0, 0));
    views.only_up_to(100);
    views.flush().unwrap();
    assert_eq!((views.stored_cursor(), views.metrics().overlay_bytes), (100, 0));
}

#[test]
fn a_reader_never_sees_half_a_record() {
    let folder = tempfile::tempdir().unwrap();
    let options = ViewsOptions { write_behind_max: Duration::ZERO, batch_rows_max: 4, ..options() };
    let views = Views::open(folder.path(), options).unwrap().views;
    let key = |row: usize| format!("{row:02}");
    let all_rows = |sequence: u64| (0..20).map(|row| set(1, &key(row), &sequence.to_string())).collect::<Vec<_>>();
    views.apply(1, all_rows(1)).unwrap();
    let done = AtomicBool::new(false);
    let reads = std::thread::scope(|scope| {
        let readers = [Direction::Forward, Direction::Backward].map(|direction| {
            let (views, done) = (&views, &done);
            scope.spawn(move || {
                let (mut reads, mut newest) = (0, 0);
                while !done.load(Ordering::Relaxed) {
                    let rows = views.range(1, Bound::Unbounded, Bound::Unbounded, direction, 100).unwrap();
                    let values: Vec<u64> = rows.iter().map(|(_, value)| std::str::from_utf8(value).unwrap().parse().unwrap()).collect();
                    assert_eq!(values.len(), 20, "rows are missing: {values:?}");
                    assert!(values.iter().all(|value| *value == values[0]), "half a record: {values:?}");
                    assert!(values[0] >= newest, "went back from {newest} to {}", values[0]);
                    newest = values[0];
                    reads += 1;
                }
                reads
            })
        });
        for sequence in 2..=4000 {
            views.apply(sequence, all_rows(sequence)).unwrap();
            views.only_up_to(sequence);
        }
        views.flush().unwrap();
        done.store(true, Ordering::Relaxed);
        readers.map(|reader| reader.join().unwrap())
    });
    assert!(reads.iter().all(|reads| *reads > 0));
    assert!(views.metrics().batches > 10, "the readers met no batch");
}

#[test]
fn damaged_store_is_dropped_and_says_why() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let healthy = tempfile::tempdir().unwrap();
    filled(healthy.path(), 50);
    let expected = open(copied(healthy.path()).path()).state_hash().unwrap();

    let mut dropped = 0;
    for round in 0..40 {
        let folder = copied(healthy.path());
        let path = rows_folder(folder.path()).join("db");
        let mut bytes = fs::read(&path).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        match round % 4 {
            0 => bytes[random.usize(..used)] ^= 1 << random.u8(..8),
            1 => bytes.truncate(random.usize(..used)),
            2 => {
                let start = random.usize(..used);
                bytes[start..].iter_mut().take(4096).for_each(|byte| *byte = random.u8(..));
            }
            _ => {
                let start = random.usize(..used) / 4096 * 4096;
                bytes[start..].iter_mut().take(4096).for_each(|byte| *byte = 0);
            }
        }
        fs::write(&path, bytes).unwrap();
        let opened = Views::open(folder.path(), options()).unwrap();
        match opened.rebuilt_because {
            Some(reason) => {
                dropped += 1;
                assert!(!reason.is_empty());
                assert_eq!(opened.views.cursor(), 0);
                let rows = opened.views.range(1, Bound::Unbounded, Bound::Unbounded, Direction::Forward, 1).unwrap();
                assert_eq!(rows, vec![], "seed {seed}, round {round}: rows of the dropped store came along");
                opened.views.apply(1, vec![set(1, "a", "again")]).unwrap();
                opened.views.only_up_to(1);
                opened.views.flush().unwrap();
                assert_eq!(text(&opened.views, "a").as_deref(), Some("again"));
            }
            // The damage hit bytes that hold nothing any more: then nothing may be missing or changed.
            None => assert_eq!(opened.views.state_hash().unwrap(), expected, "seed {seed}, round {round}"),
        }
    }
    println!("dropped {dropped} of 40");
    assert!(dropped >= 10, "seed {seed}: only {dropped} of 40 damages were noticed");
}

fn copied(from: &Path) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(from, folder.path());
    folder
}

/// Opens a folder that must not be believed, and returns the reason given.
fn doubted(folder: &Path, options: ViewsOptions) -> String {
    let opened = Views::open(folder, options).unwrap();
    assert_eq!(opened.views.cursor(), 0);
    opened.rebuilt_because.expect("the store was believed")
}

#[test]
fn a_store_of_other_code_or_without_a_sound_stamp_is_dropped_and_says_why() {
    let healthy = tempfile::tempdir().unwrap();
    filled(healthy.path(), 3);

    let folder = copied(healthy.path());
    let reason = doubted(folder.path(), ViewsOptions { made_from: "journal 1, rows 2".into(), ..options() });
    assert!(reason.contains("journal 1, rows 1"), "{reason}");

    let folder = copied(healthy.path());
    fs::remove_file(folder.path().join("stamp")).unwrap();
    assert!(doubted(folder.path(), options()).contains("stamp is missing"));

    let folder = copied(healthy.path());
    fs::write(folder.path().join("stamp"), "sportello-views 1\nrows ../../etc\n").unwrap();
    assert!(doubted(folder.path(), options()).contains("garbled"));

    let folder = copied(healthy.path());
    fs::remove_dir_all(rows_folder(folder.path())).unwrap();
    assert!(doubted(folder.path(), options()).contains("missing"));

    let folder = copied(healthy.path());
    for entry in fs::read_dir(rows_folder(folder.path())).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            fs::remove_file(path).unwrap();
        }
    }
    assert!(doubted(folder.path(), options()).contains("cursor is missing"));
}

#[test]
fn a_store_left_open_is_believed_where_it_is_but_not_in_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 3);
    drop(open(folder.path()));
    assert_eq!(open(folder.path()).cursor(), 3, "left open, in this boot, on these files");

    let elsewhere = copied(folder.path());
    assert!(doubted(elsewhere.path(), options()).contains("copied while it was open"));
}

#[test]
fn a_second_opener_is_refused_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let views = open(folder.path());
    views.apply(1, vec![set(1, "a", "1")]).unwrap();
    let refused = Views::open(folder.path(), ViewsOptions { made_from: "another".into(), ..options() });
    assert!(matches!(refused, Err(ViewsError::InUse { .. })), "{refused:?}");
    views.only_up_to(1);
    views.flush().unwrap();
    assert_eq!(text(&views, "a").as_deref(), Some("1"));
}

#[test]
fn live_and_rebuilt_state_have_the_same_hash() {
    let folder = tempfile::tempdir().unwrap();
    let views = open(folder.path());
    let record = |sequence: u64| {
        let key = (sequence % 7).to_string();
        let value = (!sequence.is_multiple_of(5)).then(|| sequence.to_string().into_bytes());
        vec![Change { table: (sequence % 3) as u8, key: key.into_bytes(), value }]
    };
    for sequence in 1..=100 {
        views.apply(sequence, record(sequence)).unwrap();
    }
    let in_memory = views.state_hash().unwrap();
    views.only_up_to(60);
    views.flush().unwrap();
    assert_eq!(views.state_hash().unwrap(), in_memory, "where the rows are makes no difference");
    views.only_up_to(100);
    views.flush().unwrap();
    assert_eq!(views.state_hash().unwrap(), in_memory);

    views.reset().unwrap();
    assert_ne!(views.state_hash().unwrap().sha256, in_memory.sha256);
    for sequence in 1..=100 {
        views.apply(sequence, record(sequence)).unwrap();
    }
    assert_eq!(views.state_hash().unwrap(), in_memory);
    views.apply(101, vec![set(0, "one more", "")]).unwrap();
    assert_ne!(views.state_hash().unwrap().sha256, in_memory.sha256);
}

#[test]
fn a_reset_gives_the_space_back_and_leaves_one_rows_folder() {
    let folder = tempfile::tempdir().unwrap();
    filled(folder.path(), 200);
    let views = open(folder.path());
    let before = views.metrics().disk_bytes;
    views.reset().unwrap();
    assert_eq!((views.cursor(), views.stored_cursor()), (0, 0));
    assert!(views.metrics().disk_bytes < before);
    let folders = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(folders.filter(|name| name.to_string_lossy().starts_with("rows-")).count(), 1);
    drop(views);
    assert_eq!(open(folder.path()).cursor(), 0);
}

#[test]
fn a_record_out_of_order_or_too_large_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let views = Views::open(folder.path(), ViewsOptions { value_bytes_max: 10, ..options() }).unwrap().views;
    views.apply(1, vec![set(1, "a", "1")]).unwrap();
    for sequence in [0, 1, 3] {
        let refused = views.apply(sequence, vec![set(1, "a", "2")]);
        assert!(matches!(refused, Err(ViewsError::OutOfOrder { cursor: 1, .. })), "{refused:?}");
    }
    let refused = views.apply(2, vec![set(1, "a", "2"), set(1, "b", "eleven chars")]);
    assert!(matches!(refused, Err(ViewsError::TooLarge { sequence: 2, bytes: 12, .. })), "{refused:?}");
    let refused = views.apply(2, vec![set(1, "a", "2"), set(1, &"k".repeat(5000), "")]);
    assert!(matches!(refused, Err(ViewsError::TooLarge { bytes: 5000, .. })), "{refused:?}");
    let refused = views.apply(2, vec![set(255, "a", "2")]);
    assert!(matches!(refused, Err(ViewsError::ReservedTable)), "{refused:?}");
    assert_eq!((views.cursor(), text(&views, "a").as_deref()), (1, Some("1")));
}

#[test]
fn a_value_of_the_largest_size_survives_being_stored_and_reopened() {
    let folder = tempfile::tempdir().unwrap();
    let views = open(folder.path());
    let largest = "x".repeat(options().value_bytes_max);
    views.apply(1, vec![set(1, "a", &largest)]).unwrap();
    views.only_up_to(1);
    views.close().unwrap();
    drop(views);
    assert!(text(&open(folder.path()), "a").is_some_and(|value| value == largest));
}
