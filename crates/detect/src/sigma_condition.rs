//! Sigma's `condition`: selections joined by `and`, `or`, `not`, parentheses, `1 of x*` and `all of them`
//! (<https://sigmahq.io/sigma-specification/specification/sigma-rules-specification.html#condition>).

/// How the selections of a rule are joined. Selections go by their place in the rule's list of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Condition {
    Selection(usize),
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

impl Condition {
    /// Whether it holds of the selections that hold.
    pub(crate) fn holds(&self, selection: &impl Fn(usize) -> bool) -> bool {
        match self {
            Self::Selection(place) => selection(*place),
            Self::Not(inner) => !inner.holds(selection),
            Self::And(members) => members.iter().all(|member| member.holds(selection)),
            Self::Or(members) => members.iter().any(|member| member.holds(selection)),
        }
    }
}

/// Deeper nesting is no rule that a person wrote.
const DEPTH_MAX: usize = 64;
/// Longer conditions are no rules that a person wrote.
const BYTES_MAX: usize = 8 << 10;

/// Reads a condition over selections of those names.
pub(crate) fn parse(text: &str, names: &[&str]) -> Result<Condition, String> {
    if text.len() > BYTES_MAX {
        return Err(format!("condition is longer than {BYTES_MAX} bytes"));
    }
    let mut parser = Parser {
        tokens: tokens(text)?,
        next: 0,
        names,
    };
    let condition = parser.or(0)?;
    match parser.peek() {
        None => Ok(condition),
        Some(extra) => Err(format!(
            "`{extra}` is not expected here; join selections with `and` or `or`"
        )),
    }
}

fn tokens(text: &str) -> Result<Vec<&str>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' | ')' => 1,
            '|' => {
                return Err("`|` aggregations are obsolete: write a correlation rule".to_owned());
            }
            c if is_name(c) => rest.find(|c| !is_name(c)).unwrap_or(rest.len()),
            c => return Err(format!("`{c}` does not belong into a condition")),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token);
        rest = after.trim_start();
    }
    Ok(tokens)
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '*' | '-' | '.' | '?')
}

struct Parser<'a> {
    tokens: Vec<&'a str>,
    next: usize,
    names: &'a [&'a str],
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.next).copied()
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self
            .peek()
            .is_some_and(|token| token.eq_ignore_ascii_case(word));
        self.next += usize::from(found);
        found
    }

    fn or(&mut self, depth: usize) -> Result<Condition, String> {
        if depth > DEPTH_MAX {
            return Err(format!("condition is nested deeper than {DEPTH_MAX}"));
        }
        let mut members = vec![self.and(depth)?];
        while self.take_word("or") {
            members.push(self.and(depth)?);
        }
        Ok(one_or(members, Condition::Or))
    }

    fn and(&mut self, depth: usize) -> Result<Condition, String> {
        let mut members = vec![self.not(depth)?];
        while self.take_word("and") {
            members.push(self.not(depth)?);
        }
        Ok(one_or(members, Condition::And))
    }

    fn not(&mut self, depth: usize) -> Result<Condition, String> {
        let mut negated = false;
        while self.take_word("not") {
            negated = !negated;
        }
        let inner = self.primary(depth)?;
        Ok(if negated {
            Condition::Not(Box::new(inner))
        } else {
            inner
        })
    }

    fn primary(&mut self, depth: usize) -> Result<Condition, String> {
        let token = self
            .peek()
            .ok_or("condition ends where a selection is expected")?;
        self.next += 1;
        if token == "(" {
            let inner = self.or(depth + 1)?;
            if self.peek() != Some(")") {
                return Err("a `(` is not closed".to_owned());
            }
            self.next += 1;
            return Ok(inner);
        }
        let quantifier = match token.to_ascii_lowercase().as_str() {
            "1" | "any" => Some(Condition::Or as fn(Vec<Condition>) -> Condition),
            "all" => Some(Condition::And as fn(Vec<Condition>) -> Condition),
            _ => None,
        };
        if let Some(join) = quantifier.filter(|_| self.take_word("of")) {
            return Ok(one_or(self.several()?, join));
        }
        let place = self.names.iter().position(|name| *name == token);
        place
            .map(Condition::Selection)
            .ok_or_else(|| format!("no selection is called `{token}`"))
    }

    /// The selections that `them` or a pattern names; names that start with `_` are left out of `them`.
    fn several(&mut self) -> Result<Vec<Condition>, String> {
        let pattern = self.peek().ok_or("condition ends after `of`")?;
        self.next += 1;
        let named = |name: &str| {
            if pattern.eq_ignore_ascii_case("them") {
                return !name.starts_with('_');
            }
            glob(pattern, name)
        };
        let found: Vec<Condition> = (0..self.names.len())
            .filter(|place| self.names.get(*place).is_some_and(|name| named(name)))
            .map(Condition::Selection)
            .collect();
        if found.is_empty() {
            return Err(format!("`{pattern}` names no selection"));
        }
        Ok(found)
    }
}

fn one_or(mut members: Vec<Condition>, join: fn(Vec<Condition>) -> Condition) -> Condition {
    match members.len() {
        1 => members.remove(0),
        _ => join(members),
    }
}

/// Whether the name fits a pattern with `*`, which may stand anywhere and more than once.
fn glob(pattern: &str, name: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(mut rest) = name.strip_prefix(head) else {
        return false;
    };
    let mut pieces: Vec<&str> = tail.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match rest.split_once(piece) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: &[&str] = &["sel_a", "sel_b", "filter", "_hidden"];

    /// A condition as fully bracketed text.
    fn shown(condition: &Condition) -> String {
        let join = |members: &[Condition], word: &str| {
            let members: Vec<String> = members.iter().map(shown).collect();
            format!("({})", members.join(word))
        };
        match condition {
            Condition::Selection(place) => NAMES[*place].to_owned(),
            Condition::Not(inner) => format!("!{}", shown(inner)),
            Condition::And(members) => join(members, " & "),
            Condition::Or(members) => join(members, " | "),
        }
    }

    #[test]
    fn not_binds_before_and_before_or() {
        let check = |text, expected: &str| {
            assert_eq!(shown(&parse(text, NAMES).unwrap()), expected, "{text}");
        };
        check("sel_a", "sel_a");
        check(
            "sel_a or sel_b and not filter",
            "(sel_a | (sel_b & !filter))",
        );
        check(
            "(sel_a OR sel_b) AND NOT filter",
            "((sel_a | sel_b) & !filter)",
        );
        check("not not sel_a", "sel_a");
        check("1 of sel_*", "(sel_a | sel_b)");
        check(
            "all of sel_* and not 1 of filter*",
            "((sel_a & sel_b) & !filter)",
        );
        check("1 of them", "(sel_a | sel_b | filter)");
        check("all of *_a", "sel_a");
    }

    #[test]
    fn mistakes_are_said() {
        let check = |text: &str, part: &str| {
            let error = parse(text, NAMES).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        };
        check("", "ends where");
        check("sel_c", "no selection is called `sel_c`");
        check("sel_a sel_b", "not expected");
        check("(sel_a", "not closed");
        check("1 of nothing*", "names no selection");
        check("sel_a | count() > 5", "obsolete");
        check(&"(".repeat(100), "nested deeper");
        check("sel_a = 1", "does not belong");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[a-z_*() |1]{0,60}|\\PC{0,30}") {
            let _unused = parse(&text, NAMES);
        }
    }
}
