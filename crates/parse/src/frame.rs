//! What is known of one message while its definition works on it: values by symbol.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;

use event::{Event, Field, FieldKind, Micros, Value};

use crate::Depth;
use crate::header::Reference;

/// A name of a definition, as a number: its place in [`Symbols`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Symbol(u16);

/// What the value of a symbol becomes in the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// A field that has a name of its own.
    Field(Field, FieldKind),
    /// A field under the vendor's prefix, given at [`Depth::Full`].
    Vendor,
    /// Nothing: a variable, or a key of the body that the definition asks about.
    Hidden,
}

/// The names that a definition uses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Symbols {
    names: Vec<(Box<str>, Target)>,
    by_name: HashMap<Box<str>, Symbol>,
    /// Prefix of a definition's own fields, with its dot; every other unknown name is a key of the body.
    vendor: Box<str>,
}

impl Symbols {
    pub(crate) fn new(vendor: &str) -> Self {
        Self {
            vendor: format!("{vendor}.").into(),
            ..Self::default()
        }
    }

    /// The symbol of a name that is read or written: `$variable`, field, vendor's field or key of the body.
    pub(crate) fn intern(&mut self, name: &str) -> Symbol {
        if let Some(symbol) = self.by_name.get(name) {
            return *symbol;
        }
        let target = match Field::from_name(name) {
            Some(field) => Target::Field(field, field.kind()),
            None if name.starts_with(&*self.vendor) => Target::Vendor,
            None => Target::Hidden,
        };
        // Definitions are capped at 1 MiB of text, so that their names cannot reach this number.
        let symbol = Symbol(u16::try_from(self.names.len()).unwrap_or(u16::MAX));
        self.names.push((name.into(), target));
        self.by_name.insert(name.into(), symbol);
        symbol
    }

    /// The symbol of a name that is only written: an unknown name is a vendor's field, whatever its prefix.
    pub(crate) fn intern_output(&mut self, name: &str) -> Symbol {
        let symbol = self.intern(name);
        if !name.starts_with('$')
            && let Some((_, target @ Target::Hidden)) = self.names.get_mut(usize::from(symbol.0))
        {
            *target = Target::Vendor;
        }
        symbol
    }

    pub(crate) fn find(&self, name: &str) -> Option<Symbol> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn name(&self, symbol: Symbol) -> &str {
        self.names
            .get(usize::from(symbol.0))
            .map_or("", |(name, _)| name)
    }

    pub(crate) fn target(&self, symbol: Symbol) -> &Target {
        self.names
            .get(usize::from(symbol.0))
            .map_or(&Target::Hidden, |(_, target)| target)
    }

    /// Every (name, symbol), in the order of their first use.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, Symbol)> {
        (0u16..)
            .zip(&self.names)
            .map(|(number, (name, _))| (&**name, Symbol(number)))
    }

    pub(crate) fn len(&self) -> usize {
        self.names.len()
    }
}

/// A value on its way into the event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece<'a> {
    /// Text of the message, or made from it.
    Text(Cow<'a, str>),
    /// A constant list of a definition.
    Constants(&'a [Box<str>]),
    /// Several values.
    List(Vec<Self>),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// An address.
    Address(IpAddr),
    /// An instant.
    Date(Micros),
}

/// Values of one field at most: more is no list that anybody reads.
const LIST_MAX: usize = 64;

impl<'a> Piece<'a> {
    /// The value as text; `None` for lists.
    pub(crate) fn to_text(&self) -> Option<Cow<'_, str>> {
        let value = match self {
            Self::Text(text) => return Some(Cow::Borrowed(text)),
            Self::Constants([only]) => return Some(Cow::Borrowed(only)),
            Self::Constants(_) | Self::List(_) => return None,
            Self::Integer(number) => Value::Integer(*number),
            Self::Float(number) => Value::Float(*number),
            Self::Bool(yes) => Value::Bool(*yes),
            Self::Address(address) => Value::Address(*address),
            Self::Date(instant) => Value::Date(*instant),
        };
        Some(Cow::Owned(value.to_text().into_owned()))
    }

    /// The whole number that the value is or says.
    pub(crate) fn to_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    /// The text with the lifetime of the message, cloned where it was made.
    pub(crate) fn text(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::Text(text) => Some(text.clone()),
            Self::Constants([only]) => Some(Cow::Borrowed(only)),
            other => other.to_text().map(|text| Cow::Owned(text.into_owned())),
        }
    }

    /// The same value, borrowing nothing from the text that it was found in.
    pub(crate) fn detached<'b>(self) -> Option<Piece<'b>> {
        Some(match self {
            Self::Text(text) => Piece::Text(Cow::Owned(text.into_owned())),
            Self::Constants(_) | Self::List(_) => return None,
            Self::Integer(number) => Piece::Integer(number),
            Self::Float(number) => Piece::Float(number),
            Self::Bool(yes) => Piece::Bool(yes),
            Self::Address(address) => Piece::Address(address),
            Self::Date(instant) => Piece::Date(instant),
        })
    }

    /// Whether the value is that text; a list if any member is.
    pub(crate) fn is(&self, wanted: &str) -> bool {
        match self {
            Self::Text(text) => text == wanted,
            Self::Constants(texts) => texts.iter().any(|text| **text == *wanted),
            Self::List(pieces) => pieces.iter().any(|piece| piece.is(wanted)),
            other => other.to_text().is_some_and(|text| text == wanted),
        }
    }
}

