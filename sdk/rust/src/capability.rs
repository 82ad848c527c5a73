//! A trait for each capability, and what turns the host's calls into calls of them.

use serde::de::DeserializeOwned;

use crate::bindings;
use crate::bindings::shared::sportello::connector::types;
use crate::{Contact, Context, Effect, Error, Identifier, Manifest, Receipt, configuration, crm, find, panic, poll, recheck, webhook};

/// What a connector is. Every connector has one.
pub trait Description {
    /// The channel's settings, deserialised from the JSON document the operator wrote. It has passed the manifest's schema, so a failure here is a
    /// disagreement between your schema and your type; every call then answers [`Error::reject`] with serde's message.
    type Settings: DeserializeOwned;

    /// The manifest: what the connector is and what it asks for. It must be a constant: there are no settings, network or state here.
    fn describe() -> Manifest;
}

/// Deliveries the platform pushes.
pub trait Webhook: Description {
    /// Understands one delivery. A `POST` has a verified signature; a `GET` is a challenge: unsigned, and its answer can't hold interactions.
    ///
    /// # Errors
    /// Whatever it is, the platform is answered 200 and the delivery is kept for a replay: an error never loses anything.
    fn handle(context: &Context<Self::Settings>, request: &webhook::Request) -> Result<webhook::Outcome, Error>;
}

/// A source that is asked.
pub trait Poll: Description {
    /// Fetches what came since `cursor` (None: the first time). Platforms show rows late, so step back a little: the host drops what it has.
    ///
    /// # Errors
    /// The cursor stays where it was.
    fn poll(context: &Context<Self::Settings>, cursor: Option<String>) -> Result<poll::Page, Error>;
}

/// Things done outside.
pub trait Publish: Description {
    /// Does one thing. `effect.key` is the same for every attempt of the same effect.
    ///
    /// # Errors
    /// [`Error::retry`] and [`Error::rate_limited`] promise that nothing took effect. If you can't promise that, [`Error::uncertain`].
    fn publish(context: &Context<Self::Settings>, effect: &Effect) -> Result<Receipt, Error>;
}

/// Looking whether an effect took place.
pub trait Find: Description {
    /// Looks for `effect`, which was tried at or after `effect.queued_at`. Answer `Absent` only if you have looked everywhere it could be.
    ///
    /// # Errors
    /// As for [`Poll::poll`]: looking changes nothing.
    fn find(context: &Context<Self::Settings>, effect: &Effect) -> Result<find::Presence, Error>;
}

/// Looking again at what came in. Where the network's terms want deletions honoured and the platform does not tell of all of them;
/// [`Manifest::recheck_every`] says how often.
pub trait Recheck: Description {
    /// The native ids of those of `things`, at most 100, that are surely gone. Leave out what can't be looked at now.
    ///
    /// # Errors
    /// As for [`Poll::poll`]: the same things are asked about again.
    fn gone(context: &Context<Self::Settings>, things: &[recheck::Thing]) -> Result<Vec<String>, Error>;
}

/// Judging settings beyond what their schema can say.
pub trait Configuration: Description {
    /// All that is wrong with settings that have passed the schema; nothing: they are right. Ask nobody anything here.
    fn check(context: &Context<Self::Settings>) -> Vec<configuration::Problem>;
}

/// A system of record.
pub trait Crm: Description {
    /// All contacts that carry this identifier exactly. An empty list is an answer.
    ///
    /// # Errors
    /// As for [`Poll::poll`].
    fn look_up(context: &Context<Self::Settings>, identifier: &Identifier) -> Result<Vec<Contact>, Error>;

    /// What was created, changed or deleted since `cursor`.
    ///
    /// # Errors
    /// The cursor stays where it was.
    fn changes(context: &Context<Self::Settings>, cursor: Option<String>) -> Result<crm::ContactPage, Error>;
}

impl<C: Description> bindings::base::exports::sportello::connector::description::Guest for C {
    fn describe() -> Manifest {
        panic::tell_the_operator();
        C::describe()
    }
}

impl<C: Webhook> bindings::webhook::exports::sportello::connector::webhook::Guest for C {
    fn handle(context: types::Context, requests: Vec<webhook::Request>) -> Vec<Result<webhook::Outcome, Error>> {
        panic::tell_the_operator();
        each(context, &requests, C::handle)
    }
}

impl<C: Poll> bindings::poll::exports::sportello::connector::poll::Guest for C {
    fn poll(context: types::Context, cursor: Option<String>) -> Result<poll::Page, Error> {
        panic::tell_the_operator();
        C::poll(&Context::try_from(context)?, cursor)
    }
}

impl<C: Publish> bindings::publish::exports::sportello::connector::publish::Guest for C {
    fn publish(context: types::Context, effects: Vec<Effect>) -> Vec<Result<Receipt, Error>> {
        panic::tell_the_operator();
        each(context, &effects, C::publish)
    }
}

impl<C: Find> bindings::find::exports::sportello::connector::find::Guest for C {
    fn find(context: types::Context, effect: Effect) -> Result<find::Presence, Error> {
        panic::tell_the_operator();
        C::find(&Context::try_from(context)?, &effect)
    }
}

impl<C: Recheck> bindings::recheck::exports::sportello::connector::recheck::Guest for C {
    fn gone(context: types::Context, things: Vec<recheck::Thing>) -> Result<Vec<String>, Error> {
        panic::tell_the_operator();
        C::gone(&Context::try_from(context)?, &things)
    }
}

impl<C: Configuration> bindings::configuration::exports::sportello::connector::configuration::Guest for C {
    fn check(context: types::Context) -> Vec<configuration::Problem> {
        panic::tell_the_operator();
        match Context::try_from(context) {
            Ok(context) => C::check(&context),
            Err(error) => vec![configuration::Problem { pointer: String::new(), line: None, message: error.reason().to_owned() }],
        }
    }
}

impl<C: Crm> bindings::crm::exports::sportello::connector::crm::Guest for C {
    fn look_up(context: types::Context, identifier: Identifier) -> Result<Vec<Contact>, Error> {
        panic::tell_the_operator();
        C::look_up(&Context::try_from(context)?, &identifier)
    }

    fn changes(context: types::Context, cursor: Option<String>) -> Result<crm::ContactPage, Error> {
        panic::tell_the_operator();
        C::changes(&Context::try_from(context)?, cursor)
    }
}

/// One answer for each item, in order, also where the settings can't be read.
fn each<S: DeserializeOwned, I, O>(
    context: types::Context,
    items: &[I],
    call: impl Fn(&Context<S>, &I) -> Result<O, Error>,
) -> Vec<Result<O, Error>> {
    match Context::try_from(context) {
        Ok(context) => items.iter().map(|item| call(&context, item)).collect(),
        Err(error) => items.iter().map(|_| Err(error.clone())).collect(),
    }
}
