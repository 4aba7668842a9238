//! The syntax tree of a query: typed, so that whoever plans or runs it has nothing left to parse.

use std::fmt;

use event::{Field, FieldKind};
use ipnet::IpNet;

use crate::{Literal, Pattern, Phrase};

/// A condition on an event.
///
/// Built by [`Expr::and`], [`Expr::or`] and [`Expr::not`] it is in *simple form*: `And` and `Or` have two members or
/// more, none of them of the same kind, `All` or `None`; `Not` never holds `Not`, `All` or `None`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Expr {
    /// Every event.
    All,
    /// No event.
    None,
    /// Events that all members match.
    And(Vec<Self>),
    /// Events that a member matches.
    Or(Vec<Self>),
    /// Events that it does not match: those without the field too.
    Not(Box<Self>),
    /// Events that pass a test.
    Test(Test),
}

/// What is asked of one event.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Test {
    /// `event.original` holds these consecutive tokens: a bare word or a phrase.
    Text(Phrase),
    /// `event.original` holds a match: `/re/`.
    Regex(Regex),
    /// Some value of the field meets the condition.
    Field(FieldName, Condition),
}

/// What is asked of a field. Where it has several values, one that meets it is enough.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Condition {
    /// `field:*`: it has a value.
    Exists,
    /// `field:v`: the whole value. A number is compared as a number with a value that is one; an address as an address.
    Is(Literal),
    /// `field:(a OR b)`: one of these whole values. Two or more, as written.
    OneOf(Box<[Literal]>),
    /// `field:v*`: the whole value, with wildcards.
    Like(Pattern),
    /// `field:"some words"` of a field of kind text ([`FieldName::is_text`]): it holds these consecutive tokens.
    Holds(Phrase),
    /// `field:10.0.0.0/8`: an address in the network.
    Network(IpNet),
    /// `field:[a TO b]`, `field:>=a`: between two bounds.
    Range(Range),
    /// `field:/re/`: it holds a match.
    Regex(Regex),
}

/// The bounds of a range. At least one side is bounded in what the parser gives.
///
/// Values compare with the bounds as the field's kind says: numbers, dates, addresses (of the same family) and texts
/// (folded, by code points) each among themselves; a field that is no column, as a number if both are numbers.
/// A value that does not compare is not in the range.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Range {
    /// The lower bound.
    pub low: Bound,
    /// The upper bound.
    pub high: Bound,
}

/// One side of a [`Range`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Bound {
    /// No bound on this side.
    Open,
    /// Up to this and with it.
    With(Literal),
    /// Up to this, but not it.
    Without(Literal),
}

/// The name of a field, known or not.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldName {
    name: Box<str>,
    known: Option<Field>,
}

impl FieldName {
    /// The field of that dotted name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            known: Field::from_name(name),
        }
    }

    /// Its dotted name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The known field of that name; `None` for a vendor's own.
    #[must_use]
    pub fn known(&self) -> Option<Field> {
        self.known
    }

    /// What its values are; a keyword where nothing is known of it.
    #[must_use]
    pub fn kind(&self) -> FieldKind {
        self.known.map_or(FieldKind::Keyword, Field::kind)
    }

    /// Whether its value is text to be searched by words.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.kind() == FieldKind::Text
    }

    /// Whether only a full parse gives it: a vendor's own field, and what repeats others for readers.
    #[must_use]
    pub fn needs_full_depth(&self) -> bool {
        matches!(
            self.known,
            None | Some(Field::MESSAGE | Field::SOURCE_ADDRESS | Field::DESTINATION_ADDRESS)
        )
    }

    /// The known field, if the index keeps it as a column.
    #[must_use]
    pub fn column(&self) -> Option<Field> {
        self.known.filter(|field| field.info().column)
    }
}

impl From<Field> for FieldName {
    fn from(field: Field) -> Self {
        Self {
            name: field.name().into(),
            known: Some(field),
        }
    }
}

