//! What makes a value harmless where a query language reads it.

/// One filter of a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Within `"…"` of JSON.
    Json,
    /// Within `'…'` where a quote is written twice: SQL, OData.
    Doubled,
    /// Within `'…'` or `"…"` where quotes and backslashes get a backslash: TicketSQL, SOQL, Lucene.
    Backslashed,
    /// `%`, `_` and `\` for themselves in a pattern of LIKE.
    Like,
    /// Letters, digits and `.@_+-` only; a value with anything else is not asked for.
    Word,
    /// Digits and a leading plus only.
    Digits,
    Lower,
    /// One line of at most a hundred characters, for fields that cut what is longer.
    Title,
}

/// Characters that `title` leaves.
const TITLE_CHARACTERS_MAX: usize = 100;

/// The filters by name.
pub(crate) const FILTERS: [(&str, Filter); 8] = [
    ("json", Filter::Json),
    ("doubled", Filter::Doubled),
    ("backslashed", Filter::Backslashed),
    ("like", Filter::Like),
    ("word", Filter::Word),
    ("digits", Filter::Digits),
    ("lower", Filter::Lower),
    ("title", Filter::Title),
];

/// Which quote is open where a slot stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quote {
    None,
    Single,
    Double,
}

impl Quote {
    /// The quote that is open behind this text.
    pub(crate) fn after(mut self, text: &str) -> Self {
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            self = match (self, letter) {
                (Self::Single | Self::Double, '\\') => {
                    letters.next();
                    self
                }
                (Self::None, '\'') => Self::Single,
                (Self::None, '"') => Self::Double,
                (Self::Single, '\'') | (Self::Double, '"') => Self::None,
                (open, _) => open,
            };
        }
        self
    }
}

/// Whether a value with these filters cannot end the words it stands in, or what to write instead.
pub(crate) fn is_safe(filters: &[Filter], quote: Quote) -> Result<(), &'static str> {
    let has = |filter| filters.contains(&filter);
    // Behind one of these nothing is left that could end anything, unless what follows brings it back; nothing does.
    if has(Filter::Word) || has(Filter::Digits) {
        return Ok(());
    }
    let last = filters.iter().rev().find(|filter| **filter != Filter::Lower);
    match (quote, last) {
        (Quote::Double, Some(Filter::Json | Filter::Backslashed)) | (Quote::Single, Some(Filter::Doubled | Filter::Backslashed)) => Ok(()),
        (Quote::Double, _) => Err("within \"…\" it needs the filter `json` or `backslashed` at its end"),
        (Quote::Single, _) => Err("within '…' it needs the filter `doubled` or `backslashed` at its end"),
        (Quote::None, _) => Err("among other words it must stand within quotes, or have the filter `word` or `digits`"),
    }
}

impl Filter {
    /// The value made harmless, or None where it cannot be.
    pub(crate) fn apply(self, value: &str) -> Option<String> {
        Some(match self {
            Self::Json => {
                let quoted = serde_json::Value::from(value).to_string();
                quoted[1..quoted.len() - 1].to_owned()
            }
            Self::Doubled => value.replace('\'', "''"),
            Self::Backslashed => with_backslash(value, &['\\', '\'', '"']),
            Self::Like => with_backslash(value, &['\\', '%', '_']),
            Self::Word => {
                let is_word = value.chars().all(|letter| letter.is_alphanumeric() || ".@_+-".contains(letter));
                // A minus before a word turns many a search round.
                return (is_word && !value.starts_with('-')).then(|| value.to_owned());
            }
            Self::Digits => {
                let plus = if value.trim_start().starts_with('+') { "+" } else { "" };
                let digits: String = value.chars().filter(char::is_ascii_digit).collect();
                format!("{plus}{digits}")
            }
            Self::Lower => value.to_lowercase(),
            Self::Title => {
                let line = value.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
                line.chars().take(TITLE_CHARACTERS_MAX).collect()
            }
        })
    }
}

fn with_backslash(value: &str, letters: &[char]) -> String {
    value.chars().flat_map(|letter| letters.contains(&letter).then_some('\\').into_iter().chain([letter])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_filter_makes_its_value_harmless() {
        let applied = |filter: Filter, value: &str| filter.apply(value);
        assert_eq!(applied(Filter::Json, "a\"b\\c\n𝒳").as_deref(), Some("a\\\"b\\\\c\\n𝒳"));
        assert_eq!(applied(Filter::Doubled, "O'x' or 1").as_deref(), Some("O''x'' or 1"));
        assert_eq!(applied(Filter::Backslashed, r#"O'"\"#).as_deref(), Some(r#"O\'\"\\"#));
        assert_eq!(applied(Filter::Like, r"50%_\").as_deref(), Some(r"50\%\_\\"));
        assert_eq!(applied(Filter::Word, "ada.l+x@example.org").as_deref(), Some("ada.l+x@example.org"));
        for not_a_word in ["a b", "a'b", "a&b", "a:b", "a*", "a/b", "-a"] {
            assert_eq!(applied(Filter::Word, not_a_word), None, "{not_a_word}");
        }
        assert_eq!(applied(Filter::Digits, " +39 (02) 12' or").as_deref(), Some("+390212"));
        assert_eq!(applied(Filter::Lower, "ÀB").as_deref(), Some("àb"));
        assert_eq!(applied(Filter::Title, " a b\r\n\tc\n").as_deref(), Some("a b c"));
        assert_eq!(applied(Filter::Title, &"𝒳".repeat(101)), Some("𝒳".repeat(100)));
    }

    #[test]
    fn only_the_filter_of_the_open_quote_is_safe() {
        assert_eq!(Quote::None.after(r#"[{"value":""#), Quote::Double);
        assert_eq!(Quote::None.after("Subject LIKE '"), Quote::Single);
        assert_eq!(Quote::None.after(r"'a\' "), Quote::Single);
        assert!(is_safe(&[Filter::Json], Quote::Double).is_ok() && is_safe(&[Filter::Like, Filter::Doubled], Quote::Single).is_ok());
        assert!(is_safe(&[Filter::Json], Quote::Single).is_err(), "JSON leaves ' alone");
        assert!(is_safe(&[Filter::Doubled], Quote::Double).is_err() && is_safe(&[], Quote::None).is_err());
        assert!(is_safe(&[Filter::Doubled, Filter::Like], Quote::Single).is_err(), "LIKE's backslash would take the quote's double away");
        assert!(is_safe(&[Filter::Backslashed], Quote::None).is_err() && is_safe(&[Filter::Word], Quote::None).is_ok());
    }
}
