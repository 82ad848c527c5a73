//! What a guest may ask for, and what the host adds to it.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Request, Uri};
use http_body_util::Full;
use jiff::Timestamp;
use tokio::time::Instant;

use super::Origin;
use super::credential::{BoundCredential, Place, Rendered};
use super::failure::Failure;
use super::oauth1::{self, Keys, Signed};
use super::session::Session;
use crate::contract::RequestSigning;
use crate::form::is_form;

/// What the host calls itself where the guest says nothing. Platforms ask for a name.
pub(super) const USER_AGENT: &str = concat!("sportello/", env!("CARGO_PKG_VERSION"));

/// Headers only the host sets. A guest that sends one is refused, so that nobody believes it had an effect. `proxy-*` belongs to them.
const HOST_ONLY: [HeaderName; 8] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::HOST,
    header::CONNECTION,
    header::UPGRADE,
    header::EXPECT,
    header::TRANSFER_ENCODING,
    HeaderName::from_static("keep-alive"),
];

/// Headers of a guest that are quietly left out: the host frames the message and asks for unencoded answers.
const LEFT_OUT: [HeaderName; 4] = [header::ACCEPT_ENCODING, header::CONTENT_LENGTH, header::TE, header::TRAILER];

/// The header in which a guest names the one credential that its request is to be made with. It goes to nobody.
const NAMES_CREDENTIAL: HeaderName = HeaderName::from_static("sportello-credential");

/// A guest's request that may be sent.
pub(super) struct Allowed {
    pub(super) origin: Origin,
    pub(super) method: Method,
    /// The only credential it carries; None: all of its origin.
    pub(super) credential: Option<String>,
    /// Path and query, beginning with `/`.
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

/// Which origins a channel may call.
pub(super) struct AllowList {
    pub(super) channel: String,
    /// What the connector asks for.
    pub(super) declared: BTreeSet<Origin>,
    /// What the operator gives.
    pub(super) granted: BTreeSet<Origin>,
}

impl AllowList {
    fn check(&self, origin: &Origin) -> Result<(), Failure> {
        let reason = match (self.declared.contains(origin), self.granted.contains(origin)) {
            (true, true) => return Ok(()),
            (true, false) => {
                format!("{origin} is not granted; if it is meant, add to the grant of channel {:?}: origins = [\"{origin}\"]", self.channel)
            }
            (false, _) => {
                let declared: Vec<_> = self.declared.iter().map(ToString::to_string).collect();
                format!(
                    "{origin} is not among the origins the connector declares ({}); a grant alone cannot allow it: the connector's manifest \
                     must name it, or the setting it stands in must be changed",
                    if declared.is_empty() { "none".to_owned() } else { declared.join(", ") }
                )
            }
        };
        Err(Failure::Denied(reason))
    }
}

/// A credential of the request's origin, with its session if it has one.
pub(super) struct Used<'a> {
    pub(super) credential: &'a BoundCredential,
    pub(super) session: Option<Arc<Session>>,
}

impl Used<'_> {
    fn rendered(&self) -> &[Rendered] {
        match &self.session {
            Some(session) => &session.rendered,
            None => self.credential.standing(),
        }
    }
}

impl Allowed {
    /// Judges a guest's request. `credentialed` tells whether a credential is in play for an origin.
    pub(super) fn judge(
        request: Request<Bytes>,
        allow_list: &AllowList,
        header_bytes_max: usize,
        credentialed: impl Fn(&Origin) -> bool,
    ) -> Result<Self, Failure> {
        let (parts, body) = request.into_parts();
        let origin = Origin::of(&parts.uri).map_err(|reason| Failure::Denied(format!("its URL is not usable: {reason}")))?;
        allow_list.check(&origin)?;
        if parts.method == Method::CONNECT || parts.method == Method::TRACE {
            return Err(Failure::Denied(format!("the method {} is not for connectors", parts.method)));
        }
        let mut headers = parts.headers;
        for name in headers.keys() {
            if HOST_ONLY.contains(name) || name.as_str().starts_with("proxy-") {
                return Err(Failure::Denied(format!(
                    "the guest set the header {name}, which only the host sets; secrets are declared as credentials with placements in the \
                     connector's manifest"
                )));
            }
            // Two halves of an echoed secret, fetched one after the other, would both look innocent.
            if (*name == header::RANGE || *name == header::IF_RANGE) && credentialed(&origin) {
                return Err(Failure::Denied(format!("the guest set the header {name} on a request that carries a credential")));
            }
        }
        let credential = headers.remove(NAMES_CREDENTIAL).map(|name| String::from_utf8_lossy(name.as_bytes()).into_owned());
        for name in LEFT_OUT {
            headers.remove(name);
        }
        let target = parts.uri.path_and_query().map_or("/", |target| target.as_str());
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        let header_bytes = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>() + target.len();
        if header_bytes > header_bytes_max {
            return Err(Failure::RequestHeaders { origin, max: header_bytes_max });
        }
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.entry(header::USER_AGENT).or_insert(HeaderValue::from_static(USER_AGENT));
        Ok(Self { origin, method: parts.method, credential, target, headers, body })
    }

