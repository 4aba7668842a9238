//! `parser.toml` as written; docs/parser-definitions.md explains every name.

use std::collections::BTreeMap;

use event::SourceCategory;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::function::StepSource;
use crate::guard::Conditions;

/// The categories of `event`, which knows nothing of schemas.
#[derive(JsonSchema)]
#[schemars(rename_all = "lowercase")]
#[expect(dead_code, reason = "for the schema alone")]
enum Category {
    Network,
    Security,
    Computer,
    Application,
    Os,
    Database,
}

/// A parser definition: `parser.toml`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DefinitionSource {
    /// Its name for people.
    pub(crate) title: String,
    /// What kind of thing it is (Điều 7.1).
    #[schemars(with = "Category")]
    pub(crate) category: SourceCategory,
    /// Whom the syslog header names: the host, the device that watches others, or a device that is both.
    #[serde(default)]
    pub(crate) subject: Subject,
    /// Prefix of what ECS has no name for.
    pub(crate) vendor: String,
    /// The zone that the vendor documents for times without one: an IANA name or an offset.
    pub(crate) zone: Option<String>,
    /// The field, `$variable` or key whose value picks messages by their `code`.
    pub(crate) dispatch: Option<String>,
    /// Templates of which one is taken off the message first.
    #[serde(default)]
    pub(crate) prefix: OneOrMany,
    /// What makes the product a candidate for a line.
    #[serde(default)]
    pub(crate) recognise: RecogniseSource,
    /// Constants for every message, where nothing else gives the field.
    #[serde(default)]
    pub(crate) set: BTreeMap<String, Constant>,
    /// Keys of the body and where their values go: a field, `field:type`, a `$variable`, or a list of them.
    #[serde(default)]
    pub(crate) map: BTreeMap<String, OneOrMany>,
    /// How the text behind the prefix is taken apart, before messages are asked.
    pub(crate) body: Option<BodySource>,
    /// Tables for the function `lookup`; `"*"` is anything else.
    #[serde(default)]
    pub(crate) tables: BTreeMap<String, BTreeMap<String, Constant>>,
    /// How a site's own layout of the lines is read.
    pub(crate) layout: Option<LayoutSource>,
    /// Functions applied before messages are asked, in order.
    #[serde(default, rename = "do")]
    pub(crate) steps: Vec<StepSource>,
    /// Functions applied last, in order.
    #[serde(default)]
    pub(crate) finally: Vec<StepSource>,
    /// The kinds of message: the first that fits wins.
    #[serde(default, rename = "message")]
    pub(crate) messages: Vec<MessageSource>,
}

/// Whom the syslog header names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Subject {
    /// The host that the events are about.
    #[default]
    Host,
    /// What watches others.
    Observer,
    /// What does, and is itself what most of its messages are about: routers, switches, a host's own firewall.
    Device,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RecogniseSource {
    /// Syslog tags or APP-NAMEs, whatever their case.
    pub(crate) apps: Vec<String>,
    /// Beginnings of the message behind the syslog header.
    pub(crate) start: Vec<String>,
    /// Texts anywhere in the line, such as nobody else would write.
    pub(crate) anywhere: Vec<String>,
    /// Lists of dotted keys that a JSON object has together.
    pub(crate) json_keys: Vec<Vec<String>>,
    /// Listeners whose records these are.
    pub(crate) listeners: Vec<String>,
    /// Texts that must all stand in the message, too.
    pub(crate) require: Vec<String>,
    /// Higher is asked first: 50 when left out, 10 for generic formats.
    pub(crate) priority: i32,
    /// A format of many products: matched lines are `nhatky.parse: generic`.
    pub(crate) generic: bool,
    /// Anchors that others write too: a line of which no message matches is not this product's.
    pub(crate) tentative: bool,
    /// Asked about every line that no other definition claims.
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

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BodySource {
    /// `kv`, `json`, `cef`, `leef` or `csv`.
    pub(crate) format: String,
    /// What stands between a key and its value: `=` when left out.
    pub(crate) pair: Option<String>,
    /// What stands between pairs or columns.
    pub(crate) separator: Option<String>,
    /// The quotes that values may stand in.
    pub(crate) quotes: Option<String>,
    /// Values without quotes may hold spaces: they end where the next key starts.
    #[serde(default)]
    pub(crate) spaces: bool,
    /// With fewer pairs the text is not of this format.
    pub(crate) pairs_min: Option<usize>,
    /// Names of the columns of `csv`; `_` for those not wanted.
    #[serde(default)]
    pub(crate) columns: Vec<String>,
    /// Prefix of the keys that `[map]` does not name; empty keeps their names.
    pub(crate) others: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LayoutSource {
    /// The message whose templates the layouts are, or `prefix`.
    pub(crate) target: String,
    /// Layouts that are read without being declared.
    #[serde(default)]
    pub(crate) default: Vec<String>,
    /// Template before every layout.
    #[serde(default)]
    pub(crate) before: String,
    /// Template after every layout.
    #[serde(default)]
    pub(crate) after: String,
    /// What each variable of a layout stands for: a piece of a template.
    pub(crate) variables: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageSource {
    /// Its name: `nhatky.message`.
    pub(crate) name: String,
    /// With `dispatch`: asked only for these values.
    #[serde(default)]
    pub(crate) code: OneOrMany,
    /// All of these must hold.
    #[serde(default)]
    pub(crate) when: Conditions,
    /// None of these may hold.
    #[serde(default)]
    pub(crate) unless: Conditions,
    /// Must match the whole text; may be absent.
    pub(crate) template: Option<String>,
    /// Several, of which the first that matches is taken.
    #[serde(default)]
    pub(crate) templates: Vec<String>,
    /// The field, `$variable` or key that the template reads in place of the text.
    pub(crate) on: Option<String>,
    /// Its class of Điều 7.2; `none` for none; by category and type when left out.
    pub(crate) class: Option<String>,
    /// Constants; they replace what was read.
    #[serde(default)]
    pub(crate) set: BTreeMap<String, Constant>,
    /// Functions applied when it has matched, in order.
    #[serde(default, rename = "do")]
    pub(crate) steps: Vec<StepSource>,
}

/// A text or a list of texts.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
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
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Constant {
    Bool(bool),
    Integer(i64),
    Text(Box<str>),
    List(Box<[Box<str>]>),
}
