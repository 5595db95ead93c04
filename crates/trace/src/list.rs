//! Lists probes, as `bpftrace -l` does: one name a line, with the arguments below it where asked.

use skep_btf::{Btf, Kind, TypeId};
use skep_engine::{Attach, Error, ErrorKind, KernelSite};

use crate::glob::Glob;
use crate::host::Host;

/// A probe that could be attached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Name, such as `tracepoint:sched:sched_switch`.
    pub name: String,
    /// Declarations of its arguments, where they were asked for and are known: `char prev_comm[16]`.
    pub args: Vec<String>,
}

/// Providers with their short names.
const PROVIDERS: &[(&str, &[&str])] = &[
    ("hardware", &["h"]),
    ("interval", &["i"]),
    ("kprobe", &["k"]),
    ("kretprobe", &["kr"]),
    ("profile", &["p"]),
    ("rawtracepoint", &["rt"]),
    ("software", &["s"]),
    ("tracepoint", &["t"]),
    ("uprobe", &["u"]),
    ("uretprobe", &["ur"]),
];

/// What a search found, and what could not be searched and why.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Probes, in the order of the providers, then by name.
    pub probes: Vec<Listed>,
    /// Providers left out.
    pub notes: Vec<String>,
}

/// Lists what matches `search`: a whole name with wildcards (`tracepoint:sched:*`, `uprobe:/bin/bash:read*`), a piece of one with
/// wildcards (`*execve*`), several of them separated by commas, or a type of the kernel (`struct task_struct`). An empty search finds everything that can be listed without a file.
///
/// Fails only if a provider that was named cannot be listed.
pub fn list(host: &dyn Host, search: &str, verbose: bool) -> Result<Found, Error> {
    let mut found = Found::default();
    for one in search.split(',') {
        list_one(host, one.trim(), verbose, &mut found)?;
    }
    Ok(found)
}

fn list_one(host: &dyn Host, search: &str, verbose: bool, found: &mut Found) -> Result<(), Error> {
    if let Some(kind) = ["struct ", "union ", "enum "].iter().find(|k| search.starts_with(**k)) {
        list_types(host, kind, search, verbose, found);
        return Ok(());
    }
    let (prefix, rest) = search.split_once(':').unwrap_or(("", ""));
    let named = PROVIDERS.iter().find(|(name, short)| *name == prefix || short.contains(&prefix));
    let pattern = match named {
        Some((name, _)) if rest.is_empty() => format!("{name}:*"),
        Some((name, _)) => format!("{name}:{rest}"),
        None if search.is_empty() => "*".to_string(),
        None => search.to_string(),
    };
    let glob = Glob::new(&pattern);
    for (provider, _) in PROVIDERS {
        let asked = named.is_some_and(|(name, _)| name == provider);
        if named.is_some() && !asked {
            continue;
        }
        match names(host, provider, &pattern, asked) {
            Ok(names) => {
                let mut names: Vec<String> =
                    names.into_iter().filter(|n| glob.matches(n)).collect();
                names.sort_unstable();
                names.dedup();
                for name in names {
                    let args = if verbose { args(host, provider, &name) } else { Vec::new() };
                    found.probes.push(Listed { name, args });
                }
            }
            Err(e) if asked => return Err(e),
            Err(e) => found.notes.push(why(provider, &e)),
        }
    }
    Ok(())
}

/// Why a provider was left out, in a line.
fn why(provider: &str, error: &Error) -> String {
    match &error.kind {
        ErrorKind::Unsupported { needs, .. } => {
            format!("{provider}: this kernel has none (needs {needs})")
        }
        _ => format!("{provider}: {error}"),
    }
}

/// All names of a provider.
fn names(
    host: &dyn Host,
    provider: &str,
    pattern: &str,
    asked: bool,
) -> Result<Vec<String>, Error> {
    Ok(match provider {
        "tracepoint" => {
            host.tracepoints()?.into_iter().map(|(c, n)| format!("tracepoint:{c}:{n}")).collect()
        }
        "rawtracepoint" => {
            host.raw_tracepoints()?.into_iter().map(|n| format!("rawtracepoint:{n}")).collect()
        }
        "kprobe" | "kretprobe" => kernel_functions(host, provider, pattern)?,
        "uprobe" | "uretprobe" if asked => user_functions(host, provider, pattern)?,
        "software" => {
            skep_abi::perf::SOFTWARE.iter().map(|e| format!("software:{}:", e.name)).collect()
        }
        "hardware" => {
            skep_abi::perf::HARDWARE.iter().map(|e| format!("hardware:{}:", e.name)).collect()
        }
        "interval" | "profile" => {
            ["us", "ms", "s", "hz"].iter().map(|u| format!("{provider}:{u}:")).collect()
        }
        _ => Vec::new(),
    })
}

