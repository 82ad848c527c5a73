//! From a signed delivery to a durable case, and back with an answer.

use sportello_core::domain::case::{CASES, CaseState};
use sportello_core::ids::CaseId;
use sportello_tests::host::{HostPlan, RunningHost};
use sportello_tests::stand_ins::facebook::{DeliveryPlan, Facebook};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signed_comment_becomes_one_case_that_outlives_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let plan = HostPlan::default().facebook_page(&facebook, "");
    let running = RunningHost::start(folder.path(), &plan).await;
    facebook.subscribe(&running.url("/hooks/demo/facebook-page")).await.unwrap();

    let customer = facebook.person("Niccolò Però");
    let post = facebook.post(&facebook.page(), "Manutenzione sabato");
    facebook.comment(&customer, &post, "La rete è giù, perché?");
    let report = facebook.deliver(&DeliveryPlan::default()).await.unwrap();
    println!("{report:?}");

    let case = running.desk().tenant.get(&CASES, &CaseId(1)).unwrap().expect("a case was opened");
    assert_eq!(case.state, CaseState::Open);
    assert!(running.desk().tenant.get(&CASES, &CaseId(2)).unwrap().is_none(), "the page's own post opens no case");
    running.stop().await;

    let again = RunningHost::start(folder.path(), &plan).await;
    assert_eq!(again.desk().tenant.get(&CASES, &CaseId(1)).unwrap(), Some(case), "the case is as it was");
    let verified = again.verify().await;
    assert!(verified.equal, "{verified:?}");
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workflow_answers_on_the_page_once() {
    let folder = tempfile::tempdir().unwrap();
    let facebook = Facebook::start().await.unwrap();
    let plan = HostPlan::default().facebook_page(&facebook, "").workflow(
        "answer",
        "name: answer\non: case.opened\nsteps:\n  - reply: \"Caso ${case.number}: ci stiamo lavorando, ${profile.display_name}.\"\n  - state: waiting\n",
    );
    let running = RunningHost::start(folder.path(), &plan).await;
    facebook.subscribe(&running.url("/hooks/demo/facebook-page")).await.unwrap();
    let post = facebook.post(&facebook.page(), "Manutenzione sabato");
    let comment = facebook.comment(&facebook.person("Ada"), &post, "La rete è giù, perché?");
    facebook.deliver(&DeliveryPlan::default()).await.unwrap();

    running
        .until("the case waits", |desk| desk.tenant.get(&CASES, &CaseId(1)).unwrap().is_some_and(|case| case.state == CaseState::Waiting))
        .await;
    let replies = facebook.replies_to(&comment);
    assert_eq!(replies.len(), 1, "{replies:?}");
    assert_eq!(replies[0].text, "Caso 1: ci stiamo lavorando, Ada.");
    running.stop().await;
}
