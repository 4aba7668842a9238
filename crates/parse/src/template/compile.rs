//! Items of a template → nodes that know what may follow them.

use memchr::memmem;

use super::slot::Kind;
use super::syntax::{self, Item};
use crate::frame::{Symbol, Symbols};

/// What is wrong with a template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    #[error(transparent)]
    Syntax(#[from] syntax::SyntaxError),
    #[error("template {template:?}: no slot type {kind:?}; see docs/parser-definitions.md")]
    Kind { template: String, kind: String },
    #[error(
        "template {template:?}: open text in <{slot}> must be followed by literal text or the end, \
         not by a slot; give it a type such as word or int, or put text between"
    )]
    Open { template: String, slot: String },
}

/// A part of a compiled template.
#[derive(Debug)]
pub(crate) enum Node {
    Literal(Box<str>),
    /// A slot whose letters decide where it ends.
    Fixed {
        kind: Kind,
        into: Into,
    },
    /// A slot that ends where what follows it begins.
    Open {
        kind: Open,
        into: Into,
        stops: Stops,
    },
    Optional(Box<[Self]>),
    OneOf(Box<[Box<[Self]>]>),
}

/// How a slot of open text looks for its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Open {
    /// The first place that does, at least one letter on.
    Text,
    /// The first place that does, without white space before it.
    Word,
    /// The first place that does, here included.
    Maybe,
    /// The last place that does.
    Last,
}

/// Where the value of a slot goes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Into {
    Nowhere,
    Value(Symbol),
    /// `<source:address>`: the address, or else the name.
    Endpoint {
        ip: Symbol,
        domain: Symbol,
    },
}

/// What may follow a slot of open text.
#[derive(Debug)]
pub(crate) struct Stops {
    pub(crate) literals: Box<[memmem::Finder<'static>]>,
    pub(crate) backwards: Box<[memmem::FinderRev<'static>]>,
    /// The length of the longest literal, in bytes.
    pub(crate) longest: usize,
    /// Whether the text may end there.
    pub(crate) end: bool,
}

pub(crate) fn compile(
    items: &[Item],
    symbols: &mut Symbols,
    template: &str,
) -> Result<Box<[Node]>, TemplateError> {
    let mut compiler = Compiler { symbols, template };
    compiler.sequence(items, &Follow::end())
}

struct Compiler<'s> {
    symbols: &'s mut Symbols,
    template: &'s str,
}

impl Compiler<'_> {
    fn sequence(&mut self, items: &[Item], then: &Follow) -> Result<Box<[Node]>, TemplateError> {
        let mut nodes = Vec::with_capacity(items.len());
        for (place, item) in items.iter().enumerate() {
            let rest = items.get(place + 1..).unwrap_or_default();
            nodes.push(self.node(item, &follow(rest, then))?);
        }
        Ok(nodes.into())
    }

    fn node(&mut self, item: &Item, then: &Follow) -> Result<Node, TemplateError> {
        Ok(match item {
            Item::Literal(text) => Node::Literal(text.as_str().into()),
            Item::Slot { name, kind } => self.slot(name, kind, then)?,
            Item::Optional(items) => Node::Optional(self.sequence(items, then)?),
            Item::OneOf(branches) => {
                let branches = branches.iter().map(|items| self.sequence(items, then));
                Node::OneOf(branches.collect::<Result<_, _>>()?)
            }
        })
    }

    fn slot(&mut self, name: &str, kind: &str, then: &Follow) -> Result<Node, TemplateError> {
        let into = self.target(name, kind);
        let open = match kind_of(name, kind) {
            "text" => Open::Text,
            "word" => Open::Word,
            "maybe" => Open::Maybe,
            "last" => Open::Last,
            fixed => {
                let kind = Kind::from_name(fixed).ok_or_else(|| TemplateError::Kind {
                    template: self.template.to_owned(),
                    kind: fixed.to_owned(),
                })?;
                return Ok(Node::Fixed { kind, into });
            }
        };
        if then.anything {
            return Err(TemplateError::Open {
                template: self.template.to_owned(),
                slot: name.to_owned(),
            });
        }
        Ok(Node::Open {
            kind: open,
            into,
            stops: then.stops(open),
        })
    }

