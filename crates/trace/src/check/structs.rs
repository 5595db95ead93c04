//! Struct, union and enum definitions of the script, laid out as C does.

use super::Checker;
use super::store::keyword;
use crate::syntax::ast::{CField, CFieldType, CType, CTypeKind, Script, TypeExprKind};
use crate::types::{Field, Space, StructDef, Type};

/// A definition in work.
#[derive(Default)]
struct Layout {
    /// Next free bit.
    end: u64,
    size: u64,
    align: u32,
    fields: Vec<Field>,
}

impl Checker<'_> {
    /// Takes in all definitions. One may contain another defined before it, and point to any.
    pub(super) fn define_types(&mut self, script: &Script) {
        for ctype in self.store.script_types(script) {
            let def = self.lay_out(ctype, 0);
            if def.size == 0 && !ctype.fields.is_empty() {
                let d = self.error(ctype.span, format!("the size of `{}` is not known", def.name));
                d.help("a struct can hold only structs that are defined before it");
            }
            self.store.define(def);
        }
    }

    fn lay_out(&mut self, ctype: &CType, depth: u32) -> StructDef {
        let name = format!("{} {}", keyword(ctype.kind), ctype.name).trim_end().to_owned();
        let mut layout = Layout { align: 1, ..Layout::default() };
        if depth < 32 {
            for field in &ctype.fields {
                self.member(ctype, field, &mut layout, depth);
            }
        }
        let align = u64::from(layout.align);
        let size = layout.size.max(layout.end.div_ceil(8)).next_multiple_of(align);
        if size > 1 << 24 {
            self.error(ctype.span, format!("`{name}` is too large"));
            return StructDef { name, size: 0, align: 1, fields: Vec::new() };
        }
        StructDef { name, size: size as u32, align: layout.align, fields: layout.fields }
    }

    fn member(&mut self, ctype: &CType, field: &CField, layout: &mut Layout, depth: u32) {
        let (ty, inner) = self.member_type(field, depth);
        if ty == Type::None {
            return;
        }
        let natural = self.store.types.align(&ty).max(1);
        let align = if ctype.packed { 1 } else { natural };
        let size = self.store.types.size(&ty);
        let start = if ctype.kind == CTypeKind::Union { 0 } else { layout.end };
        let (offset, bits, end) = match field.bits {
            Some(width) => bitfield(start, size, width, ctype.packed),
            None => {
                let offset = start.div_ceil(8).next_multiple_of(align.into());
                (offset, None, (offset + u64::from(size)) * 8)
            }
        };
        layout.align = layout.align.max(align);
        layout.size = layout.size.max(end.div_ceil(8));
        layout.end = end;
        let at = u32::try_from(offset).unwrap_or(u32::MAX);
        if field.name.is_empty() {
            // Members of an anonymous struct are members of the outer one.
            layout.fields.extend(
                inner.into_iter().map(|f| Field { offset: f.offset.saturating_add(at), ..f }),
            );
        } else {
            layout.fields.push(Field {
                name: field.name.clone(),
                ty,
                offset: at,
                bits,
                data_loc: false,
            });
        }
    }

    /// The type of a member and, of a struct defined in place, its members.
    fn member_type(&mut self, field: &CField, depth: u32) -> (Type, Vec<Field>) {
        match &field.ty {
            CFieldType::Named(named) => {
                let ty = self.type_of(named, Space::Unknown).unwrap_or_default();
                (c_string(ty, &named.kind), Vec::new())
            }
            CFieldType::Inline(inner) => {
                let (ty, fields) = self.inline(inner, depth);
                (ty, fields)
            }
            CFieldType::InlineArray(inner, len) => {
                let (ty, _) = self.inline(inner, depth);
                let len = u32::try_from(*len).unwrap_or(u32::MAX);
                (Type::Array { elem: Box::new(ty), len }, Vec::new())
            }
        }
    }

    fn inline(&mut self, inner: &CType, depth: u32) -> (Type, Vec<Field>) {
        let mut def = self.lay_out(inner, depth + 1);
        let fields = def.fields.clone();
        if inner.name.is_empty() {
            // No one can name it: any name that is not another's will do.
            def.name = format!("{} (at {})", keyword(inner.kind), inner.span.start);
        }
        (Type::Struct(self.store.define(def)), fields)
    }
}

/// Offset of the unit, shift and width, and the next free bit.
fn bitfield(start: u64, size: u32, width: u32, packed: bool) -> (u64, Option<(u8, u8)>, u64) {
    let unit = u64::from(size.clamp(1, 8)) * 8;
    let width = u64::from(width).min(unit);
    if width == 0 {
        let end = start.next_multiple_of(unit);
        return (end / 8, Some((0, 0)), end);
    }
    let mut at = start;
    if !packed && at / unit != (at + width - 1) / unit {
        at = at.next_multiple_of(unit);
    }
    let base = if packed { at / 8 * 8 } else { at / unit * unit };
    let shift = at - base;
    (base / 8, Some((shift as u8, width as u8)), at + width)
}

/// An array of `char` in a struct is a string.
fn c_string(ty: Type, written: &TypeExprKind) -> Type {
    match (&ty, written) {
        (Type::Array { len, .. }, TypeExprKind::Array(of, _))
            if *len > 0 && of.kind == TypeExprKind::Name("char".into()) =>
        {
            Type::Str { max: *len }
        }
        _ => ty,
    }
}
