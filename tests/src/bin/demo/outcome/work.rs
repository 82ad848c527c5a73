//! Nothing lost, nothing doubled: what came in, what was answered, what was recorded, and what each case has become.

use std::collections::BTreeSet;

use sportello_core::domain::case::CaseState;

use super::{CHANNELS, Outcome, Sources};
use crate::Problem;
use crate::ledger::{LINKEDIN, TWITTER, Thread};

impl Outcome {
    /// Every single thing the platforms hold is here once, and nothing else is.
    pub(super) fn nothing_lost_nothing_doubled(&mut self, sources: &Sources<'_>) {
        let Sources { ledger, evidence, platforms, .. } = sources;
        for (_, books) in &platforms.books {
            let (name, counts) = (books.name, &books.counts);
            let mut wrong = Vec::new();
            if counts.updates_acknowledged != counts.updates_made || counts.updates_given_up > 0 {
                wrong.push(format!("{name} made {} updates, {} were acknowledged", counts.updates_made, counts.updates_acknowledged));
            }
            let counted = format!("{} updates in {} deliveries", counts.updates_made, counts.posts.posted);
            self.check(format!("{name} got an acknowledgement for every update"), counted, wrong);
        }
        for (channel, name) in CHANNELS {
            let held = platforms.holds(ledger, channel);
            let mut wrong: Vec<String> = Vec::new();
            for done in held.iter().collect::<BTreeSet<_>>() {
                let Some(native_id) = &done.native_id else { continue };
                let wanted = held.iter().filter(|other| *other == done).count();
                let times = evidence.times_taken(channel, native_id, done.deed);
                if times != wanted {
                    wrong.push(format!("{native_id} {:?}: {wanted} there, {times} here", done.deed));
                }
            }
            let taken = evidence.taken_on(channel);
            if taken != held.len() {
                wrong.push(format!("{} are there, {taken} are here", held.len()));
            }
            // One post on X can be several updates, and some of it is told to nobody and asked for.
            let updates = platforms.books.iter().find(|(name, _)| *name == channel && channel != TWITTER);
            if let Some((_, books)) = updates.filter(|(_, books)| books.counts.updates_made != held.len() as u64) {
                wrong.push(format!("the platform counts {} updates, its list has {}", books.counts.updates_made, held.len()));
            }
            self.check(format!("what happened on {name} is here exactly once"), format!("{} there, {taken} here", held.len()), wrong);
        }
        let left = evidence.not_taken_in();
        let wrong = if left == 0 { Vec::new() } else { vec![format!("{left} deliveries are still set aside, or given up")] };
        let waited = format!("{} waited for the end of a limit", evidence.set_aside.len() - left);
        self.check("no delivery stays set aside", waited, wrong);
    }

    pub(super) fn replies(&mut self, sources: &Sources<'_>) {
        let Sources { scenario, actors, ledger, platforms, .. } = sources;
        for (channel, name) in CHANNELS {
            let threads: Vec<&Thread> = ledger.threads.iter().filter(|thread| thread.channel == channel).collect();
            let mut wrong = Vec::new();
            let mut answered = 0;
            for thread in &threads {
                let replies = platforms.replies(thread);
                answered += replies.len();
                let expected = thread.expected(actors).reply;
                let least = usize::from(expected.is_some() && !thread.removed);
                if replies.len() < least || replies.len() > usize::from(expected.is_some()) {
                    wrong.push(format!("{} has {} answers: {:?}", thread.key, replies.len(), thread.text));
                }
                let Some(answer) = expected else { continue };
                let asker = &actors[thread.actor].name;
                let greeting = if matches!(channel, TWITTER | LINKEDIN) {
                    scenario.greetings_without_name[&thread.language].clone()
                } else {
                    scenario.greetings[&thread.language].replace("{name}", asker)
                };
                let words = &scenario.answers[&answer][&thread.language];
                for reply in replies.iter().filter(|reply| !reply.starts_with(&greeting) || !reply.contains(words.as_str())) {
                    wrong.push(format!("{:?} by {asker} was answered {reply:?}; {answer:?} was to be", thread.text));
                }
            }
            let all = platforms.reply_count(channel);
            if all != answered {
                wrong.push(format!("{all} answers were posted, {answered} of them in threads of the scenario"));
            }
            let promise = format!("every answer stands on {name} once, in the right words");
            self.check(promise, format!("{answered} answers in {} threads", threads.len()), wrong);
        }
        let doubled: Vec<String> = platforms.books.iter().flat_map(|(_, books)| books.doubled.clone()).collect();
        self.check("nobody got the same answer twice", format!("{} doubled", doubled.len()), doubled);
    }

    pub(super) fn activities(&mut self, sources: &Sources<'_>) {
        let Sources { actors, ledger, platforms, .. } = sources;
        let mut wrong = Vec::new();
        let mut found = 0;
        for (position, actor) in actors.iter().enumerate() {
            let Some(party) = actor.party else { continue };
            let own = || ledger.threads.iter().filter(|thread| thread.actor == position && thread.expected(actors).activity);
            let (least, most) = (own().filter(|thread| !thread.removed).count(), own().count());
            let notes = platforms.notes.get(&party).map(Vec::as_slice).unwrap_or_default();
            found += notes.len();
            if notes.len() < least || notes.len() > most {
                wrong.push(format!("{} has {} activities; {least} to {most} were to be", actor.name, notes.len()));
            }
            let different: BTreeSet<&String> = notes.iter().collect();
            if different.len() != notes.len() {
                wrong.push(format!("{} has the same activity twice", actor.name));
            }
        }
        let parties = actors.iter().filter(|actor| actor.party.is_some()).count();
        self.check("every activity stands in the CRM once", format!("{found} activities of {parties} parties"), wrong);
    }

    pub(super) fn cases(&mut self, sources: &Sources<'_>) -> Result<(), Problem> {
        let Sources { actors, ledger, evidence, .. } = sources;
        let mut wrong = Vec::new();
        let mut seen = BTreeSet::new();
        for thread in &ledger.threads {
            let case = evidence.case_of(thread.channel, &thread.conversation)?;
            seen.extend(case.as_ref().map(|case| case.conversation));
            let expected = thread.expected(actors);
            match case {
                None if thread.removed => {}
                None => wrong.push(format!("{} has no case: {:?}", thread.key, thread.text)),
                Some(_) if thread.removed => {}
                Some(case) => {
                    if case.owner.as_deref() != expected.owner {
                        wrong.push(format!("{:?} belongs to {:?} instead of {:?}", thread.text, case.owner, expected.owner));
                    }
                    if expected.resolved.is_some_and(|resolved| resolved != (case.state == CaseState::Resolved)) {
                        wrong.push(format!("{:?} is {}", thread.text, case.state.word()));
                    }
                }
            }
        }
        for case in evidence.cases.iter().filter(|case| !seen.contains(&case.conversation)) {
            // What is forgotten cannot be found by its name any more.
            if evidence.is_of_somebody_forgotten(case)? {
                continue;
            }
            let first = evidence.interactions.iter().find(|row| row.conversation == case.conversation);
            let what = first.map(|row| format!("{} {:?} at {:?}", row.kind, row.change, row.occurred_at));
            wrong.push(format!("a case on {} belongs to no thread of the scenario: {what:?}", case.channel));
        }
        self.check("every thread is one case, with the right owner and in the right state", format!("{} cases", seen.len()), wrong);
        Ok(())
    }
}
