//! One run: a fresh cluster, warmed up, measured, perhaps attacked, and brought to rest.

use std::sync::Arc;
use std::time::Duration;

use byztop_certs::Role;
use byztop_core::protocol::{Protocol as _, Settings};
use byztop_core::telemetry::ConsoleRequest;
use byztop_core::types::{ReplicaId, Time};
use byztop_node::load::{Load, LoadSettings};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until};

use super::attacked::{Attacked, Onset};
use super::figures::{Figures, Span, distribution_ms};
use super::meter::{Meter, Reading};
use super::plan::{Configuration, Plan};
use super::schedule::Planned;
use super::series::{Point, Series};
use crate::clock::unix_now;
use crate::launch::{LaunchOptions, Life, default_settings};
use crate::progress::Progress;
use crate::session::Session;
use crate::stop::Stop;
use crate::summary::{Summary, Verdict, grouped};
use crate::watch::{News, Watch};

/// How often replicas say where they stand.
const FRAME_MS: u32 = 100;

/// What came of a run.
pub(super) struct Run {
    /// The place of its configuration.
    pub(super) configuration: usize,
    /// Counted from 0.
    pub(super) repeat: u16,
    /// Nothing, if it broke before anything was measured.
    pub(super) measured: Option<Measured>,
    /// What did not hold, one line each.
    pub(super) broken: Vec<String>,
    /// Whether it was ended early.
    pub(super) was_interrupted: bool,
}

/// What was measured in a run.
pub(super) struct Measured {
    pub(super) figures: Figures,
    /// (quantile, milliseconds) of the latency end to end.
    pub(super) distribution: Vec<(f64, f64)>,
    pub(super) series: Vec<Point>,
    pub(super) attacked: Option<Attacked>,
}

impl Run {
    /// Operations per second; 0 if nothing was measured.
    pub(super) fn throughput(&self) -> f64 {
        self.measured.as_ref().map_or(0.0, |measured| measured.figures.throughput_ops_s)
    }
}

/// Runs one configuration once. Whatever goes wrong is in the result: the other runs still happen.
pub(super) fn run(plan: &Plan, place: usize, repeat: u16, stop: &Stop, progress: Progress, prefix: &str) -> Run {
    let configuration = &plan.configurations[place];
    let run =
        |measured, broken, was_interrupted| Run { configuration: place, repeat, measured, broken, was_interrupted };
    match try_run(plan, configuration, stop.clone(), progress, prefix) {
        Ok(Ended { measured, broken, was_interrupted }) => run(measured, broken, was_interrupted),
        Err(error) => run(None, vec![format!("{error:#}")], stop.is_asked()),
    }
}

struct Ended {
    measured: Option<Measured>,
    broken: Vec<String>,
    was_interrupted: bool,
}

fn try_run(
    plan: &Plan,
    configuration: &Configuration,
    stop: Stop,
    progress: Progress,
    prefix: &str,
) -> anyhow::Result<Ended> {
    let options = LaunchOptions {
        replicas: Some(configuration.replicas),
        protocol: Some(configuration.protocol),
        durability: Some(configuration.durability),
        settings: configuration
            .accounts
            .map(|accounts| Settings { accounts, ..default_settings(usize::from(configuration.replicas)) }),
        ..LaunchOptions::default()
    };
    let load_settings = LoadSettings {
        rate: configuration.rate.per_second(),
        bundle: usize::from(configuration.bundle),
        sessions: configuration.clients,
        ..LoadSettings::default()
    };
    // Only an operator may attack.
    let role = if plan.attacks.is_empty() { Role::Observer } else { Role::Operator };
    let session = Session::open(&options, load_settings, role, FRAME_MS)?;
    // Named in this order, the cluster is dropped last, whatever happens on the way.
    let Session { cluster, runtime, links, lives, load_settings } = session;
    let directory = cluster.directory().clone();
    let phases: &[&str] = byztop_core::with_protocol!(configuration.protocol, P => P::PHASES);
    let replicas = usize::from(configuration.replicas);
    let watch = Watch::new(links, lives, cluster.live(), progress, prefix.to_string());
    let bench = Bench { plan, phases, watch, meter: Meter::new(replicas, phases.len()), broken: Vec::new() };
    let start_load = || Load::start(directory.clone(), load_settings);
    let (ended, summary) = runtime.get().block_on(bench.go(start_load, stop, directory.config()))?;
    drop(runtime);
    drop(cluster);
    let mut broken = ended.broken;
    if let Verdict::Broken(lines) = summary.verdict() {
        broken.extend(lines);
    } else if ended.measured.as_ref().is_some_and(|measured| measured.figures.committed_ops == 0) {
        broken.push("nothing was committed while it was measured".to_string());
    }
    Ok(Ended { broken, ..ended })
}

/// A cluster under measurement.
struct Bench<'p> {
    plan: &'p Plan,
    phases: &'p [&'p str],
    watch: Watch,
    meter: Meter,
    /// What is wrong already.
    broken: Vec<String>,
}

/// The readings of a run, and where the attacks began and ended among them.
struct Readings {
    began: Reading,
    first_attack: Option<Reading>,
    last_attack: Option<Reading>,
    ended: Reading,
    /// Unix time at its begin.
    at: Time,
    series: Series,
}

