//! Ours beside another implementation of Sigma (`rsigma-eval`): the same rules of SigmaHQ on the same Windows events give
//! the same matches, but for what is listed with its reason.
//!
//! The other is given events under Sigma's own names, made here from what the shipper sent; ours the same events through
//! parser and taxonomy. So this compares the taxonomy, too.

mod sigma_corpus;

use std::collections::{BTreeMap, BTreeSet};

use detect::{RuleState, Rules, Settings};
use rsigma_eval::Engine;
use rsigma_eval::event::JsonEvent;
use rsigma_parser::LogSource;
use serde_json::{Map, Value};
use sigma_corpus::{Reader, corpus, files, regression, unpacked, windows_lines, winlogbeat};

/// Differences that are meant: rule, and why.
const MEANT: &[(&str, &str)] = &[];

/// Channels by Sigma's `service`, and kinds of events by its `category`: written here anew, from Sigma's taxonomy.
fn log_sources(channel: &str, code: &str) -> Vec<(Option<&'static str>, Option<&'static str>)> {
    let sysmon = "Microsoft-Windows-Sysmon/Operational";
    let service = match channel {
        "Security" => Some("security"),
        "System" => Some("system"),
        "Application" => Some("application"),
        "Microsoft-Windows-Sysmon/Operational" => Some("sysmon"),
        "Microsoft-Windows-PowerShell/Operational" => Some("powershell"),
        "Windows PowerShell" => Some("powershell-classic"),
        "Microsoft-Windows-Windows Defender/Operational" => Some("windefend"),
        "Microsoft-Windows-TaskScheduler/Operational" => Some("taskscheduler"),
        "Microsoft-Windows-WMI-Activity/Operational" => Some("wmi"),
        "Microsoft-Windows-NTLM/Operational" => Some("ntlm"),
        "Microsoft-Windows-DNS Client Events/Operational" => Some("dns-client"),
        _ => None,
    };
    let categories: &[&str] = match (channel, code) {
        (c, "1") if c == sysmon => &["process_creation"],
        ("Security", "4688") => &["process_creation"],
        (c, "2") if c == sysmon => &["file_change"],
        (c, "3") if c == sysmon => &["network_connection"],
        (c, "4" | "16") if c == sysmon => &["sysmon_status"],
        (c, "5") if c == sysmon => &["process_termination"],
        (c, "6") if c == sysmon => &["driver_load"],
        (c, "7") if c == sysmon => &["image_load"],
        (c, "8") if c == sysmon => &["create_remote_thread"],
        (c, "9") if c == sysmon => &["raw_access_thread"],
        (c, "10") if c == sysmon => &["process_access"],
        (c, "11") if c == sysmon => &["file_event"],
        (c, "12") if c == sysmon => &["registry_event", "registry_add", "registry_delete"],
        (c, "13") if c == sysmon => &["registry_event", "registry_set"],
        (c, "14") if c == sysmon => &["registry_event", "registry_rename"],
        (c, "15") if c == sysmon => &["create_stream_hash"],
        (c, "17" | "18") if c == sysmon => &["pipe_created"],
        (c, "19" | "20" | "21") if c == sysmon => &["wmi_event"],
        (c, "22") if c == sysmon => &["dns_query"],
        (c, "23" | "26") if c == sysmon => &["file_delete"],
        (c, "25") if c == sysmon => &["process_tampering"],
        (c, "29") if c == sysmon => &["file_executable_detected"],
        (c, "255") if c == sysmon => &["sysmon_error"],
        ("Microsoft-Windows-PowerShell/Operational", "4103") => &["ps_module"],
        ("Microsoft-Windows-PowerShell/Operational", "4104") => &["ps_script"],
        ("Windows PowerShell", "400") => &["ps_classic_start"],
        ("Windows PowerShell", "600") => &["ps_classic_provider_start"],
        ("Windows PowerShell", "800") => &["ps_classic_script"],
        _ => &[],
    };
    let mut sources = vec![(service, None)];
    sources.extend(categories.iter().map(|category| (service, Some(*category))));
    sources
}

