//! Cuts a file into rows and cells, and knows where each character of a cell stands in the file.
//!
//! `csv-core` does the cutting. It never complains: a quote that is not closed lasts to the end of the file, and what
//! follows a closed one is taken for more of the cell. Here both are errors, and what was cut is counted again so that
//! every error has a line and a column.

use csv_core::{ReadFieldResult, Reader};

use super::header::Column;
use crate::attack::ParseError;

/// A place in a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Position {
    /// The line, counted from 1.
    pub(super) line: usize,
    /// The character of the line, counted from 1.
    pub(super) column: usize,
}

impl Position {
    /// Where a file begins, its byte order mark aside.
    pub(super) const START: Position = Position { line: 1, column: 1 };

    /// Where what follows this text stands, if the text stands here.
    pub(super) fn after(self, text: &str) -> Position {
        let mut position = self;
        let mut rest = text.chars().peekable();
        while let Some(character) = rest.next() {
            // Of CR LF the LF ends the line; a CR by itself does so too.
            let is_line_end = character == '\n' || (character == '\r' && rest.peek() != Some(&'\n'));
            position = match is_line_end {
                true => Position { line: position.line + 1, column: 1 },
                false => Position { line: position.line, column: position.column + 1 },
            };
        }
        position
    }
}

/// What is wrong with a file, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    pub(super) at: Position,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(at: Position, message: impl Into<String>) -> Fault {
        Fault { at, message: message.into() }
    }
}

/// What stands between two commas.
#[derive(Clone, Debug)]
pub(super) struct Cell<'a> {
    /// What it says, without quotes and without spaces at its end.
    pub(super) text: String,
    /// What stands in the file, quotes included.
    raw: &'a str,
    /// Where that begins.
    at: Position,
    /// Whether a comma ended it that quotes might have kept.
    is_cut: bool,
}

impl Cell<'_> {
    /// Whether it says nothing.
    pub(super) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// Where the first character that it says stands.
    pub(super) fn start(&self) -> Position {
        self.place(self.text.len() - self.text.trim_start().len())
    }

    /// Where the character at this byte of its text stands; beyond the last one, where the cell ends.
    fn place(&self, at: usize) -> Position {
        let is_quoted = self.raw.starts_with('"');
        let mut read = usize::from(is_quoted);
        for character in self.text.get(..at).unwrap_or(&self.text).chars() {
            // Between quotes, two quotes stand for one.
            read += if is_quoted && character == '"' { 2 } else { character.len_utf8() };
        }
        self.at.after(self.raw.get(..read).unwrap_or(self.raw))
    }

    /// Where its character of this number stands, counted from 1.
    pub(super) fn place_of_column(&self, column: usize) -> Position {
        let before = self.text.char_indices().nth(column.saturating_sub(1));
        self.place(before.map_or(self.text.len(), |(at, _)| at))
    }

    /// An error in its text as an error in the file.
    pub(super) fn fault(&self, error: ParseError) -> Fault {
        let is_at_end = error.column > self.text.chars().count();
        let hint = match is_at_end && self.is_cut {
            true => "; a cell with a comma in it needs quotes around it",
            false => "",
        };
        Fault::new(self.place_of_column(error.column), format!("{}{hint}", error.message))
    }

    /// What csv-core does not mind: quotes that are never closed, and text behind those that are.
    fn check_quotes(&self) -> Result<(), Fault> {
        let Some(quoted) = self.raw.strip_prefix('"') else { return Ok(()) };
        let mut read = 0;
        loop {
            let Some(quote) = quoted[read..].find('"') else {
                return Err(Fault::new(self.at, "expected a second quote that ends the cell, found none in the file"));
            };
            let behind = &quoted[read + quote + 1..];
            if !behind.starts_with('"') {
                return match behind.trim_start().chars().next() {
                    None => Ok(()),
                    Some(found) => {
                        let spaces = behind.len() - behind.trim_start().len();
                        let at = self.at.after(&self.raw[..self.raw.len() - behind.len() + spaces]);
                        Err(Fault::new(at, format!("expected a comma after the quote, found `{found}`")))
                    }
                };
            }
            read += quote + 2;
        }
    }
}

/// A line of a file, or more of them if a quoted cell has more.
#[derive(Clone, Debug)]
pub(super) struct Row<'a> {
    /// The line on which it begins, counted from 1.
    pub(super) line: usize,
    /// At least one and at most [`Column::COUNT`], and one more if something is said in a cell beyond those.
    pub(super) cells: Vec<Cell<'a>>,
}

