//! Makes sets of a file's rows.

use std::collections::BTreeMap;

use super::cells::{Cell, Fault, Position, Row, Rows};
use super::header::{Column, read_header};
use super::nodes::{column_of_node, column_of_part, read_attacks, read_nodes};
use super::transaction::read_transactions;
use super::{Certainty, Clause, Demand, MAX_SETS, MAX_TRANSACTIONS, Set, Transaction};
use crate::attack::Directive;
use crate::committee::Committee;
use crate::types::{ReplicaId, ReplicaSet};

/// The sets of a text, in its order, and the committee that they run in: the one given or, if none is, the smallest of
/// n = 3f+1 that has every node the text names.
pub(super) fn read_sets(text: &str, given: Option<Committee>) -> Result<(Committee, Vec<Set>), Fault> {
    let mut rows = Rows::new(text);
    let mut reading = Reading::default();
    while let Some(row) = rows.next_row()? {
        if reading.columns.is_empty() {
            if let Some(columns) = read_header(&row)? {
                reading.columns = columns;
                continue;
            }
            reading.columns = Column::all();
        }
        reading.read_row(&row)?;
    }
    reading.check_last_set()?;
    let Some((largest, at)) = reading.largest else {
        return Err(Fault::new(rows.at, "expected a set, such as `1,\"(A, B, 1)\",\"[n1, n2, n3, n4]\",[],[]`"));
    };
    let committee = given.or_else(|| Committee::smallest_with(largest)).expect("names end at the largest committee");
    if !committee.contains(largest) {
        return Err(Fault::new(at, format!("{largest} is not in a cluster of {} replicas", committee.size())));
    }
    reading.check_beyond(committee)?;
    Ok((committee, reading.sets.into_iter().map(|open| open.set).collect()))
}

/// What has been read of a file.
#[derive(Default)]
struct Reading {
    /// Which column is where; empty before the first row.
    columns: Vec<Column>,
    /// At most [`MAX_SETS`].
    sets: Vec<Described>,
    /// Each set's number and the last line on which it stands.
    last_lines: BTreeMap<u32, usize>,
    /// The largest node that is named, and where it is named first.
    largest: Option<(ReplicaId, Position)>,
}

/// A set, and where the parts of it stand that can only be judged later.
struct Described {
    set: Set,
    at: Position,
    expect_at: Position,
}

impl Reading {
    /// Reads from left to right, so that the first thing that is wrong is what is said.
    fn read_row(&mut self, row: &Row<'_>) -> Result<(), Fault> {
        let number = self.cell(row, Column::SetNumber).map(read_number).transpose()?;
        let current = self.sets.last().map(|last| last.set.number);
        let Some(number) = number.or(current) else {
            return Err(Fault::new(row.place_of_cell(0), "expected the number of a set, found nothing"));
        };
        let cell = self.cell(row, Column::Transactions);
        let read = |cell: &Cell<'_>| read_transactions(&cell.text).map_err(|error| cell.fault(error));
        let transactions: Vec<Transaction> = cell.map(read).transpose()?.unwrap_or_default();
        match current == Some(number) {
            true => self.check_repeated(row)?,
            false => self.begin_set(number, row)?,
        }
        self.check_width(row)?;
        self.last_lines.insert(number, row.line);
        let last = self.sets.last_mut().expect("a set has begun");
        if last.set.transactions.len() + transactions.len() > MAX_TRANSACTIONS {
            let message = format!("set {number} has more than {MAX_TRANSACTIONS} transactions");
            return Err(Fault::new(cell.map_or(last.at, Cell::start), message));
        }
        last.set.transactions.extend(transactions);
        Ok(())
    }

    /// The cell of a column, if it says anything.
    fn cell<'r, 'a>(&self, row: &'r Row<'a>, column: Column) -> Option<&'r Cell<'a>> {
        self.columns.iter().position(|known| *known == column).and_then(|index| row.cell(index))
    }

    /// Whether a row has a cell of a column, whatever that says.
    fn has_cell(&self, row: &Row<'_>, column: Column) -> bool {
        self.columns.iter().position(|known| *known == column).is_some_and(|index| index < row.cells.len())
    }

