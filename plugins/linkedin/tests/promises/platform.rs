//! The platform as the connector sees it: comments, notifications and roles, in memory.

use std::cell::RefCell;
use std::rc::Rc;

use linkedin::LinkedIn;
use serde_json::{Value, json};
use sportello_sdk::http::{Failure, Request, Response, decode};
use sportello_sdk::testing::{Channel, Host, Running};
use sportello_sdk::{Error, Interaction, time, webhook};

pub(crate) const ORGANIZATION: &str = "urn:li:organization:96072893";
pub(crate) const POST: &str = "urn:li:activity:7094637247487995904";
/// A top-level comment of [`POST`]; its id is above 2^63.
pub(crate) const QUESTION: &str = "urn:li:comment:(urn:li:activity:7094637247487995904,9223372036854775809)";
/// The time of the tests' calls, in milliseconds.
pub(crate) const NOW_MS: i64 = 1_768_478_400_000;

pub(crate) fn channel() -> Channel<LinkedIn> {
    channel_with(json!({}))
}

pub(crate) fn channel_with(more: Value) -> Channel<LinkedIn> {
    let mut settings = json!({ "organization": ORGANIZATION, "api-url": "https://api.linkedin.com",
        "token-url": "https://www.linkedin.com", "version": "202601" });
    more.as_object().unwrap().iter().for_each(|(name, value)| settings[name] = value.clone());
    Channel::new(settings)
}

/// Any comment of [`POST`] by its id.
pub(crate) fn comment_urn(id: impl ToString) -> String {
    format!("urn:li:comment:({POST},{})", id.to_string())
}

/// The short spelling of a comment's URN.
pub(crate) fn short(urn: &str) -> String {
    urn.replace("(urn:li:", "(")
}

/// A comment as lists show it.
pub(crate) fn row(urn: &str, parent: Option<&str>, actor: Option<&str>, text: &str, created_ms: i64) -> Value {
    let id = urn.rsplit(',').next().unwrap().trim_end_matches(')');
    let mut row = json!({ "id": id, "commentUrn": urn, "$URN": urn, "object": POST, "message": { "text": text },
        "created": { "time": created_ms }, "lastModified": { "time": created_ms } });
    if let Some(parent) = parent {
        row["parentComment"] = json!(parent);
    }
    if let Some(actor) = actor {
        row["actor"] = json!(actor);
    }
    row
}

/// A post as lists show it.
pub(crate) fn post_row(urn: &str, commentary: &str, created_ms: i64) -> Value {
    json!({ "id": urn, "author": ORGANIZATION, "commentary": commentary, "createdAt": created_ms, "lifecycleState": "PUBLISHED" })
}

/// A notification about a comment.
pub(crate) fn notification(id: impl Into<Value>, action: &str, urn: &str, text: &str) -> Value {
    let mut notification = json!({ "notificationId": id.into(), "organizationalEntity": ORGANIZATION, "action": action, "sourcePost": POST,
        "lastModifiedAt": NOW_MS, "subscriber": "urn:li:person:admin", "generatedActivity": urn });
    if action != "COMMENT_DELETE" {
        let owner = if action == "ADMIN_COMMENT" { ORGANIZATION } else { "urn:li:person:a7Kd0wPq2Z" };
        notification["decoratedGeneratedActivity"] = json!({ "comment": { "entity": urn, "object": POST, "owner": owner, "text": text } });
    }
    notification
}

pub(crate) fn share(action: &str, urn: &str, text: &str) -> Value {
    json!({ "notificationId": 7, "organizationalEntity": ORGANIZATION, "action": action, "sourcePost": "urn:li:share:12",
        "lastModifiedAt": NOW_MS, "generatedActivity": urn,
        "decoratedGeneratedActivity": { "share": { "entity": urn, "owner": "urn:li:person:b", "text": text } } })
}

pub(crate) fn body(notifications: &[Value]) -> String {
    json!({ "type": "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS", "notifications": notifications }).to_string()
}

pub(crate) fn delivered(notifications: &[Value]) -> Vec<Interaction> {
    channel().deliver(&webhook::Request::post(body(notifications))).unwrap().interactions
}

