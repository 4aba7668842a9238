//! Proves that tables count what there is: generated events, generated conditions, keys and aggregates, compared with
//! counting by hand.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use event::{Event, Field, Micros, Value};
use index::{Scope, StatsRequest, Total, Way};
use jiff::tz::TimeZone;
use query::{Aggregate, Cell, Function, Interval, Key, SortKey, SortOrder, Stats, TimeStep, Wish};

use crate::meaning::{Ask, Case, ask, case, values};
use crate::support::Chance;

/// Fields whose values are columns, and some that are not.
const FIELDS: [&str; 9] = [
    "event.outcome",
    "user.name",
    "event.category",
    "source.ip",
    "source.port",
    "event.code",
    "@timestamp",
    "acme.color",
    "absent.field",
];

const FUNCTIONS: [Function; 11] = [
    Function::Count,
    Function::Sum,
    Function::Avg,
    Function::Min,
    Function::Max,
    Function::Distinct,
    Function::Values,
    Function::First,
    Function::Last,
    Function::Deviation,
    Function::Percentile(7500),
];

/// A key, as it is counted by hand.
#[derive(Clone, Debug)]
enum By {
    Field(&'static str),
    Hour,
    Port,
    Ranges,
    Conditions(Vec<Ask>),
}

fn by(chance: &mut Chance) -> By {
    match chance.below(8) {
        0 => By::Hour,
        1 => By::Port,
        2 => By::Ranges,
        3 => By::Conditions((0..1 + chance.below(3)).map(|_| ask(chance, 1)).collect()),
        _ => By::Field(chance.pick(&FIELDS)),
    }
}

const RANGES: [(f64, f64); 3] = [(0.0, 100.0), (80.0, 5000.0), (1e6, 2e6)];

impl By {
    fn key(&self) -> Key {
        match self {
            Self::Field(name) => Key::Field(query::FieldName::new(name)),
            Self::Hour => Key::Time {
                field: Field::TIMESTAMP.into(),
                step: TimeStep::parse("1h", &TimeZone::UTC).expect("a length"),
            },
            Self::Port => Key::Number {
                field: Field::SOURCE_PORT.into(),
                width: 100.0,
                offset: 7.0,
            },
            Self::Ranges => Key::Ranges {
                field: Field::SOURCE_PORT.into(),
                ranges: RANGES
                    .iter()
                    .map(|(low, high)| Interval {
                        name: format!("{low}").into(),
                        low: *low,
                        high: *high,
                    })
                    .collect(),
            },
            Self::Conditions(asks) => Key::Conditions(
                (0..)
                    .zip(asks)
                    .map(|(number, ask): (u32, &Ask)| (number.to_string().into(), ask.expr()))
                    .collect(),
            ),
        }
    }

