//! A stand-in for MediaWiki's action API, as far as our connector and tests use it.
//!
//! It was written from what MediaWiki 1.39.17 answered on loopback, and passes the same tests (`tests/tests/servers_and_stand_ins/wiki.rs`). What it is
//! strict about, as the real one: every error is HTTP 200 with an `error` object and the header `MediaWiki-API-Error`; a failed log-in is
//! 200 without an error, after which edits succeed *anonymously* unless `assert=user` is sent; tokens must stand in the POST body and die
//! with the session. Parameters it does not know are refused with HTTP 501.

mod call;
mod query;
mod store;
mod wikitext;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::any;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use serde_json::{Value, json};

use self::call::{ApiError, BOT_COOKIE, Call, SESSION_COOKIE, identify};
use self::store::{Actor, Base, EditRequest, Part, Store};
use super::{Faults, Serving, form_fields, random_hex};
use crate::error::Result;
use crate::servers::{Account, Wiki};

/// Every parameter that is modelled, of whatever action.
const KNOWN_PARAMETERS: &[&str] = &[
    "action",
    "format",
    "formatversion",
    "assert",
    "curtimestamp",
    "continue",
    "maxlag",
    "utf8",
    "errorformat", //
    "meta",
    "type",
    "list",
    "prop",
    "titles",
    "revids",
    "redirects",
    "uiprop",
    "siprop", //
    "rvprop",
    "rvslots",
    "rvsection",
    "rvlimit",
    "rvdir",
    "rvcontinue", //
    "rcprop",
    "rcdir",
    "rclimit",
    "rctype",
    "rcnamespace",
    "rcstart",
    "rcend",
    "rcuser",
    "rcexcludeuser",
    "rcshow",
    "rccontinue", //
    "ucuser",
    "ucprop",
    "uclimit",
    "ucdir",
    "uccontinue",
    "ucnamespace", //
    "page",
    "oldid",
    "section",
    "lgname",
    "lgpassword",
    "lgtoken", //
    "title",
    "sectiontitle",
    "text",
    "appendtext",
    "summary",
    "basetimestamp",
    "starttimestamp",
    "baserevid",
    "createonly",
    "nocreate",
    "bot",
    "token",
    "minor",
    "notminor",
    "watchlist",
    "contentformat",
    "contentmodel",
    "from",
    "to",
    "reason",
    "ids",
    "hide",
];

#[derive(Debug, Clone)]
struct Session {
    /// `None` while a log-in is under way.
    actor: Option<Actor>,
    login_token: String,
    csrf_token: String,
}

impl Session {
    fn new(actor: Option<Actor>) -> Self {
        Self { actor, login_token: format!("{}+\\", random_hex(20)), csrf_token: format!("{}+\\", random_hex(20)) }
    }
}

#[derive(Debug)]
struct Person {
    id: u64,
    password: String,
    bot: bool,
    admin: bool,
    unread: bool,
}

#[derive(Debug, Default)]
struct Inside {
    store: Store,
    people: BTreeMap<String, Person>,
    /// By `user@application`.
    bot_passwords: BTreeMap<String, String>,
    sessions: HashMap<String, Session>,
    /// What its clock shows; `None`: the machine's time.
    clock: Option<Timestamp>,
}

/// A running stand-in wiki. Dropping it stops it.
#[derive(Debug)]
pub struct WikiStandIn {
    serving: Serving,
    inside: Arc<Mutex<Inside>>,
    faults: Faults,
    bot: Account,
}

