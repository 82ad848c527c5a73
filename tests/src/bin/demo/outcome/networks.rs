//! What the networks' terms and limits ask for, and whether it was kept.

use std::collections::BTreeSet;

use serde_json::Value;
use sportello_core::domain::effect::EffectState;
use sportello_core::domain::person::{self, Standing};
use sportello_tests::stand_ins::FaultHandle;

use super::{CHANNELS, Outcome, Sources};
use crate::cast::Known;
use crate::ledger::{Deed, LINKEDIN, TWITTER};

/// Effects of a channel under way at once.
const UNDER_WAY_MAX: u64 = 8;
/// What LinkedIn's terms allow of members' profiles.
const PROFILE_MS_MAX: i64 = 24 * 60 * 60 * 1000;

impl Outcome {
    /// Limits, tokens, forgeries.
    pub(super) fn calls(&mut self, sources: &Sources<'_>) {
        let Sources { ledger, metrics, platforms, .. } = sources;
        let mut limited: Vec<(&str, u64)> = Vec::new();
        let mut wrong = Vec::new();
        for (channel, books) in &platforms.books {
            let count = |handles: &[(&str, FaultHandle)]| -> u64 {
                handles.iter().filter(|(of, _)| of == channel).map(|(_, handle)| handle.count() as u64).sum()
            };
            // Those under way when it began find out about it; where the refusal itself is lost, another one takes its place and finds out anew.
            // Somebody who does not wait comes hundreds of times.
            let (calls, calls_max) = (books.calls_over_limit + count(&ledger.limits), UNDER_WAY_MAX + count(&ledger.lost));
            if calls > calls_max {
                wrong.push(format!("{calls} on {}; at most {calls_max} can have been told of it for the first time", books.name));
            }
            limited.push((books.name, calls));
        }
        let counted: Vec<String> = limited.iter().map(|(name, calls)| format!("{calls} on {name}")).collect();
        self.check("a limit is found out about, and waited for", format!("calls over the limit: {}", counted.join(", ")), wrong);

        let mut wrong = Vec::new();
        let mut counted = Vec::new();
        for (_, books) in &platforms.books {
            let Some(refreshes) = books.token_refreshes else { continue };
            // The first by itself, the second when the token ended in the middle.
            if refreshes < 2 {
                wrong.push(format!("{} gave {refreshes} tokens; two had to be fetched", books.name));
            }
            counted.push(format!("{refreshes} on {}", books.name));
        }
        wrong.extend(
            platforms
                .first_tokens_serve
                .iter()
                .filter(|(_, serves)| *serves)
                .map(|(name, _)| format!("{name}'s first refresh token still serves")),
        );
        self.check(
            "tokens that end are fetched anew, and each refresh token serves once",
            format!("fetched: {}", counted.join(", ")),
            wrong,
        );

        let refused = ledger.forgeries.iter().filter(|status| **status != 401);
        let mut wrong: Vec<String> = refused.map(|status| format!("one was answered {status}")).collect();
        let unsigned = metrics.sum("sportello_webhook_deliveries_total", &["Unsigned"]);
        if unsigned != ledger.forgeries.len() as u64 {
            wrong.push(format!("{unsigned} were counted"));
        }
        self.check(
            "every forged delivery got 401 and was counted",
            format!("{} forged, {unsigned} counted", ledger.forgeries.len()),
            wrong,
        );
    }

