//! `swap` and `transport`: the two ends of a connection, and what carries it.

use super::{Function, Scope, StepError, StepSource};
use crate::frame::{Frame, Piece, Symbol};

#[derive(Debug)]
struct Swap {
    pairs: Box<[(Symbol, Symbol)]>,
}

/// Members that both ends of a connection have.
const MEMBERS: &[&str] = &[
    "ip",
    "port",
    "domain",
    "address",
    "mac",
    "bytes",
    "packets",
    "nat.ip",
    "nat.port",
    "user.name",
    "user.domain",
];

/// Exchanges `source.*` and `destination.*` (or any two bases), and entry and exit of an observer where asked.
pub(super) fn swap(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    let [left, right] = source.from.as_slice() else {
        return Err(source.needs("`from` = two names"));
    };
    let whole =
        [left, right].map(|name| event::Field::from_name(name).is_some() || name.starts_with('$'));
    let pairs = if whole == [true, true] {
        vec![(scope.symbols.intern(left), scope.symbols.intern(right))]
    } else {
        let member = |member: &&str| {
            let name = |base: &str| format!("{base}.{member}");
            let symbols = &mut *scope.symbols;
            (
                symbols.intern_output(&name(left)),
                symbols.intern_output(&name(right)),
            )
        };
        MEMBERS.iter().map(member).collect()
    };
    Ok(Box::new(Swap {
        pairs: pairs.into(),
    }))
}

impl Function for Swap {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        for (left, right) in &self.pairs {
            let (was_left, was_right) = (frame.remove(*left), frame.remove(*right));
            for (symbol, piece) in [(*right, was_left), (*left, was_right)] {
                if let Some(piece) = piece {
                    frame.put(symbol, piece);
                }
            }
        }
    }
}

/// Protocols by IANA's number and name (<https://www.iana.org/assignments/protocol-numbers>).
const PROTOCOLS: &[(i64, &str)] = &[
    (1, "icmp"),
    (2, "igmp"),
    (4, "ipv4"),
    (6, "tcp"),
    (8, "egp"),
    (9, "igp"),
    (17, "udp"),
    (41, "ipv6"),
    (46, "rsvp"),
    (47, "gre"),
    (50, "esp"),
    (51, "ah"),
    (58, "ipv6-icmp"),
    (88, "eigrp"),
    (89, "ospf"),
    (103, "pim"),
    (112, "vrrp"),
    (115, "l2tp"),
    (132, "sctp"),
];

#[derive(Debug)]
struct Transport {
    from: Symbol,
    name: Symbol,
    number: Symbol,
}

/// `6`, `tcp`, `TCP/443`, `ICMPv6` → `network.transport` and `network.iana_number`.
pub(super) fn transport(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    Ok(Box::new(Transport {
        from: source.operand(scope)?,
        name: scope.symbols.intern("network.transport"),
        number: scope.symbols.intern("network.iana_number"),
    }))
}

impl Function for Transport {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        let Some(text) = frame.get(self.from).and_then(Piece::text) else {
            return;
        };
        let word = text.split(['/', ' ']).next().unwrap_or_default();
        let known = match word.parse::<i64>() {
            Ok(number) => PROTOCOLS.iter().find(|(known, _)| *known == number),
            Err(_) => {
                let v6 = ["icmpv6", "icmp6"]
                    .iter()
                    .any(|name| name.eq_ignore_ascii_case(word));
                let word = if v6 { "ipv6-icmp" } else { word };
                PROTOCOLS
                    .iter()
                    .find(|(_, name)| name.eq_ignore_ascii_case(word))
            }
        };
        match known {
            Some((number, name)) => {
                frame.put(self.name, Piece::Text((*name).into()));
                frame.put(self.number, Piece::Integer(*number));
            }
            None => match word.parse::<i64>() {
                Ok(number) => frame.put(self.number, Piece::Integer(number)),
                Err(_) => frame.put(self.name, Piece::Text(word.to_ascii_lowercase().into())),
            },
        }
    }
}
