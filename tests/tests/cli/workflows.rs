//! `sportello workflow check`.

use std::path::Path;

use super::command::Cli;

const TESTED: &str = "name: answer
on: case.opened
steps:
  - reply: Ciao
tests:
  - name: everybody is answered
    expect:
      - reply: Ciao
";

#[test]
fn the_definitions_of_the_examples_are_right_and_pass_their_own_tests() {
    let cli = Cli::of("");
    for folder in ["workflows", "demo/workflows"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(folder);
        let ran = cli.run(&["workflow", "check", "--test", folder.to_str().unwrap()]);
        assert!(ran.right().lines().count() > 1 && !ran.out.contains("0 tests"), "{}", ran.out);
    }
}

#[test]
fn a_definition_that_does_not_do_what_its_tests_expect_is_told_with_its_line() {
    let cli = Cli::of("");
    let file = cli.folder.path().join("answer.yaml");
    std::fs::write(&file, TESTED).unwrap();
    let right = cli.run(&["workflow", "check", "--test", "answer.yaml"]);
    assert!(right.right().contains("answer.yaml: workflow answer: right, 1 tests passed"), "{}", right.out);
    std::fs::write(&file, TESTED.replace("  - reply: Ciao\ntests", "  - state: waiting\ntests")).unwrap();
    // Without --test only the definition itself is checked.
    cli.run(&["workflow", "check", "answer.yaml"]).right();
    cli.run(&["workflow", "check", "--test", "answer.yaml"]).wrong(1, &["answer.yaml:", "everybody is answered"]);
    let told = cli.run(&["workflow", "check", "--test", "--json", "answer.yaml"]);
    assert_eq!(told.code, 1);
    let told: serde_json::Value = serde_json::from_str(told.out.trim()).unwrap();
    assert_eq!(told["right"], false);
    assert!(told["tests"]["failed"][0]["line"].as_u64().unwrap() > 5, "{told}");

    std::fs::write(&file, TESTED.replace("on: case.opened", "on: case.openned")).unwrap();
    cli.run(&["workflow", "check", "."]).wrong(1, &["answer.yaml:2:", "did you mean \"case.opened\"?"]);
    std::fs::remove_file(&file).unwrap();
    cli.run(&["workflow", "check", "."]).wrong(1, &["there is no definition"]);
}
