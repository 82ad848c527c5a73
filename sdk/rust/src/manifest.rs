//! The manifest, put together. What is not said is not asked for: no origin, no credential, no webhook, linking forbidden, replies only where
//! summoned.

use crate::{
    Action, Capture, Carrier, ConnectorKind, Credential, DigestText, Encoding, Expectation, Folder, Idempotency, LinkPermission, LoginBody,
    LoginStep, Mac, Manifest, NetworkPolicy, Origin, Place, Placement, ReplyPermission, RequestLimit, RequestSigning, Retention, Session,
    Signature,
};

impl Manifest {
    /// A touchpoint. `name` is lower-case words joined by `-`, `version` semantic, `network` the prefix of its identifiers (`facebook.id`).
    #[must_use]
    pub fn channel(name: &str, version: &str, network: &str) -> Self {
        Self::new(ConnectorKind::Channel, name, version, network)
    }

    /// A system of record.
    #[must_use]
    pub fn crm(name: &str, version: &str, system: &str) -> Self {
        Self::new(ConnectorKind::Crm, name, version, system)
    }

    fn new(kind: ConnectorKind, name: &str, version: &str, network: &str) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            kind,
            network: network.into(),
            summary: String::new(),
            configuration_schema: r#"{"type":"object","additionalProperties":false}"#.into(),
            origins: Vec::new(),
            folders: Vec::new(),
            credentials: Vec::new(),
            signatures: Vec::new(),
            actions: Vec::new(),
            request_limits: Vec::new(),
            poll_seconds: 0,
            state_version: 1,
            policy: NetworkPolicy {
                retention: Vec::new(),
                link: LinkPermission::Forbidden,
                reply: ReplyPermission::Summoned,
                recheck_hours: 0,
            },
        }
    }

    /// One line for the operator.
    #[must_use]
    pub fn summary(mut self, summary: &str) -> Self {
        self.summary = summary.into();
        self
    }

    /// JSON Schema (2020-12) of the channel's settings. Default: an empty object.
    #[must_use]
    pub fn settings_schema(mut self, schema: &str) -> Self {
        self.configuration_schema = schema.into();
        self
    }

    /// Asks for an origin.
    #[must_use]
    pub fn origin(mut self, origin: Origin) -> Self {
        if !self.origins.contains(&origin) {
            self.origins.push(origin);
        }
        self
    }

    /// Asks to read a folder of the host's machine whose path stands at this JSON pointer in the settings; it is found at `/name`.
    #[must_use]
    pub fn folder(mut self, name: &str, setting: &str) -> Self {
        self.folders.push(Folder { name: name.into(), setting: setting.into() });
        self
    }

    /// Asks for a credential, and for the origin it is sent to.
    #[must_use]
    pub fn credential(mut self, credential: Credential) -> Self {
        let origins = [credential.origin.clone(), credential.session.as_ref().and_then(|session| session.origin.clone())];
        self.credentials.push(credential);
        origins.into_iter().flatten().fold(self, Self::origin)
    }

    /// One way in which deliveries are signed. Without any, deliveries are refused.
    #[must_use]
    pub fn signature(mut self, signature: Signature) -> Self {
        self.signatures.push(signature);
        self
    }

    /// An action `publish` can do.
    #[must_use]
    pub fn action(mut self, action: Action) -> Self {
        self.actions.push(action);
        self
    }

    /// At most so many requests in so many seconds, per channel.
    #[must_use]
    pub fn request_limit(mut self, requests: u32, seconds: u32) -> Self {
        self.request_limits.push(RequestLimit { requests, seconds });
        self
    }

    /// How often `poll` or `changes` is asked unless the operator says otherwise. Default: never.
    #[must_use]
    pub fn poll_every(mut self, seconds: u32) -> Self {
        self.poll_seconds = seconds;
        self
    }

    /// Raised when the connector's state changes shape. Default: 1.
    #[must_use]
    pub fn state_version(mut self, version: u32) -> Self {
        self.state_version = version;
        self
    }

    /// Whether profiles may be linked to contacts. Default: never.
    #[must_use]
    pub fn link(mut self, link: LinkPermission) -> Self {
        self.policy.link = link;
        self
    }

    /// Whether a reply must be summoned. Default: yes.
    #[must_use]
    pub fn reply(mut self, reply: ReplyPermission) -> Self {
        self.policy.reply = reply;
        self
    }

    /// How many hours what came in may go without [`Recheck`](crate::Recheck) looking whether it is still there. Default: nobody looks.
    #[must_use]
    pub fn recheck_every(mut self, hours: u32) -> Self {
        self.policy.recheck_hours = hours;
        self
    }

    /// How long the network lets something of a class (`profile`, `content`, `raw`) be kept.
    #[must_use]
    pub fn retention(mut self, class: &str, hours: u32) -> Self {
        self.policy.retention.push(Retention { class: class.into(), hours });
        self
    }
}

