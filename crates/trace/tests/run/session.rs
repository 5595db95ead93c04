//! Sessions: order of steps, actions, exits, losses.

use skep_engine::{Attach, Rate};
use skep_trace::hir::MapId;
use skep_trace::plan::{Action, Format, Piece, RunKind, Spec, globals};
use skep_trace::run::format::encode;
use skep_trace::run::output::Layout;
use skep_trace::types::{Agg, Type, Types};

use crate::fake::{Outcome, Script};

fn interval() -> RunKind {
    RunKind::Attach(Attach::Perf(skep_engine::PerfEvent {
        kind: 1,
        config: 0,
        rate: Rate::Period(1),
        cpus: skep_engine::Cpus::One,
        pid: None,
        cookie: 0,
    }))
}

fn say(text: &str) -> Action {
    let pieces = vec![
        Piece::Text(text.as_bytes().into()),
        Piece::Arg(Spec { bits: 64, ..Spec::default() }),
        Piece::Text(b"\n".into()),
    ];
    Action::Printf(Format { pieces, args: vec![Type::I64] })
}

fn event(action: u32, v: i64) -> Vec<u8> {
    encode(action, 0, &Types::default(), &[(Type::I64, &v.to_ne_bytes())])
}

fn bare(action: u32) -> Vec<u8> {
    encode(action, 0, &Types::default(), &[])
}

fn json(mut script: Script) -> Outcome {
    script.options.layout = Layout::Json;
    script.run()
}

#[test]
fn begin_comes_first_end_last_then_maps() {
    let make = || {
        let mut script = Script::new();
        script.plan.actions = vec![say("n ")];
        script.group(RunKind::End, vec![event(0, 3)]);
        script.group(interval(), vec![event(0, 2)]);
        script.group(RunKind::Begin, vec![event(0, 1)]);
        script.map("@c", &[], Type::Agg(Agg::Count), vec![(vec![0; 4], 7u64.to_ne_bytes().into())]);
        script.plan.probe_count = 3;
        script
    };
    let outcome = make().run();
    assert_eq!(outcome.data, "n 1\nn 2\nn 3\n\n\n@c: 7\n");
    assert_eq!(outcome.talk, "Attaching 3 probes...\nAttached 3 probes\n");
    assert_eq!(outcome.code, Ok(0));
    assert_eq!(outcome.log, ["run 2", "attach 1", "attached", "detach 1", "run 0"]);
    let outcome = json(make());
    assert_eq!(
        outcome.data,
        "{\"type\": \"attached_probes\", \"count\": 3, \"data\": {\"probes\": 3}}\n\
         {\"type\": \"printf\", \"data\": \"n 1\\n\"}\n\
         {\"type\": \"printf\", \"data\": \"n 2\\n\"}\n\
         {\"type\": \"printf\", \"data\": \"n 3\\n\"}\n\
         {\"type\": \"map\", \"data\": {\"@c\": 7}}\n"
    );
}

#[test]
fn one_probe_is_not_plural_and_quiet_says_nothing() {
    let mut script = Script::new();
    script.group(interval(), vec![]);
    assert_eq!(script.run().talk, "Attaching 1 probe...\nAttached 1 probe\n");
    let mut script = Script::new();
    script.group(interval(), vec![]);
    script.options.quiet = true;
    assert_eq!(script.run().talk, "");
}

#[test]
fn exit_ends_at_once_with_its_code_and_drops_what_follows() {
    let mut script = Script::new();
    script.plan.actions = vec![say("n "), Action::Exit];
    script.interrupt_after = usize::MAX;
    script.group(interval(), vec![event(0, 1), event(1, 3), event(0, 2)]);
    script.group(RunKind::End, vec![event(0, 9)]);
    let outcome = script.run();
    assert_eq!(outcome.data, "n 1\nn 9\n\n\n");
    assert_eq!(outcome.code, Ok(3));
}

#[test]
fn exit_ends_the_session_even_if_its_event_was_lost() {
    for run in [interval(), RunKind::Interval(1_000_000), RunKind::Begin] {
        let mut script = Script::new();
        script.interrupt_after = usize::MAX;
        script.global(globals::EXITED, 7 << 32 | 1);
        script.group(run, vec![]);
        script.group(interval(), vec![]);
        let outcome = script.run();
        assert_eq!(outcome.code, Ok(7));
    }
}

#[test]
fn what_a_program_sends_is_taken_while_it_runs() {
    for run in [RunKind::Begin, RunKind::End] {
        let mut script = Script::new();
        script.plan.actions = vec![say("n ")];
        script.room = 10;
        script.group(run, (0..1000).map(|n| event(0, n)).collect());
        let data = script.run().data;
        assert_eq!(data.lines().filter(|l| l.starts_with("n ")).count(), 1000);
    }
}

