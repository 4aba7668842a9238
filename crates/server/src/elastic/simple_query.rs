//! The text of `simple_query_string`: `+` and, `|` or, `-` not, `"…"` a phrase, `…*` a prefix, parentheses.
//!
//! As in Elasticsearch it is read from left to right without precedence, and what is left open at the end is closed.

use query::Expr;

use super::conditions::{Conditions, Join, Subject, Unfit};
use super::fault::Fault;
use super::query_string::TEXT_BYTES_MAX;

/// Reads a text.
pub(super) fn read(
    text: &str,
    subjects: &[Subject],
    join: Join,
    conditions: &mut Conditions,
) -> Result<Expr, Fault> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Fault::argument(format!(
            "the query is longer than {TEXT_BYTES_MAX} bytes: put lists of values into [terms]"
        )));
    }
    let mut parser = Parser {
        chars: text.chars().collect(),
        at: 0,
        subjects,
        join,
        conditions,
    };
    let expr = parser.sequence(0)?;
    Ok(expr.unwrap_or(Expr::None))
}

struct Parser<'a> {
    chars: Vec<char>,
    at: usize,
    subjects: &'a [Subject],
    join: Join,
    conditions: &'a mut Conditions,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    /// Up to the end, or to the parenthesis that closes it.
    fn sequence(&mut self, depth: usize) -> Result<Option<Expr>, Fault> {
        if depth > self.conditions.depth_max() {
            return Err(Fault::query_string("parentheses are nested too deep"));
        }
        let mut so_far: Option<Expr> = None;
        let (mut join, mut negated) = (None, false);
        while let Some(c) = self.peek() {
            let branch = match c {
                ')' => {
                    self.at += 1;
                    if depth > 0 {
                        return Ok(so_far);
                    }
                    continue;
                }
                '+' | '|' => {
                    self.at += 1;
                    // Only the first of several counts.
                    if join.is_none() && so_far.is_some() {
                        join = Some(if c == '+' { Join::All } else { Join::Any });
                    }
                    continue;
                }
                '-' => {
                    self.at += 1;
                    negated = !negated;
                    continue;
                }
                c if c.is_whitespace() => {
                    self.at += 1;
                    negated = false;
                    continue;
                }
                '(' => {
                    self.at += 1;
                    self.sequence(depth + 1)?
                }
                '"' => self.phrase()?,
                _ => self.word()?,
            };
            let Some(branch) = branch else { continue };
            let branch = if negated { branch.not() } else { branch };
            so_far = Some(match (so_far, join.unwrap_or(self.join)) {
                (None, _) => branch,
                (Some(before), Join::All) => Expr::and([before, branch]),
                (Some(before), Join::Any) => Expr::or([before, branch]),
            });
            (join, negated) = (None, false);
        }
        Ok(so_far)
    }

    fn phrase(&mut self) -> Result<Option<Expr>, Fault> {
        self.at += 1;
        let mut text = String::new();
        while let Some(c) = self.peek() {
            self.at += 1;
            match c {
                '"' => break,
                '\\' => {
                    text.extend(self.peek());
                    self.at += 1;
                }
                c => text.push(c),
            }
        }
        self.no_slop()?;
        if query::tokens(&text).next().is_none() {
            return Ok(None);
        }
        self.any_subject(|conditions, subject| conditions.phrase(subject, &text, Unfit::Nothing))
    }

    fn word(&mut self) -> Result<Option<Expr>, Fault> {
        let mut text = String::new();
        let mut is_prefix = false;
        while let Some(c) = self.peek() {
            if c.is_whitespace() || matches!(c, '"' | '|' | '+' | '(' | ')') {
                break;
            }
            self.at += 1;
            let is_last = self.peek().is_none_or(|next| {
                next.is_whitespace() || matches!(next, '"' | '|' | '+' | '(' | ')')
            });
            match c {
                '\\' => {
                    text.extend(self.peek());
                    self.at += 1;
                }
                '*' if is_last => is_prefix = true,
                '~' if self
                    .peek()
                    .is_none_or(|next| next.is_ascii_digit() || is_last) =>
                {
                    self.at -= 1;
                    self.no_slop()?;
                }
                c => text.push(c),
            }
        }
        if query::tokens(&text).next().is_none() {
            return Ok(None);
        }
        let join = self.join;
        self.any_subject(|conditions, subject| {
            if is_prefix {
                conditions.prefix(subject, &text)
            } else {
                conditions.words(subject, &text, join, None, Unfit::Nothing)
            }
        })
    }

    /// `~`: similar words, or words near each other, which there are none of here.
    fn no_slop(&mut self) -> Result<(), Fault> {
        if self.peek() != Some('~') {
            return Ok(());
        }
        Err(Fault::query_string(
            "~ (similar words, words near each other) is not supported: use prefixes",
        ))
    }

    fn any_subject(
        &mut self,
        each: impl Fn(&mut Conditions, &Subject) -> Result<Expr, Fault>,
    ) -> Result<Option<Expr>, Fault> {
        let mut any = Vec::with_capacity(self.subjects.len());
        for subject in self.subjects {
            any.push(each(self.conditions, subject)?);
        }
        Ok(Some(Expr::or(any)))
    }
}

#[cfg(test)]
mod tests {
    use event::Micros;
    use proptest::prelude::*;

    use super::super::dates::Dates;
    use super::*;

    fn read_any(text: &str) -> Result<Expr, Fault> {
        let mut conditions = Conditions::new(Dates::new(Micros(0)));
        read(text, &[Subject::Raw], Join::Any, &mut conditions)
    }

    #[test]
    fn operators_are_read_from_left_to_right() {
        let check = |text: &str, expected: &str| {
            assert_eq!(read_any(text).unwrap().to_string(), expected, "{text}");
        };
        check("a b", "a OR b");
        check("a + b", "a AND b");
        check("a + b | c", "a AND b OR c");
        check("a | b + c", "(a OR b) AND c");
        check("a + -b", "a AND NOT b");
        check("\"invalid user\" + fail*", "\"invalid user\" AND fail*");
        check("(a + b", "a AND b");
        check("a) b", "a OR b");
        check("foo-bar", "foo OR bar");
        check("", "NOT *");
        check("+ | -", "NOT *");
    }

    #[test]
    fn similar_words_are_refused() {
        assert!(read_any("roam~1").is_err());
        assert!(read_any("\"a b\"~2").is_err());
        assert!(read_any(&"(".repeat(60)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_query_or_an_error(text in "\\PC{0,60}|[ab()\"\\\\~+|* -]{0,60}") {
            drop(read_any(&text));
        }
    }
}
