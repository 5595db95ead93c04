//! What can be wrong with bytes, with an instruction, and with text.

use std::fmt;

/// An error of this crate.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not a whole number of instructions.
    Length {
        /// How many there are.
        bytes: usize,
    },
    /// An instruction is not a valid encoding.
    Insn {
        /// Its place, in instructions of eight bytes; 0 when it was looked at alone.
        pc: usize,
        /// What is wrong.
        fault: Fault,
    },
    /// Text could not be read: everything that is wrong, in order of lines.
    Text(Vec<Complaint>),
}

/// Why eight bytes are no instruction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Fault {
    /// No instruction has that opcode.
    Opcode(u8),
    /// A register number above 10.
    Register(u8),
    /// A field that this instruction does not use is not zero.
    Unused(&'static str),
    /// A field holds a value that has no meaning in this instruction.
    Value(&'static str, i32),
    /// A 64-bit immediate load lacks its second half, or the second half is not all zero but its immediate.
    SecondHalf,
}

/// What is wrong in a text, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Complaint {
    /// Line, from 1.
    pub line: usize,
    /// Column, in characters, from 1.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Opcode(code) => write!(f, "unknown opcode {code:#04x}"),
            Fault::Register(n) => write!(f, "register r{n} does not exist"),
            Fault::Unused(field) => write!(f, "unused field {field} is not zero"),
            Fault::Value(field, value) => write!(f, "field {field} cannot be {value}"),
            Fault::SecondHalf => write!(f, "64-bit immediate load without a valid second half"),
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Length { bytes } => {
                write!(f, "{bytes} bytes are not a whole number of 8-byte instructions")
            }
            Error::Insn { pc, fault } => write!(f, "instruction {pc}: {fault}"),
            Error::Text(complaints) => {
                for (i, complaint) in complaints.iter().enumerate() {
                    if i > 0 {
                        f.write_str("\n")?;
                    }
                    complaint.fmt(f)?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for Error {}