/// The event under Sigma's names: what Windows names, and what Sigma calls otherwise.
fn sigma_names(shipped: &Value) -> Value {
    let winlog = &shipped["winlog"];
    let mut flat = Map::new();
    for part in ["event_data", "user_data"] {
        for (name, value) in winlog[part].as_object().into_iter().flatten() {
            // Defender's names hold spaces; an empty text is no value.
            if value.as_str() != Some("") {
                flat.insert(name.clone(), value.clone());
                flat.insert(name.replace(' ', ""), value.clone());
            }
        }
    }
    let mut set = |name: &str, value: &Value| {
        let plain = !value.is_null() && value.as_str() != Some("");
        if plain && !flat.contains_key(name) {
            flat.insert(name.to_owned(), value.clone());
        }
    };
    set("EventID", &winlog["event_id"]);
    set("Channel", &winlog["channel"]);
    set("Provider_Name", &winlog["provider_name"]);
    set("Computer", &winlog["computer_name"]);
    set("ComputerName", &winlog["computer_name"]);
    set("Message", &shipped["message"]);
    set("Data", &winlog["event_data"]["param3"]);
    if code_of(shipped) == "4688" {
        let data = &winlog["event_data"];
        set("Image", &data["NewProcessName"]);
        set("ParentImage", &data["ParentProcessName"]);
        set("User", &data["SubjectUserName"]);
        set("IntegrityLevel", &data["MandatoryLabel"]);
    }
    Value::Object(flat)
}

fn code_of(shipped: &Value) -> String {
    match &shipped["winlog"]["event_id"] {
        Value::String(code) => code.clone(),
        code => code.to_string(),
    }
}

#[test]
fn ours_matches_what_another_implementation_matches() {
    let (Some(archive), Some(cases), Some(lines)) =
        (corpus("sigma/rules.tar.gz"), regression(), windows_lines())
    else {
        return;
    };
    let content = unpacked(&archive);
    let rules = Rules::load(Some(content.path()), &Settings::default());
    let active: BTreeSet<&str> = rules
        .infos()
        .into_iter()
        .filter(|info| info.state == RuleState::Active)
        .map(|info| &*info.id)
        .collect();
    let mut engine = Engine::new();
    let mut compared = BTreeSet::new();
    for (_, text) in files(content.path(), ".yml") {
        let Ok(collection) = rsigma_parser::parse_sigma_yaml(&text) else {
            continue;
        };
        for rule in &collection.rules {
            let id = rule.id.clone().unwrap_or_default();
            let windows = rule.logsource.product.as_deref() == Some("windows");
            if windows && active.contains(id.as_str()) && engine.add_rule(rule).is_ok() {
                compared.insert(id);
            }
        }
    }
    let mut shipped: Vec<Value> = cases
        .iter()
        .flat_map(|(_, events)| events)
        .map(winlogbeat)
        .collect();
    let lines = lines.iter().map(|line| serde_json::from_str(line));
    shipped.extend(lines.map(|line| line.expect("JSON")));
    let mut reader = Reader::new();
    let mut differences: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut matches = 0;
    for (number, shipped) in shipped.iter().enumerate() {
        let event = reader.event(&shipped.to_string());
        let ours: BTreeSet<String> = rules
            .matched_by(&event)
            .into_iter()
            .filter(|id| compared.contains(*id))
            .map(str::to_owned)
            .collect();
        let named = sigma_names(shipped);
        let channel = shipped["winlog"]["channel"].as_str().unwrap_or_default();
        let mut theirs = BTreeSet::new();
        for (service, category) in log_sources(channel, &code_of(shipped)) {
            let source = LogSource {
                product: Some("windows".to_owned()),
                service: service.map(str::to_owned),
                category: category.map(str::to_owned),
                ..LogSource::default()
            };
            let found = engine.evaluate_with_logsource(&JsonEvent::borrow(&named), &source);
            theirs.extend(found.into_iter().filter_map(|found| found.header.rule_id));
        }
        matches += ours.intersection(&theirs).count();
        for id in ours.symmetric_difference(&theirs) {
            let who = if ours.contains(id) { "ours" } else { "theirs" };
            let note = format!("{who} alone: event {number} {channel} {}", code_of(shipped));
            differences.entry(id.clone()).or_default().push(note);
        }
    }
    eprintln!(
        "{} rules, {} events, {matches} matches of both",
        compared.len(),
        shipped.len()
    );
    for (rule, reason) in MEANT {
        assert!(
            differences.remove(*rule).is_some(),
            "no difference any more: {rule}: {reason}"
        );
    }
    let shown: Vec<String> = differences
        .iter()
        .map(|(rule, notes)| format!("{rule}: {} × {}", notes.len(), notes[0]))
        .collect();
    assert!(shown.is_empty(), "{}: {}", shown.len(), shown.join("\n"));
}
