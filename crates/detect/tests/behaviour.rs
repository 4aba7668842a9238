//! What the detector promises: a restart changes nothing, silence and relays, late and imported records, bounded memory.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use detect::{
    Detector, Evicted, Mode, Output, RestoreError, Restored, RuleSettings, Rules, Settings,
};
use event::{CalendarDay, DaySeen, Detection, Disposition, Event, Field, Micros, RuleDay, Seq};
use proptest::prelude::*;

/// Rules of every kind with small numbers, so that short streams reach all of their states.
const RULES: &str = "
title: A failed log-in
name: failed
logsource: {product: nhatky, category: login}
detection: {f: {event.outcome: failure}, condition: f}
nhatky: {base: true}
---
title: A successful log-in
name: succeeded
logsource: {product: nhatky, category: login}
detection: {s: {event.outcome: success}, condition: s}
nhatky: {base: true}
---
title: One event
name: single
logsource: {product: nhatky, category: login}
detection: {s: {event.code: '7'}, condition: s}
nhatky: {key: user.name, quiet: 1m, disposition: page}
---
title: Count
name: count
correlation: {type: event_count, rules: failed, group-by: user.name, timespan: 1m, condition: {gte: 3}}
---
title: Values
name: values
correlation: {type: value_count, rules: failed, group-by: source.ip, timespan: 1m, condition: {field: user.name, gte: 3}}
---
title: Each
name: each
correlation: {type: temporal, rules: [failed, succeeded], group-by: user.name, timespan: 1m}
---
title: Sequence
name: sequence
correlation: {type: temporal_ordered, rules: [count, succeeded], group-by: user.name, timespan: 2m, generate: true}
nhatky: {when: {any: [{unseen: [user.name, source.ip], taught_by: succeeded}]}}
---
title: First
name: first
correlation: {type: first_seen, rules: succeeded, group-by: user.name, field: source.ip, timespan: 1m, learning: 2m}
---
title: In a list
name: listed
correlation: {type: list, rules: failed, group-by: user.name, field: user.name, timespan: 1m, values: [u0, U1]}
---
title: Anything
name: anything
logsource: {product: nhatky, category: any}
detection: {n: {nhatky.class: login}, condition: n}
nhatky: {base: true}
---
title: Silence
name: silence
correlation: {type: absence, rules: anything, group-by: nhatky.sender, factor: 3, at-least: 30s, learning: 1m, samples: 3}
---
title: Rate
name: rate
correlation: {type: rate, rules: anything, group-by: nhatky.sender, factor: 2, timespan: 30s, samples: 3, condition: {gte: 3}}
---
title: Regular
name: regular
correlation: {type: regular, rules: anything, group-by: user.name, timespan: 2m, at-least: 1s, jitter: 30, condition: {gte: 4}}
";

fn sound(text: &str, settings: &Settings) -> Arc<Rules> {
    let rules = Rules::from_texts(&[("rules.yml", text)], settings);
    assert_eq!(rules.problems(), []);
    Arc::new(rules)
}

fn rules_with(settings: &Settings) -> Arc<Rules> {
    sound(RULES, settings)
}

fn rules() -> Arc<Rules> {
    rules_with(&Settings::default())
}

/// One step of a stream: what arrives after how many seconds.
#[derive(Clone, Debug)]
enum Arrival {
    Beat,
    Login {
        user: u8,
        address: u8,
        success: bool,
        code: u8,
        late_s: i64,
        sender: u8,
    },
}

fn arrival() -> impl Strategy<Value = (u16, Arrival)> {
    let login = (0u8..4, 0u8..4, any::<bool>(), 0u8..10, 0i64..40, 0u8..3).prop_map(
        |(user, address, success, code, late_s, sender)| Arrival::Login {
            user,
            address,
            success,
            code,
            late_s,
            sender,
        },
    );
    let pause = prop_oneof![4 => 0u16..4, 2 => 4u16..20, 1 => 60u16..300];
    (pause, prop_oneof![1 => Just(Arrival::Beat), 3 => login])
}

