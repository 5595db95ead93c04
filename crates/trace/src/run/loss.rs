//! What was lost, counted by the programs and the transport, and said at most once a second and at the end.

use std::time::{Duration, Instant};

use skep_engine::Map;

use super::output::Sink;
use super::value::uint;
use crate::plan::{Plan, globals};

/// Least time between two reports.
const PAUSE: Duration = Duration::from_secs(1);

/// Counts that have been reported.
#[derive(Debug)]
pub struct Losses {
    reported: Counts,
    /// Records that did not fit their layout.
    pub corrupt: u64,
    next: Instant,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counts {
    events: u64,
    corrupt: u64,
    strings: u64,
    stacks: u64,
    full: Vec<u64>,
}

impl Losses {
    /// Nothing lost yet.
    pub fn new(plan: &Plan) -> Losses {
        let reported = Counts { full: vec![0; plan.maps.len()], ..Counts::default() };
        Losses { reported, corrupt: 0, next: Instant::now() + PAUSE }
    }

    /// Reports what was lost since the last report, if that is long enough ago. `transport` gives the records lost on the way.
    pub fn report(
        &mut self,
        plan: &Plan,
        globals: Option<&dyn Map>,
        transport: u64,
        sink: &mut Sink,
    ) {
        let now = Instant::now();
        if now >= self.next {
            self.next = now + PAUSE;
            self.report_now(plan, globals, transport, sink);
        }
    }

    /// Reports at the end, with the total.
    pub fn report_last(
        &mut self,
        plan: &Plan,
        globals: Option<&dyn Map>,
        transport: u64,
        sink: &mut Sink,
    ) {
        self.report_now(plan, globals, transport, sink);
        let total = self.reported.events;
        if total > 0 {
            sink.warn(&format!("Total lost event count: {total}"));
        }
    }

    fn report_now(
        &mut self,
        plan: &Plan,
        globals: Option<&dyn Map>,
        transport: u64,
        sink: &mut Sink,
    ) {
        let Some(now) = self.read(plan, globals, transport) else { return };
        let old = std::mem::replace(&mut self.reported, now.clone());
        let lost = now.events.saturating_sub(old.events);
        if lost > 0 {
            if sink.is_json() {
                sink.counted("lost_events", "events", lost);
            } else {
                sink.warn(&format!(
                    "Lost {lost} events: they came faster than they could be shown; raise perf_rb_pages"
                ));
            }
        }
        for (map, (new, old)) in plan.maps.iter().zip(now.full.iter().zip(&old.full)) {
            let n = new.saturating_sub(*old);
            if n > 0 {
                sink.warn(&format!(
                    "{} is full ({} keys): {n} keys were not added; raise max_map_keys",
                    map.name, map.max_entries
                ));
            }
        }
        warn_new(sink, now.stacks, old.stacks, |n| {
            format!(
                "{n} stacks were lost because others had taken their places; there is more room for stacks of less depth, as of kstack(20)"
            )
        });
        warn_new(sink, now.strings, old.strings, |n| {
            let max = plan.config.max_strlen;
            format!("{n} strings were cut; raise max_strlen (now {max}) to see all of them")
        });
        warn_new(sink, now.corrupt, old.corrupt, |n| {
            format!("{n} events were not as the script's plan says and could not be shown")
        });
    }

    fn read(&self, plan: &Plan, globals: Option<&dyn Map>, transport: u64) -> Option<Counts> {
        let mut words = vec![0u8; (globals::MAP_FULL as usize + plan.maps.len()) * 8];
        if let Some(map) = globals {
            map.read_global(0, &mut words).ok()?;
        }
        let word = |i: u32| uint(words.get(i as usize * 8..).unwrap_or(&[]), 8);
        Some(Counts {
            events: word(globals::LOST_EVENTS).wrapping_add(transport),
            corrupt: self.corrupt,
            strings: word(globals::CUT_STRINGS),
            stacks: word(globals::LOST_STACKS),
            full: (0..plan.maps.len() as u32).map(|i| word(globals::MAP_FULL + i)).collect(),
        })
    }
}

fn warn_new(sink: &mut Sink, new: u64, old: u64, text: impl Fn(u64) -> String) {
    let n = new.saturating_sub(old);
    if n > 0 {
        sink.warn(&text(n));
    }
}
