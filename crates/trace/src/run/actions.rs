//! What each kind of event does.

use std::io::Read;
use std::process::{Command, Stdio};

use skep_engine::{Error, Map};

use super::format::{Args, Printf, Short};
use super::maps::{self, Show};
use super::resolve::Live;
use super::session::{Handling, Runner};
use super::value::{Raw, View, uint};
use super::{json, time};
use crate::hir::MapId;
use crate::plan::{Action, EVENT_HEADER, MapInfo, Plan, globals};
use crate::types::{Clock, Type};

/// An action made ready for many events: where its arguments stand.
pub(super) enum Ready {
    Printf(Printf),
    Args(Args),
}

impl Ready {
    pub(super) fn new(plan: &Plan, action: &Action) -> Ready {
        let types = &plan.types;
        match action {
            Action::Printf(format)
            | Action::System(format)
            | Action::Cat(format)
            | Action::Log { format, .. } => Ready::Printf(Printf::new(types, format)),
            Action::PrintValue(ty) => Ready::Args(Args::new(types, std::slice::from_ref(ty))),
            Action::PrintMapElem { map, .. } => {
                let keys = plan.maps.get(map.0 as usize).map_or(&[][..], |m| &m.keys);
                Ready::Args(Args::new(types, keys))
            }
            Action::Exit | Action::SeenPid | Action::Join { .. } => {
                Ready::Args(Args::new(types, &[Type::U64]))
            }
            Action::PrintMap { .. } | Action::Clear(_) | Action::Zero(_) | Action::Time(_) => {
                Ready::Args(Args::new(types, &[]))
            }
        }
    }
}

/// A view of the runner's fields; a macro because it borrows them one by one.
macro_rules! view {
    ($runner:ident, $live:ident) => {{
        $live =
            Live { plan: &$runner.plan, loaded: &*$runner.loaded, resolver: &mut $runner.resolver };
        View { plan: &$runner.plan, names: &mut $live, compact: false }
    }};
}

impl Runner {
    /// Handles a record. A record that does not fit its layout is counted; an error is one of the engine.
    pub(super) fn handle(&mut self, record: &[u8], handling: Handling) -> Result<(), Error> {
        let id = uint(record, 4) as usize;
        if record.len() < EVENT_HEADER as usize || id >= self.ready.len() {
            self.losses.corrupt += 1;
            return Ok(());
        }
        if handling == Handling::Drop && !matches!(self.plan.actions[id], Action::SeenPid) {
            return Ok(());
        }
        if let (Ready::Printf(printf), Action::Printf(_)) =
            (&self.ready[id], &self.plan.actions[id])
            && !self.sink.is_json()
        {
            // The common case: straight into the output.
            let mut live;
            let mut view = view!(self, live);
            if printf.write(record, &mut view, self.sink.buf()).is_err() {
                self.losses.corrupt += 1;
            }
            return Ok(());
        }
        match self.act(id, record) {
            Ok(done) => done,
            Err(Short) => {
                self.losses.corrupt += 1;
                Ok(())
            }
        }
    }

    /// The outer error is of the record, the inner one of the engine.
    fn act(&mut self, id: usize, record: &[u8]) -> Result<Result<(), Error>, Short> {
        let first = |runner: &Runner| match &runner.ready[id] {
            Ready::Args(args) => match args.read(record)?.next()?.1 {
                Raw::Whole(bytes) => Ok(uint(bytes, 8)),
                Raw::Bytes(..) => Err(Short),
            },
            Ready::Printf(_) => Err(Short),
        };
        match &self.plan.actions[id] {
            Action::Printf(_) => {
                let text = self.text(id, record)?;
                self.sink.put("printf", &text);
                self.scratch = text;
            }
            Action::Log { error, place, .. } => {
                let (error, place) = (*error, place.clone());
                let text = self.text(id, record)?;
                self.sink.log(error, &place, &text);
                self.scratch = text;
            }
            Action::System(_) => {
                let text = self.text(id, record)?;
                self.system(&text);
                self.scratch = text;
            }
            Action::Cat(_) => {
                let text = self.text(id, record)?;
                self.cat(&text);
                self.scratch = text;
            }
            Action::PrintValue(_) => self.print_value(id, record)?,
            Action::PrintMap { map, top, div } => {
                let (map, top, div) = (*map, *top, *div);
                return Ok(self.print_map(map, top, div, false));
            }
            Action::PrintMapElem { map, div } => {
                let (map, div) = (*map, *div);
                return self.print_element(id, record, map, div);
            }
            Action::Clear(map) => return Ok(self.clear(*map)),
            Action::Zero(map) => return Ok(self.zero(*map)),
            Action::Time(format) => {
                let mut text = Vec::new();
                time::local(&mut text, format, time::now(Clock::Realtime) / 1_000_000_000);
                self.sink.put("time", &text);
            }
            Action::Join { separator } => {
                let text = join(record, first(self)?, separator)?;
                self.sink.put("join", &text);
                if !self.sink.is_json() {
                    self.sink.buf().push(b'\n');
                }
            }
            Action::Exit => self.exit = Some(first(self)? as i32),
            Action::SeenPid => {
                let pid = first(self)? as u32;
                self.resolver.symbols.seen(pid);
            }
        }
        Ok(Ok(()))
    }

