//! The maps of the run-time system: global words, events, pids seen.

use skep_abi::flags::{BPF_F_MMAPABLE, BPF_F_NO_PREALLOC};
use skep_abi::{Feature, MapType};
use skep_codegen::ir::{AtomicOp, Inst, Size};
use skep_object::{Map, MapRef};

use super::Cx;
use super::memory::{Place, one_value};
use crate::hir::MapId;
use crate::plan::globals;
use crate::types::Space;

const PAGE: u64 = 4096;

impl Cx<'_> {
    /// The map of global words.
    pub(super) fn globals_map(&mut self) -> MapRef {
        match self.system.globals {
            Some(map) => map,
            None => {
                let words = globals::MAP_FULL + 2 * self.infos.len() as u32;
                let mapped = self.target.has(Feature::MmapableArray);
                let flags = if mapped { BPF_F_MMAPABLE } else { 0 };
                let map = self.add_map(one_value("globals", words * 8, flags));
                *self.system.globals.insert(map)
            }
        }
    }

    /// A global word.
    pub(super) fn global(&mut self, word: u32) -> Place {
        let map = self.globals_map();
        let ptr = self.f.b.inst(Inst::MapValueAddr(map, word * 8));
        Place::at(ptr, Space::Bpf)
    }

    /// Adds one to a global word.
    pub(super) fn count(&mut self, word: u32) {
        let at = self.global(word);
        let ptr = self.addr(at);
        let val = self.int(1);
        self.f.b.effect(Inst::Atomic { op: AtomicOp::Add, size: Size::DW, ptr, off: 0, val });
    }

    /// Notes that an element found no room.
    pub(super) fn count_full(&mut self, map: MapId) {
        self.count(globals::MAP_FULL + map.0);
    }

    /// The word that says whether a map has been set; only a map that is an array has one.
    pub(super) fn set_word(&mut self, map: MapId) -> Option<Place> {
        let word = globals::map_set(self.infos.len(), map);
        self.info(map).is_array().then(|| self.global(word))
    }

    /// Notes that a map has been set, if its being there does not say so. Written only once: the word is one that all CPUs read.
    pub(super) fn note_set(&mut self, map: MapId) {
        if let Some(word) = self.set_word(map) {
            let is_set = self.load64(word);
            self.aside(is_set, true, |cx| {
                let one = cx.int(1);
                cx.store64(word, one);
            });
        }
    }

    /// Whether events go through the ring buffer.
    pub(super) fn has_ring(&self) -> bool {
        self.target.has(Feature::Ringbuf)
    }

    /// The map that events are sent to.
    pub(super) fn events(&mut self) -> MapRef {
        if let Some(map) = self.system.events {
            return map;
        }
        let map = if self.has_ring() {
            let pages = self.config.perf_rb_pages as u64 * self.cpus as u64 * PAGE;
            let bytes = match pages {
                0 => self.ring_bytes,
                _ => pages.next_power_of_two(),
            };
            let max_entries = bytes.clamp(PAGE, 1 << 30) as u32;
            Map { kind: MapType::Ringbuf, key_size: 0, max_entries, ..one_value("events", 0, 0) }
        } else {
            Map { kind: MapType::PerfEventArray, max_entries: 0, ..one_value("events", 4, 0) }
        };
        let map = self.add_map(map);
        *self.system.events.insert(map)
    }

    /// The map of pids whose memory map user space has been told to look at.
    pub(super) fn seen_pids(&mut self) -> MapRef {
        if let Some(map) = self.system.seen_pids {
            return map;
        }
        let map = Map {
            kind: MapType::Hash,
            max_entries: 32768,
            ..one_value("seen_pids", 4, BPF_F_NO_PREALLOC)
        };
        let map = self.add_map(map);
        *self.system.seen_pids.insert(map)
    }
}
