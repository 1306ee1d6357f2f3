//! Messages as a script writes them, signed with the real keys of whoever it speaks for, and altered if it says so.

use std::collections::{BTreeMap, BTreeSet};

use byztop_core::app::merkle::FAN_OUT;
use byztop_core::committee::Committee;
use byztop_core::crypto::{Author, Kind, Realm, Signable, Signature, Signed, Signer, Statement};
use byztop_core::evidence::Proof;
use byztop_core::protocol::{Batch, Certificate, Checkpoint, CheckpointCertificate, Claim, Settings};
use byztop_core::replica::{Leaf, PeerMessage, StatePart, StateRequest};
use byztop_core::types::{Digest, ProtocolName, ReplicaId, SeqNum, View};
use byztop_core::views::message::{
    Commit, CommittedHistory, CommittedSlot, ForcedProposal, Message, NewView, Origin, PrePrepare, Prepare,
    PreparedCertificate, StatusReport, ViewChange,
};
use byztop_core::views::new_view::forced;

use crate::dialect::Dialect;
use crate::names::{Names, secret, signer};
use crate::words::{Words, Wrong};

/// Makes messages.
pub(crate) struct Forge<F: Dialect> {
    pub(crate) committee: Committee,
    pub(crate) settings: Settings,
    pub(crate) names: Names,
    /// The last view change of each replica for each view, whoever wrote it: what a NEW-VIEW can be made of.
    pub(crate) view_changes: BTreeMap<(ReplicaId, View), Signed<ViewChange<F>>>,
    /// What each live replica has signed, across restarts.
    pub(crate) signed: Signatures,
    /// The live replicas that were not told to lie: nobody has their keys.
    pub(crate) honest: BTreeSet<ReplicaId>,
}

/// What each live replica has signed.
pub(crate) type Signatures = BTreeMap<ReplicaId, BTreeSet<Statement>>;

impl<F: Dialect> Forge<F> {
    /// Signs with an author's key. That of an honest live replica is its own: of it there is only what it did sign.
    pub(crate) fn sign(&self, statement: &Statement) -> Result<Signature, Wrong> {
        let Author::Replica(author) = statement.author else { return Err("clients sign submissions only".to_string()) };
        let has_signed = self.signed.get(&author).is_some_and(|signed| signed.contains(statement));
        if self.honest.contains(&author) && !has_signed {
            let Statement { kind, view, seq, digest, .. } = statement;
            let name = self.names.name(*digest);
            return Err(format!("{author} is honest and never signed {} v{view} s{seq} {name}", kind.name()));
        }
        Ok(signer(author, self.names.realm).sign(statement))
    }

    fn signed<T: Signable>(&self, body: T) -> Result<Signed<T>, Wrong> {
        let signature = self.sign(&body.statement())?;
        Ok(Signed { body, signature })
    }

    /// What `author` says, and what was done to it: `[bad signature] commit v0 s1 a`.
    pub(crate) fn message(&mut self, author: ReplicaId, text: &str) -> Result<PeerMessage<Message<F>>, Wrong> {
        let Some((alteration, text)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) else {
            return self.plain(author, &mut Words::of(text)?);
        };
        let mut alteration = Words::of(alteration)?;
        if alteration.is("by") {
            return self.plain(alteration.replica()?, &mut Words::of(text)?);
        }
        let mut message = self.plain(author, &mut Words::of(text)?)?;
        let signature = self.altered_signature(author, &message, &mut alteration)?;
        *outer_signature(&mut message).ok_or("nothing is signed here")? = signature;
        Ok(message)
    }

