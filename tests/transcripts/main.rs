//! PBFT and linear PBFT rule by rule: each text file in this folder drives one real replica, or a few, and shows every
//! output of each step, so that it can be read with the paper beside it.
//!
//! A file begins with comments and a `cluster` line, in which `protocol=linear` stands for linear PBFT; then come commands,
//! each followed by what came of it:
//!
//! | command | what it does |
//! |---|---|
//! | `client: a b` | a client hands its submissions over; `client > n2 n3: a` to these; `client c2: a` in a's stead |
//! | `n1: prepare v0 s1 a` | n1 says so, with its real key; `n1 n3 > n2: …` to n2; `n1 > nobody: …` for later use in V(…) |
//! | `n1: [bad signature] …` | something is wrong with it; also `by n3`, `signed by n3`, `as commit v0 s1 a`, `other cluster`, `other protocol`, `epoch 2` |
//! | `n1: certificate prepared v0 s1 a` | linear PBFT's collector; also `fast` and `committed`, and behind it `by n2 n3`, `bad`, `forced`, `header(bad)`, `votes(v0 s2 b)`, `commits`, `prepares` |
//! | `n2: view-change v2 P(s1 v0 a) and V(s1 v1 b)` | what is shown of a slot: P a prepared certificate, V the last vote in linear PBFT; `Q(fast s1 v0 a)` in `committed` |
//! | `deliver n1>n2 commit` | live replicas get what others sent them; without a filter until all is quiet |
//! | `drop …`, `cut …`, `mend` | what is on its way is lost; what is sent from now on is lost; no more |
//! | `+1500ms` | time passes, timers run out |
//! | `n2 crashes`, `n2 restarts` | it is gone; it is back without its log |
//! | `n1: attack dark(n3)`, `n1 heals` | in the attack language |
//! | `show`, `votes n2 s1`, `balance n2 0` | where they stand, who voted for what, what is in an account |
//! | `let a2 = c1/0 t2 pay 0 1 5` | a submission by name; `a` to `z` are given, each of its own session |
//! | `quietly …` | shows where everyone stands in the end instead of every output |
//!
//! Replicas in `live=` are real; the script plays all others. `UPDATE_TRANSCRIPTS=1 cargo test --test transcripts` rewrites
//! what is expected; what it writes is to be judged against the rule, not to be believed.

mod dialect;
mod forge;
mod inspect;
mod mail;
mod names;
mod rules;
mod script;
mod show;
mod stage;
mod words;

use std::collections::BTreeSet;

use stage::Clock;

macro_rules! transcripts {
    ($($name:ident)*) => {
        /// Every transcript, by the name of its file.
        const NAMES: &[&str] = &[$(stringify!($name)),*];

        $(
            #[test]
            fn $name() {
                script::check(stringify!($name));
            }
        )*
    };
}

transcripts! {
    rule_01_votes
    rule_02_prepare_from_primary
    rule_03_who_speaks
    rule_04_what_a_signature_covers
    rule_05_header_in_prepare
    rule_06_primary_stops_at_h
    rule_06_watermarks
    rule_07_one_pre_prepare
    rule_08_forced_twice
    rule_08_one_slot_per_request
    rule_09_order_and_bodies
    rule_10_nothing_goes_back
    rule_11_view_change_checked
    rule_11_view_change_contents
    rule_12_set_o
    rule_12_wrong_o
    rule_13_null_requests
    rule_14_two_quorums
    rule_15_complaining
    rule_16_ask_before_complaining
    rule_16_ask_when_behind
    rule_17_refused_work
    rule_17_timer_per_request
    rule_18_view_change_timer
    rule_19_join
    rule_20_new_view_repeated
    rule_20_retransmission
    rule_21_what_changes_the_view
    rule_22_one_new_view
    rule_23_client_table
    rule_23_table_travels
    rule_24_requests_to_all
    rule_26_reads_are_ordered
    rule_27_stable_checkpoints
    rule_27_what_the_digest_covers
    rule_28_state_transfer
    rule_29_idle_cluster
    rule_29_lost_log
    rule_30_clocks
    linear_01_votes_to_the_collector
    linear_02_certificates
    linear_03_the_whole_certificate
    linear_04_fast_path
    linear_05_fallback
    linear_06_withheld_certificates
    linear_07_set_o
    linear_08_decided_by_one
    linear_09_votes_checked
    linear_10_equivocation
    linear_11_complaining
    linear_12_retransmission
}

#[test]
fn every_file_is_a_test() {
    let entries = std::fs::read_dir(script::folder()).expect("the folder is there");
    let files = entries.map(|entry| entry.expect("it can be listed").file_name().into_string().expect("plain names"));
    let found: BTreeSet<String> = files.filter_map(|file| file.strip_suffix(".txt").map(str::to_string)).collect();
    let listed: BTreeSet<String> = NAMES.iter().map(|name| name.to_string()).collect();
    assert_eq!(found, listed);
}

#[test]
fn rule_30_what_is_signed_does_not_depend_on_what_the_clock_says() {
    let untimed: Vec<&str> = NAMES.iter().copied().filter(|name| !script::is_timed(name)).collect();
    assert!(untimed.len() > NAMES.len() / 3, "many rules have nothing to do with time");
    for name in untimed {
        let steady = script::signed(name, Clock::Steady);
        for seed in 0..10 {
            assert_eq!(steady, script::signed(name, Clock::Wild { seed }), "{name}, seed {seed}");
        }
    }
}