/// The events of a stream, with a heartbeat every ten seconds of its pauses.
fn events(arrivals: &[(u16, Arrival)]) -> Vec<Event> {
    let mut events = Vec::new();
    let mut now = 1_791_943_200;
    for (pause, arrival) in arrivals {
        for _ in 0..pause / 10 {
            now += 10;
            events.push(event(events.len(), now, &Arrival::Beat));
        }
        now += i64::from(pause % 10);
        events.push(event(events.len(), now, arrival));
    }
    events
}

fn event(place: usize, now_s: i64, arrival: &Arrival) -> Event {
    let seq = Seq(place as u64 + 1);
    let received = Micros(now_s * Micros::PER_SECOND);
    match arrival {
        Arrival::Beat => {
            let raw = Bytes::from_static(br#"{"nhatky":"heartbeat","uptime_s":1,"durable_seq":1}"#);
            let mut event = Event::new(seq, raw);
            event.set(Field::EVENT_INGESTED, received);
            event.set(Field::NHATKY_LISTENER, "nhatky");
            event
        }
        Arrival::Login {
            user,
            address,
            success,
            code,
            late_s,
            sender,
        } => {
            let mut event = Event::new(seq, Bytes::new());
            event.set(Field::EVENT_INGESTED, received);
            event.set(
                Field::TIMESTAMP,
                Micros(received.0 - late_s * Micros::PER_SECOND),
            );
            event.set(Field::NHATKY_LISTENER, "tcp");
            event.set(Field::NHATKY_CLASS, "login");
            event.set(Field::NHATKY_SOURCE, format!("192.0.2.{sender}/x").as_str());
            event.set(
                Field::EVENT_OUTCOME,
                if *success { "success" } else { "failure" },
            );
            event.set(Field::EVENT_CODE, code.to_string().as_str());
            event.set(Field::USER_NAME, format!("u{user}").as_str());
            event.set(Field::SOURCE_IP, format!("10.0.0.{address}").as_str());
            event
        }
    }
}

fn run(detector: &mut Detector, events: &[Event]) -> Vec<Output> {
    let mut found = Vec::new();
    events
        .iter()
        .for_each(|event| detector.observe(event, &mut found));
    found
}

fn detections(outputs: &[Output]) -> Vec<&Detection> {
    let mut detections = Vec::new();
    for output in outputs {
        if let Output::Detection(detection) = output {
            detections.push(&**detection);
        }
    }
    detections
}

/// What was forgotten before its time.
fn evictions(outputs: &[Output]) -> impl Iterator<Item = &Evicted> {
    outputs.iter().filter_map(|output| match output {
        Output::Evicted(evicted) => Some(evicted),
        _ => None,
    })
}

/// What stands of each day, and each rule on it, once all is told.
fn days(outputs: &[Output]) -> BTreeMap<CalendarDay, (DaySeen, BTreeMap<Box<str>, RuleDay>)> {
    let mut days: BTreeMap<_, (DaySeen, BTreeMap<_, _>)> = BTreeMap::new();
    for output in outputs {
        let Output::Day(day) = output else { continue };
        let (whole, rules) = days.entry(day.date).or_default();
        *whole = DaySeen {
            rules: Vec::new(),
            ..DaySeen::clone(day)
        };
        rules.extend(
            day.rules
                .iter()
                .map(|rule| (rule.rule.clone(), rule.clone())),
        );
    }
    days
}

fn fired(outputs: &[Output], rule: &str) -> usize {
    detections(outputs)
        .iter()
        .filter(|detection| &*detection.rule == rule)
        .count()
}

proptest! {
    #[test]
    fn a_restart_at_any_point_changes_nothing(arrivals in prop::collection::vec(arrival(), 1..80), cut in 0usize..80, small in any::<bool>()) {
        let settings = Settings { state_bytes_max: if small { 1 << 20 } else { 64 << 20 }, ..Settings::default() };
        let rules = rules_with(&settings);
        let events = events(&arrivals);
        let whole = run(&mut Detector::new(Arc::clone(&rules), Mode::Live), &events);

        let cut = cut % events.len();
        let mut before = Detector::new(Arc::clone(&rules), Mode::Live);
        let mut pieces = run(&mut before, &events[..cut]);
        let bytes = before.checkpoint();
        let Restored { detector: mut after, fresh } = Detector::restore(&bytes, rules, Mode::Live).unwrap();
        prop_assert!(fresh.is_empty());
        prop_assert_eq!(after.checkpoint(), bytes);
        // The journal replays from somewhere before the checkpoint: what it covers is passed over.
        pieces.extend(run(&mut after, &events[cut / 2..]));
        // After a restart, more of a day may be told again; what then stands of it is the same.
        prop_assert_eq!(days(&pieces), days(&whole));
        let finds = |output: &Output| !matches!(output, Output::Day(_));
        pieces.retain(finds);
        let found: Vec<Output> = whole.into_iter().filter(finds).collect();
        prop_assert_eq!(pieces, found);
    }

    #[test]
    fn no_bytes_make_a_restore_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        prop_assert!(Detector::restore(&bytes, rules(), Mode::Live).is_err());
        bytes = Detector::new(rules(), Mode::Live).checkpoint();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(Detector::restore(&bytes, rules(), Mode::Live).is_err());
    }

    #[test]
    fn identities_are_never_given_twice(arrivals in prop::collection::vec(arrival(), 1..80)) {
        let found = run(&mut Detector::new(rules(), Mode::Live), &events(&arrivals));
        let mut ids: Vec<_> = detections(&found).iter().map(|detection| &detection.id).collect();
        let all = ids.len();
        ids.sort();
        ids.dedup();
        prop_assert_eq!(ids.len(), all);
    }
}

