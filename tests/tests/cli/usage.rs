//! What every command has in common: help with examples, exit codes, clear words where nobody answers.

use sportello_tests::host::HostPlan;

use super::command::Cli;

#[test]
fn every_command_shows_examples_in_its_help() {
    let cli = Cli::of("");
    for command in [
        "",
        "serve",
        "check",
        "verify",
        "token create",
        "token list",
        "token revoke",
        "connector inspect",
        "connector install",
        "connector list",
        "connector grant",
        "connector rollback",
        "events tail",
        "events export",
        "workflow check",
    ] {
        let arguments: Vec<&str> = command.split_whitespace().chain(["--help"]).collect();
        let help = cli.run(&arguments);
        assert!(help.right().contains("Examples:\n  "), "sportello {command} --help has no examples");
    }
}

#[test]
fn a_command_line_that_makes_no_sense_ends_with_2_and_a_problem_with_1() {
    let cli = Cli::of("data = \"data\"\n[tenants.acme]\n[tenants.demo]\n");
    cli.run(&[]).wrong(2, &[]);
    cli.run(&["tokens"]).wrong(2, &["token"]);
    cli.run(&["token", "create", "--name", "a", "--role", "boss"]).wrong(2, &["viewer, agent, operator, admin"]);
    // A secret in argv would be readable by every user of the machine.
    cli.run(&["token", "list", "--token", "spt_x"]).wrong(2, &["--token"]);
    cli.run(&["token", "list"]).wrong(2, &["--tenant", "acme, demo"]);
    cli.run(&["token", "list", "--tenant", "dem"]).wrong(2, &["\"dem\"", "acme, demo"]);
    cli.run(&["events", "export", "--tenant", "demo", "--from", "5", "--to", "4"]).wrong(2, &["5", "4"]);
    cli.run(&["events", "tail", "--tenant", "demo", "--from", "0"]).wrong(2, &["--from"]);
    cli.run(&["token", "list", "--tenant", "demo"]).wrong(1, &["does not exist", "sportello serve"]);
    assert!(!cli.folder.path().join("data").exists(), "a command that only looks made a folder");
    let nowhere = Cli::of("");
    std::fs::remove_file(&nowhere.config).unwrap();
    nowhere.run(&["serve"]).wrong(1, &["sportello.toml"]);
}

#[test]
fn where_nobody_answers_the_message_says_so_and_what_to_do() {
    let mut cli = Cli::new(&HostPlan::default());
    cli.set("SPORTELLO_TOKEN", "spt_x");
    // The system gives the port to nobody meanwhile: it is held, and not listened on, by this test.
    let held = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}", held.local_addr().unwrap().port());
    cli.set("SPORTELLO_URL", &url);
    for arguments in [&["events", "tail"][..], &["token", "list"], &["connector", "list"], &["connector", "rollback", "page"]] {
        cli.run(arguments).wrong(1, &[&format!("nothing listens on {url}: is the host running? sportello serve")]);
    }
    cli.set("SPORTELLO_URL", "https://support.example.com");
    cli.run(&["token", "list"]).wrong(1, &["plain HTTP"]);
}
