//! Schedules as text: a failing one is committed as a small file, and read by people.
//!
//! ```text
//! protocol pbft
//! seed 17
//! replicas 4
//! set checkpoint_interval_slots 3
//! at 0us weather loss=50 duplicate=10 replay=0 slow=20 delay=250us..4000us
//! at 120000us attack n2 equivocation(n3, mode=digest)
//! at 130000us submit c1 x3 draw=8812 to n1,n2,n3,n4
//! at 900000us calm
//! ```
//!
//! Empty lines and what follows `#` say nothing. What is not set has its default.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::schedule::{Action, ClientFaults, Durability, Ending, EvilDeed, Keys, Schedule, Weather};
use crate::attack;
use crate::committee::Committee;
use crate::protocol::Settings;
use crate::types::{ClientId, Micros, ProtocolName, ReplicaId, ReplicaSet, Time};

/// What is wrong with a schedule's text, and where.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("line {line}: {message}")]
pub struct ScheduleError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// The settings that a schedule can set, by name.
const SETTINGS: [(&str, Accessor); 15] = [
    ("checkpoint_interval_slots", |s| Field::U64(&mut s.checkpoint_interval_slots)),
    ("window_slots", |s| Field::U64(&mut s.window_slots)),
    ("depth_slots", |s| Field::U64(&mut s.depth_slots)),
    ("batch_submissions", |s| Field::Usize(&mut s.batch_submissions)),
    ("request_timeout_ms", |s| Field::U64(&mut s.request_timeout_ms)),
    ("ask_timeout_ms", |s| Field::U64(&mut s.ask_timeout_ms)),
    ("view_change_timeout_ms", |s| Field::U64(&mut s.view_change_timeout_ms)),
    ("max_timeout_ms", |s| Field::U64(&mut s.max_timeout_ms)),
    ("status_interval_ms", |s| Field::U64(&mut s.status_interval_ms)),
    ("body_wait_ms", |s| Field::U64(&mut s.body_wait_ms)),
    ("fast_path_wait_ms", |s| Field::U64(&mut s.fast_path_wait_ms)),
    ("pool_submissions", |s| Field::Usize(&mut s.pool_submissions)),
    ("accounts", |s| Field::U32(&mut s.accounts)),
    ("initial_checking", |s| Field::I64(&mut s.initial_checking)),
    ("initial_savings", |s| Field::I64(&mut s.initial_savings)),
];

type Accessor = for<'a> fn(&'a mut Settings) -> Field<'a>;

