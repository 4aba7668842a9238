//! Events and tables as lines of CSV or NDJSON.

use std::borrow::Cow;

use event::{Event, Field, Value};
use query::{Cell, FieldName, Table};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::json;

use crate::api::search::CoveredReply;
use crate::csv::{CsvCell, write_row};

event::vocabulary! {
    /// How lines are written.
    ExportFormat {
        /// A JSON object a line.
        Ndjson = "ndjson",
        /// Comma-separated values, RFC 4180.
        Csv = "csv",
    }
}

/// The columns of CSV where none are named: when, who, with whom, what, and the record itself.
const COLUMNS: [Field; 14] = [
    Field::TIMESTAMP,
    Field::EVENT_INGESTED,
    Field::NHATKY_SOURCE,
    Field::NHATKY_CLASS,
    Field::HOST_NAME,
    Field::OBSERVER_NAME,
    Field::USER_NAME,
    Field::SOURCE_IP,
    Field::SOURCE_PORT,
    Field::DESTINATION_IP,
    Field::DESTINATION_PORT,
    Field::EVENT_ACTION,
    Field::EVENT_OUTCOME,
    Field::EVENT_ORIGINAL,
];

impl ExportFormat {
    /// Its media type.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8",
        }
    }
}

/// Writes events.
#[derive(Clone, Debug)]
pub(crate) struct EventLines {
    format: ExportFormat,
    /// Beside `nhatky.seq`, which each line has; in JSON, everything where none are named.
    fields: Option<Vec<FieldName>>,
}

impl EventLines {
    /// With these fields of events, or all, in CSV the most telling, where none are named.
    pub(crate) fn new(format: ExportFormat, fields: Option<Vec<FieldName>>) -> Self {
        let fields = match (format, fields) {
            (ExportFormat::Csv, None) => Some(COLUMNS.map(FieldName::from).into()),
            (_, fields) => fields,
        };
        let mut named: Vec<FieldName> = Vec::new();
        let fields = fields.map(|fields| {
            for field in fields {
                if field.known() != Some(Field::NHATKY_SEQ) && !named.contains(&field) {
                    named.push(field);
                }
            }
            named
        });
        Self { format, fields }
    }

    /// What stands before the first event.
    pub(crate) fn header(&self) -> String {
        let fields = self.fields.iter().flatten().map(FieldName::name);
        header(
            self.format,
            std::iter::once(Field::NHATKY_SEQ.name()).chain(fields),
        )
    }

    /// The line of an event.
    pub(crate) fn event(&self, out: &mut String, event: &Event) {
        match (self.format, &self.fields) {
            (ExportFormat::Ndjson, None) => json_line(out, event),
            (ExportFormat::Ndjson, Some(fields)) => json_line(out, &Picked { event, fields }),
            (ExportFormat::Csv, fields) => {
                let seq = CsvCell::of([event.seq().to_string()]);
                let cells = fields.iter().flatten().map(|field| cell_of(field, event));
                let cells: Vec<_> = std::iter::once(seq).chain(cells).collect();
                write_row(out, &cells);
            }
        }
    }

    /// What stands behind the last event of an export that is whole; CSV has no place for it.
    pub(crate) fn trailer(&self, events: u64, covered: &CoveredReply) -> String {
        let whole = json!({ "complete": true, "events": events, "covered": covered });
        trailer(self.format, &whole)
    }
}

/// An event's values of a field as a cell.
fn cell_of(field: &FieldName, event: &Event) -> CsvCell {
    if field.known() == Some(Field::EVENT_ORIGINAL) {
        return CsvCell::of([event.original()]);
    }
    CsvCell::of(event.values_named(field.name()).map(Value::to_text))
}

/// Some fields of an event, as far as it has them.
struct Picked<'a> {
    event: &'a Event,
    fields: &'a [FieldName],
}

impl Serialize for Picked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry(Field::NHATKY_SEQ.name(), &self.event.seq())?;
        for field in self.fields {
            if field.known() == Some(Field::EVENT_ORIGINAL) {
                map.serialize_entry(field.name(), &self.event.original())?;
                continue;
            }
            let values: Vec<_> = self.event.values_named(field.name()).collect();
            let many = field.known().is_some_and(|known| known.info().many);
            match values.as_slice() {
                [] => {}
                [only] if !many => map.serialize_entry(field.name(), only)?,
                several => map.serialize_entry(field.name(), several)?,
            }
        }
        map.end()
    }
}

/// Writes the rows of a table.
#[derive(Clone, Debug)]
pub(crate) struct TableLines {
    format: ExportFormat,
    columns: Vec<Box<str>>,
}

impl TableLines {
    /// Of a table with these columns.
    pub(crate) fn new(format: ExportFormat, table: &Table) -> Self {
        let columns = table.columns.clone();
        Self { format, columns }
    }

    /// What stands before the first row.
    pub(crate) fn header(&self) -> String {
        header(self.format, self.columns.iter().map(|column| &**column))
    }

    /// The line of a row.
    pub(crate) fn row(&self, out: &mut String, row: &[Cell]) {
        match self.format {
            ExportFormat::Ndjson => {
                let columns = &self.columns;
                json_line(out, &Row { columns, row });
            }
            ExportFormat::Csv => {
                let cells: Vec<_> = row.iter().map(csv_cell).collect();
                write_row(out, &cells);
            }
        }
    }

