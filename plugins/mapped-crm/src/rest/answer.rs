//! Sending a request, and what an answer's status means.

use std::time::Duration;

use sportello_sdk::http::{Request, Response};
use sportello_sdk::{Error, headroom, time};

use super::{Authentication, Rest};
use crate::pointer::{self, Json, Pointer};
use crate::template::Unfit;

/// How long to wait before what collided with somebody else's write is tried again.
const COLLISION_PAUSE: Duration = Duration::from_secs(1);
/// The host's window of which nothing is left after a refusal, until it says.
const ALL: &str = "all";
/// How long to wait after a 429 that does not say how long.
const LIMIT_PAUSE: Duration = Duration::from_secs(60);

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Repeating it changes nothing.
    Look,
    /// It writes on something that is there.
    Write,
    /// It makes something of which there is one.
    Create,
}

/// The answer, or None where what was looked for is not there.
pub(crate) fn send(rest: &Rest, purpose: Purpose, request: Request) -> Result<Option<Response>, Error> {
    let request = if purpose == Purpose::Look { request.repeatable() } else { request };
    headroom::take(ALL)?;
    let mut response = request.clone().send()?;
    if response.status == 401 && rest.authentication == Authentication::Oauth2Client {
        // Refused before anything was done, and the host has given the token up: the same request fetches a new one.
        response = request.send()?;
    }
    let reason = |what: &str| format!("{}: HTTP {}: {what}", rest.name, response.status);
    match response.status {
        404 | 410 if purpose == Purpose::Look => Ok(None),
        404 | 410 => Err(Error::reject(reason("there is nothing to write on"))),
        401 => Err(Error::auth(reason(&format!("it does not take the credential `{}`", rest.authentication.word())))),
        403 => Err(Error::reject(reason("the credential's owner may not do this"))),
        409 if purpose == Purpose::Create => Err(Error::reject(reason("there is such a record already"))),
        409 | 412 => Err(Error::retry(COLLISION_PAUSE, reason("somebody else wrote at the same time"))),
        429 => {
            let until = time::after(response.retry_after().unwrap_or(LIMIT_PAUSE));
            headroom::report_refusal(ALL, &until);
            Err(Error::rate_limited(until, reason("its limit of requests is reached")))
        }
        300..=399 => Err(Error::reject(reason("it sends elsewhere, and requests go to base-url only"))),
        _ => response.success().map(Some),
    }
}

/// The document of an answer to a look.
pub(crate) fn document<'a>(rest: &Rest, response: &'a Response) -> Result<&'a Json, Error> {
    pointer::whole(&response.body).map_err(|error| {
        let reason = format!("{}: HTTP {} is not the JSON expected: {error}", rest.name, response.status);
        Error::retry(sportello_sdk::http::RETRY_AFTER, reason)
    })
}

/// The records of an answer. One record that stands alone is a list of it.
pub(crate) fn records<'a>(rest: &Rest, document: &'a Json, at: &Pointer) -> Result<Vec<&'a Json>, Error> {
    let found = at.first(document);
    let list = found.and_then(|value| pointer::items(value).or_else(|| pointer::is_map(value).then(|| vec![value])));
    list.ok_or_else(|| Error::reject(format!("{}: the answer has no list of records at `{}` (`records`)", rest.name, at.as_str())))
}

/// What a slot that cannot be filled means for what was to be done.
pub(crate) fn unfit(rest: &Rest, unfit: &Unfit) -> Error {
    Error::reject(match unfit {
        Unfit::Unsaid(what) => format!("{}: nothing says `{what}`, which the mapping's request needs", rest.name),
        Unfit::Missing(what) => format!("{}: the record has no `{what}`, which the mapping's request needs", rest.name),
        Unfit::Value(why) => format!("{}: the mapping's request cannot hold this value: {why}", rest.name),
    })
}
