//! What can be probed in the kernel, for wildcards and listings.

use skep_engine::Error;

use crate::kallsyms::Kallsyms;
use crate::kernel::Kernel;

/// A kernel function that may be probed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelFunction {
    /// Its name.
    pub name: String,
    /// The module it is from; `None` for the kernel itself.
    pub module: Option<String>,
}

impl Kernel {
    /// The functions that kprobes can be placed on, sorted, each once: those that ftrace knows where that list can be read, else the kernel's text symbols.
    ///
    /// This costs 50 to 200 ms: ask only for a wildcard or a listing.
    pub fn functions(&self) -> Result<Vec<KernelFunction>, Error> {
        let traced =
            self.tracefs().ok().and_then(|t| t.filter_functions()).filter(|list| !list.is_empty());
        let mut all: Vec<KernelFunction> = match traced {
            Some(list) => {
                list.into_iter().map(|(name, module)| KernelFunction { name, module }).collect()
            }
            None => {
                let symbols = Kallsyms::read()?;
                let view = |s: crate::KernelSymbol<'_>| KernelFunction {
                    name: s.name.into(),
                    module: s.module.map(Into::into),
                };
                symbols.functions().filter(|s| probeable(s.name)).map(view).collect()
            }
        };
        all.sort_unstable();
        all.dedup();
        Ok(all)
    }

    /// The raw tracepoints, sorted: from the kernel's types, or from the names of its tracepoints where it has none.
    pub fn raw_tracepoints(&self) -> Result<Vec<String>, Error> {
        let mut names: Vec<String> = match self.vmlinux_btf() {
            Ok(btf) => btf.raw_tracepoints().map(Into::into).collect(),
            // Each is a tracepoint of its own, but for the system calls, which share two.
            Err(_) => {
                let all = self.tracefs()?.all_tracepoints()?;
                all.into_iter()
                    .filter(|(category, _)| category != "syscalls")
                    .map(|(_, name)| name)
                    .collect()
            }
        };
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

/// Whether a text symbol may be a function's: what compilers and the kernel's build generate is left out.
fn probeable(name: &str) -> bool {
    const NOT: [&str; 6] = ["__pfx_", "__cfi_", "__kstrtab", "__ksymtab", "__SCT__", "__bpf_prog"];
    !name.is_empty()
        && !NOT.iter().any(|p| name.starts_with(p))
        && !name.contains(".cold")
        && !name.starts_with('.')
}

#[cfg(test)]
mod tests {
    use super::probeable;

    #[test]
    fn generated_symbols_are_no_functions() {
        for (name, expected) in [
            ("do_exit", true),
            ("__pfx_do_exit", false),
            ("f.cold", false),
            ("f.isra.0", true),
            ("", false),
            ("__SCT__x", false),
        ] {
            assert_eq!(probeable(name), expected, "{name}");
        }
    }
}
