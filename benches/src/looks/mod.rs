//! What the sandbox costs the connectors that ask: a page of 64 changes of the wiki and of each CRM, and the look-up of one contact, against the same
//! code as a native function.
//!
//! The guest asks over the host's outgoing HTTP, with everything that is done there (policy, credentials, redaction, caps). What it asks a platform on
//! loopback (`recorded.rs`) answers from memory. The reference sends the very requests that left the host, one after the other, with a plain client
//! (`client.rs`) in this process, and has the same connector's code read the answers natively in its own (`benches/native`): the sum of both is the
//! reference. Neither logs in: sessions are live. No budget.
//!
//! The wiki and the Tryton are the stand-ins of the tests (`platforms.rs`), which pass the same tests as the real ones; mapped-crm reads the mapping
//! `people.yaml` of its own tests, whose CRM is made up. A page comes on top of what was there: the cursor is that of who has seen everything else.

mod client;
mod platforms;
mod recorded;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hyper::Response;
use hyper::body::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};
use sportello_runtime::contract::{ConnectorError, Identifier};
use sportello_runtime::limits::{CallLimits, QuarantineLimits};
use sportello_runtime::{BoundField, Call, CallTime, Channel, ChannelOptions, NoVault, Runtime, Secret, Uncounted};
use sportello_tests::servers::{Account, Crm as _, Wiki as _};
use sportello_tests::stand_ins::crm::CrmStandIn;
use sportello_tests::stand_ins::wiki::WikiStandIn;

use self::client::Client;
use self::recorded::{Asked, Recorded, Source};
use crate::fresh_call::timed;
use crate::measured::Measured;
use crate::native::{Native, expect};
use crate::samples::{Paired, median};
use crate::{Plan, Problem};

/// Things on a page.
const PAGE: usize = 64;
/// The contact that is looked up: its number on the page.
const LOOKED_UP: usize = 17;
/// Looks after which a connector must have seen everything that was there.
const LOOKS_MAX: usize = 20;
/// The mapping of mapped-crm.
const MAPPING: &str = include_str!("../../../plugins/mapped-crm/tests/mappings/people.yaml");

/// What a connector is called for.
#[derive(Clone)]
enum Errand {
    Poll(Option<String>),
    Changes(Option<String>),
    LookUp(Identifier),
}

/// What came of a call.
struct Found {
    things: usize,
    cursor: Option<String>,
    more: bool,
}

