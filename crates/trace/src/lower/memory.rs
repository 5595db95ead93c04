//! Memory of the program: stack slots for what is small, scratch memory for what is not, and plain loads and stores.
//!
//! Temporaries live until their statement ends ([`Cx::mark`], [`Cx::release`]); their slots are used again. Scratch memory is one array map for
//! the whole script, of which each program has a part for each CPU. `Const 0` values stand for its start until the size is known.

use skep_abi::MapType;
use skep_codegen::ir::{BinOp, Inst, Size, Slot, Value};
use skep_object::{Map, MapRef};

use super::Cx;
use crate::types::Space;

/// Stack that the only function of a program uses at most for slots; the rest is left to spilled registers.
const STACK_BUDGET: u32 = 320;
/// The same of one of several that call each other: 512 bytes are for all of them together.
const SHARED_BUDGET: u32 = 128;
/// Small values (keys among them) that go on the stack even where `on_stack_limit` is lower.
const SMALL: u32 = 64;
/// Up to here memory is zeroed and copied by stores, above by one helper call.
pub(super) const INLINE_COPY: u32 = 256;

/// Somewhere in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) base: Base,
    pub(super) off: i64,
    pub(super) space: Space,
    /// Alignment of the base, in bytes.
    pub(super) align: u32,
}

/// What a place is counted from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Base {
    Slot(Slot),
    Value(Value),
}

impl Place {
    /// Where a pointer points.
    pub(super) fn at(ptr: Value, space: Space) -> Place {
        Place { base: Base::Value(ptr), off: 0, space, align: 8 }
    }

    /// A constant distance further.
    pub(super) fn plus(self, off: impl Into<i64>) -> Place {
        Place { off: self.off + off.into(), ..self }
    }

    /// Whether the program may load from it itself.
    pub(super) fn is_direct(self) -> bool {
        matches!(self.space, Space::Bpf | Space::Ctx)
    }

    /// The largest power of two, up to 8, that divides the address.
    pub(super) fn alignment(self) -> u32 {
        let off = if self.off == 0 { 8 } else { 1 << self.off.trailing_zeros().min(3) };
        off.min(self.align).max(1)
    }
}

/// A temporary in use.
pub(super) enum Temp {
    Slot(Slot, u32),
    Scratch(u32, u32),
}

/// Scratch memory of a program.
#[derive(Default)]
pub(super) struct Scratch {
    end: u32,
    free: Vec<(u32, u32)>,
}

impl Scratch {
    /// Offset of a piece, aligned to 8.
    pub(super) fn alloc(&mut self, size: u32) -> u32 {
        let size = size.next_multiple_of(8);
        let fit = (0..self.free.len())
            .filter(|&i| self.free[i].1 >= size && self.free[i].1 / 2 <= size)
            .min_by_key(|&i| self.free[i].1);
        if let Some(i) = fit {
            return self.free.swap_remove(i).0;
        }
        let at = self.end;
        self.end = self.end.saturating_add(size);
        at
    }

    /// Bytes used at most.
    pub(super) fn size(&self) -> u32 {
        self.end
    }
}

