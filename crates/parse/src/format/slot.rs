//! The types that a slot of a template may have.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use nom::Parser as _;
use nom::branch::alt;
use nom::bytes::complete::{take_while_m_n, take_while1};
use nom::character::complete::{char, one_of};
use nom::combinator::{map_opt, opt, recognize};
use nom::sequence::{delimited, preceded};

use super::Read;
use super::unescape::backslashes;

/// An address: IPv4, IPv6, IPv6 in brackets, IPv6 with a zone (`fe80::1%eth0`, whose zone is left out); canonical.
///
/// It must end where the address ends: neither `10.0.0.1x` nor `10.0.0.1.example.com` is one.
pub(crate) fn ip(input: &str) -> Read<'_, IpAddr> {
    alt((bracketed_v6, ipv4.map(IpAddr::V4), ipv6)).parse_complete(input)
}

fn ipv4(input: &str) -> Read<'_, Ipv4Addr> {
    let run = take_while_m_n(7, 15, |c: char| c.is_ascii_digit() || c == '.');
    let (rest, address) = map_opt(run, |text: &str| {
        text.trim_end_matches('.')
            .parse()
            .ok()
            .map(|a| (a, text.ends_with('.')))
    })
    .parse_complete(input)?;
    let (address, dot) = address;
    // A point that ends a sentence is not the address'; one that goes on with a name makes it none.
    let rest = if dot {
        input.get(input.len() - rest.len() - 1..).unwrap_or(rest)
    } else {
        rest
    };
    let next = rest.strip_prefix('.').unwrap_or(rest);
    match next.bytes().next() {
        Some(byte) if byte.is_ascii_alphanumeric() || byte == b'_' => no(),
        _ => Ok((rest, address)),
    }
}

fn ipv6(input: &str) -> Read<'_, IpAddr> {
    let longest = input
        .bytes()
        .take(46)
        .take_while(|b| b.is_ascii_hexdigit() || matches!(b, b':' | b'.'))
        .count();
    // `2001:db8::1:` and `2001:db8::1.` end with punctuation that is not the address'.
    let (mut text, _) = input.split_at_checked(longest).ok_or(nom::Err::Error(()))?;
    for _ in 0..2 {
        if let Ok(address) = text.parse::<Ipv6Addr>() {
            let rest = input.get(text.len()..).unwrap_or_default();
            let rest = without_zone(rest);
            return match rest.bytes().next() {
                Some(byte) if byte.is_ascii_alphanumeric() || byte == b'_' => no(),
                _ => Ok((rest, IpAddr::V6(address).to_canonical())),
            };
        }
        let Some(shorter) = text.strip_suffix([':', '.']) else {
            break;
        };
        text = shorter;
    }
    no()
}

/// Skips `%eth0`.
fn without_zone(rest: &str) -> &str {
    let zone = preceded(
        char('%'),
        take_while1(|c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')),
    );
    let skipped: Read<'_, Option<&str>> = opt(zone).parse_complete(rest);
    skipped.map_or(rest, |(rest, _)| rest)
}

fn bracketed_v6(input: &str) -> Read<'_, IpAddr> {
    delimited(char('['), ipv6, char(']')).parse_complete(input)
}

/// A number with or without a fraction.
pub(crate) fn float(input: &str) -> Read<'_, f64> {
    let number = recognize((opt(one_of("+-")), digits, opt((char('.'), digits))));
    let (rest, number) = map_opt(number, |text: &str| text.parse().ok()).parse_complete(input)?;
    ends(rest, number)
}

/// Six or eight bytes of a hardware address with `:`, `-` or Cisco's points (`0011.2233.4455`), as written.
pub(crate) fn mac(input: &str) -> Read<'_, &str> {
    let mut run = take_while1(|c: char| c.is_ascii_hexdigit() || matches!(c, ':' | '-' | '.'));
    let (rest, text): (&str, &str) = run.parse_complete(input)?;
    if is_mac(text) {
        return ends(rest, text);
    }
    // `00:00:5e:00:53:01:ssid` and `0000.5e00.5301.` go on with what is not the address'.
    for len in [23, 17, 14] {
        if let Some((address, after)) = input.split_at_checked(len)
            && is_mac(address)
            && text.len() > len
            && after.starts_with([':', '-', '.'])
        {
            return Ok((after, address));
        }
    }
    no()
}

fn is_mac(text: &str) -> bool {
    let by = |separator: u8, each: usize, counts: &[usize]| {
        let parts = text.as_bytes().split(|byte| *byte == separator);
        let sound = |part: &[u8]| part.len() == each && part.iter().all(u8::is_ascii_hexdigit);
        parts.clone().all(sound) && counts.contains(&parts.count())
    };
    by(b':', 2, &[6, 8]) || by(b'-', 2, &[6, 8]) || by(b'.', 4, &[3])
}

/// A host's name: letters, digits, `-`, `_` and points between them, at most 255 bytes.
pub(crate) fn hostname(input: &str) -> Read<'_, &str> {
    let run = input
        .bytes()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.') || *b >= 0x80)
        .count();
    let name = input.get(..run).unwrap_or_default();
    let name = name.trim_end_matches(['.', '-']);
    let sound = !name.is_empty() && name.len() <= 255 && !name.starts_with(['.', '-']);
    if sound {
        Ok((input.get(name.len()..).unwrap_or_default(), name))
    } else {
        no()
    }
}

