//! The real MediaWiki of Debian, on PHP's built-in server and SQLite.
//!
//! Installed once into a template (`maintenance/install.php`, an administrator, a customer and a bot with a bot password), copied per test.
//! `LocalSettings.php` of the template names neither folder nor port; both are filled in at the copy.

use std::path::{Path, PathBuf};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use jiff::Timestamp;
use tempfile::TempDir;

use super::process::{ServerProcess, on_path, run_to_end, start_on_free_port};
use super::template::{copy_folder, template};
use super::{Account, Wiki};
use crate::error::{Error, Result};
use crate::http_client::HttpClient;

const PACKAGES: &str = "mediawiki php-cli php-sqlite3 php-intl php-curl php-xml php-mbstring php-apcu";
const PROGRAM: &str = "/usr/share/mediawiki";
/// Raise it when the steps below change, so that no old template is used.
const RECIPE: u32 = 3;
/// PHP's built-in server forks this many workers, so that a page and its readers don't wait for each other.
const WORKERS: &str = "4";
/// A bot password must have exactly 32 characters (`BotPassword::PASSWORD_MINLENGTH` and the maintenance script's check).
const BOT_PASSWORD: &str = "0123456789abcdef0123456789abcdef";
/// Beside `LocalSettings.php`; holds what the wiki's clock shows, in seconds since 1970. Where it is missing the wiki goes by the machine's time.
const CLOCK: &str = "clock";
/// What the connector's bot password may do; `delete` is left out, so a bot that tries is refused.
const BOT_GRANTS: &str = "basic,editpage,createeditmovepage,highvolume";

/// A running MediaWiki with its own database. Dropping it stops it and removes its files.
#[derive(Debug)]
pub struct MediaWiki {
    process: ServerProcess,
    folder: TempDir,
    base_url: String,
    bot: Account,
}

impl MediaWiki {
    /// Starts a fresh wiki: only `Main Page` is in it.
    ///
    /// # Errors
    /// [`Error::NotInstalled`] where MediaWiki or PHP is missing; [`Error::Start`] when it does not come up.
    pub async fn start() -> Result<Self> {
        let version = installed_version()?;
        let template_name = format!("mediawiki-{version}-{RECIPE}");
        let made = tokio::task::spawn_blocking(move || template(&template_name, install));
        let source = made.await.expect("making the template does not panic")?;
        let folder = TempDir::with_prefix("sportello-mediawiki-").map_err(Error::io("creating a temporary folder"))?;
        copy_folder(&source, folder.path())?;
        let settings = folder.path().join("LocalSettings.php");
        let template_text = std::fs::read_to_string(&settings).map_err(Error::io("reading LocalSettings.php"))?;
        let (process, port) = start_on_free_port(
            "MediaWiki",
            ") started",
            |port| {
                let text = template_text.replace("@DIRECTORY@", &folder.path().to_string_lossy()).replace("@PORT@", &port.to_string());
                std::fs::write(&settings, text).map_err(Error::io("writing LocalSettings.php"))?;
                let listen = format!("127.0.0.1:{port}");
                ServerProcess::spawn(
                    "php",
                    &["-d", "opcache.enable_cli=1", "-d", "apc.enable_cli=1", "-S", &listen, "-t", PROGRAM],
                    &[("PHP_CLI_SERVER_WORKERS", WORKERS), ("MW_CONFIG_FILE", &settings.to_string_lossy())],
                    &folder.path().join("server.txt"),
                )
            },
            |port| async move {
                let query = [("action", "query"), ("meta", "siteinfo"), ("format", "json")];
                let answer = HttpClient::default().get(&format!("http://127.0.0.1:{port}/api.php"), &query).await;
                answer.is_ok_and(|answer| answer.status == 200 && answer.text().contains("Sportello Test Wiki"))
            },
        )
        .await?;
        let base_url = format!("http://127.0.0.1:{port}");
        Ok(Self { process, folder, base_url, bot: Account::new("ConnectorBot@connector", BOT_PASSWORD) })
    }

    /// `http://127.0.0.1:port`, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// What PHP printed, for a failing test.
    pub fn output(&self) -> String {
        self.process.output()
    }

    /// The id of the process group everything of this server runs in.
    pub fn process_group_id(&self) -> u32 {
        self.process.group_id()
    }

    fn settings(&self) -> PathBuf {
        self.folder.path().join("LocalSettings.php")
    }

    async fn run_sql(&self, database: &'static str, statement: &'static str) -> Result<()> {
        let path = self.folder.path().join("data").join(database);
        let code = format!(
            r#"$d = new SQLite3({path:?}); $d->busyTimeout(10000); if (!$d->exec({statement:?})) {{ fwrite(STDERR, $d->lastErrorMsg()); exit(1); }}"#
        );
        in_background(move || run_to_end("php", &["-r", &code], &[])).await
    }
}

impl Wiki for MediaWiki {
    fn api_url(&self) -> String {
        format!("{}/api.php", self.base_url)
    }

    fn admin_account(&self) -> Account {
        Account::new("Admin", "AdminPass-12345")
    }

    fn customer_account(&self) -> Account {
        Account::new("Customer", "CustomerPass-9876")
    }

    fn bot_account(&self) -> Account {
        self.bot.clone()
    }