fn login(user: u8, success: bool) -> Arrival {
    Arrival::Login {
        user,
        address: 1,
        success,
        code: 0,
        late_s: 0,
        sender: 1,
    }
}

#[test]
fn every_kind_of_rule_fires() {
    let mut arrivals: Vec<(u16, Arrival)> = Vec::new();
    arrivals.push((1, login(0, true)));
    arrivals.extend((0..12).map(|_| {
        (
            10,
            Arrival::Login {
                user: 3,
                address: 3,
                success: true,
                code: 7,
                late_s: 0,
                sender: 2,
            },
        )
    }));
    arrivals.extend((0..3).map(|user| (1, login(user, false))));
    arrivals.extend((0..8).map(|_| (1, login(0, false))));
    arrivals.push((
        1,
        Arrival::Login {
            user: 0,
            address: 2,
            success: true,
            code: 0,
            late_s: 0,
            sender: 1,
        },
    ));
    arrivals.push((300, Arrival::Beat));
    let found = run(&mut Detector::new(rules(), Mode::Live), &events(&arrivals));
    for rule in [
        "single", "count", "values", "each", "sequence", "first", "listed", "silence", "regular",
    ] {
        assert!(fired(&found, rule) > 0, "{rule}: {:?}", detections(&found));
    }
    let sequence = detections(&found)
        .into_iter()
        .find(|detection| &*detection.rule == "sequence")
        .unwrap();
    assert!(
        sequence.count > 3 && sequence.evidence.len() > 3,
        "what stands behind the first step is evidence, too"
    );
}

#[test]
fn far_more_than_usual_is_told_when_its_window_ends() {
    let mut arrivals: Vec<(u16, Arrival)> = (0..20).map(|_| (10, login(0, true))).collect();
    arrivals.extend((0..25).map(|_| (1, login(0, true))));
    arrivals.push((40, Arrival::Beat));
    let found = run(&mut Detector::new(rules(), Mode::Live), &events(&arrivals));
    let told: Vec<(&str, &str)> = detections(&found)
        .into_iter()
        .filter(|detection| &*detection.rule == "rate")
        .map(|detection| {
            let fact = |name: &str| &*detection.facts[name];
            (fact("usual"), fact("learnt_windows"))
        })
        .collect();
    assert!(
        matches!(told.as_slice(), [("3", windows)] if *windows != "0"),
        "{told:?}"
    );
}

