//! The members of a JSON object, each taken once; what nobody takes is an error that names it.

use serde_json::{Map, Value};

use super::fault::Fault;

/// The members of an object that stands at a place of the request.
#[derive(Debug)]
pub(super) struct Members {
    place: String,
    members: Map<String, Value>,
}

impl Members {
    /// The members of the value.
    ///
    /// # Errors
    /// It is no object.
    pub(super) fn of(place: &str, value: Value) -> Result<Self, Fault> {
        match value {
            Value::Object(members) => Ok(Self {
                place: place.to_owned(),
                members,
            }),
            _ => Err(Fault::parsing(format!("[{place}] must be an object"))),
        }
    }

    /// What is read, for messages.
    pub(super) fn place(&self) -> &str {
        &self.place
    }

    /// The member, if it is there and not null.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.members.remove(name).filter(|value| !value.is_null())
    }

    /// A member that must be there.
    pub(super) fn need(&mut self, name: &str) -> Result<Value, Fault> {
        let place = self.place.clone();
        self.take(name)
            .ok_or_else(|| Fault::parsing(format!("[{place}] needs [{name}]")))
    }

    /// A text; a number or a truth value is taken as what it is written.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(value) => match plain_text(&value) {
                Some(text) => Ok(Some(text)),
                None => Err(self.wrong(name, "a text")),
            },
        }
    }

    /// A text that must be there.
    pub(super) fn needed_text(&mut self, name: &str) -> Result<String, Fault> {
        let place = self.place.clone();
        self.text(name)?
            .ok_or_else(|| Fault::parsing(format!("[{place}] needs [{name}]")))
    }

    /// A truth value, also as text.
    pub(super) fn boolean(&mut self, name: &str) -> Result<Option<bool>, Fault> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(yes)) => Ok(Some(yes)),
            Some(Value::String(text)) => match text.as_str() {
                "true" | "" => Ok(Some(true)),
                "false" => Ok(Some(false)),
                _ => Err(self.wrong(name, "true or false")),
            },
            Some(_) => Err(self.wrong(name, "true or false")),
        }
    }

    /// A whole number, also as text.
    pub(super) fn whole(&mut self, name: &str) -> Result<Option<i64>, Fault> {
        let whole = |value: &Value| match value {
            Value::Number(number) => number.as_i64().or_else(|| whole_float(number.as_f64()?)),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        match self.take(name) {
            None => Ok(None),
            Some(value) => match whole(&value) {
                Some(number) => Ok(Some(number)),
                None => Err(self.wrong(name, "a whole number")),
            },
        }
    }

    /// A whole number from 0 to the greatest allowed, also as text.
    pub(super) fn count(&mut self, name: &str, max: usize) -> Result<Option<usize>, Fault> {
        let Some(number) = self.whole(name)? else {
            return Ok(None);
        };
        let count = usize::try_from(number).ok().filter(|count| *count <= max);
        match count {
            Some(count) => Ok(Some(count)),
            None => Err(Fault::argument(format!(
                "[{name}] of [{}] must be from 0 to {max}",
                self.place
            ))),
        }
    }

    /// A number, also as text. Never NaN or infinite.
    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>, Fault> {
        let number = |value: &Value| match value {
            Value::Number(number) => number.as_f64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        match self.take(name) {
            None => Ok(None),
            Some(value) => match number(&value).filter(|number| number.is_finite()) {
                Some(number) => Ok(Some(number)),
                None => Err(self.wrong(name, "a number")),
            },
        }
    }

    /// A text, or a list of them.
    pub(super) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Fault> {
        let list = match self.take(name) {
            None => return Ok(None),
            Some(Value::Array(list)) => list,
            Some(one) => vec![one],
        };
        let texts: Option<Vec<String>> = list.iter().map(plain_text).collect();
        match texts {
            Some(texts) => Ok(Some(texts)),
            None => Err(self.wrong(name, "a text or a list of texts")),
        }
    }

    /// Passes over members that change nothing here.
    pub(super) fn ignore(&mut self, names: &[&str]) {
        for name in names {
            self.members.remove(*name);
        }
    }

    /// Refuses members that would change the answer and cannot be followed. Empty ones ask for nothing.
    pub(super) fn refuse(&mut self, names: &[&str], instead: &str) -> Result<(), Fault> {
        let asks = |value: &Value| match value {
            Value::Array(list) => !list.is_empty(),
            Value::Object(members) => !members.is_empty(),
            Value::Bool(yes) => *yes,
            _ => true,
        };
        for name in names {
            if self.take(name).is_some_and(|value| asks(&value)) {
                return Err(Fault::argument(format!(
                    "[{name}] of [{}] is not supported: {instead}",
                    self.place
                )));
            }
        }
        Ok(())
    }

    /// The only member.
    pub(super) fn only(self) -> Result<(String, Value), Fault> {
        let mut members = self.members.into_iter();
        match (members.next(), members.next()) {
            (Some(only), None) => Ok(only),
            (None, _) => Err(Fault::parsing(format!("[{}] is empty", self.place))),
            (Some(_), Some((second, _))) => Err(Fault::parsing(format!(
                "[{}] must have one member only, but there is [{second}], too",
                self.place
            ))),
        }
    }

    /// All members that are left.
    pub(super) fn rest(self) -> Map<String, Value> {
        self.members
    }

    /// Everything has been taken.
    ///
    /// # Errors
    /// A member is left that nobody knows.
    pub(super) fn finish(self) -> Result<(), Fault> {
        match self.members.keys().next() {
            None => Ok(()),
            Some(unknown) => Err(Fault::parsing(format!(
                "[{}] does not support [{unknown}]",
                self.place
            ))),
        }
    }

    pub(super) fn wrong(&self, name: &str, wanted: &str) -> Fault {
        Fault::parsing(format!("[{name}] of [{}] must be {wanted}", self.place))
    }
}

/// A text, a number or a truth value as text.
pub(super) fn plain_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(yes) => Some(yes.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The whole number that a float is exactly.
fn whole_float(float: f64) -> Option<i64> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked: whole, and within what floats hold exactly"
    )]
    (float.trunc().total_cmp(&float).is_eq() && float.abs() <= EXACT_MAX).then_some(float as i64)
}
