//! Who asks by way of a network that what is kept of them be deleted is forgotten, and sees what became of it; nobody is told that something was
//! deleted that was not.

use std::path::Path;

use http::Method;
use serde_json::{Value, json};
use sportello_core::domain::case::CASES;
use sportello_core::domain::effect::{EFFECTS, EffectState};
use sportello_core::ids::EffectId;
use sportello_server::desk::Desk;
use sportello_tests::canaries;
use sportello_tests::host::{HostPlan, PUBLIC_URL, RunningHost};
use sportello_tests::http_client::HttpClient;
use sportello_tests::kept::{nothing_due, openable};
use sportello_tests::stand_ins::facebook::{Facebook, Person};
use sportello_tests::stand_ins::{DeliveryPlan, Fault};
use sportello_views::Direction;

const ANSWER: &str = "name: answer\non: case.opened\nsteps:\n  - reply: \"Caso ${case.number}: ci stiamo lavorando\"\n";

/// A host on Facebook's stand-in.
struct Stage {
    facebook: Facebook,
    running: RunningHost,
    hook: String,
    post: String,
}

impl Stage {
    async fn start(folder: &Path, plan: HostPlan) -> Self {
        let facebook = Facebook::start().await.unwrap();
        let running = RunningHost::start(folder, &plan.facebook_page(&facebook, "poll-seconds = 0")).await;
        let hook = running.url("/hooks/demo/facebook-page");
        facebook.subscribe(&hook).await.unwrap();
        let post = facebook.post(&facebook.page(), "Manutenzione sabato");
        Self { facebook, running, hook, post }
    }

    /// They comment, and the comment is taken in.
    async fn comments(&self, who: &Person, words: &str) {
        self.facebook.comment(who, &self.post, words);
        self.facebook.deliver(&DeliveryPlan::default()).await.unwrap();
    }

    /// They ask Facebook to be deleted, and Facebook asks the host; gives its answer.
    async fn asks_to_be_deleted(&self, who: &Person) -> Value {
        let answer = self.facebook.request_data_deletion(&self.hook, who).await.unwrap();
        self.running.until("what is due is forgotten", nothing_due).await;
        answer
    }

    fn can_be_read(&self, word: &str) -> bool {
        openable(&self.running.desk().tenant).iter().any(|content| content.contains(word))
    }

    fn cases(&self) -> usize {
        self.running.desk().tenant.list(&CASES, &[], None, Direction::Forward, usize::MAX).unwrap().len()
    }

    /// What they are shown who follow the answer.
    async fn shown(&self, answer: &Value, language: &'static str) -> String {
        let path = answer["url"].as_str().unwrap().strip_prefix(PUBLIC_URL).expect("an address people can reach");
        let headers = [("accept-language", language)];
        let shown = HttpClient::default().send(Method::GET, &self.running.url(path), &headers, bytes::Bytes::new()).await.unwrap();
        assert_eq!(shown.status, 200, "{}", shown.text());
        shown.text()
    }
}

