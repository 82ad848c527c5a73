//! The real Request Tracker of Debian, on its own small web server and SQLite.
//!
//! The database is initialised once into a template (half a megabyte), with a queue for notes that answers nobody and a
//! field for the key of what made a user, and copied per test.
//! One process serves one request after the other, so a test asks for little.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Account;
use super::process::{ServerProcess, on_path, run_to_end, start_on_free_port};
use super::template::template;
use crate::error::{Error, Result};
use crate::http_client::{HttpClient, excerpt, with_query};

const PACKAGES: &str = "request-tracker5 rt5-standalone rt5-db-sqlite";
const LIBRARY: &str = "/usr/share/request-tracker5";
/// Raise it when the steps below change, so that no old template is used.
const RECIPE: u32 = 2;
/// RT's own first account.
const PASSWORD: &str = "password";
/// Where notes go: a queue whose own empty template keeps RT from writing to the requestor. And where a user keeps the key of what made them.
const OWN: &str = r"
@Queues = ({ Name => 'Sportello', Description => 'Notes of what was done elsewhere' });
@Templates = ({ Queue => 'Sportello', Name => 'Autoreply in HTML', Description => 'Nothing is sent', Content => '' });
@CustomFields = ({ Name => 'Sportello', Description => 'What made it elsewhere', Type => 'FreeformSingle', LookupType => 'RT::User' });
1;
";

/// A running Request Tracker with its own database. Dropping it stops it and removes its files.
#[derive(Debug)]
pub struct RequestTracker {
    process: ServerProcess,
    _folder: TempDir,
    base_url: String,
    http: HttpClient,
}

impl RequestTracker {
    /// Starts a fresh RT: its own three users and no ticket.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] where it is missing; [`Error::Start`] when it does not come up.
    pub async fn start() -> Result<Self> {
        let version = installed_version()?;
        let template_name = format!("request-tracker-{version}-{RECIPE}");
        let made = tokio::task::spawn_blocking(move || template(&template_name, initialise));
        let source = made.await.expect("making the template does not panic")?;
        let folder = TempDir::with_prefix("sportello-rt-").map_err(Error::io("creating a temporary folder"))?;
        let database = folder.path().join("rt.db");
        std::fs::copy(source.join("rt.db"), &database).map_err(Error::io(format!("copying to {}", database.display())))?;
        let (process, port) = start_on_free_port(
            "Request Tracker",
            "Accepting connections at",
            |port| {
                let settings = write_settings(folder.path(), port)?;
                let further = folder.path().join("further");
                ServerProcess::spawn(
                    &format!("{LIBRARY}/libexec/standalone_httpd"),
                    &["--host", "127.0.0.1", "--port", &port.to_string()],
                    &environment(&settings, &further.to_string_lossy()),
                    &folder.path().join("server.txt"),
                )
            },
            |port| async move {
                let answer = HttpClient::default().get(&format!("http://127.0.0.1:{port}/REST/2.0/rt"), &[]).await;
                answer.is_ok_and(|answer| answer.status == 401)
            },
        )
        .await?;
        Ok(Self { process, _folder: folder, base_url: format!("http://127.0.0.1:{port}"), http: HttpClient::default() })
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// The account both the connector and the tests use.
    pub fn account(&self) -> Account {
        Account::new("root", PASSWORD)
    }

    /// What the server printed, for a failing test.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// Makes a user and gives their number.
    ///
    /// # Errors
    /// RT's own.
    pub async fn create_user(&self, name: &str, real_name: &str, email: &str) -> Result<u64> {
        let user = json!({ "Name": name, "RealName": real_name, "EmailAddress": email });
        self.ask(Method::POST, "/user", &user).await?;
        let user = self.get(&format!("/user/{name}"), &[]).await?;
        user["id"].as_u64().ok_or_else(|| Error::Unexpected { what: "creating a user".to_owned(), answer: user.to_string() })
    }

    /// Changes fields of a user, `Disabled` among them.
    ///
    /// # Errors
    /// RT's own.
    pub async fn change_user(&self, id: u64, fields: &Value) -> Result<()> {
        self.ask(Method::PUT, &format!("/user/{id}"), fields).await.map(drop)
    }

    /// A `GET` below `/REST/2.0`.
    ///
    /// # Errors
    /// RT's own, as [`Error::Status`].
    pub async fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value> {
        self.ask(Method::GET, &with_query(path, query), &Value::Null).await
    }

    async fn ask(&self, method: Method, path: &str, document: &Value) -> Result<Value> {
        let what = format!("{method} {path}");
        let authorization = format!("Basic {}", STANDARD.encode(format!("root:{PASSWORD}")));
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let body = if document.is_null() { String::new() } else { document.to_string() };
        let answer = self.http.send(method, &format!("{}/REST/2.0{path}", self.base_url), &headers, body.into()).await?;
        if !matches!(answer.status, 200 | 201) {
            return Err(Error::Status { what, status: answer.status, body: excerpt(&answer.text()) });
        }
        answer.json()
    }
}

fn environment<'a>(settings: &'a str, further: &'a str) -> [(&'static str, &'a str); 2] {
    // The second one is where further settings would be read from: an empty folder of its own, not the machine's.
    [("RT_SITE_CONFIG", settings), ("RT_SITE_CONFIG_DIR", further)]
}

