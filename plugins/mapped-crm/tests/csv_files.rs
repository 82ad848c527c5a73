//! What the connector promises about single files: half an upload is never read, a broken one stops nobody, and everything has a limit.

mod drop;

use std::fmt::Write as _;

use drop::{CONTACT, Drop, read, told};
use sportello_sdk::Error;
use sportello_sdk::testing::Host;

const TWO: &str = "id;name;mail\n1;Ada;ada@example.org\n2;Bruno;bruno@example.org\n";

/// What is told of one file with this content, and the messages.
#[track_caller]
fn of(files: &str, more: &str, content: impl AsRef<[u8]>) -> (Vec<String>, Vec<String>) {
    let drop = Drop::new();
    drop.write("a.csv", content);
    let (told, _, messages) = read(&drop.channel(files, more), None);
    (told, messages)
}

#[test]
fn no_beginning_of_a_file_is_read_as_a_whole_one() {
    // Cut at the end of a row or within its last cell, nobody could know: that is what a trailer is for.
    let whole = "id;name;mail\n1;\"A;\n\"\"da\";a@x.org\n2;Bruno;\"b@x.org\"\n#END\n";
    for length in 0..whole.len() - 1 {
        let (told, messages) = of("  complete: {trailer: \"#END\"}", "", &whole[..length]);
        let ended = whole[..length].ends_with("#END");
        assert_eq!(told.len(), if ended { 2 } else { 0 }, "{:?}: {messages:?}", &whole[..length]);
        assert!(ended || messages[0].starts_with("a.csv is not complete yet"), "{messages:?}");
    }
    let (told, messages) = of("  complete: {trailer: \"#END\"}", "", "id;name;mail\n1;Ada;\n2;Bruno;#END\n");
    assert!(told.is_empty() && messages[0].contains("its last line is not the trailer"), "a cell is no line: {messages:?}");
    let whole = whole.strip_suffix("\n#END\n").unwrap();
    for length in 0..whole.len() {
        let (told, messages) = of("", "", &whole[..length]);
        let cut = &whole[..length];
        let (row_ended, quoted) = (cut.split("\"da\";").nth(1), cut.matches('"').count() % 2 == 1);
        if row_ended.is_none() && !cut.ends_with("mail\n") || quoted {
            assert_eq!(told, [""; 0], "{cut:?}");
            assert!(messages[0].contains("is not complete yet"), "{cut:?}: {messages:?}");
        }
    }
}

#[test]
fn a_file_dropped_in_two_halves_is_told_once_it_is_whole() {
    let drop = Drop::new();
    let channel = drop.channel("", "");
    for half in ["id;name;mail\n1;Ada;ada@example.org\n2;Bru", "id;name;mail\n1;Ada;ada@example.org\n2;\"Bruno;x\n"] {
        drop.write_aged("a.csv", half, 60);
        let (told, cursor, messages) = read(&channel, None);
        assert_eq!((told, messages.len()), (vec![], 1), "{messages:?}");
        assert!(messages[0].contains("a.csv:3:"), "{messages:?}");
        drop.write_aged("a.csv", TWO, 5);
        assert_eq!(read(&channel, cursor.as_deref()).0, [""; 0], "not quiet yet");
        drop.touch("a.csv", 30);
        assert_eq!(read(&channel, cursor.as_deref()).0.len(), 2);
    }
}

#[test]
fn a_marker_says_that_a_file_is_complete_if_it_is_no_older() {
    for marker in ["{name}.done", "{stem}.ok"] {
        let drop = Drop::new();
        let channel = drop.channel(&format!("  complete: {{marker: \"{marker}\"}}"), "");
        let marker = marker.replace("{name}", "a.csv").replace("{stem}", "a");
        drop.write_aged("a.csv", TWO, 100);
        assert!(read(&channel, None).2[0].contains("its marker is not there"));
        drop.write_aged(&marker, "", 200);
        assert!(read(&channel, None).2[0].contains("its marker is older"));
        drop.touch(&marker, 100);
        assert_eq!(read(&channel, None).0.len(), 2);
    }
}

