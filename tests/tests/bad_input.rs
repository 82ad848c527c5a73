//! Whatever comes in that should not: refused or set aside, said clearly, and nothing that worked before stops.

use std::time::Duration;

use base64::Engine as _;
use http::Method;
use serde_json::json;
use sportello_core::domain::channel::{CHANNELS, ChannelSettings};
use sportello_core::domain::connector::CONNECTORS;
use sportello_core::domain::delivery::{DELIVERIES, Delivery, DeliveryState};
use sportello_core::domain::interaction::INTERACTIONS;
use sportello_core::ids::{ChannelName, DeliveryId, Digest};
use sportello_server::desk::Desk;
use sportello_server::ingress::webhook::{BODY_BYTES_MAX, CHALLENGES_UNDER_WAY_MAX, DELIVERIES_UNDER_WAY_MAX};
use sportello_tests::canaries::{self, Canaries};
use sportello_tests::guests::{component, guest, with_note};
use sportello_tests::host::{HostPlan, HostProcess, RunningHost, binary};
use sportello_tests::http_client::HttpClient;
use sportello_tests::stand_ins::facebook::{DeliveryPlan, Facebook, Forgery};
use sportello_tests::stand_ins::linkedin::{self, LinkedIn};
use sportello_tests::stand_ins::twitter::{self, Twitter};
use sportello_views::Direction;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

const HOOK: &str = "/hooks/demo/facebook-page";

/// A host with the page, subscribed.
async fn page(folder: &std::path::Path, facebook: &Facebook) -> RunningHost {
    let running = RunningHost::start(folder, &HostPlan::default().facebook_page(facebook, "")).await;
    facebook.subscribe(&running.url(HOOK)).await.unwrap();
    running
}

fn last_sequence(desk: &Desk) -> u64 {
    *desk.tenant.watch_durable().borrow()
}

fn interactions(desk: &Desk) -> usize {
    desk.tenant.list(&INTERACTIONS, &[], None, Direction::Forward, usize::MAX).unwrap().len()
}

fn delivery(desk: &Desk, number: u64) -> Delivery {
    desk.tenant.get(&DELIVERIES, &DeliveryId(number)).unwrap().expect("the delivery was parked")
}

fn channel_name() -> ChannelName {
    ChannelName::new("facebook-page").unwrap()
}

