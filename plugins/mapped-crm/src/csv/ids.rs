//! The ids of a full export, packed so that they fit a cursor.
//!
//! They are sorted by length and letters, and each says how much of the one before it is kept and what follows: two or three bytes where ids are
//! alike. A run of numbers that count up by one is a few bytes, however long it is.

/// Bytes of packed ids.
pub(crate) const PACKED_BYTES_MAX: usize = 7 << 10;
/// What a nibble says where a number is as large or larger; the rest follows.
const FULL: usize = 15;

/// Puts ids into the order in which they are packed, each once.
pub(crate) fn sort(ids: &mut Vec<String>) {
    ids.sort_unstable_by(|one, other| order(one, other));
    ids.dedup();
}

fn order(one: &str, other: &str) -> std::cmp::Ordering {
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}

/// Whether an id is one of these sorted ones.
pub(crate) fn contain(ids: &[String], id: &str) -> bool {
    ids.binary_search_by(|known| order(known, id)).is_ok()
}

/// Packs sorted ids; None where they are too many.
pub(crate) fn pack(ids: &[String]) -> Option<Vec<u8>> {
    let mut packed = Vec::new();
    let mut before = "";
    let mut rest = ids;
    while let [id, more @ ..] = rest {
        let mut run = 0;
        let mut last = before.to_owned();
        while let Some(next) = successor(&last).filter(|next| rest.get(run) == Some(next)) {
            run += 1;
            last = next;
        }
        if run >= 2 {
            packed.push(0);
            push_number(&mut packed, run);
            before = &rest[run - 1];
            rest = &rest[run..];
        } else {
            let shared = id.bytes().zip(before.bytes()).take_while(|(one, other)| one == other).count();
            // Never within a character.
            let shared = id.floor_char_boundary(shared);
            let added = &id[shared..];
            packed.push(u8::try_from(shared.min(FULL) << 4 | added.len().min(FULL)).unwrap_or(u8::MAX));
            for number in [shared, added.len()].into_iter().filter(|number| *number >= FULL) {
                push_number(&mut packed, number - FULL);
            }
            packed.extend_from_slice(added.as_bytes());
            before = id;
            rest = more;
        }
        if packed.len() > PACKED_BYTES_MAX {
            return None;
        }
    }
    Some(packed)
}

/// The ids that were packed; None where nobody packed this.
pub(crate) fn unpack(packed: &[u8]) -> Option<Vec<String>> {
    let mut ids: Vec<String> = Vec::new();
    let mut rest = packed;
    while let [head, behind @ ..] = rest {
        rest = behind;
        let (mut shared, mut added) = (usize::from(head >> 4), usize::from(head & 15));
        let before = ids.last().map_or("", String::as_str);
        if *head == 0 {
            let run = pop_number(&mut rest)?;
            let mut last = before.to_owned();
            for _ in 0..run {
                last = successor(&last)?;
                ids.push(last.clone());
            }
            continue;
        }
        for number in [&mut shared, &mut added].into_iter().filter(|number| **number == FULL) {
            *number += pop_number(&mut rest)?;
        }
        let id = format!("{}{}", before.get(..shared)?, std::str::from_utf8(rest.get(..added)?).ok()?);
        rest = &rest[added..];
        ids.push(id);
    }
    Some(ids)
}

/// The same id with its last number one higher, if it stays as long.
fn successor(id: &str) -> Option<String> {
    let mut bytes = id.as_bytes().to_vec();
    for byte in bytes.iter_mut().rev() {
        match byte {
            b'9' => *byte = b'0',
            b'0'..=b'8' => {
                *byte += 1;
                return String::from_utf8(bytes).ok();
            }
            _ => return None,
        }
    }
    None
}

/// Seven bits a byte, the highest says that more follow.
fn push_number(packed: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        packed.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    packed.push(u8::try_from(number).unwrap_or(0));
}

fn pop_number(rest: &mut &[u8]) -> Option<usize> {
    let mut number = 0;
    for shift in (0..21).step_by(7) {
        let [byte, behind @ ..] = *rest else { return None };
        *rest = behind;
        number |= usize::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Bytes as letters (base64url without padding).
pub(crate) fn to_letters(bytes: &[u8]) -> String {
    let mut letters = String::with_capacity(bytes.len() * 4 / 3 + 3);
    for three in bytes.chunks(3) {
        let sum = (0..3).fold(0_u32, |sum, at| sum << 8 | u32::from(three.get(at).copied().unwrap_or(0)));
        for at in 0..=three.len() {
            letters.push(char::from(LETTERS[(sum >> (18 - 6 * at) & 63) as usize]));
        }
    }
    letters
}

/// The bytes that were made letters.
pub(crate) fn from_letters(letters: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(letters.len());
    for four in letters.as_bytes().chunks(4) {
        let mut sum = 0_u32;
        for at in 0..4 {
            let value = four.get(at).map_or(Some(0), |letter| LETTERS.iter().position(|known| known == letter))?;
            sum = sum << 6 | u32::try_from(value).ok()?;
        }
        bytes.extend_from_slice(&sum.to_be_bytes()[1..four.len()]);
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed_bytes(mut ids: Vec<String>) -> Option<usize> {
        sort(&mut ids);
        let packed = pack(&ids)?;
        let letters = to_letters(&packed);
        assert_eq!(from_letters(&letters).as_deref(), Some(packed.as_slice()));
        assert_eq!(unpack(&packed), Some(ids));
        Some(packed.len())
    }

    #[test]
    fn ids_of_every_shape_come_back_as_they_were() {
        let odd = ["", "a", "9", "10", "99", "100", "101", "102", "ü1", "ü2", "ùx", "K-0009", "K-0010", "K-0011", "007", "008", "009"];
        packed_bytes(odd.map(str::to_owned).into_iter().filter(|id| !id.is_empty()).collect()).unwrap();
        packed_bytes((0..40).map(|length| "x".repeat(length + 1)).collect()).unwrap();
        packed_bytes(vec!["a".repeat(512), format!("{}b", "a".repeat(511))]).unwrap();
        assert_eq!(packed_bytes(Vec::new()), Some(0));
    }

    #[test]
    fn a_run_of_numbers_takes_a_few_bytes_and_scattered_ids_a_few_each() {
        assert!(packed_bytes((0..100_000).map(|number| number.to_string()).collect()).unwrap() < 64);
        assert!(packed_bytes((0..2500).map(|number| format!("K{}", 100_000 + number * 7)).collect()).is_some());
        assert!(
            packed_bytes((0..3000_u64).map(|number| format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15))).collect()).is_none()
        );
    }

    #[test]
    fn what_nobody_packed_is_refused_and_takes_no_room() {
        for wrong in [&b"\x05ab"[..], b"\x10", b"\x00\xff", b"\x02\xff\xff", b"\x01a\x00\xff\xff\x7f"] {
            assert_eq!(unpack(wrong), None, "{wrong:?}");
        }
        assert_eq!(from_letters("a b"), None);
    }
}
