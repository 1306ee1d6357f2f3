//! Whole files: what is read, in every dialect, and what is refused, with the place.

use proptest::prelude::*;

use super::*;
use crate::types::ReplicaId;

/// A cluster of so many replicas.
pub(super) fn committee(replicas: usize) -> Committee {
    Committee::new(replicas).expect("a size between 1 and 100")
}

/// A set with the transactions `(A, B, 1)` and `(C)`.
#[track_caller]
pub(super) fn set(live: &str, byzantine: &str, attack: &str, expect: &str) -> Set {
    let text = format!("1,\"(A, B, 1)\",\"{live}\",\"{byzantine}\",\"{attack}\",\"{expect}\"\n,(C)\n");
    read_text(&text).sets.remove(0)
}

#[track_caller]
fn read_text(text: &str) -> CaseFile {
    read("cases.csv", text.as_bytes(), None).unwrap_or_else(|error| panic!("{text}\n{error}"))
}

#[track_caller]
fn check_error(text: &str, expected: &str) {
    let error = read("cases.csv", text.as_bytes(), None).expect_err(text).to_string();
    let (place, message) = expected.split_once(' ').expect("a place and a message");
    assert!(error.starts_with(&format!("cases.csv:{place} ")), "{text}\n{error}\nis not at {place}");
    assert!(error.contains(message), "{text}\n{error}\nlacks {message}");
}

/// The lab's file, as its description shows it.
const LAB: &str = r#"Set Number,Transactions,Live,Byzantine,Attack
1,"(A, B, 1)","[n1, n2, n3, n4, n5, n6, n7]",[],[]
,"(B, C, 2)",,,
,(C),,,
2,"(A, J, 1)","[n1, n2, n3, n4, n5, n6]",[n1],[time; dark(n6)]
,"(B, I, 1)",,,
3,"(A, B, 1)","[n1, n2, n3, n4, n5, n6, n7]","[n1, n2]",[crash]
4,"(A, B, 1)","[n1, n2, n3, n4, n5, n6, n7]",[n1],"[time; dark(n6); equivocation(n7)]"
"#;

#[test]
fn the_labs_file_is_read() {
    let file = read_text(LAB);
    assert_eq!(file.committee.size(), 7);
    let said = |set: &Set| {
        let transactions: Vec<String> = set.transactions.iter().map(Transaction::to_string).collect();
        let (number, line, attack) = (set.number, set.line, Directive::join(&set.attack));
        format!("{number}@{line} {} | {} | {} | {attack}", transactions.join(" "), set.live, set.byzantine)
    };
    assert_eq!(
        file.sets.iter().map(said).collect::<Vec<_>>(),
        [
            "1@2 (A, B, 1) (B, C, 2) (C) | n1,n2,n3,n4,n5,n6,n7 |  | ",
            "2@5 (A, J, 1) (B, I, 1) | n1,n2,n3,n4,n5,n6 | n1 | time(500ms); dark(n6)",
            "3@7 (A, B, 1) | n1,n2,n3,n4,n5,n6,n7 | n1,n2 | crash",
            "4@8 (A, B, 1) | n1,n2,n3,n4,n5,n6,n7 | n1 | time(500ms); dark(n6); equivocation(n7)",
        ]
    );
}

/// The lines of a file whose cells are altered: quoted if they hold a comma, or all.
fn written(rows: &[Vec<String>], is_all_quoted: bool, line_end: &str) -> String {
    let cell = |text: &String| match is_all_quoted || text.contains(',') {
        true => format!("\"{text}\""),
        false => text.clone(),
    };
    let lines = rows.iter().map(|row| row.iter().map(cell).collect::<Vec<_>>().join(",") + line_end);
    lines.collect()
}

/// The lab's file as cells.
fn lab_rows() -> Vec<Vec<String>> {
    let mut rows = cells::Rows::new(LAB);
    std::iter::from_fn(|| rows.next_row().expect("no error"))
        .map(|row| row.cells.iter().map(|cell| cell.text.clone()).collect())
        .collect()
}

