//! The platforms around Sportello, and its configuration against them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use sportello_tests::host::HostPlan;
use sportello_tests::servers::{Crm, MediaWiki, Tryton, Wiki};
use sportello_tests::stand_ins::Faults;
use sportello_tests::stand_ins::crm::CrmStandIn;
use sportello_tests::stand_ins::facebook::{Facebook, FacebookSettings};
use sportello_tests::stand_ins::wiki::WikiStandIn;
use tokio::task::JoinHandle;

use crate::Problem;
use crate::ledger::{CRM, FACEBOOK, WIKI};
use crate::scenario::Scenario;

/// How often the platform's clock is moved to the time it is.
const TICK: Duration = Duration::from_millis(20);
/// The account's name on the wiki without the application's: what the bot writes is signed with it.
pub(crate) const WIKI_BOT: &str = "ConnectorBot";

/// The platforms.
pub(crate) struct Stage {
    pub(crate) facebook: Arc<Facebook>,
    pub(crate) wiki: Box<dyn Wiki>,
    pub(crate) crm: Box<dyn Crm>,
    /// What can go wrong in the CRM; a real one fails only by itself.
    pub(crate) crm_faults: Option<Faults>,
    ticking: JoinHandle<()>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.ticking.abort();
    }
}

impl Stage {
    /// Starts them: stand-ins, or with `real` the real MediaWiki and Tryton.
    pub(crate) async fn start(scenario: &Scenario, real: bool) -> Result<Self, Problem> {
        let settings = FacebookSettings { page_name: scenario.page.clone(), seed: scenario.seed, ..FacebookSettings::default() };
        let facebook = Arc::new(Facebook::start_with(settings).await?);
        let mut crm_faults = None;
        let (wiki, crm): (Box<dyn Wiki>, Box<dyn Crm>) = if real {
            (Box::new(MediaWiki::start().await?), Box::new(Tryton::start().await?))
        } else {
            let crm = CrmStandIn::start().await?;
            crm_faults = Some(crm.faults().clone());
            (Box::new(WikiStandIn::start().await?), Box::new(crm))
        };
        let ticking = tokio::spawn(keep_time(Arc::clone(&facebook)));
        Ok(Self { facebook, wiki, crm, crm_faults, ticking })
    }

    /// The tenant of the demo: three channels, their secrets, and the workflows in `examples/demo/workflows`.
    pub(crate) fn plan(&self) -> Result<HostPlan, Problem> {
        let facebook = &self.facebook;
        let mut plan = HostPlan::default()
            .channel(
                FACEBOOK,
                &format!(
                    "connector = \"facebook\"\ncomponent = \"{{component:facebook}}\"\norigins = [\"{graph}\"]\nprivate-network = true\n\
                     settings = {{ page-id = \"{page}\", graph-url = \"{graph}\" }}\n\
                     secrets.app-secret.secret = \"app-secret\"\nsecrets.verify-token.secret = \"verify-token\"\nsecrets.page-token.token = \"page-token\"\n",
                    graph = facebook.graph_url(),
                    page = facebook.page_id()
                ),
            )
            .secret("app-secret", facebook.app_secret())
            .secret("verify-token", facebook.verify_token())
            .secret("page-token", &facebook.access_token());
        let (origin, path) = split(&self.wiki.api_url())?;
        let account = self.wiki.bot_account();
        plan = plan
            .channel(
                WIKI,
                &format!(
                    "connector = \"wiki\"\ncomponent = \"{{component:wiki}}\"\norigins = [\"{origin}\"]\nprivate-network = true\npoll-seconds = 0.5\n\
                     settings = {{ base-url = \"{origin}\", api-path = \"{path}\", bot = \"{WIKI_BOT}\", overlap-seconds = 5 }}\n\
                     secrets.bot.user = \"wiki-user\"\nsecrets.bot.password = \"wiki-password\"\n"
                ),
            )
            .plain("wiki-user", &account.name)
            .secret("wiki-password", &account.password);
        let (origin, path) = split(&self.crm.rpc_url())?;
        let account = self.crm.account();
        plan = plan
            .channel(
                CRM,
                &format!(
                    "connector = \"legacy-crm\"\ncomponent = \"{{component:legacy-crm}}\"\norigins = [\"{origin}\"]\nprivate-network = true\npoll-seconds = 1\n\
                     settings = {{ base-url = \"{origin}\", rpc-path = \"{path}\" }}\n\
                     secrets.user.user = \"crm-user\"\nsecrets.user.password = \"crm-password\"\n"
                ),
            )
            .plain("crm-user", &account.name)
            .secret("crm-password", &account.password);
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/demo/workflows");
        let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if let Some(name) =
                path.file_stem().and_then(|name| name.to_str()).filter(|_| path.extension().is_some_and(|end| end == "yaml"))
            {
                plan = plan.workflow(name, &std::fs::read_to_string(&path).map_err(failed)?);
            }
        }
        Ok(plan)
    }
}

/// Facebook's clock runs as fast as ours: what it says about times can be compared with what Sportello says.
async fn keep_time(facebook: Arc<Facebook>) {
    let (started, began) = (Instant::now(), facebook.now());
    loop {
        tokio::time::sleep(TICK).await;
        let behind = started.elapsed().checked_sub(elapsed(began, facebook.now()));
        if let Some(behind) = behind {
            facebook.advance(behind);
        }
    }
}

/// From one moment of a platform to a later one; nothing if it is not later.
pub(crate) fn elapsed(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// `http://127.0.0.1:8080/api.php` → origin, path.
fn split(url: &str) -> Result<(String, String), Problem> {
    let after_scheme = url.find("://").map(|start| start + 3).ok_or_else(|| format!("{url} is no URL"))?;
    let slash = url[after_scheme..].find('/').ok_or_else(|| format!("{url} has no path"))? + after_scheme;
    Ok((url[..slash].to_owned(), url[slash..].to_owned()))
}
