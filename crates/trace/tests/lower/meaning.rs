//! What programs compute, on the make-believe kernel of `machine`.

use skep_abi::MapType;
use skep_codegen::ir::Module;
use skep_trace::hir::*;
use skep_trace::plan::*;
use skep_trace::types::*;

use crate::machine::Machine;
use crate::make::*;
use crate::{lower, newest};

const SIGNED: bool = true;

fn strings(max: u32) -> Type {
    Type::Str { max }
}

fn build(script: Script) -> (Module, Plan) {
    let mut script = script;
    let module = lower(&mut script, &newest());
    skep_codegen::validate_module(&module).unwrap();
    (module, script.plan)
}

/// A context of words.
fn words(list: &[u64]) -> Vec<u8> {
    let mut words: Vec<u8> = list.iter().flat_map(|w| w.to_le_bytes()).collect();
    words.resize(64, 0);
    words
}

/// What `e` is when the context's second word is `word`.
fn value_of(e: Expr, inputs: &[u64]) -> Vec<i64> {
    let (module, _) = build(script(&[], vec![put(0, vec![], e)]).map("@", &[], Type::I64));
    inputs
        .iter()
        .map(|&i| {
            let mut m = Machine::new(&module);
            m.run(&words(&[0, i]));
            m.word(0)
        })
        .collect()
}

fn input(ty: Type) -> Expr {
    ctx_word(8, ty)
}

fn le(v: &[u8]) -> u64 {
    let mut b = [0; 8];
    b[..v.len().min(8)].copy_from_slice(&v[..v.len().min(8)]);
    u64::from_le_bytes(b)
}

fn interesting() -> Vec<u64> {
    let mut list = vec![0, 1, 2, 3, 5, 99, 100, 101, 999, 1000, u64::MAX, i64::MAX as u64, 1 << 63];
    for shift in 1..63 {
        list.extend([(1 << shift) - 1, 1 << shift, (1 << shift) + 1, 3 << (shift - 1)]);
    }
    list
}

#[test]
fn histogram_buckets_are_those_of_the_definition() {
    for bits in 0..=5 {
        let a = Agg::Hist { bits };
        let body = vec![agg(0, vec![], a, Some(input(Type::I64)))];
        let (module, _) = build(script(&[], body).map("@", &[], Type::Agg(a)));
        for v in interesting() {
            let mut m = Machine::new(&module);
            m.run(&words(&[0, v]));
            let hit = |i: u32| m.value(0, &i.to_le_bytes(), 0).map(le) == Some(1);
            let buckets: Vec<u32> = (0..a.buckets().unwrap()).filter(|&i| hit(i)).collect();
            assert_eq!(buckets, [hist_bucket(v, bits)], "{v:#x} with {bits} bits");
        }
    }
}

#[test]
fn linear_histograms_have_buckets_below_and_above() {
    for (min, max, step) in [(0, 100, 10), (-50, 50, 7), (1, 2, 5)] {
        let a = Agg::Lhist { min, max, step };
        let body = vec![agg(0, vec![input(Type::I64)], a, Some(input(Type::I64)))];
        let (module, _) = build(script(&[], body).map("@", &[Type::I64], Type::Agg(a)));
        for v in interesting().into_iter().chain((-60i64..120).map(|v| v as u64)) {
            let mut m = Machine::new(&module);
            m.run(&words(&[0, v]));
            let n = v as i64;
            let expected = if n < min {
                0
            } else if n >= max {
                (max - min) as u64 / step + 1
            } else {
                (n - min) as u64 / step + 1
            };
            let key = [v.to_le_bytes(), expected.to_le_bytes()].concat();
            assert_eq!(m.value(0, &key, 0).map(le), Some(1), "{n} in {min}..{max}, {step}");
            assert_eq!(m.maps[0].values.len(), 1);
        }
    }
}

