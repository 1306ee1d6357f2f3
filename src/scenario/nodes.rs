//! The nodes of a set: lists of them, and the attacks that its Byzantine ones run.

use super::Set;
use super::cursor::Cursor;
use crate::attack::{self, Attack, Directive, ParseError, parse_replica};
use crate::types::{ReplicaId, ReplicaSet};

/// Reads `[n1, n2]`, with or without brackets, and says at which column each node stands. Each node is named once.
pub(super) fn read_nodes(text: &str) -> Result<Vec<(ReplicaId, usize)>, ParseError> {
    const NODES: &str = "a list of nodes, such as `[n1, n2, n3]`";
    let mut cursor = Cursor::new(text);
    let is_bracketed = cursor.eat("[");
    let mut nodes: Vec<(ReplicaId, usize)> = Vec::new();
    if is_bracketed && cursor.eat("]") {
        return cursor.expect_end("the end of the list").map(|()| nodes);
    }
    loop {
        let word = cursor.expect_word(NODES)?;
        let node = cursor.node(word)?;
        if nodes.iter().any(|(named, _)| *named == node) {
            return Err(cursor.error_at(word.at, format!("{node} is in the list twice")));
        }
        nodes.push((node, cursor.column(word.at)));
        if !cursor.eat(",") {
            break;
        }
    }
    if is_bracketed {
        cursor.expect("]", "`,` or `]`")?;
        cursor.expect_end("the end of the list")?;
    }
    cursor.expect_end("`,` or the end of the list")?;
    Ok(nodes)
}

/// Reads the attacks of a set whose Byzantine nodes are these. Each of them runs what names no attacker or itself.
pub(super) fn read_attacks(text: &str, byzantine: ReplicaSet) -> Result<Vec<Directive>, ParseError> {
    let directives = attack::parse(text)?;
    let error = |index, message: String| Err(ParseError { column: column_of_part(text, index), message });
    for (index, directive) in directives.iter().enumerate() {
        if byzantine.is_empty() {
            return error(index, "an attack needs a node that makes it: name one as Byzantine".into());
        }
        if let Some(attacker) = directive.attacker.filter(|attacker| !byzantine.contains(*attacker)) {
            return error(index, format!("{attacker} is not Byzantine in this set"));
        }
        let name = directive.attack.name();
        let mut attackers = byzantine.iter().filter(|node| as_run_by(*node, directive).is_some()).peekable();
        if attackers.peek().is_none() {
            return error(index, format!("nobody is left to make `{directive}`: no node is its own victim"));
        }
        for attacker in attackers {
            let mut earlier = directives[..index].iter().filter_map(|directive| as_run_by(attacker, directive));
            if earlier.any(|earlier| earlier.attack.is_replaced_by(&directive.attack)) {
                let message =
                    format!("{attacker} already runs `{name}`: a second one would take the place of the first");
                return error(index, message);
            }
        }
    }
    Ok(directives)
}

/// The character at which an attack of a list or a clause of an expectation begins, counted from 1.
pub(super) fn column_of_part(text: &str, index: usize) -> usize {
    // A semicolon stands between two of them and nowhere else.
    let before: usize = text.split(';').take(index).map(|part| part.len() + ";".len()).sum();
    let spaces =
        text[before..].len() - text[before..].trim_start_matches(|c: char| c.is_whitespace() || c == '[').len();
    text[..before + spaces].chars().count() + 1
}

/// The character at which a text names a node as an attacker, a victim or an accused, counted from 1; 1 if it does not.
pub(super) fn column_of_node(text: &str, node: ReplicaId) -> usize {
    let mut behind = None;
    let mut column = 1;
    for word in text.split_inclusive(|c: char| c.is_whitespace() || "[](),;@=".contains(c)) {
        let name = word.trim_end_matches(|c: char| c.is_whitespace() || "[](),;@=".contains(c));
        // Behind other words and signs a number is a slot, a view or an offset.
        if parse_replica(name) == Some(node) && behind.is_none_or(|sign| "[(,;".contains(sign)) {
            return column;
        }
        behind = word.chars().rfind(|c| !c.is_whitespace()).or(behind);
        column += word.chars().count();
    }
    1
}

/// What a node runs of a directive: nothing that is somebody else's, and nothing against itself alone.
fn as_run_by(node: ReplicaId, directive: &Directive) -> Option<Directive> {
    if directive.attacker.is_some_and(|attacker| attacker != node) {
        return None;
    }
    let mut own = Directive { attacker: None, ..directive.clone() };
    if let Attack::Dark(victims) | Attack::Equivocation { victims, .. } | Attack::Withhold { victims, .. } =
        &mut own.attack
    {
        let others: ReplicaSet = victims.iter().filter(|victim| *victim != node).collect();
        // Without victims from the beginning, an attack is aimed at all.
        if others.is_empty() && !victims.is_empty() {
            return None;
        }
        *victims = others;
    }
    Some(own)
}

