//! A host in this process, on a port of its own, in a folder that goes when it does.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use sportello_core::domain::access::Role;
use sportello_core::domain::profile::LOOK_UPS_PENDING;
use sportello_server::access::create_token;
use sportello_server::clock::{Clock, SystemClock};
use sportello_server::config::Config;
use sportello_server::desk::{Desk, Host};
use sportello_server::serve;
use sportello_server::tenant::{Tenant, TenantOptions, Verified};
use sportello_views::Direction;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use crate::guests::component;
use crate::http_client::{Answer, HttpClient};
use crate::servers::{Account, Wiki};
use crate::stand_ins::facebook::Facebook;
use crate::stand_ins::linkedin::LinkedIn;
use crate::stand_ins::twitter::Twitter;

/// Where people reach the host, as they are told: whoever is told of it there has to ask the host itself.
pub const PUBLIC_URL: &str = "https://desk.sole.example";
/// How long calls under way are waited for before the clock moves on.
const CALL_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(1);
/// How long is waited for what is to come.
const UNTIL_TIME_MAX: std::time::Duration = std::time::Duration::from_secs(120);

/// What a host is to be.
#[derive(Default)]
pub struct HostPlan {
    channels: String,
    secrets: Vec<(String, String)>,
    plain: Vec<(String, String)>,
    workflows: Vec<(String, String)>,
    more: String,
}

impl HostPlan {
    /// With this channel: its TOML without the table's head. `{component:NAME}` stands for the file of a built connector.
    #[must_use]
    pub fn channel(mut self, name: &str, toml: &str) -> Self {
        let mut text = toml.to_owned();
        while let Some(start) = text.find("{component:") {
            let end = start + text[start..].find('}').expect("a closing brace");
            let path = component(&text[start + "{component:".len()..end]);
            text.replace_range(start..=end, &path.display().to_string());
        }
        // Writing into a String cannot fail.
        let _ = writeln!(self.channels, "\n[tenants.demo.channels.{name}]\n{text}");
        self
    }

    /// With the channel `facebook-page` on a stand-in; `more` is further TOML of the channel.
    #[must_use]
    pub fn facebook_page(self, facebook: &Facebook, more: &str) -> Self {
        let toml = format!(
            "connector = \"facebook\"\ncomponent = \"{{component:facebook}}\"\norigins = [\"{graph}\"]\nprivate-network = true\n\
             settings = {{ page-id = \"{page}\", graph-url = \"{graph}\", public-url = \"{PUBLIC_URL}/hooks/demo/facebook-page\" }}\n\
             secrets.app-secret.secret = \"app-secret\"\nsecrets.verify-token.secret = \"verify-token\"\n\
             secrets.page-token.token = \"page-token\"\n\
             secrets.app-token = {{ token = \"app-token\", proof = \"app-token-proof\" }}\n{more}\n",
            graph = facebook.graph_url(),
            page = facebook.page_id()
        );
        self.channel("facebook-page", &toml)
            .secret("app-secret", facebook.app_secret())
            .secret("verify-token", facebook.verify_token())
            .secret("page-token", &facebook.access_token())
            .secret("app-token", &facebook.app_token())
            .secret("app-token-proof", &facebook.app_token_proof())
    }

    /// With the channel `twitter` on a stand-in, which logs in by OAuth 2.0; `more` is further TOML of the channel.
    #[must_use]
    pub fn twitter(self, twitter: &Twitter, more: &str) -> Self {
        self.twitter_at(&twitter.api_url(), twitter, more)
    }

    /// The same, where the stand-in's API is reached at another address.
    #[must_use]
    pub fn twitter_at(self, api_url: &str, twitter: &Twitter, more: &str) -> Self {
        let settings = twitter.settings();
        let credential =
            "user-token = { client-id = \"x-client-id\", client-secret = \"x-client-secret\", refresh-token = \"x-refresh-token\" }";
        self.twitter_by(credential, api_url, twitter, more)
            .plain("x-client-id", &settings.client_id)
            .secret("x-client-secret", &settings.client_secret)
            .secret("x-refresh-token", &settings.refresh_token)
    }

