//! What the connector promises about files that are dropped into a folder: what they say is told, once, in their order, and whatever happens meanwhile.

mod drop;

use std::collections::BTreeMap;

use drop::{Drop, read, told, walk};
use sportello_sdk::Contact;
use sportello_sdk::testing::Host;

const TWO: &str = "id;name;mail\n1;Ada;ada@example.org\n2;Bruno;bruno@example.org\n";
const FULL: &str = "  kind: full\n  complete: {quiet-seconds: 30}";

#[test]
fn a_file_becomes_contacts_as_the_mapping_says() {
    let drop = Drop::new();
    drop.write("a.csv", "Nr;Filiale;Name;Saldo;Seit;Mail;Weg\n007;B1;\"Ada \"\"K\"\"; Countess\";1.234,50;22/11/2026;ada@example.org;N\n");
    let channel = drop.channel_of(
        "name: Drop\nsource: csv\nfiles: {names: a.csv}\ntable: {separator: \";\"}\ncontact:\n  id: {at: [/Filiale, /Nr], join: \"-\"}\n  \
         display-name: /Name\n  deleted: {at: /Weg, true-words: J, false-words: N}\n  identifiers: [{scheme: email, at: /Mail}]\n  \
         attributes:\n    balance: {at: /Saldo, cast: decimal, decimal-mark: \",\", group-mark: \".\"}\n    \
         since: {at: /Seit, cast: date, format: \"%d/%m/%Y\"}\n",
    );
    let _host = Host::new().start();
    let (all, _) = walk(&channel, None);
    let [contact] = all.as_slice() else { panic!("{all:?}") };
    assert_eq!((told(contact).as_str(), contact.deleted), ("B1-007 Ada \"K\"; Countess ada@example.org", false));
    let attributes: Vec<_> = contact.attributes.iter().map(|attribute| (attribute.name.as_str(), attribute.value.as_str())).collect();
    assert_eq!(attributes, [("balance", "1234.50"), ("since", "2026-11-22T00:00:00Z")]);
    let Some(sportello_sdk::Raw::Text(raw)) = &contact.raw else { panic!("the row's own words") };
    assert!(raw.contains(r#""Saldo":"1.234,50""#) && raw.contains(r#""Nr":"007""#), "{raw}");
    drop.write("a.csv", "Nr;Filiale;Name;Saldo;Seit;Mail;Weg\n007;B1;;;;;j\n");
    assert_eq!(read(&channel, None).0, ["-B1-007"], "deleted by a column");
}

#[test]
fn a_walk_taken_up_again_at_any_row_tells_the_rest_and_nothing_twice() {
    let drop = Drop::new();
    drop.write("a.csv", "id;name;mail\r\n1;\"A\r\nda\";a@x.org\r\n2;;\r\n\r\n3;C;c@x.org\r\nbad\r\n4;D;d@x.org");
    drop.write("b.csv", "id;name;mail\n5;E;\n1;Ada;\n");
    let channel = drop.channel("  page-size: 1", "");
    let _host = Host::new().start();
    let (all, cursors) = walk(&channel, None);
    assert_eq!(all.iter().map(|contact| contact.id.as_str()).collect::<Vec<_>>(), ["1", "2", "3", "4", "5", "1"]);
    assert!(cursors.len() > 6, "a page for each: {cursors:?}");
    for (cursor, before) in cursors {
        let (rest, _) = walk(&channel, cursor.as_deref());
        assert_eq!(rest, all[before..], "from {cursor:?}");
    }
}

#[test]
fn of_several_rows_of_one_record_the_last_counts() {
    let drop = Drop::new();
    drop.write("a.csv", "id;name;mail\n1;Old;\n2;B;\n1;New;\n");
    assert_eq!(read(&drop.channel("", ""), None).0, ["2 B", "1 New"]);
    assert_eq!(read(&drop.channel("  page-size: 1", ""), None).0.last().unwrap(), "1 New");
}

#[test]
fn nothing_new_tells_nothing_and_leaves_the_cursor_as_it_is() {
    let drop = Drop::new();
    drop.write("a.csv", TWO);
    let (all, cursor, _) = read(&drop.channel("", ""), None);
    assert_eq!(all.len(), 2);
    let (again, same, messages) = read(&drop.channel("", ""), cursor.as_deref());
    assert_eq!((again, same, messages), (vec![], cursor, vec![]));
}

#[test]
fn the_same_file_again_changes_nothing_touched_copied_or_dropped_anew() {
    let drop = Drop::new();
    drop.write("a.csv", TWO);
    let channel = drop.channel("", "");
    let (_, cursor, _) = read(&channel, None);
    drop.touch("a.csv", 50);
    let (told, cursor, _) = read(&channel, cursor.as_deref());
    assert_eq!(told, [""; 0], "touched");
    drop.write("b.csv", TWO);
    let (told, cursor, _) = read(&channel, cursor.as_deref());
    assert_eq!(told, [""; 0], "copied");
    drop.remove("a.csv");
    let (told, cursor, _) = read(&channel, cursor.as_deref());
    assert_eq!(told, [""; 0], "gone: a delta says nothing of who is not in it");
    drop.write("a.csv", TWO);
    assert_eq!(read(&channel, cursor.as_deref()).0, [""; 0], "dropped anew");
}

/// What the host has after it was told all this: by id the last version, and how often that changed something.
fn kept(host: &mut BTreeMap<String, String>, all: &[Contact]) -> usize {
    all.iter().filter(|contact| host.insert(contact.id.clone(), contact.version.clone()).as_ref() != Some(&contact.version)).count()
}

#[test]
fn a_record_with_the_same_words_has_the_same_version_wherever_it_stands() {
    let drop = Drop::new();
    drop.write("a.csv", TWO);
    let channel = drop.channel("", "");
    let _host = Host::new().start();
    let mut host = BTreeMap::new();
    let (all, cursors) = walk(&channel, None);
    assert_eq!(kept(&mut host, &all), 2);
    drop.write("b.csv", "mail,extra,id,name\nbruno@example.org,x,2,\"Bruno\"\nada@example.org,y,1,Ada King\n");
    let (all, _) = walk(&channel, cursors.last().unwrap().0.as_deref());
    assert_eq!((all.len(), kept(&mut host, &all)), (2, 1), "only who has other words");
}

#[test]
fn what_was_changed_back_is_told_though_the_file_is_one_that_was_read() {
    let drop = Drop::new();
    let channel = drop.channel("", "");
    let mut cursor = None;
    let drops = [("one@x.org", "a.csv"), ("two@x.org", "a.csv"), ("one@x.org", "a.csv"), ("two@x.org", "b.csv"), ("one@x.org", "c.csv")];
    for (age, (mail, name)) in (100..).zip(drops) {
        drop.write_aged(name, format!("id;name;mail\n1;Ada;{mail}\n"), age);
        let (told, next, _) = read(&channel, cursor.as_deref());
        assert_eq!(told, [format!("1 Ada {mail}")], "{name}");
        cursor = next;
    }
}

#[test]
fn files_are_read_in_the_order_the_mapping_says() {
    let drop = Drop::new();
    for (name, age) in [("a.csv", 100), ("b.csv", 300), ("c.csv", 200)] {
        drop.write_aged(name, format!("id;name;mail\n1;{name};\n"), age);
    }
    assert_eq!(read(&drop.channel("  order: name", ""), None).0, ["1 a.csv", "1 b.csv", "1 c.csv"]);
    assert_eq!(read(&drop.channel("  order: modified", ""), None).0, ["1 b.csv", "1 c.csv", "1 a.csv"]);
}

#[test]
fn a_file_replaced_while_it_is_read_is_begun_anew_and_one_that_is_gone_is_left() {
    let drop = Drop::new();
    drop.write("a.csv", TWO);
    let channel = drop.channel("  page-size: 1", "");
    let host = Host::new().start();
    let first = channel.changes(None).unwrap();
    assert_eq!(first.contacts.iter().map(told).collect::<Vec<_>>(), ["1 Ada ada@example.org"]);
    // As long, and as old.
    drop.write("a.csv", TWO.replace("Ada", "Eva").replace("Bruno", "Carlo"));
    let (all, _) = walk(&channel, first.cursor.as_deref());
    assert_eq!(all.iter().map(told).collect::<Vec<_>>(), ["1 Eva ada@example.org", "2 Carlo bruno@example.org"]);
    assert!(drop::messages(&host).iter().any(|message| message.contains("a.csv was replaced after 1 rows")), "{:?}", drop::messages(&host));
    drop.write("b.csv", "id;name;mail\n3;C;\n");
    drop.remove("a.csv");
    assert_eq!(walk(&channel, first.cursor.as_deref()).0.iter().map(told).collect::<Vec<_>>(), ["3 C"]);
    assert!(drop::messages(&host).iter().any(|message| message.contains("a.csv is gone; 1 rows")));
}

#[test]
fn who_is_absent_of_a_full_export_is_told_as_deleted_once() {
    let drop = Drop::new();
    for size in [1, 2, 500] {
        let channel = drop.channel(&format!("{FULL}\n  page-size: {size}"), "");
        drop.write("a.csv", "id;name;mail\n1;A;\n2;B;\n3;C;\n4;D;\n");
        let (_, cursor, _) = read(&channel, None);
        drop.write("a.csv", "id;name;mail\n3;C;\n");
        let _host = Host::new().start();
        let (all, cursors) = walk(&channel, cursor.as_deref());
        assert_eq!(all.iter().map(told).collect::<Vec<_>>(), ["3 C", "-1", "-2", "-4"], "pages of {size}");
        for (cursor, before) in &cursors {
            assert_eq!(walk(&channel, cursor.as_deref()).0, all[*before..], "from {cursor:?}");
        }
        let cursor = cursors.last().unwrap().0.clone();
        drop.write("a.csv", "id;name;mail\n3;C;\n1;A;\n");
        let (told, cursor, _) = read(&channel, cursor.as_deref());
        assert_eq!(told, ["3 C", "1 A"], "who is gone is not told again, and who comes back is");
        drop.write("a.csv", "id;name;mail\n1;A;\n");
        assert_eq!(read(&channel, cursor.as_deref()).0, ["1 A", "-3"]);
    }
}

#[test]
fn a_row_that_cannot_be_read_deletes_nobody() {
    let drop = Drop::new();
    let channel = drop.channel(FULL, "");
    drop.write("a.csv", "id;name;mail\n1;A;\n2;B;\n3;C;\n");
    let (_, cursor, _) = read(&channel, None);
    // The second row is broken: it may be anybody's. The mail of the first is no mail, but it is number 1 who has it.
    drop.write("a.csv", "id;name;mail\n1;A;mail\n2;B\n3;C;\n");
    let (told, cursor, _) = read(&channel, cursor.as_deref());
    assert_eq!(told, ["3 C"]);
    drop.write("a.csv", "id;name;mail\n1;A;\n3;C;\n");
    assert_eq!(read(&channel, cursor.as_deref()).0, ["1 A", "3 C", "-2"], "the next export says so");
    drop.write("a.csv", "id;name;mail\n");
    let (told, _, messages) = read(&channel, None);
    assert!(told.is_empty() && messages[0].contains("everybody is deleted"), "{messages:?}");
}

#[test]
fn a_look_up_finds_who_carries_the_value_by_the_newest_rows() {
    let drop = Drop::new();
    drop.write("1.csv", "id;name;mail\n1;Ada;ADA@example.org\n2;Bruno;shared@example.org\n3;Carla;shared@example.org\n");
    drop.write("2.csv", "id;name;mail\n2;Bruno;bruno@example.org\n4;Bad;ada@example.org;x\n5;Dora;no mail\n");
    drop.write_aged("3.csv", "id;name;mail\n6;Late;ada@example.org\n", 1);
    let _host = Host::new().start();
    let look =
        |files: &str, mail: &str| -> Vec<String> { drop.channel(files, "").look_up("email", mail).unwrap().iter().map(told).collect() };
    assert_eq!(look("", "ada@example.org"), ["1 Ada ADA@example.org"]);
    assert_eq!(look("", "shared@example.org"), ["3 Carla shared@example.org"]);
    assert_eq!(look("", "bruno@example.org"), ["2 Bruno bruno@example.org"]);
    assert_eq!(look(FULL, "ada@example.org"), [""; 0], "a full export is the newest alone");
    assert_eq!(look(FULL, "bruno@example.org"), ["2 Bruno bruno@example.org"]);
    assert_eq!(drop.channel("", "").look_up("phone", "1").unwrap(), []);
    let (all, _) = walk(&drop.channel("", ""), None);
    let found = drop.channel("", "").look_up("email", "ada@example.org").unwrap();
    assert!(all.contains(&found[0]), "one record, one version, however it is found");
}
