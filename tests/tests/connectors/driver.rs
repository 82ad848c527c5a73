//! Drives one built connector as the host does: settings, secrets, grants, cursor and state are what the host would keep.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde_json::{Value, json};
use sportello_runtime::contract::{
    ConnectorError, Contact, ContactPage, ConversationReference, Effect, Identifier, Interaction, Presence, Receipt, WebhookOutcome,
    WebhookRequest,
};
use sportello_runtime::limits::{CallLimits, QuarantineLimits};
use sportello_runtime::{
    BoundField, Call, CallTime, Channel, ChannelOptions, Done, NoVault, Runtime, RuntimeOptions, Secret, StateWrite, Uncounted, Vault,
    VaultKey,
};
use sportello_tests::guests::guest;
use sportello_tests::servers::{Account, Crm, Wiki};
use sportello_tests::stand_ins::{Faults, TROUBLES};

/// What a channel is opened with.
pub(crate) struct Opening {
    pub(crate) connector: &'static str,
    pub(crate) settings: Value,
    pub(crate) origins: Vec<String>,
    pub(crate) secrets: BTreeMap<String, BTreeMap<String, BoundField>>,
    pub(crate) vault: Arc<dyn Vault>,
}

/// A vault that forgets with the process.
#[derive(Default)]
pub(crate) struct MemoryVault(Mutex<BTreeMap<VaultKey, Secret>>);

impl Vault for MemoryVault {
    fn read(&self, key: VaultKey) -> Result<Option<Secret>, String> {
        Ok(self.0.lock().expect("no panic while it is held").get(&key).cloned())
    }

    fn ends_at(&self, _: VaultKey) -> Option<Timestamp> {
        None
    }

    fn keep(&self, key: VaultKey, value: &Secret, _: Option<Timestamp>) -> Result<(), String> {
        self.0.lock().expect("no panic while it is held").insert(key, value.clone());
        Ok(())
    }
}

/// A channel and its state: what a poll and a delivery at the same time share.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) channel: Channel,
    state: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
}

impl Line {
    /// One delivery whose signature was verified, or a challenge.
    pub(crate) async fn webhook(&self, request: WebhookRequest) -> Result<WebhookOutcome, ConnectorError> {
        let done = self.channel.webhook(self.call(), &[request]).await.expect("the call ends well").map_first();
        self.keep(&done.state_writes);
        told(done)
    }

    fn call(&self) -> Call {
        let state = self.state.lock().expect("no panic while it is held").clone();
        Call { time: CallTime::begin(Timestamp::now()), seed: fastrand::u64(..), state: Arc::new(state), headroom: Arc::new(Uncounted) }
    }

    fn keep(&self, writes: &[StateWrite]) {
        let mut state = self.state.lock().expect("no panic while it is held");
        for write in writes {
            match &write.value {
                Some(value) => state.insert(write.key.clone(), value.clone()),
                None => state.remove(&write.key),
            };
        }
    }
}

/// One channel of one connector.
pub(crate) struct Driver {
    line: Line,
    cursor: Option<String>,
    seen: BTreeSet<(String, String)>,
}

impl Driver {
    /// The wiki connector, before its first poll. `base_url` may be that of somebody between.
    pub(crate) async fn wiki(wiki: &dyn Wiki, base_url: Option<&str>, more: Value) -> Self {
        let (origin, path) = split(&wiki.api_url());
        let origin = base_url.map_or(origin, str::to_owned);
        let mut settings = json!({ "base-url": origin, "api-path": path, "bot": "ConnectorBot" });
        merge(&mut settings, more);
        Self::new("wiki", settings, &origin, "bot", &wiki.bot_account()).await
    }

    /// The CRM connector. `base_url` may be that of somebody between.
    pub(crate) async fn crm(crm: &dyn Crm, base_url: Option<&str>, more: Value) -> Self {
        let (origin, path) = split(&crm.rpc_url());
        let origin = base_url.map_or(origin, str::to_owned);
        let mut settings = json!({ "base-url": origin, "rpc-path": path });
        merge(&mut settings, more);
        Self::new("legacy-crm", settings, &origin, "user", &crm.account()).await
    }

