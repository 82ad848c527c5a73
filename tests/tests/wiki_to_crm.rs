//! The main job, end to end: somebody writes on a talk page, is recognised because the CRM's contact carries that wiki name, gets an answer on the
//! page, and the CRM has it on record. On the real MediaWiki and the real Tryton, and the same on the stand-ins.

use std::time::Duration;

use sportello_core::domain::person::{Standing, standing};
use sportello_core::domain::profile::PROFILES;
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::servers::{ContactMechanism, Crm, MediaWiki, Release, Tryton, Wiki, require};
use sportello_tests::stand_ins::crm::CrmStandIn;
use sportello_tests::stand_ins::wiki::WikiStandIn;
use sportello_views::Direction;

const WORKFLOW: &str = "
name: answer
on: case.opened
steps:
  - if: person.customer
    then:
      - name: answer
        reply: \"Buongiorno ${profile.display_name}, caso ${case.number}: la rete torna entro sera.\"
      - name: record
        activity: {subject: \"Caso ${case.number}\", text: \"Risposto sul wiki a: ${interaction.text}\"}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_of_the_real_servers_is_recognised_answered_and_recorded() {
    let Some(wiki) = require(MediaWiki::start().await) else { return };
    let Some(crm) = require(Tryton::start().await) else { return };
    a_customer_is_recognised_answered_and_recorded(&wiki, &crm).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_of_the_real_wiki_and_the_newest_tryton_is_recognised_answered_and_recorded() {
    let Some(wiki) = require(MediaWiki::start().await) else { return };
    let Some(crm) = require(Tryton::start_release(Release::Eight).await) else { return };
    a_customer_is_recognised_answered_and_recorded(&wiki, &crm).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_customer_of_the_stand_ins_is_recognised_answered_and_recorded() {
    let wiki = WikiStandIn::start().await.unwrap();
    let crm = CrmStandIn::start().await.unwrap();
    a_customer_is_recognised_answered_and_recorded(&wiki, &crm).await;
}

async fn a_customer_is_recognised_answered_and_recorded(wiki: &dyn Wiki, crm: &dyn Crm) {
    let customer = wiki.customer_account();
    let mechanisms = [ContactMechanism::wiki(&customer.name), ContactMechanism::email("ada@example.org")];
    let party = crm.operator().create_party("Ada Bianchi", "K-1", &mechanisms).await.unwrap();

    let folder = tempfile::tempdir().unwrap();
    let running = RunningHost::start(folder.path(), &plan(wiki, crm)).await;
    // The first poll starts from then on: the question must come after it.
    running
        .until("the wiki has been asked once", |desk| {
            let cursors = desk.tenant.list(&sportello_core::domain::channel::CURSORS, &[], None, Direction::Forward, 10).unwrap();
            cursors.iter().any(|(key, _)| key.starts_with(b"wiki\0"))
        })
        .await;
    wiki.customer().edit_talk("Talk:Product", "Rete giù", "La rete è giù da stamattina. Perché? --~~~~").await.unwrap();

    running
        .until("the effects are done", |desk| {
            let effects = desk.tenant.list(&sportello_core::domain::effect::EFFECTS, &[], None, Direction::Forward, 10).unwrap();
            effects.len() == 2 && effects.iter().all(|(_, effect)| effect.state == sportello_core::domain::effect::EffectState::Done)
        })
        .await;
    let profiles = running.desk().tenant.list(&PROFILES, &[], None, Direction::Forward, 10).unwrap();
    assert!(profiles.iter().any(|(_, profile)| standing(profile) == Standing::Customer), "{profiles:?}");

    // Read back through the servers' own APIs.
    let page = wiki.admin().page_text("Talk:Product").await.unwrap().expect("the page is there");
    assert_eq!(page.matches("la rete torna entro sera").count(), 1, "answered once:\n{page}");
    assert!(page.find("La rete è giù da stamattina") < page.find("la rete torna entro sera"), "below the question:\n{page}");
    let notes = crm.operator().notes(party).await.unwrap();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(notes[0].message.contains("La rete è giù da stamattina"), "{notes:?}");

    // Our own answer comes back with the next poll and changes nothing.
    tokio::time::timeout(Duration::from_secs(30), async {
        let own = |desk: &sportello_server::desk::Desk| {
            let rows = desk.tenant.list(&sportello_core::domain::interaction::INTERACTIONS, &[], None, Direction::Forward, 20).unwrap();
            rows.iter().any(|(_, row)| row.own)
        };
        running.until("our answer's echo has come", own).await;
    })
    .await
    .unwrap();
    let cases = running.desk().tenant.list(&sportello_core::domain::case::CASES, &[], None, Direction::Forward, 10).unwrap();
    assert_eq!(cases.len(), 1, "one case: {cases:?}");
    running.stop().await;
}

fn plan(wiki: &dyn Wiki, crm: &dyn Crm) -> HostPlan {
    let (crm_origin, rpc_path) = split(&crm.rpc_url());
    let user = crm.account();
    HostPlan::default()
        .wiki(wiki, "poll-seconds = 0.2")
        .channel(
            "crm",
            &format!(
                "connector = \"legacy-crm\"\ncomponent = \"{{component:legacy-crm}}\"\norigins = [\"{crm_origin}\"]\nprivate-network = true\n\
                 settings = {{ base-url = \"{crm_origin}\", rpc-path = \"{rpc_path}\" }}\n\
                 secrets.user = {{ user = \"crm-user\", password = \"crm-password\" }}\npoll-seconds = 0.5\n"
            ),
        )
        .plain("crm-user", &user.name)
        .secret("crm-password", &user.password)
        .workflow("answer", WORKFLOW)
}

/// Origin and path of a URL.
fn split(url: &str) -> (String, String) {
    let after_scheme = url.find("://").map_or(0, |start| start + 3);
    let path = url[after_scheme..].find('/').map_or(url.len(), |start| after_scheme + start);
    (url[..path].to_owned(), url[path..].to_owned())
}
