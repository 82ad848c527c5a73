//! Constructors of the contract's errors. Reasons are cut at the contract's limit.

use std::time::Duration;

use crate::limits::{REASON_BYTES_MAX, cut};
use crate::{Error, RateLimit, Retry};

impl Error {
    /// A passing failure, and nothing took effect: the host tries again, not sooner than `after` (at most 49 days).
    #[must_use]
    pub fn retry(after: Duration, reason: impl Into<String>) -> Self {
        let after_ms = u32::try_from(after.as_millis()).unwrap_or(u32::MAX);
        Self::Retry(Retry { after_ms, reason: cut(reason, REASON_BYTES_MAX) })
    }

    /// The platform's limit is reached, and nothing took effect: no call of this channel before `until` (RFC 3339 in UTC, see [`crate::time`]).
    #[must_use]
    pub fn rate_limited(until: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::RateLimited(RateLimit { until: until.into(), reason: cut(reason, REASON_BYTES_MAX) })
    }

    /// The credential does not work (any more): the host stops and tells the operator.
    #[must_use]
    pub fn auth(reason: impl Into<String>) -> Self {
        Self::Auth(cut(reason, REASON_BYTES_MAX))
    }

    /// It will never work: the host does not try again and says this reason to a person.
    #[must_use]
    pub fn reject(reason: impl Into<String>) -> Self {
        Self::Reject(cut(reason, REASON_BYTES_MAX))
    }

    /// What it asks of the host, in the contract's word: `retry`, `rate-limited`, `auth`, `reject`, `uncertain`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Retry(_) => "retry",
            Self::RateLimited(_) => "rate-limited",
            Self::Auth(_) => "auth",
            Self::Reject(_) => "reject",
            Self::Uncertain(_) => "uncertain",
        }
    }

    /// What it says went wrong.
    #[must_use]
    pub fn reason(&self) -> &str {
        match self {
            Self::Retry(retry) => &retry.reason,
            Self::RateLimited(limit) => &limit.reason,
            Self::Auth(reason) | Self::Reject(reason) | Self::Uncertain(reason) => reason,
        }
    }

    /// It may or may not have taken effect. The host looks with `find`, or asks a person; it never just repeats.
    #[must_use]
    pub fn uncertain(reason: impl Into<String>) -> Self {
        Self::Uncertain(cut(reason, REASON_BYTES_MAX))
    }
}
