//! What the connector promises about mistakes in a mapping: each is told with its line, and what is expected there.

use mapped_crm::{MappedCrm, check};
use serde_json::json;
use sportello_sdk::Error;
use sportello_sdk::testing::Channel;

mod mappings;

/// The problems of a mapping, as the operator reads them.
fn told(mapping: &str) -> Vec<String> {
    check(mapping).iter().map(ToString::to_string).collect()
}

/// The mapping with one text in it replaced, and what is told of it.
fn with(from: &str, to: &str) -> Vec<String> {
    assert!(mappings::PEOPLE.contains(from), "{from}");
    told(&mappings::PEOPLE.replacen(from, to, 1))
}

/// The line of a text in the mapping.
fn line_of(text: &str) -> usize {
    mappings::PEOPLE.lines().position(|line| line.contains(text)).map_or_else(|| panic!("{text}"), |at| at + 1)
}

#[track_caller]
fn is_told(from: &str, to: &str, expected: &str) {
    let told = with(from, to);
    let beginning = format!("line {}: ", line_of(from.lines().next().unwrap()));
    assert!(told.iter().any(|told| told.starts_with(&beginning) && told.contains(expected)), "{from} -> {to}: {told:#?}");
}

#[test]
fn the_mappings_that_come_with_it_have_no_mistakes() {
    assert_eq!(told(mappings::PEOPLE), [""; 0]);
    assert_eq!(told(mappings::REQUEST_TRACKER), [""; 0]);
    assert_eq!(told(mappings::CSV_DROP), [""; 0]);
}

#[test]
fn an_unknown_word_is_told_with_its_line_and_the_nearest_one() {
    is_told("  display-name: ", "  display_name: ", "`contact` has no `display_name`; did you mean `display-name`?");
    is_told("authentication: bearer", "authentication: bearre", "cannot be `bearre`; did you mean `bearer`?; it can be none, basic");
    is_told("source: rest-json", "source: soap", "`source` cannot be `soap`; it can be rest-json, csv");
    is_told("cast: phone", "cast: telephone", "`cast` cannot be `telephone`");
    is_told("kind: next-link", "kind: next_link", "did you mean `next-link`?");
    is_told("{value | word}", "{valu | word}", "there is nothing called `valu` here; did you mean `value`?; there are {value}");
    is_told("{value | word}", "{value | wrod}", "there is no filter `wrod`; did you mean `word`?");
    is_told("  email:\n", "  e-mail:\n", "`e-mail` is no scheme; did you mean `email`?");
}

#[test]
fn what_is_missing_is_told_where_it_should_be() {
    assert_eq!(
        told("name: x"),
        ["line 1: a mapping needs `source`", "line 1: a mapping needs `contact`", "line 1: a mapping needs `authentication`"]
    );
    is_told("  id: /id\n", "", "`contact` needs `id`");
    assert!(with("    records: /data\n", "").iter().any(|told| told.contains("the look-up by `email` needs `records`")));
    assert!(told("")[0].contains("a mapping is a mapping with name, source, contact"), "{:?}", told(""));
}

#[test]
fn all_mistakes_are_told_at_once_in_the_order_of_their_lines() {
    let broken = mappings::PEOPLE
        .replacen("source: rest-json", "source: soap", 1)
        .replacen("kind: next-link", "kind: nextlink", 1)
        .replacen("cast: phone", "cast: fon", 1);
    let lines: Vec<usize> = check(&broken).iter().map(|problem| problem.line).collect();
    assert_eq!(lines, [line_of("source: rest-json"), line_of("cast: phone"), line_of("kind: next-link")]);
}

