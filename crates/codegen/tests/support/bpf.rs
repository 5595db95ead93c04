//! Interpreter of emitted instructions.

use skep_isa::{AtomicOp, Insn, op::*};
use skep_object::{Object, RelocTarget};

use super::{FUEL, MAP_BASE, MAP_SIZE, Outcome, atomic, extend, helper_args, helper_result};

/// Distance of frames; each is 512 bytes long and ends at its frame pointer.
const FRAME: u64 = 0x1000;

struct Run<'a> {
    insns: &'a [Insn],
    map_values: Vec<Option<u32>>,
    out: Outcome,
    stacks: Vec<Vec<u8>>,
    fuel: u32,
}

/// Runs the first program of an object.
pub fn run(object: &Object, ctx: u64) -> Option<Outcome> {
    let program = &object.programs[0];
    let mut map_values = vec![None; program.insns.len()];
    for r in &program.relocs {
        if let RelocTarget::MapValue(_, off) = r.target {
            map_values[r.insn as usize] = Some(off);
        }
    }
    let out = Outcome { map: vec![0; MAP_SIZE], ..Outcome::default() };
    let mut run =
        Run { insns: &program.insns, map_values, out, stacks: Vec::new(), fuel: FUEL * 20 };
    let mut regs = [0xdead_beef_dead_beef; 11];
    regs[1] = ctx;
    run.out.result = run.call(0, regs)?;
    Some(run.out)
}