    fn expire_sessions(&self) -> BoxFuture<'_, Result<()>> {
        // $wgSessionCacheType is CACHE_DB, and CACHE_DB on SQLite is the table `objectcache` of this file.
        self.run_sql("wikicache.sqlite", "DELETE FROM objectcache WHERE keyname LIKE '%:MWSession:%'").boxed()
    }

    fn add_customer<'a>(&'a self, name: &'a str, password: &'a str) -> BoxFuture<'a, Result<Account>> {
        async move {
            let account = Account::new(name, password);
            let (settings, made) = (self.settings(), account.clone());
            in_background(move || maintenance(&settings, "createAndPromote.php", &[&made.name, &made.password])).await?;
            Ok(account)
        }
        .boxed()
    }

    fn set_clock(&self, now: Timestamp) -> Result<()> {
        let (clock, beside) = (self.folder.path().join(CLOCK), self.folder.path().join("clock.new"));
        std::fs::write(&beside, now.as_second().to_string()).map_err(Error::io("writing the wiki's clock"))?;
        // Whole at any moment: each request reads it several times.
        std::fs::rename(&beside, &clock).map_err(Error::io("setting the wiki's clock"))
    }

    fn change_bot_password<'a>(&'a mut self, password: &'a str) -> BoxFuture<'a, Result<()>> {
        async move {
            // The maintenance script refuses an application id that exists.
            self.run_sql("wiki.sqlite", "DELETE FROM bot_passwords").await?;
            let (settings, new) = (self.settings(), password.to_owned());
            in_background(move || {
                maintenance(&settings, "createBotPassword.php", &["--appid", "connector", "--grants", BOT_GRANTS, "ConnectorBot", &new])
            })
            .await?;
            self.bot.password = password.to_owned();
            Ok(())
        }
        .boxed()
    }
}

async fn in_background(work: impl FnOnce() -> Result<String> + Send + 'static) -> Result<()> {
    tokio::task::spawn_blocking(work).await.expect("running a program does not panic").map(drop)
}

fn installed_version() -> Result<String> {
    let missing = |missing: String| Error::NotInstalled { server: "MediaWiki", missing, packages: PACKAGES };
    if on_path("php").is_none() {
        return Err(missing("php".to_owned()));
    }
    let path = format!("{PROGRAM}/includes/Defines.php");
    let text = std::fs::read_to_string(&path).map_err(|_| missing(path))?;
    let after = text.split_once("'MW_VERSION', '").map(|(_, after)| after).unwrap_or_default();
    Ok(after.split('\'').next().filter(|version| !version.is_empty()).unwrap_or("unknown").to_owned())
}

fn maintenance(settings: &Path, script: &str, arguments: &[&str]) -> Result<String> {
    let script = format!("{PROGRAM}/maintenance/{script}");
    let mut all = vec![script.as_str()];
    all.extend_from_slice(arguments);
    run_to_end("php", &all, &[("MW_CONFIG_FILE", &settings.to_string_lossy())])
}

fn install(folder: &Path) -> Result<()> {
    let place = folder.to_string_lossy().into_owned();
    let data = format!("{place}/data");
    std::fs::create_dir_all(&data).map_err(Error::io(format!("creating {data}")))?;
    let script = format!("{PROGRAM}/maintenance/install.php");
    run_to_end(
        "php",
        &[
            &script,
            "--confpath",
            &place,
            "--dbtype",
            "sqlite",
            "--dbpath",
            &data,
            "--dbname",
            "wiki",
            "--server",
            "http://127.0.0.1:@PORT@",
            "--scriptpath",
            "",
            "--lang",
            "en",
            "--pass",
            "AdminPass-12345",
            "--skins",
            "Vector",
            "Sportello Test Wiki",
            "Admin",
        ],
        &[],
    )?;
    let settings = folder.join("LocalSettings.php");
    let mut text = std::fs::read_to_string(&settings).map_err(Error::io("reading LocalSettings.php"))?;
    // Sessions in the database, so that expiring them is deleting rows; no rate limits, because tests are quicker than people; administrators may hide
    // revisions, as on the wikis that most people know.
    text.push_str(
        "\n$wgMainCacheType = CACHE_ACCEL; $wgSessionCacheType = CACHE_DB; $wgParserCacheType = CACHE_DB; $wgJobRunRate = 1;\n\
         $wgPingback = false; $wgEnableEmail = false; $wgRateLimits = [];\n\
         $wgGroupPermissions['sysop']['deleterevision'] = true;\n",
    );
    text.push_str(&format!("$wgCacheDirectory = \"{data}\";\n"));
    text.push_str(&format!(
        "if ( is_file( '{place}/{CLOCK}' ) ) {{\n\
         \tWikimedia\\Timestamp\\ConvertibleTimestamp::setFakeTime( static fn () => (int)file_get_contents( '{place}/{CLOCK}' ) );\n}}\n"
    ));
    std::fs::write(&settings, &text).map_err(Error::io("writing LocalSettings.php"))?;
    maintenance(&settings, "createAndPromote.php", &["--bot", "ConnectorBot", "BotUserPass-9876"])?;
    maintenance(&settings, "createAndPromote.php", &["Customer", "CustomerPass-9876"])?;
    maintenance(&settings, "createBotPassword.php", &["--appid", "connector", "--grants", BOT_GRANTS, "ConnectorBot", BOT_PASSWORD])?;
    std::fs::write(&settings, text.replace(&place, "@DIRECTORY@")).map_err(Error::io("writing LocalSettings.php"))
}