#[test]
fn what_is_no_yaml_is_told_with_its_line() {
    for (broken, line) in
        [("name: x\nsource: [a\nb: c\n", 2), ("name: \"x\n", 1), ("a: 1\n b: 2\n", 2), ("a: *b\n", 1), ("---\na: 1\n---\nb: 2\n", 3)]
    {
        let problems = check(broken);
        assert!(!problems.is_empty() && problems[0].line >= line, "{broken:?}: {problems:?}");
    }
    assert!(
        told("name: x\nname: y\n")[0].contains("`name` stands here a second time; the first is in line 1")
            || told("name: x\nname: y\n").iter().any(|told| told.starts_with("line 2: `name` stands here"))
    );
    let deep = format!("a: {}{}", "[".repeat(40), "]".repeat(40));
    assert!(told(&deep)[0].contains("deep"), "{:?}", told(&deep));
    assert!(told(&"x".repeat(70_000))[0].contains("at most 65536"));
    assert!(told("a: &x 1\nb: *x\n")[0].contains("anchors"), "{:?}", told("a: &x 1\nb: *x\n"));
}

#[test]
fn a_value_of_the_wrong_kind_is_told_with_what_is_expected() {
    is_told("overlap-seconds: 5", "overlap-seconds: five", "`overlap-seconds` is a whole number from 1 to 86400");
    is_told("overlap-seconds: 5", "overlap-seconds: 0", "`overlap-seconds` is a whole number from 1 to 86400");
    is_told("at: /attributes/mail", "at: attributes.mail", "is a JSON pointer, which begins with `/`");
    is_told("format: unix-milliseconds", "format: yyyy", "`format` is `rfc-3339`, `unix-seconds`, `unix-milliseconds`, or a pattern");
    is_told("cast: phone, country: \"+39\"", "cast: text, country: \"+39\"", "`country` belongs to `cast: phone`");
    is_told("country: \"+39\"", "country: Italy", "`country` is a country's prefix");
    is_told("    path: /people\n", "    path: people\n", "`path` begins with one `/`");
    is_told("    path: /people\n", "    path: /people?x=1\n", "parameters stand under `query`");
}

#[test]
fn a_mapping_that_could_not_work_is_told_before_it_is_used() {
    is_told("  external:\n", "  facebook.id:\n", "`contact` has no identifier of the scheme `facebook.id`");
    assert!(with("{value | word}", "x").iter().any(|told| told.contains("it would ask for everybody")));
    assert!(with("{since}", "0").iter().any(|told| told.contains("it would read everybody each time")));
    assert!(with("{key}", "key").iter().any(|told| told.contains("`find` could not tell one note from another")));
    assert!(with("{text}", "text").iter().any(|told| told.contains("without words")));
    assert!(with("version: /meta/version", "version: etag").iter().any(|told| told.contains("`version: etag` needs `detail`")));
    is_told("  accept: ", "  Authorization: ", "is the host's to write");
}

#[test]
fn what_writes_contacts_could_work_or_is_told() {
    is_told("        mail: \"{email}\"", "        mail: \"{emial}\"", "there is nothing called `emial` here; did you mean `email`?");
    is_told(
        "        numbers: \"{phone}\"",
        "        numbers: \"{phone 2}\"",
        "there is nothing called `phone 2` here; did you mean `phone`?",
    );
    is_told("  lock: /meta/etag", "  lock: etags", "`lock` (or one of the words `etag` and `none`) is a JSON pointer");
    let create = mappings::PEOPLE.find("\ncreate:").unwrap();
    let body = "        mail: \"{email}\"\n        numbers: \"{phone}\"\n        customer: \"{external}\"\n        profiles: [{wiki: \"{wiki.handle}\", kind: user}]\n";
    assert!(with(body, "").iter().any(|told| told.contains("`create` has no identifier's slot")));
    let (before, writing) = mappings::PEOPLE.split_at(create);
    let tell = |mapping: String, expected: &str| {
        let told = told(&mapping);
        assert!(told.iter().any(|told| told.contains(expected)), "{expected}: {told:#?}");
    };
    tell(format!("{before}{}", writing.replacen("{key}", "", 1)), "`find` could not tell one contact from another");
    tell(format!("{before}{}", writing.replace("  receipt: {id: location}\n", "")), "`create` needs `receipt`");
    tell(format!("{before}{}", writing.replace("  lock: /meta/etag\n", "")), "`update` needs `lock`");
    tell(
        format!("{before}{}", writing.replace("  contact: {path: \"/people/{contact}\", record: /data}\n", "")),
        "`update` needs `contact`",
    );
    let update = "{name: \"{display-name}\", mail: \"{email}\", customer: \"{external}\"}";
    tell(format!("{before}{}", writing.replace(update, "{}")), "it would change nothing");
    tell(format!("{before}{}", writing.replace(update, "{numbers: \"{phone}\"}")), "is one of many at `/attributes/numbers`");
    let (start, end) = (before.find("\nlook-up:").unwrap(), before.find("\nchanges:").unwrap());
    tell(format!("{}{}{writing}", &before[..start], &before[end..]), "`create` needs a look-up by what it writes");
    is_told("  accept: ", "  If-Match: ", "is sent with what `lock` of `update` says");
}

