//! One credential of a channel: what it is, what the operator bound to it, and where the host puts it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use ring::digest;
use serde_json::Value;
use zeroize::Zeroizing;

use super::login::Recipe;
use super::redact::REDACTED_BYTES_MIN;
use super::session::SessionSlot;
use super::template::{BoundField, Escape, Template, Values};
use super::{Origin, OutboundError};
use crate::Secret;
use crate::contract;

/// Headers a placement cannot fill: they frame the message or belong to the connection.
const HEADERS_OF_THE_HOST: [HeaderName; 9] = [
    header::HOST,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::TRANSFER_ENCODING,
    header::TE,
    header::TRAILER,
    header::UPGRADE,
];

/// A credential bound to a channel.
pub(super) struct BoundCredential {
    pub(super) name: String,
    /// None: it never leaves the host.
    pub(super) origin: Option<Origin>,
    pub(super) fields: BTreeMap<String, BoundField>,
    /// Fields the operator has not bound. While there are any, requests to the origin are refused.
    missing: Vec<String>,
    placements: Vec<Placement>,
    pub(super) session: Option<BoundSession>,
    pub(super) signing: Option<contract::RequestSigning>,
    /// The filled placements, if no session has to be waited for.
    standing: Vec<Rendered>,
}

/// The session part of a credential.
pub(super) struct BoundSession {
    pub(super) recipe: Recipe,
    pub(super) slot: Arc<SessionSlot>,
}

/// Where a secret goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    Header(HeaderName),
    Query(String),
    Form(String),
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Placement {
    place: Place,
    prefix: String,
    template: Template,
    base64: bool,
}

/// A filled placement.
#[derive(Clone)]
pub(super) struct Rendered {
    pub(super) place: Place,
    pub(super) value: Secret,
    /// The texts to be redacted: the filled template, and the same encoded. Empty if nothing secret is in it.
    pub(super) secrets: Vec<Secret>,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name) => write!(formatter, "header {name}"),
            Self::Query(name) => write!(formatter, "query parameter {name}"),
            Self::Form(name) => write!(formatter, "form field {name}"),
        }
    }
}

impl BoundCredential {
    /// Checks and compiles a credential of the manifest. `slot` finds the session store for a fingerprint of everything the session depends
    /// on.
    pub(super) fn new(
        declared: &contract::Credential,
        settings: &Value,
        bound: Option<&BTreeMap<String, BoundField>>,
        slot: impl FnOnce([u8; 32]) -> Arc<SessionSlot>,
    ) -> Result<Self, OutboundError> {
        let wrong = |reason: String| OutboundError::Credential { credential: declared.name.clone(), reason };
        let origin = match &declared.origin {
            Some(origin) => Some(
                resolve_origin(origin, settings)
                    .and_then(|found| found.ok_or_else(|| format!("its origin stands in a setting the channel does not have: {origin:?}")))
                    .map_err(wrong)?,
            ),
            None => None,
        };
        let fields = bound.cloned().unwrap_or_default();
        if let Some(unknown) = fields.keys().find(|name| !declared.fields.contains(name)) {
            return Err(wrong(format!("a field {unknown:?} is bound, but its fields are: {}", declared.fields.join(", "))));
        }
        if origin.is_some()
            && let Some((name, _)) = fields.iter().find(|(_, field)| field.is_secret() && field.text().len() < REDACTED_BYTES_MIN)
        {
            return Err(wrong(format!(
                "the secret of field {name:?} is shorter than {REDACTED_BYTES_MIN} bytes and could not be told from innocent text in an \
                 answer; use a longer one, or bind it as a plain value if it is no secret"
            )));
        }
        let missing: Vec<_> = declared.fields.iter().filter(|name| !fields.contains_key(*name)).cloned().collect();
        let mut names: Vec<&str> = declared.fields.iter().map(String::as_str).collect();
        let recipe = match &declared.session {
            Some(session) => Some(Recipe::compile(session, &mut names, settings).map_err(wrong)?),
            None => None,
        };
        let placements = declared
            .placements
            .iter()
            .map(|placement| Placement::compile(placement, &names, settings))
            .collect::<Result<Vec<_>, _>>()
            .map_err(wrong)?;
        let keeps_cookies = recipe.as_ref().is_some_and(Recipe::keeps_cookies);
        if keeps_cookies && placements.iter().any(|placement| placement.place == Place::Header(header::COOKIE)) {
            return Err(wrong("it fills the header cookie although its session keeps cookies".to_owned()));
        }
        if recipe.as_ref().is_some_and(|recipe| recipe.elsewhere().is_some() && recipe.keeps_cookies()) {
            return Err(wrong("its session keeps cookies of another origin than its own".to_owned()));
        }
        if origin.is_none() && (recipe.is_some() || !placements.is_empty() || declared.signing.is_some()) {
            return Err(wrong("it has placements or a session but no origin to use them with".to_owned()));
        }
        let mut credential = Self {
            name: declared.name.clone(),
            origin,
            fields,
            missing,
            placements,
            session: None,
            signing: declared.signing,
            standing: Vec::new(),
        };
        if let Some(recipe) = recipe {
            let fingerprint = credential.fingerprint(&recipe);
            credential.session = Some(BoundSession { recipe, slot: slot(fingerprint) });
        } else if credential.missing.is_empty() {
            credential.standing = credential.render(&credential.fields, &BTreeMap::new()).map_err(wrong)?;
        }
        Ok(credential)
    }

