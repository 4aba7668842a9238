//! Slots whose letters decide where they end.

use std::borrow::Cow;
use std::net::IpAddr;

use crate::format::{Read, slot};
use crate::frame::Piece;
use crate::header::{Reference, read_time};

/// The type of such a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Int,
    Float,
    Hex,
    Mac,
    Ip,
    /// An address or a host name.
    Address,
    Quoted,
    Date,
    /// White space, or none.
    Space,
}

impl Kind {
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "int" => Self::Int,
            "float" => Self::Float,
            "hex" => Self::Hex,
            "mac" => Self::Mac,
            "ip" => Self::Ip,
            "address" => Self::Address,
            "quoted" => Self::Quoted,
            "date" => Self::Date,
            "space" => Self::Space,
            _ => return None,
        })
    }
}

/// The slot at the beginning of the text: its length in bytes, and its value if it has one.
pub(crate) fn read<'a>(
    kind: Kind,
    text: &'a str,
    times: Reference<'_>,
) -> Option<(usize, Option<Piece<'a>>)> {
    let text_piece = |length: usize| {
        let piece = text
            .get(..length)
            .map(|text| Piece::Text(Cow::Borrowed(text)));
        (length > 0).then_some((length, piece))
    };
    match kind {
        Kind::Int => int(text).map(|(length, number)| (length, Some(Piece::Integer(number)))),
        Kind::Float => {
            let (length, number) = taken(text, slot::float(text))?;
            let whole = text.get(..length)?.parse().map(Piece::Integer);
            Some((length, Some(whole.unwrap_or(Piece::Float(number)))))
        }
        Kind::Hex => {
            let prefix = if text.starts_with("0x") { 2 } else { 0 };
            let digits = run(text.get(prefix..)?, |byte| byte.is_ascii_hexdigit());
            (digits > 0).then(|| text_piece(prefix + digits))?
        }
        Kind::Mac => text_piece(taken(text, slot::mac(text))?.0),
        Kind::Ip => ip(text).map(|(length, address)| (length, Some(Piece::Address(address)))),
        Kind::Address => match ip(text) {
            Some((length, address)) => Some((length, Some(Piece::Address(address)))),
            None => text_piece(taken(text, slot::hostname(text))?.0),
        },
        Kind::Quoted => {
            let (length, value) = taken(text, slot::quoted(text))?;
            Some((length, Some(Piece::Text(value))))
        }
        Kind::Date => {
            let (stamp, rest) = read_time(text, times)?;
            Some((text.len() - rest.len(), Some(Piece::Date(stamp.at))))
        }
        Kind::Space => Some((run(text, |byte| byte == b' ' || byte == b'\t'), None)),
    }
}

/// How many bytes at the beginning are of that kind.
fn run(text: &str, is: impl Fn(u8) -> bool) -> usize {
    text.bytes()
        .position(|byte| !is(byte))
        .unwrap_or(text.len())
}

/// A whole number, with or without a sign.
pub(crate) fn int(text: &str) -> Option<(usize, i64)> {
    let sign = usize::from(text.starts_with(['-', '+']));
    let digits = run(text.get(sign..)?, |byte| byte.is_ascii_digit());
    let number = text.get(..sign + digits)?;
    Some((sign + digits, number.parse().ok()?))
}

/// What a reader of the format library found: its length and its value.
fn taken<'a, T>(text: &'a str, read: Read<'a, T>) -> Option<(usize, T)> {
    let (rest, value) = read.ok()?;
    Some((text.len() - rest.len(), value))
}

/// An address: IPv4, IPv6 with or without brackets, a zone after `%` left out of the value.
pub(crate) fn ip(text: &str) -> Option<(usize, IpAddr)> {
    taken(text, slot::ip(text))
}