    fn check_width(&self, row: &Row<'_>) -> Result<(), Fault> {
        let beyond = row.cells.iter().skip(self.columns.len()).find(|cell| !cell.is_blank());
        match (beyond, self.columns.last()) {
            (Some(cell), Some(last)) => {
                let found = cell.text.trim();
                Err(Fault::new(cell.start(), format!("expected nothing after the column `{last}`, found `{found}`")))
            }
            _ => Ok(()),
        }
    }

    /// The first row of a set describes it.
    fn begin_set(&mut self, number: u32, row: &Row<'_>) -> Result<(), Fault> {
        self.check_last_set()?;
        let at = row.place_of_cell(0);
        if let Some(line) = self.last_lines.get(&number) {
            return Err(Fault::new(at, format!("set {number} has ended at line {line}: its rows stand together")));
        }
        if self.sets.len() == MAX_SETS {
            return Err(Fault::new(at, format!("more than {MAX_SETS} sets")));
        }
        let (live, byzantine) = (self.cell(row, Column::Live), self.cell(row, Column::Byzantine));
        let nodes = live.map(|cell| self.read_nodes(cell)).transpose()?.unwrap_or_default();
        let live: ReplicaSet = nodes.iter().map(|(node, _)| *node).collect();
        if live.is_empty() {
            let index = self.columns.iter().position(|column| *column == Column::Live).unwrap_or(self.columns.len());
            let message = format!("expected the nodes that run in set {number}, such as `[n1, n2, n3, n4]`");
            return Err(Fault::new(row.place_of_cell(index), message));
        }
        let nodes = byzantine.map(|cell| self.read_nodes(cell)).transpose()?.unwrap_or_default();
        if let Some((stranger, at)) = nodes.iter().find(|(node, _)| !live.contains(*node)) {
            return Err(Fault::new(*at, format!("{stranger} is Byzantine and not live: a node that lies has to run")));
        }
        let byzantine = nodes.iter().map(|(node, _)| *node).collect();
        let attack = self.cell(row, Column::Attack);
        let attack = attack.map(|cell| self.read_attacks(cell, byzantine)).transpose()?;
        let is_assumed = attack.is_none() && !byzantine.is_empty() && !self.has_cell(row, Column::Attack);
        let attack = match is_assumed {
            true => assumed(),
            false => attack.unwrap_or_default(),
        };
        let expect = self.cell(row, Column::Expect);
        let expect_at = expect.map_or(at, Cell::start);
        let expect = expect.map(|cell| self.read_expect(cell, byzantine)).transpose()?;
        let note = self.cell(row, Column::Note).map(note_of).unwrap_or_default();
        let transactions = Vec::new();
        let set = Set { number, line: row.line, transactions, live, byzantine, attack, is_assumed, expect, note };
        self.sets.push(Described { set, at, expect_at });
        Ok(())
    }

    /// The later rows of a set say nothing else of it than its first.
    fn check_repeated(&mut self, row: &Row<'_>) -> Result<(), Fault> {
        let described = self.sets.pop().expect("a set has begun");
        let checked = self.check_same(row, &described.set);
        self.sets.push(described);
        checked
    }

    fn check_same(&mut self, row: &Row<'_>, set: &Set) -> Result<(), Fault> {
        for (column, nodes) in [(Column::Live, set.live), (Column::Byzantine, set.byzantine)] {
            if let Some(cell) = self.cell(row, column) {
                let again: ReplicaSet = self.read_nodes(cell)?.into_iter().map(|(node, _)| node).collect();
                expect_same(again == nodes, cell, column, set)?;
            }
        }
        if let Some(cell) = self.cell(row, Column::Attack) {
            let again = self.read_attacks(cell, set.byzantine)?;
            expect_same(again == set.attack, cell, Column::Attack, set)?;
        }
        if let Some(cell) = self.cell(row, Column::Expect) {
            let again = self.read_expect(cell, set.byzantine)?;
            expect_same(set.expect.as_ref() == Some(&again), cell, Column::Expect, set)?;
        }
        if let Some(cell) = self.cell(row, Column::Note) {
            expect_same(note_of(cell) == set.note, cell, Column::Note, set)?;
        }
        Ok(())
    }

    fn read_nodes(&mut self, cell: &Cell<'_>) -> Result<Vec<(ReplicaId, Position)>, Fault> {
        let nodes = read_nodes(&cell.text).map_err(|error| cell.fault(error))?;
        let placed = nodes.into_iter().map(|(node, column)| (node, cell.place_of_column(column)));
        placed.map(|(node, at)| self.note_node(node, || at).map(|()| (node, at))).collect()
    }

