//! X's published OpenAPI document as a judge of requests, answers and deliveries. The document is not ours to keep here: who has it names it.
//!
//! It is read more strictly than it is written: an object that lists its properties has no others.

use jsonschema::Validator;
use serde_json::{Map, Value, json};
use sportello_tests::missing::{self, Instead};

use super::tap::Exchange;

/// The environment variable that names X's OpenAPI document.
const DOCUMENT: &str = "X_OPENAPI";
/// Names that the description writes anew, before X itself does: what it takes and sends is as on the pages of the documentation.
/// <https://docs.x.com/x-api/fundamentals/data-dictionary>, <https://docs.x.com/x-api/fundamentals/fields>
const RENAMED: [(&str, &str); 7] = [
    ("edit_history_tweet_ids", "edit_history_post_ids"),
    ("note_tweet", "note_post"),
    ("referenced_tweets", "referenced_posts"),
    ("retweet_count", "repost_count"),
    ("tweet.fields", "post.fields"),
    ("tweet_count", "post_count"),
    ("tweets", "posts"),
];
/// Paths that the description leaves out. The token's is of <https://docs.x.com/fundamentals/authentication/oauth-2-0/user-access-token>.
const NOT_DESCRIBED: [&str; 1] = ["/2/oauth2/token"];
/// Events of which the description has no payload: <https://docs.x.com/x-api/activity/event-payloads> has.
const EVENTS_NOT_DESCRIBED: [&str; 2] = ["dm.received", "dm.sent"];
const EVENT_PAYLOAD: &str = "/components/schemas/ActivityStreamingResponsePayload";

/// Where X does otherwise than its description says: the place in it, what stands there, and how that is known.
fn differences() -> [(&'static str, Value, &'static str); 6] {
    let about_blank = json!({
        "type": "object", "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "enum": ["about:blank"]}, "title": {"type": "string"}, "detail": {"type": "string"},
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
        },
    });
    let invalid_parameters = json!({"type": "array", "minItems": 1, "items": {
        "type": "object", "required": ["message"],
        "properties": {
            "message": {"type": "string"},
            "parameters": {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}},
        },
    }});
    let like = json!({"type": "object", "required": ["liked_tweet_id", "timestamp_ms"], "properties": {
        "created_at": {"type": "string", "format": "date-time"}, "id": {"$ref": "#/components/schemas/LikeId"},
        "liked_tweet_id": {"$ref": "#/components/schemas/PostId"}, "timestamp_ms": {"type": "string", "pattern": "^[0-9]{13}$"},
        "liked_tweet_author_id": {"$ref": "#/components/schemas/UserId"},
    }});
    [
        (
            "/components/schemas/Problem/oneOf/-",
            about_blank,
            "<https://docs.x.com/x-api/fundamentals/response-codes-and-errors> lists the type; whole: <https://github.com/plhery/node-twitter-api-v2/issues/265>",
        ),
        (
            "/components/schemas/InvalidRequestProblem/properties/errors",
            invalid_parameters,
            "as answered: <https://github.com/plhery/node-twitter-api-v2/issues/597>, <https://docs.x.com/x-api/fundamentals/response-codes-and-errors>",
        ),
        (
            "/components/parameters/PostFieldsParameter/schema/items/enum/-",
            json!(["author_id", "edit_history_post_ids", "in_reply_to_user_id", "referenced_posts"]),
            "properties of a post as the description has it, and fields to be asked for: <https://docs.x.com/x-api/fundamentals/data-dictionary>",
        ),
        (
            "/components/schemas/ActivityEventId/pattern",
            json!("^-?[0-9]{1,19}$"),
            "some are negative: <https://docs.x.com/x-api/activity/event-payloads>",
        ),
        ("/components/schemas/LikeWithPostAuthor", like, "<https://docs.x.com/x-api/activity/event-payloads>"),
        (
            "/components/schemas/Post/properties/in_reply_to_tweet_id",
            json!({"$ref": "#/components/schemas/PostId"}),
            "beside `in_reply_to_user_id`: <https://docs.x.com/x-api/activity/event-payloads>",
        ),
    ]
}

