//! What the scripts of PBFT's forms say differently: what a VIEW-CHANGE shows of a slot, what decides one, and what a
//! collector counted. The words that both have in common are the forge's.

use byztop_core::crypto::{Kind, Statement};
use byztop_core::linear::{self, Linear};
use byztop_core::pbft::{Classic, Nothing};
use byztop_core::protocol::{Batch, Certificate};
use byztop_core::types::ReplicaId;
use byztop_core::views::form::Form;
use byztop_core::views::message::PreparedCertificate;

use crate::forge::{Forge, origin_of};
use crate::names::Names;
use crate::show;
use crate::words::{Words, Wrong};

/// How a form's own parts of messages are written in a script, and shown in the same words.
pub(crate) trait Dialect: Form {
    /// What the VIEW-CHANGE of `author` shows: all slots, in the script's order.
    fn read_shown(forge: &mut Forge<Self>, author: ReplicaId, words: &mut Words) -> Result<Vec<Self::Shown>, Wrong>;

    /// What decides a slot, as it stands in brackets, and the slot's batch.
    fn read_decision(forge: &mut Forge<Self>, group: &mut Words) -> Result<(Self::Decision, Batch), Wrong>;

    /// What a collector counted, behind `certificate`.
    fn read_count(forge: &mut Forge<Self>, words: &mut Words) -> Result<Self::Count, Wrong>;

    /// What a VIEW-CHANGE shows of one slot.
    fn shown(names: &Names, shown: &Self::Shown) -> String;

    /// What decides a slot, without the brackets.
    fn decision(names: &Names, decision: &Self::Decision) -> String;

    /// What a collector counted, without the first word.
    fn count(names: &Names, count: &Self::Count) -> String;
}

/// `P(s1 v0 a)` and `Q(s1 v0 a)`; nobody collects.
impl Dialect for Classic {
    fn read_shown(forge: &mut Forge<Self>, _: ReplicaId, words: &mut Words) -> Result<Vec<PreparedCertificate>, Wrong> {
        words.groups("P").iter_mut().map(|group| prepared(forge, group)).collect()
    }

    fn read_decision(forge: &mut Forge<Self>, group: &mut Words) -> Result<(Certificate, Batch), Wrong> {
        committed(forge, group)
    }

    fn read_count(_: &mut Forge<Self>, _: &mut Words) -> Result<Nothing, Wrong> {
        Err("in PBFT nobody tells what it counted".to_string())
    }

    fn shown(names: &Names, shown: &PreparedCertificate) -> String {
        format!("P({})", show::prepared(names, shown))
    }

    fn decision(names: &Names, decision: &Certificate) -> String {
        show::commits(names, decision)
    }

    fn count(_: &Names, count: &Nothing) -> String {
        match *count {}
    }
}

/// `P(s1 v0 a)`, `V(s1 v0 a)`, or `P(s1 v0 a) and V(s1 v1 b)`; `Q(s1 v0 a)` and `Q(fast s1 v0 a)`; `certificate prepared v0
/// s1 a`, `certificate fast v0 s1 a`, `certificate committed v0 s1 a`.
impl Dialect for Linear {
    fn read_shown(forge: &mut Forge<Self>, author: ReplicaId, words: &mut Words) -> Result<Vec<linear::Shown>, Wrong> {
        let mut shown = Vec::new();
        loop {
            let prepared = words.group("P").map(|mut group| prepared(forge, &mut group)).transpose()?;
            let has_vote = prepared.is_none() || words.is("and");
            let vote = if has_vote { words.group("V") } else { None };
            let voted = vote.map(|mut group| voted(forge, author, &mut group)).transpose()?;
            if prepared.is_none() && voted.is_none() {
                return Ok(shown);
            }
            shown.push(linear::Shown { prepared, voted });
        }
    }

    fn read_decision(forge: &mut Forge<Self>, group: &mut Words) -> Result<(linear::Decision, Batch), Wrong> {
        if !group.is("fast") {
            let (commits, batch) = committed(forge, group)?;
            return Ok((linear::Decision::Committed(commits), batch));
        }
        let (view, seq, batch) = forge.slot_in_brackets(group)?;
        let all = forge.prepared((view, seq, batch.digest()), forge.committee.size(), group)?;
        Ok((linear::Decision::Fast(all), batch))
    }

