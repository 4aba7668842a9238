//! `url` and `request`: web addresses taken apart, without decoding what stands in them.

use std::borrow::Cow;

use super::{Function, Scope, StepError, StepSource};
use crate::frame::{Frame, Piece, Symbol};
use crate::mapping;

#[derive(Debug)]
struct Url {
    from: Symbol,
    parts: Parts,
}

#[derive(Debug)]
struct Parts {
    original: Symbol,
    path: Symbol,
    query: Symbol,
    fragment: Symbol,
    extension: Symbol,
    scheme: Symbol,
    domain: Symbol,
    port: Symbol,
    username: Symbol,
}

impl Parts {
    fn new(scope: &mut Scope<'_>) -> Self {
        let mut url = |part: &str| scope.symbols.intern(&format!("url.{part}"));
        Self {
            original: url("original"),
            path: url("path"),
            query: url("query"),
            fragment: url("fragment"),
            extension: url("extension"),
            scheme: url("scheme"),
            domain: url("domain"),
            port: url("port"),
            username: url("username"),
        }
    }

    #[expect(
        clippy::ptr_arg,
        reason = "whether it is borrowed decides whether its parts are"
    )]
    fn put<'a>(&self, url: &Cow<'a, str>, frame: &mut Frame<'a>) {
        let mut put = |symbol: Symbol, text: &str| {
            if !text.is_empty() {
                frame.put(symbol, Piece::Text(borrowed(url, text)));
            }
        };
        put(self.original, url);
        let mut rest: &str = url;
        let mut authority = "";
        if let Some((scheme, after)) = rest
            .split_once("://")
            .filter(|(scheme, _)| is_scheme(scheme))
        {
            put(self.scheme, scheme);
            let end = after.find(['/', '?', '#']).unwrap_or(after.len());
            (authority, rest) = after.split_at_checked(end).unwrap_or((after, ""));
        }
        let (before, fragment) = rest.split_once('#').unwrap_or((rest, ""));
        let (path, query) = before.split_once('?').unwrap_or((before, ""));
        put(self.fragment, fragment);
        put(self.query, query);
        put(self.path, path);
        put(self.extension, extension(path));
        let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        put(self.username, user.split(':').next().unwrap_or_default());
        let (domain, port) = split_port(host);
        put(self.domain, domain);
        if let Some(port) = mapping::number(port) {
            frame.put(self.port, port);
        }
    }
}

/// The same letters as a piece of the message, where the whole is one.
fn borrowed<'a>(whole: &Cow<'a, str>, part: &str) -> Cow<'a, str> {
    if let Cow::Borrowed(whole) = whole {
        let start = part.as_ptr().addr().wrapping_sub(whole.as_ptr().addr());
        if let Some(piece) = whole.get(start..start.saturating_add(part.len())) {
            return Cow::Borrowed(piece);
        }
    }
    Cow::Owned(part.to_owned())
}

fn is_scheme(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 16
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte))
}

fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((_, extension))
            if (1..=10).contains(&extension.len())
                && extension.bytes().all(|byte| byte.is_ascii_alphanumeric()) =>
        {
            extension
        }
        _ => "",
    }
}

pub(super) fn split_port(host: &str) -> (&str, &str) {
    match host.rsplit_once(':') {
        Some((name, port))
            if !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) =>
        {
            (name, port)
        }
        _ => (host, ""),
    }
}

pub(super) fn url(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    Ok(Box::new(Url {
        from: source.operand(scope)?,
        parts: Parts::new(scope),
    }))
}

impl Function for Url {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        if let Some(text) = frame.get(self.from).and_then(Piece::text) {
            self.parts.put(&text, frame);
        }
    }
}

#[derive(Debug)]
struct Request {
    from: Symbol,
    method: Symbol,
    version: Symbol,
    parts: Parts,
}

/// `GET /x?y HTTP/1.1`; what is not a request line gives nothing.
pub(super) fn request(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    Ok(Box::new(Request {
        from: source.operand(scope)?,
        method: scope.symbols.intern("http.request.method"),
        version: scope.symbols.intern("http.version"),
        parts: Parts::new(scope),
    }))
}

impl Function for Request {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        let Some(text) = frame.get(self.from).and_then(Piece::text) else {
            return;
        };
        let Some((method, rest)) = text.split_once(' ') else {
            return;
        };
        let token = |byte: u8| byte.is_ascii_alphabetic() || byte == b'-' || byte == b'_';
        if method.is_empty() || method.len() > 20 || !method.bytes().all(token) {
            return;
        }
        frame.put(self.method, Piece::Text(borrowed(&text, method)));
        let rest = match rest.rsplit_once(' ') {
            Some((url, version)) if version.starts_with("HTTP/") => {
                let number = version.get(5..).unwrap_or_default();
                frame.put(self.version, Piece::Text(borrowed(&text, number)));
                url
            }
            _ => rest,
        };
        self.parts.put(&borrowed(&text, rest), frame);
    }
}