pub(crate) struct Description {
    document: Value,
}

impl Description {
    /// What the machine's own copy says; None, and told as missing: it has none.
    pub(crate) fn load() -> Option<Self> {
        let Some(path) = std::env::var_os(DOCUMENT) else {
            let how = "get it from https://api.x.com/2/openapi.json";
            missing::tell(Instead::Skipped, format!("{DOCUMENT} does not name X's OpenAPI document, nothing was compared with it; {how}"));
            return None;
        };
        let text = std::fs::read(&path).expect("a file");
        let mut document: Value = serde_json::from_slice(&text).expect("a JSON document");
        for (place, value, known_by) in differences() {
            differ(&mut document, place, value, known_by);
        }
        strictly(&mut document);
        Some(Self { document })
    }

    /// What is wrong with a request.
    pub(crate) fn faults_of_request(&self, exchange: &Exchange) -> Vec<String> {
        let Some((template, operation)) = self.operation(exchange) else {
            return if NOT_DESCRIBED.contains(&exchange.path.as_str()) {
                Vec::new()
            } else {
                vec![format!("{} {}: there is no such path or method", exchange.method, exchange.path)]
            };
        };
        let parameters: Vec<&Value> =
            operation["parameters"].as_array().into_iter().flatten().map(|parameter| self.resolved(parameter)).collect();
        let mut faults = self.faults_of_path(exchange, template, &parameters);
        let mut asked: Vec<&str> = Vec::new();
        for (name, value) in &exchange.query {
            let name = renamed(name);
            match parameters.iter().find(|parameter| parameter["in"] == "query" && parameter["name"] == name) {
                Some(_) if asked.contains(&name) => faults.push(format!("the parameter {name} comes twice")),
                Some(parameter) => faults.extend(self.faults_of_parameter(name, value, &parameter["schema"])),
                None => faults.push(format!("the parameter {name} is not declared")),
            }
            asked.push(name);
        }
        let is_missing = |parameter: &&&Value| parameter["in"] == "query" && parameter["required"] == true;
        let names = parameters.iter().filter(is_missing).filter_map(|parameter| parameter["name"].as_str());
        faults.extend(names.filter(|name| !asked.contains(name)).map(|name| format!("the parameter {name} is missing")));
        faults.extend(self.faults_of_body(exchange, operation));
        located(exchange, faults)
    }

    /// What is wrong with an answer.
    pub(crate) fn faults_of_answer(&self, exchange: &Exchange) -> Vec<String> {
        let Some((_, operation)) = self.operation(exchange) else { return Vec::new() };
        let responses = &operation["responses"];
        let response = responses.get(exchange.status.to_string()).unwrap_or(&responses["default"]);
        let kind = exchange.content_type.split(';').next().unwrap_or_default();
        let faults = match response["content"].get(kind) {
            Some(content) => self.faults(&content["schema"], &exchange.answer),
            None => vec![format!("an answer of {kind} is not described")],
        };
        located(exchange, faults)
    }

    /// What is wrong with a delivery of the newer shape; of the older one there is no description.
    pub(crate) fn faults_of_delivery(&self, delivery: &Value) -> Vec<String> {
        let mut delivery = delivery.clone();
        without_doubled_numbers(&mut delivery);
        unwrap_people(&mut delivery["data"]);
        let kind = delivery["data"]["event_type"].as_str().unwrap_or_default().to_owned();
        // Which payload it is says the event, not its own shape.
        let payload = delivery["data"].as_object_mut().and_then(|event| event.remove("payload")).unwrap_or_default();
        let mut faults = self.faults(&json!({"$ref": "#/components/schemas/ActivityStreamResponse"}), &delivery);
        let mapping = self.document.pointer(&format!("{EVENT_PAYLOAD}/discriminator/mapping")).expect("payloads by event");
        match mapping[&kind].as_str() {
            Some(schema) => faults.extend(self.faults(&json!({"$ref": schema}), &payload)),
            None if EVENTS_NOT_DESCRIBED.contains(&kind.as_str()) => {}
            None => faults.push("the event is not described".to_owned()),
        }
        faults.into_iter().map(|fault| format!("{kind}: {fault}")).collect()
    }