#[test]
fn a_slot_that_could_be_read_as_more_than_a_value_is_refused_with_the_filter_it_needs() {
    is_told("\"id:{value | word}\"", "\"id:{value}\"", "must stand within quotes, or have the filter `word`");
    is_told("\"id:{value | word}\"", "\"id eq '{value}'\"", "needs the filter `doubled` or `backslashed`");
    assert_eq!(with("\"id:{value | word}\"", "\"id eq '{value | doubled}'\""), [""; 0]);
}

#[test]
fn the_examples_of_the_readme_have_no_mistakes() {
    let readme = include_str!("../README.md");
    let examples: Vec<&str> = readme.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    let (parts, whole): (Vec<&str>, Vec<&str>) = examples.into_iter().partition(|example| !example.starts_with("name:"));
    assert_eq!((parts.len(), whole.len()), (1, 2), "one for each source");
    let parts = parts.iter().map(|part| format!("name: x\nsource: rest-json\nauthentication: none\n\n{part}"));
    for example in whole.into_iter().map(str::to_owned).chain(parts) {
        let example = example.as_str();
        assert_eq!(told(example), [""; 0], "{example}");
    }
}

#[test]
fn settings_are_judged_with_the_lines_of_the_mapping_and_what_its_source_needs() {
    let judged = |settings: serde_json::Value| -> Vec<(String, Option<u32>, String)> {
        let problems = Channel::<MappedCrm>::new(settings).check();
        problems.into_iter().map(|problem| (problem.pointer, problem.line, problem.message)).collect()
    };
    let broken = mappings::PEOPLE.replacen("source: rest-json", "source: soap", 1).replacen("cast: phone", "cast: fon", 1);
    let found = judged(json!({ "base-url": "https://crm.example.org", "mapping": broken }));
    let lines: Vec<_> =
        found.iter().map(|(pointer, line, _)| (pointer.as_str(), line.and_then(|line| usize::try_from(line).ok()))).collect();
    assert_eq!(lines, [("/mapping", Some(line_of("source: rest-json"))), ("/mapping", Some(line_of("cast: phone")))], "{found:?}");
    assert!(found[1].2.contains("`cast` cannot be `fon`"), "{found:?}");

    for (mapping, needed, other) in [(mappings::PEOPLE, "base-url", "folder"), (mappings::CSV_DROP, "folder", "base-url")] {
        let good = json!({ "base-url": "https://crm.example.org", "folder": "/srv/drop", "mapping": mapping });
        assert_eq!(judged(good.clone()), []);
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(other);
        assert_eq!(judged(without.clone()), []);
        without.as_object_mut().unwrap().remove(needed);
        let found = judged(without.clone());
        assert!(found.len() == 1 && found[0].0 == format!("/{needed}") && found[0].2.contains(&format!("`{needed}`")), "{found:?}");
        let refused = Channel::<MappedCrm>::new(without).look_up("email", "a@b");
        assert!(matches!(&refused, Err(Error::Reject(reason)) if reason.contains(&format!("the setting `{needed}`"))), "{refused:?}");
    }
}
