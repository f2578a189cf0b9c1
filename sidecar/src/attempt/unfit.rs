//! Why nobody could be asked at all, as the caller is told.

use std::sync::Arc;

use crate::failure::{Excluded, Failure};
use crate::lane::Lane;
use crate::outgoing::Unfit;

/// Why nobody was asked. A call that somebody can't read, and a field that somebody refuses, are what the caller can change.
/// `requires_all` says that the app lets nobody drop any.
pub(super) fn nobody_fits(mut unfit: Vec<(&Arc<Lane>, Unfit)>, requires_all: bool) -> Failure {
    if let Some(at) = unfit.iter().position(|(_, why)| matches!(why, Unfit::Call(_)))
        && let (_, Unfit::Call(failure)) = unfit.swap_remove(at)
    {
        return failure;
    }
    let state = unfit.iter().find_map(|(_, why)| match why {
        Unfit::State(field) => Some(field),
        Unfit::Fields(_) | Unfit::Operation | Unfit::Form | Unfit::Limited | Unfit::Call(_) => None,
    });
    if let Some(field) = state {
        return Failure::UnsupportedField(format!(
            "`{field}` refers to what a provider keeps, and none that may be used now is known to have made it; send the conversation itself"
        ));
    }
    let fields = unfit.iter().find_map(|(lane, why)| match why {
        Unfit::Fields(fields) => Some((lane, fields)),
        Unfit::State(_) | Unfit::Operation | Unfit::Form | Unfit::Limited | Unfit::Call(_) => None,
    });
    if let Some((lane, fields)) = fields {
        let fields: Vec<_> = fields.iter().map(|field| format!("`{field}`")).collect();
        let way_out = if requires_all {
            "or do not say `provider.require_parameters`"
        } else {
            "or let the ModelRoute drop such fields (unsupportedFields: Drop)"
        };
        let (provider, fields) = (&lane.provider, fields.join(", "));
        return Failure::UnsupportedField(format!("{provider} cannot honour {fields}; leave it out, {way_out}"));
    }
    let excluded = unfit.iter().map(|(lane, why)| {
        let (reason, message) = if matches!(why, Unfit::Form) {
            ("form_not_served", "the provider's force sets fields, and nothing can be set in a form")
        } else {
            ("operation_not_served", "the provider has no endpoint for what is asked")
        };
        Excluded {
            provider: lane.name.clone(),
            model: lane.model.clone(),
            reasons: vec![reason.to_owned()],
            policy: None,
            message: message.to_owned(),
        }
    });
    Failure::NoEligibleProvider(excluded.collect())
}
