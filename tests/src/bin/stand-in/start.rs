//! Starting a network, and what a connector has to know of it.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sportello_tests::networks::Network;
use sportello_tests::stand_ins::facebook::{Facebook, FacebookSettings};
use sportello_tests::stand_ins::linkedin::{LinkedIn, LinkedInSettings};
use sportello_tests::stand_ins::twitter::{Payloads, Twitter, TwitterSettings};

use crate::Problem;
use crate::arguments::{Arguments, Kind, Shape};

/// What a connector has to know, by name.
pub(crate) type Facts = Vec<(&'static str, String)>;

/// Starts the network that was asked for.
pub(crate) async fn start(arguments: &Arguments) -> Result<(Network, Facts), Problem> {
    match arguments.network {
        Kind::Facebook => facebook(arguments).await,
        Kind::Twitter => twitter(arguments).await,
        Kind::LinkedIn => linkedin(arguments).await,
    }
}

/// Prints it.
pub(crate) fn show(arguments: &Arguments, network: &Network, facts: &Facts) {
    if arguments.json {
        let facts: Map<String, Value> = facts.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        println!("{}", json!({"network": network.name(), "expects": facts}));
        return;
    }
    println!("{} stands in at {}", network.name(), network.api_url());
    let width = facts.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    for (name, value) in facts {
        println!("  {name:<width$}  {value}");
    }
}

async fn facebook(arguments: &Arguments) -> Result<(Network, Facts), Problem> {
    let mut settings = FacebookSettings { port: arguments.port, seed: arguments.seed, ..FacebookSettings::default() };
    choose(arguments, [(&mut settings.app_secret, ""), (&mut settings.access_token, "-page-token")]);
    settings.verify_token = arguments.verify_token.clone().unwrap_or(settings.verify_token);
    let facebook = Facebook::start_with(settings).await?;
    let facts = vec![
        ("graph-url", facebook.graph_url()),
        ("page-id", facebook.page_id().to_owned()),
        ("app-secret", facebook.app_secret().to_owned()),
        ("verify-token", facebook.verify_token().to_owned()),
        ("page-token", facebook.access_token()),
        ("app-token", facebook.app_token()),
        ("app-token-proof", facebook.app_token_proof()),
    ];
    Ok((Network::Facebook(Arc::new(facebook)), facts))
}

async fn twitter(arguments: &Arguments) -> Result<(Network, Facts), Problem> {
    let payloads = match arguments.shape {
        Shape::Activity => Payloads::Activity,
        Shape::AccountActivity => Payloads::AccountActivity,
        Shape::Both => Payloads::Both,
    };
    let mut settings = TwitterSettings { port: arguments.port, seed: arguments.seed, payloads, ..TwitterSettings::default() };
    let chosen = [
        (&mut settings.consumer_secret, ""),
        (&mut settings.consumer_key, "-consumer-key"),
        (&mut settings.client_id, "-client-id"),
        (&mut settings.client_secret, "-client-secret"),
        (&mut settings.access_token, "-access-token"),
        (&mut settings.refresh_token, "-refresh-token"),
        (&mut settings.oauth1_token, "-oauth1-token"),
        (&mut settings.oauth1_token_secret, "-oauth1-token-secret"),
    ];
    choose(arguments, chosen);
    let twitter = Twitter::start_with(settings).await?;
    let settings = twitter.settings();
    let facts = vec![
        ("api-url", twitter.api_url()),
        ("user-id", settings.user_id.clone()),
        ("handle", settings.handle.clone()),
        ("consumer-key", settings.consumer_key.clone()),
        ("consumer-secret", settings.consumer_secret.clone()),
        ("client-id", settings.client_id.clone()),
        ("client-secret", settings.client_secret.clone()),
        ("access-token", settings.access_token.clone()),
        ("refresh-token", settings.refresh_token.clone()),
        ("oauth1-token", settings.oauth1_token.clone()),
        ("oauth1-token-secret", settings.oauth1_token_secret.clone()),
    ];
    Ok((Network::Twitter(Arc::new(twitter)), facts))
}

async fn linkedin(arguments: &Arguments) -> Result<(Network, Facts), Problem> {
    let mut settings =
        LinkedInSettings { port: arguments.port, seed: arguments.seed, gives_new_refresh_tokens: true, ..LinkedInSettings::default() };
    let chosen =
        [(&mut settings.client_secret, ""), (&mut settings.access_token, "-access-token"), (&mut settings.refresh_token, "-refresh-token")];
    choose(arguments, chosen);
    let linkedin = LinkedIn::start_with(settings).await?;
    let facts = vec![
        ("api-url", linkedin.api_url()),
        ("token-url", linkedin.api_url()),
        ("version", linkedin.newest_version()),
        ("organization", linkedin.organization_urn()),
        ("application-id", linkedin.application_id().to_owned()),
        ("client-id", linkedin.client_id().to_owned()),
        ("client-secret", linkedin.client_secret().to_owned()),
        ("access-token", linkedin.access_token()),
        ("refresh-token", linkedin.refresh_token()),
    ];
    Ok((Network::LinkedIn(Arc::new(linkedin)), facts))
}

/// Makes secrets and tokens of the one that was chosen, if one was.
fn choose<const COUNT: usize>(arguments: &Arguments, settings: [(&mut String, &str); COUNT]) {
    let Some(secret) = &arguments.secret else { return };
    for (setting, ending) in settings {
        *setting = format!("{secret}{ending}");
    }
}
