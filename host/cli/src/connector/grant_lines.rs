//! The lines of the configuration that would grant a component what it asks for.
//!
//! They are TOML that the host reads. What only the operator can know stands there as `FILL-IN`, a text that no schema of ours takes for an
//! address or a number by mistake.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;
use sportello_runtime::Prepared;
use sportello_runtime::contract::{Credential, Manifest, Origin as AskedOrigin};
use sportello_runtime::outbound::Origin;
use sportello_server::secrets::suggested_variable;

/// Stands for what only the operator knows.
const FILL_IN: &str = "FILL-IN";

/// The tables of a channel, its settings and its secrets.
pub(super) fn lines(prepared: &Prepared, file: &Path, tenant: &str, channel: &str) -> String {
    let manifest = prepared.manifest();
    let schema = prepared.schema_document();
    let place = format!("tenants.{tenant}.channels.{channel}");
    let mut out = String::new();
    // Writing into a String cannot fail: the results are dropped.
    let _ = writeln!(out, "[{place}]");
    let _ = writeln!(out, "connector = {}", quoted(&manifest.name));
    let _ = writeln!(
        out,
        "component = {}    # or, once it is installed: grant = \"{}\"",
        quoted(&file.display().to_string()),
        prepared.digest()
    );
    let origins: Vec<String> = origins(manifest, schema).iter().map(|origin| quoted(origin)).collect();
    if !origins.is_empty() {
        let _ = writeln!(out, "origins = [{}]    # all it may call, over HTTP", origins.join(", "));
    }
    for folder in &manifest.folders {
        let setting = folder.setting.trim_start_matches('/');
        let _ = writeln!(out, "# folders = [\"/{FILL_IN}\"]    # it may read the folder of the setting {setting}, if you give it one");
    }
    if manifest.poll_seconds > 0 {
        let _ = writeln!(out, "# poll-seconds = {}", manifest.poll_seconds);
    }
    settings(&mut out, &place, schema);
    secrets(&mut out, tenant, channel, &manifest.credentials);
    out
}

fn settings(out: &mut String, place: &str, schema: &Value) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object).filter(|properties| !properties.is_empty()) else { return };
    let required: BTreeSet<&str> =
        schema.get("required").and_then(Value::as_array).map(|names| names.iter().filter_map(Value::as_str).collect()).unwrap_or_default();
    let _ = writeln!(out, "\n[{place}.settings]");
    for (name, property) in properties {
        comment(out, property.get("description").and_then(Value::as_str).unwrap_or_default());
        let off = if required.contains(name.as_str()) { "" } else { "# " };
        let _ = writeln!(out, "{off}{} = {}", key(name), toml_of(&suggestion(property)));
    }
}

fn secrets(out: &mut String, tenant: &str, channel: &str, credentials: &[Credential]) {
    if credentials.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n[tenants.{tenant}.channels.{channel}.secrets]");
    for credential in credentials {
        let goes = match (&credential.origin, credential.sign) {
            (None, _) => "It never leaves the host.".to_owned(),
            (Some(AskedOrigin::Fixed(url)), _) => format!("It is sent to {url} only."),
            (Some(AskedOrigin::Setting(pointer)), _) => {
                format!("It is sent to the origin of the setting {} only.", pointer.trim_start_matches('/'))
            }
        };
        let (needed, off) = if credential.optional { (" Optional.", "# ") } else { ("", "") };
        comment(out, &format!("{}. {goes}{needed}", capitalised(credential.purpose.trim_end_matches('.'))));
        for field in &credential.fields {
            let _ = writeln!(out, "{off}{}.{} = {}", key(&credential.name), key(field), quoted(&secret_name(channel, credential, field)));
        }
    }
    let _ = writeln!(
        out,
        "\n# These belong into the table [tenants.{tenant}.secrets] you have, if you have one. Or: {{ file = \"/run/secrets/…\" }}, readable by the host alone."
    );
    let _ = writeln!(out, "[tenants.{tenant}.secrets]");
    for credential in credentials {
        let off = if credential.optional { "# " } else { "" };
        for field in &credential.fields {
            let name = secret_name(channel, credential, field);
            let _ = writeln!(out, "{off}{} = {{ env = {} }}", key(&name), quoted(&suggested_variable(tenant, &name)));
        }
    }
}

