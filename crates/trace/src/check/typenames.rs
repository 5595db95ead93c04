//! Types as written in the script.

use super::Checker;
use super::names::nearest;
use super::store::{keyword, with_space};
use crate::syntax::ast::{CTypeKind, Expr, ExprKind, Item, TypeExpr, TypeExprKind};
use crate::types::{Space, Type};

/// Names offered when a type is not known.
const BASE: &[&str] = &[
    "int8",
    "uint8",
    "int16",
    "uint16",
    "int32",
    "uint32",
    "int64",
    "uint64",
    "bool",
    "string",
    "char",
    "short",
    "int",
    "long",
    "unsigned int",
    "unsigned long",
    "size_t",
    "pid_t",
    "uint8_t",
    "uint16_t",
    "uint32_t",
    "uint64_t",
    "int64_t",
];

impl Checker<'_> {
    /// The type meant; pointers in it point to `space`. `None` after an error.
    pub(super) fn type_of(&mut self, written: &TypeExpr, space: Space) -> Option<Type> {
        let ty = self.resolve_type(written, 0)?;
        Some(with_space(ty, space))
    }

    fn resolve_type(&mut self, written: &TypeExpr, depth: u32) -> Option<Type> {
        if depth > 32 {
            self.error(written.span, "this type is nested too deeply");
            return None;
        }
        match &written.kind {
            TypeExprKind::Name(name) => self.named_type(name, written),
            TypeExprKind::Tagged(kind, name) => self.tagged_type(*kind, name, written),
            TypeExprKind::Ptr(to) => {
                // A pointer to a struct that nobody knows is still a pointer.
                Some(Type::ptr(self.resolve_type(to, depth + 1)?, Space::Unknown))
            }
            TypeExprKind::Array(of, len) => self.array_type(of, *len, depth),
            TypeExprKind::Tuple(fields) => {
                let fields = fields.iter().map(|f| self.resolve_type(f, depth + 1));
                Some(Type::Tuple(fields.collect::<Option<_>>()?))
            }
            TypeExprKind::Typeof(e) => self.typeof_expr(e),
        }
    }

    /// `typeof(@m)` of a map with keys is the type of its key.
    fn typeof_expr(&mut self, e: &Expr) -> Option<Type> {
        if let ExprKind::Map(name) = &e.kind {
            let map = self.map_id(name);
            let keys = self.map_state(map).keys.iter().flatten();
            let mut keys: Vec<Type> = keys.map(|k| k.ty.clone()).collect();
            match keys.len() {
                0 => {}
                1 => return keys.pop(),
                _ => return Some(Type::Tuple(keys)),
            }
            if self.map_state(map).keys.is_none() {
                self.undefined_map(name, e.span);
                return None;
            }
        }
        self.type_only(e)
    }

    fn array_type(&mut self, of: &TypeExpr, len: Option<u64>, depth: u32) -> Option<Type> {
        let limit = |len: u64| u32::try_from(len).ok().filter(|n| *n <= 1 << 24);
        let Some(len) = limit(len.unwrap_or(0)) else {
            self.error(of.span, "this array is too large");
            return None;
        };
        match &of.kind {
            TypeExprKind::Name(name) if name == "string" => Some(Type::Str { max: len.max(1) }),
            TypeExprKind::Name(name) if name == "buffer" => Some(Type::Buf { max: len.max(1) }),
            TypeExprKind::Name(name) if name == "inet" => Some(Type::Inet),
            _ => {
                let elem = Box::new(self.resolve_type(of, depth + 1)?);
                if u64::from(self.store.types.size(&elem)) * u64::from(len) > 1 << 24 {
                    self.error(of.span, "this array is too large");
                    return None;
                }
                Some(Type::Array { elem, len })
            }
        }
    }

    fn named_type(&mut self, name: &str, written: &TypeExpr) -> Option<Type> {
        let max = self.config.max_strlen;
        if let Some(ty) = self.store.named(name, max) {
            return Some(ty);
        }
        let tagged = [CTypeKind::Struct, CTypeKind::Union, CTypeKind::Enum]
            .into_iter()
            .find(|kind| self.store.tagged(*kind, name).is_some());
        let near = nearest(name, BASE.iter().copied());
        let d = self.error(written.span, format!("there is no type `{name}`"));
        match (tagged, near) {
            (Some(kind), _) => d.help(format!("write `{} {name}`", keyword(kind))),
            (None, Some(near)) => d.help(format!("did you mean `{near}`?")),
            (None, None) => d,
        };
        None
    }

    fn tagged_type(&mut self, kind: CTypeKind, name: &str, written: &TypeExpr) -> Option<Type> {
        if let Some(ty) = self.store.tagged(kind, name) {
            return Some(ty);
        }
        let own: Vec<&str> = self
            .script
            .items
            .iter()
            .filter_map(|item| match item {
                Item::CType(c) => Some(c.name.as_str()),
                _ => None,
            })
            .collect();
        let near = nearest(name, own).or_else(|| {
            let kinds = [skep_btf::Kind::Struct, skep_btf::Kind::Union, skep_btf::Kind::Enum];
            self.store.btf.and_then(|btf| nearest(name, btf.names(&kinds).map(|n| n.1)))
        });
        let help = match (near, self.store.btf) {
            (Some(near), _) => format!("did you mean `{} {near}`?", keyword(kind)),
            (None, Some(_)) => "neither the script nor the kernel's BTF defines it".to_owned(),
            (None, None) => "this kernel has no BTF: define the type in the script".to_owned(),
        };
        self.error(written.span, format!("there is no `{} {name}`", keyword(kind))).help(help);
        None
    }
}
