//! What the overview looks like, at several sizes and in several situations.

use std::collections::BTreeMap;

use byztop_core::protocol::TransferProgress;
use byztop_core::types::{Micros, ReplicaId, SeqNum};
use ratatui::buffer::Buffer;
use ratatui::style::{Color, Style};

use super::super::theme::Theme;
use super::super::{FeedEvent, LinkEvent};
use super::{Rig, lines};

pub(super) fn check(name: &str, screen: String) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, screen);
    });
}

/// A row of letters under each row of text; each letter stands for a style, which the end of the dump names.
fn styled(buffer: &Buffer) -> String {
    let mut letters: BTreeMap<String, char> = BTreeMap::new();
    let mut out = Vec::new();
    for (y, line) in lines(buffer).into_iter().enumerate() {
        let mut styles = String::new();
        for x in 0..buffer.area.width {
            let cell = &buffer[(x, y as u16)];
            let name = name_of(cell.style());
            let next = char::from(b'a' + (letters.len() as u8).min(25));
            let is_blank = cell.symbol() == " " && cell.bg == Color::Reset && cell.modifier.is_empty();
            styles.push(if is_blank { ' ' } else { *letters.entry(name).or_insert(next) });
        }
        out.push(format!(" {line}"));
        out.push(format!("~{}", styles.trim_end()));
    }
    out.extend(letters.into_iter().map(|(name, letter)| format!("{letter} = {name}")));
    out.join("\n")
}

fn name_of(style: Style) -> String {
    let colour = |colour: Option<Color>| match colour {
        Some(Color::Indexed(index)) => index.to_string(),
        Some(Color::Reset) | None => "-".to_string(),
        Some(other) => format!("{other:?}"),
    };
    format!("{} on {} {:?}", colour(style.fg), colour(style.bg), style.add_modifier)
}

#[test]
fn steady() {
    let rig = Rig::running(7, 60);
    for (width, height) in [(200, 60), (120, 36), (80, 24), (60, 16), (40, 10)] {
        check(&format!("steady-{width}x{height}"), rig.screen(width, height));
    }
}

#[test]
fn slots_of_the_fast_path_look_different() {
    let mut rig = Rig::new(7);
    rig.cluster.has_collector = true;
    let events = rig.cluster.connect();
    rig.take(events);
    rig.frames(60);
    for (width, height) in [(200, 60), (120, 36), (80, 24)] {
        check(&format!("linear-{width}x{height}"), rig.screen(width, height));
    }
}

#[test]
fn before_anything_is_connected() {
    let mut rig = Rig::new(7);
    check("connecting-120x36", rig.screen(120, 36));
    rig.cluster.now = rig.cluster.now.after(Micros::from_millis(3200));
    rig.take(vec![FeedEvent::Link(ReplicaId(0), LinkEvent::Down("connection refused".into()))]);
    check("connecting-80x24", rig.screen(80, 24));
}

#[test]
fn a_crashed_primary_is_deposed() {
    let mut rig = Rig::running(7, 24);
    rig.press("c");
    rig.frames(3);
    let table = lines(&rig.draw(120, 36))[3].clone();
    assert!(table.contains("silent 0.7s") && table.contains("crash 0s"), "{table}");
    check("silent-120x36", rig.screen(120, 36));
    for _ in 0..12 {
        rig.frames(1);
        let successor = lines(&rig.draw(120, 36))[4].clone();
        assert!(!successor.contains("silent"), "the silence was another's: {successor}");
    }
    check("view-change-120x36", rig.screen(120, 36));
}

#[test]
fn a_lost_link_takes_the_numbers_with_it() {
    let mut rig = Rig::running(7, 24);
    let events = rig.cluster.kill(ReplicaId(5));
    rig.take(events);
    rig.frames(8);
    check("lost-120x36", rig.screen(120, 36));
}

