//! Files that are dropped into a folder: in two halves, some of them twice.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use sportello_tests::host::HostPlan;
use sportello_tests::stand_ins::Faults;
use tempfile::TempDir;

use crate::books::{Books, Entry};

const HEAD: &str = "Nr;Name;E-Mail;Tel;Saldo;Geändert;Gelöscht\r\n";

#[derive(Default)]
struct Desk {
    /// What is known of everybody.
    records: BTreeMap<String, (String, bool)>,
    /// What changed since the last file.
    changed: Vec<String>,
    /// A file whose second half is still to come.
    half: Option<(PathBuf, Vec<u8>)>,
    files: usize,
    last: Option<Vec<u8>>,
}

pub(crate) struct Drop {
    folder: TempDir,
    desk: Mutex<Desk>,
}

impl Drop {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().expect("no panic while it is held")
    }

    fn change(&self, id: &str, name: Option<&str>, is_away: bool) {
        let mut desk = self.desk();
        let record = desk.records.entry(id.to_owned()).or_default();
        if let Some(name) = name {
            name.clone_into(&mut record.0);
        }
        record.1 |= is_away;
        desk.changed.push(id.to_owned());
    }
}

/// Latin-1, as that system writes it.
fn latin(text: &str) -> Vec<u8> {
    text.chars().map(|letter| u8::try_from(u32::from(letter)).expect("Latin-1")).collect()
}

impl Books for Drop {
    const MINUTES_PER_DEED: u64 = 1;
    const TAKES_NOTES: bool = false;
    const OF_THREE_PAGES: usize = 1_001;
    const TIDIES: bool = true;

    async fn open() -> Option<Self> {
        Some(Self { folder: tempfile::tempdir().expect("a folder"), desk: Mutex::default() })
    }

    fn plan(&self, plan: HostPlan) -> HostPlan {
        let (folder, mapping) = (self.folder.path(), include_str!("../../../plugins/mapped-crm/mappings/csv-drop.yaml"));
        let toml = format!(
            "connector = \"mapped-crm\"\ncomponent = \"{{component:mapped-crm}}\"\nsettings = {{ folder = {folder:?}, mapping = {mapping:?} }}\n\
             folders = [{folder:?}]\npoll-seconds = 300\n"
        );
        plan.channel("crm", &toml)
    }

    fn faults(&self) -> Option<&Faults> {
        None
    }

    async fn enter(&self, entry: &Entry) -> String {
        let id = entry.number.to_string();
        self.change(&id, Some(&entry.name), false);
        id
    }

    async fn rename(&self, id: &str, name: &str) {
        self.change(id, Some(name), false);
    }

    async fn put_away(&self, id: &str) {
        self.change(id, None, true);
    }

    async fn expire_sessions(&self) {}

    async fn minute_ends(&self, random: &mut fastrand::Rng) {
        let mut desk = self.desk();
        if let Some((path, bytes)) = desk.half.take() {
            std::fs::write(path, bytes).expect("the whole file is written");
            return;
        }
        let changed = std::mem::take(&mut desk.changed);
        let again = desk.last.clone().filter(|_| changed.is_empty() && random.u8(..100) < 5);
        let bytes = match again {
            Some(bytes) => bytes,
            None if changed.is_empty() => return,
            None => {
                let number = desk.files;
                let row = |id: &String| {
                    let (name, is_away) = &desk.records[id];
                    let is_away = if *is_away { "J" } else { "N" };
                    // Whole minutes, and slow ones: many versions of a record have the same.
                    let (hour, minute) = (number / 5 / 60, number / 5 % 60);
                    format!("{id};{name};cliente-{id}@example.org;;{number},50;26/11/2026 {hour:02}:{minute:02};{is_away}\r\n")
                };
                latin(&format!("{HEAD}{}#ENDE\r\n", changed.iter().map(row).collect::<String>()))
            }
        };
        desk.files += 1;
        let path = self.folder.path().join(format!("contacts-{:06}.csv", desk.files));
        let end = if random.bool() { random.usize(..bytes.len()) } else { bytes.len() };
        std::fs::write(&path, &bytes[..end]).expect("the first half is written");
        desk.half = (end < bytes.len()).then(|| (path, bytes.clone()));
        desk.last = Some(bytes);
    }

    /// The connector takes 200 files: what was read is moved away.
    fn tidies(&self) {
        if self.desk().half.is_none() {
            for file in std::fs::read_dir(self.folder.path()).expect("the folder") {
                std::fs::remove_file(file.expect("a file").path()).expect("it is moved away");
            }
        }
    }

    async fn notes(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}
