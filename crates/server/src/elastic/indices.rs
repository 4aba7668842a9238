//! What stands for indices: one name for everything kept, and in `_cat/indices` a line for each partition.

use event::{Micros, Seq};
use index::IndexStatus;
use jiff::Timestamp;
use journal::PartitionInfo;
use serde_json::{Map, Value, json};

use super::fault::Fault;
use super::hits::INDEX;
use super::request::Parameters;

/// A partition as an index.
#[derive(Debug)]
struct Line {
    name: String,
    events: u64,
    index_bytes: u64,
}

/// The columns that there are, in their order.
const COLUMNS: [&str; 10] = [
    "health",
    "status",
    "index",
    "uuid",
    "pri",
    "rep",
    "docs.count",
    "docs.deleted",
    "store.size",
    "pri.store.size",
];

/// `_cat/indices`, as text or as JSON.
#[derive(Debug, PartialEq)]
pub(super) enum Listing {
    Text(String),
    Json(Value),
}

/// Lists the partitions.
pub(super) fn list(
    status: &IndexStatus,
    partitions: &[PartitionInfo],
    mut parameters: Parameters,
) -> Result<Listing, Fault> {
    let lines = lines(status, partitions);
    let format = parameters.remove("format").unwrap_or_default();
    let with_names = parameters.remove("v").is_some_and(|value| value != "false");
    let is_plain = parameters.remove("bytes").is_some_and(|unit| unit == "b");
    let columns: Vec<&str> = match parameters.get("h") {
        None => COLUMNS.to_vec(),
        Some(names) => {
            let known = |name: &str| COLUMNS.into_iter().find(|known| *known == column(name));
            let columns: Option<Vec<&str>> = names.split(',').map(known).collect();
            columns.ok_or_else(|| {
                Fault::argument(format!("[h] must name columns: {}", COLUMNS.join(",")))
            })?
        }
    };
    let rows = lines.iter().map(|line| {
        let cells = columns.iter().map(|column| line.cell(column, is_plain));
        cells.collect::<Vec<String>>()
    });
    if format == "json" {
        let objects = rows.map(|cells| {
            let named = columns.iter().zip(cells);
            let named = named.map(|(column, cell)| ((*column).to_owned(), json!(cell)));
            Value::Object(named.collect::<Map<_, _>>())
        });
        return Ok(Listing::Json(objects.collect()));
    }
    if !matches!(format.as_str(), "" | "text") {
        return Err(Fault::argument("[format] must be json or text"));
    }
    let head = with_names.then(|| columns.iter().map(|name| (*name).to_owned()).collect());
    Ok(Listing::Text(table(head.into_iter().chain(rows).collect())))
}

/// Short names of columns.
fn column(name: &str) -> &str {
    match name {
        "i" | "idx" => "index",
        "h" => "health",
        "s" => "status",
        "id" => "uuid",
        "p" => "pri",
        "r" => "rep",
        "dc" | "docsCount" => "docs.count",
        "dd" | "docsDeleted" => "docs.deleted",
        "ss" | "storeSize" => "store.size",
        name => name,
    }
}

fn lines(status: &IndexStatus, partitions: &[PartitionInfo]) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let index = status
            .partitions
            .iter()
            .find(|known| known.first == partition.first);
        let mut name = format!("{INDEX}-{}", day(partition));
        // A day may begin more than one partition.
        if lines.iter().any(|line| line.name == name) {
            name = format!("{name}-{}", partition.first);
        }
        lines.push(Line {
            name,
            events: searchable(partition, status.published),
            index_bytes: index.map_or(0, |index| index.bytes),
        });
    }
    lines
}

/// How many of its events can be found.
fn searchable(partition: &PartitionInfo, published: Seq) -> u64 {
    let behind = partition.last.0.saturating_sub(published.0);
    partition.records.saturating_sub(behind)
}

/// The day on which its first record was received, in UTC.
fn day(partition: &PartitionInfo) -> String {
    let oldest = if partition.oldest == Micros::MAX {
        Micros(0)
    } else {
        partition.oldest
    };
    match Timestamp::from_microsecond(oldest.0) {
        Ok(at) => at.strftime("%Y.%m.%d").to_string(),
        Err(_) => partition.first.to_string(),
    }
}

