//! The sentences by which `class` knows an error that no word names. A new provider's go here, in small letters.
//!
//! Sources: the providers' error pages and servers, and bodies as they came over the wire.

use super::ErrorClass;

/// Sentences of one class, the statuses beside which they do (0 is none), and their parts, in small letters.
pub(super) struct Sentences {
    /// What they come to.
    pub(super) class: ErrorClass,
    /// The statuses.
    pub(super) beside: &'static [u16],
    /// Their parts.
    pub(super) parts: &'static [&'static str],
}

/// Sentences that decide where no word does. Earlier rows win over later ones.
pub(super) const SENTENCES: [Sentences; 8] = [
    Sentences {
        class: ErrorClass::Residency,
        beside: &[0, 400, 401, 403, 404, 503],
        parts: &[
            "country, region, or territory",
            "data residency",
            "gcp.resourcelocations",
            "location is not supported",
            "matching your data policy",
            "not available in your country",
            "not available in your region",
            "not supported in your country",
            "not supported in your region",
            "regional hostname",
        ],
    },
    Sentences {
        class: ErrorClass::Quota,
        beside: &[0, 400, 402, 403, 412, 422, 429],
        parts: &[
            "billing account",
            "billing hard limit",
            "billing is not active",
            "budget has been exceeded",
            "credit balance is too low",
            "enable billing",
            "exceeded your monthly included credits",
            "insufficient balance",
            "insufficient credit",
            "insufficient funds",
            "key limit exceeded",
            "more credits",
            "not enough credits",
            "out of call volume quota",
            "out of credits",
            "spend limit",
            "spending limit",
            "specified api usage limits",
            "used all available credits",
        ],
    },
    Sentences {
        class: ErrorClass::ContentFilter,
        beside: &[0, 400, 403, 422],
        parts: &[
            "content filtering policy",
            "content management policy",
            "contentpolicyviolation",
            "requires moderation",
            "usage policies",
            "usage policy",
            "was flagged",
        ],
    },
    Sentences {
        class: ErrorClass::ContextLength,
        beside: &[0, 400, 413, 422, 424, 500],
        parts: &[
            "`inputs` must have less than",
            "`inputs` tokens + `max_new_tokens` must be",
            "context length exceeded",
            "context size has been exceeded",
            "context window exceeds",
            "contextwindowexceeded",
            "exceed context limit",
            "exceeded model token limit",
            "exceeds the available context size",
            "exceeds the context length",
            "exceeds the context window",
            "exceeds the maximum number of tokens",
            "expected maxlength",
            "greater than the context length",
            "input is too large to process",
            "input is too long",
            "input tokens exceed",
            "input tokens exceeds",
            "longer than the maximum model length",
            "longer than the model's context length",
            "max context length",
            "maximum context length",
            "maximum prompt length",
            "prompt is too long",
            "prompt too long",
            "reduce the length of the messages",
            "reduce the length of your",
            "too large for model with",
            "too many input tokens",
            "too many tokens: size limit",
        ],
    },
    Sentences {
        class: ErrorClass::Auth,
        beside: &[0, 400, 404, 422],
        parts: &[
            "api key expired",
            "api key is missing",
            "api key not valid",
            "incorrect api key",
            "invalid api key",
            "invalid authentication",
            "missing api key",
            "no api key",
            "not authorized to perform",
            "security token included in the request",
        ],
    },
    Sentences {
        class: ErrorClass::NotFound,
        beside: &[0, 400, 422, 500],
        parts: &[
            "invalid model:",
            "is not a valid model",
            "isn't supported on this route",
            "model identifier is invalid",
            "model not found",
            "no such model",
            "not found for api version",
            "on-demand throughput isn't supported",
            "operation does not work with the specified model",
            "unknown model",
        ],
    },
    Sentences {
        class: ErrorClass::Unsupported,
        beside: &[0, 400, 404, 422, 501],
        parts: &[
            "are not supported",
            "cannot find field",
            "does not support",
            "doesn't support",
            "extra fields not permitted",
            "extra inputs are not permitted",
            "is not supported with",
            "is not supported by",
            "no endpoints found that can handle",
            "no endpoints found that support",
            "unknown parameter",
            "unrecognized request argument",
            "unsupported parameter",
            "unsupported value",
        ],
    },
    Sentences {
        class: ErrorClass::Overload,
        beside: &[0, 429, 500, 502],
        parts: &[
            "at capacity",
            "currently overloaded",
            "experiencing high demand",
            "high traffic",
            "model is overloaded",
            "server busy",
            "service is overloaded",
        ],
    },
];

/// Names of quotas that are counted by the day or longer: waiting seconds does not help.
pub(super) const LONG_QUOTAS: [&str; 9] =
    ["(rpd)", "(tpd)", "daily limit", "daily quota", "per day", "per month", "per-day", "perday", "permonth"];
/// What OpenAI and who copies it say where money is up, and Google of any quota.
pub(super) const CURRENT_QUOTA: &str = "exceeded your current quota";
