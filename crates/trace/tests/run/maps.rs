//! Maps: order, keys, bars, charts, JSON.

use skep_trace::hir::MapId;
use skep_trace::plan::Action;
use skep_trace::plan::RunKind;
use skep_trace::run::format::encode;
use skep_trace::run::output::Layout;
use skep_trace::types::{Agg, TseriesOp, Type, Types, hist_bucket};

use crate::fake::Script;

type Entries = Vec<(Vec<u8>, Vec<u8>)>;

fn n(v: i64) -> Vec<u8> {
    v.to_ne_bytes().to_vec()
}

fn text(v: &str, max: usize) -> Vec<u8> {
    let mut bytes = v.as_bytes().to_vec();
    bytes.resize(max, 0);
    bytes
}

/// Prints a map at the end of a session in both layouts.
#[track_caller]
fn check(keys: &[Type], value: Type, entries: Entries, expected: &str, expected_json: &str) {
    let make = |layout| {
        let mut script = Script::new();
        script.options.layout = layout;
        script.options.quiet = true;
        script.map("@", keys, value.clone(), entries.clone());
        script.run().data
    };
    assert_eq!(make(Layout::Text).strip_prefix("\n\n").unwrap(), expected);
    let json = make(Layout::Json);
    assert_eq!(json.strip_suffix('\n').unwrap_or(&json), expected_json);
}

/// Prints a map by `print(@, top, div)`.
#[track_caller]
fn check_print(keys: &[Type], value: Type, entries: Entries, top: u32, div: u64, expected: &str) {
    let mut script = Script::new();
    script.plan.config.print_maps_on_exit = false;
    script.plan.actions = vec![Action::PrintMap { map: MapId(0), top, div }];
    script.map("@", keys, value, entries);
    script.group(RunKind::Begin, vec![encode(0, 0, &Types::default(), &[])]);
    let data = script.run().data;
    assert_eq!(data.strip_suffix("\n\n").unwrap(), expected);
}

#[test]
fn numbers_are_sorted_by_value() {
    let entries = vec![(n(1), n(30)), (n(2), n(-10)), (n(3), n(20)), (n(0), n(20))];
    check(
        &[Type::I64],
        Type::I64,
        entries,
        "@[2]: -10\n@[0]: 20\n@[3]: 20\n@[1]: 30\n",
        r#"{"type": "map", "data": {"@": {"2": -10, "0": 20, "3": 20, "1": 30}}}"#,
    );
}

#[test]
fn values_of_all_cpus_are_merged() {
    let cpus = |a: i64, b: i64| [n(a), n(b)].concat();
    let entries = vec![(text("a", 8), cpus(1, 4)), (text("b", 8), cpus(2, 1))];
    check(
        &[Type::Str { max: 8 }],
        Type::Agg(Agg::Count),
        entries,
        "@[b]: 3\n@[a]: 5\n",
        r#"{"type": "map", "data": {"@": {"b": 3, "a": 5}}}"#,
    );
}

