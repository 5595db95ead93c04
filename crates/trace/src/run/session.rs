//! A session: attach, handle events until something ends it, detach, show what is left.
//!
//! Order is bpftrace's: BEGIN runs before anything is attached, END after everything is detached, maps are printed last. Nothing waits for
//! an empty poll: events are taken as they come and `exit()` acts at once. Programs that are run by hand run in other threads
//! (`run::drive`), so that their events are taken while they run.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use skep_engine::{Error, ErrorKind, Events, Link, Loaded, Map};

use super::actions::Ready;
use super::drive::{Once, Timer, Timers};
use super::loss::Losses;
use super::output::{Buffering, Layout, Sink};
use super::pace::{BATCH, MANY, Pace, SHORTEST, Step};
use super::resolve::Resolver;
use super::time;
use crate::config::MissingProbes;
use crate::hir::MapId;
use crate::plan::{Plan, ProbeGroup, RunKind, globals};
use crate::types::Clock;

/// How a session shows itself.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// `-f`
    pub layout: Layout,
    /// `-B`
    pub buffering: Buffering,
    /// `-q`: do not say how many probes are attached.
    pub quiet: bool,
    /// `--unsafe`: `system()` may run commands.
    pub allow_unsafe: bool,
    /// `--dry-run`: end as soon as everything is attached, without running BEGIN and END.
    pub dry_run: bool,
    /// Go on until [`Control::should_stop`] says so even if nothing is attached: there is a process to wait for.
    pub wait: bool,
}

/// What reaches into a running session.
pub struct Control<'a> {
    /// Set by a handler of SIGINT and SIGTERM: the session ends.
    pub interrupt: &'a AtomicBool,
    /// Bit `n` is set by a handler of signal `n`: its programs are run.
    pub signals: &'a AtomicU64,
    /// Gets a line `__BPFTRACE_NOTIFY_PROBES_ATTACHED` once everything is attached, for test harnesses.
    pub notice: Option<&'a mut dyn Write>,
    /// Called once everything is attached; starts the child of `-c`.
    pub on_attached: &'a mut dyn FnMut() -> Result<(), Error>,
    /// Asked every few tens of milliseconds: whether what was traced has ended (`-c`, `-p`).
    pub should_stop: &'a mut dyn FnMut() -> bool,
}

/// A loaded script, ready to run.
pub struct Runner {
    pub(super) plan: Plan,
    pub(super) loaded: Arc<dyn Loaded>,
    pub(super) options: Options,
    pub(super) sink: Sink,
    pub(super) ready: Vec<Ready>,
    pub(super) resolver: Resolver,
    pub(super) losses: Losses,
    pub(super) scratch: Vec<u8>,
    pub(super) exit: Option<i32>,
}

/// Looks at an empty ring after which the event of `exit()` counts as lost.
const LOOKS_FOR_EXIT: u32 = 5;

/// What is done with events.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Handling {
    /// They are shown.
    Show,
    /// `exit()` was called: what other CPUs sent behind it is dropped.
    Drop,
}

impl Runner {
    /// Makes a session of a loaded script; `data` gets the output, `talk` messages.
    pub fn new(
        plan: Plan,
        loaded: Box<dyn Loaded>,
        options: Options,
        data: Box<dyn Write>,
        talk: Box<dyn Write>,
    ) -> Runner {
        let sink = Sink::new(options.layout, options.buffering, data, talk);
        let ready = plan.actions.iter().map(|action| Ready::new(&plan, action)).collect();
        let resolver = Resolver::new(&plan);
        let losses = Losses::new(&plan);
        let scratch = Vec::new();
        Runner {
            plan,
            loaded: loaded.into(),
            options,
            sink,
            ready,
            resolver,
            losses,
            scratch,
            exit: None,
        }
    }

    /// Runs the session to its end; gives the exit code that the script asked for.
    pub fn run(mut self, mut control: Control<'_>) -> Result<i32, Error> {
        self.set_clocks()?;
        let mut events = match self.plan.system.events {
            Some(map) => Some(self.loaded.events(map)?),
            None => None,
        };
        self.announce();
        if self.options.dry_run {
            let (links, missing) = self.attach(control.interrupt)?;
            self.attached(missing, &mut control);
            self.loaded.detach(links);
            return Ok(0);
        }
        self.run_groups(&mut events, |run| matches!(run, RunKind::Begin))?;
        self.exit = self.exit.or(self.exited());
        let attached = match self.exit {
            None => self.attach(control.interrupt),
            Some(_) => Ok(Default::default()),
        };
        let (links, missing) = attached.inspect_err(|_| self.sink.flush())?;
        self.attached(missing, &mut control);
        if self.exit.is_none() && !self.ended(&control) {
            (control.on_attached)()?;
            self.poll(&mut events, !links.is_empty(), &mut control)?;
        }
        if self.exit.is_some() {
            self.take_all(&mut events, Handling::Drop)?;
        }
        self.loaded.detach(links);
        let rest = if self.exit.is_some() { Handling::Drop } else { Handling::Show };
        self.take_all(&mut events, rest)?;
        self.run_groups(&mut events, |run| matches!(run, RunKind::End))?;
        self.finish(events)
    }

