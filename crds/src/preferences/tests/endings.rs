//! Endings of a model's name.

use super::*;
use crate::name::ModelPattern;
use crate::wishes::{Lookup, Wishes};

fn ended(name: &str) -> Ended<'_> {
    Ended::read(name, "model", &|_| false).expect("its endings agree")
}

#[test]
fn endings_come_off_in_any_order_and_any_case() {
    let eu = Some(Countries::eu());
    let of =
        |model, sort, places, region: Option<&str>| Ended { model, sort, places, region: region.map(str::to_owned) };
    let germany = crate::place::places_of("de");

    assert_eq!(ended("gpt-4o:nitro"), of("gpt-4o", Some(Sort::Throughput), None, None));
    assert_eq!(ended("gpt-4o:floor"), of("gpt-4o", Some(Sort::Price), None, None));
    assert_eq!(ended("gpt-4o@eu"), of("gpt-4o", None, eu, None));
    assert_eq!(ended("gpt-4o@EEA:nitro").places, Some(Countries::eea()));
    assert_eq!(ended("gpt-4o:nitro@De"), of("gpt-4o", Some(Sort::Throughput), germany, None));
    assert_eq!(ended("gpt-4o@de:nitro"), ended("gpt-4o:nitro@DE"));
    assert_eq!(ended("gpt-4o@eu@de:floor:floor"), of("gpt-4o", Some(Sort::Price), germany, None));
    assert_eq!(
        ended("bedrock/claude-sonnet-4-5@eu-central-1"),
        of("bedrock/claude-sonnet-4-5", None, germany, Some("eu-central-1"))
    );
    assert_eq!(ended("azure/gpt-4.1@SwedenCentral").region.as_deref(), Some("swedencentral"));
    assert_eq!(ended("m@eu@eu-central-1"), of("m", None, germany, Some("eu-central-1")));
    // Google's global is a region and no place.
    assert_eq!(ended("m@global"), of("m", None, None, Some("global")));
}

#[test]
fn a_name_that_somebody_has_is_not_taken_apart() {
    let is_name = |name: &str| name == "llama3:floor";

    let read = |name| Ended::read(name, "model", &is_name).expect("its endings agree");

    assert!(read("llama3:floor").is_plain());
    let more = read("llama3:floor@eu");
    assert_eq!((more.model, more.sort, more.places), ("llama3:floor", None, Some(Countries::eu())));
}

#[test]
fn what_is_no_ending_is_part_of_the_name() {
    for name in [
        "gpt-4o",
        "llama3:8b",
        "claude@20241022",
        "claude@20241022:beta",
        "m:nitro:8b",
        "m@uk",
        "m@europe",
        "m@",
        "m:",
        "m@worldwide",
        "m@eu-central-9",
        "m:Nitro",
        "m: nitro",
        ":nitro",
        "@eu",
        "",
        "m:free",
        "m:exacto",
    ] {
        let ended = ended(name);

        assert!(ended.model == name && ended.is_plain(), "{name}");
    }
    assert_eq!(ended("llama3:8b:nitro").model, "llama3:8b");
    assert_eq!(ended("claude@20241022@eu").model, "claude@20241022");
    assert_eq!(ended("deepseek-r1:free:nitro").model, "deepseek-r1:free");
    assert_eq!(ended("::nitro").model, ":");
}

#[test]
fn endings_that_contradict_each_other_are_refused() {
    for name in ["m:nitro:floor", "m@eu@us", "m@de@eu-west-1", "m@eu-central-1@swedencentral", "m@global@eu-central-1"]
    {
        let refused = Ended::read(name, "models[1]", &|_| false).expect_err(name);

        assert_eq!((refused.field(), refused.code()), ("models[1]", "invalid_request"), "{name}");
    }
}

#[test]
fn endings_narrow_what_the_fields_say_and_never_widen_it() {
    let said = provider(json!({"data_residency": "eu", "zdr": true}));

    let narrowed = said.narrowed(&ended("m:nitro@eu-central-1"), "model").expect("they agree");

    let expected = Preferences {
        sort: Some(Sort::Throughput),
        places: crate::place::places_of("de"),
        region: Some("eu-central-1".to_owned()),
        ..said.clone()
    };
    assert_eq!(narrowed, expected);
    assert_eq!(said.narrowed(&ended("m@eea"), "model").expect("they agree").places, Some(Countries::eu()));
    assert_eq!(said.narrowed(&ended("m"), "model"), Ok(said.clone()));
    for (fields, name) in [
        (json!({"data_residency": "us"}), "m@eu"),
        (json!({"data_residency": "de"}), "m@eu-west-1"),
        (json!({"sort": "price"}), "m:nitro"),
    ] {
        let refused = provider(fields).narrowed(&ended(name), "model").expect_err(name);

        assert_eq!((refused.field(), refused.code()), ("model", "invalid_request"));
    }
}

/// What a call asks of the route that answers for a name, where one has `llama3:8b`, `a@europe`, `openai/*` and more.
fn asked(name: &str) -> Result<Option<Preferences>, Refused> {
    asked_with(name, &Preferences::default())
}

