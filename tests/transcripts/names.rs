//! Names for digests: a transcript says `a+b` where the wire has a hash, so that it can be read and stays as it is when
//! an encoding changes.

use std::collections::BTreeMap;

use byztop_core::app::smallbank::{Account, Operation, encode_operations};
use byztop_core::committee::Committee;
use byztop_core::crypto::{Author, Realm, Signed, Signer};
use byztop_core::protocol::Batch;
use byztop_core::replica::Submission;
use byztop_core::types::{ClientId, Digest, ProtocolName, ReplicaId, SeqNum, Session, Timestamp};

use crate::words::{Words, Wrong};

const SECRET: Digest = Digest([7; 32]);

/// The realm of every transcript of a protocol.
pub(crate) fn realm(protocol: ProtocolName) -> Realm {
    Realm { cluster: Digest::of("transcripts", &[]), epoch: 1, protocol }
}

/// What the keyed tags of the cluster hang on.
pub(crate) fn secret() -> Digest {
    SECRET
}

/// A replica's key.
pub(crate) fn signer(replica: ReplicaId, realm: Realm) -> Signer {
    Signer::tags(Author::Replica(replica), realm, SECRET)
}

/// The names of one transcript.
pub(crate) struct Names {
    pub(crate) committee: Committee,
    pub(crate) realm: Realm,
    submissions: BTreeMap<String, Signed<Submission>>,
    /// Digests of submissions, batches and states.
    by_digest: BTreeMap<Digest, String>,
    states: BTreeMap<String, Digest>,
}

impl Names {
    /// Each letter is a payment of its own session: `a` moves 1 from account 0 to account 1, `b` from 1 to 2, ….
    pub(crate) fn new(committee: Committee, realm: Realm) -> Names {
        let mut names = Names {
            committee,
            realm,
            submissions: BTreeMap::new(),
            by_digest: BTreeMap::new(),
            states: BTreeMap::new(),
        };
        for (index, letter) in ('a'..='z').enumerate() {
            let session = Session { client: ClientId(0), index: index as u16 };
            let (from, to) = (Account(index as u32), Account(index as u32 + 1));
            let operations = encode_operations(&[Operation::SendPayment { from, to, amount: 1 }]);
            names.define(letter.to_string(), session, Timestamp(1), operations);
        }
        names
    }

    fn define(&mut self, name: String, session: Session, timestamp: Timestamp, operations: Vec<u8>) {
        let signer = Signer::tags(Author::Client(session.client), self.realm, SECRET);
        let signed = Signed::by(&signer, Submission { session, timestamp, operations });
        self.learn_batch_as(&Batch { submissions: vec![signed.body.digest()] }, &name);
        self.by_digest.insert(signed.body.digest(), name.clone());
        self.submissions.insert(name, signed);
    }

    /// `let a2 = c1/0 t2 pay 0 1 5`: a submission of session 0 of client c1 at its clock's 2.
    pub(crate) fn define_by(&mut self, words: &mut Words) -> Result<(), Wrong> {
        let name = words.plain()?;
        if !words.is("=") || name.contains('+') {
            return Err("let NAME = c1/0 t1 OPERATION".to_string());
        }
        let session = session(&words.plain()?)?;
        let timestamp = Timestamp(words.number("t")?);
        let operations = operations(words)?;
        self.define(name, session, timestamp, operations);
        Ok(())
    }

    /// A submission by name.
    pub(crate) fn submission(&self, name: &str) -> Result<Signed<Submission>, Wrong> {
        self.submissions.get(name).cloned().ok_or_else(|| format!("no submission is called {name}"))
    }

    /// A batch by the names of what is in it: `a+b`, or `null`.
    pub(crate) fn batch(&mut self, text: &str) -> Result<Batch, Wrong> {
        let batch = self.known_batch(text)?;
        self.learn_batch(&batch);
        Ok(batch)
    }

    /// The same, without remembering what its digest is called.
    pub(crate) fn known_batch(&self, text: &str) -> Result<Batch, Wrong> {
        if text == "null" {
            return Ok(Batch::default());
        }
        let digests = text.split('+').map(|name| Ok(self.submission(name)?.body.digest()));
        Ok(Batch { submissions: digests.collect::<Result<_, Wrong>>()? })
    }