    fn set_clocks(&self) -> Result<(), Error> {
        if let Some(map) = self.globals() {
            let boot = time::now(Clock::Boot);
            map.write_global(8 * globals::START, &boot.to_ne_bytes())?;
            let offset = time::offset(Clock::Boot);
            map.write_global(8 * globals::REALTIME, &offset.to_ne_bytes())?;
        }
        Ok(())
    }

    pub(super) fn globals(&self) -> Option<&dyn Map> {
        self.loaded.map(self.plan.system.globals?)
    }

    /// Says what is about to be attached.
    fn announce(&mut self) {
        if !self.options.quiet && !self.sink.is_json() {
            let n = self.plan.probe_count;
            let text = format!("Attaching {n} probe{}...", if n == 1 { "" } else { "s" });
            self.sink.say(&text);
        }
    }

    /// Says that everything is attached: on the talk stream, in JSON, and to harnesses that wait for it. What BEGIN printed comes after it, as
    /// far as it still waits in the buffer.
    fn attached(&mut self, missing: usize, control: &mut Control<'_>) {
        let begin = std::mem::take(self.sink.buf());
        if !self.options.quiet {
            let n = self.plan.probe_count.saturating_sub(missing);
            if self.sink.is_json() {
                self.sink.counted("attached_probes", "probes", n as u64);
                self.sink.flush();
            } else {
                self.sink.say(&format!("Attached {n} probe{}", if n == 1 { "" } else { "s" }));
            }
        }
        if let Some(notice) = &mut control.notice {
            // A harness that does not listen is none of our business.
            let _ = notice
                .write_all(b"__BPFTRACE_NOTIFY_PROBES_ATTACHED\n")
                .and_then(|()| notice.flush());
        }
        self.sink.buf().extend_from_slice(&begin);
        self.sink.flush();
    }

    /// Runs programs one after the other, and handles what comes meanwhile.
    fn run_groups(
        &mut self,
        events: &mut Option<Box<dyn Events>>,
        which: impl Fn(&RunKind) -> bool,
    ) -> Result<(), Error> {
        let groups = self.plan.groups.iter().enumerate();
        let programs: Vec<usize> = groups.filter(|(_, g)| which(&g.run)).map(|g| g.0).collect();
        if programs.is_empty() {
            return Ok(());
        }
        let running = Once::start(self.loaded.clone(), programs)?;
        let mut pause = SHORTEST;
        loop {
            if let Some(done) = running.wait(pause) {
                done?;
                break;
            }
            let n = self.take(events, Handling::Show, BATCH, &AtomicBool::new(false))?;
            self.report_losses(events);
            pause = if n < MANY { SHORTEST } else { Duration::ZERO };
        }
        self.take_all(events, Handling::Show)
    }

    fn start_timers(&self) -> Result<Option<Timers>, Error> {
        let timer = |(program, group): (usize, &ProbeGroup)| match group.run {
            RunKind::Interval(period) => {
                Some(Timer { program, period: Duration::from_nanos(period) })
            }
            _ => None,
        };
        let timers: Vec<Timer> = self.plan.groups.iter().enumerate().filter_map(timer).collect();
        Timers::start(self.loaded.clone(), &timers)
    }

    /// Attaches everything; gives the links, and how many places could not be had where the script allows that.
    fn attach(&mut self, interrupt: &AtomicBool) -> Result<(Vec<Box<dyn Link>>, usize), Error> {
        let mut links = Vec::new();
        let mut missing = 0;
        let mut wanted = 0;
        for (program, group) in self.plan.groups.iter().enumerate() {
            let RunKind::Attach(at) = &group.run else { continue };
            if interrupt.load(Ordering::Relaxed) {
                return Ok((links, missing));
            }
            wanted += 1;
            match self.loaded.attach(program, at) {
                Ok(link) => links.push(link),
                Err(error) => {
                    missing += group.names.len();
                    let error = named(error, &group.names);
                    match self.plan.config.missing_probes {
                        MissingProbes::Error => return Err(error),
                        MissingProbes::Warn => self.sink.warn(&error.to_string()),
                        MissingProbes::Ignore => {}
                    }
                }
            }
        }
        if wanted > 0 && links.is_empty() {
            return Err(Error {
                kind: ErrorKind::NotFound,
                context: "attach: none of the probes could be attached".into(),
                errno: None,
            });
        }
        Ok((links, missing))
    }

