//! Maps: declarations, keys, reading, writing, and what the plan is told about them.

use skep_abi::MapType;

use super::convert::{element_types, lit_of};
use super::infer::{Inferred, Lit, MapState};
use super::names::nearest;
use super::{Checker, is_unknown, unknown};
use crate::hir::{Expr, ExprKind, MapId, Stmt, StmtKind};
use crate::plan::MapInfo;
use crate::syntax::ast::{self, MapDecl, Span};
use crate::types::{Agg, Type};

/// Kinds that a declaration can name.
const KINDS: &[(&str, MapType)] = &[
    ("hash", MapType::Hash),
    ("lruhash", MapType::LruHash),
    ("percpuhash", MapType::PercpuHash),
    ("percpulruhash", MapType::LruPercpuHash),
    ("array", MapType::Array),
    ("percpuarray", MapType::PercpuArray),
];

impl Checker<'_> {
    pub(super) fn declare_map(&mut self, decl: &MapDecl) {
        let Some((_, kind)) = KINDS.iter().find(|k| k.0 == decl.kind) else {
            let near = nearest(&decl.kind, KINDS.iter().map(|k| k.0));
            let help = match near {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "kinds are {}",
                    KINDS.iter().map(|k| k.0).collect::<Vec<_>>().join(", ")
                ),
            };
            self.error(decl.span, format!("there is no kind of map `{}`", decl.kind)).help(help);
            return;
        };
        let max = u32::try_from(decl.max_entries).ok().filter(|n| *n > 0);
        let Some(max) = max else {
            self.error(decl.span, "a map holds at least 1 and at most 4294967295 entries");
            return;
        };
        if let Some((_, _, first)) = self.map_decls.get(&decl.name) {
            let first = *first;
            self.error(decl.span, format!("{} is declared twice", decl.name))
                .also(first, "first here");
            return;
        }
        self.map_decls.insert(decl.name.clone(), (*kind, max, decl.span));
    }

    fn map_number(&mut self, name: &str) -> usize {
        if let Some(at) = self.map_ids.get(name) {
            return *at;
        }
        let at = self.maps.len();
        self.map_ids.insert(name.to_owned(), at);
        let decl = self.map_decls.get(name);
        self.maps.push(MapState {
            name: name.to_owned(),
            keys: None,
            keys_span: Span::default(),
            value: Inferred::default(),
            declared: decl.map(|d| d.0),
            max_entries: decl.map(|d| d.1),
            decl_span: decl.map(|d| d.2),
            assigned: false,
        });
        at
    }

    pub(super) fn start_map_round(&mut self) {
        for map in &mut self.maps {
            map.assigned = false;
        }
    }

    /// The map of that name.
    pub(super) fn map_id(&mut self, name: &str) -> MapId {
        MapId(self.map_number(name) as u32)
    }

    /// What is known of a map.
    pub(super) fn map_state(&self, map: MapId) -> &MapState {
        &self.maps[map.0 as usize]
    }

    // Keys.

    /// Evaluates keys and brings them to the map's types; `None` after an error.
    pub(super) fn map_keys(
        &mut self,
        map: MapId,
        keys: &[ast::Expr],
        span: Span,
    ) -> Option<Vec<Expr>> {
        let mut values = Vec::with_capacity(keys.len());
        for key in keys {
            let value = self.expr(key);
            values.push(value);
        }
        self.keys_of_values(map, values, span)
    }

    /// The same for keys already evaluated. One key that is a tuple is as many keys as it has elements.
    pub(super) fn keys_of_values(
        &mut self,
        map: MapId,
        mut keys: Vec<Expr>,
        span: Span,
    ) -> Option<Vec<Expr>> {
        if keys.len() == 1 && matches!(&keys[0].ty, Type::Tuple(fields) if !fields.is_empty()) {
            let only = keys.remove(0);
            keys = self.split_tuple(only);
        }
        if keys.iter().any(is_unknown) {
            return None;
        }
        for key in &keys {
            if !self.can_be_key(key) {
                return None;
            }
        }
        if !self.join_keys(map, &keys, span) {
            return None;
        }
        let types: Vec<Type> =
            self.maps[map.0 as usize].keys.iter().flatten().map(|k| k.ty.clone()).collect();
        Some(keys.into_iter().zip(types).map(|(key, ty)| self.coerce(key, &ty)).collect())
    }

    fn can_be_key(&mut self, key: &Expr) -> bool {
        let name = self.type_name(&key.ty);
        self.store.fill_deep(&key.ty);
        match key.ty {
            Type::Agg(_) => {
                self.error(key.span, format!("a value of type {name} cannot be a key"));
                false
            }
            _ => true,
        }
    }

    fn split_tuple(&mut self, tuple: Expr) -> Vec<Expr> {
        if let ExprKind::Tuple(elems) = tuple.kind {
            // As keys, plain numbers take whatever type the others have.
            let widen = |e: Expr| match e.kind {
                ExprKind::Int(_) if matches!(e.ty, Type::Int { signed: true, .. }) => {
                    Expr { ty: Type::I64, ..e }
                }
                _ => e,
            };
            return elems.into_iter().map(widen).collect();
        }
        let span = tuple.span;
        let types = element_types(&tuple.ty);
        let (stmts, whole) = self.bind(tuple);
        let mut elems: Vec<Expr> = Vec::with_capacity(types.len());
        for (at, ty) in types.into_iter().enumerate() {
            let kind = ExprKind::TupleField(Box::new(whole.clone()), at as u32);
            elems.push(Expr { kind, ty, span });
        }
        if let (Some(first), false) = (elems.first_mut(), stmts.is_empty()) {
            let ty = first.ty.clone();
            let value = std::mem::replace(first, unknown(span));
            *first = Expr { kind: ExprKind::Block(stmts, Box::new(value)), ty, span };
        }
        elems
    }

    fn join_keys(&mut self, map: MapId, keys: &[Expr], span: Span) -> bool {
        let state = &mut self.maps[map.0 as usize];
        let Some(known) = &mut state.keys else {
            let fresh = keys.iter().map(|k| {
                let mut inferred = Inferred::default();
                inferred.join(&k.ty, lit_of(k), k.span);
                inferred
            });
            state.keys = Some(fresh.collect());
            state.keys_span = span;
            self.changed = Some((span, state.name.clone()));
            return true;
        };
        let mut fits = known.len() == keys.len();
        if fits {
            for (slot, key) in known.iter_mut().zip(keys) {
                let before = slot.ty.clone();
                fits &= slot.join(&key.ty, lit_of(key), key.span);
                if slot.ty != before {
                    self.changed = Some((key.span, state.name.clone()));
                }
            }
        }
        if !fits {
            let (name, first) = (state.name.clone(), state.keys_span);
            let known: Vec<Type> = known.iter().map(|k| k.ty.clone()).collect();
            let given: Vec<Type> = keys.iter().map(|k| k.ty.clone()).collect();
            let (given, known) = (self.key_text(&given), self.key_text(&known));
            self.error(span, format!("{name} is used {given} here, but {known} elsewhere"))
                .also(first, format!("used {known} here"));
        }
        fits
    }

    fn key_text(&self, keys: &[Type]) -> String {
        match keys {
            [] => "without a key".into(),
            [one] => format!("with a key of type {}", self.type_name(one)),
            many => format!("with keys of types {}", self.type_name(&Type::Tuple(many.to_vec()))),
        }
    }

    // Reading.

    /// `@m`, `@m[k]` as a value; an aggregation gives its merged number.
    pub(super) fn map_read(&mut self, name: &str, keys: &[ast::Expr], span: Span) -> Expr {
        let map = self.map_id(name);
        let keys = self.map_keys(map, keys, span);
        let Some(key) = keys else { return unknown(span) };
        self.map_elem(map, key, span)
    }

    /// A map's element as a value.
    pub(super) fn map_elem(&mut self, map: MapId, key: Vec<Expr>, span: Span) -> Expr {
        let Some(ty) = self.read_type(map, span) else { return unknown(span) };
        Expr { kind: ExprKind::MapElem { map, key }, ty, span }
    }

    /// The type that reading an element gives.
    pub(super) fn read_type(&mut self, map: MapId, span: Span) -> Option<Type> {
        let (name, value) = {
            let state = self.map_state(map);
            (state.name.clone(), state.value.ty.clone())
        };
        match value {
            Type::None => {
                self.undefined_map(&name, span);
                None
            }
            Type::Agg(agg) if agg.is_multi() || matches!(agg, Agg::Stats { .. }) => {
                let what = super::store::agg_name(agg);
                self.error(span, format!("{name} is a {what}, which is not a single value"))
                    .help(format!("show it with print({name})"));
                None
            }
            Type::Agg(agg) => Some(agg_type(agg)),
            ty => Some(ty),
        }
    }

    /// Said in the last round only: in those before, the type may come from a later probe.
    pub(super) fn undefined_map(&mut self, name: &str, span: Span) {
        let assigned = self.map_ids.get(name).is_some_and(|at| self.maps[*at].assigned);
        if assigned {
            return;
        }
        let others: Vec<&str> = self
            .maps
            .iter()
            .filter(|m| m.value.ty != Type::None)
            .map(|m| m.name.as_str())
            .collect();
        let near = nearest(name, others).map(|n| format!("did you mean `{n}`?"));
        let help = near.unwrap_or_else(|| "nothing in the script gives it a value".to_owned());
        self.error(span, format!("undefined map: {name}")).help(help);
    }

    // Writing.

    /// Joins a type into a map's values. Tells of a conflict.
    pub(super) fn join_map(&mut self, map: MapId, ty: &Type, lit: Lit, span: Span) -> bool {
        let state = &mut self.maps[map.0 as usize];
        state.assigned = true;
        let before = state.value.ty.clone();
        if state.value.join(ty, lit, span) {
            if state.value.ty != before {
                self.changed = Some((span, state.name.clone()));
            }
            return true;
        }
        let (name, first) = (state.name.clone(), state.value.span);
        let (new, old) = (self.type_name(ty), self.type_name(&before));
        let d = self.error(span, format!("{name} cannot take a value of type {new}: it is {old}"));
        d.label(format!("this is {new}")).also(first, format!("assigned first here, as {old}"));
        match (&before, ty) {
            (Type::Agg(a), Type::Agg(b))
                if std::mem::discriminant(a) == std::mem::discriminant(b) =>
            {
                d.help("all places must give the same parameters");
            }
            (Type::Agg(_), _) | (_, Type::Agg(_)) => {
                d.help("use another map");
            }
            _ => {}
        }
        false
    }

    /// `@m[k] = value`
    pub(super) fn assign_map(
        &mut self,
        name: &str,
        keys: &[ast::Expr],
        value: Expr,
        span: Span,
    ) -> Option<Stmt> {
        let map = self.map_id(name);
        let key = self.map_keys(map, keys, span);
        if is_unknown(&value) {
            // The map has a value, even if this one is not known: no more is said about it.
            self.maps[map.0 as usize].assigned = true;
            return None;
        }
        if let ExprKind::MapElem { map: from, .. } = &value.kind
            && self.map_state(map).value.ty == Type::None
            && let Some(agg) = self.map_state(*from).value_agg()
        {
            let from = self.map_state(*from).name.clone();
            let what = super::store::agg_name(agg);
            self.error(value.span, format!("the {what} of {from} cannot be copied to another map"))
                .help(format!("copy its number: `(int64){from}`"));
            self.maps[map.0 as usize].assigned = true;
            return None;
        }
        self.store.fill_deep(&value.ty);
        if !self.join_map(map, &value.ty, lit_of(&value), value.span) {
            return None;
        }
        let ty = self.map_state(map).value.ty.clone();
        let value = self.coerce(value, &ty);
        Some(Stmt { kind: StmtKind::SetMap { map, key: key?, value }, span })
    }

    /// `@m[k]++`: an integer of 64 bits, or a pointer, so that it can be added to atomically.
    pub(super) fn step_map(
        &mut self,
        name: &str,
        keys: &[ast::Expr],
        delta: i64,
        post: bool,
        span: Span,
    ) -> Expr {
        let map = self.map_id(name);
        let key = self.map_keys(map, keys, span);
        let (wide, size) = match self.map_state(map).value.ty.clone() {
            Type::Int { signed: false, .. } => (Type::U64, 1),
            Type::Ptr { to, space } => {
                let size = self.pointee_size(&to);
                (Type::Ptr { to, space }, size)
            }
            _ => (Type::I64, 1),
        };
        let delta = delta.wrapping_mul(size);
        if !self.join_map(map, &wide, Lit::No, span) {
            return unknown(span);
        }
        let ty = self.map_state(map).value.ty.clone();
        match key {
            Some(key) => Expr { kind: ExprKind::MapAdd { map, key, delta, post }, ty, span },
            None => unknown(span),
        }
    }

    // For the plan.

    pub(super) fn unused_maps(&mut self) {
        let quiet = self.early.has_errors() || self.diags.has_errors();
        let circular = self.maps.iter().find(|m| m.assigned && m.value.ty == Type::None && !quiet);
        if let Some(name) = circular.map(|m| m.name.clone()) {
            self.error(
                Span::default(),
                format!("the type of {name} cannot be told: only itself is assigned to it"),
            );
        }
        let unused = self.map_decls.iter().filter(|(name, _)| !self.map_ids.contains_key(*name));
        let mut unused: Vec<(Span, String)> = unused.map(|(n, d)| (d.2, n.clone())).collect();
        unused.sort_by_key(|u| u.0.start);
        for (span, name) in unused {
            self.warn(span, format!("{name} is declared but never used"));
        }
    }

    /// Maps for the plan.
    pub(super) fn map_infos(&mut self) -> Vec<MapInfo> {
        let mut infos = Vec::with_capacity(self.maps.len());
        for at in 0..self.maps.len() {
            let state = self.maps[at].clone();
            self.declared_kind(&state);
            let keys: Vec<Type> = state.keys.iter().flatten().map(|k| k.ty.clone()).collect();
            let keyless = keys.is_empty();
            let value = match state.value.ty {
                Type::None => Type::I64,
                ty => ty,
            };
            self.store.fill_deep(&value);
            let max = state.max_entries.unwrap_or(if keys.is_empty() {
                1
            } else {
                self.config.max_map_keys
            });
            infos.push(MapInfo {
                name: state.name,
                keys,
                value,
                max_entries: max,
                // A map without a key is one element, whatever kind was declared for it.
                declared: state.declared.filter(|_| !keyless),
                map: None,
            });
        }
        infos
    }

    /// Whether the declared kind goes with how the map is used.
    fn declared_kind(&mut self, state: &MapState) {
        let (Some(kind), Some(span)) = (state.declared, state.decl_span) else { return };
        let keys: Vec<Type> = state.keys.iter().flatten().map(|k| k.ty.clone()).collect();
        let array = matches!(kind, MapType::Array | MapType::PercpuArray);
        let one_int = matches!(keys.as_slice(), [Type::Int { .. }]);
        let name = &state.name;
        if array && !keys.is_empty() && !one_int {
            self.error(span, format!("{name} is an array, so its key must be one integer"))
                .help("declare it as a hash");
        }
        let percpu = kind.is_percpu();
        if percpu && !array && !matches!(state.value.ty, Type::Agg(_) | Type::None) {
            self.error(span, format!("{name} holds plain values, which are not kept for each CPU"))
                .help("declare it as hash or lruhash");
        }
        if matches!(state.value.ty, Type::Agg(_)) && !percpu && !array {
            self.error(span, format!("{name} holds an aggregation, which is kept for each CPU"))
                .help("declare it as percpuhash or percpulruhash");
        }
    }
}

impl MapState {
    /// The aggregation that the map holds.
    pub(super) fn value_agg(&self) -> Option<Agg> {
        match self.value.ty {
            Type::Agg(agg) => Some(agg),
            _ => None,
        }
    }
}

/// The type of an aggregation's number.
pub(super) fn agg_type(agg: Agg) -> Type {
    match agg {
        Agg::Sum { signed: false }
        | Agg::Avg { signed: false }
        | Agg::Min { signed: false }
        | Agg::Max { signed: false } => Type::U64,
        _ => Type::I64,
    }
}
