//! `sportello channel …`: the company's own profiles in one place.

use serde_json::Value;
use sportello_tests::host::{HostPlan, HostProcess};
use sportello_tests::stand_ins::linkedin::LinkedIn;
use sportello_tests::stand_ins::twitter::{Twitter, TwitterSettings};

use super::command::{Cli, found_below};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_channel_shows_what_it_may_whether_its_tokens_work_and_what_is_left_and_posts_once() {
    let twitter = Twitter::start().await.unwrap();
    let mut cli = Cli::new(&HostPlan::default().twitter(&twitter, "poll-seconds = 0"));
    let agent = cli.token("anna", "agent");
    let host = HostProcess::start(&cli.config).await;
    cli.set("SPORTELLO_URL", &host.url(""));
    cli.run(&["channel", "list"]).wrong(1, &["SPORTELLO_TOKEN"]);
    cli.set("SPORTELLO_TOKEN", &agent);
    let before = cli.run(&["channel", "list"]);
    let shown = before.right();
    for expected in ["CHANNEL", "twitter", "live", "reply, post", "user-token: idle", "consumer-secret: bound"] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }

    let publish = ["channel", "publish", "twitter", "--key", "opening-hours", "--text", "Da lunedì apriamo alle 8"];
    for _ in 0..2 {
        cli.run(&publish).right();
    }
    let mut shown = Value::Null;
    for _ in 0..200 {
        shown = cli.run(&["channel", "show", "twitter", "--json"]).objects().remove(0);
        if shown["live"]["headroom"].as_array().is_some_and(|windows| !windows.is_empty()) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let live = &shown["live"];
    let window = &live["headroom"][0];
    assert_eq!(
        (&window["name"], &window["used_by"], &window["allowed"], &window["remaining"]),
        (&"posts".into(), &serde_json::json!(["publish"]), &100.into(), &99.into())
    );
    let token = live["credentials"].as_array().unwrap().iter().find(|credential| credential["credential"] == "user-token").unwrap();
    assert_eq!((&token["session"]["state"], &token["bound"]), (&"live".into(), &true.into()), "{token}");
    assert!(token["session"]["expires_at"].as_str().unwrap().ends_with('Z'), "{token}");
    assert!(
        live["calls"].as_array().unwrap().iter().any(|calls| calls["purpose"] == "publish" && calls["succeeded_at"].is_string()),
        "{live}"
    );

    let lines = cli.run(&["channel", "show", "twitter"]);
    for expected in ["posts 99/100 until", "user-token: until", "only where one was addressed", "publish     last good"] {
        assert!(lines.right().contains(expected), "{expected}: {}", lines.out);
    }
    for secret in [
        twitter.access_token(),
        twitter.refresh_token(),
        twitter.settings().refresh_token.clone(),
        twitter.settings().client_secret.clone(),
    ] {
        assert!(!lines.out.contains(&secret) && !shown.to_string().contains(&secret), "a secret is shown");
    }
    // The refresh token the host was given is used up; the newest lies sealed in the vault.
    assert_eq!(twitter.token_refreshes(), 1);
    assert_eq!(found_below(&cli.folder.path().join("data"), twitter.refresh_token().as_bytes()), None, "a file holds it in clear");
    host.stop().await;
    assert_eq!(twitter.counts().updates_made, 1, "one post, as the platform counts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_the_platform_refuses_is_shown_with_its_reason() {
    let twitter = Twitter::start().await.unwrap();
    twitter.revoke();
    let mut cli = Cli::new(&HostPlan::default().twitter(&twitter, "poll-seconds = 0"));
    let (agent, operator) = (cli.token("anna", "agent"), cli.token("olga", "operator"));
    let host = HostProcess::start(&cli.config).await;
    cli.set("SPORTELLO_URL", &host.url(""));
    cli.set("SPORTELLO_TOKEN", &agent);
    cli.run(&["channel", "publish", "twitter", "--key", "k", "--text", "Da lunedì apriamo alle 8"]).right();
    assert!(listed_with(&cli, "failing").await.contains("user-token: refused"));
    // Why is for those who can mend it.
    let shown = cli.run(&["channel", "show", "twitter"]);
    assert!(shown.right().contains("refused") && !shown.out.contains("log-in refused by"), "{}", shown.out);
    cli.set("SPORTELLO_TOKEN", &operator);
    let shown = cli.run(&["channel", "show", "twitter"]);
    assert!(shown.right().contains("log-in refused by") && shown.out.contains("400"), "{}", shown.out);
    assert!(shown.out.contains("last failed") && shown.out.contains("the credential does not work"), "{}", shown.out);
    let typed = cli.run(&["channel", "publish", "twiter", "--key", "other", "--text", "x"]);
    typed.wrong(1, &["twiter"]);
    cli.run(&["channel", "publish", "twitter", "--key", "", "--text", "x"]).wrong(2, &["--key"]);
    host.stop().await;
}

/// A day.
const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// What `channel list` prints, once it says this.
async fn listed_with(cli: &Cli, expected: &str) -> String {
    printed_with(cli, &["channel", "list"], expected).await
}

/// What is printed, once it says this.
async fn printed_with(cli: &Cli, arguments: &[&str], expected: &str) -> String {
    let mut printed = String::new();
    for _ in 0..200 {
        printed = cli.run(arguments).right().to_owned();
        if printed.contains(expected) {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert!(printed.contains(expected), "{expected}: {printed}");
    printed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_month_before_a_person_must_log_in_again_the_channel_says_so_also_after_a_restart() {
    let linkedin = LinkedIn::start().await.unwrap();
    let mut cli = Cli::new(&HostPlan::default().linkedin(&linkedin, ""));
    let agent = cli.token("anna", "agent");
    cli.set("SPORTELLO_TOKEN", &agent);
    let mut host = HostProcess::start(&cli.config).await;
    cli.set("SPORTELLO_URL", &host.url(""));
    // A refresh extends nothing: the host learns anew what is left of the year.
    for (days, expected) in [(0, "live"), (330, "live"), (10, "ending")] {
        host.stop().await;
        linkedin.advance(DAY * days);
        host = HostProcess::start(&cli.config).await;
        cli.set("SPORTELLO_URL", &host.url(""));
        let listed = listed_with(&cli, "token: until").await;
        assert!(listed.contains(&format!("  {expected}  ")), "{expected}: {listed}");
    }
    let listed = listed_with(&cli, "authorise anew before").await;
    let shown = cli.run(&["channel", "show", "linkedin"]);
    assert!(shown.right().contains("state       ending") && shown.out.contains(": authorise the application anew before"), "{}", shown.out);
    let credential = |cli: &Cli| {
        let shown = cli.run(&["channel", "show", "linkedin", "--json"]).objects().remove(0);
        shown["live"]["credentials"].as_array().unwrap().iter().find(|one| one["credential"] == "token").unwrap().clone()
    };
    let known = credential(&cli);
    assert_eq!(known["authorisation_ends_soon"], true, "{known}");
    assert!(listed.contains(known["authorised_until"].as_str().unwrap()), "{listed}");

    // A host that starts anew and is refused knows it still.
    host.stop().await;
    linkedin.revoke_refresh_token();
    let host = HostProcess::start(&cli.config).await;
    cli.set("SPORTELLO_URL", &host.url(""));
    listed_with(&cli, "token: refused; authorise anew before").await;
    assert_eq!(credential(&cli)["authorised_until"], known["authorised_until"]);
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_that_is_missing_shows_and_once_it_is_given_back_what_was_missed_comes_in() {
    let linkedin = LinkedIn::start().await.unwrap();
    let mut cli = Cli::new(&HostPlan::default().linkedin(&linkedin, "poll-seconds = 0.2"));
    let (agent, operator) = (cli.token("anna", "agent"), cli.token("olga", "operator"));
    let host = HostProcess::start(&cli.config).await;
    cli.set("SPORTELLO_URL", &host.url(""));
    cli.set("SPORTELLO_TOKEN", &agent);
    let show = ["channel", "show", "linkedin"];
    printed_with(&cli, &show, "poll        last good 2").await;
    linkedin.wrong_role(true);
    listed_with(&cli, "  failing  ").await;
    let what_is_missing = "needs the role ADMINISTRATOR";
    assert!(!cli.run(&show).right().contains(what_is_missing), "it is for those who can mend it");
    cli.set("SPORTELLO_TOKEN", &operator);
    let shown = cli.run(&show);
    for expected in
        ["state       failing", "poll ", "the credential does not work", what_is_missing, &linkedin.organization_urn(), "heard of    -"]
    {
        assert!(shown.right().contains(expected), "{expected}: {}", shown.out);
    }

    // Its clock stands still: this must not lie before the first poll.
    linkedin.advance(std::time::Duration::from_secs(60));
    linkedin.comment(&linkedin.person("Ada"), &linkedin.post("Buongiorno"), "Non va");
    linkedin.wrong_role(false);
    listed_with(&cli, "  live  ").await;
    let shown = printed_with(&cli, &show, "heard of    2").await;
    assert!(!shown.contains(what_is_missing), "{shown}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scope_that_is_missing_shows_with_what_is_to_be_done() {
    let scope = "tweet.read users.read offline.access".to_owned();
    let twitter = Twitter::start_with(TwitterSettings { scope, ..TwitterSettings::default() }).await.unwrap();
    let mut cli = Cli::new(&HostPlan::default().twitter(&twitter, "poll-seconds = 0"));
    let operator = cli.token("olga", "operator");
    let host = HostProcess::start(&cli.config).await;
    cli.set("SPORTELLO_URL", &host.url(""));
    cli.set("SPORTELLO_TOKEN", &operator);
    cli.run(&["channel", "publish", "twitter", "--key", "k", "--text", "Da lunedì apriamo alle 8"]).right();
    let shown = printed_with(&cli, &["channel", "show", "twitter"], "authorised without a scope").await;
    assert!(shown.contains("state       failing") && shown.contains("publish     last good -"), "{shown}");
    host.stop().await;
    assert_eq!(twitter.counts().updates_made, 0);
}
