//! The recipe of a log-in, declared in the manifest, run by the host.
//!
//! Every step is a request to the credential's own origin, or to the one the session names, over the same pool, allow-list and caps as the
//! guest's requests, without following redirects. A step has succeeded if its status is 2xx, its expectations hold and its captures are there
//! (what rotates, and lifetimes, may be missing: RFC 6749 leaves them to the platform). The recipe has the time of one request for all its
//! steps.
//!
//! # What rotates
//! A field that rotates is read from the vault, traded, and kept in the vault before the next step, all under a lock that every channel with
//! the same first value takes: the platform gives up the old value the moment it hands out the new one, so a second user of the old one
//! would lose the account. Its end is kept beside it where the platform tells one, also if the value stays. What is lost cannot be had again without a person: an answer that never came whole, a crash between it and the vault's fsync.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use jiff::Timestamp;
use serde_json::Value;
use tokio::time::Instant;

use super::channel::HttpLimits;
use super::client::{Caps, Pool};
use super::cookie::Jar;
use super::credential::{BoundCredential, Place, Placement, resolve_origin};
use super::failure::Failure;
use super::redact::Redactor;
use super::request::{put_header, put_query};
use super::session::{Brought, LoginFailure, Session};
use super::template::{BoundField, Escape, JsonTemplate, Template, Values};
use super::{Origin, Outbound};
use crate::Secret;
use crate::contract;
use crate::vault::{Vault, VaultKey};

/// Steps of one recipe; a manifest with more is refused.
const STEPS_MAX: usize = 8;
/// What a message shows of a value that was not expected.
const SHOWN_CHARACTERS_MAX: usize = 64;
/// A captured value longer than this is not a token.
const CAPTURED_BYTES_MAX: usize = 16 << 10;
/// A session whose end the platform names is given up this much earlier, or after nine tenths of its life if that is less: a request under
/// way should not meet the end.
const LIFETIME_MARGIN: Duration = Duration::from_secs(60);

/// How a credential logs in. `Debug` shows templates, never secrets.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Recipe {
    /// Where the steps go. None: to the credential's own origin.
    origin: Option<Origin>,
    steps: Vec<Step>,
    cookies: bool,
    /// None: until the platform says otherwise.
    lifetime: Option<Duration>,
    /// The capture by which the platform says so.
    lifetime_capture: Option<String>,
    /// Fields that a capture of the same name replaces.
    rotates: Vec<String>,
    /// The capture by which the platform says when what rotates ends.
    rotation_lifetime_capture: Option<String>,
    /// Where the platform says until when it wants no log-in, beside `Retry-After`.
    retry_at_header: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
struct Step {
    method: Method,
    path: Template,
    placements: Vec<Placement>,
    body: StepBody,
    captures: Vec<contract::Capture>,
    expect: Vec<contract::Expectation>,
}

#[derive(Debug, Clone, PartialEq)]
enum StepBody {
    None,
    Form(Vec<(String, Template)>),
    Json(JsonTemplate),
}

/// What running a recipe needs.
pub(super) struct LoginContext<'a> {
    pub(super) credential: &'a BoundCredential,
    pub(super) origin: &'a Origin,
    pub(super) pool: &'a Pool,
    pub(super) limits: &'a HttpLimits,
    pub(super) user_agent: &'a HeaderValue,
    /// Finds the channel's secrets.
    pub(super) redactor: &'a Redactor,
    pub(super) outbound: &'a Outbound,
    pub(super) vault: &'a Arc<dyn Vault>,
    /// In the time of calls.
    pub(super) now: Timestamp,
}

/// What a log-in has found so far.
struct Progress {
    brought: Brought,
    /// As the platform says.
    lifetime: Option<Duration>,
    /// Fields that have another value or end since they were kept last, and when they end if the platform says so.
    unkept: Vec<(String, Option<Timestamp>)>,
}

