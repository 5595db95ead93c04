//! Settings: from the script's `config = { }` block, then from the environment (`BPFTRACE_*`), which wins.

/// Settings in force.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// `max_strlen`: bytes of a string, its zero byte included.
    pub max_strlen: u32,
    /// `max_map_keys`
    pub max_map_keys: u32,
    /// `max_probes`
    pub max_probes: u32,
    /// `max_bpf_progs`
    pub max_bpf_progs: u32,
    /// `log_size`: bytes of the verifier's log.
    pub log_size: u32,
    /// `perf_rb_pages`: pages of the event buffer for each CPU; 0 lets skep choose.
    pub perf_rb_pages: u32,
    /// `max_cat_bytes`
    pub max_cat_bytes: u32,
    /// `stack_mode`
    pub stack_mode: crate::types::StackMode,
    /// `str_trunc_trailer`: shown behind a string that was cut.
    pub str_trunc_trailer: String,
    /// `missing_probes`
    pub missing_probes: MissingProbes,
    /// `print_maps_on_exit`
    pub print_maps_on_exit: bool,
    /// `cpp_demangle`
    pub cpp_demangle: bool,
    /// `lazy_symbolication`
    pub lazy_symbolication: bool,
    /// `license`
    pub license: String,
    /// `on_stack_limit`: largest value kept on the stack, in bytes.
    pub on_stack_limit: u32,
}

/// What to do when a probe does not exist.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum MissingProbes {
    Error,
    Warn,
    Ignore,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            max_strlen: 1024,
            max_map_keys: 4096,
            max_probes: 1024,
            max_bpf_progs: 1024,
            log_size: 1_000_000,
            perf_rb_pages: 0,
            max_cat_bytes: 10240,
            stack_mode: crate::types::StackMode::Bpftrace,
            str_trunc_trailer: "..".into(),
            missing_probes: MissingProbes::Error,
            print_maps_on_exit: true,
            cpp_demangle: true,
            lazy_symbolication: true,
            license: "GPL".into(),
            on_stack_limit: 32,
        }
    }
}