    /// The values by which the event is counted, as text.
    fn cells(&self, event: &Event) -> Vec<String> {
        let or_null = |cells: Vec<String>| {
            if cells.is_empty() {
                vec!["null".to_owned()]
            } else {
                cells
            }
        };
        match self {
            Self::Field(name) => or_null(values(event, name).into_iter().map(shown).collect()),
            Self::Hour => or_null(
                values(event, "@timestamp")
                    .into_iter()
                    .filter_map(|value| match value {
                        Value::Date(at) => {
                            Some(shown(Value::Date(Micros(at.0 - at.0 % 3_600_000_000))))
                        }
                        _ => None,
                    })
                    .collect(),
            ),
            Self::Port => {
                let mut cells: Vec<String> = Vec::new();
                for port in values(event, "source.port").into_iter().filter_map(number) {
                    let cell = format!("{:?}", ((port - 7.0) / 100.0).floor() * 100.0 + 7.0);
                    if cells.last() != Some(&cell) {
                        cells.push(cell);
                    }
                }
                or_null(cells)
            }
            Self::Ranges => {
                let ports: Vec<f64> = values(event, "source.port")
                    .into_iter()
                    .filter_map(number)
                    .collect();
                let met = RANGES
                    .iter()
                    .filter(|(low, high)| ports.iter().any(|port| low <= port && port < high));
                met.map(|(low, _)| format!("\"{low}\"")).collect()
            }
            Self::Conditions(asks) => {
                let met = asks.iter().enumerate().filter(|(_, ask)| ask.holds(event));
                met.map(|(number, _)| format!("\"{number}\"")).collect()
            }
        }
    }
}

fn number(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(number as f64),
        Value::Float(number) => Some(number),
        Value::Text(text) => text.parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

fn shown(value: Value<'_>) -> String {
    serde_json::to_string(&Cell::from(value)).expect("JSON")
}

/// An aggregate of these events, by hand; ascending by Seq.
fn computed(function: Function, field: Option<&str>, events: &[&Event]) -> String {
    let Some(field) = field else {
        return events.len().to_string();
    };
    let all = || events.iter().flat_map(|event| values(event, field));
    let mut numbers: Vec<f64> = all().filter_map(number).collect();
    numbers.sort_by(f64::total_cmp);
    let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
    let or_null = |text: Option<String>| text.unwrap_or_else(|| "null".to_owned());
    // Equal values count once, in whatever form.
    let keys: BTreeMap<Vec<u8>, Cell> = all()
        .map(|value| (Cell::from(value).key(), Cell::from(value)))
        .collect();
    match function {
        Function::Count => all().count().to_string(),
        Function::Sum if numbers.is_empty() => "null".to_owned(),
        Function::Sum => format!("{:.3}", numbers.iter().sum::<f64>()),
        _ if matches!(
            function,
            Function::Avg | Function::Deviation | Function::Percentile(_)
        ) && numbers.is_empty() =>
        {
            "null".to_owned()
        }
        Function::Avg => format!("{mean:.3}"),
        Function::Deviation => {
            let squares = numbers
                .iter()
                .map(|number| (number - mean).powi(2))
                .sum::<f64>();
            format!("{:.3}", (squares / numbers.len() as f64).sqrt())
        }
        Function::Percentile(_) => {
            format!("{:.3}", numbers[(numbers.len() * 3).div_ceil(4) - 1])
        }
        Function::Distinct => keys.len().to_string(),
        Function::Values => {
            let cells: Vec<Cell> = keys.into_values().take(100).collect();
            serde_json::to_string(&cells).expect("JSON")
        }
        Function::Last => or_null(
            events
                .iter()
                .rev()
                .find_map(|event| values(event, field).into_iter().next().map(shown)),
        ),
        Function::First => {
            let of_event = |event: &&Event| values(event, field).into_iter().next_back().map(shown);
            or_null(events.iter().find_map(of_event))
        }
        Function::Min => or_null(all().min_by(order).map(shown)),
        Function::Max => or_null(all().max_by(order).map(shown)),
        Function::Rate => unreachable!("not asked for here"),
    }
}

/// Numbers before dates, dates before addresses, addresses before texts; each kind in its own order.
fn order(one: &Value<'_>, two: &Value<'_>) -> Ordering {
    let kind = |value: &Value<'_>| match value {
        Value::Integer(_) | Value::Float(_) => 0,
        Value::Date(_) => 1,
        Value::Address(_) => 2,
        _ => 3,
    };
    match (one, two) {
        (Value::Date(one), Value::Date(two)) => one.cmp(two),
        (Value::Address(one), Value::Address(two)) => one.cmp(two),
        (Value::Text(one), Value::Text(two)) => one.cmp(two),
        _ if kind(one) == 0 && kind(two) == 0 => number(*one)
            .unwrap_or_default()
            .total_cmp(&number(*two).unwrap_or_default()),
        _ => kind(one).cmp(&kind(two)),
    }
}

fn rendered(cell: &Cell, function: Option<Function>) -> String {
    match (cell, function) {
        (cell, Some(Function::Min | Function::Max | Function::First | Function::Last)) => {
            serde_json::to_string(cell).expect("JSON")
        }
        (Cell::Float(number), Some(_)) => format!("{number:.3}"),
        (Cell::Integer(number), Some(Function::Sum)) => format!("{number}.000"),
        (Cell::Float(number), None) => format!("{number:?}"),
        (cell, _) => serde_json::to_string(cell).expect("JSON"),
    }
}

fn check_case(seed: u64, case: &Case, questions: u64) {
    let mut chance = Chance(seed ^ 0x7ab1e);
    for question in 0..questions {
        let ask = ask(&mut chance, 2);
        let bys: Vec<By> = (0..chance.below(4)).map(|_| by(&mut chance)).collect();
        let aggregates: Vec<(Function, Option<&str>)> = (0..1 + chance.below(3))
            .map(|_| match chance.pick(&FUNCTIONS) {
                Function::Count if chance.percent(50) => (Function::Count, None),
                function => (function, Some(chance.pick(&FIELDS))),
            })
            .collect();
        let held: Vec<&Event> = case
            .events
            .iter()
            .filter(|event| ask.holds(event))
            .collect();
        let mut rows: BTreeMap<Vec<String>, Vec<&Event>> = BTreeMap::new();
        for event in &held {
            let mut combinations = vec![Vec::new()];
            for by in &bys {
                let cells = by.cells(event);
                combinations = combinations
                    .into_iter()
                    .flat_map(|row: Vec<String>| {
                        cells
                            .iter()
                            .map(move |cell| [row.clone(), vec![cell.clone()]].concat())
                    })
                    .collect();
            }
            for row in combinations {
                rows.entry(row).or_default().push(event);
            }
        }
        if bys.is_empty() && rows.is_empty() {
            rows.insert(Vec::new(), Vec::new());
        }
        let expected: BTreeSet<String> = rows
            .into_iter()
            .map(|(keys, events)| {
                let values = aggregates.iter();
                let values = values.map(|(function, field)| computed(*function, *field, &events));
                keys.into_iter().chain(values).collect::<Vec<_>>().join(" ")
            })
            .collect();
        let stats = Stats {
            aggregates: aggregates
                .iter()
                .map(|(function, field)| Aggregate {
                    function: *function,
                    field: field.map(query::FieldName::new),
                    name: "x".into(),
                })
                .collect(),
            by: bys.iter().map(By::key).collect(),
        };
        for way in [Way::Auto, Way::Scan] {
            let request = StatsRequest {
                scope: Scope {
                    way,
                    ..Scope::new(ask.expr())
                },
                stats: vec![stats.clone()],
                wish: Wish::default(),
            };
            let found = case.index.stats(&request).expect("searches");
            let table = found.tables.expect("small tables").remove(0);
            if let Some((Function::Count, None)) = aggregates.first() {
                let rows = chance.pick(&[1, 2, 3]);
                let most = StatsRequest {
                    wish: Wish {
                        order: vec![SortKey {
                            column: "x".into(),
                            order: SortOrder::Descending,
                        }],
                        rows,
                    },
                    ..request
                };
                let first = case.index.stats(&most).expect("searches");
                assert_eq!(first.rows, [table.rows.len()]);
                let mut sorted = table.clone();
                sorted.rows.sort_by_key(|row| match row.get(bys.len()) {
                    Some(Cell::Integer(count)) => Some(-count),
                    _ => None,
                });
                sorted.rows.truncate(rows);
                let first = first.tables.expect("small tables").remove(0);
                assert_eq!(first, sorted, "seed {seed}, question {question}, {way:?}");
            }
            let functions = bys
                .iter()
                .map(|_| None)
                .chain(aggregates.iter().map(|(function, _)| Some(*function)));
            let functions: Vec<Option<Function>> = functions.collect();
            let lines: Vec<String> = table
                .rows
                .iter()
                .map(|row| {
                    let cells = row.iter().zip(&functions);
                    let cells = cells.map(|(cell, function)| rendered(cell, *function));
                    cells.collect::<Vec<_>>().join(" ")
                })
                .collect();
            let place = format!(
                "seed {seed}, question {question}, {way:?}: {bys:?} {aggregates:?} {ask:?}"
            );
            assert_eq!(found.total, Total::Exactly(held.len() as u64), "{place}");
            assert_eq!(
                lines.len(),
                expected.len(),
                "{place}\n{lines:#?}\n{expected:#?}"
            );
            assert_eq!(
                lines.into_iter().collect::<BTreeSet<_>>(),
                expected,
                "{place}"
            );
        }
    }
}

#[test]
fn tables_count_what_there_is() {
    for seed in 1..=4 {
        check_case(seed, &case(seed, 400, 330, 60), 60);
    }
}

#[test]
fn tables_of_fresh_events_alone_and_of_none_do_so_too() {
    check_case(11, &case(11, 60, 0, 10), 60);
    check_case(12, &case(12, 90, 90, 90), 60);
}
