//! A simulator: the real sidecar on scripted providers, in memory, with a clock that is held and moved on, and chance that
//! is drawn from one seed. Hours of calls take seconds, and each run is the same.
//!
//! What is real: everything from the request's bytes to the answer's. What is not: the network, and the providers, which
//! are simulated ones whose manifests a script changes while calls are under way.

mod draws;
mod outages;
mod world;
