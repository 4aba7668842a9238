//! The closed table of functions that a definition's steps may call. Each is pure and bounded; a new one is one file
//! and one line in [`TABLE`].

mod address;
mod assign;
mod bits;
mod columns;
mod flow;
mod lookup;
mod number;
mod pattern;
mod text;
mod web;
mod when;

pub(crate) use pattern::apply_first;

use std::collections::BTreeMap;
use std::fmt::Debug;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::constant::Table;
use crate::definition::source::{Constant, OneOrMany};
use crate::frame::{Frame, Symbol, Symbols};
use crate::guard::{Conditions, Guard};
use crate::mapping::Mapping;
use crate::template::{Template, TemplateError};

/// A step as written: `{ fn = "lookup", from = "$status", to = "event.outcome", table = "outcome" }`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct StepSource {
    /// Which function.
    #[serde(rename = "fn")]
    #[schemars(extend("enum" = names()))]
    pub(crate) function: String,
    /// What it reads: a field, `$variable` or key, or several.
    #[serde(default)]
    pub(crate) from: OneOrMany,
    /// What it writes.
    #[serde(default)]
    pub(crate) to: OneOrMany,
    /// For `set`: the constant.
    pub(crate) value: Option<Constant>,
    /// For `lookup` and `bits`: a table of `[tables]`.
    pub(crate) table: Option<String>,
    /// For `match`: the template.
    pub(crate) template: Option<String>,
    /// For `match`: several, of which the first that matches is taken.
    #[serde(default)]
    pub(crate) templates: Vec<String>,
    /// For `pairs`: what stands between a key and its value.
    pub(crate) pair: Option<String>,
    /// What stands between pairs, columns or members.
    pub(crate) separator: Option<String>,
    /// For `pairs`: the quotes that values may stand in.
    pub(crate) quotes: Option<String>,
    /// For `trim`: what is taken off.
    pub(crate) chars: Option<String>,
    /// For `duration`: `s`, `ms`, `us` or `ns`.
    pub(crate) unit: Option<String>,
    /// For `date`: a known layout or a pattern.
    pub(crate) layout: Option<String>,
    /// For `times`: the factor.
    pub(crate) by: Option<i64>,
    /// All of these must hold.
    #[serde(default)]
    pub(crate) when: Conditions,
    /// None of these may hold.
    #[serde(default)]
    pub(crate) unless: Conditions,
}

/// What is wrong with a step.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum StepError {
    #[error("no function {0:?}; see docs/parser-definitions.md for those that there are")]
    Unknown(String),
    #[error("function {function:?} needs {what}")]
    Needs {
        function: String,
        what: &'static str,
    },
    #[error("function {function:?}: no table {table:?} in [tables]")]
    Table { function: String, table: String },
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Pairs(#[from] crate::body::BodyError),
    #[error(transparent)]
    Layout(#[from] crate::header::LayoutError),
}

/// A compiled function with its operands.
pub(crate) trait Function: Debug + Send + Sync {
    /// Changes the values of the message; does nothing where an operand is absent.
    fn apply<'a>(&'a self, frame: &mut Frame<'a>);

    /// Where it puts keys, if it takes any apart.
    fn mapping_mut(&mut self) -> Option<&mut Mapping> {
        None
    }

    /// The templates that it matches, if it does.
    fn templates_mut(&mut self) -> &mut [Template] {
        &mut []
    }
}

/// What a step may refer to while it is compiled.
pub(crate) struct Scope<'s> {
    pub(crate) symbols: &'s mut Symbols,
    pub(crate) tables: &'s BTreeMap<String, Table>,
    /// The definition's `[map]`, for functions that take keys apart.
    pub(crate) map: &'s BTreeMap<String, OneOrMany>,
}

/// The names of all functions, for the schema.
fn names() -> Vec<&'static str> {
    TABLE.iter().map(|(name, _)| *name).collect()
}

