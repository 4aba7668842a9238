//! What events of a product can say: the classes and fields that its definition can give.

use std::collections::BTreeSet;

use event::{Event, EventClass, Field};

use crate::class;
use crate::constant::Fixed;
use crate::definition::{ClassRule, Definition, Message};
use crate::frame::{Symbol, Target};

/// What a definition can give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gives {
    /// Classes of its messages. Where a definition reads the category from the line, each class counts as given; types and
    /// kinds that it reads from the line count as absent.
    pub classes: BTreeSet<EventClass>,
    /// Fields with a name of their own that it fills; those that every event has are not among them.
    pub fields: BTreeSet<Field>,
}

impl Gives {
    pub(crate) fn of(definition: &Definition) -> Self {
        let field = |(_, symbol)| match definition.symbols.target(symbol) {
            Target::Field(field, _) => Some(*field),
            Target::Vendor | Target::Hidden => None,
        };
        let fields: BTreeSet<Field> = definition.symbols.iter().filter_map(field).collect();
        let mut classes = BTreeSet::new();
        for message in &definition.messages {
            match message.class {
                ClassRule::None => {}
                ClassRule::Own(class) => {
                    classes.insert(class);
                }
                ClassRule::ByCategory => classes.extend(by_category(definition, message, &fields)),
            }
        }
        Self { classes, fields }
    }
}

/// The classes that a message without one of its own can have.
fn by_category(
    definition: &Definition,
    message: &Message,
    fields: &BTreeSet<Field>,
) -> BTreeSet<EventClass> {
    const DECIDES: [Field; 3] = [Field::EVENT_CATEGORY, Field::EVENT_TYPE, Field::EVENT_KIND];
    let mut event = Event::default();
    for field in DECIDES {
        let fixed = |constants: &[(Symbol, Fixed)]| {
            let of_field = constants.iter().find(|(symbol, _)| {
                matches!(definition.symbols.target(*symbol), Target::Field(own, _) if *own == field)
            });
            of_field.map(|(_, fixed)| fixed.clone())
        };
        match fixed(&message.constants).or_else(|| fixed(&definition.defaults)) {
            Some(Fixed::Texts(texts)) => texts.iter().for_each(|text| event.push(field, &**text)),
            Some(Fixed::Integer(_) | Fixed::Bool(_)) => {}
            None if field == Field::EVENT_CATEGORY && fields.contains(&field) => {
                return EventClass::ALL.iter().copied().collect();
            }
            None => {}
        }
    }
    class::of(&event).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Parsers;

    #[test]
    fn a_definition_gives_what_it_names() {
        let parsers = Parsers::builtin();
        let gives = |name: &str| {
            let product = parsers.products().find(|product| &*product.name == name);
            product.expect("a product of ours").gives.clone()
        };
        let sshd = gives("linux.sshd");
        assert!(sshd.classes.contains(&EventClass::Login));
        assert!(!sshd.classes.contains(&EventClass::Config), "{sshd:?}");
        assert!(sshd.fields.contains(&Field::SOURCE_IP));
        assert!(!sshd.fields.contains(&Field::URL_PATH));
    }
}