/// A regular expression: unanchored, case-sensitive unless it begins with `(?i)`, linear time.
#[derive(Clone, Debug)]
pub struct Regex {
    compiled: regex::Regex,
}

impl Regex {
    /// The most memory of a compiled expression, in bytes.
    pub const COMPILED_BYTES_MAX: usize = 1 << 20;
    /// The most memory of its lazily built automaton, in bytes.
    pub const AUTOMATON_BYTES_MAX: usize = 2 << 20;

    /// Compiles an expression in the syntax of the crate `regex`.
    ///
    /// # Errors
    /// Where it is none, or too big: [`regex::Error`] says which.
    pub fn new(source: &str) -> Result<Self, regex::Error> {
        Self::with_compiled_bytes(source, Self::COMPILED_BYTES_MAX)
    }

    /// The same with another limit of memory, for expressions that are kept and not given by everyone who asks.
    ///
    /// # Errors
    /// As for [`Regex::new`].
    pub fn with_compiled_bytes(source: &str, bytes_max: usize) -> Result<Self, regex::Error> {
        let compiled = regex::RegexBuilder::new(source)
            .size_limit(bytes_max)
            .dfa_size_limit(Self::AUTOMATON_BYTES_MAX)
            .nest_limit(50)
            .build()?;
        Ok(Self { compiled })
    }

    /// The expression as written.
    #[must_use]
    pub fn source(&self) -> &str {
        self.compiled.as_str()
    }

    /// Whether the text holds a match.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.compiled.is_match(text)
    }

    /// What the first group of the first match holds, or the whole match where there is no group.
    #[must_use]
    pub fn captured<'t>(&self, text: &'t str) -> Option<&'t str> {
        let captures = self.compiled.captures(text)?;
        let group = if captures.len() > 1 {
            captures.get(1)
        } else {
            captures.get(0)
        };
        group.map(|found| found.as_str())
    }

    /// The text with each match replaced, in which `$1` stands for a group; no match behind so many bytes is.
    #[must_use]
    pub fn replaced(&self, text: &str, with: &str, bytes_max: usize) -> String {
        let (mut replaced, mut end) = (String::new(), 0);
        for captures in self.compiled.captures_iter(text) {
            let Some(found) = captures.get(0) else { break };
            if replaced.len() > bytes_max {
                break;
            }
            replaced.push_str(text.get(end..found.start()).unwrap_or_default());
            captures.expand(with, &mut replaced);
            end = found.end();
        }
        replaced.push_str(text.get(end..).unwrap_or_default());
        replaced
    }
}

/// What was written is all that there is.
impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.source() == other.source()
    }
}

impl Eq for Regex {}

impl std::hash::Hash for Regex {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.source().hash(state);
    }
}

impl Expr {
    /// Events that all members match; every event without members. In simple form if the members are.
    #[must_use]
    pub fn and(members: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Vec::new();
        for member in members {
            match member {
                Self::All => {}
                Self::None => return Self::None,
                // Kept, so that adding one after another stays linear.
                Self::And(members) if all.is_empty() => all = members,
                Self::And(members) => all.extend(members),
                member @ (Self::Or(_) | Self::Not(_) | Self::Test(_)) => all.push(member),
            }
        }
        match all.len() {
            0 => Self::All,
            1 => all.swap_remove(0),
            _ => Self::And(all),
        }
    }

    /// Events that a member matches; no event without members. In simple form if the members are.
    #[must_use]
    pub fn or(members: impl IntoIterator<Item = Self>) -> Self {
        let mut any = Vec::new();
        for member in members {
            match member {
                Self::None => {}
                Self::All => return Self::All,
                Self::Or(members) if any.is_empty() => any = members,
                Self::Or(members) => any.extend(members),
                member @ (Self::And(_) | Self::Not(_) | Self::Test(_)) => any.push(member),
            }
        }
        match any.len() {
            0 => Self::None,
            1 => any.swap_remove(0),
            _ => Self::Or(any),
        }
    }

