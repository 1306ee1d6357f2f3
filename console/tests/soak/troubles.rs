//! What befalls the cluster: kills, attacks, slow links, clocks that jump, old copies of a folder.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use byztop_core::telemetry::ConsoleRequest;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rand::RngExt as _;

use super::{BACK_WITHIN_SLOTS, BYZTOP, REPLICAS, Soak, Trouble};

/// Only the first of them are attacked: whoever is accused that was killed and no more has contradicted itself.
pub(super) const ATTACKED: usize = 4;
const ATTACKS: [&str; 14] = [
    "sign",
    "crash",
    "time(200ms)",
    "dark(VICTIM)",
    "equivocation",
    "equivocation(mode=digest)",
    "withhold(commit)",
    "replay",
    "mutate(0.1)",
    "forge-view-change",
    "forge-new-view",
    "lie-checkpoint",
    "lie-state",
    "lie-reply",
];

/// Only this one is started with old copies of its folder: it may contradict itself before anybody shows it what it has
/// forgotten, which is then told and no failure.
pub(super) const RESTORED: usize = 4;

/// How long all links are slow, and by how much: each message is delayed by so much.
const SLOW_LINKS: Duration = Duration::from_secs(12);
const SLOWNESS_MS: [u64; 4] = [50, 200, 400, 700];

/// Makes a process see another time of day; Debian's package `faketime` has it.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
const CLOCK_JUMPS: [&str; 4] = ["+2h", "-2h", "+30d", "-10s"];

impl Soak {
    /// Everyone's messages take longer.
    pub(super) async fn slow_links(&mut self) {
        let delay_ms = SLOWNESS_MS[self.dice.random_range(0..SLOWNESS_MS.len())];
        for request in &self.requests {
            request.send(ConsoleRequest::Attack(format!("time({delay_ms}ms)"))).await.unwrap();
        }
        self.slow = Some(Instant::now() + SLOW_LINKS);
        *self.counts.entry("slow links").or_default() += 1;
    }

    pub(super) async fn end_slow_links(&mut self) {
        if self.slow.take_if(|until| *until <= Instant::now()).is_none() {
            return;
        }
        for request in &self.requests {
            request.send(ConsoleRequest::Heal).await.unwrap();
        }
        self.replicas.iter_mut().for_each(|known| known.trouble = Some(Trouble::ComingBack));
    }

    /// Ends troubles whose time is over.
    pub(super) async fn move_on(&mut self) {
        let top =
            self.replicas.iter().filter_map(|known| known.frame.as_ref()).map(|frame| frame.status.executed.0).max();
        for index in 0..REPLICAS {
            let now = Instant::now();
            match self.replicas[index].trouble {
                Some(Trouble::Dead(until)) if until <= now => {
                    self.start(index);
                    self.replicas[index].trouble = Some(Trouble::ComingBack);
                }
                Some(Trouble::Attacked(until)) if until <= now => {
                    self.requests[index].send(ConsoleRequest::Heal).await.unwrap();
                    self.replicas[index].trouble = Some(Trouble::ComingBack);
                }
                Some(Trouble::ComingBack) => {
                    let executed = self.replicas[index].frame.as_ref().map(|frame| frame.status.executed.0);
                    if executed.zip(top).is_some_and(|(executed, top)| executed + BACK_WITHIN_SLOTS >= top) {
                        self.replicas[index].trouble = None;
                    }
                }
                _ => {}
            }
        }
    }

    pub(super) async fn begin_trouble(&mut self, index: usize) {
        if index >= ATTACKED || self.dice.random_bool(0.4) {
            *self.counts.entry("kills").or_default() += 1;
            return self.kill(index);
        }
        let until = self.some_time();
        let victim = format!("n{}", (index + 1) % REPLICAS + 1);
        let attack = ATTACKS[self.dice.random_range(0..ATTACKS.len())];
        self.requests[index].send(ConsoleRequest::Attack(attack.replace("VICTIM", &victim))).await.unwrap();
        self.replicas[index].trouble = Some(Trouble::Attacked(until));
        *self.counts.entry(attack).or_default() += 1;
    }

    pub(super) fn kill(&mut self, index: usize) {
        let until = self.some_time();
        let known = &mut self.replicas[index];
        let pid = known.pid.take().expect("it is fine, so its link was up");
        kill(Pid::from_raw(pid.try_into().unwrap()), Signal::SIGKILL).unwrap();
        known.child.take().map(|mut child| child.wait());
        known.floor = known.frame.take().map(|frame| frame.status.executed);
        known.trouble = Some(Trouble::Dead(until));
        if index == RESTORED {
            self.copy_or_restore();
        }
    }

    /// The folder of a replica that was just killed is copied, or replaced by the copy of an earlier time.
    fn copy_or_restore(&mut self) {
        let folder = self.home.join(format!("n{}", RESTORED + 1));
        if !self.copy.exists() {
            copy_folder(&folder, &self.copy);
        } else if self.dice.random_bool(0.7) {
            std::fs::remove_dir_all(&folder).unwrap();
            copy_folder(&self.copy, &folder);
            std::fs::remove_dir_all(&self.copy).unwrap();
            self.replicas[RESTORED].floor = None;
            *self.counts.entry("old folders restored").or_default() += 1;
        }
    }

    fn some_time(&mut self) -> Instant {
        Instant::now() + Duration::from_millis(self.dice.random_range(500..5000))
    }

    fn start(&mut self, index: usize) {
        let name = format!("n{}", index + 1);
        let log = File::options().append(true).create(true).open(self.home.join(&name).join("log")).unwrap();
        let mut command = Command::new(BYZTOP);
        command.arg("node").arg(self.home.join(name)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        if Path::new(FAKETIME).exists() && self.dice.random_bool(0.3) {
            let jump = CLOCK_JUMPS[self.dice.random_range(0..CLOCK_JUMPS.len())];
            command.env("LD_PRELOAD", FAKETIME).env("FAKETIME", jump).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            *self.counts.entry("clock jumps").or_default() += 1;
        }
        self.replicas[index].child = Some(command.spawn().unwrap());
    }

    /// Heals everyone and starts whoever is dead.
    pub(super) async fn calm(&mut self) {
        self.slow = self.slow.map(|_| Instant::now());
        self.end_slow_links().await;
        for known in &mut self.replicas {
            if let Some(Trouble::Dead(until) | Trouble::Attacked(until)) = &mut known.trouble {
                *until = Instant::now();
            }
        }
        self.move_on().await;
        self.listen(Duration::from_secs(1)).await;
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy_folder(&entry.path(), &target),
            // Times and permissions are kept: keys are read by their owner alone.
            false => drop(std::fs::copy(entry.path(), &target).unwrap()),
        }
    }
}