#[test]
fn a_file_given_up_is_read_when_its_marker_comes_late_or_it_is_written_anew() {
    let drop = Drop::new();
    let channel = drop.channel("  complete: {marker: \"{name}.done\"}\n  give-up-after-seconds: 600", "");
    drop.write_aged("a.csv", TWO, 700);
    let (told, cursor, messages) = read(&channel, None);
    assert!(told.is_empty() && messages[0].contains("a.csv is broken, and not read: its marker is not there"), "{messages:?}");
    assert_eq!(read(&channel, cursor.as_deref()).2, [""; 0], "told once");
    drop.write_aged("a.csv.done", "", 1);
    let (told, cursor, _) = read(&channel, cursor.as_deref());
    assert_eq!(told.len(), 2);
    drop.remove("a.csv.done");
    assert_eq!(read(&channel, cursor.as_deref()).2, [""; 0], "who read it may clean up");
    let channel = drop.channel("", "");
    drop.write_aged("b.csv", "id;name;mail\n1;\"", 4000);
    let (_, cursor, messages) = read(&channel, cursor.as_deref());
    assert!(messages[0].contains("b.csv is broken, and not read: b.csv:2:3: a quote begins here and does not end"), "{messages:?}");
    drop.write_aged("b.csv", "id;name;mail\n3;C;\n", 3000);
    assert_eq!(read(&channel, cursor.as_deref()).0, ["3 C"]);
}

#[test]
fn a_broken_file_does_not_stop_the_next_and_a_file_not_complete_holds_it_up() {
    let drop = Drop::new();
    let channel = drop.channel("", "");
    drop.write_aged("a.csv", "id;name;mail\n1;A\n", 3599);
    drop.write("b.csv", TWO);
    let (told, cursor, messages) = read(&channel, None);
    assert!(told.is_empty() && messages[0].contains("a.csv:2:4: the last row has 2 of 3 columns"), "{messages:?}");
    drop.touch("a.csv", 3600);
    let (told, _, messages) = read(&channel, cursor.as_deref());
    assert_eq!(told.len(), 2, "{messages:?}");
    assert!(messages[0].contains("a.csv is broken, and not read: a.csv:2:4: "), "{messages:?}");
    // Such a one is never read, so nobody waits.
    drop.write("a.csv", "nr;name;mail\n1;A;\n");
    let (told, _, messages) = read(&channel, None);
    assert_eq!(told.len(), 2);
    assert!(messages[0].contains("a.csv:1:1: the first row names no column `/id`"), "{messages:?}");
}

#[test]
fn a_file_from_the_future_is_read_when_it_was_seen_quiet_for_as_long() {
    let drop = Drop::new();
    let channel = drop.channel("", "");
    drop.write_aged("a.csv", TWO, -7200);
    let (told, cursor, messages) = read(&channel, None);
    assert!(told.is_empty() && messages[0].contains("in the future"), "{messages:?}");
    let at = |now: &str| {
        let _host = Host::new().now(now).start();
        channel.changes(cursor.as_deref()).unwrap().contacts.len()
    };
    assert_eq!((at("2026-01-15T12:00:29Z"), at("2026-01-15T12:00:30Z")), (0, 2));
}

#[test]
fn a_look_up_reads_a_file_from_the_future_too() {
    let drop = Drop::new();
    let channel = drop.channel("", "");
    let found = |age_seconds: i64| {
        drop.write_aged("a.csv", TWO, age_seconds);
        let _host = Host::new().start();
        channel.look_up("email", "ada@example.org").unwrap().len()
    };
    assert_eq!((found(-7200), found(-30), found(-29), found(29), found(30)), (1, 1, 0, 0, 1));
}

#[test]
fn a_file_whose_last_byte_is_its_only_accent_is_read_where_its_end_is_known_and_told_how_where_not() {
    let latin = b"id;mail;name\n1;;Caff\xe8";
    let drop = Drop::new();
    drop.write("a.csv", latin);
    let (told, _, messages) = read(&drop.channel("", ""), None);
    assert!(told.is_empty() && messages[0].contains("say its `encoding`"), "{messages:?}");
    assert_eq!(read(&drop.channel("", "table: {encoding: latin-1}"), None).0, ["1 Caffè"]);
    drop.write("a.csv.done", "");
    let marked = "  complete: {marker: \"{name}.done\"}";
    assert_eq!(read(&drop.channel(marked, ""), None).0, ["1 Caffè"], "a marker says that there is no more of it");
}

