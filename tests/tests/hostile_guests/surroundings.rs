//! Clock, randomness, folders and state: as much as was granted, and the same for the same call.

use serde_json::json;
use sportello_runtime::contract::Effect;
use sportello_runtime::{Call, CallFailure};

use super::house::{House, call, poll, told};

#[tokio::test]
async fn wasi_is_there_and_inert_and_a_call_can_be_repeated_exactly() {
    let house = House::new();
    let channel = house.channel("look-around").await;
    let first = poll(&channel).await.unwrap();
    let told_first = told(&first);
    // 2026-11-22T10:15:00 in seconds.
    assert!(told_first.starts_with("1795342500 true "), "{told_first}");
    assert!(told_first.contains("env=0 args=0"), "{told_first}");
    assert!(told_first.contains("socket-refused=true name-refused=true"), "{told_first}");
    assert!(!told_first.contains("files=0") || told_first.contains("files=Not"), "{told_first}");
    assert_eq!(told(&poll(&channel).await.unwrap()), told_first, "the same call ran another way");
    let other_seed = channel.poll(Call { seed: 8, ..call() }, None).await.unwrap();
    assert_ne!(told(&other_seed), told_first, "randomness does not come from the seed");
    house.still_serves().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_granted_folder_can_be_read_and_nothing_else_can() {
    let house = House::new();
    let outside = tempfile::tempdir().unwrap();
    let folder = outside.path().join("drop");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(outside.path().join("secret.txt"), "a secret").unwrap();
    std::fs::write(folder.join("contacts.csv"), "id;name").unwrap();
    std::os::unix::fs::symlink(outside.path().join("secret.txt"), folder.join("way-out")).unwrap();
    let path = folder.display().to_string();
    let configured = |granted: Vec<String>| {
        house.configured("folders", |options| {
            options.settings["folder"] = json!(path);
            options.granted_folders = granted;
        })
    };
    let error = configured(Vec::new()).await.map(|_| ()).unwrap_err().to_string();
    assert!(error.contains(&format!("folders = [{path:?}]")), "{error}");
    let channel = configured(vec![path.clone()]).await.unwrap();
    assert_eq!(
        told(&poll(&channel).await.unwrap()),
        "list=contacts.csv+way-out read=id;name above=denied link=denied root=denied host=denied write=denied append=denied make=denied \
         remove=denied rename=denied link-up=denied"
    );
    assert_eq!(std::fs::read_to_string(folder.join("contacts.csv")).unwrap(), "id;name");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    // Without the setting nothing is asked for, and nothing is there.
    assert!(told(&poll(&house.channel("folders").await).await.unwrap()).starts_with("list=denied read=denied above=denied"));
    // A folder that goes away is no fault of the connector's.
    std::fs::remove_dir_all(&folder).unwrap();
    let failure = poll(&channel).await.map(|_| ()).unwrap_err();
    assert!(matches!(failure, CallFailure::Folder { .. }) && !failure.is_connectors_fault() && failure.nothing_started(), "{failure}");
    house.still_serves().await;
}

#[tokio::test]
async fn a_folder_that_is_not_there_or_none_is_refused_when_the_channel_is_built() {
    let house = House::new();
    let file = tempfile::NamedTempFile::new().unwrap();
    for (path, problem) in [("/nowhere/at/all", "No such file"), ("relative", "absolute"), (file.path().to_str().unwrap(), "no folder")] {
        let built = house.configured("folders", |options| {
            options.settings["folder"] = json!(path);
            options.granted_folders = vec![path.to_owned()];
        });
        let error = built.await.map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(path) && error.contains(problem), "{error}");
    }
}

#[tokio::test]
async fn state_is_written_by_poll_only_and_only_with_the_call() {
    let house = House::new();
    let channel = house.channel("state").await;
    let answer = poll(&channel).await.unwrap();
    assert_eq!(told(&answer), "Some(\"yes\")");
    assert_eq!(answer.state_writes.len(), 1);
    let effect = Effect {
        key: "e-1".into(),
        action: "reply".into(),
        conversation: None,
        in_reply_to: None,
        contact: None,
        subject: None,
        text: "hello".into(),
        queued_at: "2026-11-22T10:15:00Z".into(),
        attributes: vec![],
    };
    let published = channel.publish(call(), vec![effect]).await.unwrap();
    assert!(format!("{:?}", published.value).contains("only webhook and poll"), "{:?}", published.value);
    assert!(published.state_writes.is_empty());
    house.still_serves().await;
}
