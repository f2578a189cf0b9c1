//! A whole answer: makes sure that it is one, and puts it into the caller's dialect. Pure. Called by `trial`.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};

use crate::attempt::Answer;
use crate::call::Call;
use crate::endpoint;
use crate::failure::AttemptError;
use crate::format::answer::{Told, Usage};
use crate::format::embeddings::{Encoding, Host, openai as vectors};
use crate::format::error;
use crate::format::{self, Format};
use crate::lane::Lane;
use crate::openai;
use crate::outgoing::Way;
use crate::passed;
use crate::tap;

/// How many tokens Bedrock has read, where the body does not say so.
const BEDROCK_INPUT: &str = "x-amzn-bedrock-input-token-count";

/// The dialect in which a candidate answers; nothing for what only passes.
pub(crate) fn dialect(call: &Call, way: Way) -> Option<Format> {
    match way {
        Way::Pass | Way::Embed(..) => endpoint::format(call.operation),
        Way::Translate(format) => Some(format),
    }
}

/// What is known of an answer before it is read.
pub(crate) struct Whole<'a> {
    pub(crate) call: &'a Call,
    pub(crate) lane: &'a Lane,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) told: &'a Told,
    /// Chance, for ids of tool calls that have none.
    pub(crate) seed: u64,
}

impl Whole<'_> {
    /// The answer as it goes out.
    pub(crate) fn read(&self, body: Bytes, way: Way) -> Result<Answer, AttemptError> {
        match (way, dialect(self.call, way)) {
            (Way::Pass, Some(Format::Chat | Format::Completions)) => match openai::read_answer(&body) {
                Ok(scanned) => Ok(Answer::Whole(body, scanned)),
                Err(why) => Err(self.broken(&body, way, why)),
            },
            (Way::Pass, dialect) => {
                let read = passed::read(&body, dialect, self.call.operation, self.lane);
                let (body, tokens) = read.map_err(|why| self.broken(&body, way, why))?;
                let kind = self.headers.get(header::CONTENT_TYPE).cloned();
                Ok(Answer::Written(body, kind.unwrap_or(JSON), tokens))
            }
            (Way::Translate(format), _) => self.translated(&body, format),
            (Way::Embed(host, encoding, inputs), _) => self.embedded(&body, host, (encoding, inputs)),
        }
    }

    fn translated(&self, body: &[u8], format: Format) -> Result<Answer, AttemptError> {
        let way = Way::Translate(format);
        let read = format::read_answer(format, body, self.seed);
        let mut answer = read.map_err(|why| self.broken(body, way, why.to_string()))?;
        let tokens = answer.usage.as_mut().map(|usage| {
            tap::price(self.lane, usage);
            tap::tokens(usage)
        });
        let written = format::write_answer(self.call.caller, &answer, self.told);
        Ok(Answer::Written(Bytes::from(written), JSON, tokens))
    }

    fn embedded(&self, body: &[u8], host: Host, (encoding, inputs): (Encoding, usize)) -> Result<Answer, AttemptError> {
        let way = Way::Embed(host, encoding, inputs);
        let read = host.read_answer(body, inputs);
        let mut answer = read.map_err(|why| self.broken(body, way, why.to_string()))?;
        let counted = self.headers.get(BEDROCK_INPUT).and_then(|count| count.to_str().ok()?.parse().ok());
        if let (None, Some(input)) = (&answer.usage, counted) {
            answer.usage = Some(Usage { input, ..Usage::default() });
        }
        let tokens = answer.usage.as_mut().map(|usage| {
            tap::price(self.lane, usage);
            tap::tokens(usage)
        });
        let written = vectors::write_answer(&answer, encoding, self.told);
        Ok(Answer::Written(Bytes::from(written), JSON, tokens))
    }

    /// Why a body is no answer: an error with status 200, or `why`.
    fn broken(&self, body: &[u8], way: Way, why: String) -> AttemptError {
        let dialect = dialect(self.call, way).unwrap_or(Format::Chat);
        match error::read_event(dialect, body) {
            Some(error) => AttemptError::Provider { status: Some(StatusCode::OK), error },
            None => AttemptError::BrokenAnswer(why),
        }
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
