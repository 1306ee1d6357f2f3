//! Where something stands in a TOML text, so that an error can say so.

/// Line and column, from 1, of a byte of the text.
pub(crate) fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// Line and column of a key's assignment: in the top table, or in the `nth` table with that header. Falls back on the
/// header, then on the first line.
pub(crate) fn key(text: &str, table: Option<(&str, usize)>, key: &str) -> (usize, usize) {
    let mut current: Option<&str> = None;
    let mut seen = 0;
    let mut fallback = (1, 1);
    for (number, line) in text.lines().enumerate() {
        let stripped = line.trim_start();
        let here = (number + 1, line.len() - stripped.len() + 1);
        if stripped.starts_with('[') {
            let header = stripped.split_once('#').map_or(stripped, |(left, _)| left);
            let name = header.trim_matches(|c: char| c == '[' || c == ']' || c.is_whitespace());
            current = Some(name);
            if table.is_some_and(|(wanted, _)| wanted == name) {
                seen += 1;
                if table.is_some_and(|(_, nth)| seen == nth + 1) {
                    fallback = here;
                }
            }
            continue;
        }
        let in_table = match table {
            None => current.is_none(),
            Some((wanted, nth)) => current == Some(wanted) && seen == nth + 1,
        };
        let is_key = stripped.split_once('=').is_some_and(|(left, _)| left.trim() == key);
        if in_table && is_key {
            return here;
        }
    }
    fallback
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_found_in_their_own_table() {
        let text = "name = 1\n[settings]\n  depth = 2\n[[replica]] # first\nname = 3\n[[replica]]\n name=4\n";
        assert_eq!(key(text, None, "name"), (1, 1));
        assert_eq!(key(text, Some(("settings", 0)), "depth"), (3, 3));
        assert_eq!(key(text, Some(("replica", 1)), "name"), (7, 2));
        assert_eq!(key(text, Some(("replica", 1)), "port"), (6, 1));
        assert_eq!(key(text, Some(("client", 0)), "name"), (1, 1));
    }

    #[test]
    fn bytes_have_lines_and_columns() {
        assert_eq!(place("a\nbc\n", 3), (2, 2));
        assert_eq!(place("a\nbc\n", 99), (3, 1));
    }
}
