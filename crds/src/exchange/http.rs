//! A request of an exchange, whole: whoever has a connection to its host can send it.

use http::Method;

use crate::secret::Secret;

/// A request to one of the fixed hosts.
#[derive(Clone, Debug)]
pub struct HttpRequest {
    /// POST, so far.
    pub method: Method,
    /// `https://HOST/PATH`.
    pub url: String,
    /// In lower case; without host and content-length. Each value may hold a credential.
    pub headers: Vec<(&'static str, Secret)>,
    /// The body.
    pub body: Secret,
}

impl HttpRequest {
    pub(super) fn form(url: String, pairs: &[(&str, &str)]) -> Self {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        Self::new(url, "application/x-www-form-urlencoded", body)
    }

    pub(super) fn json(url: String, body: &impl serde::Serialize) -> Self {
        Self::new(url, "application/json", serde_json::to_string(body).expect("strings can be written"))
    }

    fn new(url: String, content_type: &str, body: String) -> Self {
        let header = |name, value: &str| (name, Secret::new(value.to_owned()));
        let headers = vec![header("content-type", content_type), header("accept", "*/*")];
        Self { method: Method::POST, url, headers, body: Secret::new(body) }
    }
}

/// Whether a value is visible ASCII and nothing else, and not endless: what a header, a form and a log can carry.
pub(super) fn is_plain(value: &str, most: usize) -> bool {
    !value.is_empty() && value.len() <= most && value.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether a value is made of ASCII letters, digits and these.
pub(super) fn is_made_of(value: &str, others: &[u8], most: usize) -> bool {
    !value.is_empty()
        && value.len() <= most
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || others.contains(&byte))
}
