//! The scenario as data: `examples/demo/scenario.yaml`, read once, every key known.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::Problem;
use crate::ledger::{FACEBOOK, LINKEDIN, TWITTER, WIKI};

/// The text is compiled in, so that a built demo plays wherever it is started.
const SCENARIO: &str = include_str!("../../../../examples/demo/scenario.yaml");

/// Languages people speak in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Language {
    It,
    En,
}

/// What people speak about. It decides what Sportello is expected to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Topic {
    Outage,
    Anger,
    Offer,
    Bill,
    Thanks,
    Direct,
    Mention,
}

/// Where something is said, if the topic leaves a choice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Place {
    /// Below the page's latest post on Facebook.
    #[default]
    Comment,
    /// On the page's wall.
    Post,
    /// A section of its own on the wiki's talk page.
    Wiki,
    /// A post on X that names us.
    X,
    /// An answer to our latest post on X.
    XAnswer,
    /// An answer on X to somebody who named us: it speaks to them and not to us.
    XAside,
    /// Below our latest post on LinkedIn.
    #[serde(rename = "linkedin")]
    LinkedIn,
}

impl Place {
    /// The channel it is on.
    pub(crate) fn channel(self) -> &'static str {
        match self {
            Self::Comment | Self::Post => FACEBOOK,
            Self::Wiki => WIKI,
            Self::X | Self::XAnswer | Self::XAside => TWITTER,
            Self::LinkedIn => LINKEDIN,
        }
    }
}

/// Which answer is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    OutageCustomer,
    OutageOthers,
    QuestionCustomer,
    QuestionOthers,
    Thanks,
}

/// A text in each language.
pub(crate) type InEach<T> = BTreeMap<Language, T>;

/// The whole scenario.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Scenario {
    pub(crate) title: String,
    pub(crate) page: String,
    /// Every choice follows from it: the same scenario is the same weekend.
    pub(crate) seed: u64,
    pub(crate) greetings: InEach<String>,
    /// Where names are not told, or are put there by the network.
    pub(crate) greetings_without_name: InEach<String>,
    pub(crate) answers: BTreeMap<Answer, InEach<String>>,
    pub(crate) people: Crowd,
    pub(crate) people_on_x: Crowd,
    pub(crate) people_on_linkedin: Crowd,
    pub(crate) wiki_people: Vec<WikiPerson>,
    pub(crate) words: BTreeMap<String, InEach<Vec<String>>>,
    pub(crate) lines: BTreeMap<Topic, InEach<Vec<String>>>,
    pub(crate) follow_ups: InEach<Vec<String>>,
    pub(crate) edits: InEach<String>,
    pub(crate) reactions: Vec<String>,
    pub(crate) headings: BTreeMap<Topic, InEach<String>>,
    pub(crate) scenes: Vec<Scene>,
}

/// The crowd on one network.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Crowd {
    /// Of ten, so many are in the CRM by what the network calls them.
    pub(crate) by_network: usize,
    /// Of ten, so many are in the CRM by an e-mail address only.
    pub(crate) by_email: usize,
    pub(crate) it: Names,
    pub(crate) en: Names,
}

/// Names to be combined.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Names {
    pub(crate) count: usize,
    pub(crate) first: Vec<String>,
    pub(crate) last: Vec<String>,
}

/// Somebody with an account on the wiki.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct WikiPerson {
    pub(crate) name: String,
    pub(crate) language: Language,
    /// In the CRM by the wiki name.
    #[serde(default)]
    pub(crate) customer: bool,
    /// On Facebook too, and in the CRM by both.
    #[serde(default)]
    pub(crate) also: bool,
}

