//! A stand-in for Facebook Pages: the Graph API that answers, and the webhook sender that calls.
//!
//! Tests play people ([`Facebook::comment`], [`Facebook::edit`], …); each act becomes an *update* that waits to be sent. Sending is driven by
//! the test: [`Facebook::deliver`] posts what waits, [`Facebook::advance`] moves the platform's clock (nothing here looks at the wall clock
//! to decide), [`Facebook::deliver_due`] repeats what was not answered 200. It keeps the counts by which "nothing lost, nothing doubled" is
//! judged from outside: which updates were acknowledged, and every reply it took, doubled ones included, because the platform does not
//! notice a doubled reply either.
//!
//! Sources of the rules, cited at each as [webhooks], [graph], [errors], [limits], [comments], [posts], [published],
//! [feed], [tokens], [matching]:
//! - webhooks: <https://developers.facebook.com/docs/graph-api/webhooks/getting-started>, page fields: `…/webhooks/reference/page`
//! - graph: <https://developers.facebook.com/docs/graph-api/overview> and `…/results` (paging)
//! - errors: <https://developers.facebook.com/docs/graph-api/guides/error-handling>
//! - limits: <https://developers.facebook.com/docs/graph-api/overview/rate-limiting>
//! - comments: <https://developers.facebook.com/docs/graph-api/reference/object/comments>
//! - posts: <https://developers.facebook.com/docs/pages-api/posts>
//! - published: <https://developers.facebook.com/docs/graph-api/reference/page/published_posts>
//! - feed: <https://developers.facebook.com/docs/graph-api/reference/page/feed>, its rows: `…/reference/post`
//! - tokens: <https://developers.facebook.com/docs/facebook-login/guides/access-tokens>
//! - matching: <https://developers.facebook.com/docs/messenger-platform/identity/id-matching>; pages tell page-scoped ids since 2018:
//!   <https://developers.facebook.com/docs/pages/support/psid-api/>

mod access;
mod delivery;
mod graph;
mod limits;
mod problem;
mod world;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use jiff::Timestamp;
use serde_json::json;

pub use self::access::Permission;
pub use self::delivery::{Forgery, PAUSE_MAX};
pub use self::limits::{CALLS_MAX, RateLimit};
pub use self::world::{Attachment, Person};
pub use super::webhook::{Counts, DeliveryPlan, DeliveryReport};

use self::access::Access;
use self::limits::Limits;
use self::world::{Body, World};
use super::webhook::Outbox;
use super::{Faults, Reply, Serving, random_hex, replies, signed};
use crate::error::Result;
use crate::http_client::HttpClient;

/// How long a webhook receiver may take before a delivery counts as unanswered, by default.
/// <https://developers.facebook.com/docs/messenger-platform/faq>
pub const ANSWER_TIME_MAX: Duration = Duration::from_secs(20);

/// What a stand-in is started with. `Default` gives a page, random secrets and the platform's limits.
#[derive(Debug, Clone)]
pub struct FacebookSettings {
    /// The page's id: digits.
    pub page_id: String,
    /// The page's name.
    pub page_name: String,
    /// The app's id: digits.
    pub app_id: String,
    /// What webhooks are signed with.
    pub app_secret: String,
    /// What calls of the Graph API must bring.
    pub access_token: String,
    /// What whoever gave the token allowed it.
    pub permissions: Vec<Permission>,
    /// Calls of the page within 24 hours.
    pub calls_max: u64,
    /// What is sent as `hub.verify_token`.
    pub verify_token: String,
    /// When the platform's clock starts.
    pub now: Timestamp,
    /// How long a receiver may take, in real time.
    pub answer_time_max: Duration,
    /// The loopback port of its API; 0: a free one.
    pub port: u16,
    /// Seeds every choice (disorder, duplicates, which ids are numbers).
    pub seed: u64,
}

impl Default for FacebookSettings {
    fn default() -> Self {
        Self {
            page_id: "104857600000001".to_owned(),
            page_name: "Telefonia Sole".to_owned(),
            app_id: "664172600000001".to_owned(),
            app_secret: random_hex(16),
            access_token: format!("EAAG{}", random_hex(24)),
            permissions: Permission::ALL.to_vec(),
            calls_max: CALLS_MAX,
            verify_token: random_hex(8),
            now: Timestamp::now(),
            answer_time_max: ANSWER_TIME_MAX,
            port: 0,
            seed: 1,
        }
    }
}

#[derive(Debug)]
struct Inside {
    world: World,
    outbox: Outbox,
    access: Access,
    limits: Limits,
    random: fastrand::Rng,
}

/// A running stand-in of the platform. Dropping it stops it.
#[derive(Debug)]
pub struct Facebook {
    settings: FacebookSettings,
    serving: Serving,
    inside: Arc<Mutex<Inside>>,
    faults: Faults,
    http: HttpClient,
}

