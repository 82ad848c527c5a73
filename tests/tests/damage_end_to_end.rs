//! The real binary on files that are not as it left them: it loses nothing acknowledged, guesses nothing, and says what it found.

use std::path::{Path, PathBuf};
use std::process::Output;

use sportello_core::domain::interaction::INTERACTIONS;
use sportello_tests::host::{HostPlan, HostProcess, RunningHost, binary, tenant_folder};
use sportello_tests::stand_ins::facebook::{DeliveryPlan, Facebook};
use sportello_views::{Change, Direction, Views, ViewsOptions};

const HOOK: &str = "/hooks/demo/facebook-page";
/// Layout of a segment, as the journal's documentation gives it.
const HEADER_BYTES: usize = 64;
/// Of a frame; the first of each link has a hash behind it, and says so with the highest bit of the record's length.
const HEAD_BYTES: usize = 24;
const HASH_BYTES: usize = 32;
const WITH_HASH: u32 = 1 << 31;
const COMMENTS: usize = 12;

/// A data folder that the binary left behind, killed after `COMMENTS` comments were acknowledged.
struct Left {
    folder: tempfile::TempDir,
    facebook: Facebook,
    plan: HostPlan,
    config: PathBuf,
}

impl Left {
    async fn behind() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let facebook = Facebook::start().await.unwrap();
        let plan = HostPlan::default().facebook_page(&facebook, "");
        let config = plan.write(folder.path(), "127.0.0.1:0");
        let host = HostProcess::start(&config).await;
        facebook.subscribe(&host.url(HOOK)).await.unwrap();
        let post = facebook.post(&facebook.page(), "Manutenzione");
        for number in 0..COMMENTS {
            facebook.comment(&facebook.person("Ada"), &post, &format!("Perché? {number}"));
        }
        let report = facebook.deliver(&DeliveryPlan { updates_max: 1, ..DeliveryPlan::default() }).await.unwrap();
        assert_eq!(report.posted, report.acknowledged, "{report:?}");
        host.kill().await;
        Self { folder, facebook, plan, config }
    }

    fn tenant(&self) -> PathBuf {
        tenant_folder(self.folder.path())
    }

    /// The one segment.
    fn segment(&self) -> PathBuf {
        let names: Vec<PathBuf> = std::fs::read_dir(self.tenant().join("journal")).unwrap().map(|entry| entry.unwrap().path()).collect();
        let mut segments: Vec<PathBuf> = names.into_iter().filter(|path| path.extension().is_some_and(|name| name == "segment")).collect();
        assert_eq!(segments.len(), 1, "{segments:?}");
        segments.remove(0)
    }

    async fn run(&self, task: &str) -> Output {
        tokio::process::Command::new(binary())
            .arg("--config")
            .arg(&self.config)
            .arg(task)
            .env("SPORTELLO_LOG", "warn")
            .output()
            .await
            .unwrap()
    }

    fn said(&self) -> String {
        std::fs::read_to_string(self.config.with_extension("diagnostics")).unwrap_or_default()
    }

    /// Starts it, shows that every acknowledged comment is there and that it takes one more, and stops it.
    async fn goes_on(&self) {
        let host = HostProcess::start(&self.config).await;
        self.facebook.subscribe(&host.url(HOOK)).await.unwrap();
        let post = self.facebook.post(&self.facebook.page(), "Finita");
        self.facebook.comment(&self.facebook.person("Grace"), &post, "Grazie");
        let report = self.facebook.deliver(&DeliveryPlan::default()).await.unwrap();
        assert_eq!(report.posted, report.acknowledged, "{report:?}");
        host.stop().await;
        let verified = self.run("verify").await;
        assert_eq!(verified.status.code(), Some(0), "{verified:?}");
        let running = RunningHost::start(self.folder.path(), &self.plan).await;
        let rows = running.desk().tenant.list(&INTERACTIONS, &[], None, Direction::Forward, usize::MAX).unwrap();
        assert_eq!(rows.iter().filter(|(_, row)| row.kind == "comment").count(), COMMENTS + 1, "nothing acknowledged is lost");
        running.stop().await;
    }
}

/// Where each record begins, and where the last one ends.
fn frames(segment: &Path) -> Vec<usize> {
    let bytes = std::fs::read(segment).unwrap();
    let mut at = vec![HEADER_BYTES];
    loop {
        let offset = *at.last().unwrap();
        let length = bytes.get(offset..offset + 4).map_or(0, |length| u32::from_le_bytes(length.try_into().unwrap()));
        if length == 0 {
            return at;
        }
        let hash_bytes = if length & WITH_HASH == 0 { 0 } else { HASH_BYTES };
        at.push(offset + HEAD_BYTES + hash_bytes + (length & !WITH_HASH) as usize);
    }
}

