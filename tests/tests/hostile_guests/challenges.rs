//! Challenges have slots of their own, a share of them for each channel: neither they nor deliveries stand in each other's way.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use sportello_runtime::contract::{ConnectorError, WebhookOutcome, WebhookRequest};
use sportello_runtime::limits::EngineLimits;
use sportello_runtime::{CallFailure, Channel, Done, Runtime, RuntimeOptions, Slots};
use tempfile::TempDir;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::house::{House, call, poll, told};

/// Longer than any of these tests.
const LONG: Duration = Duration::from_secs(60);

type Answers = Result<Done<Vec<Result<WebhookOutcome, ConnectorError>>>, CallFailure>;

/// A server on loopback that answers requests only when it is told to.
struct Gate {
    origin: String,
    asked: watch::Receiver<usize>,
    open: Arc<Semaphore>,
}

impl Gate {
    async fn start() -> Self {
        let (asks, asked) = watch::channel(0);
        let open = Arc::new(Semaphore::new(0));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(wait).with_state((asks, Arc::clone(&open)));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { origin, asked, open }
    }

    /// Waits until it was asked so often, since it is there.
    async fn was_asked(&self, times: usize) {
        let mut asked = self.asked.clone();
        tokio::time::timeout(LONG, asked.wait_for(|asked| *asked == times)).await.expect("guests ask").unwrap();
    }

    /// Lets so many requests through.
    fn let_through(&self, requests: usize) {
        self.open.add_permits(requests);
    }
}

async fn wait(State((asks, open)): State<(watch::Sender<usize>, Arc<Semaphore>)>) {
    asks.send_modify(|asked| *asked += 1);
    open.acquire().await.unwrap().forget();
}

fn limits() -> EngineLimits {
    EngineLimits { calls_max: 4, slot_wait_max: Duration::from_millis(200), ..EngineLimits::default() }
}

/// A house whose connector is compiled once for all its channels, and where that is kept.
fn house(limits: EngineLimits) -> (House, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let slots = limits.calls_max as usize;
    let compiled_folder = Some(folder.path().to_owned());
    let runtime = Runtime::new(RuntimeOptions { limits, compiled_folder, ..RuntimeOptions::default() }).unwrap();
    (House { runtime, slots }, folder)
}

/// A channel whose guests wait at the gate where a request asks for it.
async fn channel(house: &House, number: usize, gate: &Gate) -> Channel {
    let settings = serde_json::json!({ "behaviour": "well-behaved", "granted": gate.origin, "target": gate.origin });
    let configured = house.configured("well-behaved", |options| {
        options.name = format!("channel-{number}");
        options.settings = settings;
        options.granted_origins = vec![gate.origin.clone()];
        options.allow_private_network = true;
        options.limits.wall_max = LONG;
    });
    configured.await.unwrap()
}

async fn channels(house: &House, count: usize, gate: &Gate) -> Vec<Channel> {
    let mut channels = Vec::new();
    for number in 0..count {
        channels.push(channel(house, number, gate).await);
    }
    channels
}

fn request(method: &str, query: &[(&str, &str)], body: &str) -> WebhookRequest {
    let query = query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    WebhookRequest { method: method.into(), query, headers: vec![], body: body.into() }
}

/// Has a challenge come whose guest waits at the gate.
fn challenge_slowly(waiting: &mut JoinSet<Answers>, channel: &Channel) {
    let channel = channel.clone();
    waiting.spawn(async move { channel.challenge(call(), &request("GET", &[], "wait")).await });
}

/// Has a delivery come whose guest waits at the gate.
fn deliver_slowly(waiting: &mut JoinSet<Answers>, channel: &Channel) {
    let channel = channel.clone();
    waiting.spawn(async move { channel.webhook(call(), &[request("POST", &[], "wait")]).await });
}

/// Has one challenge answered at once.
async fn challenged(channel: &Channel) -> Result<String, CallFailure> {
    let done = channel.challenge(call(), &request("GET", &[("code", "47")], "")).await?;
    let outcome = done.value.into_iter().next().unwrap().unwrap();
    Ok(String::from_utf8(outcome.response.unwrap().body).unwrap())
}

