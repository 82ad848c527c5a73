//! A stand-in for LinkedIn's organisation pages: the Community Management API that answers, and the webhook sender that calls.
//!
//! Tests play people ([`LinkedIn::comment`], [`LinkedIn::edit`], …); each act becomes a *notification* that waits to be sent and can be
//! pulled. Sending is driven by the test: [`LinkedIn::deliver`] posts what waits, [`LinkedIn::advance`] moves the platform's clock (nothing
//! here looks at the wall clock to decide), [`LinkedIn::deliver_due`] repeats what was not acknowledged. It keeps the counts by which
//! "nothing lost, nothing doubled" is judged from outside.
//!
//! Sources of the rules, cited at each as [webhooks], [notifications], …; where none is cited, the rule is ours and says so:
//! - webhooks: <https://learn.microsoft.com/en-us/linkedin/shared/api-guide/webhook-validation>
//! - notifications:
//!   <https://learn.microsoft.com/en-us/linkedin/marketing/community-management/organizations/organization-social-action-notifications>
//! - comments: <https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/comments-api>
//! - versions: <https://learn.microsoft.com/en-us/linkedin/marketing/versioning>
//! - protocol: <https://learn.microsoft.com/en-us/linkedin/shared/api-guide/concepts/protocol-version>
//! - paging: <https://learn.microsoft.com/en-us/linkedin/shared/api-guide/concepts/pagination>
//! - errors: <https://learn.microsoft.com/en-us/linkedin/shared/api-guide/concepts/error-handling>
//! - limits: <https://learn.microsoft.com/en-us/linkedin/shared/api-guide/concepts/rate-limits>
//! - refresh: <https://learn.microsoft.com/en-us/linkedin/shared/authentication/programmatic-refresh-tokens>
//! - consent: <https://learn.microsoft.com/en-us/linkedin/shared/authentication/authorization-code-flow>
//! - posts: <https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/posts-api>
//! - little: <https://learn.microsoft.com/en-us/linkedin/marketing/community-management/shares/little-text-format>
//! - roles: <https://learn.microsoft.com/en-us/linkedin/marketing/community-management/organizations/organization-access-control-by-role>
//! - people: <https://learn.microsoft.com/en-us/linkedin/shared/integrations/people/profile-api>

mod access;
mod delivery;
mod posts;
mod query;
mod rest;
mod settings;
mod urn;
mod world;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use jiff::{SignedDuration, Timestamp};

pub use self::access::{DailyLimit, Tokens};
pub use self::delivery::{Forgery, SignaturePrefix};
pub use self::settings::{ANSWER_TIME_MAX, DELIVERY_TIME_MAX, DuplicateComments, LinkedInSettings};
pub use self::world::Person;

use self::access::Access;
use self::delivery::Standing;
use self::world::{Author, World};
use super::webhook::Outbox;
use super::{Faults, Reply, Serving, replies, signed};
use crate::error::Result;
use crate::http_client::HttpClient;

#[derive(Debug)]
struct Inside {
    world: World,
    outbox: Outbox,
    standing: Standing,
    access: Access,
    random: fastrand::Rng,
    organization_name: String,
    is_wrong_role: bool,
    comments_lag: SignedDuration,
    lists_newest_first: bool,
    duplicate_comments: DuplicateComments,
    takes_answers_to_answers: bool,
}

/// A running stand-in of the platform. Dropping it stops it.
#[derive(Debug)]
pub struct LinkedIn {
    settings: LinkedInSettings,
    serving: Serving,
    inside: Arc<Mutex<Inside>>,
    faults: Faults,
    /// For challenges.
    http: HttpClient,
    /// For notifications.
    webhook_http: HttpClient,
}

impl LinkedIn {
    /// Starts with default settings.
    ///
    /// # Errors
    /// When no loopback port can be bound.
    pub async fn start() -> Result<Self> {
        Self::start_with(LinkedInSettings::default()).await
    }