impl Facebook {
    /// Starts with default settings.
    ///
    /// # Errors
    /// When no loopback port can be bound.
    pub async fn start() -> Result<Self> {
        Self::start_with(FacebookSettings::default()).await
    }

    /// Starts with these settings.
    ///
    /// # Errors
    /// When no loopback port can be bound.
    pub async fn start_with(settings: FacebookSettings) -> Result<Self> {
        let inside = Arc::new(Mutex::new(Inside {
            world: World::new(&settings.page_id, &settings.page_name, settings.now),
            outbox: Outbox::new(delivery::RULES),
            access: Access::new(&settings),
            limits: Limits::new(settings.calls_max),
            random: fastrand::Rng::with_seed(settings.seed),
        }));
        let faults = Faults::default();
        let router = Router::new().fallback(graph::serve).with_state(Arc::clone(&inside));
        let serving = Serving::start_at(settings.port, router, faults.clone()).await?;
        let http = HttpClient::new(settings.answer_time_max);
        Ok(Self { settings, serving, inside, faults, http })
    }

    /// `http://127.0.0.1:port`: what `https://graph.facebook.com` is elsewhere. Calls put `/v21.0/…` behind it.
    pub fn graph_url(&self) -> String {
        self.serving.base_url()
    }

    /// The page's id.
    pub fn page_id(&self) -> &str {
        &self.settings.page_id
    }

    /// What webhooks are signed with.
    pub fn app_secret(&self) -> &str {
        &self.settings.app_secret
    }

    /// The app's own access token.
    pub fn app_token(&self) -> String {
        access::app_token(&self.settings)
    }

    /// The proof that calls with the app's own token bring.
    pub fn app_token_proof(&self) -> String {
        access::app_secret_proof(&self.settings.app_secret, &self.app_token())
    }

    /// The page's access token, which calls must bring now.
    pub fn access_token(&self) -> String {
        self.inside().access.token().to_owned()
    }

    /// What is sent as `hub.verify_token`.
    pub fn verify_token(&self) -> &str {
        &self.settings.verify_token
    }

    /// What can be made to go wrong with calls of the Graph API.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    // --- what people do ---------------------------------------------------------------------------------------------------------------

    /// A new person.
    pub fn person(&self, name: &str) -> Person {
        self.inside().world.person(name)
    }

    /// The page itself, as an author.
    pub fn page(&self) -> Person {
        self.inside().world.page().clone()
    }

    /// Somebody (or the page) posts on the page's wall; gives the post's id.
    pub fn post(&self, author: &Person, message: &str) -> String {
        self.act(|world| world.post(author, message))
    }

    /// Somebody (or the page) posts a picture, film or link on the page's wall, with words or (empty) without; gives the post's id.
    pub fn attach(&self, author: &Person, attachment: Attachment, message: &str) -> String {
        self.act(|world| world.attach(author, attachment, message))
    }

    /// Somebody (or the page) comments on a post or answers a comment; gives the comment's id.
    ///
    /// # Panics
    /// When there is no such post or comment: a slip in the test.
    pub fn comment(&self, author: &Person, target: &str, message: &str) -> String {
        self.act(|world| world.comment(author, target, message).expect("the test comments on something that exists"))
    }

    /// The author changes a post or comment.
    ///
    /// # Panics
    /// When there is no such post or comment.
    pub fn edit(&self, object: &str, message: &str) {
        self.act(|world| world.edit(object, message).expect("the test edits something that exists"));
    }

    /// The author removes a post or comment, with all below it.
    ///
    /// # Panics
    /// When there is no such post or comment.
    pub fn remove(&self, object: &str) {
        self.act(|world| world.remove(object).expect("the test removes something that exists"));
    }

    /// Somebody reacts (`like`, `love`, `angry`, …) to a post or comment.
    ///
    /// # Panics
    /// When there is no such post or comment.
    pub fn react(&self, author: &Person, object: &str, kind: &str) {
        self.act(|world| world.react(author, object, kind, "add").expect("the test reacts to something that exists"));
    }

    /// Somebody takes back how they reacted.
    ///
    /// # Panics
    /// When there is no such post or comment.
    pub fn unreact(&self, author: &Person, object: &str, kind: &str) {
        self.act(|world| world.react(author, object, kind, "remove").expect("the test reacts to something that exists"));
    }

    /// Whoever runs the page hides a post or comment.
    ///
    /// # Panics
    /// When there is no such post or comment.
    pub fn hide(&self, object: &str) {
        self.act(|world| world.moderate(object, "hide").expect("the test hides something that exists"));
    }

    /// Whoever runs the page shows a post or comment again.
    ///
    /// # Panics
    /// When there is no such post or comment.
    pub fn unhide(&self, object: &str) {
        self.act(|world| world.moderate(object, "unhide").expect("the test shows something that exists"));
    }

