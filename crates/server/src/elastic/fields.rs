//! Which fields there are: `_field_caps`, `_mapping`, `_mapping/field`.
//!
//! Named are the fields that have a name of their own ([`Field`]); vendors' own are asked by their names all the same.

use event::{Field, FieldKind};
use query::{Pattern, Piece};
use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::hits::{INDEX, nested};
use super::members::Members;
use super::request::Parameters;

/// What Elasticsearch calls values of that kind.
fn type_of(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Keyword => "keyword",
        FieldKind::Text => "text",
        FieldKind::Number => "long",
        FieldKind::Address => "ip",
        FieldKind::Date => "date",
    }
}

/// Fields that one of the patterns names; all without patterns.
fn named(patterns: &[String]) -> Result<Vec<Field>, Fault> {
    if patterns.len() > 1000 {
        return Err(Fault::argument("there are more than 1000 [fields]"));
    }
    let patterns: Vec<Pattern> = patterns.iter().map(|text| pattern(text)).collect();
    let is_named = |field: &Field| {
        patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(field.name()))
    };
    Ok(Field::all().filter(is_named).collect())
}

fn pattern(text: &str) -> Pattern {
    Pattern::new(text.chars().map(|c| match c {
        '*' => Piece::Run,
        c => Piece::Text(c.to_string().into()),
    }))
}

fn listed(text: &str) -> Vec<String> {
    text.split(',').map(|name| name.trim().to_owned()).collect()
}

/// What `_field_caps` answers.
pub(super) fn capabilities(
    mut parameters: Parameters,
    body: Option<Value>,
) -> Result<Value, Fault> {
    let mut body = Members::of("request", body.unwrap_or_else(|| json!({})))?;
    let fields = match parameters.remove("fields") {
        Some(text) => Some(listed(&text)),
        None => body.texts("fields")?,
    };
    let fields =
        fields.ok_or_else(|| Fault::argument("[fields] is needed: name fields, or * for all"))?;
    body.refuse(&["index_filter"], "every index has the same fields")?;
    body.refuse(&["runtime_mappings"], "there are no scripts")?;
    body.finish()?;
    let types = parameters.get("types").map(|types| listed(types));
    let mut found = Map::new();
    for field in named(&fields)? {
        let kind = type_of(field.kind());
        if types
            .as_ref()
            .is_some_and(|types| !types.iter().any(|name| name == kind))
        {
            continue;
        }
        let capability = json!({
            "type": kind,
            "metadata_field": false,
            "searchable": true,
            "aggregatable": field.kind() != FieldKind::Text,
        });
        found.insert(field.name().to_owned(), json!({ kind: capability }));
    }
    Ok(json!({ "indices": [INDEX], "fields": found }))
}

/// What `_mapping` answers.
pub(super) fn mapping() -> Value {
    let mut properties = Map::new();
    for field in Field::all() {
        let of = json!({ "type": type_of(field.kind()) });
        properties.insert(field.name().to_owned(), of);
    }
    json!({ INDEX: { "mappings": { "dynamic": "true", "properties": objects(nested(properties)) } } })
}

/// Objects of fields within objects, as a mapping writes them.
fn objects(fields: Map<String, Value>) -> Map<String, Value> {
    let fields = fields.into_iter();
    let within = |(name, value): (String, Value)| match value {
        Value::Object(members) if !members.get("type").is_some_and(Value::is_string) => {
            (name, json!({ "properties": objects(members) }))
        }
        value => (name, value),
    };
    fields.map(within).collect()
}

/// What `_mapping/field/…` answers.
pub(super) fn mapping_of(fields: &str) -> Result<Value, Fault> {
    let mut found = Map::new();
    for field in named(&listed(fields))? {
        let name = field.name();
        let last = name.rsplit('.').next().unwrap_or(name);
        found.insert(
            name.to_owned(),
            json!({ "full_name": name, "mapping": { last: { "type": type_of(field.kind()) } } }),
        );
    }
    Ok(json!({ INDEX: { "mappings": found } }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_in_the_mapping_at_its_place() {
        let mapping = mapping();
        for field in Field::all() {
            let path = field.name().replace('.', "/properties/");
            let pointer = format!("/{INDEX}/mappings/properties/{path}/type");
            assert_eq!(
                mapping.pointer(&pointer),
                Some(&json!(type_of(field.kind()))),
                "{pointer}"
            );
        }
    }

    #[test]
    fn capabilities_are_those_of_the_fields_named() {
        let parameters =
            |fields: &str| Parameters::from([("fields".to_owned(), fields.to_owned())]);
        let found = capabilities(parameters("@timestamp,source.i*"), None).unwrap();
        assert_eq!(found["fields"]["@timestamp"]["date"]["searchable"], true);
        assert_eq!(found["fields"]["source.ip"]["ip"]["type"], "ip");
        assert_eq!(
            found["fields"].as_object().map(Map::len),
            Some(2),
            "{found}"
        );
        assert!(capabilities(Parameters::new(), None).is_err());
        let by_body = capabilities(Parameters::new(), Some(json!({"fields": ["message"]})));
        assert_eq!(
            by_body.unwrap()["fields"]["message"]["text"]["aggregatable"],
            false
        );
    }
}
