//! Output that a person enjoys: aligned tables, colours by severity, sparklines; safe against what logs contain.

use std::io::IsTerminal as _;

use comfy_table::{Cell, Color, ContentArrangement, Table};

/// Whether standard output shows colours: a terminal, and `NO_COLOR` not set (<https://no-color.org>).
pub(crate) fn colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty())
}

/// The text with everything that could steer a terminal made visible: control characters become their pictures, and
/// direction marks are left out.
pub(crate) fn harmless(text: &str) -> String {
    text.chars()
        .filter_map(|c| match c {
            '\t' | '\n' | '\r' => Some(' '),
            '\u{7f}' => Some('\u{2421}'),
            c if u32::from(c) < 0x20 => char::from_u32(0x2400 + u32::from(c)),
            '\u{80}'..='\u{9f}' => Some('\u{fffd}'),
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => None,
            c => Some(c),
        })
        .collect()
}

/// Eight heights for counts, the highest for the greatest.
pub(crate) fn sparkline(counts: &[u64]) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let greatest = counts.iter().copied().max().unwrap_or(0).max(1);
    let bar = |count: u64| {
        // Only a count of zero is blank: a single event among millions must be seen.
        let step = (u128::from(count) * 7).div_ceil(u128::from(greatest));
        if count == 0 {
            ' '
        } else {
            BARS[usize::try_from(step).unwrap_or(7).min(7)]
        }
    };
    counts.iter().map(|count| bar(*count)).collect()
}

/// The colour of a severity: syslog's 0 to 7, a level's name, or an alert's severity; none for the ordinary.
pub(crate) fn severity_colour(level: &str) -> Option<Color> {
    match level.to_ascii_lowercase().as_str() {
        "0" | "1" | "2" | "emerg" | "emergency" | "alert" | "crit" | "critical" | "urgent"
        | "fatal" | "panic" => Some(Color::Magenta),
        "3" | "err" | "error" | "high" | "failure" => Some(Color::Red),
        "4" | "warn" | "warning" | "medium" => Some(Color::Yellow),
        "5" | "notice" => Some(Color::Cyan),
        "7" | "debug" => Some(Color::DarkGrey),
        _ => None,
    }
}

/// An RFC 3339 instant as people here read it: this machine's zone, to the second; other text as it is.
pub(crate) fn local_time(instant: &str) -> String {
    let Ok(instant) = instant.parse::<jiff::Timestamp>() else {
        return instant.to_owned();
    };
    let local = instant.to_zoned(jiff::tz::TimeZone::system());
    local.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A difference of times, in µs, with its sign: `+7 h`, `-6 min 40 s`, `+9125 d`; at most two units, rounded down.
pub(crate) fn offset(micros: i64) -> String {
    let sign = if micros < 0 { '-' } else { '+' };
    let mut left = micros.unsigned_abs() / 1_000_000;
    let mut parts = Vec::new();
    for (unit, seconds) in [("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)] {
        if left >= seconds && parts.len() < 2 {
            parts.push(format!("{} {unit}", left / seconds));
            left %= seconds;
        }
    }
    if parts.is_empty() {
        parts.push("0 s".to_owned());
    }
    format!("{sign}{}", parts.join(" "))
}

/// A cell with what a log or a person wrote, made harmless.
pub(crate) fn cell(text: &str) -> Cell {
    Cell::new(harmless(text))
}

/// A cell in the colour of a severity, which `shown` names in the person's language.
pub(crate) fn severity_cell(level: &str, shown: &str) -> Cell {
    let cell = cell(shown);
    match severity_colour(level) {
        Some(colour) if colours() => cell.fg(colour),
        _ => cell,
    }
}

/// A table without frames, columns aligned, fitted to the terminal's width.
pub(crate) fn table(header: Vec<String>) -> Table {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(header);
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_cannot_steer_the_terminal() {
        assert_eq!(
            harmless("a\x1b[2Jb\u{9b}c\td\u{202e}e"),
            "a␛[2Jb\u{fffd}c de"
        );
        assert_eq!(harmless("tiếng Việt đủ dấu"), "tiếng Việt đủ dấu");
    }

    #[test]
    fn offsets_are_told_in_two_units() {
        let told = [25_200, -400, 26 * 365 * 86_400 + 7, 0].map(|s| offset(s * 1_000_000));
        assert_eq!(told, ["+7 h", "-6 min 40 s", "+9490 d 7 s", "+0 s"]);
    }

    #[test]
    fn a_sparkline_shows_a_single_event_among_many() {
        assert_eq!(sparkline(&[0, 1, 500, 1000]), " ▂▅█");
        assert_eq!(sparkline(&[]), "");
    }
}