    /// A batch was seen: its digest has a name from now on.
    pub(crate) fn learn_batch(&mut self, batch: &Batch) {
        let name = self.contents(batch);
        self.learn_batch_as(batch, &name);
    }

    fn learn_batch_as(&mut self, batch: &Batch, name: &str) {
        self.by_digest.insert(batch.digest(), name.to_string());
    }

    /// The names of what is in a batch.
    pub(crate) fn contents(&self, batch: &Batch) -> String {
        if batch.is_null() {
            return "null".to_string();
        }
        batch.submissions.iter().map(|digest| self.name(*digest)).collect::<Vec<_>>().join("+")
    }

    /// A live replica has this state after a slot: `S4`, and `S4'` if another one had another.
    pub(crate) fn learn_state(&mut self, seq: SeqNum, digest: Digest) {
        let mut name = format!("S{seq}");
        while self.states.get(&name).is_some_and(|known| *known != digest) {
            name.push('\'');
        }
        self.by_digest.entry(digest).or_insert_with(|| name.clone());
        self.states.insert(name, digest);
    }

    /// A state by name: one that a live replica has had, or else one that was made up, in small letters.
    pub(crate) fn state(&mut self, name: &str) -> Result<Digest, Wrong> {
        if let Some(digest) = self.states.get(name) {
            return Ok(*digest);
        }
        if !name.starts_with(|first: char| first.is_ascii_lowercase()) {
            return Err(format!("nobody has had the state {name}"));
        }
        let digest = Digest::of("made up", &[name.as_bytes()]);
        self.by_digest.insert(digest, name.to_string());
        Ok(digest)
    }

    /// The name of a digest.
    pub(crate) fn name(&self, digest: Digest) -> String {
        if digest == Digest::ZERO {
            return "null".to_string();
        }
        self.by_digest.get(&digest).cloned().unwrap_or_else(|| format!("?{}", digest.short()))
    }

    /// A text for people with names in place of the short forms of digests; `?` for those without one.
    pub(crate) fn replace_short(&self, text: &str) -> String {
        let replace = |word: &str| {
            let (stem, tail) = word.split_at(word.trim_end_matches([',', ':']).len());
            let known = self.by_digest.iter().find(|(digest, _)| digest.short() == stem);
            match known {
                Some((_, name)) => format!("{name}{tail}"),
                None if stem.len() == 4 && stem.bytes().all(|byte| byte.is_ascii_hexdigit()) => format!("?{tail}"),
                None => word.to_string(),
            }
        };
        text.split(' ').map(replace).collect::<Vec<_>>().join(" ")
    }
}

/// Reads `c1`.
pub(crate) fn client(text: &str) -> Result<ClientId, Wrong> {
    let number = text.strip_prefix('c').and_then(|digits| digits.parse::<u16>().ok()?.checked_sub(1));
    number.map(ClientId).ok_or_else(|| format!("{text} is not a client such as c1"))
}

fn session(text: &str) -> Result<Session, Wrong> {
    let (name, index) = text.split_once('/').ok_or("a session is written c1/0")?;
    let index = index.parse().map_err(|_| format!("{text} is not a session such as c1/0"))?;
    Ok(Session { client: client(name)?, index })
}

/// `pay 0 1 5`, `balance 0`, or `garbage`.
fn operations(words: &mut Words) -> Result<Vec<u8>, Wrong> {
    let account = |words: &mut Words| words.number("").map(|number| Account(number as u32));
    let operation = match words.plain()?.as_str() {
        "pay" => {
            let (from, to) = (account(words)?, account(words)?);
            Operation::SendPayment { from, to, amount: words.number("")? as i64 }
        }
        "balance" => Operation::Balance { account: account(words)? },
        "garbage" => return Ok(vec![0xff; 3]),
        other => return Err(format!("{other} is not an operation")),
    };
    Ok(encode_operations(&[operation]))
}