#[test]
fn min_and_max_take_only_cpus_that_have_a_value() {
    let cpus = [n(5), n(1), n(0), n(0), n(-3), n(1)].concat();
    for (agg, expected) in [
        (Agg::Min { signed: true }, "-3"),
        (Agg::Max { signed: true }, "5"),
        (Agg::Min { signed: false }, "5"),
    ] {
        let json = format!(r#"{{"type": "map", "data": {{"@": {expected}}}}}"#);
        let entries = vec![(vec![0; 4], cpus.clone())];
        check(&[], Type::Agg(agg), entries, &format!("@: {expected}\n"), &json);
    }
}

#[test]
fn averages_and_stats() {
    let entries = || vec![(vec![0; 4], [n(1), n(1), n(5), n(2)].concat())];
    check(
        &[],
        Type::Agg(Agg::Avg { signed: true }),
        entries(),
        "@: 2\n",
        r#"{"type": "stats", "data": {"@": 2}}"#,
    );
    check(
        &[],
        Type::Agg(Agg::Stats { signed: true }),
        entries(),
        "@: { .count = 3, .average = 2, .total = 6 }\n",
        r#"{"type": "stats", "data": {"@": {"count": 3, "average": 2, "total": 6}}}"#,
    );
}

#[test]
fn top_and_divisor() {
    let avg = |v: i64| [n(v), n(1)].concat();
    let names = ["a", "b", "c", "d"];
    let entries: Entries =
        names.iter().enumerate().map(|(i, k)| (text(k, 4), avg(10 * (i as i64 + 1)))).collect();
    let keys = [Type::Str { max: 4 }];
    let value = Type::Agg(Agg::Avg { signed: true });
    check_print(&keys, value.clone(), entries.clone(), 2, 10, "@[c]: 3\n@[d]: 4\n");
    check_print(&keys, value, entries, 10, 10, "@[a]: 1\n@[b]: 2\n@[c]: 3\n@[d]: 4\n");
}

#[test]
fn other_values_are_sorted_by_key() {
    let value = Type::Str { max: 4 };
    let entries = vec![
        (n(10), text("z", 4)),
        (n(9), text("y", 4)),
        (n(-1), text("x", 4)),
        (n(100), text("w", 4)),
    ];
    check(
        &[Type::I64],
        value,
        entries,
        "@[-1]: x\n@[9]: y\n@[10]: z\n@[100]: w\n",
        r#"{"type": "map", "data": {"@": {"-1": "x", "9": "y", "10": "z", "100": "w"}}}"#,
    );
}

#[test]
fn several_keys_and_tuples() {
    let key = |name: &str, v: i64| [text(name, 16), n(v)].concat();
    let entries = vec![(key("b c", 2), n(5)), (key("a", 3), n(5)), (key("a", 2), n(5))];
    let expected = "@[a, 2]: 5\n@[a, 3]: 5\n@[b c, 2]: 5\n";
    let json = r#"{"type": "map", "data": {"@": {"a,2": 5, "a,3": 5, "b c,2": 5}}}"#;
    let keys = [Type::Str { max: 16 }, Type::I64];
    check(&keys, Type::I64, entries.clone(), expected, json);
    check(&[Type::Tuple(keys.to_vec())], Type::I64, entries, expected, json);
}

#[test]
fn nested_tuples_keep_their_parentheses() {
    let inner = Type::Tuple(vec![Type::I64, Type::I64]);
    let entries = vec![([n(1), n(2), n(3)].concat(), n(4))];
    check(
        &[Type::I64, inner],
        Type::I64,
        entries,
        "@[1, (2, 3)]: 4\n",
        r#"{"type": "map", "data": {"@": {"1,(2,3)": 4}}}"#,
    );
}

#[test]
fn empty_maps_are_not_shown() {
    check(&[Type::I64], Type::I64, vec![], "", "");
    check(&[Type::I64], Type::Agg(Agg::Hist { bits: 0 }), vec![], "", "");
    check(&[], Type::Agg(Agg::Count), vec![(vec![0; 4], n(0))], "", "");
}

#[test]
fn empty_scalars_print_as_zero_when_asked() {
    check_print(&[], Type::I64, vec![(vec![0; 4], n(0))], 0, 1, "@: 0\n");
    let stats = Type::Agg(Agg::Stats { signed: true });
    let zero = vec![(vec![0; 4], vec![0; 16])];
    check_print(&[], stats, zero, 0, 1, "@: { .count = 0, .average = 0, .total = 0 }\n");
}

#[test]
fn large_numbers_are_strings_in_json() {
    check(
        &[],
        Type::U64,
        vec![(vec![0; 4], n(-1))],
        "@: 18446744073709551615\n",
        r#"{"type": "map", "data": {"@": "18446744073709551615"}}"#,
    );
}

#[test]
fn text_is_escaped_in_json() {
    check(
        &[],
        Type::Str { max: 16 },
        vec![(vec![0; 4], text("a\"\\\n\t\x01é", 16))],
        "@: a\"\\\n\t\x01é\n",
        r#"{"type": "map", "data": {"@": "a\"\\\n\t\u0001é"}}"#,
    );
}

/// Entries of the array of a histogram without keys.
fn array(counts: &[(u32, i64)]) -> Entries {
    counts.iter().map(|(b, c)| (b.to_ne_bytes().to_vec(), n(*c))).collect()
}

#[test]
fn hist_draws_bars_as_bpftrace() {
    let agg = Agg::Hist { bits: 0 };
    let mut counts = [0i64; 8];
    for v in [-1i64, 2, 3, 7, 20] {
        counts[hist_bucket(v as u64, 0) as usize] += 1;
    }
    let entries: Vec<_> = counts.iter().enumerate().map(|(i, c)| (i as u32, *c)).collect();
    let half = "@".repeat(26);
    let full = "@".repeat(52);
    let row = |label: &str, n: i64, bar: &str| format!("{label:<16}{n:>8} |{bar:<52}|\n");
    let expected = [
        "@:\n".to_owned(),
        row("(..., 0)", 1, &half),
        row("[0]", 0, ""),
        row("[1]", 0, ""),
        row("[2, 4)", 2, &full),
        row("[4, 8)", 1, &half),
        row("[8, 16)", 0, ""),
        row("[16, 32)", 1, &half),
        "\n".to_owned(),
    ]
    .concat();
    let json = concat!(
        r#"{"type": "hist", "data": {"@": [{"max": -1, "count": 1},"#,
        r#"{"min": 0, "max": 0, "count": 0},{"min": 1, "max": 1, "count": 0},"#,
        r#"{"min": 2, "max": 3, "count": 2},{"min": 4, "max": 7, "count": 1},"#,
        r#"{"min": 8, "max": 15, "count": 0},{"min": 16, "max": 31, "count": 1}]}}"#
    );
    check(&[], Type::Agg(agg), array(&entries), &expected, json);
}

#[test]
fn hist_bounds_have_suffixes_and_fine_buckets() {
    let labels = |bits: u8, v: u64| {
        let bucket = hist_bucket(v, bits);
        let mut script = Script::new();
        script.map("@", &[], Type::Agg(Agg::Hist { bits }), array(&[(bucket, 1)]));
        let data = script.run().data;
        data.lines().nth(3).unwrap().split("  ").next().unwrap().to_owned()
    };
    for (bits, v, expected) in [
        (0, 0, "[0]"),
        (0, 1, "[1]"),
        (0, 2, "[2, 4)"),
        (0, 1024, "[1K, 2K)"),
        (0, 1 << 20, "[1M, 2M)"),
        (0, 10 << 30, "[8G, 16G)"),
        (0, 1 << 62, "[4E, 8E)"),
        (3, 7, "[7]"),
        (3, 15, "[15]"),
        (3, 16, "[16, 18)"),
        (3, 18, "[18, 20)"),
        (3, 1000, "[960, 1024)"),
        (3, 1024, "[1024, 1152)"),
    ] {
        assert_eq!(labels(bits, v), expected, "hist({v}, {bits})");
    }
}

#[test]
fn histograms_with_keys_are_sorted_by_their_total() {
    let key = |name: &str, v: u64| [text(name, 8), n(hist_bucket(v, 0).into())].concat();
    let one = "@".repeat(52);
    let row = |label: &str, n: i64, bar: &str| format!("{label:<16}{n:>8} |{bar:<52}|\n");
    let entries = vec![(key("curl", 511), n(1)), (key("curl", 1024), n(2)), (key("bash", 2), n(1))];
    let expected = [
        "@[bash]:\n".to_owned(),
        row("[2, 4)", 1, &one),
        "\n@[curl]:\n".to_owned(),
        row("[256, 512)", 1, &one[..26]),
        row("[512, 1K)", 0, ""),
        row("[1K, 2K)", 2, &one),
        "\n".to_owned(),
    ]
    .concat();
    let json = concat!(
        r#"{"type": "hist", "data": {"@": {"bash": [{"min": 2, "max": 3, "count": 1}], "#,
        r#""curl": [{"min": 256, "max": 511, "count": 1},{"min": 512, "max": 1023, "count": 0},"#,
        r#"{"min": 1024, "max": 2047, "count": 2}]}}}"#
    );
    check(&[Type::Str { max: 8 }], Type::Agg(Agg::Hist { bits: 0 }), entries, &expected, json);
}

#[test]
fn lhist_has_open_ends() {
    let agg = Agg::Lhist { min: 0, max: 10, step: 2 };
    let row = |label: &str, n: i64, bar: &str| format!("{label:<16}{n:>8} |{bar:<52}|\n");
    let (half, full) = ("@".repeat(26), "@".repeat(52));
    let expected = [
        "@:\n".to_owned(),
        row("(..., 0)", 1, &half),
        row("[0, 2)", 0, ""),
        row("[2, 4)", 2, &full),
        row("[4, 6)", 0, ""),
        row("[6, 8)", 1, &half),
        row("[8, 10)", 0, ""),
        row("[10, ...)", 1, &half),
        "\n".to_owned(),
    ]
    .concat();
    let json = concat!(
        r#"{"type": "hist", "data": {"@": [{"max": -1, "count": 1},{"min": 0, "max": 1, "count": 0},"#,
        r#"{"min": 2, "max": 3, "count": 2},{"min": 4, "max": 5, "count": 0},"#,
        r#"{"min": 6, "max": 7, "count": 1},{"min": 8, "max": 9, "count": 0},"#,
        r#"{"min": 10, "count": 1}]}}"#
    );
    let entries = array(&[(0, 1), (1, 0), (2, 2), (3, 0), (4, 1), (5, 0), (6, 1)]);
    check(&[], Type::Agg(agg), entries, &expected, json);
}

#[test]
fn lhist_bounds_have_suffixes_for_steps_of_kilobytes() {
    let agg = Agg::Lhist { min: 0, max: 1 << 21, step: 1024 };
    let mut script = Script::new();
    script.map("@", &[], Type::Agg(agg), array(&[(1, 1), (2, 1)]));
    let data = script.run().data;
    assert!(data.contains("[0, 1K) ") && data.contains("[1K, 2K) "), "{data}");
}

fn tseries(op: TseriesOp) -> Type {
    Type::Agg(Agg::Tseries { interval: 100_000_000, count: 5, op, signed: true })
}

fn bucket(epoch: i64, v: i64, count: i64) -> (Vec<u8>, Vec<u8>) {
    (n(epoch % 5), [n(epoch), n(v), n(count)].concat())
}

#[test]
fn time_series_lists_intervals_in_json() {
    // Newest five intervals; one has no value.
    let entries = vec![bucket(5, 9, 1), bucket(6, 8, 1), bucket(8, 7, 1), bucket(9, -9, 1)];
    let mut script = Script::new();
    script.options.layout = Layout::Json;
    script.options.quiet = true;
    script.map("@a", &[], tseries(TseriesOp::Last), entries);
    assert_eq!(
        script.run().data,
        concat!(
            r#"{"type": "tseries", "data": {"@a": ["#,
            r#"{"interval_start":"1970-01-01 00:00:00.500000000","value":9},"#,
            r#"{"interval_start":"1970-01-01 00:00:00.600000000","value":8},"#,
            r#"{"interval_start":"1970-01-01 00:00:00.800000000","value":7},"#,
            r#"{"interval_start":"1970-01-01 00:00:00.900000000","value":-9}]}}"#,
            "\n"
        )
    );
}

#[test]
fn time_series_draws_a_chart() {
    let entries = (5..10).map(|e| bucket(e, 9, 1)).collect();
    let mut script = Script::new();
    script.map("@a", &[], tseries(TseriesOp::Avg), entries);
    let data = script.run().data;
    let lines: Vec<_> = data.lines().skip(2).collect();
    let blank = " ".repeat(13);
    assert_eq!(lines[0], "@a:");
    assert_eq!(lines[1], format!("{blank}{:<21}{:>32}", 8, 10));
    assert_eq!(lines[2], format!("hh:mm:ss.ms  |{}|", "_".repeat(51)));
    let row = format!(":00.500 |{:25}*{:25}| 9", "", "");
    assert!(lines[3].ends_with(&row), "{}", lines[3]);
    assert_eq!(lines[8], format!("{blank}v{}v", "_".repeat(51)));
    assert_eq!(lines[9], lines[1]);
    assert!(data.ends_with("10\n\n"));
}

#[test]
fn time_series_zigzag_marks_zero() {
    let values = [-5, -4, 0, 3, 5];
    let entries = values.iter().zip(5..).map(|(v, e)| bucket(e, *v, 1)).collect();
    let mut script = Script::new();
    script.map("@", &[], tseries(TseriesOp::Last), entries);
    let data = script.run().data;
    let charts: Vec<_> = data.lines().skip(5).map(|l| l.get(13..66).unwrap_or("")).collect();
    assert_eq!(charts[0], format!("*{:25}.{:25}|", "", ""));
    assert_eq!(charts[1], format!("|    *{:20}.{:25}|", "", ""));
    assert_eq!(charts[2], format!("|{:25}*{:25}|", "", ""));
    assert_eq!(charts[3], format!("|{:25}.{:14}*{:10}|", "", "", ""));
    assert_eq!(charts[4], format!("|{:25}.{:25}*", "", ""));
}

#[test]
fn time_series_merges_cpus_by_operation() {
    let two = |op, expected: i64| {
        let value = [n(7), n(10), n(2), n(7), n(5), n(3), n(6), n(99), n(9)].concat();
        let mut script = Script::new();
        script.options.layout = Layout::Json;
        script.options.quiet = true;
        script.map("@", &[], tseries(op), vec![(n(2), value)]);
        let data = script.run().data;
        assert!(data.contains(&format!("\"value\":{expected}}}")), "{op:?} {data}");
    };
    two(TseriesOp::Last, 5);
    two(TseriesOp::Sum, 15);
    two(TseriesOp::Avg, 3);
    two(TseriesOp::Min, 5);
    two(TseriesOp::Max, 10);
}

#[test]
fn a_map_of_many_keys_is_printed_sorted() {
    let entries: Entries =
        (0..100_000i64).map(|i| (n(i), [n(i * 7919 % 100_003), n(1)].concat())).collect();
    let mut script = Script::new();
    script.map("@", &[Type::I64], Type::Agg(Agg::Count), entries);
    let data = script.run().data;
    let values: Vec<i64> =
        data.lines().skip(2).map(|l| l.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    assert_eq!(values.len(), 100_000);
    assert!(values.is_sorted());
}
