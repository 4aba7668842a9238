//! The functions of formulas, in one table.

use std::net::IpAddr;

use event::Micros;
use ipnet::IpNet;
use jiff::Timestamp;

use super::{Formula, Node, float};
use crate::pipe::table::Cell;
use crate::{Context, Regex, TimeStep};

/// Texts that functions make are cut at this length, in bytes.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// Members that a list made by a function has at most.
const LIST_MAX: usize = 1000;

/// A function: its name, how it is written, and what it gives.
#[derive(Clone, Copy, Debug)]
pub struct FunctionInfo {
    /// Its name.
    pub name: &'static str,
    /// How it is written.
    pub usage: &'static str,
    /// How many arguments it takes, at least and at most.
    arguments: (usize, usize),
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Lower,
    Upper,
    Length,
    Substring,
    Concat,
    Trim,
    Contains,
    StartsWith,
    EndsWith,
    Split,
    Join,
    Members,
    Matches,
    Extract,
    Replace,
    Absolute,
    Round,
    Floor,
    Ceiling,
    Least,
    Greatest,
    Root,
    Power,
    Logarithm,
    Number,
    Text,
    Now,
    Date,
    Unix,
    Year,
    Month,
    Day,
    Hour,
    Minute,
    Weekday,
    Truncate,
    Format,
    Address,
    Private,
    InNetwork,
    Network,
    Coalesce,
    IsNull,
    IsPresent,
}

const fn function(
    name: &'static str,
    usage: &'static str,
    arguments: (usize, usize),
    kind: Kind,
) -> FunctionInfo {
    FunctionInfo {
        name,
        usage,
        arguments,
        kind,
    }
}

const MANY: usize = 32;

/// All functions beside `if` and `case`, which take conditions.
pub const FUNCTIONS: &[FunctionInfo] = &[
    function("lower", "lower(text)", (1, 1), Kind::Lower),
    function("upper", "upper(text)", (1, 1), Kind::Upper),
    function("len", "len(text)", (1, 1), Kind::Length),
    function(
        "substr",
        "substr(text, from 1, length)",
        (2, 3),
        Kind::Substring,
    ),
    function("concat", "concat(a, b, …)", (1, MANY), Kind::Concat),
    function("trim", "trim(text)", (1, 1), Kind::Trim),
    function("contains", "contains(text, part)", (2, 2), Kind::Contains),
    function(
        "startswith",
        "startswith(text, part)",
        (2, 2),
        Kind::StartsWith,
    ),
    function("endswith", "endswith(text, part)", (2, 2), Kind::EndsWith),
    function("split", "split(text, separator)", (2, 2), Kind::Split),
    function("join", "join(field, separator)", (2, 2), Kind::Join),
    function("count_values", "count_values(field)", (1, 1), Kind::Members),
    function("match", "match(text, \"regex\")", (2, 2), Kind::Matches),
    function(
        "extract",
        "extract(text, \"regex with a (group)\")",
        (2, 2),
        Kind::Extract,
    ),
    function(
        "replace",
        "replace(text, \"regex\", \"with $1\")",
        (3, 3),
        Kind::Replace,
    ),
    function("abs", "abs(number)", (1, 1), Kind::Absolute),
    function("round", "round(number, digits)", (1, 2), Kind::Round),
    function("floor", "floor(number)", (1, 1), Kind::Floor),
    function("ceil", "ceil(number)", (1, 1), Kind::Ceiling),
    function("min", "min(a, b, …)", (1, MANY), Kind::Least),
    function("max", "max(a, b, …)", (1, MANY), Kind::Greatest),
    function("sqrt", "sqrt(number)", (1, 1), Kind::Root),
    function("pow", "pow(number, exponent)", (2, 2), Kind::Power),
    function("log", "log(number, base)", (1, 2), Kind::Logarithm),
    function("number", "number(text)", (1, 1), Kind::Number),
    function("text", "text(value)", (1, 1), Kind::Text),
    function("now", "now()", (0, 0), Kind::Now),
    function("date", "date(text)", (1, 1), Kind::Date),
    function("unix", "unix(date)", (1, 1), Kind::Unix),
    function("year", "year(date)", (1, 1), Kind::Year),
    function("month", "month(date)", (1, 1), Kind::Month),
    function("day", "day(date)", (1, 1), Kind::Day),
    function("hour", "hour(date)", (1, 1), Kind::Hour),
    function("minute", "minute(date)", (1, 1), Kind::Minute),
    function("weekday", "weekday(date)", (1, 1), Kind::Weekday),
    function("truncate", "truncate(date, 1h)", (2, 2), Kind::Truncate),
    function(
        "format",
        "format(date, \"%d/%m/%Y %H:%M\")",
        (2, 2),
        Kind::Format,
    ),
    function("address", "address(text)", (1, 1), Kind::Address),
    function("is_private", "is_private(address)", (1, 1), Kind::Private),
    function(
        "in_network",
        "in_network(address, 10.0.0.0/8, …)",
        (2, MANY),
        Kind::InNetwork,
    ),
    function("network", "network(address, bits)", (2, 2), Kind::Network),
    function("coalesce", "coalesce(a, b, …)", (1, MANY), Kind::Coalesce),
    function("isnull", "isnull(field)", (1, 1), Kind::IsNull),
    function("exists", "exists(field)", (1, 1), Kind::IsPresent),
];