    /// Events that it does not match. In simple form if it is.
    #[expect(
        clippy::should_implement_trait,
        reason = "beside `and` and `or`, and it takes no operand by reference"
    )]
    #[must_use]
    pub fn not(self) -> Self {
        match self {
            Self::All => Self::None,
            Self::None => Self::All,
            Self::Not(inner) => *inner,
            inner @ (Self::And(_) | Self::Or(_) | Self::Test(_)) => Self::Not(Box::new(inner)),
        }
    }

    /// Events of which some value of the field meets the condition.
    #[must_use]
    pub fn field(field: impl Into<FieldName>, condition: Condition) -> Self {
        Self::Test(Test::Field(field.into(), condition))
    }

    /// Calls `visit` with every test in it, from left to right.
    pub fn each_test<'a>(&'a self, visit: &mut impl FnMut(&'a Test)) {
        match self {
            Self::All | Self::None => {}
            Self::And(members) | Self::Or(members) => {
                for member in members {
                    member.each_test(visit);
                }
            }
            Self::Not(inner) => inner.each_test(visit),
            Self::Test(test) => visit(test),
        }
    }

    /// The fields that it names, sorted, each once. Words and phrases name none.
    #[must_use]
    pub fn fields(&self) -> Vec<&FieldName> {
        let mut fields = Vec::new();
        self.each_test(&mut |test| {
            if let Test::Field(field, _) = test {
                fields.push(field);
            }
        });
        fields.sort_unstable();
        fields.dedup();
        fields
    }

    /// Whether it names a field that only a full parse gives.
    #[must_use]
    pub fn needs_full_depth(&self) -> bool {
        self.fields().into_iter().any(FieldName::needs_full_depth)
    }

    /// How many tests it has.
    #[must_use]
    pub fn clauses(&self) -> usize {
        let mut count = 0;
        self.each_test(&mut |_| count += 1);
        count
    }
}

/// As it is written in a query: in quotes unless it is plain.
impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::display::write_name(f, &self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Expr {
        Expr::Test(Test::Text(Phrase::new(text).unwrap()))
    }

    #[test]
    fn what_is_built_is_in_simple_form() {
        let (a, b, c) = (word("a"), word("b"), word("c"));
        let nested = Expr::and([a.clone(), Expr::and([b.clone(), Expr::All, c.clone()])]);
        assert_eq!(nested, Expr::And(vec![a.clone(), b.clone(), c]));
        assert_eq!(Expr::or([a.clone(), Expr::None]), a);
        assert_eq!(Expr::or([a.clone(), Expr::All]), Expr::All);
        assert_eq!(Expr::and([a.clone(), Expr::None, b]), Expr::None);
        assert_eq!(a.clone().not().not(), a);
        assert_eq!(Expr::and([]), Expr::All);
        assert_eq!(Expr::or([]), Expr::None);
    }

    #[test]
    fn only_a_vendors_own_field_needs_a_full_parse() {
        let core = Expr::field(Field::SOURCE_IP, Condition::Exists);
        let own = Expr::field(FieldName::new("fortinet.vd"), Condition::Exists);
        assert!(!Expr::and([core.clone(), word("a")]).needs_full_depth());
        let both = Expr::or([own.clone(), core.not(), own]);
        assert!(both.needs_full_depth());
        let names: Vec<_> = both.fields().into_iter().map(FieldName::name).collect();
        assert_eq!(names, ["fortinet.vd", "source.ip"]);
        assert_eq!(both.clauses(), 3);
    }

    #[test]
    fn a_regex_that_would_be_too_big_is_refused() {
        assert!(Regex::new("a{1,1000}").is_ok());
        assert!(Regex::new("(a{1,1000}){1,1000}").is_err());
        assert!(Regex::new(&"(".repeat(60)).is_err());
    }
}
