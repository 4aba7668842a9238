//! The definitions that are part of the program.

include!(concat!(env!("OUT_DIR"), "/builtin.rs"));
