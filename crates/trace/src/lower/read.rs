//! Reading memory that is not the program's own.
//!
//! A read that fails gives zeroes: the helpers see to that.

use skep_abi::{Feature, Helper, ProgType};
use skep_codegen::ir::{Cond, Value};

use super::Cx;
use super::memory::Place;
use crate::types::Space;

/// What kind of bytes is read.
#[derive(Clone, Copy)]
pub(super) enum What {
    /// All of them.
    Bytes,
    /// A string up to its zero.
    Str,
}

impl Cx<'_> {
    /// Reads `size` bytes from anywhere to memory of the program.
    pub(super) fn read(&mut self, dst: Place, src: Place, size: u32) {
        match src.space {
            Space::Bpf => self.copy(dst, src, size),
            // The first word of a tracepoint's context is not for programs, but for the helper.
            Space::Ctx if size <= 64 && (src.off >= 8 || self.p.kind != ProgType::Tracepoint) => {
                self.copy(dst, src, size)
            }
            _ => {
                let n = self.int(size as i64);
                self.read_call(What::Bytes, dst, n, src);
            }
        }
    }

    /// Reads from kernel memory by helper, also from the program's own where there is much of it.
    pub(super) fn read_kernel(&mut self, dst: Place, src: Place, size: u32) {
        let n = self.int(size as i64);
        self.read_call(What::Bytes, dst, n, Place { space: Space::Kernel, ..src });
    }

    /// One call of a reading helper; gives what it returned.
    pub(super) fn read_call(&mut self, what: What, dst: Place, size: Value, src: Place) -> Value {
        let to = self.addr(dst);
        let from = self.addr(src);
        match src.space {
            Space::Unknown if self.target.has(Feature::ProbeReadUserKernel) => {
                self.read_by_address(what, to, size, from)
            }
            space => {
                let helper = self.reader(what, space);
                self.call(helper, &[to, size, from])
            }
        }
    }

    /// Kernel addresses have the top bit set.
    fn read_by_address(&mut self, what: What, to: Value, size: Value, from: Value) -> Value {
        let (kernel, user, done) = (self.f.b.block(), self.f.b.block(), self.f.b.block());
        let result = self.f.b.block_param(done);
        let zero = self.int(0);
        self.f.b.branch(Cond::Slt, from, zero, kernel, user);
        for (block, space) in [(kernel, Space::Kernel), (user, Space::User)] {
            self.f.b.switch_to(block);
            let helper = self.reader(what, space);
            let r = self.call(helper, &[to, size, from]);
            self.jump_with(done, vec![r]);
        }
        self.f.b.switch_to(done);
        result
    }

    fn reader(&self, what: What, space: Space) -> Helper {
        if !self.target.has(Feature::ProbeReadUserKernel) {
            return match what {
                What::Bytes => Helper::PROBE_READ,
                What::Str => Helper::PROBE_READ_STR,
            };
        }
        match (what, space == Space::User) {
            (What::Bytes, false) => Helper::PROBE_READ_KERNEL,
            (What::Bytes, true) => Helper::PROBE_READ_USER,
            (What::Str, false) => Helper::PROBE_READ_KERNEL_STR,
            (What::Str, true) => Helper::PROBE_READ_USER_STR,
        }
    }

    /// A number of 1 to 8 bytes from anywhere.
    pub(super) fn read_int(&mut self, src: Place, bytes: u32, signed: bool) -> Value {
        if src.is_direct() {
            return self.load(src, bytes, signed);
        }
        let slot = self.alloc(8);
        self.read(slot, src, bytes);
        self.load(slot, bytes, signed)
    }
}
