//! A call on a fresh instance: through the runtime, on bare wasmtime, and in Extism.
//!
//! A round is some hundred calls, one after the other, of each contestant in turn.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sportello_runtime::contract::WebhookRequest;
use sportello_runtime::limits::{CallLimits, QuarantineLimits};
use sportello_runtime::{Call, CallTime, Channel, ChannelOptions, NoVault, Runtime, RuntimeOptions, Secret, Uncounted};

use crate::bare::Bare;
use crate::extism::Extism;
use crate::measured::Measured;
use crate::samples::{Paired, median};
use crate::{Plan, Problem};

/// Against bare wasmtime.
const FLOOR: f64 = 0.8;
/// Against Extism.
const FLOOR_EXTISM: f64 = 3.0;
/// Comments in the document.
const COMMENTS: usize = 3;

/// Who takes part beside the runtime.
pub(crate) struct Contestants {
    pub(crate) bare: bool,
    pub(crate) extism: bool,
}

pub(crate) async fn run(plan: &Plan, contestants: Contestants) -> Result<Vec<Measured>, Problem> {
    let (rounds, calls) = if plan.quick { (10, 200) } else { (40, 500) };
    let guest = plan.guest("bench_guest")?;
    let body = document();
    let runtime = Runtime::new(RuntimeOptions::default())?;
    let ours = channel(&runtime, &guest).await?;
    let bare = contestants.bare.then(|| Bare::new(&guest, runtime.page_scan())).transpose()?;
    let mut extism = if contestants.extism { Some(Extism::start(&body)) } else { None };
    let mut trivial = Paired::default();
    let mut parse = Paired::default();
    let mut parse_extism = Paired::default();
    // Round 0 warms up and checks what everybody answers.
    for round in 0..=rounds {
        // Each goes first in turn: whoever comes after the other process finds the caches full of that one's things.
        let ours_first = round % 2 == 0;
        if let Some(bare) = &bare {
            let our_calls = || timed(calls, async || poll(&ours).await);
            let bare_calls = || timed(calls, async || bare.poll().await);
            let (ours, bare) = in_turn(ours_first, our_calls, bare_calls).await?;
            if round > 0 {
                trivial.push(ours, bare);
            }
        }
        let our_calls = || timed(calls, async || expect(webhook(&ours, &body).await?));
        let ours = if let Some(bare) = &bare {
            let bare_calls = || timed(calls, async || expect(bare.webhook(body.as_bytes()).await?));
            let (ours, bare) = in_turn(ours_first, our_calls, bare_calls).await?;
            if round > 0 {
                parse.push(ours, bare);
            }
            ours
        } else {
            our_calls().await?
        };
        if let Some(Ok(extism)) = &mut extism {
            let (time, comments) = extism.calls(calls)?;
            expect(comments)?;
            if round > 0 {
                parse_extism.push(ours, time);
            }
        }
        if round > 0 && bare.is_none() && !matches!(extism, Some(Ok(_))) {
            parse_extism.ours.push(ours);
        }
    }
    let mut rows = Vec::new();
    let microseconds = |times: &[Duration]| median(times) * 1e6;
    if bare.is_some() {
        let scan = format!("page scan: {:?}", runtime.page_scan()).to_lowercase();
        for (name, paired) in [("fresh-call-trivial", &trivial), ("fresh-call-parse", &parse)] {
            let row = Measured::reported(name, microseconds(&paired.ours), "us a call", format!("bare wasmtime 48; {scan}"));
            rows.push(row.against_paired(microseconds(&paired.reference), paired.ratio(), FLOOR));
        }
    }
    if let Some(extism) = extism {
        let ours = if parse_extism.ours.is_empty() { &parse.ours } else { &parse_extism.ours };
        let row = |note: String| Measured::reported("fresh-call-parse-extism", microseconds(ours), "us a call", note);
        rows.push(match extism {
            Ok(peer) => row(format!("{}, precompiled, fresh instance, own process", peer.name())).against_paired(
                microseconds(&parse_extism.reference),
                parse_extism.ratio(),
                FLOOR_EXTISM,
            ),
            Err(reason) => row(String::from("Extism, precompiled, fresh instance")).missing(reason.to_string(), FLOOR_EXTISM),
        });
    }
    Ok(rows)
}

