//! Loghub's logs of real machines: attackers are named, each once by a rule while they go on, and all else is quiet.

mod corpus;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use corpus::{Watch, accused, alerts, text};
use detect::{Rules, Settings};
use event::{AlertSeverity, EntityKind, Field, Micros, Value};
use parse::Parsers;

struct Played {
    /// Detections that become alerts: rule and key.
    alerts: Vec<(Box<str>, Vec<Box<str>>)>,
    /// Alerts of each day.
    days: BTreeMap<i64, u32>,
    /// Alerts above low.
    grave: Vec<String>,
    /// When a rule named an address.
    accused: BTreeMap<(Box<str>, IpAddr), Vec<i64>>,
    /// When each address failed to log in.
    failures: BTreeMap<IpAddr, Vec<i64>>,
}

fn play(file: &str) -> Option<Played> {
    let text = text(file)?;
    let (parsers, rules) = (Parsers::builtin(), Rules::load(None, &Settings::default()));
    let mut watch = Watch::new(&parsers, &Arc::new(rules));
    let mut failures: BTreeMap<IpAddr, Vec<i64>> = BTreeMap::new();
    let mut attempts = 0;
    for line in text.lines() {
        let event = watch.receive(line);
        let attempts_before = std::mem::replace(&mut attempts, watch.matched("login-failed"));
        if let (true, Some(Value::Address(source)), Some(Value::Date(at))) = (
            attempts > attempts_before,
            event.get(Field::SOURCE_IP),
            event.get(Field::TIMESTAMP),
        ) {
            failures.entry(source).or_default().push(at.0);
        }
    }
    let mut played = Played {
        alerts: Vec::new(),
        days: BTreeMap::new(),
        grave: Vec::new(),
        accused: BTreeMap::new(),
        failures,
    };
    for detection in watch.detections().filter(|detection| alerts(detection)) {
        let (rule, key) = (detection.rule.clone(), detection.key.clone());
        if AlertSeverity::propose(detection.effect, None) > AlertSeverity::Low {
            played.grave.push(format!("{rule} {key:?}"));
        }
        let day = detection.last_at.0.div_euclid(86_400 * Micros::PER_SECOND);
        *played.days.entry(day).or_default() += 1;
        let entity = detection.entity.as_ref();
        if entity.is_some_and(|entity| entity.kind == EntityKind::Address)
            && let Some(address) = accused(detection)
        {
            let times = played.accused.entry((rule.clone(), address));
            times.or_default().push(detection.first_at.0);
        }
        played.alerts.push((rule, key));
    }
    Some(played)
}

/// Whether twenty of these instants lie within ten minutes: what the rule about addresses asks for, found naively.
fn is_attack(times: &[i64]) -> bool {
    times.iter().any(|begin| {
        let span = *begin..=*begin + 600 * Micros::PER_SECOND;
        times.iter().filter(|at| span.contains(at)).count() >= 20
    })
}

fn check_attackers(file: &str) {
    let Some(played) = play(file) else { return };
    let failures = played.failures.iter();
    let attackers: Vec<IpAddr> = failures
        .filter(|(_, times)| is_attack(times))
        .map(|(address, _)| *address)
        .collect();
    assert!(!attackers.is_empty());
    let named = |attacker: &IpAddr| {
        played
            .accused
            .keys()
            .any(|(_, address)| address == attacker)
    };
    let unnamed: Vec<&IpAddr> = attackers
        .iter()
        .filter(|attacker| !named(attacker))
        .collect();
    assert!(unnamed.is_empty(), "{unnamed:?}");
    // Who comes back after an hour is told anew.
    let hour = 3_600 * Micros::PER_SECOND;
    let apart = |times: &[i64]| times.is_sorted_by(|first, next| next - first >= hour);
    let often = played.accused.iter().filter(|(_, times)| !apart(times));
    assert_eq!(often.collect::<Vec<_>>(), []);
    assert_eq!(played.grave, Vec::<String>::new());
}

#[test]
fn the_attackers_of_an_ssh_server_are_named_once_each() {
    check_attackers("lines/loghub-openssh.log");
}

#[test]
fn the_attackers_of_a_linux_host_are_named_once_each() {
    check_attackers("lines/loghub-linux.log");
}

#[test]
fn logs_without_attackers_are_quiet() {
    for name in ["apache", "openstack", "proxifier", "windows"] {
        let Some(played) = play(&format!("lines/loghub-{name}.log")) else {
            return;
        };
        assert_eq!(played.grave, Vec::<String>::new(), "{name}");
        let most = played.days.values().max().copied().unwrap_or(0);
        assert!(
            most <= 5,
            "{name}: {most} on one day of {:?}",
            played.alerts
        );
    }
}
