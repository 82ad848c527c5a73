//! What the export macro and the build promise: a component exports `description` and the capabilities it names, nothing else, and imports nothing but
//! the contract's imports and what it needs of WASI 0.2. Checked on real components, built here as `cargo xtask guests` builds them.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use wit_component::{DecodedWasm, decode};

const TARGET: &str = "wasm32-unknown-unknown";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins")
}

/// Names of what a component imports and exports.
fn build(package: &str) -> (Vec<String>, Vec<String>) {
    let workspace = workspace();
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--release", "--target", TARGET, "--package", package, "--manifest-path"])
        .arg(workspace.join("Cargo.toml"))
        .status()
        .unwrap();
    assert!(status.success(), "{package} does not build for {TARGET}");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), Into::into);
    let file = target.join(TARGET).join("release").join(package.replace('-', "_")).with_extension("wasm");
    let bytes = std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let DecodedWasm::Component(resolve, world) = decode(&bytes).unwrap() else { panic!("{package} is no component") };
    let world = &resolve.worlds[world];
    let names = |items: Vec<_>| -> Vec<String> {
        let mut names: Vec<_> = items.into_iter().map(|key| resolve.name_world_key(key)).collect();
        names.sort();
        names
    };
    (names(world.imports.keys().collect()), names(world.exports.keys().collect()))
}

/// The workspace's guests that are built without WASI.
fn guests_without_wasi() -> Vec<String> {
    let told = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--no-deps", "--format-version", "1", "--manifest-path"])
        .arg(workspace().join("Cargo.toml"))
        .output()
        .unwrap();
    let told: Value = serde_json::from_slice(&told.stdout).unwrap();
    let is_component = |package: &&Value| {
        package["targets"].as_array().unwrap().iter().any(|target| target["crate_types"].as_array().unwrap().contains(&"cdylib".into()))
    };
    let packages = told["packages"].as_array().unwrap().iter().filter(is_component);
    let with_wasi = told["metadata"]["guests"]["with-wasi"].as_array().unwrap();
    packages
        .map(|package| &package["name"])
        .filter(|name| !with_wasi.contains(name))
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_component_exports_what_it_names() {
    let exports_of = |capabilities: &[&str]| -> Vec<String> {
        capabilities.iter().map(|capability| format!("sportello:connector/{capability}@0.1.0")).collect()
    };
    for (package, capabilities) in [
        ("minimal", ["description", "publish", "webhook"].as_slice()),
        ("twitter", &["description", "find", "poll", "publish", "recheck", "webhook"]),
    ] {
        let (imports, exports) = build(package);
        assert_eq!(exports, exports_of(capabilities), "exports of {package}");
        assert!(imports.iter().any(|import| import.starts_with("wasi:http/outgoing-handler@")), "{package} sends requests");
    }
}

#[test]
fn a_guest_imports_the_contract_and_of_wasi_what_its_requests_and_its_clock_need() {
    let guests = guests_without_wasi();
    assert!(guests.len() > 5, "{guests:?}");
    for package in guests {
        for import in build(&package).0 {
            let ours = ["types", "diagnostics", "state", "credentials", "headroom"].map(|name| format!("sportello:connector/{name}@0.1.0"));
            let wasi = ["wasi:http/", "wasi:io/", "wasi:clocks/"].iter().any(|package| import.starts_with(package));
            let second = import.split_once('@').is_some_and(|(_, version)| version.starts_with("0.2."));
            assert!(wasi && second || ours.contains(&import), "{package} imports {import}");
        }
    }
}

#[test]
fn a_guest_that_needs_no_wasi_imports_none() {
    let (imports, _) = build("bench-guest");
    assert!(imports.iter().all(|import| import.starts_with("sportello:connector/")), "{imports:?}");
}