fn installed_version() -> Result<String> {
    let missing = |missing: String| Error::NotInstalled { server: "Request Tracker", missing, packages: PACKAGES };
    for program in ["perl", "rt-setup-database-5"] {
        // Debian keeps set-up programs where a user's search path may not lead.
        if on_path(program).is_none() && !Path::new("/usr/sbin").join(program).is_file() {
            return Err(missing(program.to_owned()));
        }
    }
    let server = format!("{LIBRARY}/libexec/standalone_httpd");
    if !Path::new(&server).is_file() {
        return Err(missing(server));
    }
    if run_to_end("perl", &["-MDBD::SQLite", "-e", "1"], &[]).is_err() {
        return Err(missing("DBD::SQLite".to_owned()));
    }
    let path = format!("{LIBRARY}/lib/RT/Generated.pm");
    let text = std::fs::read_to_string(&path).map_err(|_| missing(path))?;
    let after = text.split_once("$VERSION = '").map(|(_, after)| after).unwrap_or_default();
    let version = after.split('\'').next().filter(|version| !version.is_empty()).unwrap_or("unknown");
    Ok(version.replace('/', "-"))
}

fn write_settings(folder: &Path, port: u16) -> Result<String> {
    let further = folder.join("further");
    std::fs::create_dir_all(&further).map_err(Error::io(format!("creating {}", further.display())))?;
    let path = folder.join("RT_SiteConfig.pm");
    let text = format!(
        "Set($rtname, 'sportello.test');\nSet($DatabaseType, 'SQLite');\nSet($DatabaseName, '{}/rt.db');\nSet($WebDomain, '127.0.0.1');\n\
         Set($WebPort, {port});\nSet($LogToSTDERR, 'warning');\nSet($LogToSyslog, undef);\nSet($MailCommand, 'testfile');\n1;\n",
        folder.display()
    );
    std::fs::write(&path, text).map_err(Error::io(format!("writing {}", path.display())))?;
    Ok(path.to_string_lossy().into_owned())
}

fn initialise(folder: &Path) -> Result<()> {
    let settings = write_settings(folder, 80)?;
    let further = folder.join("further").to_string_lossy().into_owned();
    let set_up = |arguments: &[&str]| {
        let program = on_path("rt-setup-database-5").unwrap_or_else(|| "/usr/sbin/rt-setup-database-5".into());
        run_to_end(&program.to_string_lossy(), arguments, &environment(&settings, &further)).map(drop)
    };
    set_up(&["--action", "init", "--skip-create"])?;
    let own = folder.join("own.pl");
    std::fs::write(&own, OWN).map_err(Error::io(format!("writing {}", own.display())))?;
    set_up(&["--action", "insert", "--datafile", &own.to_string_lossy()])
}
