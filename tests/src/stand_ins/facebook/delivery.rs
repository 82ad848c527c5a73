//! What Facebook's webhook sender does its own way: subscribing, batches, signatures, forgeries.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::Method;
use jiff::{SignedDuration, Timestamp};
use ring::hmac;
use serde_json::{Value, json};

use super::super::random_hex;
use super::super::webhook::{self, Counts, DeliveryPlan, DeliveryReport, Outbox, Rules, Sender};
use super::world::{Body, Person, Update};
use super::{Facebook, Inside};
use crate::error::{Error, Result};
use crate::http_client::{Answer, excerpt};

/// The most updates one POST carries. [webhooks]
const UPDATES_MAX: usize = 1_000;
/// The most updates put into one `entry[]`, so that batches have several. Ours, not the platform's.
const CHANGES_PER_ENTRY_MAX: usize = 10;

/// A POST that is not from the platform, or was changed on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgery {
    /// Signed with another secret.
    WrongSecret,
    /// Without a signature.
    NoSignature,
    /// With the old `X-Hub-Signature` (SHA-1) header only.
    OldSignatureOnly,
    /// Signed rightly, then one letter of the body changed.
    ChangedBody,
    /// The same JSON, signed over its escaped form but sent unescaped.
    Unescaped,
    /// The right signature without its last digit.
    ShortSignature,
}

impl Forgery {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::WrongSecret, Self::NoSignature, Self::OldSignatureOnly, Self::ChangedBody, Self::Unescaped, Self::ShortSignature];
}

/// Only 200 acknowledges; "at once, then ever more rarely", for 36 hours. [webhooks] The pauses between are ours; the last goes on.
pub(super) const RULES: Rules = Rules {
    acknowledging: 200..=200,
    pauses: &[
        SignedDuration::ZERO,
        SignedDuration::from_mins(1),
        SignedDuration::from_mins(5),
        SignedDuration::from_mins(15),
        SignedDuration::from_mins(30),
        SignedDuration::from_hours(1),
        SignedDuration::from_hours(2),
        SignedDuration::from_hours(4),
        SignedDuration::from_hours(8),
    ],
    trying_time_max: SignedDuration::from_hours(36),
    how_to_subscribe: "Facebook::subscribe",
};

impl Facebook {
    /// Verifies a webhook as the platform does when it is configured: GET with `hub.mode`, `hub.verify_token` and `hub.challenge`; the answer
    /// must be 200 with exactly the challenge. From then on deliveries go there. [webhooks]
    ///
    /// # Errors
    /// [`Error::Status`] or [`Error::Unexpected`] when the receiver does not prove itself.
    pub async fn subscribe(&self, callback_url: &str) -> Result<()> {
        let challenge = fastrand::u32(100_000_000..).to_string();
        let answer = self.challenge(callback_url, self.verify_token(), &challenge).await?;
        if answer.status != 200 {
            return Err(Error::Status { what: "verifying the webhook".to_owned(), status: answer.status, body: excerpt(&answer.text()) });
        }
        if answer.body != challenge.as_bytes() {
            return Err(Error::Unexpected { what: "verifying the webhook".to_owned(), answer: excerpt(&answer.text()) });
        }
        self.inside().outbox.subscribe(callback_url);
        Ok(())
    }

