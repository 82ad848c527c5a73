//! Workflows: what the company does by itself.

use axum::body::Body;
use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::json;
use sportello_workflow::commands::{DefineWorkflow, RetireWorkflow};
use sportello_workflow::limits::SOURCE_BYTES_MAX;
use sportello_workflow::workflow::{SOURCES, WORKFLOWS, Workflow};
use utoipa::ToSchema;

use crate::api::problem::Problem;
use crate::api::request::{Asked, At, Page, Paging, is_of_type, read_body};
use crate::api::vocabulary::Moment;
use crate::api::{Answer, Caller, off_thread, reading};

/// Media types YAML is sent as.
const YAML: [&str; 4] = ["application/yaml", "text/yaml", "application/x-yaml", "text/x-yaml"];

/// A workflow.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WorkflowView {
    /// Its name.
    workflow: String,
    /// SHA-256 of the definition new runs use.
    hash: String,
    /// What starts a run.
    on: &'static str,
    /// Only on these channels; empty: on all.
    channels: Vec<String>,
    /// When it was defined last.
    defined_at: Moment,
    /// Whether it has been retired: no new runs.
    retired: bool,
    /// The definition. Only where one workflow is asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

fn view(name: String, row: Workflow) -> WorkflowView {
    WorkflowView {
        workflow: name,
        hash: hex::encode(row.hash.0),
        on: row.trigger.word(),
        channels: row.channels,
        defined_at: row.defined_at.into(),
        retired: row.retired,
        source: None,
    }
}

async fn shown(caller: Caller, name: String) -> Answer<WorkflowView> {
    reading(caller, move |caller| {
        let row = caller.row(&WORKFLOWS, &name, "workflow")?;
        let source = caller.tenant().get(&SOURCES, &row.hash)?;
        Ok(WorkflowView { source, ..view(name, row) })
    })
    .await
}

/// Workflows, by name.
#[utoipa::path(get, path = "/workflows", tag = "workflows", operation_id = "list_workflows", params(Paging), responses((status = 200, description = "A page of workflows", body = Page<WorkflowView>)))]
pub(crate) async fn list(caller: Caller, Asked(paging): Asked<Paging>) -> Answer<Page<WorkflowView>> {
    reading(caller, move |caller| {
        caller.page(&WORKFLOWS, &[], &paging, |key, row| {
            // A text's key ends with a zero byte.
            let name = String::from_utf8_lossy(key.strip_suffix(&[0]).unwrap_or(key)).into_owned();
            Ok(Some(view(name, row)))
        })
    })
    .await
}

/// One workflow, with its definition.
#[utoipa::path(get, path = "/workflows/{workflow}", tag = "workflows", operation_id = "get_workflow", responses((status = 200, description = "The workflow", body = WorkflowView)))]
pub(crate) async fn get(caller: Caller, At(name): At<String>) -> Answer<WorkflowView> {
    shown(caller, name).await
}

/// Defines a workflow, or defines it anew; runs under way keep their definition. A definition with problems changes nothing: they come as
/// `problems`, each with `line`, `column` and `message`.
#[utoipa::path(put, path = "/workflows/{workflow}", tag = "workflows", operation_id = "define_workflow", request_body(content = String, content_type = "application/yaml", description = "The definition, at most 64 KiB"), responses((status = 200, description = "The workflow as it is now", body = WorkflowView)))]
pub(crate) async fn define(caller: Caller, At(name): At<String>, headers: HeaderMap, body: Body) -> Answer<WorkflowView> {
    if !is_of_type(&headers, &YAML) {
        return Err(Problem::media_type("application/yaml"));
    }
    let body = read_body(body, SOURCE_BYTES_MAX).await?;
    let source = String::from_utf8(body.to_vec()).map_err(|_| Problem::malformed("the definition is not UTF-8"))?;
    let asked = name.clone();
    let command = off_thread(caller.clone(), move |_| {
        let checked = sportello_workflow::check(&source, &format!("{asked}.yaml")).map_err(|problems| {
            let listed: Vec<_> = problems
                .iter()
                .map(|problem| json!({ "line": problem.line, "column": problem.column, "message": problem.message }))
                .collect();
            let first = problems.first().map(ToString::to_string).unwrap_or_default();
            Problem::invalid(format!("the definition has {} problems; the first: {first}", problems.len())).with("problems", listed)
        })?;
        if checked.name != asked {
            return Err(Problem::invalid(format!("the definition's name is {:?}, the path's is {asked:?}", checked.name)));
        }
        Ok(DefineWorkflow { name: checked.name, hash: checked.hash, source, plan: checked.plan })
    })
    .await?;
    caller.tenant().submit_workflow(&caller.name, command).await?;
    shown(caller, name).await
}

/// Lets a workflow start no more runs. Those under way go on; defining it again brings it back.
#[utoipa::path(post, path = "/workflows/{workflow}/retire", tag = "workflows", operation_id = "retire_workflow", responses((status = 200, description = "The workflow as it is now", body = WorkflowView)))]
pub(crate) async fn retire(caller: Caller, At(name): At<String>) -> Answer<WorkflowView> {
    caller.tenant().submit_workflow(&caller.name, RetireWorkflow { name: name.clone() }).await?;
    shown(caller, name).await
}
