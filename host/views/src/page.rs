//! A page: rows that lie beside each other, as one value of the store.
//!
//! sled 0.34 gives every entry a place in a leaf of at most sixteen and copies the leaf whenever one of them changes, so to it a row of
//! twenty bytes costs as much as one of two thousand. Rows therefore go into it by the page.
//!
//! Invariants:
//!
//! 1. The pages share out all places: a page's key is the first place it may hold, the next page's key is the first it may not.
//!    The first page has the smallest place there can be as its key, so every place has a page.
//! 2. Rows stand in ascending order, each place once. Only the first page may be empty.
//! 3. A page has at most [`PAGE_BYTES_MAX`] bytes, or a single row.
//!
//! A row is `place length (LEB128) | value length (LEB128) | place | value`.

use crate::row::Change;

/// Largest page in bytes, unless it is one larger row. Larger pages write scattered rows slower, smaller ones neighbouring rows.
pub(crate) const PAGE_BYTES_MAX: usize = 2 * 1024;

/// The key of the first page: table 0, no key. No place is smaller.
pub(crate) const FIRST_KEY: [u8; 1] = [0];

/// Bytes that are no page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Garbled;

/// The rows of a page, in order. After the first garbled one there are no more.
#[derive(Clone)]
pub(crate) struct Rows<'page>(&'page [u8]);

/// The rows of a page.
pub(crate) fn rows(page: &[u8]) -> Rows<'_> {
    Rows(page)
}

impl<'page> Iterator for Rows<'page> {
    type Item = Result<(&'page [u8], &'page [u8]), Garbled>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let row = split_row(self.0);
        self.0 = row.map_or(&[], |(_, _, rest)| rest);
        Some(row.map(|(place, value, _)| (place, value)).ok_or(Garbled))
    }
}

/// The value at a place, if the page holds it.
pub(crate) fn find<'page>(page: &'page [u8], place: &[u8]) -> Result<Option<&'page [u8]>, Garbled> {
    for row in rows(page) {
        let (at, value) = row?;
        if at >= place {
            return Ok((at == place).then_some(value));
        }
    }
    Ok(None)
}

/// The page with these changes, in ascending order of place, as one or more pages, or none if nothing is left: the first keeps the page's key,
/// each further one has the place of its first row.
pub(crate) fn rewrite(page: &[u8], changes: &[Change]) -> Result<Vec<Vec<u8>>, Garbled> {
    let mut kept: Vec<(&[u8], &[u8])> = Vec::with_capacity(32 + changes.len());
    let mut old = rows(page).peekable();
    let mut appended = false;
    for Change { place, value } in changes {
        let place = place.as_slice();
        appended = true;
        while let Some(row) = old.peek() {
            let (at, value) = (*row)?;
            if at >= place {
                appended = false;
                if at == place {
                    old.next();
                }
                break;
            }
            kept.push((at, value));
            old.next();
        }
        if let Some(value) = value {
            kept.push((place, value));
        }
    }
    for row in old {
        kept.push(row?);
    }
    let total: usize = kept.iter().map(|(place, value)| row_bytes(place, value)).sum();
    // Whoever appends leaves full pages behind; whoever inserts leaves room for the next one.
    let fill = if appended { PAGE_BYTES_MAX } else { total.div_ceil(total.div_ceil(PAGE_BYTES_MAX).max(1)) };
    let mut pages = Vec::with_capacity(1 + total / PAGE_BYTES_MAX);
    let mut current = Vec::with_capacity(total.min(PAGE_BYTES_MAX));
    for (place, value) in kept {
        let bytes = current.len() + row_bytes(place, value);
        if !current.is_empty() && (bytes > PAGE_BYTES_MAX || current.len() >= fill) {
            pages.push(std::mem::take(&mut current));
        }
        push_row(&mut current, place, value);
    }
    if !current.is_empty() {
        pages.push(current);
    }
    Ok(pages)
}

/// The place of a page's first row.
pub(crate) fn first_place(page: &[u8]) -> Option<&[u8]> {
    split_row(page).map(|(place, _, _)| place)
}

