//! Refresh tokens that work once: traded by the host, kept before use, never used twice.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use contract::{Capture, Encoding, LoginBody, LoginStep, Place, Session};

use super::*;
use crate::outbound::REDACTED;
use crate::vault::VaultKey;

const FIRST: &str = "refresh-token-0";

/// A platform whose refresh tokens work once, and whose access tokens name the number of the refresh that brought them.
#[derive(Clone, Default)]
struct Platform {
    refreshes: Arc<AtomicUsize>,
    /// Refresh tokens that were used before.
    reused: Arc<AtomicUsize>,
    /// Access tokens up to this number have expired.
    expired: Arc<AtomicUsize>,
    /// Whether the answer has another refresh token.
    keeps_refresh_token: bool,
    /// Whether the answer leaves the access token out.
    forgets_access_token: Arc<AtomicBool>,
    expires_in: u64,
    /// Seconds after which refresh tokens end for good; 0: the answer does not say.
    refresh_expires_in: Arc<AtomicUsize>,
}

impl Platform {
    fn answer(&self, seen: &Seen) -> Response<Body> {
        if seen.uri.path() == "/oauth2/token" {
            assert_eq!(seen.header("authorization"), "Basic Y2xpZW50OmNsaWVudC1zZWNyZXQ=");
            let form: HashMap<_, _> = form_urlencoded::parse(&seen.body).into_owned().collect();
            assert_eq!(form["grant_type"], "refresh_token");
            let number = self.refreshes.load(Ordering::SeqCst);
            let expected = if self.keeps_refresh_token { FIRST.to_owned() } else { format!("refresh-token-{number}") };
            if form["refresh_token"] != expected {
                self.reused.fetch_add(1, Ordering::SeqCst);
                return status(400, format!("what is {}?", form["refresh_token"]));
            }
            self.refreshes.store(number + 1, Ordering::SeqCst);
            let mut answer =
                json!({"access_token": format!("access-token-{}", number + 1), "expires_in": self.expires_in, "token_type": "bearer"});
            if !self.keeps_refresh_token {
                answer["refresh_token"] = json!(format!("refresh-token-{}", number + 1));
            }
            match self.refresh_expires_in.load(Ordering::SeqCst) {
                0 => {}
                seconds => answer["refresh_token_expires_in"] = json!(seconds),
            }
            if self.forgets_access_token.load(Ordering::SeqCst) {
                answer.as_object_mut().unwrap().remove("access_token");
            }
            return answer_json(&answer);
        }
        let token = seen.header("authorization").strip_prefix("Bearer access-token-").and_then(|number| number.parse::<usize>().ok());
        match token {
            Some(number) if number > self.expired.load(Ordering::SeqCst) => {
                ok(format!("{} saw {}", seen.header("authorization"), seen.uri))
            }
            _ => status(401, "unauthorized"),
        }
    }
}

/// A vault in memory that can fail.
#[derive(Default)]
struct MemoryVault {
    kept: Mutex<BTreeMap<VaultKey, (Secret, Option<Timestamp>)>>,
    fails_to_read: AtomicBool,
    fails_to_keep: AtomicBool,
}

impl Vault for MemoryVault {
    fn read(&self, key: VaultKey) -> Result<Option<Secret>, String> {
        if self.fails_to_read.load(Ordering::SeqCst) {
            return Err("the disk is full".to_owned());
        }
        Ok(self.kept.lock().unwrap().get(&key).map(|(value, _)| value.clone()))
    }

    fn ends_at(&self, key: VaultKey) -> Option<Timestamp> {
        self.kept.lock().unwrap().get(&key)?.1
    }

    fn keep(&self, key: VaultKey, value: &Secret, ends_at: Option<Timestamp>) -> Result<(), String> {
        // As the real one: remembered, but not durable.
        self.kept.lock().unwrap().insert(key, (value.clone(), ends_at));
        if self.fails_to_keep.load(Ordering::SeqCst) { Err("the disk is full".to_owned()) } else { Ok(()) }
    }
}

