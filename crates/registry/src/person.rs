//! People: who has alerts in hand, how they are reached, and which accounts are theirs.

use event::Micros;
use serde::{Deserialize, Serialize};
use sqlx::sqlite::SqliteRow;

use crate::row::{Columns as _, json_text, stored};
use crate::{Actor, Registry, StoreError, Write};

/// Letters of a name at most.
const NAME_CHARS_MAX: usize = 120;
/// Letters of a contact's value at most: an e-mail address has no more (RFC 5321).
const VALUE_CHARS_MAX: usize = 254;
/// Letters of a contact's kind at most.
const KIND_CHARS_MAX: usize = 32;
/// Letters of an account's name at most, as of a token's.
const ACCOUNT_CHARS_MAX: usize = 64;
/// Contacts, and accounts, of one person at most.
const EACH_MAX: usize = 20;
/// People at a time at most: names are looked for among all of them.
const PEOPLE_MAX: usize = 1000;
/// Letters of a reason at most.
const REASON_CHARS_MAX: usize = 2000;

const LIVING: &str = "SELECT * FROM people WHERE removed_at IS NULL ORDER BY id";

/// A way to reach somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// `email`, `phone`, or what else a site uses: 1 to 32 of a–z, 0–9, `-` and `_`.
    pub kind: String,
    /// The address or the number.
    pub value: String,
}

/// What is said of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PersonText {
    /// 1 to 120 letters on one line; nobody else has it as a name or as an account, whatever the case of its letters.
    pub name: String,
    /// How they are reached, first what is to be tried first: at most 20.
    pub contacts: Vec<Contact>,
    /// The names of tokens and accounts that are theirs alone: at most 20.
    pub accounts: Vec<String>,
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    /// Their number.
    pub id: u64,
    /// What is said of them.
    #[serde(flatten)]
    pub text: PersonText,
    /// When they were added.
    pub created_at: Micros,
    /// When something about them was last changed.
    pub changed_at: Micros,
    /// When they were removed.
    pub removed_at: Option<Micros>,
    /// Why they were removed.
    pub removed_reason: Option<String>,
}

impl Person {
    /// Whether they are called that, by name or by account.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        let name = folded(name);
        let accounts = self.text.accounts.iter();
        let mut names = accounts.chain([&self.text.name]);
        names.any(|own| folded(own) == name)
    }
}

/// A person who was removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RemovedPerson {
    /// Who.
    pub person: Person,
    /// Alerts that are not closed and still theirs: somebody else is to take them.
    pub open_alerts: u64,
}