async fn all_end_well(mut waiting: JoinSet<Answers>) {
    while let Some(answer) = waiting.join_next().await {
        answer.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_challenge_more_than_a_channel_answers_is_busy_and_takes_nothing_from_the_others() {
    let limits = limits();
    let share = limits.channel_challenges_max as usize;
    let ((house, _folder), gate) = (house(limits), Gate::start().await);
    let (slow, other) = (channel(&house, 1, &gate).await, channel(&house, 2, &gate).await);
    // The second time in places that came back when their calls ended.
    for time in 1..=2 {
        let mut waiting = JoinSet::new();
        (0..share).for_each(|_| challenge_slowly(&mut waiting, &slow));
        gate.was_asked(share * time).await;
        let failure = challenged(&slow).await.unwrap_err();
        assert!(
            matches!(failure, CallFailure::Busy { slots: Slots::ChannelChallenges(count), .. } if count as usize == share),
            "{failure}"
        );
        assert!(failure.to_string().contains("raise channel_challenges_max"), "{failure}");
        assert!(failure.nothing_started() && failure.retry_after().is_some(), "{failure}");
        assert_eq!(challenged(&other).await.unwrap(), "47");
        assert_eq!(told(&poll(&slow).await.unwrap()), "well", "what is no challenge does not wait for them");
        gate.let_through(share);
        all_end_well(waiting).await;
    }
    house.still_serves().await;
}

#[tokio::test]
async fn challenges_given_up_give_their_places_back() {
    let limits = limits();
    let share = limits.channel_challenges_max as usize;
    let ((house, _folder), gate) = (house(limits), Gate::start().await);
    let slow = channel(&house, 1, &gate).await;
    for time in 1..=3 {
        let mut waiting = JoinSet::new();
        (0..share).for_each(|_| challenge_slowly(&mut waiting, &slow));
        gate.was_asked(share * time).await;
        waiting.shutdown().await;
        assert_eq!(slow.in_flight(), 0);
    }
    assert_eq!(challenged(&slow).await.unwrap(), "47");
    house.still_serves().await;
}

#[tokio::test]
async fn a_challenge_more_than_there_are_slots_for_is_busy_whichever_channel_it_is_of() {
    let limits = limits();
    let (all, share) = (limits.challenges_max as usize, limits.channel_challenges_max as usize);
    let ((house, _folder), gate) = (house(limits), Gate::start().await);
    let channels = channels(&house, all / share, &gate).await;
    let another = channel(&house, all, &gate).await;
    // The second time in places that came back.
    for time in 1..=2 {
        let mut waiting = JoinSet::new();
        for channel in &channels {
            (0..share).for_each(|_| challenge_slowly(&mut waiting, channel));
        }
        gate.was_asked(all * time).await;
        let failure = challenged(&another).await.unwrap_err();
        assert!(matches!(failure, CallFailure::Busy { slots: Slots::Challenges(count), .. } if count as usize == all), "{failure}");
        assert!(failure.to_string().contains("raise challenges_max"), "{failure}");
        gate.let_through(1);
        waiting.join_next().await.unwrap().unwrap().unwrap();
        assert_eq!(challenged(&another).await.unwrap(), "47");
        gate.let_through(all - 1);
        all_end_well(waiting).await;
    }
    house.still_serves().await;
}

#[tokio::test]
async fn deliveries_and_challenges_that_take_all_their_slots_leave_each_other_theirs() {
    let limits = limits();
    let (calls, all, share) = (limits.calls_max as usize, limits.challenges_max as usize, limits.channel_challenges_max as usize);
    let ((house, _folder), gate) = (house(limits), Gate::start().await);
    let channels = channels(&house, all / share, &gate).await;
    let busy = channel(&house, all, &gate).await;

    let mut challenging = JoinSet::new();
    for channel in &channels {
        (0..share).for_each(|_| challenge_slowly(&mut challenging, channel));
    }
    gate.was_asked(all).await;
    assert_eq!(house.runtime.free_slots(), calls, "challenges took slots that are not theirs");

    // All of them at once: who has a place has a guest.
    let mut delivering = JoinSet::new();
    (0..calls).for_each(|_| deliver_slowly(&mut delivering, &busy));
    gate.was_asked(all + calls).await;
    assert_eq!(house.runtime.free_slots(), 0);
    let failure = poll(&busy).await.unwrap_err();
    assert!(matches!(failure, CallFailure::Busy { slots: Slots::Channel(count), .. } if count as usize == calls), "{failure}");

    // Deliveries alone are left, and the same channel's challenges do not wait for them.
    challenging.shutdown().await;
    assert_eq!(challenged(&busy).await.unwrap(), "47");
    delivering.shutdown().await;
    busy.drained().await;
    house.still_serves().await;
}
