//! A stand-in for X (Twitter): the second version of its API, and the webhook sender in both shapes.
//!
//! Tests play people ([`Twitter::post`], [`Twitter::reply`], …); each act that concerns the company becomes one or more *updates* that wait
//! to be sent. Sending is driven by the test: [`Twitter::deliver`] posts what waits, [`Twitter::advance`] moves the platform's clock (nothing
//! here looks at the wall clock to decide), [`Twitter::deliver_due`] repeats what was not answered 200. What the webhook does not bring, the
//! lists of the API do: some of what people write is told to nobody (see [`Twitter::reply`]), and redelivery ends after five minutes.
//!
//! Sources of the rules, cited at each:
//! - webhooks: <https://docs.x.com/x-api/webhooks/introduction> and `…/quickstart`
//! - activity: <https://docs.x.com/x-api/activity/introduction> and `…/event-payloads`
//! - account: <https://docs.x.com/x-api/account-activity/introduction>
//! - errors: <https://docs.x.com/x-api/fundamentals/response-codes-and-errors>
//! - limits: <https://docs.x.com/x-api/fundamentals/rate-limits>
//! - timelines: <https://docs.x.com/x-api/posts/timelines/introduction>, pages: <https://docs.x.com/x-api/fundamentals/pagination>
//! - lookup: <https://docs.x.com/x-api/posts/lookup/introduction>
//! - create: <https://docs.x.com/x-api/posts/manage-tweets/integrate>
//! - edits: <https://docs.x.com/x-api/fundamentals/edit-posts>, in the older shape
//!   <https://docs.x.com/x-api/enterprise-gnip-2.0/fundamentals/edit-tweets>
//! - length: <https://docs.x.com/fundamentals/counting-characters>
//! - oauth2: <https://docs.x.com/fundamentals/authentication/oauth-2-0/user-access-token>

mod access;
mod api;
mod fields;
mod length;
mod limits;
mod lists;
mod oauth1;
mod problem;
mod sender;
mod told;
mod view;
mod wording;
mod world;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use jiff::Timestamp;

pub use self::limits::{CallsMax, Endpoint, Limit, calls_max_default};
pub use self::sender::{Forgery, PAUSE_MAX};
pub use self::world::Person;
pub use super::webhook::{Counts, DeliveryPlan, DeliveryReport};

use self::access::Access;
use self::limits::Limits;
use self::oauth1::Keys;
use self::sender::Standing;
use self::world::World;
use super::webhook::Outbox;
use super::{Faults, Reply, Serving, random_hex, replies, signed};
use crate::error::Result;
use crate::http_client::HttpClient;

/// How long a webhook receiver may take, by default. [webhooks] An older page gives it three seconds.
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);

/// Which shape updates are sent in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payloads {
    /// The X Activity API's: one event in each POST.
    Activity,
    /// The older account activity's: several rows of several lists in one POST.
    AccountActivity,
    /// In turns, beginning with the X Activity API's.
    Both,
}

/// Which replies are taken through the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyRule {
    /// Only to somebody who named, quoted or answered the company: self-serve access since February 2026.
    Summoned,
    /// To everybody: enterprise access.
    Always,
}

/// What a stand-in is started with. `Default` gives a company, random secrets and the platform's limits.
#[derive(Debug, Clone)]
pub struct TwitterSettings {
    /// The company's user id: digits, above 2^53.
    pub user_id: String,
    /// The company's name.
    pub name: String,
    /// The company's handle, without `@`.
    pub handle: String,
    /// The application's key.
    pub consumer_key: String,
    /// The application's secret, which also signs webhooks.
    pub consumer_secret: String,
    /// The application's id in OAuth 2.
    pub client_id: String,
    /// The application's secret in OAuth 2.
    pub client_secret: String,
    /// The first access token of OAuth 2; it ends after two hours.
    pub access_token: String,
    /// The first refresh token; it serves once.
    pub refresh_token: String,
    /// What the tokens of OAuth 2 are good for: scopes with spaces between them.
    pub scope: String,
    /// The token of OAuth 1.0a, which does not end.
    pub oauth1_token: String,
    /// That token's secret.
    pub oauth1_token_secret: String,
    /// When the platform's clock starts.
    pub now: Timestamp,
    /// How long a receiver may take, in real time.
    pub answer_time_max: Duration,
    /// The loopback port of its API; 0: a free one.
    pub port: u16,
    /// Seeds every choice.
    pub seed: u64,
    /// Which shape updates are sent in.
    pub payloads: Payloads,
    /// Which replies are taken.
    pub reply_rule: ReplyRule,
    /// How many calls each endpoint takes in 15 minutes and in 24 hours.
    pub calls_max: CallsMax,
}

