//! The promises of the store, one test each.

use std::fs;
use std::ops::Bound;
use std::path::Path;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

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
    Change::new(table, key.as_bytes(), Some(value.as_bytes()))
}

fn text(views: &Views, key: &str) -> Option<String> {
    views.get(1, key.as_bytes()).unwrap().map(|value| String::from_utf8(value.to_vec()).unwrap())
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
        // Some 57 rows fit the limit, and as many that the store has already may still be there.
        assert!(metrics.overlay_rows <= 2 * 58, "{metrics:?} at record {sequence}");
    }
    assert!(views.metrics().apply_waits > 0, "2 MB went through 64 KiB without a wait");
    views.flush().unwrap();
    assert_eq!(views.metrics().overlay_rows, 0, "what the store has is kept no longer than anything else");
}

#[test]
fn a_run_of_records_is_one_step_and_reaches_the_store_whole() {
    let folder = tempfile::tempdir().unwrap();
    let views = Views::open(folder.path(), ViewsOptions { batch_rows_max: 5, ..options() }).unwrap().views;
    let run = || (0..20).map(|row| set(1, &format!("{row:02}"), "x")).collect();
    // Half of it could not be stored.
    views.only_up_to(3);
    assert!(matches!(views.apply_run(1..=4, run()), Err(ViewsError::RunNotDurable { last: 4, durable: 3 })));
    views.only_up_to(4);
    for gap in [2..=3, 0..=1] {
        assert!(
            matches!(views.apply_run(gap.clone(), vec![]), Err(ViewsError::OutOfOrder { cursor: 0, .. })),
            "{gap:?} does not go on from 0"
        );
    }
    assert_eq!((views.cursor(), views.metrics().overlay_rows), (0, 0), "nothing of what was refused is applied");
    views.apply_run(1..=4, run()).unwrap();
    assert_eq!(views.cursor(), 4);
    views.flush().unwrap();
    assert_eq!((views.stored_cursor(), views.metrics().batches, views.metrics().rows_written), (4, 1, 20));
    views.apply(5, vec![set(1, "00", "y")]).unwrap();
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
    const ROWS: usize = 2000;
    const CHANGED_EVERY: usize = 100;
    const RECORDS: u64 = 400;
    let folder = tempfile::tempdir().unwrap();
    let views = Views::open(folder.path(), ViewsOptions { write_behind_max: Duration::ZERO, ..options() });
    let views = views.unwrap().views;
    let rows = |sequence: u64, every: usize| {
        let rows = (0..ROWS).step_by(every);
        rows.map(|row| set(1, &format!("{row:04}"), &sequence.to_string())).collect::<Vec<_>>()
    };
    views.apply(1, rows(1, 1)).unwrap();
    let (done, begun) = (AtomicBool::new(false), Barrier::new(3));
    let reads = std::thread::scope(|scope| {
        let readers = [Direction::Forward, Direction::Backward].map(|direction| {
            let (views, done, begun) = (&views, &done, &begun);
            scope.spawn(move || {
                let (mut reads, mut newest) = (0, 0);
                while !done.load(Ordering::Relaxed) {
                    let rows = views.range(1, Bound::Unbounded, Bound::Unbounded, direction, ROWS).unwrap();
                    assert_eq!(rows.len(), ROWS);
                    let number = |(_, value): &(_, Vec<u8>)| -> u64 { str::from_utf8(value).unwrap().parse().unwrap() };
                    let changed = rows.iter().filter(|(key, _)| key.ends_with(b"00"));
                    let changed: Vec<u64> = changed.map(number).collect();
                    assert!(changed.iter().all(|value| *value == changed[0]), "half a record: {changed:?}");
                    assert!(changed[0] >= newest, "went back from {newest} to {}", changed[0]);
                    newest = changed[0];
                    if reads == 0 {
                        begun.wait();
                    }
                    reads += 1;
                }
                reads
            })
        });
        begun.wait();
        for sequence in 2..=RECORDS {
            views.apply(sequence, rows(sequence, CHANGED_EVERY)).unwrap();
            views.only_up_to(sequence);
            // Every other time the overlay is empty when the next record and its batch come in the middle of a reading.
            if sequence % 2 == 0 {
                views.flush().unwrap();
            }
        }
        done.store(true, Ordering::Relaxed);
        readers.map(|reader| reader.join().unwrap())
    });
    assert!(reads.iter().all(|reads| *reads > 0), "{reads:?}");
    assert!(views.metrics().batches > RECORDS / 4, "the readers met too few batches");
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
        vec![Change::new((sequence % 3) as u8, key.as_bytes(), value.as_deref())]
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
    let views = open(folder.path());
    for sequence in 1..=200 {
        views.apply(sequence, vec![set(1, &sequence.to_string(), &"x".repeat(10_000))]).unwrap();
    }
    views.only_up_to(200);
    views.flush().unwrap();
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
