//! What the language reads, what it writes, and how it complains.

use proptest::prelude::*;

use super::*;

fn set(members: &[u8]) -> ReplicaSet {
    members.iter().map(|number| ReplicaId(number - 1)).collect()
}

/// Parses one directive and compares the attack; it must also write itself out as `canonical`.
fn check(text: &str, attack: Attack, canonical: &str) {
    let directives = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let expected = Directive { attacker: None, attack, trigger: Trigger::Always };
    assert_eq!(directives, [expected], "{text}");
    assert_eq!(Directive::join(&directives), canonical, "{text}");
}

fn check_trigger(text: &str, trigger: Trigger) {
    let text = format!("crash {text}");
    let expected = Directive { attacker: None, attack: Attack::Crash, trigger };
    assert_eq!(expected.to_string(), text);
    assert_eq!(parse(&text), Ok(vec![expected]), "{text}");
}

fn check_error(text: &str, column: usize, part: &str) {
    let error = parse(text).expect_err(text);
    assert!(error.message.contains(part), "{text}: {error} lacks `{part}`");
    assert_eq!(error.column, column, "{text}: {error}");
}

#[test]
fn attacks_are_read_in_all_their_forms() {
    let digest = EquivocationForm::Digest;
    let equivocation = |members: &[u8], form| Attack::Equivocation { victims: set(members), form };
    check("sign", Attack::Sign, "sign");
    check(" Crash() ", Attack::Crash, "crash");
    check("time", Attack::Time(Micros::from_millis(500)), "time(500ms)");
    check("time(1.5s)", Attack::Time(Micros::from_millis(1500)), "time(1500ms)");
    check("dark(n6)", Attack::Dark(set(&[6])), "dark(n6)");
    check("dark( n6,S2 , 4,n2)", Attack::Dark(set(&[2, 4, 6])), "dark(n2, n4, n6)");
    check("equivocation(n7)", equivocation(&[7], EquivocationForm::Offset(10_000)), "equivocation(n7)");
    let offset = equivocation(&[6, 7], EquivocationForm::Offset(1));
    check("equivocation(n6, n7, offset=1)", offset, "equivocation(n6, n7, offset=1)");
    check("equivocation(n6, mode = digest)", equivocation(&[6], digest), "equivocation(n6, mode=digest)");
}

#[test]
fn attacks_that_name_no_victims_are_read_in_all_their_forms() {
    let clients = |numbers: &[u16]| Attack::Censor(numbers.iter().map(|number| ClientId(number - 1)).collect());
    check("censor(c1)", clients(&[1]), "censor(c1)");
    check("censor( c12,C3, c3 )", clients(&[3, 12]), "censor(c3, c12)");
    check("censor(A, j)", clients(&[1, 10]), "censor(c1, c10)");
    let withhold = |message, victims: &[u8]| Attack::Withhold {
        message,
        victims: victims.iter().map(|id| ReplicaId(*id)).collect(),
    };
    check("withhold(Commit)", withhold("commit", &[]), "withhold(commit)");
    check("withhold(certificate, n6, s7)", withhold("certificate", &[5, 6]), "withhold(certificate, n6, n7)");
    check("forge-certificate", Attack::ForgeCertificate, "forge-certificate");
    check("forge-nested", Attack::ForgeNested, "forge-nested");
    check("withhold(view-change)", withhold("view-change", &[]), "withhold(view-change)");
    check("withhold(reply)", withhold("reply", &[]), "withhold(reply)");
    check("replay", Attack::Replay, "replay");
    check("flood", Attack::Flood { messages_per_s: 1000 }, "flood(1000/s)");
    check("junk(new-view)", Attack::Junk(Junk::NewView), "junk(new-view)");
    check("flood(7/s)", Attack::Flood { messages_per_s: 7 }, "flood(7/s)");
    check("mutate", Attack::Mutate { per_mille: 100 }, "mutate(0.1)");
    check("mutate(0.25)", Attack::Mutate { per_mille: 250 }, "mutate(0.25)");
    check("forge-view-change", Attack::ForgeViewChange, "forge-view-change");
    check("Forge-New-View()", Attack::ForgeNewView, "forge-new-view");
    check("lie-checkpoint", Attack::LieCheckpoint, "lie-checkpoint");
    check("lie-state", Attack::LieState, "lie-state");
    check("lie-reply", Attack::LieReply, "lie-reply");
}

#[test]
fn triggers_are_read_in_all_their_forms() {
    let during = Trigger::During { from: Micros::from_millis(10_000), until: Micros::from_millis(20_000) };
    check_trigger("@10s..20s", during);
    check_trigger("@slot 100..200", Trigger::Slots { first: SeqNum(100), last: SeqNum(200) });
    check_trigger("@view 2", Trigger::InView(View(2)));
    check_trigger("@leader", Trigger::WhileLeading);
    check_trigger("@p=0.1", Trigger::WithProbability { per_mille: 100 });
    let one = parse("crash@slot 7").expect("one slot is a range");
    assert_eq!(one[0].trigger, Trigger::Slots { first: SeqNum(7), last: SeqNum(7) });
}

