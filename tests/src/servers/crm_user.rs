//! Somebody at the CRM: what tests do as its operator, over Tryton's own JSON-RPC.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::Account;
use crate::error::{Error, Result};
use crate::http_client::{Answer, HttpClient, excerpt};

/// Which Tryton it is: what differs between them is not the same for those who use it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// 6.0: `write_date` is null until a record's first write, `_timestamp` knows whole seconds.
    Six,
    /// 8.2: JSON-RPC is below `rpc/`, a party is written as it is created, `_timestamp` knows fractions of seconds.
    Eight,
}

impl Release {
    /// Where JSON-RPC is below a path that ends in a slash.
    pub fn path_below(self, path: &str) -> String {
        match self {
            Self::Six => path.to_owned(),
            Self::Eight => format!("{path}rpc/"),
        }
    }
}

/// A CRM to test against, real or stand-in.
pub trait Crm: Send + Sync {
    /// Where JSON-RPC is, with the database's name and a slash at the end.
    fn rpc_url(&self) -> String;

    /// The account both the connector and the tests use.
    fn account(&self) -> Account;

    /// Which Tryton it is, or stands in for.
    fn release(&self) -> Release;

    /// Ends all sessions on the server, as time does.
    fn expire_sessions(&self) -> BoxFuture<'_, Result<()>>;

    /// The operator, ready to act.
    fn operator(&self) -> CrmUser {
        CrmUser::new(&self.rpc_url(), self.account())
    }
}

/// One way to reach a party. `kind` is Tryton's `type`: `email`, `phone`, `mobile`, `website`, `other`, …
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactMechanism {
    /// Tryton's `type`.
    pub kind: &'static str,
    /// Tryton's `name`, the free label: `wiki` and `facebook` mark network names.
    pub label: Option<&'static str>,
    /// The address, number, name or id.
    pub value: String,
}

impl ContactMechanism {
    /// An e-mail address.
    pub fn email(address: &str) -> Self {
        Self { kind: "email", label: None, value: address.to_owned() }
    }

    /// A telephone number.
    pub fn phone(number: &str) -> Self {
        Self { kind: "phone", label: None, value: number.to_owned() }
    }

    /// A user name at the wiki.
    pub fn wiki(name: &str) -> Self {
        Self { kind: "other", label: Some("wiki"), value: name.to_owned() }
    }

    /// A user id on Facebook.
    pub fn facebook(id: &str) -> Self {
        Self { kind: "other", label: Some("facebook"), value: id.to_owned() }
    }

    fn to_json(&self) -> Value {
        match self.label {
            Some(label) => json!({"type": self.kind, "name": label, "value": self.value}),
            None => json!({"type": self.kind, "value": self.value}),
        }
    }
}

/// A note on a party, which is how an activity is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The note's id.
    pub id: u64,
    /// Its text.
    pub message: String,
}

/// Somebody with a session. Logs in at the first call, and again when the session is gone.
#[derive(Debug)]
pub struct CrmUser {
    http: HttpClient,
    rpc_url: String,
    account: Account,
    session: Mutex<Option<String>>,
}

impl CrmUser {
    /// Somebody who has not logged in yet.
    pub fn new(rpc_url: &str, account: Account) -> Self {
        Self { http: HttpClient::default(), rpc_url: rpc_url.to_owned(), account, session: Mutex::new(None) }
    }

    /// Logs in and gives the value of the `Authorization` header.
    ///
    /// # Errors
    /// [`Error::Status`] 401 for a wrong password, 429 after too many.
    pub async fn log_in(&self) -> Result<String> {
        let params = json!([self.account.name, {"password": self.account.password}, "en"]);
        let result = judge("common.db.login", self.post("common.db.login", &params, None).await?)?;
        let (Some(user), Some(session)) = (result[0].as_u64(), result[1].as_str()) else {
            return Err(Error::Unexpected { what: "common.db.login".to_owned(), answer: result.to_string() });
        };
        let header = format!("Session {}", STANDARD.encode(format!("{}:{user}:{session}", self.account.name)));
        *self.session.lock().await = Some(header.clone());
        Ok(header)
    }

    /// Calls `method`; `params` must hold the context as their last member, as JSON-RPC wants it.
    ///
    /// # Errors
    /// [`Error::Refused`] with Tryton's error name, [`Error::Status`] for HTTP errors.
    pub async fn call(&self, method: &str, params: Value) -> Result<Value> {
        let held = self.session.lock().await.clone();
        let session = match held {
            Some(session) => session,
            None => self.log_in().await?,
        };
        let answer = self.post(method, &params, Some(&session)).await?;
        if answer.status != 401 {
            return judge(method, answer);
        }
        let session = self.log_in().await?;
        judge(method, self.post(method, &params, Some(&session)).await?)
    }

