//! A store that can't be believed is dropped, and says why; one that is believed is right.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sportello_views::{Change, Direction, Views, ViewsOptions};
use tempfile::TempDir;

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
fn damaged_store_is_dropped_and_says_why() {
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let healthy = tempfile::tempdir().unwrap();
    filled(healthy.path(), 600);
    // Opened once more: then sled trusts its snapshot, and meets damage in older pages only when it reads them.
    open(healthy.path()).close().unwrap();
    let expected = open(copied(healthy.path()).path()).state_hash().unwrap();

    let mut dropped = 0;
    for round in 0..40 {
        let folder = copied(healthy.path());
        let path = rows_folder(folder.path()).join("db");
        damage(&path, &mut random);
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

/// Damages a file somewhere in its used part, in one of four ways.
fn damage(path: &Path, random: &mut fastrand::Rng) {
    let mut bytes = fs::read(path).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let start = random.usize(..used);
    match random.usize(..4) {
        0 => bytes[start] ^= 1 << random.u8(..8),
        1 => bytes.truncate(start),
        2 => bytes[start..].iter_mut().take(4096).for_each(|byte| *byte = random.u8(..)),
        _ => bytes[start / 4096 * 4096..].iter_mut().take(4096).for_each(|byte| *byte = 0),
    }
    fs::write(path, bytes).unwrap();
}

/// One record of rows that are changed again and again, so that most of the files is of older records.
fn churn(seed: u64, sequence: u64) -> Vec<Change> {
    let mut random = fastrand::Rng::with_seed(seed ^ sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let rows = (0..20).map(|_| {
        let value = format!("{sequence} ").repeat(random.usize(1..100));
        let key = format!("row {}", random.usize(..300));
        Change::new(1, key.as_bytes(), (random.usize(..4) > 0).then_some(value.as_bytes()))
    });
    rows.collect()
}

#[test]
fn a_damaged_store_left_open_is_dropped_or_has_the_rows_of_exactly_its_cursor() {
    const ROUNDS: usize = 24;
    const RECORDS: u64 = 300;
    let seed = seed();
    let mut random = fastrand::Rng::with_seed(seed);
    let mut dropped = 0;
    for round in 0..ROUNDS {
        let folder = tempfile::tempdir().unwrap();
        // Closed in between, so that there is a part written before and a part written after.
        for (from, to) in [(1, RECORDS / 2), (RECORDS / 2 + 1, RECORDS)] {
            let views = open(folder.path());
            for sequence in from..=to {
                views.apply(sequence, churn(seed, sequence)).unwrap();
            }
            views.only_up_to(to);
            match to {
                RECORDS => views.flush().unwrap(),
                _ => views.close().unwrap(),
            }
        }
        damage(&rows_folder(folder.path()).join("db"), &mut random);
        let opened = Views::open(folder.path(), options()).unwrap();
        if opened.rebuilt_because.is_some() {
            dropped += 1;
            assert_eq!(opened.views.cursor(), 0);
            continue;
        }
        let cursor = opened.views.cursor();
        assert!((RECORDS / 2..=RECORDS).contains(&cursor), "seed {seed}, round {round}: at record {cursor}");
        let mut model = BTreeMap::new();
        for change in (1..=cursor).flat_map(|sequence| churn(seed, sequence)) {
            match &change.value {
                Some(value) => model.insert(change.key().to_vec(), value.to_vec()),
                None => model.remove(change.key()),
            };
        }
        let rows = opened.views.range(1, Bound::Unbounded, Bound::Unbounded, Direction::Forward, usize::MAX).unwrap();
        assert!(rows == Vec::from_iter(model), "seed {seed}, round {round}: rows are not those of record {cursor}");
    }
    println!("dropped {dropped} of {ROUNDS}");
}

fn seed() -> u64 {
    let given = std::env::var("SPORTELLO_TEST_SEED").ok().and_then(|text| text.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}; set SPORTELLO_TEST_SEED to repeat");
    seed
}
