//! Rows of all tables.

use std::ops::Bound;

use crate::{Place, Shelf};

/// Rows of all tables in order of place, a [`Shelf`] for each table.
#[derive(Clone, Debug)]
pub struct Shelves<T> {
    /// By table: where its shelf is, counted from 1; 0 for none.
    numbers: [u16; 256],
    /// In the order in which the tables came.
    shelves: Vec<Shelf<T>>,
}

impl<T> Default for Shelves<T> {
    fn default() -> Self {
        Self { numbers: [0; 256], shelves: Vec::new() }
    }
}

impl<T> Shelves<T> {
    /// How many rows there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shelves.iter().map(Shelf::len).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.shelves.iter().all(Shelf::is_empty)
    }

    /// What stands at a place.
    #[must_use]
    pub fn get(&self, place: &[u8]) -> Option<&T> {
        self.shelf(*place.first()?)?.get(place)
    }

    /// Puts something at a place, over what stood there.
    ///
    /// # Panics
    /// Where the place is empty: it has no table.
    pub fn put(&mut self, place: &[u8], item: T) {
        let table = usize::from(place[0]);
        if self.numbers[table] == 0 {
            self.shelves.push(Shelf::default());
            // At most one for each table, so at most 256.
            self.numbers[table] = self.shelves.len() as u16;
        }
        self.shelves[usize::from(self.numbers[table]) - 1].put(place, item);
    }

    /// A table's rows.
    #[must_use]
    pub fn shelf(&self, table: u8) -> Option<&Shelf<T>> {
        self.shelves.get(usize::from(self.numbers[usize::from(table)]).checked_sub(1)?)
    }

    /// A table's rows.
    pub fn shelf_mut(&mut self, table: u8) -> Option<&mut Shelf<T>> {
        self.shelves.get_mut(usize::from(self.numbers[usize::from(table)]).checked_sub(1)?)
    }

    /// The rows of a span, in order.
    pub fn range<'a>(&'a self, span: (Bound<&'a [u8]>, Bound<&'a [u8]>)) -> impl DoubleEndedIterator<Item = (&'a Place, &'a T)> {
        let table = |bound: Bound<&[u8]>| match bound {
            Bound::Included(place) | Bound::Excluded(place) => place.first().copied(),
            Bound::Unbounded => None,
        };
        let (first, last) = (table(span.0).unwrap_or(u8::MIN), table(span.1).unwrap_or(u8::MAX));
        (first..=last).filter_map(|table| self.shelf(table)).flat_map(move |shelf| shelf.range(span))
    }
}

impl<T> IntoIterator for Shelves<T> {
    type Item = (Place, T);
    type IntoIter = std::iter::Flatten<std::vec::IntoIter<Shelf<T>>>;

    fn into_iter(self) -> Self::IntoIter {
        let Self { numbers, shelves } = self;
        let mut shelves: Vec<Option<Shelf<T>>> = shelves.into_iter().map(Some).collect();
        let in_order = numbers.iter().filter_map(|number| shelves.get_mut(usize::from(*number).checked_sub(1)?)?.take());
        in_order.collect::<Vec<_>>().into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stand_in_order_of_table_and_key_whichever_table_came_first() {
        let mut shelves = Shelves::default();
        for (table, key) in [(200, 1), (3, 2), (0, 7), (3, 1), (200, 0), (254, 5)] {
            shelves.put(&[table, key], u16::from(table) * 256 + u16::from(key));
        }
        let expected = [(0, 7), (3, 1), (3, 2), (200, 0), (200, 1), (254, 5)];
        let places = |rows: Vec<Place>| rows.iter().map(|place| (place[0], place[1])).collect::<Vec<_>>();
        let everything = (Bound::Unbounded, Bound::Unbounded);
        assert_eq!(places(shelves.range(everything).map(|(place, _)| place.clone()).collect()), expected);
        assert_eq!(places(shelves.range(everything).rev().map(|(place, _)| place.clone()).collect()), {
            let mut backward = expected;
            backward.reverse();
            backward
        });
        let some = (Bound::Excluded([3, 1].as_slice()), Bound::Included([200, 0].as_slice()));
        assert_eq!(places(shelves.range(some).map(|(place, _)| place.clone()).collect()), [(3, 2), (200, 0)]);
        assert_eq!((shelves.len(), shelves.get(&[3, 2]), shelves.get(&[3, 3]), shelves.get(&[4, 2])), (6, Some(&770), None, None));
        assert_eq!(places(shelves.into_iter().map(|(place, _)| place).collect()), expected);
    }
}