#[test]
fn a_rhythm_is_one_detection_wherever_a_restart_falls() {
    // Every twenty seconds, but for a beat that was missed; one came late.
    let mut arrivals: Vec<(u16, Arrival)> = (0..20).map(|_| (20, login(0, true))).collect();
    arrivals[7].0 = 40;
    let late = Arrival::Login {
        user: 0,
        address: 1,
        success: true,
        code: 0,
        late_s: 5,
        sender: 1,
    };
    arrivals[12] = (25, late);
    arrivals[13].0 = 15;
    arrivals.push((40, Arrival::Beat));
    let events = events(&arrivals);
    let of_rhythm = |outputs: &[Output]| -> Vec<Output> {
        let detection = detections(outputs);
        let detection = detection
            .into_iter()
            .find(|detection| &*detection.rule == "regular");
        let id = &detection.expect("a rhythm").id;
        let of_it = |output: &&Output| match output {
            Output::Detection(detection) => detection.id == *id,
            Output::Update(update) => update.id == *id,
            Output::Evicted(_) | Output::Day(_) => false,
        };
        outputs.iter().filter(of_it).cloned().collect()
    };
    let whole = run(&mut Detector::new(rules(), Mode::Live), &events);
    assert_eq!(fired(&whole, "regular"), 1);
    let told = of_rhythm(&whole);
    let [Output::Detection(detection), .., Output::Update(last)] = told.as_slice() else {
        panic!("{told:?}")
    };
    assert_eq!((detection.count, detection.evidence.len()), (5, 5));
    assert_eq!(detection.facts["interval"], "20 s");
    assert_eq!(detection.facts["jitter"], "0 %");
    assert_eq!((last.count, last.evidence.len()), (20, 20));
    for cut in 0..events.len() {
        let (before, after) = events.split_at(cut);
        let mut detector = Detector::new(rules(), Mode::Live);
        let mut pieces = run(&mut detector, before);
        let bytes = detector.checkpoint();
        let restored = Detector::restore(&bytes, rules(), Mode::Live).unwrap();
        let mut detector = restored.detector;
        assert_eq!(detector.checkpoint(), bytes);
        pieces.extend(run(&mut detector, after));
        assert_eq!(of_rhythm(&pieces), told, "cut at {cut}");
    }
}

#[test]
fn a_rule_about_rhythms_that_could_not_fire_is_refused() {
    let refused = |timespan: &str, more: &str, gte: u32| {
        let text = format!(
            "title: Bad\nname: bad\ncorrelation: {{type: regular, rules: good, group-by: user.name, timespan: {timespan}, condition: {{gte: {gte}}}{more}}}\n---\ntitle: Good\nname: good\nlogsource: {{product: nhatky, category: login}}\ndetection: {{a: {{user.name: x}}, condition: a}}\n"
        );
        let rules = Rules::from_texts(&[("rules.yml", &text)], &Settings::default());
        let problems = rules.problems().iter().map(ToString::to_string);
        problems.collect::<Vec<_>>().join("\n")
    };
    let check = |timespan, more, gte, expected: &str| {
        let problems = refused(timespan, more, gte);
        assert!(problems.contains(expected), "{problems}");
    };
    assert_eq!(refused("2m", "", 4), "");
    check("1d", "", 3, "must be 4 to 31 intervals, not 3");
    check("1d", "", 32, "must be 4 to 31 intervals, not 32");
    check("1d", ", jitter: 31", 9, "must be 1 to 30 percent, not 31");
    check("1d", ", at-least: 0s", 9, "at-least of a `regular`");
    check("1m", "", 4, "1m has no room for 4 intervals");
}

