//! What every platform's webhook sender does: it keeps what must be sent, posts it, repeats what was not acknowledged, and keeps the books.
//!
//! A platform brings its [`Rules`] and says, as a [`Sender`], how one body is signed and posted. Time is the platform's own, never the wall
//! clock's.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::ops::RangeInclusive;

use bytes::Bytes;
use futures_util::StreamExt;
use jiff::{SignedDuration, Timestamp};

use crate::error::{Error, Result};
use crate::http_client::Answer;

/// How waiting updates are sent.
#[derive(Debug, Clone)]
pub struct DeliveryPlan {
    /// Updates in one POST: at least 1, at most what the platform puts into one.
    pub updates_max: usize,
    /// Whether updates leave in another order than they were made.
    pub shuffle: bool,
    /// Whether the last update made leaves first.
    pub reverse: bool,
    /// How many POSTs in a hundred are made twice, one right behind the other, although the first was acknowledged.
    pub duplicates_percent: u8,
    /// How many POSTs in a hundred come once more although they were acknowledged, when others have gone by: at one of the times at which the platform
    /// repeats, as it does where an acknowledgement did not reach it.
    pub late_duplicates_percent: u8,
    /// POSTs under way at the same time.
    pub in_flight_max: usize,
}

impl Default for DeliveryPlan {
    fn default() -> Self {
        Self {
            updates_max: usize::MAX,
            shuffle: false,
            reverse: false,
            duplicates_percent: 0,
            late_duplicates_percent: 0,
            in_flight_max: 1,
        }
    }
}

impl DeliveryPlan {
    /// The updates in the order they leave, divided into what one POST carries.
    pub(crate) fn batches<Update: Clone>(
        &self,
        mut updates: Vec<Update>,
        updates_max: usize,
        random: &mut fastrand::Rng,
    ) -> Vec<Vec<Update>> {
        if self.shuffle {
            random.shuffle(&mut updates);
        } else if self.reverse {
            updates.reverse();
        }
        updates.chunks(self.updates_max.clamp(1, updates_max)).map(<[Update]>::to_vec).collect()
    }
}

/// What became of the POSTs of one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryReport {
    /// POSTs made.
    pub posted: u64,
    /// Answered as the platform wants it, mostly with 200.
    pub acknowledged: u64,
    /// Answered otherwise, by status.
    pub refused: BTreeMap<u16, u64>,
    /// Not answered in time, or the connection broke.
    pub unanswered: u64,
}

/// The platform's books since it started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Updates that came to be.
    pub updates_made: u64,
    /// Updates in a POST that was acknowledged.
    pub updates_acknowledged: u64,
    /// Updates given up when the platform's time of trying was over.
    pub updates_given_up: u64,
    /// Updates not acknowledged yet: waiting to be sent, or to be sent again.
    pub updates_pending: u64,
    /// Forged POSTs.
    pub forgeries: u64,
    /// All POSTs, forged ones left out.
    pub posts: DeliveryReport,
}

/// How one platform sends.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    /// The statuses that acknowledge a POST.
    pub(crate) acknowledging: RangeInclusive<u16>,
    /// The pause before the n-th redelivery; the last goes on.
    pub(crate) pauses: &'static [SignedDuration],
    /// How long the platform tries; the last time is at its end.
    pub(crate) trying_time_max: SignedDuration,
    /// What a test has to do first when there is nowhere to send to.
    pub(crate) how_to_subscribe: &'static str,
}

impl Rules {
    /// How long after the first POST its repetitions are made, as long as none of them is acknowledged: the last when the time of trying ends.
    fn repeated_after(&self) -> impl Iterator<Item = SignedDuration> {
        let last = self.pauses.last().copied().into_iter().cycle();
        let pauses = self.pauses.iter().copied().chain(last);
        pauses.scan(SignedDuration::ZERO, |after, pause| {
            let is_over = *after >= self.trying_time_max;
            *after = (*after + pause).min(self.trying_time_max);
            (!is_over).then_some(*after)
        })
    }
}

/// One POST's bytes, and when they are sent next.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    updates: Vec<u64>,
    body: Bytes,
    first: Timestamp,
    due: Timestamp,
    attempts: usize,
}

/// What was sent and must perhaps be sent again.
#[derive(Debug)]
pub(crate) struct Outbox {
    rules: Rules,
    callback: Option<String>,
    open: Vec<Delivery>,
    acknowledged: BTreeSet<u64>,
    given_up: BTreeSet<u64>,
    posts: DeliveryReport,
    forgeries: u64,
}

impl Outbox {
    pub(crate) fn new(rules: Rules) -> Self {
        Self {
            rules,
            callback: None,
            open: Vec::new(),
            acknowledged: BTreeSet::new(),
            given_up: BTreeSet::new(),
            posts: DeliveryReport::default(),
            forgeries: 0,
        }
    }

