//! A connector that tries what connectors must not. The channel's settings choose what it tries; `well-behaved` is there to show that the host
//! still works afterwards. What a try brought is told in the page's cursor, so that a test can look at it.

use std::hint::black_box;
use std::time::{Duration, Instant, SystemTime};

use serde::Deserialize;
use sportello_sdk::{configuration, credentials, diagnostics, http, poll, state, time, webhook, *};

/// Memory the bomb takes before it is content: more than a call's default limit, less than a slot of the pool.
const BOMB_BYTES: usize = 160 << 20;
/// One step of the bomb.
const BOMB_STEP_BYTES: usize = 1 << 20;
/// Length of the one text the giant result consists of.
const ALIASED_BYTES: usize = 1 << 20;
/// How often that text stands in it: fifty times as much as the guest's own memory may be.
const ALIASES: usize = 900;
/// Diagnostics of a flood, and the length of each.
const FLOOD: usize = 20_000;
const FLOOD_BYTES: usize = 10_000;

/// What the operator writes into the channel's settings.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Settings {
    behaviour: Behaviour,
    /// Where the granted origin is; the credential `token` is sent there.
    #[serde(default)]
    granted: String,
    /// Where requests go.
    #[serde(default)]
    target: String,
    /// The folder it is granted.
    #[serde(default)]
    #[expect(dead_code, reason = "the host looks it up; the guest only finds what it is granted")]
    folder: Option<String>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "kebab-case")]
enum Behaviour {
    WellBehaved,
    EndlessLoop,
    HostCallStorm,
    WaitForEver,
    MemoryBomb,
    AliasedGiantResult,
    DeepRecursion,
    Trap,
    Exit,
    DiagnosticsFlood,
    BrokenPromise,
    Request,
    OwnAuthorization,
    FollowRedirect,
    LookAround,
    Folders,
    UseCredentials,
    State,
    ReachOutInCheck,
    /// Looks at the clock before and after a request.
    WatchTheClock,
}

/// The connector.
pub struct Hostile;

impl Description for Hostile {
    type Settings = Settings;

    fn describe() -> Manifest {
        Manifest::channel("hostile", env!("CARGO_PKG_VERSION"), "hostile")
            .summary("Tries what connectors must not")
            .settings_schema(
                r#"{
                    "type": "object",
                    "required": ["behaviour"],
                    "additionalProperties": false,
                    "properties": {
                        "behaviour": {"type": "string"},
                        "granted": {"type": "string"},
                        "target": {"type": "string"},
                        "folder": {"type": "string"}
                    }
                }"#,
            )
            .folder("drop", "/folder")
            .credential(Credential::signing("signing", "signs deliveries"))
            .credential(Credential::bearer("token", "is sent to the granted origin", Origin::setting("/granted")))
            .signature(Signature::hmac_sha256("x-signature", "signing"))
            .action(Action::new("reply", Idempotency::Unsafe))
    }
}

impl Poll for Hostile {
    fn poll(context: &Context<Settings>, _: Option<String>) -> Result<poll::Page, Error> {
        let told = match context.settings.behaviour {
            Behaviour::WellBehaved | Behaviour::ReachOutInCheck => "well".to_owned(),
            Behaviour::EndlessLoop => endless_loop(),
            Behaviour::HostCallStorm => loop {
                black_box(state::get::<String>("anything")?);
            },
            Behaviour::WaitForEver => {
                std::thread::sleep(Duration::from_secs(u64::from(u32::MAX)));
                "woke up".to_owned()
            }
            Behaviour::MemoryBomb => memory_bomb(),
            Behaviour::AliasedGiantResult => return Ok(aliased_giant_result(context)),
            Behaviour::DeepRecursion => recurse(black_box(1), &[0; 64]).to_string(),
            Behaviour::Trap => unreachable!("as asked"),
            Behaviour::Exit => std::process::exit(3),
            Behaviour::DiagnosticsFlood => {
                let message = "€".repeat(FLOOD_BYTES / 3);
                for _ in 0..FLOOD {
                    diagnostics::info!("{message}");
                }
                println!("{message}");
                "flooded".to_owned()
            }
            Behaviour::BrokenPromise => {
                let interaction = Interaction::new("1", "comment", "yesterday", "thread");
                return Ok(poll::Page::new([interaction], None, false));
            }
            Behaviour::Request => tell(http::Request::get(&context.settings.target).send()),
            Behaviour::OwnAuthorization => {
                tell(http::Request::get(&context.settings.target).header("authorization", "Bearer of-my-own").send())
            }
            Behaviour::FollowRedirect => {
                let first = http::Request::get(&context.settings.target).send()?;
                let location = first.header("location").unwrap_or_default().to_owned();
                format!("{}, then {}", first.status, tell(http::Request::get(location).send()))
            }
            Behaviour::WatchTheClock => {
                let before = time::now();
                let answer = http::Request::get(&context.settings.target).send();
                format!("{} {before} {} {}", context.now, time::now(), answer.is_ok())
            }
            Behaviour::LookAround => look_around(context),
            Behaviour::Folders => folders(),
            Behaviour::UseCredentials => use_credentials(context),
            Behaviour::State => {
                state::set("seen", "yes")?;
                format!("{:?}", state::get::<String>("seen")?)
            }
        };
        Ok(poll::Page::new([], Some(told), false))
    }
}

