//! What is delivered: comments on a page, signed as Facebook signs.

use std::sync::atomic::{AtomicU64, Ordering};

use hyper::body::Bytes;
use ring::hmac;

/// The page they are on.
pub(crate) const PAGE: &str = "104857600000001";
const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// An endless supply, each different from all others.
pub(crate) struct Deliveries {
    key: hmac::Key,
    made: AtomicU64,
}

impl Deliveries {
    pub(crate) fn new() -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), made: AtomicU64::new(0) }
    }

    /// What they are signed with.
    pub(crate) fn secret(&self) -> &'static str {
        SECRET
    }

    /// How many were made so far.
    pub(crate) fn made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }

    /// The next one's body, and its signature.
    pub(crate) fn next(&self) -> (Bytes, String) {
        let number = self.made.fetch_add(1, Ordering::Relaxed) + 1;
        let post = 77_000_000_000_000 + number;
        let at = 1_795_000_000 + number / 1_000;
        let body = format!(
            "{{\"object\":\"page\",\"entry\":[{{\"id\":\"{PAGE}\",\"time\":{at},\"changes\":[{{\"field\":\"feed\",\"value\":{{\
             \"from\":{{\"id\":\"{}\",\"name\":\"Ada Bianchi {number}\"}},\"message\":\"Da tre giorni il telefono non prende e nessuno risponde: \
             quando torna la linea? Aspetto una risposta. ({number})\",\"post_id\":\"{PAGE}_{post}\",\"comment_id\":\"{post}_{number}\",\
             \"parent_id\":\"{PAGE}_{post}\",\"created_time\":{at},\"item\":\"comment\",\"verb\":\"add\"}}}}]}}]}}",
            2_000_000_000 + number
        );
        let signature = format!("sha256={}", hex::encode(hmac::sign(&self.key, body.as_bytes())));
        (Bytes::from(body), signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_delivery_is_json_and_different() {
        let deliveries = Deliveries::new();
        let ((first, signature), (second, other)) = (deliveries.next(), deliveries.next());
        serde_json::from_slice::<serde_json::Value>(&first).unwrap();
        assert_ne!((first, signature), (second, other));
        assert_eq!(deliveries.made(), 2);
    }
}
