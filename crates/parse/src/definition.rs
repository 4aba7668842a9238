//! A parser's definition, compiled.

pub(crate) mod source;

use std::collections::{BTreeMap, HashMap};

use event::{EventClass, SourceCategory};

use crate::body::{Body, BodyError};
use crate::constant::{Fixed, Table};
use crate::frame::{Frame, Piece, Symbol, Symbols};
use crate::function::{Scope, Step, StepError};
use crate::guard::Guard;
use crate::header::{Header, Zone};
use crate::mapping::Mapping;
use crate::template::{Ends, Template, TemplateError};
use source::{Constant, DefinitionSource, MessageSource, OneOrMany, Subject};

/// What one product's messages mean.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: Box<str>,
    pub(crate) title: Box<str>,
    pub(crate) category: SourceCategory,
    pub(crate) subject: Subject,
    pub(crate) zone: Option<Zone>,
    pub(crate) generic: bool,
    /// Its anchors alone do not make a line its own.
    pub(crate) tentative: bool,
    pub(crate) fingerprint: u64,
    pub(crate) symbols: Symbols,
    prefix: Box<[Template]>,
    body: Option<Body>,
    pub(crate) mapping: Mapping,
    steps: Box<[Step]>,
    finally: Box<[Step]>,
    pub(crate) defaults: Box<[(Symbol, Fixed)]>,
    dispatch: Option<Symbol>,
    /// `$rest`, which holds what follows the prefix, if the definition names it.
    rest: Option<Symbol>,
    /// `$header.app`, `$header.msgid`, `$header.data`, where the definition names them.
    header: [Option<Symbol>; 3],
    pub(crate) messages: Box<[Message]>,
    /// Messages by dispatched value; those without a code are in every list.
    by_code: HashMap<Box<str>, Box<[u16]>, ahash::RandomState>,
    /// Messages without a code, by the first byte of the text; 256 lists.
    by_byte: Box<[Box<[u16]>]>,
    /// Messages whose templates a site's layout gives.
    layout: Option<Layout>,
}

/// One kind of message.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) name: Box<str>,
    pub(crate) class: ClassRule,
    guard: Guard,
    templates: Box<[Template]>,
    on: Option<Symbol>,
    pub(crate) constants: Box<[(Symbol, Fixed)]>,
    steps: Box<[Step]>,
}

/// Who decides the class of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClassRule {
    /// The table of ECS categories.
    ByCategory,
    /// The message is of no class.
    None,
    /// The message's own.
    Own(EventClass),
}

#[derive(Debug)]
struct Layout {
    before: Box<str>,
    after: Box<str>,
    variables: Box<[(Box<str>, Box<str>)]>,
    /// The message, or none for the prefix.
    message: Option<u16>,
}

