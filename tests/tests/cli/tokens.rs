//! `sportello token …`.

use sportello_tests::host::{HostPlan, HostProcess};

use super::command::{Cli, found_below};

#[test]
fn a_tokens_secret_is_printed_once_alone_on_standard_output_and_kept_nowhere() {
    let cli = Cli::new(&HostPlan::default());
    let made = cli.run(&["token", "create", "--name", "anna", "--role", "agent"]);
    let secret = made.right().strip_suffix('\n').expect("one line");
    assert!(secret.starts_with("spt_") && secret.len() == 47 && !secret.contains('\n'), "{secret:?}");
    assert!(!made.err.contains(secret), "standard error shows it too");
    assert!(made.err.contains("token 1 for anna, agent"), "{}", made.err);
    for arguments in [&["token", "list"][..], &["token", "list", "--json"], &["events", "export"]] {
        let ran = cli.run(arguments);
        assert!(ran.right().contains("anna"), "{}", ran.out);
        assert!(!ran.out.contains(secret) && !ran.err.contains(secret), "{arguments:?} shows it");
    }
    assert_eq!(found_below(cli.folder.path(), secret.as_bytes()), None, "a file holds it");
    let listed = cli.run(&["token", "list", "--json"]).objects();
    assert_eq!(listed.len(), 1);
    assert_eq!((&listed[0]["token"], &listed[0]["role"], &listed[0]["revoked"]), (&1.into(), &"agent".into(), &false.into()));
}

#[test]
fn a_name_that_cannot_stand_in_the_record_makes_no_token() {
    let cli = Cli::new(&HostPlan::default());
    cli.run(&["token", "create", "--name", "worker:effects", "--role", "admin"]).wrong(1, &["':'"]);
    cli.run(&["token", "create", "--name", " ", "--role", "admin"]).wrong(1, &["1 to 64"]);
    assert_eq!(cli.run(&["token", "list", "--json"]).right(), "");
    cli.run(&["token", "revoke", "1"]).wrong(1, &["token 1"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_host_runs_tokens_are_made_listed_and_revoked_through_it() {
    let mut cli = Cli::new(&HostPlan::default());
    let admin = cli.token("root", "admin");
    let host = HostProcess::start(&cli.config).await;
    cli.set("SPORTELLO_URL", &host.url(""));
    cli.run(&["token", "list"]).wrong(1, &["SPORTELLO_TOKEN"]);

    cli.set("SPORTELLO_TOKEN", &admin);
    let agent = cli.token("anna", "agent");
    let listed = cli.run(&["token", "list", "--json"]).objects();
    let names: Vec<&str> = listed.iter().map(|token| token["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["root", "anna"]);

    cli.set("SPORTELLO_TOKEN", &agent);
    cli.run(&["token", "list"]).wrong(1, &["needs the role admin", "agent"]);
    cli.set("SPORTELLO_TOKEN", &admin);
    let revoked = cli.run(&["token", "revoke", "2"]);
    revoked.right();
    assert!(revoked.err.contains("token 2 of anna is revoked"), "{}", revoked.err);
    cli.set("SPORTELLO_TOKEN", &agent);
    let refused = cli.run(&["events", "tail"]);
    let said = refused.wrong(1, &["not in force for tenant demo"]);
    assert!(!said.contains(&agent), "{said}");
    host.stop().await;
}

#[test]
fn many_tokens_are_listed_whole() {
    let cli = Cli::new(&HostPlan::default());
    // Through the library: 201 processes would take long. One more than a page.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let config = sportello_server::config::Config::read(&cli.config).unwrap();
    let tenants = sportello_server::serve::open_tenants(&config, &mut |_, _, _| {}).unwrap();
    runtime.block_on(async {
        for number in 0..201 {
            let role = sportello_core::domain::access::Role::Viewer;
            sportello_server::access::create_token(&tenants[0], "test", &format!("viewer-{number}"), role).await.unwrap();
        }
    });
    tenants[0].close().unwrap();
    drop(tenants);
    let listed = cli.run(&["token", "list", "--json"]).objects();
    let numbers: Vec<u64> = listed.iter().map(|token| token["token"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=201).collect::<Vec<_>>());
}
