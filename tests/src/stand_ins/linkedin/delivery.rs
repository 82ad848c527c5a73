//! What LinkedIn's webhook sender does its own way: challenges, batches, signatures, forgeries.

use bytes::Bytes;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use serde_json::{Value, json};

use super::super::webhook::{self, Counts, DeliveryPlan, DeliveryReport, Outbox, Rules, Sender};
use super::{Inside, LinkedIn};
use crate::error::{Error, Result};
use crate::http_client::{Answer, excerpt};

/// The most notifications one POST carries. [notifications]
const NOTIFICATIONS_MAX: usize = 10;
/// How often a webhook must prove itself anew. [webhooks]
const CHALLENGE_PAUSE: SignedDuration = SignedDuration::from_hours(2);
/// How many challenges in a row may be missed before nothing is sent any more. [webhooks]
const MISSES_MAX: u32 = 3;
/// What the body is prefixed with before it is signed. [webhooks]
const PREFIX: &str = "hmacsha256=";
const SIGNATURE: &str = "x-li-signature";

/// Any 2xx acknowledges; every 5 minutes, for 8 hours. [notifications]
pub(super) const RULES: Rules = Rules {
    acknowledging: 200..=299,
    pauses: &[SignedDuration::from_mins(5)],
    trying_time_max: SignedDuration::from_hours(8),
    how_to_subscribe: "LinkedIn::register_webhook",
};

/// Whether `X-LI-Signature` begins with `hmacsha256=`. The formula on the page [webhooks] gives the digits alone, its words can be read
/// either way, and receivers that take only one of the two are common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignaturePrefix {
    /// On every POST.
    Always,
    /// On none.
    Never,
    /// On every second one.
    Alternating,
}

/// A POST that is not from the platform, or was changed on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    /// Signed with another secret.
    WrongSecret,
    /// Without a signature.
    NoSignature,
    /// Signed over the body alone, without the prefix.
    UnprefixedBody,
    /// Signed rightly, then one letter of the body changed.
    ChangedBody,
    /// The same JSON, signed as it is but sent with other spaces.
    Reformatted,
    /// The right signature without its last digit.
    ShortSignature,
    /// The prefix, and no digits.
    PrefixOnly,
    /// With the signature that the webhook itself gives to whoever challenges it with the prefixed body; without one where it gives none.
    SignedByChallenge,
}

impl Forgery {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::WrongSecret,
        Self::NoSignature,
        Self::UnprefixedBody,
        Self::ChangedBody,
        Self::Reformatted,
        Self::ShortSignature,
        Self::PrefixOnly,
        Self::SignedByChallenge,
    ];
}

/// How the webhook stands with the platform.
#[derive(Debug, Default)]
pub(super) struct Standing {
    challenge_due: Option<Timestamp>,
    misses_in_a_row: u32,
    missed: u64,
    withheld: u64,
    signatures: u64,
}

impl Standing {
    fn is_blocked(&self) -> bool {
        self.misses_in_a_row >= MISSES_MAX
    }
}

impl LinkedIn {
    /// Registers a webhook: it is challenged at once, and only when it proves itself do deliveries go there. It also lifts a block.
    /// [webhooks]
    ///
    /// # Errors
    /// [`Error::NoAnswer`], [`Error::Status`] or [`Error::Unexpected`] when it does not prove itself.
    pub async fn register_webhook(&self, url: &str) -> Result<()> {
        let proven = self.challenge(url).await;
        let mut inside = self.inside();
        let now = inside.world.now();
        match proven {
            Err(error) => {
                inside.standing.missed += 1;
                Err(error)
            }
            Ok(()) => {
                inside.outbox.subscribe(url);
                inside.standing.misses_in_a_row = 0;
                inside.standing.challenge_due = Some(now + CHALLENGE_PAUSE);
                Ok(())
            }
        }
    }

