//! Runs IR, with a small make-believe kernel behind its helpers: maps, events, a current task, two kinds of memory.

use std::collections::{BTreeMap, HashMap};

use skep_abi::{Helper, MapType};
use skep_codegen::ir::*;

/// Kernel memory, the program's own included, begins here; user memory there.
const KERNEL: u64 = 0xffff_8880_0000_0000;
const USER: u64 = 0x10000;
/// What stands for maps and functions.
const MAPS: u64 = 0x7f00_0000_0000;
const FUNCS: u64 = 0x7e00_0000_0000;
/// More instructions than any test needs.
const BUDGET: u64 = 5_000_000;

/// A map: the addresses of each key's values, one a CPU where it is per CPU.
pub(crate) struct MapState {
    kind: MapType,
    value_size: u32,
    max_entries: u32,
    pub(crate) values: BTreeMap<Vec<u8>, Vec<u64>>,
}

pub(crate) struct Machine<'a> {
    module: &'a Module,
    kernel: Vec<u8>,
    user: Vec<u8>,
    pub(crate) maps: Vec<MapState>,
    pub(crate) events: Vec<Vec<u8>>,
    pub(crate) event_flags: Vec<u64>,
    pub(crate) ring_full: bool,
    pub(crate) cpu: u64,
    pub(crate) now: u64,
    pub(crate) comm: [u8; 16],
    pub(crate) pid_tgid: u64,
    pub(crate) stack_id: i64,
    /// What the next calls give instead, the last one first.
    pub(crate) stack_ids: Vec<i64>,
    budget: u64,
}

const CPUS: usize = 2;

