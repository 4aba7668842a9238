//! Group keys: the values of a few fields of an event, as bytes to look up and as text to show.
//!
//! Layout: for each field of the key a tag byte and its value; `T`: u16 length and UTF-8 text, `4`/`6`: an address,
//! `N`: absent. Values are canonical: accounts without domain and in lower case, host names short, addresses without
//! IPv4 in IPv6, so that one thing is one key whatever writes its name.

use std::net::IpAddr;

use event::{Entity, EntityKind, Event, Field, Value, split_account};

use crate::field_map::FieldMap;

/// One part of a group key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyPart {
    pub(crate) what: KeyField,
    /// Whether an event without it still counts.
    pub(crate) optional: bool,
}

/// Where a part of a key comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum KeyField {
    Known(Field),
    Named(Box<str>),
    /// `nhatky.device`: `observer.name`, else `host.name`, else the peer.
    Device,
    /// `nhatky.sender`: the sender in `nhatky.source`, without the product.
    Sender,
    /// Sigma's name of a field that we keep in one of several: the first of these that is there.
    FirstOf {
        name: Box<str>,
        fields: Box<[Self]>,
    },
}

/// Longer texts are cut in a key and carry a hash of the whole instead, so that a key stays small.
const TEXT_BYTES_MAX: usize = 200;

impl KeyPart {
    /// Reads `user.name`, `user.name?` (optional), `nhatky.device`, `nhatky.sender` or any other dotted name.
    pub(crate) fn parse(text: &str) -> Self {
        let (name, optional) = match text.strip_suffix('?') {
            Some(name) => (name, true),
            None => (text, false),
        };
        Self {
            what: KeyField::parse(name),
            optional,
        }
    }

    /// The same, where the name may be one of Sigma's own.
    pub(crate) fn of(text: &str, names: &FieldMap<'_>) -> Result<Self, String> {
        let (name, optional) = match text.strip_suffix('?') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let fields: Vec<KeyField> = match name {
            "nhatky.device" | "nhatky.sender" => vec![KeyField::parse(name)],
            name => {
                let targets = names.targets(name)?;
                targets
                    .iter()
                    .map(|target| KeyField::parse(target.name()))
                    .collect()
            }
        };
        let what = match <[KeyField; 1]>::try_from(fields) {
            Ok([only]) => only,
            Err(several) => KeyField::FirstOf {
                name: name.into(),
                fields: several.into(),
            },
        };
        Ok(Self { what, optional })
    }
}

impl KeyField {
    pub(crate) fn parse(name: &str) -> Self {
        match (name, Field::from_name(name)) {
            ("nhatky.device", _) => Self::Device,
            ("nhatky.sender", _) => Self::Sender,
            (_, Some(field)) => Self::Known(field),
            (_, None) => Self::Named(Box::from(name)),
        }
    }

