//! What is sealed: the words and names the core never sees.
//!
//! Stored as JSON inside the seal: it is read far less often than the core's rows, by programs that may be newer than the one that wrote it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A profile's names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProfileContent {
    /// The platform's id.
    pub id: String,
    /// The name behind the `@`, or the wiki's user name.
    pub handle: Option<String>,
    /// What they call themselves.
    pub display_name: Option<String>,
    /// Where the profile can be seen.
    pub url: Option<String>,
    /// (scheme, value) of everything it can be recognised by.
    pub identifiers: Vec<(String, String)>,
}

impl ProfileContent {
    /// What is known once `self` was said and `before` had been known. What is left unsaid stays; of the schemes that identifiers are given in,
    /// those of before are replaced.
    #[must_use]
    pub fn over(self, before: Self) -> Self {
        let mut identifiers = self.identifiers;
        let said: BTreeSet<String> = identifiers.iter().map(|(scheme, _)| scheme.clone()).collect();
        identifiers.extend(before.identifiers.into_iter().filter(|(scheme, _)| !said.contains(scheme)));
        identifiers.sort();
        Self {
            id: self.id,
            handle: self.handle.or(before.handle),
            display_name: self.display_name.or(before.display_name),
            url: self.url.or(before.url),
            identifiers,
        }
    }
}

/// An interaction's words and everything else of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InteractionContent {
    /// The platform's id of the thing.
    pub native_id: String,
    /// Which version of it.
    pub revision: String,
    /// The words.
    pub text: Option<String>,
    /// Their language, where the platform says.
    pub language: Option<String>,
    /// The key of the thread, as the connector chose it.
    pub conversation_key: String,
    /// The thread's title.
    pub conversation_title: Option<String>,
    /// Where the thread can be seen.
    pub conversation_url: Option<String>,
    /// The native id of what it answers.
    pub in_reply_to: Option<String>,
    /// Named extras.
    pub attributes: Vec<(String, String)>,
    /// The platform's own words, cut to 64 KiB.
    pub raw: Option<String>,
}

/// A contact's record.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactContent {
    /// The CRM's id.
    pub id: String,
    /// The CRM's version.
    pub version: String,
    /// What the CRM calls them.
    pub display_name: Option<String>,
    /// (scheme, value) of everything they can be recognised by.
    pub identifiers: Vec<(String, String)>,
    /// Named extras.
    pub attributes: Vec<(String, String)>,
}

/// An effect's words and address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EffectContent {
    /// The words.
    pub text: String,
    /// A heading, where the action has one.
    pub subject: Option<String>,
    /// The key of the thread a reply goes to.
    pub conversation_key: Option<String>,
    /// The native id of what it answers.
    pub in_reply_to: Option<String>,
    /// The CRM's id of the contact it is about.
    pub contact: Option<String>,
    /// Named extras: what a contact is to say.
    #[serde(default)]
    pub attributes: Vec<(String, String)>,
}

/// The platform's receipt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptContent {
    /// The platform's id of what came to be.
    pub native_id: String,
    /// Where it can be seen.
    pub url: Option<String>,
}

/// A parked delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryContent {
    /// Query parameters.
    pub query: Vec<(String, String)>,
    /// Headers as the guest was given them.
    pub headers: Vec<(String, String)>,
    /// The body, base64.
    pub body: String,
    /// What the connector said of it, in its own words.
    #[serde(default)]
    pub problem: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(handle: Option<&str>, display_name: Option<&str>, identifiers: &[(&str, &str)]) -> ProfileContent {
        ProfileContent {
            id: "77".to_owned(),
            handle: handle.map(str::to_owned),
            display_name: display_name.map(str::to_owned),
            url: None,
            identifiers: identifiers.iter().map(|(scheme, value)| ((*scheme).to_owned(), (*value).to_owned())).collect(),
        }
    }

    #[test]
    fn what_is_left_unsaid_of_a_profile_stays_and_what_is_said_replaces() {
        let known = profile(Some("ada"), Some("Ada"), &[("email", "a@example.org"), ("n.handle", "ada"), ("n.id", "77")]);
        let unsaid = profile(None, None, &[("n.id", "77")]);
        assert_eq!(unsaid.over(known.clone()), known);
        let said = profile(Some("ada-l"), None, &[("n.id", "77"), ("n.handle", "ada-l")]);
        let both = profile(Some("ada-l"), Some("Ada"), &[("email", "a@example.org"), ("n.handle", "ada-l"), ("n.id", "77")]);
        assert_eq!(said.over(known), both);
    }
}