    /// The path, for cookies.
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or("/")
    }

    /// The request as it goes out, with every placement of `used` filled. A value of the guest's own in a place of the host's is refused.
    /// Last of all it is signed, as of `clock`.
    pub(super) fn with_credentials(&self, used: &[Used<'_>], now: Instant, clock: Timestamp) -> Result<Request<Full<Bytes>>, Failure> {
        let mut headers = self.headers.clone();
        let mut target = self.target.clone();
        let mut body = self.body.clone();
        for used in used {
            for rendered in used.rendered() {
                let taken = match &rendered.place {
                    Place::Header(name) => put_header(&mut headers, name, rendered.value.expose()),
                    Place::Query(name) => put_query(&mut target, name, rendered.value.expose()),
                    Place::Form(name) if is_form(&headers) => put_form(&mut body, name, rendered.value.expose()),
                    Place::Form(_) => Ok(()),
                };
                taken.map_err(|Taken| {
                    Failure::Denied(format!("the guest set the {} itself; credential {:?} fills it", rendered.place, used.credential.name))
                })?;
            }
            if let Some(cookies) = used.session.as_ref().and_then(|session| session.cookies(self.path(), now)) {
                add_cookies(&mut headers, cookies);
            }
        }
        for used in used {
            let Some(RequestSigning::Oauth1HmacSha1) = used.credential.signing else { continue };
            let signed = Signed {
                method: self.method.as_str(),
                origin: &self.origin.to_string(),
                target: &target,
                form: is_form(&headers).then_some(&body),
            };
            // All its fields are bound, or it would not be used.
            let keys = Keys::of(&used.credential.fields);
            let header = keys.zip(oauth1::nonce()).map(|(keys, nonce)| keys.authorization(&signed, clock.as_second(), &nonce));
            let header = header.ok_or_else(|| Failure::Denied(format!("credential {:?} cannot sign now", used.credential.name)))?;
            put_header(&mut headers, &header::AUTHORIZATION, &header).map_err(|Taken| {
                Failure::Denied(format!("the guest set the header authorization itself; credential {:?} fills it", used.credential.name))
            })?;
        }
        let uri: Uri = format!("{}{target}", self.origin)
            .parse()
            .map_err(|_| Failure::Denied("its URL is not usable once the credentials are in it".to_owned()))?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

/// Several credentials of one origin share the header: RFC 6265 wants one.
fn add_cookies(headers: &mut HeaderMap, cookies: HeaderValue) {
    let joined = headers.get(header::COOKIE).map(|present| [present.as_bytes(), b"; ", cookies.as_bytes()].concat());
    // Two valid values with a valid separator between them are a valid value.
    let mut cookies = joined.and_then(|joined| HeaderValue::from_bytes(&joined).ok()).unwrap_or(cookies);
    cookies.set_sensitive(true);
    headers.insert(header::COOKIE, cookies);
}

/// Something stands there already.
#[derive(Debug)]
pub(super) struct Taken;

pub(super) fn put_header(headers: &mut HeaderMap, name: &HeaderName, value: &str) -> Result<(), Taken> {
    // `user-agent` is the host's own default unless the guest set it, and a credential may fill it.
    if headers.get(name).is_some_and(|present| *name != header::USER_AGENT || present != USER_AGENT) {
        return Err(Taken);
    }
    // Checked when the placement was filled.
    let mut value = HeaderValue::from_str(value).map_err(|_| Taken)?;
    value.set_sensitive(true);
    headers.insert(name.clone(), value);
    Ok(())
}

pub(super) fn put_query(target: &mut String, name: &str, value: &str) -> Result<(), Taken> {
    let present = target.split_once('?').map(|(_, query)| query.to_owned());
    if present.as_ref().is_some_and(|query| form_urlencoded::parse(query.as_bytes()).any(|(present, _)| present == name)) {
        return Err(Taken);
    }
    target.push(match &present {
        None => '?',
        Some(_) => '&',
    });
    target.push_str(&pair(name, value));
    Ok(())
}

fn put_form(body: &mut Bytes, name: &str, value: &str) -> Result<(), Taken> {
    if form_urlencoded::parse(body).any(|(present, _)| present == name) {
        return Err(Taken);
    }
    let mut filled = body.to_vec();
    if !filled.is_empty() {
        filled.push(b'&');
    }
    filled.extend_from_slice(pair(name, value).as_bytes());
    *body = filled.into();
    Ok(())
}

fn pair(name: &str, value: &str) -> String {
    form_urlencoded::Serializer::new(String::new()).append_pair(name, value).finish()
}
