//! Whether a manifest makes sense by itself: names, references, schema. What it asks for is judged later, when a channel grants it.

use std::collections::BTreeSet;
use std::fmt;

use jsonschema::{PatternOptions, Validator};

use crate::capabilities::Capabilities;
use crate::contract::{
    Carrier, Credential, Idempotency, LoginBody, Manifest, Origin, Place, Placement, RequestSigning, Session, Signature,
};
use crate::limits::manifest as limits;
use crate::outbound;

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
    let mut classes = BTreeSet::new();
    for retention in &manifest.policy.retention {
        if !["profile", "content", "raw"].contains(&retention.class.as_str()) {
            return fault("policy.retention", format_args!("{:?} is no class; there are profile, content and raw", retention.class));
        }
        if !classes.insert(&retention.class) {
            return fault("policy.retention", format_args!("{} stands there twice", retention.class));
        }
    }
    if (manifest.policy.recheck_hours > 0) != capabilities.recheck {
        return fault("policy.recheck-hours", "it says how often `recheck` is asked: with that capability at least 1, without it 0");
    }
    schema(&manifest.configuration_schema)
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

fn credentials(manifest: &Manifest) -> Result<(), ManifestFault> {
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

fn origin(place: &str, origin: &Origin) -> Result<(), ManifestFault> {
    match origin {
        Origin::Fixed(url) => match outbound::Origin::parse(url) {
            Ok(_) => Ok(()),
            Err(error) => fault(place, error),
        },
        Origin::Setting(at) => {
            if at.is_empty() {
                return fault(place, "the pointer is empty; write for example /base-url");
            }
            pointer(place, at)
        }
    }
}

fn pointer(place: &str, pointer: &str) -> Result<(), ManifestFault> {
    text(place, pointer)?;
    if pointer.is_empty() || pointer.starts_with('/') {
        return Ok(());
    }
    fault(place, format_args!("{pointer:?} is no JSON pointer: it begins with `/`"))
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

/// Lower-case words joined by `-`.
fn name(place: &str, name: &str) -> Result<(), ManifestFault> {
    let words = name.split('-').all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()));
    if words && name.len() <= 64 && !name.starts_with(|first: char| first.is_ascii_digit()) {
        return Ok(());
    }
    fault(place, format_args!("{name:?} is not a name: lower-case words joined by `-`, at most 64 bytes"))
}

fn text(place: &str, text: &str) -> Result<(), ManifestFault> {
    if text.len() > limits::TEXT_BYTES_MAX {
        return fault(place, format_args!("{} bytes of text, at most {} are accepted", text.len(), limits::TEXT_BYTES_MAX));
    }
    Ok(())
}