#[test]
fn every_dialect_says_the_same() {
    let rows = lab_rows();
    let altered = |alter: &dyn Fn(&str) -> String| -> Vec<Vec<String>> {
        rows.iter().map(|row| row.iter().map(|cell| alter(cell)).collect()).collect()
    };
    let mut repeated = rows.clone();
    for index in 1..repeated.len() {
        if repeated[index][0].is_empty() {
            let above = repeated[index - 1].clone();
            let described = [0, 2, 3, 4];
            described.into_iter().for_each(|column| repeated[index][column] = above[column].clone());
        }
    }
    let mut ragged = rows.clone();
    for row in &mut ragged {
        let used = row.iter().rposition(|cell| !cell.is_empty() && cell != "[]").map_or(0, |last| last + 1);
        row.truncate(used);
    }
    let mut wide = rows.clone();
    wide.iter_mut().for_each(|row| row.extend(vec![String::new(); 5]));
    let twins = [
        ("byte order mark", format!("\u{feff}{LAB}")),
        ("CR LF", LAB.replace('\n', "\r\n")),
        ("CR", LAB.replace('\n', "\r")),
        ("no end of the last line", LAB.trim_end().to_string()),
        ("no header", written(&rows[1..], false, "\n")),
        ("byte order mark, CR LF and no header", format!("\u{feff}{}", written(&rows[1..], false, "\r\n"))),
        ("blank lines", LAB.replace('\n', "\n\n,,,,\n \n")),
        ("all cells quoted", written(&rows, true, "\r\n")),
        ("no spaces", written(&altered(&|cell| cell.replace(", ", ",").replace("; ", ";")), false, "\n")),
        ("many spaces", written(&altered(&|cell| format!("  {}  ", cell.replace(',', " , "))), true, "\n")),
        ("spaces before quotes", LAB.replace(",\"", ", \"").replace("\",", "\" ,")),
        ("S1", written(&altered(&|cell| renamed(cell, "S")), false, "\n")),
        ("bare numbers", written(&altered(&|cell| renamed(cell, "")), false, "\n")),
        ("small letters", written(&altered(&|cell| cell.to_lowercase()), false, "\n")),
        ("a number on each row", written(&repeated, false, "\n")),
        ("ragged rows", written(&ragged, false, "\n")),
        ("empty cells", written(&wide, false, "\n")),
    ];
    let expected = sets_of(LAB);
    for (dialect, text) in twins {
        assert_eq!(sets_of(&text), expected, "{dialect}\n{text}");
    }
}

/// A cell in which nodes have another letter before their number, or none.
fn renamed(cell: &str, letter: &str) -> String {
    (1..=7).fold(cell.to_string(), |text, number| text.replace(&format!("n{number}"), &format!("{letter}{number}")))
}

/// The sets of a text, wherever they stand in it.
#[track_caller]
fn sets_of(text: &str) -> Vec<Set> {
    let file = read_text(text);
    assert_eq!(file.committee.size(), 7);
    file.sets.into_iter().map(|set| Set { line: 0, ..set }).collect()
}

#[test]
fn sets_come_in_any_order() {
    let numbers = |text: &str| read_text(text).sets.iter().map(|set| set.number).collect::<Vec<_>>();
    assert_eq!(numbers("12,(A),[n1]\n3,(A),[n1]\n007,(A),[n1]\n0,(A),[n1]"), [12, 3, 7, 0]);
}

#[test]
fn our_columns_follow_in_either_order() {
    let lab = "Set Number,Transactions,Live,Byzantine,Attack";
    let one = read_text(&format!("{lab},Expect,Note\n1,(A),[n1],,,commits,what it shows\n,(B)\n"));
    let other = read_text(&format!("{lab},note,EXPECT\n1,(A),[n1],,,what it shows,Commits\n,(B),,,,what it shows\n"));
    assert_eq!(one, other);
    let mut headless = read_text("1,(A),[n1],,,commits,what it shows\n,(B)");
    headless.sets[0].line = 2;
    assert_eq!(one, headless);
    assert_eq!(
        (one.sets[0].note.as_str(), one.sets[0].expect.clone()),
        ("what it shows", Some("commits".parse().unwrap()))
    );
    let neither = read_text(&format!("{lab}\n1,(A),[n1]\n"));
    assert_eq!((neither.sets[0].note.as_str(), &neither.sets[0].expect), ("", &None));
}

