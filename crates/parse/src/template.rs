//! Templates: literal text, typed slots, optional parts and alternatives, compiled once and matched in linear time.
//!
//! A slot of open text searches for the literals that may follow it (`memchr`), every other slot is decided by its own
//! letters. Once the part between two searches has matched it is not tried again further on: as with `*` in file names,
//! a later place could not do better. What is left of trying (groups) has a budget, so that no line costs more than a
//! fixed multiple of its length.

mod compile;
mod matcher;
mod slot;
mod syntax;

pub(crate) use compile::{Into, TemplateError};
pub(crate) use matcher::Ends;
pub(crate) use slot::ip;

use crate::frame::{Frame, Symbols};

/// A compiled template.
#[derive(Debug)]
pub(crate) struct Template {
    nodes: Box<[compile::Node]>,
}

impl Template {
    /// Compiles the text of a template.
    pub(crate) fn compile(text: &str, symbols: &mut Symbols) -> Result<Self, TemplateError> {
        let items = syntax::parse(text)?;
        let nodes = compile::compile(&items, symbols, text)?;
        Ok(Self { nodes })
    }

    /// Hands every slot's place for its value to `each`, in the order in which they stand.
    pub(crate) fn each_into(&mut self, each: &mut dyn FnMut(&mut Into)) {
        compile::each_into(&mut self.nodes, each);
    }

    /// Matches the whole text, or its beginning, and puts the slots into the frame. The end of what matched.
    pub(crate) fn apply<'a>(
        &'a self,
        text: &'a str,
        ends: Ends,
        frame: &mut Frame<'a>,
    ) -> Option<usize> {
        frame.captures.clear();
        let end = matcher::run(&self.nodes, text, ends, frame)?;
        frame.keep_captures();
        Some(end)
    }

    /// Matches the whole of a text that was made rather than found in the message; its slots are copied.
    pub(crate) fn apply_made(&self, text: &str, frame: &mut Frame<'_>) -> bool {
        let mut sibling = frame.sibling();
        let matched = matcher::run(&self.nodes, text, Ends::Whole, &mut sibling).is_some();
        if matched {
            for (symbol, piece) in sibling.captures {
                if let Some(piece) = piece.detached() {
                    frame.put(symbol, piece);
                }
            }
        }
        matched
    }

    /// The bytes with which a text that matches can begin; `None` if it can begin with any, or be empty.
    pub(crate) fn first_bytes(&self) -> Option<Vec<u8>> {
        compile::first_bytes(&self.nodes)
    }
}

#[cfg(test)]
mod tests;