    /// A challenge alone: GET with `challengeCode` and `applicationId`; within [`super::ANSWER_TIME_MAX`] the answer must be 200 and JSON
    /// with `challengeCode` and `challengeResponse`, the code's HMAC-SHA256 in lower-case digits. [webhooks] It stands in no books.
    ///
    /// # Errors
    /// [`Error::NoAnswer`], [`Error::Status`] or [`Error::Unexpected`] when the webhook does not prove itself.
    pub async fn challenge(&self, url: &str) -> Result<()> {
        let code = random_uuid();
        let what = || "challenging the webhook".to_owned();
        let answer = self.ask(url, &code).await?;
        if answer.status != 200 {
            return Err(Error::Status { what: what(), status: answer.status, body: excerpt(&answer.text()) });
        }
        let unexpected = |answer: String| Error::Unexpected { what: what(), answer: excerpt(&answer) };
        if !answer.header("content-type").starts_with("application/json") {
            return Err(unexpected(format!("the content type {}", answer.header("content-type"))));
        }
        let document: Value = answer.json()?;
        let right = signed(self.client_secret(), code.as_bytes());
        if document["challengeCode"] != code || document["challengeResponse"] != right {
            return Err(unexpected(document.to_string()));
        }
        Ok(())
    }

    /// Asks for the MAC of a code.
    async fn ask(&self, url: &str, code: &str) -> Result<Answer> {
        self.http.get(url, &[("challengeCode", code), ("applicationId", &self.settings.application_id)]).await
    }

    /// Challenges the webhook where that is due, sends everything that waits, and repeats what is due. A blocked webhook gets nothing, and
    /// what waits goes on waiting.
    ///
    /// # Errors
    /// When no webhook was registered.
    pub async fn deliver(&self, plan: &DeliveryPlan) -> Result<DeliveryReport> {
        self.challenge_if_due().await?;
        {
            let mut inside = self.inside();
            let Inside { world, outbox, random, standing, is_wrong_role, .. } = &mut *inside;
            if standing.is_blocked() {
                return Ok(DeliveryReport::default());
            }
            let (now, waiting) = (world.now(), world.take_waiting());
            // The subscriber's role is looked at before each sending; without it the notification is skipped. [notifications]
            if *is_wrong_role {
                standing.withheld += waiting.len() as u64;
            } else {
                for batch in plan.batches(waiting, NOTIFICATIONS_MAX, random) {
                    let documents: Vec<&Value> = batch.iter().map(|notification| &notification.document).collect();
                    let body = Bytes::from(body_of(&documents));
                    outbox.queue(batch.iter().map(|notification| notification.id).collect(), body, now, plan, random);
                }
            }
        }
        webhook::deliver_due(self, plan.in_flight_max).await
    }

    /// Challenges the webhook where that is due, and makes the POSTs that are due on the platform's clock.
    ///
    /// # Errors
    /// When no webhook was registered.
    pub async fn deliver_due(&self, in_flight_max: usize) -> Result<DeliveryReport> {
        self.challenge_if_due().await?;
        if self.is_blocked() {
            return Ok(DeliveryReport::default());
        }
        webhook::deliver_due(self, in_flight_max).await
    }

    async fn challenge_if_due(&self) -> Result<()> {
        let callback = {
            let inside = self.inside();
            let callback = inside.outbox.callback()?;
            let is_due = inside.standing.challenge_due.is_some_and(|due| due <= inside.world.now());
            if !is_due || inside.standing.is_blocked() {
                return Ok(());
            }
            callback
        };
        let proven = self.challenge(&callback).await;
        let mut inside = self.inside();
        let now = inside.world.now();
        inside.standing.challenge_due = Some(now + CHALLENGE_PAUSE);
        if proven.is_ok() {
            inside.standing.misses_in_a_row = 0;
        } else {
            inside.standing.misses_in_a_row += 1;
            inside.standing.missed += 1;
        }
        Ok(())
    }

