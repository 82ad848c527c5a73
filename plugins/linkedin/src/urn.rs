//! LinkedIn's names of things, in one spelling.
//!
//! A comment is `urn:li:comment:(urn:li:activity:1,2)` in one place and `urn:li:comment:(activity:1,2)` in another, sometimes in the same
//! notification. What is kept and sent is the long spelling.

const PREFIX: &str = "urn:li:";
/// How the URN of a person begins, the long way, the short way within another one, and as a part of an address; in small letters.
const PEOPLE: [&str; 4] = ["urn:li:person:", "(person:", "urn%3ali%3aperson%3a", "%28person%3a"];
/// What an id of a person has not, and what stands behind it has.
const ID_ENDS: [char; 7] = ['"', '\\', ',', ')', ' ', '%', '&'];
/// The longest URN of a person believed, in bytes: with what they liked it is an id, which may have 512.
const WHO_BYTES_MAX: usize = 150;

/// A comment: the post it stands below, and its own id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Comment {
    /// `urn:li:activity:…`, mostly.
    pub(crate) post: String,
    pub(crate) id: String,
}

impl Comment {
    /// Reads either spelling.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let inner = text.strip_prefix("urn:li:comment:(")?.strip_suffix(')')?;
        let (post, id) = inner.split_once(',')?;
        Self::new(self::post(post)?, id.trim())
    }

    /// A comment by its parts; `post` in the long spelling.
    pub(crate) fn new(post: String, id: &str) -> Option<Self> {
        is_word(id).then(|| Self { post, id: id.to_owned() })
    }

    /// The long spelling.
    pub(crate) fn urn(&self) -> String {
        format!("urn:li:comment:({},{})", self.post, self.id)
    }
}

/// A post (`activity`, `share`, `ugcPost`) in the long spelling.
pub(crate) fn post(text: &str) -> Option<String> {
    let rest = text.strip_prefix(PREFIX).unwrap_or(text);
    let (kind, number) = rest.split_once(':')?;
    (["activity", "share", "ugcPost"].contains(&kind) && is_word(number)).then(|| format!("{PREFIX}{kind}:{number}"))
}

/// What somebody reacted to, and who: `urn:li:like:(urn:li:person:x,urn:li:activity:1)`.
pub(crate) struct Like {
    pub(crate) who: String,
    pub(crate) object: Target,
}

impl Like {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.strip_prefix(PREFIX)?.split_once(":(")?;
        let (who, object) = rest.strip_suffix(')')?.split_once(',')?;
        let who = who.trim();
        let who = if who.starts_with(PREFIX) { who.to_owned() } else { format!("{PREFIX}{who}") };
        (["like", "reaction"].contains(&kind) && who.len() <= WHO_BYTES_MAX).then_some(())?;
        Some(Self { who, object: Target::parse(object.trim())? })
    }

    pub(crate) fn urn(&self) -> String {
        format!("urn:li:like:({},{})", self.who, self.object.urn())
    }
}

/// What can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Post(String),
    Comment(Comment),
}

impl Target {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Comment::parse(text).map(Self::Comment).or_else(|| post(text).map(Self::Post))
    }

    pub(crate) fn urn(&self) -> String {
        match self {
            Self::Post(post) => post.clone(),
            Self::Comment(comment) => comment.urn(),
        }
    }

    /// The post it is or stands below.
    pub(crate) fn post(&self) -> &str {
        match self {
            Self::Post(post) => post,
            Self::Comment(comment) => &comment.post,
        }
    }

    /// Where people see it.
    pub(crate) fn url(&self) -> String {
        let post = self.post();
        match self {
            Self::Post(_) => format!("https://www.linkedin.com/feed/update/{post}/"),
            Self::Comment(comment) => {
                format!("https://www.linkedin.com/feed/update/{post}/?commentUrn={}", sportello_sdk::http::encode(&comment.urn()))
            }
        }
    }
}

/// A text in which URNs of people are empty, `urn:li:person:`, in whatever spelling.
pub(crate) fn without_people(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut kept = String::with_capacity(text.len());
    let mut read = 0;
    while let Some(id) = PEOPLE.iter().filter_map(|start| Some(read + lower[read..].find(start)? + start.len())).min() {
        kept.push_str(&text[read..id]);
        read = text[id..].find(ID_ENDS).map_or(text.len(), |length| id + length);
    }
    kept + &text[read..]
}

fn is_word(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "urn:li:comment:(urn:li:activity:7094637247487995904,9223372036854775809)";

    #[test]
    fn both_spellings_of_a_comment_are_one() {
        let short = "urn:li:comment:(activity:7094637247487995904,9223372036854775809)";
        assert_eq!(Comment::parse(short), Comment::parse(LONG));
        assert_eq!(Comment::parse(short).unwrap().urn(), LONG);
        assert_eq!(Target::parse("share:12"), Some(Target::Post("urn:li:share:12".into())));
    }

    #[test]
    fn a_like_says_who_and_of_what_in_one_spelling() {
        let like = Like::parse("urn:li:like:(person:a7K,urn:li:comment:(activity:1,2))").unwrap();
        assert_eq!(like.urn(), "urn:li:like:(urn:li:person:a7K,urn:li:comment:(urn:li:activity:1,2))");
        assert!(Like::parse("urn:li:like:(person:a7K)").is_none() && Like::parse("urn:li:share:1").is_none());
        let by =
            |length: usize| Like::parse(&format!("urn:li:like:(urn:li:person:{},{LONG})", "a".repeat(length - "urn:li:person:".len())));
        assert!(by(WHO_BYTES_MAX).is_some_and(|like| like.urn().len() <= 512) && by(WHO_BYTES_MAX + 1).is_none(), "an id has its limit");
    }

    #[test]
    fn a_text_without_people_says_of_nobody_who_they_are_in_any_spelling() {
        for (text, kept) in [
            (r#"{"actor":"urn:li:person:a7K","text":"ü"}"#, r#"{"actor":"urn:li:person:","text":"ü"}"#),
            ("urn:li:like:(person:a7K,urn:li:activity:1)", "urn:li:like:(person:,urn:li:activity:1)"),
            ("https://x/?actor=urn%3Ali%3Aperson%3Aa7K&n=1", "https://x/?actor=urn%3Ali%3Aperson%3A&n=1"),
            ("like:%28urn%3ali%3aperson%3aa7K%2Curn%3ali%3aactivity%3a1%29", "like:%28urn%3ali%3aperson%3a%2Curn%3ali%3aactivity%3a1%29"),
            ("%28person%3Aa7K%2C1%29 urn:li:person:b8L", "%28person%3A%2C1%29 urn:li:person:"),
            ("a person: nobody, a salesperson:x", "a person: nobody, a salesperson:x"),
        ] {
            assert_eq!(without_people(text), kept);
        }
    }

    #[test]
    fn what_names_nothing_is_not_taken_for_a_thing() {
        for text in
            ["", "urn:li:comment:(1,2)", "urn:li:comment:(urn:li:activity:1)", "urn:li:comment:(urn:li:activity:1,)", "urn:li:person:x"]
        {
            assert_eq!(Target::parse(text), None, "{text}");
        }
    }
}