    /// The signature that stands where the right one should.
    fn altered_signature(
        &mut self,
        author: ReplicaId,
        message: &PeerMessage<Message<F>>,
        how: &mut Words,
    ) -> Result<Signature, Wrong> {
        if how.is("no") {
            return Ok(Signature::BLANK);
        }
        if how.is("bad") {
            let signature = outer_signature(&mut message.clone()).copied();
            return signature.map(Signature::spoiled).ok_or_else(|| "nothing is signed here".to_string());
        }
        let statement = statement(message).ok_or("no replica signs this")?;
        let realm = self.names.realm;
        let in_realm = |realm: Realm| Signer::tags(Author::Replica(author), realm, secret()).sign(&statement);
        if how.is("other") {
            let protocol = ProtocolName::ALL.into_iter().find(|protocol| *protocol != realm.protocol);
            match how.plain()?.as_str() {
                "cluster" => Ok(in_realm(Realm { cluster: Digest::ZERO, ..realm })),
                "protocol" => Ok(in_realm(Realm { protocol: protocol.ok_or("there is no other")?, ..realm })),
                other => Err(format!("other {other}: cluster or protocol")),
            }
        } else if how.is("epoch") {
            Ok(in_realm(Realm { epoch: how.number("")?, ..realm }))
        } else if how.is("signed") && how.is("by") {
            let other = how.replica()?;
            self.sign(&Statement { author: Author::Replica(other), ..statement })
        } else if how.is("as") {
            let mut other = self.plain(author, how)?;
            outer_signature(&mut other).copied().ok_or_else(|| "nothing is signed there".to_string())
        } else {
            Err("by n1 | signed by n1 | bad signature | no signature | other cluster | other protocol | epoch 2 | as MESSAGE"
                .to_string())
        }
    }

    fn plain(&mut self, author: ReplicaId, words: &mut Words) -> Result<PeerMessage<Message<F>>, Wrong> {
        let message = match words.plain()?.as_str() {
            "request" => PeerMessage::Forward(self.names.submission(&words.plain()?)?),
            "fetch" => PeerMessage::FetchBodies(self.submissions(words)?.iter().map(|b| b.body.digest()).collect()),
            "bodies" => PeerMessage::Bodies(self.submissions(words)?),
            "checkpoint" => {
                let (seq, digest) = (words.seq()?, self.names.state(&words.plain()?)?);
                PeerMessage::Checkpoint(self.signed(Checkpoint { seq, digest, replica: author })?)
            }
            "state-request" => PeerMessage::StateRequest(state_request(words)?),
            "state-part" => PeerMessage::StatePart(self.state_part(words)?),
            "proof" => PeerMessage::Proof(Box::new(self.proof(words)?)),
            name => PeerMessage::Protocol(self.protocol(author, name, words)?),
        };
        words.end()?;
        Ok(message)
    }

    fn submissions(&self, words: &mut Words) -> Result<Vec<Signed<byztop_core::replica::Submission>>, Wrong> {
        let mut found = Vec::new();
        while !words.is_empty() {
            found.push(self.names.submission(&words.plain()?)?);
        }
        Ok(found)
    }

    fn protocol(&mut self, author: ReplicaId, name: &str, words: &mut Words) -> Result<Message<F>, Wrong> {
        Ok(match name {
            "pre-prepare" => self.pre_prepare(author, words)?,
            "prepare" => self.prepare(author, words)?,
            "commit" => {
                let (view, seq, batch) = self.slot(words)?;
                let body = Commit { view, seq, digest: batch.digest(), replica: author };
                Message::Commit(self.signed(body)?)
            }
            "certificate" => Message::Count(F::read_count(self, words)?),
            "view-change" => self.view_change(author, words)?,
            "new-view" => self.new_view(author, words)?,
            "status" => Message::Status(status(words)?),
            "ask" => Message::Ask { from: words.seq()? },
            "committed" => self.committed(words)?,
            "fetch-batches" => Message::FetchBatches(self.batches(words)?.iter().map(Batch::digest).collect()),
            "batches" => Message::Batches(self.batches(words)?),
            other => return Err(format!("{other} is not a message")),
        })
    }

    /// `v0 s1 a`.
    pub(crate) fn slot(&mut self, words: &mut Words) -> Result<(View, SeqNum, Batch), Wrong> {
        Ok((words.view()?, words.seq()?, self.names.batch(&words.plain()?)?))
    }

    fn batches(&mut self, words: &mut Words) -> Result<Vec<Batch>, Wrong> {
        let mut found = Vec::new();
        while !words.is_empty() {
            found.push(self.names.batch(&words.plain()?)?);
        }
        Ok(found)
    }

    /// `pre-prepare v0 s1 a`; `digest b` puts another digest than the batch's into the header.
    fn pre_prepare(&mut self, author: ReplicaId, words: &mut Words) -> Result<Message<F>, Wrong> {
        let (view, seq, batch) = self.slot(words)?;
        let digest = if words.is("digest") { self.names.batch(&words.plain()?)?.digest() } else { batch.digest() };
        let body = PrePrepare { view, seq, digest, primary: author, batch };
        Ok(Message::PrePrepare(self.signed(body)?))
    }

