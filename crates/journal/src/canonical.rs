//! The canonical encoding of a record: what is hashed, and, with its length before it, what a block holds.
//!
//! Numbers are little-endian; a *text* is its length in bytes as u32 and its UTF-8 bytes. Version 1:
//!
//! ```text
//! u8   version = 1
//! u64  seq
//! i64  received_at, microseconds since 1970
//! i64  reference_time
//! u8   transport: 0 udp, 1 tcp, 2 tls, 3 relp, 4 http, 5 import, 6 internal
//! text listener
//! u8   peer: 0 none, 4 IPv4, 6 IPv6; then 4 or 16 bytes of address in network order and u16 port;
//!      for IPv6 also u32 flow information and u32 scope
//! u8   identity: 0 none, 1 TLS, 2 token, 3 import; unless none: text
//! u8   mark: 0 none, 1 truncated (then u64 original bytes), 2 not JSON, 3 bad frame, 4 unfinished
//! u8   item: bit 0 there is one, bit 1 it has an index, bit 2 it has an id; then text index, text id as there are
//! …    raw, to the end
//! ```

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::sync::Arc;

use bytes::Bytes;
use event::{BulkItem, Identity, Mark, Micros, Origin, Record, Seq, Transport};

use crate::wire::{Cursor, len_u32};

const VERSION: u8 = 1;
/// Where the origin begins: after version, Seq and the two times.
const ORIGIN_AT: usize = 1 + 8 + 8 + 8;

const ITEM_PRESENT: u8 = 1;
const ITEM_INDEX: u8 = 2;
const ITEM_ID: u8 = 4;

/// Appends the canonical encoding of `record` as the record number `seq`.
pub(crate) fn encode(record: &Record, seq: Seq, origin: &[u8], to: &mut Vec<u8>) {
    to.reserve(
        record
            .raw
            .len()
            .saturating_add(64)
            .saturating_add(origin.len()),
    );
    to.push(VERSION);
    to.extend_from_slice(&seq.0.to_le_bytes());
    to.extend_from_slice(&record.received_at.0.to_le_bytes());
    to.extend_from_slice(&record.reference_time.0.to_le_bytes());
    to.extend_from_slice(origin);
    encode_mark(record.mark, to);
    encode_item(record.item.as_deref(), to);
    to.extend_from_slice(&record.raw);
}

/// Seq and raw bytes of an encoding, without making a record of it; `None` where it is not readable.
pub(crate) fn raw_of(encoding: &[u8]) -> Option<(Seq, &[u8])> {
    let mut cursor = Cursor::new(encoding);
    if cursor.u8()? != VERSION {
        return None;
    }
    let seq = Seq(cursor.u64()?);
    // The two times, and the transport.
    cursor.take(8 + 8 + 1)?;
    let _listener = cursor.counted()?;
    let peer_bytes = match cursor.u8()? {
        0 => 0,
        4 => 4 + 2,
        6 => 16 + 2 + 4 + 4,
        _ => return None,
    };
    cursor.take(peer_bytes)?;
    if cursor.u8()? != 0 {
        let _identity = cursor.counted()?;
    }
    if cursor.u8()? == 1 {
        let _original_bytes = cursor.u64()?;
    }
    let flags = cursor.u8()?;
    for flag in [ITEM_INDEX, ITEM_ID] {
        if flags & flag != 0 {
            let _text = cursor.counted()?;
        }
    }
    Some((seq, cursor.rest()))
}

/// The receipt time in an encoding; `None` where it is too short.
pub(crate) fn received_at(encoding: &[u8]) -> Option<Micros> {
    let mut cursor = Cursor::new(encoding);
    cursor.take(9)?;
    cursor.i64().map(Micros)
}

