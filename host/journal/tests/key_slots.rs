//! The key slots: given out once, erased for good, durable in time.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use sportello_journal::disk::Disk as _;
use sportello_journal::faults::FaultyDisk;
use sportello_journal::{JournalError, KeySlots, SEAL_OVERHEAD_BYTES, SlotId, SlotOptions, Unsealed};

const PATH: &str = "/keys.slots";

fn open(disk: &FaultyDisk, chunk_slots: u32) -> KeySlots {
    KeySlots::open_on(disk, Path::new(PATH), SlotOptions { chunk_slots }).unwrap()
}

fn real() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("keys.slots");
    (folder, path)
}

#[test]
fn a_slot_is_never_given_out_twice_after_a_crash() {
    for chunk_slots in [1, 2, 7] {
        let mut disk = FaultyDisk::new();
        let mut given_out = HashSet::new();
        for life in 0..30_u64 {
            let slots = open(&disk, chunk_slots);
            disk.cut_power_after(life % 9);
            for _ in 0..10 {
                let Ok(slot) = slots.allocate() else { break };
                assert!(given_out.insert(slot), "slot {slot} was given out before, chunk {chunk_slots}, life {life}");
            }
            drop(slots);
            disk = disk.after_power_cut(life);
        }
        assert!(!given_out.is_empty());
    }
}

#[test]
fn a_clean_close_wastes_no_slot_and_a_crash_at_most_a_chunk() {
    let disk = FaultyDisk::new();
    let slots = open(&disk, 100);
    assert_eq!(slots.allocate().unwrap(), SlotId(1));
    drop(slots);
    let slots = open(&disk, 100);
    assert_eq!(slots.allocate().unwrap(), SlotId(2));
    let crashed = disk.after_power_cut(1);
    assert_eq!(open(&crashed, 100).allocate().unwrap(), SlotId(101));
}

#[test]
fn keys_made_ahead_are_good_after_a_clean_close() {
    let (_folder, path) = real();
    let options = || SlotOptions { chunk_slots: 8 };
    let slots = KeySlots::open(&path, options()).unwrap();
    let first = slots.allocate().unwrap();
    let sealed = slots.seal(first, b"", b"one").unwrap();
    drop(slots);
    let slots = KeySlots::open(&path, options()).unwrap();
    let second = slots.allocate().unwrap();
    let also = slots.seal(second, b"", b"two").unwrap();
    drop(slots);
    let slots = KeySlots::open(&path, options()).unwrap();
    assert_eq!(slots.open_sealed(first, b"", &sealed).unwrap(), Unsealed::Plain(b"one".to_vec()));
    assert_eq!(slots.open_sealed(second, b"", &also).unwrap(), Unsealed::Plain(b"two".to_vec()));
}

#[test]
fn what_is_sealed_opens_under_its_slot_and_associated_data_only() {
    let (_folder, path) = real();
    let slots = KeySlots::open(&path, SlotOptions { chunk_slots: 2 }).unwrap();
    let ids: Vec<_> = (0..5).map(|_| slots.allocate().unwrap()).collect();
    let sealed: Vec<_> = ids.iter().map(|id| slots.seal(*id, b"name", b"Anna Bianchi").unwrap()).collect();
    for (id, sealed) in ids.iter().zip(&sealed) {
        assert_eq!(sealed.len(), 12 + SEAL_OVERHEAD_BYTES);
        assert_eq!(slots.open_sealed(*id, b"name", sealed).unwrap(), Unsealed::Plain(b"Anna Bianchi".to_vec()));
        assert!(matches!(slots.open_sealed(*id, b"handle", sealed), Err(JournalError::SealBroken { .. })));
    }
    assert!(matches!(slots.open_sealed(ids[1], b"name", &sealed[0]), Err(JournalError::SealBroken { .. })));
    for cut in [0, 5, 12, sealed[0].len() - 1] {
        assert!(matches!(slots.open_sealed(ids[0], b"name", &sealed[0][..cut]), Err(JournalError::SealBroken { .. })));
    }
    assert_ne!(sealed[0], slots.seal(ids[0], b"name", b"Anna Bianchi").unwrap(), "every sealing has a nonce of its own");
    for unknown in [SlotId(0), SlotId(6), SlotId(u64::MAX)] {
        assert!(matches!(slots.seal(unknown, b"", b""), Err(JournalError::UnknownSlot { .. })));
    }
}