/// Some hours of the weekend.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Scene {
    /// `Sat 06:30`.
    pub(crate) at: String,
    pub(crate) title: String,
    /// What the company itself posts, on every network.
    #[serde(default)]
    pub(crate) posts: Vec<String>,
    /// On Facebook, the wiki and in the CRM.
    #[serde(default)]
    pub(crate) trouble: Vec<Trouble>,
    #[serde(default)]
    pub(crate) trouble_on_x: Vec<Trouble>,
    #[serde(default)]
    pub(crate) trouble_on_linkedin: Vec<Trouble>,
    #[serde(default)]
    pub(crate) says: Vec<Says>,
    /// On Facebook.
    #[serde(default)]
    pub(crate) then: Then,
    #[serde(default)]
    pub(crate) then_on_x: Then,
    #[serde(default)]
    pub(crate) then_on_linkedin: Then,
}

impl Scene {
    /// What goes wrong, by channel.
    pub(crate) fn all_trouble(&self) -> impl Iterator<Item = (&'static str, Trouble)> {
        let lists = [(FACEBOOK, &self.trouble), (TWITTER, &self.trouble_on_x), (LINKEDIN, &self.trouble_on_linkedin)];
        lists.into_iter().flat_map(|(channel, list)| list.iter().map(move |trouble| (channel, *trouble)))
    }

    /// What follows, by channel.
    pub(crate) fn what_follows(&self) -> [(&'static str, Then); 3] {
        [(FACEBOOK, self.then), (TWITTER, self.then_on_x), (LINKEDIN, self.then_on_linkedin)]
    }

    /// Minutes since Saturday, 00:00.
    pub(crate) fn minute(&self) -> Result<u64, Problem> {
        let wrong = || format!("{:?} is no time of the weekend; write for example \"Sat 06:30\"", self.at);
        let (day, time) = self.at.split_once(' ').ok_or_else(wrong)?;
        let (hour, minute) = time.split_once(':').ok_or_else(wrong)?;
        let day = match day {
            "Sat" => 0,
            "Sun" => 24 * 60,
            _ => return Err(wrong().into()),
        };
        Ok(day + hour.parse::<u64>().map_err(|_| wrong())? * 60 + minute.parse::<u64>().map_err(|_| wrong())?)
    }
}

/// Some people say something about one topic.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Says {
    pub(crate) topic: Topic,
    pub(crate) language: Language,
    pub(crate) count: usize,
    #[serde(default)]
    pub(crate) place: Place,
}

/// What follows within a scene, on one network.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Then {
    #[serde(default)]
    pub(crate) edits: usize,
    #[serde(default)]
    pub(crate) removals: usize,
    #[serde(default)]
    pub(crate) reactions: usize,
    #[serde(default)]
    pub(crate) follow_ups: usize,
}

/// What goes wrong around Sportello.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Trouble {
    /// Deliveries that the network never sent.
    Forgeries(usize),
    /// The network takes no answers for so many minutes of the scenario.
    RateLimit(u64),
    /// The network's access token ends.
    TokenEnds,
    /// So many calls take effect, but are answered 502.
    LostAnswers(usize),
    /// So many calls take effect, but are not answered in time.
    TimeOuts(usize),
    /// So many calls are answered 503 and do nothing.
    ServerErrors(usize),
    /// An update of a kind nobody knows.
    UnknownField,
    /// The bot's sessions end on the wiki.
    WikiSessionsEnd,
    /// All sessions end in the CRM.
    CrmSessionsEnd,
}

/// Reads the scenario.
pub(crate) fn read() -> Result<Scenario, Problem> {
    let scenario: Scenario = serde_saphyr::from_str(SCENARIO).map_err(|error| format!("examples/demo/scenario.yaml: {error}"))?;
    for scene in &scenario.scenes {
        scene.minute()?;
        for says in &scene.says {
            let lines = scenario.lines.get(&says.topic).and_then(|lines| lines.get(&says.language));
            if lines.is_none_or(Vec::is_empty) {
                return Err(format!("{}: there are no lines about {:?} in {:?}", scene.at, says.topic, says.language).into());
            }
        }
    }
    Ok(scenario)
}