/// Why a person is not added, changed or removed.
#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    /// The name cannot be one.
    #[error(
        "{name:?} cannot be the name of a person: write 1 to {NAME_CHARS_MAX} letters on one line"
    )]
    NameInvalid {
        /// What was given.
        name: String,
    },
    /// A contact cannot be one.
    #[error(
        "{kind:?} {value:?} is no contact: write a kind such as email or phone, and an address or a number of that kind"
    )]
    ContactInvalid {
        /// Its kind.
        kind: String,
        /// What was given.
        value: String,
    },
    /// An account cannot be one.
    #[error("{account:?} cannot be the name of an account: write 1 to {ACCOUNT_CHARS_MAX} letters")]
    AccountInvalid {
        /// What was given.
        account: String,
    },
    /// More contacts or accounts than anybody may have.
    #[error("a person has at most {EACH_MAX} contacts and {EACH_MAX} accounts")]
    TooManyOfOne,
    /// Somebody is called that already, by name or by account.
    #[error("{name:?} is {owner} already: change them, or take another name")]
    NameTaken {
        /// The name or the account.
        name: String,
        /// Whose.
        owner: String,
    },
    /// There are as many people as there may be.
    #[error("there are {PEOPLE_MAX} people already: remove those who have left")]
    TooMany,
    /// There is none with that number, or they were removed.
    #[error("there is no person {id}: `nhatky people list` shows them")]
    NotFound {
        /// Their number.
        id: u64,
    },
    /// No reason was given, or a whole book.
    #[error("say why, in 1 to {REASON_CHARS_MAX} letters")]
    ReasonInvalid,
    /// The registry failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Registry {
    /// People, first added first: those who are there, or with `removed` those who were removed, too.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn people(&self, removed: Removed) -> Result<Vec<Person>, StoreError> {
        let text = match removed {
            Removed::LeftOut => LIVING,
            Removed::Listed => "SELECT * FROM people ORDER BY id",
        };
        let rows = sqlx::query(text).fetch_all(&self.readers).await?;
        rows.iter().map(person).collect()
    }

    /// The person with that number, removed or not.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn person(&self, id: u64) -> Result<Option<Person>, StoreError> {
        let row = sqlx::query("SELECT * FROM people WHERE id = $1")
            .bind(stored(id))
            .fetch_optional(&self.readers)
            .await?;
        row.as_ref().map(person).transpose()
    }

    /// Who is called that, by name or by account; nobody who was removed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn person_called(&self, name: &str) -> Result<Option<Person>, StoreError> {
        let living = self.people(Removed::LeftOut).await?;
        Ok(living.into_iter().find(|person| person.is_called(name)))
    }

    /// Adds a person. Alerts that an account of theirs has in hand are theirs by name from now on.
    ///
    /// # Errors
    /// When what is said of them cannot be, a name or an account is another's, or the database fails.
    pub async fn add_person(&self, by: &Actor, text: &PersonText) -> Result<Person, PersonError> {
        let text = checked(text)?;
        let mut write = self.write().await?;
        let living = write.people().await?;
        if living.len() >= PEOPLE_MAX {
            return Err(PersonError::TooMany);
        }
        free(&text, &living.iter().collect::<Vec<_>>())?;
        let row = sqlx::query(
            "INSERT INTO people (name, contacts, accounts, created_at, changed_at)
             VALUES ($1, $2, $3, $4, $4) RETURNING *",
        )
        .bind(&text.name)
        .bind(json_text(&text.contacts))
        .bind(json_text(&text.accounts))
        .bind(write.now().0)
        .fetch_one(&mut *write.transaction)
        .await
        .map_err(StoreError::from)?;
        let made = person(&row)?;
        write.hand_over_alerts(&text.accounts, &text.name).await?;
        write.audit(by, "person-added", &object(&made)).await?;
        write.commit().await?;
        Ok(made)
    }

    /// Changes what is said of a person. With the name changes that of alerts in their hand which are not closed; closed ones keep
    /// the name that they were closed with.
    ///
    /// # Errors
    /// As [`Registry::add_person`]; and when there is no such person.
    pub async fn change_person(
        &self,
        by: &Actor,
        id: u64,
        text: &PersonText,
    ) -> Result<Person, PersonError> {
        let text = checked(text)?;
        let mut write = self.write().await?;
        let living = write.people().await?;
        let before = living.iter().find(|person| person.id == id);
        let before = before.ok_or(PersonError::NotFound { id })?;
        let others = living.iter().filter(|person| person.id != id);
        free(&text, &others.collect::<Vec<_>>())?;
        let row = sqlx::query(
            "UPDATE people SET name = $2, contacts = $3, accounts = $4, changed_at = $5
             WHERE id = $1 RETURNING *",
        )
        .bind(stored(id))
        .bind(&text.name)
        .bind(json_text(&text.contacts))
        .bind(json_text(&text.accounts))
        .bind(write.now().0)
        .fetch_one(&mut *write.transaction)
        .await
        .map_err(StoreError::from)?;
        let changed = person(&row)?;
        let mut names = text.accounts.clone();
        names.push(before.text.name.clone());
        write.hand_over_alerts(&names, &text.name).await?;
        let was = if before.text.name == changed.text.name {
            String::new()
        } else {
            format!(", was {:?}", before.text.name)
        };
        let object = format!("{}{was}", object(&changed));
        write.audit(by, "person-changed", &object).await?;
        write.commit().await?;
        Ok(changed)
    }

    /// Removes a person: nothing can be given to them any more. Their name stays on what they had in hand.
    ///
    /// # Errors
    /// When there is no such person, no reason is given, or the database fails.
    pub async fn remove_person(
        &self,
        by: &Actor,
        id: u64,
        reason: &str,
    ) -> Result<RemovedPerson, PersonError> {
        let reason = reason.trim();
        if !(1..=REASON_CHARS_MAX).contains(&reason.chars().count()) {
            return Err(PersonError::ReasonInvalid);
        }
        let mut write = self.write().await?;
        let row = sqlx::query(
            "UPDATE people SET removed_at = $2, removed_reason = $3
             WHERE id = $1 AND removed_at IS NULL RETURNING *",
        )
        .bind(stored(id))
        .bind(write.now().0)
        .bind(reason)
        .fetch_optional(&mut *write.transaction)
        .await
        .map_err(StoreError::from)?;
        let row = row.ok_or(PersonError::NotFound { id })?;
        let person = person(&row)?;
        let open = sqlx::query(
            "SELECT count(*) AS alerts FROM alerts WHERE assignee = $1 AND state <> 'closed'",
        )
        .bind(&person.text.name)
        .fetch_one(&mut *write.transaction)
        .await
        .map_err(StoreError::from)?;
        let open_alerts = open.number("alerts")?;
        let object = format!("{}: {reason}", object(&person));
        write.audit(by, "person-removed", &object).await?;
        write.commit().await?;
        Ok(RemovedPerson {
            person,
            open_alerts,
        })
    }
}

