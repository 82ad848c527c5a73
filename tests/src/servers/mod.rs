//! Real servers on loopback, each installed once, copied per test, and gone with it.
//!
//! [`Wiki`] and [`Crm`] are what a test may ask of either a real server or its stand-in; [`any_wiki`] and [`any_crm`] give the real one
//! where it is installed.

mod crm_user;
pub mod gateway;
pub mod mediawiki;
pub mod process;
pub mod request_tracker;
pub mod template;
pub mod tryton;
mod wiki_user;

pub use crm_user::{ContactMechanism, Crm, CrmUser, Note, Release};
pub use mediawiki::MediaWiki;
pub use request_tracker::RequestTracker;
pub use tryton::Tryton;
pub use wiki_user::{Edit, Wiki, WikiUser};

use crate::error::{Error, Result};
use crate::missing::{self, Instead};
use crate::stand_ins::{crm::CrmStandIn, wiki::WikiStandIn};

/// A name and a password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The log-in name.
    pub name: String,
    /// The password.
    pub password: String,
}

impl Account {
    /// An account of this name and password.
    pub fn new(name: &str, password: &str) -> Self {
        Self { name: name.to_owned(), password: password.to_owned() }
    }
}

/// The started server; `None`, said loudly, where it is not installed and the test is to be skipped.
///
/// # Panics
/// When it is installed and did not start, and in CI (`CI` set, and not to `false`) also when it is not installed.
pub fn require<Server>(started: Result<Server>) -> Option<Server> {
    let in_ci = std::env::var("CI").is_ok_and(|value| !value.is_empty() && value != "false");
    started_or_missing(started, in_ci).map_err(|missing| missing::tell(Instead::Skipped, missing)).ok()
}

/// The server, or the error that says that it is not here.
fn started_or_missing<Server>(started: Result<Server>, in_ci: bool) -> Result<Server> {
    match started {
        Err(missing @ (Error::NotInstalled { .. } | Error::NotMade { .. })) => {
            assert!(!in_ci, "{missing} (in CI a missing server is a failure)");
            Err(missing)
        }
        started => Ok(started.unwrap_or_else(|broken| panic!("{broken}"))),
    }
}

/// A wiki: the real MediaWiki where it is installed, else its stand-in.
///
/// # Errors
/// When neither starts.
pub async fn any_wiki() -> Result<Box<dyn Wiki>> {
    match MediaWiki::start().await {
        Err(missing @ Error::NotInstalled { .. }) => {
            missing::tell(Instead::StandIn, missing);
            Ok(Box::new(WikiStandIn::start().await?))
        }
        started => Ok(Box::new(started?)),
    }
}

/// A CRM: the real Tryton where it is installed, else its stand-in.
///
/// # Errors
/// When neither starts.
pub async fn any_crm() -> Result<Box<dyn Crm>> {
    match Tryton::start().await {
        Err(missing @ Error::NotInstalled { .. }) => {
            missing::tell(Instead::StandIn, missing);
            Ok(Box::new(CrmStandIn::start().await?))
        }
        started => Ok(Box::new(started?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing() -> Result<()> {
        Err(Error::NotInstalled { server: "MediaWiki", missing: "php".to_owned(), packages: "mediawiki php-cli" })
    }

    #[test]
    fn a_missing_server_is_a_skip_for_a_user() {
        assert!(started_or_missing(missing(), false).is_err_and(|missing| missing.to_string().contains("mediawiki php-cli")));
        let not_made = Error::NotMade { server: "Tryton 8", missing: "trytond".to_owned(), commands: "python3 -m venv" };
        assert!(started_or_missing::<()>(Err(not_made), false).is_err());
        assert!(started_or_missing(Ok(()), true).is_ok());
    }

    #[test]
    #[should_panic(expected = "apt-get install -y --no-install-recommends mediawiki php-cli (in CI a missing server is a failure)")]
    fn a_missing_server_is_a_failure_in_ci() {
        let _ = started_or_missing(missing(), true);
    }

    #[test]
    #[should_panic(expected = "did not start")]
    fn a_server_that_does_not_start_is_a_failure_for_everybody() {
        let broken = Error::Start { what: "MediaWiki".to_owned(), why: "it ended".to_owned(), output: String::new() };
        let _ = started_or_missing::<()>(Err(broken), false);
    }
}
