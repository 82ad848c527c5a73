//! The weekend the network fell: the real binary, a phone company's customers, and platforms that misbehave.
//!
//! | file | what it is |
//! |---|---|
//! | `scenario.rs` | the weekend as data: `examples/demo/scenario.yaml` |
//! | `cast.rs` | who speaks, and by what the CRM knows them |
//! | `stage.rs` | the platforms, and Sportello's configuration against them |
//! | `host_process.rs` | `sportello serve` as a process of its own |
//! | `player.rs`, `player/` | plays the scenes |
//! | `ledger.rs` | what was done, and what is expected to have come of it |
//! | `platforms.rs` | what the platforms hold at the end |
//! | `evidence.rs` | what Sportello holds at the end |
//! | `outcome.rs`, `outcome/` | whether the two agree |

mod cast;
mod evidence;
mod host_process;
mod ledger;
mod outcome;
mod platforms;
mod player;
mod scenario;
mod screen;
mod settle;
mod stage;

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use serde_json::Value;
use tokio::signal::unix::{SignalKind, signal};

use crate::evidence::Evidence;
use crate::host_process::HostProcess;
use crate::ledger::LINKEDIN;
use crate::outcome::{Outcome, Sources};
use crate::platforms::Platforms;
use crate::player::Player;
use crate::screen::{Look, Screen};
use crate::stage::Stage;

/// What went wrong, for a person.
type Problem = Box<dyn std::error::Error + Send + Sync>;

/// The tenant's name.
const TENANT: &str = "demo";
/// Scenario seconds in a real one, for people who watch: the weekend takes about three minutes.
const SPEED_TO_WATCH: f64 = 800.0;
/// How often the networks deliver while somebody looks around.
const ECHO_EVERY: Duration = Duration::from_millis(500);

/// Plays the weekend the network fell against the real binary, and counts at the platforms what came of it.
#[derive(Debug, Parser)]
#[command(name = "demo", max_term_width = 110)]
struct Arguments {
    /// Play to the end without pauses, stop the host, verify its files, and exit 0 only if the outcome is right.
    #[arg(long)]
    once: bool,
    /// Scenario seconds in one real second [default: 800; with --once as fast as it goes].
    #[arg(long, value_name = "N")]
    speed: Option<f64>,
    /// Use the real MediaWiki and Tryton, where they are installed, instead of the stand-ins.
    #[arg(long)]
    real: bool,
    /// Print the outcome as JSON.
    #[arg(long)]
    json: bool,
    /// The binary to run [default: beside this program].
    #[arg(long, env = "SPORTELLO_BINARY", value_name = "FILE")]
    binary: Option<PathBuf>,
    /// Keep the host's files here instead of in a temporary folder. It must be empty or new.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(problem) => {
            eprintln!("demo: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<bool, Problem> {
    let screen = Screen::new();
    let scenario = scenario::read()?;
    let binary = arguments.binary.clone().map_or_else(beside_us, Ok)?;
    let temporary = tempfile::tempdir()?;
    let folder = arguments.folder.clone().unwrap_or_else(|| temporary.path().to_owned());
    std::fs::create_dir_all(&folder)?;

    screen.say(&screen.look(&scenario.title, Look::Bold));
    let stage = Stage::start(&scenario, arguments.real).await?;
    let actors = cast::gather(&scenario, &stage).await?;
    let configuration = stage.plan()?.write(&folder, "127.0.0.1:0");
    let tenant_folder = folder.join("data/tenants").join(TENANT);
    let token = evidence::make_token(TENANT, &tenant_folder).await?;
    let host = HostProcess::start(&binary, &configuration, &folder.join("diagnostics.txt")).await?;
    for (channel, network) in &stage.networks {
        network.connect(&format!("{}/hooks/{TENANT}/{channel}", host.url)).await?;
    }
    let known = actors.iter().filter(|actor| actor.is_recognisable()).count();
    screen.say(&format!(
        "{} people on four networks, {known} of them customers by what a network shows; Sportello at {}\n",
        actors.len(),
        host.url
    ));

    let speed = arguments.speed.or((!arguments.once).then_some(SPEED_TO_WATCH));
    let ledger = Player::new(&scenario, &stage, &actors, &host, &screen, speed).play().await?;
    settle::settle(&stage, &actors, &ledger, &host, &screen).await?;

    let platforms = Platforms::ask(&stage, &actors).await?;
    let metrics = host.metrics().await?;
    let summary = host.ask("/summary", &token).await?;
    let linkedin_channel = host.ask(&format!("/channels/{LINKEDIN}"), &token).await?;
    let judge = async |verified: Option<(bool, Value)>| {
        let evidence = read_evidence(&tenant_folder).await?;
        let (ledger, platforms) = (&ledger, &platforms);
        Outcome::judge(&Sources {
            scenario: &scenario,
            actors: &actors,
            ledger,
            platforms,
            metrics: &metrics,
            summary: &summary,
            linkedin_channel: &linkedin_channel,
            evidence: &evidence,
            verified,
        })
    };
    let outcome = if arguments.once {
        let stopped = host.stop().await?;
        let outcome = judge(Some(stopped.verify().await?)).await?;
        show(arguments, &scenario.title, &outcome);
        outcome
    } else {
        let outcome = judge(None).await?;
        show(arguments, &scenario.title, &outcome);
        stay(&screen, &stage, &host, &folder, &token).await?;
        host.stop().await?;
        outcome
    };
    if !outcome.is_right() && arguments.folder.is_none() {
        let kept = temporary.keep();
        screen.say(&format!("the host's files are kept in {}", kept.display()));
    }
    Ok(outcome.is_right())
}

async fn read_evidence(folder: &Path) -> Result<Evidence, Problem> {
    let folder = folder.to_owned();
    tokio::task::spawn_blocking(move || Evidence::read(TENANT, &folder)).await?
}

fn show(arguments: &Arguments, title: &str, outcome: &Outcome) {
    if arguments.json {
        println!("{}", outcome.json());
    } else {
        println!("{}", outcome.table(title, std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()));
    }
}

/// The host goes on until Ctrl-C, for people who want to look around.
async fn stay(screen: &Screen, stage: &Stage, host: &HostProcess, folder: &Path, token: &str) -> Result<(), Problem> {
    screen.say(&screen.look("Where to look (Ctrl-C ends it)", Look::Bold));
    let get = |path: &str| format!("curl -H 'Authorization: Bearer {token}' {}/api/v1/{TENANT}{path}", host.url);
    screen.say(&format!("  token (admin)  {token}"));
    screen.say(&format!("  at a glance    {}", get("/summary")));
    screen.say(&format!("  angry people   {}", get("'/cases?state=waiting'")));
    screen.say(&format!("  live events    {}", get("/events")));
    screen.say(&format!("  the whole API  {}/api/openapi.json", host.url));
    screen.say(&format!("  metrics        {}/metrics", host.url));
    screen.say(&format!("  configuration  {}", folder.join("sportello.toml").display()));
    screen.say(&format!("  diagnostics    {}", folder.join("diagnostics.txt").display()));
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            () = tokio::time::sleep(ECHO_EVERY) => {}
        }
        // Whoever answers by hand sees the platform's echo of it.
        player::deliver(stage).await?;
    }
}

fn beside_us() -> Result<PathBuf, Problem> {
    let binary = std::env::current_exe()?.with_file_name("sportello");
    if binary.exists() {
        return Ok(binary);
    }
    Err(format!("{} is missing: run `cargo xtask run`, which builds it, or give --binary", binary.display()).into())
}
