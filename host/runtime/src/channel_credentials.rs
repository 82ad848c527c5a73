//! What the guests of one channel may do with its credentials: sign, compare, renew. Nothing here gives a secret away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ring::hmac;

use crate::contract::Mac;
use crate::guest::Credentials;
use crate::outbound::{BoundField, ChannelHttp};
use crate::prepared::Prepared;
use crate::secret::Secret;
use crate::signature;

/// The most bytes a guest has signed with a key that verifies deliveries.
const TOKEN_BYTES_MAX: usize = 256;

/// A secret of one field, and whether the manifest lets the guest use it.
struct SigningSecret {
    secret: Secret,
    guest_may_use: bool,
    verifies_deliveries: bool,
}

pub(crate) struct ChannelCredentials {
    usable: BTreeMap<String, SigningSecret>,
    declared: BTreeSet<String>,
    bound: BTreeSet<String>,
    compare_key: hmac::Key,
    http: Arc<ChannelHttp>,
}

impl ChannelCredentials {
    pub(crate) fn new(
        prepared: &Prepared,
        secrets: &BTreeMap<String, BTreeMap<String, BoundField>>,
        compare_key: hmac::Key,
        http: Arc<ChannelHttp>,
    ) -> Self {
        Self {
            usable: signing_secrets(prepared, secrets),
            declared: prepared.manifest().credentials.iter().map(|credential| credential.name.clone()).collect(),
            bound: secrets.keys().cloned().collect(),
            compare_key,
            http,
        }
    }

    /// The secret of a credential with one field, for the host's own use.
    pub(crate) fn signing(&self, credential: &str) -> Option<&Secret> {
        self.usable.get(credential).map(|found| &found.secret)
    }

    pub(crate) fn is_bound(&self, credential: &str) -> bool {
        self.bound.contains(credential)
    }

    fn usable(&self, credential: &str) -> Result<&SigningSecret, String> {
        self.bound(credential)?;
        match self.usable.get(credential) {
            Some(found) if found.guest_may_use => Ok(found),
            Some(_) => Err(format!("the manifest does not declare {credential} for signing: set its `sign`")),
            None => Err(format!("{credential} has several fields: signing needs exactly one")),
        }
    }
}

impl Credentials for ChannelCredentials {
    fn sign(&self, credential: &str, mac: Mac, data: &[u8]) -> Result<Vec<u8>, String> {
        let found = self.usable(credential)?;
        if found.verifies_deliveries && !is_token(data) {
            return Err(format!(
                "{credential} verifies deliveries, and what is to be signed could be one: with it only tokens are signed, at most \
                 {TOKEN_BYTES_MAX} bytes of letters, digits, spaces and +/=_-.:~"
            ));
        }
        Ok(signature::mac(mac, &found.secret, &[data]))
    }

    fn matches(&self, credential: &str, candidate: &str) -> Result<bool, String> {
        self.usable(credential).map(|found| signature::same_text(&self.compare_key, &found.secret, candidate))
    }

    fn renew(&self, credential: &str) -> Result<(), String> {
        self.http.renew(credential)
    }

    fn bound(&self, credential: &str) -> Result<(), String> {
        match credential {
            _ if !self.declared.contains(credential) => Err(format!("the manifest declares no credential {credential}")),
            _ if !self.is_bound(credential) => Err(format!("the operator bound no secret to {credential}")),
            _ => Ok(()),
        }
    }
}

/// Whether it is a token as platforms challenge with, and no document. A challenge is not signed: whoever asks has it answered, and could post what
/// was signed for them.
fn is_token(data: &[u8]) -> bool {
    data.len() <= TOKEN_BYTES_MAX && data.iter().all(|byte| byte.is_ascii_alphanumeric() || b" +/=_-.:~".contains(byte))
}

fn signing_secrets(prepared: &Prepared, secrets: &BTreeMap<String, BTreeMap<String, BoundField>>) -> BTreeMap<String, SigningSecret> {
    let manifest = prepared.manifest();
    let mut usable = BTreeMap::new();
    for credential in &manifest.credentials {
        let [field] = credential.fields.as_slice() else { continue };
        let secret = match secrets.get(&credential.name).and_then(|fields| fields.get(field)) {
            Some(BoundField::Secret(secret)) => secret.clone(),
            Some(BoundField::Plain(text)) => Secret::new(text.clone()),
            None => continue,
        };
        let verifies_deliveries = manifest.signatures.iter().any(|signature| signature.credential == credential.name);
        usable.insert(credential.name.clone(), SigningSecret { secret, guest_may_use: credential.sign, verifies_deliveries });
    }
    usable
}