impl<'a> Row<'a> {
    /// The cell at this place, counted from 0, if it says anything.
    pub(super) fn cell(&self, index: usize) -> Option<&Cell<'a>> {
        self.cells.get(index).filter(|cell| !cell.is_blank())
    }

    /// Where the cell at this place is or, if the row is too short, would be.
    pub(super) fn place_of_cell(&self, index: usize) -> Position {
        match (self.cells.get(index), self.cells.last()) {
            (Some(cell), _) => cell.start(),
            (None, Some(last)) => last.place(last.text.len()),
            (None, None) => Position { line: self.line, column: 1 },
        }
    }
}

/// The rows of a file, one after the other.
pub(super) struct Rows<'a> {
    text: &'a str,
    /// The byte to read next; always between two characters.
    next: usize,
    /// Where that byte stands.
    pub(super) at: Position,
    reader: Reader,
    /// Longer than the file, so that every cell fits.
    buffer: Vec<u8>,
}

impl<'a> Rows<'a> {
    /// The rows of a text, with or without a byte order mark.
    pub(super) fn new(text: &'a str) -> Rows<'a> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let buffer = vec![0; text.len() + 1];
        let mut reader = Reader::new();
        // What csv-core reads first it rids of a byte order mark, wherever in the file that is. A line end, of which it
        // says nothing, comes first.
        reader.read_field(b"\n", &mut [0]);
        Rows { text, next: 0, at: Position::START, reader, buffer }
    }

