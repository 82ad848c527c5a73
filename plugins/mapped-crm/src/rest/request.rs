//! A request of a mapping: method, path, query and body, with slots.

use sportello_sdk::http;

use super::Rest;
use crate::body::Body;
use crate::problem::Problems;
use crate::section::{self, Section};
use crate::settings::Settings;
use crate::template::{Names, Template, Unfit, Values};
use crate::yaml::{Node, Value};

/// The keys every request has.
pub(crate) const KEYS: [&str; 4] = ["method", "path", "query", "body"];

/// A request, to be filled in.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    method: &'static str,
    path: Template,
    query: Vec<(String, Parameter)>,
    body: Option<Body>,
}

/// A query parameter's value.
#[derive(Debug, Clone)]
enum Parameter {
    Text(Template),
    /// A JSON document in the query.
    Json(Body),
}

/// Methods of requests that only look; `POST` is for searches that take a document.
pub(crate) const LOOKING: [(&str, &str); 2] = [("GET", "GET"), ("POST", "POST")];
/// Methods of requests that write.
pub(crate) const WRITING: [(&str, &str); 3] = [("POST", "POST"), ("PUT", "PUT"), ("PATCH", "PATCH")];

impl Request {
    /// Reads the keys of a request; the first method is the usual one.
    pub(crate) fn read(section: &Section<'_>, methods: &[(&str, &'static str)], names: Names<'_>, problems: &Problems) -> Option<Self> {
        let usual = methods.first().map_or("GET", |(_, method)| method);
        let method = section.word("method", methods, usual);
        let query = section.get("query").map_or_else(Vec::new, |node| query(node, names, problems));
        let body = section.get("body").map(|node| {
            if method == "GET" {
                problems.add(node.line, "a GET has no body; write `method: POST`");
            }
            Body::read(node, names, problems)
        });
        let node = section.need("path")?;
        let path = path(section::text(node, "`path`", problems)?, node.line, names, problems);
        Some(Self { method, path, query, body })
    }

    /// Whether a slot of this name is anywhere in it.
    pub(crate) fn has(&self, name: &str) -> bool {
        let in_query = |(_, parameter): &(String, Parameter)| match parameter {
            Parameter::Text(template) => template.has(name),
            Parameter::Json(body) => body.has(name),
        };
        self.path.has(name) || self.query.iter().any(in_query) || self.body.as_ref().is_some_and(|body| body.has(name))
    }

    /// The request with its slots filled in.
    pub(crate) fn fill(&self, rest: &Rest, settings: &Settings, values: &Values<'_>) -> Result<http::Request, Unfit> {
        let mut request = http::Request::new(self.method, format!("{}{}", settings.base_url(), self.path.fill_path(values)?));
        for (name, parameter) in &self.query {
            let value = match parameter {
                Parameter::Text(template) => template.fill(values)?,
                Parameter::Json(body) => body.fill(values)?,
            };
            request = request.query(name, value);
        }
        if let Some(body) = &self.body {
            let of_mapping = rest.headers.iter().find(|(name, _)| name == "content-type");
            let content_type = of_mapping.map_or("application/json", |(_, value)| value.as_str());
            request = request.body(content_type, body.fill(values)?);
        }
        Ok(with_headers(request, rest))
    }
}

/// The mapping's own headers, and what is accepted where it does not say so. The content type belongs to requests with a body.
pub(crate) fn with_headers(request: http::Request, rest: &Rest) -> http::Request {
    let accepts = rest.headers.iter().any(|(name, _)| name == "accept");
    let request = if accepts { request } else { request.header("accept", "application/json") };
    rest.headers.iter().filter(|(name, _)| name != "content-type").fold(request, |request, (name, value)| request.header(name, value))
}

fn path(text: &str, line: usize, names: Names<'_>, problems: &Problems) -> Template {
    let template = Template::read(text, line, names, problems);
    let beginning = template.beginning();
    if !beginning.starts_with('/') || beginning.starts_with("//") {
        problems.add(line, format!("`path` begins with one `/`, below the setting base-url; `{text}` does not"));
    }
    if text.contains(['?', '#']) {
        problems.add(line, "`path` ends before `?` and `#`; parameters stand under `query`");
    }
    template
}

fn query(node: &Node, names: Names<'_>, problems: &Problems) -> Vec<(String, Parameter)> {
    let Value::Map(entries) = &node.value else {
        problems.add(node.line, format!("`query` is a mapping of parameters to values, not {}", node.kind()));
        return Vec::new();
    };
    let mut query = Vec::new();
    for (key, node) in entries {
        let what = format!("`{}`", key.text);
        if let Value::Map(_) = node.value {
            let json = Section::open(node, &what, &["json"], problems).and_then(|section| section.need("json"));
            query.extend(json.map(|json| (key.text.clone(), Parameter::Json(Body::read(json, names, problems)))));
            continue;
        }
        for (text, line) in section::texts(node, &what, problems) {
            let template = Template::read(text, line, names, problems);
            template.check_quotes(line, problems);
            query.push((key.text.clone(), Parameter::Text(template)));
        }
    }
    query
}
