//! The examples are definitions, and their own tests pass.

use std::fs;
use std::path::PathBuf;

use sportello_workflow::run_tests;

#[test]
fn every_example_is_sound_and_its_tests_pass() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/workflows");
    let mut seen = 0;
    for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let source = fs::read_to_string(&path).expect("readable");
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let report = run_tests(&source, &name).unwrap_or_else(|problems| {
            panic!("{}", problems.iter().map(|problem| format!("{problem}\n")).collect::<String>());
        });
        assert!(report.failed.is_empty(), "{}", report.failed.iter().map(|problem| format!("{problem}\n")).collect::<String>());
        assert!(!report.passed.is_empty(), "{name} has no tests");
        seen += 1;
    }
    assert!(seen >= 4, "only {seen} examples in {}", folder.display());
}

/// What the page for operators shows first must work when it is copied.
#[test]
fn the_definition_in_the_documentation_is_sound_and_its_tests_pass() {
    let page = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/workflows.md");
    let page = fs::read_to_string(page).expect("the page");
    let (_, rest) = page.split_once("```yaml\n").expect("a definition");
    let (source, _) = rest.split_once("```").expect("its end");
    let report = run_tests(source, "docs/workflows.md").unwrap_or_else(|problems| {
        panic!("{}", problems.iter().map(|problem| format!("{problem}\n")).collect::<String>());
    });
    assert!(report.failed.is_empty(), "{}", report.failed.iter().map(|problem| format!("{problem}\n")).collect::<String>());
    assert_eq!(report.passed.len(), 1);
}
