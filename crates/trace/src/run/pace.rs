//! How often the ring is looked at.
//!
//! While events come, the ring is looked at every few milliseconds and programs do not wake us; after a tenth of a second of silence
//! [`crate::plan::globals::WAKE`] asks the next event to. A program may have read that word just before it was set, so the ring is looked at once
//! more a few milliseconds later before the long sleep: no wake-up is lost.

use std::time::{Duration, Instant};

/// How long to sleep between looks at the ring.
pub(super) struct Pace {
    last_event: Instant,
    state: PaceState,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PaceState {
    /// Events come: programs do not wake us.
    Busy,
    /// WAKE has been set just now.
    Asked,
    /// It has been set for longer than a program takes.
    Asleep,
}

pub(super) enum Step {
    Wake(bool),
    Pause(Duration),
}

impl Step {
    pub(super) fn pause(&self) -> Duration {
        match self {
            Step::Pause(pause) => *pause,
            Step::Wake(_) => Duration::ZERO,
        }
    }
}

/// Silence after which the long sleep begins.
const SILENCE: Duration = Duration::from_millis(100);
/// Pause between looks while events come.
const SHORT: Duration = Duration::from_millis(2);
/// The same while very many come.
pub(super) const SHORTEST: Duration = Duration::from_micros(200);
/// Events at one look that count as very many.
pub(super) const MANY: usize = 2000;
/// Most events that are taken before signals and losses are looked at.
pub(super) const BATCH: usize = 1 << 16;
/// The long sleep; signals and events end it early, the traced process's end may not.
const LONG: Duration = Duration::from_millis(50);

impl Pace {
    pub(super) fn new() -> Pace {
        // Programs do not wake us until we ask; begin by asking.
        Pace { last_event: Instant::now() - SILENCE, state: PaceState::Busy }
    }

    /// What to do after a look that found `n` events.
    pub(super) fn step(&mut self, n: usize) -> Step {
        if n > 0 {
            self.last_event = Instant::now();
            if self.state != PaceState::Busy {
                self.state = PaceState::Busy;
                return Step::Wake(false);
            }
            return Step::Pause(match n {
                BATCH.. => Duration::ZERO,
                MANY.. => SHORTEST,
                _ => SHORT,
            });
        }
        match self.state {
            PaceState::Busy if self.last_event.elapsed() < SILENCE => Step::Pause(SHORT),
            PaceState::Busy => {
                self.state = PaceState::Asked;
                Step::Wake(true)
            }
            PaceState::Asked => {
                self.state = PaceState::Asleep;
                Step::Pause(SHORT)
            }
            PaceState::Asleep => Step::Pause(LONG),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the pace says to looks that find so many events.
    fn steps(pace: &mut Pace, looks: &[usize]) -> Vec<String> {
        let show = |step| match step {
            Step::Wake(on) => format!("wake {}", u8::from(on)),
            Step::Pause(pause) => format!("{}us", pause.as_micros()),
        };
        looks.iter().map(|n| show(pace.step(*n))).collect()
    }

    #[test]
    fn silence_asks_to_be_woken_and_looks_again_before_the_long_sleep() {
        let mut pace = Pace::new();
        let said = steps(&mut pace, &[0, 0, 0, 0]);
        assert_eq!(said, ["wake 1", "2000us", "50000us", "50000us"]);
    }

    #[test]
    fn events_are_looked_for_often_while_they_come() {
        let mut pace = Pace::new();
        steps(&mut pace, &[0, 0, 0]);
        let said = steps(&mut pace, &[1, 1, 0, MANY, BATCH, 0]);
        assert_eq!(said, ["wake 0", "2000us", "2000us", "200us", "0us", "2000us"]);
    }

    #[test]
    fn an_event_between_asking_and_sleeping_is_not_slept_over() {
        let mut pace = Pace::new();
        assert_eq!(steps(&mut pace, &[0, 0, 3, 3]), ["wake 1", "2000us", "wake 0", "2000us"]);
    }

    #[test]
    fn long_silence_ends_the_often_looks() {
        let mut pace = Pace::new();
        pace.step(1);
        pace.last_event -= SILENCE;
        assert_eq!(steps(&mut pace, &[0]), ["wake 1"]);
    }
}