    /// What stands behind the last row of a table that is whole; CSV has no place for it.
    pub(crate) fn trailer(&self, rows: u64, events: u64, covered: &CoveredReply) -> String {
        let whole = json!({ "complete": true, "rows": rows, "events": events, "covered": covered });
        trailer(self.format, &whole)
    }
}

/// A row as an object.
struct Row<'a> {
    columns: &'a [Box<str>],
    row: &'a [Cell],
}

impl Serialize for Row<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.columns.iter().zip(self.row))
    }
}

fn csv_cell(cell: &Cell) -> CsvCell {
    match cell {
        Cell::List(members) => CsvCell::of(members.iter().map(text)),
        cell => CsvCell::of([text(cell)]),
    }
}

fn text(cell: &Cell) -> Cow<'_, str> {
    match cell {
        Cell::Null => Cow::Borrowed(""),
        Cell::Text(text) => Cow::Borrowed(text),
        Cell::Integer(number) => Cow::Owned(number.to_string()),
        Cell::Float(number) => Cow::Owned(number.to_string()),
        Cell::Bool(yes) => Cow::Borrowed(if *yes { "true" } else { "false" }),
        Cell::Address(address) => Cow::Owned(address.to_string()),
        Cell::Date(at) => Cow::Owned(at.to_string()),
        Cell::List(members) => {
            let members: Vec<_> = members.iter().map(text).collect();
            Cow::Owned(members.join("; "))
        }
    }
}

/// The line of names; only CSV has one.
fn header(format: ExportFormat, names: impl Iterator<Item = impl AsRef<str>>) -> String {
    let mut line = String::new();
    if format == ExportFormat::Csv {
        // A program looks for `@timestamp` by that name.
        let cell = |name: &str| match Field::from_name(name) {
            Some(field) => CsvCell::own(field.name()),
            None => CsvCell::of([name]),
        };
        let cells: Vec<_> = names.map(|name| cell(name.as_ref())).collect();
        write_row(&mut line, &cells);
    }
    line
}

fn trailer(format: ExportFormat, whole: &serde_json::Value) -> String {
    let mut line = String::new();
    if format == ExportFormat::Ndjson {
        json_line(&mut line, &json!({ "nhatky.export": whole }));
    }
    line
}

fn json_line(out: &mut String, line: &impl Serialize) {
    let line = serde_json::to_string(line).expect("maps with text keys are always JSON");
    out.push_str(&line);
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use event::Seq;

    use super::*;

    fn event() -> Event {
        let mut event = Event::new(Seq(7), b"=raw, \"x\"".to_vec().into());
        event.push(Field::EVENT_TYPE, "start");
        event.push(Field::USER_NAME, "=admin");
        event.push(Field::SOURCE_PORT, "22");
        event.push_named("fortinet.vd", "root");
        event.push_named("fortinet.vd", "dmz");
        event
    }

    fn line(format: ExportFormat, fields: &[&str]) -> String {
        let fields = fields.iter().map(|name| FieldName::new(name)).collect();
        let lines = EventLines::new(format, Some(fields));
        let mut out = lines.header();
        lines.event(&mut out, &event());
        out
    }

    const FIELDS: [&str; 7] = [
        "user.name",
        "nhatky.seq",
        "source.port",
        "user.name",
        "event.type",
        "fortinet.vd",
        "event.original",
    ];

    #[test]
    fn csv_begins_with_the_seq_and_names_each_field_once() {
        assert_eq!(
            line(ExportFormat::Csv, &FIELDS),
            "nhatky.seq,user.name,source.port,event.type,fortinet.vd,event.original\r\n\
             7,'=admin,22,start,\"root; dmz\",\"'=raw, \"\"x\"\"\"\r\n"
        );
        assert_eq!(
            line(ExportFormat::Csv, &["host.name"]),
            "nhatky.seq,host.name\r\n7,\r\n"
        );
    }

    #[test]
    fn json_holds_the_fields_as_a_search_shows_them() {
        let picked = line(ExportFormat::Ndjson, &FIELDS);
        let picked: serde_json::Value = serde_json::from_str(&picked).unwrap();
        let whole = serde_json::to_value(event()).unwrap();
        assert_eq!(picked, whole);
        let few = line(ExportFormat::Ndjson, &["host.name", "source.port"]);
        assert_eq!(few, "{\"nhatky.seq\":7,\"source.port\":22}\n");
    }

    #[test]
    fn a_row_of_a_table_has_the_same_values_in_both_forms() {
        let table = Table {
            columns: vec!["=a".into(), "b".into()],
            rows: Vec::new(),
        };
        let list = Cell::List(vec![Cell::Text("x".into()), Cell::Integer(-2)]);
        let row = [Cell::Null, list];
        let written = |format| {
            let lines = TableLines::new(format, &table);
            let mut out = lines.header();
            lines.row(&mut out, &row);
            out
        };
        assert_eq!(written(ExportFormat::Csv), "'=a,b\r\n,\"x; -2\"\r\n");
        assert_eq!(
            written(ExportFormat::Ndjson),
            "{\"=a\":null,\"b\":[\"x\",-2]}\n"
        );
    }
}
