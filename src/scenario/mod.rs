//! Test cases: what clients ask for, who runs, who lies and how, and what should come of it. **No I/O here**: a file's
//! bytes go in, sets come out; whoever runs them brings what was found back to be judged.
//!
//! ```text
//! Set Number,Transactions,Live,Byzantine,Attack,Expect,Note
//! 1,"(A, B, 1)","[n1, n2, n3, n4]",[],[],commits; A=9; view=0,everybody is honest
//! ,"(B, C, 2)",,,,,
//! ,(C),,,,,
//! 2,"(A, J, 1)","[n1, n2, n3, n4]",[n1],[crash],view>=1,the first primary is silent
//! ```
//!
//! The format is that of a well-known university lab; `Expect` and `Note` are ours. An empty first cell continues the
//! set. Its first row describes it, and later rows repeat that or leave it out.
//!
//! | column | what it says |
//! |---|---|
//! | Set Number | which set: whole numbers in any order, each set's rows together |
//! | Transactions | a [`Transaction`]: `(X, Y, v)` pays, `(X)` asks for a balance, all six operations have names too; or several with `;` between them |
//! | Live | all nodes that run, Byzantine ones included |
//! | Byzantine | those of them that may lie; with an empty attack they behave, in a file without that column they withhold their votes |
//! | Attack | what they do, in the language of [`crate::attack`]; [`Set::attacks_of`] says who does what |
//! | Expect | what should come of it ([`Demand`]); without it, what follows from q and f ([`Set::expectation`]) |
//! | Note | a line on what the set shows |
//!
//! What real files contain is read: a byte order mark, CR LF, blank lines, rows too short or with empty cells too many,
//! any cell in quotes, spaces or none, no header, `S3` or `3` for `n3`, a set number repeated on each row, no trailing
//! columns, `Live Nodes`, `Byzantine Servers` or `Attack Type` as names of columns. All else is a [`ScenarioError`], which says where it is and what was expected, and no set is read at all.
//!
//! | read | for |
//! |---|---|
//! | `cells`, `header`, `file` | bytes to rows to sets |
//! | `cursor`, `transaction`, `nodes`, `expect` | what stands in the cells |
//! | `derive` | what should come of a set that does not say so |
//! | `found`, `judge` | what came of it, and whether that is as it should be |

mod cells;
mod cursor;
mod derive;
mod expect;
mod file;
mod found;
mod header;
mod judge;
mod nodes;
mod transaction;

use thiserror::Error;

pub use derive::{Expectation, Origin};
pub use expect::{BalanceIs, Clause, Comparison, Demand, Holding, Table};
pub use found::{Accusation, Answer, Balances, Certainty, Found, Outcome, Standing};
pub use judge::{Ruling, Verdict, judge};
pub use transaction::Transaction;

use self::cells::{Fault, Position};
use crate::attack::Directive;
use crate::committee::Committee;
use crate::types::ReplicaSet;

/// How many customers the bank has: A to J.
pub const ACCOUNTS: u32 = 10;

/// What each of them has in checking when a set begins.
pub const INITIAL_CHECKING: i64 = 10;

/// What each of them has in savings when a set begins.
pub const INITIAL_SAVINGS: i64 = 0;

/// The longest file that is read.
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// The most sets in a file.
pub const MAX_SETS: usize = 1000;

/// The most transactions in a set.
pub const MAX_TRANSACTIONS: usize = 1000;

/// What a file says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CaseFile {
    /// The cluster that its sets run in. Nodes that are not live in a set are members all the same.
    pub committee: Committee,
    /// The sets, in the order of the file; at least one and at most [`MAX_SETS`].
    pub sets: Vec<Set>,
}

/// One test case: it runs by itself, on fresh state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Set {
    /// Its number, which no other set of the file has.
    pub number: u32,
    /// The line on which it begins, counted from 1.
    pub line: usize,
    /// What clients ask for, in order; at least one and at most [`MAX_TRANSACTIONS`].
    pub transactions: Vec<Transaction>,
    /// The nodes that run; at least one.
    pub live: ReplicaSet,
    /// Those of them that may lie.
    pub byzantine: ReplicaSet,
    /// What they do, as the file has it. [`Set::attacks_of`] says who does what.
    pub attack: Vec<Directive>,
    /// Whether the file has no word on what they do, so that it is assumed.
    pub is_assumed: bool,
    /// What the file expects, if it says so. [`Set::expectation`] knows what is to be expected otherwise.
    pub expect: Option<Demand>,
    /// What the set shows; empty if the file does not say.
    pub note: String,
}

/// What is wrong with a file, and where.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct ScenarioError {
    /// The file, as it was called.
    pub file: String,
    /// The line, counted from 1.
    pub line: usize,
    /// The character of the line, counted from 1.
    pub column: usize,
    /// What is wrong, and what was expected.
    pub message: String,
}

/// Reads a file of test cases. `name` is what errors call it.
///
/// The cluster is `committee` or, if none is given, the smallest of n = 3f+1 ≥ 4 that has every node the file names.
///
/// # Errors
///
/// The first thing in the file that is not as it should be, and then nothing of it is to be run.
///
/// ```
/// use byztop_core::scenario;
///
/// let text = "1,\"(A, B, 1)\",\"[n1, n2, n3, n4]\",[n4],[crash]\n,(B),,,\n";
/// let file = scenario::read("cases.csv", text.as_bytes(), None).unwrap();
/// assert_eq!((file.committee.size(), file.sets.len()), (4, 1));
/// assert_eq!(file.sets[0].expectation(file.committee).to_string(), "commits (derived)");
///
/// let error = scenario::read("cases.csv", b"1,(A;B),[n1],,", None).unwrap_err();
/// assert_eq!(error.to_string(), "cases.csv:1:5: expected `(X, Y, amount)` or `(X)`, found `;`");
/// ```
pub fn read(name: &str, bytes: &[u8], committee: Option<Committee>) -> Result<CaseFile, ScenarioError> {
    let read = check_text(bytes).and_then(|text| file::read_sets(text, committee));
    let (committee, sets) = read.map_err(|Fault { at: Position { line, column }, message }| ScenarioError {
        file: name.to_string(),
        line,
        column,
        message,
    })?;
    Ok(CaseFile { committee, sets })
}

/// The bytes as text.
fn check_text(bytes: &[u8]) -> Result<&str, Fault> {
    if bytes.len() > MAX_FILE_BYTES {
        let message = format!("expected a file of at most {MAX_FILE_BYTES} bytes, found {}", bytes.len());
        return Err(Fault::new(Position::START, message));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let (valid, rest) = bytes.split_at(error.valid_up_to());
        let at = Position::START.after(std::str::from_utf8(valid).expect("it is valid up to there"));
        Fault::new(at, format!("expected text in UTF-8, found the byte {:#04x}", rest[0]))
    })
}

#[cfg(test)]
mod tests;
