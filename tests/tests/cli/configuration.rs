//! `sportello check`, and the configuration that explains every key.

use std::path::Path;

use sportello_tests::guests::component;
use sportello_tests::host::{HostPlan, HostProcess};

use super::command::Cli;

const EXAMPLE: &str = include_str!("../../../examples/sportello.toml");
const SOURCE: &str = include_str!("../../../host/server/src/config.rs");

/// The example, whose files are those of the repository, and its secrets.
fn example(text: &str) -> Cli {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").canonicalize().unwrap();
    let mut text = text.replace("workflows = [\"workflows\"]", &format!("workflows = [{:?}]", folder.join("workflows")));
    text = text.replace("../plugins/mapped-crm", &folder.join("../plugins/mapped-crm").display().to_string());
    for name in ["facebook", "wiki", "twitter", "linkedin", "legacy-crm", "mapped-crm"] {
        let written = format!("../plugins/target/guests/{}.wasm", name.replace('-', "_"));
        assert!(text.contains(&written), "the example names {written}");
        text = text.replace(&written, &component(name).display().to_string());
    }
    let mut cli = Cli::of(&text);
    for (_, rest) in EXAMPLE.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once("{ env = \"")) {
        cli.set(rest.split('"').next().unwrap(), "a-secret-of-the-example");
    }
    cli
}

#[test]
fn every_key_of_the_configuration_stands_in_the_example() {
    // Public fields of what is read from the file; `path` is the file itself. Variants of where a secret stands.
    let fields = SOURCE.split("impl Config").next().unwrap().lines().filter_map(|line| line.trim().strip_prefix("pub "));
    let mut keys: Vec<String> = fields
        .filter(|line| !line.starts_with("struct") && !line.starts_with("enum"))
        .filter_map(|line| Some(line.split_once(':')?.0.replace('_', "-")))
        .filter(|key| key != "path" && !key.contains(' '))
        .collect();
    keys.extend(["secrets", "env", "file", "plain"].map(str::to_owned));
    assert!(keys.len() > 20, "the keys are no longer found where this test looks: {keys:?}");
    for key in keys {
        let stands = EXAMPLE.lines().map(|line| line.strip_prefix("# ").unwrap_or(line)).any(|line| {
            let in_a_table = line.starts_with('[') && line.trim_matches(['[', ']']).split('.').any(|part| part == key);
            in_a_table
                || line.starts_with(&format!("{key} ="))
                || line.starts_with(&format!("{key}."))
                || line.contains(&format!("{{ {key} ="))
        });
        assert!(stands, "examples/sportello.toml does not show {key}");
    }
}

#[test]
fn the_example_is_right_for_the_connectors_as_they_are_built() {
    let cli = example(EXAMPLE);
    let ran = cli.run(&["check"]);
    for channel in ["facebook-page", "community", "x", "linkedin-page", "crm", "helpdesk"] {
        assert!(ran.right().contains(&format!("[tenants.demo.channels.{channel}]")), "{}", ran.out);
    }
    assert!(!cli.folder.path().join("data").exists(), "a check wrote something");
}

#[test]
fn all_that_is_wrong_is_said_at_once_with_its_table() {
    let text = EXAMPLE
        .replace("page-id = \"100200300400500\"", "page-id = \"the page\"")
        .replace("origins = [\"https://wiki.example.org\"]", "origins = []")
        .replace("connector = \"legacy-crm\"", "connector = \"legacy\"");
    let ran = example(&text).run(&["check"]);
    let said = ran.wrong(
        1,
        &["[tenants.demo.channels.facebook-page]: ", "page-id", "origins = [\"https://wiki.example.org\"]", "connector = \"legacy-crm\""],
    );
    assert!(!said.contains("a-secret-of-the-example"), "{said}");

    let mut cli = example(EXAMPLE);
    cli.set("SPORTELLO_DEMO_PAGE_TOKEN", "");
    cli.run(&["check"]).wrong(1, &["[tenants.demo.channels.facebook-page]", "SPORTELLO_DEMO_PAGE_TOKEN is not set or empty"]);
    Cli::of("data = \"d\"\n[listen]\nadress = \"127.0.0.1:1\"\n[tenants.demo]\n").run(&["check"]).wrong(1, &["line 3", "adress"]);
}

#[test]
fn a_mapping_in_a_file_of_its_own_is_judged_with_the_lines_of_its_mistakes() {
    let mapping = include_str!("../../../plugins/mapped-crm/mappings/csv-drop.yaml");
    let cli = Cli::of(&format!(
        "data = \"data\"\n[tenants.demo.channels.branch]\nconnector = \"mapped-crm\"\ncomponent = {:?}\nsettings = {{ folder = \"/\" }}\n\
         folders = [\"/\"]\nsettings-files.mapping = \"crm.yaml\"\n",
        component("mapped-crm").display().to_string()
    ));
    let file = cli.folder.path().join("crm.yaml");
    std::fs::write(&file, mapping).unwrap();
    assert!(cli.run(&["check"]).right().contains("[tenants.demo.channels.branch]"));

    let broken = mapping.replacen("display-name:", "display_name:", 1).replacen("encoding: auto", "encoding: utf-9", 1);
    let line = |word: &str| broken.lines().position(|line| line.contains(word)).map(|at| at + 1).unwrap();
    std::fs::write(&file, &broken).unwrap();
    let (name, encoding) = (line("display_name:"), line("encoding: utf-9"));
    assert_ne!(name, encoding);
    cli.run(&["check"]).wrong(
        1,
        &[
            "[tenants.demo.channels.branch]: ",
            &format!("line {name}: `contact` has no `display_name`; did you mean `display-name`?"),
            &format!("line {encoding}: `encoding` cannot be `utf-9`; did you mean `utf-8`?"),
        ],
    );

    // A source that needs another setting.
    std::fs::write(&file, include_str!("../../../plugins/mapped-crm/mappings/request-tracker.yaml")).unwrap();
    cli.run(&["check"]).wrong(1, &["/base-url", "`source: rest-json` needs the setting `base-url`"]);
}

#[test]
fn a_file_of_roots_that_cannot_be_used_keeps_the_host_from_starting_and_is_said_by_the_check() {
    // No machine has this address: a host that took the file would not listen, and end too.
    let cli = Cli::of("data = \"data\"\n[listen]\naddress = \"192.0.2.1:1\"\n[outgoing]\nextra-roots = [\"crm-ca.pem\"]\n[tenants.demo]\n");
    let file = cli.folder.path().join("crm-ca.pem").display().to_string();
    std::fs::write(&file, "no certificate").unwrap();
    for command in ["check", "serve"] {
        cli.run(&[command]).wrong(1, &["extra-roots", &file, "it holds no certificate"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_needs_the_host_at_rest_and_then_proves_equality() {
    let cli = Cli::new(&HostPlan::default());
    let host = HostProcess::start(&cli.config).await;
    cli.run(&["verify"]).wrong(1, &["in use by another process"]);
    host.stop().await;
    cli.token("anna", "agent");
    let verified = cli.run(&["verify", "--json"]).objects();
    assert_eq!(verified[0]["tenant"], "demo");
    assert_eq!(verified[0]["verified"]["equal"], true, "{verified:?}");
    assert!(cli.run(&["verify"]).right().contains("rebuilt views equal the live ones"));
}