fn row_bytes(place: &[u8], value: &[u8]) -> usize {
    length_bytes(place.len()) + length_bytes(value.len()) + place.len() + value.len()
}

fn length_bytes(length: usize) -> usize {
    (usize::BITS - (length | 1).leading_zeros()).div_ceil(7) as usize
}

fn push_row(page: &mut Vec<u8>, place: &[u8], value: &[u8]) {
    push_length(page, place.len());
    push_length(page, value.len());
    page.extend_from_slice(place);
    page.extend_from_slice(value);
}

fn push_length(page: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        page.push(length as u8 | 0x80);
        length >>= 7;
    }
    page.push(length as u8);
}

fn split_row(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let (place_length, rest) = split_length(bytes)?;
    let (value_length, rest) = split_length(rest)?;
    let (place, rest) = rest.split_at_checked(place_length)?;
    let (value, rest) = rest.split_at_checked(value_length)?;
    Some((place, value, rest))
}

fn split_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let mut length = 0;
    // A place and a value are below 2^28 bytes: four groups of seven bits.
    for (index, byte) in bytes.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((length, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::Place;

    fn change(number: u64, bytes: usize) -> Change {
        Change { place: Place::from_slice(&number.to_be_bytes()), value: Some(vec![7; bytes].into()) }
    }

    fn rewritten(page: &[u8], changes: impl IntoIterator<Item = (u64, usize)>) -> Vec<Vec<u8>> {
        rewrite(page, &changes.into_iter().map(|(number, bytes)| change(number, bytes)).collect::<Vec<_>>()).unwrap()
    }

    fn numbers(pages: &[Vec<u8>]) -> Vec<u64> {
        let places = pages.iter().flat_map(|page| rows(page)).map(|row| row.unwrap().0.try_into().unwrap());
        places.map(u64::from_be_bytes).collect()
    }

    #[test]
    fn appended_rows_leave_full_pages_behind() {
        let pages = rewritten(&[], (0..200).map(|number| (number, 90)));
        assert_eq!(numbers(&pages), (0..200).collect::<Vec<_>>());
        assert!(pages.iter().all(|page| page.len() <= PAGE_BYTES_MAX));
        assert!(pages[..pages.len() - 1].iter().all(|page| page.len() > PAGE_BYTES_MAX - 100), "only the last has room");
    }

    #[test]
    fn a_page_that_is_inserted_into_is_split_in_halves() {
        let full = rewritten(&[], (0..18).map(|number| (number * 2, 100)));
        assert_eq!(full.len(), 1);
        let pages = rewritten(&full[0], (0..2).map(|number| (number * 2 + 1, 100)));
        assert_eq!(pages.len(), 2);
        assert!(pages.iter().all(|page| page.len() < PAGE_BYTES_MAX * 2 / 3), "{:?}", pages.iter().map(Vec::len).collect::<Vec<_>>());
    }

    #[test]
    fn a_row_larger_than_a_page_has_one_to_itself() {
        let pages = rewritten(&[], [(1, 10), (2, 300_000), (3, 10)]);
        assert_eq!(pages.iter().map(|page| rows(page).count()).collect::<Vec<_>>(), [1, 1, 1]);
        assert_eq!(find(&pages[1], &2_u64.to_be_bytes()).unwrap().unwrap().len(), 300_000);
    }

    #[test]
    fn whatever_is_left_of_a_garbled_page_is_not_believed() {
        let page = rewritten(&[], [(1, 10), (2, 10)]).remove(0);
        for cut in 1..page.len() {
            let whole = rows(&page[..cut]).all(|row| row.is_ok());
            assert_eq!(whole, cut == page.len() / 2, "cut at {cut}");
        }
        assert_eq!(rows(&[0xff; 64]).collect::<Vec<_>>(), [Err(Garbled)]);
    }

    #[test]
    fn lengths_take_the_bytes_that_are_counted() {
        for length in [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152, (1 << 28) - 1] {
            let mut bytes = Vec::new();
            push_length(&mut bytes, length);
            assert_eq!(bytes.len(), length_bytes(length), "{length}");
            assert_eq!(split_length(&bytes), Some((length, &[][..])), "{length}");
        }
    }
}