impl Recipe {
    /// Compiles a recipe. `names` are the credential's fields; the captured names are added. Each step knows what the steps before it
    /// captured.
    pub(super) fn compile<'a>(declared: &'a contract::Session, names: &mut Vec<&'a str>, settings: &Value) -> Result<Self, String> {
        if declared.steps.is_empty() || declared.steps.len() > STEPS_MAX {
            return Err(format!("its session has {} steps; 1 to {STEPS_MAX} are allowed", declared.steps.len()));
        }
        let mut steps = Vec::new();
        for (index, step) in declared.steps.iter().enumerate() {
            steps.push(Step::compile(step, names, settings).map_err(|error| format!("log-in step {}: {error}", index + 1))?);
            for capture in &step.captures {
                let mut lifetimes = declared.lifetime_capture.iter().chain(&declared.rotation_lifetime_capture);
                if declared.rotates.contains(&capture.name) || lifetimes.any(|lifetime| *lifetime == capture.name) {
                    continue;
                }
                if names.contains(&capture.name.as_str()) {
                    return Err(format!("log-in step {}: the name {:?} is taken already", index + 1, capture.name));
                }
                names.push(&capture.name);
            }
        }
        let origin = match &declared.origin {
            Some(asked) => Some(
                resolve_origin(asked, settings)?
                    .ok_or_else(|| format!("its session's origin stands in a setting the channel does not have: {asked:?}"))?,
            ),
            None => None,
        };
        let lifetime = (declared.lifetime_seconds > 0).then(|| Duration::from_secs(declared.lifetime_seconds.into()));
        Ok(Self {
            origin,
            steps,
            cookies: declared.cookies,
            lifetime,
            lifetime_capture: declared.lifetime_capture.clone(),
            rotates: declared.rotates.clone(),
            rotation_lifetime_capture: declared.rotation_lifetime_capture.clone(),
            retry_at_header: declared.retry_at_header.clone(),
        })
    }

    pub(super) fn keeps_cookies(&self) -> bool {
        self.cookies
    }

    /// Where the steps go, if not to the credential's own origin.
    pub(super) fn elsewhere(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }

    /// How many requests a log-in takes.
    pub(super) fn requests(&self) -> usize {
        self.steps.len()
    }

    /// When what rotates ends for good, as the platform said last: after that a person must log in.
    pub(super) fn rotation_ends_at(&self, credential: &BoundCredential, vault: &dyn Vault) -> Option<Timestamp> {
        self.rotating(credential).into_iter().find_map(|(_, key)| vault.ends_at(key))
    }

    /// Logs in.
    pub(super) async fn run(&self, context: LoginContext<'_>) -> Result<Session, LoginFailure> {
        let brought = Brought { fields: context.credential.fields.clone(), captured: BTreeMap::new() };
        let mut progress = Progress { brought, lifetime: None, unkept: Vec::new() };
        let rotating = self.rotating(context.credential);
        // Held until the new values are kept.
        let mut traded = Vec::new();
        for (field, key) in &rotating {
            traded.push(context.outbound.rotation(context.vault, *key).lock_owned().await);
            let vault = Arc::clone(context.vault);
            let key = *key;
            let current = tokio::task::spawn_blocking(move || vault.read(key)).await;
            let current = current.unwrap_or_else(|error| Err(error.to_string())).map_err(|error| context.not_kept(field, &error))?;
            if let Some(current) = current {
                progress.brought.fields.insert(field.clone(), current.into());
            }
        }
        // Counted from here: whoever waited for the lock must not send what it has no time to hear the answer to.
        let deadline = Instant::now() + context.limits.total_max;
        let caps = Caps { deadline, headers_deadline: deadline, response_bytes: context.limits.response_body_bytes_max };
        let mut jar = self.cookies.then(Jar::default);
        for step in &self.steps {
            let outcome = step.run(&context, caps, self, &mut progress, jar.as_mut()).await;
            // Whatever else is wrong with the answer: the old value is spent.
            for (field, ends_at) in std::mem::take(&mut progress.unkept) {
                let key = rotating.iter().find(|(name, _)| *name == field).map(|(_, key)| *key);
                let (Some(key), Some(BoundField::Secret(value))) = (key, progress.brought.fields.get(&field)) else { continue };
                let (vault, value) = (Arc::clone(context.vault), value.clone());
                let kept = tokio::task::spawn_blocking(move || vault.keep(key, &value, ends_at)).await;
                kept.unwrap_or_else(|error| Err(error.to_string())).map_err(|error| context.not_kept(&field, &error))?;
            }
            outcome?;
        }
        drop(traded);
        let of_platform = progress.lifetime.map(|lifetime| lifetime - LIFETIME_MARGIN.min(lifetime / 10));
        let lifetime = [self.lifetime, of_platform].into_iter().flatten().min();
        Session::new(context.credential, &progress.brought, jar, lifetime).map_err(|error| context.refused(&error))
    }

    /// How long the platform asks to wait after too many log-ins. Of one that is out of order the header of its own says nothing: platforms that have such a
    /// header send it with every answer.
    fn asked_to_wait(&self, headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
        let second = || headers.get(self.retry_at_header.as_deref()?)?.to_str().ok()?.trim().parse().ok();
        let until = second().and_then(|second| Timestamp::from_second(second).ok());
        let at = until.and_then(|until| Duration::try_from(until.duration_since(now)).ok());
        retry_after(headers).max(at)
    }

    /// The fields that rotate, and where the vault has them; in the order in which everybody locks them.
    fn rotating(&self, credential: &BoundCredential) -> Vec<(String, VaultKey)> {
        let first = |field: &String| Some((field.clone(), VaultKey::new(field, credential.fields.get(field)?.text())));
        let mut rotating: Vec<_> = self.rotates.iter().filter_map(first).collect();
        rotating.sort_by_key(|(_, key)| *key);
        // A lock is taken once.
        rotating.dedup_by_key(|(_, key)| *key);
        rotating
    }
}