pub(crate) fn only(notification: &Value) -> Interaction {
    let mut interactions = delivered(std::slice::from_ref(notification));
    assert_eq!(interactions.len(), 1);
    interactions.remove(0)
}

pub(crate) fn identity(interaction: &Interaction) -> (String, String) {
    (interaction.native_id.clone(), interaction.revision.clone())
}

pub(crate) fn attribute<'a>(interaction: &'a Interaction, name: &str) -> Option<&'a str> {
    interaction.attributes.iter().find(|attribute| attribute.name == name).map(|attribute| attribute.value.as_str())
}

/// What an error asks of the host.
pub(crate) fn name(error: &Error) -> &'static str {
    error.name()
}

/// Plays an answer, or none.
pub(crate) type Answering = fn() -> Result<Response, Failure>;

#[derive(Default)]
pub(crate) struct World {
    pub(crate) comments: Vec<Value>,
    /// The organisation's posts, newest first.
    pub(crate) posts: Vec<Value>,
    /// As they come in lists.
    pub(crate) notifications: Vec<Value>,
    pub(crate) is_administrator: bool,
    /// Whether an answer to an answer is refused.
    pub(crate) has_two_levels: bool,
}

pub(crate) type Shared = Rc<RefCell<World>>;

/// A world with one question in it.
pub(crate) fn world() -> Shared {
    let question = row(QUESTION, None, Some("urn:li:person:a7Kd0wPq2Z"), "Perché?", NOW_MS - 60_000);
    Rc::new(RefCell::new(World { comments: vec![question], is_administrator: true, has_two_levels: true, ..World::default() }))
}

pub(crate) fn host(world: &Shared) -> Host {
    let world = Rc::clone(world);
    Host::new().credential("client-secret", "prezzemolo").http(move |request: &Request| world.borrow_mut().answer(request))
}

pub(crate) fn started(world: &Shared) -> Running {
    host(world).start()
}

impl World {
    pub(crate) fn answer(&mut self, request: &Request) -> Response {
        assert_eq!(request.header_value("linkedin-version"), Some("202601"));
        assert_eq!(request.header_value("x-restli-protocol-version"), Some("2.0.0"));
        assert_eq!(request.header_value("authorization"), None, "the token is the host's to put in");
        let path = request.path().to_owned();
        let parts: Vec<&str> = path.trim_start_matches("/rest/").split('/').collect();
        assert!(parts.iter().all(|part| !part.contains([':', '(', ')', ','])), "a URN in a path is encoded wholly: {path}");
        match (request.method(), parts.as_slice()) {
            ("GET", ["socialActions", urn, "comments"]) => self.list(request, &decode(urn)),
            ("GET", ["socialActions", _, "comments", id]) => {
                let found = self.comments.iter().find(|row| row["id"] == json!(decode(id)));
                found.map_or_else(gone, |row| Response::with_json(200, row))
            }
            ("POST", ["socialActions", urn, "comments"]) => self.write(&decode(urn), &request.body_json().unwrap()),
            ("GET", ["organizationalEntityNotifications"]) => self.pull(request),
            ("POST", ["posts"]) => {
                let urn = format!("urn:li:share:{}", 7_000_000_000_000_000_001_u64 + self.posts.len() as u64);
                let document: Value = request.body_json().unwrap();
                self.posts.insert(0, post_row(&urn, document["commentary"].as_str().unwrap(), NOW_MS + 1_000));
                Response::new(201).with_header("x-restli-id", urn)
            }
            ("GET", ["posts"]) => page(request, &self.posts, true),
            ("GET", ["organizationAcls"]) => {
                let roles = if self.is_administrator {
                    vec![json!({ "organization": ORGANIZATION, "role": "ADMINISTRATOR", "state": "APPROVED" })]
                } else {
                    vec![]
                };
                Response::with_json(200, &json!({ "elements": roles, "paging": { "start": 0, "count": 100, "links": [] } }))
            }
            _ => panic!("{} {path}", request.method()),
        }
    }