#[test]
fn the_cluster_has_every_node_that_is_named() {
    let size = |text: &str| read_text(text).committee.size();
    assert_eq!(size("1,(A),[n1]"), 4);
    assert_eq!(size("1,(A),\"[n1, n5]\""), 7);
    assert_eq!(size("1,(A),[n1],[n1],[dark(n8)]"), 10);
    assert_eq!(size("1,(A),[n1],,,suspected(n11)"), 13);
    assert_eq!(size("1,(A),[n1]\n2,(A),[n100]"), 100);
}

#[test]
fn a_given_cluster_has_to_be_large_enough() {
    let given = |text: &str, replicas| read("cases.csv", text.as_bytes(), Some(committee(replicas)));
    assert_eq!(given(LAB, 10).map(|file| file.committee.size()), Ok(10));
    assert_eq!(given("1,(A),[n1]", 1).map(|file| file.committee.size()), Ok(1));
    let error = |text, replicas| given(text, replicas).expect_err("too small").to_string();
    assert_eq!(error(LAB, 4), "cases.csv:2:41: n7 is not in a cluster of 4 replicas");
    assert_eq!(
        error("1,(A),[n1],[n1],\"[time; dark(n2, S9)]\"", 7),
        "cases.csv:1:34: n9 is not in a cluster of 7 replicas"
    );
    assert_eq!(error("1,(A),[n1],,,commits; suspected(9)", 7), "cases.csv:1:33: n9 is not in a cluster of 7 replicas");
}

#[test]
fn what_is_beyond_f_depends_on_the_cluster() {
    let text = "1,(A),\"[n1, n2, n3, n4]\",\"[n1, n2]\",[],beyond";
    assert!(read("cases.csv", text.as_bytes(), None).is_ok());
    let error = read("cases.csv", text.as_bytes(), Some(committee(7))).expect_err("two of seven are borne").to_string();
    assert_eq!(error, "cases.csv:1:40: expected more than f = 2 Byzantine nodes for `beyond`, found 2 in set 1");
}

