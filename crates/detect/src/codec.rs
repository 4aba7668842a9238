//! Numbers and bytes of a checkpoint: little-endian, lengths before what they measure.

use std::net::IpAddr;

use bytes::Bytes;
use event::{Event, Micros, Seq, Value};

use crate::episode::{Episode, Evidence};
use crate::progress::{Chain, Hit};

/// Appends to bytes.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn u8(&mut self, number: u8) {
        self.bytes.push(number);
    }

    pub(crate) fn u32(&mut self, number: u32) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, number: u64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn i64(&mut self, number: i64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    pub(crate) fn length(&mut self, length: usize) {
        self.u32(u32::try_from(length).expect("the state's bound is far below 4 GiB of anything"));
    }

    pub(crate) fn slice(&mut self, bytes: &[u8]) {
        self.length(bytes.len());
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.length(items.len());
        for item in items {
            write(self, item);
        }
    }

    pub(crate) fn option<T>(&mut self, item: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.u8(u8::from(item.is_some()));
        if let Some(item) = item {
            write(self, item);
        }
    }

    pub(crate) fn seqs(&mut self, seqs: &[Seq]) {
        self.list(seqs, |writer, seq| writer.u64(seq.0));
    }

    pub(crate) fn hit(&mut self, hit: &Hit) {
        self.i64(hit.at.0);
        self.u64(hit.seq.0);
        self.u64(hit.tag);
    }

    pub(crate) fn chain(&mut self, chain: &Chain) {
        let Chain {
            step,
            start,
            last,
            count,
            seqs,
        } = chain;
        self.u8(*step);
        self.i64(start.0);
        self.i64(last.0);
        self.u64(*count);
        self.seqs(seqs);
    }

    pub(crate) fn episode(&mut self, episode: &Episode) {
        let Episode {
            id,
            first_at,
            last_at,
            count,
            evidence,
            untold,
        } = episode;
        self.bytes.extend_from_slice(id);
        self.i64(first_at.0);
        self.i64(last_at.0);
        self.u64(*count);
        self.seqs(&evidence.first);
        self.seqs(&evidence.last);
        self.u8(u8::from(*untold));
    }

    pub(crate) fn event(&mut self, event: &Event) {
        self.u64(event.seq().0);
        self.slice(event.raw());
        self.length(event.iter().count());
        for (name, value) in event.iter() {
            self.slice(name.as_bytes());
            self.value(value);
        }
    }

    fn value(&mut self, value: Value<'_>) {
        match value {
            Value::Text(text) => {
                self.u8(0);
                self.slice(text.as_bytes());
            }
            Value::Integer(number) => {
                self.u8(1);
                self.i64(number);
            }
            Value::Float(number) => {
                self.u8(2);
                self.u64(number.to_bits());
            }
            Value::Bool(yes) => {
                self.u8(3);
                self.u8(u8::from(yes));
            }
            Value::Address(IpAddr::V4(address)) => {
                self.u8(4);
                self.bytes.extend_from_slice(&address.octets());
            }
            Value::Address(IpAddr::V6(address)) => {
                self.u8(5);
                self.bytes.extend_from_slice(&address.octets());
            }
            Value::Date(at) => {
                self.u8(6);
                self.i64(at.0);
            }
        }
    }
}

/// Reads what a [`Writer`] wrote; `None` at the first thing that cannot be so.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.rest.split_first_chunk::<N>()?;
        self.rest = rest;
        Some(*array)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    pub(crate) fn slice(&mut self) -> Option<&'a [u8]> {
        let length = self.u32()? as usize;
        let (slice, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(slice)
    }

    pub(crate) fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<Vec<T>> {
        let length = self.u32()? as usize;
        let mut items = Vec::new();
        for _ in 0..length {
            items.push(read(self)?);
        }
        Some(items)
    }

    #[expect(
        clippy::option_option,
        reason = "outside: whether it could be read; inside: what was written"
    )]
    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        match self.u8()? {
            0 => Some(None),
            1 => read(self).map(Some),
            _ => None,
        }
    }

    pub(crate) fn micros(&mut self) -> Option<Micros> {
        self.i64().map(Micros)
    }

    pub(crate) fn seq(&mut self) -> Option<Seq> {
        self.u64().map(Seq)
    }

    pub(crate) fn seqs(&mut self) -> Option<Vec<Seq>> {
        self.list(Self::seq)
    }

    pub(crate) fn hit(&mut self) -> Option<Hit> {
        Some(Hit {
            at: self.micros()?,
            seq: self.seq()?,
            tag: self.u64()?,
        })
    }

    pub(crate) fn chain(&mut self) -> Option<Chain> {
        Some(Chain {
            step: self.u8()?,
            start: self.micros()?,
            last: self.micros()?,
            count: self.u64()?,
            seqs: self.seqs()?,
        })
    }

    pub(crate) fn episode(&mut self) -> Option<Episode> {
        Some(Episode {
            id: self.array()?,
            first_at: self.micros()?,
            last_at: self.micros()?,
            count: self.u64()?,
            evidence: Evidence {
                first: self.seqs()?,
                last: self.seqs()?,
            },
            untold: self.u8()? == 1,
        })
    }

    pub(crate) fn event(&mut self) -> Option<Event> {
        let seq = self.seq()?;
        let mut event = Event::new(seq, Bytes::copy_from_slice(self.slice()?));
        for _ in 0..self.u32()? {
            let name = std::str::from_utf8(self.slice()?).ok()?;
            let value = self.value()?;
            event.push_named(name, value);
        }
        Some(event)
    }

    fn value(&mut self) -> Option<Value<'a>> {
        Some(match self.u8()? {
            0 => Value::Text(std::str::from_utf8(self.slice()?).ok()?),
            1 => Value::Integer(self.i64()?),
            2 => {
                Value::Float(Some(f64::from_bits(self.u64()?)).filter(|number| number.is_finite())?)
            }
            3 => Value::Bool(self.u8()? == 1),
            4 => Value::Address(IpAddr::from(self.array::<4>()?)),
            5 => Value::Address(IpAddr::from(self.array::<16>()?)),
            6 => Value::Date(self.micros()?),
            _ => return None,
        })
    }
}