#[test]
fn an_attacker_comes_first() {
    let directives = parse("n1 dark(n2, n6) @10s..20s; n3 sign").expect("two directives");
    assert_eq!(directives.iter().map(|d| d.attacker).collect::<Vec<_>>(), [Some(ReplicaId(0)), Some(ReplicaId(2))]);
    assert_eq!(Directive::join(&directives), "n1 dark(n2, n6) @10s..20s; n3 sign");
}

#[test]
fn cells_of_test_cases_are_read() {
    for (text, count) in [("[]", 0), ("", 0), ("  ", 0), ("[crash]", 1), ("[time; dark(n6); equivocation(n7)]", 3)] {
        assert_eq!(parse(text).map(|directives| directives.len()), Ok(count), "{text}");
    }
    assert_eq!(parse("[ time ; dark(n6) ; ]"), parse("time; dark(n6)"));
}

#[test]
fn unknown_names_are_answered_with_those_that_exist() {
    for (text, suggestion) in [("dork(n6)", "`dark`"), ("equivocate(n6)", "`equivocation`"), ("eq", "`equivocation`")] {
        check_error(text, 1, &format!("did you mean {suggestion}"));
    }
    check_error("n1 frobnicate", 4, "unknown attack `frobnicate`");
    check_error("n1 frobnicate", 4, "sign, crash, time, dark, equivocation");
    assert!(!parse("frobnicate").expect_err("unknown").message.contains("did you mean"));
}

#[test]
fn missing_victims_are_asked_for() {
    check_error("dark", 5, "write dark(n6)");
    check_error("n1 dark()", 8, "needs victims");
    check_error("equivocation(offset=1)", 13, "write equivocation(n6)");
    check_error("censor", 7, "write censor(c1)");
    check_error("n1 withhold()", 12, "needs a kind of message (there are pre-prepare");
}

#[test]
fn what_a_parameter_can_not_be_is_said_and_what_it_can_be() {
    check_error("censor(n1)", 8, "write c1");
    check_error("censor(c0)", 8, "no client");
    check_error("censor(c1, x=c2)", 12, "no `x`");
    check_error("withhold(comit)", 10, "did you mean `commit`");
    check_error("withhold(n6)", 10, "unknown message `n6`");
    check_error("withhold(prepare, commit)", 19, "`commit` is no replica");
    check_error("withhold(prepare, to=n6)", 19, "write withhold(commit, n6)");
    check_error("flood(1000)", 7, "write 1/s");
    check_error("junk", 5, "needs a kind");
    check_error("junk(newview)", 6, "new-view");
    check_error("junk(state, fetch)", 13, "one kind is enough");
    check_error("flood(0/s)", 7, "no rate");
    check_error("flood(+5/s)", 7, "no rate");
    check_error("flood(100001/s)", 7, "to 100000/s");
    check_error("mutate(2)", 8, "probability");
    check_error("mutate(p=0.1)", 8, "write mutate(0.1)");
    check_error("replay(n1)", 8, "takes nothing");
    check_error("lie-replay", 1, "did you mean `lie-reply`");
}

#[test]
fn errors_say_where() {
    check_error("crash dark(n6)", 7, "`;`");
    check_error("crash; ; sign", 8, "an attack");
    check_error("n1", 3, "an attack after `n1`");
    check_error("crash(n6)", 7, "takes nothing");
    check_error("time(500)", 6, "write 500ms");
    check_error("time(0s)", 6, "none");
    check_error("time(1s, 2s)", 10, "one delay");
    check_error("dark(n6", 8, "`,` or `)`");
    check_error("dark(n0)", 6, "no replica");
    check_error("dark(n6, offset=1)", 10, "no `offset`");
    check_error("equivocation(n6, offset=0)", 25, "offset=1");
    check_error("equivocation(n6, mode=other)", 23, "mode=digest");
    check_error("equivocation(n6, offset=1, mode=digest)", 28, "once");
    check_error("[crash", 7, "`]`");
    check_error("crash]", 6, "the end");
    check_error("ünï; sign", 1, "unknown attack");
    check_error("sign @ünï", 7, "no trigger");
    check_error("sign @20s..10s", 7, "before");
    check_error("sign @slot 0..5", 12, "from 1");
    check_error("sign @slot 9..5", 12, "upward");
    check_error("sign @view -1", 12, "whole number");
    check_error("sign @p=2", 9, "probability");
    check_error("sign @p 0.1", 9, "`=`");
    check_error("sign @10s", 7, "@10s..20s");
}

#[test]
fn long_texts_are_refused() {
    let most = vec!["sign"; Directive::MAX_IN_TEXT].join(";");
    assert_eq!(parse(&most).map(|directives| directives.len()), Ok(Directive::MAX_IN_TEXT));
    check_error(&format!("{most};sign"), most.len() + 2, "more than 64 attacks");
    check_error(&" ".repeat(5000), 1, "more than 4096 bytes");
}

