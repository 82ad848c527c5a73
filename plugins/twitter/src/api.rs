//! Requests to the API's second version, what their answers mean, and what is left under the limits.
//!
//! Every answer says what is left for its endpoint, in a quarter of an hour and where there is such a limit in 24 hours:
//! <https://docs.x.com/x-api/fundamentals/rate-limits>. Errors are problem documents;
//! HTTP 200 may hold `data` and `errors` side by side: <https://docs.x.com/x-api/fundamentals/response-codes-and-errors>.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use sportello_sdk::{Error, diagnostics, headroom, http, lenient, time};

use crate::Settings;
use crate::activity::{Unwrapped, User};

/// How long to wait after a limit that does not say how long: most windows are of a quarter of an hour.
const LIMIT_PAUSE: Duration = Duration::from_secs(15 * 60);
/// The limits an answer may tell of, by how their headers begin, and what is put behind an endpoint's name to name its window. The headers of 24 hours,
/// one window of the account and one of the application, stand on no page of X's: <https://github.com/plhery/node-twitter-api-v2/issues/495>,
/// <https://github.com/plhery/node-twitter-api-v2/issues/553>.
const LIMITS: [(&str, &str); 3] = [("x-rate-limit", ""), ("x-user-limit-24hour", "-user-day"), ("x-app-limit-24hour", "-app-day")];
/// The same for what a refusal says, which may come from a gateway and counts nothing.
const REFUSED: &str = "-refused";
/// The kind of problem where the plan has a cap of a day or a month and it is used up. What the headers beside it say is left is of other limits, and
/// when the cap ends is not said. <https://github.com/xdevplatform/xdk/issues/25>
const USAGE_CAPPED: &str = "usage-capped";
/// How long to wait then.
const CAP_PAUSE: Duration = Duration::from_secs(60 * 60);
/// The kinds of problem that are the application's or its token's, whatever is asked for: a permission it lacks, a plan without the endpoint, a token of
/// the wrong kind. <https://docs.x.com/x-api/fundamentals/response-codes-and-errors>
const NOT_PERMITTED: [&str; 3] = ["oauth1-permissions", "client-forbidden", "unsupported-authentication"];
/// All that X says where the token of OAuth 2 has not the scope; of a post that may not be answered it says more, and of other things their kind.
/// <https://github.com/PLhery/node-twitter-api-v2/issues/224>, <https://github.com/PLhery/node-twitter-api-v2/issues/265>,
/// <https://github.com/mironal/TwitterAPIKit/issues/122>
const WITHOUT_SCOPE: &str = "Forbidden";
/// How long to wait before a list that was not shown is asked for again.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// How long a delivery waits for one look-up.
const PATIENCE: Duration = Duration::from_secs(3);
/// Ids in one look-up.
pub(crate) const IDS_MAX: usize = 100;

#[derive(Default, Deserialize)]
struct Problem {
    /// A URI whose last part says the kind; `about:blank` where there is none.
    #[serde(rename = "type", default, deserialize_with = "lenient::text")]
    kind: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    title: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    detail: Option<String>,
    #[serde(default, deserialize_with = "lenient::list")]
    errors: Vec<Detail>,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default, deserialize_with = "lenient::text")]
    message: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    detail: Option<String>,
    /// The kind of problem, a URI.
    #[serde(rename = "type", default, deserialize_with = "lenient::text")]
    kind: Option<String>,
    /// What was asked for and is not shown.
    #[serde(default, deserialize_with = "lenient::id")]
    resource_id: Option<String>,
    /// What kind of thing that is: `tweet`, `user`…
    #[serde(default, deserialize_with = "lenient::text")]
    resource_type: Option<String>,
}

/// An answer that is no success.
pub(crate) struct Refusal {
    response: http::Response,
    /// The kind of problem, if X names one.
    kind: Option<String>,
    said: String,
}

/// Reads something. `window` names the endpoint's limits.
pub(crate) fn look(request: &http::Request, window: &str) -> Result<http::Response, Error> {
    send(request, window)?.map_err(|refusal| refusal.meaning())
}

/// Changes something; an answer that is no success is given apart, for those who know more of it than its usual meaning.
pub(crate) fn change(request: &http::Request, window: &str) -> Result<Result<http::Response, Refusal>, Error> {
    match send(request, window)? {
        // The token had ended, and nothing took effect. The host has given it up and fetches another one; reads it repeats by itself.
        Err(refusal) if refusal.response.status == 401 => send(request, window),
        answered => Ok(answered),
    }
}

