//! The text of a query as tokens with their places. What a token is depends on where it stands, so the parser says.

use event::Field;

use crate::diagnostic::Span;
use crate::pattern::Piece;
use crate::term::is_address_with_colons;

/// Where the next token stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Between clauses: operators, and a word before `:` is a field.
    Clause,
    /// Behind `field:`.
    Value,
    /// Inside `field:( … )`: values and operators.
    Member,
    /// Inside `field:[ … ]`.
    Bound,
}

/// A token and its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Lexeme {
    pub(crate) kind: Kind,
    pub(crate) span: Span,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Open,
    Close,
    And,
    Or,
    Not,
    /// A field's name, the colon taken with it.
    Field(String),
    /// An unquoted word, with wildcards.
    Word(Vec<Piece>),
    /// A text in quotes, and whether they were closed.
    Quoted(String, Quotes),
    Regex(String),
    /// `[` or `{`.
    BracketOpen(Side),
    /// `]` or `}`.
    BracketClose(Side),
    Compare(Comparison),
    Pipe,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quotes {
    Closed,
    Open,
}

/// Whether the bound belongs to the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    With,
    Without,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Reads tokens from left to right; never fails.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    trail: Trail,
}

/// What was read last, for whoever asks what may be written next.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trail {
    /// The token before the last one.
    pub(crate) before: Option<(Mode, Span)>,
    /// The last token.
    pub(crate) last: Option<(Mode, Span)>,
    /// What was wanted where the text ended.
    pub(crate) wanted: Option<Mode>,
}

