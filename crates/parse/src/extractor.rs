//! A template that somebody writes when asking, not into a definition.

use event::{Event, Micros};

use crate::Depth;
use crate::frame::{Frame, Symbols};
use crate::header::{Reference, Zone};
use crate::template::{Ends, Template};

/// Takes values out of a text by a template, which may match anywhere in it.
///
/// ```
/// let template = "for {?invalid user }<user.name> from <source.ip> port <port:int>";
/// let extractor = parse::Extractor::new(template, event::Micros(0)).expect("a template");
/// assert_eq!(extractor.names().collect::<Vec<_>>(), ["user.name", "source.ip", "port"]);
///
/// let mut found = event::Event::default();
/// extractor.extract("Failed password for invalid user an from 192.0.2.7 port 4711 ssh2", &mut found);
/// assert_eq!(found.text(event::Field::USER_NAME), Some("an"));
/// assert_eq!(found.values_named("port").next(), Some(event::Value::Integer(4711)));
/// ```
#[derive(Debug)]
pub struct Extractor {
    template: Template,
    symbols: Symbols,
    /// Decides the year of dates without one: the nearest.
    now: Micros,
}

/// The names of what stands around the part that matches.
const AROUND: (&str, &str) = ("<$_before:maybe>", "<$_behind:maybe>");

impl Extractor {
    /// Reads a template, written as in parser definitions.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn new(template: &str, now: Micros) -> Result<Self, String> {
        // Names are fields of the event that is made, whatever their prefix: no definition owns them.
        let mut symbols = Symbols::new("");
        let anywhere = format!("{}{template}{}", AROUND.0, AROUND.1);
        let alone = Template::compile(template, &mut symbols.clone());
        alone.map_err(|error| error.to_string())?;
        let template = Template::compile(&anywhere, &mut symbols);
        let template = template.map_err(|error| error.to_string())?;
        let names: Vec<String> = symbols.iter().map(|(name, _)| name.to_owned()).collect();
        for name in names {
            symbols.intern_output(&name);
        }
        Ok(Self {
            template,
            symbols,
            now,
        })
    }

    /// The names of its slots, in the order of the template; variables (`$x`) are none.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let names = self.symbols.iter().map(|(name, _)| name);
        names.filter(|name| !name.starts_with('$'))
    }

    /// Puts what the slots hold into `found`; nothing where the template does not match. Dates without a zone are in the time of Vietnam, those without a year
    /// of the year that is nearest to the now of [`Extractor::new`].
    pub fn extract(&self, text: &str, found: &mut Event) {
        let zone = Zone::vietnam();
        let times = Reference {
            time: self.now,
            zone: &zone,
        };
        let mut frame = Frame::new(times, Depth::Full, self.symbols.len());
        if self.template.apply(text, Ends::Whole, &mut frame).is_some() {
            frame.write(&self.symbols, found);
        }
    }
}