impl Bench<'_> {
    async fn go(
        mut self,
        start_load: impl FnOnce() -> anyhow::Result<Load>,
        mut stop: Stop,
        config: &Arc<byztop_certs::ClusterConfig>,
    ) -> anyhow::Result<(Ended, Summary)> {
        tokio::select! {
            connected = self.watch.connect() => connected?,
            () = stop.asked() => anyhow::bail!("interrupted before the cluster was up"),
        }
        let (load, loaded) = (start_load()?, Instant::now());
        let warm = tokio::select! {
            () = self.warm_up() => true,
            () = stop.asked() => false,
        };
        let readings = if warm { Some(self.measure(&load, &mut stop).await) } else { None };
        for planned in &self.plan.attacks {
            self.watch.ask(planned.attacker, ConsoleRequest::Heal);
        }
        let (offered, offered_for) = (load.report(), loaded.elapsed());
        let drained = self.watch.drain(load).await;
        self.watch.settle().await;
        self.watch.clear();
        let summary = Summary::of(config, (&offered, offered_for), &drained, self.watch.in_the_end());
        let measured = readings.map(|readings| self.sum_up(readings));
        Ok((Ended { measured, broken: self.broken, was_interrupted: stop.is_asked() }, summary))
    }

    async fn warm_up(&mut self) {
        let end = Instant::now() + self.plan.warmup;
        self.watch.show("warming up");
        loop {
            tokio::select! {
                () = sleep_until(end) => return,
                news = self.watch.step() => self.on_news(news),
            }
        }
    }

    async fn measure(&mut self, load: &Load, stop: &mut Stop) -> Readings {
        let began = self.meter.read(&self.watch, load.report());
        let at = unix_now();
        let (begin, end) = (began.at, began.at + self.plan.duration);
        let mut series = Series::new(&began, self.plan.duration);
        let mut ticks = interval_at(begin + series.step(), series.step());
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut orders = orders(&self.plan.attacks);
        let (mut first_attack, mut last_attack) = (None, None);
        let all_end = self.plan.attacks.iter().all(|planned| planned.until.is_some());
        loop {
            let next_order = orders.last().map_or(end + Duration::from_secs(1), |order| begin + order.at);
            tokio::select! {
                biased;
                () = stop.asked() => {
                    self.watch.say("interrupted; ending early");
                    break;
                }
                () = sleep_until(end) => break,
                () = sleep_until(next_order) => {
                    let Some(order) = orders.pop() else { continue };
                    if first_attack.is_none() {
                        first_attack = Some(self.meter.read(&self.watch, load.report()));
                    }
                    self.watch.ask(order.replica, order.request);
                    if orders.is_empty() && all_end {
                        last_attack = Some(self.meter.read(&self.watch, load.report()));
                    }
                }
                _ = ticks.tick() => {
                    let point = series.add(Instant::now(), &load.report());
                    self.show(&point);
                }
                news = self.watch.step() => self.on_news(news),
            }
        }
        let ended = self.meter.read(&self.watch, load.report());
        Readings { began, first_attack, last_attack, ended, at, series }
    }

    fn on_news(&mut self, news: News) {
        match news {
            News::Frame(replica) => {
                if let Some(frame) = self.watch.frame(replica) {
                    self.meter.fold(frame);
                }
            }
            News::Refused(replica, why) => self.broken.push(format!("{replica} refuses an attack: {why}")),
            News::Life(replica, Life::Ended { how, .. }) => self.broken.push(format!("{replica} {how}")),
            News::Life(..) | News::Done(..) | News::Ledger(..) | News::Link => {}
        }
    }

    fn show(&self, point: &Point) {
        self.watch.show(&format!(
            "{:.1} of {:.1} s  view {}  {} op/s{}",
            point.t_s,
            self.plan.duration.as_secs_f64(),
            self.watch.view(),
            grouped(point.throughput_ops_s as u64),
            point.p99_ms.map_or_else(String::new, |ms| format!("  p99 {ms:.1} ms")),
        ));
    }

    fn sum_up(&self, readings: Readings) -> Measured {
        let Readings { began, first_attack, last_attack, ended, at, series } = readings;
        let span = |from, to| Span { from, to, phases: self.phases };
        let whole = span(&began, &ended);
        let series = series.points();
        let attacked = first_attack.as_ref().map(|first| {
            let during = span(first, last_attack.as_ref().unwrap_or(&ended)).figures();
            let after = last_attack.as_ref().map(|last| span(last, &ended).figures());
            let onset = Onset::of(&self.plan.attacks, at, &self.meter.events);
            Attacked::of(span(&began, first).figures(), during, after, &onset, &series)
        });
        Measured { figures: whole.figures(), distribution: distribution_ms(&whole.latencies()), series, attacked }
    }
}

/// Something to ask of a replica during the run.
struct Order {
    at: Duration,
    replica: ReplicaId,
    request: ConsoleRequest,
}

/// What is to be asked, the last first.
fn orders(attacks: &[Planned]) -> Vec<Order> {
    let of = |planned: &Planned| {
        let Planned { attacker: replica, directive, from, until } = planned.clone();
        let begin = Order { at: from, replica, request: ConsoleRequest::Attack(directive.to_string()) };
        let end = |at| Order { at, replica, request: ConsoleRequest::End(directive.attack.name().to_string()) };
        std::iter::once(begin).chain(until.map(end))
    };
    let mut orders: Vec<Order> = attacks.iter().flat_map(of).collect();
    orders.sort_by_key(|order| std::cmp::Reverse(order.at));
    orders
}
