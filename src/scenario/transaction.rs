//! What a client asks for, as a cell of a test case has it.

use std::fmt;
use std::str::FromStr;

use super::ACCOUNTS;
use super::cursor::Cursor;
use crate::app::smallbank::{Account, Operation};
use crate::attack::ParseError;
use crate::types::ClientId;

/// One SmallBank operation of the customers A to J.
///
/// Payments and balances are written without a name, as the lab has them; all six operations may be written out, in
/// either case. Written by [`Display`](fmt::Display), a transaction reads back as itself.
///
/// ```
/// use byztop_core::scenario::Transaction;
///
/// let transaction: Transaction = "send_payment( a,b, 3 )".parse().unwrap();
/// assert_eq!(transaction.to_string(), "(A, B, 3)");
/// assert_eq!("(C)".parse::<Transaction>().unwrap().operation().name(), "balance");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transaction {
    /// Its customers are among the [`ACCOUNTS`].
    operation: Operation,
}

/// How a transaction without a name is written.
const SHORT: &str = "`(X, Y, amount)` or `(X)`";

/// How each operation is written out, in the order of [`Operation::NAMES`].
const FORMS: [&str; 6] = [
    "`BALANCE(X)`",
    "`DEPOSIT_CHECKING(X, amount)`",
    "`TRANSACT_SAVINGS(X, amount)`",
    "`AMALGAMATE(X, Y)` or `AMALGAMATE(X)`",
    "`WRITE_CHECK(X, amount)`",
    "`SEND_PAYMENT(X, Y, amount)`",
];

impl Transaction {
    /// What the bank is asked to do.
    pub fn operation(&self) -> Operation {
        self.operation
    }

    /// The customer whom it is about, or who pays.
    pub fn customer(&self) -> Account {
        match self.operation {
            Operation::Balance { account }
            | Operation::DepositChecking { account, .. }
            | Operation::TransactSavings { account, .. }
            | Operation::WriteCheck { account, .. } => account,
            Operation::Amalgamate { from, .. } | Operation::SendPayment { from, .. } => from,
        }
    }

    /// Who submits it: each customer is a client, A the first.
    pub fn client(&self) -> ClientId {
        ClientId(u16::try_from(self.customer().0).expect("there are ten customers"))
    }

    /// Whether the bank holds as much after it as before, whatever comes of it.
    pub fn keeps_the_total(&self) -> bool {
        matches!(
            self.operation,
            Operation::Balance { .. } | Operation::SendPayment { .. } | Operation::Amalgamate { .. }
        )
    }
}

/// Reads the transactions of a cell: one, or several with `;`, a comma or a line end between them, in brackets or without.
///
/// # Errors
///
/// As for one transaction, with the column in the whole text.
pub(super) fn read_transactions(text: &str) -> Result<Vec<Transaction>, ParseError> {
    let mut transactions = Vec::new();
    for (begins, part) in parts(text) {
        let before = text[..begins].chars().count();
        let transaction = part.parse::<Transaction>();
        transactions.push(transaction.map_err(|error| ParseError { column: before + error.column, ..error })?);
    }
    Ok(transactions)
}

/// The parts of a cell, each with the byte at which it begins. What stands within parentheses is never parted; a cell in which
/// something is wrong with those is one part, and says so itself.
fn parts(text: &str) -> Vec<(usize, &str)> {
    let inner = text.trim();
    let (begins, inner) = match inner.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(listed) => (text.len() - text.trim_start().len() + 1, listed),
        None => (0, text),
    };
    let (mut parts, mut depth, mut from) = (Vec::new(), 0i32, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth -= 1,
            ';' | ',' | '\n' | '\r' if depth == 0 => {
                parts.push((begins + from, &inner[from..at]));
                from = at + 1;
            }
            _ => {}
        }
    }
    if depth != 0 {
        return vec![(0, text)];
    }
    parts.push((begins + from, &inner[from..]));
    // A sign at the end, or two line ends, part nothing from nothing.
    if parts.len() > 1 {
        parts.retain(|(_, part)| !part.trim().is_empty());
    }
    parts
}

impl FromStr for Transaction {
    type Err = ParseError;

