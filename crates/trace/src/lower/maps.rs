//! The script's maps: what kind each becomes, keys in memory, plain elements read and written.

use skep_abi::flags::{BPF_ANY, BPF_F_MMAPABLE, BPF_F_NO_PREALLOC, BPF_NOEXIST};
use skep_abi::{Feature, Helper, MapType, Target};
use skep_codegen::ir::{AtomicOp, Cond, Inst, Size, Value};
use skep_object::{Map, MapRef};

use super::Cx;
use super::memory::{Place, one_value};
use crate::hir::{Expr, MapId};
use crate::plan::{MapInfo, Plan};
use crate::types::{Agg, Space, Type, Types};

/// Elements of hash tables are allocated beforehand up to this number; above, memory and start-up time matter more.
const PREALLOC: u32 = 16 * 1024;
/// Of larger values fewer are allocated beforehand.
const PREALLOC_VALUE: u32 = 64;
/// The same for tables of per-CPU values. Those that are not there beforehand are allocated by a kernel worker, which a burst of new keys
/// outruns: of 4,096 keys made in one loop, half found no memory (Linux 6.18). Beforehand they cost half a microsecond each.
const PREALLOC_PERCPU: u32 = 128 * 1024;
/// Buckets of a histogram that a key is reckoned to fill.
const BUCKETS_A_KEY: u32 = 16;

/// Makes the script's maps.
pub(super) fn create_all(plan: &mut Plan, target: &Target, maps: &mut Vec<Map>) {
    let Plan { types, maps: infos, .. } = plan;
    for info in infos {
        info.map = Some(MapRef(maps.len() as u32));
        maps.push(create(info, types, target));
    }
}

fn create(info: &MapInfo, types: &Types, target: &Target) -> Map {
    let agg = info.agg();
    let value_size = types.size(&info.value).max(1);
    let mut map = one_value(info.name.trim_start_matches('@'), value_size, 0);
    if map.name.is_empty() {
        map.name = "anonymous".into();
    }
    if info.is_array() {
        match agg {
            Some(agg) => {
                map.kind = MapType::PercpuArray;
                map.max_entries = agg.buckets().unwrap_or(1);
            }
            None if target.has(Feature::MmapableArray) => map.flags = BPF_F_MMAPABLE,
            None => {}
        }
        return map;
    }
    map.key_size = info.key_size(types);
    map.max_entries = info.max_entries.max(1);
    if let Some(agg) = agg.filter(|a| a.is_multi()) {
        map.key_size = map.key_size.next_multiple_of(8) + 8;
        let each = agg.buckets().unwrap_or(1).min(BUCKETS_A_KEY);
        map.max_entries = map.max_entries.saturating_mul(each);
    }
    map.kind = hash_kind(info.declared, agg.is_some());
    // LRU tables must be allocated beforehand.
    let lru = matches!(map.kind, MapType::LruHash | MapType::LruPercpuHash);
    let most = if map.kind.is_percpu() && map.max_entries == info.max_entries {
        PREALLOC_PERCPU
    } else {
        PREALLOC
    };
    let small = map.max_entries <= most && value_size <= PREALLOC_VALUE;
    if !lru && !small {
        map.flags = BPF_F_NO_PREALLOC;
    }
    map
}

/// Aggregations are always per CPU, so that an update needs no lock.
fn hash_kind(declared: Option<MapType>, agg: bool) -> MapType {
    match (declared, agg) {
        (Some(MapType::LruHash | MapType::LruPercpuHash), true) => MapType::LruPercpuHash,
        (_, true) => MapType::PercpuHash,
        (Some(kind @ (MapType::LruHash | MapType::LruPercpuHash | MapType::PercpuHash)), _) => kind,
        _ => MapType::Hash,
    }
}

