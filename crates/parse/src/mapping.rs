//! Keys of a body → symbols, with their types: `srcip = "source.ip"`.

use std::collections::{BTreeMap, HashMap};

use event::{Field, FieldKind};

use crate::definition::source::OneOrMany;
use crate::frame::{Frame, Piece, Symbol, Symbols, Target};
use crate::header::read_time;
use crate::template;

/// Where the values of keys go.
#[derive(Debug, Default)]
pub(crate) struct Mapping {
    by_key: HashMap<Box<str>, Goals, ahash::RandomState>,
    /// Prefix of keys that are not named here, at full depth; none: they are left out.
    others: Option<Box<str>>,
}

/// Where the values of one key go.
#[derive(Debug, Default)]
pub(crate) struct Goals {
    goals: Box<[Goal]>,
    /// The definition only asks about the key, so that at full depth it is one of the others besides.
    asked_only: bool,
}

#[derive(Clone, Copy, Debug)]
struct Goal {
    symbol: Symbol,
    kind: ValueKind,
    /// The field may hold several values.
    many: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ValueKind {
    Text,
    Number,
    Address,
    Date,
    /// An address goes to the first symbol, a name to the second.
    Endpoint(Symbol),
}

impl Mapping {
    /// Compiles a `[map]`. Call [`Mapping::observe`] once all else of the definition is compiled.
    pub(crate) fn compile(
        map: &BTreeMap<String, OneOrMany>,
        others: Option<&str>,
        symbols: &mut Symbols,
    ) -> Self {
        let by_key = map
            .iter()
            .map(|(key, goals)| {
                let goals = goals.as_slice().iter().map(|goal| goal_of(goal, symbols));
                let goals = Goals {
                    goals: goals.collect(),
                    asked_only: false,
                };
                (key.as_str().into(), goals)
            })
            .collect();
        Self {
            by_key,
            others: others.map(Into::into),
        }
    }

    /// Keeps the keys, too, that guards, steps and dispatch ask about by their own name.
    pub(crate) fn observe(&mut self, symbols: &Symbols) {
        for (name, symbol) in symbols.iter() {
            if name.starts_with('$') || *symbols.target(symbol) != Target::Hidden {
                continue;
            }
            let goal = Goal {
                symbol,
                kind: ValueKind::Text,
                many: false,
            };
            let goals = self.by_key.entry(name.into()).or_insert_with(|| Goals {
                goals: Box::default(),
                asked_only: true,
            });
            goals.goals = goals.goals.iter().copied().chain([goal]).collect();
        }
    }

    /// The keys that are mapped to something.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        let mapped = self.by_key.iter().filter(|(_, goals)| !goals.asked_only);
        mapped.map(|(key, _)| &**key)
    }

    /// Exchanges where the values of a key go.
    pub(crate) fn exchange(&mut self, key: &str, goals: Option<Goals>) -> Option<Goals> {
        match goals {
            Some(goals) => self.by_key.insert(key.into(), goals),
            None => self.by_key.remove(key),
        }
    }

    /// Takes one key and its value in; a value that came before under that key is forgotten.
    pub(crate) fn take<'a>(&self, key: &str, value: Piece<'a>, frame: &mut Frame<'a>) {
        self.take_how(key, value, Repeated::Replaces, frame);
    }

    /// Takes a key and one of its values in: a field that may hold several gets them all.
    pub(crate) fn take_one_of<'a>(&self, key: &str, value: Piece<'a>, frame: &mut Frame<'a>) {
        self.take_how(key, value, Repeated::Adds, frame);
    }

    fn take_how<'a>(&self, key: &str, value: Piece<'a>, repeated: Repeated, frame: &mut Frame<'a>) {
        let Some(goals) = self.by_key.get(key) else {
            return self.take_other(key, value, frame);
        };
        if goals.asked_only && frame.depth == crate::Depth::Full {
            self.take_other(key, value.clone(), frame);
        }
        if let [only] = &*goals.goals {
            return only.put(value, repeated, frame);
        }
        for goal in &goals.goals {
            goal.put(value.clone(), repeated, frame);
        }
    }

    fn take_other<'a>(&self, key: &str, value: Piece<'a>, frame: &mut Frame<'a>) {
        let Some(prefix) = self.others.as_deref() else {
            return;
        };
        let ours = prefix.is_empty() && is_ours(key);
        let wanted = frame.depth == crate::Depth::Full || prefix.is_empty() && is_field(key);
        if wanted && !ours {
            frame.put_other(format!("{prefix}{key}"), value);
        }
    }
}

