//! Drives one built connector as the host does: settings, secrets, grants, cursor and state are what the host would keep.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};
use sportello_runtime::contract::{
    ConnectorError, Contact, ContactPage, ConversationReference, Effect, Identifier, Interaction, Presence, Receipt,
};
use sportello_runtime::limits::{CallLimits, QuarantineLimits};
use sportello_runtime::{BoundField, Call, Channel, ChannelOptions, Done, NoVault, Runtime, RuntimeOptions, Secret};
use sportello_tests::guests::guest;
use sportello_tests::servers::{Account, Crm, Wiki};

/// One channel of one connector.
pub(crate) struct Driver {
    channel: Channel,
    cursor: Option<String>,
    state: BTreeMap<String, Vec<u8>>,
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
    pub(crate) async fn new(connector: &str, settings: Value, origin: &str, credential: &str, account: &Account) -> Self {
        let runtime = Runtime::new(RuntimeOptions::default()).expect("the runtime starts");
        let prepared = runtime.prepare(&guest(connector)).await.expect("the connector is a good one");
        let fields = BTreeMap::from([
            ("user".to_owned(), BoundField::Plain(account.name.clone())),
            ("password".to_owned(), Secret::new(account.password.clone()).into()),
        ]);
        let options = ChannelOptions {
            tenant: "tenant".to_owned(),
            name: connector.to_owned(),
            settings,
            granted_origins: vec![origin.to_owned()],
            secrets: BTreeMap::from([(credential.to_owned(), fields)]),
            allow_private_network: true,
            vault: Arc::new(NoVault),
            limits: CallLimits::default(),
            quarantine: QuarantineLimits::default(),
        };
        let channel = runtime.channel(&prepared, options).expect("settings, secrets and grants fit the connector");
        Self { channel, cursor: None, state: BTreeMap::new(), seen: BTreeSet::new() }
    }

    /// Polls until there is no more: what is new, as the host would see it (each identity once).
    pub(crate) async fn poll(&mut self) -> Result<Vec<Interaction>, ConnectorError> {
        let mut all = Vec::new();
        loop {
            let done = self.channel.poll(self.call(), self.cursor.clone()).await.expect("the call ends well");
            for write in &done.state_writes {
                match &write.value {
                    Some(value) => self.state.insert(write.key.clone(), value.clone()),
                    None => self.state.remove(&write.key),
                };
            }
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

    pub(crate) async fn publish(&self, effect: &Effect) -> Result<Receipt, ConnectorError> {
        told(self.channel.publish(self.call(), vec![effect.clone()]).await.expect("the call ends well").map_first())
    }

    pub(crate) async fn find(&self, effect: &Effect) -> Result<Presence, ConnectorError> {
        told(self.channel.find(self.call(), effect.clone()).await.expect("the call ends well"))
    }

    pub(crate) async fn look_up(&self, scheme: &str, value: &str) -> Vec<Contact> {
        let identifier = Identifier { scheme: scheme.to_owned(), value: value.to_owned() };
        told(self.channel.look_up(self.call(), identifier).await.expect("the call ends well")).expect("an answer")
    }

    /// One page of changes.
    pub(crate) async fn changes(&mut self) -> Result<ContactPage, ConnectorError> {
        let page = told(self.channel.changes(self.call(), self.cursor.clone()).await.expect("the call ends well"))?;
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

    fn call(&self) -> Call {
        Call { now: Timestamp::now(), seed: fastrand::u64(..), state: Arc::new(self.state.clone()) }
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
            headroom: self.headroom,
        }
    }
}

fn told<T>(done: Done<Result<T, ConnectorError>>) -> Result<T, ConnectorError> {
    for diagnostic in &done.diagnostics {
        println!("the connector says: {diagnostic:?}");
    }
    done.value
}

fn split(url: &str) -> (String, String) {
    let start = url.find("://").map_or(0, |at| at + 3);
    let end = url[start..].find('/').map_or(url.len(), |at| start + at);
    (url[..end].to_owned(), url[end..].to_owned())
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

/// A note on a contact.
pub(crate) fn activity(key: &str, contact: u64, text: &str) -> Effect {
    Effect { contact: Some(contact.to_string()), subject: Some("Answered on the wiki".to_owned()), ..effect(key, "activity", text) }
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