    /// Its name in facts and texts.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Known(field) => field.name(),
            Self::Named(name) => name,
            Self::Device => "nhatky.device",
            Self::Sender => "nhatky.sender",
            Self::FirstOf { name, .. } => name,
        }
    }

    /// The one field that it is, where that has a number.
    pub(crate) fn known(&self) -> Option<Field> {
        match self {
            Self::Known(field) => Some(*field),
            Self::Named(_) | Self::Device | Self::Sender | Self::FirstOf { .. } => None,
        }
    }

    /// What an entity of this field is; `None` where the field names none.
    pub(crate) fn entity_kind(&self) -> Option<EntityKind> {
        match self {
            Self::Known(
                Field::USER_NAME | Field::USER_TARGET_NAME | Field::USER_EFFECTIVE_NAME,
            ) => Some(EntityKind::User),
            Self::Known(Field::HOST_NAME | Field::OBSERVER_NAME) | Self::Device | Self::Sender => {
                Some(EntityKind::Host)
            }
            Self::Known(field) if field.kind() == event::FieldKind::Address => {
                Some(EntityKind::Address)
            }
            Self::Known(_) | Self::Named(_) => None,
            Self::FirstOf { fields, .. } => fields.iter().find_map(Self::entity_kind),
        }
    }

    /// Its first value in the event, as it stands there.
    pub(crate) fn value<'e>(&'e self, event: &'e Event) -> Option<Value<'e>> {
        match self {
            Self::Known(field) => event.get(*field),
            Self::Named(name) => event.values_named(name).next(),
            Self::Device => [Field::OBSERVER_NAME, Field::HOST_NAME, Field::NHATKY_PEER]
                .into_iter()
                .find_map(|field| event.get(field)),
            Self::Sender => event
                .text(Field::NHATKY_SOURCE)
                .map(|source| Value::Text(sender(source))),
            Self::FirstOf { fields, .. } => fields.iter().find_map(|field| field.value(event)),
        }
    }

    /// The fields by which a query selects events with this value; the device and the sender are no fields and select
    /// nothing.
    pub(crate) fn field_names(&self) -> Vec<&str> {
        match self {
            Self::Known(_) | Self::Named(_) => vec![self.name()],
            Self::Device | Self::Sender => Vec::new(),
            Self::FirstOf { fields, .. } => fields.iter().flat_map(Self::field_names).collect(),
        }
    }

    /// Whether only a full parse gives it.
    pub(crate) fn needs_full_depth(&self) -> bool {
        match self {
            Self::Known(_) | Self::Device | Self::Sender => false,
            Self::Named(_) => true,
            Self::FirstOf { fields, .. } => fields.iter().any(Self::needs_full_depth),
        }
    }
}

/// The sender in `SENDER/PRODUCT`.
pub(crate) fn sender(source: &str) -> &str {
    source.rsplit_once('/').map_or(source, |(sender, _)| sender)
}

/// Writes the key of the event; `false`, with the buffer in no useful state, where a needed value is missing.
pub(crate) fn write_key(parts: &[KeyPart], event: &Event, key: &mut Vec<u8>) -> bool {
    key.clear();
    parts.iter().all(|part| {
        let written = part
            .what
            .value(event)
            .is_some_and(|value| write_value(&part.what, value, key));
        if !written && part.optional {
            key.push(b'N');
        }
        written || part.optional
    })
}

/// Appends one canonical value; `false` where it is no value in truth (an account `-`).
pub(crate) fn write_value(what: &KeyField, value: Value<'_>, key: &mut Vec<u8>) -> bool {
    match (value, what.entity_kind()) {
        (Value::Address(address), _) => write_address(address, key),
        (Value::Text(name), Some(EntityKind::User)) => {
            let (account, _) = split_account(name);
            return write_text(account, key);
        }
        (Value::Text(name), Some(EntityKind::Host)) if name.parse::<IpAddr>().is_err() => {
            if matches!(what, KeyField::Sender) {
                return write_text(name, key);
            }
            return write_text(name.split('.').next().unwrap_or_default(), key);
        }
        (value, _) => return write_text(&value.to_text(), key),
    }
    true
}

fn write_address(address: IpAddr, key: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            key.push(b'4');
            key.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            key.push(b'6');
            key.extend_from_slice(&address.octets());
        }
    }
}

fn write_text(text: &str, key: &mut Vec<u8>) -> bool {
    if text.is_empty() || text == "-" {
        return false;
    }
    let lower = query::lower(text);
    let cut = cut(&lower);
    let length = u16::try_from(cut.len()).unwrap_or(u16::MAX);
    key.push(b'T');
    key.extend_from_slice(&length.to_le_bytes());
    key.extend_from_slice(cut.as_bytes());
    true
}

fn cut(text: &str) -> std::borrow::Cow<'_, str> {
    if text.len() <= TEXT_BYTES_MAX {
        return text.into();
    }
    let end = text.floor_char_boundary(TEXT_BYTES_MAX);
    let head = text.get(..end).unwrap_or_default();
    format!("{head}…{:016x}", hash(text.as_bytes())).into()
}

/// The values of a key as text; an absent one is the empty text.
pub(crate) fn texts(key: &[u8]) -> Vec<Box<str>> {
    let mut values = Vec::new();
    let mut rest = key;
    while let Some((text, after)) = first_text(rest) {
        values.push(text.into_boxed_str());
        rest = after;
    }
    values
}

