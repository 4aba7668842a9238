//! The text of `query_string`, in Lucene's syntax.
//!
//! Lucene's operators are not those of logic: `a AND b OR c` asks for a and b, and c changes nothing (it would only add
//! to the score). This reads them as Lucene's classic parser does. Terms beside each other are joined by
//! `default_operator`, OR where nothing is said.

use query::{Expr, Pattern, Piece};

use super::conditions::{Conditions, End, Ends, Join, Subject, Unfit, least_of};
use super::dates::Dates;
use super::fault::Fault;
use super::lucene_regex::{Case, Operators};

/// The longest text, in bytes.
pub(super) const TEXT_BYTES_MAX: usize = 16 << 10;

/// How a text is read.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    /// What is asked by terms that name no field.
    pub(super) subjects: Vec<Subject>,
    pub(super) join: Join,
    pub(super) unfit: Unfit,
    pub(super) dates: Dates,
    /// How many of the optional clauses are wanted.
    pub(super) least: Option<String>,
    /// Whether a term may begin with a wildcard.
    pub(super) leading_wildcard: bool,
}

/// Reads a text.
pub(super) fn read(
    text: &str,
    reading: &Reading,
    conditions: &mut Conditions,
) -> Result<Expr, Fault> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Fault::argument(format!(
            "the query is longer than {TEXT_BYTES_MAX} bytes: put lists of values into [terms]"
        )));
    }
    let mut parser = Parser {
        text,
        at: 0,
        reading,
        conditions,
    };
    let clauses = parser.clauses(&reading.subjects, 0)?;
    if parser.at < text.len() {
        return Err(parser.wrong("this parenthesis closes nothing"));
    }
    clauses.together(reading.least.as_deref(), parser.conditions)
}