    /// Starts with these settings.
    ///
    /// # Errors
    /// When no loopback port can be bound.
    pub async fn start_with(settings: LinkedInSettings) -> Result<Self> {
        let organization = format!("urn:li:organization:{}", settings.organization_id);
        let inside = Arc::new(Mutex::new(Inside {
            world: World::new(&organization, &settings.member_id, settings.now, settings.seed),
            outbox: Outbox::new(delivery::RULES),
            standing: Standing::default(),
            access: Access::new(&settings),
            random: fastrand::Rng::with_seed(settings.seed),
            organization_name: settings.organization_name.clone(),
            is_wrong_role: false,
            comments_lag: SignedDuration::ZERO,
            lists_newest_first: settings.lists_newest_first,
            duplicate_comments: settings.duplicate_comments,
            takes_answers_to_answers: settings.takes_answers_to_answers,
        }));
        let faults = Faults::default();
        let router = Router::new().fallback(rest::serve).with_state(Arc::clone(&inside));
        let serving = Serving::start_at(settings.port, router, faults.clone()).await?;
        let (http, webhook_http) = (HttpClient::new(settings.answer_time_max), HttpClient::new(settings.delivery_time_max));
        Ok(Self { settings, serving, inside, faults, http, webhook_http })
    }

    /// `http://127.0.0.1:port`: what `https://api.linkedin.com` (calls put `/rest/…` behind it) and `https://www.linkedin.com`
    /// (`/oauth/v2/…`) are elsewhere.
    pub fn api_url(&self) -> String {
        self.serving.base_url()
    }

    /// The organisation's id.
    pub fn organization_id(&self) -> &str {
        &self.settings.organization_id
    }

    /// `urn:li:organization:…`.
    pub fn organization_urn(&self) -> String {
        format!("urn:li:organization:{}", self.settings.organization_id)
    }

    /// What challenges carry as `applicationId`.
    pub fn application_id(&self) -> &str {
        &self.settings.application_id
    }

    /// Names the app.
    pub fn client_id(&self) -> &str {
        &self.settings.client_id
    }

    /// What webhooks are signed with, and the app refreshes its token with.
    pub fn client_secret(&self) -> &str {
        &self.settings.client_secret
    }

    /// The tokens given out last.
    pub fn tokens(&self) -> Tokens {
        self.inside().access.tokens()
    }

    /// The access token given out last.
    pub fn access_token(&self) -> String {
        self.tokens().access_token
    }

    /// The refresh token given out last; empty when it was revoked.
    pub fn refresh_token(&self) -> String {
        self.tokens().refresh_token
    }

    /// The newest version served now, YYYYMM.
    pub fn newest_version(&self) -> String {
        access::version_of(self.now())
    }

    /// What can be made to go wrong with calls of the API.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    // --- what people do ---------------------------------------------------------------------------------------------------------------

    /// A new member.
    pub fn person(&self, name: &str) -> Person {
        self.inside().world.person(name, false)
    }

    /// A new member who does not let apps see who acted.
    pub fn hidden_person(&self, name: &str) -> Person {
        self.inside().world.person(name, true)
    }

    /// The organisation posts; gives the post's URN (of a share or a ugcPost). Nobody is told.
    pub fn post(&self, text: &str) -> String {
        self.inside().world.post(Author::Organization, text)
    }

    /// Somebody comments on a post or answers a comment; gives the comment's URN in the long spelling.
    ///
    /// # Panics
    /// When there is no such post or comment: a slip in the test.
    pub fn comment(&self, author: &Person, target: &str, text: &str) -> String {
        let made = self.inside().world.comment(Author::Member(author.clone()), target, text);
        made.expect("the test comments on something that exists")
    }

    /// An employee comments by hand, on the site, as the organisation; gives the comment's URN.
    ///
    /// # Panics
    /// When there is no such post or comment.
    pub fn admin_comment(&self, target: &str, text: &str) -> String {
        let made = self.inside().world.comment(Author::Organization, target, text);
        made.expect("the test comments on something that exists")
    }

    /// The author changes a comment, which keeps its id, or a post, of which nobody is told.
    ///
    /// # Panics
    /// When there is no such post or comment.
    pub fn edit(&self, urn: &str, text: &str) {
        self.inside().world.edit(urn, text).expect("the test edits something that exists");
    }

    /// The author removes a comment or post, with all below it.
    ///
    /// # Panics
    /// When there is no such post or comment.
    pub fn remove(&self, urn: &str) {
        self.inside().world.remove(urn).expect("the test removes something that exists");
    }

    /// Somebody likes a post or comment.
    ///
    /// # Panics
    /// When there is no such post or comment.
    pub fn like(&self, author: &Person, target: &str) {
        self.inside().world.like(author, target).expect("the test likes something that exists");
    }

    /// Somebody shares a post; gives the URN of theirs.
    ///
    /// # Panics
    /// When there is no such post.
    pub fn share(&self, author: &Person, post: &str, text: &str) -> String {
        self.inside().world.share(author, post, text).expect("the test shares something that exists")
    }

