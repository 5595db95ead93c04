//! The `skep` program: thin subcommands over the libraries. Called through a link named `bpftrace` it takes that program's command line.

mod child;
mod cli;
mod host;
mod list;
mod signals;
mod trace;

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use cli::{Bpftrace, Cli, Command};

fn main() -> ExitCode {
    let name = std::env::args_os().next().unwrap_or_default();
    let code = if Path::new(&name).file_name().is_some_and(|n| n == "bpftrace") {
        let args = Bpftrace::parse();
        if args.version {
            println!("bpftrace v{} (skep)", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        trace::run(&args.trace)
    } else {
        match Cli::parse().command {
            Command::Trace(args) => trace::run(&args),
            Command::List(args) => list::run(&args),
            Command::Completions { shell } => {
                clap_complete::generate(shell, &mut Cli::command(), "skep", &mut std::io::stdout());
                Ok(0)
            }
            Command::Man { directory } => man(&directory),
        }
    };
    match code {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            error(&message);
            ExitCode::from(1)
        }
    }
}

/// Says what went wrong; a message that has its own heads (diagnostics) is printed as it is.
fn error(message: &str) {
    let mut err = std::io::stderr().lock();
    // Nobody is left to tell if this fails.
    if message.starts_with("error") {
        writeln!(err, "{message}").ok();
    } else if !message.is_empty() {
        writeln!(err, "error: {message}").ok();
    }
}

fn man(directory: &Path) -> Result<u8, String> {
    let failed =
        |e: std::io::Error| format!("cannot write man pages to {}: {e}", directory.display());
    std::fs::create_dir_all(directory).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), directory).map_err(failed)?;
    Ok(0)
}
