//! What every [`Journal`] must keep, as tests (feature `conformance`).
//!
//! An implementation's crate writes one function that makes a [`Subject`], and one line:
//!
//! ```ignore
//! sportello_journal::conformance!(fresh_subject);
//! ```
//!
//! A new promise is a function here and its name in the list of [`conformance!`](crate::conformance!).

use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use crate::{Journal, JournalError, Record, Sequence};

/// One journal to test, empty at first.
pub struct Subject {
    /// Opens the journal; called again after the one before was dropped, it finds what was durable. The limit of a record is 16 MiB
    /// or less.
    pub open: Box<dyn Fn() -> Arc<dyn Journal>>,
    /// The longest record that is taken, in bytes.
    pub record_bytes_max: usize,
}

fn record(number: u64) -> Vec<u8> {
    let mut random = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(number);
    let length = random % 700;
    (0..length)
        .map(|_| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random as u8
        })
        .collect()
}

fn append(journal: &dyn Journal, numbers: std::ops::RangeInclusive<u64>) {
    let mut last = journal.durable();
    for number in numbers {
        last = journal.append(&record(number)).expect("a healthy journal takes a record");
        assert_eq!(last, Sequence::new(number), "sequences start at 1 and have no gaps");
    }
    journal.wait_durable(last).expect("a healthy journal makes records durable");
}

fn read(journal: &dyn Journal, from: u64) -> Vec<Record> {
    journal.read(Sequence::new(from)).expect("reading starts").collect::<Result<_, _>>().expect("every record is good")
}

/// What was appended is read, in order.
pub fn records_come_back_in_order(subject: &Subject) {
    let journal = (subject.open)();
    append(journal.as_ref(), 1..=300);
    let records = read(journal.as_ref(), 1);
    assert_eq!(records.len(), 300);
    for (number, read) in (1..).zip(&records) {
        assert_eq!(read.sequence, Sequence::new(number));
        assert_eq!(read.bytes, record(number), "record {number}");
    }
}

/// A new journal is empty in every respect.
pub fn a_new_journal_is_empty(subject: &Subject) {
    let journal = (subject.open)();
    assert_eq!(journal.durable(), Sequence::NONE);
    assert_eq!(journal.head(), (Sequence::NONE, [0; 32]));
    assert!(read(journal.as_ref(), 1).is_empty());
    journal.wait_durable(Sequence::NONE).expect("nothing is durable already");
    assert_eq!(journal.verify(&mut |_| ()).expect("nothing is damaged").records, 0);
}

/// What was acknowledged is there after the journal was closed and opened, and the chain goes on.
pub fn acknowledged_records_survive_reopening(subject: &Subject) {
    let journal = (subject.open)();
    append(journal.as_ref(), 1..=50);
    let head = journal.head();
    drop(journal);
    let journal = (subject.open)();
    assert_eq!(journal.durable(), Sequence::new(50));
    assert_eq!(journal.head(), head);
    append(journal.as_ref(), 51..=60);
    assert_eq!(read(journal.as_ref(), 1).len(), 60);
    let report = journal.verify(&mut |_| ()).expect("the chain goes on where it was");
    assert_eq!((report.last, report.hash), journal.head());
}

/// The same records give the same head, however they were grouped and however often the journal was opened.
pub fn the_hash_depends_on_the_records_alone(subjects: [&Subject; 2]) {
    let journal = (subjects[0].open)();
    append(journal.as_ref(), 1..=40);
    let other = (subjects[1].open)();
    for number in 1..=20 {
        append(other.as_ref(), number..=number);
    }
    drop(other);
    let other = (subjects[1].open)();
    append(other.as_ref(), 21..=40);
    assert_eq!(journal.head(), other.head());
}

