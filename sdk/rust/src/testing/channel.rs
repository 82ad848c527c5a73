//! What calls a connector.

use std::marker::PhantomData;

use serde_json::Value;

use crate::bindings;
use crate::bindings::shared::sportello::connector::types;
use crate::{
    Contact, Crm, Description, Effect, Error, Find, Identifier, Manifest, Poll, Publish, Receipt, Recheck, Webhook, crm, find, poll,
    recheck, time, webhook,
};

/// A channel of a connector: calls it as the host does.
pub struct Channel<C> {
    settings: String,
    connector: PhantomData<C>,
}

impl<C: Description> Channel<C> {
    /// A channel with these settings, called `test`.
    #[must_use]
    #[expect(clippy::needless_pass_by_value, reason = "callers write json!({…}) in place")]
    pub fn new(settings: Value) -> Self {
        Self { settings: settings.to_string(), connector: PhantomData }
    }

    /// The connector's manifest.
    #[must_use]
    pub fn manifest(&self) -> Manifest {
        C::describe()
    }

    fn context(&self) -> types::Context {
        types::Context { channel: "test".into(), settings: self.settings.clone(), now: time::now() }
    }
}

impl<C: Webhook> Channel<C> {
    /// One delivery.
    ///
    /// # Errors
    /// The connector's.
    pub fn deliver(&self, request: &webhook::Request) -> Result<webhook::Outcome, Error> {
        self.deliver_all(std::slice::from_ref(request)).remove(0)
    }

    /// Many deliveries in one call: one answer for each.
    #[must_use]
    pub fn deliver_all(&self, requests: &[webhook::Request]) -> Vec<Result<webhook::Outcome, Error>> {
        <C as bindings::webhook::exports::sportello::connector::webhook::Guest>::handle(self.context(), requests.to_vec())
    }
}

impl<C: Poll> Channel<C> {
    /// One poll.
    ///
    /// # Errors
    /// The connector's.
    pub fn poll(&self, cursor: Option<&str>) -> Result<poll::Page, Error> {
        <C as bindings::poll::exports::sportello::connector::poll::Guest>::poll(self.context(), cursor.map(Into::into))
    }
}

impl<C: Recheck> Channel<C> {
    /// One look whether things are still there, each by native id and kind.
    ///
    /// # Errors
    /// The connector's.
    pub fn gone<'a>(&self, things: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Vec<String>, Error> {
        let thing = |(native_id, kind): (&str, &str)| recheck::Thing { native_id: native_id.into(), kind: kind.into() };
        let things = things.into_iter().map(thing).collect();
        <C as bindings::recheck::exports::sportello::connector::recheck::Guest>::gone(self.context(), things)
    }
}

impl<C: Publish> Channel<C> {
    /// One effect.
    ///
    /// # Errors
    /// The connector's.
    pub fn publish(&self, effect: &Effect) -> Result<Receipt, Error> {
        <C as bindings::publish::exports::sportello::connector::publish::Guest>::publish(self.context(), vec![effect.clone()]).remove(0)
    }
}

impl<C: Find> Channel<C> {
    /// One look.
    ///
    /// # Errors
    /// The connector's.
    pub fn find(&self, effect: &Effect) -> Result<find::Presence, Error> {
        <C as bindings::find::exports::sportello::connector::find::Guest>::find(self.context(), effect.clone())
    }
}

impl<C: crate::Configuration> Channel<C> {
    /// What is wrong with the channel's settings.
    #[must_use]
    pub fn check(&self) -> Vec<crate::configuration::Problem> {
        <C as bindings::configuration::exports::sportello::connector::configuration::Guest>::check(self.context())
    }
}

impl<C: Crm> Channel<C> {
    /// One look-up.
    ///
    /// # Errors
    /// The connector's.
    pub fn look_up(&self, scheme: &str, value: &str) -> Result<Vec<Contact>, Error> {
        <C as bindings::crm::exports::sportello::connector::crm::Guest>::look_up(self.context(), Identifier::new(scheme, value))
    }

    /// One look at the changes.
    ///
    /// # Errors
    /// The connector's.
    pub fn changes(&self, cursor: Option<&str>) -> Result<crm::ContactPage, Error> {
        <C as bindings::crm::exports::sportello::connector::crm::Guest>::changes(self.context(), cursor.map(Into::into))
    }
}