/// A function with what was prepared for it once.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    kind: Kind,
    prepared: Prepared,
}

#[derive(Clone, Debug, PartialEq)]
enum Prepared {
    Nothing,
    Regex(Regex),
    Networks(Vec<IpNet>),
    Step(TimeStep),
    Zone(jiff::tz::TimeZone),
    Now(Micros),
}

impl Call {
    /// The call of that function, its constants read; what is wrong with it, and how it is written, where it is.
    pub(super) fn node(
        name: &str,
        arguments: Vec<Node>,
        context: &Context,
    ) -> Result<Node, (String, String)> {
        let Some(info) = FUNCTIONS
            .iter()
            .find(|info| info.name.eq_ignore_ascii_case(name))
        else {
            let names = FUNCTIONS.iter().map(|info| info.name);
            let near = crate::near::nearest(name, names.chain(["if", "case"]));
            let fix = near.map_or_else(
                || "see the list of functions in the query language's page".to_owned(),
                |near| format!("did you mean «{near}»?"),
            );
            return Err((format!("there is no function «{name}»"), fix));
        };
        let (least, most) = info.arguments;
        if !(least..=most).contains(&arguments.len()) {
            return Err((
                format!("«{}» does not take {} values", info.name, arguments.len()),
                format!("write «{}»", info.usage),
            ));
        }
        let usage = || {
            (
                format!("this is not how «{}» is written", info.name),
                format!("write «{}»", info.usage),
            )
        };
        let constant = |at: usize| match arguments.get(at) {
            Some(Node::Value(Cell::Text(text))) => Some(&**text),
            _ => None,
        };
        let prepared = match info.kind {
            Kind::Matches | Kind::Extract | Kind::Replace => {
                let source = constant(1).ok_or_else(usage)?;
                let regex = Regex::new(source);
                Prepared::Regex(regex.map_err(|error| (error.to_string(), usage().1))?)
            }
            Kind::InNetwork => {
                let texts = (1..arguments.len()).map(|at| network(constant(at)?));
                let networks: Option<Vec<IpNet>> = texts.collect();
                Prepared::Networks(networks.ok_or_else(usage)?)
            }
            Kind::Truncate => {
                let step = constant(1).and_then(|text| TimeStep::parse(text, &context.zone));
                Prepared::Step(step.ok_or_else(usage)?)
            }
            Kind::Now => Prepared::Now(context.now),
            Kind::Date
            | Kind::Year
            | Kind::Month
            | Kind::Day
            | Kind::Hour
            | Kind::Minute
            | Kind::Weekday
            | Kind::Format => Prepared::Zone(context.zone.clone()),
            _ => Prepared::Nothing,
        };
        let call = Self {
            kind: info.kind,
            prepared,
        };
        Ok(Node::Call(Box::new(call), arguments))
    }

    /// Whether a field stands for all of its values.
    pub(super) fn takes_lists(&self) -> bool {
        matches!(
            self.kind,
            Kind::Join | Kind::Members | Kind::IsNull | Kind::IsPresent
        )
    }