#[test]
fn what_is_on_a_list_of_the_site_is_told_with_the_lists_name_until_it_expires() {
    const RULE: &str = "
title: A log-in
name: login
logsource: {product: nhatky, category: login}
detection: {l: {event.outcome: [failure, success]}, condition: l}
nhatky: {base: true}
---
title: From a listed address
name: listed
correlation: {type: list, rules: login, group-by: source.ip, field: source.ip, timespan: 1s, list: '*'}
";
    let content = tempfile::tempdir().unwrap();
    let put = |name: &str, text: &str| {
        let path = content.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    let load = || {
        let rules = Rules::load(Some(content.path()), &Settings::default());
        assert_eq!(rules.problems(), []);
        Arc::new(rules)
    };
    put("rules/own.yml", RULE);
    let blind = load();
    let state = &blind.info("listed").unwrap().state;
    assert!(
        matches!(state, detect::RuleState::Blind(reason) if reason.contains("lists/")),
        "{state:?}"
    );
    put(
        "lists/trung-tam.csv",
        "value,expires\n10.0.0.2/31,2026-10-14\n",
    );
    put("lists/rieng.txt", "10.0.0.1\n");
    let rules = load();
    assert_ne!(rules.version(), blind.version());
    // The stream begins on 2026-10-14 in the morning, UTC.
    let mut arrivals: Vec<(u16, Arrival)> = Vec::new();
    for (pause, addresses) in [(1, [0, 1, 3]), (43_200, [1, 2, 3])] {
        for address in addresses {
            let mut arrival = login(0, true);
            if let Arrival::Login { address: to, .. } = &mut arrival {
                *to = address;
            }
            arrivals.push((pause, arrival));
        }
    }
    let found = run(&mut Detector::new(rules, Mode::Live), &events(&arrivals));
    let told = detections(&found).into_iter();
    let told = told.filter(|detection| &*detection.rule == "listed");
    let told: Vec<(&str, &str)> = told
        .map(|detection| (&*detection.facts["listed"], &*detection.facts["list"]))
        .collect();
    assert_eq!(
        told,
        [
            ("10.0.0.1", "rieng"),
            ("10.0.0.3", "trung-tam"),
            ("10.0.0.1", "rieng"),
        ]
    );
}

#[test]
fn an_exception_keeps_events_from_a_rule_until_it_expires() {
    let arrivals: Vec<(u16, Arrival)> = (0..40).map(|_| (30, login(0, false))).collect();
    let events = events(&arrivals);
    let found_with = |rule: Option<&str>, query: &str, after_s: i64| {
        let start = events.first().unwrap().get(Field::EVENT_INGESTED);
        let Some(event::Value::Date(start)) = start else {
            panic!("a receipt time");
        };
        let exception = detect::RuleException {
            rule: rule.map(str::to_owned),
            query: query.to_owned(),
            owner: "an".to_owned(),
            reason: "a test".to_owned(),
            expires: Micros(start.0 + after_s * Micros::PER_SECOND),
        };
        let settings = Settings {
            exceptions: vec![exception],
            ..Settings::default()
        };
        let found = run(
            &mut Detector::new(rules_with(&settings), Mode::Live),
            &events,
        );
        let told = |rule: &str| -> u64 {
            let of_rule = detections(&found).into_iter();
            of_rule
                .filter(|detection| &*detection.rule == rule)
                .map(|detection| detection.count)
                .sum()
        };
        (told("count") > 0, told("listed") > 0)
    };
    let forever = 1_000_000;
    assert_eq!(
        found_with(Some("count"), "user.name:u0", forever),
        (false, true)
    );
    assert_eq!(found_with(None, "user.name:u0", forever), (false, false));
    assert_eq!(found_with(None, "user.name:u1", forever), (true, true));
    assert_eq!(found_with(None, "user.name:u0", 600), (true, true));
    let wrong = Settings {
        exceptions: vec![detect::RuleException {
            rule: Some("nobody".to_owned()),
            query: "a AND".to_owned(),
            owner: String::new(),
            reason: String::new(),
            expires: Micros::MAX,
        }],
        ..Settings::default()
    };
    let rules = Rules::from_texts(&[("rules.yml", RULES)], &wrong);
    assert_eq!(rules.problems().len(), 1);
}

#[test]
fn an_episode_swallows_what_follows_and_tells_how_much() {
    let arrivals: Vec<(u16, Arrival)> = (0..100).map(|_| (5, login(0, false))).collect();
    let mut detector = Detector::new(rules(), Mode::Live);
    let mut found = run(&mut detector, &events(&arrivals));
    detector.tell(&mut found);
    assert_eq!(fired(&found, "count"), 1);
    let id = detections(&found)
        .iter()
        .find(|detection| &*detection.rule == "count")
        .unwrap()
        .id
        .clone();
    let mut updates = found.iter().filter_map(|output| match output {
        Output::Update(update) if update.id == id => Some(update),
        _ => None,
    });
    let last = updates.next_back().unwrap();
    assert_eq!((last.count, last.evidence.len()), (100, 20));
}

#[test]
fn an_old_time_counts_as_late_and_an_incredible_one_not_at_all() {
    let late = |late_s| Arrival::Login {
        user: 0,
        address: 1,
        success: false,
        code: 0,
        late_s,
        sender: 1,
    };
    let fires = |lates: [i64; 3]| {
        let arrivals: Vec<_> = lates.into_iter().map(|late_s| (1, late(late_s))).collect();
        fired(
            &run(&mut Detector::new(rules(), Mode::Live), &events(&arrivals)),
            "count",
        )
    };
    assert_eq!(fires([0, 0, 0]), 1);
    assert_eq!(fires([7_200, 3_600, 0]), 0, "hours apart by their own time");
    assert_eq!(
        fires([90_000, 0, -400]),
        1,
        "more than a day early or five minutes late: the receipt counts"
    );
}

#[test]
fn imports_raise_nothing_unless_in_a_detector_of_their_own() {
    let arrivals: Vec<_> = (0..3).map(|_| (1, login(0, false))).collect();
    let mut events = events(&arrivals);
    events
        .iter_mut()
        .for_each(|event| event.set(Field::NHATKY_TRANSPORT, "import"));
    assert_eq!(run(&mut Detector::new(rules(), Mode::Live), &events), []);
    assert_eq!(
        fired(
            &run(&mut Detector::new(rules(), Mode::Import), &events),
            "count"
        ),
        1
    );
}

/// Talks every ten seconds for five minutes, then is silent for ten minutes.
fn silence_of(sources: &[&str]) -> Vec<String> {
    let mut events = Vec::new();
    for turn in 0..30 {
        for source in sources {
            let mut event = event(events.len(), 1_791_943_200 + turn * 10, &login(9, true));
            event.set(Field::NHATKY_SOURCE, *source);
            events.push(event);
        }
    }
    for turn in 30..90 {
        events.push(event(
            events.len(),
            1_791_943_200 + turn * 10,
            &Arrival::Beat,
        ));
    }
    let found = run(&mut Detector::new(rules(), Mode::Live), &events);
    let silent = detections(&found)
        .into_iter()
        .filter(|detection| &*detection.rule == "silence");
    silent
        .map(|detection| detection.key[0].to_string())
        .collect()
}

#[test]
fn a_relay_and_all_behind_it_fall_silent_once() {
    assert_eq!(
        silence_of(&["192.0.2.1/a", "192.0.2.2/a", "192.0.2.2/b"]),
        ["192.0.2.1", "192.0.2.2"]
    );
    assert_eq!(
        silence_of(&["192.0.2.9>h1/a", "192.0.2.9>h2/a"]),
        ["192.0.2.9"]
    );
}

#[test]
fn the_nodes_own_stop_is_nobodys_silence() {
    let mut arrivals: Vec<_> = (0..30).map(|_| (5, login(0, true))).collect();
    arrivals.push((5, Arrival::Beat));
    let mut events = events(&arrivals);
    let mut later = event(events.len(), 1_791_943_200 + 90_000, &Arrival::Beat);
    later.set(
        Field::EVENT_INGESTED,
        Micros((1_791_943_200 + 90_000) * Micros::PER_SECOND),
    );
    events.push(later);
    let found = run(&mut Detector::new(rules(), Mode::Live), &events);
    assert_eq!(fired(&found, "silence"), 0);
}

#[test]
fn a_day_tells_what_each_rule_saw_of_it() {
    const START_S: i64 = 1_791_943_200;
    // Việt Nam's days begin at 17:00 UTC.
    let today = CalendarDay::of(Micros(START_S * Micros::PER_SECOND), 420);
    let tomorrow = CalendarDay(today.0 + 1).start(420);
    let mut nameless = event(3, START_S + 3, &login(0, false));
    nameless.remove(Field::USER_NAME);
    let events = [
        event(0, START_S, &login(0, false)),
        event(1, START_S + 1, &login(1, true)),
        event(2, START_S + 2, &Arrival::Beat),
        nameless,
        event(4, tomorrow.0 / Micros::PER_SECOND, &Arrival::Beat),
    ];
    let found = run(&mut Detector::new(rules(), Mode::Live), &events);
    let days = days(&found);
    let (day, rules) = days.get(&today).expect("the day that has ended");
    // The step to the next record counts for as long as two heartbeats.
    assert_eq!((day.events, day.unread, day.awake_us), (4, 4, 23_000_000));
    let count = rules.get("count").expect("it saw events");
    assert_eq!((count.events, count.matched, count.keyless), (3, 2, 1));
    assert_eq!(days.len(), 1, "nothing is told of the new day yet");
}

#[test]
fn memory_is_bounded_and_what_had_to_go_is_told() {
    let settings = Settings {
        state_bytes_max: 1 << 20,
        ..Settings::default()
    };
    let mut detector = Detector::new(rules_with(&settings), Mode::Live);
    let mut found = Vec::new();
    for number in 0..50_000_usize {
        let mut event = event(
            number,
            1_791_943_200 + number as i64 / 2_000,
            &login(0, false),
        );
        event.set(Field::USER_NAME, format!("user{number}").as_str());
        detector.observe(&event, &mut found);
    }
    let status = detector.status();
    assert!(
        status.state_bytes <= 1 << 20,
        "{} bytes",
        status.state_bytes
    );
    assert!(status.evicted > 1_000);
    let told = evictions(&found).filter(|evicted| &*evicted.rule == "count");
    let told: u64 = told.map(|evicted| evicted.keys).sum();
    assert!(told > 1_000);
}

#[test]
fn a_sum_counts_every_one_of_many_small_numbers_before_and_after_a_restart() {
    const SUM: &str = "
title: A log-in
name: any
logsource: {product: nhatky, category: login}
detection: {n: {nhatky.class: login}, condition: n}
nhatky: {base: true}
---
title: Sum
name: sum
correlation: {type: value_sum, rules: any, group-by: user.name, timespan: 1h, condition: {field: event.code, gte: 10000}}
";
    let rules = sound(SUM, &Settings::default());
    let mut detector = Detector::new(Arc::clone(&rules), Mode::Live);
    let mut found = Vec::new();
    for number in 0..12_000_usize {
        if number % 1_000 == 999 {
            let restored =
                Detector::restore(&detector.checkpoint(), Arc::clone(&rules), Mode::Live);
            detector = restored.unwrap().detector;
        }
        let mut event = event(number, 1_791_943_200 + number as i64 / 10, &login(0, true));
        event.set(Field::EVENT_CODE, "1");
        detector.observe(&event, &mut found);
        assert_eq!(
            fired(&found, "sum"),
            usize::from(number + 1 >= 10_000),
            "{number}"
        );
    }
    assert_eq!(detections(&found)[0].count, 10_000);
}

#[test]
fn what_was_forgotten_before_a_restart_is_told_after_it() {
    let settings = Settings {
        state_bytes_max: 1 << 20,
        ..Settings::default()
    };
    let rules = rules_with(&settings);
    let mut detector = Detector::new(Arc::clone(&rules), Mode::Live);
    let mut found = Vec::new();
    for number in 0..5_000 {
        let mut event = event(number, 1_791_943_200, &login(0, false));
        event.set(Field::USER_NAME, format!("user{number}").as_str());
        detector.observe(&event, &mut found);
    }
    assert_eq!(evictions(&found).count(), 0);
    let restored = Detector::restore(&detector.checkpoint(), rules, Mode::Live).unwrap();
    let mut after = restored.detector;
    let (mut told, mut expected) = (Vec::new(), Vec::new());
    after.tell(&mut told);
    detector.tell(&mut expected);
    let forgotten: u64 = evictions(&expected).map(|evicted| evicted.keys).sum();
    assert!(forgotten > 1_000);
    assert_eq!(told, expected);
}

#[test]
fn settings_change_numbers_and_are_part_of_the_version() {
    let own = RuleSettings {
        threshold: Some(2),
        disposition: Some(Disposition::Digest),
        ..RuleSettings::default()
    };
    let off = RuleSettings {
        enabled: Some(false),
        ..RuleSettings::default()
    };
    let settings = Settings {
        rules: [
            ("count".to_owned(), own),
            ("listed".to_owned(), off),
            ("nobody".to_owned(), RuleSettings::default()),
        ]
        .into(),
        ..Settings::default()
    };
    let changed = Rules::from_texts(&[("rules.yml", RULES)], &settings);
    assert_ne!(changed.version(), rules().version());
    assert_eq!(changed.problems().len(), 1, "{:?}", changed.problems());
    let arrivals = [(1, login(0, false)), (1, login(0, false))];
    let found = run(
        &mut Detector::new(Arc::new(changed), Mode::Live),
        &events(&arrivals),
    );
    assert_eq!(fired(&found, "listed"), 0);
    let count = detections(&found)
        .into_iter()
        .find(|detection| &*detection.rule == "count")
        .unwrap();
    assert_eq!(count.disposition, Disposition::Digest);
}

#[test]
fn after_a_change_of_rules_the_others_keep_their_memory() {
    let mut detector = Detector::new(rules(), Mode::Live);
    let all = events(&[
        (1, login(0, false)),
        (1, login(0, false)),
        (1, login(0, false)),
    ]);
    run(&mut detector, &all[..2]);
    let own = RuleSettings {
        threshold: Some(9),
        ..RuleSettings::default()
    };
    let settings = Settings {
        rules: [("values".to_owned(), own)].into(),
        ..Settings::default()
    };
    let bytes = detector.checkpoint();
    let mut restored = Detector::restore(&bytes, rules_with(&settings), Mode::Live).unwrap();
    assert_eq!(
        restored.fresh.iter().map(|id| &**id).collect::<Vec<_>>(),
        ["values"]
    );
    assert_eq!(fired(&run(&mut restored.detector, &all), "count"), 1);

    let mut newer = bytes;
    newer[8] = 9;
    assert_eq!(
        Detector::restore(&newer, rules(), Mode::Live).unwrap_err(),
        RestoreError::Version(9)
    );
}

#[test]
fn mistakes_in_a_rule_file_are_told_with_their_place_and_spare_the_others() {
    let text = "title: Good\nname: good\nlogsource: {product: nhatky, category: login}\ndetection: {a: {user.name: x}, condition: a}\n---\ntitle: Bad\nname: bad\nlogsource: {product: nhatky, category: login}\ndetection: {a: {user.name|shout: x}, condition: a}\n---\ntitle: Orphan\nname: orphan\ncorrelation: {type: event_count, rules: nobody, group-by: user.name, timespan: 1m, condition: {gte: 2}}\n";
    let rules = Rules::from_texts(
        &[("a.yml", text), ("b.yml", "title: x\nnonsense: 1\n")],
        &Settings::default(),
    );
    let problems: Vec<String> = rules.problems().iter().map(ToString::to_string).collect();
    assert_eq!(rules.infos().len(), 1, "{problems:?}");
    let expected = [
        "b.yml:2",
        "a.yml:11: rule orphan: refers to `nobody`",
        "a.yml:6: rule bad: detection.a: user.name|shout",
    ];
    for part in expected {
        assert!(
            problems.iter().any(|problem| problem.contains(part)),
            "{part}: {problems:?}"
        );
    }
}

#[test]
fn a_sites_file_stands_in_place_of_ours() {
    let content = tempfile::tempdir().expect("a folder");
    let folder = content.path().join("rules");
    std::fs::create_dir_all(&folder).expect("a folder");
    let own = "title: Ours now\nid: scan-vertical\nlogsource: {product: nhatky, category: login}\ndetection: {a: {user.name: x}, condition: a}\n";
    std::fs::write(folder.join("own.yml"), own).expect("a file");
    let rules = Rules::load(Some(content.path()), &Settings::default());
    assert_eq!(rules.problems(), []);
    assert_eq!(rules.info("scan-vertical").unwrap().title, "Ours now");
    assert!(rules.info("scan-horizontal").is_some());
}
