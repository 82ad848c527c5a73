//! A stand-in for Tryton's JSON-RPC, as far as our connector and tests use it.
//!
//! It was written from what Tryton 6.0.29 and 8.2.1 answered on loopback, and passes the same tests (`tests/tests/servers_and_stand_ins/crm.rs`) as either.
//! What it is strict about, as the real ones: an error is HTTP 200 with `error`; a session that is gone is 401 with an empty body and a Basic
//! challenge; an unknown method is 403 in HTML; bad log-ins slow down all log-ins of that name; on 6.0 `write_date` is null until the first write
//! and `_timestamp` knows whole seconds only.

mod domain;
mod records;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};

use self::domain::{matches, names_active};
use self::records::{Records, Work, numbers, spoken};
use super::{Faults, Serving, random_hex};
use crate::error::Result;
use crate::servers::{Account, Crm, Release};

const NAME: &str = "admin";
const PASSWORD: &str = "AdminPass-12345";
const USER_ID: u64 = 1;
/// Bad log-ins of one name after which Tryton answers 429 (`session.max_attempt`).
const ATTEMPTS_MAX: u32 = 5;
/// After n bad log-ins the next one takes up to 2^n - 1 of these (`res.user.get_login` sleeps seconds).
pub const SLOW_DOWN_UNIT: Duration = Duration::from_secs(1);

/// What JSON-RPC answers under `error`.
#[derive(Debug, Clone, PartialEq)]
struct RpcError {
    name: String,
    detail: Value,
}

impl RpcError {
    /// An exception of Python: its text, and an empty trace.
    fn plain(text: impl Into<String>) -> Self {
        Self { name: text.into(), detail: json!("") }
    }

    fn user(message: impl Into<String>) -> Self {
        Self { name: "UserError".to_owned(), detail: json!([message.into(), "", null]) }
    }
}

#[derive(Debug)]
struct Inside {
    release: Release,
    records: Records,
    sessions: BTreeSet<String>,
    bad_logins: HashMap<String, u32>,
    /// What its clock shows; `None`: the machine's time.
    clock: Option<Timestamp>,
}

/// A running stand-in CRM. Dropping it stops it.
#[derive(Debug)]
pub struct CrmStandIn {
    serving: Serving,
    inside: Arc<Mutex<Inside>>,
    faults: Faults,
    release: Release,
}

impl CrmStandIn {
    /// Starts a Tryton 6.0 without any party, with the same account as the real one of [`crate::servers::Tryton`].
    ///
    /// # Errors
    /// When no loopback port can be bound.
    pub async fn start() -> Result<Self> {
        Self::start_release(Release::Six).await
    }

    /// The same for this release.
    ///
    /// # Errors
    /// When no loopback port can be bound.
    pub async fn start_release(release: Release) -> Result<Self> {
        Self::start_slowly(release, SLOW_DOWN_UNIT).await
    }

    /// The same with another unit of the pause after bad log-ins, for tests that make many.
    ///
    /// # Errors
    /// When no loopback port can be bound.
    pub async fn start_with_slow_down(unit: Duration) -> Result<Self> {
        Self::start_slowly(Release::Six, unit).await
    }

    async fn start_slowly(release: Release, unit: Duration) -> Result<Self> {
        let (sessions, bad_logins) = (BTreeSet::new(), HashMap::new());
        let inside = Arc::new(Mutex::new(Inside { release, records: Records::new(release), sessions, bad_logins, clock: None }));
        let faults = Faults::default();
        let router = Router::new()
            .route(&release.path_below("/crm/"), post(move |state, headers, body| serve(state, headers, body, unit)))
            .with_state(Arc::clone(&inside));
        Ok(Self { serving: Serving::start(router, faults.clone()).await?, inside, faults, release })
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn base_url(&self) -> String {
        self.serving.base_url()
    }

    /// What can be made to go wrong.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// From now on its clock shows this moment and stands still until it is set again; before the first time it shows the machine's time.
    pub fn set_clock(&self, now: Timestamp) {
        self.inside().clock = Some(now);
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().expect("no panic while the CRM is held")
    }
}

impl Crm for CrmStandIn {
    fn rpc_url(&self) -> String {
        format!("{}{}", self.base_url(), self.release.path_below("/crm/"))
    }

    fn account(&self) -> Account {
        Account::new(NAME, PASSWORD)
    }

    fn release(&self) -> Release {
        self.release
    }

    fn expire_sessions(&self) -> BoxFuture<'_, Result<()>> {
        self.inside().sessions.clear();
        std::future::ready(Ok(())).boxed()
    }
}

