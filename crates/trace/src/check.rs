//! From the syntax tree to the typed tree and the plan: names resolved, types inferred, every conversion written out.
//!
//! [`check`] expands the attach points (`probes`), groups those whose context looks alike into programs, then goes through every body until the
//! types of maps and variables no longer change: a map may be read in a probe that stands before the one that fills it. What
//! the last round made is the result, so it was made with all types known. Findings of earlier rounds are dropped. Each round does
//! the same walk; only the tables of `infer` live on.
//!
//! Semantics are bpftrace 0.26's (its docs/language.md and docs/stdlib.md). Arithmetic is done with 64 bits.

mod aggregate;
mod asyncs;
mod builtins;
mod calls;
mod convert;
mod exprs;
mod format;
mod format_file;
mod infer;
mod maps;
mod names;
mod ops;
mod preprocess;
mod print;
mod probes;
mod settings;
mod sites;
mod stmts;
mod store;
mod strings;
mod structs;
mod symbols;
mod typenames;
mod usersites;
mod uses;

use std::collections::HashMap;

pub use print::dump;

use skep_abi::MapType;

use crate::config::Config;
use crate::hir::{Expr, ExprKind, Hir, Program, Var, VarId};
use crate::host::Host;
use crate::plan::{Action, ActionId, Plan, ProbeGroup};
use crate::syntax::ast::{self, Script, Span};
use crate::syntax::diag::{Diagnostic, Diagnostics, Level};
use crate::types::{Space, Type};
use infer::{Inferred, MapState, VarKey};
use probes::{Context, Unit};
use store::Store;

/// What the command line and the environment say.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Positional parameters: `$1` is the first.
    pub params: Vec<String>,
    /// Only this process is traced (`-p`).
    pub pid: Option<i32>,
    /// The process started by `-c`, which `cpid` gives.
    pub child: Option<i32>,
    /// `--unsafe`
    pub unsafe_mode: bool,
    /// `BPFTRACE_*` variables of the environment with their values; they win over the script's `config` block.
    pub env: Vec<(String, String)>,
}

/// Types the script. Without a result there is an error among the findings.
pub fn check(
    script: &Script,
    host: &dyn Host,
    options: &Options,
) -> (Option<(Hir, Plan)>, Diagnostics) {
    let mut checker = Checker::new(script, host, options);
    checker.items();
    let units = checker.expand();
    checker.rounds(&units);
    checker.finish(units)
}

/// Rounds after which types that still change are an error: they depend on themselves.
const ROUNDS: usize = 24;
/// Deepest nest of expressions and blocks.
const DEEPEST: u32 = 200;

struct Checker<'a> {
    script: &'a Script,
    host: &'a dyn Host,
    options: &'a Options,
    config: Config,
    store: Store<'a>,
    diags: Diagnostics,
    /// Findings that do not depend on the round.
    early: Diagnostics,
    probe_names: Vec<String>,
    probe_count: usize,
    strings: Vec<String>,
    maps: Vec<MapState>,
    map_ids: HashMap<String, usize>,
    /// Declared maps: kind, most entries, place.
    map_decls: HashMap<String, (MapType, u32, Span)>,
    vars: HashMap<VarKey, Inferred>,
    /// A type changed in this round.
    changed: Option<(Span, String)>,
    /// Variables read in this round of which nothing is known.
    untyped: Vec<VarKey>,
    /// Variables given something in this round whose type an error hides.
    spoiled: Vec<VarKey>,
    actions: Vec<Action>,
    programs: Vec<Program>,
    unit: usize,
    context: Context,
    probe_uses: ProbeUses,
    locals: Vec<Local>,
    scopes: Vec<Vec<(String, VarId)>>,
    loops: u32,
    depth: u32,
    temporaries: u32,
}

/// A variable of the program in work.
struct Local {
    name: String,
    key: VarKey,
}

/// How the program in work knows which probe it runs for.
#[derive(Clone, Copy, Default)]
struct ProbeUses {
    first: u64,
    count: u64,
}

impl<'a> Checker<'a> {
    fn new(script: &'a Script, host: &'a dyn Host, options: &'a Options) -> Self {
        Checker {
            script,
            host,
            options,
            config: Config::default(),
            store: Store::new(host.btf()),
            diags: Diagnostics::default(),
            early: Diagnostics::default(),
            probe_names: Vec::new(),
            probe_count: 0,
            strings: Vec::new(),
            maps: Vec::new(),
            map_ids: HashMap::new(),
            map_decls: HashMap::new(),
            vars: HashMap::new(),
            changed: None,
            untyped: Vec::new(),
            spoiled: Vec::new(),
            actions: Vec::new(),
            programs: Vec::new(),
            unit: 0,
            context: Context::Special,
            probe_uses: ProbeUses::default(),
            locals: Vec::new(),
            scopes: Vec::new(),
            loops: 0,
            depth: 0,
            temporaries: 0,
        }
    }

    /// Everything but probes.
    fn items(&mut self) {
        self.settings();
        let script = self.script;
        self.define_types(script);
        let mut names: Vec<&str> = Vec::new();
        for item in &script.items {
            match item {
                ast::Item::MapDecl(decl) => self.declare_map(decl),
                ast::Item::Import { span, .. } => {
                    self.error(*span, "imports are not supported yet")
                        .help("copy the definitions into the script");
                }
                ast::Item::Function(function) => {
                    let span = function.span;
                    self.error(span, "functions of the script are not supported yet")
                        .help("write the body where it is called");
                }
                ast::Item::Macro(m) if names.contains(&m.name.as_str()) => {
                    self.error(m.span, format!("macro `{}` is defined twice", m.name));
                }
                ast::Item::Macro(m) => names.push(&m.name),
                _ => {}
            }
        }
        self.early = std::mem::take(&mut self.diags);
    }