impl WikiStandIn {
    /// Starts a wiki with the same accounts as the real one of [`crate::servers::MediaWiki`].
    ///
    /// # Errors
    /// When no loopback port can be bound.
    pub async fn start() -> Result<Self> {
        let bot = Account::new("ConnectorBot@connector", "0123456789abcdef0123456789abcdef");
        let mut inside = Inside::default();
        inside.add_person("Admin", "AdminPass-12345", false, true);
        inside.add_person("MediaWiki default", &random_hex(16), false, false);
        inside.add_person("ConnectorBot", "BotUserPass-9876", true, false);
        inside.add_person("Customer", "CustomerPass-9876", false, false);
        inside.bot_passwords.insert(bot.name.clone(), bot.password.clone());
        let first = EditRequest {
            title: "Main Page".to_owned(),
            part: Part::Whole,
            heading: String::new(),
            text: Some("MediaWiki has been installed.".to_owned()),
            append: String::new(),
            summary: None,
            base: None,
            create_only: false,
            no_create: false,
            as_bot: false,
        };
        let installer = Actor { id: 2, name: "MediaWiki default".to_owned(), bot: false, admin: false };
        inside.store.edit(&first, &installer, Timestamp::now()).expect("the first edit of an empty wiki is a valid one");
        let inside = Arc::new(Mutex::new(inside));
        let faults = Faults::default();
        let router = Router::new().route("/api.php", any(serve)).with_state(Arc::clone(&inside));
        Ok(Self { serving: Serving::start(router, faults.clone()).await?, inside, faults, bot })
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn base_url(&self) -> String {
        self.serving.base_url()
    }

    /// What can be made to go wrong.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().expect("no panic while the wiki is held")
    }
}

impl Wiki for WikiStandIn {
    fn api_url(&self) -> String {
        format!("{}/api.php", self.base_url())
    }

    fn admin_account(&self) -> Account {
        Account::new("Admin", "AdminPass-12345")
    }

    fn customer_account(&self) -> Account {
        Account::new("Customer", "CustomerPass-9876")
    }

    fn bot_account(&self) -> Account {
        self.bot.clone()
    }

    fn add_customer<'a>(&'a self, name: &'a str, password: &'a str) -> BoxFuture<'a, Result<Account>> {
        self.inside().add_person(name, password, false, false);
        std::future::ready(Ok(Account::new(name, password))).boxed()
    }

    fn expire_sessions(&self) -> BoxFuture<'_, Result<()>> {
        // People's sessions come back by the "remember me" cookie; a bot password has none.
        self.inside().sessions.retain(|_, session| session.actor.as_ref().is_some_and(|actor| !actor.bot));
        std::future::ready(Ok(())).boxed()
    }

    fn set_clock(&self, now: Timestamp) -> Result<()> {
        self.inside().clock = Some(now);
        Ok(())
    }

    fn change_bot_password<'a>(&'a mut self, password: &'a str) -> BoxFuture<'a, Result<()>> {
        self.inside().bot_passwords.insert(self.bot.name.clone(), password.to_owned());
        self.bot.password = password.to_owned();
        // Measured: a session is bound to the password it was opened with.
        self.expire_sessions()
    }
}

impl Inside {
    fn add_person(&mut self, name: &str, password: &str, bot: bool, admin: bool) {
        let id = self.people.len() as u64 + 1;
        self.people.insert(name.to_owned(), Person { id, password: password.to_owned(), bot, admin, unread: false });
    }

    fn now(&self) -> Timestamp {
        self.clock.unwrap_or_else(Timestamp::now)
    }

    fn actor(&self, name: &str) -> Option<Actor> {
        self.people.get(name).map(|person| Actor { id: person.id, name: name.to_owned(), bot: person.bot, admin: person.admin })
    }
}

