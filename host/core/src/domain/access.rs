//! Who may do what: tokens, by the hash of their secret.

use serde::{Deserialize, Serialize};

use crate::ids::TokenId;
use crate::tables::{Key, Table, Tables};
use crate::time::Timestamp;

/// Tokens by number.
pub const TOKENS: Table<TokenId, Token> = Table::new(100, "tokens");
/// Tokens by the SHA-256 of their secret.
pub const TOKENS_BY_HASH: Table<TokenHash, TokenId> = Table::new(101, "tokens-by-hash");

/// The SHA-256 of a token's secret (256 random bits, so a plain hash is enough).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenHash(pub [u8; 32]);

impl Key for TokenHash {
    fn write_to(&self, key: &mut Vec<u8>) {
        key.extend_from_slice(&self.0);
    }
}

/// What a token's holder may do. Each role may do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Read.
    Viewer,
    /// Work on cases and answer.
    Agent,
    /// Run channels, connectors and workflows.
    Operator,
    /// Everything: tokens and erasure too.
    Admin,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Token {
    /// Whose it is; the name that stands in the record of what was done with it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The secret's hash.
    pub hash: TokenHash,
    /// When it was made.
    pub created_at: Timestamp,
    /// Whether it has been revoked.
    pub revoked: bool,
}

/// A token was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenCreated {
    /// Its number.
    pub token: TokenId,
    /// Whose it is.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The secret's hash.
    pub hash: TokenHash,
}

/// A token was revoked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRevoked {
    /// Which.
    pub token: TokenId,
}

pub(crate) fn created(tables: &mut Tables, at: Timestamp, event: &TokenCreated) {
    let token = Token { name: event.name.clone(), role: event.role, hash: event.hash, created_at: at, revoked: false };
    tables.put(&TOKENS, &event.token, &token);
    tables.put(&TOKENS_BY_HASH, &event.hash, &event.token);
}

pub(crate) fn revoked(tables: &mut Tables, event: &TokenRevoked) {
    if let Some(token) = tables.get(&TOKENS, &event.token) {
        tables.delete(&TOKENS_BY_HASH, &token.hash);
        tables.put(&TOKENS, &event.token, &Token { revoked: true, ..token });
    }
}