fn kernel_functions(host: &dyn Host, provider: &str, pattern: &str) -> Result<Vec<String>, Error> {
    let site = KernelSite { function: "schedule".into(), offset: 0, cookie: 0 };
    host.check_attach(&Attach::Kprobes { ret: provider == "kretprobe", sites: vec![site] })?;
    let with_module = pattern.split(':').count() > 2;
    let all = host.kernel_functions()?;
    Ok(all
        .into_iter()
        .map(
            |(m, f)| {
                if with_module { format!("{provider}:{m}:{f}") } else { format!("{provider}:{f}") }
            },
        )
        .collect())
}

fn user_functions(host: &dyn Host, provider: &str, pattern: &str) -> Result<Vec<String>, Error> {
    let mut parts = pattern.splitn(3, ':').skip(1);
    let spec = parts.next().unwrap_or("");
    let mut all = Vec::new();
    let paths = host.binaries(spec, None)?;
    for path in &paths {
        let functions = match host.user_functions(path) {
            // Of many files that a pattern names, some are no programs.
            Err(_) if paths.len() > 1 => continue,
            found => found?,
        };
        for function in functions {
            // The name is written with the path as it was asked for, so that the pattern matches it.
            let shown = if spec.contains(['*', '?', '[']) {
                path.display().to_string()
            } else {
                spec.to_string()
            };
            all.push(format!("{provider}:{shown}:{}", function.name));
        }
    }
    Ok(all)
}

fn args(host: &dyn Host, provider: &str, name: &str) -> Vec<String> {
    let parts: Vec<&str> = name.split(':').collect();
    match (provider, parts.as_slice()) {
        ("tracepoint", [_, category, name]) => {
            host.tracepoint_format(category, name).map(|f| tracepoint_args(&f)).unwrap_or_default()
        }
        ("rawtracepoint", [_, name]) => host.btf().map(|b| raw_args(b, name)).unwrap_or_default(),
        ("kprobe", [.., name]) => host.btf().map(|b| function_args(b, name)).unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// Field declarations of a `format` file, without the common ones.
fn tracepoint_args(format: &str) -> Vec<String> {
    format
        .lines()
        .filter_map(|l| l.trim_start().strip_prefix("field:"))
        .filter_map(|l| l.split(';').next())
        .filter(|decl| {
            !decl.rsplit([' ', '*']).next().is_some_and(|name| name.starts_with("common_"))
        })
        .map(str::to_string)
        .collect()
}

fn raw_args(btf: &Btf, name: &str) -> Vec<String> {
    let Ok(Some(tracepoint)) = btf.raw_tracepoint(name) else { return Vec::new() };
    declare(btf, tracepoint.params)
}

fn function_args(btf: &Btf, name: &str) -> Vec<String> {
    let Ok(Some(function)) = btf.find_func(name) else { return Vec::new() };
    let mut args = declare(btf, function.proto.params());
    args.extend(btf.c_declaration(function.proto.ret, "retval"));
    args
}

fn declare<'a>(btf: &Btf, params: impl IntoIterator<Item = skep_btf::Param<'a>>) -> Vec<String> {
    params.into_iter().filter_map(|p| btf.c_declaration(p.type_id, p.name).ok()).collect()
}

fn list_types(host: &dyn Host, kind: &str, search: &str, verbose: bool, found: &mut Found) {
    let Some(btf) = host.btf() else {
        found.notes.push("types: this kernel has no BTF (CONFIG_DEBUG_INFO_BTF)".into());
        return;
    };
    let kinds = match kind.trim_end() {
        "struct" => Kind::Struct,
        "union" => Kind::Union,
        _ => Kind::Enum,
    };
    let glob = Glob::new(search);
    let mut names: Vec<(String, TypeId)> = btf
        .names(&[kinds])
        .map(|(id, name)| (format!("{kind}{name}"), id))
        .filter(|(name, _)| glob.matches(name))
        .collect();
    names.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    names.dedup_by(|a, b| a.0 == b.0);
    for (name, id) in names {
        let name = if verbose { btf.c_definition(id).unwrap_or(name) } else { name };
        found.probes.push(Listed { name, args: Vec::new() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_declared_as_the_format_file_does() {
        let format = "name: x\nformat:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\n\
                      \tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n\tfield:const char * p;\toffset:24;\tsize:8;\tsigned:0;\n";
        assert_eq!(tracepoint_args(format), ["char prev_comm[16]", "const char * p"]);
    }
}