impl Trail {
    fn note(&mut self, mode: Mode, lexeme: &Lexeme) {
        if lexeme.kind == Kind::End {
            self.wanted.get_or_insert(mode);
            return;
        }
        // A token that is read again, as something else, is no further one.
        if self
            .last
            .is_none_or(|(_, last)| last.start != lexeme.span.start)
        {
            self.before = self.last;
        }
        self.last = Some((mode, lexeme.span));
    }
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            trail: Trail::default(),
        }
    }

    /// The whole text.
    pub(crate) fn text(&self) -> &'a str {
        self.text
    }

    pub(crate) fn next(&mut self, mode: Mode) -> Lexeme {
        self.skip_spaces();
        // What `+` asks for, that the clause must match, is so anyway.
        while mode == Mode::Clause && self.rest().starts_with('+') && self.glued_on(1) {
            self.at += 1;
        }
        let start = self.at;
        let kind = self.kind(mode);
        let span = Span {
            start,
            end: self.at,
        };
        let lexeme = Lexeme { kind, span };
        self.trail.note(mode, &lexeme);
        lexeme
    }

    /// What was read last.
    pub(crate) fn trail(&self) -> Trail {
        self.trail
    }

    /// Reads again from there: the start of a token that was read.
    pub(crate) fn go_back(&mut self, start: usize) {
        self.at = start;
    }

    fn skip_spaces(&mut self) {
        self.at += self.rest().len() - self.rest().trim_start().len();
    }

    /// Whether something other than a space follows, `offset` bytes on.
    fn glued_on(&self, offset: usize) -> bool {
        let next = self
            .rest()
            .get(offset..)
            .and_then(|rest| rest.chars().next());
        next.is_some_and(|c| !c.is_whitespace())
    }

    /// The length of the text.
    pub(crate) fn end(&self) -> usize {
        self.text.len()
    }

    pub(crate) fn slice(&self, start: usize, end: usize) -> &'a str {
        self.text.get(start..end).unwrap_or_default()
    }

    /// Behind the spaces at that place, and behind that word and its spaces if it stands there.
    pub(crate) fn behind_word(&self, word: &str, at: usize) -> usize {
        let rest = self.slice(at, self.text.len()).trim_start();
        let behind = rest
            .strip_prefix(word)
            .filter(|rest| rest.starts_with(char::is_whitespace));
        self.text.len() - behind.map_or(rest, str::trim_start).len()
    }

    /// How far it is to the `]` that closes a bracket opened before that place; brackets inside are closed before, those
    /// in quotes do not count.
    pub(crate) fn length_to_bracket(&self, start: usize) -> Option<usize> {
        let (mut open, mut quoted, mut escaped) = (0_usize, false, false);
        let rest = self.slice(start, self.text.len());
        for (at, c) in rest.char_indices() {
            match c {
                _ if escaped => {
                    escaped = false;
                    continue;
                }
                '\\' => escaped = true,
                '"' => quoted = !quoted,
                '[' if !quoted => open += 1,
                ']' if !quoted && open == 0 => return Some(at),
                ']' if !quoted => open -= 1,
                _ => {}
            }
        }
        None
    }

    pub(crate) fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn take(&mut self, prefix: &str) -> bool {
        let found = self.rest().starts_with(prefix);
        self.at += if found { prefix.len() } else { 0 };
        found
    }

    fn kind(&mut self, mode: Mode) -> Kind {
        if self.rest().is_empty() {
            return Kind::End;
        }
        let symbol = match mode {
            Mode::Bound => self.bracket_close(),
            Mode::Value => self.parenthesis().or_else(|| self.value_symbol()),
            Mode::Clause => self.parenthesis().or_else(|| self.prefix(mode)),
            Mode::Member => self
                .parenthesis()
                .or_else(|| self.prefix(mode))
                .or_else(|| self.value_symbol()),
        };
        symbol
            .or_else(|| self.quoted(mode))
            .or_else(|| self.regex(mode))
            .unwrap_or_else(|| self.word(mode))
    }

    fn parenthesis(&mut self) -> Option<Kind> {
        if self.take("(") {
            return Some(Kind::Open);
        }
        if self.take(")") {
            return Some(Kind::Close);
        }
        if self.take("||") {
            return Some(Kind::Or);
        }
        self.take("|").then_some(Kind::Pipe)
    }

    fn prefix(&mut self, mode: Mode) -> Option<Kind> {
        if self.take("&&") {
            return Some(Kind::And);
        }
        let sign = self.rest().chars().next().filter(|_| self.glued_on(1))?;
        let number = self
            .rest()
            .as_bytes()
            .get(1)
            .is_some_and(u8::is_ascii_digit);
        // A negative number may stand among values.
        let negates = sign == '!' || (sign == '-' && !(mode == Mode::Member && number));
        self.at += usize::from(negates);
        negates.then_some(Kind::Not)
    }

    fn value_symbol(&mut self) -> Option<Kind> {
        let comparisons = [
            (">=", Comparison::GreaterOrEqual),
            ("<=", Comparison::LessOrEqual),
            (">", Comparison::Greater),
            ("<", Comparison::Less),
        ];
        for (symbol, comparison) in comparisons {
            if self.take(symbol) {
                return Some(Kind::Compare(comparison));
            }
        }
        if self.take("[") {
            return Some(Kind::BracketOpen(Side::With));
        }
        self.take("{").then_some(Kind::BracketOpen(Side::Without))
    }

    fn bracket_close(&mut self) -> Option<Kind> {
        if self.take("]") {
            return Some(Kind::BracketClose(Side::With));
        }
        self.take("}").then_some(Kind::BracketClose(Side::Without))
    }

    /// A text in quotes: `\"` and `\\` are `"` and `\`, any other `\` is itself.
    fn quoted(&mut self, mode: Mode) -> Option<Kind> {
        if !self.take("\"") {
            return None;
        }
        let mut text = String::new();
        let mut chars = self.rest().chars().peekable();
        let mut quotes = Quotes::Open;
        while let Some(c) = chars.next() {
            self.at += c.len_utf8();
            match c {
                '"' => {
                    quotes = Quotes::Closed;
                    break;
                }
                '\\' if matches!(chars.peek(), Some('"' | '\\')) => {
                    self.at += 1;
                    text.extend(chars.next());
                }
                c => text.push(c),
            }
        }
        if mode == Mode::Clause && quotes == Quotes::Closed && self.take(":") {
            return Some(Kind::Field(text));
        }
        Some(Kind::Quoted(text, quotes))
    }

    /// `/…/` before a space, a parenthesis or the end. Anything else that begins with `/` is a path.
    fn regex(&mut self, mode: Mode) -> Option<Kind> {
        let body = self
            .rest()
            .strip_prefix('/')
            .filter(|_| mode != Mode::Bound)?;
        let mut source = String::new();
        let mut chars = body.char_indices();
        while let Some((at, c)) = chars.next() {
            match c {
                '/' => {
                    let after = body.get(at + 1..)?.chars().next();
                    let ends =
                        after.is_none_or(|c| c.is_whitespace() || matches!(c, '(' | ')' | '|'));
                    if !ends || source.is_empty() {
                        return None;
                    }
                    self.at += at + 2;
                    return Some(Kind::Regex(source));
                }
                '\\' => match chars.next()?.1 {
                    '/' => source.push('/'),
                    escaped => source.extend(['\\', escaped]),
                },
                c => source.push(c),
            }
        }
        None
    }

    fn word(&mut self, mode: Mode) -> Kind {
        let start = self.at;
        let colon = if mode == Mode::Clause {
            Colon::Stops
        } else {
            Colon::Belongs
        };
        let mut pieces = self.pieces(mode, colon);
        if self.rest().starts_with(':') {
            let name = self.text.get(start..self.at).unwrap_or_default();
            if is_field_name(name) && (Field::from_name(name).is_some() || !self.is_no_field(start))
            {
                self.at += 1;
                return Kind::Field(name.to_owned());
            }
            pieces.extend(self.pieces(mode, Colon::Belongs));
        }
        let operator = match self.text.get(start..self.at).unwrap_or_default() {
            "AND" => Kind::And,
            "OR" => Kind::Or,
            "NOT" => Kind::Not,
            _ => return Kind::Word(pieces),
        };
        if mode == Mode::Bound {
            Kind::Word(pieces)
        } else {
            operator
        }
    }

    /// Whether what looks like a field is an address or a URL. The lexer stands at the colon.
    fn is_no_field(&self, start: usize) -> bool {
        let behind = self.rest().get(1..).unwrap_or_default();
        if behind.starts_with("//") || behind.starts_with(':') {
            return true;
        }
        let whole = self.text.get(start..).unwrap_or_default();
        // The longest address with colons has 45 characters.
        let end = whole
            .char_indices()
            .take(46)
            .find(|&(_, c)| ends_word(c, Mode::Clause))
            .map_or(whole.len(), |(at, _)| at);
        whole.get(..end).is_some_and(is_address_with_colons)
    }

    /// The pieces up to what ends a word.
    fn pieces(&mut self, mode: Mode, colon: Colon) -> Vec<Piece> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut chars = self.rest().chars().peekable();
        let goes_on = |&c: &char| !ends_word(c, mode) && (c != ':' || colon == Colon::Belongs);
        while let Some(c) = chars.next_if(goes_on) {
            self.at += c.len_utf8();
            let wildcard = match c {
                '*' => Piece::Run,
                '?' => Piece::One,
                // Before a letter it is itself, as in `CORP\an`.
                '\\' if chars.peek().is_some_and(|c| !c.is_alphanumeric()) => {
                    let escaped = chars.next().unwrap_or(c);
                    self.at += escaped.len_utf8();
                    text.push(escaped);
                    continue;
                }
                c => {
                    text.push(c);
                    continue;
                }
            };
            pieces.push(Piece::Text(std::mem::take(&mut text).into()));
            pieces.push(wildcard);
        }
        pieces.push(Piece::Text(text.into()));
        pieces
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Colon {
    Stops,
    Belongs,
}

