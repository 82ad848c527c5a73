//! Rows of one table in memory, in order of place.
//!
//! Most rows that come are of something new, with a greater key than all there are: such a row is put behind the last one, and who looks for
//! one that is not there yet is told so by the last one. A map of the standard library would search its way down for both. Rows
//! stand in runs of bounded length, so that one that comes in between moves few others.
//!
//! Invariants: no run is empty; places ascend within a run and from run to run.

use std::ops::Bound;

use crate::row::{Content, Place, Span};

/// Rows of one run.
const RUN_ROWS_MAX: usize = 128;

/// The newest content of a row, and the record that gave it.
#[derive(Debug)]
pub(crate) struct Newest {
    pub(crate) place: Place,
    pub(crate) sequence: u64,
    pub(crate) content: Content,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Shelf {
    runs: Vec<Vec<Newest>>,
    rows: usize,
}

/// Where a row stands, or would: its run, and its place in that. The end is behind the last run.
type Spot = (usize, usize);

impl Shelf {
    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    pub(crate) fn get(&self, place: &[u8]) -> Option<&Newest> {
        let (run, row) = self.find(place).ok()?;
        Some(&self.runs[run][row])
    }

    /// Puts a row in its place, over an older one.
    pub(crate) fn put(&mut self, newest: Newest) {
        let (run, row) = match self.find(&newest.place) {
            Ok((run, row)) => {
                self.runs[run][row] = newest;
                return;
            }
            Err(spot) => spot,
        };
        self.rows += 1;
        if run == self.runs.len() {
            let mut first = Vec::with_capacity(RUN_ROWS_MAX);
            first.push(newest);
            self.runs.push(first);
            return;
        }
        self.runs[run].insert(row, newest);
        if self.runs[run].len() >= RUN_ROWS_MAX {
            let second = self.runs[run].split_off(RUN_ROWS_MAX / 2);
            self.runs.insert(run + 1, second);
        }
    }

    /// Takes out the rows that no record after `sequence` has changed.
    pub(crate) fn take_up_to(&mut self, sequence: u64) -> Vec<Newest> {
        let mut taken = Vec::new();
        for run in &mut self.runs {
            taken.extend(run.extract_if(.., |newest| newest.sequence <= sequence));
        }
        self.runs.retain(|run| !run.is_empty());
        self.rows -= taken.len();
        taken
    }

    /// The rows of a span, in order.
    pub(crate) fn range(&self, span: &Span) -> impl DoubleEndedIterator<Item = &Newest> {
        let start = match &span.0 {
            Bound::Included(place) => self.first(|other| other >= place.as_slice()),
            Bound::Excluded(place) => self.first(|other| other > place.as_slice()),
            Bound::Unbounded => (0, 0),
        };
        let end = match &span.1 {
            Bound::Included(place) => self.first(|other| other > place.as_slice()),
            Bound::Excluded(place) => self.first(|other| other >= place.as_slice()),
            Bound::Unbounded => (self.runs.len(), 0),
        };
        let runs = self.runs.iter().enumerate().take(end.0 + 1).skip(start.0);
        runs.flat_map(move |(number, run)| {
            let from = if number == start.0 { start.1 } else { 0 };
            let to = if number == end.0 { end.1 } else { run.len() };
            &run[from.min(to)..to]
        })
    }

    /// Where a row is, or else where it would be put: behind the last one only if there is no room in its run.
    fn find(&self, place: &[u8]) -> Result<Spot, Spot> {
        let Some(last) = self.runs.last() else { return Err((0, 0)) };
        if last.last().is_none_or(|newest| newest.place.as_slice() < place) {
            let number = self.runs.len() - 1;
            // Full runs are left behind whole, not in halves.
            return Err(if last.len() + 1 < RUN_ROWS_MAX { (number, last.len()) } else { (number + 1, 0) });
        }
        let run = self.runs.partition_point(|run| run[run.len() - 1].place.as_slice() < place);
        let found = self.runs[run].binary_search_by(|newest| newest.place.as_slice().cmp(place));
        found.map(|row| (run, row)).map_err(|row| (run, row))
    }

