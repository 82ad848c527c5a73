//! Workflows: names that stand for a definition, and the definitions by the hash of their text.

use serde::{Deserialize, Serialize};
use sportello_core::ids::Digest;
use sportello_core::tables::{Table, Tables};
use sportello_core::time::Timestamp;

use crate::event::{WorkflowDefined, WorkflowRetired};
use crate::plan::{Plan, Trigger};

/// Workflows by name.
pub const WORKFLOWS: Table<String, Workflow> = Table::new(125, "workflows");
/// Plans by the hash of their definition's text: those of running runs and of earlier definitions too.
pub const PLANS: Table<Digest, Plan> = Table::new(126, "plans");
/// Definitions' texts by hash.
pub const SOURCES: Table<Digest, String> = Table::new(127, "workflow-sources");
/// The names of the workflows a trigger starts, in the order of their names.
pub const ACTIVE: Table<u8, Vec<String>> = Table::new(128, "active-workflows");

/// A workflow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Workflow {
    /// The definition new runs use.
    pub hash: Digest,
    /// What starts a run.
    pub trigger: Trigger,
    /// Only on these channels; empty: on all.
    pub channels: Vec<String>,
    /// When it was defined last.
    pub defined_at: Timestamp,
    /// Whether it has been retired: no new runs.
    pub retired: bool,
}

pub(crate) fn defined(tables: &mut Tables, at: Timestamp, event: &WorkflowDefined) {
    deactivate(tables, &event.name);
    // A definition's plan stays as it was made first: runs are pinned to it.
    if !tables.contains(&PLANS, &event.hash) {
        tables.put(&PLANS, &event.hash, &event.plan);
        tables.put(&SOURCES, &event.hash, &event.source);
    }
    let workflow =
        Workflow { hash: event.hash, trigger: event.plan.trigger, channels: event.plan.channels.clone(), defined_at: at, retired: false };
    let mut names = tables.get(&ACTIVE, &workflow.trigger.code()).unwrap_or_default();
    if let Err(place) = names.binary_search(&event.name) {
        names.insert(place, event.name.clone());
    }
    tables.put(&ACTIVE, &workflow.trigger.code(), &names);
    tables.put(&WORKFLOWS, &event.name, &workflow);
}

pub(crate) fn retired(tables: &mut Tables, event: &WorkflowRetired) {
    deactivate(tables, &event.name);
    tables.update(&WORKFLOWS, &event.name, |workflow| workflow.retired = true);
}

fn deactivate(tables: &mut Tables, name: &String) {
    let Some(before) = tables.get(&WORKFLOWS, name) else { return };
    let mut names = tables.get(&ACTIVE, &before.trigger.code()).unwrap_or_default();
    names.retain(|active| active != name);
    if names.is_empty() {
        tables.delete(&ACTIVE, &before.trigger.code());
    } else {
        tables.put(&ACTIVE, &before.trigger.code(), &names);
    }
}
