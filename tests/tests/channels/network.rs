//! What the promises need of a network: a stand-in, people who speak, and its books.

use std::time::Duration;

use jiff::Timestamp;
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::stand_ins::{DeliveryPlan, Fault, Faults, SPENDS};

/// A promise, where a platform may not be able to give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// The platform lets one ask for what was not delivered.
    Asking,
    /// The host can fetch another token by itself.
    Tokens,
    /// Words can be changed.
    Edits,
    /// The company can post something of its own.
    Posts,
    /// What happened can become known in another order: what came later first.
    Disorder,
    /// Ids have more digits than a floating-point number keeps.
    LongIds,
    /// It is told beforehand what is left under a limit.
    Headroom,
    /// One can look whether things are still there, so that a deletion which nobody tells is found out.
    Rechecks,
}

/// A network with the company's account on it.
pub(crate) trait Network: Sized + Send + Sync {
    /// The channel's name in plans, and the connector's.
    const CHANNEL: &'static str;
    const CONNECTOR: &'static str;
    /// How many speak at once where it is about many.
    const MANY: usize = 1_000;
    /// How far apart two things may be of which the list shows the later one first, and none is missed.
    const OVERLAP: Duration;
    /// How long the connector waits under a limit whose end nobody tells.
    const PAUSE: Duration = Duration::from_secs(5 * 60);

    /// Starts it at this moment.
    async fn start(now: Timestamp) -> Self;

    /// The plan with its channel.
    fn plan(&self, plan: HostPlan, more: &str) -> HostPlan;

    /// Has it deliver to the host; where the host asks: waits until it has asked once, because it reads from then on.
    async fn connect(&self, host: &RunningHost);

    /// Somebody (the same for the same name) says something that opens a case; gives the id by which the books know it.
    fn asks(&self, who: &str, text: &str) -> String;

    /// The words as they come in: a network may want the company to be named in them.
    fn worded(&self, text: &str) -> String {
        text.to_owned()
    }

    /// The author changes the words.
    fn edits(&self, thing: &str, text: &str);

    /// The author takes it back.
    fn removes(&self, thing: &str);

    /// Whether it can be taken back alone.
    fn is_removable(&self, _thing: &str) -> bool {
        true
    }

    /// What a request contains that looks whether things are still there.
    fn rechecks() -> &'static [&'static str] {
        unreachable!("{:?}", Self::cannot(Promise::Rechecks));
    }

    /// From now on it tells of no deletion.
    fn tells_no_deletions(&self) {
        unreachable!("{:?}", Self::cannot(Promise::Rechecks));
    }

    /// Something happens that nobody knows.
    fn shimmers(&self);

    /// A whole delivery of one question by somebody new, with fields nobody knows at every place, signed and sent; gives the question's id. Where
    /// the host asks: the answers it gets will be like that.
    async fn sends_a_question_with_unknown_fields(&self, text: &str) -> String;

    /// Sends what waits. Where the host asks: lets it be seen, as the plan's disorder has it.
    async fn deliver(&self, plan: &DeliveryPlan);

    /// How often the host began to ask what is new; None: the network delivers.
    fn times_asked(&self) -> Option<u64> {
        None
    }

    /// What a request for a page of what is new contains, and no other that is made to read it.
    const PAGES: &'static [&'static str];
    /// How many things that were said are on such a page at most.
    const PAGE_ROWS: usize;

    /// What is said from now on stands in the list only so much later; zero: at once.
    fn lists_late(&self, lag: Duration);

    /// Whether its answers tell of errors beside what was asked for, where they can.
    fn tells_errors_beside(&self, _are_there: bool) {}

    /// What the platform's own list says of an interaction, for whoever looks for what is lost.
    fn listed(&self, _native_id: &str) -> String {
        "not looked up".to_owned()
    }

    /// What the company said to it, as the platform counts.
    fn answers_to(&self, thing: &str) -> Vec<String>;

    /// How many things the company said in answer to whatever, as the platform counts.
    fn answers(&self) -> usize;

    /// Answers that stand there twice.
    fn doubled(&self) -> usize;

    /// What the company posted of its own, as the platform counts.
    fn posts(&self) -> Vec<String> {
        Vec::new()
    }

    /// Whether it tells what the company itself posts.
    const TELLS_OWN_POSTS: bool = true;

    /// The id that interactions have for it.
    fn native_id(&self, thing: &str) -> String {
        thing.to_owned()
    }

    /// Moves its clock.
    fn advance(&self, time: Duration);

    fn faults(&self) -> &Faults;

    /// What a request that publishes an answer contains, for faults.
    fn publishing(&self) -> &'static [&'static str];

    /// What a request that posts something of its own contains, for faults.
    fn posting(&self) -> &'static [&'static str] {
        self.publishing()
    }

    /// What each request contains that is made to read, to answer, and to look whether it was answered.
    fn calls() -> &'static [&'static [&'static str]];

    /// What each request contains that is made to post, and to look whether it was posted.
    fn calls_for_a_post() -> &'static [&'static [&'static str]];

    /// What each request contains that is made to be let in.
    fn log_ins() -> &'static [&'static [&'static str]] {
        &[&[SPENDS]]
    }

    /// Whether a refresh token serves once, so that nobody could go on whose answer to it was lost.
    const SPENDS_TOKENS: bool = true;

    /// Whether it is fast enough for every kind of trouble at each of them, and each of them is always made.
    const CAN_GO_THROUGH_ALL: bool = true;

    /// What can become of a request here and nowhere else, in the platform's words.
    fn troubles() -> &'static [Fault] {
        &[]
    }

    /// Ends the access token.
    fn expires_token(&self);

    /// Refuses all calls for this long.
    fn limits(&self, time: Duration);

    /// Calls that were made though the limit was reached, as far as the platform counts them.
    fn calls_over_limit(&self) -> u64;

    /// For how many hours the network lets words be kept; None: it does not say.
    fn keeps_words_hours() -> Option<u64> {
        None
    }

    /// The words of the connector's README that say why it cannot be promised; None: it is.
    fn cannot(promise: Promise) -> Option<&'static str>;
}

/// Whether the promise is to be tested. If the platform cannot give it, the README says so.
pub(crate) fn is_given<N: Network>(promise: Promise) -> bool {
    let Some(reason) = N::cannot(promise) else { return true };
    let path = format!("{}/../plugins/{}/README.md", env!("CARGO_MANIFEST_DIR"), N::CONNECTOR);
    let readme = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let readme = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(readme.contains(reason), "{path} does not say why {promise:?} is not promised: {reason:?}");
    println!("{} cannot promise {promise:?}: {reason}", N::CONNECTOR);
    false
}