fn refreshed(server: &Server) -> Credential {
    let basic = placement(Place::Header("authorization".into()), "Basic ", "${client-id}:${client-secret}", Encoding::Base64);
    let capture = |name: &str, pointer: &str| Capture { name: name.into(), pointer: pointer.into() };
    let step = LoginStep {
        method: "POST".into(),
        path: "/oauth2/token".into(),
        placements: vec![basic],
        body: LoginBody::Form(vec![("grant_type".into(), "refresh_token".into()), ("refresh_token".into(), "${refresh-token}".into())]),
        captures: vec![
            capture("access-token", "/access_token"),
            capture("expires-in", "/expires_in"),
            capture("refresh-token", "/refresh_token"),
            capture("refresh-token-expires-in", "/refresh_token_expires_in"),
        ],
        expect: Vec::new(),
    };
    Credential {
        placements: vec![placement(Place::Header("authorization".into()), "Bearer ", "${access-token}", Encoding::Plain)],
        session: Some(Session {
            origin: None,
            steps: vec![step],
            cookies: false,
            lifetime_seconds: 0,
            lifetime_capture: Some("expires-in".into()),
            rotates: vec!["refresh-token".into()],
            rotation_lifetime_capture: Some("refresh-token-expires-in".into()),
            retry_at_header: None,
        }),
        ..credential(server, &["client-id", "client-secret", "refresh-token"])
    }
}

async fn platform(platform: Platform) -> (Platform, Server, Setup, Arc<MemoryVault>) {
    let answering = platform.clone();
    let server = Server::start(move |seen| answering.answer(seen)).await;
    let vault = Arc::new(MemoryVault::default());
    let mut setup = Setup::for_server(&server).with(refreshed(&server), &["client", "client-secret", FIRST]);
    setup.secrets.get_mut("bot").unwrap().insert("client-id".into(), BoundField::Plain("client".into()));
    setup.vault = Arc::clone(&vault) as Arc<dyn Vault>;
    (platform, server, setup, vault)
}

fn hours(hours: u64) -> Platform {
    Platform { expires_in: hours * 3600, ..Platform::default() }
}

#[tokio::test]
async fn a_token_that_works_once_is_traded_once_for_all_who_wait_on_both_channels() {
    let (platform, server, setup, _) = platform(hours(2)).await;
    let mut other = setup.clone();
    other.channel = "other".into();
    let channels = [setup.build(), other.build()];
    let url = server.url("/read");
    let all = futures_util::future::join_all((0..40).map(|number| get(&channels[number % 2], &url))).await;
    assert!(all.iter().all(|got| got.as_ref().is_ok_and(|got| got.status == 200)), "{all:?}");
    // Two channels, two sessions, and each used what the other left.
    assert_eq!((platform.refreshes.load(Ordering::SeqCst), platform.reused.load(Ordering::SeqCst)), (2, 0));
}

#[tokio::test]
async fn a_restart_goes_on_with_the_newest_token_and_another_first_one_begins_anew() {
    let (platform, server, mut setup, _) = platform(hours(2)).await;
    get(&setup.build(), &server.url("/read")).await.unwrap();
    // A host that starts anew: nothing is left but the vault.
    setup.outbound = outbound(&[]);
    assert_eq!(get(&setup.build(), &server.url("/read")).await.unwrap().status, 200);
    assert_eq!((platform.refreshes.load(Ordering::SeqCst), platform.reused.load(Ordering::SeqCst)), (2, 0));
    // The operator authorised anew: what came of the old one does not matter.
    platform.refreshes.store(77, Ordering::SeqCst);
    setup.secrets.get_mut("bot").unwrap().insert("refresh-token".into(), Secret::new("refresh-token-77").into());
    assert_eq!(get(&setup.build(), &server.url("/read")).await.unwrap().status, 200);
}

#[tokio::test]
async fn an_expired_token_is_refreshed_before_its_end_and_after_a_401() {
    let (platform, server, setup, _) = platform(hours(2)).await;
    let channel = setup.build();
    for (minutes, refreshes) in [(0, 1), (118, 1), (1, 2)] {
        advance(Duration::from_secs(minutes * 60)).await;
        assert_eq!(get(&channel, &server.url("/read")).await.unwrap().status, 200);
        assert_eq!(platform.refreshes.load(Ordering::SeqCst), refreshes, "after {minutes} more minutes");
    }
    assert_eq!(server.count("/read"), 3, "no request met the end");
    platform.expired.store(2, Ordering::SeqCst);
    assert_eq!(get(&channel, &server.url("/read")).await.unwrap().status, 200);
    assert_eq!((platform.refreshes.load(Ordering::SeqCst), platform.reused.load(Ordering::SeqCst)), (3, 0));
}

