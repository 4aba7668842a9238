//! `parser.toml` as written; docs/parser-definitions.md explains every name.

use std::collections::BTreeMap;

use event::SourceCategory;
use serde::Deserialize;

use crate::function::StepSource;
use crate::guard::Conditions;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DefinitionSource {
    pub(crate) title: String,
    pub(crate) category: SourceCategory,
    #[serde(default)]
    pub(crate) subject: Subject,
    pub(crate) vendor: String,
    pub(crate) zone: Option<String>,
    pub(crate) dispatch: Option<String>,
    #[serde(default)]
    pub(crate) prefix: OneOrMany,
    #[serde(default)]
    pub(crate) recognise: RecogniseSource,
    #[serde(default)]
    pub(crate) set: BTreeMap<String, Constant>,
    #[serde(default)]
    pub(crate) map: BTreeMap<String, OneOrMany>,
    pub(crate) body: Option<BodySource>,
    #[serde(default)]
    pub(crate) tables: BTreeMap<String, BTreeMap<String, Constant>>,
    pub(crate) layout: Option<LayoutSource>,
    #[serde(default, rename = "do")]
    pub(crate) steps: Vec<StepSource>,
    #[serde(default)]
    pub(crate) finally: Vec<StepSource>,
    #[serde(default, rename = "message")]
    pub(crate) messages: Vec<MessageSource>,
}

/// Whom the syslog header names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Subject {
    #[default]
    Host,
    /// What watches others.
    Observer,
    /// What does, and is itself what most of its messages are about: routers, switches, a host's own firewall.
    Device,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RecogniseSource {
    pub(crate) apps: Vec<String>,
    pub(crate) start: Vec<String>,
    pub(crate) anywhere: Vec<String>,
    pub(crate) json_keys: Vec<Vec<String>>,
    pub(crate) listeners: Vec<String>,
    pub(crate) require: Vec<String>,
    pub(crate) priority: i32,
    pub(crate) generic: bool,
    /// Anchors that others write too: a line of which no message matches is not this product's.
    pub(crate) tentative: bool,
    pub(crate) always: bool,
}

impl Default for RecogniseSource {
    fn default() -> Self {
        Self {
            apps: Vec::new(),
            start: Vec::new(),
            anywhere: Vec::new(),
            json_keys: Vec::new(),
            listeners: Vec::new(),
            require: Vec::new(),
            priority: 50,
            generic: false,
            tentative: false,
            always: false,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct BodySource {
    pub(crate) format: String,
    pub(crate) pair: Option<String>,
    pub(crate) separator: Option<String>,
    pub(crate) quotes: Option<String>,
    /// Values without quotes may hold spaces: they end where the next key starts.
    #[serde(default)]
    pub(crate) spaces: bool,
    /// With fewer pairs the text is not of this format.
    pub(crate) pairs_min: Option<usize>,
    #[serde(default)]
    pub(crate) columns: Vec<String>,
    pub(crate) others: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LayoutSource {
    pub(crate) target: String,
    #[serde(default)]
    pub(crate) default: Vec<String>,
    /// Template before every layout.
    #[serde(default)]
    pub(crate) before: String,
    /// Template after every layout.
    #[serde(default)]
    pub(crate) after: String,
    pub(crate) variables: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageSource {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) code: OneOrMany,
    #[serde(default)]
    pub(crate) when: Conditions,
    #[serde(default)]
    pub(crate) unless: Conditions,
    pub(crate) template: Option<String>,
    #[serde(default)]
    pub(crate) templates: Vec<String>,
    pub(crate) on: Option<String>,
    pub(crate) class: Option<String>,
    #[serde(default)]
    pub(crate) set: BTreeMap<String, Constant>,
    #[serde(default, rename = "do")]
    pub(crate) steps: Vec<StepSource>,
}

/// A text or a list of texts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(crate) fn as_slice(&self) -> &[String] {
        match self {
            Self::None => &[],
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}

/// A constant value of a definition.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Constant {
    Bool(bool),
    Integer(i64),
    Text(Box<str>),
    List(Box<[Box<str>]>),
}