    pub(super) fn of(&self, cells: &[Cell]) -> Cell {
        let first = cells.first().unwrap_or(&Cell::Null);
        let second = cells.get(1).unwrap_or(&Cell::Null);
        match self.kind {
            Kind::IsNull => Cell::Bool(*first == Cell::Null),
            Kind::IsPresent => Cell::Bool(*first != Cell::Null),
            Kind::Members => Cell::Integer(match first {
                Cell::Null => 0,
                Cell::List(cells) => i64::try_from(cells.len()).unwrap_or(i64::MAX),
                _ => 1,
            }),
            Kind::Coalesce => cells
                .iter()
                .find(|cell| **cell != Cell::Null)
                .cloned()
                .unwrap_or(Cell::Null),
            Kind::Least => extreme(cells, std::cmp::Ordering::is_lt),
            Kind::Greatest => extreme(cells, std::cmp::Ordering::is_gt),
            Kind::Now => match &self.prepared {
                Prepared::Now(at) => Cell::Date(*at),
                _ => Cell::Null,
            },
            _ if *first == Cell::Null => Cell::Null,
            Kind::Text => text(shown(first)),
            Kind::Number => first
                .number()
                .map_or(Cell::Null, |number| whole_or(number, first)),
            Kind::Absolute
            | Kind::Round
            | Kind::Floor
            | Kind::Ceiling
            | Kind::Root
            | Kind::Power
            | Kind::Logarithm => number(self.kind, first, second),
            Kind::Unix
            | Kind::Date
            | Kind::Year
            | Kind::Month
            | Kind::Day
            | Kind::Hour
            | Kind::Minute
            | Kind::Weekday
            | Kind::Truncate
            | Kind::Format => self.date(first, second),
            Kind::Address | Kind::Private | Kind::InNetwork | Kind::Network => {
                self.address(first, second)
            }
            _ => self.text(first, second, cells),
        }
    }

    fn text(&self, first: &Cell, second: &Cell, cells: &[Cell]) -> Cell {
        let (one, two) = (shown(first), shown(second));
        let pattern = match &self.prepared {
            Prepared::Regex(regex) => Some(regex),
            _ => None,
        };
        match self.kind {
            Kind::Lower => text(one.to_lowercase()),
            Kind::Upper => text(one.to_uppercase()),
            Kind::Length => Cell::Integer(i64::try_from(one.chars().count()).unwrap_or(i64::MAX)),
            Kind::Trim => text(one.trim().to_owned()),
            Kind::Substring => substring(&one, second, cells.get(2)),
            Kind::Concat => text(cells.iter().map(shown).collect()),
            _ if *second == Cell::Null => Cell::Null,
            Kind::Contains => Cell::Bool(crate::lower(&one).contains(&*crate::lower(&two))),
            Kind::StartsWith => Cell::Bool(crate::lower(&one).starts_with(&*crate::lower(&two))),
            Kind::EndsWith => Cell::Bool(crate::lower(&one).ends_with(&*crate::lower(&two))),
            Kind::Split if !two.is_empty() => {
                let parts = one.split(two.as_str()).take(LIST_MAX);
                Cell::List(parts.map(|part| Cell::Text(part.into())).collect())
            }
            Kind::Join => match first {
                Cell::List(members) => {
                    text(members.iter().map(shown).collect::<Vec<_>>().join(&two))
                }
                _ => text(one),
            },
            Kind::Matches => pattern.map_or(Cell::Null, |regex| Cell::Bool(regex.matches(&one))),
            Kind::Extract => pattern
                .and_then(|regex| regex.captured(&one))
                .map_or(Cell::Null, |part| text(part.to_owned())),
            Kind::Replace => match (pattern, cells.get(2)) {
                (Some(regex), Some(with)) => {
                    text(regex.replaced(&one, &shown(with), TEXT_BYTES_MAX))
                }
                _ => Cell::Null,
            },
            _ => Cell::Null,
        }
    }

    fn date(&self, first: &Cell, second: &Cell) -> Cell {
        if let (Kind::Date, Cell::Text(text), Prepared::Zone(zone)) =
            (self.kind, first, &self.prepared)
        {
            let read = crate::date::interval(text, Micros(0), zone);
            return read.map_or(Cell::Null, |interval| Cell::Date(interval.start));
        }
        let at = match first {
            Cell::Date(at) => Some(*at),
            Cell::Text(text) => Micros::from_rfc3339(text),
            #[expect(
                clippy::cast_possible_truncation,
                reason = "an `as` of a float saturates"
            )]
            cell => cell
                .number()
                .map(|seconds| Micros((seconds * super::SECOND) as i64)),
        };
        let Some(at) = at else {
            return Cell::Null;
        };
        let zone = match &self.prepared {
            Prepared::Step(step) => return Cell::Date(step.span(at).start),
            Prepared::Zone(zone) => zone,
            _ if self.kind == Kind::Unix => return float(super::micros(at) / super::SECOND),
            _ => return Cell::Null,
        };
        let Ok(instant) = Timestamp::from_microsecond(at.0) else {
            return Cell::Null;
        };
        let local = instant.to_zoned(zone.clone());
        let part = match self.kind {
            Kind::Date => return Cell::Date(at),
            Kind::Format => {
                let formatted = jiff::fmt::strtime::format(shown(second), &local);
                return formatted.map_or(Cell::Null, text);
            }
            Kind::Year => i64::from(local.year()),
            Kind::Month => i64::from(local.month()),
            Kind::Day => i64::from(local.day()),
            Kind::Hour => i64::from(local.hour()),
            Kind::Minute => i64::from(local.minute()),
            _ => i64::from(local.weekday().to_monday_one_offset()),
        };
        Cell::Integer(part)
    }

    fn address(&self, first: &Cell, second: &Cell) -> Cell {
        let address = match first {
            Cell::Address(address) => Some(*address),
            Cell::Text(text) => text.parse().ok(),
            _ => None,
        };
        let Some(address) = address else {
            return Cell::Null;
        };
        match (self.kind, &self.prepared) {
            (Kind::Address, _) => Cell::Address(address),
            (Kind::Private, _) => Cell::Bool(is_private(address)),
            (Kind::InNetwork, Prepared::Networks(networks)) => {
                Cell::Bool(networks.iter().any(|network| network.contains(&address)))
            }
            (Kind::Network, _) => {
                let bits = match second {
                    Cell::Integer(bits) => u8::try_from(*bits).ok(),
                    _ => None,
                };
                let network = bits.and_then(|bits| IpNet::new(address, bits).ok());
                network.map_or(Cell::Null, |network| text(network.trunc().to_string()))
            }
            _ => Cell::Null,
        }
    }
}