    /// The next row that says anything; `None` after the last.
    ///
    /// # Errors
    ///
    /// Quotes that are not closed, or not followed by a comma.
    pub(super) fn next_row(&mut self) -> Result<Option<Row<'a>>, Fault> {
        loop {
            let rest = self.rest();
            self.advance(rest.len() - rest.trim_start_matches(['\r', '\n']).len());
            if self.rest().is_empty() {
                return Ok(None);
            }
            let row = self.row()?;
            if row.cells.iter().any(|cell| !cell.is_blank()) {
                return Ok(Some(row));
            }
        }
    }

    fn row(&mut self) -> Result<Row<'a>, Fault> {
        let mut row = Row { line: self.at.line, cells: Vec::new() };
        loop {
            let (cell, is_last) = self.cell()?;
            let is_kept = row.cells.len() < Column::COUNT || (row.cells.len() == Column::COUNT && !cell.is_blank());
            if is_kept {
                row.cells.push(cell);
            }
            if is_last {
                return Ok(row);
            }
        }
    }

    /// The next cell of a row, and whether it is the row's last.
    fn cell(&mut self) -> Result<(Cell<'a>, bool), Fault> {
        // To csv-core a quote after a space is a letter like any other.
        let spaces = self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
        if self.rest()[spaces..].starts_with('"') {
            self.advance(spaces);
        }
        let (rest, at) = (self.rest(), self.at);
        let (mut result, read, written) = self.reader.read_field(rest.as_bytes(), &mut self.buffer);
        if result == ReadFieldResult::InputEmpty {
            // An empty input says that the file has ended, and so has the cell.
            result = self.reader.read_field(&[], &mut []).0;
        }
        let is_last = match result {
            ReadFieldResult::Field { record_end } => record_end,
            other => unreachable!("the buffer holds any cell, and there was one to read: {other:?}"),
        };
        let text = std::str::from_utf8(&self.buffer[..written]).expect("it was cut between characters");
        let raw = match is_last {
            true => rest[..read].trim_end_matches(['\r', '\n']),
            false => &rest[..read - ",".len()],
        };
        let is_cut = !is_last && !raw.starts_with('"');
        let cell = Cell { text: text.trim_end().to_string(), raw, at, is_cut };
        // csv-core stops between CR and LF, which are one end of a line.
        let is_split = rest[..read].ends_with('\r') && rest[read..].starts_with('\n');
        self.advance(read + usize::from(is_split));
        cell.check_quotes().map(|()| (cell, is_last))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.next..]
    }

    fn advance(&mut self, bytes: usize) {
        self.at = self.at.after(&self.rest()[..bytes]);
        self.next += bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of a text: each cell as `line:column text`, or the error as `line:column message`.
    fn cut(text: &str) -> Result<Vec<Vec<String>>, String> {
        let mut rows = Rows::new(text);
        let mut all = Vec::new();
        loop {
            let row = rows.next_row();
            let row = row.map_err(|fault| format!("{}:{} {}", fault.at.line, fault.at.column, fault.message))?;
            let Some(row) = row else { return Ok(all) };
            let said = |cell: &Cell<'_>| format!("{}:{} {}", cell.start().line, cell.start().column, cell.text.trim());
            all.push(row.cells.iter().map(said).collect());
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &[&[&str]]) {
        assert_eq!(cut(text).unwrap_or_else(|error| panic!("{text:?}: {error}")), expected, "{text:?}");
    }

    #[track_caller]
    fn check_error(text: &str, expected: &str) {
        let error = cut(text).expect_err(text);
        assert!(error.starts_with(expected), "{text:?}: {error}");
    }

    #[test]
    fn cells_know_where_they_begin() {
        check("a,b\nc,d", &[&["1:1 a", "1:3 b"], &["2:1 c", "2:3 d"]]);
        check("a, b ,\t c\n", &[&["1:1 a", "1:4 b", "1:9 c"]]);
        check("\"a\",\"b, c\",d\n", &[&["1:2 a", "1:6 b, c", "1:12 d"]]);
        check("a, \"b\" ,c\n", &[&["1:1 a", "1:5 b", "1:9 c"]]);
        check("é,ü,x", &[&["1:1 é", "1:3 ü", "1:5 x"]]);
        check("\"a \"\" b\",c", &[&["1:2 a \" b", "1:10 c"]]);
    }

    #[test]
    fn lines_end_in_every_way() {
        let rows: &[&[&str]] = &[&["1:1 a", "1:3 b"], &["2:1 c", "2:3 d"], &["4:1 e", "4:3 f"]];
        for line_end in ["\n", "\r\n", "\r"] {
            check(&["a,b", "c,d", "", "e,f", ""].join(line_end), rows);
            check(&["a,b", "c,d", " , ,\"\",,,,,,", "e,f"].join(line_end), rows);
        }
        check("\u{feff}\r\na", &[&["2:1 a"]]);
        // A second mark is a letter that nobody sees, and no cell expects.
        check("\u{feff}\u{feff}a,b", &[&["1:1 \u{feff}a", "1:4 b"]]);
        check("\n\u{feff}", &[&["2:1 \u{feff}"]]);
        check("\"a\r\nb\",c\r\nd", &[&["1:2 a\r\nb", "2:4 c"], &["3:1 d"]]);
    }

    #[test]
    fn rows_may_be_of_any_length() {
        check(
            "a\nb,c\nd,e,f,g,h,i,j\n",
            &[&["1:1 a"], &["2:1 b", "2:3 c"], &["3:1 d", "3:3 e", "3:5 f", "3:7 g", "3:9 h", "3:11 i", "3:13 j"]],
        );
        check("a,", &[&["1:1 a", "1:3 "]]);
        check("", &[]);
        check(" ", &[]);
        check(&format!("a{}\n", ",".repeat(1000)), &[&["1:1 a", "1:3 ", "1:4 ", "1:5 ", "1:6 ", "1:7 ", "1:8 "]]);
        let cells = ["1:1 a", "1:3 ", "1:5 ", "1:7 ", "1:9 ", "1:11 ", "1:13 ", "1:20 b"];
        check(&format!("a{}b, c\n", ", ".repeat(9)), &[&cells]);
    }

    #[test]
    fn quotes_that_are_not_closed_are_refused() {
        check_error("a,\"b\nc,d\n", "1:3 expected a second quote");
        check_error("\"", "1:1 expected a second quote");
        check_error("a,\"b\"\"\n", "1:3 expected a second quote");
        check_error("a\n\"b\" c,d", "2:5 expected a comma after the quote, found `c`");
        check("a,\"b\" \nc", &[&["1:1 a", "1:4 b"], &["2:1 c"]]);
    }

    #[test]
    fn places_inside_a_cell_count_what_stands_in_the_file() {
        let text = "1,\" a\"\"b\r\nc\",(A, B)";
        let row = Rows::new(text).next_row().expect("no error").expect("one row");
        let place = |cell: usize, column| row.cells[cell].place_of_column(column);
        let on = |line, column| Position { line, column };
        assert_eq!(row.cells[1].text, " a\"b\r\nc");
        assert_eq!(
            [1, 2, 3, 4, 7, 8, 99].map(|column| place(1, column)),
            [on(1, 4), on(1, 5), on(1, 6), on(1, 8), on(2, 1), on(2, 2), on(2, 2)]
        );
        assert_eq!([1, 3, 4].map(|column| place(2, column)), [on(2, 4), on(2, 6), on(2, 6)]);
    }

    #[test]
    fn a_cell_that_a_comma_cut_short_is_told_of_quotes() {
        let row = Rows::new("(A, (B)\n").next_row().expect("no error").expect("one row");
        let at = |column| ParseError { column, message: "wrong".into() };
        assert!(row.cells[0].fault(at(3)).message.ends_with("needs quotes around it"));
        assert_eq!(row.cells[0].fault(at(2)).message, "wrong");
        assert_eq!(row.cells[1].fault(at(9)).message, "wrong");
    }
}