#[test]
fn a_byte_order_mark_and_every_encoding_are_read() {
    let text = "id;name;mail\n1;Ada Müller;ada@example.org\n";
    let utf_16 = |bytes: fn(u16) -> [u8; 2]| format!("\u{feff}{text}").encode_utf16().flat_map(bytes).collect::<Vec<_>>();
    let latin: Vec<u8> = text.chars().map(|letter| u8::try_from(u32::from(letter)).unwrap()).collect();
    let expected = ["1 Ada Müller ada@example.org"];
    for content in
        [text.as_bytes().to_vec(), format!("\u{feff}{text}").into(), utf_16(u16::to_le_bytes), utf_16(u16::to_be_bytes), latin.clone()]
    {
        assert_eq!(of("", "", &content).0, expected, "{content:?}");
    }
    assert_eq!(of("", "table: {encoding: latin-1}", &latin).0, expected);
    assert_eq!(of("", "table: {encoding: windows-1252}", b"id;name;mail\n1;\x80\x93;\n").0, ["1 €“"]);
    let (told, messages) = of("", "table: {encoding: utf-8}", [&latin[..], b"2;Bruno;\n"].concat());
    assert_eq!(told, ["2 Bruno"]);
    assert!(messages[0].contains("a.csv:2:3: the cell is not UTF-8"), "{messages:?}");
}

#[test]
fn separators_are_read_as_the_mapping_says_or_as_the_first_row_has_them() {
    for separator in [";", ",", "\t", "|"] {
        let content =
            "id;name;mail\n1;A,b.c;a@x.org\n".replace("A,b.c", if separator == "," { "A b" } else { "A,b" }).replace(';', separator);
        let name = if separator == "," { "A b" } else { "A,b" };
        assert_eq!(of("", "", &content).0, [format!("1 {name} a@x.org")], "{separator:?}");
    }
    assert_eq!(of("", "table: {separator: tab, columns: [id, name, mail]}", "1\tA;b\ta@x.org\n").0, ["1 A;b a@x.org"]);
    let quoted = "id;name;mail\r\n1;\"A\r\nb;\"\"c\"\"\";\r\n";
    assert_eq!(of("", "", quoted).0, ["1 A\r\nb;\"c\""], "line ends, separators and quotes between quotes");
}

#[test]
fn a_broken_row_is_told_with_its_place_and_left_out_or_refuses_its_file() {
    let content = "id;name;mail\n1;Ada;a@x.org\n2;\"Bru\nno\";mail\n3;C\n;D;\n4;\"E\" x;\n5;F;;\n6;G;g@x.org\n";
    let (told, messages) = of("", "", content);
    assert_eq!(told, ["1 Ada a@x.org", "6 G g@x.org"]);
    let expected = [
        "a.csv:4:5: /mail is not an e-mail address; the row is left out",
        "a.csv:5:4: the row has 2 columns instead of 3; the row is left out",
        "a.csv:6:1: there is no id; the row is left out",
        "a.csv:7:6: a cell goes on behind its closing quote (a quote within a cell stands twice); the row is left out",
        "a.csv:8:6: the row has 4 columns instead of 3; the row is left out",
        "a.csv: read to its end, 7 rows, 5 of them left out",
    ];
    assert_eq!(messages, expected);
    let drop = Drop::new();
    drop.write("a.csv", content);
    drop.write("b.csv", TWO);
    let channel = drop.channel("", "table: {on-bad-row: refuse}");
    let (told, _, messages) = read(&channel, None);
    assert_eq!(told.len(), 2, "{messages:?}");
    assert!(
        messages[0].starts_with("a.csv is broken, and not read: a.csv:4:5: /mail is not an e-mail address; a.csv:5:4: "),
        "{messages:?}"
    );
    assert_eq!(channel.look_up("email", "g@x.org").unwrap(), [], "nor is it looked into");
    let many: String = (0..100).fold("id;name;mail\n".into(), |all, number| format!("{all}{number};x;mail\n"));
    let (_, messages) = of("", "", many);
    assert!(messages.len() == 22 && messages[20] == "a.csv: and 80 more rows are left out", "{messages:?}");
}