impl Line {
    fn cell(&self, column: &str, is_plain: bool) -> String {
        match column {
            "health" => "green".to_owned(),
            "status" => "open".to_owned(),
            "index" | "uuid" => self.name.clone(),
            "pri" => "1".to_owned(),
            "rep" | "docs.deleted" => "0".to_owned(),
            "docs.count" => self.events.to_string(),
            _ if is_plain => self.index_bytes.to_string(),
            _ => size(self.index_bytes),
        }
    }
}

/// Bytes as people read them.
#[expect(clippy::cast_precision_loss, reason = "shown with one decimal")]
fn size(bytes: u64) -> String {
    let mut number = bytes as f64;
    for unit in ["b", "kb", "mb", "gb"] {
        if number < 1024.0 {
            return match unit {
                "b" => format!("{bytes}b"),
                unit => format!("{number:.1}{unit}"),
            };
        }
        number /= 1024.0;
    }
    format!("{number:.1}tb")
}

/// Rows as aligned text.
fn table(rows: Vec<Vec<String>>) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in &rows {
        for (at, cell) in row.iter().enumerate() {
            match widths.get_mut(at) {
                Some(width) => *width = (*width).max(cell.len()),
                None => widths.push(cell.len()),
            }
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths);
        let padded: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.push_str(padded.join(" ").trim_end());
        text.push('\n');
    }
    text
}

/// What `_resolve/index/…` answers.
pub(super) fn resolved() -> Value {
    json!({
        "indices": [{ "name": INDEX, "attributes": ["open"] }],
        "aliases": [],
        "data_streams": [],
    })
}

/// What `_alias` answers.
pub(super) fn aliases() -> Value {
    json!({ INDEX: { "aliases": {} } })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn partition(first: u64, last: u64, oldest: i64) -> PartitionInfo {
        PartitionInfo {
            first: Seq(first),
            last: Seq(last),
            records: last - first + 1,
            raw_bytes: 0,
            file_bytes: 0,
            oldest: Micros(oldest),
            newest: Micros(oldest),
            sealed: true,
        }
    }

    fn status() -> IndexStatus {
        IndexStatus {
            published: Seq(14),
            committed: Seq(10),
            fresh_events: 4,
            fresh_bytes: 0,
            commits: 1,
            merges: 0,
            failure: None,
            partitions: vec![index::PartitionStatus {
                first: Seq(1),
                through: Seq(10),
                events: 10,
                segments: 1,
                bytes: 2048,
                raw_bytes: 0,
                stale: false,
            }],
            unusable: Vec::new(),
        }
    }

    #[test]
    fn each_partition_is_a_line() {
        let partitions = [partition(1, 10, 0), partition(11, 15, 86_400_000_000)];
        let listed = |parameters: &[(&str, &str)]| {
            let parameters = parameters
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            list(&status(), &partitions, parameters.collect())
        };
        let text =
            "index docs.count store.size\nnhatky-1970.01.01 10 2.0kb\nnhatky-1970.01.02 4 0b\n";
        let Listing::Text(found) = listed(&[("h", "index,dc,store.size"), ("v", "true")]).unwrap()
        else {
            panic!("text");
        };
        let spaces = regex_free_squeeze(&found);
        assert_eq!(spaces, text);
        let json = listed(&[
            ("format", "json"),
            ("h", "index,store.size"),
            ("bytes", "b"),
        ]);
        assert_eq!(
            json.unwrap(),
            Listing::Json(json!([
                {"index": "nhatky-1970.01.01", "store.size": "2048"},
                {"index": "nhatky-1970.01.02", "store.size": "0"},
            ]))
        );
        assert!(listed(&[("h", "nothing")]).is_err());
        assert!(listed(&[("format", "yaml")]).is_err());
    }

    fn regex_free_squeeze(text: &str) -> String {
        let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ") + "\n";
        text.lines().map(line).collect()
    }
}