    /// The verification request alone, with any token, for tests of its refusal.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn challenge(&self, callback_url: &str, verify_token: &str, challenge: &str) -> Result<Answer> {
        self.http.get(callback_url, &[("hub.mode", "subscribe"), ("hub.verify_token", verify_token), ("hub.challenge", challenge)]).await
    }

    /// Sends everything that waits, and repeats at once what was refused.
    ///
    /// # Errors
    /// When no webhook was subscribed.
    pub async fn deliver(&self, plan: &DeliveryPlan) -> Result<DeliveryReport> {
        {
            let mut inside = self.inside();
            let Inside { world, outbox, random, .. } = &mut *inside;
            let now = world.now();
            for batch in plan.batches(world.take_waiting(), UPDATES_MAX, random) {
                let body = Bytes::from(escaped(&batch_document(&world.page().id, &batch)));
                let numbers = batch.iter().map(|update| update.number).collect();
                outbox.queue(numbers, body, now, plan, random);
            }
        }
        self.deliver_due(plan.in_flight_max).await
    }

    /// Makes the POSTs that are due on the platform's clock.
    ///
    /// # Errors
    /// When no webhook was subscribed.
    pub async fn deliver_due(&self, in_flight_max: usize) -> Result<DeliveryReport> {
        webhook::deliver_due(self, in_flight_max).await
    }

    /// Sends something that is not from the platform, about a comment that says `FORGED`.
    ///
    /// # Errors
    /// When no webhook was subscribed, or no answer comes.
    pub async fn forge(&self, forgery: Forgery) -> Result<Answer> {
        let (callback, page, now) = {
            let mut inside = self.inside();
            inside.outbox.count_forgery();
            (inside.outbox.callback()?, self.page_id().to_owned(), inside.world.now())
        };
        let value = json!({
            "from": {"id": "1", "name": "Nessuno"}, "message": "FORGED: perché no?", "post_id": format!("{page}_1"), "comment_id": format!("1_{}", random_hex(4)),
            "parent_id": format!("{page}_1"), "created_time": now.as_second(), "item": "comment", "verb": "add",
        });
        let update = Update { number: 0, time: now, body: Body::Change { field: "feed".to_owned(), value } };
        let document = batch_document(&page, &[update]);
        let body = escaped(&document);
        let right = signature(self.app_secret(), body.as_bytes());
        let post = |body: String, headers: Vec<(&'static str, String)>| async move {
            let mut all = vec![("content-type", "application/json")];
            all.extend(headers.iter().map(|(name, value)| (*name, value.as_str())));
            self.http.send(Method::POST, &callback, &all, Bytes::from(body)).await
        };
        const NAME: &str = "x-hub-signature-256";
        match forgery {
            Forgery::WrongSecret => {
                let wrong = signature("not the secret", body.as_bytes());
                post(body, vec![(NAME, wrong)]).await
            }
            Forgery::NoSignature => post(body, Vec::new()).await,
            Forgery::OldSignatureOnly => {
                let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, self.app_secret().as_bytes());
                let old = format!("sha1={}", hex::encode(hmac::sign(&key, body.as_bytes())));
                post(body, vec![("x-hub-signature", old)]).await
            }
            Forgery::ChangedBody => post(body.replace("FORGED", "FORGER"), vec![(NAME, right)]).await,
            Forgery::Unescaped => post(document.to_string(), vec![(NAME, right)]).await,
            Forgery::ShortSignature => {
                let short = right[..right.len() - 1].to_owned();
                post(body, vec![(NAME, short)]).await
            }
        }
    }

    /// Sends any body as the platform would, rightly signed; it stands in no books.
    ///
    /// # Errors
    /// When no webhook was subscribed, or no answer comes.
    pub async fn send_signed(&self, body: impl Into<Bytes>) -> Result<Answer> {
        let callback = self.inside().outbox.callback()?;
        let body = body.into();
        self.post_signed(&callback, &body, &signature(self.app_secret(), &body)).await
    }

    /// Asks for the deletion of a person's data, by the id they have for the app: a POST of `signed_request`; the answer is the receiver's
    /// `{url, confirmation_code}`. See <https://developers.facebook.com/docs/development/create-an-app/app-dashboard/data-deletion-callback>.
    ///
    /// # Errors
    /// When the answer is not 200, or lacks one of the two.
    pub async fn request_data_deletion(&self, callback_url: &str, person: &Person) -> Result<Value> {
        let request = json!({"algorithm": "HMAC-SHA256", "issued_at": self.now().as_second(), "user_id": person.id_in_the_app});
        let payload = URL_SAFE_NO_PAD.encode(request.to_string());
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.app_secret().as_bytes());
        // Here the encoded text is signed, not the document.
        let signed = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, payload.as_bytes())));
        let answer = self.http.post_form(callback_url, &[("signed_request", &signed)]).await?;
        if answer.status != 200 {
            return Err(Error::Status {
                what: "asking for data deletion".to_owned(),
                status: answer.status,
                body: excerpt(&answer.text()),
            });
        }
        let reply = answer.json()?;
        match (reply["url"].as_str(), reply["confirmation_code"].as_str()) {
            (Some(_), Some(_)) => Ok(reply),
            _ => Err(Error::Unexpected { what: "asking for data deletion".to_owned(), answer: excerpt(&reply.to_string()) }),
        }
    }

    /// The platform's books.
    pub fn counts(&self) -> Counts {
        let inside = self.inside();
        inside.outbox.counts(inside.world.updates_made(), inside.world.waiting())
    }

    async fn post_signed(&self, callback: &str, body: &Bytes, signature: &str) -> Result<Answer> {
        let headers = [("content-type", "application/json"), ("x-hub-signature-256", signature), ("user-agent", "facebookexternalua")];
        self.http.send(Method::POST, callback, &headers, body.clone()).await
    }
}

