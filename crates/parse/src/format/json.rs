//! JSON objects, flattened to dotted keys while they are read.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// How deep and how many: what is beyond is left out, and the reader says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Objects and arrays inside each other; what is deeper is skipped without recursion.
    pub(crate) depth_max: usize,
    /// Values handed out.
    pub(crate) values_max: usize,
    /// Length of a dotted key in bytes.
    pub(crate) key_bytes_max: usize,
}

impl Limits {
    /// Enough for every real log, little enough for one record.
    pub(crate) const DEFAULT: Self = Self {
        depth_max: 32,
        values_max: 2_000,
        key_bytes_max: 512,
    };
}

/// A value that is neither object nor array. `null` is none and is left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Text(&'a str),
    Integer(i64),
    Float(f64),
    Bool(bool),
}

/// What was read of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flattened {
    /// All of it.
    Whole,
    /// Values beyond the limits were left out.
    Cut,
}

/// Why a text is no JSON object.
#[derive(Debug, thiserror::Error)]
#[error("not a JSON object: {0}")]
pub(crate) struct FlattenError(#[from] serde_json::Error);

/// Hands every scalar of the JSON object `text` to `each` with its dotted key; the members of an array share its key.
///
/// Integers beyond `i64` come as floats, empty objects and arrays give nothing, keys that repeat are handed out again.
/// On an error in the middle, what came before it has been handed out.
pub(crate) fn flatten(
    text: &str,
    limits: Limits,
    each: impl FnMut(&str, Scalar<'_>),
) -> Result<Flattened, FlattenError> {
    let mut walk = Walk {
        key: String::with_capacity(64),
        depth: 0,
        values: 0,
        cut: false,
        limits,
        each,
    };
    let mut reader = serde_json::Deserializer::from_str(text);
    reader.deserialize_map(&mut Node(&mut walk))?;
    reader.end()?;
    Ok(if walk.cut {
        Flattened::Cut
    } else {
        Flattened::Whole
    })
}

struct Walk<F> {
    key: String,
    depth: usize,
    values: usize,
    cut: bool,
    limits: Limits,
    each: F,
}

impl<F: FnMut(&str, Scalar<'_>)> Walk<F> {
    fn give(&mut self, value: Scalar<'_>) {
        if self.values >= self.limits.values_max || self.key.len() > self.limits.key_bytes_max {
            self.cut = true;
            return;
        }
        self.values += 1;
        (self.each)(&self.key, value);
    }

    /// Whether one level deeper may be entered.
    fn enter(&mut self) -> bool {
        let allowed = self.depth < self.limits.depth_max;
        self.cut |= !allowed;
        self.depth += usize::from(allowed);
        allowed
    }
}

/// One place in the document.
struct Node<'w, F>(&'w mut Walk<F>);

impl<'de, F: FnMut(&str, Scalar<'_>)> DeserializeSeed<'de> for Node<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(mut self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(&mut self)
    }
}

impl<'de, F: FnMut(&str, Scalar<'_>)> Visitor<'de> for &mut Node<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.0.give(Scalar::Text(text));
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.0.give(Scalar::Integer(number));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        #[expect(
            clippy::cast_precision_loss,
            reason = "no log counts so far; the nearest float says how far"
        )]
        let value = i64::try_from(number).map_or(Scalar::Float(number as f64), Scalar::Integer);
        self.0.give(value);
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.0.give(Scalar::Float(number));
        Ok(())
    }

    fn visit_bool<E>(self, yes: bool) -> Result<(), E> {
        self.0.give(Scalar::Bool(yes));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        if !self.0.enter() {
            while members.next_element::<serde::de::IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        while members.next_element_seed(Node(self.0))?.is_some() {}
        self.0.depth -= 1;
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<(), A::Error> {
        if !self.0.enter() {
            while pairs
                .next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?
                .is_some()
            {}
            return Ok(());
        }
        let parent = self.0.key.len();
        while pairs.next_key_seed(Key(&mut self.0.key))?.is_some() {
            let value = pairs.next_value_seed(Node(self.0));
            self.0.key.truncate(parent);
            value?;
        }
        self.0.depth -= 1;
        Ok(())
    }
}

/// A key, appended to those of its parents.
struct Key<'k>(&'k mut String);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

/// A longer dotted key is beyond every [`Limits::key_bytes_max`]; its text is not gathered.
const KEY_BYTES_KEPT: usize = 4096;

impl Visitor<'_> for Key<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<(), E> {
        if key.len() > KEY_BYTES_KEPT || self.0.len() > KEY_BYTES_KEPT {
            return Err(E::custom("a key longer than 4096 bytes"));
        }
        if !self.0.is_empty() {
            self.0.push('.');
        }
        self.0.push_str(key);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str, limits: Limits) -> (Vec<String>, Option<Flattened>) {
        let mut found = Vec::new();
        let end = flatten(text, limits, |key, value| {
            found.push(format!("{key}={value:?}"));
        });
        (found, end.ok())
    }

    #[test]
    fn an_object_becomes_dotted_keys() {
        let (found, end) = read(
            r#"{"a":{"b":1,"c":[true,"x",{"d":2.5}]},"e.f":"\u00e9","n":null,"o":{},"big":18446744073709551615,"neg":-3}"#,
            Limits::DEFAULT,
        );
        assert_eq!(end, Some(Flattened::Whole));
        assert_eq!(
            found,
            [
                "a.b=Integer(1)",
                "a.c=Bool(true)",
                "a.c=Text(\"x\")",
                "a.c.d=Float(2.5)",
                "e.f=Text(\"é\")",
                "big=Float(1.8446744073709552e19)",
                "neg=Integer(-3)",
            ]
        );
    }

    #[test]
    fn what_is_beyond_the_limits_is_left_out() {
        let limits = Limits {
            depth_max: 2,
            values_max: 2,
            key_bytes_max: 3,
        };
        assert_eq!(
            read(r#"{"a":{"b":{"c":1}}}"#, limits),
            (vec![], Some(Flattened::Cut))
        );
        assert_eq!(read(r#"{"a":1,"b":2,"c":3}"#, limits).0.len(), 2);
        assert_eq!(read(r#"{"abcd":1,"b":2}"#, limits).0, ["b=Integer(2)"]);
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for text in [
            "",
            "1",
            "[1]",
            "{",
            r#"{"a":1"#,
            r#"{"a":1} x"#,
            r#"{"a":1e999}"#,
            "null",
        ] {
            assert_eq!(read(text, Limits::DEFAULT).1, None, "{text}");
        }
    }

    #[test]
    fn any_depth_is_survived() {
        let deep = format!("{}1{}", "{\"a\":".repeat(100_000), "}".repeat(100_000));
        assert_eq!(read(&deep, Limits::DEFAULT), (vec![], Some(Flattened::Cut)));
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[{}\\[\\]\":,a1.é\\\\-]{0,60}") {
            read(&text, Limits::DEFAULT);
        }
    }
}