/// One parameter of the settings, whatever its width.
enum Field<'a> {
    U64(&'a mut u64),
    U32(&'a mut u32),
    Usize(&'a mut usize),
    I64(&'a mut i64),
}

impl Field<'_> {
    fn set(self, text: &str) -> Option<()> {
        match self {
            Field::U64(field) => *field = text.parse().ok()?,
            Field::U32(field) => *field = text.parse().ok()?,
            Field::Usize(field) => *field = text.parse().ok()?,
            Field::I64(field) => *field = text.parse().ok()?,
        }
        Some(())
    }

    fn text(self) -> String {
        match self {
            Field::U64(field) => field.to_string(),
            Field::U32(field) => field.to_string(),
            Field::Usize(field) => field.to_string(),
            Field::I64(field) => field.to_string(),
        }
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "protocol {}", self.protocol)?;
        writeln!(f, "seed {}", self.seed)?;
        writeln!(f, "replicas {}", self.committee.size())?;
        if self.keys == Keys::Ed25519 {
            writeln!(f, "keys ed25519")?;
        }
        if self.durability == Durability::Os {
            writeln!(f, "durability os")?;
        }
        if self.clients != ClientFaults::default() {
            let ClientFaults { loss_per_mille, late_per_mille, forgetful_per_mille } = self.clients;
            writeln!(f, "clients loss={loss_per_mille} late={late_per_mille} forgetful={forgetful_per_mille}")?;
        }
        if self.drift_per_mille > 0 {
            writeln!(f, "drift {}", self.drift_per_mille)?;
        }
        if self.min_events > 0 {
            writeln!(f, "events {}", self.min_events)?;
        }
        let (mut mine, mut default) = (self.settings.clone(), Settings::default());
        for (name, accessor) in SETTINGS {
            let (value, usual) = (accessor(&mut mine).text(), accessor(&mut default).text());
            if value != usual {
                writeln!(f, "set {name} {value}")?;
            }
        }
        self.actions.iter().try_for_each(|(at, action)| writeln!(f, "at {}us {action}", at.0))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Action::Weather(w) => write!(
                f,
                "weather loss={} duplicate={} replay={} slow={} delay={}us..{}us",
                w.loss_per_mille, w.duplicate_per_mille, w.replay_per_mille, w.slow_per_mille, w.least.0, w.most.0
            ),
            Action::Cut { from, to } => write!(f, "cut {} > {}", Set(*from), Set(*to)),
            Action::Join => f.write_str("join"),
            Action::Attack { replica, attack } => write!(f, "attack {replica} {attack}"),
            Action::Heal(replica) => write!(f, "heal {replica}"),
            Action::Twin { replica, first } => write!(f, "twin {replica} {}", Set(*first)),
            Action::Freeze(replica) => write!(f, "freeze {replica}"),
            Action::Thaw(replica) => write!(f, "thaw {replica}"),
            Action::Crash(replica) => write!(f, "crash {replica}"),
            Action::Kill { replica, ending } => write!(f, "kill {replica} {ending}"),
            Action::PowerCut { replica, ending, lost, is_torn } => {
                write!(f, "power-cut {replica} {ending} lost={lost} torn={}", u8::from(*is_torn))
            }
            Action::DiskFull(replica) => write!(f, "disk-full {replica}"),
            Action::BitRot { replica, draw } => write!(f, "bit-rot {replica} draw={draw}"),
            Action::Restart(replica) => write!(f, "restart {replica}"),
            Action::Submit { client, operations, draw, to } => {
                write!(f, "submit {client} x{operations} draw={draw} to {}", Set(*to))
            }
            Action::Evil { deed, draw } => {
                let name = EvilDeed::ALL.iter().find(|(other, _)| other == deed).map_or("", |(_, name)| name);
                write!(f, "evil {name} draw={draw}")
            }
            Action::Calm => f.write_str("calm"),
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "after={} group={}", self.after, self.group)
    }
}

/// Replicas as they are written; `-` for none.
struct Set(ReplicaSet);

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("-") } else { self.0.fmt(f) }
    }
}

impl Schedule {
    /// Reads a schedule.
    ///
    /// # Errors
    ///
    /// The first line that says nothing known, or something that can not be; line 0 for what is missing or does not fit
    /// together.
    pub fn parse(text: &str) -> Result<Schedule, ScheduleError> {
        let mut schedule = Schedule {
            seed: 0,
            protocol: ProtocolName::Pbft,
            committee: Committee::new(4).expect("a cluster of four"),
            settings: Settings::default(),
            keys: Keys::Tags,
            durability: Durability::Sync,
            clients: ClientFaults::default(),
            drift_per_mille: 0,
            min_events: 0,
            actions: Vec::new(),
        };
        for (index, line) in text.lines().enumerate() {
            let said = line.split('#').next().unwrap_or_default().trim();
            if !said.is_empty() {
                schedule.take_line(said).map_err(|message| ScheduleError { line: index + 1, message })?;
            }
        }
        schedule.actions.sort_by_key(|(at, _)| *at);
        let settings = schedule.settings.check(schedule.committee).map_err(|why| why.to_string());
        settings.and_then(|()| schedule.check_names()).map_err(|message| ScheduleError { line: 0, message })?;
        Ok(schedule)
    }