async fn serve(
    State(inside): State<Arc<Mutex<Inside>>>,
    method: Method,
    Query(in_query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let is_form = headers.get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    let mut all = in_query.clone();
    if is_form {
        let Some(fields) = form_fields(body).await else {
            return not_modelled("a form that cannot be read");
        };
        all.extend(fields);
    } else if !body.is_empty() {
        return not_modelled("a body that is no form");
    }
    if all.get("format").map(String::as_str) != Some("json") {
        // Measured: without `format=json` the API answers an HTML page for people.
        return Html("<!DOCTYPE html><html><head><title>MediaWiki API result</title></head></html>").into_response();
    }
    if all.get("formatversion").map(String::as_str) != Some("2") {
        return not_modelled("any formatversion but 2");
    }
    if let Some(unknown) = all.keys().find(|name| !KNOWN_PARAMETERS.contains(&name.as_str())) {
        return not_modelled(&format!("the parameter {unknown}"));
    }
    let mut inside = inside.lock().expect("no panic while the wiki is held");
    let mut call = identify(&inside, method, in_query, all, &headers);
    let (reply, code) = match perform(&mut inside, &mut call) {
        Ok(reply) => (reply, None),
        Err(error) => {
            (json!({"error": {"code": error.code, "info": error.info, "docref": "See api.php for API usage."}}), Some(error.code))
        }
    };
    let mut response = (StatusCode::OK, [("content-type", "application/json; charset=utf-8")], reply.to_string()).into_response();
    if let Some(code) = code {
        response.headers_mut().insert("mediawiki-api-error", HeaderValue::from_static(code));
    }
    if let Some(cookie) = call.set_cookie
        && let Ok(cookie) = HeaderValue::try_from(format!("{cookie}; path=/; HttpOnly"))
    {
        response.headers_mut().insert("set-cookie", cookie);
    }
    response
}

fn not_modelled(what: &str) -> Response {
    (StatusCode::NOT_IMPLEMENTED, format!("The stand-in wiki does not model {what}; see tests/src/stand_ins/wiki.rs.")).into_response()
}

fn perform(inside: &mut Inside, call: &mut Call) -> std::result::Result<Value, ApiError> {
    match call.get("assert") {
        Some("user") if call.actor.id == 0 => {
            return Err(ApiError::new("assertuserfailed", "You are no longer logged in, so the action could not be completed."));
        }
        Some("bot") if !call.actor.bot => {
            return Err(ApiError::new("assertbotfailed", "You do not have the \"bot\" right, so the action could not be completed."));
        }
        _ => {}
    }
    let now = inside.now();
    match call.get("action").unwrap_or("help") {
        "query" => query::query(inside, call),
        "parse" => query::parse(inside, call),
        "login" => log_in(inside, call),
        "edit" => edit(inside, call, now),
        "delete" => {
            call.must_be_posted("delete", &["token"])?;
            call.check_token()?;
            let done = inside.store.delete(call.required("title")?, call.get("reason").unwrap_or_default(), &call.actor, now)?;
            Ok(json!({"delete": done}))
        }
        "revisiondelete" => {
            call.must_be_posted("revisiondelete", &["token"])?;
            call.check_token()?;
            if call.get("type") != Some("revision") || call.get("hide") != Some("content") {
                return Err(ApiError::new("badvalue", "The stand-in models hiding the text of revisions only."));
            }
            let ids: Vec<u64> = call.list("ids").into_iter().filter_map(|id| id.parse().ok()).collect();
            let done = inside.store.hide(&ids, call.get("reason").unwrap_or_default(), &call.actor, now)?;
            Ok(json!({"revisiondelete": done}))
        }
        "move" => {
            call.must_be_posted("move", &["token"])?;
            call.check_token()?;
            let done = inside.store.rename(
                call.required("from")?,
                call.required("to")?,
                call.get("reason").unwrap_or_default(),
                &call.actor,
                now,
            )?;
            Ok(json!({"move": done}))
        }
        other => Err(ApiError::new("badvalue", format!("Unrecognized value for parameter \"action\": {other}."))),
    }
}

fn log_in(inside: &mut Inside, call: &mut Call) -> std::result::Result<Value, ApiError> {
    call.must_be_posted("login", &["lgpassword", "lgtoken"])?;
    let failed = |reason: &str| Ok(json!({"login": {"result": "Failed", "reason": reason}}));
    if call.in_bot_session {
        // Measured: within the session of a bot password nobody can log in.
        let reason = "Cannot log in when using MediaWiki\\Session\\BotPasswordSessionProvider sessions.";
        return Ok(json!({"login": {"result": "Aborted", "reason": reason}}));
    }
    let Some(token) = call.get("lgtoken") else {
        let session = Session::new(None);
        let reply = json!({"login": {"result": "NeedToken", "token": session.login_token}});
        call.set_cookie = Some(keep_session(inside, SESSION_COOKIE, session));
        return Ok(reply);
    };
    let known = call.session.as_ref().and_then(|id| inside.sessions.get(id));
    if known.is_none_or(|session| session.login_token != token) {
        return failed("Unable to continue login. Your session most likely timed out.");
    }
    let (name, password) = (call.get("lgname").unwrap_or_default().to_owned(), call.get("lgpassword").unwrap_or_default());
    let is_bot_password = inside.bot_passwords.get(&name).is_some_and(|held| held == password);
    let is_password = inside.people.get(&name).is_some_and(|person| person.password == password);
    let user = name.split('@').next().unwrap_or_default().to_owned();
    let Some(actor) = (is_bot_password || is_password).then(|| inside.actor(&user)).flatten() else {
        return failed("Incorrect username or password entered. Please try again.");
    };
    let reply = json!({"login": {"result": "Success", "lguserid": actor.id, "lgusername": actor.name}});
    let cookie = if is_bot_password { BOT_COOKIE } else { SESSION_COOKIE };
    call.set_cookie = Some(keep_session(inside, cookie, Session::new(Some(actor))));
    Ok(reply)
}

fn keep_session(inside: &mut Inside, cookie: &str, session: Session) -> String {
    let id = random_hex(16);
    inside.sessions.insert(id.clone(), session);
    format!("{cookie}={id}")
}

fn edit(inside: &mut Inside, call: &Call, now: Timestamp) -> std::result::Result<Value, ApiError> {
    call.must_be_posted("edit", &["token"])?;
    call.check_token()?;
    let title = call.required("title")?.to_owned();
    if call.get("text").is_none() && call.get("appendtext").is_none() {
        let info = "At least one of the parameters \"text\", \"appendtext\", \"prependtext\" and \"undo\" is required.";
        return Err(ApiError::new("missingparam", info));
    }
    let part = match call.get("section") {
        None => Part::Whole,
        Some("new") => Part::NewSection,
        Some(number) => Part::Section(
            number.parse().map_err(|_| ApiError::new("invalidsection", "The section parameter must be a valid section ID or \"new\"."))?,
        ),
    };
    let number = |name: &str| {
        call.get(name).map(|text| {
            text.parse::<u64>().map_err(|_| ApiError::new("badinteger", format!("Invalid value for integer parameter \"{name}\".")))
        })
    };
    let time = |name: &str| {
        call.get(name).map(|text| {
            text.parse::<Timestamp>()
                .map_err(|_| ApiError::new("badtimestamp", format!("Invalid value \"{text}\" for timestamp parameter \"{name}\".")))
        })
    };
    let base = match (number("baserevid").transpose()?, time("basetimestamp").transpose()?) {
        (Some(revision), _) => Some(Base::Revision(revision)),
        (None, Some(time)) => Some(Base::Time(time)),
        (None, None) => None,
    };
    let request = EditRequest {
        title,
        part,
        heading: call.get("sectiontitle").unwrap_or_default().to_owned(),
        text: call.get("text").map(str::to_owned),
        append: call.get("appendtext").unwrap_or_default().to_owned(),
        summary: call.get("summary").filter(|summary| !summary.is_empty()).map(str::to_owned),
        base,
        create_only: call.flag("createonly"),
        no_create: call.flag("nocreate"),
        as_bot: call.flag("bot"),
    };
    let done = inside.store.edit(&request, &call.actor, now)?;
    // Writing on somebody's talk page is the only built-in notification.
    if let Some(owner) = done["title"].as_str().and_then(|title| title.strip_prefix("User talk:"))
        && owner != call.actor.name
        && let Some(person) = inside.people.get_mut(owner)
    {
        person.unread = true;
    }
    Ok(json!({"edit": done}))
}