fn secret_name(channel: &str, credential: &Credential, field: &str) -> String {
    match credential.fields.len() {
        1 => format!("{channel}-{}", credential.name),
        _ => format!("{channel}-{}-{field}", credential.name),
    }
}

/// Where it wants to go: fixed origins, and those of settings as far as the schema suggests one.
fn origins(manifest: &Manifest, schema: &Value) -> BTreeSet<String> {
    let of_setting = |pointer: &str| {
        let property = pointer.strip_prefix('/').and_then(|name| schema.get("properties")?.get(name));
        let suggested = property.map(suggestion).and_then(|value| Some(Origin::of_url(value.as_str()?).ok()?.to_string()));
        suggested.unwrap_or_else(|| format!("https://{FILL_IN}"))
    };
    let asked = manifest.origins.iter().map(|origin| match origin {
        AskedOrigin::Fixed(url) => url.clone(),
        AskedOrigin::Setting(pointer) => of_setting(pointer),
    });
    asked.collect()
}

/// A value for a setting: its default, its first example, or something of its type.
fn suggestion(property: &Value) -> Value {
    let first = |name: &str| property.get(name).and_then(Value::as_array).and_then(|values| values.first()).cloned();
    property.get("default").cloned().or_else(|| first("examples")).or_else(|| first("enum")).unwrap_or_else(|| {
        match property.get("type").and_then(Value::as_str) {
            Some("integer" | "number") => property.get("minimum").cloned().unwrap_or_else(|| 0.into()),
            Some("boolean") => false.into(),
            Some("array") => Value::Array(Vec::new()),
            Some("object") => Value::Object(serde_json::Map::new()),
            _ => FILL_IN.into(),
        }
    })
}

fn toml_of(value: &Value) -> String {
    // What TOML cannot say (null) is left to the operator.
    match value {
        Value::String(text) => quoted(text),
        value => toml::Value::try_from(value).map_or_else(|_| quoted(FILL_IN), |value| value.to_string()),
    }
}

/// A text in one line: JSON's escapes are all escapes of TOML's basic strings too.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A name as a key: bare where TOML allows it.
fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
    if bare { name.to_owned() } else { quoted(name) }
}

/// A connector's words as a comment: they cannot end the line and become lines of the configuration.
fn comment(out: &mut String, text: &str) {
    let clean = on_one_line(text);
    if !clean.is_empty() {
        let _ = writeln!(out, "# {clean}");
    }
}

/// A connector's words without what could end a line or steer a terminal.
pub(super) fn on_one_line(text: &str) -> String {
    let clean: String = text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
    clean.trim().to_owned()
}

fn capitalised(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_connectors_words_cannot_become_lines_of_the_configuration() {
        let mut out = String::new();
        comment(&mut out, "Harmless.\n[tenants.demo.channels.x]\r\nprivate-network = true\u{2028}");
        assert_eq!(out.lines().count(), 1, "{out}");
        assert!(out.starts_with("# Harmless."), "{out}");
        assert_eq!(key("a\nb"), "\"a\\nb\"");
    }

    #[test]
    fn settings_are_suggested_by_what_their_schema_says() {
        for (property, expected) in [
            (json!({ "type": "string", "default": "v24.0", "examples": ["v1.0"] }), "\"v24.0\""),
            (json!({ "type": "string", "examples": ["https://a.example"] }), "\"https://a.example\""),
            (json!({ "enum": ["now", "beginning"] }), "\"now\""),
            (json!({ "type": "string" }), "\"FILL-IN\""),
            (json!({ "type": "integer", "minimum": 5 }), "5"),
            (json!({ "default": [{ "type": "email" }] }), "[{ type = \"email\" }]"),
            (json!({ "default": null }), "\"FILL-IN\""),
        ] {
            assert_eq!(toml_of(&suggestion(&property)), expected, "{property}");
        }
    }
}