#[test]
fn a_bad_row_at_the_end_of_a_long_file_refuses_it_before_anything_is_told() {
    let drop = Drop::new();
    let rows = (0..21_000).fold(String::from("id;name;mail\n"), |mut all, number| {
        writeln!(all, "{number};x;").unwrap();
        all
    });
    drop.write("a.csv", format!("{rows}21000;x;mail\n"));
    drop.write("b.csv", rows);
    let channel = drop.channel("", "table: {on-bad-row: refuse}");
    let host = Host::new().start();
    let (all, cursors) = drop::walk(&channel, None);
    assert_eq!(all.len(), 21_000, "all of the second file and nothing of the first");
    assert!(
        drop::messages(&host)[0].starts_with("a.csv is broken, and not read: a.csv:21002:9: /mail is not"),
        "{:?}",
        drop::messages(&host)[0]
    );
    let (rest, _) = drop::walk(&channel, cursors[2].0.as_deref());
    assert_eq!(rest.len(), 21_000, "looking through goes on after a restart");
}

#[test]
fn no_person_is_named_in_a_message() {
    for content in
        [TWO.replace("ada@", "ada"), "Ada;Ada;Ada\n".into(), "id;name;mail\n1;\"Ada".into(), "id;name;mail\n1;Ada;x;Ada\n2;B;\n".into()]
    {
        let (_, messages) = of("", "", &content);
        assert!(!messages.is_empty() && messages.iter().all(|message| !message.to_lowercase().contains("ada")), "{messages:?}");
    }
}

#[test]
fn a_file_over_a_limit_is_broken_and_the_limit_is_told() {
    let over = |content: &[u8]| {
        let (told, messages) = of("", "", content);
        assert_eq!(told, [""; 0]);
        messages[0].clone()
    };
    let mut rows = String::from("id;name;mail\n");
    for number in 0..200_001 {
        writeln!(rows, "{number};;").unwrap();
    }
    assert!(over(rows.as_bytes()).contains("a.csv:200002:1: there are more than 200000 rows"));
    assert!(over(&vec![b';'; (32 << 20) + 1]).contains("it has more than 33554432 bytes"));
    assert!(over("id;".repeat(300).as_bytes()).contains("not complete"), "no row is ended");
    assert!(over(format!("id;name;mail{}\n", ";".repeat(300)).as_bytes()).contains("a.csv:1:267: there are more than 256 columns"));
    assert!(over(b"id;name;mail\n\0").contains("not complete") || over(b"id;name;mail\n\0").contains("zero bytes"));
    assert!(over(b"id;id;name;mail\n1;2;;\n").contains("a.csv:1:4: a column of this name stands here again"));
}

#[test]
fn a_row_over_a_limit_is_left_out_and_the_limit_is_told() {
    let over = |row: String, limit: &str| {
        let (told, messages) = of("", "table: {separator: \";\"}", format!("id;name;mail;a;b;c;d;e\n{row}\n1;A;;;;;;\n"));
        assert_eq!(told, ["1 A"]);
        assert!(messages[0].contains(limit), "{messages:?}");
    };
    over(format!("2;{};;;;;;", "x".repeat(16_385)), "a.csv:2:3: the cell has 16385 bytes; at most 16384 are taken");
    let cell = "x".repeat(16_000);
    over(format!("2;;;{cell};{cell};{cell};{cell};{cell}"), "a.csv:2:1: the row has 80008 bytes; at most 65536 are taken");
}

#[test]
fn a_page_holds_what_an_answer_may_have() {
    let drop = Drop::new();
    let mut content = String::from("id;name;mail\n");
    for number in 0..1100 {
        writeln!(content, "{number};{};", "x".repeat(if number < 1000 { 1 } else { 16_000 })).unwrap();
    }
    drop.write("a.csv", content);
    let channel = drop.channel("", "");
    let _host = Host::new().start();
    let (all, cursors) = drop::walk(&channel, None);
    let pages: Vec<usize> = cursors.windows(2).map(|pair| pair[1].1 - pair[0].1).collect();
    assert_eq!((all.len(), &pages[..2]), (1100, &[500, 500][..]));
    assert!(pages[2..].iter().all(|contacts| *contacts <= 34) && pages.len() > 4, "{pages:?}");
}

