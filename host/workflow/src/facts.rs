//! What conditions and texts can speak of. Gathered by the server in plaintext, used once, kept nowhere.
//!
//! A text that is not known is empty, and a number that is not known is 0, so that a condition never fails for want of one.

use serde::{Deserialize, Serialize};

/// Everything an expression can name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// The case the run is about.
    pub case: CaseFacts,
    /// The interaction the run is about.
    pub interaction: InteractionFacts,
    /// Who opened the case, as the platform says.
    pub profile: ProfileFacts,
    /// What they are to the company.
    pub person: PersonFacts,
    /// Where the case came up.
    pub channel: ChannelFacts,
    /// The present moment, in the tenant's time zone.
    pub now: NowFacts,
}

/// A case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CaseFacts {
    /// Its number.
    pub number: i64,
    /// `open`, `assigned`, `waiting`, `resolved`.
    pub state: String,
    /// Its owner's name.
    pub owner: String,
    /// 0 to 100.
    pub priority: i64,
    /// Whether the company has answered.
    pub answered: bool,
    /// How often it was opened again.
    pub reopened: i64,
    /// Whole minutes since it was opened.
    pub age_minutes: i64,
}

/// An interaction.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InteractionFacts {
    /// What was said.
    pub text: String,
    /// `comment`, `direct-message`, `mention`, `review`, …
    pub kind: String,
    /// `it`, `en`, … as the platform or an enricher says.
    pub language: String,
    /// Whether only those who take part can see it.
    pub private: bool,
}

/// A profile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProfileFacts {
    /// The name people see.
    pub display_name: String,
    /// The name people write to.
    pub handle: String,
    /// The network's name.
    pub network: String,
}

/// A person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PersonFacts {
    /// `customer`, `prospect`, `unknown`.
    pub standing: String,
    /// Whether they are a customer.
    pub customer: bool,
}

/// A channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChannelFacts {
    /// Its name.
    pub name: String,
}

/// A moment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NowFacts {
    /// RFC 3339.
    pub time: String,
    /// 0 to 23.
    pub hour: i64,
    /// 0 to 59.
    pub minute: i64,
    /// 1 = Monday to 7 = Sunday.
    pub weekday: i64,
}

/// What can be named, by part: for messages and for checking names.
pub(crate) const NAMES: [(&str, &[&str]); 6] = [
    ("case", &["number", "state", "owner", "priority", "answered", "reopened", "age_minutes"]),
    ("interaction", &["text", "kind", "language", "private"]),
    ("profile", &["display_name", "handle", "network"]),
    ("person", &["standing", "customer"]),
    ("channel", &["name"]),
    ("now", &["time", "hour", "minute", "weekday"]),
];

/// The fields of a part.
pub(crate) fn fields_of(part: &str) -> Option<&'static [&'static str]> {
    NAMES.iter().find(|(name, _)| *name == part).map(|(_, fields)| *fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_can_be_named_and_every_name_is_a_fact() {
        let facts = serde_json::to_value(Facts::default()).expect("facts are plain");
        let there: Vec<(String, Vec<String>)> = facts
            .as_object()
            .expect("an object")
            .iter()
            .map(|(part, fields)| (part.clone(), fields.as_object().expect("an object").keys().cloned().collect()))
            .collect();
        let named: Vec<(String, Vec<String>)> =
            NAMES.iter().map(|(part, fields)| ((*part).to_owned(), fields.iter().map(|field| (*field).to_owned()).collect())).collect();
        assert_eq!(there, named);
    }
}
