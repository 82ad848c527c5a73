//! Messages of the check, held in files: `broken/NAME.yaml` gives `broken/NAME.expected`. `BLESS=1` writes what is found.

use std::fs;
use std::path::PathBuf;

use sportello_workflow::plan::{Action, Part};
use sportello_workflow::{check, run_tests};

#[test]
fn every_problem_is_said_with_its_place_and_a_way_out() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/workflows/broken");
    let mut seen = 0;
    let mut differing = Vec::new();
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "yaml")) {
        let name = file.file_name().expect("a name").to_string_lossy().into_owned();
        let source = fs::read_to_string(file).expect("readable");
        let problems = check(&source, &name).expect_err("a broken definition");
        let found: String = problems.iter().map(|problem| format!("{problem}\n")).collect();
        let expected = file.with_extension("expected");
        if std::env::var_os("BLESS").is_some() {
            fs::write(&expected, &found).expect("writable");
        }
        if fs::read_to_string(&expected).unwrap_or_default() != found {
            differing.push(format!("--- {name} says:\n{found}"));
        }
        seen += 1;
    }
    assert!(seen >= 8, "only {seen} broken definitions were found in {}", folder.display());
    assert!(differing.is_empty(), "BLESS=1 takes these over, if they are right:\n{}", differing.join("\n"));
}

/// Definitions damaged at random: refused with a place, or sound; never a panic.
#[test]
fn a_damaged_definition_is_refused_or_sound() {
    let examples = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../examples/workflows");
    let sources: Vec<Vec<char>> = fs::read_dir(examples)
        .expect("the examples")
        .map(|entry| fs::read_to_string(entry.expect("an entry").path()).expect("readable").chars().collect())
        .collect();
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..1_000_000));
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for _ in 0..100 {
        let mut source = sources[random.usize(..sources.len())].clone();
        for _ in 0..random.usize(1..4) {
            let place = random.usize(..source.len());
            match random.u8(..3) {
                0 => drop(source.drain(place..(place + random.usize(1..20)).min(source.len()))),
                1 => source.insert(place, ['{', '}', '[', ':', '-', '\n', '"', '\'', '$', '&', '*', '!', ' ', 'x'][random.usize(..14)]),
                _ => source.swap(place, place / 2),
            }
        }
        let text: String = source.iter().collect();
        if let Err(problems) = check(&text, "damaged.yaml") {
            assert!(!problems.is_empty(), "seed {seed}: refused without a word:\n{text}");
            assert!(problems.iter().all(|problem| problem.line >= 1), "seed {seed}: {problems:?}\n{text}");
        }
    }
}

#[test]
fn branches_become_jumps_forwards() {
    let source = "name: w\non: case.opened\nsteps:\n  - if: person.customer\n    then: [{priority: 1}]\n    else: [{priority: 2}, stop]\n  - priority: 3\n";
    let plan = check(source, "w.yaml").expect("a definition").plan;
    let shape: Vec<String> = plan
        .instructions
        .iter()
        .map(|instruction| match &instruction.action {
            Action::If { otherwise, .. } => format!("if else {otherwise}"),
            Action::Jump { to } => format!("jump {to}"),
            Action::Priority { priority } => format!("priority {priority}"),
            Action::Stop => "stop".to_owned(),
            _ => "other".to_owned(),
        })
        .collect();
    assert_eq!(shape, ["if else 3", "priority 1", "jump 5", "priority 2", "stop", "priority 3"]);
    let names: Vec<&str> = plan.instructions.iter().map(|instruction| instruction.step.as_str()).collect();
    assert_eq!(names, ["1-if", "1.then.1-priority", "1-end", "1.else.1-priority", "1.else.2-stop", "2-priority"]);
}

#[test]
fn the_hash_is_that_of_the_text() {
    let source = "{name: w, on: case.opened, steps: [stop]}";
    let one = check(source, "a.yaml").expect("a definition");
    let two = check(&format!("{source}\n# a remark\n"), "a.yaml").expect("a definition");
    assert_eq!(one.plan, two.plan);
    assert_ne!(one.hash, two.hash);
    assert_eq!(one.hash, check(source, "b.yaml").expect("a definition").hash, "the file's name is no part of it");
}

#[test]
fn expressions_in_texts_are_kept_apart_from_words() {
    let source = "{name: w, on: case.opened, steps: [{reply: 'Hello ${profile.display_name}!'}]}";
    let plan = check(source, "w.yaml").expect("a definition").plan;
    let Action::Reply { text, .. } = &plan.instructions[0].action else { panic!("a reply") };
    let parts = &text.languages[0].1.0;
    assert_eq!(parts[1], Part::Value("profile.display_name".to_owned()));
    assert_eq!(parts.len(), 3);
}

#[test]
fn a_definitions_own_tests_are_run_and_told() {
    let source = r#"
name: w
on: case.opened
when: person.customer
steps:
  - reply: {it: "Ciao ${profile.display_name}", en: "Hello ${profile.display_name}"}
  - wait: {for: 10m, unless: case.answered}
  - if: case.age_minutes >= 10
    then: [{priority: 90}]
tests:
  - name: as it is
    given: {person: {customer: true}, interaction: {language: it-CH}, profile: {display_name: Anna}}
    expect: [{reply: Ciao Anna}, {wait: 10m}, {priority: 90}]
  - name: not for strangers
    expect: []
  - name: wrong
    given: {person: {customer: true}, interaction: {language: fr}, profile: {display_name: Anna}}
    expect:
      - reply: Ciao Anna
      - priority: 90
"#;
    let report = run_tests(source, "w.yaml").expect("a definition");
    assert_eq!(report.passed, ["as it is", "not for strangers"]);
    let failed: Vec<String> = report.failed.iter().map(ToString::to_string).collect();
    assert_eq!(failed, ["w.yaml:20:9: test \"wrong\", step 2: expected \"priority: 90\", found \"wait: 10m\""]);
}
