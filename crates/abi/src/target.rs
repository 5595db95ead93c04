//! [`Target`]: what one kernel, or skep's own engine, offers.
//!
//! [`Target::linux`] derives it from the versions in the tables; whoever can ask the kernel corrects it with
//! [`Target::with`] and [`Target::without`]. Readers and compilers take a `Target` as an argument, so that they give the
//! same result on every machine.

use std::fmt;

use crate::{AttachType, Cmd, Feature, Helper, LinkType, MapType, ProgType, Unsupported, Version};

/// Anything that a target has or lacks.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Item {
    /// A feature.
    Feature(Feature),
    /// A helper.
    Helper(Helper),
    /// A program type.
    Prog(ProgType),
    /// A map type.
    Map(MapType),
    /// An attach type.
    Attach(AttachType),
    /// A link type.
    Link(LinkType),
    /// A command of bpf(2).
    Cmd(Cmd),
}

macro_rules! item_from {
    ($($variant:ident $t:ty;)*) => {
        $(impl From<$t> for Item {
            fn from(x: $t) -> Item {
                Item::$variant(x)
            }
        })*

        impl Item {
            /// The Linux version that introduced it.
            pub fn since(self) -> Version {
                match self {
                    $(Item::$variant(x) => x.since(),)*
                }
            }
        }
    };
}

item_from! {
    Feature Feature;
    Helper Helper;
    Prog ProgType;
    Map MapType;
    Attach AttachType;
    Link LinkType;
    Cmd Cmd;
}

impl Item {
    /// The kernel option without which it is missing, where the table knows one.
    pub fn config(self) -> Option<&'static str> {
        match self {
            Item::Feature(f) => f.config(),
            Item::Helper(Helper::OVERRIDE_RETURN) => Feature::KprobeOverride.config(),
            _ => None,
        }
    }

    /// What to use where it is missing.
    pub fn instead(self) -> Option<&'static str> {
        match self {
            Item::Feature(f) => f.instead(),
            _ => None,
        }
    }

    /// Where it stands in the set of its kind.
    fn index(self) -> (usize, u32) {
        match self {
            Item::Feature(x) => (0, x as u32),
            Item::Helper(x) => (1, x.raw()),
            Item::Prog(x) => (2, x.raw()),
            Item::Map(x) => (3, x.raw()),
            Item::Attach(x) => (4, x.raw()),
            Item::Link(x) => (5, x.raw()),
            Item::Cmd(x) => (6, x.raw()),
        }
    }

    /// Everything the tables know.
    pub fn all() -> impl Iterator<Item = Item> {
        let features = Feature::ALL.iter().map(|&x| Item::from(x));
        let types = ProgType::ALL
            .iter()
            .map(|&x| Item::from(x))
            .chain(MapType::ALL.iter().map(|&x| Item::from(x)));
        let hooks = AttachType::ALL
            .iter()
            .map(|&x| Item::from(x))
            .chain(LinkType::ALL.iter().map(|&x| Item::from(x)));
        let calls = Helper::all().map(Item::from).chain(Cmd::ALL.iter().map(|&x| Item::from(x)));
        features.chain(types).chain(hooks).chain(calls)
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Feature(x) => write!(f, "{x}"),
            Item::Helper(x) => write!(f, "helper {x}"),
            Item::Prog(x) => write!(f, "program type {x}"),
            Item::Map(x) => write!(f, "map type {x}"),
            Item::Attach(x) => write!(f, "attach type {x}"),
            Item::Link(x) => write!(f, "link type {x}"),
            Item::Cmd(x) => write!(f, "command {x}"),
        }
    }
}

/// A set for each kind of [`Item`]; 256 places hold every table.
type Sets = [[u128; 2]; 7];

/// What one kernel, or engine, offers.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    version: Option<Version>,
    sets: Sets,
}

impl Target {
    /// Offers nothing: where an engine that is not Linux begins.
    pub fn nothing() -> Target {
        Target { version: None, sets: [[0; 2]; 7] }
    }

    /// What a Linux of that version offers when every option is built in.
    pub fn linux(version: Version) -> Target {
        let mut target = Target { version: Some(version), ..Target::nothing() };
        for item in Item::all().filter(|i| i.since() <= version) {
            target.set(item, true);
        }
        target
    }

    /// The version, if it is a Linux.
    pub fn version(&self) -> Option<Version> {
        self.version
    }

    fn set(&mut self, item: Item, present: bool) {
        let (kind, n) = item.index();
        let (word, bit) = ((n / 128) as usize, 1u128 << (n % 128));
        if present {
            self.sets[kind][word] |= bit;
        } else {
            self.sets[kind][word] &= !bit;
        }
    }

    /// The same target, offering that as well.
    #[must_use]
    pub fn with(mut self, item: impl Into<Item>) -> Target {
        self.set(item.into(), true);
        self
    }

    /// The same target, not offering that.
    #[must_use]
    pub fn without(mut self, item: impl Into<Item>) -> Target {
        self.set(item.into(), false);
        self
    }

    /// Whether it offers that.
    pub fn has(&self, item: impl Into<Item>) -> bool {
        let (kind, n) = item.into().index();
        self.sets[kind][(n / 128) as usize] & (1u128 << (n % 128)) != 0
    }

