//! A small SSA IR, its passes, and the one BPF back end.
//!
//! Front ends build a [`ir::Module`]; [`compile`] makes an `Object` of it. Nothing here knows the syntax of any
//! language.

pub mod ir;
