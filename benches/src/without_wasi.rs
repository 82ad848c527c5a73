//! What a guest saves by not importing WASI: its size, and a trivial call on a fresh instance, against the same guest built for `wasm32-wasip2`. A ratio
//! below 1 is how an allocator shows that grows the memory with every call.
//!
//! No budget: decision 0014 rests on it.

use std::path::PathBuf;
use std::time::Duration;

use sportello_runtime::{Runtime, RuntimeOptions};

use crate::fresh_call::{channel, in_turn, poll, timed};
use crate::measured::Measured;
use crate::samples::{Paired, median};
use crate::{Plan, Problem};

pub(crate) async fn run(plan: &Plan) -> Result<Vec<Measured>, Problem> {
    let (rounds, calls) = if plan.quick { (10, 200) } else { (40, 500) };
    let with_wasi = std::env::var_os("SPORTELLO_BENCH_WITH_WASI").map(PathBuf::from).ok_or("start me by `cargo xtask bench`")?;
    let (without_wasi, with_wasi) = (plan.guest("bench_guest")?, std::fs::read(with_wasi)?);
    let runtime = Runtime::new(RuntimeOptions::default())?;
    let (ours, reference) = (channel(&runtime, &without_wasi).await?, channel(&runtime, &with_wasi).await?);
    let mut paired = Paired::default();
    // Round 0 warms up.
    for round in 0..=rounds {
        let our_calls = || timed(calls, async || poll(&ours).await);
        let other_calls = || timed(calls, async || poll(&reference).await);
        let (ours, reference) = in_turn(round % 2 == 0, our_calls, other_calls).await?;
        if round > 0 {
            paired.push(ours, reference);
        }
    }
    let microseconds = |times: &[Duration]| median(times) * 1e6;
    let kibibytes = |component: &[u8]| component.len().div_ceil(1024);
    let note = format!("the same for wasm32-wasip2; {} KiB instead of {}", kibibytes(&without_wasi), kibibytes(&with_wasi));
    let row = Measured::reported("fresh-call-without-wasi", microseconds(&paired.ours), "us a call", note);
    Ok(vec![row.beside(microseconds(&paired.reference), paired.ratio())])
}
