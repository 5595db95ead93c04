//! The registers of a stopped task: `struct pt_regs` of x86_64 and aarch64 as data.
//!
//! The names are those that bpftrace's `reg()` takes. Source: `arch/x86/include/asm/ptrace.h`,
//! `arch/arm64/include/uapi/asm/ptrace.h` and the two calling conventions. On aarch64 programs see
//! `struct user_pt_regs`, which is how `struct pt_regs` begins.

/// A machine that programs are traced on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Arch {
    /// 64-bit x86.
    X86_64,
    /// 64-bit Arm.
    Aarch64,
}

/// A register's name and its byte offset in `struct pt_regs`; each is eight bytes wide.
pub type Register = (&'static str, u16);

/// Registers of x86_64, by offset; `pc` is another name of `ip`.
pub const X86_64: &[Register] = &[
    ("r15", 0),
    ("r14", 8),
    ("r13", 16),
    ("r12", 24),
    ("bp", 32),
    ("bx", 40),
    ("r11", 48),
    ("r10", 56),
    ("r9", 64),
    ("r8", 72),
    ("ax", 80),
    ("cx", 88),
    ("dx", 96),
    ("si", 104),
    ("di", 112),
    ("orig_rax", 120),
    ("ip", 128),
    ("pc", 128),
    ("cs", 136),
    ("flags", 144),
    ("sp", 152),
    ("ss", 160),
];

/// Registers of aarch64, by offset; `lr` is another name of `r30`.
pub const AARCH64: &[Register] = &[
    ("r0", 0),
    ("r1", 8),
    ("r2", 16),
    ("r3", 24),
    ("r4", 32),
    ("r5", 40),
    ("r6", 48),
    ("r7", 56),
    ("r8", 64),
    ("r9", 72),
    ("r10", 80),
    ("r11", 88),
    ("r12", 96),
    ("r13", 104),
    ("r14", 112),
    ("r15", 120),
    ("r16", 128),
    ("r17", 136),
    ("r18", 144),
    ("r19", 152),
    ("r20", 160),
    ("r21", 168),
    ("r22", 176),
    ("r23", 184),
    ("r24", 192),
    ("r25", 200),
    ("r26", 208),
    ("r27", 216),
    ("r28", 224),
    ("r29", 232),
    ("r30", 240),
    ("lr", 240),
    ("sp", 248),
    ("pc", 256),
    ("pstate", 264),
];

impl Arch {
    /// The machine this program was built for, if it is one of them.
    pub const fn host() -> Option<Arch> {
        if cfg!(target_arch = "x86_64") {
            Some(Arch::X86_64)
        } else if cfg!(target_arch = "aarch64") {
            Some(Arch::Aarch64)
        } else {
            None
        }
    }

    /// Its name, as `uname -m` prints it.
    pub const fn name(self) -> &'static str {
        match self {
            Arch::X86_64 => "x86_64",
            Arch::Aarch64 => "aarch64",
        }
    }

    /// Its registers.
    pub const fn registers(self) -> &'static [Register] {
        match self {
            Arch::X86_64 => X86_64,
            Arch::Aarch64 => AARCH64,
        }
    }

    /// The size of the structure that programs see.
    pub const fn pt_regs_size(self) -> u16 {
        match self {
            Arch::X86_64 => 168,
            Arch::Aarch64 => 272,
        }
    }

    /// The byte offset of a register in `struct pt_regs`.
    pub fn offset(self, register: &str) -> Option<u16> {
        self.registers().iter().find(|r| r.0 == register).map(|r| r.1)
    }

    /// Byte offsets of the registers that carry a function's arguments, in order.
    pub const fn args(self) -> &'static [u16] {
        match self {
            Arch::X86_64 => &[112, 104, 96, 88, 72, 64],
            Arch::Aarch64 => &[0, 8, 16, 24, 32, 40, 48, 56],
        }
    }

    /// How far above the stack pointer, at a function's first instruction, the first argument passed on the stack is.
    pub const fn stack_args(self) -> u16 {
        match self {
            Arch::X86_64 => 8,
            Arch::Aarch64 => 0,
        }
    }

    /// Byte offset of the register with a function's result.
    pub const fn ret(self) -> u16 {
        match self {
            Arch::X86_64 => 80,
            Arch::Aarch64 => 0,
        }
    }

    /// Byte offset of the stack pointer.
    pub const fn sp(self) -> u16 {
        match self {
            Arch::X86_64 => 152,
            Arch::Aarch64 => 248,
        }
    }

    /// Byte offset of the instruction pointer.
    pub const fn ip(self) -> u16 {
        match self {
            Arch::X86_64 => 128,
            Arch::Aarch64 => 256,
        }
    }

    /// Byte offset of the frame pointer.
    pub const fn fp(self) -> u16 {
        match self {
            Arch::X86_64 => 32,
            Arch::Aarch64 => 232,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_agree_with_the_names() {
        let named = |arch: Arch, names: &[&str]| {
            names.iter().map(|n| arch.offset(n).unwrap()).collect::<Vec<_>>()
        };
        let x = Arch::X86_64;
        assert_eq!(x.args(), named(x, &["di", "si", "dx", "cx", "r8", "r9"]));
        assert_eq!(vec![x.ret(), x.sp(), x.ip(), x.fp()], named(x, &["ax", "sp", "ip", "bp"]));
        let a = Arch::Aarch64;
        assert_eq!(a.args(), named(a, &["r0", "r1", "r2", "r3", "r4", "r5", "r6", "r7"]));
        assert_eq!(vec![a.ret(), a.sp(), a.ip(), a.fp()], named(a, &["r0", "sp", "pc", "r29"]));
        assert_eq!(x.offset("pc"), x.offset("ip"));
        assert_eq!(x.offset("eax"), None);
    }

    #[test]
    fn the_structure_is_filled_without_gaps() {
        for arch in [Arch::X86_64, Arch::Aarch64] {
            let mut offsets: Vec<_> = arch.registers().iter().map(|r| r.1).collect();
            offsets.dedup();
            let expected: Vec<_> = (0..arch.pt_regs_size()).step_by(8).collect();
            assert_eq!(offsets, expected, "{}", arch.name());
        }
    }
}
