//! Request Tracker's users, by mapping.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use sportello_tests::host::HostPlan;
use sportello_tests::servers::gateway::Gateway;
use sportello_tests::servers::{RequestTracker, require};
use sportello_tests::stand_ins::{Fault, Faults};

use crate::books::{Books, Entry, Writing};

/// What is changed of the connector's own mapping: people's ids on Facebook have a place, they are looked up by it, and whoever is made has a log-in name.
const CHANGES: [(&str, &str); 3] = [
    ("    - {scheme: external, at: /Name}\n", "    - {scheme: external, at: /Name}\n    - {scheme: facebook.id, at: /City}\n"),
    ("  # The name a user logs in with.\n", FACEBOOK),
    ("    Name: \"{external}\"\n    RealName", "    Name: \"facebook-{facebook.id}\"\n    City: \"{facebook.id}\"\n    RealName"),
];
/// See [`CHANGES`].
const FACEBOOK: &str = "  facebook.id:
    path: /REST/2.0/users
    query:
      query: {json: [{field: City, operator: \"=\", value: \"{value}\"}]}
      fields: id
      find_disabled_rows: \"1\"
    records: /items
";

fn mapping() -> String {
    let own = include_str!("../../../plugins/mapped-crm/mappings/request-tracker.yaml").to_owned();
    CHANGES.into_iter().fold(own, |mapping, (before, after)| {
        assert!(mapping.contains(before), "the mapping has changed");
        mapping.replacen(before, after, 1)
    })
}

pub(crate) struct Tracker {
    tracker: RequestTracker,
    gateway: Gateway,
    /// Users it has of its own.
    own: Vec<String>,
}

fn number(id: &str) -> u64 {
    id.parse().expect("a user's number")
}

/// Fields of everything of a kind that is as the query says, in all pages.
async fn all(tracker: &RequestTracker, kind: &str, query: Value, fields: &str) -> Vec<Value> {
    let (query, mut found) = (query.to_string(), Vec::new());
    for page in 1.. {
        let (page, more) = (page.to_string(), [("find_disabled_rows", "1"), ("per_page", "100")]);
        let asked = [("query", query.as_str()), ("fields", fields), ("page", &page)];
        let mut answer = tracker.get(kind, &[asked.as_slice(), &more].concat()).await.expect("a list");
        if let Value::Array(items) = answer["items"].take() {
            found.extend(items);
        }
        if answer["next_page"].is_null() {
            break;
        }
    }
    found
}

/// Names by number.
async fn users(tracker: &RequestTracker) -> BTreeMap<String, String> {
    let everybody = json!([{ "field": "Name", "operator": "!=", "value": "" }]);
    let named = |user: &Value| (user["id"].to_string(), user["RealName"].as_str().unwrap_or_default().to_owned());
    all(tracker, "/users", everybody, "id,RealName").await.iter().map(named).collect()
}

impl Books for Tracker {
    // It takes a second for a user.
    const MINUTES_PER_DEED: u64 = 10;
    const MS_PER_MINUTE: u64 = 150;
    const TAKES_NOTES: bool = true;
    const TAKES_CONTACTS: bool = true;
    const TAKES_ADDRESSES: bool = false;
    // It tells one change of a user from the next.
    const CHANGED_IN_TURN: usize = 2;
    // Somebody else writes at the same time.
    const TROUBLES: &'static [Fault] = &[Fault::Refuse { status: 412, retry_after_s: None }];
    const STEP: Duration = Duration::from_secs(2);
    const OF_THREE_PAGES: usize = 21;

    fn words(what: Writing) -> &'static [&'static str] {
        match what {
            Writing::Contact => &["POST /REST/2.0/user"],
            Writing::Change => &["PUT /REST/2.0/user/"],
            Writing::Note => &["POST /REST/2.0/ticket"],
        }
    }

    async fn open() -> Option<Self> {
        let tracker = require(RequestTracker::start().await)?;
        let gateway = Gateway::start(tracker.base_url()).await.expect("the gateway starts");
        let own = users(&tracker).await.into_keys().collect();
        Some(Self { tracker, gateway, own })
    }

    fn plan(&self, plan: HostPlan) -> HostPlan {
        let origin = self.gateway.base_url();
        let account = self.tracker.account();
        let toml = format!(
            "connector = \"mapped-crm\"\ncomponent = \"{{component:mapped-crm}}\"\norigins = [\"{origin}\"]\nprivate-network = true\n\
             settings = {{ base-url = \"{origin}\", mapping = {:?} }}\npoll-seconds = 900\n\
             secrets.basic = {{ user = \"crm-user\", password = \"crm-password\" }}\n",
            mapping()
        );
        plan.channel("crm", &toml).plain("crm-user", &account.name).secret("crm-password", &account.password)
    }

    fn faults(&self) -> Option<&Faults> {
        Some(self.gateway.faults())
    }

    async fn enter(&self, entry: &Entry) -> String {
        let login = format!("cliente-{}", entry.number);
        let user = self.tracker.create_user(&login, &entry.name, &format!("{login}@example.org")).await.expect("a user");
        if let Some(facebook) = &entry.facebook {
            self.tracker.change_user(user, &json!({ "City": facebook })).await.expect("their id on Facebook");
        }
        user.to_string()
    }

    async fn rename(&self, id: &str, name: &str) {
        self.tracker.change_user(number(id), &json!({ "RealName": name })).await.expect("a new name");
    }

    async fn put_away(&self, id: &str) {
        self.tracker.change_user(number(id), &json!({ "Disabled": 1 })).await.expect("they are put away");
    }

    // Each request has its password.
    async fn expire_sessions(&self) {}

    async fn minute_ends(&self, _: &mut fastrand::Rng) {}

    async fn notes(&self, id: &str) -> Vec<String> {
        let user = self.tracker.get(&format!("/user/{id}"), &[]).await.expect("the user");
        let query = format!("Requestor.EmailAddress = '{}'", user["EmailAddress"].as_str().expect("an address"));
        let tickets =
            self.tracker.get("/tickets", &[("query", &query), ("fields", "Subject"), ("per_page", "100")]).await.expect("tickets");
        let subject = |ticket: &serde_json::Value| ticket["Subject"].as_str().unwrap_or_default().to_owned();
        tickets["items"].as_array().into_iter().flatten().map(subject).collect()
    }

    async fn names(&self) -> BTreeMap<String, String> {
        users(&self.tracker).await.into_iter().filter(|(id, _)| !self.own.contains(id)).collect()
    }

    /// Who has this id on Facebook, and who was given this name, as often as they were.
    async fn holders(&self, value: &str) -> Vec<String> {
        let known = json!([{ "field": "City", "operator": "=", "value": value }]);
        let given = [("ObjectType", "RT::User"), ("Field", "RealName"), ("NewValue", value)];
        let given: Vec<Value> = given.iter().map(|(field, value)| json!({ "field": field, "operator": "=", "value": value })).collect();
        let known = all(&self.tracker, "/users", known, "id").await;
        let given = all(&self.tracker, "/transactions", json!(given), "ObjectId").await;
        known
            .iter()
            .map(|user| user["id"].to_string())
            .chain(given.iter().filter_map(|deed| deed["ObjectId"].as_str().map(str::to_owned)))
            .collect()
    }
}
