//! The real Tryton of Debian with the modules `party` and `party_relationship`, on SQLite.
//!
//! The database is initialised once into a template (1.5 MB) and copied per test.

use std::path::Path;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tempfile::TempDir;

use super::process::{ServerProcess, on_path, run_to_end, start_on_free_port};
use super::template::template;
use super::{Account, Crm};
use crate::error::{Error, Result};
use crate::http_client::HttpClient;

const PACKAGES: &str = "tryton-server tryton-modules-party tryton-modules-party-relationship";
const LIBRARY: &str = "/usr/lib/python3/dist-packages/trytond";
/// Raise it when the steps below change, so that no old template is used.
const RECIPE: u32 = 1;
const PASSWORD: &str = "AdminPass-12345";
/// The database's name, which is also the path of the JSON-RPC address.
const DATABASE: &str = "crm";

/// A running Tryton with its own database. Dropping it stops it and removes its files.
#[derive(Debug)]
pub struct Tryton {
    process: ServerProcess,
    folder: TempDir,
    base_url: String,
}

impl Tryton {
    /// Starts a fresh Tryton without any party.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] where it is missing; [`Error::Start`] when it does not come up.
    pub async fn start() -> Result<Self> {
        let version = installed_version()?;
        let template_name = format!("tryton-{version}-{RECIPE}");
        let made = tokio::task::spawn_blocking(move || template(&template_name, initialise));
        let source = made.await.expect("making the template does not panic")?;
        let folder = TempDir::with_prefix("sportello-tryton-").map_err(Error::io("creating a temporary folder"))?;
        let database = folder.path().join(format!("{DATABASE}.sqlite"));
        std::fs::copy(source.join(format!("{DATABASE}.sqlite")), &database)
            .map_err(Error::io(format!("copying to {}", database.display())))?;
        let (process, port) = start_on_free_port(
            "Tryton",
            "Running on",
            |port| {
                let settings = write_settings(folder.path(), port)?;
                ServerProcess::spawn("trytond", &["-c", &settings, "-d", DATABASE], &[], &folder.path().join("server.txt"))
            },
            |port| async move {
                let question = serde_json::json!({"id": 0, "method": "common.server.version", "params": []});
                let answer = HttpClient::default().post_json(&format!("http://127.0.0.1:{port}/"), &[], &question).await;
                answer.is_ok_and(|answer| answer.status == 200)
            },
        )
        .await?;
        Ok(Self { process, folder, base_url: format!("http://127.0.0.1:{port}") })
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// What the server printed, for a failing test.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// The id of the process group everything of this server runs in.
    pub fn process_group_id(&self) -> u32 {
        self.process.group_id()
    }
}

impl Crm for Tryton {
    fn rpc_url(&self) -> String {
        format!("{}/{DATABASE}/", self.base_url)
    }

    fn account(&self) -> Account {
        Account::new("admin", PASSWORD)
    }

    fn expire_sessions(&self) -> BoxFuture<'_, Result<()>> {
        let path = self.folder.path().join(format!("{DATABASE}.sqlite"));
        async move {
            // Tryton needs Python, so it is there; SQLite's module comes with it.
            let code = "import sqlite3, sys\nc = sqlite3.connect(sys.argv[1], timeout=30)\nc.execute('DELETE FROM ir_session')\nc.commit()";
            let ran = tokio::task::spawn_blocking(move || run_to_end("python3", &["-c", code, &path.to_string_lossy()], &[]));
            ran.await.expect("running python does not panic").map(drop)
        }
        .boxed()
    }
}

fn installed_version() -> Result<String> {
    let missing = |missing: String| Error::NotInstalled { server: "Tryton", missing, packages: PACKAGES };
    for program in ["trytond", "trytond-admin", "python3"] {
        if on_path(program).is_none() {
            return Err(missing(program.to_owned()));
        }
    }
    let party = format!("{LIBRARY}/modules/party_relationship/tryton.cfg");
    if !Path::new(&party).is_file() {
        return Err(missing(party));
    }
    let path = format!("{LIBRARY}/__init__.py");
    let text = std::fs::read_to_string(&path).map_err(|_| missing(path))?;
    let after = text.split_once("__version__ = \"").map(|(_, after)| after).unwrap_or_default();
    Ok(after.split('"').next().filter(|version| !version.is_empty()).unwrap_or("unknown").to_owned())
}

fn write_settings(folder: &Path, port: u16) -> Result<String> {
    let path = folder.join("trytond.conf");
    let text = format!("[database]\nuri = sqlite://\npath = {}\n[web]\nlisten = 127.0.0.1:{port}\n", folder.display());
    std::fs::write(&path, text).map_err(Error::io(format!("writing {}", path.display())))?;
    Ok(path.to_string_lossy().into_owned())
}

fn initialise(folder: &Path) -> Result<()> {
    // trytond-admin opens the database file, it does not create it.
    let database = folder.join(format!("{DATABASE}.sqlite"));
    std::fs::File::create(&database).map_err(Error::io(format!("creating {}", database.display())))?;
    let password = folder.join("password.txt");
    std::fs::write(&password, PASSWORD).map_err(Error::io(format!("writing {}", password.display())))?;
    let settings = write_settings(folder, 0)?;
    run_to_end(
        "trytond-admin",
        &[
            "-c",
            &settings,
            "-d",
            DATABASE,
            "-u",
            "party_relationship",
            "--activate-dependencies",
            "-l",
            "en",
            "--email",
            "admin@example.org",
        ],
        &[("TRYTONPASSFILE", &password.to_string_lossy())],
    )?;
    Ok(())
}