#[test]
fn intervals_are_run_by_the_session_until_it_ends() {
    let mut script = Script::new();
    script.plan.actions = vec![say("tick "), Action::Exit];
    script.interrupt_after = usize::MAX;
    script.group(RunKind::Interval(1_000_000), vec![event(0, 1)]);
    script.group(RunKind::Interval(20_500_000), vec![event(1, 4)]);
    let began = std::time::Instant::now();
    let outcome = script.run();
    assert!(began.elapsed().as_micros() >= 20_500);
    assert_eq!(outcome.code, Ok(4));
    let ticks = outcome.data.lines().filter(|l| *l == "tick 1").count();
    assert!((1..=20).contains(&ticks), "{ticks}");
    assert_eq!(outcome.log[0], "attached");
}

#[test]
fn exit_in_begin_attaches_nothing() {
    let mut script = Script::new();
    script.plan.actions = vec![Action::Exit];
    script.group(RunKind::Begin, vec![event(0, 0)]);
    script.group(interval(), vec![]);
    let outcome = script.run();
    assert_eq!(outcome.log, ["run 0"]);
    assert_eq!(outcome.code, Ok(0));
}

#[test]
fn begin_alone_ends_by_itself() {
    let mut script = Script::new();
    script.plan.actions = vec![say("hello ")];
    script.interrupt_after = usize::MAX;
    script.group(RunKind::Begin, vec![event(0, 1)]);
    assert_eq!(script.run().data, "hello 1\n\n\n");
}

#[test]
fn the_end_of_what_is_traced_ends_the_session() {
    let mut script = Script::new();
    script.plan.actions = vec![say("n ")];
    script.interrupt_after = usize::MAX;
    script.stop = true;
    script.group(interval(), vec![event(0, 1)]);
    assert_eq!(script.run().data, "n 1\n\n\n");
}

#[test]
fn signals_run_their_programs() {
    let mut script = Script::new();
    script.plan.actions = vec![say("signal ")];
    script.group(RunKind::Signal(10), vec![event(0, 10)]);
    script.group(RunKind::Signal(12), vec![event(0, 12)]);
    script.pending_signals = 1 << 10;
    let outcome = script.run();
    assert_eq!(outcome.data, "signal 10\n\n\n");
}

#[test]
fn print_and_clear_keep_their_place_among_events() {
    let count = || Type::Agg(Agg::Count);
    let make = || {
        let mut script = Script::new();
        let print = Action::PrintMap { map: MapId(0), top: 0, div: 1 };
        script.plan.actions = vec![print, Action::Clear(MapId(0)), say("n ")];
        script.map("@", &[], count(), vec![(vec![0; 4], 5u64.to_ne_bytes().into())]);
        let records = vec![bare(0), event(2, 1), bare(1), bare(0)];
        script.group(interval(), records);
        script
    };
    assert_eq!(make().run().data, "@: 5\nn 1\n@: 0\n\n\n");
    assert_eq!(
        json(make()).data.lines().skip(1).collect::<Vec<_>>(),
        [
            r#"{"type": "map", "data": {"@": 5}}"#,
            r#"{"type": "printf", "data": "n 1\n"}"#,
            r#"{"type": "map", "data": {"@": 0}}"#,
        ]
    );
}

#[test]
fn a_zeroed_map_prints_and_a_cleared_one_does_not() {
    for (action, expected) in
        [(Action::Zero(MapId(0)), "\n\n@: 0\n"), (Action::Clear(MapId(0)), "\n\n")]
    {
        let mut script = Script::new();
        script.plan.actions = vec![action];
        let value = Type::Agg(Agg::Sum { signed: true });
        script.map("@", &[], value, vec![(vec![0; 4], 5u64.to_ne_bytes().into())]);
        script.group(interval(), vec![bare(0)]);
        assert_eq!(script.run().data, expected);
    }
}

#[test]
fn a_map_without_keys_prints_if_it_was_set_even_to_zero() {
    let values = [Type::I64, Type::Agg(Agg::Sum { signed: true }), Type::Str { max: 8 }];
    for (value, zero) in values.into_iter().zip(["0", "0", ""]) {
        for (set, expected) in [(1, format!("\n\n@: {zero}\n")), (0, "\n\n".to_owned())] {
            let mut script = Script::new();
            script.map("@", &[], value.clone(), vec![(vec![0; 4], vec![0; 8])]);
            script.global(globals::map_set(1, MapId(0)), set);
            script.group(interval(), vec![]);
            assert_eq!(script.run().data, expected);
        }
    }
}