#[test]
fn every_usage_is_an_example() {
    for usage in Attack::names() {
        let directives = parse(usage.form).expect(usage.form);
        assert_eq!((directives.len(), directives[0].attack.name()), (1, usage.name));
        let needs = matches!(directives[0].attack, Attack::Censor(_) | Attack::Withhold { .. } | Attack::Junk(_));
        assert_eq!(parse(usage.name).is_err(), needs || !directives[0].attack.victims().is_empty());
    }
    let names: std::collections::BTreeSet<&str> = Attack::names().iter().map(|usage| usage.name).collect();
    assert_eq!(names.len(), Attack::names().len(), "each once");
    for usage in Trigger::names() {
        let directives = parse(&format!("sign {}", usage.form)).expect(usage.form);
        assert_eq!(directives[0].trigger.to_string(), usage.form);
    }
}

fn any_directive() -> impl Strategy<Value = Directive> {
    let victims =
        || proptest::collection::btree_set(0u8..128, 1..8).prop_map(|ids| ids.into_iter().map(ReplicaId).collect());
    let span = || prop_oneof![0..=Attack::MAX_SPAN.0, (0u64..=1440).prop_map(|minutes| minutes * 60_000_000)];
    let form = prop_oneof![
        prop_oneof![1..=u64::MAX, Just(10_000), Just(1)].prop_map(EquivocationForm::Offset),
        Just(EquivocationForm::Digest),
    ];
    let attack = prop_oneof![
        Just(Attack::Sign),
        Just(Attack::Crash),
        span().prop_map(|span_us| Attack::Time(Micros(span_us.max(1)))),
        victims().prop_map(Attack::Dark),
        (victims(), form).prop_map(|(victims, form)| Attack::Equivocation { victims, form }),
        proptest::collection::btree_set(any::<u16>().prop_map(ClientId), 1..5).prop_map(Attack::Censor),
        (
            proptest::sample::select(crate::attack::forge::message_names()),
            prop_oneof![Just(ReplicaSet::default()), victims()]
        )
            .prop_map(|(message, victims)| Attack::Withhold { message, victims }),
        (1..=Attack::MAX_FLOOD_PER_S).prop_map(|messages_per_s| Attack::Flood { messages_per_s }),
        proptest::sample::select(Junk::ALL.to_vec()).prop_map(Attack::Junk),
        (1u16..=1000).prop_map(|per_mille| Attack::Mutate { per_mille }),
        proptest::sample::select(vec![
            Attack::Replay,
            Attack::ForgeViewChange,
            Attack::ForgeNewView,
            Attack::ForgeCertificate,
            Attack::ForgeNested,
            Attack::LieCheckpoint,
            Attack::LieState,
            Attack::LieReply,
        ]),
    ];
    let during = (span(), span()).prop_filter("a span has two ends", |(a, b)| a != b);
    let trigger = prop_oneof![
        Just(Trigger::Always),
        Just(Trigger::WhileLeading),
        during.prop_map(|(a, b)| Trigger::During { from: Micros(a.min(b)), until: Micros(a.max(b)) }),
        (1..=u64::MAX, 1..=u64::MAX)
            .prop_map(|(a, b)| Trigger::Slots { first: SeqNum(a.min(b)), last: SeqNum(a.max(b)) }),
        any::<u64>().prop_map(|view| Trigger::InView(View(view))),
        (1u16..=1000).prop_map(|per_mille| Trigger::WithProbability { per_mille }),
    ];
    (proptest::option::of((0u8..128).prop_map(ReplicaId)), attack, trigger)
        .prop_map(|(attacker, attack, trigger)| Directive { attacker, attack, trigger })
}

/// Texts out of the language's own pieces, which get further than random ones.
fn any_jumble() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "n1",
        "n200",
        "dark",
        "time",
        "sign",
        "equivocation",
        "censor",
        "c1",
        "withhold",
        "commit",
        "flood",
        "10/s",
        "mutate",
        "(",
        ")",
        ",",
        ";",
        "@",
        "=",
        "[",
        "]",
        "slot",
        "view",
        "p",
        "leader",
        "10s",
        "..",
        "0.1",
        "99999999999999999999",
        " ",
        "é",
        "offset",
        "mode",
        "digest",
        ".",
    ];
    proptest::collection::vec(proptest::sample::select(PIECES), 0..16).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_is_written_reads_back_as_itself(directives in proptest::collection::vec(any_directive(), 0..5)) {
        let text = Directive::join(&directives);
        prop_assert_eq!(parse(&format!("[{text}]")), Ok(directives.clone()));
        prop_assert_eq!(parse(&text), Ok(directives));
    }

    #[test]
    fn no_text_panics(text in prop_oneof!["\\PC*", ".*", any_jumble()]) {
        match parse(&text) {
            Ok(directives) => prop_assert_eq!(parse(&Directive::join(&directives)), Ok(directives)),
            Err(error) => prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{}", error),
        }
    }
}