impl Origin {
    /// `https://graph.facebook.com`: scheme, host and, if not the scheme's own, port.
    #[must_use]
    pub fn fixed(origin: &str) -> Self {
        Self::Fixed(origin.into())
    }

    /// The origin of the URL at this JSON pointer (`/base-url`) in the channel's settings.
    #[must_use]
    pub fn setting(pointer: &str) -> Self {
        Self::Setting(pointer.into())
    }
}

impl Placement {
    /// In a header, as it is. The template stands for itself but for `${field}` and `${/pointer/into/settings}`.
    #[must_use]
    pub fn header(name: &str, template: &str) -> Self {
        Self::new(Place::Header(name.into()), template)
    }

    /// In a query parameter.
    #[must_use]
    pub fn query(name: &str, template: &str) -> Self {
        Self::new(Place::Query(name.into()), template)
    }

    /// In a field of a form body.
    #[must_use]
    pub fn form(name: &str, template: &str) -> Self {
        Self::new(Place::Form(name.into()), template)
    }

    fn new(place: Place, template: &str) -> Self {
        Self { place, prefix: String::new(), template: template.into(), encoding: Encoding::Plain }
    }

    /// What stands before the encoded template: `Bearer `.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Encodes the filled template in base64.
    #[must_use]
    pub fn base64(mut self) -> Self {
        self.encoding = Encoding::Base64;
        self
    }
}

impl Credential {
    /// A secret with these fields, sent nowhere and used for nothing yet.
    #[must_use]
    pub fn new(name: &str, purpose: &str, fields: &[&str]) -> Self {
        Self {
            name: name.into(),
            purpose: purpose.into(),
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            origin: None,
            placements: Vec::new(),
            session: None,
            signing: None,
            optional: false,
            sign: false,
        }
    }

    /// A secret (field `secret`) that never leaves the host: verifies deliveries, answers challenges, is compared with verify tokens.
    #[must_use]
    pub fn signing(name: &str, purpose: &str) -> Self {
        Self { sign: true, ..Self::new(name, purpose, &["secret"]) }
    }

    /// A token (field `token`) sent as `Authorization: Bearer …` to one origin.
    #[must_use]
    pub fn bearer(name: &str, purpose: &str, origin: Origin) -> Self {
        Self::new(name, purpose, &["token"]).sent_to(origin).placement(Placement::header("authorization", "${token}").prefix("Bearer "))
    }

    /// User and password (fields `user`, `password`) sent as `Authorization: Basic …` to one origin.
    #[must_use]
    pub fn basic(name: &str, purpose: &str, origin: Origin) -> Self {
        Self::new(name, purpose, &["user", "password"])
            .sent_to(origin)
            .placement(Placement::header("authorization", "${user}:${password}").prefix("Basic ").base64())
    }

