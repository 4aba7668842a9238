//! The arithmetic of `bucket_script`: numbers, `params.NAME`, `+ - * / %`, parentheses.

use super::fault::Fault;

/// The longest script, in bytes.
const SCRIPT_BYTES_MAX: usize = 1024;
const DEPTH_MAX: usize = 20;

/// A formula, as what is done one after another on a stack.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Formula(Vec<Step>);

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Number(f64),
    Parameter(String),
    Negate,
    Two(char),
}

impl Formula {
    /// Reads a script.
    pub(super) fn read(script: &str) -> Result<Self, Fault> {
        if script.len() > SCRIPT_BYTES_MAX {
            return Err(Fault::argument(format!(
                "the script is longer than {SCRIPT_BYTES_MAX} bytes"
            )));
        }
        let script = script.trim();
        let script = script.strip_prefix("return ").unwrap_or(script);
        let mut reader = Reader {
            rest: script.strip_suffix(';').unwrap_or(script),
            steps: Vec::new(),
        };
        match reader.sum(0) {
            Some(()) if reader.rest.trim_start().is_empty() => Ok(Self(reader.steps)),
            _ => Err(Fault::argument(
                "the script of [bucket_script] must be arithmetic: params.a / params.b * 100",
            )),
        }
    }

    /// The names behind `params.`.
    pub(super) fn parameters(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|step| match step {
            Step::Parameter(name) => Some(name.as_str()),
            Step::Number(_) | Step::Negate | Step::Two(_) => None,
        })
    }

    /// What it gives; none where a parameter has no value.
    pub(super) fn value(&self, parameter: impl Fn(&str) -> Option<f64>) -> Option<f64> {
        let mut stack: Vec<f64> = Vec::new();
        for step in &self.0 {
            let value = match step {
                Step::Number(number) => *number,
                Step::Parameter(name) => parameter(name)?,
                Step::Negate => -stack.pop()?,
                Step::Two(sign) => {
                    let (right, left) = (stack.pop()?, stack.pop()?);
                    match sign {
                        '+' => left + right,
                        '-' => left - right,
                        '*' => left * right,
                        '/' => left / right,
                        _ => left % right,
                    }
                }
            };
            stack.push(value);
        }
        stack.pop()
    }
}

struct Reader<'a> {
    rest: &'a str,
    steps: Vec<Step>,
}

impl Reader<'_> {
    fn next_if(&mut self, wanted: &[char]) -> Option<char> {
        self.rest = self.rest.trim_start();
        let sign = self.rest.chars().next().filter(|c| wanted.contains(c))?;
        self.rest = self.rest.get(sign.len_utf8()..)?;
        Some(sign)
    }

    fn sum(&mut self, depth: usize) -> Option<()> {
        self.product(depth)?;
        while let Some(sign) = self.next_if(&['+', '-']) {
            self.product(depth)?;
            self.steps.push(Step::Two(sign));
        }
        Some(())
    }

    fn product(&mut self, depth: usize) -> Option<()> {
        self.factor(depth)?;
        while let Some(sign) = self.next_if(&['*', '/', '%']) {
            self.factor(depth)?;
            self.steps.push(Step::Two(sign));
        }
        Some(())
    }

    fn factor(&mut self, depth: usize) -> Option<()> {
        if depth > DEPTH_MAX {
            return None;
        }
        if self.next_if(&['-']).is_some() {
            self.factor(depth + 1)?;
            self.steps.push(Step::Negate);
            return Some(());
        }
        if self.next_if(&['(']).is_some() {
            self.sum(depth + 1)?;
            return self.next_if(&[')']).map(drop);
        }
        if let Some(rest) = self.rest.strip_prefix("params.") {
            let name = rest
                .split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()?;
            self.rest = rest.get(name.len()..)?;
            self.steps.push(Step::Parameter(name.to_owned()));
            return (!name.is_empty()).then_some(());
        }
        let digits = self
            .rest
            .bytes()
            .take_while(|byte| byte.is_ascii_digit() || *byte == b'.')
            .count();
        let (number, rest) = self.rest.split_at_checked(digits)?;
        self.steps.push(Step::Number(number.parse().ok()?));
        self.rest = rest;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_formula_is_computed() {
        let check = |script: &str, expected: f64| {
            let formula = Formula::read(script).unwrap();
            let value = formula.value(|name| match name {
                "a" => Some(6.0),
                "b_2" => Some(3.0),
                _ => None,
            });
            assert_eq!(value, Some(expected), "{script}");
        };
        check("params.a / params.b_2", 2.0);
        check("params.a + 2 * params.b_2 - 1.5", 10.5);
        check("(params.a + 2) * -params.b_2", -24.0);
        check("return 7 % 4;", 3.0);
        assert_eq!(Formula::read("params.x").unwrap().value(|_| None), None);
    }

    #[test]
    fn anything_else_is_refused() {
        for script in ["", "1 +", "a", "params.", "Math.abs(1)", "1; 2", "(1", "1)"] {
            assert!(Formula::read(script).is_err(), "{script}");
        }
        assert!(Formula::read(&"(".repeat(100)).is_err());
        assert!(Formula::read(&"1+".repeat(1000)).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_a_formula_or_an_error(script in "\\PC{0,40}|[0-9.+*/%() a-]{0,40}|(params\\.a|[-+*/() ]|1){0,20}") {
            if let Ok(formula) = Formula::read(&script) {
                prop_assert!(formula.value(|_| Some(1.0)).is_some(), "{script}");
            }
        }
    }
}
