//! Credentials: their fields, how they sign in, and where they are put.

use std::collections::BTreeSet;

use super::values::{count, list, name, origin, pointer, text};
use super::{ManifestFault, fault};
use crate::contract::{Credential, LoginBody, Manifest, Place, Placement, RequestSigning, Session};
use crate::outbound;

pub(super) fn credentials(manifest: &Manifest) -> Result<(), ManifestFault> {
    count("credentials", manifest.credentials.len())?;
    let mut seen = BTreeSet::new();
    for credential in &manifest.credentials {
        name("credentials", &credential.name)?;
        let place = format!("credentials[{}]", credential.name);
        if !seen.insert(&credential.name) {
            return fault(place, "declared twice");
        }
        self::credential(&place, credential)?;
    }
    Ok(())
}

fn credential(place: &str, credential: &Credential) -> Result<(), ManifestFault> {
    text(place, &credential.purpose)?;
    count(place, credential.fields.len())?;
    if credential.fields.is_empty() {
        return fault(place, "it has no fields; a token alone is written as [\"token\"]");
    }
    let mut names = BTreeSet::new();
    for field in &credential.fields {
        name(&format!("{place}.fields"), field)?;
        if !names.insert(field.as_str()) {
            return fault(format_args!("{place}.fields"), format_args!("{field} stands there twice"));
        }
    }
    if credential.sign && credential.fields.len() != 1 {
        return fault(place, "a credential that signs has exactly one field");
    }
    match &credential.origin {
        Some(asked) => origin(&format!("{place}.origin"), asked)?,
        None if !credential.placements.is_empty() || credential.session.is_some() || credential.signing.is_some() => {
            return fault(place, "it has placements, a session or a way to sign but no origin to send them to");
        }
        None => {}
    }
    if let Some(RequestSigning::Oauth1HmacSha1) = credential.signing
        && (credential.fields != outbound::OAUTH1_FIELDS || credential.session.is_some())
    {
        let expected = outbound::OAUTH1_FIELDS.join(", ");
        return fault(place, format_args!("a credential for OAuth 1.0a has exactly the fields {expected}, in this order, and no session"));
    }
    if let Some(session) = &credential.session {
        self::session(&format!("{place}.session"), credential, session, &mut names)?;
    }
    count(&format!("{place}.placements"), credential.placements.len())?;
    for (position, placement) in credential.placements.iter().enumerate() {
        self::placement(&format!("{place}.placements[{position}]"), placement, &names)?;
    }
    Ok(())
}

/// `names` are the credential's fields; what the session captures is added.
fn session<'a>(place: &str, credential: &'a Credential, session: &'a Session, names: &mut BTreeSet<&'a str>) -> Result<(), ManifestFault> {
    if let Some(asked) = &session.origin {
        origin(&format!("{place}.origin"), asked)?;
        if session.cookies {
            return fault(place, "it keeps cookies of an origin that is not the credential's: they would be sent to the wrong one");
        }
    }
    count(&format!("{place}.rotates"), session.rotates.len())?;
    if let Some(unknown) = session.rotates.iter().find(|field| !credential.fields.contains(field)) {
        return fault(format_args!("{place}.rotates"), format_args!("{unknown} is no field of the credential"));
    }
    if let Some((_, twice)) = session.rotates.iter().enumerate().find(|(position, field)| session.rotates[..*position].contains(field)) {
        return fault(format_args!("{place}.rotates"), format_args!("{twice} stands there twice"));
    }
    let mut captured = BTreeSet::new();
    count(&format!("{place}.steps"), session.steps.len())?;
    for (position, step) in session.steps.iter().enumerate() {
        let place = format!("{place}.steps[{position}]");
        if http::Method::from_bytes(step.method.as_bytes()).is_err() {
            return fault(place, format_args!("{:?} is no HTTP method", step.method));
        }
        if !step.path.starts_with('/') && !step.path.starts_with("${/") {
            return fault(place, "the path begins with `/`, or with a setting such as ${/script-path}");
        }
        // A step sees what the steps before it captured.
        template(&place, &step.path, names)?;
        count(&format!("{place}.placements"), step.placements.len())?;
        for (position, placement) in step.placements.iter().enumerate() {
            self::placement(&format!("{place}.placements[{position}]"), placement, names)?;
        }
        match &step.body {
            LoginBody::None => {}
            LoginBody::Form(fields) => {
                count(&place, fields.len())?;
                for (_, value) in fields {
                    template(&place, value, names)?;
                }
            }
            LoginBody::Json(source) => template(&place, source, names)?,
        }
        count(&place, step.captures.len())?;
        for capture in &step.captures {
            name(&format!("{place}.captures"), &capture.name)?;
            pointer(&format!("{place}.captures[{}]", capture.name), &capture.pointer)?;
            if credential.fields.contains(&capture.name) && !session.rotates.contains(&capture.name) {
                return fault(place, format_args!("it captures {}, which is the name of a field that does not rotate", capture.name));
            }
            names.insert(&capture.name);
            captured.insert(capture.name.as_str());
        }
        for expectation in &step.expect {
            pointer(&format!("{place}.expect"), &expectation.pointer)?;
        }
    }
    if session.rotation_lifetime_capture.is_some() && session.rotates.len() != 1 {
        let place = format!("{place}.rotation-lifetime-capture");
        return fault(place, format_args!("it is of the one field that rotates, and {} do", session.rotates.len()));
    }
    if let Some(header) = session.retry_at_header.as_ref().filter(|header| http::HeaderName::from_bytes(header.as_bytes()).is_err()) {
        return fault(format!("{place}.retry-at-header"), format_args!("{header:?} is no name of a header"));
    }
    let mut named = session.rotates.iter().chain(&session.lifetime_capture).chain(&session.rotation_lifetime_capture);
    if let Some(missing) = named.find(|name| !captured.contains(name.as_str())) {
        return fault(place, format_args!("no step captures {missing}"));
    }
    Ok(())
}

fn placement(place: &str, placement: &Placement, names: &BTreeSet<&str>) -> Result<(), ManifestFault> {
    match &placement.place {
        Place::Header(header) => {
            let usable = http::HeaderName::from_bytes(header.as_bytes())
                .is_ok_and(|name| !["host", "content-length", "transfer-encoding", "connection", "cookie"].contains(&name.as_str()));
            if !usable {
                return fault(place, format_args!("{header:?} is no header a credential can be put into"));
            }
        }
        Place::Query(parameter) | Place::Form(parameter) => {
            if parameter.is_empty() {
                return fault(place, "the parameter has no name");
            }
        }
    }
    text(place, &placement.prefix)?;
    template(place, &placement.template, names)
}

/// Every `${name}` must be known; `${/pointer}` is looked up when a channel's settings are there.
fn template(place: &str, source: &str, names: &BTreeSet<&str>) -> Result<(), ManifestFault> {
    text(place, source)?;
    let mut rest = source;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start + 2..].find('}') else { break };
        let inside = &rest[start + 2..start + 2 + length];
        if !inside.starts_with('/') && !names.contains(inside) {
            return fault(
                place,
                format_args!(
                    "${{{inside}}} is neither a field of the credential nor captured before; known there: {}",
                    list(names.iter().copied())
                ),
            );
        }
        rest = &rest[start + 2 + length + 1..];
    }
    Ok(())
}