impl Set {
    /// What a node runs from the beginning, without its name before it, in the order of the file; nothing unless it is
    /// Byzantine. A node that an attack of several names as a victim leaves itself out.
    pub fn attacks_of(&self, node: ReplicaId) -> Vec<Directive> {
        match self.byzantine.contains(node) {
            true => self.attack.iter().filter_map(|directive| as_run_by(node, directive)).collect(),
            false => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::set as case;
    use super::*;

    fn set(numbers: &[u8]) -> ReplicaSet {
        numbers.iter().map(|number| ReplicaId(number - 1)).collect()
    }

    #[track_caller]
    fn check_nodes(text: &str, expected: &[(u8, usize)]) {
        let expected: Vec<(ReplicaId, usize)> =
            expected.iter().map(|(n, column)| (ReplicaId(n - 1), *column)).collect();
        assert_eq!(read_nodes(text), Ok(expected), "{text}");
    }

    #[track_caller]
    fn check_no_nodes(text: &str, expected: &str) {
        assert_eq!(read_nodes(text).expect_err(text).to_string(), expected, "{text}");
    }

    #[track_caller]
    fn check_no_attacks(text: &str, byzantine: &[u8], expected: &str) {
        assert_eq!(read_attacks(text, set(byzantine)).expect_err(text).to_string(), expected, "{text}");
    }

    /// What a node runs of a set's attacks.
    #[track_caller]
    fn check_run(text: &str, byzantine: &[u8], node: u8, expected: &str) {
        let names: Vec<String> = set(byzantine).iter().map(|node| node.to_string()).collect();
        let case = case("[n1, n2, n3]", &names.join(", "), text, "");
        assert_eq!(Directive::join(&case.attacks_of(ReplicaId(node - 1))), expected, "{text}");
    }

    #[test]
    fn lists_of_nodes_are_read_in_all_their_forms() {
        check_nodes("[n1, n2, n7]", &[(1, 2), (2, 6), (7, 10)]);
        check_nodes(" [ S1,s2 ,3,N4 ] ", &[(1, 4), (2, 7), (3, 11), (4, 13)]);
        check_nodes("n1,n2", &[(1, 1), (2, 4)]);
        check_nodes("[]", &[]);
        check_nodes("[ ]", &[]);
    }

    #[test]
    fn what_is_wrong_with_a_list_is_said_where_it_is() {
        check_no_nodes("[n1; n2]", "column 4: expected `,` or `]`, found `;`");
        check_no_nodes("[n1, n2", "column 8: expected `,` or `]`, found the end");
        check_no_nodes("n1 n2", "column 4: expected `,` or the end of the list, found `n2`");
        check_no_nodes("[n1] n2", "column 6: expected the end of the list, found `n2`");
        check_no_nodes("[] n2", "column 4: expected the end of the list, found `n2`");
        check_no_nodes("[n1,]", "column 5: expected a list of nodes, such as `[n1, n2, n3]`, found `]`");
        check_no_nodes("[n1, x2]", "column 6: expected a node, such as `n3`, found `x2`");
        check_no_nodes("[n1, S1]", "column 6: n1 is in the list twice");
        check_no_nodes("[n0]", "column 2: expected a node, such as `n3`, found `n0`");
    }

    #[test]
    fn every_byzantine_node_runs_what_names_no_other() {
        check_run("[time; dark(n6); equivocation(n7)]", &[1], 1, "time(500ms); dark(n6); equivocation(n7)");
        check_run("crash", &[1, 2], 2, "crash");
        check_run("n1 crash; 2 sign", &[1, 2], 2, "sign");
        check_run("[crash]", &[1, 2], 3, "");
        check_run("[]", &[], 1, "");
        check_run(" ", &[1], 1, "");
        check_run("S1 dark(S6, 7) @10s..20s", &[1], 1, "dark(n6, n7) @10s..20s");
        check_run("n1 time(1s); n2 time(2s)", &[1, 2], 2, "time(2s)");
    }

    #[test]
    fn no_node_is_its_own_victim() {
        check_run("dark(n2, n6)", &[1, 2], 1, "dark(n2, n6)");
        check_run("dark(n2, n6)", &[1, 2], 2, "dark(n6)");
        check_run("equivocation(n2, n6, mode=digest)", &[1, 2], 2, "equivocation(n6, mode=digest)");
        check_run("[dark(n2); sign]", &[1, 2], 2, "sign");
        check_run("withhold(commit, n2)", &[1, 2], 2, "");
        check_run("withhold(commit)", &[1, 2], 2, "withhold(commit)");
        check_run("dark(n1); n1 dark(n2)", &[1, 2], 1, "dark(n2)");
        check_no_attacks("dark(n1)", &[1], "column 1: nobody is left to make `dark(n1)`: no node is its own victim");
        check_no_attacks(
            "sign; n2 dark(n2)",
            &[1, 2],
            "column 7: nobody is left to make `n2 dark(n2)`: no node is its own victim",
        );
    }

    #[test]
    fn attacks_that_nobody_can_run_as_written_are_refused() {
        check_no_attacks("[crash]", &[], "column 2: an attack needs a node that makes it: name one as Byzantine");
        check_no_attacks("[sign;  S3 crash]", &[1], "column 9: n3 is not Byzantine in this set");
        check_no_attacks(
            "[dark(n6); dark(n7)]",
            &[1],
            "column 12: n1 already runs `dark`: a second one would take the place of the first",
        );
        check_no_attacks(
            "time(1s); n2 time(2s)",
            &[1, 2],
            "column 11: n2 already runs `time`: a second one would take the place of the first",
        );
        check_no_attacks("[time; dork(n6)]", &[1], &attack::parse("[time; dork(n6)]").unwrap_err().to_string());
    }

    #[test]
    fn nodes_are_found_where_they_are_named() {
        let column = |text, number: u8| column_of_node(text, ReplicaId(number - 1));
        assert_eq!(column("[time; dark(n6); equivocation(n2, S7)]", 7), 35);
        assert_eq!(column("[time @slot 7; S7 crash]", 7), 16);
        assert_eq!(column("equivocation(n6, offset=7); 7 time", 7), 29);
        assert_eq!(column("proof( n7 ); attested(n8)", 8), 23);
        assert_eq!(column("commits; view=7; proof(7)", 7), 24);
        assert_eq!(column("[crash]", 7), 1);
    }
}