impl<'a> Cx<'a> {
    pub(super) fn info(&self, map: MapId) -> &'a MapInfo {
        &self.infos[map.0 as usize]
    }

    fn map_ref(&self, map: MapId) -> MapRef {
        self.info(map).map.unwrap_or(MapRef(map.0))
    }

    /// The map as helpers take it.
    pub(super) fn map_addr(&mut self, map: MapId) -> Value {
        let map = self.map_ref(map);
        self.f.b.inst(Inst::MapAddr(map))
    }

    /// The key of an element in memory, padding zero. With a bucket number for aggregations that have them.
    pub(super) fn key(&mut self, map: MapId, keys: &[Expr], bucket: Option<Value>) -> Place {
        let info = self.info(map);
        if info.is_array() {
            let slot = self.alloc(4);
            let index = match bucket {
                Some(bucket) => bucket,
                None => self.int(0),
            };
            self.store(slot, 4, index);
            return slot;
        }
        let (offsets, size) = self.types.key_layout(&info.keys);
        let at = size.next_multiple_of(8);
        let slot = self.alloc(if bucket.is_some() { at + 8 } else { size });
        self.fields_into(slot, &info.keys, &offsets, size, keys);
        if let Some(bucket) = bucket {
            self.zero(slot.plus(size), at - size);
            self.store64(slot.plus(at), bucket);
        }
        slot
    }

    /// Fields one after the other, the gaps between them zero.
    pub(super) fn fields_into(
        &mut self,
        dst: Place,
        types: &[Type],
        offsets: &[u32],
        size: u32,
        exprs: &[Expr],
    ) {
        let mut end = 0;
        for ((ty, &off), e) in types.iter().zip(offsets).zip(exprs) {
            self.zero(dst.plus(end), off - end);
            self.into(e, dst.plus(off), ty);
            end = off + self.types.size(ty);
        }
        self.zero(dst.plus(end), size - end);
    }

    /// The address of the element, or 0.
    pub(super) fn lookup(&mut self, map: MapId, key: Place) -> Value {
        let (map, key) = (self.map_addr(map), self.addr(key));
        self.call(Helper::MAP_LOOKUP_ELEM, &[map, key])
    }

    /// Writes an element; 0 or a negative error.
    fn update(&mut self, map: MapId, key: Place, value: Place, flags: u64) -> Value {
        let (map, key, value) = (self.map_addr(map), self.addr(key), self.addr(value));
        let flags = self.int(flags as i64);
        self.call(Helper::MAP_UPDATE_ELEM, &[map, key, value, flags])
    }

    /// Runs `f` with the address of the element, which is made of zeroes if it is not there. Counts it if there is no room.
    ///
    /// Looking it up again after the insertion covers the case that another CPU has inserted it meanwhile.
    pub(super) fn with_elem(&mut self, map: MapId, key: Place, f: impl FnOnce(&mut Self, Place)) {
        let found = self.f.b.block();
        let ptr = self.f.b.block_param(found);
        let (hit, miss, full, done) =
            (self.f.b.block(), self.f.b.block(), self.f.b.block(), self.f.b.block());
        let first = self.lookup(map, key);
        let array = self.info(map).is_array();
        self.f.b.branch_nonzero(first, hit, if array { done } else { miss });
        self.f.b.switch_to(hit);
        self.jump_with(found, vec![first]);
        if !array {
            self.f.b.switch_to(miss);
            let zeroes = self.initial(map);
            self.update(map, key, zeroes, BPF_NOEXIST);
            let second = self.lookup(map, key);
            let again = self.f.b.block();
            self.f.b.branch_nonzero(second, again, full);
            self.f.b.switch_to(again);
            self.jump_with(found, vec![second]);
            self.f.b.switch_to(full);
            self.count_full(map);
            self.f.b.jump(done);
        }
        self.f.b.switch_to(found);
        f(self, Place::at(ptr, Space::Bpf));
        self.f.b.jump(done);
        self.f.b.switch_to(done);
    }

    /// A value of zeroes, to insert.
    fn initial(&mut self, map: MapId) -> Place {
        let size = self.types.size(&self.info(map).value).max(1);
        if size > 32 {
            return self.zeroes(size);
        }
        let slot = self.alloc(size);
        self.zero(slot, size.next_multiple_of(8));
        slot
    }

    /// Where the value of a map without keys lies; only plain ones have one address.
    fn single(&mut self, map: MapId) -> Option<Place> {
        let info = self.info(map);
        if !info.is_array() || info.agg().is_some() {
            return None;
        }
        let map = self.map_ref(map);
        let ptr = self.f.b.inst(Inst::MapValueAddr(map, 0));
        Some(Place::at(ptr, Space::Bpf))
    }

    /// `@x[key] = value`
    pub(super) fn set_elem(&mut self, map: MapId, keys: &[Expr], value: &Expr) {
        let ty = &self.info(map).value;
        if let Some(place) = self.single(map) {
            self.into(value, place, ty);
            return self.note_set(map);
        }
        let size = self.types.size(ty).max(1);
        let slot = self.alloc(size);
        self.into(value, slot, ty);
        let key = self.key(map, keys, None);
        let r = self.update(map, key, slot, BPF_ANY);
        self.aside(r, false, |cx| cx.count_full(map));
    }

    /// A plain element, read. Not there: zeroes.
    pub(super) fn elem_place(&mut self, map: MapId, keys: &[Expr]) -> Place {
        if let Some(place) = self.single(map) {
            return place;
        }
        let size = self.types.size(&self.info(map).value).max(1);
        let key = self.key(map, keys, None);
        let ptr = self.lookup(map, key);
        let (hit, miss) = (self.f.b.block(), self.f.b.block());
        self.f.b.branch_nonzero(ptr, hit, miss);
        let found = self.either(
            (hit, |_| Some(ptr)),
            (miss, |cx| {
                let zeroes = cx.zeroes(size);
                Some(cx.addr(zeroes))
            }),
        );
        Place::at(found.unwrap_or(ptr), Space::Bpf)
    }

    /// A plain scalar element, read. Not there: 0.
    pub(super) fn elem_scalar(&mut self, map: MapId, keys: &[Expr]) -> Value {
        let ty = &self.info(map).value;
        if let Some(place) = self.single(map) {
            return self.scalar_at(place, ty);
        }
        let key = self.key(map, keys, None);
        let ptr = self.lookup(map, key);
        let (hit, miss) = (self.f.b.block(), self.f.b.block());
        self.f.b.branch_nonzero(ptr, hit, miss);
        let v = self.either(
            (hit, |cx| Some(cx.scalar_at(Place::at(ptr, Space::Bpf), ty))),
            (miss, |cx| Some(cx.int(0))),
        );
        v.unwrap_or(ptr)
    }

    /// `@x[key]++` and its kin. The value is computed only if it is `used`.
    pub(super) fn add_elem(
        &mut self,
        map: MapId,
        keys: &[Expr],
        delta: i64,
        post: bool,
        used: bool,
    ) -> Value {
        let ty = &self.info(map).value;
        if let Some(place) = self.single(map) {
            self.note_set(map);
            return self.add_at(place, ty, delta, post, used);
        }
        let key = self.key(map, keys, None);
        let result = if used { Some(self.alloc(8)) } else { None };
        if let Some(slot) = result {
            let zero = self.int(0);
            self.store64(slot, zero);
        }
        self.with_elem(map, key, |cx, place| {
            let v = cx.add_at(place, ty, delta, post, used);
            if let Some(slot) = result {
                cx.store64(slot, v);
            }
        });
        match result {
            Some(slot) => self.load64(slot),
            None => self.int(0),
        }
    }

    fn add_at(&mut self, place: Place, ty: &Type, delta: i64, post: bool, used: bool) -> Value {
        let bytes = self.types.size(ty);
        let d = self.int(delta);
        let fetch = used && self.target.has(Feature::AtomicFetch);
        let size = match bytes {
            4 => Size::W,
            8 => Size::DW,
            _ => return self.add_plainly(place, ty, delta, post),
        };
        let ptr = self.addr(place);
        let op = if fetch { AtomicOp::FetchAdd } else { AtomicOp::Add };
        let inst = Inst::Atomic { op, size, ptr, off: 0, val: d };
        if fetch {
            let old = self.f.b.inst(inst);
            let old = self.extend(old, ty);
            return if post { old } else { self.add_const(old, delta, ty) };
        }
        self.f.b.effect(inst);
        if !used {
            return d;
        }
        let new = self.scalar_at(place, ty);
        if post { self.add_const(new, delta.wrapping_neg(), ty) } else { new }
    }

    /// Without atomicity, for widths that have none.
    fn add_plainly(&mut self, place: Place, ty: &Type, delta: i64, post: bool) -> Value {
        let old = self.scalar_at(place, ty);
        let new = self.add_const(old, delta, ty);
        self.store(place, self.types.size(ty), new);
        if post { old } else { new }
    }

    /// Removes an element; 1 if it was there.
    pub(super) fn delete_elem(&mut self, map: MapId, keys: &[Expr]) -> Value {
        let info = self.info(map);
        if info.is_array() {
            return self.reset_array(map);
        }
        match info.agg().filter(|a| a.is_multi()).and_then(Agg::buckets) {
            None => {
                let key = self.key(map, keys, None);
                self.delete_key(map, key)
            }
            Some(buckets) => self.any_bucket(map, keys, buckets, Self::delete_key),
        }
    }

    fn delete_key(&mut self, map: MapId, key: Place) -> Value {
        let (map, key) = (self.map_addr(map), self.addr(key));
        let r = self.call(Helper::MAP_DELETE_ELEM, &[map, key]);
        let zero = self.int(0);
        self.f.b.icmp(Cond::Eq, r, zero)
    }

    /// Whether an element is there.
    pub(super) fn has_elem(&mut self, map: MapId, keys: &[Expr]) -> Value {
        let info = self.info(map);
        if info.is_array() {
            return self.int(1);
        }
        match info.agg().filter(|a| a.is_multi()).and_then(Agg::buckets) {
            None => {
                let key = self.key(map, keys, None);
                self.has_key(map, key)
            }
            Some(buckets) => self.any_bucket(map, keys, buckets, Self::has_key),
        }
    }

    fn has_key(&mut self, map: MapId, key: Place) -> Value {
        let ptr = self.lookup(map, key);
        let zero = self.int(0);
        self.f.b.icmp(Cond::Ne, ptr, zero)
    }

    /// Runs `f` for the key with each bucket number; 1 if it ever gave 1.
    fn any_bucket(
        &mut self,
        map: MapId,
        keys: &[Expr],
        buckets: u32,
        f: fn(&mut Self, MapId, Place) -> Value,
    ) -> Value {
        let zero = self.int(0);
        let key = self.key(map, keys, Some(zero));
        let at = self.info(map).key_size(self.types).next_multiple_of(8);
        self.fold(buckets, &[zero], |cx, i, acc| {
            cx.store64(key.plus(at), i);
            let r = f(cx, map, key);
            vec![cx.f.b.bin(skep_codegen::ir::BinOp::Or, acc[0], r)]
        })[0]
    }

    /// Zeroes every value of a map that is an array.
    fn reset_array(&mut self, map: MapId) -> Value {
        if let Some(word) = self.set_word(map) {
            let zero = self.int(0);
            self.store64(word, zero);
        }
        if let Some(place) = self.single(map) {
            let size = self.types.size(&self.info(map).value);
            self.zero(place, size);
            return self.int(1);
        }
        let entries = self.maps[self.map_ref(map).0 as usize].max_entries;
        let size = self.types.size(&self.info(map).value);
        let key = self.alloc(4);
        self.fold(entries, &[], |cx, i, _| {
            cx.store(key, 4, i);
            cx.each_cpu(map, key, |cx, place| cx.zero(place, size));
            vec![]
        });
        self.int(1)
    }

    /// Runs `f` with each CPU's value of an element (only with this CPU's where the target cannot reach the others).
    pub(super) fn each_cpu(&mut self, map: MapId, key: Place, f: impl FnOnce(&mut Self, Place)) {
        self.fold_cpus(map, key, &[], |cx, place, _| {
            f(cx, place);
            vec![]
        });
    }

    /// Accumulates over each CPU's value of an element.
    pub(super) fn fold_cpus(
        &mut self,
        map: MapId,
        key: Place,
        start: &[Value],
        f: impl FnOnce(&mut Self, Place, &[Value]) -> Vec<Value>,
    ) -> Vec<Value> {
        let others = self.target.has(Helper::MAP_LOOKUP_PERCPU_ELEM);
        let cpus = if others { self.cpus } else { 1 };
        self.fold(cpus, start, |cx, cpu, acc| {
            let (m, k) = (cx.map_addr(map), cx.addr(key));
            let ptr = if others {
                cx.call(Helper::MAP_LOOKUP_PERCPU_ELEM, &[m, k, cpu])
            } else {
                cx.call(Helper::MAP_LOOKUP_ELEM, &[m, k])
            };
            let (hit, next) = (cx.f.b.block(), cx.f.b.block());
            let out: Vec<Value> = acc.iter().map(|_| cx.f.b.block_param(next)).collect();
            let miss = cx.f.b.block();
            cx.f.b.branch_nonzero(ptr, hit, miss);
            cx.f.b.switch_to(miss);
            cx.jump_with(next, acc.to_vec());
            cx.f.b.switch_to(hit);
            let new = f(cx, Place::at(ptr, Space::Bpf), acc);
            cx.jump_with(next, new);
            cx.f.b.switch_to(next);
            out
        })
    }
}