    /// The text of a format, in the scratch buffer; to be given back.
    fn text(&mut self, id: usize, record: &[u8]) -> Result<Vec<u8>, Short> {
        let mut text = std::mem::take(&mut self.scratch);
        text.clear();
        let Ready::Printf(printf) = &self.ready[id] else { return Err(Short) };
        let mut live;
        let mut view = view!(self, live);
        printf.write(record, &mut view, &mut text)?;
        Ok(text)
    }

    fn print_value(&mut self, id: usize, record: &[u8]) -> Result<(), Short> {
        let Ready::Args(args) = &self.ready[id] else { return Err(Short) };
        let (ty, raw) = args.read(record)?.next()?;
        let mut live;
        let mut view = view!(self, live);
        let json = self.sink.is_json();
        let out = self.sink.buf();
        if json {
            json::begin(out, "value");
            view.raw_json(ty, raw, out);
            out.extend_from_slice(b"}\n");
        } else {
            view.raw_text(ty, raw, out);
            out.push(b'\n');
        }
        Ok(())
    }

    /// Shows a map; `last`: at the end of the session.
    pub(super) fn print_map(
        &mut self,
        id: MapId,
        top: u32,
        div: u64,
        last: bool,
    ) -> Result<(), Error> {
        let Some(info) = self.plan.maps.get(id.0 as usize) else { return Ok(()) };
        let Some(map) = info.map.and_then(|m| self.loaded.map(m)) else { return Ok(()) };
        let show = Show { top, div, last, set: self.is_set(id) };
        let mut live;
        let mut view = view!(self, live);
        maps::print(map, info, show, &mut view, &mut self.sink)
    }

    fn print_element(
        &mut self,
        id: usize,
        record: &[u8],
        map: MapId,
        div: u64,
    ) -> Result<Result<(), Error>, Short> {
        let Ready::Args(args) = &self.ready[id] else { return Err(Short) };
        let info = self.plan.maps.get(map.0 as usize).ok_or(Short)?;
        let Some(map) = info.map.and_then(|m| self.loaded.map(m)) else { return Ok(Ok(())) };
        let key = element_key(&self.plan, &info.keys, args, record)?;
        let mut live;
        let mut view = view!(self, live);
        Ok(maps::print_element(map, info, &key, div, &mut view, &mut self.sink))
    }

    /// Whether a map that is an array has been set.
    fn is_set(&self, id: MapId) -> bool {
        let word = globals::map_set(self.plan.maps.len(), id);
        let mut value = [0; 8];
        let read = self.globals().map(|map| map.read_global(8 * word, &mut value));
        matches!(read, Some(Ok(()))) && value != [0; 8]
    }

    fn script_map(&self, id: MapId) -> Option<(&MapInfo, &dyn Map)> {
        let info = self.plan.maps.get(id.0 as usize)?;
        Some((info, self.loaded.map(info.map?)?))
    }

    fn clear(&mut self, id: MapId) -> Result<(), Error> {
        let Some((info, map)) = self.script_map(id) else { return Ok(()) };
        map.clear()?;
        match self.globals() {
            Some(globals) if info.is_array() => {
                let word = globals::map_set(self.plan.maps.len(), id);
                globals.write_global(8 * word, &[0; 8])
            }
            _ => Ok(()),
        }
    }

