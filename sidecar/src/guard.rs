//! Who may call this port at all, before a byte of the body is read. Pure.
//!
//! The port has the provider's keys behind it. A page in a browser, a rebound name or an app that fetches URLs of
//! strangers must not get through: Host must be loopback, there must be no Origin, and the body must be JSON, which no
//! page can send without asking first.

use http::request::Parts;
use http::{HeaderMap, Method, header};

use crate::decode::Coding;
use crate::failure::Failure;
use crate::multipart;

/// The largest body, in bytes.
pub const LARGEST_BODY: u64 = 32 * 1024 * 1024;

/// Refuses callers that are no app of this pod.
pub fn caller(parts: &Parts) -> Result<(), Failure> {
    let host = match parts.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => text(&parts.headers, header::HOST.as_str()),
    };
    if !host.is_some_and(is_loopback) || parts.headers.get_all(header::HOST).iter().count() > 1 {
        return Err(Failure::MisdirectedRequest);
    }
    let cross_site = text(&parts.headers, "sec-fetch-site").is_some_and(|site| site != "none");
    if parts.headers.contains_key(header::ORIGIN) || cross_site {
        return Err(Failure::OriginRefused);
    }
    Ok(())
}

/// The port is free to choose: a forwarded port has another number.
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) if port.is_empty() || is_port(port) => name,
            _ => return false,
        },
        None => match host.split_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            Some(_) => return false,
            None => host,
        },
    };
    name == "127.0.0.1" || name == "::1" || name.eq_ignore_ascii_case("localhost")
}

fn is_port(text: &str) -> bool {
    text.strip_prefix(':').is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Refuses a method that the endpoint does not know.
pub fn method(parts: &Parts, allowed: &'static str) -> Result<(), Failure> {
    if parts.method.as_str() == allowed { Ok(()) } else { Err(Failure::MethodNotAllowed(allowed)) }
}

/// Refuses a body that is neither JSON nor, where files are taken, a form, and one in a coding that is not understood.
pub fn body(parts: &Parts, takes_forms: bool) -> Result<(), Failure> {
    debug_assert_eq!(parts.method, Method::POST, "only calls have a body");
    let kind = text(&parts.headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim();
    // A page can send a form without asking first, but not past Host, Origin and Sec-Fetch-Site.
    let is_form = takes_forms && multipart::boundary(kind).is_some();
    if !essence.eq_ignore_ascii_case("application/json") && !is_form {
        let said = if kind.is_empty() { "there is none".to_owned() } else { format!("it is {essence}") };
        let wanted = if takes_forms { "application/json or multipart/form-data" } else { "application/json" };
        return Err(Failure::UnsupportedMediaType(format!("the Content-Type must be {wanted}; {said}")));
    }
    coding(&parts.headers).map(|_| ())
}

/// How the body is coded.
pub fn coding(headers: &HeaderMap) -> Result<Coding, Failure> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let named = match (codings.next(), codings.next()) {
        (None, _) => return Ok(Coding::Identity),
        (Some(name), None) => name.to_str().ok().and_then(Coding::named),
        (Some(_), Some(_)) => None,
    };
    named.ok_or_else(|| {
        Failure::UnsupportedMediaType(
            "the Content-Encoding must be gzip, deflate or zstd, or there must be none".to_owned(),
        )
    })
}

/// How long the body says it is.
pub fn declared_length(headers: &HeaderMap) -> Option<u64> {
    text(headers, header::CONTENT_LENGTH.as_str())?.parse().ok()
}

fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let mut request = http::Request::post("/v1/chat/completions");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn only_loopback_hosts_are_ours() {
        for host in ["127.0.0.1", "127.0.0.1:14141", "localhost:1", "LOCALHOST", "[::1]", "[::1]:14141"] {
            assert!(caller(&parts(&[("host", host)])).is_ok(), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "localhost.evil.example:80",
            "127.0.0.1:80@evil.example",
            "[::1",
            "[::1]x",
            "[::2]",
            "0.0.0.0",
            "10.0.0.1",
            "127.0.0.2",
            "localhost:80x",
        ] {
            assert!(caller(&parts(&[("host", host)])).is_err(), "{host}");
        }
        assert!(caller(&parts(&[])).is_err());
        assert!(caller(&parts(&[("host", "localhost"), ("host", "evil.example")])).is_err());
    }

    #[test]
    fn a_browser_is_refused_and_node_is_not() {
        let host = ("host", "127.0.0.1");

        assert!(matches!(caller(&parts(&[host, ("origin", "https://evil.example")])), Err(Failure::OriginRefused)));
        assert!(matches!(caller(&parts(&[host, ("origin", "null")])), Err(Failure::OriginRefused)));
        assert!(matches!(caller(&parts(&[host, ("sec-fetch-site", "cross-site")])), Err(Failure::OriginRefused)));
        assert!(caller(&parts(&[host, ("sec-fetch-mode", "cors")])).is_ok());
    }

    #[test]
    fn only_json_and_where_files_are_taken_forms_are_read() {
        let json = ("content-type", "application/json");
        let form = ("content-type", "multipart/form-data; boundary=b0");

        assert!(body(&parts(&[json]), false).is_ok());
        assert!(body(&parts(&[("content-type", "Application/JSON; charset=utf-8")]), false).is_ok());
        assert!(body(&parts(&[]), false).is_err());
        assert!(body(&parts(&[("content-type", "application/x-www-form-urlencoded")]), true).is_err());
        assert!(body(&parts(&[form]), false).is_err());
        assert!(body(&parts(&[form]), true).is_ok());
        assert!(body(&parts(&[json, ("content-encoding", "gzip")]), false).is_ok());
        for codings in
            [&[("content-encoding", "br")][..], &[("content-encoding", "gzip"), ("content-encoding", "gzip")]]
        {
            assert!(body(&parts(&[&[json], codings].concat()), false).is_err());
        }
    }
}
