//! The recipe of a log-in, declared in the manifest, run by the host.
//!
//! Every step is a request to the credential's own origin, over the same pool, allow-list and caps as the guest's requests, without
//! following redirects. A step has succeeded if its status is 2xx, its expectations hold and its captures are there. The recipe has the time
//! of one request for all its steps.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::Full;
use serde_json::Value;
use tokio::time::Instant;

use super::Origin;
use super::client::{Caps, Pool};
use super::cookie::Jar;
use super::credential::BoundCredential;
use super::failure::Failure;
use super::redact::Redactor;
use super::session::{LoginFailure, Session};
use super::template::{Escape, JsonTemplate, Template, Values};
use crate::Secret;
use crate::contract;

/// Steps of one recipe; a manifest with more is refused.
const STEPS_MAX: usize = 8;
/// What a message shows of a value that was not expected.
const SHOWN_CHARACTERS_MAX: usize = 64;
/// A captured value longer than this is not a token.
const CAPTURED_BYTES_MAX: usize = 16 << 10;

/// How a credential logs in. `Debug` shows templates, never secrets.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Recipe {
    steps: Vec<Step>,
    cookies: bool,
    /// None: until the platform says otherwise.
    lifetime: Option<Duration>,
}

#[derive(Debug, Clone, PartialEq)]
struct Step {
    method: Method,
    path: Template,
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
    pub(super) caps: Caps,
    pub(super) user_agent: &'a HeaderValue,
    /// Finds the channel's secrets.
    pub(super) redactor: &'a Redactor,
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
                if names.contains(&capture.name.as_str()) {
                    return Err(format!("log-in step {}: the name {:?} is taken already", index + 1, capture.name));
                }
                names.push(&capture.name);
            }
        }
        let lifetime = (declared.lifetime_seconds > 0).then(|| Duration::from_secs(declared.lifetime_seconds.into()));
        Ok(Self { steps, cookies: declared.cookies, lifetime })
    }

    pub(super) fn keeps_cookies(&self) -> bool {
        self.cookies
    }

    /// How many requests a log-in takes.
    pub(super) fn requests(&self) -> usize {
        self.steps.len()
    }

    /// Logs in.
    pub(super) async fn run(&self, context: LoginContext<'_>) -> Result<Session, LoginFailure> {
        let mut captured = BTreeMap::new();
        let mut jar = self.cookies.then(Jar::default);
        for step in &self.steps {
            step.run(&context, &mut captured, jar.as_mut()).await?;
        }
        Session::new(context.credential, &captured, jar, self.lifetime).map_err(|error| context.refused(&error))
    }
}

impl LoginContext<'_> {
    fn refused(&self, reason: &str) -> LoginFailure {
        LoginFailure::Refused(format!("log-in refused by {}: {}", self.origin, self.redactor.text(reason)))
    }

    fn unreachable(&self, reason: &str) -> LoginFailure {
        LoginFailure::Unreachable(format!("log-in at {} failed: {}", self.origin, self.redactor.text(reason)))
    }
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
        Ok(Self { method, path, body, captures: declared.captures.clone(), expect: declared.expect.clone() })
    }

    async fn run(
        &self,
        context: &LoginContext<'_>,
        captured: &mut BTreeMap<String, Secret>,
        jar: Option<&mut Jar>,
    ) -> Result<(), LoginFailure> {
        let now = Instant::now();
        let mut request = self.request(context, captured).map_err(|error| context.refused(&error))?;
        let path = request.uri().path().to_owned();
        if let Some(cookies) = jar.as_ref().and_then(|jar| jar.header(&path, now)) {
            request.headers_mut().insert(header::COOKIE, cookies);
        }
        let response = context.pool.exchange(context.origin, request, context.caps).await.map_err(|failure| match &failure {
            Failure::Address { .. } => context.refused(&failure.to_string()),
            _ => context.unreachable(&failure.to_string()),
        })?;
        if let Some(jar) = jar {
            jar.take(response.headers().get_all(header::SET_COOKIE), &path, context.origin.is_secure(), now);
        }
        self.judge(context, &response, captured)
    }

    fn request(&self, context: &LoginContext<'_>, captured: &BTreeMap<String, Secret>) -> Result<Request<Full<Bytes>>, String> {
        let values = Values { fields: &context.credential.fields, captured };
        let path = self.path.fill(values, Escape::Path)?;
        if !path.text.starts_with('/') {
            return Err("the path of a log-in step does not start with /".to_owned());
        }
        let uri: Uri =
            format!("{}{}", context.origin, *path.text).parse().map_err(|_| "the path of a log-in step is no path".to_owned())?;
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
        Ok(request)
    }

    fn judge(
        &self,
        context: &LoginContext<'_>,
        response: &Response<Bytes>,
        captured: &mut BTreeMap<String, Secret>,
    ) -> Result<(), LoginFailure> {
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            return Err(context.unreachable(&format!("it answered {status}")));
        }
        if !status.is_success() {
            return Err(context.refused(&format!("it answered {status}")));
        }
        if self.expect.is_empty() && self.captures.is_empty() {
            return Ok(());
        }
        let answer: Value = serde_json::from_slice(response.body()).map_err(|_| context.refused("its answer is not JSON"))?;
        for expectation in &self.expect {
            let found = answer.pointer(&expectation.pointer).and_then(scalar);
            if found.as_deref() != Some(expectation.equals.as_str()) {
                let found = shown(context, captured, found);
                return Err(context.refused(&format!("expected {} = {}, found {found}", expectation.pointer, expectation.equals)));
            }
        }
        for capture in &self.captures {
            match answer.pointer(&capture.pointer).and_then(scalar) {
                Some(value) if value.len() <= CAPTURED_BYTES_MAX => {
                    captured.insert(capture.name.clone(), Secret::new(value));
                }
                _ => {
                    return Err(context.refused(&format!("expected a value for {} at {}, found none", capture.name, capture.pointer)));
                }
            }
        }
        Ok(())
    }
}

/// What a message shows of a value: no secret of the channel, nothing captured so far, not everything.
fn shown(context: &LoginContext<'_>, captured: &BTreeMap<String, Secret>, found: Option<String>) -> String {
    let Some(found) = found else { return "nothing".to_owned() };
    let found = context.redactor.text(&found);
    let found = Redactor::new(captured.values().map(Secret::expose)).text(&found);
    found.chars().filter(|character| !character.is_control()).take(SHOWN_CHARACTERS_MAX).collect()
}

/// The text of a string, a number or a boolean.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
