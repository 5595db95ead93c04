//! Threads that run programs by hand: BEGIN, END, signals and intervals.
//!
//! They are threads of their own so that what a program sends is read while it runs (a ring that nobody reads is full after some 100,000 lines),
//! and so that an interval is on time however much there is to print. Timing an interval here and not with a perf event is also what makes it
//! sure: the kernel leaves out a perf event's program if it interrupts another program on its CPU, which under load happens again and again.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, Pid, gettid, sched_getaffinity, sched_getcpu, sched_setaffinity};
use skep_engine::{Error, ErrorKind, Loaded};

/// The thread has no name of its own: `comm` in BEGIN is that of the program.
fn spawn<T: Send + 'static>(
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Error> {
    thread::Builder::new().spawn(body).map_err(|e| Error {
        kind: ErrorKind::Other(e.to_string()),
        context: "start a thread to run programs".into(),
        errno: e.raw_os_error(),
    })
}

fn panicked() -> Error {
    Error {
        kind: ErrorKind::Other("its thread panicked".into()),
        context: "run a program".into(),
        errno: None,
    }
}

/// Programs that are run once, one after the other.
pub(super) struct Once {
    result: mpsc::Receiver<Result<(), Error>>,
    /// The CPUs of the thread that started them, to be given back.
    before: Option<CpuSet>,
}

impl Once {
    /// Starts them. This thread is kept from the CPU they run on until they are done.
    pub(super) fn start(loaded: Arc<dyn Loaded>, programs: Vec<usize>) -> Result<Once, Error> {
        let (sender, result) = mpsc::sync_channel(1);
        let before = sched_getaffinity(None).ok();
        let reader = gettid();
        let body = move || {
            if let Some(cpus) = before {
                stay_apart(reader, cpus);
            }
            let mut programs = programs.into_iter();
            let done = programs.try_for_each(|p| loaded.run_once(p, &[]).map(|_| ()));
            drop(loaded);
            // Nobody waits after another error.
            let _ = sender.send(done);
        };
        spawn(body)?;
        Ok(Once { result, before })
    }

    /// Waits until they are done, at most so long; gives the error of the one that could not be run, or `None` while they run.
    pub(super) fn wait(&self, most: Duration) -> Option<Result<(), Error>> {
        match self.result.recv_timeout(most) {
            Ok(result) => Some(result),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(Err(panicked())),
        }
    }
}

impl Drop for Once {
    fn drop(&mut self) {
        if let Some(cpus) = self.before {
            // It only had fewer to run on.
            let _ = sched_setaffinity(None, &cpus);
        }
    }
}

/// Keeps this thread on the CPU it is on, and the one that reads what a program sends off it. The kernel runs a program by hand without
/// leaving the CPU: a reader that is queued there gets nothing done until the end, for some tens of milliseconds. Where this is not
/// possible, as with one CPU, more may be lost, and is counted.
fn stay_apart(reader: Pid, mut cpus: CpuSet) {
    let here = sched_getcpu();
    let mut only = CpuSet::new();
    if cpus.count() < 2 || here >= CpuSet::MAX_CPU {
        return;
    }
    only.set(here);
    cpus.unset(here);
    let _ = sched_setaffinity(None, &only).and_then(|()| sched_setaffinity(Some(reader), &cpus));
}

/// A program that is run again and again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timer {
    pub(super) program: usize,
    pub(super) period: Duration,
}

/// Least period: that of the kernel's own timers of this kind.
const LEAST: Duration = Duration::from_micros(10);

/// Programs that are run at intervals, until dropped.
pub(super) struct Timers {
    stop: Arc<(Mutex<bool>, Condvar)>,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl Timers {
    /// Starts them; the first run is one period from now. `None` if there are none.
    pub(super) fn start(
        loaded: Arc<dyn Loaded>,
        timers: &[Timer],
    ) -> Result<Option<Timers>, Error> {
        if timers.is_empty() {
            return Ok(None);
        }
        let stop = Arc::new((Mutex::new(false), Condvar::new()));
        let mut schedule = Schedule::new(timers, Instant::now());
        let stopped = stop.clone();
        let body = move || {
            while let Some(program) = wait(&stopped, &mut schedule) {
                loaded.run_once(program, &[])?;
            }
            Ok(())
        };
        Ok(Some(Timers { stop, thread: Some(spawn(body)?) }))
    }

    /// Whether they go on; the error of the one that could not be run.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        if self.thread.as_ref().is_some_and(JoinHandle::is_finished) { self.join() } else { Ok(()) }
    }

