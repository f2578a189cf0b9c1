//! Tool calls of a stream, put together from fragments. Providers count calls from anywhere, leave ids or indices out, or
//! send whole calls under one index. Used by `read`.

use crate::format::call::Signature;
use crate::format::chat::tool_calls::Fragment;
use crate::format::event::ModelEvent;
use crate::format::function::made_up_id;

/// The calls of one choice.
#[derive(Debug, Default)]
pub(crate) struct Calls(Vec<Call>);

#[derive(Debug, Default)]
struct Call {
    key: Option<u64>,
    id: Option<String>,
    custom: bool,
    signature: Option<Signature>,
    /// Its place among those that have begun.
    index: Option<u32>,
    /// Arguments that came before the name.
    early: String,
    has_arguments: bool,
}

/// What fragments are read with.
pub(crate) struct Ids<'a> {
    /// Of which choice they are.
    pub(crate) choice: u32,
    /// Chance, for ids that are missing.
    pub(crate) seed: u64,
    /// How many calls the stream has, over all choices.
    pub(crate) count: &'a mut usize,
}

impl Calls {
    /// Whether a tool is called.
    pub(crate) fn any(&self) -> bool {
        self.0.iter().any(|call| call.index.is_some())
    }

    /// Takes a fragment.
    pub(crate) fn take(&mut self, fragment: &Fragment<'_>, ids: &mut Ids<'_>, out: &mut Vec<ModelEvent>) {
        let at = self.find(fragment).unwrap_or_else(|| {
            self.0.push(Call { key: fragment.index.map(|index| index.0), ..Call::default() });
            self.0.len() - 1
        });
        let begun = self.0.iter().filter(|call| call.index.is_some()).count();
        let Some(call) = self.0.get_mut(at) else {
            return;
        };
        call.custom |= fragment.is_custom();
        call.id = call.id.take().or_else(|| fragment.id().map(str::to_owned));
        call.signature = call.signature.take().or_else(|| fragment.signature());
        let arguments = fragment.arguments();
        if let (None, Some(name)) = (call.index, fragment.name()) {
            let index = u32::try_from(begun).unwrap_or(u32::MAX);
            call.index = Some(index);
            let id = call.id.get_or_insert_with(|| made_up_id(ids.seed, *ids.count)).clone();
            *ids.count += 1;
            out.push(ModelEvent::ToolCall {
                choice: ids.choice,
                index,
                id,
                name: name.to_owned(),
                custom: call.custom,
                signature: call.signature.clone(),
            });
        }
        let Some(index) = call.index else {
            call.early.push_str(&arguments);
            return;
        };
        let json =
            if call.early.is_empty() { arguments.into_owned() } else { std::mem::take(&mut call.early) + &arguments };
        if !json.is_empty() {
            call.has_arguments = true;
            out.push(ModelEvent::Arguments { choice: ids.choice, index, json });
        }
    }

    /// The call that a fragment belongs to; nothing for a new one.
    fn find(&self, fragment: &Fragment<'_>) -> Option<usize> {
        let is_other = |call: &Call| match (fragment.id(), &call.id) {
            (Some(id), Some(known)) => id != known && fragment.name().is_some() && call.index.is_some(),
            (None | Some(_), None) | (None, Some(_)) => false,
        };
        match (fragment.index, fragment.id()) {
            (Some(index), _) => self.0.iter().rposition(|call| call.key == Some(index.0) && !is_other(call)),
            (None, Some(id)) => self.0.iter().rposition(|call| call.id.as_deref() == Some(id)),
            (None, None) if fragment.name().is_some() => None,
            (None, None) => self.0.len().checked_sub(1),
        }
    }

    /// Gives calls without arguments an empty object.
    pub(crate) fn close(&mut self, choice: u32, out: &mut Vec<ModelEvent>) {
        for call in &mut self.0 {
            if let (Some(index), false, false) = (call.index, call.has_arguments, call.custom) {
                call.has_arguments = true;
                out.push(ModelEvent::Arguments { choice, index, json: "{}".to_owned() });
            }
        }
    }
}
