//! From the typed tree to the IR of `skep-codegen`.
//!
//! Each program of the tree becomes a function in SSA form. Scalars live in SSA values (variables too: the tree is structured, so
//! block parameters are placed where branches meet, by comparing what each branch left in a variable); everything larger lives
//! in memory, see `memory`. What the functions share with user space (maps, events, global words) is laid down in
//! [`crate::plan`] and [`crate::types`].
//!
//! The generated code is shaped by what the kernel's verifier can follow: offsets are bounded by the very value used, loops
//! are bounded or carry `may_goto`, pointers are only ever added to.
//!
//! Scratch memory belongs to a program and a CPU, and in programs that can be preempted to one run of it: see `region`.

mod agg;
mod bucket;
mod builtin;
mod cond;
mod error;
mod event;
mod expr;
mod flow;
mod formap;
mod frame;
mod join;
mod loops;
mod maps;
mod memory;
mod place;
mod program;
mod read;
mod region;
mod ring;
mod stack;
mod strings;
mod system;
mod value;
mod walk;

use skep_abi::{Helper, Target};
use skep_codegen::ir::{Callee, Inst, Loc, Module, Value};
use skep_object::{Map, MapRef};

use crate::config::Config;
use crate::hir::Hir;
use crate::plan::{Action, MapInfo, Plan, SystemMaps};
use crate::syntax::ast::Span;
use crate::types::Types;

pub use error::Error;
use frame::Frame;
use program::Prog;

/// Lowers a script: the programs of `hir` in order, with the maps they need. Fills in `plan.maps[..].map`, `plan.system`, and appends to
/// `plan.actions` what the run-time system itself sends.
pub fn lower(
    hir: &Hir,
    plan: &mut Plan,
    target: &Target,
    possible_cpus: u32,
    source_name: &str,
    source: &str,
) -> Result<Module, Error> {
    let mut maps = Vec::new();
    maps::create_all(plan, target, &mut maps);
    let has_exit = plan.actions.iter().any(|a| matches!(a, Action::Exit));
    let ring_bytes = ring::bytes(hir, plan);
    let lines = Lines::new(source);
    let Plan { types, config, groups, maps: infos, actions, system, .. } = plan;
    for action in actions.iter_mut() {
        if let Action::Log { place, span, .. } = action {
            *place = lines.place(source_name, *span);
        }
    }
    let license = config.license.clone();
    let mut cx = Cx {
        types,
        config,
        target,
        cpus: possible_cpus.max(1),
        infos,
        actions,
        system,
        maps,
        source_name,
        lines,
        has_exit,
        ring_bytes,
        scratch: None,
        scratch_end: 0,
        zeros: None,
        failed: None,
        p: Prog::default(),
        f: Frame::new("", 0, 0),
    };
    let mut programs = Vec::with_capacity(hir.programs.len());
    for (program, group) in hir.programs.iter().zip(groups.iter()) {
        programs.push(cx.program(program, &group.run));
    }
    match cx.failed {
        Some(error) => Err(error),
        None => Ok(Module {
            license,
            maps: cx.maps,
            programs,
            source_name: source_name.into(),
            source: source.into(),
        }),
    }
}

/// Everything that is at hand while a script is lowered: what it is lowered for, the module so far, the program and the function
/// being built.
struct Cx<'a> {
    types: &'a Types,
    config: &'a Config,
    target: &'a Target,
    /// Possible CPUs.
    cpus: u32,
    infos: &'a [MapInfo],
    actions: &'a mut Vec<Action>,
    system: &'a mut SystemMaps,
    maps: Vec<Map>,
    source_name: &'a str,
    lines: Lines,
    /// The script calls `exit()` somewhere.
    has_exit: bool,
    /// Size of the ring buffer, if the configuration leaves it to us.
    ring_bytes: u64,
    /// Scratch memory of all programs, and how much of it is given away.
    scratch: Option<MapRef>,
    scratch_end: u32,
    /// Zeroes that nobody writes to.
    zeros: Option<MapRef>,
    /// The first construct that the target cannot do.
    failed: Option<Error>,
    p: Prog,
    f: Frame,
}

impl Cx<'_> {
    /// Notes that something cannot be done; lowering goes on so that the code stays simple, and its result is dropped.
    fn fail(&mut self, span: Span, message: impl Into<String>) {
        self.failed.get_or_insert(Error { message: message.into(), span });
    }

    /// Calls a helper.
    fn call(&mut self, helper: Helper, args: &[Value]) -> Value {
        self.f.b.inst(Inst::Call(Callee::Helper(helper.raw()), args.to_vec()))
    }

    /// A constant.
    fn int(&mut self, v: i64) -> Value {
        self.f.b.iconst(v)
    }

    /// Adds a map of the run-time system.
    fn add_map(&mut self, map: Map) -> MapRef {
        self.maps.push(map);
        MapRef(self.maps.len() as u32 - 1)
    }

    /// Runs `f` with the source place set.
    fn at<R>(&mut self, span: Span, f: impl FnOnce(&mut Self) -> R) -> R {
        let saved = self.f.b.loc();
        let loc = self.lines.loc(span);
        self.f.b.set_loc(loc);
        let r = f(self);
        self.f.b.set_loc(saved);
        r
    }
}

/// Starts of the source's lines.
struct Lines(Vec<u32>);

impl Lines {
    fn new(source: &str) -> Lines {
        let ends = source.bytes().enumerate().filter(|(_, b)| *b == b'\n');
        Lines(std::iter::once(0).chain(ends.map(|(i, _)| i as u32 + 1)).collect())
    }

    fn loc(&self, span: Span) -> Loc {
        if span == Span::default() {
            return Loc::default();
        }
        let line = self.0.partition_point(|&start| start <= span.start).max(1);
        Loc { line: line as u32, col: span.start - self.0[line - 1] + 1 }
    }

    /// `file:line:from-to` as messages of the running script have it; `file:from-to` over several lines.
    fn place(&self, file: &str, span: Span) -> String {
        let start = self.loc(span);
        let last = self.loc(Span { start: span.end.saturating_sub(1), ..span });
        if last.line > start.line {
            return format!("{file}:{}-{}", start.line, last.line);
        }
        format!("{file}:{}:{}-{}", start.line, start.col, last.col + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_line_and_column_from_one() {
        let lines = Lines::new("a\nbc\n\nd");
        for (start, expected) in [(0, (1, 1)), (1, (1, 2)), (2, (2, 1)), (3, (2, 2)), (6, (4, 1))] {
            let loc = lines.loc(Span { start, end: start + 1 });
            assert_eq!((loc.line, loc.col), expected, "{start}");
        }
        assert_eq!(lines.loc(Span::default()), Loc::default());
    }
}
