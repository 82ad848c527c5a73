//! A wiki as a network: people open threads on talk pages, and the host asks for them.
//!
//! Every third thread has a page of its own, so that it can be taken back alone; the others share a page with those of the same person. People talk to
//! the wiki itself, the host through a gateway where trouble strikes.

use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};
use sportello_core::domain::channel::CURSORS;
use sportello_core::domain::effect::EffectState;
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::servers::gateway::{Gateway, Refusal};
use sportello_tests::servers::{Wiki, WikiUser, any_wiki};
use sportello_tests::stand_ins::wiki::WikiStandIn;
use sportello_tests::stand_ins::{DeliveryPlan, Fault, Faults};
use sportello_views::Direction;

use crate::desk::{Desk, MOMENT};
use crate::network::{Network, Promise};

/// Which wiki it is.
pub(crate) trait Kind: Send + Sync {
    /// How many write at once where it is about many.
    const MANY: usize;
    const CAN_GO_THROUGH_ALL: bool;
    /// So many have an account of their own; who comes later shares one.
    const ACCOUNTS: usize;
    fn start() -> BoxFuture<'static, Box<dyn Wiki>>;
}

/// MediaWiki where it is installed, else the stand-in.
pub(crate) struct AsInstalled;
pub(crate) struct StandIn;

pub(crate) type TalkPages = Talk<AsInstalled>;
pub(crate) type StandInTalkPages = Talk<StandIn>;

const POLL_SECONDS: &str = "poll-seconds = 60";
/// Few rows are got at once, so that much lies on the edge between two pages.
const PAGE_ROWS: usize = 7;
/// Where the company posts.
const POST_PAGE: &str = "Talk:Avvisi";
const PASSWORD: &str = "ParolaDiCliente-1";

pub(crate) struct Talk<K> {
    wiki: Box<dyn Wiki>,
    gateway: Gateway,
    admin: WikiUser,
    people: Mutex<BTreeMap<String, Arc<WikiUser>>>,
    /// Threads by the interaction that opened them.
    threads: Mutex<BTreeMap<String, Thread>>,
    time: Mutex<Time>,
    kind: PhantomData<K>,
}

#[derive(Clone)]
struct Thread {
    page: String,
    heading: String,
    /// It is alone on its page.
    is_alone: bool,
}

struct Time {
    now: Timestamp,
    limited_until: Timestamp,
    limits: usize,
    /// Until when what was written late is not shown.
    late_until: Option<Timestamp>,
}

impl Kind for AsInstalled {
    // An edit of the real one takes a tenth of a second, an account three.
    const MANY: usize = 50;
    const CAN_GO_THROUGH_ALL: bool = false;
    const ACCOUNTS: usize = 8;

    fn start() -> BoxFuture<'static, Box<dyn Wiki>> {
        async { any_wiki().await.expect("a wiki starts") }.boxed()
    }
}

impl Kind for StandIn {
    const MANY: usize = 1_000;
    const CAN_GO_THROUGH_ALL: bool = true;
    const ACCOUNTS: usize = 1_000;

    fn start() -> BoxFuture<'static, Box<dyn Wiki>> {
        async { Box::new(WikiStandIn::start().await.expect("a loopback port")) as Box<dyn Wiki> }.boxed()
    }
}

/// What is asked of a wiki goes over HTTP, while the tests ask at once.
fn done<Output>(asked: impl Future<Output = Output>) -> Output {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(asked))
}

impl<K: Kind> Talk<K> {
    fn person(&self, who: &str) -> Arc<WikiUser> {
        let mut people = self.people.lock().expect("no panic");
        let shared = if people.len() < K::ACCOUNTS { None } else { people.values().nth(people.len() % K::ACCOUNTS).cloned() };
        let join = || {
            let account = done(self.wiki.add_customer(who, PASSWORD)).expect("somebody joins");
            Arc::new(WikiUser::new(&self.wiki.api_url(), account))
        };
        Arc::clone(people.entry(who.to_owned()).or_insert_with(|| shared.unwrap_or_else(join)))
    }

    fn thread(&self, thing: &str) -> Thread {
        self.threads.lock().expect("no panic")[thing].clone()
    }

    fn text(&self, page: &str) -> String {
        done(self.admin.page_text(page)).expect("pages can be read").unwrap_or_default()
    }

    /// Whatever stands on the pages where somebody asked.
    fn all_answers(&self) -> Vec<(String, String)> {
        let pages: BTreeSet<String> = self.threads.lock().expect("no panic").values().map(|thread| thread.page.clone()).collect();
        pages.iter().flat_map(|page| answers(&self.text(page))).collect()
    }

    /// Opens a thread; gives the interaction's id.
    fn open(&self, who: &str, text: &str) -> String {
        let number = self.threads.lock().expect("no panic").len();
        let is_alone = number.is_multiple_of(3);
        let page = if is_alone { format!("Talk:Caso {number}") } else { format!("Talk:{who}") };
        let heading = format!("Caso {number}");
        let edit = done(self.person(who).edit_talk(&page, &heading, text)).expect("an edit");
        let id = format!("rev:{}", edit.revision.expect("a new revision"));
        self.threads.lock().expect("no panic").insert(id.clone(), Thread { page, heading, is_alone });
        id
    }
}