#[test]
fn aggregations_are_kept_per_cpu_and_merged_when_read() {
    let pair = |a: i64, b: i64| [a.to_le_bytes(), b.to_le_bytes()].concat();
    let one = |a: i64| a.to_le_bytes().to_vec();
    // The values 5, -3 on CPU 0 and 10 on CPU 1.
    for (a, cpu0, cpu1, read) in [
        (Agg::Count, one(2), one(1), 3),
        (Agg::Sum { signed: SIGNED }, one(2), one(10), 12),
        (Agg::Avg { signed: SIGNED }, pair(2, 2), pair(10, 1), 4),
        (Agg::Stats { signed: SIGNED }, pair(2, 2), pair(10, 1), 4),
        (Agg::Min { signed: SIGNED }, pair(-3, 1), pair(10, 1), -3),
        (Agg::Max { signed: SIGNED }, pair(5, 1), pair(10, 1), 10),
        (Agg::Min { signed: false }, pair(5, 1), pair(10, 1), 5),
        (Agg::Max { signed: false }, pair(-3, 1), pair(10, 1), -3),
    ] {
        for keyed in [false, true] {
            let key = || if keyed { vec![text("k")] } else { vec![] };
            let keys = if keyed { vec![strings(4)] } else { vec![] };
            let at: &[u8] = if keyed { b"k\0\0\0" } else { &[0; 4] };
            let value = (a != Agg::Count).then(|| input(Type::I64));
            let body = vec![agg(0, key(), a, value), put(1, vec![], elem(0, key(), Type::I64))];
            let plan = script(&[], body).map("@", &keys, Type::Agg(a)).map("@r", &[], Type::I64);
            let (module, _) = build(plan);
            let mut m = Machine::new(&module);
            for (cpu, v) in [(0, 5), (0, -3i64 as u64), (1, 10)] {
                m.cpu = cpu;
                m.run(&words(&[0, v]));
            }
            assert_eq!(m.value(0, at, 0).unwrap(), cpu0, "{a:?} keyed: {keyed}");
            assert_eq!(m.value(0, at, 1).unwrap(), cpu1, "{a:?} keyed: {keyed}");
            assert_eq!(m.word(1), read, "{a:?} keyed: {keyed}");
        }
    }
}

#[test]
fn time_series_forget_what_an_older_interval_left() {
    let a = |op| Agg::Tseries { interval: 100, count: 3, op, signed: SIGNED };
    for (op, expected) in [
        (TseriesOp::Sum, [9, 12, 2]),
        (TseriesOp::Max, [9, 7, 1]),
        (TseriesOp::Min, [9, 5, 1]),
        (TseriesOp::Last, [9, 5, 930]),
    ] {
        let body = vec![agg(0, vec![], a(op), Some(input(Type::I64)))];
        let (module, _) = build(script(&[], body).map("@", &[], Type::Agg(a(op))));
        let mut m = Machine::new(&module);
        for (now, v) in [(610, 100), (910, 7), (930, 5)] {
            m.now = now;
            m.run(&words(&[0, v]));
        }
        // Intervals 6 and 9 share a place.
        let v = m.value(0, &0u64.to_le_bytes(), 0).unwrap();
        let expected: Vec<u8> = expected.iter().flat_map(|w: &u64| w.to_le_bytes()).collect();
        assert_eq!(v, expected, "{op:?}");
    }
}

#[test]
fn strings_compare_up_to_their_end() {
    for (size, lit, limit, inputs) in [
        (16, "bash", None, [("bash", 1), ("bas", 0), ("bash2", 0), ("", 0)]),
        (16, "", None, [("", 1), ("a", 0), ("ab", 0), ("abcdefgh", 0)]),
        (16, "bash", Some(2), [("bash", 1), ("baz", 1), ("b", 0), ("", 0)]),
        (16, "bash", Some(4), [("bash", 1), ("bash2", 1), ("bas", 0), ("", 0)]),
        (16, "bash", Some(9), [("bash", 1), ("bash2", 0), ("bas", 0), ("", 0)]),
        (8, "12345678", None, [("12345678", 1), ("1234567", 0), ("1234567x", 0), ("", 0)]),
        (8, "123456789", None, [("12345678", 0), ("1234567", 0), ("1234567x", 0), ("", 0)]),
        (
            256,
            "a rather long file name",
            None,
            [
                ("a rather long file name", 1),
                ("a rather long file nam", 0),
                ("a rather long file name2", 0),
                ("", 0),
            ],
        ),
    ] {
        let ask = |e| vec![put(0, vec![], same(var(0, strings(size)), e, limit))];
        for as_literal in [true, false] {
            // Against a literal, and against a variable of another size that holds the same.
            let other_size = if size > 100 { 200 } else { 40.max(lit.len() as u32 + 1) };
            let other = ctx_word(16, Type::ptr(Type::U8, Space::User));
            let mut body = vec![set(0, elem(1, vec![], strings(size)))];
            let rhs = if as_literal { text(lit) } else { var(1, strings(other_size)) };
            body.push(st(StmtKind::SetVar(VarId(1), Some(string(other, other_size)))));
            body.extend(ask(rhs));
            let vars = [strings(size), strings(other_size)];
            let plan = script(&vars, body).map("@", &[], Type::I64);
            let (module, _) = build(plan.map("@s", &[], strings(size)));
            for (text, expected) in inputs {
                let mut m = Machine::new(&module);
                let mut padded = text.as_bytes().to_vec();
                padded.resize(size as usize, 0);
                m.put(1, &[0; 4], &padded);
                let b = m.user(format!("{lit}\0").as_bytes());
                m.run(&words(&[0, 0, b]));
                assert_eq!(
                    m.word(0),
                    expected,
                    "{text:?} == {lit:?} (literal: {as_literal}), {limit:?}, {size}"
                );
            }
        }
    }
}

