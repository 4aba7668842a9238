//! Readers of the formats and slot types that definitions name.
//!
//! Slot types are `nom` parsers: [`Read`] gives (rest, value). Formats of many pairs hand each pair to a callback as it
//! is read and build no map. All are linear in their input and survive anything.

pub(crate) mod cef;
pub(crate) mod csv;
pub(crate) mod json;
pub(crate) mod leef;
pub(crate) mod pairs;
pub(crate) mod slot;
pub(crate) mod structured_data;
mod unescape;

/// What a slot type gives: what follows the value, and the value. The error only says no.
pub(crate) type Read<'a, T> = nom::IResult<&'a str, T, ()>;