#[test]
fn maps_are_not_printed_if_the_script_says_so() {
    let mut script = Script::new();
    script.plan.config.print_maps_on_exit = false;
    script.map("@", &[], Type::I64, vec![(vec![0; 4], 5u64.to_ne_bytes().into())]);
    script.group(interval(), vec![]);
    assert_eq!(script.run().data, "\n\n");
}

#[test]
fn print_shows_values_and_elements() {
    let tuple = Type::Tuple(vec![Type::I64, Type::Str { max: 8 }]);
    let mut bytes = 1i64.to_ne_bytes().to_vec();
    bytes.extend_from_slice(b"hi\0\0\0\0\0\0");
    let make = || {
        let mut script = Script::new();
        let elem = Action::PrintMapElem { map: MapId(0), div: 1 };
        script.plan.actions = vec![Action::PrintValue(tuple.clone()), elem];
        let entries = vec![(5i64.to_ne_bytes().into(), 50i64.to_ne_bytes().into())];
        script.map("@", &[Type::I64], Type::I64, entries);
        script.plan.config.print_maps_on_exit = false;
        let value = encode(0, 0, &Types::default(), &[(tuple.clone(), &bytes)]);
        script.group(interval(), vec![value, event(1, 5), event(1, 6)]);
        script
    };
    assert_eq!(make().run().data, "(1, hi)\n50\n0\n\n\n");
    let outcome = json(make());
    let lines: Vec<_> = outcome.data.lines().skip(1).collect();
    assert_eq!(
        lines,
        [
            r#"{"type": "value", "data": [1,"hi"]}"#,
            r#"{"type": "value", "data": 50}"#,
            r#"{"type": "value", "data": 0}"#
        ]
    );
}

#[test]
fn join_puts_the_separator_between() {
    let mut record = event(0, 3);
    for text in ["/bin/echo", "a", "bc"] {
        record.extend_from_slice(&(text.len() as u64).to_ne_bytes());
        record.extend_from_slice(text.as_bytes());
        record.resize(record.len().next_multiple_of(8), 0);
    }
    let make = |cut: usize| {
        let mut script = Script::new();
        script.plan.actions = vec![Action::Join { separator: ",".into() }];
        script.group(interval(), vec![record[..record.len() - cut].to_vec()]);
        script
    };
    assert_eq!(make(0).run().data, "/bin/echo,a,bc\n\n\n");
    let outcome = make(8).run();
    assert_eq!(outcome.data, "\n\n");
    assert!(outcome.talk.contains("1 events were not as"), "{}", outcome.talk);
}

fn text_action(make: fn(Format) -> Action, text: &str, allow: bool) -> Script {
    let mut script = Script::new();
    let pieces = vec![Piece::Text(text.as_bytes().into())];
    script.plan.actions = vec![make(Format { pieces, args: vec![] })];
    script.options.allow_unsafe = allow;
    script.group(interval(), vec![bare(0)]);
    script
}

#[test]
fn system_runs_in_its_place_if_it_may() {
    let outcome = text_action(Action::System, "echo a b; echo e >&2", true).run();
    assert_eq!(outcome.data, "a b\ne\n\n\n");
    let outcome = json(text_action(Action::System, "echo a b", true));
    assert!(outcome.data.ends_with("{\"type\": \"syscall\", \"data\": \"a b\\n\"}\n"));
    let outcome = text_action(Action::System, "echo a b", false).run();
    assert_eq!(outcome.data, "\n\n");
    assert!(outcome.talk.contains("--unsafe"));
    let outcome = text_action(Action::System, "exit 3", true).run();
    assert!(outcome.talk.contains("exit status: 3"), "{}", outcome.talk);
}

#[test]
fn cat_shows_a_file_or_says_why_not() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let outcome = text_action(Action::Cat, path, false).run();
    assert!(outcome.data.starts_with("[package]\n"));
    let outcome = text_action(Action::Cat, "/nonexistent/file", false).run();
    assert!(outcome.talk.contains("ERROR: cat: /nonexistent/file: "), "{}", outcome.talk);
}

