//! The real Tryton with the modules `party` and `party_relationship`, on SQLite: 6.0 of Debian, or 8.2 of PyPI in a virtual environment.
//!
//! The database is initialised once into a template (less than 2 MB) and copied per test.

use std::path::{Path, PathBuf};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tempfile::TempDir;

use super::process::{ServerProcess, on_path, run_to_end, start_on_free_port};
use super::template::template;
use super::{Account, Crm, Release};
use crate::error::{Error, Result};
use crate::http_client::HttpClient;

const PACKAGES: &str = "tryton-server tryton-modules-party tryton-modules-party-relationship";
const DEBIAN_LIBRARY: &str = "/usr/lib/python3/dist-packages/trytond";
/// Where the programs of Tryton 8 are, if not in [`VENV_8`].
const BIN_8_VARIABLE: &str = "SPORTELLO_TRYTON_8";
/// Where `.ci/run` makes Tryton 8.
const VENV_8: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/tryton-8");
/// Pinned to a series: its next one may answer otherwise.
const COMMANDS_8: &str = "python3 -m venv target/tryton-8 && \
    target/tryton-8/bin/pip install 'trytond==8.2.*' 'trytond-party==8.2.*' 'trytond-party-relationship==8.2.*'";
/// Raise it when the steps below change, so that no old template is used.
const RECIPE: u32 = 2;
const PASSWORD: &str = "AdminPass-12345";
/// The database's name, which is also in the path of the JSON-RPC address.
const DATABASE: &str = "crm";

/// A running Tryton with its own database. Dropping it stops it and removes its files.
#[derive(Debug)]
pub struct Tryton {
    process: ServerProcess,
    folder: TempDir,
    base_url: String,
    release: Release,
}

/// The programs and the modules of one release.
struct Installed {
    trytond: PathBuf,
    admin: PathBuf,
    version: String,
}

impl Tryton {
    /// Starts a fresh Tryton 6.0 without any party.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] where it is missing; [`Error::Start`] when it does not come up.
    pub async fn start() -> Result<Self> {
        Self::start_release(Release::Six).await
    }

    /// Starts a fresh Tryton of this release without any party.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] or [`Error::NotMade`] where it is missing; [`Error::Start`] when it does not come up.
    pub async fn start_release(release: Release) -> Result<Self> {
        let installed = installed(release)?;
        let trytond = installed.trytond.clone();
        let template_name = format!("tryton-{}-{RECIPE}", installed.version);
        let made = tokio::task::spawn_blocking(move || template(&template_name, |folder| initialise(&installed, folder)));
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
                let output = folder.path().join("server.txt");
                ServerProcess::spawn(&trytond.to_string_lossy(), &["-c", &settings, "-d", DATABASE], &[], &output)
            },
            |port| async move {
                let question = serde_json::json!({"id": 0, "method": "common.server.version", "params": []});
                let url = format!("http://127.0.0.1:{port}{}", release.path_below("/"));
                HttpClient::default().post_json(&url, &[], &question).await.is_ok_and(|answer| answer.status == 200)
            },
        )
        .await?;
        Ok(Self { process, folder, base_url: format!("http://127.0.0.1:{port}"), release })
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
        format!("{}{}", self.base_url, self.release.path_below(&format!("/{DATABASE}/")))
    }

    fn account(&self) -> Account {
        Account::new("admin", PASSWORD)
    }

    fn release(&self) -> Release {
        self.release
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

fn installed(release: Release) -> Result<Installed> {
    match release {
        Release::Six => installed_by_debian(),
        Release::Eight => {
            let bin = std::env::var_os(BIN_8_VARIABLE).filter(|bin| !bin.is_empty());
            installed_in(&bin.map_or_else(|| Path::new(VENV_8).join("bin"), PathBuf::from))
        }
    }
}

fn installed_by_debian() -> Result<Installed> {
    let missing = |missing: String| Error::NotInstalled { server: "Tryton", missing, packages: PACKAGES };
    let program = |name: &str| on_path(name).ok_or_else(|| missing(name.to_owned()));
    program("python3")?;
    let (trytond, admin) = (program("trytond")?, program("trytond-admin")?);
    Ok(Installed { trytond, admin, version: version_of(Path::new(DEBIAN_LIBRARY)).map_err(missing)? })
}

/// Tryton 8 in the virtual environment whose folder of programs this is.
fn installed_in(bin: &Path) -> Result<Installed> {
    let missing = |missing: String| Error::NotMade { server: "Tryton 8", missing, commands: COMMANDS_8 };
    let (trytond, admin) = (bin.join("trytond"), bin.join("trytond-admin"));
    if let Some(gone) = [&trytond, &admin].into_iter().find(|program| !program.is_file()) {
        return Err(missing(gone.display().to_string()));
    }
    // `lib/python3.11/site-packages/trytond`, whichever Python it is.
    let pythons = std::fs::read_dir(bin.join("../lib")).into_iter().flatten().flatten();
    let library = pythons.map(|python| python.path().join("site-packages/trytond")).find(|library| library.is_dir());
    let library = library.ok_or_else(|| missing(bin.join("../lib/python3*/site-packages/trytond").display().to_string()))?;
    Ok(Installed { trytond, admin, version: version_of(&library).map_err(missing)? })
}

/// The version of a Tryton with all modules the tests need, or the file that is missing.
fn version_of(library: &Path) -> std::result::Result<String, String> {
    let module = library.join("modules/party_relationship/tryton.cfg");
    if !module.is_file() {
        return Err(module.display().to_string());
    }
    let path = library.join("__init__.py");
    let text = std::fs::read_to_string(&path).map_err(|_| path.display().to_string())?;
    let after = text.split_once("__version__ = \"").map(|(_, after)| after).unwrap_or_default();
    Ok(after.split('"').next().filter(|version| !version.is_empty()).unwrap_or("unknown").to_owned())
}

fn write_settings(folder: &Path, port: u16) -> Result<String> {
    let path = folder.join("trytond.conf");
    let text = format!("[database]\nuri = sqlite://\npath = {}\n[web]\nlisten = 127.0.0.1:{port}\n", folder.display());
    std::fs::write(&path, text).map_err(Error::io(format!("writing {}", path.display())))?;
    Ok(path.to_string_lossy().into_owned())
}

fn initialise(installed: &Installed, folder: &Path) -> Result<()> {
    // trytond-admin opens the database file, it does not create it.
    let database = folder.join(format!("{DATABASE}.sqlite"));
    std::fs::File::create(&database).map_err(Error::io(format!("creating {}", database.display())))?;
    let password = folder.join("password.txt");
    std::fs::write(&password, PASSWORD).map_err(Error::io(format!("writing {}", password.display())))?;
    let settings = write_settings(folder, 0)?;
    let arguments = ["-c", &settings, "-d", DATABASE, "-u", "party_relationship", "--activate-dependencies", "-l", "en"];
    let arguments = [&arguments[..], &["--email", "admin@example.org"]].concat();
    run_to_end(&installed.admin.to_string_lossy(), &arguments, &[("TRYTONPASSFILE", &password.to_string_lossy())])?;
    Ok(())
}