    fn target(&mut self, name: &str, kind: &str) -> Into {
        match (name, kind) {
            ("_" | "~", _) => Into::Nowhere,
            (_, "address") => Into::Endpoint {
                ip: self.symbols.intern_output(&format!("{name}.ip")),
                domain: self.symbols.intern_output(&format!("{name}.domain")),
            },
            _ => Into::Value(self.symbols.intern_output(name)),
        }
    }
}

/// The name of a slot's type: as written, or what its field asks for.
fn kind_of<'k>(name: &str, kind: &'k str) -> &'k str {
    use event::FieldKind::{Address, Date, Keyword, Number, Text};
    match (name, kind) {
        ("~", "") => "space",
        (_, "") => match event::Field::from_name(name).map(event::Field::kind) {
            Some(Address) => "ip",
            Some(Number) => "int",
            Some(Date) => "date",
            Some(Keyword | Text) | None => "text",
        },
        (_, kind) => kind,
    }
}

pub(super) fn each_into(nodes: &mut [Node], each: &mut dyn FnMut(&mut Into)) {
    for node in nodes {
        match node {
            Node::Literal(_) => {}
            Node::Fixed { into, .. } | Node::Open { into, .. } => each(into),
            Node::Optional(inner) => each_into(inner, each),
            Node::OneOf(branches) => {
                for branch in branches {
                    each_into(branch, each);
                }
            }
        }
    }
}

/// What may stand after a node.
#[derive(Clone, Debug, Default)]
struct Follow {
    literals: Vec<String>,
    end: bool,
    /// A slot may stand there, so that nothing can be searched for.
    anything: bool,
}

impl Follow {
    fn end() -> Self {
        Self {
            end: true,
            ..Self::default()
        }
    }

    fn literal(text: &str) -> Self {
        Self {
            literals: vec![text.to_owned()],
            ..Self::default()
        }
    }

    fn or(mut self, other: Self) -> Self {
        for literal in other.literals {
            if !self.literals.contains(&literal) {
                self.literals.push(literal);
            }
        }
        self.end |= other.end;
        self.anything |= other.anything;
        self
    }

    fn stops(&self, open: Open) -> Stops {
        let owned = |literal: &String| literal.clone().into_bytes();
        let backwards = if open == Open::Last {
            &self.literals[..]
        } else {
            &[]
        };
        Stops {
            literals: self
                .literals
                .iter()
                .map(|literal| memmem::Finder::new(&owned(literal)).into_owned())
                .collect(),
            backwards: backwards
                .iter()
                .map(|literal| memmem::FinderRev::new(&owned(literal)).into_owned())
                .collect(),
            longest: self.literals.iter().map(String::len).max().unwrap_or(0),
            end: self.end,
        }
    }
}

/// What a sequence may begin with, `then` standing after it.
fn follow(items: &[Item], then: &Follow) -> Follow {
    let Some((first, rest)) = items.split_first() else {
        return then.clone();
    };
    match first {
        Item::Literal(text) => Follow::literal(text),
        Item::Slot { name, kind } if kind_of(name, kind) == "space" => Follow::literal(" ")
            .or(Follow::literal("\t"))
            .or(follow(rest, then)),
        Item::Slot { name, kind } => match kind_of(name, kind) {
            "quoted" => Follow::literal("\""),
            _ => Follow {
                anything: true,
                ..Follow::default()
            },
        },
        Item::Optional(inner) => {
            let rest = follow(rest, then);
            follow(inner, &rest).or(rest)
        }
        Item::OneOf(branches) => {
            let rest = follow(rest, then);
            branches
                .iter()
                .map(|branch| follow(branch, &rest))
                .fold(Follow::default(), Follow::or)
        }
    }
}

pub(crate) fn first_bytes(nodes: &[Node]) -> Option<Vec<u8>> {
    let (first, rest) = nodes.split_first()?;
    match first {
        Node::Literal(text) => Some(text.bytes().take(1).collect()),
        Node::Fixed { .. } | Node::Open { .. } => None,
        Node::Optional(inner) => {
            let mut bytes = first_bytes(inner)?;
            bytes.extend(first_bytes(rest)?);
            Some(bytes)
        }
        Node::OneOf(branches) => {
            let mut bytes = Vec::new();
            for branch in branches {
                bytes.extend(first_bytes(branch)?);
            }
            Some(bytes)
        }
    }
}
