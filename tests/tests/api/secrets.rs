//! Secrets belong to a tenant: an operator of one cannot bind another's.

use std::os::unix::fs::PermissionsExt as _;

use http::Method;
use serde_json::{Value, json};
use sportello_tests::guests::component;
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::http_client::Answer;
use sportello_tests::stand_ins::facebook::Facebook;

/// A secret of the tenant acme, and what the file calls it.
const HUSH: &str = "EAAB-acme-7d1f20c4";
const NAME: &str = "acme-token";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_names_another_tenants_secret_is_refused_as_if_nobody_had_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join(NAME);
    std::fs::write(&file, HUSH).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let facebook = Facebook::start().await.unwrap();
    // Acme itself binds it: the host would not start otherwise.
    let acme = format!(
        "[tenants.acme.secrets]\n{NAME} = {{ file = {NAME:?} }}\n[tenants.acme.channels.page]\nconnector = \"facebook\"\n\
         component = {:?}\norigins = [{graph:?}]\nprivate-network = true\nsettings = {{ page-id = \"1\", graph-url = {graph:?} }}\n\
         secrets = {{ app-secret.secret = {NAME:?}, verify-token.secret = {NAME:?}, page-token.token = {NAME:?} }}\n",
        component("facebook").display().to_string(),
        graph = facebook.graph_url(),
    );
    let running = RunningHost::start(folder.path(), &HostPlan::default().facebook_page(&facebook, "").tables(&acme)).await;
    let shown = async || running.ask(Method::GET, "/channels/facebook-page", "", "").await.json().unwrap();
    let before = shown().await;
    let binding = |channel: &str, secret: &str| {
        let mut settings = before["settings"].clone();
        settings["secrets"]["page-token"]["token"] = json!(secret);
        let path = format!("/channels/{channel}");
        let running = &running;
        async move { running.ask(Method::PUT, &path, "application/json", settings.to_string()).await }
    };

    let refused = binding("facebook-page", NAME).await;
    assert_refused(&refused);
    let unknown = binding("facebook-page", "nobodys-token").await;
    let told = unknown.text().replace("nobodys-token", NAME).replace("NOBODYS_TOKEN", "ACME_TOKEN");
    assert_eq!(told, refused.text(), "what another tenant has shows in what is refused");
    assert_eq!(shown().await["settings"], before["settings"], "a refused binding changed the channel");

    // A new channel, whose settings are told before anything is granted to it.
    assert_eq!(binding("second", NAME).await.status, 201);
    let grant = json!({ "digest": before["grant"]["digest"] }).to_string();
    let granted = running.ask(Method::POST, "/channels/second/grant", "application/json", grant).await;
    assert_refused(&granted);
    let second = running.ask(Method::GET, "/channels/second", "", "").await.json().unwrap();
    assert_eq!((&second["grant"], &second["live"]), (&Value::Null, &Value::Null));
    running.stop().await;
}

#[track_caller]
fn assert_refused(answer: &Answer) {
    assert_eq!(answer.status, 422, "{}", answer.text());
    let detail = answer.json().unwrap()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(&format!("the tenant demo has no secret {NAME:?}")), "{detail}");
    assert!(detail.contains(&format!("[tenants.demo.secrets]\n    {NAME} = {{ env = \"SPORTELLO_DEMO_ACME_TOKEN\" }}")), "{detail}");
    assert!(!answer.text().contains(HUSH), "{detail}");
}
