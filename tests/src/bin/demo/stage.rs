//! The platforms around Sportello, and its configuration against them.

use std::path::PathBuf;
use std::sync::Arc;

use sportello_tests::host::HostPlan;
use sportello_tests::networks::Network;
use sportello_tests::servers::{Crm, MediaWiki, Tryton, Wiki};
use sportello_tests::stand_ins::Faults;
use sportello_tests::stand_ins::crm::CrmStandIn;
use sportello_tests::stand_ins::facebook::{Facebook, FacebookSettings};
use sportello_tests::stand_ins::linkedin::{LinkedIn, LinkedInSettings};
use sportello_tests::stand_ins::twitter::{Payloads, Twitter, TwitterSettings};
use sportello_tests::stand_ins::wiki::WikiStandIn;
use tokio::task::JoinHandle;

use crate::Problem;
use crate::ledger::{CRM, FACEBOOK, LINKEDIN, TWITTER, WIKI};
use crate::scenario::Scenario;

/// Which of the CRM's contact mechanisms identify somebody: all that it holds, whatever a network's terms allow to be done with it.
const IDENTIFIERS: [(&str, &str, &str); 6] = [
    ("email", "", "email"),
    ("other", "wiki", "wiki.handle"),
    ("other", "facebook", "facebook.id"),
    ("other", "twitter", "twitter.id"),
    ("other", "twitter-handle", "twitter.handle"),
    ("other", "linkedin", "linkedin.id"),
];
/// The account's name on the wiki without the application's: what the bot writes is signed with it.
pub(crate) const WIKI_BOT: &str = "ConnectorBot";

/// The platforms.
pub(crate) struct Stage {
    pub(crate) facebook: Arc<Facebook>,
    pub(crate) twitter: Arc<Twitter>,
    pub(crate) linkedin: Arc<LinkedIn>,
    /// LinkedIn's refresh token before anybody used it.
    pub(crate) first_linkedin_token: String,
    /// The same three, by channel.
    pub(crate) networks: [(&'static str, Network); 3],
    pub(crate) wiki: Box<dyn Wiki>,
    pub(crate) crm: Box<dyn Crm>,
    /// What can go wrong in the CRM; a real one fails only by itself.
    pub(crate) crm_faults: Option<Faults>,
    ticking: Vec<JoinHandle<()>>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.ticking.iter().for_each(JoinHandle::abort);
    }
}

impl Stage {
    /// Starts them: stand-ins, or with `real` the real MediaWiki and Tryton.
    pub(crate) async fn start(scenario: &Scenario, real: bool) -> Result<Self, Problem> {
        let (name, seed) = (scenario.page.clone(), scenario.seed);
        let facebook =
            Arc::new(Facebook::start_with(FacebookSettings { page_name: name.clone(), seed, ..FacebookSettings::default() }).await?);
        let settings = TwitterSettings { name: name.clone(), seed, payloads: Payloads::Both, ..TwitterSettings::default() };
        let twitter = Arc::new(Twitter::start_with(settings).await?);
        let settings = LinkedInSettings { organization_name: name, seed, gives_new_refresh_tokens: true, ..LinkedInSettings::default() };
        let linkedin = Arc::new(LinkedIn::start_with(settings).await?);
        let networks = [
            (FACEBOOK, Network::Facebook(Arc::clone(&facebook))),
            (TWITTER, Network::Twitter(Arc::clone(&twitter))),
            (LINKEDIN, Network::LinkedIn(Arc::clone(&linkedin))),
        ];
        // Their clocks run as fast as ours, from here on: what they say about times can be compared with what Sportello says.
        let ticking = networks.iter().map(|(_, network)| tokio::spawn(network.clone().keep_time())).collect();
        let mut crm_faults = None;
        let (wiki, crm): (Box<dyn Wiki>, Box<dyn Crm>) = if real {
            (Box::new(MediaWiki::start().await?), Box::new(Tryton::start().await?))
        } else {
            let crm = CrmStandIn::start().await?;
            crm_faults = Some(crm.faults().clone());
            (Box::new(WikiStandIn::start().await?), Box::new(crm))
        };
        let first_linkedin_token = linkedin.refresh_token();
        Ok(Self { facebook, twitter, linkedin, first_linkedin_token, networks, wiki, crm, crm_faults, ticking })
    }

    /// A channel's network.
    pub(crate) fn network(&self, channel: &str) -> Result<&Network, Problem> {
        let found = self.networks.iter().find(|(name, _)| *name == channel);
        found.map(|(_, network)| network).ok_or_else(|| format!("{channel} is no network's channel").into())
    }

    /// The tenant of the demo: five channels, their secrets, and the workflows in `examples/demo/workflows`.
    pub(crate) fn plan(&self) -> Result<HostPlan, Problem> {
        let mut plan = HostPlan::default()
            .facebook_page(&self.facebook, "")
            // What X tells nobody of is asked for.
            .twitter(&self.twitter, "poll-seconds = 5")
            .linkedin(&self.linkedin, "");
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
        let identifiers = IDENTIFIERS.map(|(kind, label, scheme)| {
            let label = if label.is_empty() { String::new() } else { format!("label = \"{label}\", ") };
            format!("{{ type = \"{kind}\", {label}scheme = \"{scheme}\" }}")
        });
        let identifiers = identifiers.join(", ");
        let account = self.crm.account();
        plan = plan
            .channel(
                CRM,
                &format!(
                    "connector = \"legacy-crm\"\ncomponent = \"{{component:legacy-crm}}\"\norigins = [\"{origin}\"]\n\
                     private-network = true\npoll-seconds = 1\n\
                     settings = {{ base-url = \"{origin}\", rpc-path = \"{path}\", identifiers = [{identifiers}] }}\n\
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

/// `http://127.0.0.1:8080/api.php` → origin, path.
fn split(url: &str) -> Result<(String, String), Problem> {
    let after_scheme = url.find("://").map(|start| start + 3).ok_or_else(|| format!("{url} is no URL"))?;
    let slash = url[after_scheme..].find('/').ok_or_else(|| format!("{url} has no path"))? + after_scheme;
    Ok((url[..slash].to_owned(), url[slash..].to_owned()))
}
