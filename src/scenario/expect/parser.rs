//! Reads demands. What it refuses it explains, with a column.

use std::str::FromStr;

use super::{BalanceIs, Clause, Comparison, Demand, Holding, Table};
use crate::app::smallbank::Account;
use crate::attack::ParseError;
use crate::scenario::ACCOUNTS;
use crate::scenario::cursor::{Cursor, Word};
use crate::scenario::found::Certainty;
use crate::types::View;

impl FromStr for Demand {
    type Err = ParseError;

    /// # Errors
    ///
    /// The first thing that is wrong, with its column: an unknown word, a clause said twice or against another, a
    /// `beyond` or `reports` that does not stand alone, more than [`Demand::MAX_CLAUSES`].
    fn from_str(text: &str) -> Result<Demand, ParseError> {
        const CLAUSE: &str = "a clause: commits, stalls, A=9, A.savings=3, view=0, view>=1, failed(1), proof(n1), \
                              attested(n1), suspected(n1), or by itself reports or beyond";
        let mut cursor = Cursor::new(text);
        let mut clauses = Vec::new();
        loop {
            let word = cursor.expect_word(CLAUSE)?;
            let lone = match word.text.to_ascii_lowercase().as_str() {
                "beyond" => Some(Demand::Beyond),
                "reports" => Some(Demand::Reports),
                _ => None,
            };
            if let Some(demand) = lone {
                if !clauses.is_empty() {
                    return Err(cursor.error_at(word.at, format!("`{demand}` stands by itself")));
                }
                cursor.eat(";");
                return cursor.expect_end(&format!("nothing more, as `{demand}` stands by itself")).map(|()| demand);
            }
            let clause = read_clause(&mut cursor, word, CLAUSE)?;
            check_beside(&clauses, &clause).map_err(|message| cursor.error_at(word.at, message))?;
            clauses.push(clause);
            if !cursor.eat(";") {
                cursor.expect_end("`;` before the next clause, or the end")?;
            }
            if cursor.is_at_end() {
                return Ok(Demand::Clauses(clauses));
            }
        }
    }
}

/// Whether a clause can stand beside those before it.
fn check_beside(earlier: &[Clause], clause: &Clause) -> Result<(), String> {
    let opposite = match clause {
        Clause::Commits => Some(Clause::Stalls),
        Clause::Stalls => Some(Clause::Commits),
        _ => None,
    };
    if let Some(opposite) = opposite.filter(|opposite| earlier.contains(opposite)) {
        return Err(format!("`{clause}` and `{opposite}` can not both be so"));
    }
    if earlier.contains(clause) {
        return Err(format!("`{clause}` is said twice"));
    }
    if earlier.len() == Demand::MAX_CLAUSES {
        return Err(format!("more than {} clauses", Demand::MAX_CLAUSES));
    }
    Ok(())
}

fn read_clause(cursor: &mut Cursor<'_>, word: Word<'_>, expected: &str) -> Result<Clause, ParseError> {
    let name = word.text.to_ascii_lowercase();
    if let Some(certainty) = Certainty::ALL.into_iter().find(|certainty| certainty.label() == name) {
        let form = format!("`{certainty}(n1)`");
        cursor.expect("(", &form)?;
        let accused = cursor.expect_word(&form)?;
        let accused = cursor.node(accused)?;
        return cursor.expect(")", &form).map(|()| Clause::Evidence(certainty, accused));
    }
    match name.as_str() {
        "commits" => Ok(Clause::Commits),
        "stalls" => Ok(Clause::Stalls),
        "failed" => {
            cursor.expect("(", "`failed(1)`")?;
            let count = cursor.count("`failed(1)`")?;
            cursor.expect(")", "`failed(1)`").map(|()| Clause::Failed(count))
        }
        "view" => {
            let Some(comparison) = Comparison::ALL.into_iter().find(|comparison| cursor.eat(comparison.sign())) else {
                return Err(cursor.unexpected("`view=0`, `view>=1` or `view<=1`"));
            };
            Ok(Clause::View(comparison, View(cursor.count("a view")?)))
        }
        _ if Account::parse(word.text, ACCOUNTS).is_none() => Err(cursor.wrong(word, expected)),
        _ => read_alternatives(cursor, word).map(Clause::Balances),
    }
}

fn read_alternatives(cursor: &mut Cursor<'_>, first: Word<'_>) -> Result<Vec<Vec<BalanceIs>>, ParseError> {
    let mut alternatives = vec![read_balances(cursor, first)?];
    while cursor.eat_word("or") {
        let word = cursor.expect_word("a balance, such as `A=9`")?;
        if alternatives.len() == Demand::MAX_CLAUSES {
            return Err(cursor.error_at(word.at, format!("more than {} alternatives", Demand::MAX_CLAUSES)));
        }
        alternatives.push(read_balances(cursor, word)?);
    }
    Ok(alternatives)
}

fn read_balances(cursor: &mut Cursor<'_>, first: Word<'_>) -> Result<Vec<BalanceIs>, ParseError> {
    let mut balances: Vec<BalanceIs> = Vec::new();
    let mut word = first;
    loop {
        let balance = read_balance(cursor, word)?;
        if balances.iter().any(|earlier| earlier.holding == balance.holding) {
            return Err(cursor.error_at(word.at, format!("`{}` is in the list twice", balance.holding)));
        }
        balances.push(balance);
        if !cursor.eat(",") {
            return Ok(balances);
        }
        word = cursor.expect_word("a balance, such as `A=9`")?;
    }
}

fn read_balance(cursor: &mut Cursor<'_>, word: Word<'_>) -> Result<BalanceIs, ParseError> {
    let account = cursor.customer(word)?;
    let mut table = Table::Checking;
    if cursor.eat(".") {
        if !cursor.eat_word("savings") {
            return Err(cursor.unexpected("`savings`; checking is written without a name, as in `A=9`"));
        }
        table = Table::Savings;
    }
    cursor.expect("=", "`A=9` or `A.savings=3`")?;
    Ok(BalanceIs { holding: Holding { account, table }, amount: cursor.amount("an amount, such as `A=9`")? })
}
