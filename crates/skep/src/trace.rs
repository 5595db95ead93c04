//! `skep trace` and `bpftrace`: from the command line to a session.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use skep_engine::{Engine, Error, ErrorKind};
use skep_trace::check::{self, check};
use skep_trace::hir::Hir;
use skep_trace::lower::lower;
use skep_trace::plan::{Plan, RunKind};
use skep_trace::run::output::{Buffering as Flush, Layout};
use skep_trace::run::session::{self, Control, Runner};
use skep_trace::syntax::ast::{Item, Script};
use skep_trace::syntax::diag::{Diagnostics, Level, decode_source, render};
use skep_trace::syntax::parser::parse;
use skep_trace::syntax::print;

use crate::child::Child;
use crate::cli::{Buffering, Format, ListArgs, Stage, TraceArgs};
use crate::host::LiveHost;
use crate::{list, signals};

/// A script's text and what to call it in messages.
struct Source {
    name: String,
    /// Included files, then the script.
    text: String,
    /// Bytes of the included files.
    included: usize,
    params: Vec<String>,
}

pub(crate) fn run(args: &TraceArgs) -> Result<u8, String> {
    if args.list {
        return list_probes(args);
    }
    if args.program.is_none() && args.args.is_empty() {
        crate::error("no script: give a file, or a program with -e (see --help)");
        return Ok(2);
    }
    let started = Instant::now();
    let source = read_source(args)?;
    let (script, diagnostics) = parse(&source.text, &source.params);
    report(&diagnostics, &source, args)?;
    if wants(args, Stage::Ast) {
        show(&print::dump(&script))?;
        if args.debug == [Stage::Ast] {
            return Ok(0);
        }
    }
    let mut child = match &args.command {
        Some(command) => Some(Child::prepare(command)?),
        None => None,
    };
    if let Some(pid) = args.pid
        && !process_lives(pid)
    {
        return Err(format!("there is no process {pid}"));
    }
    let host = LiveHost::new()?;
    let (hir, mut plan) = typed(&script, &source, &host, args, child.as_ref().map(Child::pid))?;
    if wants(args, Stage::Types) {
        show(&check::dump(&hir, &plan))?;
    }
    let object = compile(&hir, &mut plan, &source, &host, args)?;
    if !args.debug.is_empty() {
        return Ok(0);
    }
    if plan.probe_count > 500 {
        // Each place is a file descriptor or two.
        host.kernel.raise_file_limit().ok();
    }
    signals::install(plan.groups.iter().filter_map(|g| match g.run {
        RunKind::Signal(signal) => Some(signal),
        _ => None,
    }));
    let compiled = started.elapsed();
    let loaded = host.kernel.load_object(&object).map_err(|e| refused(&e, &object, &source))?;
    if args.verbose > 0 {
        let total = started.elapsed();
        eprintln!(
            "Linux {}: {} programs of {} instructions, {} maps; compiled in {:.1} ms, loaded in {:.1} ms",
            host.kernel.version(),
            object.programs.len(),
            object.programs.iter().map(|p| p.insns.len()).sum::<usize>(),
            object.maps.len(),
            compiled.as_secs_f64() * 1e3,
            (total - compiled).as_secs_f64() * 1e3,
        );
        for note in loaded.notes() {
            eprintln!("note: {note}");
        }
    }
    let loaded: Box<dyn skep_engine::Loaded> = Box::new(loaded);
    session(plan, loaded, args, child.as_mut())
}

fn list_probes(args: &TraceArgs) -> Result<u8, String> {
    let search = args.program.clone().or_else(|| args.args.first().cloned());
    list::run(&ListArgs { search, verbose: args.verbose > 0, format: args.format })
}