    fn rounds(&mut self, units: &[Unit<'a>]) {
        self.early.append(std::mem::take(&mut self.diags));
        for round in 0.. {
            self.changed = None;
            self.untyped.clear();
            self.spoiled.clear();
            self.diags = Diagnostics::default();
            self.actions.clear();
            self.programs.clear();
            self.start_map_round();
            for (index, unit) in units.iter().enumerate() {
                let program = self.program(index, unit);
                self.programs.push(program);
            }
            match self.changed.take() {
                Some((span, name)) if round == ROUNDS => {
                    self.diags.error(span, format!("the type of {name} depends on itself"));
                    break;
                }
                Some(_) => {}
                None if !self.give_types() => break,
                None => {}
            }
        }
    }

    /// Variables that are read but never given a value of a known type hold 0, an int64. False if there are none.
    fn give_types(&mut self) -> bool {
        let untyped = std::mem::take(&mut self.untyped);
        for key in &untyped {
            if let Some(state) = self.vars.get_mut(key) {
                (state.ty, state.flexible) = (Type::I64, true);
            }
        }
        !untyped.is_empty()
    }

    fn program(&mut self, index: usize, unit: &Unit<'a>) -> Program {
        self.unit = index;
        self.context = unit.context.clone();
        self.probe_uses = ProbeUses { first: unit.first_name, count: unit.sites as u64 };
        self.locals.clear();
        self.scopes = vec![Vec::new()];
        (self.loops, self.depth, self.temporaries) = (0, 0, 0);
        let predicate = unit.probe.predicate.as_ref().map(|e| {
            let value = self.expr(e);
            self.condition(value)
        });
        let body = self.block(&unit.probe.body);
        let vars = self
            .locals
            .iter()
            .map(|l| Var { name: l.name.clone(), ty: self.vars[&l.key].ty.clone() });
        Program {
            name: unit.name.clone(),
            kind: unit.kind,
            probe: unit.probe_name(),
            pid_filter: unit.pid_filter,
            vars: vars.collect(),
            predicate,
            body,
            span: unit.probe.span,
        }
    }

    fn finish(mut self, units: Vec<Unit<'a>>) -> (Option<(Hir, Plan)>, Diagnostics) {
        self.unused_maps();
        let maps = self.map_infos();
        let mut all = std::mem::take(&mut self.early);
        all.append(std::mem::take(&mut self.diags));
        let diagnostics = unique(&all);
        if diagnostics.has_errors() {
            return (None, diagnostics);
        }
        let probe_count = self.probe_count;
        let groups = units.into_iter().map(|u| ProbeGroup { run: u.run, names: u.names }).collect();
        let plan = Plan {
            types: self.store.types,
            config: self.config,
            groups,
            probe_names: self.probe_names,
            maps,
            actions: self.actions,
            strings: self.strings,
            probe_count,
            system: Default::default(),
        };
        (Some((Hir { programs: self.programs }, plan)), diagnostics)
    }

    fn error(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.diags.error(span, message)
    }

    fn warn(&mut self, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.diags.warning(span, message)
    }

    /// Enters an asynchronous action.
    fn action(&mut self, action: Action) -> ActionId {
        self.actions.push(action);
        ActionId(self.actions.len() as u32 - 1)
    }

    /// The number of a string that a type refers to.
    fn string(&mut self, text: &str) -> u32 {
        let found = self.strings.iter().position(|s| s == text);
        found.unwrap_or_else(|| {
            self.strings.push(text.to_owned());
            self.strings.len() - 1
        }) as u32
    }

    /// How a type is written.
    fn type_name(&self, ty: &Type) -> String {
        self.store.name(ty)
    }

    /// Where an address that is only a number points, by the kind of probe.
    fn default_space(&self) -> Space {
        match self.context {
            Context::Uprobe { .. } => Space::User,
            Context::Special => Space::Unknown,
            _ => Space::Kernel,
        }
    }
}

/// An expression whose type is not known (yet, or because of an error already reported): whoever meets it says nothing.
fn unknown(span: Span) -> Expr {
    Expr { kind: ExprKind::Int(0), ty: Type::None, span }
}

/// Whether the expression is [`unknown`].
fn is_unknown(e: &Expr) -> bool {
    e.ty == Type::None && matches!(e.kind, ExprKind::Int(_))
}

fn int(value: i64, ty: Type, span: Span) -> Expr {
    Expr { kind: ExprKind::Int(value), ty, span }
}

/// The value of an integer known now.
fn literal(e: &Expr) -> Option<i64> {
    match e.kind {
        ExprKind::Int(value) if e.ty != Type::None => Some(value),
        _ => None,
    }
}

/// One body is checked once for each of its programs: what is found twice is told once.
fn unique(all: &Diagnostics) -> Diagnostics {
    let mut seen = std::collections::HashSet::new();
    let mut out = Diagnostics::default();
    for d in all.iter() {
        if !seen.insert((d.span, d.message.clone())) {
            continue;
        }
        let copy = match d.level {
            Level::Error => out.error(d.span, d.message.clone()),
            Level::Warning => out.warning(d.span, d.message.clone()),
        };
        copy.label(d.label.clone()).help(d.help.clone());
        copy.also = d.also.clone();
    }
    out
}
