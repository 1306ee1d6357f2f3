//! Filters: what they let pass, where, and how they go away.

use super::super::panes::{Context, Pane};
use super::screens::check;
use super::{Rig, panes};

/// A cluster with something to tell: an attack, a view change, refused signatures.
fn eventful() -> Rig {
    let mut rig = Rig::running(7, 12);
    rig.press("c");
    rig.frames(14);
    rig.press("Down Down s");
    rig.frames(12);
    rig.ui.toast = None;
    rig
}

/// The lines of the log, without rule and hints.
fn log(rig: &Rig) -> Vec<String> {
    let screen = rig.screen(120, 36);
    let (_, log) = screen.split_once("─ events").expect("there is a log");
    let lines: Vec<&str> = log.lines().skip(1).collect();
    lines.iter().take(lines.len() - 1).filter(|line| !line.is_empty()).map(|line| line.to_string()).collect()
}

#[test]
fn the_log_shows_what_contains_every_word_as_it_is_typed() {
    let mut rig = eventful();
    let all = log(&rig).len();
    rig.press("/attack");
    assert_eq!(rig.ui.context(), Context::Filter);
    assert!(
        all > 2 && log(&rig).len() == 2 && log(&rig).iter().all(|line| line.contains(" attack ")),
        "{:?}",
        log(&rig)
    );
    rig.press("_N3");
    assert!(log(&rig).len() == 1 && log(&rig)[0].contains("operator: n3 sign"), "{:?}", log(&rig));
    check("filter-typed-80x24", rig.screen(80, 24));
    rig.press("Enter");
    assert_eq!(rig.ui.context(), Context::Overview);
    assert_eq!(log(&rig).len(), 1, "Enter keeps it");
    for (width, height) in [(200, 60), (120, 36), (80, 24)] {
        check(&format!("filter-{width}x{height}"), rig.screen(width, height));
    }
    rig.press("Esc");
    assert_eq!(log(&rig).len(), all, "Esc drops it");
    rig.press("/nothing_of_the_kind");
    assert!(log(&rig).is_empty());
    rig.press("Esc");
    assert_eq!((log(&rig).len(), rig.ui.context()), (all, Context::Overview));
}

#[test]
fn an_empty_filter_shows_all_and_backspace_leaves_it() {
    let mut rig = eventful();
    let all = log(&rig).len();
    rig.press("/n3 Enter / Backspace Backspace");
    assert_eq!((log(&rig).len(), rig.ui.context()), (all, Context::Filter));
    rig.press("Backspace");
    assert_eq!((log(&rig).len(), rig.ui.context()), (all, Context::Overview));
    assert!(rig.screen(120, 36).contains("─ events ─"), "nothing is filtered");
}

#[test]
fn letters_are_text_while_a_filter_is_typed() {
    let mut rig = eventful();
    assert!(rig.sent("/c_K_A").is_empty());
    assert_eq!(rig.ui.filter.text(), "c K A");
    rig.press("Enter");
    assert_eq!(rig.sent("Up Up c"), [r#"Send(n1, End("crash"))"#], "and keys again");
}

#[test]
fn evidence_and_ledger_keep_their_headings() {
    let mut rig = eventful();
    rig.press("6 /signature Enter");
    let evidence = rig.screen(120, 36);
    assert!(["proofs", "attested", "suspected", "n3", "/signature  "].iter().all(|text| evidence.contains(text)));
    assert!(!evidence.contains("not executed in time"), "{evidence}");
    rig.press("7 / Backspace");
    assert_eq!(rig.ui.filter.text(), "signatur", "it is one filter for all panes");
    rig.press("Esc");
    rig.frames(4);
    rig.press("Down Down /n4 Enter");
    check("ledger-filtered-120x36", rig.screen(120, 36));
    let lines = super::lines(&rig.draw(120, 36));
    assert!(lines.iter().any(|line| line.starts_with(" n4 ")) && !lines.iter().any(|line| line.starts_with(" n5 ")));
    assert!(rig.ui.scroll(Pane::Ledger) == 0, "a page begins at its top again");
}

#[test]
fn where_nothing_can_be_filtered_it_is_said_where_it_can() {
    let mut rig = eventful();
    for pane in ["2", "3", "5"] {
        rig.press(pane);
        rig.press("/");
        let told = rig.ui.toast.take().map(|toast| toast.text);
        assert_eq!(told.as_deref(), Some("/ filters the event log on 1 and 8, the evidence on 6 and the ledger on 7"));
        assert!(!rig.screen(120, 36).lines().last().unwrap_or_default().contains("/ filter"), "no hint either");
    }
}

#[test]
fn the_log_beside_test_cases_is_filtered_too() {
    let mut rig = panes::with_cases().0;
    panes::begin(&mut rig, 0);
    rig.press("/link Enter");
    let screen = rig.screen(120, 36);
    assert!(screen.contains("─ events  /link  1 of ") && screen.contains("all 4 connected"), "{screen}");
    assert!(screen.contains("3 sets") && screen.contains("nobody lies"), "the sets stay: {screen}");
}