    fn zero(&mut self, id: MapId) -> Result<(), Error> {
        self.script_map(id).map_or(Ok(()), |(_, map)| map.zero())
    }

    /// Runs a command; its output takes its place among the data.
    fn system(&mut self, command: &[u8]) {
        use std::os::unix::ffi::OsStrExt;
        if !self.options.allow_unsafe {
            return self.sink.error("system() is not allowed without --unsafe");
        }
        self.sink.flush();
        let command = std::ffi::OsStr::from_bytes(command);
        // Both streams into one pipe, so that their order is kept.
        let (mut reader, writer) = match std::io::pipe() {
            Ok(pipe) => pipe,
            Err(error) => return self.sink.error(&format!("system(): {error}")),
        };
        let child = writer.try_clone().and_then(|errors| {
            Command::new("sh")
                .arg("-c")
                .arg(command)
                .stdin(Stdio::null())
                .stdout(writer)
                .stderr(errors)
                .spawn()
        });
        let mut child = match child {
            Ok(child) => child,
            Err(error) => return self.sink.error(&format!("system(): sh: {error}")),
        };
        let json = self.sink.is_json();
        let (mut text, mut chunk) = (Vec::new(), [0u8; 4096]);
        while let Ok(n @ 1..) = read_some(&mut reader, &mut chunk) {
            if json {
                text.extend_from_slice(&chunk[..n]);
            } else {
                self.sink.put("syscall", &chunk[..n]);
                self.sink.flush();
            }
        }
        if json {
            self.sink.put("syscall", &text);
        }
        match child.wait() {
            Ok(status) if !status.success() => {
                self.sink.error(&format!("system(\"{}\"): {status}", command.display()));
            }
            Ok(_) => {}
            Err(error) => self.sink.error(&format!("system(): {error}")),
        }
    }

    fn cat(&mut self, path: &[u8]) {
        use std::os::unix::ffi::OsStrExt;
        let path = std::path::Path::new(std::ffi::OsStr::from_bytes(path));
        let most = self.plan.config.max_cat_bytes as u64;
        let mut text = Vec::new();
        let read = std::fs::File::open(path).and_then(|f| f.take(most).read_to_end(&mut text));
        if let Err(error) = read {
            return self.sink.error(&format!("cat: {}: {error}", path.display()));
        }
        self.sink.put("cat", &text);
    }
}

fn read_some(from: &mut impl Read, into: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match from.read(into) {
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// The key of a map, put together from the arguments of an event.
fn element_key(plan: &Plan, keys: &[Type], args: &Args, record: &[u8]) -> Result<Vec<u8>, Short> {
    let types = &plan.types;
    let (offsets, size) = types.key_layout(keys);
    if keys.is_empty() {
        return Ok(vec![0; 4]);
    }
    let mut key = vec![0u8; size as usize];
    let mut reader = args.read(record)?;
    for off in offsets {
        let (ty, raw) = reader.next()?;
        let (bytes, skip) = match raw {
            Raw::Whole(bytes) => (bytes, 0),
            Raw::Bytes(bytes, _) if matches!(ty, Type::Buf { .. }) => {
                let len = (bytes.len() as u32).to_ne_bytes();
                key[off as usize..off as usize + 4].copy_from_slice(&len);
                (bytes, 4)
            }
            Raw::Bytes(bytes, _) => (bytes, 0),
        };
        let room = (types.size(ty) as usize).saturating_sub(skip);
        let n = bytes.len().min(room);
        let at = off as usize + skip;
        key[at..at + n].copy_from_slice(&bytes[..n]);
    }
    Ok(key)
}

/// The strings of `join()`, each preceded by its length.
fn join(record: &[u8], count: u64, separator: &str) -> Result<Vec<u8>, Short> {
    let mut text = Vec::new();
    let mut at = EVENT_HEADER as usize + 8;
    for i in 0..count {
        let len = uint(record.get(at..at + 8).ok_or(Short)?, 8) as usize;
        let end = at.checked_add(8).and_then(|a| a.checked_add(len)).ok_or(Short)?;
        let bytes = record.get(at + 8..end).ok_or(Short)?;
        if i > 0 {
            text.extend_from_slice(separator.as_bytes());
        }
        text.extend_from_slice(super::value::cstr(bytes).0);
        at = end.checked_next_multiple_of(8).ok_or(Short)?;
    }
    Ok(text)
}