    /// With the channel `twitter` on a stand-in, whose requests are signed by OAuth 1.0a; `more` is further TOML of the channel.
    #[must_use]
    pub fn twitter_signing(self, twitter: &Twitter, more: &str) -> Self {
        let settings = twitter.settings();
        let credential = "oauth1 = { consumer-key = \"x-consumer-key\", consumer-secret = \"x-consumer-secret\", token = \"x-token\", \
                          token-secret = \"x-token-secret\" }";
        self.twitter_by(credential, &twitter.api_url(), twitter, more)
            .plain("x-consumer-key", &settings.consumer_key)
            .plain("x-token", &settings.oauth1_token)
            .secret("x-token-secret", &settings.oauth1_token_secret)
    }

    fn twitter_by(self, credential: &str, api: &str, twitter: &Twitter, more: &str) -> Self {
        let toml = format!(
            "connector = \"twitter\"\ncomponent = \"{{component:twitter}}\"\norigins = [\"{api}\"]\nprivate-network = true\n\
             settings = {{ user-id = \"{id}\", handle = \"{handle}\", api-url = \"{api}\" }}\n\
             secrets.consumer-secret.secret = \"x-consumer-secret\"\nsecrets.{credential}\n{more}\n",
            id = twitter.settings().user_id,
            handle = twitter.settings().handle,
        );
        self.channel("twitter", &toml).secret("x-consumer-secret", twitter.consumer_secret())
    }

    /// With the channel `linkedin` on a stand-in; `more` is further TOML of the channel.
    #[must_use]
    pub fn linkedin(self, linkedin: &LinkedIn, more: &str) -> Self {
        let toml = format!(
            "connector = \"linkedin\"\ncomponent = \"{{component:linkedin}}\"\norigins = [\"{api}\"]\nprivate-network = true\n\
             settings = {{ organization = \"{organization}\", api-url = \"{api}\", token-url = \"{api}\", version = \"{version}\" }}\n\
             secrets.client-secret.secret = \"li-client-secret\"\n\
             secrets.token = {{ client-id = \"li-client-id\", client-secret = \"li-client-secret\", refresh-token = \"li-refresh-token\" }}\n\
             {more}\n",
            api = linkedin.api_url(),
            organization = linkedin.organization_urn(),
            version = linkedin.newest_version(),
        );
        self.channel("linkedin", &toml)
            .secret("li-client-secret", linkedin.client_secret())
            .plain("li-client-id", linkedin.client_id())
            .secret("li-refresh-token", &linkedin.refresh_token())
    }

    /// With the channel `wiki`; `more` is further TOML of the channel.
    #[must_use]
    pub fn wiki(self, wiki: &dyn Wiki, more: &str) -> Self {
        self.wiki_at(&wiki.api_url(), &wiki.bot_account(), "", more)
    }

    /// With the channel `wiki` on the wiki whose `api.php` is there. `settings` are further ones of the connector, each with a comma before it;
    /// `more` is further TOML of the channel.
    #[must_use]
    pub fn wiki_at(self, api_url: &str, bot: &Account, settings: &str, more: &str) -> Self {
        let host = api_url.find("://").map_or(0, |scheme| scheme + "://".len());
        let (origin, path) = api_url.split_at(api_url[host..].find('/').map_or(api_url.len(), |slash| host + slash));
        let toml = format!(
            "connector = \"wiki\"\ncomponent = \"{{component:wiki}}\"\norigins = [\"{origin}\"]\nprivate-network = true\n\
             settings = {{ base-url = \"{origin}\", api-path = \"{path}\", bot = \"{name}\", language = \"it\"{settings} }}\n\
             secrets.bot = {{ user = \"wiki-user\", password = \"wiki-password\" }}\n{more}\n",
            name = bot.name.split('@').next().unwrap_or_default(),
        );
        self.channel("wiki", &toml).plain("wiki-user", &bot.name).secret("wiki-password", &bot.password)
    }

