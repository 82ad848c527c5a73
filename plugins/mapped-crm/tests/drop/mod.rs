//! A folder into which a system drops files, for tests of the source `csv`.
#![allow(dead_code, reason = "each test file uses what it needs")]

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use mapped_crm::MappedCrm;
use serde_json::json;
use sportello_sdk::testing::{Channel, Host, NOW, Running};
use sportello_sdk::{Contact, time};

/// What most tests map: `;` between `id`, `name` and `mail`.
pub(crate) const CONTACT: &str = "contact: {id: /id, display-name: /name, identifiers: [{scheme: email, at: /mail}]}";

/// The folder; it is removed at the end of the test.
pub(crate) struct Drop {
    pub(crate) folder: PathBuf,
}

impl std::ops::Drop for Drop {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Drop {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("mapped-crm-drop-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        Self { folder }
    }

    /// A file that was last modified so many seconds before the time of a test's call.
    pub(crate) fn write_aged(&self, name: &str, content: impl AsRef<[u8]>, age_seconds: i64) {
        let path = self.folder.join(name);
        fs::write(&path, content).unwrap();
        self.touch(name, age_seconds);
    }

    /// A file that is old enough to be complete.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        self.write_aged(name, content, 100);
    }

    /// Sets when a file was last modified.
    pub(crate) fn touch(&self, name: &str, age_seconds: i64) {
        let at = u64::try_from(time::milliseconds(NOW).unwrap() - age_seconds * 1000).unwrap();
        let file = fs::File::options().write(true).open(self.folder.join(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_millis(at)).unwrap();
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.folder.join(name)).unwrap();
    }

    /// A channel that reads `*.csv` of it, with more keys of `files`, and sections behind them.
    pub(crate) fn channel(&self, files: &str, more: &str) -> Channel<MappedCrm> {
        self.channel_of(&format!("name: Drop\nsource: csv\nfiles:\n  names: \"*.csv\"\n{files}\n{more}\n{CONTACT}\n"))
    }

    pub(crate) fn channel_of(&self, mapping: &str) -> Channel<MappedCrm> {
        assert_eq!(mapped_crm::check(mapping), [], "{mapping}");
        Channel::new(json!({ "folder": self.folder, "mapping": mapping }))
    }
}

/// A contact as the tests look at it: `id name mail`, or `-id` where it is deleted.
pub(crate) fn told(contact: &Contact) -> String {
    if contact.deleted {
        return format!("-{}", contact.id);
    }
    let words = [Some(contact.id.as_str()), contact.display_name.as_deref()].into_iter().flatten();
    words.chain(contact.identifiers.iter().map(|identifier| identifier.value.as_str())).collect::<Vec<_>>().join(" ")
}

/// All that is told from a cursor on, and every cursor on the way with how much was told before it.
pub(crate) fn walk(channel: &Channel<MappedCrm>, from: Option<&str>) -> (Vec<Contact>, Vec<(Option<String>, usize)>) {
    let (mut all, mut cursors) = (Vec::new(), vec![(from.map(str::to_owned), 0)]);
    for _ in 0..1000 {
        let page = channel.changes(cursors.last().unwrap().0.as_deref()).unwrap();
        all.extend(page.contacts);
        assert!(page.cursor.as_ref().is_some_and(|cursor| cursor.len() <= 16 << 10));
        cursors.push((page.cursor, all.len()));
        if !page.more {
            return (all, cursors);
        }
    }
    panic!("the walk does not end");
}

/// One walk: what is told, the cursor at the end, and the messages.
pub(crate) fn read(channel: &Channel<MappedCrm>, from: Option<&str>) -> (Vec<String>, Option<String>, Vec<String>) {
    let host = Host::new().start();
    let (all, cursors) = walk(channel, from);
    (all.iter().map(told).collect(), cursors.last().unwrap().0.clone(), messages(&host))
}

/// What the operator was told.
pub(crate) fn messages(host: &Running) -> Vec<String> {
    host.diagnostics().into_iter().map(|(_, message)| message).collect()
}
