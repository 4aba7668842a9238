//! Constant values and lookup tables of definitions.

use std::collections::{BTreeMap, HashMap};

use crate::definition::source::Constant;
use crate::frame::Piece;

/// A constant, ready to be given out.
#[derive(Clone, Debug)]
pub(crate) enum Fixed {
    Texts(Box<[Box<str>]>),
    Integer(i64),
    Bool(bool),
}

impl From<&Constant> for Fixed {
    fn from(constant: &Constant) -> Self {
        match constant {
            Constant::Bool(yes) => Self::Bool(*yes),
            Constant::Integer(number) => Self::Integer(*number),
            Constant::Text(text) => Self::Texts([text.clone()].into()),
            Constant::List(texts) => Self::Texts(texts.clone()),
        }
    }
}

impl Fixed {
    pub(crate) fn piece(&self) -> Piece<'_> {
        match self {
            Self::Texts(texts) => Piece::Constants(texts),
            Self::Integer(number) => Piece::Integer(*number),
            Self::Bool(yes) => Piece::Bool(*yes),
        }
    }
}

/// A lookup table: text, whatever its ASCII case, to a constant.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    exact: HashMap<Box<str>, Fixed, ahash::RandomState>,
    /// Keys that were written with a `*` at their end, the longest first.
    prefixes: Vec<(Box<str>, Fixed)>,
    default: Option<Fixed>,
}

impl Table {
    pub(crate) fn compile(rows: &BTreeMap<String, Constant>) -> Self {
        let mut table = Self::default();
        for (key, constant) in rows {
            match key.as_str() {
                "*" => table.default = Some(constant.into()),
                key => {
                    let key = key.to_ascii_lowercase();
                    match key.strip_suffix('*') {
                        Some(prefix) => table.prefixes.push((prefix.into(), constant.into())),
                        None => {
                            table.exact.insert(key.into(), constant.into());
                        }
                    }
                }
            }
        }
        table
            .prefixes
            .sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.len()));
        table
    }

    pub(crate) fn find(&self, text: &str) -> Option<&Fixed> {
        if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
            self.find_lower(&text.to_ascii_lowercase())
        } else {
            self.find_lower(text)
        }
    }

    fn find_lower(&self, text: &str) -> Option<&Fixed> {
        let by_prefix = || {
            let mut fitting = self.prefixes.iter();
            fitting
                .find(|(prefix, _)| text.starts_with(&**prefix))
                .map(|(_, fixed)| fixed)
        };
        self.exact
            .get(text)
            .or_else(by_prefix)
            .or(self.default.as_ref())
    }
}