/// Why a definition does not compile.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DefinitionError {
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    #[error(transparent)]
    Template(#[from] TemplateError),
    #[error(transparent)]
    Step(#[from] StepError),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("no time zone {0:?}: write an IANA name or an offset")]
    Zone(String),
    #[error("message {message:?}: no class {class:?}; one of the six, or none")]
    Class { message: String, class: String },
    #[error("layout target {0:?} is neither `prefix` nor the name of a message")]
    Target(String),
    #[error("{0} bytes of definition are too many: 1 MiB at most")]
    Size(usize),
}

const SOURCE_BYTES_MAX: usize = 1 << 20;

impl Definition {
    /// Where keys go: those of the body, and those that functions take apart.
    pub(crate) fn mappings_mut(&mut self) -> impl Iterator<Item = &mut Mapping> {
        let own = self
            .messages
            .iter_mut()
            .flat_map(|message| &mut message.steps);
        let steps = self.steps.iter_mut().chain(&mut self.finally).chain(own);
        std::iter::once(&mut self.mapping).chain(steps.filter_map(Step::mapping_mut))
    }

    /// Hands every template to `each`, with the message it belongs to or what else it does.
    pub(crate) fn each_template(&mut self, each: &mut dyn FnMut(&str, &mut Template)) {
        for template in &mut self.prefix {
            each("prefix", template);
        }
        let shared = self.steps.iter_mut().chain(&mut self.finally);
        for template in shared.flat_map(Step::templates_mut) {
            each("every message", template);
        }
        for message in &mut self.messages {
            let own = message.steps.iter_mut().flat_map(Step::templates_mut);
            for template in message.templates.iter_mut().chain(own) {
                each(&message.name, template);
            }
        }
    }

    /// Compiles the text of a `parser.toml`.
    pub(crate) fn compile(
        name: &str,
        text: &str,
    ) -> Result<(Self, DefinitionSource), DefinitionError> {
        if text.len() > SOURCE_BYTES_MAX {
            return Err(DefinitionError::Size(text.len()));
        }
        let source: DefinitionSource = toml::from_str(text)?;
        let mut symbols = Symbols::new(&source.vendor);
        let tables = tables(&source);
        let mut prefix = templates(source.prefix.as_slice(), &mut symbols)?;
        let body = source.body.as_ref().map(Body::compile).transpose()?;
        let others = others(&source);
        let mut mapping = Mapping::compile(&source.map, others.as_deref(), &mut symbols);
        let mut scope = Scope {
            symbols: &mut symbols,
            tables: &tables,
            map: &source.map,
        };
        let steps = compile_steps(&source.steps, &mut scope)?;
        let finally = compile_steps(&source.finally, &mut scope)?;
        let mut messages = Vec::new();
        for message in &source.messages {
            messages.push(Message::compile(message, &mut scope)?);
        }
        let defaults = constants(&source.set, &mut symbols);
        let dispatch = source.dispatch.as_deref().map(|name| symbols.intern(name));
        let mut named = |name: &str| {
            let is_named = text.contains(&format!("\"{name}\""));
            is_named.then(|| symbols.intern(name))
        };
        let rest = named("$rest");
        let header = ["$header.app", "$header.msgid", "$header.data"].map(named);
        let layout = layout(&source)?;
        if let Some(layout) = &layout {
            layout.intern(&mut symbols)?;
            for text in source.layout.iter().flat_map(|layout| &layout.default) {
                let template = Template::compile(&layout.template(text), &mut symbols)?;
                layout.add(template, &mut prefix, &mut messages);
            }
        }
        mapping.observe(&symbols);
        let definition = Self {
            name: name.into(),
            title: source.title.as_str().into(),
            category: source.category,
            subject: source.subject,
            zone: zone(&source)?,
            generic: source.recognise.generic,
            tentative: source.recognise.tentative || source.recognise.generic,
            fingerprint: fingerprint(text),
            prefix: prefix.into(),
            body,
            mapping,
            steps,
            finally,
            defaults,
            dispatch,
            rest,
            header,
            by_code: by_code(&source.messages),
            by_byte: by_byte(&source.messages, &messages),
            messages: messages.into(),
            symbols,
            layout,
        };
        Ok((definition, source))
    }

    /// Fills the frame from the message's text, if it is one of this product's. The message that it is.
    ///
    /// `header` is the syslog header before the text, if one stands there.
    pub(crate) fn apply<'a>(
        &'a self,
        text: &'a str,
        header: Option<&Header<'a>>,
        layout: Option<&'a Template>,
        frame: &mut Frame<'a>,
    ) -> Option<&'a Message> {
        if let Some(header) = header {
            let values = [header.app_name, header.msg_id, header.structured_data];
            for (symbol, value) in self.header.iter().zip(values) {
                if let (Some(symbol), Some(value)) = (symbol, value) {
                    frame.put(*symbol, Piece::Text(value.into()));
                }
            }
        }
        let (text, layout_for) = match (layout, self.layout.as_ref().map(|layout| layout.message)) {
            (Some(template), Some(None)) => (
                self.after(std::slice::from_ref(template), text, frame)?,
                None,
            ),
            (Some(template), Some(Some(message))) => {
                (self.after_prefix(text, frame)?, Some((template, message)))
            }
            (None, _) | (Some(_), None) => (self.after_prefix(text, frame)?, None),
        };
        if let Some(rest) = self.rest {
            frame.put(rest, Piece::Text(text.into()));
        }
        if let Some(body) = &self.body
            && !body.apply(text, &self.mapping, frame)
        {
            return None;
        }
        apply_all(&self.steps, frame);
        let (number, message) = self.message(text, layout_for, frame)?;
        debug_assert!(
            usize::from(number) < self.messages.len(),
            "numbers are places"
        );
        for (symbol, constant) in &message.constants {
            frame.put(*symbol, constant.piece());
        }
        apply_all(&message.steps, frame);
        apply_all(&self.finally, frame);
        for (symbol, constant) in &self.defaults {
            if !frame.has(*symbol) {
                frame.put(*symbol, constant.piece());
            }
        }
        Some(message)
    }

    fn after_prefix<'a>(&'a self, text: &'a str, frame: &mut Frame<'a>) -> Option<&'a str> {
        self.after(&self.prefix, text, frame)
    }

    /// What follows the first of the templates that matches; all of it, where there are none.
    fn after<'a>(
        &self,
        templates: &'a [Template],
        text: &'a str,
        frame: &mut Frame<'a>,
    ) -> Option<&'a str> {
        if templates.is_empty() {
            return Some(text);
        }
        let mut ends = templates
            .iter()
            .filter_map(|template| template.apply(text, Ends::Prefix, frame));
        text.get(ends.next()?..)
    }

    fn message<'a>(
        &'a self,
        text: &'a str,
        layout: Option<(&'a Template, u16)>,
        frame: &mut Frame<'a>,
    ) -> Option<(u16, &'a Message)> {
        for number in self.candidates(text, frame) {
            let message = self.messages.get(usize::from(*number))?;
            let matched = match layout {
                Some((template, of)) if of == *number => {
                    message.guard.holds(frame) && template.apply(text, Ends::Whole, frame).is_some()
                }
                _ => message.matches(text, frame),
            };
            if matched {
                return Some((*number, message));
            }
        }
        None
    }

    fn candidates(&self, text: &str, frame: &Frame<'_>) -> &[u16] {
        let code = self
            .dispatch
            .and_then(|symbol| frame.get(symbol)?.to_text());
        if let Some(found) = code.and_then(|code| self.by_code.get(&*code)) {
            return found;
        }
        let first = text.bytes().next().unwrap_or(0);
        self.by_byte
            .get(usize::from(first))
            .map_or(&[], |list| list)
    }

    /// Compiles a site's own layout, if this definition has one.
    pub(crate) fn compile_layout(&self, text: &str) -> Result<Option<Template>, TemplateError> {
        let Some(layout) = &self.layout else {
            return Ok(None);
        };
        // Slots of a layout's variables were interned with the definition's own default layouts.
        let mut symbols = self.symbols.clone();
        Template::compile(&layout.template(text), &mut symbols).map(Some)
    }
}

