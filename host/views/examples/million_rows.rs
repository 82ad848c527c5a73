//! What the overlay on sled does at a million rows under sustained writes.
//!
//! `cargo run -p sportello-views --example million_rows [rows] [cache MiB] [batch rows] [overlay MiB] [rows a second] [kinds]`
//!
//! Each record adds three new rows of about 200 bytes (half with keys in order, half scattered, or all in order) and changes one of 1,000
//! hot rows; before every record one row that does not exist is looked up, as the check for redelivery does. A second
//! thread reads random rows. Without a rate it writes as fast as it can. Printed for every tenth: rows written a second,
//! overlay, lag, resident memory, latency of `get` beside the writes, size on disk, mean and longest time of the writer's
//! own look-up.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sportello_views::{Change, Views, ViewsOptions};

const NEW_ROWS_PER_RECORD: u64 = 3;
const HOT_ROWS: u64 = 1_000;
const VALUE_BYTES: usize = 180;
const TABLE_ORDERED: u8 = 1;
const TABLE_SCATTERED: u8 = 2;
const TABLE_HOT: u8 = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1).map(|text| text.parse::<u64>());
    let mut argument = |default: u64| arguments.next().unwrap_or(Ok(default));
    let rows_total = argument(1_000_000)?;
    let defaults = ViewsOptions::new("million rows");
    let options = ViewsOptions {
        cache_bytes_max: argument(defaults.cache_bytes_max >> 20)? << 20,
        batch_rows_max: argument(defaults.batch_rows_max as u64)? as usize,
        overlay_bytes_max: (argument(defaults.overlay_bytes_max as u64 >> 20)? << 20) as usize,
        ..defaults
    };
    let rows_per_second = argument(0)?;
    // 2: every other key is scattered; 1: none is.
    let kinds = argument(2)?;
    println!(
        "{rows_total} rows, cache {} MiB, batches of {} rows, overlay {} MiB",
        options.cache_bytes_max >> 20,
        options.batch_rows_max,
        options.overlay_bytes_max >> 20
    );
    let folder = tempfile::tempdir()?;
    let views = Views::open(folder.path(), options.clone())?.views;
    views.only_up_to(u64::MAX);

    let written = AtomicU64::new(0);
    let done = AtomicBool::new(false);
    let step = rows_total / 10;
    let records = rows_total / (NEW_ROWS_PER_RECORD + 1);
    let (reads_out, reads_in) = std::sync::mpsc::channel::<Vec<u64>>();
    std::thread::scope(|scope| -> Result<(), Box<dyn std::error::Error>> {
        scope.spawn(|| read_until(&done, &views, &written, (step, kinds), reads_out));
        println!(
            "{:>9} {:>8} {:>8} {:>8} {:>8} {:>7} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9}",
            "rows",
            "rows/s",
            "ovl rows",
            "ovl MiB",
            "lag rec",
            "RSS MiB",
            "get p50",
            "get p99",
            "get max",
            "disk MiB",
            "check",
            "check max"
        );
        let mut speeds = Vec::new();
        let mut started = Instant::now();
        let (mut checks, mut slowest_check) = (Duration::ZERO, Duration::ZERO);
        let begun = Instant::now();
        for sequence in 1..=records {
            let check = Instant::now();
            let absent = views.get(TABLE_SCATTERED, &scattered(u64::MAX - sequence))?;
            assert!(absent.is_none());
            let check = check.elapsed();
            checks += check;
            slowest_check = slowest_check.max(check);
            views.apply(sequence, changes(sequence, kinds))?;
            let rows = sequence * (NEW_ROWS_PER_RECORD + 1);
            written.store(rows, Ordering::Relaxed);
            if let Some(due) = (rows * 1_000_000).checked_div(rows_per_second) {
                std::thread::sleep(Duration::from_micros(due).saturating_sub(begun.elapsed()));
            }
            if rows.is_multiple_of(step) {
                let speed = step as f64 / started.elapsed().as_secs_f64();
                speeds.push(speed);
                let metrics = views.metrics();
                let mut reads = reads_in.recv()?;
                reads.sort_unstable();
                let microseconds = |part: f64| {
                    let position = ((reads.len() as f64 - 1.0) * part) as usize;
                    reads.get(position).copied().unwrap_or(0) as f64 / 1000.0
                };
                println!(
                    "{rows:>9} {speed:>8.0} {:>8} {:>8.1} {:>8} {:>7} {:>6.1}us {:>6.0}us {:>6.0}us {:>8} {:>6.1}us {:>7.1}ms",
                    metrics.overlay_rows,
                    metrics.overlay_bytes as f64 / 1048576.0,
                    metrics.lag_records,
                    resident_mebibytes(),
                    microseconds(0.5),
                    microseconds(0.99),
                    microseconds(1.0),
                    metrics.disk_bytes >> 20,
                    checks.as_secs_f64() * 1e6 / (step / (NEW_ROWS_PER_RECORD + 1)) as f64,
                    slowest_check.as_secs_f64() * 1e3
                );
                (checks, slowest_check) = (Duration::ZERO, Duration::ZERO);
                started = Instant::now();
            }
        }
        done.store(true, Ordering::Relaxed);
        if let (Some(first), Some(last)) = (speeds.first(), speeds.last()) {
            println!("last tenth / first tenth: {:.2}", last / first);
        }
        Ok(())
    })?;

    let timed = |what: &str, started: Instant| println!("{what}: {:.2} s", started.elapsed().as_secs_f64());
    let started = Instant::now();
    views.flush()?;
    timed("flush of what was left", started);
    let metrics = views.metrics();
    println!(
        "batches {}, rows written {}, coalesced {}, waits {}",
        metrics.batches, metrics.rows_written, metrics.rows_coalesced, metrics.apply_waits
    );
    let started = Instant::now();
    let before = views.state_hash()?;
    timed("state hash", started);
    let started = Instant::now();
    views.close()?;
    drop(views);
    timed("clean close", started);
    for scan_on_open in [true, false] {
        let started = Instant::now();
        let opened = Views::open(folder.path(), ViewsOptions { scan_on_open, ..options.clone() })?;
        timed(if scan_on_open { "open with scan" } else { "open without scan" }, started);
        assert_eq!(opened.rebuilt_because, None);
        if !scan_on_open {
            assert_eq!(opened.views.state_hash()?, before);
        }
        opened.views.close()?;
    }
    println!("resident at the end: {} MiB", resident_mebibytes());
    Ok(())
}

