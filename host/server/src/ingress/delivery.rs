//! One delivery: what the connector makes of it, and what becomes of one it cannot take.

use std::fmt;

use base64::Engine as _;
use sportello_core::commands::{Accepted, ParkDelivery};
use sportello_core::ids::DeliveryId;
use sportello_core::refusal::Refusal;
use sportello_runtime::CallFailure;
use sportello_runtime::contract::{ConnectorError, WebhookRequest, WebhookResponse};

use crate::channels::LiveChannel;
use crate::desk::Desk;
use crate::health::Purpose;
use crate::ingress::take_in::{Brought, Part, TakeInError, take_deletion_requests, take_in};
use crate::tenant::content::DeliveryContent;
use crate::tenant::{SubmitError, Tenant};

/// What was taken in, and what the platform is to be told.
pub(crate) struct Taken {
    pub(crate) accepted: Accepted,
    pub(crate) response: Option<WebhookResponse>,
}

/// Why a delivery was not taken in.
pub(crate) enum Failure {
    /// Nothing is wrong with it: there is no room now.
    TryLater(String),
    /// The connector could not take it.
    Park(Cause),
}

/// Why a delivery is set aside. A connector's own words may quote the delivery, so they are kept sealed with it and shown only to who may
/// read it; what stands in the journal in clear says the kind alone.
pub(crate) struct Cause {
    /// In our own words, nothing of the delivery in it.
    pub(crate) kind: String,
    /// The connector's words.
    detail: Option<String>,
}

impl Cause {
    fn of_failure(failure: &CallFailure) -> Self {
        match failure {
            // These two say what the connector returned.
            CallFailure::Output { .. } | CallFailure::Unreadable { .. } => Self {
                kind: "the connector answered against the contract; details are kept with the delivery".to_owned(),
                detail: Some(failure.to_string()),
            },
            _ => Self { kind: failure.to_string(), detail: None },
        }
    }

    pub(crate) fn of_error(error: &ConnectorError) -> Self {
        let kind = match error {
            ConnectorError::Retry(_) => "the connector asks to try again",
            ConnectorError::RateLimited(_) => "the connector says that the platform limits it",
            ConnectorError::Auth(_) => "the connector says that a credential does not work",
            ConnectorError::Reject(_) => "the connector cannot read it",
            ConnectorError::Uncertain(_) => "the connector is not sure what became of it",
        };
        Self { kind: format!("{kind}; its words are kept with the delivery"), detail: Some(reason(error)) }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.detail.as_deref().unwrap_or(&self.kind))
    }
}

/// How often the connector reads a delivery, should another call change its state meanwhile each time.
const READINGS_MAX: u32 = 8;

/// Has the connector read one delivery and takes in what it found.
pub(crate) async fn process(
    desk: &Desk,
    live: &LiveChannel,
    request: &WebhookRequest,
    replayed: Option<DeliveryId>,
) -> Result<Taken, Failure> {
    let mut readings = 1;
    loop {
        let called = live.runtime.webhook(desk.call(live, Purpose::Webhook), std::slice::from_ref(request)).await;
        desk.note(live, Purpose::Webhook, &called);
        let done = called.map_err(|failure| Failure::of_call(&failure))?;
        let outcome = match done.value.into_iter().next() {
            Some(Ok(outcome)) => outcome,
            Some(Err(error)) => return Err(Failure::Park(Cause::of_error(&error))),
            None => return Err(Failure::Park(Cause { kind: "the connector gave no answer".to_owned(), detail: None })),
        };
        let parts = [Part { interactions: &outcome.interactions, input: &request.body }];
        let brought = Brought { parts: &parts, cursor: None, state_writes: &done.state_writes, replayed };
        // First: what comes in closes a parked delivery, and a request that was not written down by then would never be told again. Written down
        // twice it is the same request.
        let requested = take_deletion_requests(&desk.tenant, live, outcome.deletion_requests.iter()).await;
        requested.map_err(Failure::of_taking_in)?;
        match take_in(&desk.tenant, live, &brought).await {
            Ok(accepted) => {
                desk.metrics.ingested(&live.name, accepted);
                return Ok(Taken { accepted, response: outcome.response });
            }
            Err(error) if error.asks_for_another_call() && readings < READINGS_MAX => readings += 1,
            Err(error) => return Err(Failure::of_taking_in(error)),
        }
    }
}

impl Failure {
    pub(crate) fn of_call(failure: &CallFailure) -> Self {
        match failure {
            CallFailure::Busy { .. } => Self::TryLater(failure.to_string()),
            failure => Self::Park(Cause::of_failure(failure)),
        }
    }

    pub(crate) fn of_taking_in(error: TakeInError) -> Self {
        match error {
            error if error.asks_for_another_call() => Self::TryLater(error.to_string()),
            // Somebody in it is being erased, which is over in a moment; parked, the delivery would be destroyed with them.
            TakeInError::Submit(SubmitError::Refused(refusal @ (Refusal::ProfileErased(_) | Refusal::ProfileChanged(_)))) => {
                Self::TryLater(refusal.to_string())
            }
            TakeInError::Submit(SubmitError::Refused(refusal)) => Self::Park(Cause { kind: refusal.to_string(), detail: None }),
            error => Self::TryLater(error.to_string()),
        }
    }
}

/// Sets a delivery aside, sealed and durable.
pub(crate) async fn park(tenant: &Tenant, live: &LiveChannel, request: &WebhookRequest, cause: &Cause) -> Result<DeliveryId, String> {
    let content = DeliveryContent {
        query: request.query.clone(),
        headers: request.headers.clone(),
        body: base64::engine::general_purpose::STANDARD.encode(&request.body),
        problem: cause.detail.clone(),
    };
    let slot = tenant.new_slot().map_err(|error| error.to_string())?;
    let sealed = tenant.seal(slot, &content).map_err(|error| error.to_string())?;
    let command = ParkDelivery { channel: live.name.clone(), slot, sealed, problem: cause.kind.clone() };
    match tenant.submit(&format!("channel:{}", live.name), command).await {
        Ok(Accepted::Delivery(delivery)) => Ok(delivery),
        Ok(_) => Err("the delivery was not parked".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// A parked delivery as the connector is given it again.
pub(crate) fn unparked(content: DeliveryContent) -> Option<WebhookRequest> {
    let body = base64::engine::general_purpose::STANDARD.decode(content.body).ok()?;
    Some(WebhookRequest { method: "POST".to_owned(), query: content.query, headers: content.headers, body })
}

/// What a connector says went wrong, without the kind.
pub(crate) fn reason(error: &ConnectorError) -> String {
    match error {
        ConnectorError::Retry(retry) => retry.reason.clone(),
        ConnectorError::RateLimited(limit) => limit.reason.clone(),
        ConnectorError::Auth(reason) | ConnectorError::Reject(reason) | ConnectorError::Uncertain(reason) => reason.clone(),
    }
}