/// Whether the clause must hold, may hold, must not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Occur {
    Must,
    Should,
    MustNot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Conjunction {
    None,
    And,
    Or,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Modifier {
    None,
    Required,
    Prohibited,
}

#[derive(Debug, Default)]
struct Clauses(Vec<(Occur, Option<Expr>)>);

impl Clauses {
    /// Adds a clause as Lucene does: an AND makes what stands before it required, too.
    fn add(
        &mut self,
        join: Join,
        conjunction: Conjunction,
        modifier: Modifier,
        clause: Option<Expr>,
    ) {
        if let Some((before, _)) = self.0.last_mut()
            && *before != Occur::MustNot
        {
            match (conjunction, join) {
                (Conjunction::And, _) => *before = Occur::Must,
                (Conjunction::Or, Join::All) => *before = Occur::Should,
                _ => {}
            }
        }
        let occur = match (modifier, conjunction, join) {
            (Modifier::Prohibited, _, _) => Occur::MustNot,
            (Modifier::Required, _, Join::Any) | (_, Conjunction::And, Join::Any) => Occur::Must,
            (_, Conjunction::None | Conjunction::And, Join::All) => Occur::Must,
            (_, Conjunction::Or, Join::All) | (Modifier::None, _, Join::Any) => Occur::Should,
        };
        self.0.push((occur, clause));
    }

    fn together(self, least: Option<&str>, conditions: &mut Conditions) -> Result<Expr, Fault> {
        let (mut must, mut should, mut must_not) = (Vec::new(), Vec::new(), Vec::new());
        for (occur, clause) in self.0 {
            // What has no word asks for nothing.
            let Some(clause) = clause else { continue };
            match occur {
                Occur::Must => must.push(clause),
                Occur::Should => should.push(clause),
                Occur::MustNot => must_not.push(clause),
            }
        }
        if must.is_empty() && should.is_empty() && must_not.is_empty() {
            return Ok(Expr::None);
        }
        let least = match least {
            Some(least) => least_of(least, should.len())?,
            None => usize::from(must.is_empty() && !should.is_empty()),
        };
        let should = conditions.at_least(least, should)?;
        let others = must_not.into_iter().map(Expr::not);
        Ok(Expr::and(must.into_iter().chain([should]).chain(others)))
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    reading: &'a Reading,
    conditions: &'a mut Conditions,
}

/// A term as written.
#[derive(Debug)]
struct Term {
    pieces: Vec<Piece>,
    /// Whether it has a wildcard.
    is_pattern: bool,
    /// Whether a character of it was escaped: then it is no operator.
    is_escaped: bool,
}

impl Term {
    fn text(&self) -> String {
        let mut text = String::new();
        for piece in &self.pieces {
            match piece {
                Piece::Text(plain) => text.push_str(plain),
                Piece::Run => text.push('*'),
                Piece::One => text.push('?'),
            }
        }
        text
    }
}

impl Parser<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip_space(&mut self) {
        let space = |c: &char| c.is_whitespace();
        let bytes: usize = self
            .rest()
            .chars()
            .take_while(space)
            .map(char::len_utf8)
            .sum();
        self.at += bytes;
    }

    fn next_if(&mut self, wanted: &str) -> bool {
        let is_next = self.rest().starts_with(wanted);
        self.at += if is_next { wanted.len() } else { 0 };
        is_next
    }

    fn wrong(&self, what: &str) -> Fault {
        Fault::query_string(format!(
            "failed to parse the query at byte {}: {what}",
            self.at
        ))
    }

    /// An operator that stands as a word of its own.
    fn next_word_if(&mut self, word: &str) -> bool {
        let Some(after) = self.rest().strip_prefix(word) else {
            return false;
        };
        let ends = after
            .chars()
            .next()
            .is_none_or(|next| next.is_whitespace() || matches!(next, '(' | ')' | '"' | '+' | '!'));
        self.at += if ends { word.len() } else { 0 };
        ends
    }

    /// Clauses up to the end or a closing parenthesis.
    fn clauses(&mut self, subjects: &[Subject], depth: usize) -> Result<Clauses, Fault> {
        if depth > self.conditions.depth_max() {
            return Err(self.wrong("parentheses are nested too deep"));
        }
        let mut clauses = Clauses::default();
        loop {
            self.skip_space();
            if matches!(self.peek(), None | Some(')')) {
                return Ok(clauses);
            }
            let conjunction = if self.next_word_if("AND") || self.next_word_if("&&") {
                Conjunction::And
            } else if self.next_word_if("OR") || self.next_word_if("||") {
                Conjunction::Or
            } else {
                Conjunction::None
            };
            if conjunction != Conjunction::None && clauses.0.is_empty() {
                return Err(self.wrong("AND and OR stand between two terms"));
            }
            self.skip_space();
            let modifier = if self.next_if("+") {
                Modifier::Required
            } else if self.next_if("-") || self.next_if("!") || self.next_word_if("NOT") {
                Modifier::Prohibited
            } else {
                Modifier::None
            };
            self.skip_space();
            if matches!(self.peek(), None | Some(')')) {
                return Err(self.wrong("a term is missing here"));
            }
            let join = self.reading.join;
            for clause in self.clause(subjects, conjunction, modifier, depth)? {
                clauses.add(join, conjunction, modifier, clause);
            }
        }
    }

    /// One clause; several where plain terms follow each other that are asked of texts.
    fn clause(
        &mut self,
        subjects: &[Subject],
        conjunction: Conjunction,
        modifier: Modifier,
        depth: usize,
    ) -> Result<Vec<Option<Expr>>, Fault> {
        let Some(field) = self.field()? else {
            let alone = conjunction == Conjunction::None && modifier == Modifier::None;
            return self.value(subjects, Named::No, alone, depth);
        };
        self.skip_space();
        match field.as_str() {
            "_exists_" => {
                let term = self.term()?;
                let name = term.ok_or_else(|| self.wrong("name a field"))?.text();
                self.boost()?;
                Ok(vec![Some(self.conditions.exists(&name)?)])
            }
            "*" => match self.term()? {
                Some(term) if Pattern::new(term.pieces.iter().cloned()).is_any() => {
                    Ok(vec![Some(Expr::All)])
                }
                _ => {
                    Err(self.wrong("a field is asked by its name: of all fields there is only *:*"))
                }
            },
            name if name.contains(['*', '?']) => {
                Err(self.wrong("names of fields with wildcards are not supported: name each field"))
            }
            name => self.value(&[Subject::named(name)], Named::Yes(name), false, depth),
        }
    }

    /// The name before a colon, if the clause begins with one.
    fn field(&mut self) -> Result<Option<String>, Fault> {
        let start = self.at;
        if self.address().is_some() {
            return Ok(None);
        }
        if let Some(term) = self.term()? {
            self.skip_space();
            if self.next_if(":") {
                return Ok(Some(term.text()));
            }
        }
        self.at = start;
        Ok(None)
    }

    /// An IPv6 or hardware address that stands here, whose colons belong to it.
    fn address(&self) -> Option<&str> {
        let within = |c: &char| c.is_ascii_hexdigit() || matches!(c, ':' | '.' | '/');
        let bytes: usize = self
            .rest()
            .chars()
            .take_while(within)
            .map(char::len_utf8)
            .sum();
        let text = self.rest().get(..bytes)?;
        let plain = text.split('/').next()?;
        let is_address = plain.parse::<std::net::Ipv6Addr>().is_ok();
        (is_address && text.contains(':')).then_some(text)
    }

    /// What stands behind the name of a field, or without one.
    fn value(
        &mut self,
        subjects: &[Subject],
        named: Named<'_>,
        may_follow: bool,
        depth: usize,
    ) -> Result<Vec<Option<Expr>>, Fault> {
        let one = |expr: Option<Expr>| Ok(vec![expr]);
        let address = self.address().map(str::to_owned);
        if let Some(address) = address {
            self.at += address.len();
            self.boost()?;
            return one(self.plain(subjects, &address)?);
        }
        match self.peek() {
            Some('(') => {
                self.at += 1;
                let clauses = self.clauses(subjects, depth + 1)?;
                if !self.next_if(")") {
                    return Err(self.wrong("a parenthesis is not closed"));
                }
                self.boost()?;
                let empty = clauses.0.is_empty();
                let expr = clauses.together(None, self.conditions)?;
                one((!empty).then_some(expr))
            }
            Some('"') => {
                let text = self.quoted()?;
                self.slop()?;
                self.boost()?;
                let (dates, unfit) = (self.reading.dates.clone(), self.reading.unfit);
                let each = |conditions: &mut Conditions, subject: &Subject| {
                    conditions.value(subject, &text, &dates, unfit)
                };
                one(Some(self.any_subject(subjects, each)?))
            }
            Some('/') => {
                let source = self.regex()?;
                self.boost()?;
                let each = |conditions: &mut Conditions, subject: &Subject| {
                    conditions.regex(subject, &source, Case::Sensitive, Operators::ALL)
                };
                one(Some(self.any_subject(subjects, each)?))
            }
            Some('[' | '{') => {
                let ends = self.range()?;
                self.boost()?;
                one(Some(self.between(subjects, &ends)?))
            }
            Some('<' | '>') => {
                let ends = self.comparison()?;
                self.boost()?;
                one(Some(self.between(subjects, &ends)?))
            }
            _ => self.terms(subjects, named, may_follow),
        }
    }

    /// A term, and the plain terms that follow it.
    fn terms(
        &mut self,
        subjects: &[Subject],
        named: Named<'_>,
        may_follow: bool,
    ) -> Result<Vec<Option<Expr>>, Fault> {
        let Some(term) = self.term()? else {
            return Err(self.wrong("write a \\ before this character, or quotes around the term"));
        };
        self.slop()?;
        let is_boosted = self.boost()?;
        if term.is_pattern {
            return Ok(vec![self.pattern(subjects, named, &term)?]);
        }
        let mut text = term.text();
        if may_follow && !is_boosted && subjects.iter().all(|subject| !subject.is_text()) {
            // Of a field that is no text, plain terms beside each other are one value.
            while let Some(next) = self.following_term()? {
                text.push(' ');
                text.push_str(&next);
            }
        }
        Ok(vec![self.plain(subjects, &text)?])
    }

    /// A plain term that belongs to those before it: no operator, no name of a field, and none behind it.
    fn following_term(&mut self) -> Result<Option<String>, Fault> {
        let start = self.at;
        self.skip_space();
        let is_operator = ["AND", "OR", "NOT", "&&", "||"]
            .iter()
            .any(|word| self.next_word_if(word));
        if !is_operator && let Some(term) = self.term()? {
            let after = self.at;
            self.skip_space();
            let is_followed = matches!(self.peek(), Some(':' | '^' | '~'))
                || ["AND", "OR", "&&", "||"]
                    .iter()
                    .any(|word| self.next_word_if(word));
            if !term.is_pattern && !is_followed {
                self.at = after;
                return Ok(Some(term.text()));
            }
        }
        self.at = start;
        Ok(None)
    }

    /// A plain term: none where a text is asked and it has no word.
    fn plain(&mut self, subjects: &[Subject], text: &str) -> Result<Option<Expr>, Fault> {
        let has_words = query::tokens(text).next().is_some();
        if !has_words && subjects.iter().all(Subject::is_text) {
            return Ok(None);
        }
        let (join, dates, unfit) = (
            self.reading.join,
            self.reading.dates.clone(),
            self.reading.unfit,
        );
        let each = |conditions: &mut Conditions, subject: &Subject| {
            if subject.is_text() {
                conditions.words(subject, text, join, None, unfit)
            } else {
                conditions.value(subject, text, &dates, unfit)
            }
        };
        self.any_subject(subjects, each).map(Some)
    }

    fn pattern(
        &mut self,
        subjects: &[Subject],
        named: Named<'_>,
        term: &Term,
    ) -> Result<Option<Expr>, Fault> {
        let pattern = Pattern::new(term.pieces.iter().cloned());
        if pattern.is_any() {
            return match named {
                Named::Yes(name) => self.conditions.exists(name).map(Some),
                Named::No => Ok(Some(Expr::All)),
            };
        }
        let leads = matches!(term.pieces.first(), Some(Piece::Run | Piece::One));
        if leads && !self.reading.leading_wildcard {
            return Err(
                self.wrong("[allow_leading_wildcard] is false, and the term begins with one")
            );
        }
        let each = |conditions: &mut Conditions, subject: &Subject| {
            conditions.like(subject, pattern.clone())
        };
        self.any_subject(subjects, each).map(Some)
    }

    fn between(&mut self, subjects: &[Subject], ends: &Ends) -> Result<Expr, Fault> {
        let (dates, unfit) = (self.reading.dates.clone(), self.reading.unfit);
        self.any_subject(subjects, |conditions, subject| {
            conditions.range(subject, ends, &dates, unfit)
        })
    }

    fn any_subject(
        &mut self,
        subjects: &[Subject],
        mut each: impl FnMut(&mut Conditions, &Subject) -> Result<Expr, Fault>,
    ) -> Result<Expr, Fault> {
        let mut any = Vec::with_capacity(subjects.len());
        for subject in subjects {
            any.push(each(self.conditions, subject)?);
        }
        Ok(Expr::or(any))
    }

    /// A term up to a character that ends it; none where there is none.
    fn term(&mut self) -> Result<Option<Term>, Fault> {
        let mut term = Term {
            pieces: Vec::new(),
            is_pattern: false,
            is_escaped: false,
        };
        let mut plain = String::new();
        while let Some(c) = self.peek() {
            let is_first = term.pieces.is_empty() && plain.is_empty();
            let starts = !matches!(c, '+' | '-' | '/' | '<' | '>' | '=');
            if ends_term(c) || (is_first && !starts) {
                break;
            }
            self.at += c.len_utf8();
            match c {
                '*' | '?' => {
                    if !plain.is_empty() {
                        term.pieces
                            .push(Piece::Text(std::mem::take(&mut plain).into()));
                    }
                    term.is_pattern = true;
                    term.pieces
                        .push(if c == '*' { Piece::Run } else { Piece::One });
                }
                '\\' => {
                    let Some(escaped) = self.peek() else {
                        return Err(self.wrong("there is nothing behind the \\"));
                    };
                    self.at += escaped.len_utf8();
                    term.is_escaped = true;
                    plain.push(escaped);
                }
                c => plain.push(c),
            }
        }
        if !plain.is_empty() {
            term.pieces.push(Piece::Text(plain.into()));
        }
        if term.pieces.is_empty() {
            return Ok(None);
        }
        if !term.is_escaped && matches!(term.text().as_str(), "AND" | "OR" | "NOT" | "&&" | "||") {
            return Err(self.wrong("AND, OR and NOT stand before a term"));
        }
        Ok(Some(term))
    }

    fn quoted(&mut self) -> Result<String, Fault> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            self.at += c.len_utf8();
            match c {
                '"' => return Ok(text),
                '\\' => {
                    if let Some(escaped) = self.peek() {
                        self.at += escaped.len_utf8();
                        text.push(escaped);
                    }
                }
                c => text.push(c),
            }
        }
        self.at = start;
        Err(self.wrong("this quote is never closed"))
    }

    fn regex(&mut self) -> Result<String, Fault> {
        let start = self.at;
        self.at += 1;
        let mut source = String::new();
        while let Some(c) = self.peek() {
            self.at += c.len_utf8();
            match c {
                '/' => return Ok(source),
                '\\' if self.peek() == Some('/') => {
                    self.at += 1;
                    source.push('/');
                }
                '\\' => {
                    source.push(c);
                    if let Some(escaped) = self.peek() {
                        self.at += escaped.len_utf8();
                        source.push(escaped);
                    }
                }
                c => source.push(c),
            }
        }
        self.at = start;
        Err(self.wrong("this regular expression is never closed: write \\/ for the character"))
    }

    /// `[a TO b]`, with `{` and `}` for ends that do not belong to it.
    fn range(&mut self) -> Result<Ends, Fault> {
        let low_end = if self.next_if("[") {
            End::With
        } else {
            self.at += 1;
            End::Without
        };
        let low = self.range_end()?;
        self.skip_space();
        if !self.next_word_if("TO") {
            return Err(self.wrong("a range is written [low TO high]"));
        }
        let high = self.range_end()?;
        self.skip_space();
        let high_end = if self.next_if("]") {
            End::With
        } else if self.next_if("}") {
            End::Without
        } else {
            return Err(self.wrong("a range is written [low TO high]"));
        };
        Ok(Ends {
            low: low.map(|low| (low, low_end)),
            high: high.map(|high| (high, high_end)),
        })
    }

    /// One end of a range; none for `*`.
    fn range_end(&mut self) -> Result<Option<String>, Fault> {
        self.skip_space();
        if self.peek() == Some('"') {
            return self.quoted().map(Some);
        }
        let ends = |c: &char| !c.is_whitespace() && !matches!(c, ']' | '}');
        let text: String = self.rest().chars().take_while(ends).collect();
        if text.is_empty() {
            return Err(self.wrong("a range is written [low TO high], with * for an open side"));
        }
        self.at += text.len();
        Ok((text != "*").then(|| text.replace('\\', "")))
    }

    /// `>=5` and the like.
    fn comparison(&mut self) -> Result<Ends, Fault> {
        let is_low = self.peek() == Some('>');
        self.at += 1;
        let end = if self.next_if("=") {
            End::With
        } else {
            End::Without
        };
        self.skip_space();
        let text = if self.peek() == Some('"') {
            self.quoted()?
        } else {
            let within = |c: &char| !c.is_whitespace() && !matches!(c, '(' | ')' | '^');
            let text: String = self.rest().chars().take_while(within).collect();
            self.at += text.len();
            text.replace('\\', "")
        };
        if text.is_empty() {
            return Err(self.wrong("there is no value to compare with"));
        }
        let bound = Some((text, end));
        Ok(if is_low {
            Ends {
                low: bound,
                high: None,
            }
        } else {
            Ends {
                low: None,
                high: bound,
            }
        })
    }

    /// `~`: similar words, or words near each other, which there are none of here.
    fn slop(&mut self) -> Result<(), Fault> {
        if !self.next_if("~") {
            return Ok(());
        }
        let digits: String = self
            .rest()
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        self.at += digits.len();
        if !digits.is_empty() && digits.bytes().all(|byte| byte == b'0') {
            return Ok(());
        }
        Err(self.wrong("~ (similar words, words near each other) is not supported: use wildcards"))
    }

    /// `^2`, which changes no more than a score; whether there is one.
    fn boost(&mut self) -> Result<bool, Fault> {
        if !self.next_if("^") {
            return Ok(false);
        }
        let number = |c: &char| c.is_ascii_digit() || *c == '.';
        let text: String = self.rest().chars().take_while(number).collect();
        self.at += text.len();
        if text.parse::<f64>().is_err() {
            return Err(self.wrong("a number stands behind ^"));
        }
        Ok(true)
    }
}