    /// An application's and an account's keys (fields `consumer-key`, `consumer-secret`, `token`, `token-secret`) with which the host signs
    /// each request to one origin by OAuth 1.0a.
    #[must_use]
    pub fn oauth1(name: &str, purpose: &str, origin: Origin) -> Self {
        let fields = ["consumer-key", "consumer-secret", "token", "token-secret"];
        Self { signing: Some(RequestSigning::Oauth1HmacSha1), ..Self::new(name, purpose, &fields).sent_to(origin) }
    }

    /// A refresh token that rotates (fields `client-id`, `client-secret`, `refresh-token`): the host fetches access tokens with it as `steps` say,
    /// sends them as `Authorization: Bearer …` to one origin, and keeps the newest refresh token in its vault. The steps capture
    /// `access-token`, `expires-in` and `refresh-token`; see [`LoginStep::refresh_token`].
    #[must_use]
    pub fn refreshed(name: &str, purpose: &str, origin: Origin, session: Session) -> Self {
        Self::new(name, purpose, &["client-id", "client-secret", "refresh-token"])
            .sent_to(origin)
            .session(session.lifetime_of("expires-in").rotating("refresh-token"))
            .placement(Placement::header("authorization", "${access-token}").prefix("Bearer "))
    }

    /// The channel works without it.
    #[must_use]
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// The only origin it is ever sent to.
    #[must_use]
    pub fn sent_to(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// Where in each request to that origin the host puts it.
    #[must_use]
    pub fn placement(mut self, placement: Placement) -> Self {
        self.placements.push(placement);
        self
    }

    /// How the host logs in with it.
    #[must_use]
    pub fn session(mut self, session: Session) -> Self {
        self.session = Some(session);
        self
    }
}

impl Session {
    /// A log-in of these requests, whose captured values placements can use. No cookies, no end but the platform's.
    #[must_use]
    pub fn new(steps: impl IntoIterator<Item = LoginStep>) -> Self {
        Self {
            origin: None,
            steps: steps.into_iter().collect(),
            cookies: false,
            lifetime_seconds: 0,
            lifetime_capture: None,
            rotates: Vec::new(),
            rotation_lifetime_capture: None,
            retry_at_header: None,
        }
    }

    /// Where the steps go, if not to the credential's own origin.
    #[must_use]
    pub fn at(mut self, origin: Origin) -> Self {
        self.origin = Some(origin);
        self
    }

    /// The captured value that says after how many seconds the session ends.
    #[must_use]
    pub fn lifetime_of(mut self, capture: &str) -> Self {
        self.lifetime_capture = Some(capture.into());
        self
    }

    /// The field that a captured value of the same name replaces for good, if the answer has one.
    #[must_use]
    pub fn rotating(mut self, field: &str) -> Self {
        self.rotates.push(field.into());
        self
    }

    /// The captured value that says after how many seconds the rotating field ends for good, so that a person must log in.
    #[must_use]
    pub fn rotation_lifetime_of(mut self, capture: &str) -> Self {
        self.rotation_lifetime_capture = Some(capture.into());
        self
    }

    /// The header in which the platform says, in seconds since 1970, until when it does not want another log-in: of an answer of 429, beside `Retry-After`.
    #[must_use]
    pub fn retry_at(mut self, header: &str) -> Self {
        self.retry_at_header = Some(header.into());
        self
    }

    /// Has the host keep and send cookies.
    #[must_use]
    pub fn cookies(mut self) -> Self {
        self.cookies = true;
        self
    }

    /// Gives the session up after this many seconds.
    #[must_use]
    pub fn lifetime(mut self, seconds: u32) -> Self {
        self.lifetime_seconds = seconds;
        self
    }
}

impl LoginStep {
    /// A `GET` of a path (a template) below the credential's origin.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self::new("GET", path, LoginBody::None)
    }

    /// A `POST` of a form whose values are templates.
    #[must_use]
    pub fn post_form(path: &str, fields: &[(&str, &str)]) -> Self {
        let fields = fields.iter().map(|(name, template)| ((*name).to_owned(), (*template).to_owned())).collect();
        Self::new("POST", path, LoginBody::Form(fields))
    }

