//! What the sandbox costs each connector: a webhook, and a batch of 64, against the same code as a native function.
//!
//! No budget: the ratio says what a fresh instance and crossing its border cost beside the parse itself. The batch is one call, as the edge makes it
//! when deliveries come faster than calls end. The native function lies in a process of its own (`benches/native`). Then what the connectors cost that
//! have no webhook (`looks/`), and how big each one is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sportello_runtime::contract::WebhookRequest;
use sportello_runtime::limits::{CallLimits, QuarantineLimits};
use sportello_runtime::{Call, CallTime, Channel, ChannelOptions, NoVault, Runtime, RuntimeOptions, Secret, Uncounted};

use crate::measured::Measured;
use crate::native::{Native, expect};
use crate::samples::{Paired, median};
use crate::{Plan, Problem, looks};

/// Deliveries in a batch: as many as the edge gives to one call.
const BATCH: usize = 64;

/// Every connector, by its file's name.
const COMPONENTS: [&str; 6] = ["facebook", "twitter", "linkedin", "wiki", "legacy_crm", "mapped_crm"];

/// A connector with a webhook.
struct Subject {
    name: &'static str,
    origins: &'static [&'static str],
    settings: Value,
    /// The credential that deliveries are signed with; the host verifies before a guest is called, so its secret plays no part here.
    signing: &'static str,
    /// A delivery of one thing somebody wrote; the number makes it another.
    delivery: fn(u64) -> Value,
}

pub(crate) async fn run(plan: &Plan) -> Result<Vec<Measured>, Problem> {
    let runtime = Runtime::new(RuntimeOptions::default())?;
    let mut rows = Vec::new();
    for subject in subjects() {
        let component = plan.guest(subject.name)?;
        let channel = channel(&runtime, &subject, &component).await?;
        for size in [1, BATCH] {
            let paired = against_native(plan, &subject, &channel, size).await?;
            let microseconds = |times: &[Duration]| median(times) * 1e6;
            let bytes = component.len().div_ceil(1024);
            let note = format!("the same as a native function; the component has {bytes} KiB");
            let row = Measured::reported(format!("webhook-{}-{size}", subject.name), microseconds(&paired.ours), "us a call", note);
            rows.push(row.beside(microseconds(&paired.reference), paired.ratio()));
        }
    }
    rows.extend(looks::run(plan, &runtime).await?);
    for name in COMPONENTS {
        let kibibytes = u32::try_from(plan.guest(name)?.len().div_ceil(1024))?;
        rows.push(Measured::reported(format!("component-{name}"), f64::from(kibibytes), "KiB", "as it is installed"));
    }
    Ok(rows)
}

async fn against_native(plan: &Plan, subject: &Subject, channel: &Channel, size: usize) -> Result<Paired, Problem> {
    let (rounds, calls) = if plan.quick { (10, 40) } else { (40, 200) };
    let calls = if size == 1 { calls } else { calls / 10 };
    let bodies: Vec<String> = (1..=size as u64).map(|number| (subject.delivery)(number).to_string()).collect();
    let mut native = Native::start(subject.name)?;
    native.prepare(&json!({ "settings": subject.settings, "bodies": bodies }), size)?;
    let request = |body: &String| WebhookRequest {
        method: "POST".to_owned(),
        query: Vec::new(),
        headers: Vec::new(),
        body: body.clone().into_bytes(),
    };
    let requests: Vec<_> = bodies.iter().map(request).collect();
    let mut paired = Paired::default();
    // Round 0 warms up.
    for round in 0..=rounds {
        let started = Instant::now();
        for _ in 0..calls {
            sandboxed(channel, &requests).await?;
        }
        let ours = started.elapsed() / calls;
        let reference = native.calls(calls, size)?;
        if round > 0 {
            paired.push(ours, reference);
        }
    }
    Ok(paired)
}

async fn sandboxed(channel: &Channel, requests: &[WebhookRequest]) -> Result<(), Problem> {
    let call = Call {
        time: CallTime::begin(jiff::Timestamp::from_second(1_795_000_100)?),
        seed: 1,
        state: Arc::new(BTreeMap::<String, Vec<u8>>::new()),
        headroom: Arc::new(Uncounted),
    };
    let done = channel.webhook(call, requests).await?;
    let mut interactions = 0;
    for outcome in &done.value {
        interactions += outcome.as_ref().map_err(|error| format!("a delivery is refused: {error:?}"))?.interactions.len();
    }
    expect(interactions, requests.len())
}

