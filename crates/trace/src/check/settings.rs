//! Settings: the `config` block, then the environment, which wins.

use super::Checker;
use super::names::nearest;
use crate::config::{Config, MissingProbes};
use crate::syntax::ast::{ConfigValue, Item, Span};
use crate::types::StackMode;

/// Names of settings in force.
const NAMES: &[&str] = &[
    "max_strlen",
    "max_map_keys",
    "max_probes",
    "max_bpf_progs",
    "log_size",
    "perf_rb_pages",
    "max_cat_bytes",
    "stack_mode",
    "str_trunc_trailer",
    "missing_probes",
    "print_maps_on_exit",
    "cpp_demangle",
    "lazy_symbolication",
    "license",
    "on_stack_limit",
];

/// Licences under which the kernel lets programs call all helpers (`license_is_gpl_compatible`).
const LICENSES: &[&str] =
    &["GPL", "GPL v2", "GPL and additional rights", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"];

/// Settings that bpftrace has and that mean nothing here; they are taken without effect.
const WITHOUT_EFFECT: &[&str] = &[
    "cache_user_symbols",
    "use_blazesym",
    "show_debug_info",
    "symbol_source",
    "max_type_res_iterations",
];

impl Checker<'_> {
    /// Takes the settings of the script and of the environment.
    pub(super) fn settings(&mut self) {
        let script = self.script;
        for item in &script.items {
            let Item::Config(entries) = item else { continue };
            for entry in entries {
                let value = match &entry.value {
                    ConfigValue::Int(n) => n.to_string(),
                    ConfigValue::Str(text) => text.clone(),
                    ConfigValue::Bool(b) => b.to_string(),
                };
                self.setting(&entry.name, &value, entry.span);
            }
        }
        let options = self.options;
        for (name, value) in &options.env {
            // Other variables of that prefix are none of our business.
            if is_setting(&plain_name(name)) {
                self.setting(name, value, Span::default());
            }
        }
    }

    fn setting(&mut self, name: &str, value: &str, span: Span) {
        let plain = plain_name(name);
        if !is_setting(&plain) {
            let near =
                nearest(&plain, NAMES.iter().copied()).map(|n| format!("did you mean `{n}`?"));
            let d = self.error(span, format!("there is no setting `{name}`"));
            if let Some(near) = near {
                d.help(near);
            }
            return;
        }
        if let Err(wanted) = set(&mut self.config, &plain, value) {
            self.error(span, format!("`{value}` is no value for the setting `{plain}`"))
                .help(format!("it takes {wanted}"));
        }
    }
}

/// `BPFTRACE_MAX_STRLEN` and `MAX_STRLEN` are `max_strlen`.
fn plain_name(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    lower.strip_prefix("bpftrace_").unwrap_or(&lower).to_owned()
}

fn is_setting(name: &str) -> bool {
    NAMES.contains(&name) || WITHOUT_EFFECT.contains(&name) || name.starts_with("unstable_")
}

/// Sets one; the error says which values it takes.
fn set(config: &mut Config, name: &str, value: &str) -> Result<(), String> {
    let number = |low: u32, high: u32| {
        let n = super::preprocess::int(value).and_then(|n| u32::try_from(n).ok());
        n.filter(|n| (low..=high).contains(n))
            .ok_or_else(|| format!("a number from {low} to {high}"))
    };
    let truth = || match value {
        "1" | "true" => Ok(true),
        "0" | "false" => Ok(false),
        _ => Err("true or false".to_owned()),
    };
    match name {
        "max_strlen" => config.max_strlen = number(1, 1 << 20)?,
        "max_map_keys" => config.max_map_keys = number(1, u32::MAX)?,
        "max_probes" => config.max_probes = number(1, u32::MAX)?,
        "max_bpf_progs" => config.max_bpf_progs = number(1, u32::MAX)?,
        "log_size" => config.log_size = number(128, u32::MAX)?,
        "perf_rb_pages" => config.perf_rb_pages = number(0, 1 << 20)?,
        "max_cat_bytes" => config.max_cat_bytes = number(0, u32::MAX)?,
        "on_stack_limit" => config.on_stack_limit = number(0, 512)?,
        "stack_mode" => {
            config.stack_mode = stack_mode(value).ok_or("bpftrace, perf, raw or build_id")?;
        }
        "str_trunc_trailer" => config.str_trunc_trailer = value.to_owned(),
        "missing_probes" => {
            config.missing_probes = match value {
                "error" => MissingProbes::Error,
                "warn" => MissingProbes::Warn,
                "ignore" => MissingProbes::Ignore,
                _ => return Err("error, warn or ignore".to_owned()),
            }
        }
        "print_maps_on_exit" => config.print_maps_on_exit = truth()?,
        "cpp_demangle" => config.cpp_demangle = truth()?,
        "lazy_symbolication" => config.lazy_symbolication = truth()?,
        "license" => {
            let known = LICENSES.iter().find(|l| **l == value);
            config.license = (*known.ok_or("GPL, GPL v2, GPL and additional rights, Dual BSD/GPL, Dual MIT/GPL or Dual MPL/GPL")?).to_owned();
        }
        _ => {}
    }
    Ok(())
}

/// A stack mode by its name.
pub(super) fn stack_mode(name: &str) -> Option<StackMode> {
    Some(match name {
        "bpftrace" => StackMode::Bpftrace,
        "perf" => StackMode::Perf,
        "raw" => StackMode::Raw,
        "build_id" => StackMode::BuildId,
        _ => return None,
    })
}