impl Message {
    fn compile(source: &MessageSource, scope: &mut Scope<'_>) -> Result<Self, DefinitionError> {
        let texts = source.template.iter().chain(&source.templates);
        let class = match source.class.as_deref() {
            None => ClassRule::ByCategory,
            Some("none") => ClassRule::None,
            Some(name) => {
                let class = EventClass::from_name(name);
                ClassRule::Own(class.ok_or_else(|| DefinitionError::Class {
                    message: source.name.clone(),
                    class: name.to_owned(),
                })?)
            }
        };
        Ok(Self {
            name: source.name.as_str().into(),
            class,
            guard: Guard::compile(&source.when, &source.unless, scope.symbols),
            templates: texts
                .map(|text| Template::compile(text, scope.symbols))
                .collect::<Result<_, _>>()?,
            on: source.on.as_deref().map(|name| scope.symbols.intern(name)),
            constants: constants(&source.set, scope.symbols),
            steps: compile_steps(&source.steps, scope)?,
        })
    }

    fn matches<'a>(&'a self, text: &'a str, frame: &mut Frame<'a>) -> bool {
        if !self.guard.holds(frame) {
            return false;
        }
        if self.templates.is_empty() {
            return self.on.is_none_or(|on| frame.has(on));
        }
        match self.on {
            Some(on) => crate::function::apply_first(&self.templates, on, frame),
            None => self
                .templates
                .iter()
                .any(|template| template.apply(text, Ends::Whole, frame).is_some()),
        }
    }

    /// The first bytes of the texts that it may match; `None` for any.
    fn first_bytes(&self) -> Option<Vec<u8>> {
        if self.on.is_some() || self.templates.is_empty() {
            return None;
        }
        let each = self.templates.iter().map(Template::first_bytes);
        Some(each.collect::<Option<Vec<_>>>()?.concat())
    }
}

