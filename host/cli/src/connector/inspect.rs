//! `sportello connector inspect`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};
use sportello_runtime::contract::{
    Carrier, ConnectorKind, Credential, Idempotency, LinkPermission, Mac, Manifest, Origin, ReplyPermission,
};
use sportello_runtime::{Prepared, Runtime, RuntimeOptions};

use super::{grant_lines, read_component};
use crate::{Problem, output, tokio_runtime};

pub(crate) const EXAMPLES: &str = "Examples:
  sportello connector inspect wiki.wasm
  sportello connector inspect wiki.wasm --channel community --tenant acme > community.draft.toml
  sportello connector inspect wiki.wasm --json | jq .origins

The lines are a draft: what stands there as FILL-IN is yours to say, and every origin and secret is yours to refuse.";

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The component.
    file: PathBuf,
    /// The channel's name in the lines; left out: the connector's.
    #[arg(long, value_name = "NAME")]
    channel: Option<String>,
    /// The tenant's name in the lines.
    #[arg(long, env = "SPORTELLO_TENANT", value_name = "NAME", default_value = "demo")]
    tenant: String,
    /// One JSON object: everything the manifest says.
    #[arg(long)]
    json: bool,
}

impl Inspect {
    pub(crate) fn run(&self) -> Result<(), Problem> {
        let bytes = read_component(&self.file)?;
        let runtime = Runtime::new(RuntimeOptions::default())?;
        let prepared = tokio_runtime()?.block_on(runtime.prepare(&bytes)).map_err(|error| format!("{}: {error}", self.file.display()))?;
        let channel = self.channel.clone().unwrap_or_else(|| prepared.manifest().name.clone());
        super::channel_name(&channel)?;
        super::channel_name(&self.tenant)?;
        let lines = grant_lines::lines(&prepared, &self.file, &self.tenant, &channel);
        if self.json {
            return output::json_line(&document(&prepared, &lines));
        }
        for line in about(&prepared) {
            output::line(format!("# {}", grant_lines::on_one_line(&line)))?;
        }
        output::line(format!("#\n# What it asks for, as lines of the configuration:\n\n{}", lines.trim_end()))
    }
}

/// What it is, in a few lines.
fn about(prepared: &Prepared) -> Vec<String> {
    let manifest = prepared.manifest();
    let mut lines = vec![
        format!("{}: a {} of the network {}", prepared.label(), kind(manifest.kind), manifest.network),
        manifest.summary.clone(),
        format!("digest    {}", prepared.digest()),
        format!("exports   {}", prepared.capabilities().names().collect::<Vec<_>>().join(", ")),
    ];
    for action in &manifest.actions {
        lines.push(format!("action    {}: {}, visible within {} s", action.name, repetition(action.idempotency), action.settling_seconds));
    }
    for signature in &manifest.signatures {
        lines.push(format!(
            "signed    {} in the {}, with the credential {}",
            mac(signature.mac),
            carrier(&signature.carrier),
            signature.credential
        ));
    }
    for limit in &manifest.request_limits {
        lines.push(format!("requests  at most {} in {} s", limit.requests, limit.seconds));
    }
    if manifest.poll_seconds > 0 {
        lines.push(format!("polled    every {} s", manifest.poll_seconds));
    }
    lines.push(format!("policy    {}", policy(manifest)));
    lines
}

fn policy(manifest: &Manifest) -> String {
    let kept: Vec<String> = manifest.policy.retention.iter().map(|one| format!("{} kept {} h", one.class, one.hours)).collect();
    let reply = match manifest.policy.reply {
        ReplyPermission::Always => "answers allowed",
        ReplyPermission::Summoned => "automatic answers only to who addressed the company",
    };
    let hours = manifest.policy.recheck_hours;
    let looks = (hours > 0).then(|| format!("looks within {hours} h whether it is still there"));
    [format!("linking: {}", link(manifest.policy.link)), reply.to_owned()]
        .into_iter()
        .chain(kept)
        .chain(looks)
        .collect::<Vec<_>>()
        .join("; ")
}

