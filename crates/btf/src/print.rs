//! Types as C: the name of a type, and its definition.
//!
//! C writes a type around the name it declares ("declaration follows use"), so the declarator grows outwards
//! from the name while we walk from the type to what it is made of: a pointer puts a `*` before it, an
//! array or parameters come after it, in parentheses where a pointer came before. Anonymous structs have no
//! name to print: a definition spells them out, a type's name says `struct {...}`.
//!
//! What says nothing about layout (type and declaration tags) is left out.

use std::fmt::Write;

use crate::error::Error;
use crate::layout::{Alignments, MAX_DEPTH};
use crate::raw::{Btf, TypeId};
use crate::types::{Composite, Enum, FuncProto, Type};

/// No definition people read, and none in Linux, comes near; a nest of anonymous structs that each occur
/// twice would.
const MAX_OUTPUT: usize = 1 << 20;

impl Btf {
    /// The type as C writes it without a name: `struct task_struct *`, `unsigned int[4]`, `void (*)(int)`.
    ///
    /// # Errors
    ///
    /// If it is nested too deeply, or contains itself, as no C type does.
    pub fn type_name(&self, id: TypeId) -> Result<String, Error> {
        Printer::new(self, id).declaration(id, "", None, 0)
    }

    /// A declaration of `name` with this type, less the semicolon: `char comm[16]`.
    ///
    /// # Errors
    ///
    /// As [`Btf::type_name`].
    pub fn c_declaration(&self, id: TypeId, name: &str) -> Result<String, Error> {
        Printer::new(self, id).declaration(id, name, None, 0)
    }

    /// The definition in C of a struct, union, enum or typedef, or the declaration of a function or variable,
    /// with the semicolon. Holes that an alignment made are not spelt out.
    ///
    /// # Errors
    ///
    /// As [`Btf::type_name`]; or if the type has no name and no definition, as a pointer.
    pub fn c_definition(&self, id: TypeId) -> Result<String, Error> {
        let mut printer = Printer::new(self, id);
        let mut text = match self.get(id)? {
            Type::Struct(_) | Type::Union(_) | Type::Enum(_) => printer.body(id, 0, 0)?,
            Type::Typedef { name, target } => {
                format!("typedef {}", printer.declaration(target, name, Some(0), 0)?)
            }
            Type::Func { name, proto, .. } => printer.declaration(proto, name, None, 0)?,
            Type::Var { name, target, .. } => printer.declaration(target, name, Some(0), 0)?,
            Type::Fwd { .. } => printer.declaration(id, "", None, 0)?,
            other => {
                let wanted = "something that C defines by name";
                return Err(Error::wrong_kind(id, wanted, other.kind()));
            }
        };
        text.push(';');
        Ok(text)
    }
}

struct Printer<'a> {
    btf: &'a Btf,
    alignments: Alignments<'a>,
    /// What was asked for: errors name it.
    start: TypeId,
    /// How many bytes may still be printed.
    left: usize,
}

/// A declarator that grows, and the qualifiers that wait for what they qualify.
struct Declarator {
    text: String,
    qualifiers: Vec<&'static str>,
    /// Whether it begins with a `*`, so that what comes after it needs parentheses.
    pointer: bool,
}

impl Declarator {
    fn qualify(&mut self, qualifier: &'static str) {
        if !self.qualifiers.contains(&qualifier) {
            self.qualifiers.push(qualifier);
        }
    }

    fn point(&mut self) {
        // Qualifiers met on the way to a pointer are the pointer's own.
        let qualifiers = std::mem::take(&mut self.qualifiers).join(" ");
        let needs_space = !qualifiers.is_empty() && !self.text.is_empty();
        let space = if needs_space { " " } else { "" };
        self.text = format!("*{qualifiers}{space}{}", self.text);
        self.pointer = true;
    }

    fn append(&mut self, suffix: &str) {
        if std::mem::take(&mut self.pointer) {
            self.text = format!("({})", self.text);
        }
        self.text.push_str(suffix);
    }

    fn finish(self, base: &str) -> String {
        let mut out = self.qualifiers.join(" ");
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(base);
        if !self.text.is_empty() && !self.text.starts_with('[') {
            out.push(' ');
        }
        out.push_str(&self.text);
        out
    }
}

impl<'a> Printer<'a> {
    fn new(btf: &'a Btf, start: TypeId) -> Self {
        Self { btf, alignments: Alignments::new(btf), start, left: MAX_OUTPUT }
    }

    /// `name` declared with the type `id`. An anonymous struct is spelt out at the indentation `expand`,
    /// if given.
    fn declaration(
        &mut self,
        id: TypeId,
        name: &str,
        expand: Option<usize>,
        depth: u32,
    ) -> Result<String, Error> {
        let mut declarator =
            Declarator { text: name.to_owned(), qualifiers: Vec::new(), pointer: false };
        let mut at = id;
        for _ in 0..=MAX_DEPTH {
            let ty = self.btf.get(at)?;
            at = match ty {
                Type::Ptr(target) => {
                    declarator.point();
                    target
                }
                Type::Array { element, len, .. } => {
                    declarator.append(&format!("[{len}]"));
                    element
                }
                Type::FuncProto(proto) => {
                    // C has no qualified functions; qualifiers met here would be the function's.
                    declarator.qualifiers.clear();
                    declarator.append(&self.params(&proto, depth)?);
                    proto.ret
                }
                Type::Const(target) => {
                    declarator.qualify("const");
                    target
                }
                Type::Volatile(target) => {
                    declarator.qualify("volatile");
                    target
                }
                Type::Restrict(target) => {
                    declarator.qualify("restrict");
                    target
                }
                Type::TypeTag { target, .. } => target,
                _ => {
                    let base = self.base(at, &ty, expand, depth)?;
                    let text = declarator.finish(&base);
                    // One more, as even a type without a name takes time.
                    self.spend(text.len() + 1)?;
                    return Ok(text);
                }
            };
        }
        Err(Error::too_deep(self.start))
    }