/// The most bytes that a record can take in a block: its encoding with the length before it.
pub(crate) fn size_bound(record: &Record) -> usize {
    /// Length, version, Seq, two times, transport, peer, and the tags and lengths of all that varies.
    const FIXED: usize = 96;
    let text = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
    let identity = match &record.origin.identity {
        None => 0,
        Some(Identity::Tls(name) | Identity::Token(name) | Identity::Import(name)) => name.len(),
    };
    let item = record.item.as_ref();
    let item = item.map_or(0, |item| text(&item.index).saturating_add(text(&item.id)));
    FIXED
        .saturating_add(record.origin.listener.len())
        .saturating_add(identity)
        .saturating_add(item)
        .saturating_add(record.raw.len())
}

/// Appends the part of the encoding that all records of one origin share.
pub(crate) fn encode_origin(origin: &Origin, to: &mut Vec<u8>) {
    to.push(match origin.transport {
        Transport::Udp => 0,
        Transport::Tcp => 1,
        Transport::Tls => 2,
        Transport::Relp => 3,
        Transport::Http => 4,
        Transport::Import => 5,
        Transport::Internal => 6,
    });
    encode_text(&origin.listener, to);
    match origin.peer {
        None => to.push(0),
        Some(SocketAddr::V4(peer)) => {
            to.push(4);
            to.extend_from_slice(&peer.ip().octets());
            to.extend_from_slice(&peer.port().to_le_bytes());
        }
        Some(SocketAddr::V6(peer)) => {
            to.push(6);
            to.extend_from_slice(&peer.ip().octets());
            to.extend_from_slice(&peer.port().to_le_bytes());
            to.extend_from_slice(&peer.flowinfo().to_le_bytes());
            to.extend_from_slice(&peer.scope_id().to_le_bytes());
        }
    }
    let (code, name) = match &origin.identity {
        None => return to.push(0),
        Some(Identity::Tls(name)) => (1, name),
        Some(Identity::Token(name)) => (2, name),
        Some(Identity::Import(name)) => (3, name),
    };
    to.push(code);
    encode_text(name, to);
}

fn encode_mark(mark: Option<Mark>, to: &mut Vec<u8>) {
    match mark {
        None => to.push(0),
        Some(Mark::Truncated { original_bytes }) => {
            to.push(1);
            to.extend_from_slice(&original_bytes.to_le_bytes());
        }
        Some(Mark::NotJson) => to.push(2),
        Some(Mark::BadFrame) => to.push(3),
        Some(Mark::Unfinished) => to.push(4),
    }
}

fn encode_item(item: Option<&BulkItem>, to: &mut Vec<u8>) {
    let Some(item) = item else {
        return to.push(0);
    };
    let index = item.index.as_ref().map_or(0, |_| ITEM_INDEX);
    let id = item.id.as_ref().map_or(0, |_| ITEM_ID);
    to.push(ITEM_PRESENT | index | id);
    for text in [&item.index, &item.id].into_iter().flatten() {
        encode_text(text, to);
    }
}

fn encode_text(text: &str, to: &mut Vec<u8>) {
    to.extend_from_slice(&len_u32(text.len()).to_le_bytes());
    to.extend_from_slice(text.as_bytes());
}

/// Reads canonical encodings; records of one origin, one after another, share it.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    origins: Vec<(Bytes, Arc<Origin>)>,
}

/// How many different origins of one block are remembered.
const ORIGINS_REMEMBERED: usize = 64;

impl Decoder {
    /// Reads one encoding, which must fill `bytes`; `None` where it is not one. The raw bytes are shared, not copied.
    pub(crate) fn decode(&mut self, bytes: &Bytes) -> Option<Record> {
        let mut cursor = Cursor::new(bytes);
        if cursor.u8()? != VERSION {
            return None;
        }
        let seq = Seq(cursor.u64()?);
        let received_at = Micros(cursor.i64()?);
        let reference_time = Micros(cursor.i64()?);
        let origin = self.origin(bytes, &mut cursor)?;
        let mark = decode_mark(&mut cursor)?;
        let item = decode_item(&mut cursor)?;
        let raw = bytes.slice_ref(cursor.rest());
        Some(Record {
            seq,
            origin,
            received_at,
            reference_time,
            mark,
            item,
            raw,
        })
    }