impl Default for TwitterSettings {
    fn default() -> Self {
        Self {
            user_id: "1499874563210987655".to_owned(),
            name: "Telefonia Sole".to_owned(),
            handle: "TelefoniaSole".to_owned(),
            consumer_key: random_hex(12),
            consumer_secret: random_hex(25),
            client_id: random_hex(17),
            client_secret: random_hex(25),
            access_token: random_hex(32),
            refresh_token: random_hex(32),
            scope: access::SCOPE.to_owned(),
            oauth1_token: format!("1499874563210987655-{}", random_hex(15)),
            oauth1_token_secret: random_hex(22),
            now: Timestamp::now(),
            answer_time_max: ANSWER_TIME_MAX,
            port: 0,
            seed: 1,
            payloads: Payloads::Activity,
            reply_rule: ReplyRule::Summoned,
            calls_max: calls_max_default(),
        }
    }
}

#[derive(Debug)]
struct Inside {
    world: World,
    outbox: Outbox,
    standing: Option<Standing>,
    access: Access,
    limits: Limits,
    random: fastrand::Rng,
    reply_rule: ReplyRule,
    has_partial_errors: bool,
    unsummoned_refused: u64,
}

/// A running stand-in of the platform. Dropping it stops it.
#[derive(Debug)]
pub struct Twitter {
    settings: TwitterSettings,
    serving: Serving,
    inside: Arc<Mutex<Inside>>,
    faults: Faults,
    http: HttpClient,
}

impl Twitter {
    /// Starts with default settings.
    ///
    /// # Errors
    /// When no loopback port can be bound.
    pub async fn start() -> Result<Self> {
        Self::start_with(TwitterSettings::default()).await
    }

    /// Starts with these settings.
    ///
    /// # Errors
    /// When no loopback port can be bound.
    pub async fn start_with(settings: TwitterSettings) -> Result<Self> {
        let company = Person { id: settings.user_id.clone(), name: settings.name.clone(), handle: settings.handle.clone() };
        let keys = Keys {
            consumer_key: settings.consumer_key.clone(),
            consumer_secret: settings.consumer_secret.clone(),
            token: settings.oauth1_token.clone(),
            token_secret: settings.oauth1_token_secret.clone(),
        };
        let client = (settings.client_id.as_str(), settings.client_secret.as_str());
        let tokens = (settings.access_token.as_str(), settings.refresh_token.as_str());
        let inside = Arc::new(Mutex::new(Inside {
            world: World::new(company, &settings),
            outbox: Outbox::new(sender::RULES),
            standing: None,
            access: Access::new(client, tokens, &settings.scope, keys, settings.now),
            limits: Limits::new(settings.calls_max.clone()),
            random: fastrand::Rng::with_seed(settings.seed),
            reply_rule: settings.reply_rule,
            has_partial_errors: false,
            unsummoned_refused: 0,
        }));
        let faults = Faults::default();
        let router = Router::new().fallback(api::serve).with_state(Arc::clone(&inside));
        let serving = Serving::start_at(settings.port, router, faults.clone()).await?;
        let http = HttpClient::new(settings.answer_time_max);
        Ok(Self { settings, serving, inside, faults, http })
    }

    /// `http://127.0.0.1:port`: what `https://api.x.com` is elsewhere. Calls put `/2/…` behind it.
    pub fn api_url(&self) -> String {
        self.serving.base_url()
    }

