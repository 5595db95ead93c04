//! Names of addresses.
use super::number;
/// Names of kernel and user addresses.
pub struct Symbols {
    demangle: bool,
}
impl Symbols {
    /// None known yet.
    pub fn new(demangle: bool) -> Symbols {
        Symbols { demangle }
    }
    /// A process was seen for the first time.
    pub fn seen(&mut self, _pid: u32) {}
    /// Writes the name of a kernel address.
    pub fn kernel(&mut self, address: u64, _offset: bool, out: &mut Vec<u8>) {
        let _ = self.demangle;
        out.extend_from_slice(b"0x");
        number::hex(out, address, 1)
    }
    /// Writes the name of a user address.
    pub fn user(&mut self, address: u64, _pid: u32, _offset: bool, out: &mut Vec<u8>) {
        out.extend_from_slice(b"0x");
        number::hex(out, address, 1)
    }
    /// Writes the file that an address belongs to.
    pub fn module(&mut self, _address: u64, _pid: u32, out: &mut Vec<u8>) {
        out.extend_from_slice(b"[unknown]");
    }
    /// Writes build id and offset.
    pub fn build_id(&mut self, address: u64, _pid: u32, out: &mut Vec<u8>) {
        number::hex(out, address, 1)
    }
}
