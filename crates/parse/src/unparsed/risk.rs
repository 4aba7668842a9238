//! What the words of a line tell, before anybody has described it: a guess that ranks, never a field.

use event::EventClass;

/// Beginnings of words, lower case, with the class that they tell of and what that is worth. The first class whose
/// words are worth most is the guess.
const WORDS: &[(EventClass, u32, &[&str])] = &[
    (
        EventClass::IntrusionWarning,
        6,
        &[
            "attack",
            "intrusion",
            "malware",
            "virus",
            "trojan",
            "exploit",
            "scan",
            "flood",
            "spoof",
            "ransom",
            "threat",
            "tấn",
            "xâm",
            "độc",
        ],
    ),
    (
        EventClass::Privilege,
        5,
        &[
            "privilege",
            "permission",
            "role",
            "grant",
            "revoke",
            "sudo",
            "admin",
            "quyền",
        ],
    ),
    (
        EventClass::Login,
        5,
        &[
            "login",
            "logon",
            "logged",
            "logout",
            "logoff",
            "auth",
            "password",
            "passwd",
            "credential",
            "signin",
            "đăng",
        ],
    ),
    (
        EventClass::Config,
        4,
        &[
            "config", "setting", "reload", "upgrade", "firmware", "policy", "cấu",
        ],
    ),
    (
        EventClass::DataChange,
        4,
        &[
            "delete", "drop", "truncate", "insert", "update", "upload", "export", "xóa",
        ],
    ),
    (
        EventClass::Connection,
        2,
        &[
            "connect", "session", "tunnel", "accept", "deny", "denied", "block", "drop", "vpn",
            "kết",
        ],
    ),
];

/// Words that make any line more urgent.
const BAD: &[&str] = &[
    "fail",
    "denied",
    "deny",
    "error",
    "invalid",
    "unauthor",
    "refus",
    "reject",
    "illegal",
    "violation",
    "alert",
    "critical",
    "panic",
    "fatal",
    "lỗi",
    "thất",
];
const BAD_WORTH: u32 = 3;

/// The class that the words tell of, if they tell of one.
pub(super) fn class(words: &[&str]) -> Option<EventClass> {
    told(words).map(|(class, _)| class)
}

/// What the words are worth: 0 for nothing remarkable.
pub(super) fn weight(words: &[&str]) -> u32 {
    let bad = words.iter().any(|word| begins(word, BAD));
    let told = told(words).map_or(0, |(_, worth)| worth);
    told + if bad { BAD_WORTH } else { 0 }
}

fn told(words: &[&str]) -> Option<(EventClass, u32)> {
    let mut best: Option<(EventClass, u32)> = None;
    for word in words {
        let row = WORDS.iter().find(|(_, _, begin)| begins(word, begin));
        if let Some((class, worth, _)) = row
            && best.is_none_or(|(_, known)| *worth > known)
        {
            best = Some((*class, *worth));
        }
    }
    best
}

fn begins(word: &str, beginnings: &[&str]) -> bool {
    let word = word.to_lowercase();
    // `userLogin`, `auth_failed` and `sshd.auth` hold several words.
    let parts = word.split(|c: char| !c.is_alphanumeric());
    parts
        .into_iter()
        .any(|part| beginnings.iter().any(|begin| part.starts_with(begin)))
}