/// Whether the value stands behind the name of a field.
#[derive(Clone, Copy, Debug)]
enum Named<'a> {
    Yes(&'a str),
    No,
}

fn ends_term(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '!' | '(' | ')' | ':' | '^' | '[' | ']' | '"' | '{' | '}' | '~'
        )
}

#[cfg(test)]
mod tests {
    use event::Micros;
    use proptest::prelude::*;

    use super::*;

    fn reading(join: Join) -> Reading {
        Reading {
            subjects: vec![Subject::Raw],
            join,
            unfit: Unfit::Refused,
            dates: Dates::new(Micros(0)),
            least: None,
            leading_wildcard: true,
        }
    }

    fn read_with(text: &str, join: Join) -> Result<Expr, Fault> {
        let mut conditions = Conditions::new(Dates::new(Micros(0)));
        read(text, &reading(join), &mut conditions)
    }

    #[test]
    fn operators_mean_what_they_mean_to_lucene() {
        let check = |text: &str, any: &str, all: &str| {
            assert_eq!(
                read_with(text, Join::Any).unwrap().to_string(),
                any,
                "{text}"
            );
            assert_eq!(
                read_with(text, Join::All).unwrap().to_string(),
                all,
                "{text}"
            );
        };
        check("a b", "a OR b", "a AND b");
        check("a AND b OR c", "a AND b", "a");
        check("a OR b", "a OR b", "a OR b");
        check("+a b", "a", "a AND b");
        check("a -b", "a AND NOT b", "a AND NOT b");
        check("NOT a", "NOT a", "NOT a");
        check("a && !b", "a AND NOT b", "a AND NOT b");
        check("(a b) AND c", "(a OR b) AND c", "a AND b AND c");
        check("*", "*", "*");
        check("*:*", "*", "*");
        check("", "NOT *", "NOT *");
        check("and or", "and OR or", "and AND or");
    }

