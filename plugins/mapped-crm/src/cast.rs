//! What a field's text is made into.

use sportello_sdk::time;

use crate::moment::{self, Format};
use crate::problem::Problems;
use crate::section::{self, Section};

/// What a value is made into, or refused as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Cast {
    Text,
    Integer,
    Decimal { mark: char, group: Option<char> },
    Date(Format),
    Boolean { yes: Vec<String>, no: Vec<String> },
    Email,
    Phone { country: Option<String>, trunk: Option<String> },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Name {
    Text,
    Integer,
    Decimal,
    Date,
    Boolean,
    Email,
    Phone,
}

const NAMES: [(&str, Name); 7] = [
    ("text", Name::Text),
    ("integer", Name::Integer),
    ("decimal", Name::Decimal),
    ("date", Name::Date),
    ("boolean", Name::Boolean),
    ("email", Name::Email),
    ("phone", Name::Phone),
];

/// The keys with which a field says what its cast needs to know, each with the cast it belongs to.
pub(crate) const KEYS: [&str; 9] =
    ["cast", "decimal-mark", "group-mark", "format", "offset", "true-words", "false-words", "country", "trunk-prefix"];
const OWNERS: [(&str, Name); 8] = [
    ("decimal-mark", Name::Decimal),
    ("group-mark", Name::Decimal),
    ("format", Name::Date),
    ("offset", Name::Date),
    ("true-words", Name::Boolean),
    ("false-words", Name::Boolean),
    ("country", Name::Phone),
    ("trunk-prefix", Name::Phone),
];

impl Cast {
    /// The cast of a field. `usual` is what its place asks for where it says nothing.
    pub(crate) fn read(section: &Section<'_>, usual: Self, problems: &Problems) -> Self {
        let name = section.word("cast", &NAMES, usual.name());
        for (key, owner) in OWNERS {
            if let Some(node) = section.get(key).filter(|_| name != owner) {
                let cast = NAMES.iter().find(|(_, known)| *known == owner).map_or("", |(name, _)| name);
                problems.add(node.line, format!("`{key}` belongs to `cast: {cast}`"));
            }
        }
        match name {
            Name::Text => Self::Text,
            Name::Integer => Self::Integer,
            Name::Email => Self::Email,
            Name::Decimal => Self::decimal(section, problems),
            Name::Date => Self::Date(format(section, problems)),
            Name::Boolean => Self::Boolean {
                yes: words(section, "true-words", &["true", "yes", "1"], problems),
                no: words(section, "false-words", &["false", "no", "0"], problems),
            },
            Name::Phone => Self::Phone {
                country: section.text("country").map(|country| {
                    let digits = country.strip_prefix('+').unwrap_or_default();
                    if digits.is_empty() || digits.len() > 3 || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
                        problems.add(section.line(), "`country` is a country's prefix in quotes, like \"+39\"");
                    }
                    country.to_owned()
                }),
                trunk: section.text("trunk-prefix").map(str::to_owned),
            },
        }
    }

    fn decimal(section: &Section<'_>, problems: &Problems) -> Self {
        let letter = |key: &str| {
            let text = section.text(key)?;
            let mut letters = text.chars();
            let letter = letters.next().filter(|letter| !letter.is_ascii_digit() && letters.next().is_none());
            if letter.is_none() {
                problems.add(section.line(), format!("`{key}` is one character, no digit"));
            }
            letter
        };
        let (mark, group) = (letter("decimal-mark").unwrap_or('.'), letter("group-mark"));
        if group == Some(mark) {
            problems.add(section.line(), format!("`group-mark` and `decimal-mark` are both `{mark}`"));
        }
        Self::Decimal { mark, group }
    }

    fn name(&self) -> Name {
        match self {
            Self::Text => Name::Text,
            Self::Integer => Name::Integer,
            Self::Decimal { .. } => Name::Decimal,
            Self::Date(_) => Name::Date,
            Self::Boolean { .. } => Name::Boolean,
            Self::Email => Name::Email,
            Self::Phone { .. } => Name::Phone,
        }
    }

    /// A yes or no by the usual words.
    pub(crate) fn usual_boolean() -> Self {
        let all = |words: [&str; 3]| words.map(str::to_owned).to_vec();
        Self::Boolean { yes: all(["true", "yes", "1"]), no: all(["false", "no", "0"]) }
    }

    /// A phone number as it is.
    pub(crate) const fn usual_phone() -> Self {
        Self::Phone { country: None, trunk: None }
    }

    /// The value made of a trimmed text, or what was expected.
    pub(crate) fn apply(&self, text: &str) -> Result<String, &'static str> {
        match self {
            Self::Text => Ok(text.to_owned()),
            Self::Integer => integer(text).ok_or("a whole number"),
            Self::Decimal { mark, group } => decimal(text, *mark, *group).ok_or("a decimal number"),
            Self::Date(format) => format.parse(text).map(time::from_milliseconds).ok_or("a date of this format"),
            Self::Boolean { yes, no } => {
                let is_one_of = |words: &[String]| words.iter().any(|word| word.to_lowercase() == text.to_lowercase());
                match (is_one_of(yes), is_one_of(no)) {
                    (true, _) => Ok("true".into()),
                    (_, true) => Ok("false".into()),
                    _ => Err("one of the words for yes and no"),
                }
            }
            Self::Email => email(text).ok_or("an e-mail address"),
            Self::Phone { country, trunk } => phone(text, country.as_deref(), trunk.as_deref()).ok_or("a telephone number"),
        }
    }
}