    /// Whether it offers that, and if not, why, in a form to show a user.
    pub fn require(&self, item: impl Into<Item>) -> Result<(), Unsupported> {
        let item = item.into();
        if self.has(item) { Ok(()) } else { Err(Unsupported { item, version: self.version }) }
    }

    /// Everything it offers.
    pub fn items(&self) -> impl Iterator<Item = Item> + '_ {
        Item::all().filter(|&i| self.has(i))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn linux(text: &str) -> Target {
        Target::linux(text.parse().unwrap())
    }

    #[test]
    fn every_item_has_its_own_place_within_the_sets() {
        let mut seen = std::collections::HashSet::new();
        for item in Item::all() {
            let (kind, n) = item.index();
            assert!(kind < 7 && n < 256, "{item}");
            assert!(seen.insert((kind, n)), "{item}");
        }
    }

    #[test]
    fn features_come_with_their_version() {
        for (version, item, expected) in [
            ("5.4.0-100-generic", Item::from(Feature::Ringbuf), false),
            ("5.8.0", Feature::Ringbuf.into(), true),
            ("5.14.21", Feature::PerfLink.into(), false),
            ("5.15", Feature::PerfLink.into(), true),
            ("5.15", Feature::Cookie.into(), true),
            ("5.17", Feature::KprobeMulti.into(), false),
            ("6.5", Feature::UprobeMulti.into(), false),
            ("6.18.44-fc-v470", Feature::UprobeMulti.into(), true),
            ("5.5", Feature::BatchOps.into(), false),
            ("5.6", Feature::BatchOps.into(), true),
            ("5.7", MapType::Ringbuf.into(), false),
            ("5.8", Helper::RINGBUF_OUTPUT.into(), true),
            ("4.14", ProgType::RawTracepoint.into(), false),
            ("6.16", Cmd::ProgStreamReadByFd.into(), false),
        ] {
            assert_eq!(linux(version).has(item), expected, "{version} {item}");
        }
    }

    #[test]
    fn what_is_probed_corrects_what_is_derived() {
        let t = linux("6.18").without(Feature::Kprobe).without(MapType::Arena);
        assert!(!t.has(Feature::Kprobe) && !t.has(MapType::Arena) && t.has(Feature::Uprobe));
        let t = linux("4.18").with(Feature::BoundedLoops).with(Helper::CGRP_STORAGE_DELETE);
        assert!(
            t.has(Feature::BoundedLoops)
                && t.has(Helper::CGRP_STORAGE_DELETE)
                && !t.has(Feature::GlobalData)
        );
        assert_eq!(Target::nothing().items().count(), 0);
        assert_eq!(linux("6.18").items().count(), Item::all().count());
    }

    #[test]
    fn what_is_missing_is_named_with_its_mend() {
        for (target, item, expected) in [
            (
                linux("5.4"),
                Item::from(Feature::Ringbuf),
                "Linux 5.4 does not offer the BPF ring buffer, which came with 5.8; use a perf buffer (perf_event_array)",
            ),
            (
                linux("6.18.44").without(Feature::Kprobe),
                Feature::Kprobe.into(),
                "this Linux 6.18.44 does not offer kprobes; that needs a kernel built with CONFIG_KPROBES and CONFIG_KPROBE_EVENTS; \
                 use a tracepoint or a rawtracepoint near it (`skep list '*NAME*'` shows which there are)",
            ),
            (
                Target::nothing(),
                Helper::LOOP.into(),
                "helper bpf_loop is not offered here (Linux has it since 5.17)",
            ),
        ] {
            assert_eq!(target.require(item).unwrap_err().to_string(), expected);
        }
        assert_eq!(linux("5.8").require(Feature::Ringbuf), Ok(()));
    }

    #[test]
    fn features_are_dated_no_earlier_than_what_they_stand_on() {
        for (feature, item) in [
            (Feature::Ringbuf, Item::from(MapType::Ringbuf)),
            (Feature::KprobeMulti, AttachType::TraceKprobeMulti.into()),
            (Feature::UprobeMulti, LinkType::UprobeMulti.into()),
            (Feature::PerfLink, LinkType::PerfEvent.into()),
            (Feature::Cookie, Helper::GET_ATTACH_COOKIE.into()),
            (Feature::BatchOps, Cmd::MapLookupBatch.into()),
            (Feature::ForEachMapElem, Helper::FOR_EACH_MAP_ELEM.into()),
            (Feature::BpfLoop, Helper::LOOP.into()),
            (Feature::ProbeReadUserKernel, Helper::PROBE_READ_KERNEL.into()),
            (Feature::TaskBtf, Helper::GET_CURRENT_TASK_BTF.into()),
            (Feature::Fentry, AttachType::TraceFentry.into()),
            (Feature::RawTracepoint, ProgType::RawTracepoint.into()),
            (Feature::BtfLoad, Cmd::BtfLoad.into()),
            (Feature::MapFreeze, Cmd::MapFreeze.into()),
            (Feature::EnableStats, Cmd::EnableStats.into()),
            (Feature::Arena, MapType::Arena.into()),
        ] {
            assert_eq!(feature.since(), item.since(), "{feature}");
        }
    }

    #[test]
    fn names_of_features_are_unique() {
        for &f in Feature::ALL {
            assert_eq!(Feature::from_name(f.name()), Some(f));
        }
    }
}