    /// From now on deliveries go there.
    pub(crate) fn subscribe(&mut self, callback: &str) {
        self.callback = Some(callback.to_owned());
    }

    /// Where deliveries go.
    ///
    /// # Errors
    /// When no webhook was subscribed.
    pub(crate) fn callback(&self) -> Result<String> {
        self.callback.clone().ok_or_else(|| Error::Unexpected {
            what: "delivering".to_owned(),
            answer: format!("no webhook was subscribed; call {} first", self.rules.how_to_subscribe),
        })
    }

    pub(crate) fn count_forgery(&mut self) {
        self.forgeries += 1;
    }

    /// Makes a body due that carries these updates, and once more with the same bytes for each of the plan's duplicates that hits it.
    pub(crate) fn queue(&mut self, updates: Vec<u64>, body: Bytes, now: Timestamp, plan: &DeliveryPlan, random: &mut fastrand::Rng) {
        let delivery = Delivery { updates, body, first: now, due: now, attempts: 0 };
        // A duplicate is a delivery of its own.
        if random.u8(0..100) < plan.duplicates_percent {
            self.open.push(delivery.clone());
        }
        if random.u8(0..100) < plan.late_duplicates_percent {
            let times: Vec<(usize, SignedDuration)> =
                (1..).zip(self.rules.repeated_after()).filter(|(_, after)| after.is_positive()).collect();
            let late = |(attempts, after)| Delivery { due: now + after, attempts, ..delivery.clone() };
            self.open.extend(random.choice(times).map(late));
        }
        self.open.push(delivery);
    }

    /// The books; the platform knows how many updates there were, and how many were not put into a body yet.
    pub(crate) fn counts(&self, updates_made: u64, updates_waiting: usize) -> Counts {
        let sent = self.open.iter().flat_map(|delivery| &delivery.updates);
        let open: BTreeSet<u64> = sent.filter(|number| !self.acknowledged.contains(number)).copied().collect();
        Counts {
            updates_made,
            updates_acknowledged: self.acknowledged.len() as u64,
            updates_given_up: self.given_up.difference(&self.acknowledged).count() as u64,
            updates_pending: (updates_waiting + open.len()) as u64,
            forgeries: self.forgeries,
            posts: self.posts.clone(),
        }
    }

    fn take_due(&mut self, now: Timestamp) -> Vec<Delivery> {
        let (due, later) = self.open.drain(..).partition(|delivery| delivery.due <= now);
        self.open = later;
        due
    }

    fn settle(&mut self, mut delivery: Delivery, answer: &Result<Answer>, now: Timestamp, report: &mut DeliveryReport) {
        let acknowledging = self.rules.acknowledging.clone();
        let is_acknowledged = |answer: &Answer| acknowledging.contains(&answer.status);
        for counted in [report, &mut self.posts] {
            counted.posted += 1;
            match answer {
                Ok(answer) if is_acknowledged(answer) => counted.acknowledged += 1,
                Ok(answer) => *counted.refused.entry(answer.status).or_default() += 1,
                Err(_) => counted.unanswered += 1,
            }
        }
        if answer.as_ref().is_ok_and(is_acknowledged) {
            self.acknowledged.extend(delivery.updates);
            return;
        }
        let pause = self.rules.pauses.get(delivery.attempts).or(self.rules.pauses.last()).copied().unwrap_or_default();
        delivery.attempts += 1;
        let end = delivery.first + self.rules.trying_time_max;
        delivery.due = end.min(now + pause);
        if end <= now {
            self.given_up.extend(delivery.updates);
        } else {
            self.open.push(delivery);
        }
    }
}

/// A platform that sends webhooks.
pub(crate) trait Sender {
    /// Looks at the outbox and the platform's clock while nobody else does.
    fn with_outbox<Done>(&self, deed: impl FnOnce(&mut Outbox, Timestamp) -> Done) -> Done;

    /// Signs one body and posts it.
    fn post(&self, callback: &str, body: &Bytes) -> impl Future<Output = Result<Answer>> + Send;
}

/// Makes the POSTs that are due on the platform's clock, until none is.
pub(crate) async fn deliver_due(sender: &(impl Sender + Sync), in_flight_max: usize) -> Result<DeliveryReport> {
    let mut report = DeliveryReport::default();
    loop {
        let (due, callback) = sender.with_outbox(|outbox, now| {
            let callback = outbox.callback()?;
            Ok::<_, Error>((outbox.take_due(now), callback))
        })?;
        if due.is_empty() {
            return Ok(report);
        }
        let posts = due.into_iter().map(|delivery| {
            let callback = callback.as_str();
            async move {
                let answer = sender.post(callback, &delivery.body).await;
                (delivery, answer)
            }
        });
        let mut posts = futures_util::stream::iter(posts).buffer_unordered(in_flight_max.max(1));
        while let Some((delivery, answer)) = posts.next().await {
            sender.with_outbox(|outbox, now| outbox.settle(delivery, &answer, now, &mut report));
        }
    }
}