    fn read_attacks(&mut self, cell: &Cell<'_>, byzantine: ReplicaSet) -> Result<Vec<Directive>, Fault> {
        let directives = read_attacks(&cell.text, byzantine).map_err(|error| cell.fault(error))?;
        for node in directives.iter().flat_map(|directive| directive.attack.victims().iter()) {
            self.note_node(node, || cell.place_of_column(column_of_node(&cell.text, node)))?;
        }
        Ok(directives)
    }

    fn read_expect(&mut self, cell: &Cell<'_>, byzantine: ReplicaSet) -> Result<Demand, Fault> {
        let demand: Demand = cell.text.parse().map_err(|error| cell.fault(error))?;
        let Demand::Clauses(clauses) = &demand else { return Ok(demand) };
        for (index, clause) in clauses.iter().enumerate() {
            let Clause::Evidence(certainty, accused) = clause else { continue };
            self.note_node(*accused, || cell.place_of_column(column_of_node(&cell.text, *accused)))?;
            if *certainty == Certainty::Proof && !byzantine.contains(*accused) {
                let at = cell.place_of_column(column_of_part(&cell.text, index));
                let message =
                    format!("{accused} is not Byzantine in this set: a proof against it would be a violation");
                return Err(Fault::new(at, message));
            }
        }
        Ok(demand)
    }

    /// Remembers the largest node and where it is, which is looked for only then.
    fn note_node(&mut self, node: ReplicaId, at: impl FnOnce() -> Position) -> Result<(), Fault> {
        if Committee::smallest_with(node).is_none() {
            let message = format!("{node}: a cluster has at most {} replicas", Committee::MAX_REPLICAS);
            return Err(Fault::new(at(), message));
        }
        if self.largest.is_none_or(|(largest, _)| node > largest) {
            self.largest = Some((node, at()));
        }
        Ok(())
    }

    /// Whether the set that ends here is whole.
    fn check_last_set(&self) -> Result<(), Fault> {
        match self.sets.last() {
            Some(Described { set, at, .. }) if set.transactions.is_empty() => {
                Err(Fault::new(*at, format!("expected a transaction in set {}, found none", set.number)))
            }
            _ => Ok(()),
        }
    }

    /// `beyond` judges nothing, so it is not to be had where something can be judged.
    fn check_beyond(&self, committee: Committee) -> Result<(), Fault> {
        let is_wrong = |set: &Set| set.expect == Some(Demand::Beyond) && !set.is_beyond(committee);
        match self.sets.iter().find(|described| is_wrong(&described.set)) {
            Some(Described { set, expect_at, .. }) => {
                let (number, liars, faulty) = (set.number, set.byzantine.len(), committee.faulty());
                let message = format!(
                    "expected more than f = {faulty} Byzantine nodes for `beyond`, found {liars} in set {number}"
                );
                Err(Fault::new(*expect_at, message))
            }
            None => Ok(()),
        }
    }
}

/// What Byzantine nodes do in a file that has no column for it: in the lab of 2024, where files had none, they withhold their votes.
fn assumed() -> Vec<Directive> {
    crate::attack::parse("withhold(prepare); withhold(commit)").expect("it is written in the attack language")
}

fn read_number(cell: &Cell<'_>) -> Result<u32, Fault> {
    let text = cell.text.trim();
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()).then_some(text);
    let number = digits.and_then(|digits| digits.parse().ok());
    number.ok_or_else(|| {
        Fault::new(cell.start(), format!("expected the number of a set, a whole number below 2^32, found `{text}`"))
    })
}

/// Whether a later row of a set says of it what its first row says.
fn expect_same(is_same: bool, cell: &Cell<'_>, column: Column, first: &Set) -> Result<(), Fault> {
    if is_same {
        return Ok(());
    }
    let (number, line, found) = (first.number, first.line, cell.text.trim());
    let message = format!("expected the column `{column}` of set {number} as in line {line} or empty, found `{found}`");
    Err(Fault::new(cell.start(), message))
}

fn note_of(cell: &Cell<'_>) -> String {
    cell.text.trim().to_string()
}
