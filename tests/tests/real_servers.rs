//! The real MediaWiki and the real Tryton: that they start, stop, leave nothing behind, and keep the promises our connectors are built on.
//!
//! Where a server is missing these tests say so and pass; in CI they fail (see `servers::require`).

mod servers_and_stand_ins;

use sportello_tests::servers::process::{ServerProcess, group_lives};
use sportello_tests::servers::{Crm, MediaWiki, Release, Tryton, Wiki, require};

wiki_promises!(async { require(MediaWiki::start().await) });
crm_promises!(on_tryton_6, async { require(Tryton::start().await) });
crm_promises!(on_tryton_8, async { require(Tryton::start_release(Release::Eight).await) });

#[tokio::test]
async fn a_dropped_wiki_leaves_no_process_and_another_one_is_fresh() {
    let Some(wiki) = require(MediaWiki::start().await) else { return };
    wiki.customer().edit_talk("Talk:Mine", "Hello", "there").await.expect("an edit");
    let group = wiki.process_group_id();
    assert!(group_lives(group), "the group is seen while it runs");
    let Some(other) = require(MediaWiki::start().await) else { return };
    assert_eq!(other.customer().page_text("Talk:Mine").await.expect("readable"), None, "each test has a wiki of its own");
    drop(wiki);
    assert!(!group_lives(group), "workers are stopped too");
    other.customer().edit_talk("Talk:Mine", "Hello", "there").await.expect("the other wiki goes on");
}

#[tokio::test]
async fn a_dropped_crm_leaves_no_process() {
    for release in [Release::Six, Release::Eight] {
        let Some(crm) = require(Tryton::start_release(release).await) else { continue };
        crm.operator().create_party("Ada", "EXT-1", &[]).await.expect("a party");
        let group = crm.process_group_id();
        assert!(group_lives(group), "the group is seen while it runs");
        drop(crm);
        assert!(!group_lives(group), "{release:?}");
    }
}

#[test]
fn a_server_s_workers_die_with_a_test_that_is_killed() {
    // The watcher's pipe closes when the test's process ends, however it ends. Here a shell plays the test: it starts the guard the same way,
    // with a server that has a worker, and is killed with SIGKILL.
    let folder = tempfile::tempdir().expect("a folder");
    let process =
        ServerProcess::spawn("sh", &["-c", "sleep 1000 & sleep 1000"], &[], &folder.path().join("output.txt")).expect("sh starts");
    let group = process.group_id();
    assert!(group_lives(group));
    // Forgetting is what SIGKILL does to destructors; closing the pipe is what the kernel does then.
    ServerProcess::forget_as_if_killed(process);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while group_lives(group) {
        assert!(std::time::Instant::now() < deadline, "the group outlived its test");
        std::thread::yield_now();
    }
}