impl Run<'_> {
    fn call(&mut self, mut pc: usize, mut r: [u64; 11]) -> Option<u64> {
        self.stacks.push(vec![0xa5; 512]);
        r[10] = FRAME * self.stacks.len() as u64 + 512;
        loop {
            self.fuel = self.fuel.checked_sub(1)?;
            let insn = self.insns[pc];
            pc += 1;
            let (d, s) = (insn.dst as usize, insn.src as usize);
            let far = |r: &[u64; 11], i: usize| r[i].wrapping_add_signed(insn.off.into());
            let len = 1 << [2, 1, 0, 3][(insn.code >> 3 & 3) as usize];
            match insn.class() {
                BPF_ALU64 | BPF_ALU => self.alu(insn, &mut r),
                BPF_LDX => {
                    let signed = insn.code & 0xe0 == BPF_MEMSX;
                    r[d] = extend(self.memory(far(&r, s), len), signed);
                }
                BPF_ST => {
                    let val = i64::from(insn.imm).to_le_bytes();
                    self.memory(far(&r, d), len).copy_from_slice(&val[..len]);
                }
                BPF_STX if insn.code & 0xe0 == BPF_ATOMIC => self.atomic(insn, &mut r, len),
                BPF_STX => {
                    let val = r[s].to_le_bytes();
                    self.memory(far(&r, d), len).copy_from_slice(&val[..len]);
                }
                BPF_LD => {
                    assert!(insn.is_ld_imm64());
                    let high = self.insns[pc].imm;
                    r[d] = match self.map_values[pc - 1] {
                        Some(off) => MAP_BASE + u64::from(off),
                        None => u64::from(insn.imm as u32) | u64::from(high as u32) << 32,
                    };
                    pc += 1;
                }
                _ if insn.code == Insn::exit().code => {
                    self.stacks.pop();
                    return Some(r[0]);
                }
                _ if insn.code & 0xf0 == BPF_CALL => {
                    let result = if insn.src == BPF_PSEUDO_CALL {
                        self.call((pc as i64 + i64::from(insn.imm)) as usize, r)?
                    } else {
                        self.helper(insn.imm as u32, &r[1..6])
                    };
                    r[..6].fill(0xbad0_bad0_bad0_bad0);
                    r[0] = result;
                }
                _ if insn.code == Insn::jal(0).code => {
                    pc = (pc as i64 + i64::from(insn.imm)) as usize
                }
                _ if jumps(insn, &r) => pc = (pc as i64 + i64::from(insn.off)) as usize,
                _ => {}
            }
        }
    }

    fn helper(&mut self, n: u32, regs: &[u64]) -> u64 {
        let args = regs[..helper_args(n)].to_vec();
        let result = helper_result(n, &args, self.out.calls.len());
        if !args.is_empty() {
            self.out.calls.push((n, args));
        }
        result
    }

    fn memory(&mut self, at: u64, len: usize) -> &mut [u8] {
        if at >= MAP_BASE {
            return &mut self.out.map[(at - MAP_BASE) as usize..][..len];
        }
        let (frame, at) = (at / FRAME - 1, at % FRAME);
        &mut self.stacks[frame as usize][at as usize..][..len]
    }

    fn atomic(&mut self, insn: Insn, r: &mut [u64; 11], len: usize) {
        let ops = [
            AtomicOp::Add,
            AtomicOp::Or,
            AtomicOp::And,
            AtomicOp::Xor,
            AtomicOp::FetchAdd,
            AtomicOp::FetchOr,
            AtomicOp::FetchAnd,
            AtomicOp::FetchXor,
            AtomicOp::Xchg,
        ];
        let op = ops.into_iter().find(|op| op.imm() == insn.imm).expect("a known atomic operation");
        let at = r[insn.dst as usize].wrapping_add_signed(insn.off.into());
        let val = r[insn.src as usize];
        let mem = self.memory(at, len);
        let old = extend(mem, false);
        mem.copy_from_slice(&atomic(op, old, val).to_le_bytes()[..len]);
        if insn.imm & BPF_FETCH != 0 {
            r[insn.src as usize] = old;
        }
    }

    fn alu(&self, insn: Insn, r: &mut [u64; 11]) {
        let wide = insn.class() == BPF_ALU64;
        let a = r[insn.dst as usize];
        let b =
            if insn.code & BPF_X != 0 { r[insn.src as usize] } else { i64::from(insn.imm) as u64 };
        let signed = insn.off == 1;
        let new = match insn.code & 0xf0 {
            BPF_ADD => a.wrapping_add(b),
            BPF_SUB => a.wrapping_sub(b),
            BPF_MUL => a.wrapping_mul(b),
            BPF_DIV if b == 0 => 0,
            BPF_DIV if signed => (a as i64).wrapping_div(b as i64) as u64,
            BPF_DIV => a / b,
            BPF_MOD if b == 0 => a,
            BPF_MOD if signed => (a as i64).wrapping_rem(b as i64) as u64,
            BPF_MOD => a % b,
            BPF_OR => a | b,
            BPF_AND => a & b,
            BPF_XOR => a ^ b,
            BPF_LSH => a << (b & 63),
            BPF_RSH => a >> (b & 63),
            BPF_ARSH => (a as i64 >> (b & 63)) as u64,
            BPF_NEG => a.wrapping_neg(),
            BPF_MOV => match insn.off {
                0 => b,
                bits => ((b << (64 - bits)) as i64 >> (64 - bits)) as u64,
            },
            BPF_END => a.swap_bytes() >> (64 - insn.imm),
            _ => panic!("{insn:?}"),
        };
        let is_swap = insn.code & 0xf0 == BPF_END;
        assert!(wide || is_swap || insn.code & 0xf0 == BPF_MOV, "{insn:?}");
        r[insn.dst as usize] = if wide || is_swap { new } else { new & 0xffff_ffff };
    }
}

fn jumps(insn: Insn, r: &[u64; 11]) -> bool {
    assert_eq!(insn.class(), BPF_JMP, "{insn:?}");
    let a = r[insn.dst as usize];
    let b = if insn.code & BPF_X != 0 { r[insn.src as usize] } else { i64::from(insn.imm) as u64 };
    let (sa, sb) = (a as i64, b as i64);
    match insn.code & 0xf0 {
        BPF_JA => true,
        BPF_JEQ => a == b,
        BPF_JNE => a != b,
        BPF_JGT => a > b,
        BPF_JGE => a >= b,
        BPF_JLT => a < b,
        BPF_JLE => a <= b,
        BPF_JSGT => sa > sb,
        BPF_JSGE => sa >= sb,
        BPF_JSLT => sa < sb,
        BPF_JSLE => sa <= sb,
        BPF_JSET => a & b != 0,
        BPF_JCOND => false,
        _ => panic!("{insn:?}"),
    }
}
