//! A process that writes is killed again and again; what it leaves must be the rows of exactly the stored cursor.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::ops::Bound;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sportello_views::{Change, Direction, Views, ViewsOptions};

const ROUNDS: usize = 60;
const ROWS: usize = 400;
const TABLES: u8 = 3;
/// A journal that makes records durable in groups of this many, behind the writer.
const DURABLE_GROUP: u64 = 7;

const FOLDER: &str = "SPORTELLO_TEST_KILL_FOLDER";
const SEED: &str = "SPORTELLO_TEST_KILL_SEED";

fn options() -> ViewsOptions {
    ViewsOptions {
        batch_rows_max: 64,
        overlay_bytes_max: 256 << 10,
        write_behind_max: Duration::from_micros(200),
        cache_bytes_max: 4 << 20,
        ..ViewsOptions::new("kill test")
    }
}

/// The changes of a record, the same in both processes. Every value tells its record, some are files of their own.
fn changes(seed: u64, sequence: u64) -> Vec<Change> {
    let mut random = fastrand::Rng::with_seed(seed ^ sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    (0..random.usize(1..12))
        .map(|_| {
            let bytes = if random.usize(..2000) == 0 { 200_000 } else { random.usize(8..300) };
            let mut value = sequence.to_le_bytes().to_vec();
            value.resize(bytes, sequence as u8);
            let (table, key) = (random.u8(..TABLES), format!("row {}", random.usize(..ROWS)));
            Change::new(table, key.as_bytes(), (random.usize(..4) > 0).then_some(value.as_slice()))
        })
        .collect()
}

/// The process that is killed. Prints the stored cursor whenever it has moved.
#[test]
#[ignore = "started by the test below, which kills it"]
fn writer() {
    let (Ok(folder), Ok(seed)) = (std::env::var(FOLDER), std::env::var(SEED)) else {
        return;
    };
    let seed: u64 = seed.parse().unwrap();
    let views = Views::open(Path::new(&folder), options()).unwrap().views;
    let mut printed = 0;
    for sequence in views.cursor() + 1.. {
        views.apply(sequence, changes(seed, sequence)).unwrap();
        if sequence % DURABLE_GROUP == 0 {
            views.only_up_to(sequence);
        }
        let stored = views.stored_cursor();
        if stored > printed {
            printed = stored;
            println!("stored {stored}");
        }
    }
}

#[test]
fn a_killed_process_leaves_the_rows_of_exactly_the_stored_cursor() {
    let seed: u64 = std::env::var(SEED).ok().and_then(|text| text.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}; set {SEED} to repeat");
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let mut model: BTreeMap<(u8, Vec<u8>), Vec<u8>> = BTreeMap::new();
    let mut cursor = 0;
    let mut advanced = 0;
    for round in 0..ROUNDS {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["writer", "--exact", "--ignored", "--nocapture"])
            .env(FOLDER, folder.path())
            .env(SEED, seed.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let progress = lines.map_while(Result::ok).filter(|line| line.contains("stored "));
        let seen = progress.take(random.usize(1..40)).count();
        assert!(seen > 0, "seed {seed}, round {round}: the writer ended before it stored anything");
        // Anywhere in the middle of a batch: a spin, because no sleep is that short.
        let (started, spin) = (Instant::now(), Duration::from_micros(random.u64(..3000)));
        while started.elapsed() < spin {
            std::hint::spin_loop();
        }
        child.kill().unwrap();
        child.wait().unwrap();

        let opened = Views::open(folder.path(), options()).unwrap();
        assert_eq!(opened.rebuilt_because, None, "seed {seed}, round {round}: a kill is not a power cut");
        let views = opened.views;
        let stored = views.cursor();
        assert!(stored >= cursor, "seed {seed}, round {round}: the store went back from {cursor} to {stored}");
        assert_eq!(stored, views.stored_cursor());
        advanced += usize::from(stored > cursor);
        for sequence in cursor + 1..=stored {
            for change in changes(seed, sequence) {
                let place = (change.table(), change.key().to_vec());
                match &change.value {
                    Some(value) => model.insert(place, value.to_vec()),
                    None => model.remove(&place),
                };
            }
        }
        cursor = stored;
        for table in 0..TABLES {
            let found = views.range(table, Bound::Unbounded, Bound::Unbounded, Direction::Forward, usize::MAX).unwrap();
            let expected: Vec<_> =
                model.range((table, vec![])..(table + 1, vec![])).map(|((_, key), value)| (key.clone(), value.clone())).collect();
            let sequence = |value: &[u8]| u64::from_le_bytes(value[..8].try_into().unwrap());
            let difference = found.iter().zip(&expected).find(|(found, expected)| found != expected);
            assert!(
                found == expected,
                "seed {seed}, round {round}: table {table} is not that of record {cursor}: {} rows, expected {}; {}",
                found.len(),
                expected.len(),
                difference.map_or(String::new(), |(found, expected)| format!(
                    "first difference: found {} of record {}, expected {} of record {}",
                    String::from_utf8_lossy(&found.0),
                    sequence(&found.1),
                    String::from_utf8_lossy(&expected.0),
                    sequence(&expected.1)
                )),
            );
        }
    }
    println!("{ROUNDS} kills, the store advanced in {advanced}, last at record {cursor}");
    assert!(advanced > ROUNDS / 2, "seed {seed}: the writer hardly wrote, so the kills proved little");
}
