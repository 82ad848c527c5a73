//! A batch of deliveries.

use serde::Deserialize;
use serde_json::Value;
use sportello_sdk::testing::{Channel, Host};
use sportello_sdk::{Webhook, webhook};

use crate::{Problem, Work};

#[derive(Deserialize)]
struct Question {
    settings: Value,
    bodies: Vec<String>,
}

pub(crate) fn prepare<C: Webhook + 'static>(line: &str) -> Result<Work, Problem> {
    let Question { settings, bodies } = serde_json::from_str(line)?;
    let channel = Channel::<C>::new(settings);
    let requests: Vec<_> = bodies.into_iter().map(|body| webhook::Request::post(body.into_bytes())).collect();
    // Nothing here calls the platform: the state is all a webhook asks its host for.
    let host = Host::new().start();
    Ok(Box::new(move || {
        let _running = &host;
        let mut interactions = 0;
        for outcome in channel.deliver_all(&requests) {
            interactions += outcome.map_err(|error| error.reason().to_owned())?.interactions.len();
        }
        Ok(interactions)
    }))
}