    /// Somebody names the organisation in a post of theirs (`SHARE_MENTION`); gives the post's URN.
    pub fn mention(&self, author: &Person, text: &str) -> String {
        self.inside().world.mention(author, text)
    }

    /// The platform tells of an action nobody knows.
    pub fn unknown_action(&self) {
        self.inside().world.unknown_action();
    }

    // --- the platform's own state -----------------------------------------------------------------------------------------------------

    /// The platform's clock.
    pub fn now(&self) -> Timestamp {
        self.inside().world.now()
    }

    /// Moves the platform's clock: redeliveries and challenges come due, tokens end, daily limits begin anew.
    pub fn advance(&self, time: Duration) {
        self.inside().world.advance(signed(time));
    }

    /// Refuses all calls for this long on the platform's clock, as it does to protect itself. [limits]
    pub fn limit_rate(&self, time: Duration) {
        let mut inside = self.inside();
        let until = inside.world.now() + signed(time);
        inside.access.limit_rate(until);
    }

    /// From now on this many calls of each resource are taken in a day; the count begins anew at midnight UTC. [limits]
    pub fn limit_calls_per_day(&self, limit: DailyLimit, calls: u64) {
        self.inside().access.limit_calls_per_day(limit, calls);
    }

    /// Comments stand in lists only when they are this old; they can be read by their id at once. Ours: lists may lag behind.
    pub fn late_comments(&self, lag: Duration) {
        self.inside().comments_lag = signed(lag);
    }

    /// What happens from now on can be pulled only so much later; it is delivered at once. Ours, as above.
    pub fn late_notifications(&self, lag: Duration) {
        self.inside().world.list_late(signed(lag));
    }

    /// Takes the administrator's role from the member whose tokens these are, or gives it back: without it lists are empty, writing is
    /// refused, and notifications are not sent.
    pub fn wrong_role(&self, is_wrong: bool) {
        self.inside().is_wrong_role = is_wrong;
    }

    /// The app asks for other scopes: all its tokens are void (`REVOKED_ACCESS_TOKEN`) until [`LinkedIn::authorize`]. [consent]
    pub fn change_scopes(&self, scopes: &[&str]) {
        self.inside().access.change_scopes(scopes);
    }

    /// The member consents anew: new tokens with the scopes asked for last, and a new year for the refresh token.
    pub fn authorize(&self) -> Tokens {
        let mut inside = self.inside();
        let now = inside.world.now();
        inside.access.authorize(now)
    }

    /// Ends all access tokens (`EXPIRED_ACCESS_TOKEN`); a refresh gives another.
    pub fn expire_token(&self) {
        let mut inside = self.inside();
        let now = inside.world.now();
        inside.access.expire_tokens(now);
    }

    /// Voids the refresh token: a refresh is refused (`invalid_grant`) until [`LinkedIn::authorize`]. [refresh]
    pub fn revoke_refresh_token(&self) {
        self.inside().access.revoke_refresh_token();
    }

    /// Serves no version older than this from now on (`NONEXISTENT_VERSION`). [versions]
    pub fn retire_versions_before(&self, version: &str) {
        self.inside().access.retire_versions_before(version);
    }

    // --- books ------------------------------------------------------------------------------------------------------------------------

    /// The text of a post or comment as people see it now; `None` when removed.
    pub fn text_of(&self, urn: &str) -> Option<String> {
        self.inside().world.text_of(urn)
    }

    /// Every reply taken through the API, in order, doubled ones included.
    pub fn replies(&self) -> Vec<Reply> {
        self.inside().world.replies().to_vec()
    }

    /// The organisation's posts made through the API, in order: URN and text as people see it.
    pub fn posts_by_api(&self) -> Vec<(String, String)> {
        self.inside().world.own_posts(true).map(|post| (post.urn.clone(), post.text.clone())).collect()
    }

    /// The replies to one post or comment.
    pub fn replies_to(&self, target: &str) -> Vec<Reply> {
        replies::to(self.inside().world.replies(), target)
    }

    /// Replies whose target and words were seen before, whatever the space between the words: what a customer would notice.
    pub fn doubled_replies(&self) -> Vec<Reply> {
        replies::doubled(self.inside().world.replies())
    }

    /// How many calls were answered 429.
    pub fn calls_over_limit(&self) -> u64 {
        self.inside().access.calls_over_limit()
    }

    /// How many access tokens were given for a refresh token.
    pub fn token_refreshes(&self) -> u64 {
        self.inside().access.refreshes()
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().expect("no panic while the platform is held")
    }
}
