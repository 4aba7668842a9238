//! Slots whose letters decide where they end.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};

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
        let piece = text.get(..length).map(|text| Piece::Text(Cow::Borrowed(text)));
        (length > 0).then_some((length, piece))
    };
    match kind {
        Kind::Int => int(text).map(|(length, number)| (length, Some(Piece::Integer(number)))),
        Kind::Float => float(text),
        Kind::Hex => {
            let prefix = if text.starts_with("0x") { 2 } else { 0 };
            let digits = run(text.get(prefix..)?, |byte| byte.is_ascii_hexdigit());
            (digits > 0).then(|| text_piece(prefix + digits))?
        }
        Kind::Mac => {
            let length = run(text, |byte| byte.is_ascii_hexdigit() || b":-.".contains(&byte));
            let digits = text.bytes().take(length).filter(u8::is_ascii_hexdigit);
            (digits.count() == 12).then(|| text_piece(length))?
        }
        Kind::Ip => ip(text).map(|(length, address)| (length, Some(Piece::Address(address)))),
        Kind::Address => match ip(text) {
            Some((length, address)) if !followed_by_name(text, length) => {
                Some((length, Some(Piece::Address(address))))
            }
            _ => text_piece(run(text, is_name)),
        },
        Kind::Quoted => quoted(text),
        Kind::Date => {
            let (stamp, rest) = read_time(text, times)?;
            Some((text.len() - rest.len(), Some(Piece::Date(stamp.at))))
        }
        Kind::Space => Some((run(text, |byte| byte == b' ' || byte == b'\t'), None)),
    }
}

/// How many bytes at the beginning are of that kind.
fn run(text: &str, is: impl Fn(u8) -> bool) -> usize {
    text.bytes().position(|byte| !is(byte)).unwrap_or(text.len())
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._-:".contains(&byte) || byte >= 0x80
}

/// Whether what looked like an address is the beginning of a name (`10.0.0.1.example.com`).
fn followed_by_name(text: &str, length: usize) -> bool {
    let mut after = text.bytes().skip(length);
    match after.next() {
        Some(b'.' | b'-') => after.next().is_some_and(|byte| byte.is_ascii_alphanumeric()),
        Some(byte) => byte.is_ascii_alphabetic() || byte >= 0x80,
        None => false,
    }
}

/// A whole number, with or without a sign.
pub(crate) fn int(text: &str) -> Option<(usize, i64)> {
    let sign = usize::from(text.starts_with(['-', '+']));
    let digits = run(text.get(sign..)?, |byte| byte.is_ascii_digit());
    let number = text.get(..sign + digits)?;
    Some((sign + digits, number.parse().ok()?))
}

fn float<'a>(text: &'a str) -> Option<(usize, Option<Piece<'a>>)> {
    let length = run(text, |byte| byte.is_ascii_digit() || b".-+eE".contains(&byte));
    let number = text.get(..length)?.trim_end_matches('.');
    let value: f64 = number.parse().ok()?;
    let piece = match number.parse() {
        Ok(integer) => Piece::Integer(integer),
        Err(_) => Piece::Float(value),
    };
    value.is_finite().then_some((number.len(), Some(piece)))
}

/// `"…"`, the value being what stands inside, `\"` and `\\` taken back.
fn quoted<'a>(text: &'a str) -> Option<(usize, Option<Piece<'a>>)> {
    let inside = text.strip_prefix('"')?;
    let mut escaped = false;
    let end = inside.bytes().position(|byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })?;
    let value = inside.get(..end)?;
    let value = if value.contains('\\') {
        Cow::Owned(value.replace("\\\"", "\"").replace("\\\\", "\\"))
    } else {
        Cow::Borrowed(value)
    };
    Some((end + 2, Some(Piece::Text(value))))
}

/// An address: IPv4, IPv6 with or without brackets, a zone after `%` left out of the value.
pub(crate) fn ip(text: &str) -> Option<(usize, IpAddr)> {
    if let Some(inside) = text.strip_prefix('[') {
        let (length, address) = ip(inside)?;
        return inside.get(length..)?.starts_with(']').then_some((length + 2, address));
    }
    if let Some((length, address)) = ipv4(text.as_bytes()) {
        return Some((length, IpAddr::V4(address)));
    }
    let length = run(text, |byte| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.');
    let mut letters = text.get(..length)?;
    if !letters.contains(':') {
        return None;
    }
    // `2001:db8::1: message`: a colon at the end belongs to the sentence, unless it is `::`.
    if letters.ends_with(':') && !letters.ends_with("::") || letters.ends_with('.') {
        letters = letters.get(..letters.len() - 1)?;
    }
    let address: IpAddr = letters.parse().ok()?;
    let zone = match text.get(letters.len()..)?.strip_prefix('%') {
        Some(zone) => 1 + run(zone, |byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)),
        None => 0,
    };
    Some((letters.len() + zone, address.to_canonical()))
}

/// Four numbers up to 255 with points between, no digit after them.
fn ipv4(bytes: &[u8]) -> Option<(usize, Ipv4Addr)> {
    let mut octets = [0u8; 4];
    let mut at = 0;
    for (place, octet) in octets.iter_mut().enumerate() {
        if place > 0 {
            (bytes.get(at) == Some(&b'.')).then_some(())?;
            at += 1;
        }
        let start = at;
        let mut number = 0u16;
        while let Some(digit) = bytes.get(at).filter(|byte| byte.is_ascii_digit()) {
            number = number * 10 + u16::from(digit - b'0');
            at += 1;
            if at - start > 3 {
                return None;
            }
        }
        if at == start {
            return None;
        }
        *octet = u8::try_from(number).ok()?;
    }
    Some((at, Ipv4Addr::from(octets)))
}
