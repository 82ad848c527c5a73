//! The people of the weekend: who they are on which platform, and whether the CRM knows them by what.

use std::collections::BTreeMap;

use sportello_tests::servers::{ContactMechanism, CrmUser, Wiki, WikiUser};
use sportello_tests::stand_ins::facebook::{Facebook, Person};

use crate::Problem;
use crate::scenario::{Language, Names, Scenario, Topic};

/// Somebody.
pub(crate) struct Actor {
    pub(crate) name: String,
    pub(crate) language: Language,
    /// On Facebook.
    pub(crate) facebook: Option<Person>,
    /// On the wiki.
    pub(crate) wiki: Option<WikiUser>,
    /// What the CRM knows.
    pub(crate) known: Known,
    /// Their party in the CRM.
    pub(crate) party: Option<u64>,
}

/// By what the CRM knows somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Known {
    Nothing,
    /// An address that no platform shows: no evidence, so no link.
    Email,
    Facebook,
    Wiki,
    Both,
}

impl Actor {
    /// Whether Sportello can recognise them, from what the platforms show.
    pub(crate) fn is_recognisable(&self) -> bool {
        matches!(self.known, Known::Facebook | Known::Wiki | Known::Both)
    }
}

/// Makes everybody: accounts on the platforms, parties in the CRM.
pub(crate) async fn gather(scenario: &Scenario, facebook: &Facebook, wiki: &dyn Wiki, operator: &CrmUser) -> Result<Vec<Actor>, Problem> {
    let mut actors = crowd(scenario, facebook);
    for person in &scenario.wiki_people {
        let account = wiki.add_customer(&person.name, &format!("{}-wiki-2026", person.name.replace(' ', "-"))).await?;
        actors.push(Actor {
            name: person.name.clone(),
            language: person.language,
            facebook: person.also.then(|| facebook.person(&person.name)),
            wiki: Some(WikiUser::new(&wiki.api_url(), account)),
            known: match (person.customer, person.also) {
                (true, true) => Known::Both,
                (true, false) => Known::Wiki,
                (false, _) => Known::Nothing,
            },
            party: None,
        });
    }
    for (number, actor) in actors.iter_mut().enumerate() {
        let mut mechanisms = vec![ContactMechanism::email(&format!("customer{number}@posta.example"))];
        if matches!(actor.known, Known::Facebook | Known::Both)
            && let Some(person) = &actor.facebook
        {
            mechanisms.push(ContactMechanism::facebook(&person.id));
        }
        if matches!(actor.known, Known::Wiki | Known::Both) {
            mechanisms.push(ContactMechanism::wiki(&actor.name));
        }
        if actor.known != Known::Nothing {
            actor.party = Some(operator.create_party(&actor.name, &format!("SOLE-{number}"), &mechanisms).await?);
        }
    }
    Ok(actors)
}

fn crowd(scenario: &Scenario, facebook: &Facebook) -> Vec<Actor> {
    let people = &scenario.people;
    let mut actors = Vec::new();
    for (language, names) in [(Language::It, &people.it), (Language::En, &people.en)] {
        for number in 0..names.count {
            let name = full_name(names, number);
            let known = match number % 10 {
                rank if rank < people.by_facebook => Known::Facebook,
                rank if rank < people.by_facebook + people.by_email => Known::Email,
                _ => Known::Nothing,
            };
            actors.push(Actor { facebook: Some(facebook.person(&name)), name, language, wiki: None, known, party: None });
        }
    }
    actors
}

/// Every pair of a first and a last name once, before any comes again.
fn full_name(names: &Names, number: usize) -> String {
    let first = &names.first[number % names.first.len()];
    let last = &names.last[(number / names.first.len() + number) % names.last.len()];
    format!("{first} {last}")
}

/// Who says what: people take turns, and some topics are some people's only.
#[derive(Default)]
pub(crate) struct Turns {
    /// How often each kind of speaker was asked for.
    asked: BTreeMap<(Language, bool, Circle), usize>,
}

/// Who would say such a thing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Circle {
    Everybody,
    InTheCrm,
    NotRecognisable,
}

impl Turns {
    /// The next who speaks the language, is on the platform, and would say such a thing.
    pub(crate) fn next(&mut self, actors: &[Actor], language: Language, on_wiki: bool, topic: Topic) -> Result<usize, Problem> {
        let circle = match topic {
            Topic::Bill => Circle::InTheCrm,
            Topic::Offer => Circle::NotRecognisable,
            _ => Circle::Everybody,
        };
        let would = |actor: &Actor| match circle {
            Circle::Everybody => true,
            Circle::InTheCrm => actor.known != Known::Nothing,
            Circle::NotRecognisable => !actor.is_recognisable(),
        };
        let there = |actor: &Actor| if on_wiki { actor.wiki.is_some() } else { actor.facebook.is_some() };
        let fitting: Vec<usize> = actors
            .iter()
            .enumerate()
            .filter(|(_, actor)| actor.language == language && there(actor) && would(actor))
            .map(|(position, _)| position)
            .collect();
        if fitting.is_empty() {
            return Err(
                format!("nobody speaks {language:?} about {topic:?} {}", if on_wiki { "on the wiki" } else { "on Facebook" }).into()
            );
        }
        let asked = self.asked.entry((language, on_wiki, circle)).or_default();
        *asked += 1;
        Ok(fitting[(*asked - 1) % fitting.len()])
    }
}