    fn take_line(&mut self, line: &str) -> Result<(), String> {
        let (word, rest) = split(line);
        match word {
            "protocol" => {
                let names = ProtocolName::ALL.map(ProtocolName::name).join(", ");
                let unknown = || format!("no protocol is called {rest}; there are {names}");
                self.protocol = ProtocolName::parse(rest).ok_or_else(unknown)?;
            }
            "seed" => self.seed = number(rest, "a seed")?,
            "replicas" => {
                let wanted = number(rest, "a number of replicas")?;
                self.committee = Committee::new(wanted).ok_or(format!("{wanted} replicas; 1 to 100 are possible"))?;
            }
            "keys" if rest == "ed25519" => self.keys = Keys::Ed25519,
            "keys" if rest == "tags" => self.keys = Keys::Tags,
            "keys" => return Err(format!("keys are tags or ed25519, not {rest}")),
            "durability" => {
                let level = Durability::ALL.into_iter().find(|(_, name)| *name == rest);
                self.durability = level.ok_or(format!("durability is sync or os, not {rest}"))?.0;
            }
            "clients" => self.clients = client_faults(rest)?,
            "drift" => {
                self.drift_per_mille = number(rest, "a number of thousandths")?;
                if self.drift_per_mille > Self::MAX_DRIFT_PER_MILLE {
                    return Err(format!("clocks drift by {} thousandths at most", Self::MAX_DRIFT_PER_MILLE));
                }
            }
            "events" => self.min_events = number(rest, "a number of events")?,
            "set" => self.take_setting(rest)?,
            "at" => {
                let (at, action) = split(rest);
                let Micros(at) = span(at)?;
                if at > Self::MAX_TIME.0 {
                    return Err(format!("{at}us is later than an hour"));
                }
                self.actions.push((Time(at), parse_action(action)?));
            }
            _ => {
                return Err(format!(
                    "{word} is not known here; a line begins with protocol, seed, replicas, keys, durability, clients, drift, \
                     events, set or at"
                ));
            }
        }
        Ok(())
    }

    fn take_setting(&mut self, text: &str) -> Result<(), String> {
        let (name, value) = split(text);
        let Some((_, accessor)) = SETTINGS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<&str> = SETTINGS.iter().map(|(known, _)| *known).collect();
            return Err(format!("there is no setting {name}; there are {}", known.join(", ")));
        };
        accessor(&mut self.settings).set(value).ok_or(format!("{value} is no value for {name}"))
    }

    /// Whether every replica that is named exists.
    fn check_names(&self) -> Result<(), String> {
        for (at, action) in &self.actions {
            let named = action.replicas();
            if let Some(stranger) = named.iter().find(|replica| !self.committee.contains(*replica)) {
                return Err(format!("at {}us: {stranger} is not among {} replicas", at.0, self.committee.size()));
            }
        }
        Ok(())
    }
}

impl Action {
    fn replicas(&self) -> ReplicaSet {
        match self {
            Action::Cut { from, to } => from.iter().chain(to.iter()).collect(),
            Action::Attack { replica, .. }
            | Action::Heal(replica)
            | Action::Freeze(replica)
            | Action::Thaw(replica)
            | Action::Crash(replica)
            | Action::Kill { replica, .. }
            | Action::PowerCut { replica, .. }
            | Action::DiskFull(replica)
            | Action::BitRot { replica, .. }
            | Action::Restart(replica) => [*replica].into_iter().collect(),
            Action::Twin { replica, first } => first.iter().chain([*replica]).collect(),
            Action::Submit { to, .. } => *to,
            Action::Weather(_) | Action::Join | Action::Evil { .. } | Action::Calm => ReplicaSet::default(),
        }
    }
}