impl Sender for Facebook {
    fn with_outbox<Done>(&self, deed: impl FnOnce(&mut Outbox, Timestamp) -> Done) -> Done {
        let mut inside = self.inside();
        let now = inside.world.now();
        deed(&mut inside.outbox, now)
    }

    async fn post(&self, callback: &str, body: &Bytes) -> Result<Answer> {
        self.post_signed(callback, body, &signature(self.app_secret(), body)).await
    }
}

/// `sha256=` and the HMAC over the raw bytes in lower-case digits. [webhooks]
fn signature(secret: &str, body: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    format!("sha256={}", hex::encode(hmac::sign(&key, body)))
}

/// JSON as the platform writes it, which is what it signs: everything beyond ASCII as `\u00e8` in lower-case digits, `/` as `\/`, `<` as `\u003C`, `%`
/// as `\u0025`, `@` as `\u0040`. <https://developers.facebook.com/docs/messenger-platform/webhook#security>
fn escaped(document: &Value) -> String {
    let mut units = [0; 2];
    document.to_string().chars().fold(String::new(), |mut text, letter| {
        match letter {
            // In JSON text these occur in strings only.
            '/' => text.push_str("\\/"),
            '<' | '%' | '@' => text.push_str(&format!("\\u{:04X}", u32::from(letter))),
            letter if letter.is_ascii() => text.push(letter),
            letter => text.extend(letter.encode_utf16(&mut units).iter().map(|unit| format!("\\u{unit:04x}"))),
        }
        text
    })
}

/// Several `entry[]` of several `changes[]`; direct messages have entries of their own, whose time is in milliseconds. [webhooks]
fn batch_document(page_id: &str, batch: &[Update]) -> Value {
    let mut entries: Vec<Value> = Vec::new();
    for update in batch {
        let (list, item, time) = match &update.body {
            Body::Change { field, value } => ("changes", json!({"field": field, "value": value}), update.time.as_second()),
            Body::Messaging(value) => ("messaging", value.clone(), update.time.as_millisecond()),
        };
        // Ids of entries are numbers or strings.
        let id = page_id.parse::<u64>().ok().filter(|_| entries.len() % 4 == 3).map_or_else(|| json!(page_id), |number| json!(number));
        match entries.last_mut().and_then(|entry| entry.get_mut(list)).and_then(Value::as_array_mut) {
            Some(items) if items.len() < CHANGES_PER_ENTRY_MAX => items.push(item),
            _ => entries.push(json!({"id": id, "time": time, list: [item]})),
        }
    }
    json!({"object": "page", "entry": entries})
}

/// The longest a redelivery can be away; tests advance by it to make everything due.
pub const PAUSE_MAX: Duration = Duration::from_secs(480 * 60);
