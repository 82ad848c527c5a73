//! From records to rows: what happens when a tenant is opened, and when views are rebuilt to be compared.

use sportello_core::event::EventError;
use sportello_core::tables::{RowChange, Rows, Table, Tables};
use sportello_journal::{Journal, Sequence};
use sportello_views::{Change, Views};

use crate::sabotage::sabotaged;
use crate::tenant::TenantError;
use crate::tenant::read_ahead::read_ahead;
use crate::tenant::record::TenantRecord;
use crate::tenant::rows::ViewRows;

/// Events this program could not use, by sequence and place in their record. Kept, so that a newer program can say what they were.
pub const UNUSABLE_EVENTS: Table<(u64, u64), String> = Table::new(250, "unusable-events");

/// Applies everything durable that the views have not seen. `progress` is told (applied, last).
pub(crate) fn catch_up(journal: &dyn Journal, views: &Views, progress: &mut dyn FnMut(u64, u64)) -> Result<(), TenantError> {
    let last = journal.durable().get();
    if views.cursor() > last {
        // The views have seen records the journal does not have: they are not of this journal's past.
        views.reset()?;
    }
    views.only_up_to(last);
    for record in read_ahead(journal.read(Sequence::new(views.cursor() + 1))?)? {
        let (sequence, record) = record?;
        let rows = ViewRows::new(views);
        let changes = changes_of(&rows, sequence, &record);
        rows.check()?;
        views.apply(sequence, changes)?;
        if sequence.is_multiple_of(10_000) {
            progress(sequence, last);
        }
    }
    progress(last, last);
    Ok(())
}

/// The row changes of one record over `rows`.
fn changes_of(rows: &dyn Rows, sequence: u64, record: &TenantRecord) -> Vec<Change> {
    let mut tables = Tables::over(rows);
    for (place, event) in record.events.iter().enumerate() {
        match event {
            Ok(event) => {
                event.apply(&mut tables, record.at);
                if sabotaged("apply-twice") {
                    event.apply(&mut tables, record.at);
                }
            }
            Err(problem) => park(&mut tables, sequence, place as u64, problem),
        }
    }
    to_changes(tables.into_changes())
}

fn park(tables: &mut Tables, sequence: u64, place: u64, problem: &EventError) {
    tracing::warn!(sequence, place, %problem, "an event cannot be used and was set aside");
    tables.put(&UNUSABLE_EVENTS, &(sequence, place), &problem.to_string());
}

pub(crate) fn to_changes(changes: Vec<RowChange>) -> Vec<Change> {
    changes.into_iter().map(|(place, value)| Change { place, value }).collect()
}
