//! A command's work in progress: rows as they would be, and the events that make them so.

use crate::event::{Event, apply};
use crate::numbers::Counter;
use crate::tables::{RowChange, Rows, SavedDraft, Tables};
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

    /// A point to come back to.
    #[must_use]
    pub fn save(&self) -> SavePoint {
        SavePoint { tables: self.tables.save(), events: self.events.len() }
    }

    /// Forgets everything since `saved`.
    pub fn restore(&mut self, saved: SavePoint) {
        self.tables.restore(saved.tables);
        self.events.truncate(saved.events);
    }

    /// The events and the changed rows.
    #[must_use]
    pub fn finish(self) -> (Vec<E>, Vec<RowChange>) {
        (self.events, self.tables.into_changes())
    }
}

/// A draft as it was at some point.
pub struct SavePoint {
    tables: SavedDraft,
    events: usize,
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