    /// The first row that is far enough; all behind it are, too.
    fn first(&self, is_far_enough: impl Fn(&[u8]) -> bool) -> Spot {
        let run = self.runs.partition_point(|run| !is_far_enough(&run[run.len() - 1].place));
        let row = self.runs.get(run).map_or(0, |run| run.partition_point(|newest| !is_far_enough(&newest.place)));
        (run, row)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::ops::RangeBounds as _;

    use super::*;
    use crate::row::borrowed;

    fn place(number: u16) -> Place {
        Place::from_slice(&number.to_be_bytes())
    }

    fn put(shelf: &mut Shelf, model: &mut BTreeMap<Place, u64>, number: u16, sequence: u64) {
        shelf.put(Newest { place: place(number), sequence, content: None });
        model.insert(place(number), sequence);
    }

    fn assert_same(shelf: &Shelf, model: &BTreeMap<Place, u64>, random: &mut fastrand::Rng) {
        let everything = (Bound::Unbounded, Bound::Unbounded);
        let rows: Vec<_> = shelf.range(&everything).map(|newest| (newest.place.clone(), newest.sequence)).collect();
        assert_eq!(rows, model.clone().into_iter().collect::<Vec<_>>());
        assert_eq!(shelf.len(), model.len());
        assert!(shelf.runs.iter().all(|run| !run.is_empty() && run.len() <= RUN_ROWS_MAX), "runs are neither empty nor too long");
        for _ in 0..20 {
            let mut bound = || match random.u8(..3) {
                0 => Bound::Unbounded,
                1 => Bound::Included(place(random.u16(..2_000))),
                _ => Bound::Excluded(place(random.u16(..2_000))),
            };
            let span = (bound(), bound());
            let expected: Vec<_> = model.keys().filter(|place| borrowed(&span).contains(place.as_slice())).collect();
            assert_eq!(shelf.range(&span).map(|newest| &newest.place).collect::<Vec<_>>(), expected, "{span:?}");
            let backward: Vec<_> = shelf.range(&span).rev().map(|newest| &newest.place).collect();
            assert_eq!(backward, expected.into_iter().rev().collect::<Vec<_>>(), "{span:?}");
            let number = random.u16(..2_000);
            assert_eq!(shelf.get(&number.to_be_bytes()).map(|newest| newest.sequence), model.get(&place(number)).copied());
        }
    }

    #[test]
    fn rows_are_those_of_an_ordered_map_in_whatever_order_they_come() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        let (mut shelf, mut model) = (Shelf::default(), BTreeMap::new());
        assert_same(&shelf, &model, &mut random);
        for round in 1..60_u64 {
            // By turns in order behind the last one, and scattered.
            let start = random.u16(..1_000);
            for number in 0..random.u16(1..300) {
                let number = if round % 2 == 0 { start + number } else { random.u16(..1_300) };
                put(&mut shelf, &mut model, number, round);
            }
            assert_same(&shelf, &model, &mut random);
            if round % 3 == 0 {
                let taken = shelf.take_up_to(round - 1);
                assert!(taken.iter().all(|newest| newest.sequence < round));
                model.retain(|_, sequence| *sequence >= round);
                assert_same(&shelf, &model, &mut random);
            }
        }
        shelf.take_up_to(u64::MAX);
        assert_same(&shelf, &BTreeMap::new(), &mut random);
    }

    #[test]
    fn rows_in_order_leave_full_runs_behind() {
        let (mut shelf, mut model) = (Shelf::default(), BTreeMap::new());
        for number in 0..1_000 {
            put(&mut shelf, &mut model, number, 1);
        }
        assert_eq!(shelf.runs.len(), 1_000_usize.div_ceil(RUN_ROWS_MAX - 1));
    }
}
