//! A small SSA IR, its passes, and the one BPF back end.
//!
//! Front ends build an [`ir::Module`]; [`compile`] makes an `Object` of it: check, optimise, select instructions, allocate
//! registers (regalloc2), lay out, link. Nothing here knows the syntax of any language, and nothing asks a kernel: what
//! the code may use is in the [`Target`].

mod backend;
mod cfg;
mod error;
mod helpers;
pub mod ir;
mod listing;
mod passes;
mod text;
mod validate;
mod walk;

pub use error::Error;
pub use listing::listing;
pub use passes::{optimize, optimize_module};
pub use text::parse;
pub use validate::{validate, validate_module};

use skep_abi::Target;
use skep_object::Object;

/// Makes an object of a module.
///
/// # Errors
///
/// If the module breaks a rule of the IR, a function needs more stack than there is, or the target lacks something.
pub fn compile(module: &ir::Module, target: &Target) -> Result<Object, Error> {
    validate_module(module)?;
    let mut module = module.clone();
    optimize_module(&mut module);
    compile_as_is(&module, target)
}

/// Makes an object of a module without optimising it first.
///
/// # Errors
///
/// As [`compile`].
pub fn compile_as_is(module: &ir::Module, target: &Target) -> Result<Object, Error> {
    validate_module(module)?;
    backend::link(module, target)
}