fn change(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).unwrap();
    change(&mut bytes);
    std::fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_tail_is_cut_off_and_said_and_nothing_acknowledged_is_lost() {
    let left = Left::behind().await;
    let segment = left.segment();
    let frames = frames(&segment);
    let end = *frames.last().unwrap();
    // The half of a record that the kill cut off: it begins as a record does, and its end never reached the disk.
    change(&segment, |bytes| {
        let whole = bytes[frames[frames.len() - 2]..end].to_vec();
        bytes.resize(bytes.len().max(end + whole.len()), 0);
        bytes[end..end + whole.len() / 2].copy_from_slice(&whole[..whole.len() / 2]);
    });
    left.goes_on().await;
    let said = left.said();
    assert!(said.contains("torn") && said.contains(&format!("offset={end}")) && said.contains(".segment"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flipped_bit_is_refused_with_segment_and_offset_and_nothing_is_changed() {
    let left = Left::behind().await;
    let segment = left.segment();
    let frames = frames(&segment);
    let damaged = frames[frames.len() / 2];
    let before = std::fs::read(&segment).unwrap();
    change(&segment, |bytes| bytes[damaged + HEAD_BYTES + 3] ^= 0x10);
    let changed = std::fs::read(&segment).unwrap();
    for task in ["serve", "verify"] {
        let output = left.run(task).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{task}: {said}");
        assert!(said.contains(&segment.display().to_string()) && said.contains(&format!("offset {damaged}")), "{task}: {said}");
        assert!(output.stdout.is_empty(), "{task} says nothing else");
    }
    assert!(std::fs::read(&segment).unwrap() == changed, "what was found is left as it is");
    std::fs::write(&segment, before).unwrap();
    left.goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn views_that_are_gone_or_garbled_are_rebuilt_from_the_journal() {
    let left = Left::behind().await;
    let views = left.tenant().join("views");
    std::fs::remove_dir_all(&views).unwrap();
    left.goes_on().await;

    let rows = std::fs::read_dir(&views).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).expect("a rows folder");
    for entry in std::fs::read_dir(rows).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file()) {
        change(&entry, |bytes| bytes.iter_mut().for_each(|byte| *byte = byte.wrapping_mul(31).wrapping_add(7)));
    }
    assert!(!left.said().contains("rebuilt"), "views that are simply gone are no reason to worry: {}", left.said());
    HostProcess::start(&left.config).await.stop().await;
    assert!(left.said().contains("rebuilt"), "{}", left.said());
    let verified = left.run("verify").await;
    assert_eq!(verified.status.code(), Some(0), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_exits_with_1_when_the_views_are_not_what_the_journal_says() {
    let left = Left::behind().await;
    // Views that look as ours do and claim to be up to date, with another row in them.
    HostProcess::start(&left.config).await.stop().await;
    let folder = left.tenant().join("views");
    let stamp = std::fs::read_to_string(folder.join("stamp")).unwrap();
    let made_from = stamp.lines().find_map(|line| line.strip_prefix("made-from ")).expect("the stamp says what the rows were made from");
    let made_from = String::from_utf8(hex::decode(made_from).unwrap()).unwrap();
    let views = Views::open(&folder, ViewsOptions::new(made_from)).unwrap().views;
    let last = views.cursor();
    views.reset().unwrap();
    views.only_up_to(last);
    for sequence in 1..=last {
        views.apply(sequence, vec![Change::new(60, b"another", Some(b"row"))]).unwrap();
    }
    views.close().unwrap();
    drop(views);

    let output = left.run("verify").await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("differ from the journal") && said.contains("demo"), "{said}");
    std::fs::remove_dir_all(&folder).unwrap();
    assert_eq!(left.run("verify").await.status.code(), Some(0), "what it advises helps");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_host_on_the_same_data_is_refused_and_the_first_goes_on() {
    let left = Left::behind().await;
    let first = HostProcess::start(&left.config).await;
    for task in ["serve", "verify"] {
        let output = left.run(task).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{task}: {said}");
        assert!(said.contains("in use by another process") && said.contains("demo"), "{task}: {said}");
    }
    left.facebook.subscribe(&first.url(HOOK)).await.expect("the first goes on");
    first.stop().await;
    left.goes_on().await;
}
