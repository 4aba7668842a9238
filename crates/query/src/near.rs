//! Names that were probably meant: near the one that was written.

use event::Field;

use crate::fold::fold;

/// The longest word that is compared, in characters; no name is longer.
const LENGTH_MAX: usize = 64;

/// The name that is nearest to the word, whatever its case and diacritics: one slip away from short words, two from
/// longer ones; of those equally near the first. `None` where none is near, or one of them is the word itself.
///
/// A slip is a character too many, too few, another, or two swapped.
///
/// ```
/// assert_eq!(query::nearest("cuont", ["sum", "count"]), Some("count"));
/// assert_eq!(query::nearest("user_name", ["user.name"]), Some("user.name"));
/// assert_eq!(query::nearest("port", ["source.port"]), None);
/// ```
pub fn nearest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let written = chars(word)?;
    let slips_max = match written.len() {
        0..=2 => return None,
        3..=5 => 1,
        _ => 2,
    };
    let mut best = None;
    for name in names {
        if name == word {
            return None;
        }
        if name.chars().count().abs_diff(written.len()) > slips_max {
            continue;
        }
        let Some(slips) = chars(name).and_then(|name| slips(&written, &name, slips_max)) else {
            continue;
        };
        if best.is_none_or(|(least, _)| slips < least) {
            best = Some((slips, name));
        }
    }
    best.map(|(_, name)| name)
}

/// What other products call fields that have another name here.
const OTHER_NAMES: [(&str, &str); 27] = [
    ("action", "event.action"),
    ("dest_ip", "destination.ip"),
    ("device", "observer.name"),
    ("dport", "destination.port"),
    ("dst", "destination.ip"),
    ("dst_ip", "destination.ip"),
    ("dst_port", "destination.port"),
    ("dstip", "destination.ip"),
    ("dstport", "destination.port"),
    ("host", "host.name"),
    ("hostname", "host.name"),
    ("level", "log.level"),
    ("outcome", "event.outcome"),
    ("process", "process.name"),
    ("product", "nhatky.product"),
    ("raw", "event.original"),
    ("severity", "event.severity"),
    ("source", "nhatky.source"),
    ("sport", "source.port"),
    ("src", "source.ip"),
    ("src_ip", "source.ip"),
    ("src_port", "source.port"),
    ("srcip", "source.ip"),
    ("srcport", "source.port"),
    ("time", "@timestamp"),
    ("timestamp", "@timestamp"),
    ("user", "user.name"),
];

/// The known field that was probably meant by a name that none has: one near it, or what other products call so.
#[must_use]
pub fn field_meant(name: &str) -> Option<&'static str> {
    let lower = name.to_ascii_lowercase();
    let other = OTHER_NAMES.iter().find(|(other, _)| *other == lower);
    let known = || Field::all().map(Field::name);
    other.map_or_else(|| nearest(name, known()), |(_, field)| Some(*field))
}

fn chars(text: &str) -> Option<Vec<char>> {
    if text.len() > 4 * LENGTH_MAX {
        return None;
    }
    let folded: Vec<char> = fold(text).chars().collect();
    (folded.len() <= LENGTH_MAX).then_some(folded)
}

/// How many slips lead from one word to the other, if no more than `most`: the optimal string alignment distance.
fn slips(one: &[char], two: &[char], most: usize) -> Option<usize> {
    if one.len().abs_diff(two.len()) > most {
        return None;
    }
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=two.len()).collect();
    for (row, from) in one.iter().enumerate() {
        let mut next = vec![row + 1];
        for (column, to) in two.iter().enumerate() {
            let at =
                |line: &[usize], place: usize| line.get(place).copied().unwrap_or(usize::MAX - 1);
            let mut least = (at(&last, column + 1) + 1)
                .min(at(&next, column) + 1)
                .min(at(&last, column) + usize::from(from != to));
            let swapped = row > 0
                && column > 0
                && one.get(row - 1) == Some(to)
                && two.get(column - 1) == Some(from);
            if swapped {
                least = least.min(at(&before_last, column - 1) + 1);
            }
            next.push(least);
        }
        if next.iter().all(|slips| *slips > most) {
            return None;
        }
        before_last = std::mem::replace(&mut last, next);
    }
    last.last().copied().filter(|slips| *slips <= most)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slip_or_two_are_forgiven_and_no_more() {
        let check = |word: &str, expected: Option<&str>| {
            let names = ["stats", "head", "sort", "user.name", "source.ip", "by"];
            assert_eq!(nearest(word, names), expected, "{word}");
        };
        check("statz", Some("stats"));
        check("satts", Some("stats"));
        check("hed", Some("head"));
        check("User.Name", Some("user.name"));
        check("usr.nmae", Some("user.name"));
        check("usr.nm", None);
        check("soucre.ip", Some("source.ip"));
        check("stats", None);
        check("b", None);
        check(&"s".repeat(1000), None);
    }

    #[test]
    fn what_others_call_a_field_leads_to_ours() {
        for (other, ours) in OTHER_NAMES {
            assert!(Field::from_name(ours).is_some(), "{ours}");
            assert!(Field::from_name(other).is_none(), "{other}");
        }
        assert_eq!(field_meant("Src_IP"), Some("source.ip"));
        assert_eq!(field_meant("usr.name"), Some("user.name"));
        assert_eq!(field_meant("fortinet.vd"), None);
    }

    proptest! {
        #[test]
        fn nearness_is_mutual(one in "[abc]{3,8}", two in "[abc]{3,8}") {
            let (first, second): (Vec<char>, Vec<char>) = (one.chars().collect(), two.chars().collect());
            prop_assert_eq!(slips(&first, &second, 2), slips(&second, &first, 2));
            prop_assert_eq!(slips(&first, &first, 2), Some(0));
        }
    }
}
