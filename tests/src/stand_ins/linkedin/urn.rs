//! URNs: what they name, their two spellings, and how a path must carry them.

/// The prefix of every URN.
const PREFIX: &str = "urn:li:";

/// What a URN in a call names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// `urn:li:activity:1`, `urn:li:share:2` or `urn:li:ugcPost:3`.
    Post(String),
    /// `urn:li:comment:(urn:li:activity:1,4)`.
    Comment {
        /// The URN of the post it hangs below.
        post: String,
        /// The comment's own id: digits.
        id: String,
    },
}

/// Reads a URN that comments can hang below. Only the long spelling counts: the short one occurs in notifications, and no page says that
/// calls take it.
pub(super) fn parse(text: &str) -> Option<Target> {
    if is_post(text) {
        return Some(Target::Post(text.to_owned()));
    }
    let inner = text.strip_prefix("urn:li:comment:(")?.strip_suffix(')')?;
    let (post, id) = inner.split_once(',')?;
    (is_post(post) && is_number(id)).then(|| Target::Comment { post: post.to_owned(), id: id.to_owned() })
}

/// The long spelling of a comment's URN.
pub(super) fn comment(activity: &str, id: &str) -> String {
    format!("urn:li:comment:(urn:li:activity:{activity},{id})")
}

/// The short spelling of a comment's URN: inside the parentheses the prefix is missing.
pub(super) fn comment_in_short(activity: &str, id: &str) -> String {
    format!("urn:li:comment:(activity:{activity},{id})")
}

/// Reads one percent-encoded key or value. `None` when a character that Rest.li keeps for itself, or any other outside RFC 3986's
/// unreserved ones, stands there bare. [protocol]
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => byte,
            _ => return None,
        });
    }
    String::from_utf8(bytes).ok()
}

fn is_post(text: &str) -> bool {
    let parts = text.strip_prefix(PREFIX).and_then(|rest| rest.split_once(':'));
    parts.is_some_and(|(kind, number)| ["activity", "share", "ugcPost"].contains(&kind) && is_number(number))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
