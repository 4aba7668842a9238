//! Lucene's regular expressions in the syntax of the crate `regex`.
//!
//! Lucene's match a whole value, have no anchors (`^` and `$` are letters) and no lazy repetition, and know operators of
//! their own: `@` is any text; `#`, `&`, `~` and `<1-9>` have no counterpart here and are refused.

use super::fault::Fault;

/// The longest expression, in characters: as Elasticsearch's `index.max_regex_length`.
const CHARS_MAX: usize = 1000;
const DEPTH_MAX: usize = 20;

/// What an expression is matched with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A whole value.
    Value,
    /// One word of a text.
    Word,
}

/// Whether letters of both cases are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    Sensitive,
    Insensitive,
}

/// Which of Lucene's own operators hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Operators {
    any: bool,
    others: bool,
}

impl Operators {
    pub(super) const ALL: Self = Self {
        any: true,
        others: true,
    };

    /// Reads `flags` of a query.
    pub(super) fn of(flags: &str) -> Result<Self, Fault> {
        let mut operators = Self {
            any: false,
            others: false,
        };
        for flag in flags.split('|') {
            match flag {
                "ALL" => operators = Self::ALL,
                "ANYSTRING" => operators.any = true,
                "INTERSECTION" | "COMPLEMENT" | "EMPTY" | "INTERVAL" => operators.others = true,
                "NONE" | "" => {}
                _ => {
                    return Err(Fault::argument(
                        "[flags] of [regexp] must be ALL, NONE or names of operators, with | between them",
                    ));
                }
            }
        }
        Ok(operators)
    }
}

/// The characters of which words consist.
const WORD: &str = r"[\p{Alphabetic}\p{N}\p{M}]";
const NO_WORD: &str = r"[^\p{Alphabetic}\p{N}\p{M}]";

/// The same expression for the crate `regex`.
///
/// # Errors
/// It is none, too long, or has an operator without a counterpart.
pub(super) fn translated(
    source: &str,
    target: Target,
    case: Case,
    operators: Operators,
) -> Result<String, Fault> {
    let chars: Vec<char> = source.chars().collect();
    if chars.len() > CHARS_MAX {
        return Err(Fault::argument(format!(
            "the regular expression is longer than {CHARS_MAX} characters: shorten it"
        )));
    }
    let mut reader = Reader {
        chars: &chars,
        at: 0,
        target,
        operators,
    };
    let mut body = reader.union(0)?;
    if reader.at < chars.len() {
        return Err(reader.wrong("this parenthesis closes nothing: write \\) for the character"));
    }
    if target == Target::Word && matches_nothing(&body) {
        if !matches!(source, ".*" | "@") {
            return Err(Fault::argument(
                "the regular expression matches an empty word, which there is none of: write + where there is *",
            ));
        }
        body = format!("{WORD}+");
    }
    Ok(match (target, case) {
        (Target::Value, Case::Sensitive) => format!(r"(?s)\A(?:{body})\z"),
        (Target::Value, Case::Insensitive) => format!(r"(?is)\A(?:{body})\z"),
        (Target::Word, _) => format!("(?i)(?:^|{NO_WORD})(?:{body})(?:$|{NO_WORD})"),
    })
}

/// Whether the empty text matches; an expression that is too large is told later.
fn matches_nothing(body: &str) -> bool {
    query::Regex::new(&format!(r"\A(?:{body})\z")).is_ok_and(|regex| regex.matches(""))
}

struct Reader<'a> {
    chars: &'a [char],
    at: usize,
    target: Target,
    operators: Operators,
}