fn send(request: &http::Request, window: &str) -> Result<Result<http::Response, Refusal>, Error> {
    let refused = format!("{window}{REFUSED}");
    headroom::take(&refused)?;
    for (_, which) in LIMITS {
        headroom::take(&format!("{window}{which}"))?;
    }
    let response = request.clone().send()?;
    report(&response, window);
    if response.is_success() {
        return Ok(Ok(response));
    }
    let problem: Problem = serde_json::from_slice(&response.body).unwrap_or_default();
    let kind = problem.kind.as_deref().and_then(|kind| kind.rsplit_once("/problems/")).map(|(_, kind)| kind.to_owned());
    let refusal = Refusal { response, kind, said: said(problem) };
    if refusal.response.status == 429 {
        headroom::report_refusal(&refused, &refusal.until());
    }
    Ok(Err(refusal))
}

impl Refusal {
    /// Whether the same words stand there already.
    pub(crate) fn is_duplicate(&self) -> bool {
        self.response.status == 403 && self.said.contains("duplicate content")
    }

    /// What X says, for a person.
    pub(crate) fn reason(&self) -> String {
        format!("X says: {} [HTTP {}]", self.said, self.response.status)
    }

    fn is_capped(&self) -> bool {
        self.kind.as_deref() == Some(USAGE_CAPPED)
    }

    /// Until when a limit lasts: X says when it ends, a gateway before it for how long, and of a cap nobody says.
    fn until(&self) -> String {
        if self.is_capped() {
            return time::after(CAP_PAUSE);
        }
        let pause = || time::after(self.response.retry_after().unwrap_or(LIMIT_PAUSE));
        free_at(&self.response).map_or_else(pause, time::from_seconds)
    }

    /// What the host must do.
    pub(crate) fn meaning(&self) -> Error {
        let reason = self.reason();
        match self.response.status {
            429 if self.is_capped() => {
                Error::rate_limited(self.until(), format!("{reason}; what the plan allows is used up, which X's developer console shows"))
            }
            429 => Error::rate_limited(self.until(), reason),
            403 if self.kind.as_deref().is_some_and(|kind| NOT_PERMITTED.contains(&kind)) => {
                Error::auth(format!("{reason}; the application lacks the permission, the plan or the kind of token that this needs"))
            }
            403 if self.kind.is_none() && self.said == WITHOUT_SCOPE => Error::auth(format!(
                "{reason}; most likely the token was authorised without a scope that this needs: authorise the application anew, with all that stand in the connector's README"
            )),
            _ => self.response.failure(reason),
        }
    }
}

fn said(problem: Problem) -> String {
    let first = problem.errors.into_iter().next().and_then(|error| error.message.or(error.detail));
    let detail = problem.detail.or(problem.title).unwrap_or_else(|| "nothing that could be read".to_owned());
    match first {
        Some(first) if first != detail => format!("{detail} {first}"),
        _ => detail,
    }
}

fn header_number(response: &http::Response, name: &str) -> Option<i64> {
    response.header(name)?.trim().parse().ok()
}

fn resets_at(response: &http::Response, limit: &str) -> Option<i64> {
    header_number(response, &format!("{limit}-reset"))
}

fn count(response: &http::Response, limit: &str, what: &str) -> Option<u32> {
    u32::try_from(header_number(response, &format!("{limit}-{what}"))?).ok()
}

/// When the last of the limits ends that are used up, in seconds since 1970. Where none says that nothing is left, that of a quarter of an hour is meant.
fn free_at(response: &http::Response) -> Option<i64> {
    let used_up = LIMITS.iter().filter(|(limit, _)| count(response, limit, "remaining") == Some(0));
    used_up.filter_map(|(limit, _)| resets_at(response, limit)).max().or_else(|| resets_at(response, LIMITS[0].0))
}

fn report(response: &http::Response, window: &str) {
    for (limit, which) in LIMITS {
        if let (Some(remaining), Some(resets_at)) = (count(response, limit, "remaining"), resets_at(response, limit)) {
            let allowed = count(response, limit, "limit");
            let (name, resets_at) = (format!("{window}{which}"), time::from_seconds(resets_at));
            headroom::report(&headroom::Window { name, allowed, remaining, resets_at });
        }
    }
}