#[test]
fn what_is_not_as_it_should_be_is_refused_where_it_is() {
    // Rows and numbers of sets.
    check_error("", "1:1: expected a set, such as");
    check_error("\u{feff}\r\n\r\n", "3:1: expected a set, such as");
    check_error("Set Number,Transactions,Live,Byzantine,Attack\n", "2:1: expected a set, such as");
    check_error("Number,Transactions\n", "1:1: expected the number of a set or the column `Set Number`");
    check_error("Set Number,Transactions,Lives\n", "1:25: expected the column `Live`, found `Lives`");
    check_error(",(A),[n1]", "1:1: expected the number of a set, found nothing");
    check_error("1,(A),[n1]\nx,(B)", "2:1: expected the number of a set, a whole number below 2^32, found `x`");
    check_error("1,(A),[n1]\n \"-2\",(B),[n1]", "2:3: found `-2`");
    check_error("4294967296,(A),[n1]", "1:1: a whole number below 2^32");
    check_error("3,(A),[n1]\n,(A)\n4,(A),[n1]\n\n3,(A),[n1]", "5:1: set 3 has ended at line 2");
    check_error("1,,[n1]\n", "1:1: expected a transaction in set 1, found none");
    check_error("1,(A),[n1]\n2,,[n1]\n3,(A),[n1]", "2:1: expected a transaction in set 2, found none");
    check_error("1,(A),[n1],,,,,x", "1:16: expected nothing after the column `Note`, found `x`");
    check_error(
        "Set Number,Transactions,Live\n1,(A),[n1],[n1]",
        "2:12: expected nothing after the column `Live`, found `[n1]`",
    );
    check_error("1,\"(A),[n1]\n", "1:3: expected a second quote");
    check_error("1,\"(A)\" (B),[n1]", "1:9: expected a comma after the quote, found `(`");
    // Transactions.
    check_error("1,(A),[n1]\n,\"(A, B, 1)\"\n,\"(A; B, 1)\"", "3:5: expected `(X, Y, amount)` or `(X)`, found `;`");
    check_error("1,(A, B, 1),[n1]", "1:5: found the end; a cell with a comma in it needs quotes around it");
    let unquoted = "1,(A, B, 1),[n1, n2, n3, n4],[],[]";
    check_error(unquoted, "1:5: found the end; a cell with a comma in it needs quotes around it");
    check_error("1,\"\n(A, K, 1)\",[n1]", "2:5: expected a customer, A to J, found `K`");
    check_error("1,PAY(A),[n1]", "1:3: found `PAY`");
    // Nodes.
    check_error("1,(A)", "1:6: expected the nodes that run in set 1");
    check_error("1,(A),,[n1]", "1:7: expected the nodes that run in set 1");
    check_error("1,(A),[]", "1:7: expected the nodes that run in set 1");
    check_error("1,(A),\"[n1, m2]\"", "1:13: expected a node, such as `n3`, found `m2`");
    check_error("1,(A),\"[n1, n2, N1]\"", "1:17: n1 is in the list twice");
    check_error("1,(A),[n1, n2]", "1:10: expected `,` or `]`, found the end; a cell with a comma in it needs quotes");
    check_error("1,(A),[n101]", "1:8: n101: a cluster has at most 100 replicas");
    check_error("1,(A),\"[n1, n2]\",\"[n1, n3]\"", "1:24: n3 is Byzantine and not live");
    // Attacks.
    check_error("1,(A),[n1],,[crash]", "1:14: name one as Byzantine");
    check_error("1,(A),[n1],[n1],[crash; dork(n2)]", "1:25: did you mean `dark`");
    check_error("1,(A),\"[n1, n2]\",[n1],[n2 crash]", "1:24: n2 is not Byzantine in this set");
    check_error("1,(A),[n1],[n1],[dark(n1)]", "1:18: no node is its own victim");
    check_error("1,(A),[n1],[n1],[dark(n2, n3)]", "1:25: expected `,` or `)`; a cell with a comma in it needs quotes");
    check_error("1,(A),[n1],[n1],[dark(n120)]", "1:23: n120: a cluster has at most 100 replicas");
    // Expectations.
    check_error("1,(A),[n1],,,commits; comits", "1:23: found `comits`");
    check_error("1,(A),[n1],,,\"A=9, A=10\"", "1:20: `A` is in the list twice");
    check_error("1,(A),[n1],,,suspected(n1);  proof(n1)", "1:30: n1 is not Byzantine in this set");
    check_error("1,(A),[n1],[n1],,beyond", "1:18: expected more than f = 1 Byzantine nodes for `beyond`, found 1");
    // What later rows say again.
    check_error(
        "1,(A),[n1]\n1,(B),[n2]",
        "2:7: expected the column `Live` of set 1 as in line 1 or empty, found `[n2]`",
    );
    check_error("1,(A),[n1]\n,(B),,[n1]", "2:7: expected the column `Byzantine` of set 1");
    check_error("1,(A),[n1],[n1],crash\n,(B),,,sign", "2:8: expected the column `Attack` of set 1");
    check_error("1,(A),[n1]\n,(B),,,,commits", "2:9: expected the column `Expect` of set 1");
    check_error("1,(A),[n1],,,,one\n,(B),,,,,other", "2:10: expected the column `Note` of set 1");
}

#[test]
fn only_text_of_bounded_length_is_read() {
    let error = |bytes: &[u8]| read("cases.csv", bytes, None).expect_err("refused").to_string();
    assert_eq!(error(b"1,(A),[n1]\n2,\xe9"), "cases.csv:2:3: expected text in UTF-8, found the byte 0xe9");
    let mut longest = b"1,(A),[n1]\n".to_vec();
    longest.resize(MAX_FILE_BYTES, b'\n');
    assert!(read("cases.csv", &longest, None).is_ok());
    longest.push(b'\n');
    assert_eq!(error(&longest), "cases.csv:1:1: expected a file of at most 1048576 bytes, found 1048577");
}

#[test]
fn sets_are_counted() {
    let text = |sets: usize| (0..sets).map(|number| format!("{number},(A),[n1]\n")).collect::<String>();
    assert_eq!(read_text(&text(MAX_SETS)).sets.len(), MAX_SETS);
    check_error(&text(MAX_SETS + 1), "1001:1: more than 1000 sets");
}