fn ends_word(c: char, mode: Mode) -> bool {
    c.is_whitespace()
        || match mode {
            Mode::Bound => matches!(c, ']' | '}'),
            Mode::Clause | Mode::Value | Mode::Member => matches!(c, '(' | ')' | '"' | '|'),
        }
}

/// Whether an unquoted word before a colon is the name of a field: `22:14:15` and `sshd[7]:` are not.
pub(crate) fn is_field_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || matches!(c, '_' | '@'))
        && name
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '-' | '@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<Kind> {
        let mut lexer = Lexer::new(text);
        std::iter::from_fn(|| Some(lexer.next(Mode::Clause).kind).filter(|kind| *kind != Kind::End))
            .collect()
    }

    #[test]
    fn a_word_before_a_colon_is_a_field_unless_it_is_an_address_or_a_url() {
        let is_field = |text: &str| matches!(kinds(text).first(), Some(Kind::Field(_)));
        for text in [
            "user.name:x",
            "@timestamp:x",
            "a-b:x",
            "\"1 x\":y",
            "source.ip:::1",
        ] {
            assert!(is_field(text), "{text}");
        }
        for text in [
            "22:14:15",
            "fe80::1",
            "aa:bb:cc:dd:ee:ff",
            "http://x",
            "std::string",
            "a*:x",
            "sshd[7]:",
            ":x",
            "10.0.0.5:443",
        ] {
            assert!(!is_field(text), "{text}");
        }
    }

    #[test]
    fn a_path_is_no_regex() {
        assert!(
            matches!(&*kinds("/a b/ x"), [Kind::Regex(source), Kind::Word(_)] if source == "a b")
        );
        assert!(matches!(*kinds("/var/log/x"), [Kind::Word(_)]));
        assert!(matches!(*kinds("/"), [Kind::Word(_)]));
        assert!(matches!(*kinds("//"), [Kind::Word(_)]));
        assert_eq!(kinds(r"/a\/b\\/"), [Kind::Regex(r"a/b\\".into())]);
    }
}
