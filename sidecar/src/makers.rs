//! Who made which id: a conversation that a provider keeps (`previous_response_id`) goes back to whoever keeps it, and to
//! nobody else. Kept in memory, for this pod's own calls; what is not known here is refused by name.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use lotse_crds::name::ObjectName;

/// How many ids are remembered; the oldest are forgotten first.
const MOST: usize = 16 * 1024;
/// The longest id that is remembered, in bytes.
const LONGEST: usize = 256;

/// Who made which id.
#[derive(Debug, Default)]
pub struct Makers(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    makers: HashMap<String, ObjectName>,
    order: VecDeque<String>,
}

impl Makers {
    /// Notes that `provider` made `id`.
    pub fn note(&self, id: &str, provider: &ObjectName) {
        if id.len() > LONGEST {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.makers.insert(id.to_owned(), provider.clone()).is_none() {
            known.order.push_back(id.to_owned());
        }
        if known.order.len() > MOST
            && let Some(oldest) = known.order.pop_front()
        {
            known.makers.remove(&oldest);
        }
    }

    /// Who made `id`, if that is known.
    pub fn maker(&self, id: &str) -> Option<ObjectName> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).makers.get(id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_ids_are_known_and_older_ones_forgotten() {
        let (makers, provider) = (Makers::default(), ObjectName::new("lotse-system", "openai"));
        for id in 0..=MOST {
            makers.note(&format!("resp_{id}"), &provider);
        }
        makers.note(&"x".repeat(LONGEST + 1), &provider);

        assert_eq!(makers.maker("resp_0"), None);
        assert_eq!(makers.maker("resp_1"), Some(provider.clone()));
        assert_eq!(makers.maker(&format!("resp_{MOST}")), Some(provider));
        assert_eq!(makers.maker(&"x".repeat(LONGEST + 1)), None);
    }
}