    #[test]
    fn terms_are_read_as_their_fields_want_them() {
        let check = |text: &str, expected: &str| {
            let expr = read_with(text, Join::Any).unwrap();
            assert_eq!(expr.to_string(), expected, "{text}");
        };
        check("user.name:root", "user.name:root");
        check("user.name:(root OR an*)", "user.name:root OR user.name:an*");
        check("user.name:(an nguyen)", "user.name:\"an nguyen\"");
        check("message:\"invalid user\"^2", "\"invalid user\"");
        check("foo\\-bar", "foo OR bar");
        check("source.ip:10.0.0.0/8", "source.ip:10.0.0.0/8");
        check("source.ip:2001:db8::1", "source.ip:\"2001:db8::1\"");
        check("source.port:>=1024", "source.port:[1024 TO *]");
        check("source.port:[1 TO 5}", "source.port:[1 TO 5}");
        check("_exists_:user.name", "user.name:*");
        check("user.name:*", "user.name:*");
        check("user.name.keyword:a?c", "user.name:a?c");
        check("user.name:/r.*t/", "user.name:/(?s)\\A(?:r.*t)\\z/");
        check("fail*", "fail*");
    }

    #[test]
    fn dates_are_read_in_the_zone_of_the_request() {
        let dates = Dates::new(Micros(0));
        let reading = Reading {
            dates: dates.clone().with(None, Some("+07:00")).unwrap(),
            ..reading(Join::Any)
        };
        let expected = "@timestamp:[\"2026-10-10T17:00:00Z\" TO \"2026-10-11T17:00:00Z\"}";
        for text in [
            "@timestamp:2026-10-11",
            "@timestamp:\"2026-10-11\"",
            "@timestamp:[2026-10-11 TO 2026-10-11]",
        ] {
            let mut conditions = Conditions::new(dates.clone());
            let expr = read(text, &reading, &mut conditions).unwrap();
            assert_eq!(expr.to_string(), expected, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_followed_is_an_error() {
        for text in [
            "a AND",
            "OR a",
            "(a",
            "a)",
            "\"a",
            "roam~",
            "\"a b\"~3",
            "user.*:x",
            "[1 TO 5]",
            "user.name:",
            "user.name:[1 5]",
            "/a",
            "source.port:x",
            "a:b:c",
            "NOT",
            "a^x",
            "a \\",
            "source.ip:(10.0.0.1 OR",
            "*:x",
        ] {
            assert!(read_with(text, Join::Any).is_err(), "{text}");
        }
        let deep = format!("{}a{}", "(".repeat(51), ")".repeat(51));
        assert!(read_with(&deep, Join::Any).is_err());
        let deep = format!("{}a{}", "(".repeat(50), ")".repeat(50));
        assert!(read_with(&deep, Join::Any).is_ok());
        let many = "a ".repeat(1024);
        assert!(read_with(&many, Join::Any).is_ok());
        let many = "a ".repeat(1025);
        assert!(read_with(&many, Join::Any).is_err());
        assert!(read_with(&"a".repeat(TEXT_BYTES_MAX + 1), Join::Any).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_query_or_an_error(text in "\\PC{0,60}|[ab*?:()\\[\\]{}\"/\\\\^~+!&|<>= -]{0,60}|(AND |OR |NOT |a |b:c |\\(|\\)){0,20}") {
            for join in [Join::Any, Join::All] {
                drop(read_with(&text, join));
            }
        }
    }
}