async fn serve(State(inside): State<Arc<Mutex<Inside>>>, headers: HeaderMap, body: Bytes, slow_down: Duration) -> Response {
    let hold = || inside.lock().expect("no panic while the CRM is held");
    let is_json = headers.get("content-type").is_some_and(|kind| String::from_utf8_lossy(kind.as_bytes()).contains("json"));
    let Some(call) = serde_json::from_slice::<Value>(&body).ok().filter(|call| is_json && call.is_object()) else {
        return match hold().release {
            Release::Six => page(StatusCode::INTERNAL_SERVER_ERROR, "Value after * must be an iterable, not NoneType"),
            Release::Eight => page(StatusCode::BAD_REQUEST, "Unable to read JSON request"),
        };
    };
    let (Some(id), Some(method), Some(params)) = (call.get("id"), call["method"].as_str(), call["params"].as_array()) else {
        return (StatusCode::NOT_IMPLEMENTED, "The stand-in CRM models calls of exactly id, method and params.").into_response();
    };
    if method == "common.db.login" {
        let bad = params.first().and_then(Value::as_str).and_then(|name| hold().bad_logins.get(name).copied()).unwrap_or_default();
        if bad > ATTEMPTS_MAX {
            return page(StatusCode::TOO_MANY_REQUESTS, "This user has exceeded an allotted request count. Try again later.");
        }
        // A pause of the server, not of a test: this is what slows a client down that tries passwords.
        tokio::time::sleep(slow_down * fastrand::u32(0..2_u32.pow(bad))).await;
        return log_in(&mut hold(), id, params);
    }
    let mut inside = hold();
    let Some(session) = session_of(&inside, &headers) else {
        return (StatusCode::UNAUTHORIZED, [("www-authenticate", "Basic realm=\"Tryton\"")]).into_response();
    };
    if method == "common.db.logout" {
        inside.sessions.remove(&session);
        return reply(id, Ok(Value::Null));
    }
    if inside.release == Release::Eight && method.starts_with("model.") && !params.last().is_some_and(Value::is_object) {
        return page(StatusCode::UNPROCESSABLE_ENTITY, "Missing context argument");
    }
    match method.strip_prefix("model.").and_then(|path| path.rsplit_once('.')) {
        Some((model, action)) => match perform(&mut inside, model, action, params) {
            Some(result) => reply(id, result),
            None => page(StatusCode::FORBIDDEN, "You don't have the permission to access the requested resource."),
        },
        None => page(StatusCode::FORBIDDEN, "You don't have the permission to access the requested resource."),
    }
}

fn log_in(inside: &mut Inside, id: &Value, params: &[Value]) -> Response {
    let name = params.first().and_then(Value::as_str).unwrap_or_default();
    let Some(password) = params.get(1).and_then(|parameters| parameters.get("password")) else {
        let ask = json!(["password", format!("Password for {name}"), "password"]);
        return reply(id, Err(RpcError { name: "LoginException".to_owned(), detail: ask }));
    };
    if name != NAME || password != PASSWORD {
        *inside.bad_logins.entry(name.to_owned()).or_default() += 1;
        return page(StatusCode::UNAUTHORIZED, "The server could not verify that you are authorized to access the URL requested.");
    }
    inside.bad_logins.remove(name);
    let session = random_hex(32);
    inside.sessions.insert(session.clone());
    reply(
        id,
        Ok(match inside.release {
            Release::Six => json!([USER_ID, session]),
            Release::Eight => json!([USER_ID, session, null]),
        }),
    )
}

fn session_of(inside: &Inside, headers: &HeaderMap) -> Option<String> {
    let text = headers.get("authorization")?.to_str().ok()?.strip_prefix("Session ")?;
    let text = String::from_utf8(STANDARD.decode(text).ok()?).ok()?;
    let session = text.strip_prefix(&format!("{NAME}:{USER_ID}:"))?;
    inside.sessions.get(session).cloned()
}

/// The result of a model's method, or `None` for a method that does not exist.
fn perform(inside: &mut Inside, model: &str, action: &str, params: &[Value]) -> Option<std::result::Result<Value, RpcError>> {
    if (model, action) == ("res.user", "get_preferences") {
        return Some(Ok(json!({"language": "en", "language_direction": "ltr", "groups": [1, 2]})));
    }
    let Some(model) = Records::model(model) else {
        return Some(Err(RpcError::plain(format!("'{model}'"))));
    };
    if !["create", "read", "write", "delete", "search", "search_count", "search_read"].contains(&action) {
        return None;
    }
    let Some((context, arguments)) = params.split_last().filter(|(context, _)| context.is_object()) else {
        return Some(Err(RpcError::plain("Missing context argument")));
    };
    let nothing = Value::Null;
    let argument = |position: usize| arguments.get(position).unwrap_or(&nothing);
    let work = Work { now: inside.clock.unwrap_or_else(Timestamp::now), seen: &context["_timestamp"] };
    let records = &mut inside.records;
    Some(match action {
        "create" => in_transaction(records, |records| create(records, model, argument(0), work)),
        "read" => read(records, model, &numbers(argument(0)), argument(1), context),
        "write" => in_transaction(records, |records| records.write(model, &numbers(argument(0)), argument(1), work)).map(|()| Value::Null),
        "delete" => {
            records.delete(model, &numbers(argument(0)));
            Ok(Value::Null)
        }
        _ => search(records, model, action, arguments, context),
    })
}

