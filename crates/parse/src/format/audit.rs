//! The Linux audit daemon's records: `type=SYSCALL msg=audit(1791756855.003:4711): key=value …`.

use std::borrow::Cow;

use event::Micros;

use super::pairs::{Quotes, Spec, pairs};

/// What every record starts with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head<'a> {
    /// `node=`, where several hosts share a log.
    pub(crate) node: Option<&'a str>,
    /// The kind of record.
    pub(crate) kind: &'a str,
    /// When.
    pub(crate) at: Micros,
    /// The records of one event share this number.
    pub(crate) serial: u64,
    /// What [`fields`] reads.
    pub(crate) body: &'a str,
}

/// Reads the head that stands anywhere in `text`; `None` where there is none.
pub(crate) fn head(text: &str) -> Option<Head<'_>> {
    let (before, after) = text.split_once("audit(")?;
    let (stamp, body) = after.split_once(')')?;
    let (seconds, serial) = stamp.split_once(':')?;
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let micros = format!("{fraction:0<6}");
    let at = seconds
        .parse::<i64>()
        .ok()?
        .checked_mul(Micros::PER_SECOND)?;
    let at = at.checked_add(micros.get(..6)?.parse().ok()?)?;
    let value = |key: &str| {
        let mut words = before.split_ascii_whitespace();
        words.find_map(|word| word.strip_prefix(key))
    };
    Some(Head {
        node: value("node="),
        kind: value("type=").unwrap_or_default(),
        at: Micros(at),
        serial: serial.parse().ok()?,
        body: body.strip_prefix(':').unwrap_or(body).trim_start(),
    })
}

/// Hands each pair to `each`; those inside `msg='…'` stand on their own, and what `auditd` adds after the group
/// separator (`SYSCALL=open`) comes last.
pub(crate) fn fields<'a>(body: &'a str, mut each: impl FnMut(&'a str, Cow<'a, str>)) {
    const SPEC: Spec = Spec {
        quotes: Quotes::Double,
        ..Spec::SPACES
    };
    let Some((before, after)) = body.split_once("msg='") else {
        return body
            .split('\u{1d}')
            .for_each(|part| pairs(part, SPEC, &mut each));
    };
    let (inner, after) = after.rsplit_once('\'').unwrap_or((after, ""));
    for part in [before, inner].into_iter().chain(after.split('\u{1d}')) {
        pairs(part, SPEC, &mut each);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn head_and_fields_are_read() {
        let text = "node=web1 type=USER_AUTH msg=audit(1791756855.003:4711): pid=12 uid=0 msg='op=PAM:authentication acct=\"an\" exe=\"/usr/sbin/sshd\" res=failed'\u{1d}UID=\"root\"";
        let head = head(text).unwrap();
        assert_eq!(
            (head.node, head.kind, head.serial),
            (Some("web1"), "USER_AUTH", 4711)
        );
        assert_eq!(head.at.to_string(), "2026-10-11T22:14:15.003Z");
        let mut found = Vec::new();
        fields(head.body, |key, value| found.push(format!("{key}={value}")));
        assert_eq!(
            found,
            [
                "pid=12",
                "uid=0",
                "op=PAM:authentication",
                "acct=an",
                "exe=/usr/sbin/sshd",
                "res=failed",
                "UID=root"
            ]
        );
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "(type=A )?msg=audit\\([0-9.]{0,22}:[0-9]{0,22}\\):[a=' \"\u{1d}é]{0,40}") {
            if let Some(head) = head(&text) {
                fields(head.body, |_, _| ());
            }
        }
    }
}
