//! What this platform's webhook sender does its own way: the challenge, the signature, the bodies, forgeries. [webhooks]

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use serde_json::{Map, Value, json};

use super::super::random_hex;
use super::super::webhook::{self, Counts, DeliveryPlan, DeliveryReport, Outbox, Rules, Sender};
use super::world::{Body, Update};
use super::{Inside, Twitter};
use crate::error::{Error, Result};
use crate::http_client::{Answer, excerpt};

/// The pause between two redeliveries; tests advance by it to make everything due.
pub const PAUSE_MAX: Duration = Duration::from_secs(150);
/// How often the platform challenges a webhook. The quickstart says hourly; the introduction to webhooks says every half an hour, once the
/// last proof is a day old; an older page says daily. The strictest is taken.
const CHALLENGE_EVERY: SignedDuration = SignedDuration::from_mins(30);
const SIGNATURE: &str = "x-twitter-webhooks-signature";

/// Only 200 acknowledges; three more attempts within five minutes, the first at once.
/// <https://developer.x.com/en/docs/x-api/enterprise/account-activity-api/guides/activity-retries>; nothing is said of the newer shape.
pub(super) const RULES: Rules = Rules {
    acknowledging: 200..=200,
    pauses: &[SignedDuration::ZERO, SignedDuration::from_secs(150)],
    trying_time_max: SignedDuration::from_mins(5),
    how_to_subscribe: "Twitter::register_webhook",
};

/// A POST that is not from the platform, or was changed on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    /// Signed with another secret.
    WrongSecret,
    /// Without a signature.
    NoSignature,
    /// Signed rightly, then one letter of the body changed.
    ChangedBody,
    /// The same JSON, signed as the platform writes it and sent with other spaces.
    Reserialised,
    /// The right signature without its last letters.
    ShortSignature,
    /// With the signature that the webhook itself gives to whoever challenges it with the body; without one where it gives none.
    SignedByChallenge,
}

impl Forgery {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::WrongSecret, Self::NoSignature, Self::ChangedBody, Self::Reserialised, Self::ShortSignature, Self::SignedByChallenge];
}

/// A registered webhook as the platform sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    is_valid: bool,
    challenge_due: Timestamp,
}

impl Twitter {
    /// Registers a webhook: it is challenged, and from then on deliveries go there. [webhooks]
    ///
    /// # Errors
    /// When the receiver does not prove itself; the error says why, and nothing is delivered.
    pub async fn register_webhook(&self, url: &str) -> Result<()> {
        self.prove(url).await?;
        let mut inside = self.inside();
        let challenge_due = inside.world.now() + CHALLENGE_EVERY;
        inside.standing = Some(Standing { is_valid: true, challenge_due });
        inside.outbox.subscribe(url);
        Ok(())
    }

    /// Challenges the registered webhook again. Failing makes it invalid: deliveries stop until it proves itself. [webhooks]
    ///
    /// The introduction to webhooks forgives time-outs and refusals for a day; the quickstart does not, nor does the stand-in.
    ///
    /// # Errors
    /// When no webhook is registered, or it does not prove itself.
    pub async fn check_webhook(&self) -> Result<()> {
        let url = self.inside().outbox.callback()?;
        let proven = self.prove(&url).await;
        let mut inside = self.inside();
        let challenge_due = inside.world.now() + CHALLENGE_EVERY;
        inside.standing = Some(Standing { is_valid: proven.is_ok(), challenge_due });
        proven
    }

    /// Whether a webhook is registered and passed its last challenge.
    pub fn is_webhook_valid(&self) -> bool {
        self.inside().standing.is_some_and(|standing| standing.is_valid)
    }