    /// A connector with this account.
    pub(crate) async fn new(connector: &'static str, settings: Value, origin: &str, credential: &str, account: &Account) -> Self {
        let fields = BTreeMap::from([
            ("user".to_owned(), BoundField::Plain(account.name.clone())),
            ("password".to_owned(), Secret::new(account.password.clone()).into()),
        ]);
        let secrets = BTreeMap::from([(credential.to_owned(), fields)]);
        let origins = vec![origin.to_owned()];
        Self::open(Opening { connector, settings, origins, secrets, vault: Arc::new(NoVault) }).await
    }

    /// Any connector.
    pub(crate) async fn open(opening: Opening) -> Self {
        let runtime = Runtime::new(RuntimeOptions::default()).expect("the runtime starts");
        let prepared = runtime.prepare(&guest(opening.connector)).await.expect("the connector is a good one");
        // An operator who writes a folder into the settings grants it.
        let granted_folders = opening.settings["folder"].as_str().map(str::to_owned).into_iter().collect();
        let options = ChannelOptions {
            tenant: "tenant".to_owned(),
            name: opening.connector.to_owned(),
            settings: opening.settings,
            granted_origins: opening.origins,
            granted_folders,
            secrets: opening.secrets,
            allow_private_network: true,
            vault: opening.vault,
            limits: CallLimits::default(),
            quarantine: QuarantineLimits::default(),
        };
        let channel = runtime.channel(&prepared, options).expect("settings, secrets and grants fit the connector");
        Self { line: Line { channel, state: Arc::default() }, cursor: None, seen: BTreeSet::new() }
    }

    /// What deliveries come in by.
    pub(crate) fn line(&self) -> Line {
        self.line.clone()
    }

    /// Polls until there is no more: what is new, as the host would see it (each identity once).
    pub(crate) async fn poll(&mut self) -> Result<Vec<Interaction>, ConnectorError> {
        let mut all = Vec::new();
        loop {
            let done = self.line.channel.poll(self.line.call(), self.cursor.clone()).await.expect("the call ends well");
            self.line.keep(&done.state_writes);
            let page = told(done)?;
            self.cursor = page.cursor;
            all.extend(page.interactions.into_iter().filter(|found| self.seen.insert((found.native_id.clone(), found.revision.clone()))));
            if !page.more {
                return Ok(all);
            }
        }
    }

    /// Polls until there is no more, and drops what it finds.
    pub(crate) async fn catch_up(&mut self) {
        self.poll().await.expect("a poll");
    }

    /// Where the next poll, or look at changes, would go on.
    pub(crate) fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }

    /// Goes on as after a restart: with the cursor alone.
    #[allow(dead_code, reason = "not every test file restarts")]
    pub(crate) fn resume(&mut self, cursor: Option<&str>) {
        self.cursor = cursor.map(str::to_owned);
    }

    pub(crate) async fn publish(&self, effect: &Effect) -> Result<Receipt, ConnectorError> {
        told(self.line.channel.publish(self.line.call(), vec![effect.clone()]).await.expect("the call ends well").map_first())
    }

    pub(crate) async fn find(&self, effect: &Effect) -> Result<Presence, ConnectorError> {
        told(self.line.channel.find(self.line.call(), effect.clone()).await.expect("the call ends well"))
    }

    pub(crate) async fn look_up(&self, scheme: &str, value: &str) -> Vec<Contact> {
        self.ask(scheme, value).await.expect("an answer")
    }

    async fn ask(&self, scheme: &str, value: &str) -> Result<Vec<Contact>, ConnectorError> {
        let identifier = Identifier { scheme: scheme.to_owned(), value: value.to_owned() };
        told(self.line.channel.look_up(self.line.call(), identifier).await.expect("the call ends well"))
    }

    /// Looks somebody up once for each kind of trouble at each request that it takes, and asks again as the host does; gives whom it found each time.
    pub(crate) async fn look_up_in_trouble(&self, faults: &Faults, scheme: &str, value: &str) -> Vec<Vec<Contact>> {
        let mut all = Vec::new();
        for request in 0.. {
            for trouble in TROUBLES {
                let struck = faults.arm_behind(request, trouble, &[], 1);
                let released = async {
                    struck.struck(1).await;
                    struck.release();
                    std::future::pending().await
                };
                let asked = async {
                    loop {
                        match self.ask(scheme, value).await {
                            Ok(found) => return found,
                            // The host takes it that there is nobody by such an identifier, and does not ask again.
                            Err(ConnectorError::Reject(reason)) => panic!("{trouble:?} at {}: {reason}", struck.met()),
                            Err(_) => {}
                        }
                    }
                };
                let found = tokio::select! { found = asked => found, found = released => found };
                faults.clear();
                if struck.count() == 0 {
                    return all;
                }
                println!("{trouble:?} at request {request}: {}", struck.met());
                all.push(found);
            }
        }
        all
    }

    /// One page of changes.
    pub(crate) async fn changes(&mut self) -> Result<ContactPage, ConnectorError> {
        let page = told(self.line.channel.changes(self.line.call(), self.cursor.clone()).await.expect("the call ends well"))?;
        self.cursor.clone_from(&page.cursor);
        Ok(page)
    }

    /// All changes there are now.
    pub(crate) async fn all_changes(&mut self) -> Vec<Contact> {
        let mut all = Vec::new();
        loop {
            let page = self.changes().await.expect("a look at changes");
            all.extend(page.contacts);
            if !page.more {
                return all;
            }
        }
    }
}

