//! eBPF instructions: encode, decode, assemble, disassemble.
