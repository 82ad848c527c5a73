//! One table's rows.

use std::ops::{Bound, RangeBounds};

use crate::Place;

/// Rows of one run.
const RUN_ROWS_MAX: usize = 128;

/// Rows of one table, in order of place.
///
/// Most rows that come are of something new, with a greater key than all there are: such a row is put behind the last one, and who looks for
/// one that is not there yet is told so by the last one. A map of the standard library would search its way down for both. Rows
/// stand in runs of bounded length, so that one that comes in between moves few others.
///
/// Invariants: places ascend within a run and from run to run; no run is longer than 128 rows; none is empty, but for the last one of an empty
/// shelf.
#[derive(Clone, Debug)]
pub struct Shelf<T> {
    runs: Vec<Vec<(Place, T)>>,
    last: Vec<(Place, T)>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self { runs: Vec::new(), last: Vec::new() }
    }
}

/// Where a row stands, or would: its run (the last one has the number behind the others), and its place in that.
type Spot = (usize, usize);

impl<T> Shelf<T> {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.runs.iter().map(Vec::len).sum::<usize>() + self.last.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    /// What stands at a place.
    #[must_use]
    pub fn get(&self, place: &[u8]) -> Option<&T> {
        let (run, row) = self.find(place).ok()?;
        Some(&self.run(run)[row].1)
    }

    /// Puts something at a place, over what stood there.
    pub fn put(&mut self, place: &[u8], item: T) {
        let at_the_end = self.runs.len();
        match self.find(place) {
            Ok((run, row)) if run == at_the_end => self.last[row].1 = item,
            Ok((run, row)) => self.runs[run][row].1 = item,
            Err((run, row)) if run == at_the_end => {
                if self.last.len() == RUN_ROWS_MAX {
                    // Whoever puts behind leaves full runs behind, whoever puts in between halves with room.
                    let second = if row == RUN_ROWS_MAX { Vec::new() } else { self.last.split_off(RUN_ROWS_MAX / 2) };
                    self.runs.push(std::mem::replace(&mut self.last, second));
                    return self.put(place, item);
                }
                self.last.insert(row, (Place::from_slice(place), item));
            }
            Err((run, row)) => {
                self.runs[run].insert(row, (Place::from_slice(place), item));
                if self.runs[run].len() > RUN_ROWS_MAX {
                    let second = self.runs[run].split_off(RUN_ROWS_MAX / 2);
                    self.runs.insert(run + 1, second);
                }
            }
        }
    }

    /// Takes out the rows that `is_wanted` says.
    pub fn take_if(&mut self, mut is_wanted: impl FnMut(&T) -> bool) -> Vec<(Place, T)> {
        let mut taken = Vec::new();
        for run in self.runs.iter_mut().chain([&mut self.last]) {
            taken.extend(run.extract_if(.., |(_, item)| is_wanted(item)));
        }
        self.runs.retain(|run| !run.is_empty());
        if self.last.is_empty() {
            self.last = self.runs.pop().unwrap_or_default();
        }
        taken
    }

    /// The rows of a span, in order.
    pub fn range(&self, span: (Bound<&[u8]>, Bound<&[u8]>)) -> impl DoubleEndedIterator<Item = (&Place, &T)> {
        let start = match span.start_bound() {
            Bound::Included(place) => self.first(|other| other >= *place),
            Bound::Excluded(place) => self.first(|other| other > *place),
            Bound::Unbounded => (0, 0),
        };
        let end = match span.end_bound() {
            Bound::Included(place) => self.first(|other| other > *place),
            Bound::Excluded(place) => self.first(|other| other >= *place),
            Bound::Unbounded => (self.runs.len(), self.last.len()),
        };
        let rows = (start.0..=end.0).flat_map(move |number| {
            let run = self.run(number);
            let from = if number == start.0 { start.1 } else { 0 };
            let to = if number == end.0 { end.1 } else { run.len() };
            &run[from.min(to)..to]
        });
        rows.map(|(place, item)| (place, item))
    }

    fn run(&self, number: usize) -> &[(Place, T)] {
        self.runs.get(number).unwrap_or(&self.last)
    }

