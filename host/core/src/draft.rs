//! A command's work in progress: rows as they would be, and the events that make them so.

use crate::event::{Event, apply};
use crate::numbers::Counter;
use crate::tables::{RowChange, Rows, Tables};
use crate::time::Timestamp;

/// What a command has come to so far. `E` is the event type of whoever composes the domains.
///
/// An event is applied the moment it is emitted, so that what follows in the same command sees it; on replay the same [`apply`] gives the
/// same rows. Numbers are drawn by the events' makers through [`Draft::next`], and [`note_numbers`] moves the counters on both paths.
pub struct Draft<'rows, E> {
    tables: Tables<'rows>,
    now: Timestamp,
    events: Vec<E>,
}

impl<'rows, E: From<Event>> Draft<'rows, E> {
    /// Nothing has happened yet.
    #[must_use]
    pub fn new(rows: &'rows dyn Rows, now: Timestamp) -> Self {
        Self { tables: Tables::over(rows), now, events: Vec::new() }
    }

    /// The rows as they would be.
    #[must_use]
    pub fn tables(&self) -> &Tables<'rows> {
        &self.tables
    }

    /// The command's time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// How many events there are so far.
    #[must_use]
    pub fn event_count(&self) -> usize {
        self.events.len()
    }

    /// The events so far.
    #[must_use]
    pub fn events(&self) -> &[E] {
        &self.events
    }

    /// The number the next thing of this kind will have.
    #[must_use]
    pub fn next(&self, counter: Counter) -> u64 {
        self.tables.next_number(counter)
    }

    /// Something of the core happened.
    pub fn emit(&mut self, event: impl Into<Event>) {
        let event = event.into();
        apply(&mut self.tables, self.now, &event);
        note_numbers(&mut self.tables, &event);
        self.events.push(E::from(event));
    }

    /// Something of another domain happened; `apply` is that domain's.
    pub fn emit_with(&mut self, event: E, apply: impl FnOnce(&mut Tables<'rows>, Timestamp, &E)) {
        apply(&mut self.tables, self.now, &event);
        self.events.push(event);
    }

    /// Shows every event to `each`, also those it adds, in order; stops when there are more than `events_max`.
    pub fn respond(&mut self, events_max: usize, mut each: impl FnMut(&mut Self, &E)) {
        let mut shown = Vec::new();
        while !self.events.is_empty() {
            let wave = std::mem::take(&mut self.events);
            for event in &wave {
                if shown.len() + wave.len() + self.events.len() <= events_max {
                    each(self, event);
                }
            }
            shown.extend(wave);
        }
        self.events = shown;
    }

    /// The events and the changed rows.
    #[must_use]
    pub fn finish(self) -> (Vec<E>, Vec<RowChange>) {
        (self.events, self.tables.into_changes())
    }
}

/// Moves the counters past the numbers an event uses.
pub fn note_numbers(tables: &mut Tables, event: &Event) {
    let (counter, number) = match event {
        Event::InteractionReceived(event) => (Counter::Interaction, event.interaction.0),
        Event::PersonAppeared(event) => (Counter::Person, event.person.0),
        Event::LinkMade(event) => (Counter::Link, event.link.0),
        Event::CaseOpened(event) => (Counter::Case, event.case.0),
        Event::EffectQueued(event) => (Counter::Effect, event.effect.0),
        Event::DeliveryParked(event) => (Counter::Delivery, event.delivery.0),
        Event::TokenCreated(event) => (Counter::Token, event.token.0),
        _ => return,
    };
    tables.note_number(counter, number);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::profile::{LookUp, LookUpAnswered};
    use crate::ids::ProfileId;
    use crate::tables::Value;

    struct NoRows;

    impl Rows for NoRows {
        fn row(&self, _: u8, _: &[u8]) -> Option<Value> {
            None
        }
    }

    fn answered(profile: u64) -> Event {
        LookUpAnswered { profile: ProfileId(profile), look_up: LookUp::Absent }.into()
    }

    /// One event, each of which brings the next about up to the `last`.
    fn chain(last: u64, events_max: usize) -> Vec<Event> {
        let mut draft: Draft<'_, Event> = Draft::new(&NoRows, Timestamp(0));
        draft.emit(answered(1));
        draft.respond(events_max, |draft, event| {
            if let Event::LookUpAnswered(event) = event
                && event.profile.0 < last
            {
                draft.emit(answered(event.profile.0 + 1));
            }
        });
        draft.finish().0
    }

    #[test]
    fn every_event_is_answered_in_order_also_those_that_answers_bring_about() {
        assert_eq!(chain(5, 100), (1..=5).map(answered).collect::<Vec<_>>());
    }

    #[test]
    fn events_that_bring_each_other_about_for_ever_end_with_one_too_many() {
        assert_eq!(chain(u64::MAX, 6).len(), 7);
    }
}