#[test]
fn logs_go_to_talk_in_text_and_to_data_in_json() {
    let log = |error| {
        let mut script = Script::new();
        let format = Format { pieces: vec![Piece::Text(b"bad \"x\"\n".into())], args: vec![] };
        script.plan.actions =
            vec![Action::Log { error, place: String::new(), span: Default::default(), format }];
        script.group(interval(), vec![bare(0)]);
        script
    };
    let start = "Attaching 1 probe...\nAttached 1 probe\n";
    assert_eq!(log(true).run().talk, format!("{start}ERROR: bad \"x\"\n"));
    assert_eq!(log(false).run().talk, format!("{start}WARNING: bad \"x\"\n"));
    let data = json(log(true)).data;
    assert!(data.ends_with("{\"type\": \"errorf\", \"msg\": \"bad \\\"x\\\"\\n\"}\n"), "{data}");
}

#[test]
fn time_is_local_time_now() {
    let mut script = Script::new();
    script.plan.actions = vec![Action::Time("%Y-%m-%d|".into())];
    script.group(interval(), vec![bare(0)]);
    let data = script.run().data;
    assert_eq!(data.find('|'), Some(10), "{data}");
    assert!(data[..4].parse::<u32>().is_ok_and(|y| y >= 2026), "{data}");
}

#[test]
fn odd_records_are_counted_not_shown() {
    let mut script = Script::new();
    script.plan.actions = vec![say("n ")];
    let records = vec![vec![], vec![1, 2, 3], bare(77), bare(0), event(0, 1)];
    script.group(interval(), records);
    let outcome = script.run();
    assert_eq!(outcome.data, "n 1\n\n\n");
    assert!(outcome.talk.contains("WARNING: 4 events were not as"), "{}", outcome.talk);
}

#[test]
fn losses_are_reported_at_the_end() {
    let make = || {
        let mut script = Script::new();
        script.map("@m", &[Type::I64], Type::I64, vec![]);
        script.global(globals::LOST_EVENTS, 12);
        script.global(globals::LOST_STACKS, 2);
        script.global(globals::CUT_STRINGS, 3);
        script.global(globals::MAP_FULL, 4);
        script.group(interval(), vec![]);
        script
    };
    let talk = make().run().talk;
    for expected in [
        "WARNING: Lost 12 events: they came faster than they could be shown; raise perf_rb_pages\n",
        "WARNING: @m is full (4096 keys): 4 keys were not added; raise max_map_keys\n",
        "WARNING: 2 stacks were lost",
        "WARNING: 3 strings were cut",
        "WARNING: Total lost event count: 12\n",
    ] {
        assert!(talk.contains(expected), "{expected} in {talk}");
    }
    let data = json(make()).data;
    let line = r#"{"type": "lost_events", "count": 12, "data": {"events": 12}}"#;
    assert!(data.contains(line), "{data}");
}

#[test]
fn a_reader_that_went_away_ends_the_session_quietly() {
    let mut script = Script::new();
    script.plan.actions = vec![say("n ")];
    script.interrupt_after = usize::MAX;
    script.data_closed = true;
    script.group(interval(), vec![event(0, 1)]);
    let outcome = script.run();
    assert_eq!(outcome.code, Ok(0));
    assert_eq!(outcome.talk, "Attaching 1 probe...\nAttached 1 probe\n");
    assert_eq!(outcome.log, ["attach 0", "attached", "detach 0"]);
}

#[test]
fn a_probe_that_cannot_be_attached_is_named_and_nothing_stays() {
    let mut script = Script::new();
    script.group(interval(), vec![]);
    script.group(interval(), vec![]);
    script.refuses = Some(1);
    let outcome = script.run();
    assert_eq!(outcome.log, ["attach 0", "detach 0"]);
    let error = outcome.code.unwrap_err();
    assert!(error.starts_with("attach tracepoint:a:b: open: not found"), "{error}");
}

#[test]
fn the_notice_of_attachment_is_apart_from_the_data() {
    let mut script = Script::new();
    script.plan.actions = vec![say("n ")];
    script.group(interval(), vec![event(0, 2)]);
    let outcome = script.run();
    assert_eq!(outcome.data, "n 2\n\n\n");
    assert_eq!(outcome.notice, "__BPFTRACE_NOTIFY_PROBES_ATTACHED\n");
}

#[test]
fn clocks_are_set_before_anything_runs() {
    let script = Script::new();
    assert_eq!(script.start(), 0);
    let map = script.maps[0].clone();
    script.run();
    let mut out = [0; 16];
    skep_engine::Map::read_global(&map, 8 * globals::START, &mut out).unwrap();
    let start = u64::from_ne_bytes(out[..8].try_into().unwrap());
    let real = u64::from_ne_bytes(out[8..].try_into().unwrap());
    assert!(start > 0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let then = start.wrapping_add(real);
    assert!((now.as_nanos() as u64).abs_diff(then) < 60_000_000_000);
}