    fn join(&mut self) -> Result<(), Error> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        thread.join().unwrap_or_else(|_| Err(panicked()))
    }
}

impl Drop for Timers {
    fn drop(&mut self) {
        *self.stop.0.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.stop.1.notify_all();
        // An error at the very end changes nothing any more.
        let _ = self.join();
    }
}

/// Waits until a program is due; `None` once it is over.
fn wait(stop: &(Mutex<bool>, Condvar), schedule: &mut Schedule) -> Option<usize> {
    let mut stopped = stop.0.lock().unwrap_or_else(PoisonError::into_inner);
    while !*stopped {
        let now = Instant::now();
        if let Some(program) = schedule.due(now) {
            return Some(program);
        }
        let pause = schedule.next()?.saturating_duration_since(now);
        stopped = stop.1.wait_timeout(stopped, pause).unwrap_or_else(PoisonError::into_inner).0;
    }
    None
}

/// When which program is due.
struct Schedule {
    timers: Vec<(Timer, Instant)>,
}

impl Schedule {
    fn new(timers: &[Timer], start: Instant) -> Schedule {
        let after = |period| start.checked_add(period).unwrap_or(start + FAR);
        let timers = timers.iter().map(|t| Timer { period: t.period.max(LEAST), ..*t });
        Schedule { timers: timers.map(|t| (t, after(t.period))).collect() }
    }

    fn next(&self) -> Option<Instant> {
        self.timers.iter().map(|t| t.1).min()
    }

    /// The program that is due for longest, and notes when it is due next: always a whole number of periods from the start, so that it does
    /// not drift, and never in the past, so that runs that were missed do not come in a bunch.
    fn due(&mut self, now: Instant) -> Option<usize> {
        let (timer, at) = self.timers.iter_mut().filter(|t| t.1 <= now).min_by_key(|t| t.1)?;
        let missed = now.duration_since(*at).as_nanos() / timer.period.as_nanos();
        let on = u64::try_from((missed + 1) * timer.period.as_nanos()).unwrap_or(u64::MAX);
        *at = at.checked_add(Duration::from_nanos(on)).unwrap_or(now + FAR);
        Some(timer.program)
    }
}

/// As good as never.
const FAR: Duration = Duration::from_secs(1 << 31);

#[cfg(test)]
mod tests {
    use super::*;

    fn timers(periods: &[u64]) -> Vec<Timer> {
        let timer =
            |(program, ms): (usize, &u64)| Timer { program, period: Duration::from_millis(*ms) };
        periods.iter().enumerate().map(timer).collect()
    }

    /// Programs that are due at times after the start, in milliseconds.
    fn due(periods: &[u64], looks: &[u64]) -> Vec<(u64, Vec<usize>)> {
        let start = Instant::now();
        let mut schedule = Schedule::new(&timers(periods), start);
        let look = |&ms: &u64| {
            let now = start + Duration::from_millis(ms);
            (ms, std::iter::from_fn(|| schedule.due(now)).collect())
        };
        looks.iter().map(look).collect()
    }

    #[test]
    fn intervals_do_not_drift() {
        // Each look is late by some milliseconds.
        let said = due(&[10], &[9, 13, 19, 20, 29, 31]);
        let none = Vec::new;
        assert_eq!(
            said,
            [(9, none()), (13, vec![0]), (19, none()), (20, vec![0]), (29, none()), (31, vec![0])]
        );
    }

    #[test]
    fn missed_runs_come_once() {
        assert_eq!(due(&[10], &[57, 59, 60]), [(57, vec![0]), (59, vec![]), (60, vec![0])]);
    }

    #[test]
    fn the_one_due_for_longest_is_first_and_equals_are_in_order() {
        assert_eq!(due(&[30, 10, 30], &[31, 40]), [(31, vec![1, 0, 2]), (40, vec![1])]);
    }

    #[test]
    fn a_period_without_end_never_comes() {
        let timer = Timer { program: 0, period: Duration::MAX };
        let start = Instant::now();
        let mut schedule = Schedule::new(&[timer], start);
        assert_eq!(schedule.due(start + Duration::from_secs(86400)), None);
    }
}
