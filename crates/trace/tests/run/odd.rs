//! Bytes that nobody meant: whatever stands in records and maps, a session ends as it should and its JSON is JSON.

use skep_trace::hir::MapId;
use skep_trace::plan::{Action, Conv, Format, Piece, RunKind, Spec};
use skep_trace::run::output::Layout;
use skep_trace::types::{
    Agg, Clock, EnumDef, EnumId, Field, Space, StackMode, StackSpec, StructDef, StructId,
    TseriesOp, Type,
};

use crate::fake::Script;

/// Numbers that look random and are the same each time (Knuth's MMIX generator).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }
    /// True once in `n` times.
    fn chance(&mut self, n: u64) -> bool {
        self.next().is_multiple_of(n)
    }
    fn bytes(&mut self, len: usize) -> Vec<u8> {
        // Mostly small numbers, so that lengths and ids are often nearly right.
        let small = !self.chance(3);
        (0..len).map(|i| if small && i % 4 > 0 { 0 } else { self.next() as u8 }).collect()
    }
}

fn types() -> Vec<Type> {
    let stack = StackSpec { mode: StackMode::Bpftrace, depth: 127 };
    let plain = vec![
        Type::I64,
        Type::U8,
        Type::Bool,
        Type::Enum(EnumId(0)),
        Type::Str { max: 16 },
        Type::Str { max: 200 },
        Type::Buf { max: 32 },
        Type::ptr(Type::None, Space::Kernel),
        Type::Struct(StructId(0)),
        Type::Array { elem: Box::new(Type::I32), len: 3 },
        Type::Inet,
        Type::Mac,
        Type::Ksym,
        Type::Usym,
        Type::Kstack(stack),
        Type::Ustack(stack),
        Type::Username,
        Type::Probe,
        Type::Timestamp { format: 0, clock: Clock::Boot },
        Type::CgroupPath { pattern: 0 },
    ];
    let mut all = plain.clone();
    all.push(Type::Tuple(plain.clone()));
    all.push(Type::Record(plain.into_iter().map(|t| ("f".to_owned(), t)).collect()));
    all
}

fn script(random: &mut Random) -> Script {
    let mut script = Script::new();
    script.plan.strings = vec!["%H %f %% %".into()];
    script.plan.types.enums.push(EnumDef {
        name: "e".into(),
        size: 4,
        signed: false,
        values: vec![("A".into(), 0)],
    });
    let field =
        |offset, bits| Field { name: "m".into(), ty: Type::I32, offset, bits, data_loc: false };
    // The last field lies outside, which a wrong definition could say.
    let fields = vec![field(0, None), field(4, Some((30, 9))), field(100, None)];
    script.plan.types.structs.push(StructDef {
        name: "struct s".into(),
        size: 8,
        align: 4,
        fields,
    });
    let all = types();
    let convs = [Conv::Str, Conv::Signed, Conv::Hex, Conv::Buf, Conv::Char, Conv::BufHexSpaced];
    let piece = |random: &mut Random| {
        Piece::Arg(Spec {
            conv: convs[random.next() as usize % convs.len()],
            width: (random.chance(2)).then_some(random.next() as u32 % 40),
            precision_arg: random.chance(5),
            zero: random.chance(2),
            bits: 64,
            ..Spec::default()
        })
    };
    let format = Format { pieces: all.iter().map(|_| piece(random)).collect(), args: all.clone() };
    let some = Format { pieces: vec![piece(random)], args: vec![all[5].clone()] };
    script.plan.actions = vec![
        Action::Printf(some),
        Action::Printf(format.clone()),
        Action::Log { error: true, place: String::new(), span: Default::default(), format },
        Action::Join { separator: ",".into() },
        Action::SeenPid,
        Action::PrintMapElem { map: MapId(0), div: 3 },
        Action::PrintMap { map: MapId(1), top: 2, div: 0 },
        Action::Zero(MapId(1)),
    ];
    script.plan.actions.extend(all.into_iter().map(Action::PrintValue));
    script
}

fn add_maps(script: &mut Script, random: &mut Random) {
    let values = [
        Type::Tuple(types()),
        Type::Agg(Agg::Hist { bits: 5 }),
        Type::Agg(Agg::Lhist { min: -10, max: 10_000, step: 1024 }),
        Type::Agg(Agg::Stats { signed: true }),
        Type::Agg(Agg::Min { signed: true }),
        Type::Agg(Agg::Tseries { interval: 7, count: 4, op: TseriesOp::Avg, signed: false }),
    ];
    for (i, value) in values.into_iter().enumerate() {
        let key = [Type::I64, types()[4].clone()];
        let key_len = script.plan.types.key_layout(&key).1 as usize + 8;
        let len = script.plan.types.size(&value) as usize;
        let cpus = if matches!(value, Type::Agg(_)) { 2 } else { 1 };
        let entries = (0..20)
            .map(|_| {
                // Now and then a key that is too short.
                let cut = if random.chance(8) { random.next() as usize % key_len } else { 0 };
                (random.bytes(key_len - cut), random.bytes(len * cpus))
            })
            .collect();
        script.map(&format!("@m{i}"), &key, value, entries);
    }
}

#[test]
fn any_bytes_are_survived_and_json_stays_json() {
    let mut random = Random(1);
    for round in 0..30 {
        let mut script = script(&mut random);
        add_maps(&mut script, &mut random);
        let records = (0..60)
            .map(|_| {
                let mut record = random.bytes(random.0 as usize % 900);
                if let Some(id) = record.get_mut(..4) {
                    id.copy_from_slice(&(random.next() as u32 % 40).to_ne_bytes());
                }
                record
            })
            .collect();
        script.group(RunKind::Begin, records);
        script.options.layout = if round % 2 == 0 { Layout::Json } else { Layout::Text };
        let json = round % 2 == 0;
        let outcome = script.run();
        assert_eq!(outcome.code, Ok(0));
        if json {
            for line in outcome.data.lines() {
                serde_json::from_str::<serde_json::Value>(line)
                    .unwrap_or_else(|error| panic!("{error}: {line}"));
            }
        }
    }
}