fn is_answered(desk: &Desk, effect: u64) -> bool {
    desk.tenant.get(&EFFECTS, &EffectId(effect)).unwrap().is_some_and(|effect| effect.state == EffectState::Done)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_asks_facebook_for_deletion_is_forgotten_and_can_see_when() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(folder.path(), HostPlan::default().workflow("answer", ANSWER)).await;
    let (name, words, others) = (canaries::word("name"), canaries::word("text"), canaries::word("others"));
    let ada = stage.facebook.person(&name);
    stage.comments(&ada, &words).await;
    stage.comments(&stage.facebook.person("Bruno"), &others).await;
    stage.running.until("both are answered", |desk| is_answered(desk, 1) && is_answered(desk, 2)).await;

    let answer = stage.asks_to_be_deleted(&ada).await;
    assert!(!stage.can_be_read(&words) && !stage.can_be_read(&name), "nothing of hers can be read");
    assert!(stage.can_be_read(&others), "Bruno's words stay");
    assert_eq!(stage.cases(), 2, "nobody has to see to it");
    for (language, said) in [("it", "è stato cancellato"), ("en", "has been deleted")] {
        let shown = stage.shown(&answer, language).await;
        assert!(shown.contains(said) && !shown.contains(&name), "{shown}");
    }
    let code = answer["confirmation_code"].as_str().unwrap();
    let unknown = stage.running.url(&format!("/hooks/demo/facebook-page/deletions/{}", "0".repeat(code.len())));
    assert_eq!(HttpClient::default().get(&unknown, &[]).await.unwrap().status, 404);
    // Asked again: the same answer, and nothing to do.
    assert_eq!(stage.asks_to_be_deleted(&ada).await, answer);
    // The codes stand nowhere.
    let journal = folder.path().join("data/tenants/demo/journal");
    let found = std::fs::read_dir(journal).unwrap().any(|file| {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        bytes.windows(code.len()).any(|window| window == code.as_bytes())
    });
    assert!(!found);
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_never_seen_is_told_that_nothing_is_kept_and_not_that_it_was_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(folder.path(), HostPlan::default()).await;
    let words = canaries::word("text");
    stage.comments(&stage.facebook.person("Ada"), &words).await;
    let answer = stage.asks_to_be_deleted(&stage.facebook.person("Nessuno")).await;
    for (language, said, never) in [("it", "Non conserviamo nulla", "è stato cancellato"), ("en", "We keep nothing", "has been deleted")] {
        let shown = stage.shown(&answer, language).await;
        assert!(shown.contains(said) && !shown.contains(never), "{shown}");
    }
    assert!(stage.can_be_read(&words));
    assert_eq!(stage.cases(), 1, "Facebook says that they never had to do with the page");
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_facebook_does_not_match_is_a_persons_case_and_is_not_told_that_anything_was_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(folder.path(), HostPlan::default()).await;
    let words = canaries::word("text");
    let ada = stage.facebook.person("Ada");
    stage.comments(&ada, &words).await;
    // The last one hangs, while Facebook itself waits for its answer.
    let troubles = [Fault::NoAnswer, Fault::Refuse { status: 503, retry_after_s: None }, Fault::BrokenBody, Fault::HoldInVain];
    for (trouble, asked) in troubles.into_iter().zip(1..) {
        let struck = stage.facebook.faults().arm(trouble, &["ids_for_pages"], 1);
        let answer = stage.asks_to_be_deleted(&ada).await;
        let shown = stage.shown(&answer, "en").await;
        assert!(shown.contains("We keep nothing of you under the id") && !shown.contains("has been deleted"), "{trouble:?}: {shown}");
        assert_eq!(struck.count(), 1);
        struck.release();
        assert!(stage.can_be_read(&words), "nothing is deleted by chance");
        assert!(stage.can_be_read(&ada.id_in_the_app), "who sees to it reads which id Facebook gave");
        assert_eq!(stage.cases(), 2, "the case of who asks again is the same: {asked}");
    }
    // She asks once more, and Facebook says who she is.
    let answer = stage.asks_to_be_deleted(&ada).await;
    let shown = stage.shown(&answer, "en").await;
    assert!(!stage.can_be_read(&words) && shown.contains("has been deleted"), "{shown}");
    stage.running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_for_deletion_that_facebook_did_not_sign_deletes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let stage = Stage::start(folder.path(), HostPlan::default()).await;
    let words = canaries::word("text");
    let ada = stage.facebook.person("Ada");
    stage.comments(&ada, &words).await;

    let encode = |bytes: &[u8]| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, bytes);
    let document = encode(json!({"algorithm": "HMAC-SHA256", "issued_at": 1, "user_id": ada.id_in_the_app}).to_string().as_bytes());
    let forged = encode(&[7; 32]);
    let http = HttpClient::default();
    let forgeries =
        [("signed_request", format!("{forged}.{document}")), ("user_id", ada.id_in_the_app.clone()), ("signed_request", document)];
    for (name, value) in &forgeries {
        assert_eq!(http.post_form(&stage.hook, &[(*name, value)]).await.unwrap().status, 401, "{name}: {value}");
    }
    stage.running.until("what is due is forgotten", nothing_due).await;
    assert!(stage.can_be_read(&words));
    stage.running.stop().await;
}