    fn params(&mut self, proto: &FuncProto<'_>, depth: u32) -> Result<String, Error> {
        let depth = self.deeper(depth)?;
        let mut params = Vec::new();
        for param in proto.params() {
            params.push(self.declaration(param.type_id, param.name, None, depth)?);
        }
        if proto.variadic {
            params.push("...".to_owned());
        }
        Ok(if params.is_empty() { "(void)".to_owned() } else { format!("({})", params.join(", ")) })
    }

    /// What stands before a declarator: `unsigned int`, `struct page`, the body of an anonymous struct.
    fn base(
        &mut self,
        id: TypeId,
        ty: &Type<'_>,
        expand: Option<usize>,
        depth: u32,
    ) -> Result<String, Error> {
        let tag = match ty {
            Type::Void => return Ok("void".to_owned()),
            Type::Struct(_) | Type::Fwd { is_union: false, .. } => "struct",
            Type::Union(_) | Type::Fwd { is_union: true, .. } => "union",
            Type::Enum(_) => "enum",
            // A function, variable, section or declaration tag is no type, but what refers to one (a
            // declaration tag does) still wants its name.
            other => return Ok(other.name().to_owned()),
        };
        let expandable = matches!(ty, Type::Struct(_) | Type::Union(_) | Type::Enum(_));
        match (ty.name(), expand) {
            ("", Some(indent)) if expandable => {
                let depth = self.deeper(depth)?;
                self.body(id, indent, depth)
            }
            ("", _) => Ok(format!("{tag} {{...}}")),
            (name, _) => Ok(format!("{tag} {name}")),
        }
    }

    /// A struct, union or enum with all that is in it, less the semicolon.
    fn body(&mut self, id: TypeId, indent: usize, depth: u32) -> Result<String, Error> {
        match self.btf.get(id)? {
            Type::Struct(composite) => self.members("struct", &composite, indent, depth),
            Type::Union(composite) => self.members("union", &composite, indent, depth),
            Type::Enum(view) => self.enumerators(&view, indent),
            other => Err(Error::wrong_kind(id, "a struct, union or enum", other.kind())),
        }
    }

    fn members(
        &mut self,
        tag: &str,
        composite: &Composite<'_>,
        indent: usize,
        depth: u32,
    ) -> Result<String, Error> {
        let mut out = opening(tag, composite.name);
        if composite.members().len() == 0 {
            out.push('}');
            return Ok(out);
        }
        out.push('\n');
        for member in composite.members() {
            let text = self.declaration(member.type_id, member.name, Some(indent + 1), depth)?;
            let bits = self.btf.field(&member)?.bitfield_size;
            let bits = bits.map_or(String::new(), |bits| format!(": {bits}"));
            // Infallible, as all writing to a string.
            let _ = writeln!(out, "{}{text}{bits};", "\t".repeat(indent + 1));
            self.spend(indent + 4)?;
        }
        let _ = write!(out, "{}}}", "\t".repeat(indent));
        if self.alignments.is_packed(composite)? {
            out.push_str(" __attribute__((packed))");
        }
        Ok(out)
    }

    fn enumerators(&mut self, view: &Enum<'_>, indent: usize) -> Result<String, Error> {
        let mut out = opening("enum", view.name) + "\n";
        for enumerator in view.enumerators() {
            // A decimal constant without suffix is signed in C, however large.
            let suffix = if i64::try_from(enumerator.value).is_err() { "ULL" } else { "" };
            let tabs = "\t".repeat(indent + 1);
            let _ = writeln!(out, "{tabs}{} = {}{suffix},", enumerator.name, enumerator.value);
            self.spend(enumerator.name.len() + indent + 8)?;
        }
        let _ = write!(out, "{}}}", "\t".repeat(indent));
        if view.size < 4 {
            // Compilers give an enum 4 bytes, or 8 by its values, unless told so.
            out.push_str(" __attribute__((packed))");
        }
        Ok(out)
    }

    fn deeper(&self, depth: u32) -> Result<u32, Error> {
        if depth == MAX_DEPTH { Err(Error::too_deep(self.start)) } else { Ok(depth + 1) }
    }

    fn spend(&mut self, bytes: usize) -> Result<(), Error> {
        let left = self.left.checked_sub(bytes);
        self.left = left.ok_or_else(|| Error::too_large(self.start, "its text in C"))?;
        Ok(())
    }
}

fn opening(tag: &str, name: &str) -> String {
    let space = if name.is_empty() { "" } else { " " };
    format!("{tag}{space}{name} {{")
}
