//! Which session a call belongs to, so that it goes where its prompt may still be in a cache. Pure but for the hash, whose
//! chance is this process's. Called by `serve`.

use lotse_crds::plan::Wish;
use lotse_crds::route::StickBy;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::call::Call;
use crate::routes::Remembered;
use crate::sticky::SessionKey;

/// The session of a call, and where its route remembers who answers it, though another model's route may answer this call.
#[derive(Clone, Copy)]
pub struct Session<'s> {
    pub(crate) remembered: &'s Remembered,
    pub(crate) key: SessionKey,
}

/// The session of a call: the one that the app names, or what its first messages are, as the route says. The app's own order
/// of providers is stronger than any session, where the route lets apps choose.
pub(crate) fn of<'s>(call: &Call, wish: Wish<'_, '_>, remembered: &'s Remembered) -> Option<Session<'s>> {
    let Wish { route, preferences } = wish;
    if route.stickiness.by == StickBy::None || !preferences.order.is_empty() {
        return None;
    }
    let key = match &preferences.session {
        Some(named) => remembered.sticky().key(&("session", named.as_bytes())),
        None if route.stickiness.by == StickBy::PromptPrefix => {
            let (system, first) = beginning(call)?;
            remembered.sticky().key(&("prompt", call.model.as_str(), system, first))
        }
        None => return None,
    };
    Some(Session { remembered, key })
}

/// The role of a message.
#[derive(Deserialize)]
struct Message<'m> {
    #[serde(borrow, default)]
    role: Option<&'m RawValue>,
}

/// The system's words, and the first message that is not the system's, as they stand in the body. A prompt that is a string
/// has no messages, and is its own beginning.
fn beginning(call: &Call) -> Option<(&str, &str)> {
    let said = ["messages", "input", "prompt"].into_iter().find_map(|field| call.value(field))?;
    let own = ["system", "instructions"].into_iter().find_map(|field| call.value(field));
    let own = own.and_then(|own| std::str::from_utf8(own).ok());
    let Ok(messages) = serde_json::from_slice::<Vec<&RawValue>>(said) else {
        return Some((own.unwrap_or_default(), std::str::from_utf8(said).ok()?));
    };
    let is_system = |message: &&&RawValue| {
        let role = serde_json::from_str::<Message<'_>>(message.get()).ok().and_then(|message| message.role);
        role.is_some_and(|role| matches!(role.get(), "\"system\"" | "\"developer\""))
    };
    let system = messages.iter().find(is_system).map(|message| message.get());
    let first = messages.iter().find(|message| !is_system(message))?;
    Some((own.or(system).unwrap_or_default(), first.get()))
}