    /// Why it cannot be used, if it cannot.
    pub(super) fn unusable(&self) -> Option<String> {
        if self.missing.is_empty() {
            return None;
        }
        Some(format!("not bound: the operator must bind its fields {} to secrets of the channel", self.missing.join(", ")))
    }

    /// The filled placements of a credential without a session.
    pub(super) fn standing(&self) -> &[Rendered] {
        &self.standing
    }

    /// Fills all placements with these fields and what was captured. The error names the placement.
    pub(super) fn render(
        &self,
        fields: &BTreeMap<String, BoundField>,
        captured: &BTreeMap<String, Secret>,
    ) -> Result<Vec<Rendered>, String> {
        let values = Values { fields, captured };
        self.placements.iter().map(|placement| placement.render(values)).collect()
    }

    /// The headers it fills.
    pub(super) fn headers(&self) -> impl Iterator<Item = HeaderName> {
        let placed = self.placements.iter().filter_map(|placement| match &placement.place {
            Place::Header(name) => Some(name.clone()),
            Place::Query(_) | Place::Form(_) => None,
        });
        placed.chain(self.signing.map(|_| header::AUTHORIZATION))
    }

    /// The bound texts that must never be seen.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &str> {
        let fields = self.fields.values().filter(|field| field.is_secret()).map(BoundField::text);
        fields.chain(self.standing.iter().flat_map(|rendered| &rendered.secrets).map(Secret::expose))
    }

    /// Whether `value` is nothing but (a part of) something the operator declared plain: platforms put user names into cookies.
    pub(super) fn is_plain(&self, value: &str) -> bool {
        let decoded = percent_decode_str(value).decode_utf8_lossy().replace('+', " ");
        self.fields.values().any(|field| !field.is_secret() && field.text().contains(&decoded))
    }

    /// Equal for two generations whose sessions can stand in for each other.
    fn fingerprint(&self, recipe: &Recipe) -> [u8; 32] {
        let mut context = digest::Context::new(&digest::SHA256);
        let mut add = |text: &str| {
            context.update(&(text.len() as u64).to_le_bytes());
            context.update(text.as_bytes());
        };
        add(&format!("{:?} {:?} {recipe:?}", self.origin, self.placements));
        for (name, field) in &self.fields {
            add(name);
            add(if field.is_secret() { "secret" } else { "plain" });
            add(field.text());
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(context.finish().as_ref());
        fingerprint
    }
}

/// The origin meant by the manifest. None: it stands in a setting the channel does not have.
pub(super) fn resolve_origin(declared: &contract::Origin, settings: &Value) -> Result<Option<Origin>, String> {
    match declared {
        contract::Origin::Fixed(text) => Origin::parse(text).map(Some).map_err(|error| error.to_string()),
        contract::Origin::Setting(pointer) => match settings.pointer(pointer) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => {
                Origin::of_url(text).map(Some).map_err(|error| format!("the channel's setting {pointer}: {error}"))
            }
            Some(_) => Err(format!("the channel's setting {pointer} is not a string")),
        },
    }
}

impl Placement {
    pub(super) fn compile(declared: &contract::Placement, names: &[&str], settings: &Value) -> Result<Self, String> {
        let place = match &declared.place {
            contract::Place::Header(name) => {
                let name: HeaderName = name.parse().map_err(|_| format!("{name:?} is not the name of a header"))?;
                if HEADERS_OF_THE_HOST.contains(&name) || name.as_str().starts_with("proxy-") {
                    return Err(format!("the header {name} cannot be filled by a credential"));
                }
                Place::Header(name)
            }
            contract::Place::Query(name) => Place::Query(name.clone()),
            contract::Place::Form(name) => Place::Form(name.clone()),
        };
        let template = Template::compile(&declared.template, names, settings).map_err(|error| format!("{place}: {error}"))?;
        Ok(Self { place, prefix: declared.prefix.clone(), template, base64: declared.encoding == contract::Encoding::Base64 })
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn render(&self, values: Values<'_>) -> Result<Rendered, String> {
        let filled = self.template.fill(values, Escape::Plain).map_err(|error| format!("{}: {error}", self.place))?;
        let encoded = if self.base64 { Zeroizing::new(STANDARD.encode(&*filled.text)) } else { filled.text.clone() };
        let value = Zeroizing::new(format!("{}{}", self.prefix, *encoded));
        if matches!(self.place, Place::Header(_)) && HeaderValue::from_str(&value).is_err() {
            return Err(format!("{}: the value has characters a header cannot have", self.place));
        }
        let secrets = if filled.secret { vec![Secret::new(filled.text.as_str()), Secret::new(encoded.as_str())] } else { Vec::new() };
        Ok(Rendered { place: self.place.clone(), value: Secret::new(value.as_str()), secrets })
    }
}
