//! Log lines as JSON: one flat object an event, written in one pass into the bytes that go to the log. A call's line was
//! a fifth of all instructions of a call while a formatter put it together through strings of strings.

use std::fmt;

use serde::ser::{SerializeMap as _, Serializer as _};
use serde_json::ser::{CompactFormatter, Compound, Serializer};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::moment;
use crate::telemetry::Log;

/// Enough for a call's line.
const USUAL: usize = 512;

/// Writes each event as a line of JSON.
pub(crate) struct JsonLines(pub(crate) Log);

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Vec::with_capacity(USUAL);
        // What can be written to memory can be written.
        if write(event, &mut line).is_ok() {
            self.0.add(&line);
        }
    }
}

fn write(event: &Event<'_>, line: &mut Vec<u8>) -> serde_json::Result<()> {
    let mut serializer = Serializer::new(&mut *line);
    let mut fields = serializer.serialize_map(None)?;
    fields.serialize_entry("timestamp", &format_args!("{:.6}", moment::now()))?;
    fields.serialize_entry("level", event.metadata().level().as_str())?;
    let mut fields = Fields { fields, written: Ok(()) };
    event.record(&mut fields);
    fields.written?;
    fields.fields.end()?;
    line.push(b'\n');
    Ok(())
}

/// The fields of an event, written as they are visited.
struct Fields<'a> {
    fields: Compound<'a, &'a mut Vec<u8>, CompactFormatter>,
    written: serde_json::Result<()>,
}

impl Fields<'_> {
    fn write(&mut self, field: &Field, value: &(impl serde::Serialize + ?Sized)) {
        if self.written.is_ok() {
            self.written = self.fields.serialize_entry(field.name(), value);
        }
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.write(field, &value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, &value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, &value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, &value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write(field, &format_args!("{value:?}"));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use serde_json::{Value, json};
    use tracing_subscriber::layer::SubscriberExt as _;

    use super::*;

    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl<S: Subscriber> Layer<S> for Kept {
        fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
            write(event, &mut self.0.lock().expect("one thread")).expect("memory can be written");
        }
    }

    #[test]
    fn an_event_is_one_flat_object_on_one_line() {
        let kept = Arc::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(Kept(Arc::clone(&kept))), || {
            let (none, text) = (None::<u64>, "a \"quote\"\n");
            tracing::warn!(text, shown = %'\'', count = 2_usize, less = -1, cost = 0.5, is = true, none, "said {}", 1);
        });

        let lines = String::from_utf8(kept.lock().expect("one thread").clone()).expect("UTF-8");
        let mut line: Value = serde_json::from_str(&lines).expect("JSON");
        let timestamp = line["timestamp"].take();
        let expected = json!({
            "timestamp": null, "level": "WARN", "message": "said 1", "text": "a \"quote\"\n", "shown": "'", "count": 2,
            "less": -1, "cost": 0.5, "is": true,
        });
        assert_eq!(line.to_string(), expected.to_string());
        assert_eq!(timestamp.as_str().map(str::len), Some("2026-11-24T09:36:01.403546Z".len()), "{timestamp}");
        assert_eq!(lines.matches('\n').count(), 1);
    }
}