fn document(prepared: &Prepared, lines: &str) -> Value {
    let manifest = prepared.manifest();
    json!({
        "digest": prepared.digest().to_string(),
        "name": manifest.name,
        "version": manifest.version,
        "kind": kind(manifest.kind),
        "network": manifest.network,
        "summary": manifest.summary,
        "capabilities": prepared.capabilities().names().collect::<Vec<_>>(),
        "origins": manifest.origins.iter().map(origin).collect::<Vec<_>>(),
        "credentials": manifest.credentials.iter().map(credential).collect::<Vec<_>>(),
        "signatures": manifest.signatures.iter().map(|signature| json!({
            "carrier": carrier(&signature.carrier), "mac": mac(signature.mac), "credential": signature.credential,
        })).collect::<Vec<_>>(),
        "actions": manifest.actions.iter().map(|action| json!({
            "name": action.name, "idempotency": idempotency(action.idempotency), "settling_seconds": action.settling_seconds,
        })).collect::<Vec<_>>(),
        "request_limits": manifest.request_limits.iter().map(|limit| json!({ "requests": limit.requests, "seconds": limit.seconds })).collect::<Vec<_>>(),
        "poll_seconds": manifest.poll_seconds,
        "state_version": manifest.state_version,
        "policy": {
            "link": link(manifest.policy.link),
            "reply_only_summoned": manifest.policy.reply == ReplyPermission::Summoned,
            "retention_hours": manifest.policy.retention.iter().map(|one| (one.class.clone(), one.hours.into())).collect::<serde_json::Map<_, _>>(),
            "recheck_hours": manifest.policy.recheck_hours,
        },
        "settings_schema": prepared.schema_document(),
        "configuration": lines,
    })
}

fn origin(origin: &Origin) -> Value {
    match origin {
        Origin::Fixed(url) => json!({ "fixed": url }),
        Origin::Setting(pointer) => json!({ "setting": pointer }),
    }
}

fn credential(credential: &Credential) -> Value {
    json!({
        "name": credential.name,
        "purpose": credential.purpose,
        "fields": credential.fields,
        "origin": credential.origin.as_ref().map(origin),
        "session": credential.session.is_some(),
        "sign": credential.sign,
    })
}

const fn kind(kind: ConnectorKind) -> &'static str {
    match kind {
        ConnectorKind::Channel => "channel",
        ConnectorKind::Crm => "crm",
        ConnectorKind::Enricher => "enricher",
    }
}

fn carrier(carrier: &Carrier) -> String {
    match carrier {
        Carrier::Header(name) => format!("header {name}"),
        Carrier::SignedField(name) => format!("form field {name}"),
    }
}

fn mac(mac: Mac) -> &'static str {
    match mac {
        Mac::HmacSha256 => "HMAC-SHA256",
        Mac::HmacSha1 => "HMAC-SHA1",
    }
}

const fn link(link: LinkPermission) -> &'static str {
    match link {
        LinkPermission::Evidence => "evidence",
        LinkPermission::Consent => "consent",
        LinkPermission::Forbidden => "forbidden",
    }
}

const fn idempotency(idempotency: Idempotency) -> &'static str {
    match idempotency {
        Idempotency::Idempotent => "idempotent",
        Idempotency::Keyed => "keyed",
        Idempotency::Findable => "findable",
        Idempotency::Unsafe => "unsafe",
    }
}

/// What a repetition would do, for people.
const fn repetition(idempotency: Idempotency) -> &'static str {
    match idempotency {
        Idempotency::Idempotent => "idempotent (repeating it changes nothing)",
        Idempotency::Keyed => "keyed (the platform recognises a repetition)",
        Idempotency::Findable => "findable (the connector looks before anything is repeated)",
        Idempotency::Unsafe => "unsafe (a person decides after an uncertain outcome)",
    }
}
