//! What keys and commands do, by scripts of keys.

use byztop_core::committee::Committee;
use byztop_core::telemetry::ConsoleMessage;
use byztop_core::types::ReplicaId;

use super::super::action::Action;
use super::super::model::Process;
use super::super::palette::Line;
use super::super::panes::Context;
use super::super::presets::PRESETS;
use super::super::ui::Overlay;
use super::super::update::update;
use super::super::{Command, FeedEvent, LinkEvent, ProcessEvent};
use super::{Rig, lines};

fn attack_of(rig: &Rig, replica: usize) -> &str {
    rig.model.replicas[replica].attack().unwrap()
}

#[test]
fn an_attacks_key_sets_it_at_once_and_ends_it_again() {
    let mut rig = Rig::running(7, 8);
    rig.press("Home c");
    assert_eq!(attack_of(&rig, 0), "crash");
    assert!(rig.first_line().contains("faults 1/2"), "{}", rig.first_line());
    rig.frames(2);
    assert_eq!(attack_of(&rig, 0), "crash");
    assert_eq!(rig.sent("c"), [r#"Send(n1, End("crash"))"#]);
    assert!(rig.first_line().contains("faults 0/2"), "{}", rig.first_line());
}

#[test]
fn ending_one_of_two_attacks_keeps_the_other() {
    let mut rig = Rig::running(7, 8);
    assert_eq!(rig.sent("ds"), [r#"Send(n1, Attack("time(500ms)"))"#, r#"Send(n1, Attack("sign"))"#]);
    assert_eq!(attack_of(&rig, 0), "time(500ms); sign");
    rig.frames(2);
    assert_eq!(rig.sent("d"), [r#"Send(n1, End("time"))"#]);
    assert_eq!(attack_of(&rig, 0), "sign");
}

#[test]
fn enter_alone_darkens_a_sensible_choice() {
    let mut rig = Rig::running(7, 8);
    assert_eq!(rig.sent("k Enter"), [r#"Send(n1, Attack("dark(n6, n7)"))"#]);
    assert_eq!(rig.ui.context(), Context::Overview);
    assert_eq!(rig.sent("k"), [r#"Send(n1, End("dark"))"#], "the key ends it without asking for victims");
}

#[test]
fn victims_are_chosen_and_the_form_is_switched() {
    let mut rig = Rig::running(7, 8);
    let sent = rig.sent("e _ Home _ Tab Enter");
    assert_eq!(sent, [r#"Send(n1, Attack("equivocation(n2, n7, mode=digest)"))"#]);
    assert!(rig.sent("Down k Home _ _ Esc").is_empty(), "Esc attacks nobody");
    rig.press("k End _ Up _ Enter");
    assert!(matches!(rig.ui.overlay, Overlay::Chooser(_)), "nobody is no choice");
    assert!(rig.ui.toast.as_ref().is_some_and(|toast| toast.is_error));
}

#[test]
fn more_than_f_ask_once() {
    let mut rig = Rig::running(7, 8);
    rig.press("c Down c Down");
    assert!(rig.sent("c").is_empty());
    let Overlay::Confirm(confirm) = &rig.ui.overlay else { panic!("no question") };
    assert_eq!(
        confirm.question,
        "n1, n2, n3 would be Byzantine, f = 2: no quorum of honest replicas, progress may stop, replicas may diverge"
    );
    assert!(rig.sent("Esc").is_empty());
    assert_eq!(rig.sent("c Enter"), [r#"Send(n3, Attack("crash"))"#]);
    assert!(rig.first_line().contains("faults 3/2"));
    assert_eq!(rig.sent("s"), [r#"Send(n3, Attack("sign"))"#], "no more are attacked than before");
    assert_eq!(rig.sent("Up c"), [r#"Send(n2, End("crash"))"#], "healing is never asked about");
}

#[test]
fn a_dead_process_counts_against_the_budget() {
    let mut rig = Rig::running(7, 8);
    let events = rig.cluster.kill(ReplicaId(6));
    rig.take(events);
    assert!(rig.first_line().contains("faults 1/2") && rig.first_line().contains("LIVE 6/7"));
    rig.press("c Down c");
    assert_eq!(rig.ui.context(), Context::Confirm);
    assert!(rig.sent("Esc End c").is_empty());
    assert!(rig.ui.toast.as_ref().is_some_and(|toast| toast.text == "n7 is dead; R restarts it"));
}

/// What the user was last told.
fn toast(rig: &Rig) -> &str {
    rig.ui.toast.as_ref().map_or("", |toast| &toast.text)
}

#[test]
fn a_killed_replica_is_dead_until_it_is_restarted_and_answers() {
    let mut rig = Rig::running(7, 8);
    assert_eq!(rig.sent("Down K"), ["Kill(n2)"]);
    rig.frames(1);
    let counts =
        |rig: &Rig| ["faults 0/2", "faults 1/2", "LIVE 6/7", "LIVE 7/7"].map(|text| rig.first_line().contains(text));
    assert_eq!(counts(&rig), [false, true, true, false]);
    assert!(rig.screen(120, 36).contains("killed 0s"));
    assert!(rig.sent("K").is_empty());
    assert_eq!(toast(&rig), "n2 is dead; R restarts it");
    assert_eq!(rig.sent("R"), ["Restart(n2)"]);
    rig.frames(1);
    assert_eq!(counts(&rig), [false, true, true, false], "it has said nothing yet");
    assert!(rig.screen(120, 36).contains("no word yet 0s"));
    let events = rig.cluster.answer(ReplicaId(1));
    rig.take(events);
    rig.frames(1);
    assert_eq!(counts(&rig), [true, false, false, true]);
    assert!(rig.sent("R").is_empty());
    assert_eq!(toast(&rig), "n2 runs; K kills it, and R then restarts it");
}

#[test]
fn a_restart_may_be_wanted_before_the_kill_is_confirmed() {
    let mut rig = Rig::running(7, 8);
    let mut act = |action| update(&mut rig.model, &mut rig.ui, action);
    assert_eq!(act(Action::Kill), [Command::Kill(ReplicaId(0))]);
    assert_eq!(act(Action::Kill), [], "once is enough");
    assert_eq!(act(Action::Restart), [Command::Restart(ReplicaId(0))]);
    rig.frames(13);
    assert!(!rig.model.replicas[0].is_dead(), "nobody has carried it out");
}

#[test]
fn what_remains_on_the_way_from_the_dead_is_not_believed() {
    let mut rig = Rig::running(7, 8);
    let mut frames = rig.cluster.step();
    rig.take(vec![FeedEvent::Process(ReplicaId(0), ProcessEvent::Killed)]);
    frames.truncate(1);
    rig.take(frames);
    assert!(rig.first_line().contains("LIVE 6/7"), "{}", rig.first_line());
}

#[test]
fn kills_beyond_the_budget_ask_once() {
    let mut rig = Rig::running(7, 8);
    rig.press("c Down K Down");
    assert!(rig.sent("K").is_empty());
    let Overlay::Confirm(confirm) = &rig.ui.overlay else { panic!("no question") };
    assert_eq!(
        confirm.question,
        "n1 would be Byzantine and n2, n3 down, f = 2: no quorum of honest replicas, progress may stop, replicas may \
         diverge"
    );
    assert_eq!(rig.sent("Esc Home K"), ["Kill(n1)"], "it counts already");
    rig.press("Down Down K");
    let Overlay::Confirm(confirm) = &rig.ui.overlay else { panic!("no question") };
    assert_eq!(
        confirm.question,
        "n1, n2, n3 would be down, f = 2: no quorum, nothing is decided until enough of them are back"
    );
    assert_eq!(rig.sent("Enter"), ["Kill(n3)"]);
    assert_eq!(rig.sent("R"), ["Restart(n3)"], "nobody is asked about that");
    rig.model.durability = "memory".to_string();
    rig.press("Down K");
    let Overlay::Confirm(confirm) = &rig.ui.overlay else { panic!("no question") };
    assert!(confirm.question.contains("may wait for ever"), "{}", confirm.question);
}

#[test]
fn the_palette_kills_and_restarts_whom_it_names() {
    let mut rig = Rig::running(4, 8);
    assert_eq!(rig.sent(":kill_n3 Enter"), ["Kill(n3)"]);
    assert_eq!(rig.sent(":restart_n3 Enter"), ["Restart(n3)"]);
    assert_eq!(rig.sent(":kill Enter"), [] as [&str; 0], "the selected one is one too many");
    assert_eq!(rig.sent("Enter"), ["Kill(n1)"]);
    assert_eq!(rig.sent(":kill_all Enter Enter"), ["Kill(n2)", "Kill(n3)", "Kill(n4)"], "one is dead already");
    rig.press(":kill_all Enter");
    assert_eq!(toast(&rig), "nobody is left to kill");
    assert_eq!(rig.sent(":restart_all Enter").len(), 4);
    rig.press(":restart_all Enter");
    assert_eq!(toast(&rig), "nobody is dead");
    rig.press(":rest Tab");
    assert!(matches!(&rig.ui.overlay, Overlay::Palette(line) if line.text == "restart "));
    rig.press("a Tab");
    assert!(matches!(&rig.ui.overlay, Overlay::Palette(line) if line.text == "restart all"));
}

#[test]
fn healing_restarts_whom_a_key_killed_and_nobody_else() {
    let mut rig = Rig::running(7, 8);
    let events = rig.cluster.kill(ReplicaId(6));
    rig.take(events);
    rig.press("K Down c Enter");
    assert_eq!(
        rig.sent("A"),
        ["Restart(n1)", "Send(n2, Heal)", "Send(n3, Heal)", "Send(n4, Heal)", "Send(n5, Heal)", "Send(n6, Heal)"]
    );
    assert!(rig.sent("End H").is_empty());
    assert_eq!(toast(&rig), "n7 is dead; R restarts it");
    assert_eq!(rig.sent("R"), ["Restart(n7)"]);
}

#[test]
fn a_replica_that_does_not_start_is_told_of() {
    let mut rig = Rig::running(4, 8);
    rig.press("K");
    let why = "can not start n1: no such file".to_string();
    rig.take(vec![FeedEvent::Process(ReplicaId(0), ProcessEvent::NotStarted { why })]);
    assert_eq!(toast(&rig), "n1 does not start: can not start n1: no such file");
    assert!(rig.model.replicas[0].is_dead());
}

#[test]
fn a_process_that_was_not_started_here_is_left_alone() {
    let mut rig = Rig::running(4, 8);
    rig.model.replicas[0].process = Process::Unknown;
    for keys in ["K", "R"] {
        assert!(rig.sent(keys).is_empty());
        assert_eq!(toast(&rig), "n1 was not started here: its process can be neither killed nor restarted");
    }
}

#[test]
fn all_are_healed() {
    let mut rig = Rig::running(4, 8);
    rig.press("c");
    assert_eq!(rig.sent("A").len(), 4);
    assert_eq!(attack_of(&rig, 0), "");
    rig.press("s");
    assert_eq!(rig.sent(":heal_n1 Enter"), ["Send(n1, Heal)"]);
    assert_eq!(rig.sent("H"), ["Send(n1, Heal)"]);
}

#[test]
fn the_palette_attacks_whom_it_names() {
    let mut rig = Rig::running(7, 8);
    assert_eq!(rig.sent(":attack_n5_time(300ms) Enter"), [r#"Send(n5, Attack("time(300ms)"))"#]);
    assert_eq!(rig.ui.context(), Context::Overview);
    let both = rig.sent(":attack_n5_dark(n2);_n6_sign Enter");
    assert_eq!(both, [r#"Send(n5, Attack("dark(n2)"))"#, r#"Send(n6, Attack("sign"))"#]);
    assert_eq!(attack_of(&rig, 4), "time(300ms); dark(n2)");
    assert_eq!(rig.sent(":crash Enter"), [] as [&str; 0], "a third one is asked about");
    assert_eq!(rig.ui.context(), Context::Confirm);
}

#[test]
fn in_the_palette_a_name_holds_until_the_next_one() {
    let mut rig = Rig::running(7, 8);
    let sent = rig.sent(":attack_n3_sign;_dark(n2);_n4_crash;_time Enter");
    assert_eq!(sent, [r#"Send(n3, Attack("sign; dark(n2)"))"#, r#"Send(n4, Attack("crash; time(500ms)"))"#]);
}

#[test]
fn a_mistake_keeps_the_line_and_points_at_it() {
    let mut rig = Rig::running(7, 8);
    let mistake = |rig: &Rig| match &rig.ui.overlay {
        Overlay::Palette(line) => line.mistake.clone().map(|mistake| (mistake.column, mistake.message)),
        _ => None,
    };
    assert!(rig.sent(":attack_n1_nonsense(n2) Enter").is_empty());
    let (column, message) = mistake(&rig).unwrap();
    assert_eq!(column, 11, "{message}");
    assert!(message.contains("nonsense"), "{message}");
    rig.press("Esc :attack_n1_dark(n9) Enter");
    assert_eq!(mistake(&rig).unwrap(), (16, "no replica n9; there are n1 to n7".into()));
    for (command, column) in [
        ("rate", 5),
        ("rate_fast", 6),
        ("goto_0", 6),
        ("heal_n8", 6),
        ("kill_n8", 6),
        ("restart_you", 9),
        ("crash_n1", 7),
        ("fly", 1),
        ("attack", 7),
    ] {
        rig.press(&format!("Esc :{command} Enter"));
        assert_eq!(mistake(&rig).map(|(column, _)| column), Some(column), "{command}");
    }
    rig.press("Backspace");
    assert_eq!(mistake(&rig), None, "typing on takes the mistake away");
}

#[test]
fn the_palette_completes_and_remembers() {
    let mut rig = Rig::running(7, 8);
    let text = |rig: &Rig| match &rig.ui.overlay {
        Overlay::Palette(line) => line.text.clone(),
        _ => String::new(),
    };
    rig.press(":att Tab");
    assert_eq!(text(&rig), "attack ");
    rig.press("n3 Tab");
    rig.press("_eq Tab");
    assert_eq!(text(&rig), "attack n3 equivocation(");
    rig.press("n1,_n2) Enter");
    assert_eq!(attack_of(&rig, 2), "equivocation(n1, n2)");
    rig.press(":goto_7 Enter : Up Up");
    assert_eq!(text(&rig), "attack n3 equivocation(n1, n2)");
    rig.press("Down");
    assert_eq!(text(&rig), "goto 7");
    rig.press("Down Backspace");
    assert_eq!(rig.ui.context(), Context::Overview, "erasing nothing closes the line");
}

#[test]
fn what_an_attack_takes_is_completed_where_it_is_known() {
    let mut rig = Rig::running(10, 8);
    let text = |rig: &Rig| match &rig.ui.overlay {
        Overlay::Palette(line) => line.text.clone(),
        _ => String::new(),
    };
    rig.press(":attack_n3_with Tab");
    assert_eq!(text(&rig), "attack n3 withhold(");
    rig.press("com Tab");
    assert_eq!(text(&rig), "attack n3 withhold(commit", "`committed` is possible too");
    rig.press(")_ Enter");
    assert_eq!(attack_of(&rig, 2), "withhold(commit)");
    rig.press(":attack_n2_cen Tab");
    assert_eq!(text(&rig), "attack n2 censor(");
    rig.press("c3) Enter :attack_n4_rep Tab Enter");
    assert_eq!([attack_of(&rig, 1), attack_of(&rig, 3)], ["censor(c3)", "replay"]);
}

#[test]
fn the_load_and_the_watched_slot_are_commanded() {
    let mut rig = Rig::running(4, 8);
    assert_eq!(rig.sent(":rate_5000 Enter"), ["SetRate(Some(5000.0))"]);
    assert_eq!(rig.sent(":rate_max Enter"), ["SetRate(None)"]);
    assert_eq!(rig.sent(":goto_18431 Enter").len(), 4);
    let link = LinkEvent::Down("lost".into());
    rig.take(vec![FeedEvent::Link(ReplicaId(0), link)]);
    let before = rig.commands.len();
    let events = rig.cluster.connect();
    rig.take(events);
    assert_eq!(format!("{:?}", rig.commands[before]), "Send(n1, WatchSlot(Some(18431)))", "a new link is told again");
    assert_eq!(rig.sent(":follow Enter").len(), 4);
    assert_eq!(rig.ui.watched, None);
}

#[test]
fn a_refusal_is_shown_and_takes_the_attack_back() {
    let mut rig = Rig::running(7, 8);
    rig.model.replicas[0].expect(rig.model.now, "crash".into());
    let refused = ConsoleMessage::Refused("attacks are not allowed\x1b[2J here".into());
    rig.take(vec![FeedEvent::Link(ReplicaId(0), LinkEvent::Message(refused))]);
    assert_eq!(attack_of(&rig, 0), "");
    let toast = rig.ui.toast.as_ref().unwrap();
    assert_eq!((toast.text.as_str(), toast.is_error), ("n1 refused: attacks are not allowed [2J here", true));
}

#[test]
fn no_answer_is_not_taken_for_success() {
    let mut rig = Rig::running(7, 8);
    rig.model.replicas[0].expect(rig.model.now, "crash".into());
    rig.frames(11);
    assert_eq!(attack_of(&rig, 0), "crash");
    rig.frames(2);
    assert_eq!(attack_of(&rig, 0), "");
    assert_eq!(rig.ui.toast.as_ref().map(|toast| toast.text.as_str()), Some("n1 did not answer: crash"));
}

#[test]
fn the_selection_moves_and_stays_within() {
    let mut rig = Rig::running(7, 2);
    let mut after = |keys: &str| {
        rig.press(keys);
        rig.ui.selected
    };
    assert_eq!(after("Up"), 0);
    assert_eq!(after("Down Down"), 2);
    assert_eq!(after("PageDown"), 6);
    assert_eq!(after("Down"), 6);
    assert_eq!(after("Home"), 0);
    assert_eq!(after("End"), 6);
}

#[test]
fn the_help_is_searched_by_typing() {
    let mut rig = Rig::running(7, 2);
    rig.press("? quit");
    assert!(matches!(&rig.ui.overlay, Overlay::Help { search, .. } if search == "quit"));
    rig.press("Backspace Backspace Backspace Backspace Backspace");
    assert_eq!(rig.ui.context(), Context::Overview);
    rig.press("? ?");
    assert_eq!(rig.ui.context(), Context::Overview);
}

#[test]
fn q_leaves() {
    let mut rig = Rig::running(7, 2);
    assert_eq!(rig.sent("q"), ["Quit"]);
    assert!(rig.ui.is_over && rig.commands.last() == Some(&Command::Quit));
}

#[test]
fn the_last_change_can_be_undone_and_the_one_before_that() {
    let mut rig = Rig::running(7, 8);
    rig.press("c d");
    rig.frames(1);
    assert_eq!(attack_of(&rig, 0), "crash; time(500ms)");
    assert_eq!(rig.sent("u"), [r#"Send(n1, Heal)"#, r#"Send(n1, Attack("crash"))"#]);
    rig.frames(1);
    assert_eq!(attack_of(&rig, 0), "crash");
    assert_eq!(rig.sent("u"), [r#"Send(n1, Heal)"#]);
    assert!(rig.sent("u").is_empty());
    assert_eq!(rig.ui.toast.as_ref().map(|toast| toast.is_error), Some(true), "there is nothing more to undo");
    assert_eq!(rig.sent("K u"), ["Kill(n1)", "Restart(n1)"]);
}

#[test]
fn undoing_asks_as_well_before_it_goes_beyond_the_budget() {
    let mut rig = Rig::running(4, 8);
    rig.press("c A");
    rig.frames(1);
    rig.press("Down c");
    rig.frames(1);
    rig.press("A");
    rig.frames(1);
    assert_eq!(rig.sent("Home c").len(), 1);
    rig.frames(1);
    rig.press("u u");
    rig.frames(1);
    assert_eq!(attack_of(&rig, 1), "crash", "the second healing is undone");
}

#[test]
fn presets_are_chosen_by_name_and_set_on_who_leads() {
    let mut rig = Rig::running(7, 24);
    rig.press("5 p");
    let screen = rig.screen(80, 24);
    assert!(PRESETS.iter().all(|preset| screen.contains(preset.name)), "{screen}");
    rig.press("two Tab");
    let line = lines(&rig.draw(120, 36)).swap_remove(35);
    assert!(line.contains("n1 equivocation(n6, n7, mode=digest)  the primary gives f backups another batch"), "{line}");
    assert_eq!(rig.sent("Enter"), [r#"Send(n1, Attack("equivocation(n6, n7, mode=digest)"))"#]);
    rig.press("A");
    assert_eq!(rig.sent(":preset_bad-signers Enter"), [r#"Send(n7, Attack("sign"))"#, r#"Send(n6, Attack("sign"))"#]);
    rig.press(":preset_silent-primary Enter");
    assert!(rig.screen(120, 36).contains("n1, n6, n7 would be Byzantine"), "{}", rig.screen(120, 36));
    rig.press("Esc :preset_nobody Enter");
    assert!(rig.screen(200, 60).contains("which preset? known: silent-primary, "), "{}", rig.screen(200, 60));
}

#[test]
fn an_attack_for_a_while_tells_how_long_it_still_is() {
    let mut rig = Rig::running(7, 24);
    rig.press("5 Down :attack_n2_dark(n7)@1s..3s Enter");
    let cell = |rig: &Rig| lines(&rig.draw(120, 36)).into_iter().find(|line| line.starts_with("▸  n2")).unwrap();
    rig.frames(1);
    assert!(cell(&rig).contains(" n7 in 0s "), "{}", cell(&rig));
    rig.frames(5);
    assert!(cell(&rig).contains(" n7 for 1s "), "{}", cell(&rig));
    rig.frames(12);
    assert!(cell(&rig).contains(" n7 over "), "{}", cell(&rig));
    rig.press(":attack_n3_sign@leader Enter Down");
    assert!(rig.screen(120, 36).contains("@leader"), "{}", rig.screen(120, 36));
}

#[test]
fn every_command_says_what_it_does() {
    let words = Line::default().completions(Committee::new(7).unwrap());
    assert!(words.len() > 30 && words.iter().all(|word| !word.help.is_empty()), "{words:?}");
}
