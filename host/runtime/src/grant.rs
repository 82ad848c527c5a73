//! Whether a channel's configuration fits its connector: settings against the schema, secrets against the credentials, grants against the origins.
//! Every refusal says what would be accepted.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::channel::ChannelOptions;
use crate::contract::{Manifest, Origin as AskedOrigin};
use crate::error::RuntimeError;
use crate::limits::manifest as manifest_limits;
use crate::outbound::Origin;
use crate::prepared::Prepared;
use crate::wasi::GrantedFolder;

/// The settings against the connector's schema.
pub(crate) fn check_settings(prepared: &Prepared, options: &ChannelOptions) -> Result<(), RuntimeError> {
    let refuse = |pointer: String, problem: String, allowed: String| RuntimeError::Settings {
        channel: options.name.clone(),
        connector: prepared.manifest().name.clone(),
        pointer: if pointer.is_empty() { "(the settings themselves)".to_owned() } else { pointer },
        problem,
        allowed,
    };
    let bytes = options.settings.to_string().len();
    if bytes > manifest_limits::SETTINGS_BYTES_MAX {
        let allowed = format!("{} bytes", manifest_limits::SETTINGS_BYTES_MAX);
        return Err(refuse(String::new(), format!("they have {bytes} bytes"), allowed));
    }
    let Some(error) = prepared.schema().iter_errors(&options.settings).next() else { return Ok(()) };
    let keyword = error.schema_path().to_string();
    Err(refuse(error.instance_path().to_string(), error.to_string(), allowed(prepared.schema_document(), &keyword)))
}

/// What the schema says where it was broken: the keyword's value, and for a name too many the names there are.
fn allowed(schema: &Value, keyword_path: &str) -> String {
    /// Characters of the schema that are quoted.
    const QUOTED_MAX: usize = 400;
    let (parent, keyword) = keyword_path.rsplit_once('/').unwrap_or(("", keyword_path));
    let parent = schema.pointer(parent).unwrap_or(&Value::Null);
    if matches!(keyword, "additionalProperties" | "unevaluatedProperties")
        && let Some(properties) = parent.get("properties").and_then(Value::as_object)
    {
        return properties.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    }
    let value = parent.get(keyword).unwrap_or(&Value::Null);
    format!("{keyword} {value}").chars().take(QUOTED_MAX).collect()
}

/// Secrets are bound to credentials and fields that exist, and wholly; whoever is to verify signatures has its secret, unless it is optional:
/// what is signed with that is then refused delivery by delivery.
pub(crate) fn check_secrets(manifest: &Manifest, options: &ChannelOptions) -> Result<(), RuntimeError> {
    let refuse = |credential: &str, problem: String| {
        Err(RuntimeError::Credential {
            channel: options.name.clone(),
            connector: manifest.name.clone(),
            credential: credential.to_owned(),
            problem,
        })
    };
    for (name, fields) in &options.secrets {
        let Some(credential) = manifest.credentials.iter().find(|credential| credential.name == *name) else {
            let declared: Vec<_> = manifest.credentials.iter().map(|credential| credential.name.as_str()).collect();
            return refuse(name, format!("the connector declares no such credential; it declares {}", declared.join(", ")));
        };
        if let Some(unknown) = fields.keys().find(|field| !credential.fields.contains(field)) {
            return refuse(name, format!("it has no field {unknown}; it has {}", credential.fields.join(", ")));
        }
        if let Some(missing) = credential.fields.iter().find(|field| !fields.contains_key(*field)) {
            return refuse(name, format!("the field {missing} is not bound; bind all of {}", credential.fields.join(", ")));
        }
    }
    let needed = manifest.credentials.iter().filter(|credential| !credential.optional);
    let mut signing = needed.filter(|credential| manifest.signatures.iter().any(|signature| signature.credential == credential.name));
    if let Some(unbound) = signing.find(|credential| !options.secrets.contains_key(&credential.name)) {
        return refuse(&unbound.name, "deliveries are signed with it, and no secret is bound to it".to_owned());
    }
    Ok(())
}

/// What a setting says. One that is `null` is not set, as one that is not there.
fn given<'settings>(settings: &'settings Value, pointer: &str) -> Option<&'settings Value> {
    settings.pointer(pointer).filter(|value| !value.is_null())
}

