//! Making a token.

use crate::commands::Accepted;
use crate::domain::access::{Role, TOKENS_BY_HASH, TokenCreated, TokenHash};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::TokenId;
use crate::numbers::Counter;
use crate::refusal::Refusal;

/// Makes a token. The secret was drawn and shown by the edge; only its hash comes here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateToken {
    /// Whose it is.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The secret's SHA-256.
    pub hash: TokenHash,
}

impl CreateToken {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        if self.name.trim().is_empty() || self.name.len() > 64 {
            return Err(Refusal::Invalid("a token's name has 1 to 64 characters, for example \"anna\"".to_owned()));
        }
        if let Some(token) = draft.tables().get(&TOKENS_BY_HASH, &self.hash) {
            return Ok(Accepted::Token(token));
        }
        let token = TokenId(draft.next(Counter::Token));
        draft.emit(TokenCreated { token, name: self.name.clone(), role: self.role, hash: self.hash });
        Ok(Accepted::Token(token))
    }
}