    /// The path as the description writes it, and what can be done there.
    fn operation(&self, exchange: &Exchange) -> Option<(&str, &Value)> {
        let paths = self.document["paths"].as_object().expect("paths");
        let fitting = paths.iter().filter(|(template, _)| parts_of(template, &exchange.path).is_some());
        // A path without a name in braces goes before one with.
        let (template, path) = fitting.min_by_key(|(template, _)| template.matches('{').count())?;
        Some((template, path.get(exchange.method.to_ascii_lowercase())?))
    }

    fn resolved<'document>(&'document self, value: &'document Value) -> &'document Value {
        let target = value["$ref"].as_str().and_then(|target| self.document.pointer(target.strip_prefix('#')?));
        target.map_or(value, |target| self.resolved(target))
    }

    fn faults_of_path(&self, exchange: &Exchange, template: &str, parameters: &[&Value]) -> Vec<String> {
        let parts = parts_of(template, &exchange.path).unwrap_or_default();
        let faults = parts.into_iter().flat_map(|(name, value)| {
            match parameters.iter().find(|parameter| parameter["in"] == "path" && parameter["name"] == name) {
                Some(parameter) => self.faults_of_parameter(name, value, &parameter["schema"]),
                None => vec![format!("{name} of the path is not declared")],
            }
        });
        faults.collect()
    }

    /// Lists have commas between their words (`style: form`, `explode: false`).
    fn faults_of_parameter(&self, name: &str, text: &str, schema: &Value) -> Vec<String> {
        let value = match self.resolved(schema)["type"].as_str() {
            Some("array") => json!(text.split(',').map(renamed).collect::<Vec<_>>()),
            Some("integer") => text.parse::<i64>().map_or_else(|_| json!(text), |number| json!(number)),
            Some("boolean") => text.parse::<bool>().map_or_else(|_| json!(text), |is_so| json!(is_so)),
            _ => json!(text),
        };
        self.faults(schema, &value).into_iter().map(|fault| format!("{name}={text}: {fault}")).collect()
    }

    fn faults_of_body(&self, exchange: &Exchange, operation: &Value) -> Vec<String> {
        let described = self.resolved(&operation["requestBody"]);
        match (&exchange.body, &described["content"]["application/json"]["schema"]) {
            (None, _) if described["required"] == true => vec!["a body is missing".to_owned()],
            (None, _) => Vec::new(),
            (Some(_), Value::Null) => vec!["it has a body, and none is described".to_owned()],
            (Some(body), schema) => self.faults(schema, body),
        }
    }

    fn faults(&self, schema: &Value, value: &Value) -> Vec<String> {
        let value = with_new_names(value);
        let validator = self.validator(schema);
        validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect()
    }

    fn validator(&self, schema: &Value) -> Validator {
        let schema = json!({"allOf": [schema], "components": self.document["components"]});
        let options = jsonschema::options().with_draft(jsonschema::Draft::Draft202012).should_validate_formats(true);
        options.build(&schema).expect("the description's schemas are schemas")
    }
}

/// The names in braces with what stands there; None: it is another path.
fn parts_of<'text>(template: &'text str, path: &'text str) -> Option<Vec<(&'text str, &'text str)>> {
    if template.split('/').count() != path.split('/').count() {
        return None;
    }
    let mut parts = Vec::new();
    for (template, part) in template.split('/').zip(path.split('/')) {
        match template.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => parts.push((name, part)),
            None if template == part => {}
            None => return None,
        }
    }
    Some(parts)
}

/// Puts a difference where it belongs: `-` at the end adds to a list.
fn differ(document: &mut Value, place: &str, value: Value, known_by: &str) {
    let (parent, name) = place.rsplit_once('/').expect("a pointer");
    let parent = document.pointer_mut(parent).unwrap_or_else(|| panic!("{place} is not in the description any more: {known_by}"));
    match (name, parent, value) {
        ("-", Value::Array(list), Value::Array(values)) => list.extend(values),
        ("-", Value::Array(list), value) => list.push(value),
        (name, Value::Object(parent), value) => {
            parent.insert(name.to_owned(), value);
        }
        _ => panic!("{place} is not what it was: {known_by}"),
    }
}