/// One transaction: what fails leaves nothing behind.
fn in_transaction<Done>(
    records: &mut Records,
    work: impl FnOnce(&mut Records) -> std::result::Result<Done, RpcError>,
) -> std::result::Result<Done, RpcError> {
    let before = records.clone();
    work(records).inspect_err(|_| *records = before)
}

fn create(records: &mut Records, model: &'static str, list: &Value, work: Work<'_>) -> std::result::Result<Value, RpcError> {
    let ids: std::result::Result<Vec<u64>, RpcError> =
        list.as_array().into_iter().flatten().map(|values| records.create(model, values, work)).collect();
    Ok(json!(ids?))
}

fn read(records: &Records, model: &'static str, ids: &[u64], fields: &Value, context: &Value) -> std::result::Result<Value, RpcError> {
    let fields = names(fields);
    let missing: Vec<String> = ids.iter().filter(|id| records.find(model, **id).is_none()).map(u64::to_string).collect();
    if !missing.is_empty() {
        let text = format!("You are trying to read records \"{}\" of \"{}\" that don't exist anymore.", missing.join(", "), spoken(model));
        return Err(RpcError::user(text));
    }
    let found = ids.iter().filter_map(|id| records.find(model, *id));
    Ok(Value::Array(
        found.map(|record| records.shown(model, record, &fields, wants_inactive(context))).collect::<std::result::Result<_, _>>()?,
    ))
}

/// Whether a call wants what is inactive too.
fn wants_inactive(context: &Value) -> bool {
    context.get("active_test") == Some(&json!(false))
}

/// `[domain, offset, limit, order, fields?, context]`.
fn search(
    records: &Records,
    model: &'static str,
    action: &str,
    arguments: &[Value],
    context: &Value,
) -> std::result::Result<Value, RpcError> {
    let nothing = Value::Null;
    let argument = |position: usize| arguments.get(position).unwrap_or(&nothing);
    let domain = argument(0);
    let leaves_out_inactive = !wants_inactive(context) && !names_active(domain);
    let mut found = Vec::new();
    for record in records.all(model) {
        let is_out = leaves_out_inactive && records.is_inactive(model, record);
        if !is_out && matches(records, model, record, domain)? {
            found.push(record);
        }
    }
    if action == "search_count" {
        return Ok(json!(found.len()));
    }
    let mut keyed = Vec::new();
    for record in found {
        let mut keys = Vec::new();
        for rule in argument(3).as_array().into_iter().flatten() {
            let value = records.value(model, record, rule[0].as_str().unwrap_or_default())?;
            keys.push((rule[1].as_str().is_some_and(|way| way.to_uppercase().starts_with("DESC")), sort_key(&value)));
        }
        keyed.push((keys, record));
    }
    keyed.sort_by(|(left, left_record), (right, right_record)| {
        let by_keys =
            left.iter().zip(right).map(|((descending, left), (_, right))| if *descending { right.cmp(left) } else { left.cmp(right) });
        by_keys.reduce(std::cmp::Ordering::then).unwrap_or(std::cmp::Ordering::Equal).then(left_record.id.cmp(&right_record.id))
    });
    let offset = argument(1).as_u64().unwrap_or_default() as usize;
    let limit = argument(2).as_u64().map_or(usize::MAX, |limit| limit as usize);
    let page = keyed.into_iter().map(|(_, record)| record).skip(offset).take(limit);
    if action == "search" {
        return Ok(json!(page.map(|record| record.id).collect::<Vec<_>>()));
    }
    let fields = names(argument(4));
    Ok(Value::Array(
        page.map(|record| records.shown(model, record, &fields, wants_inactive(context))).collect::<std::result::Result<_, _>>()?,
    ))
}

/// Nulls first, then times, numbers, texts.
fn sort_key(value: &Value) -> (u8, [i64; 7], String) {
    match (domain::moment(value), value.as_i64(), value.as_str()) {
        (Some(moment), _, _) => (1, moment, String::new()),
        (None, Some(number), _) => (2, [number, 0, 0, 0, 0, 0, 0], String::new()),
        (None, None, Some(text)) => (3, [0; 7], text.to_owned()),
        _ => (0, [0; 7], String::new()),
    }
}

fn names(fields: &Value) -> Vec<&str> {
    fields.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

fn reply(id: &Value, result: std::result::Result<Value, RpcError>) -> Response {
    let body = match result {
        Ok(result) => json!({"id": id, "result": result}),
        Err(error) => json!({"id": id, "error": [error.name, error.detail]}),
    };
    (StatusCode::OK, [("content-type", "application/json")], body.to_string()).into_response()
}

fn page(status: StatusCode, text: &str) -> Response {
    let title = format!("{} {}", status.as_u16(), status.canonical_reason().unwrap_or_default());
    (status, Html(format!("<!doctype html>\n<html lang=en>\n<title>{title}</title>\n<p>{text}</p>\n"))).into_response()
}