    /// Sends something that is not from the platform, about a comment that says `FORGED`.
    ///
    /// # Errors
    /// When no webhook was registered, or no answer comes.
    pub async fn forge(&self, forgery: Forgery) -> Result<Answer> {
        let (callback, organization, now) = {
            let mut inside = self.inside();
            inside.outbox.count_forgery();
            (inside.outbox.callback()?, self.organization_urn(), inside.world.now())
        };
        let (post, comment) = ("urn:li:activity:1", "urn:li:comment:(urn:li:activity:1,2)");
        let decorated = json!({"comment": {"entity": comment, "object": post, "text": "FORGED", "owner": "urn:li:person:x"}});
        let document = json!({
            "notificationId": fastrand::u64(..1 << 60), "organizationalEntity": organization, "action": "COMMENT", "sourcePost": post,
            "lastModifiedAt": now.as_millisecond(), "generatedActivity": comment, "decoratedGeneratedActivity": decorated,
        });
        let body = body_of(&[&document]);
        let right = signature(self.client_secret(), body.as_bytes());
        let (body, header) = match forgery {
            Forgery::WrongSecret => (body.clone(), Some(signature("not the secret", body.as_bytes()))),
            Forgery::NoSignature => (body, None),
            Forgery::UnprefixedBody => (body.clone(), Some(signed(self.client_secret(), body.as_bytes()))),
            Forgery::ChangedBody => (body.replace("FORGED", "FORGER"), Some(right)),
            Forgery::Reformatted => (body.replace("\":", "\": "), Some(right)),
            Forgery::ShortSignature => (body, Some(right[..right.len() - 1].to_owned())),
            Forgery::PrefixOnly => (body, Some(PREFIX.to_owned())),
            Forgery::SignedByChallenge => {
                let answer = self.ask(&callback, &format!("{PREFIX}{body}")).await?;
                let document = answer.json().unwrap_or_default();
                (body, document["challengeResponse"].as_str().map(str::to_owned))
            }
        };
        let mut headers = vec![("content-type", "application/json")];
        headers.extend(header.as_ref().map(|header| (SIGNATURE, header.as_str())));
        self.webhook_http.send(Method::POST, &callback, &headers, Bytes::from(body)).await
    }

    /// Sends any body as the platform would, rightly signed; it stands in no books.
    ///
    /// # Errors
    /// When no webhook was registered, or no answer comes.
    pub async fn send_signed(&self, body: impl Into<Bytes>) -> Result<Answer> {
        let callback = self.inside().outbox.callback()?;
        Sender::post(self, &callback, &body.into()).await
    }

    /// Whether three challenges in a row were missed: nothing is sent until [`LinkedIn::register_webhook`].
    pub fn is_blocked(&self) -> bool {
        self.inside().standing.is_blocked()
    }

    /// How many challenges were not answered rightly and in time, those of registering included.
    pub fn challenges_missed(&self) -> u64 {
        self.inside().standing.missed
    }

    /// How many notifications were never sent because the member's role was wrong; they can still be pulled when it is right again.
    pub fn notifications_withheld(&self) -> u64 {
        self.inside().standing.withheld
    }

    /// The platform's books. What was withheld is made, and nothing else.
    pub fn counts(&self) -> Counts {
        let inside = self.inside();
        inside.outbox.counts(inside.world.notifications().len() as u64, inside.world.waiting())
    }
}

impl Sender for LinkedIn {
    fn with_outbox<Done>(&self, deed: impl FnOnce(&mut Outbox, Timestamp) -> Done) -> Done {
        let mut inside = self.inside();
        let now = inside.world.now();
        deed(&mut inside.outbox, now)
    }

    async fn post(&self, callback: &str, body: &Bytes) -> Result<Answer> {
        let digits = signature(self.client_secret(), body);
        let has_prefix = {
            let mut inside = self.inside();
            inside.standing.signatures += 1;
            match self.settings.signature_prefix {
                SignaturePrefix::Always => true,
                SignaturePrefix::Never => false,
                SignaturePrefix::Alternating => inside.standing.signatures.is_multiple_of(2),
            }
        };
        let header = if has_prefix { format!("{PREFIX}{digits}") } else { digits };
        self.webhook_http.send(Method::POST, callback, &[("content-type", "application/json"), (SIGNATURE, &header)], body.clone()).await
    }
}

/// [notifications]
fn body_of(notifications: &[&Value]) -> String {
    json!({"type": "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS", "notifications": notifications}).to_string()
}

/// What stands in `X-LI-Signature`: the HMAC over `hmacsha256=` and the raw body. [webhooks]
fn signature(secret: &str, body: &[u8]) -> String {
    signed(secret, &[PREFIX.as_bytes(), body].concat())
}

fn signed(secret: &str, text: &[u8]) -> String {
    hex::encode(hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), text))
}

/// A random UUID of version 4.
fn random_uuid() -> String {
    let random = fastrand::u128(..);
    let text = format!("{:032x}", (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62));
    [&text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..]].join("-")
}
