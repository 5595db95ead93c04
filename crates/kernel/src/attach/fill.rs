//! What the kernel is given for each kind of attachment: pure functions, so that they are tested where the kernel cannot do it.
//!
//! Facts: perf_event_open(2), `kernel/events/core.c` (`perf_kprobe`, `perf_uprobe`), `Documentation/trace/{kprobetrace,uprobetracer}.rst`.

use skep_abi::perf::PERF_TYPE_TRACEPOINT;
use skep_engine::{PerfEvent, Rate};

use crate::sys::perf::{RawAttr, flag};

/// The `kprobe` or `uprobe` PMU, as `/sys/bus/event_source/devices` describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pmu {
    /// Its number as a type of perf events.
    pub(crate) kind: u32,
    /// The bit of `config` that says "at the return".
    pub(crate) ret_bit: u32,
}

impl Pmu {
    /// From the files `type` (`8`) and `format/retprobe` (`config:0`).
    pub(crate) fn parse(kind: &str, retprobe: &str) -> Option<Pmu> {
        let ret_bit =
            retprobe.trim().strip_prefix("config:")?.parse().ok().filter(|bit| *bit < 64)?;
        Some(Pmu { kind: kind.trim().parse().ok()?, ret_bit })
    }

    /// Of a probe at `offset` into what the name in `config1` says; of a kprobe without a name, at the address `offset`.
    pub(crate) fn attr(self, ret: bool, offset: u64) -> RawAttr {
        RawAttr {
            kind: self.kind,
            config: u64::from(ret) << self.ret_bit,
            config2: offset,
            // Programs run without the event counting anything, on every CPU.
            flags: flag::DISABLED,
            ..Default::default()
        }
    }
}

/// Of a tracepoint. The event is never enabled: the kernel runs the programs of a tracepoint whether or not one of its events counts.
pub(crate) fn tracepoint(id: u64) -> RawAttr {
    RawAttr {
        kind: PERF_TYPE_TRACEPOINT,
        config: id,
        sample_period: 1,
        flags: flag::DISABLED,
        ..Default::default()
    }
}

/// Of a counter or clock that samples; enabled once the program is in place.
pub(crate) fn counter(event: &PerfEvent) -> RawAttr {
    let (sample_period, freq) = match event.rate {
        Rate::Period(n) => (n, 0),
        Rate::Frequency(n) => (n, flag::FREQ),
    };
    RawAttr {
        kind: event.kind,
        config: event.config,
        sample_period,
        flags: flag::DISABLED | freq,
        ..Default::default()
    }
}

/// The line that makes a probe in `kprobe_events`.
pub(crate) fn kprobe_line(event: &str, ret: bool, function: &str, offset: u64) -> String {
    let kind = if ret { 'r' } else { 'p' };
    match (function, offset) {
        ("", address) => format!("{kind}:{event} {address:#x}\n"),
        (f, 0) => format!("{kind}:{event} {f}\n"),
        (f, offset) => format!("{kind}:{event} {f}+{offset:#x}\n"),
    }
}

/// The line that makes a probe in `uprobe_events`. `None` for a path that the file's syntax cannot hold.
pub(crate) fn uprobe_line(event: &str, ret: bool, path: &[u8], offset: u64) -> Option<Vec<u8>> {
    if path.iter().any(|b| b.is_ascii_whitespace() || *b == 0) {
        return None;
    }
    let kind = if ret { 'r' } else { 'p' };
    let mut line = format!("{kind}:{event} ").into_bytes();
    line.extend_from_slice(path);
    line.extend(format!(":{offset:#x}\n").bytes());
    Some(line)
}

#[cfg(test)]
mod tests {
    use skep_engine::Cpus;

    use super::*;
    use crate::sys::perf::Attr;

    #[test]
    fn pmus_are_read_from_their_files() {
        for (kind, retprobe, expected) in [
            ("8\n", "config:0\n", Some(Pmu { kind: 8, ret_bit: 0 })),
            ("6", "config:3", Some(Pmu { kind: 6, ret_bit: 3 })),
            ("6", "config:64", None),
            ("6", "config1:0", None),
            ("", "config:0", None),
            ("-1", "config:0", None),
        ] {
            assert_eq!(Pmu::parse(kind, retprobe), expected, "{kind:?} {retprobe:?}");
        }
    }

    #[test]
    fn kprobe_attributes() {
        let pmu = Pmu { kind: 8, ret_bit: 3 };
        let name = c"do_nanosleep";
        let entry = Attr::with_name(pmu.attr(false, 0x10), name);
        let expected = RawAttr {
            kind: 8,
            size: 112,
            config1: name.as_ptr() as u64,
            config2: 0x10,
            flags: 1,
            ..Default::default()
        };
        assert_eq!(*entry.raw(), expected);
        // An address has no name, and a return is a bit of `config`.
        let at = Attr::new(pmu.attr(true, 0xffff_ffff_8100_0000));
        let expected =
            RawAttr { config: 1 << 3, config1: 0, config2: 0xffff_ffff_8100_0000, ..expected };
        assert_eq!(*at.raw(), expected);
    }

    #[test]
    fn counters_have_a_period_or_a_frequency() {
        let event = PerfEvent {
            kind: 1,
            config: 2,
            rate: Rate::Frequency(99),
            cpus: Cpus::All,
            pid: None,
            cookie: 0,
        };
        let raw = counter(&event);
        assert_eq!((raw.kind, raw.config, raw.sample_period, raw.flags), (1, 2, 99, 1 | 1 << 10));
        let raw = counter(&PerfEvent { rate: Rate::Period(1000), ..event });
        assert_eq!((raw.sample_period, raw.flags), (1000, 1));
        let raw = tracepoint(77);
        assert_eq!((raw.kind, raw.config), (2, 77));
    }

    #[test]
    fn lines_for_the_old_way() {
        assert_eq!(kprobe_line("g/e", false, "f", 0), "p:g/e f\n");
        assert_eq!(kprobe_line("g/e", false, "f", 16), "p:g/e f+0x10\n");
        assert_eq!(kprobe_line("g/e", true, "f", 0), "r:g/e f\n");
        assert_eq!(kprobe_line("g/e", false, "", 0xff), "p:g/e 0xff\n");
        assert_eq!(
            uprobe_line("g/e", true, b"/bin/x", 0x40),
            Some(b"r:g/e /bin/x:0x40\n".to_vec())
        );
        assert_eq!(uprobe_line("g/e", false, b"/bin/x y", 0), None);
        assert_eq!(uprobe_line("g/e", false, b"/a\nr:b/c d", 0), None);
    }
}
