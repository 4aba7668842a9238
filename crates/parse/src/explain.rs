//! Why a line was understood as it was: what `nhatky parse --explain` shows.

use std::fmt;

use event::{Event, Field};

/// How a record is understood, step by step. Its [`Display`](fmt::Display) is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The syslog tag, if there is one.
    pub app: Option<Box<str>>,
    /// The host that the header names.
    pub host: Option<Box<str>>,
    /// What follows the header.
    pub message: Box<str>,
    /// Every definition that would be asked if none before it matched, in order.
    pub attempts: Vec<Attempt>,
    /// `nhatky.product` of the event.
    pub product: Option<Box<str>>,
    /// `nhatky.message` of the event.
    pub kind: Option<Box<str>>,
    /// `nhatky.parse` of the event.
    pub level: Option<Box<str>>,
}

/// What became of one definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The definition.
    pub product: Box<str>,
    /// Why it was asked.
    pub reason: Reason,
    /// What it said.
    pub verdict: Verdict,
}

/// Why a definition is asked about a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The listener or the sender's settings name it.
    Named,
    /// The syslog tag is one of its own, or the message begins with an anchor of its own.
    Near,
    /// An anchor of its own, or all keys of a JSON signature, stand somewhere in the line.
    Anywhere,
    /// It is asked about every line that nobody else claims.
    Always,
}

/// What a definition said about a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Something that it requires does not stand in the line.
    Lacking,
    /// Neither of its messages matches.
    NoMessage,
    /// This message of its own matches.
    Message(Box<str>),
}

impl Explanation {
    pub(crate) fn new(
        app: Option<&str>,
        host: Option<&str>,
        message: &str,
        attempts: Vec<Attempt>,
        event: &Event,
    ) -> Self {
        let text = |field| event.text(field).map(Into::into);
        Self {
            app: app.map(Into::into),
            host: host.map(Into::into),
            message: message.into(),
            attempts,
            product: text(Field::NHATKY_PRODUCT),
            kind: text(Field::NHATKY_MESSAGE),
            level: text(Field::NHATKY_PARSE),
        }
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = |text: &Option<Box<str>>| text.as_deref().unwrap_or("-").to_owned();
        writeln!(
            f,
            "header   host {}, tag {}",
            known(&self.host),
            known(&self.app)
        )?;
        writeln!(f, "message  {}", self.message)?;
        for attempt in &self.attempts {
            let reason = match attempt.reason {
                Reason::Named => "named by the settings",
                Reason::Near => "tag or beginning",
                Reason::Anywhere => "anchor in the line",
                Reason::Always => "asked about what is left",
            };
            write!(f, "asked    {} ({reason}): ", attempt.product)?;
            match &attempt.verdict {
                Verdict::Lacking => writeln!(f, "what it requires is not there")?,
                Verdict::NoMessage => writeln!(f, "none of its messages fits")?,
                Verdict::Message(name) => writeln!(f, "message {name}")?,
            }
        }
        let (product, kind) = (known(&self.product), known(&self.kind));
        write!(
            f,
            "result   {product} {kind}, parse level {}",
            known(&self.level)
        )
    }
}