fn asked_with(name: &str, preferences: &Preferences) -> Result<Option<Preferences>, Refused> {
    let mut snapshot = snapshot(Vec::new(), Vec::new());
    let models = ["llama3:floor", "llama3:8b", "a@europe", "openai/*", "@cf/*"];
    snapshot.routes[0].models = models.map(|name| ModelPattern(name.to_owned())).to_vec();
    let lookup = Lookup { exact: &|model| snapshot.exact(model), any: &|model| snapshot.route(model) };
    let wishes = Wishes::find(lookup, name, preferences, &[])?;
    Ok(wishes.map(|wishes| wishes.wishes()[0].preferences.clone()))
}

#[test]
fn an_ending_is_not_lost_in_a_name_that_only_a_pattern_takes() {
    for (name, told) in [
        ("openai/gpt-4o@eu:online", "has `:online` behind its ending `@eu`"),
        ("openai/gpt-4o@EU:free:nitro", "has `:free` behind its ending `@EU`"),
        ("openai/gpt-4o@eu-central-1:online", "has `:online` behind its ending `@eu-central-1`"),
        ("openai/gpt-4o@global@20241022:8b", "has `@20241022:8b` behind its ending `@global`"),
        ("openai/gpt-4o:floor:online", "has `:online` behind its ending `:floor`"),
        ("openai/gpt-4o@eu@sha256:ab", "has `@sha256:ab` behind its ending `@eu`"),
        ("openai/gpt-4o@europe", "has `@europe`, which is no place that is known; behind `@` may stand eu, eea,"),
        ("openai/gpt-4o@uk", "has `@uk`, which"),
        ("openai/gpt-4o@uk@eu:floor", "has `@uk`, which"),
        ("openai/gpt-4o@uk:online", "has `@uk`, which"),
        ("openai/gpt-4o@eu-central-9", "has `@eu-central-9`, which"),
        ("openai/gpt-4o@worldwide", "a version: default, latest, sha256, or one that begins with a digit"),
    ] {
        let refused = asked(name).expect_err(name);

        assert_eq!((refused.field(), refused.code()), ("model", "invalid_request"), "{name}");
        assert!(refused.to_string().contains(told), "{name}: {refused}");
    }
    let further = Preferences { models: vec!["openai/gpt-4o@uk".to_owned()], ..Preferences::default() };
    assert_eq!(asked_with("llama3:8b", &further).expect_err("refused").field(), "models[0]");
}

#[test]
fn versions_names_of_routes_and_names_that_nobody_has_are_no_lost_endings() {
    let eu = Some(Countries::eu());
    for (name, places) in [
        ("openai/claude@20241022", None),
        ("openai/claude@20241022@eu", eu),
        ("openai/claude@default", None),
        ("openai/claude@latest:8b@eu", eu),
        ("openai/m@sha256:0a1b", None),
        ("openai/llama3:8b", None),
        ("openai/gpt-4o:online", None),
        ("openai/gpt-4o:online@eu", eu),
        ("openai/@cf/meta/llama-3", None),
        ("@cf/meta/llama-3", None),
        ("openai/m@", None),
        ("llama3:floor", None),
        ("llama3:8b@eu", eu),
        ("a@europe", None),
        ("a@europe@eu", eu),
    ] {
        let asked = asked(name).unwrap_or_else(|why| panic!("{name}: {why}")).expect(name);

        assert_eq!(asked.places, places, "{name}");
    }
    for name in ["b@europe", "b@eu:online", "llama3:8b@europe", "b@uk"] {
        assert_eq!(asked(name), Ok(None), "{name}");
    }
}

#[test]
fn further_models_are_named_by_the_field_that_has_them() {
    let messages = Asked { operation: Operation::Messages, ..chat() };
    let read = |body| read_as(messages, &body).expect("it can be read");
    for (further, field) in [
        (read(json!({"fallbacks": ["nobody", {"model": "openai/gpt-4o:nitro:floor"}]})), "fallbacks[1]"),
        (read(json!({"models": ["nobody", "openai/gpt-4o:nitro:floor"]})), "models[1]"),
    ] {
        assert_eq!(asked_with("llama3:8b", &further).expect_err("refused").field(), field);
    }
    let further = read(json!({"fallbacks": ["nobody"]}));
    let own = snapshot(Vec::new(), Vec::new()).routes.remove(0);
    let find = |name: &str| (name == "m").then_some(&own);
    let lookup = Lookup { exact: &find, any: &find };
    let wishes = Wishes::find(lookup, "m", &further, &[]).expect("it can be kept to").expect("there is a route");
    assert_eq!(wishes.left_out, ["fallbacks[0]"]);
}

proptest! {
    #[test]
    fn a_name_is_its_model_and_its_endings(model in "[a-z0-9/.-]{1,12}", endings in proptest::collection::vec(
        proptest::sample::select(vec![":nitro", "@eu", "@DE", "@eea", "@eu-central-1"]), 0..5))
    {
        let name = format!("{model}{}", endings.concat());
        let ended = Ended::read(&name, "model", &|_| false).expect("they agree");

        prop_assert_eq!(ended.model, &model);
        prop_assert_eq!(ended.is_plain(), endings.is_empty());
    }

    #[test]
    fn any_name_can_be_read(name in "\\PC{0,20}") {
        if let Ok(ended) = Ended::read(&name, "model", &|_| false) {
            prop_assert!(name.starts_with(ended.model) && ended.model.is_empty() == name.is_empty());
        }
    }
}
