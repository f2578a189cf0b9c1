//! From the models that an app asks for to the routes that answer for them, and to what it asks of each. Called by the
//! sidecar before it plans a call, and by `explain`.

use std::borrow::Cow;

use crate::plan::Wish;
use crate::preferences::{Ended, Preferences, Refused};
use crate::route::RequestPreferences;
use crate::snapshot::Route;

/// Finds the routes of a snapshot.
#[derive(Clone, Copy)]
pub struct Lookup<'l, 'a> {
    /// The route that answers for exactly this name.
    pub exact: &'l dyn Fn(&str) -> Option<&'a Route>,
    /// The route that answers for this name, by whichever pattern.
    pub any: &'l dyn Fn(&str) -> Option<&'a Route>,
}

/// What an app asks for, first wish first. Never empty.
#[derive(Clone, Debug)]
pub struct Wishes<'a, 'p> {
    found: Vec<(&'a Route, Cow<'p, Preferences>)>,
    /// What of the app's wishes has no effect, by field.
    pub left_out: Vec<String>,
}

impl<'a, 'p> Wishes<'a, 'p> {
    /// What an app asks for with this model and these preferences; nothing when no route answers for any of its models.
    ///
    /// A name that a route has as it is means that route. Otherwise the endings of a name are taken off, if it has any
    /// (`:nitro`, `@eu`), and narrow the call. Of the app's further models those are left out that no route answers for, whose
    /// route does not let apps choose, or whose route is asked already and would only be asked otherwise. `fields` are those of
    /// the body that are routing's: where the route does not let apps choose, they are named as without effect, and so are
    /// endings; a session is the route's own to heed.
    pub fn find(
        lookup: Lookup<'_, 'a>,
        model: &str,
        preferences: &'p Preferences,
        fields: &[&'static str],
    ) -> Result<Option<Self>, Refused> {
        let mut wishes = Self { found: Vec::with_capacity(1), left_out: preferences.left_out.clone() };
        if let Some((route, asked)) = wish(lookup, (model, "model"), preferences)? {
            if route.request_preferences == RequestPreferences::Ignore {
                let session = preferences.session.clone();
                let kept =
                    Preferences { session, wants_metadata: preferences.wants_metadata, ..Preferences::default() };
                let choices = fields.iter().filter(|field| **field != "session_id");
                wishes.left_out = choices.map(|field| (*field).to_owned()).collect();
                wishes.left_out.extend(endings(lookup, model)?);
                wishes.found.push((route, Cow::Owned(kept)));
                return Ok(Some(wishes));
            }
            wishes.found.push((route, asked));
        }
        for (at, model) in preferences.models.iter().enumerate() {
            let field = format!("{}[{at}]", preferences.models_field);
            match wish(lookup, (model, &field), preferences)? {
                Some((route, asked)) if route.request_preferences == RequestPreferences::Honor => {
                    match wishes.found.iter().find(|(known, _)| std::ptr::eq(*known, route)) {
                        None => wishes.found.push((route, asked)),
                        // A route answers a call once; that it should have been asked otherwise is not lost in silence.
                        Some((_, before)) if *before != asked => wishes.left_out.push(field),
                        Some(_) => {}
                    }
                }
                Some(_) | None => wishes.left_out.push(field),
            }
        }
        Ok((!wishes.found.is_empty()).then_some(wishes))
    }

    /// As a plan takes them.
    pub fn wishes(&self) -> Vec<Wish<'a, '_>> {
        self.found.iter().map(|(route, preferences)| Wish { route, preferences }).collect()
    }

    /// The first.
    pub fn first(&self) -> Wish<'a, '_> {
        let (route, preferences) = self.found.first().expect("there is one, see find");
        Wish { route, preferences }
    }
}

/// The endings of a model's name, as they are named where they have no effect: `model:nitro@eu`.
fn endings(lookup: Lookup<'_, '_>, model: &str) -> Result<Option<String>, Refused> {
    let ended = Ended::read(model, "model", &|name| (lookup.exact)(name).is_some())?;
    Ok((!ended.is_plain()).then(|| format!("model{}", &model[ended.model.len()..])))
}

fn wish<'a, 'p>(
    Lookup { exact, any }: Lookup<'_, 'a>,
    (model, field): (&str, &str),
    preferences: &'p Preferences,
) -> Result<Option<(&'a Route, Cow<'p, Preferences>)>, Refused> {
    let ended = Ended::read(model, field, &|name| exact(name).is_some())?;
    let asked =
        if ended.is_plain() { Cow::Borrowed(preferences) } else { Cow::Owned(preferences.narrowed(&ended, field)?) };
    let Some(route) = any(ended.model) else { return Ok(None) };
    if exact(ended.model).is_none() {
        // A pattern takes whatever is left in a name, and with it an ending that was meant to bind the call.
        ended.check_name(field)?;
    }
    Ok(Some((route, asked)))
}
