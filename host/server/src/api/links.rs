//! Links between profiles and contacts, with their evidence; ended ones too.

use serde::Serialize;
use sportello_core::domain::person::{Evidence, LINKS, LawfulBasis, Link};
use sportello_core::ids::LinkId;
use utoipa::ToSchema;

use crate::api::request::At;
use crate::api::vocabulary::{self, Moment};
use crate::api::{Answer, Caller, reading};

/// A link.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LinkView {
    /// Its number.
    link: u64,
    /// The profile.
    profile: u64,
    /// The contact whose person it is said to be.
    contact: u64,
    /// Why.
    evidence: EvidenceView,
    /// How sure, 0 to 1. Exact evidence is 1.
    probability: f64,
    /// Why it is lawful.
    #[schema(schema_with = vocabulary::lawful_basis)]
    basis: LawfulBasis,
    /// When it was made.
    made_at: Moment,
    /// When it ended; null: it holds.
    ended_at: Option<Moment>,
    /// Why it ended.
    ended_because: Option<String>,
}

/// Why a link holds.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum EvidenceView {
    /// Both carry the same identifier.
    Identifier {
        /// Its scheme: `email`, `phone`, `<network>.handle`, …
        scheme: String,
    },
    /// Somebody decided it.
    Decision {
        /// Who, by token name.
        by: String,
        /// Why.
        reason: String,
    },
}

pub(crate) fn view(id: LinkId, row: Link) -> LinkView {
    let (ended_at, ended_because) = row.ended.map_or((None, None), |(at, reason)| (Some(at.into()), Some(reason)));
    LinkView {
        link: id.0,
        profile: row.profile.0,
        contact: row.contact.0,
        evidence: match row.evidence {
            Evidence::Identifier { scheme, .. } => EvidenceView::Identifier { scheme },
            Evidence::Decision { by, reason } => EvidenceView::Decision { by, reason },
        },
        probability: f64::from(row.probability_thousandths) / 1_000.0,
        basis: row.basis,
        made_at: row.made_at.into(),
        ended_at,
        ended_because,
    }
}

/// One link.
#[utoipa::path(get, path = "/links/{link}", tag = "links", operation_id = "get_link", responses((status = 200, description = "The link", body = LinkView)))]
pub(crate) async fn get(caller: Caller, At(id): At<u64>) -> Answer<LinkView> {
    reading(caller, move |caller| Ok(view(LinkId(id), caller.row(&LINKS, &LinkId(id), "link")?))).await
}