impl Cx<'_> {
    /// Memory until the statement ends; what is in it is not known.
    pub(super) fn alloc(&mut self, size: u32) -> Place {
        let size = size.max(1).next_multiple_of(8);
        if size <= self.config.on_stack_limit.max(SMALL)
            && let Some(slot) = self.slot(size)
        {
            self.f.temps.push(Temp::Slot(slot, size));
            return slot_place(slot);
        }
        let off = self.p.scratch.alloc(size);
        self.f.temps.push(Temp::Scratch(off, size));
        self.scratch_place(off)
    }

    /// Memory for the rest of the function.
    pub(super) fn alloc_for_good(&mut self, size: u32) -> Place {
        let place = self.alloc(size);
        self.f.temps.pop();
        place
    }

    /// Memory that every function of the program finds at the offset.
    pub(super) fn scratch_place(&mut self, off: u32) -> Place {
        let base = self.f.scratch;
        let handed = self.f.callback && self.p.claims;
        if !handed && !self.f.scratch_values.contains(&base) {
            self.f.scratch_values.push(base);
        }
        Place { base: Base::Value(base), off: off as i64, space: Space::Bpf, align: 8 }
    }

    fn slot(&mut self, size: u32) -> Option<Slot> {
        let fit = (0..self.f.free_slots.len())
            .filter(|&i| self.f.free_slots[i].1 >= size)
            .min_by_key(|&i| self.f.free_slots[i].1);
        if let Some(i) = fit {
            return Some(self.f.free_slots.swap_remove(i).0);
        }
        let budget = if self.p.map_loops { SHARED_BUDGET } else { STACK_BUDGET };
        if self.f.stack_used + size > budget {
            return None;
        }
        self.f.stack_used += size;
        Some(self.f.b.slot(size))
    }

    /// Remembers which temporaries are in use.
    pub(super) fn mark(&self) -> usize {
        self.f.temps.len()
    }

    /// Frees the temporaries taken since.
    pub(super) fn release(&mut self, mark: usize) {
        for temp in self.f.temps.drain(mark..) {
            match temp {
                Temp::Slot(slot, size) => self.f.free_slots.push((slot, size)),
                Temp::Scratch(off, size) => self.p.scratch.free.push((off, size)),
            }
        }
    }

    /// The map of scratch memory; its size is set as programs are finished.
    pub(super) fn scratch_map(&mut self) -> MapRef {
        if let Some(map) = self.scratch {
            return map;
        }
        let map = self.add_map(one_value("scratch", 8, 0));
        self.scratch = Some(map);
        map
    }

    /// So many zeroes that stay zero.
    pub(super) fn zeroes(&mut self, size: u32) -> Place {
        let map = self.zeroes_map(size);
        let ptr = self.f.b.inst(Inst::MapValueAddr(map, 0));
        Place::at(ptr, Space::Bpf)
    }

    /// The map of these zeroes.
    pub(super) fn zeroes_map(&mut self, size: u32) -> MapRef {
        let map = match self.zeros {
            Some(map) => map,
            None => self.add_map(one_value("zeros", 8, 0)),
        };
        self.zeros = Some(map);
        let value_size = &mut self.maps[map.0 as usize].value_size;
        *value_size = (*value_size).max(size.next_multiple_of(8));
        map
    }

    /// The address of a place.
    pub(super) fn addr(&mut self, p: Place) -> Value {
        match p.base {
            Base::Slot(slot) => self.f.b.inst(Inst::SlotAddr(slot, p.off as u32)),
            Base::Value(v) if p.off == 0 => v,
            Base::Value(v) => self.f.b.bin_imm(BinOp::Add, v, p.off),
        }
    }

    /// Base and offset as a load or store takes them.
    fn operand(&mut self, p: Place) -> (Value, i32) {
        match p.base {
            Base::Slot(slot) => (self.f.b.inst(Inst::SlotAddr(slot, 0)), p.off as i32),
            Base::Value(v) if i16::try_from(p.off).is_ok() => (v, p.off as i32),
            Base::Value(_) => (self.addr(p), 0),
        }
    }

    /// Loads 1 to 8 bytes, in pieces where the place is not aligned for them.
    pub(super) fn load(&mut self, p: Place, bytes: u32, signed: bool) -> Value {
        match size_of(bytes) {
            Some(size) if p.alignment() >= bytes => {
                let (ptr, off) = self.operand(p);
                self.f.b.inst(Inst::Load { size, signed, ptr, off })
            }
            _ => {
                let low_bytes = (bytes.next_power_of_two() / 2).max(1);
                let low = self.load(p, low_bytes, false);
                let high = self.load(p.plus(low_bytes), bytes - low_bytes, signed);
                let high = self.f.b.bin_imm(BinOp::Shl, high, low_bytes as i64 * 8);
                self.f.b.bin(BinOp::Or, high, low)
            }
        }
    }

    /// Loads 8 bytes.
    pub(super) fn load64(&mut self, p: Place) -> Value {
        self.load(p, 8, false)
    }

    /// Stores the low bytes of a value, in pieces where the place is not aligned for them.
    pub(super) fn store(&mut self, p: Place, bytes: u32, v: Value) {
        match size_of(bytes) {
            Some(size) if p.alignment() >= bytes => {
                let (ptr, off) = self.operand(p);
                self.f.b.store(size, ptr, off, v);
            }
            _ => {
                let low = (bytes.next_power_of_two() / 2).max(1);
                self.store(p, low, v);
                let high = self.f.b.bin_imm(BinOp::Lshr, v, low as i64 * 8);
                self.store(p.plus(low), bytes - low, high);
            }
        }
    }

    /// Stores 8 bytes.
    pub(super) fn store64(&mut self, p: Place, v: Value) {
        self.store(p, 8, v);
    }

    /// Stores known bytes, with as few stores as the alignment allows.
    pub(super) fn store_bytes(&mut self, p: Place, bytes: &[u8]) {
        let mut at = 0;
        for (off, n) in pieces(p.alignment_at(), p.off, bytes.len() as u32) {
            debug_assert_eq!(off, at);
            let mut word = [0; 8];
            word[..n as usize].copy_from_slice(&bytes[off as usize..(off + n) as usize]);
            let v = self.int(i64::from_le_bytes(word));
            self.store(p.plus(off), n, v);
            at += n;
        }
    }

    /// Zeroes memory of the program.
    pub(super) fn zero(&mut self, p: Place, size: u32) {
        if size > INLINE_COPY {
            let zeroes = self.zeroes(size);
            return self.copy(p, zeroes, size);
        }
        let zero = self.int(0);
        for (off, n) in pieces(p.alignment_at(), p.off, size) {
            self.store(p.plus(off), n, zero);
        }
    }

    /// Copies from memory of the program, or (in small pieces) the context, to memory of the program.
    pub(super) fn copy(&mut self, dst: Place, src: Place, size: u32) {
        if size > INLINE_COPY {
            return self.read_kernel(dst, src, size);
        }
        let align = dst.alignment_at().min(src.alignment_at()).min(shared(dst.off, src.off));
        for (off, n) in pieces(align, dst.off, size) {
            let v = self.load(src.plus(off), n, false);
            self.store(dst.plus(off), n, v);
        }
    }
}