/// A variable that stands for this makes everything after it in a layout optional (PostgreSQL's `%q`).
const OPENS_OPTIONAL: &str = "{?";

impl Layout {
    /// Makes the symbols of all variables part of the definition, so that a site's own layout may use any.
    fn intern(&self, symbols: &mut Symbols) -> Result<(), TemplateError> {
        for (_, slot) in &self.variables {
            // Followed by a character that stands in no log, since open text may not be followed by a slot.
            if slot.as_ref() != OPENS_OPTIONAL {
                Template::compile(&format!("{slot}\u{1}"), symbols)?;
            }
        }
        Ok(())
    }

    /// A site's layout with its variables replaced by slots; the rest is literal.
    fn template(&self, text: &str) -> String {
        let mut template = String::from(&*self.before);
        let mut open = 0;
        let mut rest = text;
        'next: while let Some(letter) = rest.chars().next() {
            for (variable, slot) in &self.variables {
                if let Some(after) = rest.strip_prefix(&**variable) {
                    template.push_str(slot);
                    open += usize::from(slot.as_ref() == OPENS_OPTIONAL);
                    rest = after;
                    continue 'next;
                }
            }
            if matches!(letter, '<' | '>' | '{' | '}' | '|' | '\\') {
                template.push('\\');
            }
            template.push(letter);
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        }
        template.push_str(&"}".repeat(open));
        template.push_str(&self.after);
        template
    }

    fn add(&self, template: Template, prefix: &mut Vec<Template>, messages: &mut [Message]) {
        match self.message {
            None => prefix.push(template),
            Some(number) => {
                if let Some(message) = messages.get_mut(usize::from(number)) {
                    let own = std::mem::take(&mut message.templates).into_vec();
                    message.templates = own.into_iter().chain([template]).collect();
                }
            }
        }
    }
}

fn apply_all<'a>(steps: &'a [Step], frame: &mut Frame<'a>) {
    for step in steps {
        step.apply(frame);
    }
}

fn tables(source: &DefinitionSource) -> BTreeMap<String, Table> {
    let compile = |(name, rows): (&String, _)| (name.clone(), Table::compile(rows));
    source.tables.iter().map(compile).collect()
}

fn templates(texts: &[String], symbols: &mut Symbols) -> Result<Vec<Template>, TemplateError> {
    texts
        .iter()
        .map(|text| Template::compile(text, symbols))
        .collect()
}

/// The prefix of keys that the map does not name.
fn others(source: &DefinitionSource) -> Option<String> {
    let body = source.body.as_ref()?;
    Some(match &body.others {
        Some(prefix) => prefix.clone(),
        None => format!("{}.", source.vendor),
    })
}

