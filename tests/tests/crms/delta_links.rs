//! Customers of a service that follows its changes itself, as OData has it: a list, and behind its last page a link to what changes later (OData 4.01
//! Part 1: Protocol, 11.3).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use sportello_tests::host::HostPlan;
use sportello_tests::servers::gateway::Gateway;
use sportello_tests::stand_ins::Faults;

use crate::books::{Books, Entry};

const MAPPING: &str = "name: Customers
source: rest-json
authentication: none
contact: {id: /ID, display-name: /Name}
changes: {path: /service/Customers, records: /value, entries: whole, paging: {kind: delta-link, size: 10}}
";

#[derive(Default)]
struct Customers {
    /// Their names, with the number of the last change; no name: they were removed.
    all: BTreeMap<u64, (Option<String>, u64)>,
    changes: u64,
}

pub(crate) struct DeltaLinks {
    customers: Arc<Mutex<Customers>>,
    gateway: Gateway,
}

impl DeltaLinks {
    fn change(&self, id: u64, name: Option<&str>) {
        let mut customers = held(&self.customers);
        customers.changes += 1;
        let changed = customers.changes;
        customers.all.insert(id, (name.map(str::to_owned), changed));
    }
}

fn held(customers: &Mutex<Customers>) -> MutexGuard<'_, Customers> {
    customers.lock().expect("no panic while it is held")
}

/// A page: `$skiptoken` is since which change, up to which, and behind whom; `$deltatoken` since which.
async fn page(
    State(customers): State<Arc<Mutex<Customers>>>,
    Query(query): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Json<Value> {
    let prefers = headers.get("prefer").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let size = prefers.split("odata.maxpagesize=").nth(1).map_or(100, |size| size.trim().parse().expect("a page's size"));
    let customers = held(&customers);
    let token =
        |name: &str| query.get(name).map(|token| token.split('_').map(|part| part.parse::<u64>().expect("a number")).collect::<Vec<_>>());
    let (since, until, behind) = match (token("$skiptoken").as_deref(), token("$deltatoken").as_deref()) {
        (Some([since, until, behind]), _) => (*since, *until, Some(*behind)),
        (None, Some([since])) => (*since, customers.changes, None),
        _ => {
            assert!(prefers.contains("odata.track-changes"), "{prefers}");
            (0, customers.changes, None)
        }
    };
    let changed = customers
        .all
        .iter()
        .filter(|(id, (name, changed))| *changed > since && behind.is_none_or(|behind| **id > behind) && (since > 0 || name.is_some()));
    let rows: Vec<_> = changed.take(size + 1).collect();
    let entry = |(id, (name, _)): &(&u64, &(Option<String>, u64))| match name {
        Some(name) => json!({ "ID": id, "Name": name }),
        None => json!({ "@odata.context": "#Customers/$deletedEntity", "id": format!("Customers({id})"), "reason": "deleted" }),
    };
    let value: Vec<Value> = rows.iter().take(size).map(entry).collect();
    Json(if rows.len() > size {
        json!({ "value": value, "@odata.nextLink": format!("Customers?$skiptoken={since}_{until}_{}", rows[size - 1].0) })
    } else {
        json!({ "value": value, "@odata.deltaLink": format!("Customers?$deltatoken={until}") })
    })
}

impl Books for DeltaLinks {
    const MINUTES_PER_DEED: u64 = 1;
    const TAKES_NOTES: bool = false;
    const OF_THREE_PAGES: usize = 21;

    async fn open() -> Option<Self> {
        let customers: Arc<Mutex<Customers>> = Arc::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a loopback port");
        let target = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().route("/service/Customers", get(page)).with_state(Arc::clone(&customers));
        tokio::spawn(async move { axum::serve(listener, router).await });
        let gateway = Gateway::start(&target).await.expect("the gateway starts");
        Some(Self { customers, gateway })
    }

    fn plan(&self, plan: HostPlan) -> HostPlan {
        let origin = self.gateway.base_url();
        let toml = format!(
            "connector = \"mapped-crm\"\ncomponent = \"{{component:mapped-crm}}\"\norigins = [\"{origin}\"]\nprivate-network = true\n\
             settings = {{ base-url = \"{origin}\", mapping = {MAPPING:?} }}\npoll-seconds = 300\n"
        );
        plan.channel("crm", &toml)
    }

    fn faults(&self) -> Option<&Faults> {
        Some(self.gateway.faults())
    }

    async fn enter(&self, entry: &Entry) -> String {
        self.change(entry.number as u64, Some(&entry.name));
        entry.number.to_string()
    }

    async fn rename(&self, id: &str, name: &str) {
        self.change(id.parse().expect("a number"), Some(name));
    }

    async fn put_away(&self, id: &str) {
        self.change(id.parse().expect("a number"), None);
    }

    async fn expire_sessions(&self) {}

    async fn minute_ends(&self, _: &mut fastrand::Rng) {}

    async fn notes(&self, _: &str) -> Vec<String> {
        Vec::new()
    }
}