    /// `prepare v0 s1 a`; `forced` if it answers an entry of O, `header(v0 s2 b)` for another header than it should have.
    fn prepare(&mut self, author: ReplicaId, words: &mut Words) -> Result<Message<F>, Wrong> {
        let (view, seq, batch) = self.slot(words)?;
        let (digest, origin) = (batch.digest(), origin_of(words));
        let header = self.header(words, view, seq, digest, origin)?;
        let body = Prepare { view, seq, digest, replica: author, origin, header };
        Ok(Message::Prepare(self.signed(body)?))
    }

    /// The primary's signature on a header: the right one, `header(bad)`, or that on `header(v0 s2 b)`, there an own
    /// proposal unless it says `forced`.
    pub(crate) fn header(
        &self,
        words: &mut Words,
        view: View,
        seq: SeqNum,
        digest: Digest,
        origin: Origin,
    ) -> Result<Signature, Wrong> {
        let sign = |origin: Origin, view, seq, digest| {
            let primary = self.committee.primary(view);
            self.sign(&origin.header(view, seq, digest, primary))
        };
        let Some(mut other) = words.group("header") else { return sign(origin, view, seq, digest) };
        if other.is("bad") {
            return Ok(Signature::BLANK.spoiled());
        }
        let (view, seq, text) = (other.view()?, other.seq()?, other.plain()?);
        let digest = self.names.known_batch(&text)?.digest();
        sign(origin_of(&mut other), view, seq, digest)
    }

    /// `view-change v1 C(s0) P(s1 v0 a) P(s2 v0 b)`, or what else the protocol shows of slots; without C the stable checkpoint is the beginning.
    fn view_change(&mut self, author: ReplicaId, words: &mut Words) -> Result<Message<F>, Wrong> {
        let view = words.view()?;
        let stable = self.stable(words)?;
        let shown = F::read_shown(self, author, words)?;
        let signed = self.signed(ViewChange { view, replica: author, stable, shown })?;
        self.view_changes.insert((author, view), signed.clone());
        Ok(Message::ViewChange(signed))
    }

    /// `C(s4 S4)`, signed by the first q; `C(s4 S4 by n1 n2)`, `C(s4 S4 bad)`.
    fn stable(&mut self, words: &mut Words) -> Result<CheckpointCertificate, Wrong> {
        let Some(mut group) = words.group("C") else { return Ok(CheckpointCertificate::genesis()) };
        let seq = group.seq()?;
        if seq == SeqNum(0) {
            return Ok(CheckpointCertificate::genesis());
        }
        let digest = self.names.state(&group.plain()?)?;
        let members: Vec<ReplicaId> = self.committee.members().take(self.committee.quorum()).collect();
        let signatures = self.signatures(&mut group, members, Kind::Checkpoint, View(0), seq, digest)?;
        Ok(CheckpointCertificate::new(seq, digest, signatures))
    }

    /// `s1 v0 a`.
    pub(crate) fn slot_in_brackets(&mut self, group: &mut Words) -> Result<(View, SeqNum, Batch), Wrong> {
        let (seq, view) = (group.seq()?, group.view()?);
        Ok((view, seq, self.names.batch(&group.plain()?)?))
    }

    /// Behind a slot: prepared by the first backups, `needed` replicas with the primary; `forced`, `header(…)`,
    /// `by n3 n4`, `bad`; `commits` makes it one of commits.
    pub(crate) fn prepared(
        &mut self,
        (view, seq, digest): (View, SeqNum, Digest),
        needed: usize,
        words: &mut Words,
    ) -> Result<PreparedCertificate, Wrong> {
        let origin = origin_of(words);
        let header = self.header(words, view, seq, digest, origin)?;
        let backups = self.committee.others(self.committee.primary(view)).take(needed - 1).collect();
        let kind = if words.is("commits") { Kind::Commit } else { Kind::Prepare };
        let signatures = self.signatures(words, backups, kind, view, seq, digest)?;
        Ok(PreparedCertificate { origin, header, prepares: Certificate { kind, view, seq, digest, signatures } })
    }

    /// Behind a slot: committed by the first q; `by n1 n2 n3`, `bad`; `prepares` makes it one of prepares.
    pub(crate) fn commits(
        &mut self,
        (view, seq, digest): (View, SeqNum, Digest),
        words: &mut Words,
    ) -> Result<Certificate, Wrong> {
        let members = self.committee.members().take(self.committee.quorum()).collect();
        let kind = if words.is("prepares") { Kind::Prepare } else { Kind::Commit };
        let signatures = self.signatures(words, members, kind, view, seq, digest)?;
        Ok(Certificate { kind, view, seq, digest, signatures })
    }

