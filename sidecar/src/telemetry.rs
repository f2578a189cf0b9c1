//! Where the log goes: to standard error, as text on a terminal and as JSON lines elsewhere.
//!
//! Lines are gathered for a moment and written together: a write a call would cost more than the rest of its bookkeeping.
//! [`Log::flush`] writes what is left when the process ends.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::json_lines::JsonLines;

/// How long lines are gathered.
const MOMENT: Duration = Duration::from_millis(50);
/// How much is gathered at most.
const MOST: usize = 256 * 1024;

/// Starts the log. `info` and worse; a level that would print headers or bodies does not exist.
pub fn start() -> io::Result<Log> {
    let filter = Targets::new().with_default(LevelFilter::WARN).with_target("lotse_sidecar", LevelFilter::INFO);
    let log = Log::default();
    let gathered = log.clone();
    std::thread::Builder::new().name("log".to_owned()).spawn(move || gathered.write_forever())?;
    let lines = tracing_subscriber::registry().with(filter);
    if io::stderr().is_terminal() {
        let text = tracing_subscriber::fmt::layer().compact().with_target(false);
        lines.with(text.with_writer(log.clone())).init();
    } else {
        lines.with(JsonLines(log.clone())).init();
    }
    Ok(log)
}

/// The log's lines on their way to standard error.
#[derive(Clone, Default)]
pub struct Log(Arc<Gathering>);

#[derive(Default)]
struct Gathering {
    lines: Mutex<Vec<u8>>,
    arrived: Condvar,
    /// Held while lines are written, so that they come out in order and `flush` returns after all of them.
    out: Mutex<()>,
}

impl Log {
    /// Adds a line.
    pub(crate) fn add(&self, line: &[u8]) {
        let mut lines = self.lines();
        if lines.is_empty() {
            self.0.arrived.notify_one();
        }
        lines.extend_from_slice(line);
        let is_full = lines.len() > MOST;
        drop(lines);
        if is_full {
            // Standard error is slower than the log: whoever logs waits for it, and no line is lost.
            self.flush();
        }
    }

    /// Writes what has been gathered.
    pub fn flush(&self) {
        let _out = self.0.out.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = std::mem::take(&mut *self.lines());
        // Nobody is left to tell when standard error is gone.
        drop(io::stderr().lock().write_all(&lines));
    }

    fn write_forever(&self) {
        loop {
            let arrived = self.0.arrived.wait_while(self.lines(), |lines| lines.is_empty());
            drop(arrived.unwrap_or_else(PoisonError::into_inner));
            std::thread::sleep(MOMENT);
            self.flush();
        }
    }

    fn lines(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.add(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