impl Reader<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += 1;
        Some(next)
    }

    fn next_if(&mut self, wanted: char) -> bool {
        let is_next = self.peek() == Some(wanted);
        self.at += usize::from(is_next);
        is_next
    }

    fn wrong(&self, what: &str) -> Fault {
        Fault::argument(format!(
            "the regular expression is wrong at character {}: {what}",
            self.at
        ))
    }

    fn union(&mut self, depth: usize) -> Result<String, Fault> {
        if depth > DEPTH_MAX {
            return Err(self.wrong("its parentheses are nested too deep"));
        }
        let mut union = self.sequence(depth)?;
        while self.next_if('|') {
            union.push('|');
            union.push_str(&self.sequence(depth)?);
        }
        Ok(union)
    }

    fn sequence(&mut self, depth: usize) -> Result<String, Fault> {
        let mut sequence = String::new();
        while let Some(next) = self.peek() {
            if next == ')' || next == '|' {
                break;
            }
            let atom = self.atom(depth)?;
            sequence.push_str(&self.repeated(atom)?);
        }
        Ok(sequence)
    }

    /// Repetitions behind an atom; each repeats all before it.
    fn repeated(&mut self, atom: String) -> Result<String, Fault> {
        let mut repeated = atom;
        let mut is_repeated = false;
        while let Some(sign @ ('*' | '+' | '?' | '{')) = self.peek() {
            self.at += 1;
            if is_repeated {
                repeated = format!("(?:{repeated})");
            }
            is_repeated = true;
            if sign == '{' {
                repeated.push_str(&self.times()?);
            } else {
                repeated.push(sign);
            }
        }
        Ok(repeated)
    }

    /// `2}`, `2,}`, `2,5}`.
    fn times(&mut self) -> Result<String, Fault> {
        let mut text = String::new();
        loop {
            match self.next() {
                Some('}') => break,
                Some(c) if c.is_ascii_digit() || c == ',' => text.push(c),
                _ => return Err(self.wrong("write repetitions as {2}, {2,} or {2,5}")),
            }
        }
        let plain = |digits: &str| !digits.is_empty() && !digits.contains(',') && digits.len() <= 4;
        let is_whole = match text.split_once(',') {
            None => plain(&text),
            Some((least, most)) => plain(least) && (most.is_empty() || plain(most)),
        };
        if is_whole {
            Ok(format!("{{{text}}}"))
        } else {
            Err(self.wrong("write repetitions as {2}, {2,} or {2,5}"))
        }
    }

    fn atom(&mut self, depth: usize) -> Result<String, Fault> {
        let Some(next) = self.next() else {
            return Ok(String::new());
        };
        match next {
            '.' => Ok(self.any_char().to_owned()),
            '(' => {
                let inner = self.union(depth + 1)?;
                if self.next_if(')') {
                    Ok(format!("(?:{inner})"))
                } else {
                    Err(self.wrong("a parenthesis is not closed"))
                }
            }
            '[' => self.class(),
            '"' => {
                let mut quoted = String::new();
                loop {
                    match self.next() {
                        None => return Err(self.wrong("a quote is not closed")),
                        Some('"') => break,
                        Some(c) => quoted.push_str(&self.literal(c)),
                    }
                }
                Ok(format!("(?:{quoted})"))
            }
            '\\' => match self.next() {
                None => Err(self.wrong("there is nothing behind the \\")),
                Some(shorthand @ ('d' | 'D' | 's' | 'S' | 'w' | 'W')) => {
                    Ok(self.within(shorthand_class(shorthand)))
                }
                Some(c) => Ok(self.literal(c)),
            },
            '*' | '+' | '?' | '{' => Err(self.wrong("there is nothing to repeat before this sign")),
            '@' if self.operators.any => Ok(format!("(?:{}*)", self.any_char())),
            '#' | '&' | '~' | '<' if self.operators.others => Err(self.wrong(
                "the operators # & ~ < > are not supported: write a \\ before the character, or flags NONE",
            )),
            c => Ok(self.literal(c)),
        }
    }

    /// `^a-z\]]`, after its bracket.
    fn class(&mut self) -> Result<String, Fault> {
        let mut members = String::new();
        if self.next_if('^') {
            members.push('^');
        }
        let mut is_empty = true;
        loop {
            let Some(next) = self.next() else {
                return Err(self.wrong("a bracket is not closed"));
            };
            if next == ']' && !is_empty {
                break;
            }
            is_empty = false;
            if next == '\\'
                && let Some(shorthand @ ('d' | 'D' | 's' | 'S' | 'w' | 'W')) = self.peek()
            {
                self.at += 1;
                members.push_str(shorthand_class(shorthand));
                continue;
            }
            let from = self.member(next)?;
            let is_range = self.peek() == Some('-')
                && self.chars.get(self.at + 1).is_some_and(|next| *next != ']');
            if !is_range {
                members.push_str(&escaped(from));
                continue;
            }
            self.at += 1;
            let to = self.next().unwrap_or_default();
            let to = self.member(to)?;
            if to < from {
                return Err(self.wrong("the range of characters goes backwards"));
            }
            members.push_str(&format!("{}-{}", escaped(from), escaped(to)));
        }
        Ok(self.within(&format!("[{members}]")))
    }

    fn member(&mut self, next: char) -> Result<char, Fault> {
        match next {
            '\\' => self
                .next()
                .ok_or_else(|| self.wrong("there is nothing behind the \\")),
            c => Ok(c),
        }
    }

    fn any_char(&self) -> &'static str {
        match self.target {
            Target::Value => ".",
            Target::Word => WORD,
        }
    }

    /// A class, of a word's characters alone where words are asked.
    fn within(&self, class: &str) -> String {
        match self.target {
            Target::Value => class.to_owned(),
            Target::Word => format!("[{WORD}&&{class}]"),
        }
    }

    /// A character; none of the others stands in a word.
    fn literal(&self, c: char) -> String {
        match self.target {
            Target::Word if !c.is_alphanumeric() => self.within(&format!("[{}]", escaped(c))),
            Target::Value | Target::Word => escaped(c),
        }
    }
}