/// Every folder the connector asks for on this channel is granted and there. Returns where each is.
pub(crate) fn check_folders(manifest: &Manifest, options: &ChannelOptions) -> Result<Vec<GrantedFolder>, RuntimeError> {
    let connector = &manifest.name;
    let wrong = |folder: &str, problem: String| RuntimeError::Folder {
        channel: options.name.clone(),
        connector: connector.clone(),
        folder: folder.to_owned(),
        problem,
    };
    let mut found = Vec::new();
    for folder in &manifest.folders {
        let Some(value) = given(&options.settings, &folder.setting) else { continue };
        let text = value.as_str().ok_or_else(|| wrong(&folder.setting, "the setting names a folder and must be a text".to_owned()))?;
        if !Path::new(text).is_absolute() {
            return Err(wrong(text, "write an absolute path".to_owned()));
        }
        if !options.granted_folders.iter().any(|granted| granted == text) {
            let all: BTreeSet<&str> = options.granted_folders.iter().map(String::as_str).chain([text]).collect();
            let all: Vec<_> = all.into_iter().map(|folder| format!("{folder:?}")).collect();
            let line = format!("folders = [{}]", all.join(", "));
            return Err(wrong(text, format!("it is not granted; to grant it, write into the channel's configuration:\n{line}")));
        }
        let kind = std::fs::metadata(text).map_err(|error| wrong(text, error.to_string()))?;
        if !kind.is_dir() {
            return Err(wrong(text, "it is no folder".to_owned()));
        }
        found.push(GrantedFolder { name: folder.name.clone(), path: text.into() });
    }
    Ok(found)
}

/// Every origin the connector asks for on this channel is granted. Returns what is granted.
pub(crate) fn check_origins(manifest: &Manifest, options: &ChannelOptions) -> Result<Vec<Origin>, RuntimeError> {
    let http = |problem: String| RuntimeError::Http { of: format!("channel {}", options.name), problem };
    let granted = options
        .granted_origins
        .iter()
        .map(|text| Origin::parse(text).map_err(|error| http(error.to_string())))
        .collect::<Result<Vec<_>, _>>()?;
    let mut asked = BTreeSet::new();
    for origin in &manifest.origins {
        match origin {
            AskedOrigin::Fixed(text) => {
                asked.insert(Origin::parse(text).map_err(|error| http(error.to_string()))?);
            }
            // A setting that is not there asks for nothing; whether it must be there is the schema's affair.
            AskedOrigin::Setting(pointer) => {
                if let Some(value) = given(&options.settings, pointer) {
                    let url = value.as_str().ok_or_else(|| http(format!("the setting {pointer} names an origin and must be a text")))?;
                    asked.insert(Origin::of_url(url).map_err(|error| http(format!("the setting {pointer}: {error}")))?);
                }
            }
        }
    }
    let missing: Vec<_> = asked.iter().filter(|origin| !granted.contains(origin)).map(Origin::to_string).collect();
    if missing.is_empty() {
        return Ok(granted);
    }
    let all: BTreeSet<_> = asked.iter().chain(&granted).collect();
    let all: Vec<_> = all.into_iter().map(|origin| format!("\"{origin}\"")).collect();
    Err(RuntimeError::NotGranted {
        channel: options.name.clone(),
        connector: manifest.name.clone(),
        missing,
        line: format!("origins = [{}]", all.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::limits::{CallLimits, QuarantineLimits};
    use crate::manifest::tests::sound;
    use crate::vault::NoVault;

    fn options(settings: Value) -> ChannelOptions {
        ChannelOptions {
            tenant: "tenant".into(),
            name: "channel".into(),
            settings,
            granted_origins: vec!["https://api.example.com".into()],
            granted_folders: Vec::new(),
            secrets: BTreeMap::new(),
            allow_private_network: false,
            vault: Arc::new(NoVault),
            limits: CallLimits::default(),
            quarantine: QuarantineLimits::default(),
        }
    }

    #[test]
    fn a_signing_credential_that_is_missing_stops_the_channel_unless_it_is_optional() {
        let mut manifest = sound();
        let refused = check_secrets(&manifest, &options(json!({}))).unwrap_err().to_string();
        assert!(refused.contains("app-secret") && refused.contains("no secret is bound"), "{refused}");
        manifest.credentials[0].optional = true;
        check_secrets(&manifest, &options(json!({}))).unwrap();
    }

    #[test]
    fn a_setting_that_is_null_asks_for_no_folder_and_no_origin() {
        for settings in [json!({}), json!({ "folder": null, "base-url": null })] {
            assert!(check_folders(&sound(), &options(settings.clone())).unwrap().is_empty());
            check_origins(&sound(), &options(settings)).unwrap();
        }
        let refused = check_folders(&sound(), &options(json!({ "folder": 7 }))).unwrap_err().to_string();
        assert!(refused.contains("must be a text"), "{refused}");
    }
}
