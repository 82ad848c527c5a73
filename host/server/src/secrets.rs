//! A tenant's secrets, by name: in environment variables or in files that only the host's user can read. They are read when a channel is
//! made live, never kept in the configuration, never in argv. A channel can name those of its own tenant and no others.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sportello_runtime::{BoundField, Secret};
use thiserror::Error;

/// Where a secret stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In an environment variable of this name.
    Environment(String),
    /// In a file; a line feed at its end is not part of it.
    File(PathBuf),
    /// Here, because it is no secret: a user name, a client id.
    Plain(String),
}

/// Why a secret cannot be had. Never holds any of it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SecretError {
    /// The tenant has none of this name; whether another has is not said.
    #[error(
        "the tenant {tenant} has no secret {name:?}; define it in the host's configuration:\n\n    [tenants.{tenant}.secrets]\n    {name} = {{ env = \"{}\" }}\n",
        suggested_variable(tenant, name)
    )]
    Undefined {
        /// The tenant.
        tenant: String,
        /// The secret's name.
        name: String,
    },
    /// The variable is not set, or empty.
    #[error("secret {name:?}: the environment variable {variable} is not set or empty")]
    NoVariable {
        /// The secret's name.
        name: String,
        /// The variable's.
        variable: String,
    },
    /// The file cannot be read.
    #[error("secret {name:?}: {path} cannot be read: {problem}")]
    NoFile {
        /// The secret's name.
        name: String,
        /// The file's path.
        path: String,
        /// What the system said.
        problem: String,
    },
    /// Others can read the file.
    #[error("secret {name:?}: {path} can be read by others (mode {mode:o}); run: chmod 600 {path}")]
    OpenFile {
        /// The secret's name.
        name: String,
        /// The file's path.
        path: String,
        /// Its permission bits.
        mode: u32,
    },
}

/// Longest secret, in bytes.
const SECRET_BYTES_MAX: u64 = 64 * 1024;

/// The places of one tenant's secrets.
#[derive(Clone, Debug)]
pub struct Secrets {
    tenant: String,
    places: BTreeMap<String, SecretSource>,
}

/// The environment variable that messages suggest for a secret: not the same one for two tenants.
#[must_use]
pub fn suggested_variable(tenant: &str, name: &str) -> String {
    format!("SPORTELLO_{tenant}_{name}").to_uppercase().replace('-', "_")
}

impl Secrets {
    /// Secrets of this tenant that stand in these places.
    #[must_use]
    pub fn new(tenant: &str, places: BTreeMap<String, SecretSource>) -> Self {
        Self { tenant: tenant.to_owned(), places }
    }

    /// Reads a secret.
    ///
    /// # Errors
    /// [`SecretError`], which names the line that would help.
    pub fn read(&self, name: &str) -> Result<BoundField, SecretError> {
        match self.places.get(name) {
            Some(SecretSource::Plain(text)) => Ok(BoundField::Plain(text.clone())),
            None => Err(SecretError::Undefined { tenant: self.tenant.clone(), name: name.to_owned() }),
            Some(SecretSource::Environment(variable)) => match std::env::var(variable) {
                Ok(text) if !text.is_empty() => Ok(BoundField::Secret(Secret::new(text))),
                _ => Err(SecretError::NoVariable { name: name.to_owned(), variable: variable.clone() }),
            },
            Some(SecretSource::File(path)) => read_file(name, path).map(BoundField::Secret),
        }
    }
}

fn read_file(name: &str, path: &std::path::Path) -> Result<Secret, SecretError> {
    use std::io::Read as _;
    use std::os::unix::fs::PermissionsExt as _;

    let shown = path.display().to_string();
    let failed = |problem: String| SecretError::NoFile { name: name.to_owned(), path: shown.clone(), problem };
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    // Of the open file, so that it cannot be exchanged between looking and reading.
    let metadata = file.metadata().map_err(|error| failed(error.to_string()))?;
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretError::OpenFile { name: name.to_owned(), path: shown, mode });
    }
    let mut text = String::new();
    file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text).map_err(|error| failed(error.to_string()))?;
    if text.len() as u64 > SECRET_BYTES_MAX {
        return Err(failed(format!("it has more than {SECRET_BYTES_MAX} bytes, which no secret has")));
    }
    while text.ends_with(['\n', '\r']) {
        text.pop();
    }
    if text.is_empty() {
        return Err(failed("it is empty".to_owned()));
    }
    Ok(Secret::new(text))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_secret_file_others_can_read_is_refused_with_the_command_that_mends_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "hush\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        let secrets = Secrets::new("demo", [("token".to_owned(), SecretSource::File(path.clone()))].into());
        let error = secrets.read("token").unwrap_err().to_string();
        assert!(error.contains("chmod 600") && !error.contains("hush"), "{error}");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        assert!(matches!(secrets.read("token").unwrap(), BoundField::Secret(secret) if secret.expose() == "hush"));
    }

    #[test]
    fn a_file_too_long_for_a_secret_is_refused_and_not_cut() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        let secrets = Secrets::new("demo", [("token".to_owned(), SecretSource::File(path.clone()))].into());
        let of = |bytes: u64| {
            std::fs::write(&path, "s".repeat(usize::try_from(bytes).unwrap())).unwrap();
            secrets.read("token")
        };
        assert!(matches!(of(SECRET_BYTES_MAX).unwrap(), BoundField::Secret(secret) if secret.expose().len() as u64 == SECRET_BYTES_MAX));
        let error = of(SECRET_BYTES_MAX + 1).unwrap_err().to_string();
        assert!(error.contains("more than 65536 bytes") && !error.contains("sss"), "{error}");
        assert!(of(0).unwrap_err().to_string().contains("empty"));
    }

    #[test]
    fn a_secret_nobody_defined_says_which_line_would() {
        let error = Secrets::new("demo", BTreeMap::new()).read("page-token").unwrap_err().to_string();
        assert!(error.contains("[tenants.demo.secrets]\n    page-token = { env = \"SPORTELLO_DEMO_PAGE_TOKEN\" }"), "{error}");
    }
}