impl LoginContext<'_> {
    fn refused(&self, reason: &str) -> LoginFailure {
        LoginFailure::Refused(format!("log-in refused by {}: {}", self.origin, self.redactor.text(reason)))
    }

    fn not_kept(&self, field: &str, problem: &str) -> LoginFailure {
        let reason = format!("its field {field} changes with every use and must be kept first, which failed: {problem}");
        LoginFailure::Unreachable(reason, None)
    }

    fn unreachable(&self, reason: &str, asked: Option<Duration>) -> LoginFailure {
        LoginFailure::Unreachable(self.failed(reason), asked)
    }

    fn too_many(&self, reason: &str, asked: Option<Duration>) -> LoginFailure {
        LoginFailure::TooMany(self.failed(reason), asked)
    }

    fn failed(&self, reason: &str) -> String {
        format!("log-in at {} failed: {}", self.origin, self.redactor.text(reason))
    }
}

/// How long the platform asks to wait, in whole seconds or until a moment of its own clock.
/// <https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3>
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name)?.to_str().ok().map(str::trim);
    let asked = text(header::RETRY_AFTER)?;
    asked.parse().ok().map(Duration::from_secs).or_else(|| {
        let moment = |text| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok();
        Duration::try_from(moment(asked)? - moment(text(header::DATE)?)?).ok()
    })
}

impl Step {
    fn compile(declared: &contract::LoginStep, names: &[&str], settings: &Value) -> Result<Self, String> {
        let method = match Method::from_bytes(declared.method.as_bytes()) {
            Ok(method) if [Method::GET, Method::POST, Method::PUT].contains(&method) => method,
            _ => return Err(format!("its method is {:?}; GET, POST and PUT are allowed", declared.method)),
        };
        let path = Template::compile(&declared.path, names, settings).map_err(|error| format!("path: {error}"))?;
        let body = match &declared.body {
            contract::LoginBody::None => StepBody::None,
            contract::LoginBody::Form(fields) => StepBody::Form(
                fields
                    .iter()
                    .map(|(name, template)| Ok((name.clone(), Template::compile(template, names, settings)?)))
                    .collect::<Result<_, String>>()
                    .map_err(|error| format!("form: {error}"))?,
            ),
            contract::LoginBody::Json(source) => {
                StepBody::Json(JsonTemplate::compile(source, names, settings).map_err(|error| format!("json: {error}"))?)
            }
        };
        if method == Method::GET && body != StepBody::None {
            return Err("a GET has no body".to_owned());
        }
        let placements = declared.placements.iter().map(|placement| Placement::compile(placement, names, settings));
        let placements: Vec<Placement> = placements.collect::<Result<_, _>>()?;
        if let Some(form) = placements.iter().find(|placement| matches!(placement.place(), Place::Form(_))) {
            return Err(format!("{}: a step writes its form itself", form.place()));
        }
        Ok(Self { method, path, placements, body, captures: declared.captures.clone(), expect: declared.expect.clone() })
    }