#[test]
fn transactions_are_counted() {
    let text = |transactions: usize| format!("1,(A),[n1]\n{}", ",(B)\n".repeat(transactions - 1));
    assert_eq!(read_text(&text(MAX_TRANSACTIONS)).sets[0].transactions.len(), MAX_TRANSACTIONS);
    check_error(&text(MAX_TRANSACTIONS + 1), "1001:2: set 1 has more than 1000 transactions");
}

#[test]
fn attacks_go_to_those_who_run_them() {
    let set = set("[n1, n2, n3, n4]", "[n1, n2]", "[time; 2 dark(S1, n2, n3)]", "");
    let run = |number: u8| Directive::join(&set.attacks_of(ReplicaId(number - 1)));
    assert_eq!([1, 2, 3].map(run), ["time(500ms)", "time(500ms); dark(n1, n3)", ""]);
}

/// Files out of the format's own pieces, which get further than random ones.
fn any_jumble() -> impl Strategy<Value = String> {
    const PIECES: [&str; 24] = [
        "1",
        "2",
        ",",
        ",",
        "\n",
        "\r",
        "\"",
        "(A)",
        "\"(A, B, 1)\"",
        "[n1]",
        "[]",
        "\"[n1, n2, n3, n4]\"",
        "crash",
        "[dark(n2)]",
        "commits",
        "beyond",
        "A=9",
        "x",
        " ",
        "\u{feff}",
        "é",
        "1,(A),[n1]",
        "Set Number,Transactions,Live",
        "\n,(B)",
    ];
    proptest::collection::vec(proptest::sample::select(PIECES.to_vec()), 0..30).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..200),
        any_jumble().prop_map(String::into_bytes),
    ]) {
        match read("cases.csv", &bytes, None) {
            Ok(file) => prop_assert!(!file.sets.is_empty() && file.sets.iter().all(|set| !set.transactions.is_empty())),
            Err(error) => {
                let lines = bytes.iter().filter(|byte| b"\r\n".contains(byte)).count() + 1;
                prop_assert!((1..=lines).contains(&error.line), "{}", error);
                prop_assert!((1..=bytes.len() + 1).contains(&error.column), "{}", error);
            }
        }
    }
}

#[test]
fn in_a_file_without_a_word_on_attacks_byzantine_nodes_withhold_their_votes() {
    let all = "[S1, S2, S3, S4, S5, S6, S7]";
    let file =
        read_text(&format!("1,\"(A, B, 1)\",\"{all}\",\"[S1, S5]\"\n2,\"(A, B, 1)\",\"{all}\",\"[S3, S5, S7]\"\n"));
    let told =
        |set: &Set| format!("{} {} {}", Directive::join(&set.attack), set.is_assumed, set.expectation(file.committee));
    let told: Vec<String> = file.sets.iter().map(told).collect();
    let votes = "withhold(prepare); withhold(commit) true";
    assert_eq!(told, [format!("{votes} commits (derived)"), format!("{votes} beyond (derived)")]);

    let named =
        read_text("Set Number,Transactions,Live Nodes,Byzantine Nodes,Attack Type\n1,(A),\"[n1,n2,n3,n4]\",[n4],[]\n");
    assert_eq!((named.sets[0].attack.len(), named.sets[0].is_assumed), (0, false), "it says that nothing is done");
    let mute = set("[n1, n2, n3, n4]", "[n3, n4]", "n4 withhold(prepare); n4 withhold(commit); n3 sign", "");
    assert!(mute.is_beyond(committee(4)));
    let stalls = set("[n1, n2, n4]", "[n4]", "withhold(prepare); withhold(commit)", "");
    assert_eq!(stalls.expectation(committee(4)).to_string(), "stalls (derived)");
}

#[test]
fn several_transactions_stand_in_a_cell() {
    let file = read_text("1,\"(A, B, 1); (B, C, 1)\",\"[n1, n2, n3, n4]\",[],[]\n,(C)\n");
    assert_eq!(file.sets[0].transactions.len(), 3);
}
