//! A guest built without WASI has no standard error, no clock and no seed in its standard library, and is told from others by nothing else.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};

use serde_json::json;
use sportello_runtime::limits::{CallLimits, EngineLimits, QuarantineLimits};
use sportello_runtime::{Call, CallFailure, CallTime, Channel, ChannelOptions, NoVault, Runtime, RuntimeOptions, Secret, Uncounted};
use sportello_tests::guests::guest;

/// The one that needs nothing of WASI.
const GUEST: &str = "bench-guest";

async fn channel(limits: CallLimits) -> Channel {
    let engine = EngineLimits { calls_max: 2, ..EngineLimits::default() };
    let runtime = Runtime::new(RuntimeOptions { limits: engine, ..RuntimeOptions::default() }).unwrap();
    let prepared = runtime.prepare(&guest(GUEST)).await.unwrap();
    let secret = BTreeMap::from([("secret".to_owned(), Secret::new("not used here").into())]);
    let options = ChannelOptions {
        tenant: "tenant".into(),
        name: "channel".into(),
        settings: json!({}),
        granted_origins: Vec::new(),
        granted_folders: Vec::new(),
        secrets: BTreeMap::from([("signing".to_owned(), secret)]),
        allow_private_network: false,
        vault: Arc::new(NoVault),
        limits,
        quarantine: QuarantineLimits::default(),
    };
    runtime.channel(&prepared, options).unwrap()
}

fn call() -> Call {
    Call {
        time: CallTime::begin("2026-11-22T10:15:00Z".parse::<jiff::Timestamp>().unwrap()),
        seed: 7,
        state: Arc::new(BTreeMap::<String, Vec<u8>>::new()),
        headroom: Arc::new(Uncounted),
    }
}

/// What the host told its operator.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<u8>>>);

impl Write for Told {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_panic_tells_the_operator_where_and_why() {
    let told = Told::default();
    let writer = told.clone();
    let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).finish();
    let _listening = tracing::subscriber::set_default(subscriber);
    let channel = channel(CallLimits::default()).await;
    let failure = channel.poll(call(), Some("panic".into())).await.unwrap_err();
    assert!(matches!(failure, CallFailure::Trap { .. }), "{failure}");
    let told = String::from_utf8(told.0.lock().unwrap().clone()).unwrap();
    assert!(told.contains("a call failed") && told.contains("src/lib.rs:") && told.contains("as asked"), "{told}");
    assert!(channel.poll(call(), None).await.unwrap().value.is_ok(), "the next call is another instance's");
}

/// To grow costs more than the rest of the call.
#[tokio::test]
async fn a_small_call_takes_no_more_memory_than_is_there_from_the_start() {
    let allowed = |memory_bytes_max| channel(CallLimits { memory_bytes_max, ..CallLimits::default() });
    let failure = allowed(1).await.poll(call(), None).await.unwrap_err();
    let CallFailure::Memory { asked_bytes: from_the_start, .. } = failure else { panic!("{failure}") };
    let page = allowed(from_the_start).await.poll(call(), Some("a cursor".into())).await.unwrap();
    assert_eq!(page.value.unwrap().cursor.as_deref(), Some("a cursor"));
}