fn compile_steps(
    sources: &[crate::function::StepSource],
    scope: &mut Scope<'_>,
) -> Result<Box<[Step]>, StepError> {
    sources
        .iter()
        .map(|source| Step::compile(source, scope))
        .collect()
}

fn constants(set: &BTreeMap<String, Constant>, symbols: &mut Symbols) -> Box<[(Symbol, Fixed)]> {
    set.iter()
        .map(|(name, constant)| (symbols.intern_output(name), constant.into()))
        .collect()
}

fn layout(source: &DefinitionSource) -> Result<Option<Layout>, DefinitionError> {
    let Some(layout) = &source.layout else {
        return Ok(None);
    };
    let message = match layout.target.as_str() {
        "prefix" => None,
        name => {
            let place = source
                .messages
                .iter()
                .position(|message| message.name == name);
            let number = place.and_then(|place| u16::try_from(place).ok());
            Some(number.ok_or_else(|| DefinitionError::Target(name.to_owned()))?)
        }
    };
    let mut variables: Vec<(Box<str>, Box<str>)> = layout
        .variables
        .iter()
        .map(|(variable, slot)| (variable.as_str().into(), slot.as_str().into()))
        .collect();
    // The longest first: `$request` is also the beginning of `$request_time`.
    variables.sort_by_key(|(variable, _)| std::cmp::Reverse(variable.len()));
    Ok(Some(Layout {
        before: layout.before.as_str().into(),
        after: layout.after.as_str().into(),
        variables: variables.into(),
        message,
    }))
}

fn zone(source: &DefinitionSource) -> Result<Option<Zone>, DefinitionError> {
    let parse =
        |name: &str| Zone::parse(name).ok_or_else(|| DefinitionError::Zone(name.to_owned()));
    source.zone.as_deref().map(parse).transpose()
}

fn by_code(messages: &[MessageSource]) -> HashMap<Box<str>, Box<[u16]>, ahash::RandomState> {
    let codes = messages.iter().flat_map(|message| message.code.as_slice());
    codes
        .map(|code| {
            let asked = (0u16..).zip(messages).filter(|(_, message)| {
                let codes = message.code.as_slice();
                codes.is_empty() || codes.contains(code)
            });
            let numbers = asked.map(|(number, _)| number).collect();
            (code.as_str().into(), numbers)
        })
        .collect()
}

fn by_byte(sources: &[MessageSource], messages: &[Message]) -> Box<[Box<[u16]>]> {
    let firsts: Vec<Option<Vec<u8>>> = messages.iter().map(Message::first_bytes).collect();
    (0u8..=255)
        .map(|byte| {
            (0u16..)
                .zip(sources.iter().zip(&firsts))
                .filter(|(_, (source, first))| {
                    matches!(source.code, OneOrMany::None)
                        && first.as_ref().is_none_or(|bytes| bytes.contains(&byte))
                })
                .map(|(number, _)| number)
                .collect()
        })
        .collect()
}

/// FNV-1a of the definition's text: the same on every machine and in every release.
pub(crate) fn fingerprint(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The JSON Schema of `parser.toml`, for editors: completion, and mistakes while writing.
#[must_use]
pub fn definition_schema() -> serde_json::Value {
    schemars::schema_for!(DefinitionSource).to_value()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn the_schema_explains_every_name() {
        let schema = definition_schema();
        let mut unexplained = Vec::new();
        let parts = schema["$defs"].as_object().unwrap().values();
        for part in parts.chain([&schema]) {
            for (name, property) in part["properties"].as_object().into_iter().flatten() {
                if !property["description"].is_string() {
                    unexplained.push(name.clone());
                }
            }
        }
        assert_eq!(unexplained, Vec::<String>::new());
        let functions = &schema["$defs"]["StepSource"]["properties"]["fn"]["enum"];
        assert!(
            functions
                .as_array()
                .unwrap()
                .contains(&Value::from("lookup"))
        );
        assert_eq!(schema["additionalProperties"], false);
    }
}
