//! Instructions as bytes.

use crate::{Error, Insn};
use crate::{Fault, kind::second_half_is_sound};

/// Splits bytes into instructions.
///
/// Opcodes and fields are not judged ([`Kind::decode`](crate::Kind::decode) does that), but a 64-bit immediate load must
/// have its second half, so that whoever steps over the result never runs past its end.
pub fn decode(bytes: &[u8], big_endian: bool) -> Result<Vec<Insn>, Error> {
    let (chunks, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(Error::Length { bytes: bytes.len() });
    }
    let insns: Vec<Insn> = chunks.iter().map(|b| Insn::from_bytes(*b, big_endian)).collect();
    let mut pc = 0;
    while let Some(insn) = insns.get(pc) {
        if insn.is_ld_imm64() {
            if !insns.get(pc + 1).is_some_and(second_half_is_sound) {
                return Err(Error::Insn { pc, fault: Fault::SecondHalf });
            }
            pc += 1;
        }
        pc += 1;
    }
    Ok(insns)
}

/// The bytes of instructions.
pub fn encode(insns: &[Insn], big_endian: bool) -> Vec<u8> {
    insns.iter().flat_map(|i| i.to_bytes(big_endian)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reg;

    #[test]
    fn bytes_are_read_in_both_orders() {
        let insn = Insn { code: 0x61, dst: 1, src: 2, off: -2, imm: 0x0102_0304 };
        assert_eq!(encode(&[insn], false), [0x61, 0x21, 0xfe, 0xff, 4, 3, 2, 1]);
        assert_eq!(encode(&[insn], true), [0x61, 0x12, 0xff, 0xfe, 1, 2, 3, 4]);
        for big in [false, true] {
            assert_eq!(decode(&encode(&[insn], big), big), Ok(vec![insn]));
        }
    }

    #[test]
    fn broken_bytes_are_refused() {
        let half = Insn::ld_imm64(Reg::R1, 0, 7)[0];
        let load = encode(&Insn::ld_imm64(Reg::R1, 0, u64::MAX), false);
        assert_eq!(decode(&[0; 9], false), Err(Error::Length { bytes: 9 }));
        assert_eq!(decode(&[], false), Ok(vec![]));
        assert_eq!(decode(&load, false).map(|i| i.len()), Ok(2));
        for (insns, pc) in
            [(vec![half], 0), (vec![Insn::exit(), half], 1), (vec![half, Insn::exit()], 0)]
        {
            assert_eq!(
                decode(&encode(&insns, false), false),
                Err(Error::Insn { pc, fault: Fault::SecondHalf })
            );
        }
    }
}