#[test]
fn an_erased_slot_leaves_no_key_on_disk() {
    let (folder, path) = real();
    let slots = KeySlots::open(&path, SlotOptions { chunk_slots: 4 }).unwrap();
    let identity = slots.identity("chirper", "1234567890");
    let (slot, _) = slots.claim(&identity).unwrap();
    let sealed = slots.seal(slot, b"", b"canary").unwrap();
    // A slot of an older chunk is read from the file, one of the newest from memory: both must go.
    let (kept, newest) = (slots.allocate().unwrap(), (0..4).map(|_| slots.allocate().unwrap()).last().unwrap());
    slots.sync().unwrap();
    let row = |slot: SlotId| 4096 + (slot.0 as usize - 1) * 64;
    let before = std::fs::read(&path).unwrap();
    let key = |slot| before[row(slot)..row(slot) + 32].to_vec();
    assert_eq!(before[row(slot) + 32..row(slot) + 64], identity);
    slots.erase(&[slot, newest]).unwrap();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for secret in [key(slot), key(newest), identity.to_vec()] {
            assert!(!bytes.windows(32).any(|window| window == secret), "a key or identity is still on disk");
        }
    }
    assert_eq!(slots.open_sealed(slot, b"", &sealed).unwrap(), Unsealed::Erased);
    assert!(matches!(slots.seal(newest, b"", b"more"), Err(JournalError::SlotErased { .. })));
    assert_eq!(slots.find(&identity), None);
    slots.seal(kept, b"", b"a neighbour keeps its key").unwrap();
    slots.erase(&[slot]).unwrap();
    let (again, new) = slots.claim(&identity).unwrap();
    assert!(new && again != slot, "who comes back after erasure gets a new slot");
    drop(slots);
    let slots = KeySlots::open(&path, SlotOptions::default()).unwrap();
    assert_eq!(slots.open_sealed(slot, b"", &sealed).unwrap(), Unsealed::Erased);
    assert_eq!(slots.find(&identity), Some(again));
}

#[test]
fn what_is_erased_stays_so_although_its_claim_was_just_being_written() {
    let disk = FaultyDisk::new();
    let slots = Arc::new(open(&disk, 8));
    let (slot, _) = slots.claim(&slots.identity("chirper", "1234567890")).unwrap();
    let held = disk.hold_next_write();
    let writer = Arc::clone(&slots);
    let writing = std::thread::spawn(move || writer.sync().unwrap());
    held.wait_for_it();
    let (done, erased) = mpsc::channel();
    let erasing = std::thread::spawn(move || {
        slots.erase(&[slot]).unwrap();
        done.send(()).unwrap();
    });
    // It has to wait for what is being written; if it does not, it gets the time to go wrong.
    erased.recv_timeout(Duration::from_millis(100)).unwrap_err();
    held.let_go();
    writing.join().unwrap();
    erasing.join().unwrap();
    let mut row = [1; 64];
    disk.open(Path::new(PATH)).unwrap().read_at(&mut row, 4096 + (slot.0 - 1) * 64).unwrap();
    assert_eq!(row, [0; 64], "neither key nor identity came back");
}

#[test]
fn an_erasure_survives_a_power_cut() {
    for seed in 0..20 {
        let disk = FaultyDisk::new();
        let slots = open(&disk, 8);
        let identity = slots.identity("email", "anna@example.com");
        let (slot, _) = slots.claim(&identity).unwrap();
        slots.erase(&[slot]).unwrap();
        let slots = open(&disk.after_power_cut(seed), 8);
        assert_eq!(slots.find(&identity), None, "seed {seed}");
        assert!(matches!(slots.seal(slot, b"", b""), Err(JournalError::SlotErased { .. })), "seed {seed}");
    }
}

#[test]
fn erasing_an_unknown_slot_erases_nothing() {
    let disk = FaultyDisk::new();
    let slots = open(&disk, 8);
    let slot = slots.allocate().unwrap();
    assert!(matches!(slots.erase(&[slot, SlotId(2)]), Err(JournalError::UnknownSlot { .. })));
    slots.seal(slot, b"", b"still there").unwrap();
}