fn granted(desk: &Desk) -> Digest {
    desk.tenant.get(&CHANNELS, &channel_name()).unwrap().unwrap().grant.expect("a component is granted").digest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_delivery_is_refused_counted_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let running = page(folder.path(), &facebook).await;
    let before = last_sequence(&running.desk());
    for forgery in Forgery::ALL {
        let answer = facebook.forge(forgery).await.unwrap();
        assert_eq!(answer.status, 401, "{forgery:?}: {}", answer.text());
        assert!(!answer.text().contains(facebook.app_secret()), "{forgery:?}: the secret is not told");
    }
    assert_eq!(last_sequence(&running.desk()), before, "nothing was recorded");
    assert_eq!(interactions(&running.desk()), 0);
    let counted = format!("outcome=\"Unsigned\"}} {}", Forgery::ALL.len());
    let metrics = running.get("/metrics").await.text();
    assert!(metrics.contains(&counted), "{counted} is not in:\n{metrics}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_is_refused_that_was_signed_by_the_webhooks_own_challenge_or_forged_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let (twitter, linkedin) = (Twitter::start().await.unwrap(), LinkedIn::start().await.unwrap());
    let plan = HostPlan::default().twitter(&twitter, "").linkedin(&linkedin, "");
    let running = RunningHost::start(folder.path(), &plan).await;
    twitter.register_webhook(&running.url("/hooks/demo/twitter")).await.unwrap();
    linkedin.register_webhook(&running.url("/hooks/demo/linkedin")).await.unwrap();
    for forgery in twitter::Forgery::ALL {
        assert_eq!(twitter.forge(forgery).await.unwrap().status, 401, "X: {forgery:?}");
    }
    for forgery in linkedin::Forgery::ALL {
        assert_eq!(linkedin.forge(forgery).await.unwrap().status, 401, "LinkedIn: {forgery:?}");
    }
    assert_eq!(interactions(&running.desk()), 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_over_the_limit_is_refused_and_one_at_the_limit_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let running = page(folder.path(), &facebook).await;
    let before = last_sequence(&running.desk());
    let answer = facebook.send_signed(vec![b' '; BODY_BYTES_MAX + 1]).await.unwrap();
    assert_eq!(answer.status, 413, "{}", answer.text());
    assert_eq!(last_sequence(&running.desk()), before, "nothing was recorded");
    let mut body = json!({"object": "page", "entry": []}).to_string().into_bytes();
    body.resize(BODY_BYTES_MAX, b' ');
    assert_eq!(facebook.send_signed(body).await.unwrap().status, 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_unknown_tenant_or_channel_is_not_found_and_the_live_one_answers() {
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let running = page(folder.path(), &facebook).await;
    let http = HttpClient::default();
    for path in ["/hooks/nobody/facebook-page", "/hooks/demo/no-such-page", "/hooks/demo/..%2f..%2fkeys", "/hooks/demo", "/nothing"] {
        let answer = http.post_json(&running.url(path), &[], &json!({})).await.unwrap();
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
    let put = http.send(Method::PUT, &running.url(HOOK), &[], Default::default()).await.unwrap();
    assert_eq!((put.status, put.header("allow")), (405, "GET,HEAD,POST"), "{}", put.text());
    assert_eq!(running.get("/healthz").await.status, 200);
    let ready = running.get("/readyz").await;
    assert_eq!((ready.status, ready.text().as_str()), (200, "ready\n"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_challenge_is_answered_to_who_knows_the_verify_token_and_to_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let running = page(folder.path(), &facebook).await;
    let before = last_sequence(&running.desk());
    let right = facebook.challenge(&running.url(HOOK), facebook.verify_token(), "4711").await.unwrap();
    assert_eq!((right.status, right.text().as_str()), (200, "4711"));
    let short = &facebook.verify_token()[1..];
    for wrong in ["wrong", "", short] {
        let answer = facebook.challenge(&running.url(HOOK), wrong, "4711").await.unwrap();
        assert_eq!(answer.status, 403, "{wrong:?}");
        assert!(!answer.text().contains("4711"), "{}", answer.text());
    }
    assert_eq!(last_sequence(&running.desk()), before, "a challenge is no event");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_signed_and_unreadable_is_parked_sealed_visible_and_replayed_once_mended() {
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let running = page(folder.path(), &facebook).await;

    // Of no shape at all, and of a shape that makes a parser quote it in its message.
    let secret = canaries::word("parked");
    let looked_for = Canaries::new(&[&secret]);
    let quoted = json!({"object": "page", "entry": &secret}).to_string();
    assert_eq!(facebook.send_signed(format!("\u{0}{secret}{{{{")).await.unwrap().status, 200, "the platform need not send it again");
    assert_eq!(facebook.send_signed(quoted.clone()).await.unwrap().status, 200);
    for number in 1..=2 {
        assert_eq!(delivery(&running.desk(), number).state, DeliveryState::Parked);
    }
    let metrics = running.get("/metrics").await.text();
    assert!(metrics.contains("outcome=\"Parked\"} 2"), "{metrics}");

    let shown = running.ask(Method::GET, "/deliveries", "", "").await;
    assert_eq!(shown.json().unwrap()["items"].as_array().unwrap().len(), 2, "{}", shown.text());
    assert_eq!(looked_for.in_bytes(&shown.body), None, "a list shows no words");
    let words = running.ask(Method::GET, "/deliveries/2", "", "").await.json().unwrap();
    let body = base64::engine::general_purpose::STANDARD.decode(words["content"]["body"].as_str().unwrap()).unwrap();
    assert_eq!(body, quoted.as_bytes(), "an admin sees it as it came");

    let still = running.ask(Method::POST, "/deliveries/2/replay", "", "").await;
    assert_eq!(still.status, 422, "{}", still.text());
    assert_eq!(delivery(&running.desk(), 2).state, DeliveryState::Parked, "what still fails stays");
    running.stop().await;
    assert_eq!(looked_for.below(folder.path()), Vec::<String>::new(), "sealed wherever it is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parked_delivery_is_taken_in_exactly_once_when_the_channel_is_mended() {
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let running = page(folder.path(), &facebook).await;
    let desk = running.desk();
    let name = channel_name();
    let right = desk.tenant.get(&CHANNELS, &name).unwrap().unwrap().settings;
    let wrong = ChannelSettings { settings: right.settings.replace(facebook.page_id(), "1"), ..right.clone() };
    desk.channels.configure("test", &name, wrong).await.unwrap();

    let post = facebook.post(&facebook.page(), "Manutenzione");
    facebook.comment(&facebook.person("Ada"), &post, "Perché?");
    let report = facebook.deliver(&DeliveryPlan::default()).await.unwrap();
    assert_eq!(report.acknowledged, 1, "{report:?}");
    assert_eq!((interactions(&desk), delivery(&desk, 1).state), (0, DeliveryState::Parked));

    desk.channels.configure("test", &name, right).await.unwrap();
    // The host replays what a mended channel left; an operator who asks at the same moment doubles nothing.
    let replayed = running.ask(Method::POST, "/deliveries/1/replay", "", "").await;
    assert!([200, 409].contains(&replayed.status), "{}", replayed.text());
    running.until("the delivery is taken in", |desk| delivery(desk, 1).state == DeliveryState::Replayed).await;
    assert_eq!(interactions(&desk), 2, "once");
    let again = running.ask(Method::POST, "/deliveries/1/replay", "", "").await;
    assert_eq!((again.status, interactions(&desk)), (409, 2), "{}", again.text());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_sent_again_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let running = page(folder.path(), &facebook).await;
    let post = facebook.post(&facebook.page(), "Manutenzione");
    facebook.comment(&facebook.person("Ada"), &post, "Perché?");
    let twice = DeliveryPlan { duplicates_percent: 100, in_flight_max: 2, ..DeliveryPlan::default() };
    let report = facebook.deliver(&twice).await.unwrap();
    assert_eq!((report.posted, report.acknowledged), (2, 2), "{report:?}");
    assert_eq!(interactions(&running.desk()), 2, "the post and the comment, once each");
    let metrics = running.get("/metrics").await.text();
    assert!(metrics.contains("sportello_interaction_duplicates_total{channel=\"facebook-page\"} 2"), "{metrics}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_there_is_no_room_the_platform_is_told_to_come_again_and_nothing_is_lost() {
    const SENDERS: usize = 8;
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let running = page(folder.path(), &facebook).await;
    let desk = running.desk();
    let address = running.url("").replace("http://", "");

    // The last places are taken by senders who go on sending. They keep them for ten seconds at most, and a busy machine would need that to connect all.
    let others = desk.deliveries_under_way.try_acquire_many((DELIVERIES_UNDER_WAY_MAX - SENDERS) as u32).expect("all are free");
    let mut held = Vec::new();
    for _ in 0..SENDERS {
        let mut sender = tokio::net::TcpStream::connect(&address).await.unwrap();
        let head = format!("POST {HOOK} HTTP/1.1\r\nhost: {address}\r\nx-hub-signature-256: sha256=00\r\ncontent-length: 1000\r\n\r\n{{");
        sender.write_all(head.as_bytes()).await.unwrap();
        held.push(sender);
    }
    running.until("every place is taken", |desk| desk.deliveries_under_way.available_permits() == 0).await;

    let nobody = HttpClient::new(Duration::from_secs(20)).send(Method::POST, &running.url(HOOK), &[], "{}".into()).await.unwrap();
    assert_eq!(nobody.status, 401, "who does not even claim to be the platform needs no place: {}", nobody.text());
    facebook.comment(&facebook.person("Ada"), &facebook.post(&facebook.page(), "Manutenzione"), "Perché?");
    let report = facebook.deliver(&DeliveryPlan::default()).await.unwrap();
    assert!(report.refused.get(&503).is_some_and(|refused| *refused >= 1), "{report:?}");
    let answer = facebook.send_signed("{}").await.unwrap();
    assert_eq!((answer.status, answer.header("retry-after")), (503, "2"), "{}", answer.text());
    assert_eq!(interactions(&desk), 0);
    // A platform that asks whether we are there is answered all the same, and has places that nobody can take for long.
    facebook.subscribe(&running.url(HOOK)).await.expect("a challenge needs none of those places");
    let places = u32::try_from(CHALLENGES_UNDER_WAY_MAX).unwrap();
    let taken = desk.challenges_under_way.try_acquire_many(places).expect("all are free again");
    let asked = format!("{}?hub.mode=subscribe&hub.challenge=7", running.url(HOOK));
    let challenged = HttpClient::default().send(Method::GET, &asked, &[], bytes::Bytes::new()).await.unwrap();
    assert_eq!((challenged.status, challenged.header("retry-after")), (503, "2"), "{}", challenged.text());
    drop(taken);

    // One of them proves nothing and sends nothing: its place comes free without its doing.
    let mut silent = held.pop().unwrap();
    drop((held, others));
    let mut said = String::new();
    tokio::time::timeout(Duration::from_secs(20), silent.read_to_string(&mut said)).await.expect("it is not waited for").unwrap();
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");

    facebook.advance(Duration::from_secs(600));
    let report = facebook.deliver_due(1).await.unwrap();
    assert_eq!((report.acknowledged, interactions(&desk)), (1, 2), "{report:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unusable_settings_workflows_and_components_are_explained_and_the_old_ones_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let answer = "name: answer\non: case.opened\nsteps:\n  - reply: \"Caso ${case.number}\"\n";
    let plan = HostPlan::default().facebook_page(&facebook, "poll-seconds = 0").workflow("answer", answer);
    let running = RunningHost::start(folder.path(), &plan).await;
    facebook.subscribe(&running.url(HOOK)).await.unwrap();
    let desk = running.desk();
    let before = last_sequence(&desk);
    let name = channel_name();

    let right = desk.tenant.get(&CHANNELS, &name).unwrap().unwrap().settings;
    let lacking = ChannelSettings { settings: "{}".to_owned(), ..right.clone() };
    let problem = desk.channels.configure("test", &name, lacking).await.unwrap_err().to_string();
    assert!(problem.contains("facebook-page") && problem.contains("page-id"), "{problem}");
    let mut unbound = right.clone();
    unbound.secrets.get_mut("page-token").unwrap().insert("token".to_owned(), "no-such-secret".to_owned());
    let problem = desk.channels.configure("test", &name, unbound).await.unwrap_err().to_string();
    assert!(problem.contains("no-such-secret"), "{problem}");
    let problem = desk.channels.grant("test", &name, Digest([7; 32])).await.unwrap_err().to_string();
    assert!(problem.contains("not installed"), "{problem}");

    let unusable = answer.replace("reply", "replay");
    let refused = running.ask(Method::PUT, "/workflows/answer", "application/yaml", unusable).await;
    assert_eq!(refused.status, 422, "{}", refused.text());
    let problems = refused.json().unwrap()["problems"].clone();
    assert_eq!(problems[0]["line"], 4, "{problems}");
    assert!(problems[0]["message"].as_str().unwrap().contains("reply"), "the nearest name is shown: {problems}");

    for bad in [b"not a component".to_vec(), guest("minimal")[..1000].to_vec(), b"\0asm\x01\0\0\0".to_vec()] {
        let refused = running.ask(Method::POST, "/connectors", "application/wasm", bad).await;
        assert_eq!(refused.status, 422, "{}", refused.text());
    }
    // The test's own token is all that was recorded.
    assert_eq!(last_sequence(&desk), before + 1);

    let post = facebook.post(&facebook.page(), "Manutenzione");
    let comment = facebook.comment(&facebook.person("Ada"), &post, "Perché?");
    facebook.deliver(&DeliveryPlan::default()).await.unwrap();
    running.until("the old workflow answers on the old component", |_| facebook.replies_to(&comment).len() == 1).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_put_into_the_folder_is_installed_without_a_restart_and_live_only_once_granted() {
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let running = page(folder.path(), &facebook).await;
    let desk = running.desk();
    let incoming = folder.path().join("incoming");
    let before = granted(&desk);
    let installed = |desk: &Desk| desk.tenant.list(&CONNECTORS, &[], None, Direction::Forward, usize::MAX).unwrap();
    assert_eq!(installed(&desk).len(), 1);

    std::fs::write(incoming.join("bad.wasm"), b"not a component").unwrap();
    std::fs::write(incoming.join("notes.txt"), b"not a component either").unwrap();
    std::fs::write(incoming.join("new.wasm"), with_note(&guest("facebook"), "dropped")).unwrap();
    running.until("the component is installed", |desk| installed(desk).len() == 2).await;
    assert_eq!(granted(&desk), before, "installed is not live");
    let rows = installed(&desk);
    let new = rows.iter().find(|(key, _)| key[..] != before.0[..]).map(|(key, _)| Digest(key[..].try_into().unwrap())).unwrap();
    desk.channels.grant("test", &channel_name(), new).await.unwrap();
    assert_eq!(granted(&desk), new);
    assert_eq!(core_digest(&desk), new, "calls are made on it");
    facebook.comment(&facebook.person("Ada"), &facebook.post(&facebook.page(), "Manutenzione"), "Perché?");
    facebook.deliver(&DeliveryPlan::default()).await.unwrap();
    assert_eq!(interactions(&desk), 2);
    running.stop().await;
}

fn core_digest(desk: &Desk) -> Digest {
    sportello_server::connectors::core_digest(&desk.channels.get(&channel_name()).unwrap().prepared)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_binary_says_what_is_wrong_with_a_file_and_where() {
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let plan = HostPlan::default().facebook_page(&facebook, "");
    let config = plan.write(folder.path(), "127.0.0.1:0");
    let host = HostProcess::start(&config).await;
    std::fs::write(folder.path().join("incoming/bad.wasm"), b"not a component").unwrap();
    let diagnostics = config.with_extension("diagnostics");
    let said = || std::fs::read_to_string(&diagnostics).unwrap_or_default();
    let saying = async {
        while !said().contains("bad.wasm") {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), saying).await.expect("the bad file is spoken of");
    assert!(said().contains("nothing has changed"), "{}", said());
    facebook.subscribe(&host.url(HOOK)).await.expect("the old component goes on");
    host.stop().await;

    let text = std::fs::read_to_string(&config).unwrap();
    let page_wasm = component("facebook").display().to_string();
    let no_component = folder.path().join("notes.txt");
    std::fs::write(&no_component, "neither: a component\n").unwrap();
    let broken = [
        (text.replace("[listen]", "[listens]"), "listens"),
        (
            text.replace("secrets.app-secret.secret = \"app-secret\"", "secrets.app-secret.secret = \"app-secrets\""),
            "did you mean \"app-secret\"",
        ),
        (text.replace(&page_wasm, "/nowhere/at-all.wasm"), "/nowhere/at-all.wasm"),
        (text.replace(&page_wasm, &no_component.display().to_string()), "notes.txt"),
        (text.replace("page-id = ", "page-ids = "), "page-id"),
        (text.replace("workflows = [\"workflows\"]", "workflows = [\"notes.txt\"]"), "notes.txt:1"),
    ];
    for (broken, named) in broken {
        assert_ne!(broken, text, "the configuration was changed for {named}");
        std::fs::write(&config, broken).unwrap();
        let output = tokio::process::Command::new(binary()).arg("--config").arg(&config).arg("serve").output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains(named), "{named}: {said}");
        assert!(said.contains("sportello.toml") || named.contains(':'), "the place is named: {said}");
    }
    std::fs::write(&config, text).unwrap();
    HostProcess::start(&config).await.stop().await;
}