/// The keys of answers that stand in a text, each with the line before it.
fn answers(text: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for line in text.lines() {
        if let Some((words, rest)) = line.split_once("<!-- sportello ") {
            found.push((rest.split(' ').next().unwrap_or_default().to_owned(), words.to_owned()));
        }
    }
    found
}

impl<K: Kind> Network for Talk<K> {
    const CHANNEL: &'static str = "wiki";
    const CONNECTOR: &'static str = "wiki";
    const PAGES: &'static [&'static str] = &["list=recentchanges"];
    const PAGE_ROWS: usize = PAGE_ROWS;
    const MANY: usize = K::MANY;
    const OVERLAP: Duration = Duration::from_secs(60);
    const PAUSE: Duration = Duration::from_secs(60);

    async fn start(now: Timestamp) -> Self {
        let wiki = K::start().await;
        wiki.set_clock(now).expect("its clock can be set");
        let gateway = Gateway::start(wiki.api_url().trim_end_matches("/api.php")).await.expect("a loopback port");
        let admin = wiki.admin();
        // A page that is there, and says nothing.
        admin.replace_page(POST_PAGE, "<!-- Avvisi -->").await.expect("an edit");
        let time = Mutex::new(Time { now, limited_until: now, limits: 0, late_until: None });
        Self { wiki, gateway, admin, people: Mutex::default(), threads: Mutex::default(), time, kind: PhantomData }
    }

    fn plan(&self, plan: HostPlan, _more: &str) -> HostPlan {
        let settings = format!(", page-rows = {PAGE_ROWS}, post-page = \"{POST_PAGE}\"");
        // There is no other way for anything to come in.
        plan.wiki_at(&format!("{}/api.php", self.gateway.base_url()), &self.wiki.bot_account(), &settings, POLL_SECONDS)
    }

    async fn connect(&self, host: &RunningHost) {
        host.until("the wiki was asked once", |desk| {
            !desk.tenant.list(&CURSORS, &[], None, Direction::Forward, 1).expect("the views can be read").is_empty()
        })
        .await;
    }

    fn asks(&self, who: &str, text: &str) -> String {
        self.open(who, text)
    }

    fn edits(&self, _thing: &str, _text: &str) {
        unreachable!("{:?}", Self::cannot(Promise::Edits));
    }

    fn removes(&self, thing: &str) {
        done(self.admin.delete_page(&self.thread(thing).page, "the author asks for it")).expect("an administrator deletes");
    }

    fn is_removable(&self, thing: &str) -> bool {
        self.thread(thing).is_alone
    }

    fn shimmers(&self) {
        let at = self.time.lock().expect("no panic").now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let row = |kind: &str, id: u64| {
            json!({"type": kind, "rcid": id, "timestamp": at, "ns": 1, "title": "Talk:Caso 0", "pageid": 1, "user": "Ada", "userid": 7, "hue": 7,
                   "logtype": "shimmer", "logaction": "glow"})
        };
        // What is logged is nothing that was said; what is no edit and no log may be.
        self.gateway.add_rows(vec![row("shimmer", 4_000_000_001), row("log", 4_000_000_002)]);
    }

    async fn sends_a_question_with_unknown_fields(&self, text: &str) -> String {
        self.gateway.add_fields();
        self.open("Zoë", text)
    }

    async fn deliver(&self, plan: &DeliveryPlan) {
        let now = self.time.lock().expect("no panic").now;
        self.gateway.hold_back(plan.shuffle.then_some(now));
    }

    fn times_asked(&self) -> Option<u64> {
        Some(self.gateway.times_asked())
    }

    fn lists_late(&self, lag: Duration) {
        let mut held = self.time.lock().expect("no panic");
        if lag.is_zero() {
            self.gateway.end_hiding(held.now);
        } else {
            held.late_until = Some(held.now + lag);
            self.gateway.hide(Some(held.now..Timestamp::MAX));
        }
    }

    fn listed(&self, native_id: &str) -> String {
        let all = done(self.admin.recent_changes(500)).expect("recent changes can be read");
        let is_meant = |row: &&Value| native_id == format!("rev:{}", row["revid"]);
        all.iter().find(is_meant).map_or_else(|| "not among recent changes".to_owned(), Value::to_string)
    }

    fn answers_to(&self, thing: &str) -> Vec<String> {
        let Thread { page, heading, .. } = self.thread(thing);
        let text = self.text(&page);
        let first_line = format!("{heading} ==");
        let section = text.split("\n== ").find(|section| section.trim_start_matches("== ").lines().next() == Some(&first_line));
        answers(section.unwrap_or_default()).into_iter().map(|(_, words)| words).collect()
    }

    fn answers(&self) -> usize {
        self.all_answers().len()
    }

    fn doubled(&self) -> usize {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (key, _) in self.all_answers() {
            *counts.entry(key).or_default() += 1;
        }
        counts.values().filter(|count| **count > 1).count()
    }

    fn posts(&self) -> Vec<String> {
        answers(&self.text(POST_PAGE)).into_iter().map(|(_, words)| words).collect()
    }

    fn advance(&self, time: Duration) {
        let mut held = self.time.lock().expect("no panic");
        held.now += time;
        self.wiki.set_clock(held.now).expect("its clock can be set");
        if held.limited_until <= held.now {
            self.gateway.refuse(None);
        }
        if held.late_until.is_some_and(|until| until <= held.now) {
            held.late_until = None;
            self.gateway.hide(None);
        }
    }

    fn faults(&self) -> &Faults {
        self.gateway.faults()
    }

    fn publishing(&self) -> &'static [&'static str] {
        &["POST", "action=edit"]
    }

    fn calls_for_a_post() -> &'static [&'static [&'static str]] {
        &[&["prop=revisions", "redirects="], &["POST", "action=edit"]]
    }

    fn calls() -> &'static [&'static [&'static str]] {
        &[&["list=recentchanges"], &["revids="], &["prop=revisions", "redirects="], &["action=parse"], &["POST", "action=edit"]]
    }

    fn log_ins() -> &'static [&'static [&'static str]] {
        &[&["type=login"], &["action=login"]]
    }

    const CAN_GO_THROUGH_ALL: bool = K::CAN_GO_THROUGH_ALL;

    fn troubles() -> &'static [Fault] {
        const MAXLAG: &str = r#"{"error":{"code":"maxlag","info":"Waiting for a database server: 7 seconds lagged."}}"#;
        const READ_ONLY: &str = r#"{"error":{"code":"readonly","info":"The wiki is currently in read-only mode."}}"#;
        const RATE_LIMITED: &str = r#"{"error":{"code":"ratelimited","info":"You've exceeded your rate limit."}}"#;
        const FAULT: &str = r#"{"error":{"code":"internal_api_error_DBQueryError","info":"Caught exception"}}"#;
        const LOGGED_OUT: &str = r#"{"error":{"code":"assertuserfailed","info":"You are no longer logged in."}}"#;
        const BAD_TOKEN: &str = r#"{"error":{"code":"badtoken","info":"Invalid CSRF token."}}"#;
        // [errors] <https://www.mediawiki.org/wiki/API:Errors_and_warnings>: the code stands in a header, too.
        &[
            Fault::Refuse { status: 429, retry_after_s: Some(300) },
            Fault::Decline {
                status: 200,
                json: MAXLAG,
                headers: &[("mediawiki-api-error", "maxlag"), ("retry-after", "5"), ("x-database-lag", "7")],
            },
            Fault::Decline { status: 200, json: READ_ONLY, headers: &[("mediawiki-api-error", "readonly")] },
            Fault::Decline { status: 200, json: RATE_LIMITED, headers: &[("mediawiki-api-error", "ratelimited")] },
            Fault::Decline { status: 200, json: FAULT, headers: &[("mediawiki-api-error", "internal_api_error_DBQueryError")] },
            Fault::Decline { status: 200, json: LOGGED_OUT, headers: &[("mediawiki-api-error", "assertuserfailed")] },
            Fault::Decline { status: 200, json: BAD_TOKEN, headers: &[("mediawiki-api-error", "badtoken")] },
        ]
    }

    fn expires_token(&self) {
        done(self.wiki.expire_sessions()).expect("sessions can be ended");
    }

    fn limits(&self, time: Duration) {
        let mut held = self.time.lock().expect("no panic");
        held.limited_until = held.now + time;
        let refusals = [Refusal::RateLimited, Refusal::ReadOnly, Refusal::Lagged];
        self.gateway.refuse(Some(refusals[held.limits % refusals.len()]));
        held.limits += 1;
    }

    fn calls_over_limit(&self) -> u64 {
        self.gateway.refused()
    }

    fn cannot(promise: Promise) -> Option<&'static str> {
        match promise {
            Promise::Edits => Some("An edit does not say whose words it changed"),
            Promise::Headroom => Some("No answer says what is left under a limit"),
            Promise::Disorder => Some("An edit of a page that was deleted before it was read is gone"),
            Promise::LongIds => Some("Revisions have numbers of 32 bits"),
            Promise::Rechecks => Some("The log tells of every deletion"),
            Promise::Posts | Promise::Asking | Promise::Tokens => None,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_asked_is_answered_however_long_the_wiki_takes_no_edits() {
    let desk = Desk::<StandInTalkPages>::answering().await;
    // By each of the wiki's ways in turn.
    for effect in 1..=3 {
        let thing = desk.network.asks("Ada", "Perché?");
        desk.network.limits(Duration::from_secs(12 * 60 * 60));
        let refused = desk.network.calls_over_limit();
        for _ in 0..12 * 12 {
            desk.running.calls_end().await;
            desk.advance(Duration::from_secs(5 * 60));
            desk.running.works(MOMENT).await;
        }
        assert!(desk.network.calls_over_limit() > refused + 20, "it was tried all the time");
        desk.deliver().await;
        desk.until_effect(effect, EffectState::Done).await;
        assert_eq!(desk.network.answers_to(&thing).len(), 1);
    }
    desk.stop().await;
}
