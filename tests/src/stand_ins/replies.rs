//! The company's answers that a platform took through its API.

use jiff::Timestamp;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// What it answers: on Facebook as the call named it, on LinkedIn in the long spelling.
    pub target: String,
    /// The id it was given, on LinkedIn in the long spelling.
    pub id: String,
    /// Its text as the call brought it; on X without space at the ends.
    pub text: String,
    /// When, on the platform's clock.
    pub at: Timestamp,
}

/// Those to one thing.
pub(crate) fn to(replies: &[Reply], target: &str) -> Vec<Reply> {
    replies.iter().filter(|reply| reply.target == target).cloned().collect()
}

/// Those whose target and words were seen before, whatever the space between the words: what a customer would notice.
pub(crate) fn doubled(replies: &[Reply]) -> Vec<Reply> {
    let is_same = |one: &Reply, other: &Reply| one.target == other.target && one.text.split_whitespace().eq(other.text.split_whitespace());
    let is_doubled = |position: usize, reply: &Reply| replies[..position].iter().any(|earlier| is_same(earlier, reply));
    replies.iter().enumerate().filter(|(position, reply)| is_doubled(*position, reply)).map(|(_, reply)| reply.clone()).collect()
}
