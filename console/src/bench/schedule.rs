//! When which replica misbehaves during a run: `n1 crash @10s..20s`.
//!
//! What stands before the `@` is the attack language of byztop-core, and its parser reads it. The span behind it is read
//! here, since it counts from the begin of what is measured rather than from when the attack is set, and may have no end.

use std::time::Duration;

use byztop_core::attack::{Directive, Trigger, parse};
use byztop_core::types::ReplicaId;
use thiserror::Error;

/// One attack and its time.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Planned {
    /// Who misbehaves.
    pub(super) attacker: ReplicaId,
    /// What it does, without attacker and trigger.
    pub(super) directive: Directive,
    /// When it begins, after the begin of what is measured.
    pub(super) from: Duration,
    /// When it ends; never, if it is not said.
    pub(super) until: Option<Duration>,
}

/// What is wrong with an attack, where, and what to do.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("--attack '{text}', column {column}: {message}")]
pub(super) struct ScheduleError {
    text: String,
    column: usize,
    message: String,
}

/// Reads one attack and checks it against a cluster of `replicas` and a run of `duration`.
///
/// # Errors
///
/// [`ScheduleError`], for people.
pub(super) fn read(text: &str, replicas: u8, duration: Duration) -> Result<Planned, ScheduleError> {
    let wrong = |at: usize, message: String| ScheduleError {
        text: text.to_string(),
        column: text.get(..at).map_or(0, |before| before.chars().count()) + 1,
        message,
    };
    let Some((attack, span)) = text.rsplit_once('@') else {
        return Err(wrong(
            text.len(),
            "expected when it holds, such as @10s..20s, or @10s for the rest of the run".into(),
        ));
    };
    let mut directives =
        parse(attack).map_err(|error| wrong(byte_of(attack, error.column), error.message.clone()))?.into_iter();
    let (Some(directive), None) = (directives.next(), directives.next()) else {
        return Err(wrong(0, "expected one attack; give --attack once for each".into()));
    };
    let Some(attacker) = directive.attacker else {
        return Err(wrong(0, format!("expected who attacks, such as `n1 {}`", attack.trim())));
    };
    if directive.trigger != Trigger::Always {
        return Err(wrong(attack.find('@').unwrap_or(0), "expected one `@`, and a time behind it".into()));
    }
    let stranger = |replica: &ReplicaId| replica.0 >= replicas;
    if let Some(stranger) = std::iter::once(attacker).chain(directive.attack.victims().iter()).find(stranger) {
        let message = format!("{stranger} is not in the smallest cluster of this bench, which has {replicas} replicas");
        return Err(wrong(0, message));
    }
    if directive.attack.victims().iter().any(|victim| victim == attacker) {
        return Err(wrong(0, format!("{attacker} can not be its own victim")));
    }
    let (from, until) = span_of(span).map_err(|(at, message)| wrong(attack.len() + 1 + at, message))?;
    if from >= duration {
        let message = format!("it begins at {from:?}, but a run is measured for {duration:?}; see --duration");
        return Err(wrong(attack.len() + 1, message));
    }
    let directive = Directive { attacker: None, ..directive };
    Ok(Planned { attacker, directive, from, until: until.filter(|until| *until < duration) })
}

/// `10s` or `10s..20s`; what is wrong, and from which byte on.
fn span_of(span: &str) -> Result<(Duration, Option<Duration>), (usize, String)> {
    let Some((from, until)) = span.split_once("..") else { return Ok((moment(span, 0)?, None)) };
    let behind = from.len() + 2;
    let (from, until) = (moment(from, 0)?, moment(until, behind)?);
    if until <= from {
        return Err((behind, "it must end after it begins".to_string()));
    }
    Ok((from, Some(until)))
}

fn moment(text: &str, at: usize) -> Result<Duration, (usize, String)> {
    let read = text.trim().parse::<jiff::SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    let expected = || format!("expected a time such as 10s or 500ms, found `{}`", text.trim());
    read.ok_or_else(|| (at, expected()))
}

/// Where a column, counted in characters from 1, begins.
fn byte_of(text: &str, column: usize) -> usize {
    text.char_indices().nth(column.saturating_sub(1)).map_or(text.len(), |(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_in_4(text: &str) -> Result<Planned, String> {
        read(text, 4, Duration::from_secs(30)).map_err(|error| error.to_string())
    }

    #[test]
    fn an_attack_has_an_attacker_and_a_time() {
        let crash = read_in_4("n1 crash @10s..20s").unwrap();
        assert_eq!((crash.attacker, crash.directive.to_string()), (ReplicaId(0), "crash".to_string()));
        assert_eq!((crash.from, crash.until), (Duration::from_secs(10), Some(Duration::from_secs(20))));
        let open = read_in_4("n3 equivocation(n1, mode=digest) @500ms").unwrap();
        assert_eq!((open.attacker, open.from, open.until), (ReplicaId(2), Duration::from_millis(500), None));
        assert_eq!(read_in_4("n2 time(20ms)@0s..1m").unwrap().until, None, "longer than the run is its rest");
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, column, expected) in [
            ("n1 crash", 9, "@10s..20s"),
            ("crash @5s", 1, "who attacks, such as `n1 crash`"),
            ("n1 crush @5s", 4, "crush"),
            ("n1 crash @5", 11, "a time such as 10s or 500ms, found `5`"),
            ("n1 crash @5s..x", 15, "found `x`"),
            ("n1 crash @5s..2s", 15, "end after it begins"),
            ("n1 crash @45s", 11, "see --duration"),
            ("n5 crash @5s", 1, "n5 is not in the smallest cluster"),
            ("n1 dark(n9) @5s", 1, "n9 is not in the smallest cluster"),
            ("n1 dark(n1) @5s", 1, "its own victim"),
            ("n1 crash; n2 crash @5s", 1, "--attack once for each"),
            ("n1 crash @leader @5s", 10, "one `@`"),
            ("", 1, "@10s..20s"),
        ] {
            let error = read_in_4(text).unwrap_err();
            assert!(error.starts_with(&format!("--attack '{text}', column {column}: ")), "{text}: {error}");
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