    /// Who may be recognised, and who may be answered.
    pub(super) fn terms(&mut self, sources: &Sources<'_>) {
        let Sources { actors, ledger, evidence, platforms, .. } = sources;
        let known = |kinds: &[Known]| {
            let speaks = ledger.speakers.iter().filter(|(_, position)| kinds.contains(&actors[*position].known));
            speaks.count()
        };
        let linked = |channel: &str| evidence.profiles_on(channel).filter(|profile| profile.link.is_some()).count();

        let (ids, handles, on_x) = (known(&[Known::Twitter]), known(&[Known::TwitterHandle]), linked(TWITTER));
        let wrong = if on_x == ids + handles { Vec::new() } else { vec![format!("{on_x} are linked")] };
        self.check("on X customers are recognised by id or handle", format!("{ids} by id, {handles} by handle, {on_x} linked"), wrong);

        let (in_crm, on_linkedin) = (known(&[Known::LinkedIn]), linked(LINKEDIN));
        let policy = &sources.linkedin_channel["policy"];
        let mut wrong = Vec::new();
        let could_be = evidence.profiles_on(LINKEDIN).filter(|profile| evidence.shares_an_identifier(profile)).count();
        if could_be != in_crm {
            wrong.push(format!("{could_be} have an identifier that a contact of the CRM has too; nothing else was to keep them apart"));
        }
        if on_linkedin > 0 || in_crm == 0 {
            wrong.push(format!("{on_linkedin} are linked"));
        }
        if policy["link"] != "forbidden" {
            wrong.push(format!("the channel's policy says {policy}"));
        }
        let counted =
            format!("{in_crm} of them stand in the CRM, {on_linkedin} are linked: its terms forbid it (link = {})", policy["link"]);
        self.check("nobody on LinkedIn is matched with the CRM", counted, wrong);

        let profiles: Vec<_> = evidence.profiles_on(LINKEDIN).collect();
        let is_kept_longer = |at: Option<i64>, seen: i64| at.is_none_or(|at| at - seen > PROFILE_MS_MAX);
        let longer = profiles
            .iter()
            .filter(|profile| is_kept_longer(profile.erase_at.map(|at| at.0), profile.last_seen_at.0))
            .map(|profile| format!("one is kept until {:?}", profile.erase_at));
        let longer = longer.collect();
        let hours = &policy["profile_hours"];
        self.check("LinkedIn's profiles are given up within a day", format!("{} profiles, {hours} hours each", profiles.len()), longer);

        let aside = ledger.threads.iter().filter(|thread| !thread.summons).count();
        let left = evidence.effects.iter().filter(|effect| effect.channel.as_str() == TWITTER && effect.state == EffectState::Undecided);
        let left = left.count();
        let mut wrong = Vec::new();
        if left != aside || aside == 0 {
            wrong.push(format!("{left} answers are left to a person"));
        }
        if platforms.unsummoned_refused > 0 {
            wrong.push(format!("X had to refuse {} answers", platforms.unsummoned_refused));
        }
        self.check("who did not speak to us on X is left to a person", format!("{aside} of them, {left} answers wait for a person"), wrong);
    }

    /// Words that are gone there are gone here.
    pub(super) fn forgotten(&mut self, sources: &Sources<'_>) {
        let Sources { actors, ledger, evidence, .. } = sources;
        let openable = evidence.openable();
        let removed: Vec<&String> =
            ledger.done.iter().filter(|done| done.deed == Deed::Deleted).filter_map(|done| done.native_id.as_ref()).collect();
        let readable: BTreeSet<String> = openable.iter().filter_map(|content| with_words(content)).collect();
        let mut wrong: Vec<String> =
            removed.iter().filter(|id| readable.contains(**id)).map(|id| format!("the words of {id} can still be read")).collect();
        // Were nothing readable at all, that would prove nothing.
        let standing = ledger.threads.iter().filter(|thread| thread.can_be_followed && !thread.removed).map(|thread| &thread.key);
        wrong.extend(
            standing.filter(|key| !readable.contains(*key)).map(|key| format!("the words of {key} are gone, and nobody took them back")),
        );
        self.check("words that were taken back can be read nowhere", format!("{} taken back", removed.len()), wrong);
        if let Some(member) = ledger.forgotten.and_then(|position| actors[position].members.values().next()) {
            let found = openable.iter().filter(|content| content.contains(&member.id())).count();
            let wrong = if found == 0 { Vec::new() } else { vec![format!("{found} records still name them")] };
            self.check("who asked Facebook to be forgotten is forgotten", format!("{found} records name them"), wrong);
        }
    }

    pub(super) fn people(&mut self, sources: &Sources<'_>) {
        let Sources { actors, ledger, evidence, .. } = sources;
        for (promise, standing) in [
            ("every customer who was seen is recognised", Standing::Customer),
            ("nobody else is taken for one, nobody is left over", Standing::Prospect),
        ] {
            let were = |position: &usize| {
                actors[*position].is_recognisable() == (standing == Standing::Customer) && ledger.forgotten != Some(*position)
            };
            let there = ledger.speakers.iter().filter(|(_, position)| were(position)).count();
            let here = evidence.standing(standing);
            let mut wrong = Vec::new();
            for (channel, name) in CHANNELS {
                let speakers = ledger.speakers.iter().filter(|(on, position)| *on == channel && were(position)).count();
                let profiles = evidence.profiles_on(channel).filter(|profile| person::standing(profile) == standing).count();
                if profiles != speakers {
                    wrong.push(format!("{profiles} on {name}, where {speakers} were seen"));
                }
            }
            self.check(promise, format!("{here} of {there} profiles"), wrong);
        }
    }
}

/// The native id of an interaction whose words can be read.
fn with_words(content: &str) -> Option<String> {
    let content: Value = serde_json::from_str(content).ok()?;
    content["text"].as_str()?;
    content["native_id"].as_str().map(str::to_owned)
}
