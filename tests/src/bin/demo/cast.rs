//! The people of the weekend: who they are on which platform, and whether the CRM knows them by what.

use std::collections::BTreeMap;

use sportello_tests::networks::Member;
use sportello_tests::servers::{ContactMechanism, CrmUser, WikiUser};

use crate::Problem;
use crate::ledger::{FACEBOOK, LINKEDIN, TWITTER, WIKI};
use crate::scenario::{Crowd, Language, Names, Scenario, Topic};
use crate::stage::Stage;

/// Somebody.
pub(crate) struct Actor {
    pub(crate) name: String,
    pub(crate) language: Language,
    /// On the networks, by channel.
    pub(crate) members: BTreeMap<&'static str, Member>,
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
    FacebookAndWiki,
    /// By their id on X.
    Twitter,
    /// By their handle on X.
    TwitterHandle,
    /// By their id on LinkedIn, whose terms forbid making use of it: no link either.
    LinkedIn,
}

impl Actor {
    /// Whether Sportello can and may recognise them, from what the platforms show.
    pub(crate) fn is_recognisable(&self) -> bool {
        !matches!(self.known, Known::Nothing | Known::Email | Known::LinkedIn)
    }

    /// Who they are on a network.
    pub(crate) fn member(&self, channel: &str) -> Result<&Member, Problem> {
        self.members.get(channel).ok_or_else(|| format!("{} is not on {channel}", self.name).into())
    }

    fn is_on(&self, channel: &str) -> bool {
        if channel == WIKI { self.wiki.is_some() } else { self.members.contains_key(channel) }
    }

    /// What the CRM's record of them says.
    fn mechanisms(&self, number: usize) -> Vec<ContactMechanism> {
        let labelled = |label, value: String| ContactMechanism { kind: "other", label: Some(label), value };
        let mut mechanisms = vec![ContactMechanism::email(&format!("customer{number}@posta.example"))];
        let on = |channel| self.members.get(channel);
        if matches!(self.known, Known::Facebook | Known::FacebookAndWiki) {
            mechanisms.extend(on(FACEBOOK).map(|member| ContactMechanism::facebook(&member.id())));
        }
        if matches!(self.known, Known::Wiki | Known::FacebookAndWiki) {
            mechanisms.push(ContactMechanism::wiki(&self.name));
        }
        mechanisms.extend(match self.known {
            Known::Twitter => on(TWITTER).map(|member| labelled("twitter", member.id())),
            Known::TwitterHandle => on(TWITTER).and_then(Member::handle).map(|handle| labelled("twitter-handle", handle.to_owned())),
            Known::LinkedIn => on(LINKEDIN).map(|member| labelled("linkedin", member.id())),
            _ => None,
        });
        mechanisms
    }
}

/// Makes everybody: accounts on the platforms, parties in the CRM.
pub(crate) async fn gather(scenario: &Scenario, stage: &Stage) -> Result<Vec<Actor>, Problem> {
    let mut actors = crowd(&scenario.people, stage, FACEBOOK)?;
    actors.extend(crowd(&scenario.people_on_x, stage, TWITTER)?);
    actors.extend(crowd(&scenario.people_on_linkedin, stage, LINKEDIN)?);
    for person in &scenario.wiki_people {
        let account = stage.wiki.add_customer(&person.name, &format!("{}-wiki-2026", person.name.replace(' ', "-"))).await?;
        let mut members = BTreeMap::new();
        if person.also {
            members.insert(FACEBOOK, stage.network(FACEBOOK)?.member(&person.name));
        }
        actors.push(Actor {
            name: person.name.clone(),
            language: person.language,
            members,
            wiki: Some(WikiUser::new(&stage.wiki.api_url(), account)),
            known: match (person.customer, person.also) {
                (true, true) => Known::FacebookAndWiki,
                (true, false) => Known::Wiki,
                (false, _) => Known::Nothing,
            },
            party: None,
        });
    }
    let operator: CrmUser = stage.crm.operator();
    for (number, actor) in actors.iter_mut().enumerate().filter(|(_, actor)| actor.known != Known::Nothing) {
        actor.party = Some(operator.create_party(&actor.name, &format!("SOLE-{number}"), &actor.mechanisms(number)).await?);
    }
    Ok(actors)
}

fn crowd(crowd: &Crowd, stage: &Stage, channel: &'static str) -> Result<Vec<Actor>, Problem> {
    let network = stage.network(channel)?;
    let mut actors = Vec::new();
    for (language, names) in [(Language::It, &crowd.it), (Language::En, &crowd.en)] {
        for number in 0..names.count {
            let name = full_name(names, number);
            let known = match number % 10 {
                rank if rank < crowd.by_network => known_by(channel, rank),
                rank if rank < crowd.by_network + crowd.by_email => Known::Email,
                _ => Known::Nothing,
            };
            let members = BTreeMap::from([(channel, network.member(&name))]);
            actors.push(Actor { name, language, members, wiki: None, known, party: None });
        }
    }
    Ok(actors)
}

fn known_by(channel: &str, rank: usize) -> Known {
    match channel {
        TWITTER if rank.is_multiple_of(2) => Known::TwitterHandle,
        TWITTER => Known::Twitter,
        LINKEDIN => Known::LinkedIn,
        _ => Known::Facebook,
    }
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
    asked: BTreeMap<(Language, &'static str, Circle), usize>,
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
    pub(crate) fn next(&mut self, actors: &[Actor], language: Language, channel: &'static str, topic: Topic) -> Result<usize, Problem> {
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
        let fitting: Vec<usize> = actors
            .iter()
            .enumerate()
            .filter(|(_, actor)| actor.language == language && actor.is_on(channel) && would(actor))
            .map(|(position, _)| position)
            .collect();
        if fitting.is_empty() {
            return Err(format!("nobody speaks {language:?} about {topic:?} on {channel}").into());
        }
        let asked = self.asked.entry((language, channel, circle)).or_default();
        *asked += 1;
        Ok(fitting[(*asked - 1) % fitting.len()])
    }
}
