//! `domain_user`, `endpoint`: names taken apart.

use std::borrow::Cow;

use super::text::part;
use super::{Function, Scope, StepError, StepSource};
use crate::frame::{Frame, Piece, Symbol};
use crate::mapping;

#[derive(Debug)]
struct DomainUser {
    from: Symbol,
    name: Symbol,
    domain: Symbol,
}

/// `CORP\an`, `an@corp` → the account and its domain.
pub(super) fn domain_user(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    let [name, domain] = *source.results(scope) else {
        return Err(source.needs("`to` = [name, domain]"));
    };
    Ok(Box::new(DomainUser {
        from: source.operand(scope)?,
        name,
        domain,
    }))
}

impl Function for DomainUser {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        let Some(text) = frame.get(self.from).and_then(Piece::text) else {
            return;
        };
        let name = part(text.clone(), |text| event::split_account(text).0);
        frame.put(self.name, Piece::Text(name));
        let domain = part(text, |text| {
            event::split_account(text).1.unwrap_or_default()
        });
        frame.put(self.domain, Piece::Text(domain));
    }
}

#[derive(Debug)]
struct Endpoint {
    from: Symbol,
    ip: Symbol,
    domain: Symbol,
    port: Symbol,
}

/// `10.0.0.1:80`, `[2001:db8::1]:80`, `web.example:80` → `to`.ip or `to`.domain, and `to`.port.
pub(super) fn endpoint(
    source: &StepSource,
    scope: &mut Scope<'_>,
) -> Result<Box<dyn Function>, StepError> {
    let [base] = source.to.as_slice() else {
        return Err(source.needs("one name in `to`"));
    };
    Ok(Box::new(Endpoint {
        from: source.operand(scope)?,
        ip: scope.symbols.intern_output(&format!("{base}.ip")),
        domain: scope.symbols.intern_output(&format!("{base}.domain")),
        port: scope.symbols.intern_output(&format!("{base}.port")),
    }))
}

impl Function for Endpoint {
    fn apply<'a>(&'a self, frame: &mut Frame<'a>) {
        let Some(text) = frame.get(self.from).and_then(Piece::text) else {
            return;
        };
        if let Some(address) = mapping::address(&text) {
            return frame.put(self.ip, address);
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if port.parse::<u16>().is_ok() => (host, Some(port)),
            _ => (&*text, None),
        };
        if let Some(port) = port.and_then(mapping::number) {
            frame.put(self.port, port);
        }
        match mapping::address(host) {
            Some(address) => frame.put(self.ip, address),
            None => frame.put(self.domain, Piece::Text(Cow::Owned(host.to_owned()))),
        }
    }
}
