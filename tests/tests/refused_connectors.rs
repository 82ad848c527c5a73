//! A file that is no connector, or not one this host can run, changes nothing and says why; so does a channel that does not fit its connector.
//!
//! The broken components are a real one with a few bytes changed: names keep their length, so what is left is a valid component that says
//! something else.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};
use sportello_runtime::contract::Mac;
use sportello_runtime::limits::{CallLimits, EngineLimits, QuarantineLimits};
use sportello_runtime::{
    Call, CallTime, Channel, ChannelOptions, ContractFault, NoVault, Runtime, RuntimeError, RuntimeOptions, Secret, SignatureRefusal,
    Uncounted,
};
use sportello_tests::guests::guest;

fn runtime() -> Runtime {
    let limits = EngineLimits { calls_max: 2, ..EngineLimits::default() };
    Runtime::new(RuntimeOptions { limits, ..RuntimeOptions::default() }).unwrap()
}

/// The component with every `from` replaced by `to`, which has the same length.
fn patched(from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = guest("hostile");
    let mut found = 0;
    for start in 0..bytes.len() - from.len() {
        if bytes[start..].starts_with(from.as_bytes()) {
            bytes[start..start + to.len()].copy_from_slice(to.as_bytes());
            found += 1;
        }
    }
    assert!(found > 0, "the component does not say {from:?}");
    bytes
}

async fn refusal(bytes: &[u8]) -> RuntimeError {
    runtime().prepare(bytes).await.expect_err("it was accepted")
}

#[tokio::test]
async fn bytes_that_are_no_component_are_refused_for_what_they_are() {
    assert!(matches!(refusal(b"{\"not\": \"wasm\"}").await, RuntimeError::NotWasm { .. }));
    let core_module = b"\0asm\x01\0\0\0";
    assert!(refusal(core_module).await.to_string().contains("wasm32-wasip2"));
    let mut torn = guest("hostile");
    torn.truncate(torn.len() / 2);
    assert!(matches!(refusal(&torn).await, RuntimeError::Compile(_)));
    let too_large = vec![0; EngineLimits::default().component_bytes_max + 1];
    assert!(matches!(refusal(&too_large).await, RuntimeError::TooLarge { .. }));
}

#[tokio::test]
async fn another_version_of_the_contract_is_refused_with_both_versions() {
    let error = refusal(&patched("sportello:connector/poll@0.1.0", "sportello:connector/poll@0.2.0")).await;
    assert!(matches!(&error, RuntimeError::Contract(ContractFault::Version { .. })), "{error}");
    let message = error.to_string();
    assert!(message.contains("0.2.0") && message.contains("0.1.0") && message.contains("newer host"), "{message}");
}

#[tokio::test]
async fn a_component_without_description_is_refused_with_what_it_exports_instead() {
    let error = refusal(&patched("sportello:connector/description@0.1.0", "elsewhere:connector/description@0.1.0")).await;
    assert!(matches!(&error, RuntimeError::Contract(ContractFault::NoDescription { .. })), "{error}");
    assert!(error.to_string().contains("elsewhere:connector/description@0.1.0"), "{error}");
}

#[tokio::test]
async fn an_unknown_import_or_export_is_refused_with_what_is_known() {
    let import = refusal(&patched("sportello:connector/state@0.1.0", "elsewhere:connector/state@0.1.0")).await.to_string();
    assert!(import.contains("elsewhere:connector/state@0.1.0") && import.contains("diagnostics"), "{import}");
    let export = refusal(&patched("sportello:connector/poll@0.1.0", "sportello:connector/pull@0.1.0")).await.to_string();
    assert!(export.contains("sportello:connector/pull@0.1.0") && export.contains("sportello:connector/poll@0.1.0"), "{export}");
}

#[tokio::test]
async fn a_function_of_another_type_is_refused_with_both_types() {
    let error = refusal(&patched("occurred-at", "happened-at")).await;
    assert!(matches!(&error, RuntimeError::Contract(ContractFault::Type { .. })), "{error}");
    let message = error.to_string();
    assert!(message.contains("happened-at") && message.contains("expected `"), "{message}");
}

#[tokio::test]
async fn a_refused_file_leaves_what_runs_running() {
    let runtime = runtime();
    let channel = configured(&runtime, |_| {}).await.unwrap();
    assert!(runtime.prepare(&patched("sportello:connector/poll@0.1.0", "sportello:connector/poll@0.2.0")).await.is_err());
    let call = Call {
        time: CallTime::begin("2026-11-22T10:15:00Z".parse::<jiff::Timestamp>().unwrap()),
        seed: 1,
        state: Arc::new(BTreeMap::<String, Vec<u8>>::new()),
        headroom: Arc::new(Uncounted),
    };
    assert!(channel.poll(call, None).await.unwrap().value.is_ok());
}