    /// Somebody recommends the page, or advises against it; gives the recommendation's id.
    pub fn recommend(&self, author: &Person, recommends: bool, text: &str) -> String {
        self.act(|world| world.recommend(author, recommends, text))
    }

    /// Somebody mentions the page in a post of theirs. The update may come without `from`, and here does; gives the post's id.
    pub fn mention(&self, author: &Person, message: &str) -> String {
        self.act(|world| world.mention(author, message))
    }

    /// Somebody writes a direct message: an update of the `messaging` shape, whose times are milliseconds.
    pub fn direct_message(&self, author: &Person, text: &str) -> String {
        self.act(|world| world.direct_message(author, text))
    }

    /// The author changes a direct message; `edits` times so far, this one included: at most five.
    pub fn edit_message(&self, author: &Person, message: &str, text: &str, edits: u8) {
        self.act(|world| world.edit_message(author, message, text, edits));
    }

    /// The platform sends an update of a field nobody subscribed to or knows.
    pub fn unknown_field(&self) {
        self.act(|world| world.queue("mystery_field_2027", json!({"verb": "shimmer", "id": 7})));
    }

    fn act<Done>(&self, deed: impl FnOnce(&mut World) -> Done) -> Done {
        let mut inside = self.inside();
        let done = deed(&mut inside.world);
        // [webhooks] "ids are numbers or strings": one update in five carries numbers.
        let Inside { world, random, .. } = &mut *inside;
        for update in world.fresh_updates() {
            if let Body::Change { .. } = update.body
                && random.u8(0..5) == 0
            {
                update.ids_as_numbers();
            }
        }
        done
    }

    // --- the platform's own state -----------------------------------------------------------------------------------------------------

    /// The platform's clock.
    pub fn now(&self) -> Timestamp {
        self.inside().world.now()
    }

    /// Moves the platform's clock: redeliveries come due, rate limits end.
    pub fn advance(&self, time: Duration) {
        self.inside().world.advance(signed(time));
    }

    /// What is written from now on stands in lists only so much later; it is delivered, and can be read by its id, at once. [comments] "Read-after-write
    /// may be delayed."
    pub fn late_lists(&self, lag: Duration) {
        self.inside().world.list_late(signed(lag));
    }

    /// Refuses calls of the Graph API for this long on the platform's clock.
    pub fn limit_rate(&self, limit: RateLimit, time: Duration) {
        let mut inside = self.inside();
        let until = inside.world.now() + signed(time);
        inside.limits.refuse(limit, until);
    }

    /// Another app of the company's called the page so often, so long ago: all of them share what is allowed.
    pub fn others_called(&self, calls: u64, ago: Duration) {
        let mut inside = self.inside();
        let at = inside.world.now() - signed(ago);
        inside.limits.count(calls, at);
    }

    /// Ends the access token (code 190, subcode 463) until [`Facebook::renew_token`].
    pub fn expire_token(&self) {
        self.inside().access.expire();
    }

    /// The access token ends by itself at this time on the platform's clock (code 190, subcode 463), which it tells who asks.
    pub fn end_token_at(&self, ends: Timestamp) {
        self.inside().access.end_at(ends);
    }

    /// Gives out another access token; the old one is wrong from now on (code 190, subcode 460).
    pub fn renew_token(&self) -> String {
        let token = format!("EAAG{}", random_hex(24));
        self.inside().access.renew(&token);
        token
    }

    /// What the token is allowed from now on.
    pub fn allow(&self, permissions: &[Permission]) {
        self.inside().access.allow(permissions);
    }

    /// The message of a post or comment as people see it now; `None` when removed.
    pub fn message_of(&self, object: &str) -> Option<String> {
        self.inside().world.message_of(object)
    }

    /// Every reply taken through the Graph API, in order, doubled ones included.
    pub fn replies(&self) -> Vec<Reply> {
        self.inside().world.replies().to_vec()
    }

    /// The page's posts taken through the Graph API, in order, doubled ones included: id and text.
    pub fn posts_by_api(&self) -> Vec<(String, String)> {
        self.inside().world.posts_by_api().to_vec()
    }

    /// The replies to one post or comment.
    pub fn replies_to(&self, target: &str) -> Vec<Reply> {
        replies::to(self.inside().world.replies(), target)
    }

    /// Replies whose target and words were seen before, whatever the space between the words: what a customer would notice.
    pub fn doubled_replies(&self) -> Vec<Reply> {
        replies::doubled(self.inside().world.replies())
    }

    /// Calls that were made although a limit was reached.
    pub fn calls_over_limit(&self) -> u64 {
        self.inside().limits.calls_over()
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().expect("no panic while the platform is held")
    }
}
