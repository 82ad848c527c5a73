//! Plays the scenario: people act on the platforms, Facebook delivers in its own disorder, and now and then something breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sportello_tests::stand_ins::Fault;
use sportello_tests::stand_ins::facebook::{DeliveryPlan, Forgery, RateLimit};

use crate::Problem;
use crate::cast::{Actor, Turns};
use crate::host_process::HostProcess;
use crate::ledger::{Deed, FACEBOOK, Ledger, Thread, WIKI};
use crate::scenario::{Language, Place, Says, Scenario, Scene, Topic, Trouble};
use crate::screen::{Look, Screen};
use crate::stage::Stage;

/// Things said between two deliveries.
const BURST: usize = 12;
/// Updates in one delivery: small, so that there are many.
const UPDATES_MAX: usize = 7;
/// Deliveries in a hundred that come twice.
const DUPLICATES_PERCENT: u8 = 15;
/// Deliveries under way at once.
const IN_FLIGHT_MAX: usize = 4;
/// What a rate-limited time lasts at least, in real time, however fast the weekend goes by.
const LIMITED_TIME_MIN: Duration = Duration::from_secs(3);
/// Facebook says in whole minutes how long a limit lasts. A shorter one, in a weekend that goes by fast, is told in seconds as a plain 429.
const SHORTEST_TOLD_LIMIT: Duration = Duration::from_secs(60);
/// The wiki's talk pages.
const TALK_PAGES: [(Language, &str); 2] = [(Language::It, "Talk:Rete"), (Language::En, "Talk:Network")];

/// The title of the talk page in a language.
pub(crate) fn talk_page(language: Language) -> &'static str {
    TALK_PAGES.iter().find(|(of, _)| *of == language).map_or(TALK_PAGES[0].1, |(_, page)| page)
}