/// The values of one message.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) times: Reference<'a>,
    pub(crate) depth: Depth,
    /// The time that the syslog header states.
    pub(crate) header_time: Option<Micros>,
    entries: Vec<(Symbol, Option<Piece<'a>>)>,
    /// One more than the place in `entries`, by symbol; zero where there is none.
    places: Vec<u16>,
    /// Keys of the body that the definition does not name.
    others: Vec<(String, Piece<'a>)>,
    /// What a template has captured so far.
    pub(crate) captures: Vec<(Symbol, Piece<'a>)>,
}

impl<'a> Frame<'a> {
    pub(crate) fn new(times: Reference<'a>, depth: Depth, symbols: usize) -> Self {
        Self {
            times,
            depth,
            header_time: None,
            entries: Vec::with_capacity(48),
            places: vec![0; symbols],
            others: Vec::new(),
            captures: Vec::new(),
        }
    }

    pub(crate) fn get(&self, symbol: Symbol) -> Option<&Piece<'a>> {
        let place = *self.places.get(usize::from(symbol.0))?;
        self.entries
            .get(usize::from(place).checked_sub(1)?)?
            .1
            .as_ref()
    }

    pub(crate) fn has(&self, symbol: Symbol) -> bool {
        self.get(symbol).is_some()
    }

    /// Gives the symbol this value in place of the one that it had. Empty text is no value.
    pub(crate) fn put(&mut self, symbol: Symbol, piece: Piece<'a>) {
        if matches!(&piece, Piece::Text(text) if text.is_empty()) {
            return;
        }
        let Some(place) = self.places.get_mut(usize::from(symbol.0)) else {
            return;
        };
        if *place == 0 {
            self.entries.push((symbol, Some(piece)));
            *place = u16::try_from(self.entries.len()).unwrap_or(0);
        } else if let Some(entry) = self.entries.get_mut(usize::from(*place) - 1) {
            entry.1 = Some(piece);
        }
    }

    /// Gives the symbol this value beside those that it has.
    pub(crate) fn add(&mut self, symbol: Symbol, piece: Piece<'a>) {
        match self.remove(symbol) {
            None => self.put(symbol, piece),
            Some(Piece::List(mut pieces)) => {
                if !pieces.contains(&piece) && pieces.len() < LIST_MAX {
                    pieces.push(piece);
                }
                self.put(symbol, Piece::List(pieces));
            }
            Some(before) if before == piece => self.put(symbol, before),
            Some(before) => self.put(symbol, Piece::List(vec![before, piece])),
        }
    }

    pub(crate) fn remove(&mut self, symbol: Symbol) -> Option<Piece<'a>> {
        let place = *self.places.get(usize::from(symbol.0))?;
        self.entries
            .get_mut(usize::from(place).checked_sub(1)?)?
            .1
            .take()
    }

    /// A value of a key that the definition does not name.
    pub(crate) fn put_other(&mut self, name: String, piece: Piece<'a>) {
        self.others.push((name, piece));
    }

    /// An empty frame for the same message, to match text that was made from it.
    pub(crate) fn sibling<'b>(&self) -> Frame<'b>
    where
        'a: 'b,
    {
        Frame::new(self.times, self.depth, self.places.len())
    }

    /// Takes the captures of a template that matched over as values.
    pub(crate) fn keep_captures(&mut self) {
        let mut captures = std::mem::take(&mut self.captures);
        for (symbol, piece) in captures.drain(..) {
            self.put(symbol, piece);
        }
        self.captures = captures;
    }

    /// Writes every value that has a target into the event.
    pub(crate) fn write(&self, symbols: &Symbols, event: &mut Event) {
        for (symbol, piece) in &self.entries {
            let Some(piece) = piece else { continue };
            match symbols.target(*symbol) {
                Target::Field(field, kind) => write_field(event, *field, *kind, piece),
                Target::Vendor if self.depth == Depth::Full => {
                    write_named(event, symbols.name(*symbol), piece);
                }
                Target::Vendor | Target::Hidden => {}
            }
        }
        for (name, piece) in &self.others {
            // What the definition decided is not overruled by a key of the message.
            if !symbols.find(name).is_some_and(|symbol| self.has(symbol)) {
                write_named(event, name, piece);
            }
        }
    }
}

fn write_field(event: &mut Event, field: Field, kind: FieldKind, piece: &Piece<'_>) {
    let textual = matches!(kind, FieldKind::Keyword | FieldKind::Text);
    match piece {
        Piece::Text(text) if textual => event.append(field, Value::Text(text)),
        Piece::Text(text) => event.push(field, &**text),
        Piece::Constants(texts) => {
            for text in *texts {
                event.append(field, Value::Text(text).typed(kind));
            }
        }
        Piece::List(pieces) => {
            for piece in pieces {
                write_field(event, field, kind, piece);
            }
        }
        single if textual => event.append(field, Value::Text(&single.value().to_text())),
        single => event.append(field, single.value()),
    }
}

fn write_named(event: &mut Event, name: &str, piece: &Piece<'_>) {
    match piece {
        Piece::Constants(texts) => {
            for text in *texts {
                event.push_named(name, &**text);
            }
        }
        Piece::List(pieces) => {
            for piece in pieces {
                write_named(event, name, piece);
            }
        }
        single => event.push_named(name, single.value()),
    }
}

impl Piece<'_> {
    /// The value of what is not a list.
    fn value(&self) -> Value<'_> {
        match self {
            Self::Text(text) => Value::Text(text),
            Self::Constants([first, ..]) => Value::Text(first),
            Self::Constants([]) | Self::List(_) => Value::Text(""),
            Self::Integer(number) => Value::Integer(*number),
            Self::Float(number) => Value::Float(*number),
            Self::Bool(yes) => Value::Bool(*yes),
            Self::Address(address) => Value::Address(address.to_canonical()),
            Self::Date(instant) => Value::Date(*instant),
        }
    }
}