    /// One request as it is: no log-in, no second try.
    ///
    /// # Errors
    /// [`Error::NoAnswer`] when none comes.
    pub async fn post(&self, method: &str, params: &Value, authorization: Option<&str>) -> Result<Answer> {
        let headers: Vec<(&str, &str)> = authorization.iter().map(|value| ("authorization", *value)).collect();
        self.http.post_json(&self.rpc_url, &headers, &json!({"id": 1, "method": method, "params": params})).await
    }

    /// Creates a party and gives its id.
    ///
    /// # Errors
    /// `UserError`, for instance when the code is taken.
    pub async fn create_party(&self, name: &str, code: &str, mechanisms: &[ContactMechanism]) -> Result<u64> {
        let mechanisms: Vec<Value> = mechanisms.iter().map(ContactMechanism::to_json).collect();
        let party = json!({"name": name, "code": code, "contact_mechanisms": [["create", mechanisms]]});
        let ids = self.call("model.party.party.create", json!([[party], {}])).await?;
        ids[0].as_u64().ok_or_else(|| Error::Unexpected { what: "creating a party".to_owned(), answer: ids.to_string() })
    }

    /// Reads a party: name, code, dates, `_timestamp`, and its mechanisms under the key `contact_mechanisms.`.
    ///
    /// # Errors
    /// `UserError` when there is none of this id.
    pub async fn party(&self, id: u64) -> Result<Value> {
        let fields = json!([
            "name",
            "code",
            "active",
            "create_date",
            "write_date",
            "_timestamp",
            "contact_mechanisms.type",
            "contact_mechanisms.name",
            "contact_mechanisms.value",
        ]);
        Ok(self.call("model.party.party.read", json!([[id], fields, {}])).await?[0].clone())
    }

    /// Changes fields of a party; with `timestamp` (its `_timestamp` as read before) only if nobody else did meanwhile.
    ///
    /// # Errors
    /// `ConcurrencyException` when somebody did.
    pub async fn write_party(&self, id: u64, values: Value, timestamp: Option<&str>) -> Result<()> {
        let context = match timestamp {
            Some(timestamp) => json!({"_timestamp": {format!("party.party,{id}"): timestamp}}),
            None => json!({}),
        };
        self.call("model.party.party.write", json!([[id], values, context])).await.map(drop)
    }

    /// Adds a way to reach a party.
    ///
    /// # Errors
    /// Tryton's own.
    pub async fn add_mechanism(&self, id: u64, mechanism: &ContactMechanism) -> Result<()> {
        self.write_party(id, json!({"contact_mechanisms": [["create", [mechanism.to_json()]]]}), None).await
    }

    /// Writes a note on a party and gives its id.
    ///
    /// # Errors
    /// `UserError` when there is no such party.
    pub async fn create_note(&self, party: u64, message: &str) -> Result<u64> {
        let note = json!({"resource": format!("party.party,{party}"), "message": message});
        let ids = self.call("model.ir.note.create", json!([[note], {}])).await?;
        ids[0].as_u64().ok_or_else(|| Error::Unexpected { what: "creating a note".to_owned(), answer: ids.to_string() })
    }

    /// All notes on a party, oldest first.
    ///
    /// # Errors
    /// Tryton's own.
    pub async fn notes(&self, party: u64) -> Result<Vec<Note>> {
        let domain = json!([["resource", "=", format!("party.party,{party}")]]);
        let rows = self.call("model.ir.note.search_read", json!([domain, 0, 1000, [["id", "ASC"]], ["message"], {}])).await?;
        let note = |row: &Value| Some(Note { id: row["id"].as_u64()?, message: row["message"].as_str()?.to_owned() });
        Ok(rows.as_array().into_iter().flatten().filter_map(note).collect())
    }

    /// Ends this session on the server.
    ///
    /// # Errors
    /// Tryton's own.
    pub async fn log_out(&self) -> Result<()> {
        self.call("common.db.logout", json!([])).await?;
        *self.session.lock().await = None;
        Ok(())
    }

    /// The HTTP client, for requests that are meant to be wrong.
    pub fn http(&self) -> &HttpClient {
        &self.http
    }
}

fn judge(what: &str, answer: Answer) -> Result<Value> {
    if answer.status != 200 {
        return Err(Error::Status { what: what.to_owned(), status: answer.status, body: excerpt(&answer.text()) });
    }
    let mut reply = answer.json()?;
    match reply.get("error") {
        Some(error) => Err(Error::Refused {
            what: what.to_owned(),
            code: error[0].as_str().unwrap_or_default().to_owned(),
            info: match &error[1] {
                Value::Array(parts) => parts.first().and_then(Value::as_str).unwrap_or_default().to_owned(),
                other => other.as_str().unwrap_or_default().to_owned(),
            },
        }),
        None => Ok(reply["result"].take()),
    }
}
