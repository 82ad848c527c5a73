//! What the stand-in is started with.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::super::random_hex;
use super::access::version_of;
use super::delivery::SignaturePrefix;

/// How long a webhook may take to answer a challenge, by default. [webhooks]
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(3);
/// How long a webhook may take to answer a POST, by default. Ours; no page names a time.
pub const DELIVERY_TIME_MAX: Duration = Duration::from_secs(20);
/// How long a version is served at least, in days. [versions]
const VERSION_LIFE: SignedDuration = SignedDuration::from_hours(335 * 24);

/// What the platform does with a comment that stands there already, by the same author below the same thing. No page tells; a post that does is
/// refused in any case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DuplicateComments {
    /// It is taken, and seen twice.
    Taken,
    /// 409 with the code `DUPLICATE_COMMENT`.
    Refused,
}

/// What a stand-in is started with. `Default` gives an organisation, random secrets and the platform's limits.
#[derive(Debug, Clone)]
pub struct LinkedInSettings {
    /// The organisation's id: digits.
    pub organization_id: String,
    /// The organisation's name.
    pub organization_name: String,
    /// The id of the member whose tokens these are, an administrator of the organisation.
    pub member_id: String,
    /// What challenges carry as `applicationId`.
    pub application_id: String,
    /// Names the app when it refreshes its token.
    pub client_id: String,
    /// What webhooks are signed with, and the app refreshes its token with.
    pub client_secret: String,
    /// What calls must bring at first.
    pub access_token: String,
    /// What gets another access token at first.
    pub refresh_token: String,
    /// What the tokens allow.
    pub scopes: Vec<String>,
    /// Whether a refresh gives another refresh token, and the one before is void (the voiding is ours). It never lives longer.
    pub gives_new_refresh_tokens: bool,
    /// The oldest version served, YYYYMM; the newest is the month of the platform's clock.
    pub oldest_version: String,
    /// Whether lists begin with what is newest. No page tells.
    pub lists_newest_first: bool,
    /// What is done with comments that stand there already.
    pub duplicate_comments: DuplicateComments,
    /// Whether an answer to an answer is taken (and stands below the comment above both) or refused with 400. No page tells; a client that
    /// relies on its being taken: <https://github.com/getopenpost/openpost/pull/244>.
    pub takes_answers_to_answers: bool,
    /// Whether signatures have a prefix.
    pub signature_prefix: SignaturePrefix,
    /// When the platform's clock starts.
    pub now: Timestamp,
    /// How long a webhook may take to answer a challenge, in real time.
    pub answer_time_max: Duration,
    /// How long a webhook may take to answer a POST, in real time.
    pub delivery_time_max: Duration,
    /// The loopback port of its API; 0: a free one.
    pub port: u16,
    /// Seeds every choice (disorder, duplicates, spellings of URNs).
    pub seed: u64,
}

impl Default for LinkedInSettings {
    fn default() -> Self {
        let now = Timestamp::now();
        Self {
            organization_id: "96072893".to_owned(),
            organization_name: "Telefonia Sole".to_owned(),
            member_id: "a7Kd0wPq2Z".to_owned(),
            application_id: "214758364".to_owned(),
            client_id: "78sole0telefonia".to_owned(),
            client_secret: random_hex(16),
            access_token: format!("AQV{}", random_hex(24)),
            refresh_token: format!("AQW{}", random_hex(24)),
            scopes: ["r_organization_social", "w_organization_social", "rw_organization_admin"].map(str::to_owned).to_vec(),
            gives_new_refresh_tokens: false,
            oldest_version: version_of(now - VERSION_LIFE),
            lists_newest_first: false,
            duplicate_comments: DuplicateComments::Taken,
            takes_answers_to_answers: false,
            signature_prefix: SignaturePrefix::Alternating,
            now,
            answer_time_max: ANSWER_TIME_MAX,
            delivery_time_max: DELIVERY_TIME_MAX,
            port: 0,
            seed: 1,
        }
    }
}