fn parse_action(text: &str) -> Result<Action, String> {
    let (word, rest) = split(text);
    Ok(match word {
        "weather" => Action::Weather(parse_weather(rest)?),
        "cut" => {
            let (from, to) = rest.split_once('>').ok_or("a cut is written: cut n1,n2 > n3")?;
            Action::Cut { from: set(from)?, to: set(to)? }
        }
        "join" => Action::Join,
        "attack" => {
            let (who, attack) = split(rest);
            attack::parse(attack)
                .map_err(|error| format!("column {} of the attack: {}", error.column, error.message))?;
            Action::Attack { replica: replica(who)?, attack: attack.to_string() }
        }
        "heal" => Action::Heal(replica(rest)?),
        "twin" => {
            let (who, first) = split(rest);
            Action::Twin { replica: replica(who)?, first: set(first)? }
        }
        "freeze" => Action::Freeze(replica(rest)?),
        "thaw" => Action::Thaw(replica(rest)?),
        "crash" => Action::Crash(replica(rest)?),
        "kill" => {
            let words: Vec<&str> = rest.split_whitespace().collect();
            let [who, after, group] = words[..] else {
                return Err("a kill is written: kill n1 after=2 group=1".to_string());
            };
            Action::Kill { replica: replica(who)?, ending: ending(after, group)? }
        }
        "power-cut" => parse_power_cut(rest)?,
        "disk-full" => Action::DiskFull(replica(rest)?),
        "bit-rot" => {
            let (who, draw) = split(rest);
            Action::BitRot { replica: replica(who)?, draw: keyed(draw, "draw")? }
        }
        "restart" => Action::Restart(replica(rest)?),
        "submit" => parse_submit(rest)?,
        "evil" => {
            let (name, draw) = split(rest);
            let deed = EvilDeed::ALL.iter().find(|(_, known)| *known == name).map(|(deed, _)| *deed);
            let known: Vec<&str> = EvilDeed::ALL.iter().map(|(_, known)| *known).collect();
            let deed = deed.ok_or(format!("{name} is no evil deed; there are {}", known.join(", ")))?;
            Action::Evil { deed, draw: keyed(draw, "draw")? }
        }
        "calm" => Action::Calm,
        _ => {
            return Err(format!(
                "{word} is no action; there are weather, cut, join, attack, heal, twin, freeze, thaw, crash, kill, \
                 power-cut, disk-full, bit-rot, restart, submit, evil and calm"
            ));
        }
    })
}

fn parse_power_cut(text: &str) -> Result<Action, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [who, after, group, lost, torn] = words[..] else {
        return Err("a power cut is written: power-cut n1 after=2 group=1 lost=3 torn=0".to_string());
    };
    let lost = small(lost, "lost")?;
    if lost > Action::MAX_LOST {
        return Err(format!("lost={lost} is more than {}", Action::MAX_LOST));
    }
    let is_torn = small(torn, "torn")? > 0;
    Ok(Action::PowerCut { replica: replica(who)?, ending: ending(after, group)?, lost, is_torn })
}

fn ending(after: &str, group: &str) -> Result<Ending, String> {
    let (after, group) = (small(after, "after")?, small(group, "group")?);
    if group == 0 { Err("a group is of 1 event at least".to_string()) } else { Ok(Ending { after, group }) }
}

fn parse_submit(text: &str) -> Result<Action, String> {
    let form = "it is written: submit c1 x3 draw=8812 to n1,n2";
    let words: Vec<&str> = text.split_whitespace().collect();
    let [client, operations, draw, "to", to] = words[..] else { return Err(form.to_string()) };
    let client: u16 = client.strip_prefix('c').and_then(|n| n.parse().ok()).filter(|n| *n > 0).ok_or(form)?;
    let operations = operations.strip_prefix('x').and_then(|n| n.parse().ok()).ok_or(form)?;
    Ok(Action::Submit { client: ClientId(client - 1), operations, draw: keyed(draw, "draw")?, to: set(to)? })
}

fn parse_weather(text: &str) -> Result<Weather, String> {
    let mut weather = Weather::FAIR;
    for word in text.split_whitespace() {
        let (key, value) = word.split_once('=').ok_or(format!("{word} is not of the form key=value"))?;
        let per_mille = || number::<u16>(value, "a number of thousandths").map(|found| found.min(1000));
        match key {
            "loss" => weather.loss_per_mille = per_mille()?,
            "duplicate" => weather.duplicate_per_mille = per_mille()?,
            "replay" => weather.replay_per_mille = per_mille()?,
            "slow" => weather.slow_per_mille = per_mille()?,
            "delay" => {
                let (least, most) = value.split_once("..").ok_or("a delay is written: delay=250us..1000us")?;
                (weather.least, weather.most) = (span(least)?, span(most)?);
                if weather.least > weather.most {
                    return Err(format!("{least} is more than {most}"));
                }
            }
            _ => return Err(format!("weather has loss, duplicate, replay, slow and delay, no {key}")),
        }
    }
    Ok(weather)
}