    fn read_count(forge: &mut Forge<Self>, words: &mut Words) -> Result<linear::Count, Wrong> {
        let what = words.plain()?;
        let (view, seq, batch) = forge.slot(words)?;
        let slot = (view, seq, batch.digest());
        Ok(match what.as_str() {
            "prepared" => linear::Count::Prepared(forge.prepared(slot, forge.committee.quorum(), words)?),
            "fast" => {
                let all = forge.prepared(slot, forge.committee.size(), words)?;
                linear::Count::Decided(linear::Decision::Fast(all))
            }
            "committed" => linear::Count::Decided(linear::Decision::Committed(forge.commits(slot, words)?)),
            other => return Err(format!("certificate {other}: prepared, fast or committed")),
        })
    }

    fn shown(names: &Names, linear::Shown { prepared, voted }: &linear::Shown) -> String {
        let prepared = prepared.iter().map(|prepared| format!("P({})", show::prepared(names, prepared)));
        let voted = voted.iter().map(|linear::Vote { view, seq, digest, origin, .. }| {
            format!("V(s{seq} v{view} {}{})", names.name(*digest), show::forced(*origin))
        });
        prepared.chain(voted).collect::<Vec<_>>().join(" and ")
    }

    fn decision(names: &Names, decision: &linear::Decision) -> String {
        match decision {
            linear::Decision::Fast(all) => format!("fast {}", show::prepared(names, all)),
            linear::Decision::Committed(commits) => show::commits(names, commits),
        }
    }

    fn count(names: &Names, count: &linear::Count) -> String {
        let (what, certificate, origin) = match count {
            linear::Count::Prepared(prepared) => ("prepared", &prepared.prepares, show::forced(prepared.origin)),
            linear::Count::Decided(linear::Decision::Fast(all)) => ("fast", &all.prepares, show::forced(all.origin)),
            linear::Count::Decided(linear::Decision::Committed(commits)) => ("committed", commits, ""),
        };
        let Certificate { view, seq, digest, .. } = certificate;
        format!("{what} v{view} s{seq} {}{origin} by {}", names.name(*digest), show::signers(certificate))
    }
}

/// `P(s1 v0 a)`, by the first q−1 backups if it does not say otherwise.
fn prepared<F: Dialect>(forge: &mut Forge<F>, group: &mut Words) -> Result<PreparedCertificate, Wrong> {
    let (view, seq, batch) = forge.slot_in_brackets(group)?;
    forge.prepared((view, seq, batch.digest()), forge.committee.quorum(), group)
}

/// `Q(s1 v0 a)`, by the first q if it does not say otherwise.
fn committed<F: Dialect>(forge: &mut Forge<F>, group: &mut Words) -> Result<(Certificate, Batch), Wrong> {
    let (view, seq, batch) = forge.slot_in_brackets(group)?;
    Ok((forge.commits((view, seq, batch.digest()), group)?, batch))
}

/// `V(s1 v0 a)`: what `author` prepared last, with its PREPARE unless it led that view; `forced`, `header(…)`; `by n3`:
/// with the PREPARE of another, or of the primary; `unsigned`: without one; `bad`.
fn voted(forge: &mut Forge<Linear>, author: ReplicaId, group: &mut Words) -> Result<linear::Vote, Wrong> {
    let (view, seq, batch) = forge.slot_in_brackets(group)?;
    let (digest, origin) = (batch.digest(), origin_of(group));
    let header = forge.header(group, view, seq, digest, origin)?;
    let is_own = author == forge.committee.primary(view);
    let by = if group.is("by") { Some(group.replica()?) } else { Some(author).filter(|_| !is_own) };
    let by = by.filter(|_| !group.is("unsigned"));
    let sign = |voter| forge.sign(&Statement::by_replica(Kind::Prepare, view, seq, digest, voter));
    let prepare = by.map(sign).transpose()?;
    let prepare = if group.is("bad") { prepare.map(|signature| signature.spoiled()) } else { prepare };
    group.end()?;
    Ok(linear::Vote { view, seq, digest, origin, header, prepare })
}