impl<'a> Machine<'a> {
    pub(crate) fn new(module: &'a Module) -> Machine<'a> {
        let mut m = Machine {
            module,
            kernel: Vec::new(),
            user: Vec::new(),
            maps: Vec::new(),
            events: Vec::new(),
            event_flags: Vec::new(),
            ring_full: false,
            cpu: 0,
            now: 1_000_000,
            comm: *b"bash\0\0\0\0\0\0\0\0\0\0\0\0",
            pid_tgid: 42 << 32 | 43,
            stack_id: 77,
            stack_ids: Vec::new(),
            budget: BUDGET,
        };
        for map in &module.maps {
            m.maps.push(MapState {
                kind: map.kind,
                value_size: map.value_size,
                max_entries: map.max_entries,
                values: BTreeMap::new(),
            });
            if matches!(map.kind, MapType::Array | MapType::PercpuArray) {
                for i in 0..map.max_entries {
                    m.insert(m.maps.len() - 1, i.to_le_bytes().to_vec());
                }
            }
        }
        m
    }

    fn insert(&mut self, map: usize, key: Vec<u8>) {
        let cpus = if self.maps[map].kind.is_percpu() { CPUS } else { 1 };
        let size = self.maps[map].value_size as usize;
        let values = (0..cpus).map(|_| self.alloc(&vec![0; size])).collect();
        self.maps[map].values.insert(key, values);
    }

    /// Bytes in kernel memory.
    pub(crate) fn alloc(&mut self, bytes: &[u8]) -> u64 {
        let at = self.kernel.len().next_multiple_of(8);
        self.kernel.resize(at, 0xee);
        self.kernel.extend_from_slice(bytes);
        KERNEL + at as u64
    }

    /// Bytes in user memory.
    pub(crate) fn user(&mut self, bytes: &[u8]) -> u64 {
        let at = self.user.len();
        self.user.extend_from_slice(bytes);
        USER + at as u64
    }

    /// The value of a key, as this CPU (or the only one) has it.
    pub(crate) fn value(&self, map: usize, key: &[u8], cpu: usize) -> Option<&[u8]> {
        let m = &self.maps[map];
        let at = (*m.values.get(key)?.get(cpu)? - KERNEL) as usize;
        Some(&self.kernel[at..at + m.value_size as usize])
    }

    /// The first word of the value of a map without keys.
    pub(crate) fn word(&self, map: usize) -> i64 {
        let v = self.value(map, &[0; 4], 0).unwrap();
        let mut bytes = [0; 8];
        bytes[..v.len().min(8)].copy_from_slice(&v[..v.len().min(8)]);
        i64::from_le_bytes(bytes)
    }

    /// Puts an element in as user space would; all CPUs get the value.
    pub(crate) fn put(&mut self, map: usize, key: &[u8], value: &[u8]) {
        self.insert(map, key.to_vec());
        for at in self.maps[map].values[key].clone() {
            self.write(at, value);
        }
    }

    fn index(&self, address: u64, n: u64) -> (bool, usize) {
        let (kernel, start, len) = if address >= KERNEL {
            (true, KERNEL, self.kernel.len() as u64)
        } else {
            (false, USER, self.user.len() as u64)
        };
        let at = address.wrapping_sub(start);
        assert!(at <= len && n <= len - at, "access to {address:#x}, {n} bytes");
        (kernel, at as usize)
    }

    fn bytes(&self, address: u64, n: u64) -> &[u8] {
        let (kernel, at) = self.index(address, n);
        let memory = if kernel { &self.kernel } else { &self.user };
        &memory[at..at + n as usize]
    }

    fn write(&mut self, address: u64, bytes: &[u8]) {
        let (kernel, at) = self.index(address, bytes.len() as u64);
        assert!(kernel, "a program writes to user memory");
        self.kernel[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn load(&self, address: u64, n: u64, signed: bool) -> u64 {
        assert!(address >= KERNEL, "a program loads from user memory");
        let mut word = [0; 8];
        word[..n as usize].copy_from_slice(self.bytes(address, n));
        extend(u64::from_le_bytes(word), n as u32 * 8, signed)
    }

    /// Runs the program with the context; gives what it returns.
    pub(crate) fn run(&mut self, ctx: &[u8]) -> u64 {
        let ctx = self.alloc(ctx);
        self.budget = BUDGET;
        self.function(0, &[ctx])
    }

    fn function(&mut self, n: usize, args: &[u64]) -> u64 {
        let module = self.module;
        let func = &module.programs[0].funcs[n];
        let slots: Vec<u64> =
            func.slots.iter().map(|s| self.alloc(&vec![0xcc; s.size as usize])).collect();
        let mut values: HashMap<Value, u64> = HashMap::new();
        let mut block = &func.blocks[0];
        values.extend(block.params.iter().copied().zip(args.iter().copied()));
        loop {
            for data in &block.insts {
                self.budget -= 1;
                let r = self.inst(&data.inst, &values, &slots);
                if let Some(v) = data.result {
                    values.insert(v, r);
                }
            }
            self.budget -= 1;
            let edge =
                match &block.term {
                    Term::Ret(v) => return values[v],
                    Term::Jump(edge) | Term::MayGoto { body: edge, .. } => edge,
                    Term::Branch { cond, a, b, then, els } => {
                        if holds(*cond, values[a], values[b]) { then } else { els }
                    }
                    Term::None => panic!("a block without end"),
                };
            let args: Vec<u64> = edge.args.iter().map(|v| values[v]).collect();
            block = &func.blocks[edge.block.0 as usize];
            values.extend(block.params.iter().copied().zip(args));
        }
    }

    fn inst(&mut self, inst: &Inst, values: &HashMap<Value, u64>, slots: &[u64]) -> u64 {
        let v = |x: &Value| values[x];
        match inst {
            Inst::Const(c) => *c as u64,
            Inst::Bin(op, a, b) => arith(*op, v(a), v(b)),
            Inst::Neg(a) => v(a).wrapping_neg(),
            Inst::Ext { signed, bits, arg } => extend(v(arg), *bits as u32, *signed),
            Inst::Bswap { bits, arg } => v(arg).swap_bytes() >> (64 - bits),
            Inst::Icmp(cond, a, b) => holds(*cond, v(a), v(b)) as u64,
            Inst::Load { size, signed, ptr, off } => {
                self.load(v(ptr).wrapping_add(*off as u64), bytes_of(*size), *signed)
            }
            Inst::Store { size, ptr, off, val } => {
                let bytes = v(val).to_le_bytes();
                let at = v(ptr).wrapping_add(*off as u64);
                self.write(at, &bytes[..bytes_of(*size) as usize]);
                0
            }
            Inst::Atomic { op, size, ptr, off, val } => {
                let (at, n) = (v(ptr).wrapping_add(*off as u64), bytes_of(*size));
                let old = self.load(at, n, false);
                let new = match op {
                    AtomicOp::Add | AtomicOp::FetchAdd => old.wrapping_add(v(val)),
                    AtomicOp::Xchg => v(val),
                    other => panic!("{other:?}"),
                };
                self.write(at, &new.to_le_bytes()[..n as usize]);
                old
            }
            Inst::Call(Callee::Helper(n), args) => {
                let args: Vec<u64> = args.iter().map(v).collect();
                self.helper(Helper::from_raw(*n).unwrap(), &args)
            }
            Inst::Call(callee, _) => panic!("call of {callee:?}"),
            Inst::MapAddr(map) => MAPS + map.0 as u64,
            Inst::MapValueAddr(map, off) => {
                self.maps[map.0 as usize].values[&[0u8; 4][..]][0] + *off as u64
            }
            Inst::FuncAddr(f) => FUNCS + f.0 as u64,
            Inst::SlotAddr(slot, off) => slots[slot.0 as usize] + *off as u64,
        }
    }

    fn helper(&mut self, helper: Helper, a: &[u64]) -> u64 {
        match helper {
            Helper::MAP_LOOKUP_ELEM => self.lookup(a[0], a[1], self.cpu),
            Helper::MAP_LOOKUP_PERCPU_ELEM => self.lookup(a[0], a[1], a[2]),
            Helper::MAP_UPDATE_ELEM => self.update(a) as u64,
            Helper::MAP_DELETE_ELEM => {
                let map = (a[0] - MAPS) as usize;
                let key = self.key(map, a[1]);
                if self.maps[map].values.remove(&key).is_some() { 0 } else { -2i64 as u64 }
            }
            Helper::FOR_EACH_MAP_ELEM => self.for_each(a),
            Helper::PROBE_READ_KERNEL | Helper::PROBE_READ_USER => {
                self.read(a, helper == Helper::PROBE_READ_USER)
            }
            Helper::PROBE_READ_KERNEL_STR | Helper::PROBE_READ_USER_STR => {
                self.read_str(a, helper == Helper::PROBE_READ_USER_STR) as u64
            }
            Helper::GET_CURRENT_COMM => {
                let comm = self.comm;
                self.write(a[0], &comm[..a[1] as usize]);
                0
            }
            Helper::GET_CURRENT_PID_TGID => self.pid_tgid,
            Helper::GET_SMP_PROCESSOR_ID => self.cpu,
            Helper::KTIME_GET_BOOT_NS => self.now,
            Helper::GET_STACKID => self.stack_ids.pop().unwrap_or(self.stack_id) as u64,
            Helper::RINGBUF_OUTPUT if self.ring_full => -11i64 as u64,
            Helper::RINGBUF_OUTPUT => {
                let record = self.bytes(a[1], a[2]).to_vec();
                self.events.push(record);
                self.event_flags.push(a[3]);
                0
            }
            other => panic!("{other:?} is not made believe"),
        }
    }

    fn key(&self, map: usize, at: u64) -> Vec<u8> {
        self.bytes(at, self.module.maps[map].key_size as u64).to_vec()
    }

    fn lookup(&mut self, map: u64, key: u64, cpu: u64) -> u64 {
        let map = (map - MAPS) as usize;
        let cpu = if self.maps[map].kind.is_percpu() { cpu as usize } else { 0 };
        match self.maps[map].values.get(&self.key(map, key)) {
            Some(values) => values.get(cpu).copied().unwrap_or(0),
            None => 0,
        }
    }

    fn update(&mut self, a: &[u64]) -> i64 {
        let map = (a[0] - MAPS) as usize;
        let key = self.key(map, a[1]);
        let value = self.bytes(a[2], self.maps[map].value_size as u64).to_vec();
        if !self.maps[map].values.contains_key(&key) {
            if self.maps[map].values.len() >= self.maps[map].max_entries as usize {
                return -7;
            }
            self.insert(map, key.clone());
        } else if a[3] == 1 {
            return -17;
        }
        let cpu = if self.maps[map].kind.is_percpu() { self.cpu as usize } else { 0 };
        self.write(self.maps[map].values[&key][cpu], &value);
        0
    }

    fn for_each(&mut self, a: &[u64]) -> u64 {
        let map = (a[0] - MAPS) as usize;
        let keys: Vec<_> = self.maps[map].values.keys().cloned().collect();
        let mut count = 0;
        for key in keys {
            count += 1;
            let at = self.alloc(&key);
            let value = self.lookup(a[0], at, self.cpu);
            if self.function((a[1] - FUNCS) as usize, &[a[0], at, value, a[2]]) != 0 {
                break;
            }
        }
        count
    }

    /// Whether an address can be read the way it is.
    fn readable(&self, address: u64, user: bool) -> u64 {
        let (start, len) = if user { (USER, self.user.len()) } else { (KERNEL, self.kernel.len()) };
        let inside = address >= start;
        if inside { (start + len as u64).saturating_sub(address) } else { 0 }
    }

    fn read(&mut self, a: &[u64], user: bool) -> u64 {
        let ok = (a[2] >= KERNEL) != user && self.readable(a[2], user) >= a[1];
        let bytes = if ok { self.bytes(a[2], a[1]).to_vec() } else { vec![0; a[1] as usize] };
        self.write(a[0], &bytes);
        if ok { 0 } else { -14i64 as u64 }
    }

    fn read_str(&mut self, a: &[u64], user: bool) -> i64 {
        if a[1] == 0 {
            return 0;
        }
        let there = if (a[2] >= KERNEL) != user { self.readable(a[2], user) } else { 0 };
        let bytes = self.bytes(a[2].max(USER), there.min(a[1])).to_vec();
        let end = bytes.iter().position(|&b| b == 0);
        let n = match end {
            Some(end) => end,
            None if bytes.len() as u64 == a[1] => bytes.len() - 1,
            None => {
                self.write(a[0], &vec![0; a[1] as usize]);
                return -14;
            }
        };
        let mut out = bytes[..n].to_vec();
        out.push(0);
        self.write(a[0], &out);
        out.len() as i64
    }
}

fn bytes_of(size: Size) -> u64 {
    match size {
        Size::B => 1,
        Size::H => 2,
        Size::W => 4,
        Size::DW => 8,
    }
}

fn extend(v: u64, bits: u32, signed: bool) -> u64 {
    let up = 64 - bits;
    if signed { ((v << up) as i64 >> up) as u64 } else { v << up >> up }
}

fn arith(op: BinOp, a: u64, b: u64) -> u64 {
    let (x, y) = (a as i64, b as i64);
    match op {
        BinOp::Add => a.wrapping_add(b),
        BinOp::Sub => a.wrapping_sub(b),
        BinOp::Mul => a.wrapping_mul(b),
        BinOp::Udiv => a.checked_div(b).unwrap_or(0),
        BinOp::Urem => a.checked_rem(b).unwrap_or(a),
        BinOp::Sdiv if y == 0 => 0,
        BinOp::Sdiv => x.wrapping_div(y) as u64,
        BinOp::Srem if y == 0 => a,
        BinOp::Srem => x.wrapping_rem(y) as u64,
        BinOp::And => a & b,
        BinOp::Or => a | b,
        BinOp::Xor => a ^ b,
        BinOp::Shl => a << (b & 63),
        BinOp::Lshr => a >> (b & 63),
        BinOp::Ashr => (x >> (b & 63)) as u64,
    }
}

fn holds(cond: Cond, a: u64, b: u64) -> bool {
    let (x, y) = (a as i64, b as i64);
    match cond {
        Cond::Eq => a == b,
        Cond::Ne => a != b,
        Cond::Ult => a < b,
        Cond::Ule => a <= b,
        Cond::Ugt => a > b,
        Cond::Uge => a >= b,
        Cond::Slt => x < y,
        Cond::Sle => x <= y,
        Cond::Sgt => x > y,
        Cond::Sge => x >= y,
        Cond::Test => a & b != 0,
    }
}