impl Webhook for Hostile {
    fn handle(context: &Context<Settings>, request: &webhook::Request) -> Result<webhook::Outcome, Error> {
        if let Some(code) = request.query_value("code") {
            return Ok(webhook::Outcome::answer(webhook::Response::text(200, code)));
        }
        match request.body.as_slice() {
            b"trap" => unreachable!("as asked"),
            b"wait" => {
                http::Request::get(&context.settings.target).send()?;
                return Ok(webhook::Outcome::new([]));
            }
            said @ (b"counts" | b"counts slowly") => {
                let before: u64 = state::get("count")?.unwrap_or_default();
                if said == b"counts slowly" {
                    http::Request::get(&context.settings.target).send()?;
                }
                state::set("count", &(before + 1))?;
                return Ok(webhook::Outcome::new([]));
            }
            said if said.starts_with(b"says ") => {
                let said = String::from_utf8_lossy(said);
                return Ok(webhook::Outcome::new([Interaction::new(said.clone(), "comment", time::from_seconds(0), said)]));
            }
            _ => {}
        }
        // A challenge that brings interactions, and a delivery that quotes beyond its end.
        let interaction = Interaction::new("1", "comment", time::from_seconds(0), "thread");
        Ok(webhook::Outcome::new([interaction.raw_input(0, 1 << 20)]))
    }
}

impl Publish for Hostile {
    fn publish(_: &Context<Settings>, effect: &Effect) -> Result<Receipt, Error> {
        state::set("published", &effect.key)?;
        Ok(Receipt::new("1"))
    }
}

impl Configuration for Hostile {
    fn check(context: &Context<Settings>) -> Vec<configuration::Problem> {
        let Behaviour::ReachOutInCheck = context.settings.behaviour else { return Vec::new() };
        let answer = tell(http::Request::get(&context.settings.target).send());
        let renewed = credentials::renew("token");
        let signed = credentials::sign("signing", Mac::HmacSha256, b"data");
        let ends = credentials::ends("token", None);
        let message = format!("answer={answer} renewed={renewed:?} signed={signed:?} ends={ends:?}");
        vec![configuration::Problem { pointer: String::new(), line: None, message }]
    }
}

fn endless_loop() -> String {
    let mut number = 0u64;
    while black_box(number) != u64::MAX {
        number = black_box(number.wrapping_add(2));
    }
    number.to_string()
}

fn memory_bomb() -> String {
    let mut held = Vec::new();
    while held.len() * BOMB_STEP_BYTES < BOMB_BYTES {
        held.push(black_box(vec![1u8; BOMB_STEP_BYTES]));
    }
    format!("held {} MiB", (held.len() * BOMB_STEP_BYTES) >> 20)
}

/// A result that is small in the guest and huge in the host: one text, handed over many times.
fn aliased_giant_result(context: &Context<Settings>) -> poll::Page {
    let text = "x".repeat(ALIASED_BYTES).leak();
    let interactions = (0..ALIASES).map(|number| {
        // SAFETY: it is not safe: all these strings own the same memory, and dropping two of them frees it twice. They never are dropped here:
        // handing them to the host gives them up, and the host is to refuse before it asks for anything to be freed.
        let alias = unsafe { String::from_raw_parts(text.as_mut_ptr(), text.len(), text.len()) };
        Interaction::new(number.to_string(), "comment", context.now.clone(), "thread").text(alias)
    });
    poll::Page::new(interactions.collect::<Vec<_>>(), None, false)
}

