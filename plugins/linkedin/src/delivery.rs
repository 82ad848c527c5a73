//! The envelope of a delivery: `{"type": "ORGANIZATION_SOCIAL_ACTION_NOTIFICATIONS", "notifications": […]}`, up to ten in one.
//!
//! It must be JSON; what is inside is taken as far as it is understood, and kept raw in any case: as a range of the body, or without the people named in
//! it. So nothing that LinkedIn adds one day costs a delivery.

use serde::Deserialize;
use serde_json::value::RawValue;
use sportello_sdk::{Context, Error, Interaction, diagnostics, time};

use crate::Settings;
use crate::notification::{Read, without_people};
use crate::thread::Threads;

#[derive(Default, Deserialize)]
struct Delivery<'a> {
    #[serde(borrow, default)]
    notifications: Vec<&'a RawValue>,
}

/// Everything a delivery tells of this channel's organisation.
pub(crate) fn interactions(context: &Context<Settings>, body: &[u8]) -> Result<Vec<Interaction>, Error> {
    let whole: &RawValue =
        serde_json::from_slice(body).map_err(|error| Error::reject(format!("the delivery is not of LinkedIn's shape: {error}")))?;
    let mut notifications = serde_json::from_str::<Delivery<'_>>(whole.get()).unwrap_or_default().notifications;
    if notifications.is_empty() {
        // Of another shape: kept as one notification that is not understood.
        notifications = vec![whole];
    }
    let organization = context.settings.organization.as_str();
    let now_ms = time::milliseconds(&context.now).unwrap_or_default();
    let mut threads = Threads::for_delivery(context);

    let mut interactions = Vec::new();
    let mut of_others = 0;
    for raw in &notifications {
        let read = Read::new(raw.get());
        // An app has one address for all its organisations: what is another's is another channel's.
        if read.organization().is_some_and(|about| about != organization) {
            of_others += 1;
            continue;
        }
        let told = read.interaction(organization, now_ms, &mut threads)?;
        interactions.push(match without_people(&told, raw.get()) {
            Some(text) => told.raw_text(text),
            None => told.raw_part(body, raw.get()),
        });
    }
    if of_others == notifications.len() {
        // Most likely the wrong organisation in the settings. Parked, it can be replayed once they are right.
        return Err(Error::reject(format!("none of the {of_others} notifications is about {organization}, as the channel's settings say")));
    }
    if of_others > 0 {
        diagnostics::warning!("{of_others} of {} notifications are about others than {organization}: left out", notifications.len());
    }
    Ok(interactions)
}
