//! Request Tracker's users, by mapping.

use serde_json::json;
use sportello_tests::host::HostPlan;
use sportello_tests::servers::gateway::Gateway;
use sportello_tests::servers::{RequestTracker, require};
use sportello_tests::stand_ins::Faults;

use crate::books::{Books, Entry};

/// The connector's own mapping, with people's ids on Facebook where RT has room for them.
fn mapping() -> String {
    let own = include_str!("../../../plugins/mapped-crm/mappings/request-tracker.yaml");
    let external = "    - {scheme: external, at: /Name}\n";
    assert!(own.contains(external), "the mapping has changed");
    own.replace(external, &format!("{external}    - {{scheme: facebook.id, at: /Address2}}\n"))
}

pub(crate) struct Tracker {
    tracker: RequestTracker,
    gateway: Gateway,
}

fn number(id: &str) -> u64 {
    id.parse().expect("a user's number")
}

impl Books for Tracker {
    // It takes a second for a user.
    const MINUTES_PER_DEED: u64 = 15;
    const MS_PER_MINUTE: u64 = 150;
    const TAKES_NOTES: bool = true;

    async fn open() -> Option<Self> {
        let tracker = require(RequestTracker::start().await)?;
        let gateway = Gateway::start(tracker.base_url()).await.expect("the gateway starts");
        Some(Self { tracker, gateway })
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
            self.tracker.change_user(user, &json!({ "Address2": facebook })).await.expect("their id on Facebook");
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
}
