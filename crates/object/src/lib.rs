//! The Object: programs, maps, types, relocations.
