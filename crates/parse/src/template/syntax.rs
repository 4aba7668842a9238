//! The text of a template → its nodes.

use std::iter::Peekable;
use std::str::CharIndices;

/// A template as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// Text that stands there.
    Literal(String),
    /// `<name:type>`; an empty type follows from the field.
    Slot { name: String, kind: String },
    /// `{?…}`
    Optional(Vec<Self>),
    /// `{a|b}`
    OneOf(Vec<Vec<Self>>),
}

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("template {template:?}, byte {at}: {problem}")]
pub(crate) struct SyntaxError {
    template: String,
    at: usize,
    problem: &'static str,
}

/// Groups inside groups, at most.
const DEPTH_MAX: usize = 6;

/// Reads the text of a template.
pub(crate) fn parse(template: &str) -> Result<Vec<Item>, SyntaxError> {
    let mut reader = Reader {
        template,
        chars: template.char_indices().peekable(),
    };
    let items = reader.sequence(0)?;
    match reader.chars.next() {
        None => Ok(items),
        Some((at, _)) => Err(reader.error(at, "this closes nothing: write \\} or \\|")),
    }
}

struct Reader<'t> {
    template: &'t str,
    chars: Peekable<CharIndices<'t>>,
}

impl Reader<'_> {
    /// Items up to the end, a `|` or a `}`, which stay unread; outside of groups `|` is a letter like any other.
    fn sequence(&mut self, depth: usize) -> Result<Vec<Item>, SyntaxError> {
        let mut items = Vec::new();
        while let Some((at, letter)) = self.chars.peek().copied() {
            match letter {
                '}' => break,
                '|' if depth > 0 => break,
                '<' => {
                    self.chars.next();
                    items.push(self.slot(at)?);
                }
                '{' => {
                    self.chars.next();
                    items.push(self.group(at, depth + 1)?);
                }
                _ => {
                    self.chars.next();
                    push_letter(&mut items, self.letter(at, letter)?);
                }
            }
        }
        Ok(items)
    }

    fn letter(&mut self, at: usize, letter: char) -> Result<char, SyntaxError> {
        if letter != '\\' {
            return Ok(letter);
        }
        match self.chars.next() {
            Some((_, escaped @ ('<' | '>' | '{' | '}' | '|' | '\\'))) => Ok(escaped),
            Some((_, 't')) => Ok('\t'),
            Some((_, 'n')) => Ok('\n'),
            _ => Err(self.error(at, "\\ stands before < > { } | \\ t n only")),
        }
    }

    fn slot(&mut self, at: usize) -> Result<Item, SyntaxError> {
        let mut inside = String::new();
        for (_, letter) in self.chars.by_ref() {
            if letter == '>' {
                let (name, kind) = inside.split_once(':').unwrap_or((&inside, ""));
                let (name, kind) = (name.to_owned(), kind.to_owned());
                if name.is_empty() || name.contains(char::is_whitespace) {
                    return Err(self.error(at, "a slot is <name> or <name:type>; write \\< for <"));
                }
                return Ok(Item::Slot { name, kind });
            }
            inside.push(letter);
        }
        Err(self.error(at, "this slot does not end: write \\< for <"))
    }

    fn group(&mut self, at: usize, depth: usize) -> Result<Item, SyntaxError> {
        if depth > DEPTH_MAX {
            return Err(self.error(at, "groups are nested too deep"));
        }
        let optional = self.chars.next_if(|(_, letter)| *letter == '?').is_some();
        let mut branches = vec![self.sequence(depth)?];
        loop {
            match self.chars.next() {
                Some((_, '|')) => branches.push(self.sequence(depth)?),
                Some(_) => break,
                None => return Err(self.error(at, "this group does not end")),
            }
        }
        let one = |mut branches: Vec<Vec<Item>>| match branches.len() {
            1 => branches.pop().unwrap_or_default(),
            _ => vec![Item::OneOf(branches)],
        };
        Ok(if optional {
            Item::Optional(one(branches))
        } else {
            Item::OneOf(branches)
        })
    }

    fn error(&self, at: usize, problem: &'static str) -> SyntaxError {
        SyntaxError {
            template: self.template.to_owned(),
            at,
            problem,
        }
    }
}

fn push_letter(items: &mut Vec<Item>, letter: char) {
    match items.last_mut() {
        Some(Item::Literal(text)) => text.push(letter),
        _ => items.push(Item::Literal(letter.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(name: &str, kind: &str) -> Item {
        Item::Slot {
            name: name.to_owned(),
            kind: kind.to_owned(),
        }
    }

    fn literal(text: &str) -> Item {
        Item::Literal(text.to_owned())
    }

    #[test]
    fn a_template_is_literals_slots_and_groups() {
        assert_eq!(
            parse("a [<x:int>]{? b|c}{d|<y>}").unwrap(),
            [
                literal("a ["),
                slot("x", "int"),
                literal("]"),
                Item::Optional(vec![Item::OneOf(vec![
                    vec![literal(" b")],
                    vec![literal("c")]
                ])]),
                Item::OneOf(vec![vec![literal("d")], vec![slot("y", "")]]),
            ]
        );
        assert_eq!(parse(r"a|\<b\{").unwrap(), [literal("a|<b{")]);
    }

    #[test]
    fn mistakes_are_told_by_place() {
        for (template, at) in [("a<b", 1), ("{a", 0), ("a}", 1), (r"\x", 0), ("< >", 0)] {
            assert_eq!(parse(template).unwrap_err().at, at, "{template}");
        }
        assert!(parse(&"{".repeat(100)).is_err());
    }
}