/// A credential's name, and what is bound to its fields.
type Bound = (&'static str, BTreeMap<String, BoundField>);

/// A connector with a channel to a platform.
struct Subject {
    name: &'static str,
    settings: Value,
    channel: Channel,
    platform: Recorded,
}

pub(crate) async fn run(plan: &Plan, runtime: &Runtime) -> Result<Vec<Measured>, Problem> {
    let mut rows = wiki(plan, runtime).await?;
    rows.extend(legacy_crm(plan, runtime).await?);
    rows.extend(mapped_crm(plan, runtime).await?);
    Ok(rows)
}

async fn wiki(plan: &Plan, runtime: &Runtime) -> Result<Vec<Measured>, Problem> {
    let wiki = WikiStandIn::start().await?;
    platforms::threads(&wiki).await?;
    let platform = Recorded::start(Source::Server(wiki.base_url())).await?;
    let settings = json!({ "base-url": platform.base_url(), "api-path": "/api.php", "bot": "ConnectorBot", "page-rows": PAGE });
    let bot = ("bot", account(&wiki.bot_account()));
    let subject = Subject::open(plan, runtime, "wiki", platform, settings, bot).await?;
    let cursor = subject.caught_up(Errand::Poll).await?;
    platforms::discussion(&wiki).await?;
    Ok(vec![subject.measured(plan, "poll-wiki-64", &Errand::Poll(cursor), PAGE).await?])
}

async fn legacy_crm(plan: &Plan, runtime: &Runtime) -> Result<Vec<Measured>, Problem> {
    let crm = CrmStandIn::start().await?;
    let parties = platforms::parties(&crm).await?;
    let platform = Recorded::start(Source::Server(crm.base_url())).await?;
    let settings = json!({ "base-url": platform.base_url(), "rpc-path": "/crm/" });
    let user = ("user", account(&crm.account()));
    let subject = Subject::open(plan, runtime, "legacy_crm", platform, settings, user).await?;
    let cursor = subject.caught_up(Errand::Changes).await?;
    platforms::changes(&crm, &parties).await?;
    Ok(vec![
        subject.measured(plan, "changes-legacy-crm-64", &Errand::Changes(cursor), PAGE).await?,
        subject.measured(plan, "look-up-legacy-crm", &look_up(), 1).await?,
    ])
}

async fn mapped_crm(plan: &Plan, runtime: &Runtime) -> Result<Vec<Measured>, Problem> {
    let platform = Recorded::start(Source::Function(platforms::people)).await?;
    let settings = json!({ "base-url": platform.base_url(), "mapping": MAPPING });
    let bearer = ("bearer", BTreeMap::from([("token".to_owned(), Secret::new("not looked at here").into())]));
    let subject = Subject::open(plan, runtime, "mapped_crm", platform, settings, bearer).await?;
    Ok(vec![
        subject.measured(plan, "changes-mapped-crm-64", &Errand::Changes(None), PAGE).await?,
        subject.measured(plan, "look-up-mapped-crm", &look_up(), 1).await?,
    ])
}

fn account(account: &Account) -> BTreeMap<String, BoundField> {
    let password = Secret::new(account.password.as_str()).into();
    BTreeMap::from([("user".to_owned(), BoundField::Plain(account.name.clone())), ("password".to_owned(), password)])
}

fn look_up() -> Errand {
    Errand::LookUp(Identifier { scheme: "email".to_owned(), value: platforms::email(LOOKED_UP) })
}

/// The calls' time.
fn now() -> Timestamp {
    Timestamp::constant(1_795_000_100, 0)
}

/// When what is on a page begins to happen.
fn begin() -> Timestamp {
    now() - jiff::SignedDuration::from_hours(1)
}

impl Subject {
    async fn open(
        plan: &Plan,
        runtime: &Runtime,
        name: &'static str,
        platform: Recorded,
        settings: Value,
        (credential, fields): Bound,
    ) -> Result<Self, Problem> {
        let prepared = runtime.prepare(&plan.guest(name)?).await?;
        let origin = platform.base_url();
        let options = ChannelOptions {
            tenant: "bench".into(),
            name: name.into(),
            settings: settings.clone(),
            granted_origins: vec![origin.parse().map_err(|error| format!("{origin}: {error}"))?],
            granted_folders: Vec::new(),
            secrets: BTreeMap::from([(credential.to_owned(), fields)]),
            allow_private_network: true,
            vault: Arc::new(NoVault),
            limits: CallLimits::default(),
            quarantine: QuarantineLimits::default(),
        };
        Ok(Self { name, settings, channel: runtime.channel(&prepared, options)?, platform })
    }

    /// The cursor of who has seen everything so far.
    async fn caught_up(&self, errand: fn(Option<String>) -> Errand) -> Result<Option<String>, Problem> {
        let mut cursor = None;
        for _ in 0..LOOKS_MAX {
            let found = self.call(&errand(cursor)).await?;
            cursor = found.cursor;
            if found.things == 0 && !found.more {
                self.platform.forget();
                return Ok(cursor);
            }
        }
        Err(format!("{} does not come to an end within {LOOKS_MAX} looks", self.name).into())
    }

    async fn call(&self, errand: &Errand) -> Result<Found, Problem> {
        let call = Call {
            time: CallTime::begin(now()),
            seed: 1,
            state: Arc::new(BTreeMap::<String, Vec<u8>>::new()),
            headroom: Arc::new(Uncounted),
        };
        let refused = |error: ConnectorError| Problem::from(format!("{} refuses: {error:?}", self.name));
        match errand.clone() {
            Errand::Poll(cursor) => {
                let page = self.channel.poll(call, cursor).await?.value.map_err(refused)?;
                Ok(Found { things: page.interactions.len(), cursor: page.cursor, more: page.more })
            }
            Errand::Changes(cursor) => {
                let page = self.channel.changes(call, cursor).await?.value.map_err(refused)?;
                Ok(Found { things: page.contacts.len(), cursor: page.cursor, more: page.more })
            }
            Errand::LookUp(identifier) => {
                let contacts = self.channel.look_up(call, identifier).await?.value.map_err(refused)?;
                Ok(Found { things: contacts.len(), cursor: None, more: false })
            }
        }
    }

    async fn sandboxed(&self, errand: &Errand, expected: usize) -> Result<(), Problem> {
        expect(self.call(errand).await?.things, expected)
    }

    async fn measured(&self, plan: &Plan, row: &str, errand: &Errand, expected: usize) -> Result<Measured, Problem> {
        let (rounds, calls) = if plan.quick { (10, 10) } else { (40, 20) };
        let client = Client::of(self.platform.base_url());
        let mut native = Native::start(self.name)?;
        // The first call logs in where no session is live, and the platform learns the answers.
        self.sandboxed(errand, expected).await?;
        let asked = self.platform.asked_during(self.sandboxed(errand, expected)).await?;
        let answers = client.exchange_all(&asked).await?;
        native.prepare(&self.question(errand, &asked, &answers)?, expected)?;
        let (mut paired, mut exchanges, mut parses) = (Paired::default(), Vec::new(), Vec::new());
        // Round 0 warms up.
        for round in 0..=rounds {
            let before = self.platform.requests();
            let ours = timed(calls, async || self.sandboxed(errand, expected).await).await?;
            let between = self.platform.requests();
            let exchange = timed(calls, async || client.exchange_all(&asked).await.map(drop)).await?;
            let parse = native.calls(calls, expected)?;
            let requests = (between - before, self.platform.requests() - between);
            if requests.0 != requests.1 {
                return Err(format!("{row}: the guest made {} requests, the reference {}", requests.0, requests.1).into());
            }
            if round > 0 {
                paired.push(ours, exchange + parse);
                exchanges.push(exchange);
                parses.push(parse);
            }
        }
        let microseconds = |times: &[Duration]| median(times) * 1e6;
        let kibibytes = answers.iter().map(|answer| answer.body().len()).sum::<usize>().div_ceil(1024);
        let note = format!(
            "a plain client ({:.0}) and a native function ({:.0}); {} requests, {kibibytes} KiB of answers",
            microseconds(&exchanges),
            microseconds(&parses),
            asked.len()
        );
        let measured = Measured::reported(row, microseconds(&paired.ours), "us a call", note);
        Ok(measured.beside(microseconds(&paired.reference), paired.ratio()))
    }

    /// The same call, with what the platform answers to whom, for the native function.
    fn question(&self, errand: &Errand, asked: &[Asked], answers: &[Response<Bytes>]) -> Result<Value, Problem> {
        let call = match errand {
            Errand::Poll(cursor) => json!({ "poll": cursor }),
            Errand::Changes(cursor) => json!({ "changes": cursor }),
            Errand::LookUp(identifier) => json!({ "look-up": [identifier.scheme, identifier.value] }),
        };
        let mut exchanges = Vec::new();
        for (asked, answer) in asked.iter().zip(answers) {
            let mut headers = Vec::new();
            for (name, value) in answer.headers() {
                headers.push((name.as_str(), value.to_str()?));
            }
            exchanges.push(json!({
                "method": asked.method.as_str(), "url": format!("{}{}", self.platform.base_url(), asked.target),
                "request": std::str::from_utf8(&asked.body)?, "status": answer.status().as_u16(), "headers": headers,
                "response": std::str::from_utf8(answer.body())?,
            }));
        }
        Ok(json!({ "settings": self.settings, "now": now().to_string(), "call": call, "exchanges": exchanges }))
    }
}
