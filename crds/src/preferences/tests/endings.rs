//! Endings of a model's name.

use super::*;

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
