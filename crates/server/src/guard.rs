//! What every request must hold to before anybody looks at it: a host that is us, and no foreign page behind it.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::app::App;
use crate::problem::Problem;

/// Lets requests to us pass, and marks the answers as not to be sniffed.
pub(crate) async fn check(State(app): State<App>, request: Request, next: Next) -> Response {
    if let Err(problem) = judge(request.headers(), request.uri(), &app.parts.options.names) {
        return problem.into_response();
    }
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}

/// A page that a stranger's name was made to lead to us carries that name in Host (DNS rebinding); a page from elsewhere
/// that sends us requests carries its own in Origin.
fn judge(headers: &HeaderMap, uri: &Uri, names: &[String]) -> Result<(), Problem> {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let authority = host.or_else(|| uri.authority().map(|authority| authority.as_str()));
    let Some(authority) = authority else {
        return Err(Problem::new(
            StatusCode::BAD_REQUEST,
            "host",
            "the request has no Host",
        ));
    };
    if !is_ours(name_of(authority), names) {
        let detail = format!(
            "this server is not reached as «{}»: add the name to `http.names` if it should be",
            name_of(authority)
        );
        return Err(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "host",
            detail,
        ));
    }
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    let same = origin
        .split_once("://")
        .is_some_and(|(_, origin)| origin.eq_ignore_ascii_case(authority));
    if same {
        return Ok(());
    }
    let detail = "requests from pages of other origins are not served";
    Err(Problem::new(StatusCode::FORBIDDEN, "origin", detail))
}

/// The host without its port.
fn name_of(authority: &str) -> &str {
    match authority.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

/// An address needs no name to be made to lead to us.
fn is_ours(name: &str, names: &[String]) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok()
        || names.iter().any(|ours| ours.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(host: Option<&str>, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in [(header::HOST, host), (header::ORIGIN, origin)] {
            if let Some(value) = value {
                headers.insert(name, value.parse().unwrap());
            }
        }
        judge(
            &headers,
            &Uri::from_static("/"),
            &["log.example.vn".to_owned()],
        )
        .is_ok()
    }

    #[test]
    fn only_requests_for_us_pass() {
        for host in [
            "localhost",
            "LOCALHOST:8080",
            "127.0.0.1:8080",
            "[::1]:8080",
            "10.0.0.5",
            "log.example.vn:443",
        ] {
            assert!(check(Some(host), None), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "",
            "[evil]",
        ] {
            assert!(!check(Some(host), None), "{host}");
        }
        assert!(!check(None, None));
    }

    #[test]
    fn pages_of_other_origins_do_not_pass() {
        assert!(check(Some("localhost:8080"), Some("http://localhost:8080")));
        for origin in ["http://evil.example", "null", "http://localhost:9090", ""] {
            assert!(!check(Some("localhost:8080"), Some(origin)), "{origin}");
        }
    }
}