    /// The signatures of a certificate; `votes(v0 s2 b)` takes those for another slot, `by n1 n2` says whose, `bad` spoils
    /// the last one.
    fn signatures(
        &mut self,
        group: &mut Words,
        otherwise: Vec<ReplicaId>,
        kind: Kind,
        view: View,
        seq: SeqNum,
        digest: Digest,
    ) -> Result<Vec<(ReplicaId, Signature)>, Wrong> {
        let other = group.group("votes").map(|mut other| self.slot(&mut other)).transpose()?;
        let (view, seq, digest) = other.map_or((view, seq, digest), |(view, seq, batch)| (view, seq, batch.digest()));
        let members = if group.is("by") { group.leading_replicas() } else { otherwise };
        let sign =
            |member: ReplicaId| Ok((member, self.sign(&Statement::by_replica(kind, view, seq, digest, member))?));
        let mut signatures: Vec<_> = members.into_iter().map(sign).collect::<Result<_, Wrong>>()?;
        if group.is("bad")
            && let Some((_, last)) = signatures.last_mut()
        {
            *last = last.spoiled();
        }
        group.end()?;
        Ok(signatures)
    }

    /// `Q(s1 v0 a)`: what decided a slot, and its batch.
    fn decided(&mut self, mut group: Words) -> Result<CommittedSlot<F>, Wrong> {
        let (decision, batch) = F::read_decision(self, &mut group)?;
        Ok(CommittedSlot { decision, batch })
    }

    /// `new-view v1 V(n1 n3 n4)`: the view changes that were written before; `n3/v2` takes one for another view. O
    /// follows from V unless the script says what it is: `O(s1 a, s2 null)`.
    fn new_view(&mut self, author: ReplicaId, words: &mut Words) -> Result<Message<F>, Wrong> {
        let view = words.view()?;
        let mut members = words.group("V").ok_or("a new view needs V(…)")?;
        let mut view_changes = Vec::new();
        while !members.is_empty() {
            let member = members.plain()?;
            let (name, of) = member.split_once("/v").unwrap_or((&member, ""));
            let of = if of.is_empty() { view } else { View(of.parse().map_err(|_| "n3/v2".to_string())?) };
            let written = self.view_changes.get(&(crate::words::replica(name)?, of));
            view_changes.push(written.ok_or_else(|| format!("{name} has written no view change for v{of}"))?.clone());
        }
        let entries = match words.group("O") {
            Some(group) => self.entries(group)?,
            None if view_changes.is_empty() => Vec::new(),
            None => forced(view_changes.iter().map(|signed| &signed.body), self.committee).slots,
        };
        let entry = |(seq, digest)| {
            let signature = self.sign(&Origin::NewView.header(view, seq, digest, author))?;
            Ok(ForcedProposal { seq, digest, signature })
        };
        let forced = entries.into_iter().map(entry).collect::<Result<_, Wrong>>()?;
        Ok(Message::NewView(self.signed(NewView { view, primary: author, view_changes, forced })?))
    }

    fn entries(&mut self, mut group: Words) -> Result<Vec<(SeqNum, Digest)>, Wrong> {
        let mut entries = Vec::new();
        while !group.is_empty() {
            entries.push((group.seq()?, self.names.batch(&group.plain()?)?.digest()));
        }
        Ok(entries)
    }

    /// `committed C(s4 S4) newest(s6 v0 f) Q(s5 v0 e) Q(s6 v0 f)`.
    fn committed(&mut self, words: &mut Words) -> Result<Message<F>, Wrong> {
        let stable = self.stable(words)?;
        let newest = words.group("newest").map(|group| self.decided(group)).transpose()?;
        let slots = words.groups("Q").into_iter().map(|group| self.decided(group)).collect::<Result<_, Wrong>>()?;
        Ok(Message::Committed(CommittedHistory { stable, newest: newest.map(|slot| slot.decision), slots }))
    }

