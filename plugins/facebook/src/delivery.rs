//! The envelope of a delivery: `{"object": "page", "entry": [{"id": …, "time": …, "changes": […], "messaging": […]}]}`, up to 1,000 updates.
//!
//! Only the envelope must be JSON of this shape; what is inside is taken as far as it is understood, and kept raw as a range of the
//! body in any case. So nothing that Facebook adds one day costs a delivery.

use serde::Deserialize;
use serde_json::value::RawValue;
use sportello_sdk::{Context, Error, Interaction, diagnostics, lenient};

use crate::{Settings, feed, messaging};

#[derive(Deserialize)]
struct Delivery<'a> {
    #[serde(borrow)]
    entry: Vec<&'a RawValue>,
}

#[derive(Default, Deserialize)]
struct Entry<'a> {
    /// The page.
    #[serde(default, deserialize_with = "lenient::id")]
    id: Option<String>,
    /// When it was sent. Not part of any identity: a redelivery may carry another.
    #[serde(default, deserialize_with = "lenient::moment")]
    time: Option<i64>,
    #[serde(borrow, default)]
    changes: Option<&'a RawValue>,
    #[serde(borrow, default)]
    messaging: Option<&'a RawValue>,
    /// Messages while another app has the thread: the same shape.
    #[serde(borrow, default)]
    standby: Option<&'a RawValue>,
}

/// The updates of a list. What is no list is one update, so that it costs none of the lists beside it.
fn updates(list: Option<&RawValue>) -> Vec<&RawValue> {
    list.map(|list| serde_json::from_str(list.get()).unwrap_or_else(|_| vec![list])).unwrap_or_default()
}

/// What stands around an update.
pub(crate) struct Around<'a> {
    /// The page's id.
    pub(crate) page: &'a str,
    /// When it happened if the update does not say so, in milliseconds.
    pub(crate) fallback_ms: i64,
    /// The update's own JSON.
    pub(crate) raw: &'a str,
}

/// Everything a delivery tells of this channel's page.
pub(crate) fn interactions(context: &Context<Settings>, body: &[u8]) -> Result<Vec<Interaction>, Error> {
    let delivery: Delivery<'_> =
        serde_json::from_slice(body).map_err(|error| Error::reject(format!("the delivery is not of Facebook's shape: {error}")))?;
    let page = context.settings.page_id.as_str();
    let now_ms = sportello_sdk::time::milliseconds(&context.now).unwrap_or_default();

    let mut interactions = Vec::new();
    let mut of_other_pages = 0;
    for raw in &delivery.entry {
        let entry = serde_json::from_str::<Entry<'_>>(raw.get()).unwrap_or_default();
        // An app has one address for all its pages: what is another page's is another channel's.
        if entry.id.as_deref().is_some_and(|id| id != page) {
            of_other_pages += 1;
            continue;
        }
        let fallback_ms = entry.time.unwrap_or(now_ms);
        let mut take = |update: &RawValue, understand: fn(&Around<'_>) -> Option<Interaction>| {
            if let Some(interaction) = understand(&Around { page, fallback_ms, raw: update.get() }) {
                interactions.push(interaction.raw_part(body, update.get()));
            }
        };
        let [changes, messaging, standby] = [entry.changes, entry.messaging, entry.standby].map(updates);
        if changes.is_empty() && messaging.is_empty() && standby.is_empty() {
            // An entry of another shape: kept as one change that is not understood.
            take(raw, feed::interaction);
        }
        changes.iter().for_each(|change| take(change, feed::interaction));
        messaging.iter().chain(&standby).for_each(|message| take(message, messaging::interaction));
    }
    if of_other_pages == delivery.entry.len() && of_other_pages > 0 {
        // Most likely the wrong page-id in the settings. Parked, it can be replayed once they are right.
        return Err(Error::reject(format!("none of the {of_other_pages} entries is of the page {page} in the channel's settings")));
    }
    if of_other_pages > 0 {
        diagnostics::warning!("{of_other_pages} of {} entries are of other pages than {page}: left out", delivery.entry.len());
    }
    Ok(interactions)
}