#[test]
fn a_killed_primary_is_replaced_and_comes_back() {
    let mut rig = Rig::running(7, 24);
    rig.press("K");
    rig.frames(12);
    check("killed-120x36", rig.screen(120, 36));
    check("killed-styles-80x24", styled(&rig.draw(80, 24)));
    rig.press("R");
    rig.frames(5);
    check("restarting-80x24", rig.screen(80, 24));
    let events = rig.cluster.answer(ReplicaId(0));
    rig.take(events);
    let transfer = TransferProgress {
        target: SeqNum(20_352),
        wanted_leaves: Some(50_000),
        fetched_leaves: 21_500,
        fetched_bytes: 8_600_000,
        sources: 6,
    };
    rig.cluster.recovering.insert(ReplicaId(0), (Some(SeqNum(0)), Some(transfer)));
    rig.frames(1);
    for (width, height) in [(200, 60), (120, 36), (80, 24)] {
        check(&format!("transfer-{width}x{height}"), rig.screen(width, height));
    }
    rig.cluster.recovering.insert(ReplicaId(0), (Some(SeqNum(20_736)), None));
    rig.frames(1);
    assert!(rig.first_line().contains("faults 1/2"), "who watches does not vote: {}", rig.first_line());
    for (width, height) in [(120, 36), (80, 24)] {
        check(&format!("watches-{width}x{height}"), rig.screen(width, height));
    }
    rig.cluster.recovering.clear();
    rig.frames(1);
    assert!(rig.first_line().contains("faults 0/2"), "{}", rig.first_line());
}

#[test]
fn a_silent_link_is_not_believed_for_long() {
    let mut rig = Rig::running(4, 24);
    assert!(rig.first_line().contains("● LIVE 4/4"));
    rig.model.tick(rig.model.now.after(Micros::from_millis(2500)));
    let screen = lines(&rig.draw(80, 24));
    assert!(screen[0].contains("○ LIVE 0/4") && screen[0].contains("view ?"), "{}", screen[0]);
    assert!(screen[2..6].iter().all(|row| row.contains('?') && !row.contains("19")), "{screen:?}");
}

#[test]
fn victims_of_the_dark_fall_behind() {
    let mut rig = Rig::running(7, 24);
    rig.press("Down Down k Enter");
    rig.frames(6);
    check("dark-120x36", rig.screen(120, 36));
}

#[test]
fn what_lies_over_the_screen() {
    let mut rig = Rig::running(7, 24);
    rig.press("e m");
    check("chooser-120x36", rig.screen(120, 36));
    rig.press("Esc ?");
    check("help-120x36", rig.screen(120, 36));
    rig.press("victims");
    check("help-search-80x24", rig.screen(80, 24));
    rig.press("Esc :");
    check("palette-empty-80x24", rig.screen(80, 24));
    rig.press("preset_");
    check("palette-presets-80x24", rig.screen(80, 24));
    rig.press("Esc :attack_n1_dark(");
    check("palette-120x36", rig.screen(120, 36));
    rig.press("n2)_nonsense Enter");
    check("palette-mistake-80x24", rig.screen(80, 24));
    rig.press("Esc c Down c Down c");
    check("confirm-80x24", rig.screen(80, 24));
    rig.press("Esc Home K Down K Down K");
    check("confirm-kill-80x24", rig.screen(80, 24));
}

#[test]
fn the_log_can_be_large() {
    let mut rig = Rig::running(7, 24);
    rig.press("c");
    rig.frames(16);
    rig.press("l");
    check("log-80x24", rig.screen(80, 24));
}

#[test]
fn many_replicas_scroll_with_the_selection() {
    let mut rig = Rig::running(40, 24);
    rig.press("End");
    check("forty-120x36", rig.screen(120, 36));
}

#[test]
fn colours_carry_meaning() {
    let mut rig = Rig::running(7, 24);
    rig.press("Down s");
    rig.frames(4);
    let events = rig.cluster.kill(ReplicaId(5));
    rig.take(events);
    check("dark-styles-80x24", styled(&rig.draw(80, 24)));
    rig.ui.theme = Theme::MONO;
    let mono = rig.draw(80, 24);
    assert!(mono.content.iter().all(|cell| cell.fg == Color::Reset && cell.bg == Color::Reset));
    check("mono-styles-80x24", styled(&mono));
}