#[tokio::test]
async fn a_new_refresh_token_is_kept_though_the_rest_of_the_answer_is_of_no_use() {
    let (platform, server, mut setup, _) = platform(hours(2)).await;
    platform.forgets_access_token.store(true, Ordering::SeqCst);
    let text = internal_error(get(&setup.build(), &server.url("/read")).await);
    assert!(text.contains("access-token"), "{text}");
    platform.forgets_access_token.store(false, Ordering::SeqCst);
    // A new process, which has the vault alone.
    setup.outbound = outbound(&[]);
    assert_eq!(get(&setup.build(), &server.url("/read")).await.unwrap().status, 200);
    assert_eq!((platform.refreshes.load(Ordering::SeqCst), platform.reused.load(Ordering::SeqCst)), (2, 0));
}

#[tokio::test]
async fn nothing_is_sent_with_a_token_whose_successor_is_not_kept() {
    let (platform, server, setup, vault) = platform(hours(2)).await;
    let channel = setup.build();
    vault.fails_to_read.store(true, Ordering::SeqCst);
    let text = internal_error(get(&channel, &server.url("/read")).await);
    assert!(text.starts_with("limit: retry after") && text.contains("must be kept first") && text.contains("the disk is full"), "{text}");
    assert_eq!(server.count("/oauth2/token"), 0, "what cannot be kept later is not traded");

    vault.fails_to_read.store(false, Ordering::SeqCst);
    vault.fails_to_keep.store(true, Ordering::SeqCst);
    advance(Duration::from_secs(11)).await;
    let text = internal_error(get(&channel, &server.url("/read")).await);
    assert!(text.contains("the disk is full"), "{text}");
    assert_eq!((server.count("/oauth2/token"), server.count("/read")), (1, 0));

    // Once the disk has room the remembered one is traded, not the one the platform has given up.
    vault.fails_to_keep.store(false, Ordering::SeqCst);
    advance(Duration::from_secs(11)).await;
    assert_eq!(get(&channel, &server.url("/read")).await.unwrap().status, 200);
    assert_eq!((platform.refreshes.load(Ordering::SeqCst), platform.reused.load(Ordering::SeqCst)), (2, 0));
}

#[tokio::test]
async fn a_platform_that_gives_no_new_refresh_token_leaves_the_old_one() {
    let (platform, server, setup, vault) = platform(Platform { keeps_refresh_token: true, ..hours(1) }).await;
    let channel = setup.build();
    for refreshes in 1..=3 {
        assert_eq!(get(&channel, &server.url("/read")).await.unwrap().status, 200);
        assert_eq!(platform.refreshes.load(Ordering::SeqCst), refreshes);
        channel.renew("bot").unwrap();
    }
    assert!(vault.kept.lock().unwrap().is_empty(), "nothing changed, so nothing is kept");
}

#[tokio::test]
async fn when_a_person_must_log_in_again_is_known_from_the_platform_and_after_a_restart() {
    for keeps_refresh_token in [false, true] {
        let (platform, server, mut setup, _) = platform(Platform { keeps_refresh_token, ..hours(2) }).await;
        platform.refresh_expires_in.store(1000, Ordering::SeqCst);
        let channel = setup.build();
        assert_eq!(channel.rotation_ends_at("bot"), None, "nobody was asked yet");
        let before = clock();
        get(&channel, &server.url("/read")).await.unwrap();
        let ends_at = channel.rotation_ends_at("bot").unwrap();
        let after = ends_at.duration_since(before).as_secs();
        assert!((1000..1060).contains(&after), "{after}");

        setup.outbound = outbound(&[]);
        let restarted = setup.build();
        assert_eq!(restarted.rotation_ends_at("bot"), Some(ends_at));
        // An answer that does not say leaves the end of a token that stays; of a new one nothing is known.
        platform.refresh_expires_in.store(0, Ordering::SeqCst);
        get(&restarted, &server.url("/read")).await.unwrap();
        assert_eq!(restarted.rotation_ends_at("bot"), keeps_refresh_token.then_some(ends_at));
    }
}

#[tokio::test]
async fn no_token_old_or_new_is_shown() {
    let (platform, server, setup, _) = platform(hours(2)).await;
    let channel = setup.build();
    let mut call = Call::new(&channel);
    assert_eq!(call.get(&server.url("/read?is=refresh-token-1")).await.unwrap().body, format!("Bearer {REDACTED} saw /read?is={REDACTED}"));
    // The platform refuses a token and repeats it.
    platform.refreshes.store(5, Ordering::SeqCst);
    channel.renew("bot").unwrap();
    let text = internal_error(call.get(&server.url("/read")).await) + &call.notes().concat();
    assert!(text.contains("it answered 400") && !text.contains("refresh-token-1") && !text.contains("client-secret"), "{text}");
    assert_eq!(platform.reused.load(Ordering::SeqCst), 1);
}