    /// Handles events until something ends the session.
    fn poll(
        &mut self,
        events: &mut Option<Box<dyn Events>>,
        attached: bool,
        control: &mut Control<'_>,
    ) -> Result<(), Error> {
        let signals = self.plan.groups.iter().any(|g| matches!(g.run, RunKind::Signal(_)));
        let mut timers = self.start_timers()?;
        if !attached && !signals && timers.is_none() && !self.options.wait {
            return Ok(());
        }
        let (mut pace, mut exited_looks) = (Pace::new(), 0);
        while !self.ended(control) {
            self.run_signals(events, control.signals)?;
            timers.as_mut().map_or(Ok(()), Timers::check)?;
            let exited = self.exited();
            let n = self.take(events, Handling::Show, BATCH, control.interrupt)?;
            self.sink.after_batch();
            self.report_losses(events);
            // The event of `exit()` itself may have found no room. A record that is not finished yet may hide it for a moment.
            exited_looks = if exited.is_some() && n == 0 { exited_looks + 1 } else { 0 };
            if exited_looks >= LOOKS_FOR_EXIT {
                self.exit = exited;
            }
            if (control.should_stop)() || self.ended(control) {
                return Ok(());
            }
            let step = pace.step(n);
            if let Step::Wake(on) = step {
                self.set_wake(on)?;
                continue;
            }
            let pause = step.pause();
            if !pause.is_zero() {
                wait(events, pause)?;
            }
        }
        Ok(())
    }

    fn ended(&self, control: &Control<'_>) -> bool {
        self.exit.is_some() || !self.sink.is_open() || control.interrupt.load(Ordering::Relaxed)
    }

    /// The code of `exit()`, if a program has called it.
    fn exited(&self) -> Option<i32> {
        let mut word = [0; 8];
        self.globals()?.read_global(8 * globals::EXITED, &mut word).ok()?;
        let word = u64::from_ne_bytes(word);
        (word != 0).then_some((word >> 32) as i32)
    }

    fn set_wake(&self, on: bool) -> Result<(), Error> {
        match self.globals() {
            Some(map) => map.write_global(8 * globals::WAKE, &u64::from(on).to_ne_bytes()),
            None => Ok(()),
        }
    }

    fn run_signals(
        &mut self,
        events: &mut Option<Box<dyn Events>>,
        pending: &AtomicU64,
    ) -> Result<(), Error> {
        let pending = pending.swap(0, Ordering::Relaxed);
        if pending == 0 {
            return Ok(());
        }
        self.run_groups(
            events,
            |run| matches!(run, RunKind::Signal(n) if (0..64).contains(n) && pending >> n & 1 != 0),
        )
    }

    fn report_losses(&mut self, events: &mut Option<Box<dyn Events>>) {
        let transport = events.as_mut().map_or(0, |e| e.lost());
        let globals = self.plan.system.globals.and_then(|m| self.loaded.map(m));
        self.losses.report(&self.plan, globals, transport, &mut self.sink);
    }

    /// Takes all events that are there.
    fn take_all(
        &mut self,
        events: &mut Option<Box<dyn Events>>,
        handling: Handling,
    ) -> Result<(), Error> {
        self.take(events, handling, usize::MAX, &AtomicBool::new(false)).map(|_| ())
    }

    /// Takes events that are there, at most so many and none after `stop` is set; gives their number.
    fn take(
        &mut self,
        events: &mut Option<Box<dyn Events>>,
        handling: Handling,
        most: usize,
        stop: &AtomicBool,
    ) -> Result<usize, Error> {
        let Some(events) = events else { return Ok(0) };
        let mut handling = handling;
        let (mut failed, mut taken) = (None, 0);
        let n = events.drain(&mut |record| {
            let before = self.exit.is_some();
            if let Err(error) = self.handle(record, handling) {
                failed = Some(error);
                return false;
            }
            self.sink.after_event();
            if self.exit.is_some() && !before {
                handling = Handling::Drop;
            }
            taken += 1;
            self.sink.is_open() && taken < most && !stop.load(Ordering::Relaxed)
        })?;
        match failed {
            Some(error) => Err(error),
            None => Ok(n),
        }
    }

    fn finish(mut self, events: Option<Box<dyn Events>>) -> Result<i32, Error> {
        let transport = events.map_or(0, |mut e| e.lost());
        let globals = self.plan.system.globals.and_then(|m| self.loaded.map(m));
        self.losses.report_last(&self.plan, globals, transport, &mut self.sink);
        if !self.sink.is_json() {
            self.sink.buf().extend_from_slice(b"\n\n");
        }
        if self.plan.config.print_maps_on_exit {
            let mut order: Vec<usize> = (0..self.plan.maps.len()).collect();
            order.sort_by(|a, b| self.plan.maps[*a].name.cmp(&self.plan.maps[*b].name));
            for i in order {
                self.print_map(MapId(i as u32), 0, 1, true)?;
            }
        }
        self.sink.flush();
        match self.sink.failure() {
            Some(error) => Err(Error {
                kind: ErrorKind::Other(error.kind().to_string()),
                context: "write the output".into(),
                errno: error.raw_os_error(),
            }),
            None => Ok(self.exit.unwrap_or(0)),
        }
    }
}

/// Names the probe in an error of attaching, if the engine did not.
fn named(mut error: Error, names: &[String]) -> Error {
    if let [first, rest @ ..] = names
        && !error.context.contains(first.as_str())
    {
        let more =
            if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        error.context = format!("attach {first}{more}: {}", error.context);
    }
    error
}

/// Waits for events, a signal or the end of the pause.
fn wait(events: &mut Option<Box<dyn Events>>, pause: Duration) -> Result<(), Error> {
    match events {
        Some(events) => events.wait(Some(pause)),
        None => {
            time::sleep(pause);
            Ok(())
        }
    }
}