    /// # Errors
    ///
    /// The first thing that is wrong, with its column: an unknown operation or customer, an amount that is no whole
    /// number, a sign that is missing or superfluous.
    fn from_str(text: &str) -> Result<Transaction, ParseError> {
        let mut cursor = Cursor::new(text);
        let name = cursor.word();
        if name.text.is_empty() {
            cursor.expect("(", &format!("{SHORT} or an operation such as {}", FORMS[4]))?;
            return Arguments { cursor, form: SHORT }.unnamed();
        }
        let known = Operation::NAMES.iter().position(|known| known.eq_ignore_ascii_case(name.text));
        let Some(index) = known else {
            let names = Operation::NAMES.map(str::to_uppercase).join(", ");
            return Err(cursor.wrong(name, &format!("{SHORT} or an operation ({names})")));
        };
        cursor.expect("(", FORMS[index])?;
        Arguments { cursor, form: FORMS[index] }.named(Operation::NAMES[index])
    }
}

/// What stands in the parentheses, of which the first is read, and how the whole should look.
struct Arguments<'a> {
    cursor: Cursor<'a>,
    form: &'static str,
}

impl Arguments<'_> {
    fn unnamed(mut self) -> Result<Transaction, ParseError> {
        let from = self.customer()?;
        if self.cursor.eat(")") {
            return self.end(Operation::Balance { account: from });
        }
        let to = self.comma()?.customer()?;
        let amount = self.comma()?.amount()?;
        self.close(Operation::SendPayment { from, to, amount })
    }

    fn named(mut self, name: &str) -> Result<Transaction, ParseError> {
        let account = self.customer()?;
        let operation = match name {
            "balance" => Operation::Balance { account },
            "deposit_checking" => Operation::DepositChecking { account, amount: self.comma()?.amount()? },
            "transact_savings" => Operation::TransactSavings { account, amount: self.comma()?.amount()? },
            "amalgamate" => {
                let to = if self.cursor.eat(",") { Some(self.customer()?) } else { None };
                Operation::Amalgamate { from: account, to }
            }
            "write_check" => Operation::WriteCheck { account, amount: self.comma()?.amount()? },
            "send_payment" => {
                let to = self.comma()?.customer()?;
                Operation::SendPayment { from: account, to, amount: self.comma()?.amount()? }
            }
            other => unreachable!("an operation of SmallBank has no form here: {other}"),
        };
        self.close(operation)
    }

    fn comma(&mut self) -> Result<&mut Self, ParseError> {
        self.cursor.expect(",", self.form)?;
        Ok(self)
    }

    fn customer(&mut self) -> Result<Account, ParseError> {
        let word = self.cursor.expect_word(self.form)?;
        self.cursor.customer(word)
    }

    fn amount(&mut self) -> Result<i64, ParseError> {
        self.cursor.amount(self.form)
    }

    fn close(mut self, operation: Operation) -> Result<Transaction, ParseError> {
        self.cursor.expect(")", self.form)?;
        self.end(operation)
    }

    fn end(mut self, operation: Operation) -> Result<Transaction, ParseError> {
        self.cursor.expect_end("one transaction and then the end")?;
        Ok(Transaction { operation })
    }
}

