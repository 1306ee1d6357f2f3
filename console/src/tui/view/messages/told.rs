//! What is told of a course below its diagram.

use std::collections::BTreeMap;

use byztop_core::types::{ReplicaId, ReplicaSet, Time};
use ratatui::style::Style;

use super::super::canvas::wrap;
use super::super::page::{Line, Page};
use super::Scene;
use crate::books::{End, ranges};
use crate::tui::text::millis;

impl Scene<'_> {
    /// What stands out, by time: each cause once, with everyone whom it concerns.
    pub(super) fn remarks(&self, width: usize, page: &mut Page) {
        let theme = self.theme();
        let mut remarks: BTreeMap<(ReplicaId, String, String), (Time, ReplicaSet, Style)> = BTreeMap::new();
        for journey in &self.journeys {
            let (name, from) = (&journey.name, journey.from);
            let mut remark = |said: String, style: Style| {
                let at = journey.finish().unwrap_or_default();
                let (first, hearers, _) =
                    remarks.entry((from, name.clone(), said)).or_insert((at, ReplicaSet::default(), style));
                *first = (*first).min(at);
                hearers.insert(journey.to);
            };
            match &journey.end {
                End::Refused(why) => remark(format!("refused: {why}"), theme.bad),
                End::Withheld(by) => remark(format!("kept by {by}"), theme.attack),
                End::Unsent => remark("could not leave: no link, or no room".to_string(), theme.warn),
                End::NotThere if journey.held.is_none() => remark("not there".to_string(), theme.warn),
                _ => {}
            }
            if let Some((wanted, by)) = &journey.held {
                let late = match journey.left {
                    Some(left) => format!("{} ms late by {by}", millis(left.since(*wanted))),
                    None => format!("held back by {by}"),
                };
                remark(late, theme.attack);
            }
            if let Some(digest) = journey.digest().filter(|_| self.is_of_another_batch(journey)) {
                remark(format!("for another batch, {}", digest.short()), theme.bad);
            }
        }
        let silent: ReplicaSet =
            self.model.committee.members().filter(|id| !self.sheet.tellers().contains(*id)).collect();
        let mut remarks: Vec<_> = remarks.into_iter().collect();
        remarks.sort_by_key(|(_, (at, ..))| *at);
        if remarks.is_empty() {
            let slowest = self.journeys.iter().filter_map(|j| Some((j.came?.since(j.left?), j)));
            let text = match slowest.max_by_key(|(took, _)| *took) {
                Some((took, j)) => {
                    format!(
                        "every message arrived; the slowest was {}'s {} to {}, {} ms",
                        j.from,
                        j.name,
                        j.to,
                        millis(took)
                    )
                }
                None => "nothing was heard".to_string(),
            };
            page.line(text, theme.good);
        }
        for ((from, name, said), (at, hearers, style)) in remarks {
            let text = format!("{from}'s {name} to {}: {said}", ranges(hearers));
            let time = format!("{:>7}  ", self.since(at));
            for (place, text) in wrap(&text, width.saturating_sub(9)).into_iter().enumerate() {
                let time = if place == 0 { time.clone() } else { " ".repeat(9) };
                page.pieces(vec![(time, theme.dim), (text, style)]);
            }
        }
        if !silent.is_empty() {
            page.line(format!("{} tell nothing of it", ranges(silent)), theme.unknown);
        }
    }

    /// When votes came to the selected replica, and when they were enough.
    pub(super) fn arrivals(&self, width: usize, page: &mut Page) {
        let theme = self.theme();
        let hearer = self.ui.selection();
        let rank = |name: &str| self.model.phases.iter().position(|phase| phase == name).unwrap_or(usize::MAX);
        let mut names = self.names();
        names.sort_by_key(|name| rank(name));
        let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0);
        let ends = ["pre-prepared", "prepared", "committed"];
        page.pieces(vec![
            (format!("came to {hearer}"), theme.title),
            ("  in ms, the sender's name first".into(), theme.dim),
        ]);
        for name in names {
            let mut pieces: Vec<(Time, String, Style)> = Vec::new();
            for journey in self.journeys.iter().filter(|j| j.to == hearer && j.name == name) {
                let Some(came) = journey.came else { continue };
                let (mark, style) = match self.oddity(journey) {
                    Some((glyph, style)) => (format!("{glyph}"), style),
                    None => (String::new(), theme.text),
                };
                pieces.push((came, format!("{}{mark} {}", journey.from, self.since(came)), style));
            }
            let step = rank(name);
            if let Some(at) = self.steps(hearer).get(step).copied().flatten().filter(|_| step < ends.len()) {
                pieces.push((at, format!("▎{} {}", ends[step], self.since(at)), theme.good));
            }
            if pieces.is_empty() {
                continue;
            }
            pieces.sort_by_key(|(at, ..)| *at);
            let (mut line, mut x) = (Line::new(), 0);
            for (place, (_, text, style)) in pieces.into_iter().enumerate() {
                let room = text.chars().count() + 2;
                if place == 0 || x + room > width {
                    if place > 0 {
                        page.pieces(std::mem::take(&mut line));
                    }
                    let label = if place == 0 { name } else { "" };
                    line.push((format!("{label:<longest$}  "), theme.dim));
                    x = longest + 2;
                }
                line.push((format!("{text}  "), style));
                x += room;
            }
            page.pieces(line);
        }
    }
}