/// What two contestants take; the order is given.
pub(crate) async fn in_turn(
    ours_first: bool,
    ours: impl AsyncFnOnce() -> Result<Duration, Problem>,
    other: impl AsyncFnOnce() -> Result<Duration, Problem>,
) -> Result<(Duration, Duration), Problem> {
    if ours_first {
        let ours = ours().await?;
        Ok((ours, other().await?))
    } else {
        let other = other().await?;
        Ok((ours().await?, other))
    }
}

/// The mean time of a call.
pub(crate) async fn timed(calls: u32, mut call: impl AsyncFnMut() -> Result<(), Problem>) -> Result<Duration, Problem> {
    let started = Instant::now();
    for _ in 0..calls {
        call().await?;
    }
    Ok(started.elapsed() / calls)
}

fn expect(comments: usize) -> Result<(), Problem> {
    if comments == COMMENTS {
        Ok(())
    } else {
        Err(format!("a guest found {comments} comments in the document, there are {COMMENTS}").into())
    }
}

pub(crate) async fn channel(runtime: &Runtime, guest: &[u8]) -> Result<Channel, Problem> {
    let prepared = runtime.prepare(guest).await?;
    let secret = BTreeMap::from([("secret".to_owned(), Secret::new("not used here").into())]);
    let options = ChannelOptions {
        tenant: "bench".into(),
        name: "bench".into(),
        settings: serde_json::json!({}),
        granted_origins: Vec::new(),
        granted_folders: Vec::new(),
        secrets: BTreeMap::from([("signing".to_owned(), secret)]),
        allow_private_network: false,
        vault: Arc::new(NoVault),
        limits: CallLimits::default(),
        quarantine: QuarantineLimits::default(),
    };
    Ok(runtime.channel(&prepared, options)?)
}

fn call() -> Call {
    Call {
        time: CallTime::begin(jiff::Timestamp::UNIX_EPOCH),
        seed: 1,
        state: Arc::new(BTreeMap::<String, Vec<u8>>::new()),
        headroom: Arc::new(Uncounted),
    }
}

pub(crate) async fn poll(channel: &Channel) -> Result<(), Problem> {
    let done = channel.poll(call(), None).await?;
    done.value.map(drop).map_err(|error| format!("the guest refused a poll: {error:?}").into())
}

async fn webhook(channel: &Channel, body: &str) -> Result<usize, Problem> {
    let request = WebhookRequest { method: "POST".to_owned(), query: Vec::new(), headers: Vec::new(), body: body.as_bytes().to_vec() };
    let done = channel.webhook(call(), &[request]).await?;
    match done.value.as_slice() {
        [Ok(outcome)] => Ok(outcome.interactions.len()),
        other => Err(format!("the guest refused a delivery: {other:?}").into()),
    }
}

/// Three comments in 2 KB, as a platform sends them.
fn document() -> String {
    let change = |number: u32, words: &str| {
        serde_json::json!({"field": "feed", "value": {
            "from": {"id": format!("24680{number}"), "name": "Ada Bianchi"}, "message": words.repeat(3), "post_id": "104857600000001_77001122334455",
            "comment_id": format!("77001122334455_{number}"), "parent_id": "104857600000001_77001122334455", "created_time": 1_795_000_000 + number,
            "item": "comment", "verb": "add", "post": {"status_type": "mobile_status_update", "is_published": true, "updated_time": "2026-11-22T10:15:00+0000",
            "permalink_url": "https://www.facebook.com/104857600000001/posts/77001122334455"},
        }})
    };
    let changes = [
        change(1, "Da tre giorni il telefono non prende e nessuno risponde. "),
        change(2, "My line is dead since Friday, what are you doing about it? "),
        change(3, "Grazie, adesso funziona: è tornato tutto come prima. "),
    ];
    serde_json::json!({"object": "page", "entry": [{"id": "104857600000001", "time": 1_795_000_000, "changes": changes}]}).to_string()
}

#[cfg(test)]
mod tests {
    use super::document;

    #[test]
    fn the_document_has_about_two_kilobytes() {
        assert!((1_900..2_200).contains(&document().len()), "{} bytes", document().len());
    }
}
