//! What providers do wrong, fault by fault, with a provider that plays it byte by byte. The rows have the numbers of the
//! fault table; each test names its own. What other files prove of a row stands here, so that no row is without a proof.
//!
//! | Row | Fault | Proven in |
//! |---|---|---|
//! | T03 | no connection: refused, no such name, TLS | `sending`; `failover`, `tls`, `egress_proxy` |
//! | T04 | an idle connection closes as it is used again | `sending`; `failover` |
//! | T05 | the request is read, and not answered | `sending` |
//! | T06 | HTTP/2 (does not arise: HTTP/1.1 is all that is offered) | `sending` |
//! | T07, T08 | 429 and its wait in every form | `limited`, `waits`; `failover`; `format::wait` in the sidecar |
//! | T09 | money that is spent | `waits` |
//! | T10 | every other refusal | `limited`; `failover`; `format::error` in the sidecar |
//! | T11 | an error as a stream's first word | `silence`; `streaming`, `dialects` |
//! | T12 | no first content | `silence`; `failover` |
//! | T13 | silence after content | `silence`; `streaming`, `failover` |
//! | T26 | a stream is cut | `cut`; `streaming`, `dialects` |
//! | T27 | a clean end without the last word | `cut`; `streaming` |
//! | T28 | an error after content | `cut`; `streaming`, `dialects` |
//! | T88 | one time for the whole call | `silence`; `failover` |
//! | T89, T90 | events in every form, cut anywhere, without end | `framing`; `streaming`, `dialects`; `sse` in the sidecar; the fuzz targets |
//! | T91 | lengths and codings of answers | `bodies` |
//! | T92 | compressed requests | `local::bodies`; `decode` in the sidecar |
//! | T93 | large bodies | `bodies`, `gone`; `bad_requests` |
//! | T94 | an app that reads slowly | `gone` |
//! | T95 | an app that goes away | `gone`; `streaming`, `failover` |
//! | T96 | names that move, resolvers that fail | `names` |
//! | T97 | answers that are none | `nonsense`; `failover`, `dialects` |
//!
//! `found` has what the sidecar does wrong.

mod bodies;
mod cut;
mod found;
mod framing;
mod gone;
mod limited;
mod names;
mod nonsense;
mod sending;
mod silence;
mod waits;