/// Reading can start anywhere, just after the end, and not beyond.
pub fn reading_starts_anywhere(subject: &Subject) {
    let journal = (subject.open)();
    append(journal.as_ref(), 1..=500);
    for from in [1, 2, 250, 499, 500] {
        let records = read(journal.as_ref(), from);
        assert_eq!(records.len() as u64, 501 - from);
        assert_eq!(records[0].bytes, record(from));
    }
    assert!(read(journal.as_ref(), 501).is_empty());
    assert!(matches!(journal.read(Sequence::new(502)), Err(JournalError::BeyondEnd { .. })));
}

/// A record over the limit is refused and leaves no trace; one at the limit, and an empty one, are taken.
pub fn a_record_over_the_limit_is_refused(subject: &Subject) {
    let journal = (subject.open)();
    let error = journal.append(&vec![1; subject.record_bytes_max + 1]).expect_err("too long");
    assert!(matches!(error, JournalError::RecordTooLong { .. }), "{error}");
    let long = vec![2; subject.record_bytes_max];
    assert_eq!(journal.append(&long).expect("at the limit"), Sequence::FIRST);
    let empty = journal.append(&[]).expect("empty");
    journal.wait_durable(empty).expect("durable");
    let records = read(journal.as_ref(), 1);
    assert!(records[0].bytes == long && records[1].bytes.is_empty());
}

/// Callbacks tell the state of now, then growing sequences up to the last.
pub fn subscribers_hear_of_every_group(subject: &Subject) {
    let journal = (subject.open)();
    append(journal.as_ref(), 1..=3);
    let (sender, heard) = mpsc::channel();
    let sender = Mutex::new(sender);
    journal.on_durable(Box::new(move |durable| {
        let _ = sender.lock().expect("not poisoned").send(durable);
    }));
    append(journal.as_ref(), 4..=200);
    let mut last = Sequence::NONE;
    while last < Sequence::new(200) {
        let durable = heard.recv().expect("called until the last").expect("a healthy journal");
        assert!(last > Sequence::NONE || durable == Sequence::new(3), "the first call tells the state of now, told {durable}");
        assert!(durable >= last, "{durable} after {last}");
        last = durable;
    }
}

/// Threads waiting for different records all go on.
pub fn many_threads_wait(subject: &Subject) {
    let journal = (subject.open)();
    std::thread::scope(|scope| {
        for sequence in 1..=16 {
            let journal = Arc::clone(&journal);
            scope.spawn(move || {
                journal.wait_durable(Sequence::new(sequence * 10)).expect("becomes durable");
                assert!(journal.durable() >= Sequence::new(sequence * 10));
            });
        }
        append(journal.as_ref(), 1..=160);
    });
}

/// Verification walks everything and ends at the head.
pub fn verification_ends_at_the_head(subject: &Subject) {
    let journal = (subject.open)();
    append(journal.as_ref(), 1..=777);
    let mut reached = 0;
    let report = journal.verify(&mut |sequence| reached = sequence).expect("nothing is damaged");
    assert_eq!((report.last, report.hash), journal.head());
    assert_eq!((report.records, reached), (777, 777));
    assert_eq!(report.bytes, (1..=777).map(|number| record(number).len() as u64).sum::<u64>());
}

/// Makes a test of every promise; the argument is a function that gives a fresh [`Subject`].
#[macro_export]
macro_rules! conformance {
    ($fresh:path) => {
        $crate::conformance!($fresh:
            records_come_back_in_order, a_new_journal_is_empty, acknowledged_records_survive_reopening, reading_starts_anywhere,
            a_record_over_the_limit_is_refused, subscribers_hear_of_every_group, many_threads_wait, verification_ends_at_the_head);

        #[test]
        fn the_hash_depends_on_the_records_alone() {
            $crate::conformance::the_hash_depends_on_the_records_alone([&$fresh(), &$fresh()]);
        }
    };
    ($fresh:path: $($promise:ident),*) => {
        $(#[test]
        fn $promise() {
            $crate::conformance::$promise(&$fresh());
        })*
    };
}