impl fmt::Display for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.operation.name().to_uppercase();
        let letter = |account: Account| account.name(ACCOUNTS);
        match self.operation {
            Operation::Balance { account } => write!(f, "({})", letter(account)),
            Operation::DepositChecking { account, amount }
            | Operation::TransactSavings { account, amount }
            | Operation::WriteCheck { account, amount } => write!(f, "{name}({}, {amount})", letter(account)),
            Operation::Amalgamate { from, to: None } => write!(f, "{name}({})", letter(from)),
            Operation::Amalgamate { from, to: Some(to) } => write!(f, "{name}({}, {})", letter(from), letter(to)),
            Operation::SendPayment { from, to, amount } => write!(f, "({}, {}, {amount})", letter(from), letter(to)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::app::smallbank::any_operation;

    #[track_caller]
    fn check(text: &str, canonical: &str, client: u16) {
        let transaction: Transaction = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!((transaction.to_string().as_str(), transaction.client().0), (canonical, client), "{text}");
    }

    #[track_caller]
    fn check_error(text: &str, expected: &str) {
        let error = text.parse::<Transaction>().expect_err(text);
        assert_eq!(error.to_string(), expected, "{text}");
    }

    #[test]
    fn transactions_are_read_in_all_their_forms() {
        check("(A, B, 1)", "(A, B, 1)", 0);
        check("  ( j ,b,1 ) ", "(J, B, 1)", 9);
        check("(C)", "(C)", 2);
        check("Balance (C)", "(C)", 2);
        check("send_payment(A,B,3)", "(A, B, 3)", 0);
        check("WRITE_CHECK(B, 5)", "WRITE_CHECK(B, 5)", 1);
        check("Deposit_Checking(A,4)", "DEPOSIT_CHECKING(A, 4)", 0);
        check("TRANSACT_SAVINGS(A, -3)", "TRANSACT_SAVINGS(A, -3)", 0);
        check("AMALGAMATE(A, B)", "AMALGAMATE(A, B)", 0);
        check("AMALGAMATE(D)", "AMALGAMATE(D)", 3);
        check("(A, A, -9223372036854775808)", "(A, A, -9223372036854775808)", 0);
    }

    #[test]
    fn what_is_wrong_is_said_where_it_is() {
        check_error("(A; B, 1)", "column 3: expected `(X, Y, amount)` or `(X)`, found `;`");
        check_error("(A, B)", "column 6: expected `(X, Y, amount)` or `(X)`, found `)`");
        check_error("(A, B, 1", "column 9: expected `(X, Y, amount)` or `(X)`, found the end");
        check_error("()", "column 2: expected `(X, Y, amount)` or `(X)`, found `)`");
        check_error("(A, K, 1)", "column 5: expected a customer, A to J, found `K`");
        check_error("(A, B, x)", "column 8: expected an amount, a whole number of 64 bits, found `x`");
        check_error("(A) (B)", "column 5: expected one transaction and then the end, found `(`");
        check_error("WRITE_CHECK(A)", "column 14: expected `WRITE_CHECK(X, amount)`, found `)`");
        check_error("WRITE_CHECK A", "column 13: expected `WRITE_CHECK(X, amount)`, found `A`");
        check_error("AMALGAMATE(A, B, 3)", "column 16: expected `AMALGAMATE(X, Y)` or `AMALGAMATE(X)`, found `,`");
        let operations = "(BALANCE, DEPOSIT_CHECKING, TRANSACT_SAVINGS, AMALGAMATE, WRITE_CHECK, SEND_PAYMENT)";
        check_error(
            "PAY(A, B, 1)",
            &format!("column 1: expected `(X, Y, amount)` or `(X)` or an operation {operations}, found `PAY`"),
        );
        check_error(
            "[A]",
            "column 1: expected `(X, Y, amount)` or `(X)` or an operation such as `WRITE_CHECK(X, amount)`, found `[`",
        );
    }

    #[test]
    fn every_operation_has_its_own_form() {
        for (name, form) in Operation::NAMES.iter().zip(FORMS) {
            assert!(form.starts_with(&format!("`{}(", name.to_uppercase())), "{name}: {form}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_itself(operation in any_operation(ACCOUNTS)) {
            let transaction = Transaction { operation };
            prop_assert_eq!(transaction.to_string().parse(), Ok(transaction));
        }

        #[test]
        fn no_text_panics(text in prop_oneof!["\\PC*", "[A-K(), 0-9;_-]{0,20}", "(balance|amalgamate)[A-C(),0-9]*"]) {
            match text.parse::<Transaction>() {
                Ok(transaction) => prop_assert_eq!(transaction.to_string().parse(), Ok(transaction)),
                Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{}", error),
            }
        }
    }

    #[test]
    fn a_cell_may_have_several() {
        let read = |text: &str| {
            let told =
                read_transactions(text).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
            told.unwrap_or_else(|error| format!("{}: {}", error.column, error.message))
        };
        for text in [
            "(A, B, 1); (B, C, 1)",
            "(A,B,1),(B,C,1)",
            "[(A, B, 1), (B, C, 1)]",
            "(A, B, 1)\r\n(B, C, 1)\n",
            "(A,B,1);(B,C,1);",
        ] {
            assert_eq!(read(text), "(A, B, 1) (B, C, 1)", "{text}");
        }
        assert_eq!(read("(A)"), "(A)");
        assert_eq!(read("(A, B, 1); DEPOSIT_CHECKING(C, 5)"), "(A, B, 1) DEPOSIT_CHECKING(C, 5)");
        assert!(read("(A, B, 1); (B; C, 1)").starts_with("14: expected `(X, Y, amount)` or `(X)`, found `;`"));
        assert!(read("(A, B, 1); (B, C, x)").starts_with("19: expected an amount"));
        assert!(read("(A, (B)").starts_with("5: "), "{}", read("(A, (B)"));
        assert!(read("(1, 2, 10)").contains("accounts by number are of a lab with shards"));
    }
}