async fn channel(runtime: &Runtime, subject: &Subject, component: &[u8]) -> Result<Channel, Problem> {
    let prepared = runtime.prepare(component).await?;
    let origin = |text: &&str| text.parse().map_err(|error| format!("{text}: {error}").into());
    let secret = BTreeMap::from([("secret".to_owned(), Secret::new("not used here").into())]);
    let options = ChannelOptions {
        tenant: "bench".into(),
        name: subject.name.into(),
        settings: subject.settings.clone(),
        granted_origins: subject.origins.iter().map(origin).collect::<Result<_, Problem>>()?,
        granted_folders: Vec::new(),
        secrets: BTreeMap::from([(subject.signing.to_owned(), secret)]),
        allow_private_network: false,
        vault: Arc::new(NoVault),
        limits: CallLimits::default(),
        quarantine: QuarantineLimits::default(),
    };
    Ok(runtime.channel(&prepared, options)?)
}

/// What somebody says.
pub(crate) const WORDS: &str =
    "Da tre giorni il telefono non prende e nessuno risponde: perché? 😡 Ho chiamato due volte, mi hanno detto di aspettare.";

fn subjects() -> [Subject; 3] {
    [
        Subject {
            name: "facebook",
            origins: &["https://graph.facebook.com"],
            settings: json!({ "page-id": "104857600000001", "graph-url": "https://graph.facebook.com" }),
            signing: "app-secret",
            delivery: facebook,
        },
        Subject {
            name: "twitter",
            origins: &["https://api.x.com"],
            settings: json!({ "user-id": "1400000000000000001", "handle": "sole", "api-url": "https://api.x.com" }),
            signing: "consumer-secret",
            delivery: twitter,
        },
        Subject {
            name: "linkedin",
            origins: &["https://api.linkedin.com", "https://www.linkedin.com"],
            settings: json!({ "organization": "urn:li:organization:96072893", "api-url": "https://api.linkedin.com",
                "token-url": "https://www.linkedin.com", "version": "202610" }),
            signing: "client-secret",
            delivery: linkedin,
        },
    ]
}

/// A comment on a post of the page.
fn facebook(number: u64) -> Value {
    let comment = json!({"field": "feed", "value": {
        "from": {"id": "24680135791", "name": "Ada Bianchi"}, "message": WORDS, "post_id": "104857600000001_77001122334455",
        "comment_id": format!("77001122334455_{number}"), "parent_id": "104857600000001_77001122334455", "created_time": 1_795_000_000,
        "item": "comment", "verb": "add", "post": {"status_type": "mobile_status_update", "is_published": true,
        "updated_time": "2026-11-22T10:15:00+0000", "permalink_url": "https://www.facebook.com/104857600000001/posts/77001122334455"},
    }});
    json!({"object": "page", "entry": [{"id": "104857600000001", "time": 1_795_000_000, "changes": [comment]}]})
}

/// A post that names the account, in the newer of X's two shapes.
fn twitter(number: u64) -> Value {
    let (id, author) = (format!("{}", 1_900_000_000_000_000_000 + number), "1700000000000000007");
    let post = json!({"id": id, "text": format!("@sole {WORDS}"), "author_id": author, "created_at": "2026-11-18T08:53:20.000Z",
        "conversation_id": id, "edit_history_tweet_ids": [id], "lang": "it",
        "entities": {"mentions": [{"start": 0, "end": 5, "username": "sole", "id": "1400000000000000001"}]}});
    json!({"data": {"event_uuid": number.to_string(), "event_type": "post.mention.create", "filter": {"user_id": "1400000000000000001"},
        "payload": post, "includes": {"users": [{"id": author, "name": "Ada Bianchi", "username": "ada_b"}]}}})
}

/// An answer below a comment, as if the notification named that comment. A real one does not, and the connector reads the comment over the network:
/// what is measured here is the parse without that request.
fn linkedin(number: u64) -> Value {
    let post = "urn:li:activity:7094637247488004869";
    let comment = |number: u64| format!("urn:li:comment:({post},{})", 7_094_637_247_490_000_000 + number);
    let words =
        json!({"entity": comment(number), "object": post, "parentComment": comment(0), "owner": "urn:li:person:a7Kd0wPq2Z", "text": WORDS});
    json!({"type": "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS", "notifications": [{"notificationId": number,
        "organizationalEntity": "urn:li:organization:96072893", "action": "COMMENT", "sourcePost": post, "lastModifiedAt": 1_795_000_000_000_u64,
        "subscriber": "urn:li:person:admin", "generatedActivity": comment(number), "decoratedGeneratedActivity": {"comment": words}}]})
}
