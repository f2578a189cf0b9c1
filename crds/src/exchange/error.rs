//! Why an exchange gives no credential, in words for whoever owns the provider. A token, a key and what the other side
//! writes in prose are never among them: prose may quote what was sent. Codes are, as far as they are plain words.

/// Why an exchange gives no credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExchangeError {
    /// It can't even be asked for: a field or a Secret is not as it must be.
    #[error("{who} can't be asked: {what}")]
    Unusable {
        /// Whom it would have asked.
        who: &'static str,
        /// The field, and what it must be.
        what: String,
    },
    /// The answer is no.
    #[error("{who} refuses with status {status}{}: {fix}", in_brackets(code))]
    Refused {
        /// Who.
        who: &'static str,
        /// The status of HTTP.
        status: u16,
        /// The code, if it is a plain word.
        code: String,
        /// What to look at.
        fix: &'static str,
    },
    /// There is no answer now.
    #[error("{who} has no answer now: status {status}{}; it will be asked again", in_brackets(code))]
    Unavailable {
        /// Who.
        who: &'static str,
        /// The status of HTTP.
        status: u16,
        /// The code, if it is a plain word.
        code: String,
    },
    /// The answer holds no credential that can be used.
    #[error("{who} gives no credential: {what}")]
    Malformed {
        /// Who.
        who: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
}

impl ExchangeError {
    /// An answer that says no, or that nobody can answer now.
    pub(super) fn status(who: &'static str, status: u16, code: &str, fix: &'static str) -> Self {
        let code = plain(code);
        let is_for_now = status == 429 || status >= 500 || code.contains("Throttl") || code == "IDPCommunicationError";
        if is_for_now { Self::Unavailable { who, status, code } } else { Self::Refused { who, status, code, fix } }
    }

    pub(super) fn unusable(who: &'static str, what: impl Into<String>) -> Self {
        Self::Unusable { who, what: what.into() }
    }

    pub(super) fn malformed(who: &'static str, what: &'static str) -> Self {
        Self::Malformed { who, what }
    }
}

/// A code, if it can be nothing else: letters, dots and underscores, and few of them. Keys and tokens have digits.
/// `AADSTS` and a number is one too.
fn plain(code: &str) -> String {
    let number = code.strip_prefix("AADSTS").unwrap_or_default();
    let is_numbered = (4..=8).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_word =
        code.len() <= 64 && code.bytes().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'.' | b'_' | b'-'));
    if is_numbered || is_word { code.to_owned() } else { String::new() }
}

fn in_brackets(code: &str) -> String {
    if code.is_empty() { String::new() } else { format!(" ({code})") }
}
