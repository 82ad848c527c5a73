//! Whether a manifest makes sense by itself: names, references, schema. What it asks for is judged later, when a channel grants it.

mod credentials;
mod values;

use std::collections::BTreeSet;
use std::fmt;

use jsonschema::{PatternOptions, Validator};

use self::credentials::credentials;
use self::values::{count, list, name, origin, pointer, text};
use crate::capabilities::Capabilities;
use crate::contract::{Carrier, Idempotency, Manifest, NetworkPolicy, Signature};
use crate::limits::manifest as limits;

/// What is wrong in a manifest, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct ManifestFault {
    /// For example `credentials[page-token].placements[0]`.
    pub place: String,
    /// What is wrong and what is expected.
    pub problem: String,
}

fn fault<T>(place: impl fmt::Display, problem: impl fmt::Display) -> Result<T, ManifestFault> {
    Err(ManifestFault { place: place.to_string(), problem: problem.to_string() })
}

/// Checks a manifest and compiles its settings' schema.
pub(crate) fn check(manifest: &Manifest, capabilities: Capabilities) -> Result<Validator, ManifestFault> {
    name("name", &manifest.name)?;
    name("network", &manifest.network)?;
    if let Err(error) = semver::Version::parse(&manifest.version) {
        return fault("version", format_args!("{:?} is not a semantic version such as 1.2.0: {error}", manifest.version));
    }
    text("summary", &manifest.summary)?;
    count("origins", manifest.origins.len())?;
    for (position, asked) in manifest.origins.iter().enumerate() {
        origin(&format!("origins[{position}]"), asked)?;
    }
    folders(manifest)?;
    credentials(manifest)?;
    signatures(manifest)?;
    actions(manifest, capabilities)?;
    count("request-limits", manifest.request_limits.len())?;
    for (position, limit) in manifest.request_limits.iter().enumerate() {
        if limit.requests == 0 || limit.seconds == 0 {
            return fault(format_args!("request-limits[{position}]"), "requests and seconds must both be at least 1");
        }
    }
    policy(&manifest.policy, capabilities)?;
    schema(&manifest.configuration_schema)
}

fn policy(policy: &NetworkPolicy, capabilities: Capabilities) -> Result<(), ManifestFault> {
    let mut classes = BTreeSet::new();
    for retention in &policy.retention {
        if !["profile", "content", "raw"].contains(&retention.class.as_str()) {
            return fault("policy.retention", format_args!("{:?} is no class; there are profile, content and raw", retention.class));
        }
        if !classes.insert(&retention.class) {
            return fault("policy.retention", format_args!("{} stands there twice", retention.class));
        }
    }
    if (policy.recheck_hours > 0) != capabilities.recheck {
        return fault("policy.recheck-hours", "it says how often `recheck` is asked: with that capability at least 1, without it 0");
    }
    Ok(())
}

fn schema(source: &str) -> Result<Validator, ManifestFault> {
    let place = "configuration-schema";
    if source.len() > limits::SCHEMA_BYTES_MAX {
        return fault(place, format_args!("{} bytes, at most {} are accepted", source.len(), limits::SCHEMA_BYTES_MAX));
    }
    let document: serde_json::Value = match serde_json::from_str(source) {
        Ok(document) => document,
        Err(error) => return fault(place, format_args!("it is not JSON: {error}")),
    };
    if !document.is_object() {
        return fault(place, "a JSON Schema of the settings is an object");
    }
    // Patterns come from the connector: only the engine that runs in linear time may see them.
    jsonschema::options()
        .with_draft(jsonschema::Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex())
        .build(&document)
        .or_else(|error| fault(place, format_args!("it is no JSON Schema (2020-12): {error}")))
}

fn folders(manifest: &Manifest) -> Result<(), ManifestFault> {
    count("folders", manifest.folders.len())?;
    let mut seen = BTreeSet::new();
    for folder in &manifest.folders {
        name("folders", &folder.name)?;
        let place = format!("folders[{}]", folder.name);
        if !seen.insert(&folder.name) {
            return fault(place, "declared twice");
        }
        if folder.setting.is_empty() {
            return fault(place, "the pointer is empty; write for example /folder");
        }
        pointer(&place, &folder.setting)?;
    }
    Ok(())
}

fn signatures(manifest: &Manifest) -> Result<(), ManifestFault> {
    count("signatures", manifest.signatures.len())?;
    manifest.signatures.iter().enumerate().try_for_each(|(position, signature)| {
        if manifest.signatures[..position].iter().any(|earlier| earlier.carrier == signature.carrier) {
            return fault(format_args!("signatures[{position}]"), "another one is carried in the same place");
        }
        self::signature(&format!("signatures[{position}]"), manifest, signature)
    })
}

fn signature(place: &str, manifest: &Manifest, signature: &Signature) -> Result<(), ManifestFault> {
    match &signature.carrier {
        Carrier::Header(header) if http::HeaderName::from_bytes(header.as_bytes()).is_err() => {
            return fault(format_args!("{place}.carrier"), format_args!("{header:?} is no header name"));
        }
        Carrier::SignedField(field) if field.is_empty() => return fault(format_args!("{place}.carrier"), "the field has no name"),
        Carrier::Header(_) | Carrier::SignedField(_) => {}
    }
    let place = format!("{place}.credential");
    match manifest.credentials.iter().find(|credential| credential.name == signature.credential) {
        None => fault(
            place,
            format_args!(
                "there is no credential {:?}; declared: {}",
                signature.credential,
                list(manifest.credentials.iter().map(|credential| credential.name.as_str()))
            ),
        ),
        Some(credential) if credential.fields.len() != 1 => fault(place, format_args!("{} must have exactly one field", credential.name)),
        Some(_) => Ok(()),
    }
}

fn actions(manifest: &Manifest, capabilities: Capabilities) -> Result<(), ManifestFault> {
    count("actions", manifest.actions.len())?;
    let mut seen = BTreeSet::new();
    for action in &manifest.actions {
        name("actions", &action.name)?;
        let place = format!("actions[{}]", action.name);
        if !seen.insert(&action.name) {
            return fault(place, "declared twice");
        }
        if !capabilities.publish {
            return fault(place, "the component does not export `publish`, so nothing can do it");
        }
        if action.idempotency == Idempotency::Findable && !capabilities.find {
            return fault(place, "it is findable, but the component does not export `find`");
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