    /// `state-part s4 level 3 node 0 lies`: a node of a tree that nobody has; `state-part s4 leaf 0 lies`: bytes of no
    /// leaf.
    fn state_part(&self, words: &mut Words) -> Result<StatePart, Wrong> {
        let seq = words.seq()?;
        let level = if words.is("level") { Some(words.number("")? as u8) } else { None };
        let is_place = words.is(if level.is_some() { "node" } else { "leaf" });
        let index = words.number("")? as u32;
        if !is_place || !words.is("lies") {
            return Err("state-part s4 level 3 node 0 lies | state-part s4 leaf 0 lies".to_string());
        }
        Ok(match level {
            Some(level) => StatePart::Nodes { seq, level, nodes: vec![(index, [Digest::of("lie", &[]); FAN_OUT])] },
            None => StatePart::Leaves { seq, leaves: vec![(index, Leaf(vec![0xff; 7]))] },
        })
    }

    /// `proof n3 (commit v0 s1 a) (commit v0 s1 b)`: two statements of n3. Signed, unless it is `proof forged n3 …`.
    fn proof(&mut self, words: &mut Words) -> Result<Proof<Message<F>>, Wrong> {
        let is_forged = words.is("forged");
        let accused = words.replica()?;
        let mut claims = Vec::new();
        for mut group in words.groups("") {
            let mut message = self.plain(accused, &mut group)?;
            let statement = statement(&message).ok_or("nothing is signed there")?;
            let batch = match &message {
                PeerMessage::Protocol(Message::PrePrepare(signed)) => Some(signed.body.batch.clone()),
                _ => None,
            };
            let signature = *outer_signature(&mut message).ok_or("nothing is signed there")?;
            let signature = if is_forged { signature.spoiled() } else { signature };
            claims.push(Claim { statement, signature, batch });
        }
        let [first, second] = <[Claim; 2]>::try_from(claims).map_err(|_| "a proof has two statements".to_string())?;
        let is_one_slot = first.statement.seq == second.statement.seq;
        Ok(if is_one_slot { Proof::Contradiction(first, second) } else { Proof::DoubleAssignment(first, second) })
    }
}

pub(crate) fn origin_of(words: &mut Words) -> Origin {
    if words.is("forced") { Origin::NewView } else { Origin::OwnAccord }
}

/// `status v0 executed s3 stable s0 asking v1 holds(n1 n2) observing s6`.
fn status(words: &mut Words) -> Result<StatusReport, Wrong> {
    let view = words.view()?;
    let mut report = StatusReport {
        view,
        asking_for: None,
        view_changes: [].into_iter().collect(),
        stable: SeqNum(0),
        executed: SeqNum(0),
        observing_until: None,
    };
    while !words.is_empty() {
        if let Some(mut group) = words.group("holds") {
            report.view_changes = group.replicas()?.into_iter().collect();
            continue;
        }
        match words.plain()?.as_str() {
            "executed" => report.executed = words.seq()?,
            "stable" => report.stable = words.seq()?,
            "asking" => report.asking_for = Some(words.view()?),
            "observing" => report.observing_until = Some(words.seq()?),
            other => return Err(format!("{other} is not in a status report")),
        }
    }
    Ok(report)
}

/// `state-request s4 level 3 nodes 0` or `state-request s4 leaves 0 3`.
fn state_request(words: &mut Words) -> Result<StateRequest, Wrong> {
    let seq = words.seq()?;
    let level = if words.is("level") { Some(words.number("")? as u8) } else { None };
    if !words.is(if level.is_some() { "nodes" } else { "leaves" }) {
        return Err("level 3 nodes 0 | leaves 0 3".to_string());
    }
    let mut indices = Vec::new();
    while !words.is_empty() {
        indices.push(words.number("")? as u32);
    }
    Ok(match level {
        Some(level) => StateRequest::Nodes { seq, level, nodes: indices },
        None => StateRequest::Leaves { seq, leaves: indices },
    })
}

/// What the author of a message signs.
pub(crate) fn statement<F: Dialect>(message: &PeerMessage<Message<F>>) -> Option<Statement> {
    Some(match message {
        PeerMessage::Checkpoint(signed) => signed.body.statement(),
        PeerMessage::Protocol(Message::PrePrepare(signed)) => signed.body.statement(),
        PeerMessage::Protocol(Message::Prepare(signed)) => signed.body.statement(),
        PeerMessage::Protocol(Message::Commit(signed)) => signed.body.statement(),
        PeerMessage::Protocol(Message::ViewChange(signed)) => signed.body.statement(),
        PeerMessage::Protocol(Message::NewView(signed)) => signed.body.statement(),
        _ => return None,
    })
}

fn outer_signature<F: Dialect>(message: &mut PeerMessage<Message<F>>) -> Option<&mut Signature> {
    message.signatures_mut().into_iter().next()
}