#[tokio::test]
async fn a_connector_compiled_before_is_loaded_from_the_folder_of_compiled_ones() {
    let folder = tempfile::tempdir().unwrap();
    let compiled = folder.path().join("compiled");
    let start = || {
        let limits = EngineLimits { calls_max: 1, ..EngineLimits::default() };
        Runtime::new(RuntimeOptions { limits, compiled_folder: Some(compiled.clone()), ..RuntimeOptions::default() }).unwrap()
    };
    let first = start().prepare(&guest("hostile")).await.unwrap();
    let files =
        |of: &str| std::fs::read_dir(&compiled).unwrap().filter(|entry| entry.as_ref().unwrap().path().extension().unwrap() == of).count();
    assert_eq!((files("cwasm"), files("ref")), (1, 1));
    let written = modified(&compiled);
    let second = start().prepare(&guest("hostile")).await.unwrap();
    assert_eq!(first.digest(), second.digest());
    assert_eq!(first.manifest(), second.manifest());
    assert_eq!(modified(&compiled), written, "it was compiled again");
}

fn modified(folder: &std::path::Path) -> Vec<std::time::SystemTime> {
    let mut times: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().modified().unwrap()).collect();
    times.sort();
    times
}

async fn configured(runtime: &Runtime, change: impl FnOnce(&mut ChannelOptions)) -> Result<Channel, RuntimeError> {
    let prepared = runtime.prepare(&guest("hostile")).await.unwrap();
    let signing = BTreeMap::from([("secret".to_owned(), Secret::new("the-signing-secret").into())]);
    let mut options = ChannelOptions {
        tenant: "tenant".into(),
        name: "our-channel".into(),
        settings: json!({ "behaviour": "well-behaved", "granted": "https://api.example.com" }),
        granted_origins: vec!["https://api.example.com".into()],
        granted_folders: Vec::new(),
        secrets: BTreeMap::from([("signing".to_owned(), signing)]),
        allow_private_network: false,
        vault: Arc::new(NoVault),
        limits: CallLimits::default(),
        quarantine: QuarantineLimits::default(),
    };
    change(&mut options);
    runtime.channel(&prepared, options)
}

#[tokio::test]
async fn settings_that_do_not_fit_are_refused_with_pointer_and_what_is_allowed() {
    let runtime = runtime();
    let cases: [(Value, &[&str]); 3] = [
        (json!({ "granted": "https://api.example.com" }), &["the settings themselves", "behaviour"]),
        (json!({ "behaviour": 7 }), &["/behaviour", "type \"string\""]),
        (json!({ "behaviour": "state", "behavior": "state" }), &["behavior", "behaviour, granted, target"]),
    ];
    for (settings, said) in cases {
        let error = configured(&runtime, |options| options.settings = settings.clone()).await.unwrap_err().to_string();
        for part in said {
            assert!(error.contains(part), "{settings}: {error}");
        }
        assert!(error.contains("our-channel") && error.contains("hostile"), "{error}");
    }
}

#[tokio::test]
async fn secrets_bound_to_what_is_not_there_are_refused_with_what_is() {
    let runtime = runtime();
    let field = |name: &str| BTreeMap::from([(name.to_owned(), Secret::new("a-secret-of-some-length").into())]);
    let unknown = configured(&runtime, |options| drop(options.secrets.insert("tokn".into(), field("token")))).await.unwrap_err();
    assert!(unknown.to_string().contains("signing, token"), "{unknown}");
    let wrong_field = configured(&runtime, |options| drop(options.secrets.insert("token".into(), field("tok")))).await.unwrap_err();
    assert!(wrong_field.to_string().contains("no field tok"), "{wrong_field}");
    let unsigned = configured(&runtime, |options| options.secrets.clear()).await.unwrap_err();
    assert!(unsigned.to_string().contains("signing"), "{unsigned}");
    let channel = configured(&runtime, |_| {}).await.unwrap();
    assert_eq!(["signing", "token", "nothing"].map(|credential| channel.is_bound(credential)), [true, false, false]);
}

#[tokio::test]
async fn a_delivery_is_believed_only_with_the_channels_signature() {
    let channel = configured(&runtime(), |_| {}).await.unwrap();
    assert_eq!(channel.prepared().manifest().signatures[0].mac, Mac::HmacSha256);
    let body = br#"{"text":"gr\u00fc\u00df"}"#;
    let signed = |secret: &str| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
        let mut headers = http::HeaderMap::new();
        let value = hex::encode(ring::hmac::sign(&key, body));
        headers.insert("x-signature", value.parse().unwrap());
        headers
    };
    assert_eq!(channel.verify(&signed("the-signing-secret"), body).as_deref(), Ok(&body[..]));
    assert!(matches!(channel.verify(&signed("another"), body), Err(SignatureRefusal::Wrong(_))));
    assert!(matches!(channel.verify(&http::HeaderMap::new(), body), Err(SignatureRefusal::Missing(_))));
}