    fn origin(&mut self, bytes: &Bytes, cursor: &mut Cursor<'_>) -> Option<Arc<Origin>> {
        let rest = bytes.get(ORIGIN_AT..)?;
        // An encoding says its own length, so that equal beginnings are equal origins.
        let known = |(encoded, _): &&(Bytes, Arc<Origin>)| rest.starts_with(encoded);
        if let Some((encoded, origin)) = self.origins.iter().rev().find(known) {
            cursor.take(encoded.len())?;
            return Some(Arc::clone(origin));
        }
        let before = cursor.rest().len();
        let origin = Arc::new(decode_origin(cursor)?);
        let len = before.checked_sub(cursor.rest().len())?;
        if self.origins.len() >= ORIGINS_REMEMBERED {
            self.origins.clear();
        }
        let encoded = bytes.slice_ref(rest.get(..len)?);
        self.origins.push((encoded, Arc::clone(&origin)));
        Some(origin)
    }
}

fn decode_origin(cursor: &mut Cursor<'_>) -> Option<Origin> {
    let transport = match cursor.u8()? {
        0 => Transport::Udp,
        1 => Transport::Tcp,
        2 => Transport::Tls,
        3 => Transport::Relp,
        4 => Transport::Http,
        5 => Transport::Import,
        6 => Transport::Internal,
        _ => return None,
    };
    Some(Origin {
        transport,
        listener: cursor.text()?.into(),
        peer: decode_peer(cursor)?,
        identity: decode_identity(cursor)?,
    })
}

#[expect(
    clippy::option_option,
    reason = "the outer one is «not readable», as everywhere in this decoder"
)]
fn decode_peer(cursor: &mut Cursor<'_>) -> Option<Option<SocketAddr>> {
    Some(match cursor.u8()? {
        0 => None,
        4 => {
            let address = Ipv4Addr::from(cursor.array::<4>()?);
            Some(SocketAddrV4::new(address, cursor.u16()?).into())
        }
        6 => {
            let address = Ipv6Addr::from(cursor.array::<16>()?);
            let (port, flow, scope) = (cursor.u16()?, cursor.u32()?, cursor.u32()?);
            Some(SocketAddrV6::new(address, port, flow, scope).into())
        }
        _ => return None,
    })
}

#[expect(
    clippy::option_option,
    reason = "the outer one is «not readable», as everywhere in this decoder"
)]
fn decode_identity(cursor: &mut Cursor<'_>) -> Option<Option<Identity>> {
    Some(match cursor.u8()? {
        0 => None,
        1 => Some(Identity::Tls(cursor.text()?.into())),
        2 => Some(Identity::Token(cursor.text()?.into())),
        3 => Some(Identity::Import(cursor.text()?.into())),
        _ => return None,
    })
}

#[expect(
    clippy::option_option,
    reason = "the outer one is «not readable», as everywhere in this decoder"
)]
fn decode_mark(cursor: &mut Cursor<'_>) -> Option<Option<Mark>> {
    Some(match cursor.u8()? {
        0 => None,
        1 => Some(Mark::Truncated {
            original_bytes: cursor.u64()?,
        }),
        2 => Some(Mark::NotJson),
        3 => Some(Mark::BadFrame),
        4 => Some(Mark::Unfinished),
        _ => return None,
    })
}