    fn list(&self, request: &Request, target: &str) -> Response {
        if target != POST && !self.comments.iter().any(|row| row["commentUrn"] == json!(target)) {
            return gone();
        }
        let parent = if target == POST { Value::Null } else { json!(target) };
        let rows: Vec<Value> = self.comments.iter().filter(|row| row["parentComment"] == parent).cloned().collect();
        page(request, &rows, true)
    }

    fn write(&mut self, target: &str, document: &Value) -> Response {
        assert_eq!((&document["actor"], &document["object"]), (&json!(ORGANIZATION), &json!(POST)));
        let parent = document["parentComment"].as_str();
        assert_eq!(parent.unwrap_or(POST), target, "the path and the document say the same");
        let above = self.comments.iter().find(|row| row["commentUrn"] == document["parentComment"]);
        if self.has_two_levels && above.is_some_and(|row| row["parentComment"].is_string()) {
            return Response::with_json(400, &json!({ "status": 400, "code": "ILLEGAL_ARGUMENT", "message": "two levels" }));
        }
        let id = 8_000_000_000_000_000_001_u64 + self.comments.len() as u64;
        let text = document["message"]["text"].as_str().unwrap();
        let made = row(&comment_urn(id), parent, Some(ORGANIZATION), text, NOW_MS + 1_000);
        self.comments.push(made.clone());
        Response::with_json(201, &made).with_header("x-restli-id", id.to_string())
    }

    fn pull(&self, request: &Request) -> Response {
        assert!(request.url().contains("&actions=List(LIKE,COMMENT,"), "parentheses stand bare in a query: {}", request.url());
        assert_eq!(request.query_value("organizationalEntity").as_deref(), Some(ORGANIZATION));
        assert!(request.url().contains("organizationalEntity=urn%3Ali%3Aorganization%3A"));
        let range = request.query_value("timeRange").unwrap();
        let (start, end) = range.trim_start_matches("(start:").trim_end_matches(')').split_once(",end:").unwrap();
        let range = start.parse::<i64>().unwrap()..=end.parse::<i64>().unwrap();
        // Of the actions that are asked for, and of no other.
        // https://learn.microsoft.com/en-us/linkedin/marketing/community-management/organizations/organization-social-action-notifications
        let actions = request.query_value("actions").unwrap();
        let actions: Vec<&str> = actions.trim_start_matches("List(").trim_end_matches(')').split(',').collect();
        let is_asked_for =
            |row: &&Value| range.contains(&row["lastModifiedAt"].as_i64().unwrap()) && actions.contains(&row["action"].as_str().unwrap());
        let rows: Vec<Value> = self.notifications.iter().filter(is_asked_for).cloned().collect();
        page(request, &rows, false)
    }
}

fn page(request: &Request, rows: &[Value], with_total: bool) -> Response {
    let number = |name: &str| request.query_value(name).unwrap().parse::<usize>().unwrap();
    let (start, count) = (number("start"), number("count"));
    let links = if start + count < rows.len() { vec![json!({ "rel": "next", "href": "…" })] } else { vec![] };
    let mut paging = json!({ "start": start, "count": count, "links": links });
    if with_total {
        paging["total"] = json!(rows.len());
    }
    let rows: Vec<_> = rows.iter().skip(start).take(count).collect();
    Response::with_json(200, &json!({ "elements": rows, "paging": paging }))
}

pub(crate) fn gone() -> Response {
    Response::with_json(404, &json!({ "status": 404, "code": "RESOURCE_NOT_FOUND", "message": "does not exist" }))
}

/// A refusal in the platform's words.
pub(crate) fn refused(status: u16, code: &str, service_code: Option<u32>, message: &str) -> Response {
    let mut document = json!({ "status": status, "code": code, "message": message });
    if let Some(service_code) = service_code {
        document["serviceErrorCode"] = json!(service_code);
    }
    Response::with_json(status, &document)
}

#[test]
fn the_tests_time_is_the_hosts() {
    assert_eq!(time::milliseconds(sportello_sdk::testing::NOW), Some(NOW_MS));
}
