//! A look at a platform: a poll, the changes of a CRM, or a look-up in one.
//!
//! What the platform answers is given, and so is what it must be asked: a request that is another one has no answer.

use std::rc::Rc;

use serde::Deserialize;
use serde_json::Value;
use sportello_sdk::http::{Failure, Request, Response};
use sportello_sdk::testing::{Channel, Host, Running};
use sportello_sdk::{Crm, Description, Error, Poll};

use crate::{Problem, Work};

#[derive(Deserialize)]
struct Question {
    settings: Value,
    /// The call's time, RFC 3339.
    now: String,
    call: Call,
    exchanges: Vec<Exchange>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Call {
    /// From a cursor on.
    Poll(Option<String>),
    /// From a cursor on.
    Changes(Option<String>),
    /// Scheme and value.
    LookUp(String, String),
}

#[derive(Deserialize)]
struct Exchange {
    method: String,
    url: String,
    request: String,
    status: u16,
    headers: Vec<(String, String)>,
    response: String,
}

impl Exchange {
    fn is_asked_by(&self, request: &Request) -> bool {
        request.method() == self.method && request.url() == self.url && request.body_bytes() == self.request.as_bytes()
    }

    fn answer(&self) -> Response {
        let mut response = Response::new(self.status);
        response.body = self.response.clone().into_bytes();
        self.headers.iter().fold(response, |response, (name, value)| response.with_header(name, value.as_str()))
    }
}

/// The platform as it was, one exchange after the other.
struct Platform {
    now: String,
    exchanges: Rc<[(Exchange, Response)]>,
}

impl Platform {
    /// A host of which nothing is remembered from an earlier call.
    fn start(&self) -> Running {
        let (exchanges, mut next) = (Rc::clone(&self.exchanges), 0);
        let answer = move |request: &Request| {
            let exchange = exchanges.get(next).filter(|(exchange, _)| exchange.is_asked_by(request));
            next += 1;
            exchange
                .map(|(_, response)| response.clone())
                .ok_or_else(|| Failure::Invalid(format!("request {next} is none of the guest's: {} {}", request.method(), request.url())))
        };
        Host::new().now(&self.now).http(answer).start()
    }
}

/// A look at a source of interactions.
pub(crate) fn of_source<C: Poll + 'static>(line: &str) -> Result<Work, Problem> {
    let (channel, call, platform) = read::<C>(line)?;
    let Call::Poll(cursor) = call else { return Err("a source of interactions is polled".into()) };
    Ok(work(platform, move || Ok(channel.poll(cursor.as_deref())?.interactions.len())))
}

/// A look at a CRM.
pub(crate) fn of_crm<C: Crm + 'static>(line: &str) -> Result<Work, Problem> {
    let (channel, call, platform) = read::<C>(line)?;
    match call {
        Call::Changes(cursor) => Ok(work(platform, move || Ok(channel.changes(cursor.as_deref())?.contacts.len()))),
        Call::LookUp(scheme, value) => Ok(work(platform, move || Ok(channel.look_up(&scheme, &value)?.len()))),
        Call::Poll(_) => Err("a CRM is not polled".into()),
    }
}

fn read<C: Description>(line: &str) -> Result<(Channel<C>, Call, Platform), Problem> {
    let Question { settings, now, call, exchanges } = serde_json::from_str(line)?;
    let answered = exchanges.into_iter().map(|exchange| {
        let answer = exchange.answer();
        (exchange, answer)
    });
    Ok((Channel::new(settings), call, Platform { now, exchanges: answered.collect() }))
}

fn work(platform: Platform, look: impl Fn() -> Result<usize, Error> + 'static) -> Work {
    Box::new(move || {
        let _host = platform.start();
        look().map_err(|error| error.reason().to_owned().into())
    })
}