#[expect(
    clippy::option_option,
    reason = "the outer one is «not readable», as everywhere in this decoder"
)]
fn decode_item(cursor: &mut Cursor<'_>) -> Option<Option<Box<BulkItem>>> {
    let flags = cursor.u8()?;
    if flags == 0 {
        return Some(None);
    }
    if flags & ITEM_PRESENT == 0 || flags > (ITEM_PRESENT | ITEM_INDEX | ITEM_ID) {
        return None;
    }
    let mut item = BulkItem::default();
    if flags & ITEM_INDEX != 0 {
        item.index = Some(cursor.text()?.into());
    }
    if flags & ITEM_ID != 0 {
        item.id = Some(cursor.text()?.into());
    }
    Some(Some(Box::new(item)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(record: &Record) -> Vec<u8> {
        let (mut origin, mut bytes) = (Vec::new(), Vec::new());
        encode_origin(&record.origin, &mut origin);
        encode(record, record.seq, &origin, &mut bytes);
        bytes
    }

    fn any_text() -> impl Strategy<Value = Box<str>> {
        "\\PC{0,12}".prop_map(Box::from)
    }

    fn any_origin() -> impl Strategy<Value = Origin> {
        let transport = proptest::sample::select(&Transport::ALL[..]);
        let identity = proptest::option::of((0..3, any_text())).prop_map(|identity| {
            identity.map(|(kind, name)| match kind {
                0 => Identity::Tls(name),
                1 => Identity::Token(name),
                _ => Identity::Import(name),
            })
        });
        let peer = proptest::option::of((any::<bool>(), any::<u128>(), any::<u16>(), any::<u32>()));
        (transport, any_text(), peer, identity).prop_map(|(transport, listener, peer, identity)| {
            let peer = peer.map(|(is_v4, address, port, scope)| -> SocketAddr {
                if is_v4 {
                    let address = Ipv4Addr::from((address & 0xffff_ffff) as u32);
                    return SocketAddrV4::new(address, port).into();
                }
                SocketAddrV6::new(Ipv6Addr::from(address), port, scope / 2, scope).into()
            });
            Origin {
                transport,
                listener,
                peer,
                identity,
            }
        })
    }

    prop_compose! {
        fn any_record()(
            origin in any_origin(),
            seq in 0u64..(1 << 53),
            received_at: i64,
            reference_time: i64,
            mark in 0..5,
            item in proptest::option::of((
                proptest::option::of(any_text()),
                proptest::option::of(any_text()),
            )),
            raw: Vec<u8>,
        ) -> Record {
            Record {
                seq: Seq(seq),
                origin: Arc::new(origin),
                received_at: Micros(received_at),
                reference_time: Micros(reference_time),
                mark: match mark {
                    0 => None,
                    1 => Some(Mark::Truncated { original_bytes: seq }),
                    2 => Some(Mark::NotJson),
                    3 => Some(Mark::BadFrame),
                    _ => Some(Mark::Unfinished),
                },
                item: item.map(|(index, id)| Box::new(BulkItem { index, id })),
                raw: raw.into(),
            }
        }
    }

    proptest! {
        #[test]
        fn a_record_reads_back_as_it_was(records in proptest::collection::vec(any_record(), 1..5)) {
            let mut decoder = Decoder::default();
            for record in records.iter().chain(&records) {
                let encoded = encoded(record);
                prop_assert!(encoded.len() + 4 <= size_bound(record));
                prop_assert_eq!(raw_of(&encoded), Some((record.seq, &*record.raw)));
                let read = decoder.decode(&encoded.into());
                prop_assert_eq!(read.as_ref(), Some(record));
            }
        }

        #[test]
        fn whatever_is_readable_is_the_one_encoding_of_its_record(
            record in any_record(),
            at: proptest::sample::Index,
            byte: u8,
            end: proptest::sample::Index,
        ) {
            let mut bytes = encoded(&record);
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes.truncate(end.index(bytes.len()) + 1);
            if let Some(read) = Decoder::default().decode(&bytes.clone().into()) {
                prop_assert_eq!(raw_of(&bytes), Some((read.seq, &*read.raw)));
                prop_assert_eq!(encoded(&read), bytes);
            }
        }
    }

    #[test]
    fn the_encoding_is_as_documented() {
        let origin = Origin {
            transport: Transport::Tcp,
            listener: "syslog".into(),
            peer: Some("192.0.2.1:514".parse().unwrap()),
            identity: None,
        };
        let mut record = Record::new(Arc::new(origin), Micros(1), Bytes::from_static(b"hi"));
        record.seq = Seq(7);
        let expected = b"\x01\x07\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\
            \x01\x06\0\0\0syslog\x04\xc0\0\x02\x01\x02\x02\0\0\0hi";
        assert_eq!(encoded(&record), expected);
    }
}