/// What lists and look-ups answer.
#[derive(Deserialize)]
#[serde(bound = "Data: serde::de::DeserializeOwned")]
pub(crate) struct Document<Data> {
    #[serde(default, deserialize_with = "lenient::list")]
    pub(crate) data: Vec<Data>,
    #[serde(default, deserialize_with = "lenient::value")]
    pub(crate) includes: Option<Includes>,
    #[serde(default, deserialize_with = "lenient::value")]
    pub(crate) meta: Option<Meta>,
    #[serde(default, deserialize_with = "lenient::list")]
    errors: Vec<Detail>,
}

#[derive(Default, Deserialize)]
pub(crate) struct Includes {
    #[serde(default, deserialize_with = "lenient::list")]
    pub(crate) users: Vec<Unwrapped<User>>,
}

#[derive(Deserialize)]
pub(crate) struct Meta {
    /// How many things X says a page has.
    #[serde(default, deserialize_with = "lenient::value")]
    pub(crate) result_count: Option<usize>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) next_token: Option<String>,
}

impl<Data> Document<Data> {
    /// Refuses an answer that shows no list though it is HTTP 200: errors stand there alone, and what has no `meta` is not the end of a list. Of an account
    /// that is suspended or protected, or not there, X says that of the account. <https://github.com/plhery/node-twitter-api-v2/issues/145>
    pub(crate) fn must_be_a_list(&self, settings: &Settings) -> Result<(), Error> {
        if self.meta.is_some() {
            return Ok(());
        }
        let said = self.errors.first().and_then(|first| first.detail.as_deref().or(first.message.as_deref())).unwrap_or("nothing");
        let reason = format!("X shows no list and says: {said} [HTTP 200]");
        let is_of_the_account =
            |error: &Detail| error.resource_type.as_deref() == Some("user") && error.resource_id.as_ref() == Some(&settings.user_id);
        Err(match self.errors.iter().any(is_of_the_account) {
            true => Error::auth(format!("{reason}; the account may be suspended, or the setting `user-id` is not its id")),
            false => Error::retry(ASK_AGAIN_AFTER, reason),
        })
    }

    /// Whether every post is there that X had to show: as many rows as it says, and no errors beside them but of other things (people, pictures).
    pub(crate) fn is_whole(&self) -> bool {
        let said = self.meta.as_ref().and_then(|meta| meta.result_count);
        let is_of_a_post = |error: &Detail| error.resource_type.as_deref().is_none_or(|kind| kind == "tweet" || kind == "post");
        !self.errors.iter().any(is_of_a_post) && said == Some(self.data.len())
    }

    /// The ids of what was asked for and is not there.
    pub(crate) fn not_found(&self) -> impl Iterator<Item = &str> {
        let is_missing = |error: &&Detail| error.kind.as_deref().is_some_and(|kind| kind.ends_with("/resource-not-found"));
        self.errors.iter().filter(is_missing).filter_map(|error| error.resource_id.as_deref())
    }

    /// Tells the operator of errors beside data. What they are about is left out by X.
    pub(crate) fn note_errors(&self, of: &str) {
        if let Some(first) = self.errors.first() {
            let said = first.detail.as_deref().or(first.message.as_deref()).unwrap_or("nothing that could be read");
            diagnostics::info!("{of}: {} things could not be shown, the first: {said}", self.errors.len());
        }
    }
}

#[derive(Deserialize)]
struct InThread {
    #[serde(default, deserialize_with = "lenient::id")]
    id: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    conversation_id: Option<String>,
}

/// Which thread posts lie in, by the posts' ids, and what went wrong before all were asked for. What X does not show is missing. A delivery waits for it,
/// so it may not take long.
pub(crate) fn threads(settings: &Settings, ids: &[&str]) -> (BTreeMap<String, String>, Result<(), Error>) {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let mut threads = BTreeMap::new();
    let asked = ids.chunks(IDS_MAX).try_for_each(|chunk| {
        threads.extend(threads_of(settings, chunk)?);
        Ok(())
    });
    (threads, asked)
}

fn threads_of(settings: &Settings, ids: &[&str]) -> Result<impl Iterator<Item = (String, String)> + use<>, Error> {
    let request =
        http::Request::get(settings.url("tweets")).query("ids", ids.join(",")).query("tweet.fields", "conversation_id").timeout(PATIENCE);
    let document: Document<InThread> = look(&request, "lookups")?.json()?;
    Ok(document.data.into_iter().filter_map(|post| Some((post.id?, post.conversation_id?))))
}