    /// The challenge alone, for tests of its refusal.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn challenge(&self, url: &str, crc_token: &str) -> Result<Answer> {
        self.http.get(url, &[("crc_token", crc_token)]).await
    }

    /// Sends everything that waits, and repeats at once what was refused. The webhook is challenged before if that is due.
    ///
    /// # Errors
    /// When no webhook is registered, or it does not prove itself.
    pub async fn deliver(&self, plan: &DeliveryPlan) -> Result<DeliveryReport> {
        self.ensure_proven().await?;
        {
            let mut inside = self.inside();
            let Inside { world, outbox, random, .. } = &mut *inside;
            let now = world.now();
            for (updates, document) in bodies(plan, world.take_waiting(), &world.company().id.clone(), random) {
                outbox.queue(updates, Bytes::from(document.to_string()), now, plan, random);
            }
        }
        webhook::deliver_due(self, plan.in_flight_max).await
    }

    /// Makes the POSTs that are due on the platform's clock.
    ///
    /// # Errors
    /// When no webhook is registered, or it does not prove itself.
    pub async fn deliver_due(&self, in_flight_max: usize) -> Result<DeliveryReport> {
        self.ensure_proven().await?;
        webhook::deliver_due(self, in_flight_max).await
    }

    /// Sends something that is not from the platform, about a post that says `FORGED`.
    ///
    /// # Errors
    /// When no webhook is registered, or no answer comes.
    pub async fn forge(&self, forgery: Forgery) -> Result<Answer> {
        let (callback, company) = {
            let mut inside = self.inside();
            inside.outbox.count_forgery();
            (inside.outbox.callback()?, inside.world.company().clone())
        };
        let post = json!({"id": "1", "text": format!("FORGED @{}: perché no?", company.handle), "author_id": "2", "conversation_id": "1"});
        let document = json!({"data": {
            "event_uuid": "3", "filter": {"user_id": company.id}, "event_type": "post.mention.create", "payload": post,
        }});
        let body = document.to_string();
        let right = signature(self.consumer_secret(), body.as_bytes());
        let (body, signature) = match forgery {
            Forgery::WrongSecret => (body.clone(), Some(signature("not the secret", body.as_bytes()))),
            Forgery::NoSignature => (body, None),
            Forgery::ChangedBody => (body.replace("FORGED", "FORGER"), Some(right)),
            Forgery::Reserialised => (format!("{document:#}"), Some(right)),
            Forgery::ShortSignature => (body, Some(right[..right.len() - 4].to_owned())),
            Forgery::SignedByChallenge => {
                let answer = self.challenge(&callback, &body).await?;
                let document = answer.json().unwrap_or_default();
                (body, document["response_token"].as_str().map(str::to_owned))
            }
        };
        self.post_signed(&callback, &Bytes::from(body), signature.as_deref()).await
    }

    /// Sends any body as the platform would, rightly signed; it stands in no books.
    ///
    /// # Errors
    /// When no webhook is registered, or no answer comes.
    pub async fn send_signed(&self, body: impl Into<Bytes>) -> Result<Answer> {
        let callback = self.inside().outbox.callback()?;
        Sender::post(self, &callback, &body.into()).await
    }

    /// The platform's books.
    pub fn counts(&self) -> Counts {
        let inside = self.inside();
        inside.outbox.counts(inside.world.updates_made(), inside.world.waiting())
    }

    async fn ensure_proven(&self) -> Result<()> {
        let (standing, now) = {
            let inside = self.inside();
            (inside.standing, inside.world.now())
        };
        match standing {
            Some(standing) if standing.challenge_due <= now => self.check_webhook().await,
            Some(standing) if !standing.is_valid => {
                let answer = "the webhook did not pass its last challenge, and gets nothing until it passes one".to_owned();
                Err(Error::Unexpected { what: "delivering".to_owned(), answer })
            }
            // Without a webhook the outbox says what to do.
            _ => self.inside().outbox.callback().map(|_| ()),
        }
    }

    async fn prove(&self, url: &str) -> Result<()> {
        let what = || "challenging the webhook".to_owned();
        let crc_token = random_hex(16);
        let answer = self.challenge(url, &crc_token).await?;
        if !(200..300).contains(&answer.status) {
            return Err(Error::Status { what: what(), status: answer.status, body: excerpt(&answer.text()) });
        }
        let document = answer.json()?;
        let right = signature(self.consumer_secret(), crc_token.as_bytes());
        match document["response_token"].as_str() {
            Some(token) if token == right => Ok(()),
            Some(_) => Err(Error::Unexpected { what: what(), answer: format!("a wrong response_token: {}", excerpt(&answer.text())) }),
            None => Err(Error::Unexpected { what: what(), answer: format!("no response_token: {}", excerpt(&answer.text())) }),
        }
    }

    async fn post_signed(&self, callback: &str, body: &Bytes, signature: Option<&str>) -> Result<Answer> {
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(signature.map(|signature| (SIGNATURE, signature)));
        self.http.send(Method::POST, callback, &headers, body.clone()).await
    }
}

impl Sender for Twitter {
    fn with_outbox<Done>(&self, deed: impl FnOnce(&mut Outbox, Timestamp) -> Done) -> Done {
        let mut inside = self.inside();
        let now = inside.world.now();
        deed(&mut inside.outbox, now)
    }

    async fn post(&self, callback: &str, body: &Bytes) -> Result<Answer> {
        self.post_signed(callback, body, Some(&signature(self.consumer_secret(), body))).await
    }
}

/// `sha256=` and the HMAC in base64, of challenges as of bodies. [webhooks]
fn signature(secret: &str, bytes: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("sha256={}", STANDARD.encode(hmac::sign(&key, bytes)))
}

/// One body for each event of the newer shape; of the older shape several rows, of several lists, in one.
fn bodies(plan: &DeliveryPlan, updates: Vec<Update>, company_id: &str, random: &mut fastrand::Rng) -> Vec<(Vec<u64>, Value)> {
    // [account] does not say how many are in one.
    let rows_max = plan.updates_max.max(1);
    let mut bodies: Vec<(Vec<u64>, Value)> = Vec::new();
    // The last body of the older shape, while it has room.
    let mut open: Option<usize> = None;
    for update in plan.batches(updates, 1, random).into_iter().flatten() {
        match update.body {
            Body::Activity(document) => bodies.push((vec![update.number], document)),
            Body::Account { list, row, users } => {
                let at = open.filter(|at| bodies[*at].0.len() < rows_max).unwrap_or_else(|| {
                    bodies.push((Vec::new(), json!({"for_user_id": company_id})));
                    bodies.len() - 1
                });
                open = Some(at);
                let (numbers, document) = &mut bodies[at];
                numbers.push(update.number);
                add_row(document, list, row, users);
            }
        }
    }
    bodies
}

fn add_row(document: &mut Value, list: &str, row: Value, users: Map<String, Value>) {
    if list == "tweet_create_events" {
        // [account] shows it beside mentions, as a string; seen elsewhere as here.
        document["user_has_blocked"] = json!(false);
    }
    match document.get_mut(list).and_then(Value::as_array_mut) {
        Some(rows) => rows.push(row),
        None => document[list] = json!([row]),
    }
    for (id, user) in users {
        document["users"][id] = user;
    }
}
