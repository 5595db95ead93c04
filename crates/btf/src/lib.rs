//! BTF and BTF.ext: read, look up, build.