/// `format` and `offset` of a section.
pub(crate) fn format(section: &Section<'_>, problems: &Problems) -> Format {
    let minutes = section.text("offset").and_then(|text| {
        let minutes = moment::offset(text);
        if minutes.is_none() {
            problems.add(section.line(), "`offset` is an offset in quotes, like \"+01:00\"");
        }
        minutes
    });
    let Some(node) = section.get("format") else { return Format::Rfc3339 };
    let Some(text) = section::text(node, "`format`", problems) else { return Format::Rfc3339 };
    Format::read(text, minutes.unwrap_or(0)).unwrap_or_else(|| {
        problems.add(node.line, format!("`format` is {}", moment::EXPECTED));
        Format::Rfc3339
    })
}

fn words(section: &Section<'_>, key: &str, usual: &[&str], problems: &Problems) -> Vec<String> {
    match section.get(key) {
        Some(node) => section::texts(node, &format!("`{key}`"), problems).into_iter().map(|(word, _)| word.to_owned()).collect(),
        None => usual.iter().map(|word| (*word).to_owned()).collect(),
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit())
}

fn integer(text: &str) -> Option<String> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let significant = digits.trim_start_matches('0');
    is_digits(digits).then(|| if significant.is_empty() { "0".to_owned() } else { format!("{sign}{significant}") })
}

fn decimal(text: &str, mark: char, group: Option<char>) -> Option<String> {
    let (whole, fraction) = text.split_once(mark).map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut parts = whole.split(|letter| Some(letter) == group);
    let first = parts.next()?;
    let mut digits = first.to_owned();
    for part in parts {
        // Groups are of three digits: `1.5` with the mark `,` is a mistake, not 15.
        if part.len() != 3 || first.trim_start_matches(['-', '+']).len() > 3 {
            return None;
        }
        digits.push_str(part);
    }
    let whole = match (integer(&digits)?, digits.starts_with('-')) {
        (zero, true) if zero == "0" => "-0".to_owned(),
        (whole, _) => whole,
    };
    match fraction {
        None => Some(if whole == "-0" { "0".to_owned() } else { whole }),
        Some(fraction) => is_digits(fraction).then(|| format!("{whole}.{fraction}")),
    }
}

fn email(text: &str) -> Option<String> {
    let (name, domain) = text.rsplit_once('@')?;
    let clean = |part: &str| {
        !part.is_empty() && !part.chars().any(|letter| letter.is_whitespace() || letter.is_control() || "<>,;".contains(letter))
    };
    (clean(name) && clean(domain) && !name.contains('@')).then(|| text.to_owned())
}

