//! How a tenant is reached: its files while the host is at rest, the API of the running host otherwise.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use clap::Args;
use sportello_core::ids::ChannelName;
use sportello_journal::JournalError;
use sportello_server::config::{Config, Listen};
use sportello_server::tenant::TenantError;

use crate::at_rest::{AtRest, OpenProblem};
use crate::host_client::HostClient;
use crate::{Problem, Usage};

/// Which tenant, and where.
#[derive(Debug, Args)]
pub(crate) struct Reach {
    /// The tenant; left out: the only one of the configuration.
    #[arg(long, env = "SPORTELLO_TENANT", value_name = "NAME")]
    tenant: Option<String>,
    /// Ask the host that listens here, instead of where the configuration says. Plain HTTP.
    #[arg(long, env = "SPORTELLO_URL", value_name = "URL")]
    url: Option<String>,
}

/// Whether a command that finds no files at all may make them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// It looks: a folder that is not there is a mistake in the configuration.
    ToRead,
    /// It changes: the first token of a tenant comes before its first start.
    ToChange,
}

/// A tenant, reached.
pub(crate) enum Reached {
    /// Its files; nobody else has them.
    AtRest(Box<AtRest>),
    /// The host that has them.
    Running(Box<HostClient>),
}

impl Reach {
    /// Opens the tenant's files, or if a host has them (or a URL was given) turns to that.
    pub(crate) fn open(&self, path: &Path, purpose: Purpose) -> Result<Reached, Problem> {
        if self.url.is_some() {
            return self.running(path).map(|client| Reached::Running(Box::new(client)));
        }
        let config = Config::read(path)?;
        let tenant = self.tenant_of(Some(&config))?;
        match AtRest::open(config, &tenant, purpose) {
            Ok(at_rest) => Ok(Reached::AtRest(Box::new(at_rest))),
            Err(OpenProblem::Tenant(TenantError::Journal(JournalError::Locked { .. }))) => {
                self.running(path).map(|client| Reached::Running(Box::new(client)))
            }
            Err(problem) => Err(problem.into()),
        }
    }

    /// The running host.
    pub(crate) fn running(&self, path: &Path) -> Result<HostClient, Problem> {
        // Without a readable file the command line has to say all that is needed.
        let config = Config::read(path);
        let tenant = match (&self.tenant, &config) {
            (None, Err(error)) => {
                return Err(Usage(format!("which tenant? Say --tenant NAME (the configuration cannot say: {error})")).into());
            }
            (_, config) => self.tenant_of(config.as_ref().ok())?,
        };
        let url = match (&self.url, &config) {
            (Some(url), _) => url.clone(),
            (None, Ok(config)) => url_of(config.listen.address)?,
            (None, Err(_)) => url_of(Listen::default().address)?,
        };
        // It becomes a part of paths.
        let tenant = ChannelName::new(tenant).map_err(|_| Usage("a tenant's name has 1 to 64 of a-z, 0-9 and '-'".to_owned()))?;
        Ok(HostClient::new(&url, tenant.as_str())?)
    }

    fn tenant_of(&self, config: Option<&Config>) -> Result<String, Usage> {
        let known: Vec<&str> = config.map(|config| config.tenants.keys().map(String::as_str).collect()).unwrap_or_default();
        match (&self.tenant, known.as_slice()) {
            // The host a URL leads to may have another configuration.
            (Some(name), _) if self.url.is_some() || config.is_none() || known.contains(&name.as_str()) => Ok(name.clone()),
            (Some(name), _) => Err(Usage(format!("there is no tenant {name:?} in the configuration; there are: {}", known.join(", ")))),
            (None, [only]) => Ok((*only).to_owned()),
            (None, []) => Err(Usage("which tenant? Say --tenant NAME; the configuration has none".to_owned())),
            (None, _) => Err(Usage(format!("which tenant? Say --tenant NAME; there are: {}", known.join(", ")))),
        }
    }
}

/// Where to ask a host that listens on `address`.
fn url_of(address: SocketAddr) -> Result<String, Usage> {
    if address.port() == 0 {
        return Err(Usage("the configuration leaves the port to the system (port 0): say --url http://127.0.0.1:PORT".to_owned()));
    }
    let host = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    Ok(format!("http://{}", SocketAddr::new(host, address.port())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_listens_everywhere_is_asked_on_this_machine() {
        assert_eq!(url_of("0.0.0.0:8470".parse().unwrap()).unwrap(), "http://127.0.0.1:8470");
        assert_eq!(url_of("[::]:8470".parse().unwrap()).unwrap(), "http://[::1]:8470");
        assert_eq!(url_of("10.1.2.3:80".parse().unwrap()).unwrap(), "http://10.1.2.3:80");
        assert!(url_of("127.0.0.1:0".parse().unwrap()).unwrap_err().to_string().contains("--url"));
    }
}