    /// Where a row is, or else where it would be put.
    fn find(&self, place: &[u8]) -> Result<Spot, Spot> {
        let end = (self.runs.len(), self.last.len());
        let number = match (self.last.first(), self.last.last()) {
            (_, Some((last, _))) if last.as_slice() < place => return Err(end),
            (Some((first, _)), _) if first.as_slice() > place => self.runs.partition_point(|run| is_before(run, place)),
            (Some(_), _) => self.runs.len(),
            (None, _) => return Err(end),
        };
        let found = self.run(number).binary_search_by(|(other, _)| other.as_slice().cmp(place));
        found.map(|row| (number, row)).map_err(|row| (number, row))
    }

    /// The first row that is far enough; all behind it are, too.
    fn first(&self, is_far_enough: impl Fn(&[u8]) -> bool) -> Spot {
        let number = self.runs.partition_point(|run| run.last().is_some_and(|(last, _)| !is_far_enough(last)));
        (number, self.run(number).partition_point(|(place, _)| !is_far_enough(place)))
    }
}

/// Whether a whole run lies before a place.
fn is_before<T>(run: &[(Place, T)], place: &[u8]) -> bool {
    run.last().is_some_and(|(last, _)| last.as_slice() < place)
}

impl<T> IntoIterator for Shelf<T> {
    type Item = (Place, T);
    type IntoIter = std::iter::Chain<std::iter::Flatten<std::vec::IntoIter<Vec<(Place, T)>>>, std::vec::IntoIter<(Place, T)>>;

    fn into_iter(self) -> Self::IntoIter {
        self.runs.into_iter().flatten().chain(self.last)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn place(number: u16) -> Place {
        Place::from_slice(&number.to_be_bytes())
    }

    fn put(shelf: &mut Shelf<u64>, model: &mut BTreeMap<Place, u64>, number: u16, item: u64) {
        shelf.put(&number.to_be_bytes(), item);
        model.insert(place(number), item);
    }

    fn bound(random: &mut fastrand::Rng) -> Bound<Place> {
        match random.u8(..3) {
            0 => Bound::Unbounded,
            1 => Bound::Included(place(random.u16(..2_000))),
            _ => Bound::Excluded(place(random.u16(..2_000))),
        }
    }

    fn assert_same(shelf: &Shelf<u64>, model: &BTreeMap<Place, u64>, random: &mut fastrand::Rng) {
        assert_eq!(shelf.clone().into_iter().collect::<Vec<_>>(), model.clone().into_iter().collect::<Vec<_>>());
        assert_eq!((shelf.len(), shelf.is_empty()), (model.len(), model.is_empty()));
        assert!(shelf.runs.iter().all(|run| !run.is_empty()) && (shelf.runs.is_empty() || !shelf.last.is_empty()), "no run is empty");
        assert!(shelf.runs.iter().chain([&shelf.last]).all(|run| run.len() <= RUN_ROWS_MAX), "no run is too long");
        for _ in 0..20 {
            let (start, end) = (bound(random), bound(random));
            let span = (start.as_ref().map(Place::as_slice), end.as_ref().map(Place::as_slice));
            let expected: Vec<_> = model.iter().filter(|(place, _)| span.contains(place.as_slice())).collect();
            assert_eq!(shelf.range(span).collect::<Vec<_>>(), expected, "{span:?}");
            assert_eq!(shelf.range(span).rev().collect::<Vec<_>>(), expected.into_iter().rev().collect::<Vec<_>>(), "{span:?}");
            let number = random.u16(..2_000);
            assert_eq!(shelf.get(&number.to_be_bytes()), model.get(&place(number)));
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
                let taken = shelf.take_if(|item| *item < round);
                assert_eq!(taken, model.extract_if(.., |_, item| *item < round).collect::<Vec<_>>());
                assert_same(&shelf, &model, &mut random);
            }
        }
        shelf.take_if(|_| true);
        assert_same(&shelf, &BTreeMap::new(), &mut random);
    }

    #[test]
    fn rows_in_order_leave_full_runs_behind() {
        let (mut shelf, mut model) = (Shelf::default(), BTreeMap::new());
        for number in 0..1_000 {
            put(&mut shelf, &mut model, number, 1);
        }
        assert_eq!(shelf.runs.len(), 1_000 / RUN_ROWS_MAX);
    }
}
