//! The columns of a file, and the line that may name them.

use std::fmt;

use super::cells::{Fault, Row};

/// A column of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Column {
    SetNumber,
    Transactions,
    Live,
    Byzantine,
    Attack,
    Expect,
    Note,
}

impl Column {
    /// The lab's, in its order.
    const LAB: [Column; 5] = [Column::SetNumber, Column::Transactions, Column::Live, Column::Byzantine, Column::Attack];

    /// Ours, which may follow in either order.
    const OURS: [Column; 2] = [Column::Expect, Column::Note];

    /// How many there are.
    pub(super) const COUNT: usize = Self::LAB.len() + Self::OURS.len();

    /// All of them, in the order of a file without a header.
    pub(super) fn all() -> Vec<Column> {
        [Self::LAB.as_slice(), &Self::OURS].concat()
    }
}

impl Column {
    /// What the column is called in files of other years and places, in small letters.
    fn aliases(self) -> &'static [&'static str] {
        match self {
            Column::SetNumber => &["set", "set no", "set no.", "test set", "test set number"],
            Column::Transactions => &["transaction"],
            Column::Live => &["live nodes", "live servers", "live replicas"],
            Column::Byzantine => {
                &["byzantine nodes", "byzantine servers", "byzantine replicas", "malicious", "malicious nodes"]
            }
            Column::Attack => &["attacks", "attack type", "attack types"],
            Column::Expect => &["expected"],
            Column::Note => &["notes"],
        }
    }

    fn is_called(self, name: &[String]) -> bool {
        words(&self.to_string()) == name || self.aliases().iter().any(|alias| words(alias) == name)
    }
}

/// Columns of files that mean something else: a word in their name, and why they can not be run.
const ELSEWHERE: [(&str, &str); 3] = [
    ("contact", "a file of shards: here every replica holds every account, and clients need no contact"),
    ("shard", "a file of shards: here every replica holds every account"),
    ("cluster", "a file of several clusters: here a set runs in one"),
];

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Column::SetNumber => "Set Number",
            Column::Transactions => "Transactions",
            Column::Live => "Live",
            Column::Byzantine => "Byzantine",
            Column::Attack => "Attack",
            Column::Expect => "Expect",
            Column::Note => "Note",
        })
    }
}

/// The columns that a file's first row names; `None` if the row is not a header but the first of a set.
///
/// # Errors
///
/// A name that is not the next column's.
pub(super) fn read_header(row: &Row<'_>) -> Result<Option<Vec<Column>>, Fault> {
    let first = row.cell(0).map_or("", |cell| cell.text.trim());
    if first.starts_with(|c: char| c.is_ascii_digit()) || first.is_empty() {
        return Ok(None);
    }
    let named = row.cells.iter().rposition(|cell| !cell.is_blank()).map_or(0, |last| last + 1);
    let mut columns = Vec::new();
    for (index, cell) in row.cells[..named].iter().enumerate() {
        let possible = match Column::LAB.get(index) {
            Some(column) => vec![*column],
            None => Column::OURS.into_iter().filter(|column| !columns.contains(column)).collect(),
        };
        let name = words(&cell.text);
        let Some(column) = possible.iter().find(|column| column.is_called(&name)) else {
            let names: Vec<String> = possible.iter().map(|column| format!("`{column}`")).collect();
            let what = if index == 0 { "the number of a set or the column" } else { "the column" };
            let found = if cell.is_blank() { "nothing".to_string() } else { format!("`{}`", cell.text.trim()) };
            let foreign = ELSEWHERE.iter().find(|(word, _)| name.iter().any(|part| part.starts_with(word)));
            let why = foreign.map_or(String::new(), |(_, why)| format!("; this is {why}"));
            let message = match names.is_empty() {
                true => format!("expected no more columns, found {found}{why}"),
                false => format!("expected {what} {}, found {found}{why}", names.join(" or ")),
            };
            return Err(Fault::new(cell.start(), message));
        };
        columns.push(*column);
    }
    Ok(Some(columns))
}

/// A name's words, whatever their case and the space between them.
fn words(name: &str) -> Vec<String> {
    name.split_whitespace().map(str::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::super::cells::Rows;
    use super::*;

    /// What a first row is: its columns, `a set`, or `line:column message`.
    #[track_caller]
    fn check(text: &str, expected: &str) {
        let row = Rows::new(text).next_row().expect("no error").expect("one row");
        let said = match read_header(&row) {
            Ok(None) => "a set".to_string(),
            Ok(Some(columns)) => columns.iter().map(Column::to_string).collect::<Vec<_>>().join(", "),
            Err(Fault { at, message }) => format!("{}:{} {message}", at.line, at.column),
        };
        assert_eq!(said, expected, "{text}");
    }

    #[test]
    fn a_header_names_columns_in_the_known_order() {
        const LAB: &str = "Set Number, Transactions, Live, Byzantine, Attack";
        check("Set Number,Transactions,Live,Byzantine,Attack", LAB);
        check("set  number,TRANSACTIONS,\"live\", byzantine ,Attack,,", LAB);
        check("Set Number,Transactions,Live", "Set Number, Transactions, Live");
        check("Set Number,Transactions,Live,Byzantine,Attack,Expect,Note", &format!("{LAB}, Expect, Note"));
        check("Set Number,Transactions,Live,Byzantine,Attack,note,expect", &format!("{LAB}, Note, Expect"));
        check("Set Number,Transactions,Live,Byzantine,Attack,Note", &format!("{LAB}, Note"));
        assert_eq!(Column::all().len(), Column::COUNT);
    }

    #[test]
    fn columns_have_other_names_elsewhere() {
        const LAB: &str = "Set Number, Transactions, Live, Byzantine, Attack";
        check("Set Number, Transactions, Live Nodes, Byzantine Nodes, Attack Type", LAB);
        check(
            "Set,Transaction,LIVE SERVERS,Byzantine  Servers,Attacks,Expected,Notes",
            &format!("{LAB}, Expect, Note"),
        );
    }

    #[test]
    fn a_file_of_another_lab_is_told_what_it_is() {
        check(
            "Set Number,Transactions,Live Servers,Contact Servers",
            "1:38 expected the column `Byzantine`, found `Contact Servers`; this is a file of shards: here every replica holds \
             every account, and clients need no contact",
        );
    }

    #[test]
    fn a_file_may_begin_with_a_set() {
        check("1,(A),[n1]", "a set");
        check("\" 12\",(A)", "a set");
        check(",(A)", "a set");
    }

    #[test]
    fn unknown_columns_are_refused() {
        check("Number,Transactions", "1:1 expected the number of a set or the column `Set Number`, found `Number`");
        check("Set Number,Transactions,Alive", "1:25 expected the column `Live`, found `Alive`");
        check("Set Number,Live,Transactions", "1:12 expected the column `Transactions`, found `Live`");
        check("Set Number,,Live", "1:12 expected the column `Transactions`, found nothing");
        let lab = "Set Number,Transactions,Live,Byzantine,Attack";
        check(&format!("{lab},Remark"), "1:47 expected the column `Expect` or `Note`, found `Remark`");
        check(&format!("{lab},Note,Expect,,,More"), "1:61 expected no more columns, found `More`");
        check(&format!("{lab},Note,Note"), "1:52 expected the column `Expect`, found `Note`");
    }
}