    /// What it was started with.
    pub fn settings(&self) -> &TwitterSettings {
        &self.settings
    }

    /// The company's user id.
    pub fn user_id(&self) -> &str {
        &self.settings.user_id
    }

    /// What webhooks and challenges are signed with.
    pub fn consumer_secret(&self) -> &str {
        &self.settings.consumer_secret
    }

    /// The newest access token of OAuth 2.
    pub fn access_token(&self) -> String {
        self.inside().access.token().to_owned()
    }

    /// The refresh token that serves now.
    pub fn refresh_token(&self) -> String {
        self.inside().access.refresh_token().to_owned()
    }

    /// What can be made to go wrong with calls of the API.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    // --- what people do ---------------------------------------------------------------------------------------------------------------

    /// A new person; the handle is made from the name.
    pub fn person(&self, name: &str) -> Person {
        self.inside().world.person(name)
    }

    /// The company itself, as an author.
    pub fn company(&self) -> Person {
        self.inside().world.company().clone()
    }

    /// Somebody (or the company) posts; `@handle` in the text mentions. Gives the post's id.
    pub fn post(&self, author: &Person, text: &str) -> String {
        self.inside().world.post(author, text).to_string()
    }

    /// Somebody (or the company, by hand) answers a post; the platform puts whom it answers before the text. Gives the post's id.
    ///
    /// A reply to somebody who answered the company names the company without having typed it: the lists show it, the X Activity API does
    /// not tell it.
    ///
    /// # Panics
    /// When there is no such post: a slip in the test.
    pub fn reply(&self, author: &Person, target: &str, text: &str) -> String {
        self.inside().world.reply(author, number(target), text).expect("the test answers something that exists").to_string()
    }

    /// Somebody posts about a post; gives the new post's id.
    ///
    /// # Panics
    /// When there is no such post.
    pub fn quote(&self, author: &Person, target: &str, text: &str) -> String {
        self.inside().world.quote(author, number(target), text).expect("the test quotes something that exists").to_string()
    }

    /// Somebody posts a post again; gives the new post's id.
    ///
    /// # Panics
    /// When there is no such post.
    pub fn repost(&self, author: &Person, target: &str) -> String {
        self.inside().world.repost(author, number(target)).expect("the test reposts something that exists").to_string()
    }

    /// The author changes a post: a new version with an id of its own, which is given back. [edits]
    ///
    /// # Panics
    /// When there is no such post, or the platform lets nobody change it: a reply to somebody else, a repost, after five changes, half an hour after it
    /// was posted.
    pub fn edit(&self, id: &str, text: &str) -> String {
        self.inside().world.edit(number(id), text).expect("the test edits something that exists and can be edited").to_string()
    }

    /// The author deletes a post with all its versions; each is told by itself, or see [`Twitter::tell_one_deletion`]. [edits]
    ///
    /// # Panics
    /// When there is no such post.
    pub fn remove(&self, id: &str) {
        self.inside().world.remove(number(id)).expect("the test removes something that exists");
    }

    /// Somebody likes a post of the company's, or the company somebody's. Gives when, in milliseconds.
    ///
    /// # Panics
    /// When there is no such post.
    pub fn like(&self, person: &Person, id: &str) -> i64 {
        self.inside().world.like(person, number(id)).expect("the test likes something that exists")
    }

    /// Somebody follows the company. Gives what tells it from other times: its event's id, or in the older shape its time in milliseconds.
    pub fn follow(&self, person: &Person) -> String {
        self.inside().world.follow(person)
    }

    /// A direct message to or from the company; gives its id.
    pub fn direct_message(&self, from: &Person, to: &Person, text: &str) -> String {
        self.inside().world.direct_message(from, to, text).to_string()
    }

    /// The platform sends an event of a kind nobody subscribed to or knows.
    pub fn unknown_event(&self) {
        self.inside().world.unknown_event();
    }

    // --- the platform's own state -----------------------------------------------------------------------------------------------------

