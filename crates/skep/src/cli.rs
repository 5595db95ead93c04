//! The command line, written down once: help, completions and man pages come from here.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};

/// The whole of eBPF in one program.
#[derive(Parser, Debug)]
#[command(
    name = "skep",
    version,
    about = "The whole of eBPF in one program: write it, compile it, run it, watch it",
    arg_required_else_help = true,
    after_help = "Examples:
  skep trace -e 'tracepoint:raw_syscalls:sys_enter { @[comm] = count(); }'
  skep trace opens.bt --cmd 'ls /'
  skep list 'tracepoint:sched:*'

Called through a link named `bpftrace`, skep takes bpftrace's command line."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Subcommands.
#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run a tracing script (bpftrace's language) on the running kernel
    Trace(Box<TraceArgs>),
    /// List probes and their arguments
    List(ListArgs),
    /// Print a completion script for a shell
    Completions {
        /// Shell
        shell: clap_complete::Shell,
    },
    /// Write the man pages into a directory
    Man {
        /// Directory, made if it is not there
        #[arg(value_hint = ValueHint::DirPath)]
        directory: PathBuf,
    },
}

/// `skep trace`.
#[derive(Args, Debug, Clone)]
#[command(after_help = "Examples:
  skep trace -e 'tracepoint:raw_syscalls:sys_enter { @[comm] = count(); } interval:s:3 { exit(); }'
  skep trace -e 'tracepoint:syscalls:sys_enter_openat { printf(\"%s %s\\n\", comm, str(args.filename)); }' -c 'ls /'
  skep trace -e 'profile:hz:99 { @[kstack, ustack, comm] = count(); }'
  skep trace script.bt arg1 arg2

Settings may be given in the script (config = { max_strlen = 200 }) or in the environment (BPFTRACE_MAX_STRLEN=200).")]
pub(crate) struct TraceArgs {
    /// Run this program instead of a file
    #[arg(short = 'e', long = "execute", value_name = "PROGRAM")]
    pub(crate) program: Option<String>,

    /// Script file (`-` for standard input), then its positional parameters; with -e, parameters only
    #[arg(value_name = "FILE|PARAM", allow_negative_numbers = true, value_hint = ValueHint::FilePath)]
    pub(crate) args: Vec<String>,

    /// List probes that match the search, or the probes of the script, instead of running
    #[arg(short = 'l', long = "list")]
    pub(crate) list: bool,

    /// Run this command, and stop when it ends; `cpid` is its process id
    #[arg(short = 'c', long = "cmd", value_name = "COMMAND", value_hint = ValueHint::CommandString)]
    pub(crate) command: Option<String>,

    /// Trace only this process, and stop when it ends
    #[arg(short = 'p', long = "pid", value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) pid: Option<i32>,

    /// Output format
    #[arg(short = 'f', long = "format", value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,

    /// Write the output to a file
    #[arg(short = 'o', long = "output", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,

    /// Output buffering: by default lines on a terminal, else blocks that are written as soon as no more is waiting
    #[arg(short = 'B', value_name = "MODE")]
    pub(crate) buffering: Option<Buffering>,

    /// Print only what the script prints
    #[arg(short = 'q', long = "quiet")]
    pub(crate) quiet: bool,

    /// Say more about what is done; with --list, show the probes' arguments
    #[arg(short = 'v', long = "verbose", action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// Print a stage of the compiler and stop: ast, types, ir, bpf or all (a comma-separated list)
    #[arg(short = 'd', long = "debug", value_name = "STAGE", value_delimiter = ',')]
    pub(crate) debug: Vec<Stage>,

    /// Compile, load and attach, then end at once
    #[arg(long = "dry-run")]
    pub(crate) dry_run: bool,

    /// Allow system(), cat(), signal() and override()
    #[arg(long = "unsafe")]
    pub(crate) unsafe_mode: bool,

    /// Read this file of C definitions in front of the script
    #[arg(long = "include", value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) include: Vec<String>,

    /// Look for included files in this directory too
    #[arg(short = 'I', value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) include_dirs: Vec<PathBuf>,

    /// No warnings
    #[arg(long = "no-warnings")]
    pub(crate) no_warnings: bool,

    /// Taken for the sake of scripts that give it: there is no LLVM here whose output could be checked
    #[arg(long = "verify-llvm-ir", hide = true)]
    pub(crate) verify_llvm_ir: bool,

    /// Taken for the sake of scripts that give it
    #[arg(long = "usdt-file-activation", hide = true)]
    pub(crate) usdt_file_activation: bool,

    /// Report failing helper calls (always done for map and ring buffer writes)
    #[arg(short = 'k', long = "warnings", action = clap::ArgAction::Count, hide = true)]
    pub(crate) warnings: u8,
}

/// `bpftrace`: the same under its old name.
#[derive(Parser, Debug)]
#[command(
    name = "bpftrace",
    about = "skep's tracing language under the command line of bpftrace",
    disable_version_flag = true,
    arg_required_else_help = true
)]
pub(crate) struct Bpftrace {
    /// As for `skep trace`.
    #[command(flatten)]
    pub(crate) trace: TraceArgs,
    /// Print the version
    #[arg(short = 'V', long = "version")]
    pub(crate) version: bool,
}

/// `skep list`.
#[derive(Args, Debug, Clone)]
#[command(after_help = "Examples:
  skep list 'tracepoint:syscalls:*'
  skep list '*execve*'
  skep list -v tracepoint:sched:sched_switch
  skep list 'uprobe:/bin/bash:read*'
  skep list -v 'struct task_struct'")]
pub(crate) struct ListArgs {
    /// What to list, with wildcards; everything if not given
    pub(crate) search: Option<String>,
    /// Show the arguments of each probe
    #[arg(short = 'v', long = "verbose")]
    pub(crate) verbose: bool,
    /// Output format
    #[arg(short = 'f', long = "format", value_name = "FORMAT", default_value = "text")]
    pub(crate) format: Format,
}

/// Output formats.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

/// Buffering modes.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Buffering {
    /// Written line by line
    Line,
    /// Written when the buffer is full
    Full,
    /// Written at once
    None,
}

/// Stages of the compiler.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The syntax tree
    Ast,
    /// The typed tree
    Types,
    /// The intermediate representation, before and after its passes
    #[value(alias = "codegen", alias = "codegen-opt")]
    Ir,
    /// The instructions with their source lines
    #[value(alias = "dis", alias = "libbpf")]
    Bpf,
    /// All of them
    All,
}