fn changes(sequence: u64, kinds: u64) -> Vec<Change> {
    let mut changes = Vec::with_capacity(NEW_ROWS_PER_RECORD as usize + 1);
    for number in 0..NEW_ROWS_PER_RECORD {
        let row = sequence * NEW_ROWS_PER_RECORD + number;
        let (table, key) = match row % kinds {
            0 => (TABLE_ORDERED, row.to_be_bytes().to_vec()),
            _ => (TABLE_SCATTERED, scattered(row)),
        };
        changes.push(Change::new(table, &key, Some(&value(row))));
    }
    let hot = fastrand::u64(..HOT_ROWS);
    changes.push(Change::new(TABLE_HOT, &hot.to_be_bytes(), Some(&value(sequence))));
    changes
}

/// A key as a digest would be: anywhere.
fn scattered(row: u64) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(row);
    let mut key = vec![0; 16];
    random.fill(&mut key);
    key
}

fn value(number: u64) -> Vec<u8> {
    let mut value = number.to_le_bytes().to_vec();
    value.resize(VALUE_BYTES, b'v');
    value
}

/// Reads random rows already written and sends the latencies, in nanoseconds, for every `step` rows written.
fn read_until(done: &AtomicBool, views: &Views, written: &AtomicU64, (step, kinds): (u64, u64), out: std::sync::mpsc::Sender<Vec<u64>>) {
    let mut latencies = Vec::new();
    let mut next = step;
    while !done.load(Ordering::Relaxed) {
        let rows = written.load(Ordering::Relaxed);
        if rows >= next {
            next += step;
            if out.send(std::mem::take(&mut latencies)).is_err() {
                return;
            }
        }
        let last = rows / (NEW_ROWS_PER_RECORD + 1) * NEW_ROWS_PER_RECORD;
        if last <= NEW_ROWS_PER_RECORD {
            continue;
        }
        let row = fastrand::u64(NEW_ROWS_PER_RECORD..last);
        let started = Instant::now();
        let found = match row % kinds {
            0 => views.get(TABLE_ORDERED, &row.to_be_bytes()),
            _ => views.get(TABLE_SCATTERED, &scattered(row)),
        };
        latencies.push(started.elapsed().as_nanos() as u64);
        assert!(found.is_ok_and(|found| found.is_some()), "row {row} of {last} is missing");
        // A thousand or so reads a second: a console, not a load test of the reader.
        std::thread::sleep(Duration::from_micros(500));
    }
}

/// Resident memory of this process.
fn resident_mebibytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|text| text.parse::<u64>().ok()).unwrap_or(0) / 1024
}