impl Place {
    /// Alignment of the base.
    fn alignment_at(self) -> u32 {
        self.align.clamp(1, 8)
    }
}

/// Largest power of two up to 8 by which the offsets are equal.
fn shared(a: i64, b: i64) -> u32 {
    if a == b { 8 } else { 1 << (a ^ b).trailing_zeros().min(3) }
}

/// Cuts `size` bytes, which begin `start` after something aligned to `align`, into naturally aligned pieces: offset and length.
fn pieces(align: u32, start: i64, size: u32) -> impl Iterator<Item = (u32, u32)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        if at >= size {
            return None;
        }
        let mut n = align.min(8);
        while n > size - at || (start + at as i64) % n as i64 != 0 {
            n /= 2;
        }
        let piece = (at, n);
        at += n;
        Some(piece)
    })
}

/// An array map with one value, addressed directly.
pub(super) fn one_value(name: &str, value_size: u32, flags: u32) -> Map {
    Map {
        name: name.into(),
        kind: MapType::Array,
        key_size: 4,
        value_size,
        max_entries: 1,
        flags,
        initial: Vec::new(),
        btf_key: 0,
        btf_value: 0,
    }
}

fn slot_place(slot: Slot) -> Place {
    Place { base: Base::Slot(slot), off: 0, space: Space::Bpf, align: 8 }
}

fn size_of(bytes: u32) -> Option<Size> {
    match bytes {
        1 => Some(Size::B),
        2 => Some(Size::H),
        4 => Some(Size::W),
        8 => Some(Size::DW),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_as_wide_as_place_and_rest_allow() {
        for (align, start, size, expected) in [
            (8, 0, 16, vec![(0, 8), (8, 8)]),
            (8, 4, 12, vec![(0, 4), (4, 8)]),
            (8, 0, 7, vec![(0, 4), (4, 2), (6, 1)]),
            (2, 0, 5, vec![(0, 2), (2, 2), (4, 1)]),
            (8, 1, 3, vec![(0, 1), (1, 2)]),
            (8, 0, 0, vec![]),
        ] {
            assert_eq!(
                pieces(align, start, size).collect::<Vec<_>>(),
                expected,
                "{align} {start} {size}"
            );
        }
    }

    #[test]
    fn freed_scratch_memory_is_used_again() {
        let mut s = Scratch::default();
        let a = s.alloc(100);
        s.free.push((a, 104));
        assert_eq!(s.alloc(90), a);
        assert_ne!(s.alloc(90), a);
        assert_eq!(s.size(), 104 + 96);
    }
}