    /// With this secret, in a file of its own.
    #[must_use]
    pub fn secret(mut self, name: &str, value: &str) -> Self {
        self.secrets.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this value of a credential that is no secret: a user name.
    #[must_use]
    pub fn plain(mut self, name: &str, value: &str) -> Self {
        self.plain.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With this workflow.
    #[must_use]
    pub fn workflow(mut self, name: &str, yaml: &str) -> Self {
        self.workflows.push((name.to_owned(), yaml.to_owned()));
        self
    }

    /// With these further tables of the configuration: another tenant, for example.
    #[must_use]
    pub fn tables(mut self, toml: &str) -> Self {
        self.more.push_str(toml);
        self
    }

    /// Writes the configuration of this plan into a folder; gives the file.
    pub fn write(&self, folder: &Path, address: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;

        let mut text = format!(
            "data = \"data\"\n\n[listen]\naddress = \"{address}\"\n\n[connectors]\nwatch = \"incoming\"\n\n[tenants.demo.secrets]\n"
        );
        for (name, value) in &self.secrets {
            let path = folder.join(format!("secret-{name}"));
            std::fs::write(&path, value).expect("the secret's file is written");
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("its mode is set");
            let _ = writeln!(text, "{name} = {{ file = \"{}\" }}", path.display());
        }
        for (name, value) in &self.plain {
            let _ = writeln!(text, "{name} = {{ plain = {value:?} }}");
        }
        let workflows = folder.join("workflows");
        std::fs::create_dir_all(&workflows).expect("the folder is made");
        for (name, yaml) in &self.workflows {
            std::fs::write(workflows.join(format!("{name}.yaml")), yaml).expect("the workflow is written");
        }
        let _ = writeln!(text, "\n[tenants.demo]\nworkflows = [\"workflows\"]\n{}\n{}", self.channels, self.more);
        let path = folder.join("sportello.toml");
        std::fs::write(&path, text).expect("the configuration is written");
        path
    }
}

/// A running host.
pub struct RunningHost {
    /// The host itself.
    pub host: Arc<Host>,
    address: SocketAddr,
    served: JoinHandle<()>,
    http: HttpClient,
    admin: OnceCell<String>,
}

impl RunningHost {
    /// Starts a host with the configuration in `folder`.
    pub async fn start(folder: &Path, plan: &HostPlan) -> Self {
        Self::start_at(folder, plan, Arc::new(SystemClock)).await
    }

    /// Starts a host with the configuration in `folder` and this clock.
    pub async fn start_at(folder: &Path, plan: &HostPlan, clock: Arc<dyn Clock>) -> Self {
        let config = Config::read(&plan.write(folder, "127.0.0.1:0")).expect("the configuration is right");
        let open = |name: &String| {
            let folder = folder.join("data/tenants").join(name);
            Tenant::open(name, &folder, &TenantOptions::default(), Arc::clone(&clock), &mut |_, _| {}).expect("the tenant opens")
        };
        let tenants = config.tenants.keys().map(open).collect();
        let host = serve::build(&config, tenants).await.expect("the host is built");
        let (listening, listens) = tokio::sync::oneshot::channel();
        let serving = Arc::clone(&host);
        let served = tokio::spawn(async move {
            let outcome = serve::serve(&config, serving, |address| {
                let _ = listening.send(address);
            })
            .await;
            outcome.expect("the host serves until it is stopped");
        });
        let address = listens.await.expect("the host listens");
        Self { host, address, served, http: HttpClient::default(), admin: OnceCell::new() }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The tenant that every plan has.
    #[must_use]
    pub fn desk(&self) -> Arc<Desk> {
        self.host.desk("demo").expect("the tenant demo")
    }

    /// Waits until `holds` does, at most two minutes: a busy machine is slow, and PHP slower.
    pub async fn until(&self, what: &str, mut holds: impl FnMut(&Desk) -> bool) {
        let desk = self.desk();
        let mut durable = desk.tenant.watch_durable();
        let waiting = async {
            while !holds(&desk) {
                tokio::select! {
                    _ = durable.changed() => {}
                    () = tokio::time::sleep(std::time::Duration::from_millis(50)) => {}
                }
            }
        };
        if tokio::time::timeout(UNTIL_TIME_MAX, waiting).await.is_err() {
            let records = desk.tenant.records(1).expect("the journal can be read");
            let words: Vec<String> = records
                .flatten()
                .map(|(sequence, record)| {
                    let words: Vec<&str> = record.events.iter().flatten().map(sportello_server::tenant::Event::word).collect();
                    format!("{sequence} {}: {}", record.actor, words.join(", "))
                })
                .collect();
            panic!("two minutes passed and not: {what}; the journal says:\n{}", words.join("\n"));
        }
    }

    /// Asks the tenant's API as an admin; `path` is what follows `/api/v1/demo`.
    pub async fn ask(&self, method: Method, path: &str, content_type: &str, body: impl Into<Bytes>) -> Answer {
        let make = async || create_token(&self.desk().tenant, "test", "admin", Role::Admin).await.expect("a token is made").secret;
        let authorization = format!("Bearer {}", self.admin.get_or_init(make).await);
        let headers = [("authorization", authorization.as_str()), ("content-type", content_type)];
        let url = self.url(&format!("/api/v1/demo{path}"));
        self.http.send(method, &url, &headers, body.into()).await.expect("the API answers")
    }

    /// GET of anything it serves.
    pub async fn get(&self, path: &str) -> Answer {
        self.http.get(&self.url(path), &[]).await.expect("the host answers")
    }

    /// Lets it work a moment by the machine's clock, and as much longer as it takes to answer somebody: where the machine is busy, time that a test moves
    /// must not run ahead of the work.
    pub async fn works(&self, moment: std::time::Duration) {
        tokio::time::sleep(moment).await;
        assert_eq!(self.get("/healthz").await.status, 200);
    }

    /// Before a step of the clock: calls last milliseconds, and a step is minutes, so those under way end first, unless they are held. Otherwise one could
    /// ask, some minutes later, for what another one has been told to wait with meanwhile.
    pub async fn calls_end(&self) {
        for channel in self.desk().channels.live().values() {
            let _ = tokio::time::timeout(CALL_TIME_MAX, channel.runtime.drained()).await;
        }
    }

    /// What `verify` finds once nothing changes any more; see [`Tenant::verify`].
    pub async fn verify(&self) -> Verified {
        self.until("everything is asked and stored", |desk| {
            let asked = desk.tenant.list(&LOOK_UPS_PENDING, &[], None, Direction::Forward, 1).expect("the views can be read");
            asked.is_empty() && desk.tenant.view_metrics().lag_records == 0
        })
        .await;
        let desk = self.desk();
        let verified = tokio::task::spawn_blocking(move || desk.tenant.verify(&mut |_, _| {})).await;
        verified.expect("verifying does not panic").expect("the journal is whole")
    }

    /// Stops it in order.
    pub async fn stop(self) {
        self.host.stopping().cancel();
        self.served.await.expect("the host stops in order");
    }
}

/// The real binary in a process of its own, to be killed.
pub struct HostProcess {
    child: tokio::process::Child,
    base: String,
}

impl HostProcess {
    /// Starts `sportello serve` with the configuration file, and waits until it listens.
    ///
    /// # Panics
    /// If it ends instead.
    pub async fn start(config: &Path) -> Self {
        use tokio::io::{AsyncBufReadExt as _, BufReader};

        let errors = std::fs::File::options().create(true).append(true).open(config.with_extension("diagnostics"));
        let mut child = tokio::process::Command::new(binary())
            .arg("--config")
            .arg(config)
            .arg("serve")
            .env("SPORTELLO_LOG", std::env::var("SPORTELLO_LOG").unwrap_or_else(|_| "warn".to_owned()))
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::piped())
            .stderr(errors.expect("the file for diagnostics opens"))
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        let mut lines = BufReader::new(child.stdout.take().expect("its output is ours")).lines();
        let line = lines.next_line().await.expect("its output can be read");
        let base = line.as_deref().and_then(|line| line.strip_prefix("listening on ")).map(ToOwned::to_owned);
        let Some(base) = base else {
            let said = std::fs::read_to_string(config.with_extension("diagnostics")).unwrap_or_default();
            panic!("the host ended instead of listening: {said}");
        };
        Self { child, base }
    }

    /// Where it is.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// SIGKILL, now.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("the process is killed");
    }

    /// SIGTERM, and waits for the end.
    pub async fn stop(mut self) {
        let pid = self.child.id().and_then(|pid| rustix::process::Pid::from_raw(pid.cast_signed())).expect("it runs");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is told to stop");
        let status = self.child.wait().await.expect("it ends");
        assert!(status.success(), "the host ended with {status}");
    }
}

/// Where the tenant that every plan has keeps its files.
#[must_use]
pub fn tenant_folder(folder: &Path) -> PathBuf {
    folder.join("data/tenants/demo")
}

/// The built binary: where `SPORTELLO_BINARY` says, or beside this test.
///
/// # Panics
/// If it has not been built.
#[must_use]
pub fn binary() -> PathBuf {
    let path = std::env::var_os("SPORTELLO_BINARY").map_or_else(
        || {
            let test = std::env::current_exe().expect("a test has a path");
            let folder = test.ancestors().find(|folder| folder.ends_with("debug") || folder.ends_with("release")).expect("a target folder");
            folder.join("sportello")
        },
        PathBuf::from,
    );
    assert!(path.exists(), "{} is missing: run cargo build -p sportello-cli", path.display());
    path
}