fn client_faults(text: &str) -> Result<ClientFaults, String> {
    let mut faults = ClientFaults::default();
    for word in text.split_whitespace() {
        let (key, value) = word.split_once('=').ok_or("clients is followed by loss=, late= and forgetful=")?;
        let per_mille: u16 = number(value, "a number of thousandths")?;
        if per_mille > 1000 {
            return Err(format!("{per_mille} is more than 1000 thousandths"));
        }
        match key {
            "loss" => faults.loss_per_mille = per_mille,
            "late" => faults.late_per_mille = per_mille,
            "forgetful" => faults.forgetful_per_mille = per_mille,
            _ => return Err(format!("clients have loss, late and forgetful, no {key}")),
        }
    }
    Ok(faults)
}

/// The first word, and what follows it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim()))
}

fn number<N: FromStr>(text: &str, what: &str) -> Result<N, String> {
    text.trim().parse().map_err(|_| format!("{text:?} is not {what}"))
}

fn keyed(text: &str, key: &str) -> Result<u64, String> {
    let value = text.strip_prefix(key).and_then(|rest| rest.strip_prefix('=')).ok_or(format!("{key}=… is missing"))?;
    number(value, "a number")
}

fn small(text: &str, key: &str) -> Result<u16, String> {
    keyed(text, key)?.try_into().map_err(|_| format!("{key}= is at most {}", u16::MAX))
}

fn span(text: &str) -> Result<Micros, String> {
    let text = text.trim();
    for (unit, micros) in [("us", 1), ("ms", 1000), ("s", 1_000_000)] {
        if let Some(count) = text.strip_suffix(unit).and_then(|count| count.parse::<u64>().ok()) {
            return Ok(Micros(count.saturating_mul(micros)));
        }
    }
    Err(format!("{text:?} is no time, such as 250us, 120ms or 3s"))
}

fn replica(text: &str) -> Result<ReplicaId, String> {
    ReplicaId::parse(text.trim()).ok_or(format!("{text:?} is no replica, such as n3"))
}

/// Replicas with commas between them; `-` for none.
fn set(text: &str) -> Result<ReplicaSet, String> {
    if text.trim() == "-" {
        return Ok(ReplicaSet::default());
    }
    text.split(',').map(replica).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        for seed in 0..300 {
            let schedule = Schedule::of_seed(ProtocolName::Pbft, seed);
            assert_eq!(Schedule::parse(&schedule.to_string()), Ok(schedule.clone()), "seed {seed}");
            let with_disks = schedule.with_disk_faults();
            assert_eq!(Schedule::parse(&with_disks.to_string()), Ok(with_disks), "seed {seed} with disk faults");
        }
    }

    #[test]
    fn errors_say_where_and_what_would_be_right() {
        let cases = [
            ("protocol raft", 1, "there are pbft, linear"),
            ("\nat 5 calm", 2, "250us"),
            ("at 5ms rain", 1, "weather, cut"),
            ("at 5ms attack n1 smile", 1, "column 1"),
            ("set depth 4", 1, "depth_slots"),
            ("at 5ms crash n9", 0, "n9 is not among 4"),
            ("at 5ms kill n1 after=2", 1, "group=1"),
            ("at 5ms power-cut n1 after=2 group=1 lost=65 torn=0", 1, "more than 64"),
            ("durability memory", 1, "sync or os"),
            ("clients loss=1001", 1, "1000 thousandths"),
            ("clients rude=1", 1, "forgetful"),
            ("set window_slots 3", 0, "window_slots is 3"),
            ("at 5ms submit c0 x1 draw=1 to n1", 1, "submit c1"),
        ];
        for (text, line, hint) in cases {
            let error = Schedule::parse(text).unwrap_err();
            assert!(error.line == line && error.message.contains(hint), "{text:?}: {error:?}");
        }
    }
}