fn shorthand_class(letter: char) -> &'static str {
    match letter {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        's' => r"[ \t\n\r]",
        'S' => r"[^ \t\n\r]",
        'w' => "[0-9A-Z_a-z]",
        _ => "[^0-9A-Z_a-z]",
    }
}

fn escaped(c: char) -> String {
    if c.is_alphanumeric() {
        c.to_string()
    } else {
        format!("\\u{{{:x}}}", u32::from(c))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use query::Regex;

    use super::*;

    fn regex(source: &str, target: Target) -> Regex {
        let source = translated(source, target, Case::Sensitive, Operators::ALL).unwrap();
        Regex::new(&source).unwrap()
    }

    #[test]
    fn a_value_is_matched_whole_as_lucene_does() {
        let check = |source: &str, value: &str, expected: bool| {
            let found = regex(source, Target::Value).matches(value);
            assert_eq!(found, expected, "{source} {value}");
        };
        check("ab.*", "abc", true);
        check("ab", "abc", false);
        check("a|b", "b", true);
        check("a.c", "a\nc", true);
        check("^a$", "a", false);
        check("^a$", "^a$", true);
        check("a?*", "aaa", true);
        check("a+?", "", true);
        check("(ab){2,3}", "ababab", true);
        check("[^a-c]", "d", true);
        check("[\\]a-]+", "]-a", true);
        check("[&~\\^]+", "&~^", true);
        check("\"a.b\"", "a.b", true);
        check("\"a.b\"", "axb", false);
        check("\\.\\d+", ".15", true);
        check("x@", "xyz", true);
        check("()|z", "", true);
        check("Ab", "ab", false);
    }

    #[test]
    fn of_a_text_one_word_is_matched() {
        let check = |source: &str, text: &str, expected: bool| {
            let found = regex(source, Target::Word).matches(text);
            assert_eq!(found, expected, "{source} {text}");
        };
        check("fail.*", "user FAILED to", true);
        check("fail", "user failed to", false);
        check("failed to", "user failed to", false);
        check("[^x]+", "x,x", false);
        check("ng.*n", "user=Nguyễn", true);
        check("d\\D*", "a-d", true);
        check("@", "!", false);
        check(".*", "- a", true);
        assert!(translated("a*", Target::Word, Case::Sensitive, Operators::ALL).is_err());
    }

    #[test]
    fn what_has_no_counterpart_is_refused() {
        let check = |source: &str| {
            let read = translated(source, Target::Value, Case::Sensitive, Operators::ALL);
            assert!(read.is_err(), "{source}");
        };
        for source in [
            "~a", "a&b", "<1-9>", "#", "(a", "a)", "[a", "\"a", "a{x}", "a{", "*a", "a\\", "[z-a]",
        ] {
            check(source);
        }
        check(&"(".repeat(30));
        check(&"a".repeat(CHARS_MAX + 1));
        let none = Operators::of("NONE").unwrap();
        assert!(translated("~a&<", Target::Value, Case::Sensitive, none).is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_an_expression_or_an_error(source in "\\PC{0,40}|[\\[\\]a-c^$.|(){}*+?\\\\\"@#&~<>0-9,-]{0,40}") {
            for target in [Target::Value, Target::Word] {
                if let Ok(translated) = translated(&source, target, Case::Sensitive, Operators::ALL) {
                    // Too large is the only thing that may be wrong with it.
                    if let Err(error) = Regex::new(&translated) {
                        prop_assert!(matches!(error.to_string(), text if text.contains("size limit") || text.contains("nest")), "{source}: {error}");
                    }
                }
            }
        }
    }
}