    /// A `POST` of a JSON template; values are substituted inside its strings only.
    #[must_use]
    pub fn post_json(path: &str, template: &str) -> Self {
        Self::new("POST", path, LoginBody::Json(template.into()))
    }

    fn new(method: &str, path: &str, body: LoginBody) -> Self {
        Self { method: method.into(), path: path.into(), placements: Vec::new(), body, captures: Vec::new(), expect: Vec::new() }
    }

    /// The step by which OAuth 2.0 (RFC 6749, section 6) trades a refresh token for an access token: a form with these fields beside
    /// `grant_type` and `refresh_token`. The client's own id and secret go where the platform wants them: into more fields, or into
    /// [`LoginStep::placement`].
    #[must_use]
    pub fn refresh_token(path: &str, more: &[(&str, &str)]) -> Self {
        let fields: Vec<_> = [("grant_type", "refresh_token"), ("refresh_token", "${refresh-token}")].iter().chain(more).copied().collect();
        Self::post_form(path, &fields)
            .capture("access-token", "/access_token")
            .capture("expires-in", "/expires_in")
            .capture("refresh-token", "/refresh_token")
    }

    /// What this request alone carries in its headers or query.
    #[must_use]
    pub fn placement(mut self, placement: Placement) -> Self {
        self.placements.push(placement);
        self
    }

    /// Keeps a value of the JSON answer under this name.
    #[must_use]
    pub fn capture(mut self, name: &str, pointer: &str) -> Self {
        self.captures.push(Capture { name: name.into(), pointer: pointer.into() });
        self
    }

    /// What the JSON answer must say, or the log-in failed.
    #[must_use]
    pub fn expect(mut self, pointer: &str, equals: &str) -> Self {
        self.expect.push(Expectation { pointer: pointer.into(), equals: equals.into() });
        self
    }
}

impl Signature {
    /// HMAC-SHA256 of the raw body, in hexadecimal digits, in this header.
    #[must_use]
    pub fn hmac_sha256(header: &str, credential: &str) -> Self {
        Self::new(Carrier::Header(header.into()), credential)
    }

    /// HMAC-SHA256 in a field of a form body: `base64url(digest).base64url(document)`. The connector is handed the document.
    #[must_use]
    pub fn signed_field(field: &str, credential: &str) -> Self {
        Self::new(Carrier::SignedField(field.into()), credential)
    }

    fn new(carrier: Carrier, credential: &str) -> Self {
        Self {
            carrier,
            prefix: String::new(),
            prefix_optional: false,
            mac: Mac::HmacSha256,
            digest_text: DigestText::Hex,
            signed_prefix: String::new(),
            credential: credential.into(),
        }
    }

    /// What stands before the digest in the header: `sha256=`.
    #[must_use]
    pub fn prefix(mut self, prefix: &str) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Accepts the digest without the prefix too.
    #[must_use]
    pub fn prefix_optional(mut self) -> Self {
        self.prefix_optional = true;
        self
    }

    /// The digest is written in base64.
    #[must_use]
    pub fn base64(mut self) -> Self {
        self.digest_text = DigestText::Base64;
        self
    }

    /// HMAC-SHA1 instead, for platforms that have nothing better.
    #[must_use]
    pub fn sha1(mut self) -> Self {
        self.mac = Mac::HmacSha1;
        self
    }

    /// What is put before the raw body when it is signed.
    #[must_use]
    pub fn signed_prefix(mut self, prefix: &str) -> Self {
        self.signed_prefix = prefix.into();
        self
    }
}

impl Action {
    /// An action, and what happens if it is repeated.
    #[must_use]
    pub fn new(name: &str, idempotency: Idempotency) -> Self {
        Self { name: name.into(), idempotency, settling_seconds: 0 }
    }

    /// How long an effect may take to become visible to `find`. Default: not at all.
    #[must_use]
    pub fn settling(mut self, seconds: u32) -> Self {
        self.settling_seconds = seconds;
        self
    }
}
