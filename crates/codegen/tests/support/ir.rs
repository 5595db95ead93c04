//! Interpreter of the IR: the judge.

use skep_codegen::ir::{AtomicOp, Callee, Function, Inst, Module, Program, Term, Value};

use super::{FUEL, MAP_BASE, MAP_SIZE, Outcome, atomic, extend, helper_args, helper_result};

/// Slots of a frame begin at multiples of this.
const FRAME: u64 = 0x10_0000;

struct Run<'a> {
    program: &'a Program,
    out: Outcome,
    frames: Vec<Vec<Vec<u8>>>,
    fuel: u32,
}

/// Runs the first program of a module.
pub fn run(module: &Module, ctx: u64) -> Option<Outcome> {
    let program = &module.programs[0];
    let out = Outcome { map: vec![0; MAP_SIZE], ..Outcome::default() };
    let mut run = Run { program, out, frames: Vec::new(), fuel: FUEL };
    let params = program.funcs[0].blocks[0].params.len();
    run.out.result = run.call(&program.funcs[0], &[ctx][..params])?;
    Some(run.out)
}

impl Run<'_> {
    fn call(&mut self, func: &Function, args: &[u64]) -> Option<u64> {
        let mut vals = vec![None; func.values as usize];
        self.frames.push(func.slots.iter().map(|s| vec![0; s.size as usize]).collect());
        let (mut block, mut args) = (&func.blocks[0], args.to_vec());
        loop {
            for (p, a) in block.params.iter().zip(&args) {
                vals[p.0 as usize] = Some(*a);
            }
            for data in &block.insts {
                self.fuel = self.fuel.checked_sub(1)?;
                let v = self.inst(&data.inst, &vals)?;
                if let Some(r) = data.result {
                    vals[r.0 as usize] = Some(v);
                }
            }
            self.fuel = self.fuel.checked_sub(1)?;
            let get = |v: Value| vals[v.0 as usize].expect("defined");
            let edge = match &block.term {
                Term::None => panic!("no end"),
                Term::Ret(v) => {
                    self.frames.pop();
                    return Some(get(*v));
                }
                Term::Jump(e) => e,
                Term::MayGoto { body, .. } => body,
                Term::Branch { cond, a, b, then, els } => {
                    if cond.eval(get(*a) as i64, get(*b) as i64) { then } else { els }
                }
            };
            args = edge.args.iter().map(|&a| get(a)).collect();
            block = &func.blocks[edge.block.0 as usize];
        }
    }

    fn memory(&mut self, at: u64, len: u32) -> &mut [u8] {
        let (bytes, at) = if at >= MAP_BASE {
            (&mut self.out.map, at - MAP_BASE)
        } else {
            let frame = self.frames.last_mut().expect("a frame");
            (&mut frame[(at / FRAME) as usize - 1], at % FRAME)
        };
        &mut bytes[at as usize..][..len as usize]
    }

    fn inst(&mut self, inst: &Inst, vals: &[Option<u64>]) -> Option<u64> {
        let get = |v: Value| vals[v.0 as usize].expect("defined");
        Some(match inst {
            Inst::Const(c) => *c as u64,
            Inst::Bin(op, a, b) => op.eval(get(*a) as i64, get(*b) as i64) as u64,
            Inst::Neg(a) => get(*a).wrapping_neg(),
            Inst::Ext { signed, bits, arg } => {
                let shift = 64 - u32::from(*bits);
                let up = get(*arg) << shift;
                if *signed { (up as i64 >> shift) as u64 } else { up >> shift }
            }
            Inst::Bswap { bits, arg } => get(*arg).swap_bytes() >> (64 - u32::from(*bits)),
            Inst::Icmp(c, a, b) => u64::from(c.eval(get(*a) as i64, get(*b) as i64)),
            Inst::Load { size, signed, ptr, off } => extend(
                self.memory(get(*ptr).wrapping_add_signed((*off).into()), size.bytes()),
                *signed,
            ),
            Inst::Store { size, ptr, off, val } => {
                let (len, val) = (size.bytes(), get(*val).to_le_bytes());
                self.memory(get(*ptr).wrapping_add_signed((*off).into()), len)
                    .copy_from_slice(&val[..len as usize]);
                0
            }
            Inst::Atomic { op, size, ptr, off, val } => {
                let len = size.bytes();
                let mem = self.memory(get(*ptr).wrapping_add_signed((*off).into()), len);
                let old = extend(mem, false);
                let new = atomic(*op, old, get(*val));
                mem.copy_from_slice(&new.to_le_bytes()[..len as usize]);
                assert_ne!(*op, AtomicOp::CmpXchg);
                old
            }
            Inst::Call(Callee::Helper(n), args) => {
                let args: Vec<u64> = args.iter().map(|&a| get(a)).collect();
                assert_eq!(args.len(), helper_args(*n));
                let result = helper_result(*n, &args, self.out.calls.len());
                if !args.is_empty() {
                    self.out.calls.push((*n, args));
                }
                result
            }
            Inst::Call(Callee::Local(f), args) => {
                let args: Vec<u64> = args.iter().map(|&a| get(a)).collect();
                let program = self.program;
                self.call(&program.funcs[f.0 as usize], &args)?
            }
            Inst::SlotAddr(s, off) => FRAME * u64::from(s.0 + 1) + u64::from(*off),
            Inst::MapValueAddr(_, off) => MAP_BASE + u64::from(*off),
            Inst::Call(Callee::Kfunc(_), _) | Inst::MapAddr(_) | Inst::FuncAddr(_) => 0,
        })
    }
}