    /// The platform's clock.
    pub fn now(&self) -> Timestamp {
        self.inside().world.now()
    }

    /// Moves the platform's clock: redeliveries and challenges come due, tokens and rate limits end, late posts appear.
    pub fn advance(&self, time: Duration) {
        self.inside().world.advance(signed(time));
    }

    /// Refuses an endpoint for this long on the platform's clock.
    pub fn limit_rate(&self, endpoint: Endpoint, time: Duration) {
        self.refuse(Limit::Quarter, endpoint, time);
    }

    /// Other users of the application have used up an endpoint's calls of 24 hours, which end after this long on the platform's clock.
    pub fn use_up_day(&self, endpoint: Endpoint, time: Duration) {
        self.refuse(Limit::AppDay, endpoint, time);
    }

    fn refuse(&self, limit: Limit, endpoint: Endpoint, time: Duration) {
        let mut inside = self.inside();
        let until = inside.world.now() + signed(time);
        inside.limits.refuse(limit, endpoint, until);
    }

    /// Ends every access token given out so far.
    pub fn expire_token(&self) {
        self.inside().access.expire();
    }

    /// The user takes the application's rights away: every token ends.
    pub fn revoke(&self) {
        self.inside().access.revoke();
    }

    /// Whether lists and look-ups name something that was not found, beside their data.
    pub fn partial_errors(&self, are_there: bool) {
        self.inside().has_partial_errors = are_there;
    }

    /// The platform suspends somebody, or lets them be seen again: until then the API shows neither them nor what they posted, and says so in `errors`
    /// beside whatever else was asked for, with HTTP 200.
    pub fn hide(&self, person: &Person, is_hidden: bool) {
        self.inside().world.hide(person, is_hidden);
    }

    /// Ends the application's subscriptions to the authors of posts: from now on it is told of none of their deletions. [activity]
    pub fn unsubscribe_from_authors(&self) {
        self.inside().world.unsubscribe_from_authors();
    }

    /// From now on one version's deletion is told, that of the one which is named, and not that of the others that go with it: the platform does not say
    /// which it does. [edits]
    pub fn tell_one_deletion(&self) {
        self.inside().world.tell_one_deletion();
    }

    /// What is posted from now on appears in lists only so much later; the webhook tells it at once.
    pub fn late_posts(&self, lag: Duration) {
        self.inside().world.list_late(signed(lag));
    }

    /// The text of a post as people see it; `None` when it was deleted.
    pub fn text_of(&self, id: &str) -> Option<String> {
        self.inside().world.post_by_id(number(id)).map(|post| post.text.clone())
    }

    // --- the books --------------------------------------------------------------------------------------------------------------------

    /// Every reply taken through the API, in order, doubled ones included.
    pub fn replies(&self) -> Vec<Reply> {
        self.inside().world.replies().to_vec()
    }

    /// The company's posts taken through the API, in order, doubled ones included: id and text.
    pub fn posts_by_api(&self) -> Vec<(String, String)> {
        self.inside().world.posts_by_api().to_vec()
    }

    /// The replies to one post.
    pub fn replies_to(&self, target: &str) -> Vec<Reply> {
        replies::to(self.inside().world.replies(), target)
    }

    /// Replies whose target and words were seen before, whatever the space between the words: what a customer would notice.
    pub fn doubled_replies(&self) -> Vec<Reply> {
        replies::doubled(self.inside().world.replies())
    }

    /// Calls that were made although the answers before said that none was left.
    pub fn calls_over_limit(&self) -> u64 {
        self.inside().limits.calls_over()
    }

    /// How often an access token was given out for a refresh token.
    pub fn token_refreshes(&self) -> u64 {
        self.inside().access.refreshes()
    }

    /// Replies refused because nobody had summoned the company.
    pub fn unsummoned_refused(&self) -> u64 {
        self.inside().unsummoned_refused
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().expect("no panic while the platform is held")
    }
}

/// An id as the platform counts; what is none is nobody's.
fn number(id: &str) -> u64 {
    id.parse().unwrap_or_default()
}
