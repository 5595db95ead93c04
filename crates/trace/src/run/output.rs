//! Where output goes: data to one stream, talk to another; text or JSON.
//!
//! Data is collected in one buffer and written out as the buffering mode says. A reader that has gone away (EPIPE) is not an error: the
//! sink notes it and the session ends. Wording is bpftrace's where bpftrace has the message.

use std::io::{ErrorKind, Write};

use super::json;

/// Layout of the data.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Layout {
    /// Lines for people.
    #[default]
    Text,
    /// One JSON object a line (`-f json`).
    Json,
}

/// When data is written out (`-B`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Buffering {
    /// After each event.
    None,
    /// Whenever the events that are there have been handled.
    #[default]
    Line,
    /// When the buffer is full, and at the end.
    Full,
}

/// Bytes after which the buffer is written out in any mode.
const FULL: usize = 64 << 10;

/// The two streams.
pub struct Sink {
    data: Box<dyn Write>,
    talk: Box<dyn Write>,
    buf: Vec<u8>,
    layout: Layout,
    buffering: Buffering,
    state: State,
}

enum State {
    Open,
    /// The reader has gone away.
    Closed,
    Failed(std::io::Error),
}

impl Sink {
    /// Writes data to one stream and talk to the other.
    pub fn new(
        layout: Layout,
        buffering: Buffering,
        data: Box<dyn Write>,
        talk: Box<dyn Write>,
    ) -> Sink {
        Sink { data, talk, buf: Vec::with_capacity(FULL), layout, buffering, state: State::Open }
    }

    /// Whether data is JSON.
    pub fn is_json(&self) -> bool {
        self.layout == Layout::Json
    }

    /// The buffer, to append data to; whole lines in JSON.
    pub fn buf(&mut self) -> &mut Vec<u8> {
        &mut self.buf
    }

    /// Whether data can still be written.
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open)
    }

    /// Why data could not be written, unless the reader just went away.
    pub fn failure(&mut self) -> Option<std::io::Error> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Failed(error) => Some(error),
            state => {
                self.state = state;
                None
            }
        }
    }

    /// Writes out everything.
    pub fn flush(&mut self) {
        if self.is_open() {
            let done = self.data.write_all(&self.buf).and_then(|()| self.data.flush());
            if let Err(error) = done {
                self.state = match error.kind() {
                    ErrorKind::BrokenPipe => State::Closed,
                    _ => State::Failed(error),
                };
            }
        }
        self.buf.clear();
        if self.buf.capacity() > 4 * FULL {
            self.buf.shrink_to(FULL);
        }
    }

    /// Writes out if the buffer is full.
    pub fn spill(&mut self) {
        if self.buf.len() >= FULL {
            self.flush();
        }
    }

    /// An event has been handled.
    pub fn after_event(&mut self) {
        if self.buffering == Buffering::None && !self.buf.is_empty() {
            self.flush();
        } else {
            self.spill();
        }
    }

    /// All events that were there have been handled.
    pub fn after_batch(&mut self) {
        if self.buffering != Buffering::Full && !self.buf.is_empty() {
            self.flush();
        }
    }

    /// Writes text of a kind: as it is, or as a JSON line.
    pub fn put(&mut self, kind: &str, text: &[u8]) {
        match self.layout {
            Layout::Text => self.buf.extend_from_slice(text),
            Layout::Json => json::line(&mut self.buf, kind, text),
        }
    }

    /// Says a line on the talk stream, behind the data so far. What cannot be said is not an error.
    pub fn say(&mut self, text: &str) {
        self.after_batch();
        let _ =
            self.talk.write_all(format!("{text}\n").as_bytes()).and_then(|()| self.talk.flush());
    }

    /// Says a warning.
    pub fn warn(&mut self, text: &str) {
        self.say(&format!("WARNING: {text}"));
    }

    /// Says that something failed.
    pub fn error(&mut self, text: &str) {
        self.say(&format!("ERROR: {text}"));
    }

    /// A message of `errorf` or `warnf`, or of the program itself, at a place of the script.
    pub fn log(&mut self, error: bool, place: &str, text: &[u8]) {
        if self.is_json() {
            let kind = if error { "errorf" } else { "warnf" };
            self.buf.extend_from_slice(format!("{{\"type\": \"{kind}\", \"msg\": ").as_bytes());
            json::string(&mut self.buf, text);
            self.buf.extend_from_slice(b"}\n");
            return;
        }
        self.after_batch();
        let mut line = place.as_bytes().to_vec();
        if !place.is_empty() {
            line.extend_from_slice(b": ");
        }
        line.extend_from_slice(if error { b"ERROR: " } else { b"WARNING: " });
        line.extend_from_slice(text.strip_suffix(b"\n").unwrap_or(text));
        line.push(b'\n');
        let _ = self.talk.write_all(&line).and_then(|()| self.talk.flush());
    }

    /// A number that goes to the data in JSON.
    pub fn counted(&mut self, kind: &str, what: &str, n: u64) {
        let line =
            format!("{{\"type\": \"{kind}\", \"count\": {n}, \"data\": {{\"{what}\": {n}}}}}\n");
        self.buf.extend_from_slice(line.as_bytes());
    }
}
