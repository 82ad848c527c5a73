//! Tryton's books, of either release, and those of its stand-in.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sportello_tests::host::HostPlan;
use sportello_tests::servers::gateway::Gateway;
use sportello_tests::servers::{ContactMechanism, Crm, CrmUser, Release, Tryton, require};
use sportello_tests::stand_ins::crm::CrmStandIn;
use sportello_tests::stand_ins::{Fault, Faults};

use crate::books::{Books, Entry, Writing};

/// How one of them is started.
pub(crate) trait Started: Crm + Sized {
    const RELEASE: Release;
    async fn started() -> Option<Self>;
}

impl Started for CrmStandIn {
    const RELEASE: Release = Release::Six;

    async fn started() -> Option<Self> {
        Some(CrmStandIn::start().await.expect("the stand-in starts"))
    }
}

/// The real one of a release.
pub(crate) struct Real<const EIGHT: bool>(Tryton);

impl<const EIGHT: bool> Crm for Real<EIGHT> {
    fn rpc_url(&self) -> String {
        self.0.rpc_url()
    }

    fn account(&self) -> sportello_tests::servers::Account {
        self.0.account()
    }

    fn release(&self) -> Release {
        self.0.release()
    }

    fn expire_sessions(&self) -> futures_util::future::BoxFuture<'_, sportello_tests::error::Result<()>> {
        self.0.expire_sessions()
    }
}

impl<const EIGHT: bool> Started for Real<EIGHT> {
    const RELEASE: Release = if EIGHT { Release::Eight } else { Release::Six };

    async fn started() -> Option<Self> {
        require(Tryton::start_release(Self::RELEASE).await).map(Self)
    }
}

pub(crate) type SixBooks = TrytonBooks<Real<false>>;
pub(crate) type EightBooks = TrytonBooks<Real<true>>;
pub(crate) type StandInBooks = TrytonBooks<CrmStandIn>;

pub(crate) struct TrytonBooks<Server> {
    server: Server,
    operator: CrmUser,
    gateway: Gateway,
}

/// Origin and path.
fn split(url: &str) -> (&str, &str) {
    url.split_at(url.match_indices('/').nth(2).expect("a path").0)
}

fn number(id: &str) -> u64 {
    id.parse().expect("a party's number")
}

impl<Server: Started> TrytonBooks<Server> {
    async fn rows(&self, model: &str, domain: Value, field: &str) -> Vec<Value> {
        let params = json!([domain, 0, null, [["id", "ASC"]], [field], { "active_test": false }]);
        let rows = self.operator.call(&format!("model.{model}.search_read"), params).await.expect("a search");
        rows.as_array().expect("rows").clone()
    }
}

impl<Server: Started> Books for TrytonBooks<Server> {
    const MINUTES_PER_DEED: u64 = 1;
    const TAKES_NOTES: bool = true;
    const TAKES_CONTACTS: bool = true;
    // Somebody else writes at the same time: the first is Tryton's own word, the second SQLite's.
    const TROUBLES: &'static [Fault] = &[
        Fault::Decline {
            status: 200,
            json: r#"{"id":1,"error":["ConcurrencyException","Records were modified in the meanwhile"]}"#,
            headers: &[],
        },
        Fault::Decline { status: 200, json: r#"{"id":1,"error":["database is locked",""]}"#, headers: &[] },
    ];
    const OF_THREE_PAGES: usize = 210;
    const BEFORE_A_PAGE: usize = 1;

    fn words(what: Writing) -> &'static [&'static str] {
        match what {
            Writing::Contact => &["model.party.party.create"],
            Writing::Change => &["model.party.party.write"],
            Writing::Note => &["model.ir.note.create"],
        }
    }

    async fn open() -> Option<Self> {
        let server = Server::started().await?;
        let gateway = Gateway::start(split(&server.rpc_url()).0).await.expect("the gateway starts");
        Some(Self { operator: server.operator(), server, gateway })
    }

    fn plan(&self, plan: HostPlan) -> HostPlan {
        let origin = self.gateway.base_url();
        let url = self.server.rpc_url();
        let path = split(&url).1;
        let account = self.server.account();
        let toml = format!(
            "connector = \"legacy-crm\"\ncomponent = \"{{component:legacy-crm}}\"\norigins = [\"{origin}\"]\nprivate-network = true\n\
             settings = {{ base-url = \"{origin}\", rpc-path = \"{path}\" }}\npoll-seconds = 300\n\
             secrets.user = {{ user = \"crm-user\", password = \"crm-password\" }}\n"
        );
        plan.channel("crm", &toml).plain("crm-user", &account.name).secret("crm-password", &account.password)
    }

    fn faults(&self) -> Option<&Faults> {
        Some(self.gateway.faults())
    }

    async fn enter(&self, entry: &Entry) -> String {
        let mut mechanisms = vec![ContactMechanism::email(&format!("cliente-{}@example.org", entry.number))];
        mechanisms.extend(entry.facebook.as_deref().map(ContactMechanism::facebook));
        let party = self.operator.create_party(&entry.name, &format!("K-{}", entry.number), &mechanisms).await;
        party.expect("a party").to_string()
    }

    async fn rename(&self, id: &str, name: &str) {
        // On SQLite Tryton looks whether a record was changed, and then writes, which is no single step there as it is on PostgreSQL (see the
        // connector's README): what its own people write in between is lost, by nobody's fault but its own.
        let _closed = self.gateway.close().await;
        self.operator.write_party(number(id), json!({ "name": name }), None).await.expect("a new name");
    }

    async fn put_away(&self, id: &str) {
        let _closed = self.gateway.close().await;
        self.operator.write_party(number(id), json!({ "active": false }), None).await.expect("it is put away");
    }

    async fn expire_sessions(&self) {
        self.server.expire_sessions().await.expect("sessions end");
    }

    async fn minute_ends(&self, _: &mut fastrand::Rng) {}

    async fn notes(&self, id: &str) -> Vec<String> {
        let notes = self.operator.notes(number(id)).await.expect("the notes");
        notes.into_iter().map(|note| note.message).collect()
    }

    async fn names(&self) -> BTreeMap<String, String> {
        let named = |row: &Value| Some((row["id"].to_string(), row["name"].as_str()?.to_owned()));
        self.rows("party.party", json!([]), "name").await.iter().filter_map(named).collect()
    }

    async fn holders(&self, value: &str) -> Vec<String> {
        let mechanisms = self.rows("party.contact_mechanism", json!([["value", "=", value]]), "party").await;
        mechanisms.iter().map(|row| row["party"].to_string()).collect()
    }
}