/// Whether people who were removed are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    /// Only those who are there.
    LeftOut,
    /// Both.
    Listed,
}

impl Write<'_> {
    /// Those who are there, first added first.
    async fn people(&mut self) -> Result<Vec<Person>, StoreError> {
        let rows = sqlx::query(LIVING)
            .fetch_all(&mut *self.transaction)
            .await?;
        rows.iter().map(person).collect()
    }

    /// Who is called that, by name or by account; nobody who was removed.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn person_called(&mut self, name: &str) -> Result<Option<Person>, StoreError> {
        let living = self.people().await?;
        Ok(living.into_iter().find(|person| person.is_called(name)))
    }

    /// Alerts that are not closed and in the hand of one of `names` are `to`'s by name.
    async fn hand_over_alerts(&mut self, names: &[String], to: &str) -> Result<(), StoreError> {
        for name in names.iter().filter(|name| *name != to) {
            sqlx::query(
                "UPDATE alerts SET assignee = $2 WHERE assignee = $1 AND state <> 'closed'",
            )
            .bind(name)
            .bind(to)
            .execute(&mut *self.transaction)
            .await?;
        }
        Ok(())
    }
}

/// Names are one whatever the case of their letters.
fn folded(name: &str) -> String {
    name.trim().to_lowercase()
}

/// Refuses names and accounts by which one of `others` is called.
fn free(text: &PersonText, others: &[&Person]) -> Result<(), PersonError> {
    for name in text.accounts.iter().chain([&text.name]) {
        if let Some(owner) = others.iter().find(|person| person.is_called(name)) {
            return Err(PersonError::NameTaken {
                name: name.clone(),
                owner: owner.text.name.clone(),
            });
        }
    }
    Ok(())
}

/// The text with everything trimmed, if it can be kept.
fn checked(text: &PersonText) -> Result<PersonText, PersonError> {
    let name = on_one_line(&text.name, NAME_CHARS_MAX);
    let name = name.ok_or_else(|| PersonError::NameInvalid {
        name: shown(&text.name),
    })?;
    if text.contacts.len() > EACH_MAX || text.accounts.len() > EACH_MAX {
        return Err(PersonError::TooManyOfOne);
    }
    let contacts = text.contacts.iter().map(checked_contact);
    let mut accounts: Vec<String> = Vec::new();
    for account in &text.accounts {
        let invalid = || PersonError::AccountInvalid {
            account: shown(account),
        };
        let account = on_one_line(account, ACCOUNT_CHARS_MAX).ok_or_else(invalid)?;
        if !accounts.contains(&account) {
            accounts.push(account);
        }
    }
    Ok(PersonText {
        name,
        contacts: contacts.collect::<Result<_, _>>()?,
        accounts,
    })
}