trait First<T> {
    fn map_first(self) -> Done<T>;
}

impl<T> First<T> for Done<Vec<T>> {
    fn map_first(mut self) -> Done<T> {
        Done {
            value: self.value.remove(0),
            state_writes: self.state_writes,
            diagnostics: self.diagnostics,
            diagnostics_dropped: self.diagnostics_dropped,
            output_bytes_discarded: self.output_bytes_discarded,
            elapsed: self.elapsed,
            http_requests: self.http_requests,
        }
    }
}

fn told<T>(done: Done<Result<T, ConnectorError>>) -> Result<T, ConnectorError> {
    for diagnostic in &done.diagnostics {
        println!("the connector says: {diagnostic:?}");
    }
    done.value
}

/// Origin and path of a URL.
pub(crate) fn split(url: &str) -> (String, String) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    (url[..end].to_owned(), url[end..].to_owned())
}

/// The fields of a credential, none of which may be seen.
pub(crate) fn fields(fields: &[(&str, &str)]) -> BTreeMap<String, BoundField> {
    fields.iter().map(|(name, value)| ((*name).to_owned(), Secret::new((*value).to_owned()).into())).collect()
}

fn merge(settings: &mut Value, more: Value) {
    for (name, value) in more.as_object().into_iter().flatten() {
        settings[name] = value.clone();
    }
}

/// A reply in the conversation of an interaction.
pub(crate) fn reply(key: &str, to: &Interaction, text: &str) -> Effect {
    Effect {
        conversation: Some(ConversationReference { key: to.conversation.key.clone(), title: None, url: None }),
        in_reply_to: Some(to.native_id.clone()),
        ..effect(key, "reply", text)
    }
}

/// A post of the company's own.
pub(crate) fn post(key: &str, text: &str) -> Effect {
    effect(key, "post", text)
}

/// A note on a contact.
pub(crate) fn activity(key: &str, contact: u64, text: &str) -> Effect {
    Effect { contact: Some(contact.to_string()), subject: Some("Answered on the wiki".to_owned()), ..effect(key, "activity", text) }
}

/// A contact to be made, or the one to be changed.
pub(crate) fn contact(key: &str, contact: Option<&str>) -> Effect {
    Effect { contact: contact.map(str::to_owned), ..effect(key, "contact", "") }
}

fn effect(key: &str, action: &str, text: &str) -> Effect {
    Effect {
        key: key.to_owned(),
        action: action.to_owned(),
        conversation: None,
        in_reply_to: None,
        contact: None,
        subject: None,
        text: text.to_owned(),
        queued_at: Timestamp::now().to_string(),
        attributes: Vec::new(),
    }
}
