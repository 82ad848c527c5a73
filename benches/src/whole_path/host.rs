//! The host under load: the real binary with one tenant and one channel, configured by a file as an operator would.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use sportello_core::domain::case::CASES;
use sportello_core::domain::interaction::INTERACTIONS;
use sportello_core::domain::profile::PROFILES;
use sportello_core::tables::{Key, Table};
use sportello_server::clock::SystemClock;
use sportello_server::tenant::{Tenant, TenantOptions};
use sportello_views::Direction;

use super::deliveries::PAGE;
use super::process::Measurable;
use crate::{Plan, Problem};

/// Rows read in one go while they are counted.
const ROWS_AT_ONCE: usize = 10_000;

/// `sportello serve`, running.
pub(crate) struct SportelloHost {
    pub(crate) process: Measurable,
    address: SocketAddr,
}

impl SportelloHost {
    pub(crate) fn start(plan: &Plan, folder: &Path, secret: &str) -> Result<Self, Problem> {
        let config = configure(plan, folder, secret)?;
        if !plan.binary.is_file() {
            return Err(format!("{} is not there; start me by `cargo xtask bench`, which builds it", plan.binary.display()).into());
        }
        let mut command = Command::new(&plan.binary);
        command.arg("--config").arg(&config).arg("serve").env("SPORTELLO_LOG", "warn").stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or("the host has no output")?;
        let process = Measurable::new("sportello", child);
        let mut line = String::new();
        BufReader::new(output).read_line(&mut line)?;
        let address = line.trim_end().strip_prefix("listening on http://").and_then(|address| address.parse().ok());
        let address = address.ok_or_else(|| format!("the host said {line:?} instead of where it listens"))?;
        Ok(Self { process, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }
}

fn configure(plan: &Plan, folder: &Path, secret: &str) -> Result<std::path::PathBuf, Problem> {
    let component = plan.guests.join("facebook.wasm").canonicalize();
    let component =
        component.map_err(|error| format!("facebook.wasm in {}: {error}; `cargo xtask guests` builds it", plan.guests.display()))?;
    let secrets = BTreeMap::from([("app-secret", secret), ("verify-token", "not-used-here"), ("page-token", "not-used-here")]);
    let mut text = String::from("data = \"data\"\n\n[listen]\naddress = \"127.0.0.1:0\"\n\n[tenants.bench.secrets]\n");
    for (name, value) in secrets {
        let path = folder.join(name);
        std::fs::write(&path, value)?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        text += &format!("{name} = {{ file = {:?} }}\n", path.display().to_string());
    }
    text += &format!(
        "\n[tenants.bench.channels.page]\nconnector = \"facebook\"\ncomponent = {:?}\norigins = [\"https://graph.facebook.com\"]\n\
         settings = {{ page-id = \"{PAGE}\", graph-url = \"https://graph.facebook.com\" }}\nsecrets.app-secret.secret = \"app-secret\"\n\
         secrets.verify-token.secret = \"verify-token\"\nsecrets.page-token.token = \"page-token\"\npoll-seconds = 0\n",
        component.display().to_string()
    );
    let config = folder.join("sportello.toml");
    std::fs::write(&config, text)?;
    Ok(config)
}

/// How many rows a stopped host has.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rows {
    pub(crate) interactions: u64,
    pub(crate) profiles: u64,
    pub(crate) cases: u64,
}

/// Opens what the host left and counts.
pub(crate) fn count(folder: &Path) -> Result<Rows, Problem> {
    let folder = folder.join("data/tenants/bench");
    let tenant = Tenant::open("bench", &folder, &TenantOptions::default(), Arc::new(SystemClock), &mut |_, _| {})?;
    let rows =
        Rows { interactions: rows_of(&tenant, &INTERACTIONS)?, profiles: rows_of(&tenant, &PROFILES)?, cases: rows_of(&tenant, &CASES)? };
    tenant.close()?;
    Ok(rows)
}

fn rows_of<K, V>(tenant: &Tenant, table: &Table<K, V>) -> Result<u64, Problem>
where
    K: Key + ?Sized,
    V: serde::Serialize + serde::de::DeserializeOwned,
{
    let mut counted = 0;
    let mut after: Option<Vec<u8>> = None;
    loop {
        let rows = tenant.list(table, &[], after.as_deref(), Direction::Forward, ROWS_AT_ONCE)?;
        counted += rows.len() as u64;
        match rows.last() {
            Some((key, _)) => after = Some(key.clone()),
            None => return Ok(counted),
        }
    }
}
