//! Where the log goes: to standard error, as text on a terminal and as JSON lines elsewhere.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// Starts the log. `info` and worse; a level that would print headers or bodies does not exist.
pub fn start() {
    let filter = EnvFilter::new("warn,lotse_sidecar=info");
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(io::stderr);
    if io::stderr().is_terminal() {
        log.compact().init();
    } else {
        log.json().flatten_event(true).with_current_span(false).with_span_list(false).init();
    }
}