fn count(place: &str, entries: usize) -> Result<(), ManifestFault> {
    if entries > limits::LIST_MAX {
        return fault(place, format_args!("{entries} entries, at most {} are accepted", limits::LIST_MAX));
    }
    Ok(())
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::contract::*;

    /// A manifest with one of everything, from which each test spoils one thing.
    pub(crate) fn sound() -> Manifest {
        Manifest {
            name: "example".into(),
            version: "1.2.0".into(),
            kind: ConnectorKind::Channel,
            network: "example".into(),
            summary: "An example".into(),
            configuration_schema: r#"{"type":"object","properties":{"base-url":{"type":"string","format":"uri"}}}"#.into(),
            origins: vec![Origin::Fixed("https://api.example.com".into()), Origin::Setting("/base-url".into())],
            folders: vec![Folder { name: "drop".into(), setting: "/folder".into() }],
            credentials: vec![
                Credential {
                    name: "app-secret".into(),
                    purpose: "Signs deliveries".into(),
                    fields: vec!["secret".into()],
                    origin: None,
                    placements: vec![],
                    session: None,
                    signing: None,
                    optional: false,
                    sign: true,
                },
                Credential {
                    name: "bot".into(),
                    purpose: "Logs in".into(),
                    fields: vec!["user".into(), "password".into()],
                    origin: Some(Origin::Setting("/base-url".into())),
                    placements: vec![Placement {
                        place: Place::Header("x-token".into()),
                        prefix: String::new(),
                        template: "${token}".into(),
                        encoding: Encoding::Plain,
                    }],
                    session: Some(Session {
                        origin: None,
                        steps: vec![LoginStep {
                            method: "POST".into(),
                            path: "/login".into(),
                            placements: vec![],
                            body: LoginBody::Form(vec![("password".into(), "${password}".into())]),
                            captures: vec![Capture { name: "token".into(), pointer: "/token".into() }],
                            expect: vec![Expectation { pointer: "/result".into(), equals: "ok".into() }],
                        }],
                        cookies: true,
                        lifetime_seconds: 0,
                        lifetime_capture: None,
                        rotates: vec![],
                        rotation_lifetime_capture: None,
                    }),
                    signing: None,
                    optional: false,
                    sign: false,
                },
            ],
            signatures: vec![Signature {
                carrier: Carrier::Header("x-signature".into()),
                prefix: String::new(),
                prefix_optional: false,
                mac: Mac::HmacSha256,
                digest_text: DigestText::Hex,
                signed_prefix: String::new(),
                credential: "app-secret".into(),
            }],
            actions: vec![Action { name: "reply".into(), idempotency: Idempotency::Findable, settling_seconds: 5 }],
            request_limits: vec![RequestLimit { requests: 10, seconds: 1 }],
            poll_seconds: 60,
            state_version: 1,
            policy: NetworkPolicy {
                retention: vec![Retention { class: "content".into(), hours: 24 }],
                link: LinkPermission::Evidence,
                reply: ReplyPermission::Always,
                recheck_hours: 24,
            },
        }
    }

    fn all() -> Capabilities {
        Capabilities { webhook: true, poll: true, publish: true, find: true, recheck: true, crm: true, configuration: true }
    }

    #[test]
    fn a_sound_manifest_passes() {
        check(&sound(), all()).unwrap();
    }

    #[test]
    fn each_spoilt_part_is_refused_where_it_stands() {
        type Spoil = (&'static str, &'static str, fn(&mut Manifest));
        let cases: &[Spoil] = &[
            ("name", "Example", |manifest| manifest.name = "Example".into()),
            ("version", "1.2", |manifest| manifest.version = "1.2".into()),
            ("origins[0]", "path", |manifest| manifest.origins[0] = Origin::Fixed("https://a.example/v1".into())),
            ("origins[1]", "begins with `/`", |manifest| manifest.origins[1] = Origin::Setting("base-url".into())),
            ("folders", "is not a name", |manifest| manifest.folders[0].name = "../etc".into()),
            ("folders[drop]", "begins with `/`", |manifest| manifest.folders[0].setting = "folder".into()),
            ("credentials[bot]", "declared twice", |manifest| manifest.credentials[0].name = "bot".into()),
            ("credentials[bot].session.steps[0]", "${pasword}", |manifest| {
                let session = manifest.credentials[1].session.as_mut().unwrap();
                session.steps[0].body = LoginBody::Json(r#"{"p":"${pasword}"}"#.into());
            }),
            ("credentials[bot].placements[0]", "known there", |manifest| {
                manifest.credentials[1].session = None;
            }),
            ("credentials[bot].placements[0]", "no header", |manifest| {
                manifest.credentials[1].placements[0].place = Place::Header("host".into());
            }),
            ("credentials[bot]", "no origin", |manifest| manifest.credentials[1].origin = None),
            ("credentials[bot]", "exactly one field", |manifest| manifest.credentials[1].sign = true),
            ("credentials[bot].session", "wrong one", |manifest| {
                manifest.credentials[1].session.as_mut().unwrap().origin = Some(Origin::Fixed("https://login.example".into()));
            }),
            ("credentials[bot].session.steps[0]", "does not rotate", |manifest| {
                manifest.credentials[1].session.as_mut().unwrap().steps[0].captures[0].name = "password".into();
            }),
            ("credentials[bot].session.rotates", "twice", |manifest| {
                manifest.credentials[1].session.as_mut().unwrap().rotates.extend(["password".to_owned(), "password".to_owned()]);
            }),
            ("credentials[bot].session.rotates", "no field", |manifest| {
                manifest.credentials[1].session.as_mut().unwrap().rotates.push("token".into());
            }),
            ("credentials[bot].session", "no step captures password", |manifest| {
                manifest.credentials[1].session.as_mut().unwrap().rotates.push("password".into());
            }),
            ("credentials[bot].session", "no step captures expires-in", |manifest| {
                manifest.credentials[1].session.as_mut().unwrap().lifetime_capture = Some("expires-in".into());
            }),
            ("credentials[bot].session.rotation-lifetime-capture", "one field that rotates, and 0 do", |manifest| {
                manifest.credentials[1].session.as_mut().unwrap().rotation_lifetime_capture = Some("token".into());
            }),
            ("credentials[bot]", "consumer-key, consumer-secret, token, token-secret", |manifest| {
                manifest.credentials[1].signing = Some(RequestSigning::Oauth1HmacSha1);
            }),
            ("signatures[0].credential", "declared: app-secret, bot", |manifest| manifest.signatures[0].credential = "secret".into()),
            ("signatures[0].credential", "exactly one field", |manifest| manifest.signatures[0].credential = "bot".into()),
            ("signatures[0].carrier", "no header name", |manifest| manifest.signatures[0].carrier = Carrier::Header("x y".into())),
            ("signatures[1]", "same place", |manifest| {
                let again = manifest.signatures[0].clone();
                manifest.signatures.push(again);
            }),
            ("request-limits[0]", "at least 1", |manifest| manifest.request_limits[0].seconds = 0),
            ("policy.retention", "profile, content and raw", |manifest| {
                manifest.policy.retention[0].class = "all".into();
            }),
            ("policy.recheck-hours", "at least 1", |manifest| manifest.policy.recheck_hours = 0),
            ("configuration-schema", "not JSON", |manifest| manifest.configuration_schema = "{".into()),
            ("configuration-schema", "no JSON Schema", |manifest| {
                manifest.configuration_schema = r#"{"type":"strin"}"#.into();
            }),
            ("configuration-schema", "no JSON Schema", |manifest| {
                manifest.configuration_schema = r#"{"$ref":"https://example.com/schema.json"}"#.into();
            }),
        ];
        for (place, problem, spoil) in cases {
            let mut manifest = sound();
            spoil(&mut manifest);
            let fault = check(&manifest, all()).expect_err(problem);
            assert_eq!(&fault.place, place, "{fault}");
            assert!(fault.problem.contains(problem), "{fault}");
        }
    }

    #[test]
    fn an_action_needs_the_exports_that_carry_it_out() {
        let without_find = Capabilities { find: false, ..all() };
        assert_eq!(check(&sound(), without_find).unwrap_err().place, "actions[reply]");
        let without_publish = Capabilities { publish: false, ..all() };
        assert_eq!(check(&sound(), without_publish).unwrap_err().place, "actions[reply]");
    }
}