/// A text in double or single quotes, in which a backslash takes the meaning from a quote or a backslash.
pub(crate) fn quoted(input: &str) -> Read<'_, Cow<'_, str>> {
    let Some(quote @ (b'"' | b'\'')) = input.bytes().next() else {
        return no();
    };
    let inner = input.get(1..).unwrap_or_default();
    let Some(end) = closing_quote(inner.as_bytes(), quote) else {
        return no();
    };
    let rest = inner.get(end + 1..).unwrap_or_default();
    let text = inner.get(..end).unwrap_or_default();
    let plain = backslashes(text, |c| matches!(c, '"' | '\'' | '\\').then_some(c));
    Ok((rest, plain))
}

/// Where the quote stands that no backslash disarms.
pub(super) fn closing_quote(bytes: &[u8], quote: u8) -> Option<usize> {
    let mut at = 0;
    loop {
        let next = at + memchr::memchr2(quote, b'\\', bytes.get(at..)?)?;
        if bytes.get(next) == Some(&quote) {
            return Some(next);
        }
        at = next + 2;
    }
}

fn digits(input: &str) -> Read<'_, &str> {
    take_while_m_n(1, 19, |c: char| c.is_ascii_digit()).parse_complete(input)
}

/// The value, unless it goes on as a word.
fn ends<T>(rest: &str, value: T) -> Read<'_, T> {
    match rest.bytes().next() {
        Some(byte) if byte.is_ascii_alphanumeric() || byte == b'_' => no(),
        _ => Ok((rest, value)),
    }
}

fn no<'a, T>() -> Read<'a, T> {
    Err(nom::Err::Error(()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn addresses_end_where_they_end() {
        let check = |input: &str, address: &str, rest: &str| {
            let expected = Ok((rest, address.parse().unwrap()));
            assert_eq!(ip(input), expected, "{input}");
        };
        check("192.0.2.1 x", "192.0.2.1", " x");
        check("192.0.2.1, x", "192.0.2.1", ", x");
        check("192.0.2.1. Next", "192.0.2.1", ". Next");
        check("192.0.2.1.", "192.0.2.1", ".");
        check("192.0.2.1:80", "192.0.2.1", ":80");
        check("2001:db8::1 x", "2001:db8::1", " x");
        check("2001:db8::1: x", "2001:db8::1", ": x");
        check("[2001:db8::1]:80", "2001:db8::1", ":80");
        check("::ffff:192.0.2.1 x", "192.0.2.1", " x");
        check("fe80::1%eth0 x", "fe80::1", " x");
        check("::1", "::1", "");
        for input in [
            "",
            "192.0.2",
            "192.0.2.1x",
            "192.0.2.1.example.com",
            "192.0.2.256",
            "999.1.1.1",
            "abcd",
            "[192.0.2.1]",
            "[::1",
            "12:30:15",
            "::1g",
        ] {
            assert!(ip(input).is_err(), "{input}");
        }
    }

    #[test]
    fn numbers_names_and_quotes_are_read() {
        assert_eq!(float("0.125,"), Ok((",", 0.125)));
        assert_eq!(float("3"), Ok(("", 3.0)));
        assert_eq!(mac("00:11:22:aa:bb:cc x"), Ok((" x", "00:11:22:aa:bb:cc")));
        assert_eq!(mac("0011.22aa.bbcc"), Ok(("", "0011.22aa.bbcc")));
        assert!(mac("00:11:22").is_err() && mac("0:1:2:3:4:5").is_err());
        assert_eq!(
            hostname("web-1.example.vn: x"),
            Ok((": x", "web-1.example.vn"))
        );
        let ssid = "00:00:5e:00:53:01:van-phong";
        assert_eq!(mac(ssid), Ok((":van-phong", "00:00:5e:00:53:01")));
        assert_eq!(mac("0000.5e00.5301."), Ok((".", "0000.5e00.5301")));
        assert!(mac("00:00:5e:00:53:01a").is_err());
        assert_eq!(hostname("web-1."), Ok((".", "web-1")));
        assert!(hostname("-x").is_err() && hostname("").is_err());
        assert_eq!(
            quoted(r#""a \"b\" c" d"#),
            Ok((" d", Cow::Borrowed(r#"a "b" c"#)))
        );
        assert_eq!(quoted("'x' y"), Ok((" y", Cow::Borrowed("x"))));
        assert!(
            quoted(r#""open"#).is_err() && quoted(r#""open\"#).is_err() && quoted("x").is_err()
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived_and_the_rest_is_its_end(text in "[\\[0-9a-fA-F:.%\"'\\\\/#( xé]{0,60}") {
            let ends = |rest: Option<&str>| rest.is_none_or(|rest| text.ends_with(rest));
            prop_assert!(ends(ip(&text).ok().map(|(rest, _)| rest)));
            prop_assert!(ends(float(&text).ok().map(|(rest, _)| rest)));
            prop_assert!(ends(mac(&text).ok().map(|(rest, _)| rest)));
            prop_assert!(ends(hostname(&text).ok().map(|(rest, _)| rest)));
            prop_assert!(ends(quoted(&text).ok().map(|(rest, _)| rest)));
        }

        #[test]
        fn every_address_is_read_back(v4: [u8; 4], v6: [u16; 8]) {
            let v4 = IpAddr::from(v4);
            let v6 = IpAddr::from(v6).to_canonical();
            for address in [v4, v6] {
                let text = address.to_string();
                prop_assert_eq!(ip(&text), Ok(("", address)));
            }
        }
    }
}
