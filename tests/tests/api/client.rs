//! A host with one Facebook page, a customer's comment taken in, and a token of every role.

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use sportello_core::commands::{ContactNews, TakeContacts};
use sportello_core::domain::access::Role;
use sportello_core::domain::profile::Identified;
use sportello_core::ids::ChannelName;
use sportello_server::access::create_token;
use sportello_server::tenant::content::ContactContent;
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::http_client::{Answer, HttpClient};
use sportello_tests::stand_ins::facebook::{DeliveryPlan, Facebook};
use tempfile::TempDir;

/// The customer's words: nobody but agents may see them.
pub(crate) const WORDS: &str = "Il modem lampeggia di rosso";
/// The customer's name.
pub(crate) const NAME: &str = "Niccolò Però";

/// What a test starts from.
pub(crate) struct Stage {
    pub(crate) running: RunningHost,
    pub(crate) facebook: Facebook,
    pub(crate) http: HttpClient,
    tokens: Vec<(Role, u64, String)>,
    _folder: TempDir,
}

/// An answer: status and JSON (null where there is none).
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) json: Value,
    pub(crate) answer: Answer,
}

impl Stage {
    /// With the page's own id in the channel's settings.
    pub(crate) async fn new() -> Self {
        Self::with_page_id(None).await
    }

    /// With this page id in the channel's settings; None: the right one.
    pub(crate) async fn with_page_id(page_id: Option<&str>) -> Self {
        Self::with(page_id, "", HostPlan::default()).await
    }

    /// With this more in the channel's TOML, and what the plan has already.
    pub(crate) async fn with(page_id: Option<&str>, more: &str, plan: HostPlan) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let facebook = Facebook::start().await.unwrap();
        let plan = plan
            .channel(
                "facebook-page",
                &format!(
                    "connector = \"facebook\"\ncomponent = \"{{component:facebook}}\"\norigins = [\"{graph}\"]\nprivate-network = true\n\
                     settings = {{ page-id = \"{page}\", graph-url = \"{graph}\" }}\n\
                     secrets.app-secret.secret = \"app-secret\"\nsecrets.verify-token.secret = \"verify-token\"\nsecrets.page-token.token = \"page-token\"\n{more}\n",
                    graph = facebook.graph_url(),
                    page = page_id.unwrap_or(facebook.page_id())
                ),
            )
            .secret("app-secret", facebook.app_secret())
            .secret("verify-token", facebook.verify_token())
            .secret("page-token", &facebook.access_token());
        let running = RunningHost::start(folder.path(), &plan).await;
        facebook.subscribe(&running.url("/hooks/demo/facebook-page")).await.unwrap();
        let mut tokens = Vec::new();
        for (role, name) in [(Role::Viewer, "vera"), (Role::Agent, "anna"), (Role::Operator, "otto"), (Role::Admin, "ada")] {
            let made = create_token(&running.desk().tenant, "test", name, role).await.unwrap();
            tokens.push((role, made.token.0, made.secret));
        }
        Self { running, facebook, http: HttpClient::default(), tokens, _folder: folder }
    }

    /// A customer comments, and the comment is taken in.
    pub(crate) async fn comment(&self) {
        let customer = self.facebook.person(NAME);
        let post = self.facebook.post(&self.facebook.page(), "Manutenzione sabato");
        self.facebook.comment(&customer, &post, WORDS);
        let report = self.facebook.deliver(&DeliveryPlan::default()).await.unwrap();
        assert_eq!((report.acknowledged, report.unanswered), (report.posted, 0), "{report:?}");
    }

    pub(crate) fn secret(&self, role: Role) -> &str {
        &self.tokens.iter().find(|(of, _, _)| *of == role).expect("a token of every role").2
    }

    pub(crate) fn token(&self, role: Role) -> u64 {
        self.tokens.iter().find(|(of, _, _)| *of == role).expect("a token of every role").1
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.running.url(&format!("/api/v1/demo{path}"))
    }

    /// Any request.
    pub(crate) async fn send(&self, secret: Option<&str>, method: Method, path: &str, headers: &[(&str, &str)], body: Bytes) -> Told {
        let bearer = secret.map(|secret| format!("Bearer {secret}"));
        let mut all = headers.to_vec();
        all.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
        let answer = self.http.send(method, &self.url(path), &all, body).await.unwrap();
        let json = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        Told { status: answer.status, json, answer }
    }

    pub(crate) async fn get(&self, role: Role, path: &str) -> Told {
        self.send(Some(self.secret(role)), Method::GET, path, &[], Bytes::new()).await
    }

    pub(crate) async fn post(&self, role: Role, path: &str, document: &Value) -> Told {
        self.json(role, Method::POST, path, &[], document).await
    }

    pub(crate) async fn json(&self, role: Role, method: Method, path: &str, headers: &[(&str, &str)], document: &Value) -> Told {
        let mut all = vec![("content-type", "application/json")];
        all.extend_from_slice(headers);
        self.send(Some(self.secret(role)), method, path, &all, document.to_string().into()).await
    }

    /// A contact of a CRM that no profile shares an identifier with; gives its number.
    pub(crate) async fn contact(&self) -> u64 {
        let settings = json!({ "connector": "legacy-crm" });
        self.json(Role::Operator, Method::PUT, "/channels/crm", &[], &settings).await.expect(201);
        let channel = ChannelName::new("crm").unwrap();
        let tenant = &self.running.desk().tenant;
        let contact = tenant.contact_of(&channel, "C-1").unwrap();
        let content = ContactContent { id: "C-1".to_owned(), display_name: Some(format!("{NAME} SRL")), ..ContactContent::default() };
        let identifiers =
            vec![Identified { scheme: "email".to_owned(), identifier: tenant.identifier_of("email", "n@example.org").unwrap() }];
        let sealed = tenant.seal(contact.slot(), &content).unwrap();
        let news = ContactNews { contact, version: [1; 16], sealed, identifiers, deleted: false };
        tenant.submit("test", TakeContacts { channel, contacts: vec![news], cursor: None }).await.unwrap();
        contact.0
    }

    /// An answer in a case, under an idempotency key.
    pub(crate) async fn reply(&self, case: u64, key: &str, text: &str) -> Told {
        let path = format!("/cases/{case}/replies");
        self.json(Role::Agent, Method::POST, &path, &[("idempotency-key", key)], &json!({ "text": text })).await
    }
}

impl Told {
    /// The JSON, if the status is this one.
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.json);
        self.json
    }

    /// The detail of a problem of this status and kind.
    pub(crate) fn problem(self, status: u16, kind: &str) -> String {
        assert_eq!(self.status, status, "{}", self.json);
        assert_eq!(self.answer.header("content-type"), "application/problem+json");
        assert_eq!(self.json["type"], format!("urn:sportello:problem:{kind}"));
        assert_eq!(self.json["status"], status);
        self.json["detail"].as_str().expect("a problem has a detail").to_owned()
    }
}