fn phone(text: &str, country: Option<&str>, trunk: Option<&str>) -> Option<String> {
    let mut number = String::new();
    for letter in text.chars() {
        match letter {
            '+' if number.is_empty() => number.push('+'),
            digit if digit.is_ascii_digit() => number.push(digit),
            '-' | '.' | '/' | '(' | ')' => {}
            blank if blank.is_whitespace() => {}
            _ => return None,
        }
    }
    if let Some(international) = number.strip_prefix("00") {
        number = format!("+{international}");
    } else if let Some(country) = country.filter(|_| !number.starts_with('+')) {
        let national = trunk.and_then(|trunk| number.strip_prefix(trunk)).unwrap_or(&number);
        number = format!("{country}{national}");
    }
    (3..=15).contains(&number.trim_start_matches('+').len()).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn each(cast: &Cast, good: &[(&str, &str)], bad: &[&str]) {
        for (text, made) in good {
            assert_eq!(cast.apply(text).as_deref(), Ok(*made), "{text}");
        }
        for text in bad {
            assert!(cast.apply(text).is_err(), "{text} became {:?}", cast.apply(text));
        }
    }

    #[test]
    fn text_is_as_it_is() {
        each(&Cast::Text, &[("a b", "a b"), ("𝒳 007", "𝒳 007")], &[]);
    }

    #[test]
    fn an_integer_keeps_every_digit() {
        each(
            &Cast::Integer,
            &[("007", "7"), ("-12", "-12"), ("+3", "3"), ("-0", "0"), ("9007199254740993123", "9007199254740993123")],
            &["", "1.0", "1e3", "x", "--1", "١"],
        );
    }

    #[test]
    fn a_decimal_is_read_by_its_marks() {
        let comma = Cast::Decimal { mark: ',', group: Some('.') };
        each(
            &comma,
            &[("1.234,50", "1234.50"), ("-0,5", "-0.5"), ("7", "7"), ("-0", "0")],
            &["1.5", "1,", ",5", "1.2345,0", "1234.567,0", "1,2,3", "a"],
        );
        each(&Cast::Decimal { mark: '.', group: None }, &[("1.50", "1.50")], &["1,5", "1.234.567"]);
    }

    #[test]
    fn a_date_becomes_rfc_3339() {
        let date = Cast::Date(Format::read("%d/%m/%Y %H:%M", 60).unwrap());
        each(&date, &[("22/11/2026 10:15", "2026-11-22T09:15:00Z")], &["11/22/2026 10:15", "22/11/2026", "today"]);
    }

    #[test]
    fn a_boolean_is_one_of_its_words() {
        let italian = Cast::Boolean { yes: vec!["Sì".into()], no: vec!["No".into(), "-".into()] };
        each(&italian, &[("sì", "true"), ("SÌ", "true"), ("no", "false"), ("-", "false")], &["true", "s", ""]);
    }

    #[test]
    fn an_email_has_one_at_and_no_blank() {
        each(
            &Cast::Email,
            &[("Ada_L@example.org", "Ada_L@example.org"), ("ü@bücher.example", "ü@bücher.example")],
            &["ada", "@x", "a@", "a@b@c", "a b@c", "<a@b>", "a@b, c@d"],
        );
    }

    #[test]
    fn a_phone_number_is_digits_with_its_country() {
        each(
            &Cast::usual_phone(),
            &[("+39 (02) 123-45.67", "+39021234567"), ("0039 02 1234567", "+39021234567"), ("02/1234567", "021234567")],
            &["call me", "12", "+1234567890123456", "1+2345", ""],
        );
        let italy = Cast::Phone { country: Some("+39".into()), trunk: None };
        each(&italy, &[("02 1234567", "+39021234567"), ("+41 44 1234567", "+41441234567")], &[]);
        let germany = Cast::Phone { country: Some("+49".into()), trunk: Some("0".into()) };
        each(&germany, &[("030 123456", "+4930123456")], &[]);
    }
}