#[test]
fn strcontains_finds_at_every_place() {
    for (hay, needle, expected) in [
        ("hello world", "world", 1),
        ("hello world", "hello", 1),
        ("hello world", "lo w", 1),
        ("hello world", "worlds", 0),
        ("hello world", "", 1),
        ("", "", 1),
        ("", "a", 0),
        ("aaab", "aab", 1),
        ("aaa", "aaaa", 0),
        ("0123456789012345678901234567890", "890", 1),
        ("a\0bc", "bc", 0),
    ] {
        for as_literal in [true, false] {
            let hay_expr = string(input(Type::ptr(Type::U8, Space::User)), 32);
            let wanted = if as_literal { text(needle) } else { var(0, strings(20)) };
            let c = Call::Strcontains(Box::new(hay_expr), Box::new(wanted));
            let body = vec![set(0, text(needle)), put(0, vec![], call(c, Type::Bool))];
            let (module, _) = build(script(&[strings(20)], body).map("@", &[], Type::I64));
            let mut m = Machine::new(&module);
            let at = m.user(format!("{hay}\0").as_bytes());
            m.run(&words(&[0, at]));
            assert_eq!(m.word(0), expected, "{hay:?} {needle:?} (literal: {as_literal})");
        }
    }
}

#[test]
fn events_have_the_layout_of_the_plan() {
    let user = |off| ctx_word(off, Type::ptr(Type::U8, Space::User));
    let buf = Call::Buf { ptr: Box::new(user(16)), len: Some(Box::new(int(5))) };
    let args = vec![
        ex(ExprKind::Int(-2), Type::I32),
        string(user(8), 100),
        builtin(Builtin::Comm),
        text(&"x".repeat(70)),
        call(buf, Type::Buf { max: 8 }),
        string(user(16), 20),
        string(user(24), 100),
        var(0, strings(80)),
    ];
    let types: Vec<Type> = args.iter().map(|a| a.ty.clone()).collect();
    let body = vec![set(0, text("a variable")), emit(0, args.clone())];
    let action = format(&args.iter().collect::<Vec<_>>());
    let (module, plan) = build(script(&[strings(80)], body).action(action));
    let mut m = Machine::new(&module);
    m.cpu = 1;
    let name = m.user(b"/etc/passwd\0");
    let short = m.user(b"seven77\0padding to read");
    m.run(&words(&[0, name, short, 1]));
    let record = &m.events[0];
    let layout = event_layout(&plan.types, &types);
    assert_eq!((le(&record[0..4]), le(&record[4..8])), (0, 1));
    let fixed = |n: usize, len: usize| &record[layout.args[n].0 as usize..][..len];
    assert_eq!(fixed(0, 4), (-2i32).to_le_bytes());
    assert_eq!(fixed(2, 16), b"bash\0\0\0\0\0\0\0\0\0\0\0\0");
    assert_eq!(fixed(5, 24), b"seven77\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    let mut at = layout.fixed_end as usize;
    for (n, expected) in [
        (1, &b"/etc/passwd"[..]),
        (3, "x".repeat(70).as_bytes()),
        (4, b"seven"),
        // The address 1 cannot be read.
        (6, b""),
        (7, b"a variable"),
    ] {
        assert!(layout.args[n].1);
        assert_eq!(le(fixed(n, 8)), expected.len() as u64, "argument {n}");
        assert_eq!(&record[at..at + expected.len()], expected, "argument {n}");
        at += expected.len().next_multiple_of(8);
    }
    assert_eq!(record.len(), at);
}

#[test]
fn strings_that_are_cut_are_marked_and_counted() {
    let arg = |max| string(input(Type::ptr(Type::U8, Space::User)), max);
    // The second is as short as the script wants it.
    let body =
        vec![emit(0, vec![arg(72)]), set(0, arg(72)), emit(0, vec![arg(70)]), set(1, arg(10))];
    let vars = [strings(72), strings(10)];
    let mut s = script(&vars, body).action(format(&[&arg(72)]));
    s.plan.config.max_strlen = 72;
    let (module, plan) = build(s);
    let globals = plan.system.globals.unwrap().0 as usize;
    for (len, expected, cut) in [(70, 70, 0), (71, 71, 0), (72, 71, 1), (100, 71, 1)] {
        let mut m = Machine::new(&module);
        let at = m.user(format!("{}\0", "y".repeat(len)).as_bytes());
        m.run(&words(&[0, at]));
        assert_eq!(le(&m.events[0][8..16]), expected | cut << 32, "{len}");
        let counters = m.value(globals, &[0; 4], 0).unwrap();
        assert_eq!(le(&counters[8 * globals::CUT_STRINGS as usize..][..8]), 2 * cut, "{len}");
        assert_eq!(le(&m.events[1][8..16]), len.min(69) as u64, "{len}");
    }
}

#[test]
fn user_space_is_woken_only_if_it_sleeps_and_lost_events_are_counted() {
    let (module, plan) = build(script(&[], vec![emit(0, vec![int(1)])]).action(format(&[&int(1)])));
    let map = plan.system.globals.unwrap().0 as usize;
    let mut m = Machine::new(&module);
    m.run(&words(&[]));
    let mut awake = m.value(map, &[0; 4], 0).unwrap().to_vec();
    awake[0] = 1;
    m.put(map, &[0; 4], &awake);
    m.run(&words(&[]));
    m.run(&words(&[]));
    assert_eq!(m.event_flags, [1, 2, 1]);
    m.ring_full = true;
    m.run(&words(&[]));
    let counters = m.value(map, &[0; 4], 0).unwrap();
    assert_eq!(le(&counters[8 * globals::LOST_EVENTS as usize..][..8]), 1);
}

#[test]
fn exit_sends_the_code_and_silences_the_script() {
    // Counted up once, though it is needed twice.
    let code =
        ex(ExprKind::MapAdd { map: MapId(1), key: vec![], delta: 3, post: false }, Type::I64);
    let body = vec![
        agg(0, vec![], Agg::Count, None),
        emit(0, vec![code]),
        agg(0, vec![], Agg::Count, None),
    ];
    let s = script(&[], body).map("@", &[], Type::Agg(Agg::Count)).map("@n", &[], Type::I64);
    let (module, plan) = build(s.action(Action::Exit));
    let mut m = Machine::new(&module);
    m.run(&words(&[]));
    m.run(&words(&[]));
    assert_eq!(m.word(0), 1);
    assert_eq!(m.events.len(), 1);
    assert_eq!((le(&m.events[0][8..]), m.event_flags[0]), (3, 2));
    // User space learns of it also where the event finds no room.
    let mut m = Machine::new(&module);
    m.ring_full = true;
    m.run(&words(&[]));
    let words = m.value(plan.system.globals.unwrap().0 as usize, &[0; 4], 0).unwrap();
    assert_eq!(le(&words[8 * globals::EXITED as usize..][..8]), 3 << 32 | 1);
}

#[test]
fn full_maps_are_counted_apart() {
    let body = vec![
        put(0, vec![input(Type::I64)], int(1)),
        agg(1, vec![input(Type::I64)], Agg::Count, None),
        agg(1, vec![input(Type::I64)], Agg::Count, None),
    ];
    let mut s = script(&[], body).map("@a", &[Type::I64], Type::I64).map(
        "@b",
        &[Type::I64],
        Type::Agg(Agg::Count),
    );
    s.plan.maps[0].max_entries = 2;
    s.plan.maps[1].max_entries = 3;
    let (module, plan) = build(s);
    let mut m = Machine::new(&module);
    for v in 0..4 {
        m.run(&words(&[0, v]));
    }
    let counters = m.value(plan.system.globals.unwrap().0 as usize, &[0; 4], 0).unwrap();
    let full = |n: usize| le(&counters[8 * (globals::MAP_FULL as usize + n)..][..8]);
    assert_eq!((full(0), full(1)), (2, 2));
    assert_eq!(m.value(1, &0u64.to_le_bytes(), 0).map(le), Some(2));
}

#[test]
fn keys_have_zeroes_where_nothing_is() {
    let keys = [Type::I32, Type::U64, strings(12)];
    let key = || {
        vec![
            ex(ExprKind::Cast(Box::new(input(Type::I64))), Type::I32),
            int(7),
            string(ctx_word(16, Type::ptr(Type::U8, Space::User)), 12),
        ]
    };
    let hist = Agg::Hist { bits: 0 };
    let body = vec![agg(0, key(), Agg::Count, None), agg(1, key(), hist, Some(int(1)))];
    let plan =
        script(&[], body).map("@", &keys, Type::Agg(Agg::Count)).map("@h", &keys, Type::Agg(hist));
    let (module, _) = build(plan);
    let mut m = Machine::new(&module);
    let at = m.user(b"abc\0garbage");
    m.run(&words(&[0, -1i64 as u64, at]));
    let mut expected =
        b"\xff\xff\xff\xff\0\0\0\0\x07\0\0\0\0\0\0\0abc\0\0\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    expected.truncate(32);
    assert_eq!(m.maps[0].values.keys().next().unwrap(), &expected);
    expected.extend(2u64.to_le_bytes());
    assert_eq!(m.maps[1].values.keys().next().unwrap(), &expected);
}

#[test]
fn plain_elements_are_read_written_and_counted_up() {
    let add = |delta, post| {
        ex(ExprKind::MapAdd { map: MapId(0), key: vec![int(1)], delta, post }, Type::I64)
    };
    let has = || call(Call::HasKey { map: MapId(0), key: vec![int(1)] }, Type::Bool);
    let del = || call(Call::Delete { map: MapId(0), key: vec![int(1)] }, Type::Bool);
    let read = || elem(0, vec![int(1)], Type::I64);
    let list = [
        has(),
        read(),
        add(3, true),
        add(2, false),
        add(-1, true),
        read(),
        has(),
        del(),
        has(),
        del(),
        read(),
    ];
    let expected = [0, 0, 0, 5, 5, 4, 1, 1, 0, 0, 0];
    let body = list.into_iter().enumerate().map(|(i, e)| put(1, vec![int(i as i64)], e)).collect();
    let plan =
        script(&[], body).map("@", &[Type::I64], Type::I64).map("@r", &[Type::I64], Type::I64);
    let (module, _) = build(plan);
    let mut m = Machine::new(&module);
    m.run(&words(&[]));
    for (i, e) in expected.into_iter().enumerate() {
        let v = m.value(1, &i.to_le_bytes(), 0).map(|v| le(v) as i64);
        assert_eq!(v, Some(e), "step {i}");
    }
}

#[test]
fn narrow_numbers_are_cut_and_extended() {
    let i8s = Type::Int { bits: 8, signed: true };
    let cast = |e: Expr, ty: Type| ex(ExprKind::Cast(Box::new(e)), ty);
    let inputs = [5, 200, 0x1_80, u64::MAX];
    for (e, expected) in [
        (cast(cast(input(Type::I64), i8s.clone()), Type::I64), [5, -56, -128, -1]),
        (cast(cast(input(Type::I64), Type::U8), Type::I64), [5, 200, 128, 255]),
        (
            cast(cast(cast(input(Type::I64), i8s.clone()), Type::U32), Type::I64),
            [5, 0xffff_ffc8, 0xffff_ff80, 0xffff_ffff],
        ),
        (cast(input(Type::I64), Type::Bool), [1, 1, 1, 1]),
        (cast(input(i8s.clone()), Type::I64), [5, -56, -128, -1]),
    ] {
        assert_eq!(value_of(e.clone(), &inputs), expected, "{e:?}");
    }
    let bits = |ty: Type| {
        let args = ex(ExprKind::Args, Type::Struct(StructId(0)));
        let field = Field {
            name: "b".into(),
            ty: ty.clone(),
            offset: 8,
            bits: Some((3, 5)),
            data_loc: false,
        };
        ex(ExprKind::Member(Box::new(args), field), ty)
    };
    // A bitfield has no sign, whatever its type.
    assert_eq!(value_of(bits(Type::I32), &[0b1111_1000, 0b0111_1111]), [31, 15]);
    assert_eq!(value_of(bits(Type::U32), &[0b1111_1000, 0b0111_1111]), [31, 15]);
}

#[test]
fn pointers_are_followed_in_their_space_and_bad_ones_read_as_zero() {
    for (space, user) in [
        (Space::User, true),
        (Space::Kernel, false),
        (Space::Unknown, true),
        (Space::Unknown, false),
    ] {
        let deref = |e: Expr, ty: Type| ex(ExprKind::Deref(Box::new(e)), ty);
        let e = deref(
            deref(
                input(Type::ptr(Type::ptr(Type::I32, space), space)),
                Type::ptr(Type::I32, space),
            ),
            Type::I32,
        );
        let (module, _) = build(script(&[], vec![put(0, vec![], e)]).map("@", &[], Type::I64));
        let mut m = Machine::new(&module);
        let store = |m: &mut Machine<'_>, b: &[u8]| if user { m.user(b) } else { m.alloc(b) };
        let inner = store(&mut m, &(-9i32).to_le_bytes());
        let outer = store(&mut m, &inner.to_le_bytes());
        m.run(&words(&[0, outer]));
        assert_eq!(m.word(0), -9, "{space:?} {user}");
        m.run(&words(&[0, 8]));
        assert_eq!(m.word(0), 0, "{space:?} {user}");
    }
}

#[test]
fn elements_outside_an_array_are_zero() {
    let array = Type::Array { elem: Box::new(Type::U32), len: 4 };
    let at = |i: Expr| {
        ex(ExprKind::Index(Box::new(ctx_word(16, array.clone())), Box::new(i)), Type::U32)
    };
    let (module, _) =
        build(script(&[], vec![put(0, vec![], at(input(Type::I64)))]).map("@", &[], Type::I64));
    for (i, expected) in [(0, 1), (3, 4), (4, 0), (u64::MAX, 0)] {
        let mut m = Machine::new(&module);
        m.run(&words(&[0, i, 2 << 32 | 1, 4 << 32 | 3, 9]));
        assert_eq!(m.word(0), expected, "{i}");
    }
    assert_eq!(value_of(at(int(7)), &[0]), [0]);
}

#[test]
fn loops_carry_their_variables() {
    let n = |v| var(v, Type::I64);
    let inc = |v| ex(ExprKind::VarAdd { var: VarId(v), delta: 1, post: true }, Type::I64);
    let add = |v, e| set(v, bin(Arith::Add, n(v), e));
    let brk = || st(StmtKind::Break);
    let range = |end, body| st(StmtKind::ForRange { var: VarId(1), start: int(0), end, body });
    let on = |c, body| when(c, body, vec![]);
    let result = || put(0, vec![], n(0));
    for (what, body, expected) in [
        (
            "while",
            vec![
                st(StmtKind::While { cond: cmp(CmpOp::Lt, inc(0), int(10)), body: vec![] }),
                result(),
            ],
            11,
        ),
        ("range", vec![range(input(Type::I64), vec![add(0, n(1))]), result()], 190),
        (
            "range with continue",
            vec![
                range(
                    int(10),
                    vec![
                        on(cmp(CmpOp::Eq, n(1), int(3)), vec![st(StmtKind::Continue)]),
                        add(0, n(1)),
                    ],
                ),
                result(),
            ],
            42,
        ),
        (
            "range with break",
            vec![
                range(int(10), vec![on(cmp(CmpOp::Eq, n(1), int(3)), vec![brk()]), add(0, n(1))]),
                result(),
            ],
            3,
        ),
        (
            "range with return",
            vec![
                result(),
                range(
                    int(10),
                    vec![
                        on(
                            cmp(CmpOp::Eq, n(1), int(3)),
                            vec![result(), st(StmtKind::Return(None))],
                        ),
                        add(0, n(1)),
                    ],
                ),
                put(0, vec![], int(99)),
            ],
            3,
        ),
        (
            "nested",
            vec![
                range(
                    int(4),
                    vec![
                        set(2, n(1)),
                        st(StmtKind::While {
                            cond: cmp(CmpOp::Gt, n(2), int(0)),
                            body: vec![add(0, int(1)), set(2, bin(Arith::Sub, n(2), int(1)))],
                        }),
                    ],
                ),
                result(),
            ],
            6,
        ),
        (
            "unroll",
            vec![
                st(StmtKind::Unroll {
                    count: 7,
                    body: vec![add(0, int(2)), on(cmp(CmpOp::Gt, n(0), int(9)), vec![brk()])],
                }),
                result(),
            ],
            10,
        ),
        (
            "changing the counter",
            vec![range(int(3), vec![add(1, int(100)), add(0, n(1))]), result()],
            303,
        ),
    ] {
        let vars = [Type::I64, Type::I64, Type::I64];
        let (module, _) = build(script(&vars, body).map("@", &[], Type::I64));
        let mut m = Machine::new(&module);
        m.run(&words(&[0, 20]));
        assert_eq!(m.word(0), expected, "{what}");
    }
}

#[test]
fn variables_meet_behind_branches() {
    let n = || var(0, Type::I64);
    let inc = || ex(ExprKind::VarAdd { var: VarId(0), delta: 1, post: false }, Type::I64);
    let big = || cmp(CmpOp::Gt, input(Type::I64), int(10));
    let and = |a, b| ex(ExprKind::And(Box::new(a), Box::new(b)), Type::Bool);
    let or = |a, b| ex(ExprKind::Or(Box::new(a), Box::new(b)), Type::Bool);
    let pick = ex(
        ExprKind::Select { cond: Box::new(big()), then: Box::new(inc()), els: Box::new(int(50)) },
        Type::I64,
    );
    let sum = |e| bin(Arith::Add, bin(Arith::Mul, e, int(100)), n());
    for (what, body, expected) in [
        ("if", vec![when(big(), vec![set(0, int(3))], vec![]), put(0, vec![], n())], [1, 3]),
        (
            "and",
            vec![when(
                and(big(), cmp(CmpOp::Gt, inc(), int(0))),
                vec![put(0, vec![], n())],
                vec![put(0, vec![], sum(int(5)))],
            )],
            [501, 2],
        ),
        (
            "or",
            vec![when(or(big(), cmp(CmpOp::Gt, inc(), int(0))), vec![put(0, vec![], n())], vec![])],
            [2, 1],
        ),
        ("select", vec![put(0, vec![], sum(pick))], [5001, 202]),
        (
            "one side leaves",
            vec![
                when(
                    big(),
                    vec![put(0, vec![], int(7)), st(StmtKind::Return(None))],
                    vec![set(0, int(8))],
                ),
                put(0, vec![], n()),
            ],
            [8, 7],
        ),
    ] {
        let body = [vec![set(0, int(1))], body].concat();
        let (module, _) = build(script(&[Type::I64], body).map("@", &[], Type::I64));
        for (i, e) in [5, 50].into_iter().zip(expected) {
            let mut m = Machine::new(&module);
            m.run(&words(&[0, i]));
            assert_eq!(m.word(0), e, "{what} {i}");
        }
    }
}

#[test]
fn loops_over_maps_see_each_element_once() {
    let pair = Type::Tuple(vec![strings(4), Type::I64]);
    let vars = [Type::I64, pair.clone()];
    let field = |n, ty| ex(ExprKind::TupleField(Box::new(var(1, pair.clone())), n), ty);
    let total = || var(0, Type::I64);
    let add = || set(0, bin(Arith::Add, total(), field(1, Type::I64)));
    let is_b = || same(field(0, strings(4)), text("b"), None);
    let leave = |s| when(is_b(), vec![s], vec![]);
    for (what, first, expected) in [
        ("all", add(), 106),
        ("break", leave(st(StmtKind::Break)), 101),
        ("continue", leave(st(StmtKind::Continue)), 104),
        ("return", leave(st(StmtKind::Return(None))), 0),
    ] {
        for a in [Type::I64, Type::Agg(Agg::Count)] {
            let each = if what == "all" { vec![first.clone()] } else { vec![first.clone(), add()] };
            let body = vec![
                set(0, int(100)),
                st(StmtKind::ForMap { var: VarId(1), map: MapId(0), body: each }),
                put(1, vec![], total()),
            ];
            let per_cpu = a != Type::I64;
            let plan = script(&vars, body).map("@", &[strings(4)], a).map("@r", &[], Type::I64);
            let (module, _) = build(plan);
            let mut m = Machine::new(&module);
            for (k, v) in [(b"a\0\0\0", 1i64), (b"b\0\0\0", 2), (b"c\0\0\0", 3)] {
                m.put(0, k, &v.to_le_bytes());
            }
            m.run(&words(&[]));
            // Both CPUs have the value.
            let expected =
                if per_cpu && expected > 0 { (expected - 100) * 2 + 100 } else { expected };
            assert_eq!(m.word(1), expected, "{what} per CPU: {per_cpu}");
        }
    }
}

#[test]
fn stacks_know_their_process_which_is_announced_once() {
    let spec = stack(10);
    let body = vec![put(0, vec![], builtin(Builtin::Ustack(spec)))];
    let (module, plan) = build(script(&[], body).map("@", &[], Type::Ustack(spec)));
    let mut m = Machine::new(&module);
    m.run(&words(&[]));
    m.run(&words(&[]));
    let v = m.value(0, &[0; 4], 0).unwrap();
    assert_eq!((le(&v[..8]), le(&v[8..12]), le(&v[12..16])), (77, 42, 3));
    assert!(matches!(plan.actions[0], Action::SeenPid));
    assert_eq!(m.events.len(), 1);
    assert_eq!(le(&m.events[0][8..]), 42);
    // Another stack has the place, but not in the second map.
    m.stack_ids = vec![5, -17];
    m.run(&words(&[]));
    let v = m.value(0, &[0; 4], 0).unwrap();
    assert_eq!(le(&v[..8]), u64::from(StackMaps::SECOND) + 5);
    let (map, id) = plan.system.stacks[0].find(StackMaps::SECOND + 5);
    assert_eq!((map, id), (plan.system.stacks[0].maps[1], 5));
    // There is no stack.
    m.stack_ids = vec![-14];
    m.run(&words(&[]));
    let v = m.value(0, &[0; 4], 0).unwrap();
    assert_eq!(le(&v[..8]) as i64, -14);
    // Another one has the place in both.
    m.stack_id = -17;
    m.run(&words(&[]));
    let counters = m.value(plan.system.globals.unwrap().0 as usize, &[0; 4], 0).unwrap();
    assert_eq!(le(&counters[8 * globals::LOST_STACKS as usize..][..8]), 1);
}

#[test]
fn join_sends_each_string() {
    let argv = input(Type::ptr(Type::ptr(Type::U8, Space::User), Space::User));
    let c = Call::Join { action: ActionId(0), argv: Box::new(argv) };
    let plan = script(&[], vec![st(StmtKind::Expr(call(c, Type::None)))])
        .action(Action::Join { separator: " ".into() });
    let (module, _) = build(plan);
    let mut m = Machine::new(&module);
    let (a, b) = (m.user(b"ls\0"), m.user(b"--all-of-it\0"));
    let argv: Vec<u8> = [a, b, 0].iter().flat_map(|p| p.to_le_bytes()).collect();
    let argv = m.user(&argv);
    m.run(&words(&[0, argv]));
    let r = &m.events[0];
    assert_eq!((le(&r[8..16]), le(&r[16..24]), &r[24..26]), (2, 2, &b"ls"[..]));
    assert_eq!((le(&r[32..40]), &r[40..51], r.len()), (11, &b"--all-of-it"[..], 56));
}

#[test]
fn predicates_and_pid_filters_keep_the_body_from_running() {
    let mut s = script(&[], vec![agg(0, vec![], Agg::Count, None)])
        .map("@", &[], Type::Agg(Agg::Count))
        .predicate(cmp(CmpOp::Gt, input(Type::I64), int(10)));
    s.hir.programs[0].pid_filter = Some(42);
    let (module, _) = build(s);
    let mut m = Machine::new(&module);
    for (pid, v, expected) in [(42, 5, 0), (42, 11, 1), (41, 11, 1), (42, 12, 2)] {
        m.pid_tgid = pid << 32 | 7;
        m.run(&words(&[0, v]));
        assert_eq!(m.word(0), expected, "{pid} {v}");
    }
}

#[test]
fn maps_are_of_the_kind_that_suits_their_use() {
    let count = Type::Agg(Agg::Count);
    let hist = Type::Agg(Agg::Hist { bits: 0 });
    let tuple = [Type::I32, strings(16)];
    for (keys, value, declared, expected) in [
        (&[][..], count.clone(), None, (MapType::PercpuArray, 4, 8, 1)),
        (&[], hist.clone(), None, (MapType::PercpuArray, 4, 8, 65)),
        (&[], Type::I64, None, (MapType::Array, 4, 8, 1)),
        (&tuple, count.clone(), None, (MapType::PercpuHash, 20, 8, 4096)),
        (&tuple, hist, None, (MapType::PercpuHash, 32, 8, 65536)),
        (&tuple, strings(40), None, (MapType::Hash, 20, 40, 4096)),
        (&tuple, Type::I64, Some(MapType::LruHash), (MapType::LruHash, 20, 8, 4096)),
        (&tuple, count, Some(MapType::LruHash), (MapType::LruPercpuHash, 20, 8, 4096)),
    ] {
        let mut s = script(&[], vec![]).map("@m", keys, value);
        s.plan.maps[0].declared = declared;
        let (module, _) = build(s);
        let m = &module.maps[0];
        assert_eq!((m.kind, m.key_size, m.value_size, m.max_entries), expected);
    }
}

#[test]
fn dividing_by_zero_gives_one_and_is_told() {
    for (op, expected) in
        [(Arith::Udiv, [1, 3]), (Arith::Sdiv, [1, 3]), (Arith::Urem, [1, 1]), (Arith::Srem, [1, 1])]
    {
        let e = bin(op, int(7), input(Type::I64));
        assert_eq!(value_of(e.clone(), &[0, 2]), expected, "{op:?}");
        let (_, plan) = build(script(&[], vec![put(0, vec![], e)]).map("@", &[], Type::I64));
        let told = plan.actions.iter().any(|a| matches!(a, Action::Log { error: false, .. }));
        assert!(told, "{op:?}");
    }
}

/// A task that is preempted within the program keeps its region; the others use the rest, and find none when all are taken.
#[test]
fn programs_of_user_functions_claim_a_region_and_give_it_back() {
    let long = strings(200);
    let text = string(pointer(input(Type::U64), Type::U8, Space::User), 200);
    let body = vec![set(0, text), put(0, vec![], int(1))];
    let mut s = script(&[long], body).map("@", &[], Type::I64).kind(skep_abi::ProgType::Kprobe);
    let sites = vec![skep_engine::UserSite { offset: 0, cookie: 0 }];
    let path = "/bin/true".into();
    s.plan.groups[0].run =
        RunKind::Attach(skep_engine::Attach::Uprobes { ret: false, path, pid: None, sites });
    let (module, plan) = build(s);
    let scratch = module.maps.iter().position(|m| m.name == "scratch").unwrap();
    let stride = (module.maps[scratch].value_size as usize - 8) / 8;
    let mut m = Machine::new(&module);
    let lost = |m: &Machine<'_>| {
        let words = m.value(plan.system.globals.unwrap().0 as usize, &[0; 4], 0).unwrap();
        le(&words[8 * globals::LOST_EVENTS as usize..])
    };
    let taken = |m: &Machine<'_>| {
        let memory = m.value(scratch, &[0; 4], 0).unwrap();
        (0..8).map(|n| le(&memory[n * stride..])).collect::<Vec<_>>()
    };
    for _ in 0..9 {
        m.run(&words(&[0, 0]));
    }
    assert_eq!((taken(&m), lost(&m), m.word(0)), (vec![0; 8], 0, 1));
    // Three regions of each CPU are in use by others: one is left, and is given back.
    let mut memory = m.value(scratch, &[0; 4], 0).unwrap().to_vec();
    for n in [0, 1, 2, 4, 5, 6] {
        memory[n * stride] = 1;
    }
    m.put(scratch, &[0; 4], &memory);
    m.put(0, &[0; 4], &[0; 8]);
    m.run(&words(&[0, 0]));
    assert_eq!((taken(&m), lost(&m), m.word(0)), (vec![1, 1, 1, 0, 1, 1, 1, 0], 0, 1));
    for n in [3, 7] {
        memory[n * stride] = 1;
    }
    m.put(scratch, &[0; 4], &memory);
    m.put(0, &[0; 4], &[0; 8]);
    m.run(&words(&[0, 0]));
    assert_eq!((taken(&m), lost(&m), m.word(0)), (vec![1; 8], 1, 0));
}
