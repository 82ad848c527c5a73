//! From records to rows: what happens when a tenant is opened, and when views are rebuilt to be compared.

use std::ops::RangeInclusive;

use sportello_core::event::EventError;
use sportello_core::tables::{RowChange, Rows, Table, Tables, Value};
use sportello_journal::{Journal, Sequence};
use sportello_views::{Change, Views};

use crate::sabotage::sabotaged;
use crate::tenant::TenantError;
use crate::tenant::read_ahead::{Decoded, read_ahead};
use crate::tenant::record::TenantRecord;
use crate::tenant::rows::ViewRows;

/// Events this program could not use, by sequence and place in their record. Kept, so that a newer program can say what they were.
pub const UNUSABLE_EVENTS: Table<(u64, u64), String> = Table::new(250, "unusable-events");

/// Records between two signs of progress.
const PROGRESS_EVERY: u64 = 10_000;
/// Rows changed by one run of records: about what the view store takes in one batch.
const RUN_ROWS: usize = 1_000;

/// Rows that a replay goes into.
pub trait Target: Rows {
    /// Takes what a run of records comes to: one change for each row they changed.
    ///
    /// # Errors
    /// The store's, also those of reading since the last call.
    fn take(&mut self, sequences: RangeInclusive<u64>, changes: Vec<RowChange>) -> Result<(), TenantError>;
}

/// Applies records in order, a run at a time: rows that change again and again are looked up and handed on once a run.
///
/// # Errors
/// Of the records, of the target.
pub fn replay(mut records: impl Iterator<Item = Decoded>, target: &mut impl Target) -> Result<(), TenantError> {
    while let Some(first) = records.next() {
        let (first, record) = first?;
        let mut tables = Tables::over(target);
        let mut last = first;
        apply(&mut tables, first, &record);
        while tables.changed() < RUN_ROWS {
            let Some(next) = records.next() else { break };
            let (sequence, record) = next?;
            apply(&mut tables, sequence, &record);
            last = sequence;
        }
        let changes = tables.into_changes();
        target.take(first..=last, changes)?;
    }
    Ok(())
}

/// Applies everything durable that the views have not seen. `progress` is told (applied, last).
pub(crate) fn catch_up(journal: &dyn Journal, views: &Views, progress: &mut dyn FnMut(u64, u64)) -> Result<(), TenantError> {
    let last = journal.durable().get();
    if views.cursor() > last {
        // The views have seen records the journal does not have: they are not of this journal's past.
        views.reset()?;
    }
    views.only_up_to(last);
    let records = read_ahead(journal.read(Sequence::new(views.cursor() + 1))?)?;
    replay(records, &mut CatchUp { rows: ViewRows::new(views), views, last, progress })?;
    progress(last, last);
    Ok(())
}

/// Views on their way to the present.
struct CatchUp<'a> {
    rows: ViewRows<'a>,
    views: &'a Views,
    last: u64,
    progress: &'a mut dyn FnMut(u64, u64),
}

impl Rows for CatchUp<'_> {
    fn row(&self, table: u8, key: &[u8]) -> Option<Value> {
        self.rows.row(table, key)
    }
}

impl Target for CatchUp<'_> {
    fn take(&mut self, sequences: RangeInclusive<u64>, changes: Vec<RowChange>) -> Result<(), TenantError> {
        self.rows.check()?;
        let (first, sequence) = sequences.clone().into_inner();
        self.views.apply_run(sequences, to_changes(changes))?;
        if first / PROGRESS_EVERY != (sequence + 1) / PROGRESS_EVERY {
            (self.progress)(sequence, self.last);
        }
        Ok(())
    }
}

fn apply(tables: &mut Tables, sequence: u64, record: &TenantRecord) {
    for (place, event) in record.events.iter().enumerate() {
        match event {
            Ok(event) => {
                event.apply(tables, record.at);
                if sabotaged("apply-twice") {
                    event.apply(tables, record.at);
                }
            }
            Err(problem) => park(tables, sequence, place as u64, problem),
        }
    }
}

fn park(tables: &mut Tables, sequence: u64, place: u64, problem: &EventError) {
    tracing::warn!(sequence, place, %problem, "an event cannot be used and was set aside");
    tables.put(&UNUSABLE_EVENTS, &(sequence, place), &problem.to_string());
}

pub(crate) fn to_changes(changes: Vec<RowChange>) -> Vec<Change> {
    changes.into_iter().map(|(place, value)| Change { place, value }).collect()
}
