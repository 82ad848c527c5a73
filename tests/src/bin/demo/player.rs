//! Plays the scenario: people act on the platforms, the networks deliver in their own disorder, and now and then something breaks.

mod second_thoughts;
mod speaking;
mod trouble;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use sportello_tests::networks::Network;
use sportello_tests::stand_ins::DeliveryPlan;

use crate::Problem;
use crate::cast::{Actor, Turns};
use crate::host_process::HostProcess;
use crate::ledger::{Deed, Ledger};
use crate::scenario::{Language, Says, Scenario, Scene};
use crate::screen::{Look, Screen};
use crate::stage::Stage;

/// So much longer the host believes a limit to last.
const CLOCKS_DIFFER: Duration = Duration::from_secs(1);
/// Things said between two deliveries.
const BURST: usize = 12;
/// Updates in one delivery: small, so that there are many.
const UPDATES_MAX: usize = 7;
/// Deliveries in a hundred that come twice.
const DUPLICATES_PERCENT: u8 = 15;
/// Deliveries under way at once.
const IN_FLIGHT_MAX: usize = 4;
/// The wiki's talk pages.
const TALK_PAGES: [(Language, &str); 2] = [(Language::It, "Talk:Rete"), (Language::En, "Talk:Network")];

/// The title of the talk page in a language.
pub(crate) fn talk_page(language: Language) -> &'static str {
    TALK_PAGES.iter().find(|(of, _)| *of == language).map_or(TALK_PAGES[0].1, |(_, page)| page)
}

/// Has every network send what waits, in its disorder.
pub(crate) async fn deliver(stage: &Stage) -> Result<(), Problem> {
    let plan = DeliveryPlan {
        updates_max: UPDATES_MAX,
        shuffle: true,
        duplicates_percent: DUPLICATES_PERCENT,
        in_flight_max: IN_FLIGHT_MAX,
        ..DeliveryPlan::default()
    };
    let deliveries = stage.networks.iter().map(|(_, network)| network.deliver(&plan));
    futures_util::future::try_join_all(deliveries).await?;
    Ok(())
}

/// Plays.
pub(crate) struct Player<'play> {
    scenario: &'play Scenario,
    stage: &'play Stage,
    actors: &'play [Actor],
    host: &'play HostProcess,
    screen: &'play Screen,
    /// Scenario seconds in a real one; `None`: no pauses.
    speed: Option<f64>,
    random: fastrand::Rng,
    turns: Turns,
    /// The company's, by channel.
    posts: BTreeMap<&'static str, Vec<String>>,
    /// Who likes, shares or follows what: each once.
    reacted: BTreeSet<(usize, String)>,
    sections: BTreeMap<&'static str, Vec<String>>,
    ledger: Ledger,
}

impl<'play> Player<'play> {
    pub(crate) fn new(
        scenario: &'play Scenario,
        stage: &'play Stage,
        actors: &'play [Actor],
        host: &'play HostProcess,
        screen: &'play Screen,
        speed: Option<f64>,
    ) -> Self {
        Self {
            scenario,
            stage,
            actors,
            host,
            screen,
            speed,
            random: fastrand::Rng::with_seed(scenario.seed),
            turns: Turns::default(),
            posts: BTreeMap::new(),
            reacted: BTreeSet::new(),
            sections: BTreeMap::new(),
            ledger: Ledger::default(),
        }
    }

    /// The whole weekend; gives what was done.
    pub(crate) async fn play(mut self) -> Result<Ledger, Problem> {
        for (number, scene) in self.scenario.scenes.iter().enumerate() {
            let next = self.scenario.scenes.get(number + 1).map(Scene::minute).transpose()?;
            let minutes = next.map_or(60, |next| next.saturating_sub(scene.minute().unwrap_or(next)));
            self.play_scene(number, scene, minutes).await?;
        }
        self.somebody_asks_to_be_forgotten().await?;
        Ok(self.ledger)
    }

    async fn play_scene(&mut self, number: usize, scene: &Scene, minutes: u64) -> Result<(), Problem> {
        self.screen.say(&format!("{}  {}", self.screen.look(&scene.at, Look::Bold), scene.title));
        let began = Instant::now();
        for post in &scene.posts {
            self.post(post);
        }
        self.deliver().await?;
        let mut limited = None;
        for (channel, trouble) in scene.all_trouble() {
            if let Some(time) = self.make_trouble(channel, trouble).await? {
                limited = Some((Instant::now() + time, time + CLOCKS_DIFFER));
            }
        }

        let mut said: Vec<Says> = scene.says.iter().flat_map(|says| std::iter::repeat_n(Says { count: 1, ..*says }, says.count)).collect();
        self.random.shuffle(&mut said);
        let bursts = said.len().div_ceil(BURST).max(1);
        let pause = self.speed.map(|speed| Duration::from_secs_f64(minutes as f64 * 60.0 / speed / bursts as f64));
        for burst in said.chunks(BURST) {
            for says in burst {
                self.say(number, *says).await?;
            }
            // Half of the second thoughts leave together with what they are about, so that some come first.
            for (channel, then) in scene.what_follows() {
                self.think_again(channel, number, then.edits.div_ceil(2 * bursts), then.removals.div_ceil(2 * bursts))?;
            }
            self.deliver().await?;
            self.rest(pause).await?;
        }
        for (channel, then) in scene.what_follows() {
            self.go_on(channel, number, then)?;
        }
        self.deliver().await?;
        if let Some((until, told_to_wait)) = limited {
            self.rest(until.checked_duration_since(Instant::now())).await?;
            // Whoever was refused at its end was told to wait as long again, reads as well as writes.
            self.rest(Some(told_to_wait)).await?;
        }
        self.report(began).await
    }

    /// The company posts the same on every network.
    fn post(&mut self, text: &str) {
        for (channel, network) in &self.stage.networks {
            let id = network.post(text);
            if network.tells_own_posts() {
                self.ledger.note(channel, id.clone(), Deed::Created);
                self.ledger.own_posts += 1;
            }
            self.posts.entry(*channel).or_default().push(id);
        }
    }

    fn network(&self, channel: &str) -> Result<&'play Network, Problem> {
        self.stage.network(channel)
    }

    async fn deliver(&self) -> Result<(), Problem> {
        deliver(self.stage).await
    }

    /// Lets time pass; the echoes of our own answers are delivered meanwhile.
    async fn rest(&self, pause: Option<Duration>) -> Result<(), Problem> {
        let Some(pause) = pause else { return Ok(()) };
        let until = Instant::now() + pause;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            tokio::time::sleep(left.min(Duration::from_millis(250))).await;
            self.deliver().await?;
        }
        Ok(())
    }

    async fn report(&self, began: Instant) -> Result<(), Problem> {
        let metrics = self.host.metrics().await?;
        let answers: Vec<String> =
            self.stage.networks.iter().map(|(_, network)| format!("{} on {}", network.replies().len(), network.name())).collect();
        let line = format!(
            "           {:>4} done by people · {:>4} taken in · answers: {} · {:>3} effects done · {:.1} s",
            self.ledger.done.len() - self.ledger.own_posts,
            metrics.sum("sportello_interactions_total", &[]),
            answers.join(", "),
            metrics.sum("sportello_effect_attempts_total", &["outcome=\"done\""]),
            began.elapsed().as_secs_f64(),
        );
        self.screen.say(&self.screen.look(&line, Look::Faint));
        Ok(())
    }
}