/// How Facebook sends.
pub(crate) fn delivery_plan() -> DeliveryPlan {
    DeliveryPlan {
        updates_max: UPDATES_MAX,
        shuffle: true,
        duplicates_percent: DUPLICATES_PERCENT,
        in_flight_max: IN_FLIGHT_MAX,
        ..DeliveryPlan::default()
    }
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
    latest_post: Option<String>,
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
            latest_post: None,
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
        // Whatever is still held is let go, and nothing more goes wrong.
        self.stage.facebook.faults().clear();
        Ok(self.ledger)
    }

    async fn play_scene(&mut self, number: usize, scene: &Scene, minutes: u64) -> Result<(), Problem> {
        self.screen.say(&format!("{}  {}", self.screen.look(&scene.at, Look::Bold), scene.title));
        let began = Instant::now();
        for post in &scene.posts {
            let id = self.stage.facebook.post(&self.stage.facebook.page(), post);
            self.ledger.note(FACEBOOK, id.clone(), Deed::Created);
            self.ledger.own_posts += 1;
            self.latest_post = Some(id);
        }
        self.deliver().await?;
        let mut limited_until = None;
        for trouble in &scene.trouble {
            if let Some(time) = self.make_trouble(*trouble).await? {
                limited_until = Some(Instant::now() + time);
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
            self.think_again(number, scene.then.edits.div_ceil(2 * bursts), scene.then.removals.div_ceil(2 * bursts));
            self.deliver().await?;
            self.rest(pause).await?;
        }
        self.go_on(number, scene);
        self.deliver().await?;
        if let Some(until) = limited_until {
            while Instant::now() < until {
                self.rest(Some(Duration::from_millis(200))).await?;
            }
            self.stage.facebook.faults().clear();
        }
        self.report(began).await
    }

    /// One thing is said.
    async fn say(&mut self, scene: usize, says: Says) -> Result<(), Problem> {
        let on_wiki = says.place == Place::Wiki;
        let position = self.turns.next(self.actors, says.language, on_wiki, says.topic)?;
        let actors = self.actors;
        let actor = &actors[position];
        let line = self.pick(&self.scenario.lines[&says.topic][&says.language].clone());
        let text = self.fill(&line, says.language, &actor.name);
        if on_wiki {
            return self.write_on_wiki(scene, says, position, text).await;
        }
        let Some(person) = &actor.facebook else { return Err(format!("{} is not on Facebook", actor.name).into()) };
        let facebook = &self.stage.facebook;
        let opened_at = facebook.now();
        let (key, can_be_followed) = match (says.topic, says.place, &self.latest_post) {
            (Topic::Direct, ..) => (facebook.direct_message(person, &text), false),
            (Topic::Mention, ..) => (facebook.mention(person, &text), false),
            (_, Place::Comment, Some(post)) => (facebook.comment(person, post, &text), true),
            _ => (facebook.post(person, &text), false),
        };
        self.ledger.note(FACEBOOK, key.clone(), Deed::Created);
        // A mention may come without its author, and here does.
        if says.topic != Topic::Mention {
            self.ledger.spoke(FACEBOOK, position);
        }
        // A connector names a private conversation by the other person.
        let key = if says.topic == Topic::Direct { format!("dm:{}", person.id) } else { key };
        if self.ledger.threads.iter().any(|thread| thread.key == key) {
            return Ok(());
        }
        self.open(Thread {
            channel: FACEBOOK,
            key,
            actor: position,
            topic: says.topic,
            language: says.language,
            text,
            can_be_followed,
            opened_at,
            follow_ups: 0,
            edited: false,
            removed: false,
            scene,
        });
        Ok(())
    }

    async fn write_on_wiki(&mut self, scene: usize, says: Says, position: usize, text: String) -> Result<(), Problem> {
        let actors = self.actors;
        let actor = &actors[position];
        let page = talk_page(says.language);
        let template = self.scenario.headings.get(&says.topic).and_then(|headings| headings.get(&says.language));
        let mut heading = template.ok_or_else(|| format!("there is no heading for {:?}", says.topic))?.replace("{name}", &actor.name);
        let sections = self.sections.entry(page).or_default();
        let before = sections.iter().filter(|section| section.starts_with(&heading)).count();
        if before > 0 {
            heading = format!("{heading} ({})", before + 1);
        }
        sections.push(heading.clone());
        let Some(user) = &actor.wiki else { return Err(format!("{} is not on the wiki", actor.name).into()) };
        let edit = user.edit_talk(page, &heading, &text).await?;
        let revision = edit.revision.ok_or("a new section changed nothing")?;
        self.ledger.note(WIKI, format!("rev:{revision}"), Deed::Created);
        self.ledger.spoke(WIKI, position);
        self.open(Thread {
            channel: WIKI,
            key: heading,
            actor: position,
            topic: says.topic,
            language: says.language,
            text,
            can_be_followed: false,
            opened_at: Timestamp::now(),
            follow_ups: 0,
            edited: false,
            removed: false,
            scene,
        });
        Ok(())
    }

    fn open(&mut self, thread: Thread) {
        self.ledger.threads.push(thread);
    }

    /// Some of this scene's speakers change or remove what they said.
    fn think_again(&mut self, scene: usize, edits: usize, removals: usize) {
        for _ in 0..edits {
            let about_the_network = |thread: &Thread| matches!(thread.topic, Topic::Outage | Topic::Anger) && !thread.edited;
            let Some(position) = self.pick_thread(scene, about_the_network) else { break };
            let thread = &mut self.ledger.threads[position];
            let text = format!("{}{}", thread.text, self.scenario.edits[&thread.language]);
            self.stage.facebook.edit(&thread.key, &text);
            thread.edited = true;
            let key = thread.key.clone();
            self.ledger.note(FACEBOOK, key, Deed::Edited);
        }
        for _ in 0..removals {
            let Some(position) = self.pick_thread(scene, |_| true) else { break };
            let thread = &mut self.ledger.threads[position];
            self.stage.facebook.remove(&thread.key);
            thread.removed = true;
            let key = thread.key.clone();
            self.ledger.note(FACEBOOK, key, Deed::Deleted);
        }
    }

    /// What follows in a scene: second thoughts, second words, reactions.
    fn go_on(&mut self, scene_number: usize, scene: &Scene) {
        let of_scene = || self.ledger.threads.iter().filter(|thread| thread.scene == scene_number);
        let edits = scene.then.edits.saturating_sub(of_scene().filter(|thread| thread.edited).count());
        let removals = scene.then.removals.saturating_sub(of_scene().filter(|thread| thread.removed).count());
        self.think_again(scene_number, edits, removals);
        for _ in 0..scene.then.follow_ups {
            let earlier = self.random.usize(0..=scene_number);
            let Some(position) = self.pick_thread(earlier, |_| true).or_else(|| self.pick_thread(scene_number, |_| true)) else { break };
            let words = self.pick(&self.scenario.follow_ups[&self.ledger.threads[position].language].clone());
            let thread = &mut self.ledger.threads[position];
            let Some(person) = &self.actors[thread.actor].facebook else { continue };
            let id = self.stage.facebook.comment(person, &thread.key, &words);
            thread.follow_ups += 1;
            self.ledger.note(FACEBOOK, id, Deed::Created);
        }
        for _ in 0..scene.then.reactions {
            let kind = self.pick(&self.scenario.reactions.clone());
            let Some(position) = self.pick_thread(scene_number, |_| true) else { break };
            let who = self.random.usize(0..self.actors.len());
            let key = self.ledger.threads[position].key.clone();
            let Some(person) = &self.actors[who].facebook else { continue };
            // Somebody has one reaction to a thing: another one would replace it.
            if self.reacted.insert((who, key.clone())) {
                self.stage.facebook.react(person, &key, &kind);
                self.ledger.note(FACEBOOK, format!("reaction:{key}:{}", person.id), Deed::Created);
                self.ledger.spoke(FACEBOOK, who);
            }
        }
    }

    /// A comment thread on Facebook that stands, of one scene.
    fn pick_thread(&mut self, scene: usize, fits: impl Fn(&Thread) -> bool) -> Option<usize> {
        let there = |thread: &Thread| thread.scene == scene && thread.channel == FACEBOOK && thread.can_be_followed && !thread.removed;
        let threads = self.ledger.threads.iter().enumerate();
        let standing: Vec<usize> = threads.filter(|(_, thread)| there(thread) && fits(thread)).map(|(position, _)| position).collect();
        (!standing.is_empty()).then(|| standing[self.random.usize(0..standing.len())])
    }

    /// Something goes wrong; gives how long it lasts, where it is a time and not a number of calls.
    async fn make_trouble(&mut self, trouble: Trouble) -> Result<Option<Duration>, Problem> {
        let facebook = &self.stage.facebook;
        const REPLIES: [&str; 2] = ["POST ", "/comments"];
        let mut lasts = None;
        let told = match trouble {
            Trouble::Forgeries(count) => {
                for number in 0..count {
                    let answer = facebook.forge(Forgery::ALL[number % Forgery::ALL.len()]).await?;
                    self.ledger.forgeries.push(answer.status);
                }
                format!("{count} deliveries with a bad signature")
            }
            Trouble::RateLimit(minutes) => {
                let time = self.speed.map_or(LIMITED_TIME_MIN, |speed| Duration::from_secs_f64(minutes as f64 * 60.0 / speed));
                let time = time.max(LIMITED_TIME_MIN);
                if time >= SHORTEST_TOLD_LIMIT {
                    facebook.limit_rate(RateLimit::BusinessUseCase, time);
                } else {
                    let retry_after_s = u32::try_from(time.as_secs()).ok();
                    facebook.faults().arm(Fault::Refuse { status: 429, retry_after_s }, &REPLIES, usize::MAX);
                }
                lasts = Some(time);
                format!("Facebook takes no more answers for {minutes} minutes ({} s here)", time.as_secs())
            }
            Trouble::LostAnswers(count) => {
                for number in 0..count {
                    let fault = if number % 2 == 0 { Fault::RefuseAfterEffect { status: 502 } } else { Fault::BrokenBody };
                    facebook.faults().arm(fault, &REPLIES, 1);
                }
                format!("Facebook posts {count} answers and loses the receipt")
            }
            Trouble::ServerErrors(count) => {
                facebook.faults().arm(Fault::Refuse { status: 503, retry_after_s: None }, &REPLIES, count);
                format!("Facebook fails {count} times (503)")
            }
            Trouble::TimeOuts(count) => match &self.stage.crm_faults {
                Some(faults) => {
                    faults.arm(Fault::HoldAfter, &["model.ir.note.create"], count);
                    format!("the CRM writes {count} activities and does not answer in time")
                }
                None => "(the real CRM answers in time)".to_owned(),
            },
            Trouble::UnknownField => {
                facebook.unknown_field();
                self.ledger.note(FACEBOOK, None, Deed::Created);
                "an update of a kind nobody has documented".to_owned()
            }
            Trouble::WikiSessionsEnd => {
                self.stage.wiki.expire_sessions().await?;
                "the wiki forgets who the bot is".to_owned()
            }
            Trouble::CrmSessionsEnd => {
                self.stage.crm.expire_sessions().await?;
                "the CRM ends all sessions".to_owned()
            }
        };
        self.screen.say(&self.screen.look(&format!("           ! {told}"), Look::Faint));
        Ok(lasts)
    }

    async fn deliver(&self) -> Result<(), Problem> {
        self.stage.facebook.deliver(&delivery_plan()).await?;
        Ok(())
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
        let line = format!(
            "           {:>4} done by people · {:>4} taken in · {:>3} answers on Facebook · {:>3} effects done · {:.1} s",
            self.ledger.done.len(),
            metrics.sum("sportello_interactions_total", &[]),
            self.stage.facebook.replies().len(),
            metrics.sum("sportello_effect_attempts_total", &["outcome=\"done\""]),
            began.elapsed().as_secs_f64(),
        );
        self.screen.say(&self.screen.look(&line, Look::Faint));
        Ok(())
    }

    fn pick(&mut self, choices: &[String]) -> String {
        if choices.is_empty() { String::new() } else { choices[self.random.usize(0..choices.len())].clone() }
    }

    /// Puts words into a line, with a capital letter where a sentence begins.
    fn fill(&mut self, line: &str, language: Language, name: &str) -> String {
        let mut text = line.replace("{name}", name);
        let scenario = self.scenario;
        for (slot, words) in &scenario.words {
            let choices = words.get(&language).map(Vec::as_slice).unwrap_or_default();
            let word = self.pick(choices);
            text = text.replace(&format!("{{{slot}}}"), &word);
        }
        capitalised(&text)
    }
}

fn capitalised(text: &str) -> String {
    let mut begins = true;
    let mut written = String::with_capacity(text.len());
    for letter in text.chars() {
        if begins && letter.is_alphabetic() {
            written.extend(letter.to_uppercase());
            begins = false;
        } else {
            written.push(letter);
            begins = match letter {
                '.' | '!' | '?' => true,
                ' ' => begins,
                _ => false,
            };
        }
    }
    written
}