type Compile = fn(&StepSource, &mut Scope<'_>) -> Result<Box<dyn Function>, StepError>;

/// Every function, by name.
const TABLE: &[(&str, Compile)] = &[
    ("argv", text::argv),
    ("basename", text::basename),
    ("bits", bits::compile),
    ("copy", assign::copy),
    ("csv", columns::columns),
    ("date", when::date),
    ("domain_user", address::domain_user),
    ("duration", when::duration),
    ("undouble", text::undouble),
    ("endpoint", address::endpoint),
    ("epoch", when::epoch),
    ("fill", assign::fill),
    ("guessed", assign::guessed),
    ("hash", text::hash),
    ("hex", text::hex),
    ("join", text::join),
    ("json", columns::object),
    ("list", text::list),
    ("lookup", lookup::compile),
    ("lower", text::lower),
    ("mac", text::mac),
    ("match", pattern::matching),
    ("minus", number::minus),
    ("move", assign::moving),
    ("pairs", pattern::pairs),
    ("remove", assign::remove),
    ("request", web::request),
    ("set", assign::set),
    ("split", text::list),
    ("start", when::start),
    ("sum", number::sum),
    ("swap", flow::swap),
    ("times", number::times),
    ("transport", flow::transport),
    ("trim", text::trim),
    ("unhex", number::unhex),
    ("upper", text::upper),
    ("url", web::url),
];

/// A step of a definition: a function behind its guard.
#[derive(Debug)]
pub(crate) struct Step {
    guard: Guard,
    function: Box<dyn Function>,
}

impl Step {
    /// Where its function puts keys.
    pub(crate) fn mapping_mut(&mut self) -> Option<&mut Mapping> {
        self.function.mapping_mut()
    }

    /// The templates that its function matches.
    pub(crate) fn templates_mut(&mut self) -> &mut [Template] {
        self.function.templates_mut()
    }

    pub(crate) fn compile(source: &StepSource, scope: &mut Scope<'_>) -> Result<Self, StepError> {
        let (_, compile) = TABLE
            .iter()
            .find(|(name, _)| *name == source.function)
            .ok_or_else(|| StepError::Unknown(source.function.clone()))?;
        Ok(Self {
            guard: Guard::compile(&source.when, &source.unless, scope.symbols),
            function: compile(source, scope)?,
        })
    }

    pub(crate) fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        if self.guard.holds(frame) {
            self.function.apply(frame);
        }
    }
}

impl StepSource {
    fn needs(&self, what: &'static str) -> StepError {
        StepError::Needs {
            function: self.function.clone(),
            what,
        }
    }

    /// The one name in `from`.
    fn operand(&self, scope: &mut Scope<'_>) -> Result<Symbol, StepError> {
        let [from] = self.from.as_slice() else {
            return Err(self.needs("one name in `from`"));
        };
        Ok(scope.symbols.intern(from))
    }

    fn operands(&self, scope: &mut Scope<'_>) -> Result<Box<[Symbol]>, StepError> {
        if self.from.as_slice().is_empty() {
            return Err(self.needs("`from`"));
        }
        let names = self.from.as_slice().iter();
        Ok(names.map(|name| scope.symbols.intern(name)).collect())
    }

    /// The one name in `to`.
    fn result(&self, scope: &mut Scope<'_>) -> Result<Symbol, StepError> {
        let [to] = self.to.as_slice() else {
            return Err(self.needs("one name in `to`"));
        };
        Ok(scope.symbols.intern_output(to))
    }

    fn results(&self, scope: &mut Scope<'_>) -> Box<[Symbol]> {
        let names = self.to.as_slice().iter();
        names
            .map(|name| scope.symbols.intern_output(name))
            .collect()
    }

    fn table<'s>(&self, scope: &Scope<'s>) -> Result<&'s Table, StepError> {
        let name = self.table.as_deref().ok_or_else(|| self.needs("`table`"))?;
        scope.tables.get(name).ok_or_else(|| StepError::Table {
            function: self.function.clone(),
            table: name.to_owned(),
        })
    }
}