#[test]
fn an_identity_has_one_slot_whoever_claims_it() {
    let (_folder, path) = real();
    let slots = Arc::new(KeySlots::open(&path, SlotOptions { chunk_slots: 16 }).unwrap());
    let claimed: Vec<Vec<(SlotId, bool)>> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| (0..200).map(|number| slots.claim(&slots.identity("profile", &number.to_string())).unwrap()).collect()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let mut all = HashSet::new();
    for number in 0..200 {
        let slot = claimed[0][number].0;
        assert!(claimed.iter().all(|claims| claims[number].0 == slot));
        assert_eq!(claimed.iter().filter(|claims| claims[number].1).count(), 1, "new for one of them only");
        assert!(all.insert(slot));
    }
    let again = slots.identity("profile", "0");
    drop(slots);
    let slots = KeySlots::open(&path, SlotOptions::default()).unwrap();
    assert_eq!(slots.identity("profile", "0"), again, "the lookup key is kept");
    assert_eq!(slots.find(&again), Some(claimed[0][0].0));
}

#[test]
fn identities_of_different_parts_never_meet() {
    let (_folder, path) = real();
    let slots = KeySlots::open(&path, SlotOptions::default()).unwrap();
    assert_ne!(slots.identity("ab", "c"), slots.identity("a", "bc"));
    let (_other_folder, other_path) = real();
    let other = KeySlots::open(&other_path, SlotOptions::default()).unwrap();
    assert_ne!(slots.identity("ab", "c"), other.identity("ab", "c"), "every tenant has a lookup key of its own");
}

#[test]
fn the_slot_file_is_its_owners_only_and_opened_once() {
    use std::os::unix::fs::PermissionsExt;
    let (_folder, path) = real();
    let _slots = KeySlots::open(&path, SlotOptions::default()).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(matches!(KeySlots::open(&path, SlotOptions::default()), Err(JournalError::Locked { .. })));
}

/// The file as its documentation says, made by hand: a change of it is a new format version.
#[test]
fn the_format_is_what_the_documentation_says() {
    let (_folder, path) = real();
    let mut header = vec![0; 4096];
    header[..8].copy_from_slice(b"SPORTKEY");
    header[8..12].copy_from_slice(&1_u32.to_le_bytes());
    header[16..48].fill(0xaa);
    let checksum = crc32c::crc32c_append(crc32c::crc32c(&header[8..12]), &header[16..56]);
    header[12..16].copy_from_slice(&checksum.to_le_bytes());
    let rows = [[0x11; 32], [0x22; 32], [0x33; 32], [0; 32], [0; 32], [0; 32]].concat();
    std::fs::write(&path, [header.clone(), rows].concat()).unwrap();
    let slots = KeySlots::open(&path, SlotOptions::default()).unwrap();
    assert_eq!(slots.find(&[0x22; 32]), Some(SlotId(1)));
    // AES-256-GCM under 0x11…, nonce 0x01…, computed with another library.
    let sealed = include_bytes!("golden/sealed.bin");
    assert_eq!(slots.open_sealed(SlotId(1), b"name", sealed).unwrap(), Unsealed::Plain(b"Anna Bianchi".to_vec()));
    assert!(matches!(slots.seal(SlotId(3), b"", b""), Err(JournalError::SlotErased { .. })));
    let tag = ring::hmac::sign(&ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &[0xaa; 32]), b"\x02\0\0\0\0\0\0\0ab\x01\0\0\0\0\0\0\0c");
    assert_eq!(slots.identity("ab", "c"), tag.as_ref());
    assert_eq!(slots.allocate().unwrap(), SlotId(4), "without the mark of a clean close every row counts as given out");
    drop(slots);

    header[8] = 2;
    std::fs::write(&path, &header).unwrap();
    assert!(matches!(KeySlots::open(&path, SlotOptions::default()), Err(JournalError::NewerFormat { found: 2, .. })));
    header[8] = 1;
    header[20] ^= 1;
    std::fs::write(&path, &header).unwrap();
    assert!(matches!(KeySlots::open(&path, SlotOptions::default()), Err(JournalError::Damaged { .. })));
}
