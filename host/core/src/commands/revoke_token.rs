//! Revoking a token.

use crate::commands::Accepted;
use crate::domain::access::{TOKENS, TokenRevoked};
use crate::draft::Draft;
use crate::event::Event;
use crate::ids::TokenId;
use crate::refusal::Refusal;

/// Revokes a token, at once and for ever.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokeToken {
    /// Which.
    pub token: TokenId,
}

impl RevokeToken {
    pub(super) fn decide<E: From<Event>>(&self, draft: &mut Draft<'_, E>) -> Result<Accepted, Refusal> {
        let token = draft.tables().get(&TOKENS, &self.token).ok_or_else(|| Refusal::not_found("token", self.token))?;
        if !token.revoked {
            draft.emit(TokenRevoked { token: self.token });
        }
        Ok(Accepted::Token(self.token))
    }
}