#[test]
fn too_many_files_ids_or_bytes_are_refused_with_the_limit() {
    let drop = Drop::new();
    for number in 0..200 {
        drop.write(&format!("{number}.csv"), TWO);
    }
    let channel = drop.channel("", "");
    assert_eq!(read(&channel, None).0.len(), 2, "two hundred copies");
    drop.write("more.csv", TWO);
    let refused = |result: Result<usize, Error>, limit: &str| {
        assert!(matches!(&result, Err(Error::Reject(reason)) if reason.contains(limit)), "{result:?}");
    };
    let _host = Host::new().start();
    refused(channel.changes(None).map(|page| page.contacts.len()), "more than 200 files with a name of the mapping are in the folder");

    let drop = Drop::new();
    let id = |number: u64| format!("{:016x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let rows = (0..3000).fold(String::from("id;name;mail\n"), |all, number| format!("{all}{};x;\n", id(number)));
    drop.write("a.csv", rows);
    let full = drop.channel("  kind: full\n  complete: {quiet-seconds: 30}", "");
    refused(full.changes(None).map(|page| page.contacts.len()), "packed to at most 7168 bytes, and these are more");
    assert_eq!(drop.channel("", "").changes(None).unwrap().contacts.len(), 500, "a delta has no such limit");

    let drop = Drop::new();
    let large = format!("id;name;mail\n1;Ada;ada@example.org\n{}", "2;B;\n".repeat(150_000));
    drop.write("a.csv", &large);
    drop.write("b.csv", &large);
    let looked = drop.channel("  look-up-mebibytes: 1", "").look_up("email", "ada@example.org");
    refused(looked.map(|found| found.len()), "at most 1 MiB (`look-up-mebibytes`)");
    assert_eq!(
        drop.channel("", "").look_up("email", "ada@example.org").unwrap().iter().map(told).collect::<Vec<_>>(),
        ["1 Ada ada@example.org"]
    );
}

#[test]
fn a_folder_that_is_not_there_is_waited_for_and_other_things_in_it_are_let_be() {
    let drop = Drop::new();
    std::fs::create_dir(drop.folder.join("folder.csv")).unwrap();
    std::os::unix::fs::symlink("nowhere", drop.folder.join("link.csv")).unwrap();
    drop.write("a.csv.done", TWO);
    drop.write("a.txt", TWO);
    drop.write(&format!("{}.csv", "x".repeat(220)), TWO);
    let channel = drop.channel("", "");
    let (told, _, messages) = read(&channel, None);
    assert!(told.is_empty() && messages.len() == 1 && messages[0].contains("224 bytes; at most 200"), "{messages:?}");
    std::fs::remove_dir_all(&drop.folder).unwrap();
    let _host = Host::new().start();
    assert!(matches!(channel.changes(None), Err(Error::Retry(_))));
}

#[test]
fn mistakes_in_a_mapping_for_files_are_told_with_their_line() {
    let told = |mapping: &str| -> Vec<String> { mapped_crm::check(mapping).iter().map(ToString::to_string).collect() };
    let good = format!("name: x\nsource: csv\nfiles:\n  names: \"*.csv\"\ntable:\n  columns: [id, name, mail]\n{CONTACT}\n");
    assert_eq!(told(&good), [""; 0]);
    for (from, to, expected) in [
        ("  names: \"*.csv\"\n", "  order: name\n", "line 4: `files` needs `names`"),
        ("\"*.csv\"", "../x.csv", "line 4: `../x.csv` is a name within the folder"),
        ("\"*.csv\"", "x\n  kind: full", "line 4: `kind: full` needs `complete`"),
        ("\"*.csv\"", "x\n  complete: {marker: done}", "line 5: `marker` is another file's name"),
        ("\"*.csv\"", "x\n  complete: {marker: \"{name}.x\", trailer: x}", "line 5: `complete` says one thing"),
        ("  columns", "  separator: \"::\"\n  columns", "line 6: `separator` is one sign"),
        ("  columns", "  encoding: utf8\n  columns", "line 6: `encoding` cannot be `utf8`; did you mean `utf-8`?"),
        ("[id, name, mail]", "[id, name, name, mail]", "line 6: the column `name` stands twice"),
        ("[id, name, mail]", "[id, nam, mail]", "line 7: `columns` has no `name`; did you mean `nam`?"),
        ("at: /mail", "at: /mail/*", "line 7: `/mail/*` leads to no column"),
        ("id: /id", "id: {at: /id, join: x}", "line 7: `join` makes one value of several"),
        ("id: /id", "id: /id, version: etag", "line 1: `version: etag` belongs to `source: rest-json`"),
        ("table:", "look-up: {}\ntable:", "line 5: a mapping has no `look-up`"),
    ] {
        assert!(good.contains(from), "{from}");
        let told = told(&good.replacen(from, to, 1));
        assert!(told.iter().any(|told| told.starts_with(expected)), "{expected}: {told:?}");
    }
}
