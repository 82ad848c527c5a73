//! `sportello connector …`.

use std::path::PathBuf;

use sportello_tests::guests::{component, guest};
use sportello_tests::host::{HostPlan, HostProcess};

use super::command::Cli;

#[test]
fn the_lines_that_inspect_prints_are_a_configuration_that_check_accepts() {
    for name in ["facebook", "wiki", "legacy-crm", "twitter", "linkedin"] {
        let file = component(name);
        let looking = Cli::of("");
        let printed = looking.run(&["connector", "inspect", file.to_str().unwrap(), "--channel", "counter", "--tenant", "acme"]);
        let lines = printed.right().to_owned();
        assert!(lines.contains("[tenants.acme.channels.counter]") && lines.contains("# digest "), "{lines}");
        let mut cli = Cli::of(&format!("data = \"data\"\n{}", lines.replace("FILL-IN", "100200")));
        for (_, variable) in lines.lines().filter_map(|line| line.split_once("{ env = \"")) {
            cli.set(variable.split('"').next().unwrap(), "a-secret");
        }
        let checked = cli.run(&["check"]);
        assert!(checked.right().contains("[tenants.acme.channels.counter]"), "{name}: {}", checked.out);
    }
}

#[test]
fn inspect_says_all_of_the_manifest_to_programs_and_nothing_of_what_is_no_component() {
    let cli = Cli::of("");
    let file = component("facebook");
    let document = cli.run(&["connector", "inspect", file.to_str().unwrap(), "--json"]).objects().remove(0);
    assert_eq!(document["name"], "facebook");
    assert_eq!(document["capabilities"], serde_json::json!(["webhook", "poll", "publish", "find"]));
    assert_eq!(document["signatures"][0]["mac"], "HMAC-SHA256");
    assert_eq!(document["actions"][0]["idempotency"], "findable");
    let digest = ring::digest::digest(&ring::digest::SHA256, &guest("facebook"));
    assert_eq!(document["digest"], hex::encode(digest));
    let file = component("twitter");
    let looks = cli.run(&["connector", "inspect", file.to_str().unwrap(), "--json"]).objects().remove(0);
    assert_eq!((&looks["policy"]["recheck_hours"], &document["policy"]["recheck_hours"]), (&24.into(), &0.into()));
    assert!(cli.run(&["connector", "inspect", file.to_str().unwrap()]).right().contains("looks within 24 h whether it is still there"));
    let bad = cli.folder.path().join("bad.wasm");
    std::fs::write(&bad, "not a component").unwrap();
    cli.run(&["connector", "inspect", "bad.wasm"]).wrong(1, &["bad.wasm: "]);
    cli.run(&["connector", "inspect", "missing.wasm"]).wrong(1, &["missing.wasm: "]);
}

/// The same connector with another digest: a custom section at its end.
fn another(cli: &Cli, name: &str) -> PathBuf {
    let mut bytes = guest(name);
    bytes.extend_from_slice(b"\x00\x05\x04note");
    let path = cli.folder.path().join(format!("{name}-next.wasm"));
    std::fs::write(&path, bytes).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_is_installed_at_rest_granted_upgraded_and_rolled_back_on_the_running_host() {
    let channel = "connector = \"facebook\"\norigins = [\"https://graph.facebook.com\"]\n\
                   settings = { page-id = \"1\", graph-url = \"https://graph.facebook.com\" }\n\
                   secrets.app-secret.secret = \"s\"\nsecrets.verify-token.secret = \"s\"\nsecrets.page-token.token = \"s\"\npoll-seconds = 0\n";
    let poor = "connector = \"facebook\"\nsettings = { page-id = \"1\", graph-url = \"https://graph.facebook.com\" }\nsecrets.app-secret.secret = \"s\"\n";
    let mut cli = Cli::new(&HostPlan::default().channel("page", channel).channel("poor", poor).secret("s", "a-secret-of-a-page"));
    let operator = cli.token("otto", "operator");
    let first = component("facebook");
    let installed = cli.run(&["connector", "install", first.to_str().unwrap(), "--json"]).objects().remove(0);
    let first_digest = installed["digest"].as_str().unwrap().to_owned();
    assert!(cli.run(&["connector", "list"]).right().contains(&first_digest[..12]));

    let host = HostProcess::start(&cli.config).await;
    cli.set("SPORTELLO_URL", &host.url(""));
    cli.set("SPORTELLO_TOKEN", &operator);
    let next = another(&cli, "facebook");
    let printed = cli.run(&["connector", "install", next.to_str().unwrap()]);
    let next_digest = printed.right().split_whitespace().last().unwrap().to_owned();
    assert_ne!(next_digest, first_digest);

    cli.run(&["connector", "rollback", "page"]).wrong(1, &["no earlier component"]);
    assert!(cli.run(&["connector", "grant", "page", &first_digest[..12]]).right().contains(": live"));
    assert!(cli.run(&["connector", "grant", "page", &next_digest]).right().contains(": live"));
    let live = |cli: &Cli| {
        let listed = cli.run(&["connector", "list", "--json"]).objects();
        let granted = listed.iter().find(|one| one["channels"] == serde_json::json!(["page"])).expect("one is granted");
        granted["digest"].as_str().unwrap().to_owned()
    };
    assert_eq!(live(&cli), next_digest);
    let back = cli.run(&["connector", "rollback", "page"]);
    assert!(back.right().contains(": live") && back.err.contains(&next_digest[..12]), "{}{}", back.out, back.err);
    assert_eq!(live(&cli), first_digest);

    // What is refused changes nothing and says what would help.
    cli.run(&["connector", "grant", "poor", &first_digest]).wrong(1, &["origins = [\"https://graph.facebook.com\"]"]);
    cli.run(&["connector", "grant", "nobody", &first_digest]).wrong(1, &["nobody"]);
    cli.run(&["connector", "grant", "page", "ffffffffffff"]).wrong(1, &["no installed component", "install"]);
    cli.run(&["connector", "grant", "page", "../tokens"]).wrong(2, &["hexadecimal"]);
    cli.run(&["connector", "grant", "../tokens", &first_digest]).wrong(2, &["is no channel"]);
    std::fs::write(cli.folder.path().join("bad.wasm"), "not a component").unwrap();
    cli.run(&["connector", "install", "bad.wasm"]).wrong(1, &["bad.wasm: "]);
    assert_eq!(live(&cli), first_digest);
    assert_eq!(cli.run(&["connector", "list", "--json"]).objects().len(), 2);
    host.stop().await;
}