/// A network, or an address alone.
fn network(text: &str) -> Option<IpNet> {
    let address = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(address)
}

/// Addresses of no public network: RFC 1918, RFC 6598, RFC 4193, loopback and link-local ones.
fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [first, second, ..] = v4.octets();
            v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || (first == 100 && second & 0xc0 == 64)
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

fn extreme(cells: &[Cell], is_better: fn(std::cmp::Ordering) -> bool) -> Cell {
    let present = cells.iter().filter(|cell| **cell != Cell::Null);
    let better = present.reduce(|best, cell| {
        if is_better(cell.order(best)) {
            cell
        } else {
            best
        }
    });
    better.cloned().unwrap_or(Cell::Null)
}

fn number(kind: Kind, first: &Cell, second: &Cell) -> Cell {
    if let (Cell::Integer(whole), Kind::Absolute | Kind::Floor | Kind::Ceiling) = (first, kind) {
        let whole = if kind == Kind::Absolute {
            whole.saturating_abs()
        } else {
            *whole
        };
        return Cell::Integer(whole);
    }
    let Some(number) = first.number() else {
        return Cell::Null;
    };
    let second = second.number();
    float(match kind {
        Kind::Absolute => number.abs(),
        Kind::Round => {
            let digits = second.unwrap_or_default().clamp(-15.0, 15.0).trunc();
            let shift = 10_f64.powf(digits);
            (number * shift).round() / shift
        }
        Kind::Floor => number.floor(),
        Kind::Ceiling => number.ceil(),
        Kind::Root => number.sqrt(),
        Kind::Power => number.powf(second.unwrap_or(f64::NAN)),
        _ => second.map_or_else(|| number.ln(), |base| number.log(base)),
    })
}

/// A whole number as such.
fn whole_or(number: f64, cell: &Cell) -> Cell {
    match cell {
        Cell::Integer(_) => cell.clone(),
        Cell::Text(text) => text.parse().map_or(Cell::Float(number), Cell::Integer),
        _ => Cell::Float(number),
    }
}

/// From the character of that number on, counted from 1; from the end where it is negative.
fn substring(text: &str, from: &Cell, length: Option<&Cell>) -> Cell {
    let Cell::Integer(from) = from else {
        return Cell::Null;
    };
    let length = match length {
        None => usize::MAX,
        Some(Cell::Integer(length)) => usize::try_from(*length).unwrap_or(0),
        Some(_) => return Cell::Null,
    };
    let skipped = match usize::try_from(*from) {
        Ok(from) => from.saturating_sub(1),
        Err(_) => {
            let behind = usize::try_from(from.unsigned_abs()).unwrap_or(usize::MAX);
            text.chars().count().saturating_sub(behind)
        }
    };
    self::text(text.chars().skip(skipped).take(length).collect())
}

/// A cell as text; nothing is the empty text.
pub(super) fn shown(cell: &Cell) -> String {
    match cell {
        Cell::List(cells) => cells.iter().map(shown).collect::<Vec<_>>().join(", "),
        cell => cell
            .value()
            .map_or_else(String::new, |value| value.to_text().into_owned()),
    }
}

fn text(mut text: String) -> Cell {
    if text.len() > TEXT_BYTES_MAX {
        let end = text.floor_char_boundary(TEXT_BYTES_MAX);
        text.truncate(end);
    }
    Cell::Text(text.into())
}

impl From<Node> for Formula {
    fn from(node: Node) -> Self {
        Self(node)
    }
}
