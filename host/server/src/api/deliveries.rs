//! Parked deliveries: what a connector could not take in, until somebody mends the connector and replays it.

use serde::{Deserialize, Serialize};
use sportello_core::commands::Accepted;
use sportello_core::domain::access::Role;
use sportello_core::domain::delivery::{DELIVERIES, DELIVERIES_BY_CHANNEL, Delivery, DeliveryState};
use sportello_core::ids::{ChannelName, DeliveryId};
use utoipa::{IntoParams, ToSchema};

use crate::api::problem::Problem;
use crate::api::request::{Asked, At, Order, Page, Paging};
use crate::api::vocabulary::{self, AttributeView, Moment, attributes};
use crate::api::{Answer, Caller, number, off_thread, reading};
use crate::channels::channel_prefix;
use crate::ingress::delivery::{Failure, process, unparked};
use crate::tenant::content::DeliveryContent;

/// A parked delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryView {
    /// Its number.
    delivery: u64,
    /// Where it came in.
    channel: String,
    /// Where it stands.
    #[schema(schema_with = vocabulary::delivery_state)]
    state: DeliveryState,
    /// Why it could not be taken in.
    problem: String,
    /// When it came.
    parked_at: Moment,
    /// When it is given up if nobody replays it.
    kept_until: Moment,
    /// The delivery as it came: many people's words. Only where one delivery is asked for, by operators and admins.
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<DeliveryWords>,
}

/// A delivery as it came.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DeliveryWords {
    /// Query parameters.
    query: Vec<AttributeView>,
    /// Headers as the connector was given them.
    headers: Vec<AttributeView>,
    /// The body, base64.
    body: String,
    /// What the connector said of it, in its own words, which may quote it.
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

/// Which deliveries.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveriesQuery {
    /// Only those of this channel that wait to be replayed.
    channel: Option<String>,
    /// Items of the page, 1 to 200. Default 50.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<usize>,
    /// The `next` of the page before.
    after: Option<String>,
    /// `newest` (default) or `oldest` first.
    #[param(inline)]
    order: Option<Order>,
}

/// What a replay brought.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReplayView {
    /// The delivery.
    delivery: DeliveryView,
    /// Interactions that were new.
    new: u32,
    /// Interactions that had been taken in before.
    duplicates: u32,
}

fn view(id: DeliveryId, row: Delivery) -> DeliveryView {
    DeliveryView {
        delivery: id.0,
        channel: row.channel.to_string(),
        state: row.state,
        problem: row.problem,
        parked_at: row.parked_at.into(),
        kept_until: row.erase_at.into(),
        content: None,
    }
}

/// Deliveries that were parked, whatever became of them; with `channel`, those of it that still wait.
#[utoipa::path(get, path = "/deliveries", tag = "deliveries", operation_id = "list_deliveries", params(DeliveriesQuery), responses((status = 200, description = "A page of deliveries", body = Page<DeliveryView>)))]
pub(crate) async fn list(caller: Caller, Asked(query): Asked<DeliveriesQuery>) -> Answer<Page<DeliveryView>> {
    let paging = Paging::of(query.limit, query.after, query.order);
    let channel = query.channel.map(ChannelName::new).transpose().map_err(Problem::invalid)?;
    reading(caller, move |caller| match channel {
        None => caller.page(&DELIVERIES, &[], &paging, |key, row| Ok(Some(view(DeliveryId(number(key)), row)))),
        Some(channel) => caller.page(&DELIVERIES_BY_CHANNEL, &channel_prefix(&channel), &paging, |key, ()| {
            let id = DeliveryId(number(key));
            Ok(caller.tenant().get(&DELIVERIES, &id)?.map(|row| view(id, row)))
        }),
    })
    .await
}

/// One parked delivery.
#[utoipa::path(get, path = "/deliveries/{delivery}", tag = "deliveries", operation_id = "get_delivery", responses((status = 200, description = "The delivery", body = DeliveryView)))]
pub(crate) async fn get(caller: Caller, At(id): At<u64>) -> Answer<DeliveryView> {
    reading(caller, move |caller| {
        let id = DeliveryId(id);
        let row = caller.row(&DELIVERIES, &id, "delivery")?;
        let content: Option<DeliveryContent> = match caller.role >= Role::Operator {
            true => caller.open(row.slot, &row.sealed),
            false => None,
        };
        let words = content.map(|content| DeliveryWords {
            query: attributes(content.query),
            headers: attributes(content.headers),
            body: content.body,
            problem: content.problem,
        });
        Ok(DeliveryView { content: words, ..view(id, row) })
    })
    .await
}

/// Gives a parked delivery to the channel's connector once more. If it fails again the delivery stays parked.
#[utoipa::path(post, path = "/deliveries/{delivery}/replay", tag = "deliveries", operation_id = "replay_delivery", responses((status = 200, description = "It was taken in", body = ReplayView)))]
pub(crate) async fn replay(caller: Caller, At(id): At<u64>) -> Answer<ReplayView> {
    let id = DeliveryId(id);
    let (channel, content) = off_thread(caller.clone(), move |caller| {
        let row = caller.row(&DELIVERIES, &id, "delivery")?;
        let content: Option<DeliveryContent> = caller.open_for_the_host(row.slot, &row.sealed);
        match (row.state, content) {
            (DeliveryState::Parked, Some(content)) => Ok((row.channel, content)),
            (DeliveryState::Replayed, _) => Err(Problem::conflict(format!("delivery {id} has been replayed already"))),
            _ => Err(Problem::conflict(format!("delivery {id} has been given up: its content is gone"))),
        }
    })
    .await?;
    let request = unparked(content).ok_or_else(|| Problem::conflict(format!("delivery {id} cannot be read any more")))?;
    let not_live = || Problem::conflict(format!("channel {channel} is not live: grant it a component, or enable it, first"));
    let live = caller.desk.channels.get(&channel).ok_or_else(not_live)?;
    let taken = process(&caller.desk, &live, &request, Some(id)).await.map_err(|failure| match failure {
        Failure::TryLater(problem) => Problem::overloaded(format!("{problem}; delivery {id} stays parked")),
        Failure::Park(problem) => Problem::invalid(format!("the connector still cannot take delivery {id} in: {problem}; it stays parked")),
    })?;
    let (new, duplicates) = match taken.accepted {
        Accepted::Ingested { new, duplicates } => (new, duplicates),
        _ => (0, 0),
    };
    reading(caller, move |caller| {
        let row = caller.row(&DELIVERIES, &id, "delivery")?;
        Ok(ReplayView { delivery: view(id, row), new, duplicates })
    })
    .await
}
