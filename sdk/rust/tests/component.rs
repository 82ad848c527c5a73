//! What the export macro promises: a component exports `description` and the capabilities it names, nothing else, and imports nothing but the
//! contract's imports and WASI 0.2. Checked on real components, built here.

use std::path::Path;
use std::process::Command;

use wit_component::{DecodedWasm, decode};

fn build(package: &str) -> (Vec<String>, Vec<String>) {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    let status = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--release", "--target", "wasm32-wasip2", "--package", package, "--manifest-path"])
        .arg(workspace.join("Cargo.toml"))
        .status()
        .unwrap();
    assert!(status.success(), "{package} does not build for wasm32-wasip2");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.join("target"), Into::into);
    let file = target.join("wasm32-wasip2/release").join(package.replace('-', "_")).with_extension("wasm");
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

#[test]
fn a_component_exports_what_it_names_and_imports_only_what_there_is() {
    let exports_of = |capabilities: &[&str]| -> Vec<String> {
        capabilities.iter().map(|capability| format!("sportello:connector/{capability}@0.1.0")).collect()
    };
    for (package, capabilities) in
        [("minimal", ["description", "publish", "webhook"].as_slice()), ("facebook", &["description", "find", "publish", "webhook"])]
    {
        let (imports, exports) = build(package);
        assert_eq!(exports, exports_of(capabilities), "exports of {package}");
        for import in &imports {
            let ours = ["types", "diagnostics", "state", "credentials"].map(|name| format!("sportello:connector/{name}@0.1.0"));
            let wasi = import.starts_with("wasi:") && import.split_once('@').is_some_and(|(_, version)| version.starts_with("0.2."));
            assert!(wasi || ours.contains(import), "{package} imports {import}");
        }
        assert!(imports.iter().any(|import| import.starts_with("wasi:http/outgoing-handler@")), "{package} sends requests");
    }
}