fn recurse(depth: u64, above: &[u64; 64]) -> u64 {
    let mut own = [depth; 64];
    own[depth as usize % 64] = above[(depth as usize + 1) % 64];
    let below = if black_box(depth) == u64::MAX { 0 } else { recurse(depth + 1, black_box(&own)) };
    below.wrapping_add(black_box(own)[7])
}

fn tell(answer: Result<http::Response, Error>) -> String {
    match answer {
        Ok(response) => {
            let headers: Vec<_> = response.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
            format!("{} {} | {}", response.status, headers.join("; "), String::from_utf8_lossy(&response.body))
        }
        Err(error) => format!("{error:?}"),
    }
}

/// What WASI gives for keys.
#[cfg(target_arch = "wasm32")]
fn secure_random() -> u64 {
    wasip2::random::random::get_random_u64()
}

/// Natively there is no WASI to ask.
#[cfg(not(target_arch = "wasm32"))]
fn secure_random() -> u64 {
    0
}

/// Everything WASI would let a program see of its machine.
fn look_around(context: &Context<Settings>) -> String {
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let first = Instant::now();
    let advanced = Instant::now() > first;
    let hashed = {
        use std::hash::{BuildHasher, RandomState};
        RandomState::new().hash_one(1)
    };
    let files = std::fs::read_dir("/").map_or_else(|error| format!("{:?}", error.kind()), |entries| entries.count().to_string());
    let socket = std::net::TcpStream::connect("127.0.0.1:22").is_err();
    let name = std::net::ToSocketAddrs::to_socket_addrs("localhost:80").is_err();
    format!(
        "{seconds} {advanced} {hashed} {} env={} args={} files={files} socket-refused={socket} name-refused={name} {}",
        secure_random(),
        std::env::vars().count(),
        std::env::args().count(),
        context.now,
    )
}

/// Everything the contract would let a connector find out about a secret.
fn use_credentials(context: &Context<Settings>) -> String {
    let signed =
        credentials::sign("signing", Mac::HmacSha256, b"data").map(|mac| mac.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    format!(
        "signed={signed:?} document={:?} long={:?} token={:?} undeclared={:?} matches={:?}/{:?} renewed={:?} ends={:?} \
         ends-undeclared={:?} ends-some-time={:?} ends-elsewhere={:?} settings={}",
        credentials::sign("signing", Mac::HmacSha256, br#"{"entry":[]}"#),
        credentials::sign("signing", Mac::HmacSha256, &[b'x'; 257]),
        credentials::sign("token", Mac::HmacSha256, b"data"),
        credentials::sign("other", Mac::HmacSha256, b"data"),
        credentials::matches("signing", "wrong"),
        credentials::matches("signing", "the-signing-secret"),
        credentials::renew("token"),
        credentials::ends("token", Some("2026-12-22T10:15:00Z")),
        credentials::ends("other", Some("2026-12-22T10:15:00Z")),
        credentials::ends("token", Some("soon")),
        credentials::ends("token", Some("2026-12-22T10:15:00+01:00")),
        context.settings.granted,
    )
}

export!(Hostile: webhook, poll, publish, configuration);

/// Tries every way out of a folder that may only be read; tells what each try brought.
fn folders() -> String {
    use std::fs;

    let read = |path: &str| fs::read_to_string(path).unwrap_or_else(|_| "denied".to_owned());
    let list = |path: &str| match fs::read_dir(path) {
        Ok(entries) => {
            let mut names: Vec<String> = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
            names.sort();
            names.join("+")
        }
        Err(_) => "denied".to_owned(),
    };
    let changed = |outcome: std::io::Result<()>| if outcome.is_ok() { "done" } else { "denied" };
    format!(
        "list={} read={} above={} link={} root={} host={} write={} append={} make={} remove={} rename={} link-up={}",
        list("/drop"),
        read("/drop/contacts.csv"),
        read("/drop/../secret.txt"),
        read("/drop/way-out"),
        list("/"),
        list("/etc"),
        changed(fs::write("/drop/new.csv", "x")),
        changed(fs::OpenOptions::new().append(true).open("/drop/contacts.csv").map(drop)),
        changed(fs::create_dir("/drop/made")),
        changed(fs::remove_file("/drop/contacts.csv")),
        changed(fs::rename("/drop/contacts.csv", "/drop/other.csv")),
        changed(fs::hard_link("/drop/contacts.csv", "/drop/twin.csv")),
    )
}
