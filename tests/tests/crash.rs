//! The real binary is killed again and again under load; afterwards the platform's own books must show that nothing was lost or doubled.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Method;
use sportello_core::domain::access::Role;
use sportello_core::domain::case::{CASES, CaseState};
use sportello_core::domain::effect::{EFFECTS, EffectState};
use sportello_core::domain::interaction::INTERACTIONS;
use sportello_core::event::Event as CoreEvent;
use sportello_server::access::create_token;
use sportello_server::clock::SystemClock;
use sportello_server::tenant::{Event, Tenant, TenantOptions};
use sportello_tests::host::{HostPlan, HostProcess};
use sportello_tests::http_client::HttpClient;
use sportello_tests::stand_ins::facebook::{DeliveryPlan, Facebook};
use sportello_tests::stand_ins::faults::{Fault, FaultHandle};
use sportello_views::Direction;
use sportello_workflow::run::RUNS;

/// Every comment is answered once, and its case is resolved two seconds after that.
const WORKFLOW: &str = "
name: answer
on: case.opened
steps:
  - reply: {it: \"Ci stiamo lavorando, caso ${case.number}.\", en: \"We are on it, case ${case.number}.\"}
  - wait: 2s
  - state: resolved
";
const WAIT_MS: u64 = 2_000;
const KILLS: u32 = 102;

/// Where a kill falls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// At random, while deliveries come in.
    UnderLoad,
    /// After `effect.started`, before the platform commits the reply.
    BeforeCommit,
    /// After the platform committed the reply, before it answers.
    AfterCommit,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_kills_lose_nothing_and_double_nothing() {
    let seed = std::env::var("SPORTELLO_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed} (set SPORTELLO_SEED to repeat)");
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let plan = HostPlan::default().facebook_page(&facebook, "").workflow("answer", WORKFLOW);
    let config = plan.write(folder.path(), "127.0.0.1:0");

    let mut kills: BTreeMap<Moment, u32> = BTreeMap::new();
    let mut comments = BTreeSet::new();
    let post = facebook.post(&facebook.page(), "Manutenzione della rete");
    for kill in 0..KILLS {
        let moment = [Moment::UnderLoad, Moment::BeforeCommit, Moment::AfterCommit][kill as usize % 3];
        let host = HostProcess::start(&config).await;
        facebook.subscribe(&host.url("/hooks/demo/facebook-page")).await.unwrap();
        let held = hold(&facebook, moment);
        for _ in 0..random.usize(2..6) {
            let customer = facebook.person(&format!("Cliente {}", random.u16(..)));
            comments.insert(facebook.comment(&customer, &post, "Perché la rete è giù?"));
        }
        let delivery = DeliveryPlan { updates_max: random.usize(1..4), duplicates_percent: 20, shuffle: true, ..DeliveryPlan::default() };
        let delivering = facebook.deliver(&delivery);
        let pause = Duration::from_millis(random.u64(0..60));
        match &held {
            None => {
                // Under load: the deliveries go on while the host dies. (Dropping them would be the platform losing its own outbox.)
                let killing = async {
                    tokio::time::sleep(pause).await;
                    host.kill().await;
                };
                let (delivered, ()) = tokio::join!(delivering, killing);
                delivered.unwrap();
            }
            Some(held) => {
                delivering.await.unwrap();
                let reached = tokio::time::timeout(Duration::from_secs(60), held.struck(1)).await;
                assert!(reached.is_ok(), "kill {kill}: no reply reached the platform within a minute; the host said: {}", said(&config));
                host.kill().await;
            }
        }
        *kills.entry(moment).or_default() += 1;
        facebook.faults().clear();
        facebook.advance(Duration::from_secs(60));
    }
    let unanswered = facebook.counts().posts.unanswered;
    println!("kills: {kills:?}; comments: {}; deliveries cut off: {unanswered}", comments.len());
    assert!(unanswered >= 5, "only {unanswered} deliveries were under way when the host died");
    let in_between = kills.get(&Moment::BeforeCommit).unwrap_or(&0) + kills.get(&Moment::AfterCommit).unwrap_or(&0);
    assert!(in_between >= 30, "only {in_between} kills fell between started and outcome");

    finish(&facebook, &config, folder.path(), &comments).await;
    check_platform(&facebook, &comments);
    check_tenant(folder.path(), comments.len());
}

/// The end of the host's diagnostics.
fn said(config: &Path) -> String {
    let said = std::fs::read_to_string(config.with_extension("diagnostics")).unwrap_or_default();
    said[said.ceil_char_boundary(said.len().saturating_sub(4_000))..].to_owned()
}

fn hold(facebook: &Facebook, moment: Moment) -> Option<FaultHandle> {
    let fault = match moment {
        Moment::UnderLoad => return None,
        Moment::BeforeCommit => Fault::HoldBefore,
        Moment::AfterCommit => Fault::HoldAfter,
    };
    Some(facebook.faults().arm(fault, &["POST", "/comments"], 1))
}

/// A last life without trouble: everything is delivered, every effect ends, every timer fires.
async fn finish(facebook: &Facebook, config: &Path, folder: &Path, comments: &BTreeSet<String>) {
    let authorization = format!("Bearer {}", viewer(folder).await);
    let host = HostProcess::start(config).await;
    facebook.subscribe(&host.url("/hooks/demo/facebook-page")).await.unwrap();
    for _ in 0..50 {
        facebook.deliver(&DeliveryPlan::default()).await.unwrap();
        if facebook.counts().updates_pending == 0 {
            break;
        }
        facebook.advance(Duration::from_secs(30 * 60));
    }
    let counts = facebook.counts();
    assert_eq!((counts.updates_pending, counts.updates_given_up), (0, 0), "the platform got rid of everything: {counts:?}");
    let deadline = tokio::time::Instant::now() + Duration::from_secs(150);
    let all_answered = || comments.iter().all(|comment| !facebook.replies_to(comment).is_empty());
    while !all_answered() && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let missing = comments.iter().filter(|comment| facebook.replies_to(comment).is_empty()).count();
    if missing > 0 {
        host.stop().await;
        panic!("{missing} comments without an answer; the host said: {}; what is left: {:#?}", said(config), left(folder));
    }
    // The last timers: two seconds after the last answer.
    let http = HttpClient::default();
    loop {
        let told = http.send(Method::GET, &host.url("/api/v1/demo/summary"), &[("authorization", &authorization)], Bytes::new()).await;
        let told = told.and_then(|answer| answer.json()).unwrap();
        if told["cases"]["resolved"] == comments.len() {
            break;
        }
        assert!(tokio::time::Instant::now() < deadline, "not every timer fired: {told}; the host said: {}", said(config));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    host.stop().await;
    assert!(folder.join("data").is_dir());
}

/// Effects that have not come to an end, and how far their runs are.
fn left(folder: &Path) -> Vec<String> {
    let tenant = open(folder);
    let effects = tenant.list(&EFFECTS, &[], None, Direction::Forward, usize::MAX).unwrap();
    let open = effects.iter().filter(|(_, effect)| effect.state != EffectState::Done).map(|(_, effect)| format!("{effect:?}"));
    let runs = tenant.list(&RUNS, &[], None, Direction::Forward, usize::MAX).unwrap();
    let asked = runs.iter().filter(|(_, run)| run.is_live()).map(|(_, run)| format!("{run:?}"));
    let interactions = tenant.list(&INTERACTIONS, &[], None, Direction::Forward, usize::MAX).unwrap().len();
    let cases = tenant.list(&CASES, &[], None, Direction::Forward, usize::MAX).unwrap().len();
    let counts = format!("{interactions} interactions, {cases} cases, {} effects, {} runs", effects.len(), runs.len());
    std::iter::once(counts).chain(open).chain(asked).collect()
}

fn open(folder: &Path) -> Arc<Tenant> {
    let folder = folder.join("data/tenants/demo");
    Tenant::open("demo", &folder, &TenantOptions::default(), Arc::new(SystemClock), &mut |_, _| {}).unwrap()
}

/// The secret of somebody who may look.
async fn viewer(folder: &Path) -> String {
    let tenant = open(folder);
    let made = create_token(&tenant, "test", "vera", Role::Viewer).await.unwrap();
    tenant.close().unwrap();
    made.secret
}

/// What the platform's own books say.
fn check_platform(facebook: &Facebook, comments: &BTreeSet<String>) {
    assert_eq!(facebook.doubled_replies().len(), 0, "no reply stands twice: {:?}", facebook.doubled_replies());
    for comment in comments {
        assert_eq!(facebook.replies_to(comment).len(), 1, "{comment} has one answer");
    }
}

/// What the journal says: opened as it was left, and verified.
fn check_tenant(folder: &Path, comments: usize) {
    let tenant = open(folder);
    let interactions = tenant.list(&INTERACTIONS, &[], None, Direction::Forward, usize::MAX).unwrap();
    let inbound = interactions.iter().filter(|(_, row)| !row.own && row.kind == "comment").count();
    assert_eq!(inbound, comments, "every comment is there exactly once");
    let effects = tenant.list(&EFFECTS, &[], None, Direction::Forward, usize::MAX).unwrap();
    assert_eq!(effects.len(), comments, "one effect a comment");
    let open: Vec<_> = effects.iter().filter(|(_, effect)| effect.state != EffectState::Done).collect();
    assert!(open.is_empty(), "every effect is done: {open:?}");
    let cases = tenant.list(&CASES, &[], None, Direction::Forward, usize::MAX).unwrap();
    let unresolved = cases.iter().filter(|(_, case)| case.state != CaseState::Resolved).count();
    assert_eq!((cases.len(), unresolved), (comments, 0), "every timer fired");

    let mut answered = BTreeMap::new();
    for record in tenant.records(1).unwrap() {
        let (sequence, record) = record.unwrap();
        for event in record.events {
            match event.unwrap() {
                Event::Core(CoreEvent::EffectDone(event)) => {
                    let effect = effects.iter().find(|(key, _)| key.ends_with(&event.effect.0.to_be_bytes()));
                    let case = effect.and_then(|(_, effect)| effect.case).expect("an effect belongs to a case");
                    answered.insert(case, record.at);
                }
                Event::Core(CoreEvent::CaseStateChanged(event)) if event.to == CaseState::Resolved => {
                    let waited_ms = answered.get(&event.case).map(|answered| record.at.ms_since(*answered));
                    assert!(waited_ms.is_some_and(|waited_ms| waited_ms >= WAIT_MS), "record {sequence}: too early, {waited_ms:?} ms");
                }
                _ => {}
            }
        }
    }
    let verified = tenant.verify(&mut |_, _| {}).unwrap();
    assert!(verified.equal, "{verified:?}");
    tenant.close().unwrap();
}
