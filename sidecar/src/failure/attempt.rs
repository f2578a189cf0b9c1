//! How one attempt ends without an answer, what that says of the provider, and how it is told. It never holds what the
//! provider wrote.

use std::time::Duration;

use http::StatusCode;
use lotse_crds::name::ObjectName;
use serde::Serialize;

use crate::format::error::{ErrorClass, ProviderError};
use crate::health::Outcome;

/// How one attempt ended without an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttemptError {
    /// No connection was made.
    Unreachable(String),
    /// Nothing came in time.
    Timeout(&'static str),
    /// The provider says that it went wrong.
    Provider {
        /// The status; none when it said so in a stream.
        status: Option<StatusCode>,
        /// What it says.
        error: ProviderError,
    },
    /// The provider wants the call to go elsewhere.
    Redirect(StatusCode),
    /// The provider answered with something that is no answer.
    BrokenAnswer(String),
    /// The answer broke off.
    Cut,
    /// The stream came too slowly: so many tokens a second.
    TooSlow(u32),
}

/// One attempt, as callers and logs are told.
#[derive(Clone, Debug, Serialize)]
pub struct AttemptNote {
    /// The provider, as `namespace/name`.
    pub provider: ObjectName,
    /// The model, as routes call it.
    pub model: String,
    /// The stable word.
    pub code: &'static str,
    /// The provider's status, if it gave one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// A sentence for people. It never holds what the provider wrote.
    pub message: String,
}

impl AttemptError {
    /// The stable word.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) => "unreachable",
            Self::Timeout(_) => "timeout",
            Self::Provider { error, .. } => error.class.code(),
            Self::Redirect(_) => "redirect_refused",
            Self::BrokenAnswer(_) => "broken_answer",
            Self::Cut => "cut",
            Self::TooSlow(_) => "too_slow",
        }
    }

    /// What it says of the provider's health: unreachable, overload, 5xx and timeout are its own fault.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Unreachable(_) | Self::Timeout(_) | Self::BrokenAnswer(_) | Self::Cut | Self::TooSlow(_) => {
                Outcome::Fault(None)
            }
            Self::Provider { error, .. } => match error.class {
                ErrorClass::RateLimit => Outcome::Limited(error.wait, false),
                ErrorClass::Quota => Outcome::Limited(error.wait, true),
                ErrorClass::Overload
                | ErrorClass::Server
                | ErrorClass::UpstreamProtocol
                | ErrorClass::Timeout
                | ErrorClass::Unreachable => Outcome::Fault(error.wait),
                ErrorClass::Caller
                | ErrorClass::Auth
                | ErrorClass::NotFound
                | ErrorClass::ContextLength
                | ErrorClass::ContentFilter
                | ErrorClass::Unsupported
                | ErrorClass::Residency => Outcome::Nothing,
            },
            Self::Redirect(_) => Outcome::Nothing,
        }
    }

    /// How long the provider asks to wait.
    pub fn wait(&self) -> Option<Duration> {
        match self {
            Self::Provider { error, .. } => error.wait,
            Self::Redirect(_)
            | Self::Unreachable(_)
            | Self::Timeout(_)
            | Self::BrokenAnswer(_)
            | Self::Cut
            | Self::TooSlow(_) => None,
        }
    }

    /// The provider's status, if it gave one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Provider { status, .. } => status.map(|status| status.as_u16()),
            Self::Redirect(status) => Some(status.as_u16()),
            Self::Unreachable(_) | Self::Timeout(_) | Self::BrokenAnswer(_) | Self::Cut | Self::TooSlow(_) => None,
        }
    }

    /// A sentence for people.
    pub fn message(&self) -> String {
        match self {
            Self::Unreachable(why) => format!("could not be reached: {why}"),
            Self::Timeout(what) => format!("{what} in time"),
            Self::Redirect(status) => {
                format!("answered {}; redirects are neither followed nor passed on", status.as_u16())
            }
            Self::Provider { status, error } => {
                let said = match status {
                    Some(status) => format!("answered {}", status.as_u16()),
                    None => "reported an error".to_owned(),
                };
                match error.class.advice() {
                    Some(advice) => format!("{said}: {advice}"),
                    None => format!("{said} ({})", error.class.code()),
                }
            }
            Self::BrokenAnswer(why) => format!("sent what is no answer: {why}"),
            Self::Cut => "broke off its answer".to_owned(),
            Self::TooSlow(floor) => format!("sent fewer than {floor} tokens a second"),
        }
    }
}
