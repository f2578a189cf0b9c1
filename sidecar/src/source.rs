//! Where an answer comes from: a provider's connection, or the sidecar itself. `trial` opens it, `stream` reads it to its end.

use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;

use crate::simulate;
use crate::upstream::Inbound;

/// Where an answer comes from.
pub enum Source {
    /// A provider.
    Wire(Inbound),
    /// The sidecar itself.
    Simulated(simulate::Script),
}

/// The source broke off.
#[derive(Debug)]
pub struct Broken;

impl Source {
    /// The next bytes.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Broken>>> {
        match self {
            Self::Wire(inbound) => inbound.poll_next(cx).map(|next| next.map(|bytes| bytes.map_err(|_| Broken))),
            Self::Simulated(script) => script.poll_next(cx).map(|next| next.map(|bytes| bytes.map_err(|_| Broken))),
        }
    }

    /// The same, to await.
    pub async fn next(&mut self) -> Option<Result<Bytes, Broken>> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}