    async fn run(
        &self,
        context: &LoginContext<'_>,
        caps: Caps,
        recipe: &Recipe,
        progress: &mut Progress,
        jar: Option<&mut Jar>,
    ) -> Result<(), LoginFailure> {
        let now = Instant::now();
        let mut request = self.request(context, &progress.brought).map_err(|error| context.refused(&error))?;
        let path = request.uri().path().to_owned();
        if let Some(cookies) = jar.as_ref().and_then(|jar| jar.header(&path, now)) {
            request.headers_mut().insert(header::COOKIE, cookies);
        }
        let response = context.pool.exchange(context.origin, request, caps).await.map_err(|failure| match &failure {
            Failure::Address { .. } => context.refused(&failure.to_string()),
            _ => context.unreachable(&failure.to_string(), None),
        })?;
        if let Some(jar) = jar {
            jar.take(response.headers().get_all(header::SET_COOKIE), &path, context.origin.is_secure(), now);
        }
        self.judge(context, recipe, &response, progress)
    }

    fn request(&self, context: &LoginContext<'_>, brought: &Brought) -> Result<Request<Full<Bytes>>, String> {
        let values = Values { fields: &brought.fields, captured: &brought.captured };
        let path = self.path.fill(values, Escape::Path)?;
        if !path.text.starts_with('/') {
            return Err("the path of a log-in step does not start with /".to_owned());
        }
        let (mut target, mut placed) = (path.text.to_string(), HeaderMap::new());
        for placement in &self.placements {
            let rendered = placement.render(values)?;
            let taken = match &rendered.place {
                Place::Header(name) => put_header(&mut placed, name, rendered.value.expose()),
                Place::Query(name) => put_query(&mut target, name, rendered.value.expose()),
                // Refused when the recipe was compiled.
                Place::Form(_) => Ok(()),
            };
            taken.map_err(|_| format!("{} is filled twice", rendered.place))?;
        }
        let uri: Uri = format!("{}{target}", context.origin).parse().map_err(|_| "the path of a log-in step is no path".to_owned())?;
        let (content_type, body) = match &self.body {
            StepBody::None => (None, Bytes::new()),
            StepBody::Form(fields) => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                for (name, template) in fields {
                    form.append_pair(name, &template.fill(values, Escape::Plain)?.text);
                }
                (Some("application/x-www-form-urlencoded"), form.finish().into())
            }
            StepBody::Json(template) => (Some("application/json"), template.fill(values)?.to_string().into()),
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(header::USER_AGENT, context.user_agent.clone());
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let Some(content_type) = content_type {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        headers.extend(placed);
        Ok(request)
    }

    fn judge(
        &self,
        context: &LoginContext<'_>,
        recipe: &Recipe,
        response: &Response<Bytes>,
        progress: &mut Progress,
    ) -> Result<(), LoginFailure> {
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS {
            let asked = recipe.asked_to_wait(response.headers(), context.now);
            return Err(context.too_many(&format!("it answered {status}"), asked));
        }
        if status.is_server_error() {
            return Err(context.unreachable(&format!("it answered {status}"), retry_after(response.headers())));
        }
        if !status.is_success() {
            return Err(context.refused(&format!("it answered {status}")));
        }
        if self.expect.is_empty() && self.captures.is_empty() {
            return Ok(());
        }
        let answer: Value = serde_json::from_slice(response.body()).map_err(|_| context.refused("its answer is not JSON"))?;
        // First of all, because it is what cannot be had again.
        self.rotate(context, recipe, &answer, progress);
        for expectation in &self.expect {
            let found = answer.pointer(&expectation.pointer).and_then(scalar);
            if found.as_deref() != Some(expectation.equals.as_str()) {
                let found = shown(context, &progress.brought, found);
                return Err(context.refused(&format!("expected {} = {}, found {found}", expectation.pointer, expectation.equals)));
            }
        }
        let is_of_rotation = |name: &String| recipe.rotates.contains(name) || recipe.rotation_lifetime_capture.as_ref() == Some(name);
        for capture in self.captures.iter().filter(|capture| !is_of_rotation(&capture.name)) {
            let is_lifetime = recipe.lifetime_capture.as_ref() == Some(&capture.name);
            match answer.pointer(&capture.pointer).and_then(scalar) {
                // What is no number of seconds, or none at all, tells nothing.
                Some(value) if is_lifetime => progress.lifetime = seconds(&value).or(progress.lifetime),
                None if is_lifetime => {}
                Some(value) if value.len() <= CAPTURED_BYTES_MAX => {
                    progress.brought.captured.insert(capture.name.clone(), Secret::new(value));
                }
                _ => {
                    return Err(context.refused(&format!("expected a value for {} at {}, found none", capture.name, capture.pointer)));
                }
            }
        }
        Ok(())
    }

    /// Takes what rotates out of an answer.
    fn rotate(&self, context: &LoginContext<'_>, recipe: &Recipe, answer: &Value, progress: &mut Progress) {
        let lifetime = self.captures.iter().find(|capture| recipe.rotation_lifetime_capture.as_ref() == Some(&capture.name));
        let lifetime = lifetime.and_then(|capture| seconds(&scalar(answer.pointer(&capture.pointer)?)?));
        let ends_at = lifetime.and_then(|lifetime| context.now.checked_add(lifetime).ok());
        for capture in self.captures.iter().filter(|capture| recipe.rotates.contains(&capture.name)) {
            let told = answer.pointer(&capture.pointer).and_then(Value::as_str);
            let told = told.filter(|value| !value.is_empty() && value.len() <= CAPTURED_BYTES_MAX);
            let is_another = told.is_some_and(|value| {
                let known = progress.brought.fields.insert(capture.name.clone(), Secret::new(value).into());
                known.is_none_or(|known| known.text() != value)
            });
            if is_another || ends_at.is_some() {
                progress.unkept.push((capture.name.clone(), ends_at));
            }
        }
    }
}

/// What a message shows of a value: no secret of the channel, nothing captured so far, not everything.
fn shown(context: &LoginContext<'_>, brought: &Brought, found: Option<String>) -> String {
    let Some(found) = found else { return "nothing".to_owned() };
    let found = context.redactor.text(&found);
    let current = brought.fields.values().filter(|field| field.is_secret()).map(BoundField::text);
    let found = Redactor::new(brought.captured.values().map(Secret::expose).chain(current)).text(&found);
    found.chars().filter(|character| !character.is_control()).take(SHOWN_CHARACTERS_MAX).collect()
}

/// A lifetime: whole seconds, also where they are written as `3600.0`.
fn seconds(text: &str) -> Option<Duration> {
    let whole = text.trim().split_once('.').map_or(text.trim(), |(whole, _)| whole);
    whole.parse().ok().filter(|seconds| *seconds > 0).map(Duration::from_secs)
}

/// The text of a string, a number or a boolean.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_is_whole_seconds_and_anything_else_tells_nothing() {
        let told = ["3600", " 3600 ", "3600.0", "0", "-1", "soon", ""].map(seconds);
        let hour = Some(Duration::from_secs(3600));
        assert_eq!(told, [hour, hour, hour, None, None, None, None]);
    }
}