fn is_field(name: &str) -> bool {
    Field::from_name(name).is_some()
}

/// What only the engine gives, whatever a message claims.
fn is_ours(key: &str) -> bool {
    let ours = key.strip_prefix("nhatky");
    ours.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        || matches!(key, "event.original" | "event.ingested")
}

fn goal_of(goal: &str, symbols: &mut Symbols) -> Goal {
    let (name, kind) = goal.split_once(':').unwrap_or((goal, ""));
    if kind == "address" {
        return Goal {
            symbol: symbols.intern_output(&format!("{name}.ip")),
            kind: ValueKind::Endpoint(symbols.intern_output(&format!("{name}.domain"))),
            many: false,
        };
    }
    let kind = match kind {
        "int" | "float" | "number" => ValueKind::Number,
        "ip" => ValueKind::Address,
        "date" => ValueKind::Date,
        "" => match Field::from_name(name).map(Field::kind) {
            Some(FieldKind::Number) => ValueKind::Number,
            Some(FieldKind::Address) => ValueKind::Address,
            Some(FieldKind::Date) => ValueKind::Date,
            Some(FieldKind::Keyword | FieldKind::Text) | None => ValueKind::Text,
        },
        _ => ValueKind::Text,
    };
    Goal {
        symbol: symbols.intern_output(name),
        kind,
        many: Field::from_name(name).is_some_and(|field| field.info().many),
    }
}

/// What a further value of a key does to the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repeated {
    Replaces,
    /// It stands beside it, where the field may hold several.
    Adds,
}

impl Goal {
    /// A value that is not of the type is left out: the raw text keeps it.
    fn put<'a>(self, value: Piece<'a>, repeated: Repeated, frame: &mut Frame<'a>) {
        let put = |piece, frame: &mut Frame<'a>| {
            if self.many && repeated == Repeated::Adds {
                frame.add(self.symbol, piece);
            } else {
                frame.put(self.symbol, piece);
            }
        };
        let Piece::Text(text) = &value else {
            return put(value, frame);
        };
        if is_nothing(text) {
            return;
        }
        let typed = match self.kind {
            ValueKind::Text => Some(value),
            ValueKind::Number => number(text),
            ValueKind::Address => address(text),
            ValueKind::Date => {
                let read = read_time(text.trim(), frame.times);
                read.map(|(stamp, _)| Piece::Date(stamp.at))
            }
            ValueKind::Endpoint(domain) => match address(text) {
                Some(address) => Some(address),
                None => return frame.put(domain, value),
            },
        };
        if let Some(typed) = typed {
            put(typed, frame);
        }
    }
}

/// What devices write for a value that they do not have.
fn is_nothing(text: &str) -> bool {
    matches!(text, "" | "-" | "N/A" | "n/a" | "(null)" | "(none)")
}

/// The number that the whole text is.
pub(crate) fn number(text: &str) -> Option<Piece<'static>> {
    let text = text.trim();
    if let Ok(number) = text.parse() {
        return Some(Piece::Integer(number));
    }
    let number: f64 = text.parse().ok()?;
    number.is_finite().then_some(Piece::Float(number))
}

/// The address that the whole text is.
pub(crate) fn address(text: &str) -> Option<Piece<'static>> {
    let (length, address) = template::ip(text)?;
    (length == text.len()).then_some(Piece::Address(address))
}