fn read_source(args: &TraceArgs) -> Result<Source, String> {
    let (name, bytes, params) = match (&args.program, args.args.split_first()) {
        (Some(program), _) => {
            ("stdin".to_string(), program.clone().into_bytes(), args.args.clone())
        }
        (None, Some((file, params))) if file == "-" => {
            let mut bytes = Vec::new();
            io::stdin()
                .lock()
                .read_to_end(&mut bytes)
                .map_err(|e| format!("cannot read standard input: {e}"))?;
            ("stdin".to_string(), bytes, params.to_vec())
        }
        (None, Some((file, params))) => {
            let bytes = std::fs::read(file)
                .map_err(|e| format!("failed to open file '{file}': {}", reason(&e)))?;
            (file.clone(), bytes, params.to_vec())
        }
        (None, None) => {
            return Err("no script: give a file, or a program with -e (see --help)".into());
        }
    };
    let script = decode_source(bytes).map_err(|e| format!("{name}: {e}"))?;
    let mut text = String::new();
    for file in args.include.iter().map(String::as_str).chain(quoted_includes(&script)) {
        match find_include(file, &name, &args.include_dirs) {
            Some(path) => {
                let bytes = std::fs::read(&path)
                    .map_err(|e| format!("cannot read {}: {}", path.display(), reason(&e)))?;
                text.push_str(
                    &decode_source(bytes).map_err(|e| format!("{}: {e}", path.display()))?,
                );
                text.push('\n');
            }
            None if args.no_warnings => {}
            None => eprintln!(
                "warning: {file} is not read: types of the kernel come from its BTF, and no file of that name is here or under -I"
            ),
        }
    }
    let included = text.len();
    text.push_str(&script);
    Ok(Source { name, text, included, params })
}

/// Files of `#include "..."` lines; those in `<>` are the kernel's or the C library's, whose types come from BTF.
fn quoted_includes(script: &str) -> impl Iterator<Item = &str> {
    script.lines().filter_map(|line| {
        let rest = line.trim_start().strip_prefix('#')?.trim_start().strip_prefix("include")?;
        rest.trim_start().strip_prefix('"')?.split('"').next()
    })
}

fn find_include(file: &str, script: &str, dirs: &[PathBuf]) -> Option<PathBuf> {
    let beside = Path::new(script).parent().map(|d| d.join(file));
    let below = dirs.iter().map(|d| d.join(file));
    [PathBuf::from(file)].into_iter().chain(beside).chain(below).find(|p| p.is_file())
}

/// The system's words for an error, without its number.
fn reason(e: &io::Error) -> String {
    let text = e.to_string();
    text.split(" (os error").next().unwrap_or(&text).to_string()
}

/// Prints warnings, or gives the errors back.
fn report(diagnostics: &Diagnostics, source: &Source, args: &TraceArgs) -> Result<(), String> {
    if diagnostics.is_empty() {
        return Ok(());
    }
    let failed = diagnostics.has_errors();
    let kept = if args.no_warnings { diagnostics.only(Level::Error) } else { diagnostics.clone() };
    let (headers, script) = kept.split_at(source.included as u32);
    let (header, body) = source.text.split_at(source.included);
    let colour = io::stderr().is_terminal();
    let mut text = render(&headers, "included file", header, colour);
    text.push_str(&render(&script, &source.name, body, colour));
    if failed {
        return Err(text.trim_end().to_string());
    }
    if !kept.is_empty() {
        eprint!("{text}");
    }
    Ok(())
}

fn typed(
    script: &Script,
    source: &Source,
    host: &LiveHost,
    args: &TraceArgs,
    child: Option<i32>,
) -> Result<(Hir, Plan), String> {
    if !script.items.iter().any(|i| matches!(i, Item::Probe(_))) {
        return Err(format!("{}: the script has no probe", source.name));
    }
    let options = check::Options {
        params: source.params.clone(),
        pid: args.pid,
        child,
        unsafe_mode: args.unsafe_mode,
        env: std::env::vars().filter(|(name, _)| name.starts_with("BPFTRACE_")).collect(),
    };
    let (typed, diagnostics) = check(script, host, &options);
    report(&diagnostics, source, args)?;
    typed.ok_or_else(|| {
        "the script could not be checked, and no reason was given: a bug of skep".into()
    })
}

