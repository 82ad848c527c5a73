//! People act, what waits is delivered, and now and then something breaks.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sportello_tests::crowd::{Act, Crowd};
use sportello_tests::networks::Network;
use sportello_tests::stand_ins::{DeliveryPlan, Fault, FaultHandle};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::Problem;
use crate::arguments::Arguments;

/// How often is delivered while nobody acts.
const DELIVER_EVERY: Duration = Duration::from_millis(250);
/// Pause between two tries to register.
const REGISTER_EVERY: Duration = Duration::from_secs(1);
/// How often the network's clock is moved on at the end, until it has given up or been answered: LinkedIn tries every five minutes for eight
/// hours.
const ROUNDS_MAX: usize = 120;
/// Updates in one delivery at most: several deliveries show more than one does.
const UPDATES_MAX: usize = 10;
const IN_FLIGHT_MAX: usize = 4;

/// What was played.
#[derive(Debug, Default)]
pub(crate) struct Played {
    /// How often what was done.
    pub(crate) acts: BTreeMap<Act, u64>,
    /// How often nothing could be delivered because the webhook did not prove itself.
    pub(crate) challenges_missed: u64,
    /// Calls that met trouble which was asked for.
    pub(crate) troubled: usize,
    /// Whether it was ended before everything was delivered: what is under way is not lost yet.
    pub(crate) is_interrupted: bool,
}

/// Ctrl-C, or a polite kill.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn new() -> Result<Self, Problem> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Waits for so long; whether it was told to stop meanwhile.
    async fn within(&mut self, time: Duration) -> bool {
        tokio::select! {
            _ = self.interrupt.recv() => true,
            _ = self.terminate.recv() => true,
            () = tokio::time::sleep(time) => false,
        }
    }
}

/// Plays until the acts are done, or until it is told to stop.
pub(crate) async fn play(arguments: &Arguments, network: &Network) -> Result<Played, Problem> {
    let mut stop = Stop::new()?;
    let mut played = Played::default();
    network.faults().at_random(arguments.fault_share, arguments.seed, &[]);
    let Some(url) = &arguments.webhook else {
        while !stop.within(Duration::from_secs(3600)).await {}
        return Ok(Played { is_interrupted: true, ..played });
    };
    if !register(arguments, network, url, &mut stop).await? {
        return Ok(Played { is_interrupted: true, ..played });
    }

    let mut crowd = Crowd::gather(network, arguments.people, arguments.seed);
    let mut random = fastrand::Rng::with_seed(arguments.seed);
    let plan = DeliveryPlan {
        updates_max: UPDATES_MAX,
        shuffle: arguments.shuffle,
        duplicates_percent: arguments.duplicates,
        late_duplicates_percent: arguments.duplicates,
        in_flight_max: IN_FLIGHT_MAX,
        ..DeliveryPlan::default()
    };
    let mut limits: Vec<FaultHandle> = Vec::new();
    let mut left = arguments.acts.unwrap_or(u64::MAX);
    while left > 0 {
        left -= 1;
        *played.acts.entry(crowd.act()).or_default() += 1;
        if random.u8(0..100) < arguments.fault_share {
            limits.push(network.faults().arm(Fault::Refuse { status: 429, retry_after_s: Some(1) }, &[], 1));
        }
        deliver(network, &plan, &mut played).await;
        if stop.within(arguments.every).await {
            played.is_interrupted = true;
            break;
        }
    }
    played.troubled = network.faults().struck_at_random() + limits.iter().map(FaultHandle::count).sum::<usize>();
    if played.is_interrupted {
        return Ok(played);
    }
    played.is_interrupted = !finish(arguments, network, &plan, &mut played, &mut stop).await;
    Ok(played)
}

/// Registers the webhook, as soon as it proves itself; false: told to stop before.
async fn register(arguments: &Arguments, network: &Network, url: &str, stop: &mut Stop) -> Result<bool, Problem> {
    let until = Instant::now() + arguments.register_within;
    loop {
        let Err(error) = network.connect(url).await else {
            if !arguments.json {
                println!("registered {url}: it answered the challenge");
            }
            return Ok(true);
        };
        if Instant::now() >= until {
            return Err(format!("{url} did not prove itself: {error}").into());
        }
        eprintln!("{url} does not prove itself yet: {error}");
        if stop.within(REGISTER_EVERY).await {
            return Ok(false);
        }
    }
}

async fn deliver(network: &Network, plan: &DeliveryPlan, played: &mut Played) {
    if let Err(error) = network.deliver(plan).await {
        played.challenges_missed += 1;
        eprintln!("nothing can be delivered: {error}");
    }
}

/// Nothing breaks any more; answers that are still to come are delivered, and what was refused is repeated until it is taken or given up. False:
/// told to stop before.
async fn finish(arguments: &Arguments, network: &Network, plan: &DeliveryPlan, played: &mut Played, stop: &mut Stop) -> bool {
    network.faults().at_random(0, arguments.seed, &[]);
    network.faults().clear();
    let until = Instant::now() + arguments.linger;
    while Instant::now() < until {
        deliver(network, plan, played).await;
        if stop.within(DELIVER_EVERY).await {
            return false;
        }
    }
    for _ in 0..ROUNDS_MAX {
        deliver(network, plan, played).await;
        if network.counts().updates_pending == 0 {
            break;
        }
        network.advance(network.repeats_after());
        // Told to stop, one still wants to see what is lost.
        if stop.within(Duration::from_millis(1)).await {
            return false;
        }
    }
    true
}
