//! Whether the member whose token it is has the role that the lists are shown to. Without it LinkedIn answers 200 with an empty list, and
//! sends no deliveries.

use serde::Deserialize;
use sportello_sdk::{Context, Error, diagnostics, lenient};

use crate::list::Page;
use crate::{Settings, api};

/// Roles of a member that are read.
const ROWS: usize = 100;

/// The token's member at the channel's organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Administrator,
    None,
    /// LinkedIn does not tell.
    Unknown,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    #[serde(default, deserialize_with = "lenient::id")]
    organization: Option<String>,
    /// An older name of the same.
    #[serde(default, deserialize_with = "lenient::id")]
    organizational_target: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    role: Option<String>,
    #[serde(default, deserialize_with = "lenient::id")]
    state: Option<String>,
}

/// Asks for the member's roles.
pub(crate) fn ours(context: &Context<Settings>) -> Result<Role, Error> {
    let settings = &context.settings;
    let url = settings.resource(&format!("organizationAcls?q=roleAssignee&state=APPROVED&role=ADMINISTRATOR&count={ROWS}"));
    let page: Page<Row> = match api::look(context, url) {
        Ok(response) => response.json()?,
        // A scope that is missing for this alone, mostly.
        Err(Error::Reject(reason) | Error::Auth(reason)) => return Ok(unknown(context, &reason)),
        Err(error) => return Err(error),
    };
    let is_ours = |row: &Row| {
        row.organization.as_ref().or(row.organizational_target.as_ref()) == Some(&settings.organization)
            && row.role.as_deref() == Some("ADMINISTRATOR")
            && row.state.as_deref().is_none_or(|state| state == "APPROVED")
    };
    Ok(match page.elements.iter().any(is_ours) {
        true => Role::Administrator,
        false if page.has_more(0, ROWS) => unknown(context, &format!("it is not among the first {ROWS} of its roles")),
        false => Role::None,
    })
}

fn unknown(context: &Context<Settings>, reason: &str) -> Role {
    diagnostics::warning!(
        "whether the token's member has the role ADMINISTRATOR at {} can't be told, so an empty list may mean that it is missing: {reason}",
        context.settings.organization
    );
    Role::Unknown
}
