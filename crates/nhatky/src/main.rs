//! The `nhatky` program.

fn main() {}
