//! The connector the benchmarks call: `poll` is a trivial export, `webhook` parses 2 KB of JSON and answers with three interactions. It needs nothing
//! of WASI, so tests look at it, too: the cursor `panic` makes it do that.

mod document;

use serde::Deserialize;
use sportello_sdk::{poll, webhook, *};

use crate::document::Document;

/// It has none.
#[derive(Deserialize)]
pub struct Settings {}

/// The connector.
pub struct Bench;

impl Description for Bench {
    type Settings = Settings;

    fn describe() -> Manifest {
        Manifest::channel("bench", env!("CARGO_PKG_VERSION"), "bench")
            .summary("Is called by the benchmarks")
            .settings_schema(r#"{"type":"object","additionalProperties":false}"#)
            .credential(Credential::signing("signing", "verifies deliveries"))
            .signature(Signature::hmac_sha256("x-signature", "signing"))
            .poll_every(3_600)
    }
}

impl Poll for Bench {
    fn poll(_: &Context<Settings>, cursor: Option<String>) -> Result<poll::Page, Error> {
        assert!(cursor.as_deref() != Some("panic"), "as asked");
        Ok(poll::Page::new([], cursor, false))
    }
}

impl Webhook for Bench {
    fn handle(_: &Context<Settings>, request: &webhook::Request) -> Result<webhook::Outcome, Error> {
        let document: Document = request.json()?;
        Ok(webhook::Outcome::new(document.comments().map(|comment| {
            Interaction::new(comment.comment_id, "comment", time::from_seconds(comment.created_time), comment.post_id)
                .author(Profile::new(comment.from.id).display_name(comment.from.name))
                .text(comment.message)
        })))
    }
}

export!(Bench: webhook, poll);
