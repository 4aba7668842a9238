//! The values that ECS 8.11 allows in its categorisation fields
//! (<https://www.elastic.co/guide/en/ecs/8.11/ecs-category-field-values-reference.html>, Apache-2.0).

use serde_json::{Map, Value};

const ALLOWED: &[(&str, &[&str])] = &[
    (
        "event.kind",
        &[
            "alert",
            "asset",
            "enrichment",
            "event",
            "metric",
            "state",
            "pipeline_error",
            "signal",
        ],
    ),
    (
        "event.category",
        &[
            "api",
            "authentication",
            "configuration",
            "database",
            "driver",
            "email",
            "file",
            "host",
            "iam",
            "intrusion_detection",
            "library",
            "malware",
            "network",
            "package",
            "process",
            "registry",
            "session",
            "threat",
            "vulnerability",
            "web",
        ],
    ),
    (
        "event.type",
        &[
            "access",
            "admin",
            "allowed",
            "change",
            "connection",
            "creation",
            "deletion",
            "denied",
            "device",
            "end",
            "error",
            "group",
            "indicator",
            "info",
            "installation",
            "protocol",
            "start",
            "user",
        ],
    ),
    ("event.outcome", &["failure", "success", "unknown"]),
];

/// What an event says that ECS does not allow, a sentence each.
pub(crate) fn not_allowed(event: &Map<String, Value>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (field, allowed) in ALLOWED {
        let values = match event.get(*field) {
            Some(Value::Array(values)) => values.as_slice(),
            Some(value) => std::slice::from_ref(value),
            None => &[],
        };
        for value in values {
            if !value.as_str().is_some_and(|text| allowed.contains(&text)) {
                wrong.push(format!(
                    "{field}: {value} is none of the values that ECS allows"
                ));
            }
        }
    }
    wrong
}