/// OpenAPI 3.0 as JSON Schema: what may be null, how big whole numbers are, and no property that is not listed.
fn strictly(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(strictly),
        Value::Object(schema) => {
            schema.values_mut().for_each(strictly);
            let is_object = schema.get("type").is_some_and(|kind| kind == "object");
            if is_object && schema.get("properties").is_some_and(Value::is_object) && !schema.contains_key("additionalProperties") {
                schema.insert("additionalProperties".to_owned(), json!(false));
            }
            if schema.get("format").is_some_and(|format| format == "int32") && schema.get("type").is_some_and(|kind| kind == "integer") {
                schema.entry("minimum").or_insert(json!(i32::MIN));
                schema.entry("maximum").or_insert(json!(i32::MAX));
            }
            let may_be_null = schema.get("nullable").is_some_and(|nullable| nullable == true);
            if let Some(kind) = schema.get_mut("type").filter(|kind| may_be_null && kind.is_string()) {
                *kind = json!([kind.take(), "null"]);
            }
        }
        _ => {}
    }
}

fn renamed(name: &str) -> &str {
    RENAMED.iter().find(|(old, _)| *old == name).map_or(name, |(_, new)| new)
}

fn with_new_names(value: &Value) -> Value {
    match value {
        Value::Array(values) => values.iter().map(with_new_names).collect(),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, value)| (renamed(name).to_owned(), with_new_names(value)));
            Value::Object(fields.collect::<Map<_, _>>())
        }
        _ => value.clone(),
    }
}

/// Deliveries have each number twice, once with `_str` behind its name. <https://docs.x.com/x-api/activity/event-payloads>
fn without_doubled_numbers(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(without_doubled_numbers),
        Value::Object(fields) => {
            let is_doubled = |name: &str, value: &Value| {
                let number = name.strip_suffix("_str").and_then(|name| fields.get(name));
                number.is_some_and(|number| value.as_str() == Some(&number.to_string()))
            };
            let doubled: Vec<String> =
                fields.iter().filter(|(name, value)| is_doubled(name, value)).map(|(name, _)| name.clone()).collect();
            fields.retain(|name, _| !doubled.contains(name));
            fields.values_mut().for_each(without_doubled_numbers);
        }
        _ => {}
    }
}

/// Deliveries wrap people in `data` now and then. <https://docs.x.com/x-api/activity/event-payloads>
fn unwrap_people(event: &mut Value) {
    let unwrap = |person: &mut Value| {
        if let Some(inner) = person.get_mut("data") {
            *person = inner.take();
        }
    };
    event.pointer_mut("/includes/users").and_then(Value::as_array_mut).into_iter().flatten().for_each(unwrap);
    for end in ["/payload/source", "/payload/target"] {
        event.pointer_mut(end).into_iter().for_each(unwrap);
    }
}

fn located(exchange: &Exchange, faults: Vec<String>) -> Vec<String> {
    let Exchange { method, path, status, .. } = exchange;
    faults.into_iter().map(|fault| format!("{method} {path} [HTTP {status}]: {fault}")).collect()
}

#[test]
fn where_the_description_is_missing_a_test_that_needs_it_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let told = folder.path().join("missing");
    let mut test = std::process::Command::new(std::env::current_exe().expect("this program"));
    test.args(["--exact", "twitter::openapi::the_comparison_finds_what_is_wrong"]);
    test.env_remove(DOCUMENT).env_remove("NEXTEST_TEST_NAME").env("SPORTELLO_MISSING", &told);
    assert!(test.output().expect("it runs").status.success());
    let told = std::fs::read_to_string(&told).expect("it was told");
    let parts: Vec<&str> = told.split('\t').collect();
    assert_eq!(parts[..2], ["skipped", "stand_ins twitter::openapi::the_comparison_finds_what_is_wrong"]);
    assert!(parts[2].starts_with(DOCUMENT), "{told}");
}