fn first_text(key: &[u8]) -> Option<(String, &[u8])> {
    let (tag, rest) = key.split_first()?;
    match tag {
        b'4' => {
            let (octets, rest) = rest.split_first_chunk::<4>()?;
            Some((IpAddr::from(*octets).to_string(), rest))
        }
        b'6' => {
            let (octets, rest) = rest.split_first_chunk::<16>()?;
            Some((IpAddr::from(*octets).to_string(), rest))
        }
        b'T' => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            let (text, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
            Some((String::from_utf8_lossy(text).into_owned(), rest))
        }
        _ => Some((String::new(), rest)),
    }
}

/// The entity that a value of that field is.
pub(crate) fn entity(what: &KeyField, value: Value<'_>) -> Option<Entity> {
    match (what.entity_kind()?, value) {
        (EntityKind::User, value) => Entity::user(&value.to_text()),
        (EntityKind::Address, Value::Address(address)) => Some(Entity::address(address)),
        (EntityKind::Address, _) => None,
        (EntityKind::Host, value) => Entity::host(&value.to_text()),
    }
}

/// 64 bits of a value, the same in every run: FNV-1a, its bits stirred at the end.
///
/// Used to count distinct values, never to find a key; who crafts collisions only hides values of his own making.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    let fnv = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let stirred = (fnv ^ (fnv >> 32)).wrapping_mul(0xd6e8_feb8_6659_fd93);
    stirred ^ (stirred >> 32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use event::Seq;

    fn event(fields: &[(&str, &str)]) -> Event {
        let mut event = Event::new(Seq(1), Bytes::new());
        for (name, value) in fields {
            event.push_named(name, *value);
        }
        event
    }

    fn check(parts: &[&str], fields: &[(&str, &str)], expected: Option<&[&str]>) {
        let parts: Vec<KeyPart> = parts.iter().map(|part| KeyPart::parse(part)).collect();
        let mut key = Vec::new();
        let written = write_key(&parts, &event(fields), &mut key);
        let found: Option<Vec<String>> =
            written.then(|| texts(&key).into_iter().map(String::from).collect());
        let expected = expected.map(|all| all.iter().map(|text| (*text).to_owned()).collect());
        assert_eq!(found, expected);
    }

    #[test]
    fn one_thing_is_one_key_whatever_writes_its_name() {
        check(&["user.name"], &[("user.name", "CORP\\An")], Some(&["an"]));
        check(
            &["user.name"],
            &[("user.name", "an@corp.vn")],
            Some(&["an"]),
        );
        check(
            &["source.ip"],
            &[("source.ip", "::ffff:192.0.2.1")],
            Some(&["192.0.2.1"]),
        );
        check(
            &["source.ip"],
            &[("source.ip", "2001:db8::1")],
            Some(&["2001:db8::1"]),
        );
        check(
            &["nhatky.device"],
            &[("host.name", "DB1.example.vn")],
            Some(&["db1"]),
        );
        check(
            &["nhatky.sender"],
            &[("nhatky.source", "192.0.2.9>db1/linux.sshd")],
            Some(&["192.0.2.9>db1"]),
        );
        check(
            &["destination.port"],
            &[("destination.port", "22")],
            Some(&["22"]),
        );
        check(&["acme.x"], &[("acme.x", "Y")], Some(&["y"]));
    }

    #[test]
    fn a_missing_value_ends_the_key_unless_it_is_optional() {
        check(&["user.name", "source.ip"], &[("user.name", "an")], None);
        check(
            &["user.name", "source.ip?"],
            &[("user.name", "an")],
            Some(&["an", ""]),
        );
        check(&["user.name"], &[("user.name", "-")], None);
    }

    #[test]
    fn long_values_stay_small_and_different() {
        let key = |tail: &str| {
            let long = "ế".repeat(5_000) + tail;
            let mut key = Vec::new();
            assert!(write_key(
                &[KeyPart::parse("acme.x")],
                &event(&[("acme.x", &long)]),
                &mut key
            ));
            key
        };
        assert!(key("a").len() < 256);
        assert_ne!(key("a"), key("b"));
    }
}