fn compile(
    hir: &Hir,
    plan: &mut Plan,
    source: &Source,
    host: &LiveHost,
    args: &TraceArgs,
) -> Result<skep_object::Object, String> {
    use skep_trace::host::Host;
    let target = Engine::target(&host.kernel);
    let mut module = lower(hir, plan, target, host.possible_cpus(), &source.name, &source.text)
        .map_err(|e| format!("{}: {e}", source.name))?;
    if wants(args, Stage::Ir) {
        show(&format!("{module}"))?;
        skep_codegen::optimize_module(&mut module);
        show(&format!("; after the passes\n{module}"))?;
    }
    let object =
        skep_codegen::compile(&module, target).map_err(|e| format!("{}: {e}", source.name))?;
    if wants(args, Stage::Bpf) {
        for program in &object.programs {
            show(&skep_codegen::listing(&object, program))?;
        }
    }
    Ok(object)
}

fn wants(args: &TraceArgs, stage: Stage) -> bool {
    args.debug.iter().any(|s| *s == stage || *s == Stage::All)
}

fn show(text: &str) -> Result<(), String> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(format!("cannot write: {e}")),
        _ => Ok(()),
    }
}

/// Explains why the kernel did not take the programs.
fn refused(error: &Error, object: &skep_object::Object, source: &Source) -> String {
    let ErrorKind::Rejected { program, log } = &error.kind else { return error.to_string() };
    let Some(program) = object.programs.get(*program) else { return error.to_string() };
    let rejection = skep_engine::Rejection::of(program, log);
    let line = rejection.line.and_then(|n| Some((n, source.text.lines().nth(n as usize - 1)?)));
    let mut text = format!("the kernel's verifier rejected the program of `{}`", program.name);
    if let Some((n, line)) = line {
        text.push_str(&format!("\n  --> {}:{n}\n   | {}", source.name, line.trim_end()));
    }
    for line in &rejection.excerpt {
        text.push_str(&format!("\n   : {line}"));
    }
    text.push_str(
        "\nThis is a bug of skep, not of the script: please report it with the script, `uname -r` and what `-d bpf` prints.",
    );
    text
}

fn session(
    plan: Plan,
    loaded: Box<dyn skep_engine::Loaded>,
    args: &TraceArgs,
    child: Option<&mut Child>,
) -> Result<u8, String> {
    let options = session::Options {
        layout: match args.format {
            Format::Text => Layout::Text,
            Format::Json => Layout::Json,
        },
        buffering: match args.buffering {
            Some(Buffering::Line) => Flush::Line,
            Some(Buffering::Full) => Flush::Full,
            Some(Buffering::None) => Flush::None,
            None => Flush::default(),
        },
        quiet: args.quiet,
        allow_unsafe: args.unsafe_mode,
        dry_run: args.dry_run,
        wait: child.is_some() || args.pid.is_some(),
    };
    let data: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(
            File::create(path).map_err(|e| format!("cannot write to {}: {e}", path.display()))?,
        ),
        None => Box::new(io::stdout()),
    };
    let child = std::cell::RefCell::new(child);
    let mut start = || match child.borrow_mut().as_mut() {
        Some(child) => child.start().map_err(|text| Error {
            kind: ErrorKind::Other(String::new()),
            context: text,
            errno: None,
        }),
        None => Ok(()),
    };
    let mut ended = || {
        signals::poll();
        child.borrow_mut().as_mut().is_some_and(|c| c.has_ended())
            || args.pid.is_some_and(|p| !process_lives(p))
    };
    let mut stdout = io::stdout();
    let notice = std::env::var_os("__BPFTRACE_NOTIFY_PROBES_ATTACHED").map(|_| &mut stdout as _);
    let control = Control {
        notice,
        interrupt: &signals::STOP,
        signals: &signals::SEEN,
        on_attached: &mut start,
        should_stop: &mut ended,
    };
    let code = Runner::new(plan, loaded, options, data, Box::new(io::stderr()))
        .run(control)
        .map_err(|e| e.to_string())?;
    Ok(code as u8)
}

fn process_lives(pid: i32) -> bool {
    std::path::Path::new("/proc").join(pid.to_string()).exists()
}