fn checked_contact(contact: &Contact) -> Result<Contact, PersonError> {
    let invalid = || PersonError::ContactInvalid {
        kind: shown(&contact.kind),
        value: shown(&contact.value),
    };
    let kind = contact.kind.as_str();
    let kind_is_good = (1..=KIND_CHARS_MAX).contains(&kind.len())
        && kind.bytes().all(|byte| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte)
        });
    let value = on_one_line(&contact.value, VALUE_CHARS_MAX).ok_or_else(invalid)?;
    let value_is_good = match kind {
        "email" => is_email(&value),
        "phone" => is_phone(&value),
        _ => true,
    };
    if !(kind_is_good && value_is_good) {
        return Err(invalid());
    }
    Ok(Contact {
        kind: kind.to_owned(),
        value,
    })
}

/// Something, one `@`, something: whether it reaches anybody, only a letter to it shows.
fn is_email(text: &str) -> bool {
    let parts = text.split_once('@');
    let apart = parts.is_some_and(|(local, domain)| {
        !local.is_empty() && !domain.is_empty() && !domain.contains('@')
    });
    apart && !text.contains(char::is_whitespace)
}

/// Three digits or more, and what people write between them.
fn is_phone(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    let written = |letter: char| letter.is_ascii_digit() || "+-. ()".contains(letter);
    (3..=20).contains(&digits) && text.chars().all(written)
}

fn on_one_line(text: &str, chars_max: usize) -> Option<String> {
    let text = text.trim();
    let good = (1..=chars_max).contains(&text.chars().count()) && !text.contains(char::is_control);
    good.then(|| text.to_owned())
}

/// The beginning of what was given, for the message.
fn shown(text: &str) -> String {
    text.chars().take(NAME_CHARS_MAX).collect()
}

/// As it goes on record: that a number was changed, never the number, since the journal forgets nothing.
fn object(person: &Person) -> String {
    let kinds = person.text.contacts.iter();
    let kinds: Vec<&str> = kinds.map(|contact| contact.kind.as_str()).collect();
    format!(
        "{} {:?} (accounts: {}; contacts: {})",
        person.id,
        person.text.name,
        person.text.accounts.join(", "),
        kinds.join(", ")
    )
}

fn person(row: &SqliteRow) -> Result<Person, StoreError> {
    Ok(Person {
        id: row.number("id")?,
        text: PersonText {
            name: row.text("name")?,
            contacts: row.json("contacts")?,
            accounts: row.json("accounts")?,
        },
        created_at: row.at("created_at")?,
        changed_at: row.at("changed_at")?,
        removed_at: row.at_if_any("removed_at")?,
        removed_reason: row.column("removed_reason")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_is_of_its_kind() {
        let good = |kind: &str, value: &str| {
            let contact = Contact {
                kind: kind.to_owned(),
                value: value.to_owned(),
            };
            checked_contact(&contact).is_ok()
        };
        for (kind, value) in [
            ("email", "an@tiengiang.gov.vn"),
            ("phone", "+84 (273) 387-3222"),
            ("phone", "113"),
            ("zalo", "an.nguyen"),
        ] {
            assert!(good(kind, value), "{kind} {value}");
        }
        for (kind, value) in [
            ("email", "an"),
            ("email", "an@"),
            ("email", "a b@c"),
            ("email", "a@b@c"),
            ("phone", "call me"),
            ("phone", "+-"),
            ("Zalo", "an"),
            ("", "an"),
            ("zalo", " "),
            ("zalo", "a\nb"),
        ] {
            assert!(!good(kind, value), "{kind} {value}");
        }
    }
}
