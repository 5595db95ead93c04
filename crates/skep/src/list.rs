//! `skep list` and `bpftrace -l`.

use std::io::{self, BufWriter, Write};

use skep_trace::list::{Found, list};

use crate::cli::{Format, ListArgs};
use crate::host::LiveHost;

pub(crate) fn run(args: &ListArgs) -> Result<u8, String> {
    let search = args.search.as_deref().unwrap_or("");
    let host = LiveHost::new()?;
    let found = list(&host, search, args.verbose).map_err(|e| e.to_string())?;
    if found.probes.is_empty() || args.verbose || search.is_empty() {
        for note in &found.notes {
            eprintln!("note: not listed: {note}");
        }
    }
    match print(&found, args.format) {
        Err(e) if e.kind() != io::ErrorKind::BrokenPipe => {
            return Err(format!("cannot write the list: {e}"));
        }
        _ => {}
    }
    if found.probes.is_empty() && !search.is_empty() {
        return Err(format!("nothing matches `{search}`"));
    }
    Ok(0)
}

fn print(found: &Found, format: Format) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    for probe in &found.probes {
        match format {
            Format::Text => {
                writeln!(out, "{}", probe.name)?;
                for arg in &probe.args {
                    writeln!(out, "    {arg}")?;
                }
            }
            Format::Json => {
                let object =
                    serde_json::json!({ "type": "probe", "name": probe.name, "args": probe.args });
                writeln!(out, "{object}")?;
            }
        }
    }
    out.flush()
}
