//! Who is out, and by which word.

use super::*;

/// No code: nobody objects.
const NONE: [&str; 0] = [];

fn with_promises(promises: Value) -> Candidate {
    Candidate { facts: facts(ROOT, promises), ..candidate("p", "mistral", None) }
}

#[test]
fn who_asks_for_nothing_leaves_nobody_out() {
    let nothing_known = Candidate { facts: facts("nobody", json!({})), ..candidate("p", "x", None) };

    assert_eq!(Preferences::default().judge(&[], today()).objections(&nothing_known), []);
}

#[test]
fn names_leave_out_whom_they_must() {
    let mistral = candidate("p", "mistral", None);

    assert_eq!(codes(&provider(json!({"only": ["mistral", "azure"]})), &mistral), NONE);
    assert_eq!(codes(&provider(json!({"only": ["azure"]})), &mistral), ["allowed_providers"]);
    assert_eq!(codes(&provider(json!({"ignore": ["p"]})), &mistral), ["ignored_provider"]);
    assert_eq!(codes(&provider(json!({"ignore": ["azure"]})), &mistral), NONE);
    assert_eq!(codes(&provider(json!({"order": ["azure"]})), &mistral), NONE);
    let closed = provider(json!({"order": ["azure"], "allow_fallbacks": false}));
    assert!(closed.is_closed() && !provider(json!({"allow_fallbacks": false})).is_closed());
    assert_eq!(codes(&closed, &mistral), ["allowed_providers"]);
    assert_eq!(codes(&provider(json!({"allow_fallbacks": false})), &mistral), NONE);
    let allowed = read(&json!({"allowed_providers": ["azure"]})).expect("read");
    assert_eq!(objections(&allowed, &mistral)[0].message, "allowed_providers does not name it");
}

#[test]
fn weights_must_be_kept_as_the_call_lists_and_the_unknown_must_be_listed() {
    let kept = |quantization| Candidate { quantization, ..candidate("p", "vllm", None) };
    let fp8 = provider(json!({"quantizations": ["fp8"]}));

    assert_eq!(codes(&fp8, &kept(Some(Quantization::FP8))), NONE);
    assert_eq!(codes(&fp8, &kept(Some(Quantization::MXFP8))), NONE);
    assert_eq!(codes(&fp8, &kept(Some(Quantization::FP16))), ["quantization"]);
    assert_eq!(codes(&fp8, &kept(None)), ["quantization"]);
    assert_eq!(codes(&provider(json!({"quantizations": ["mxfp8"]})), &kept(Some(Quantization::FP8))), ["quantization"]);
    assert_eq!(codes(&provider(json!({"quantizations": ["fp8", "unknown"]})), &kept(None)), NONE);
    assert_eq!(codes(&read(&json!({"allow_quantization": false})).expect("read"), &kept(None)), ["quantization"]);
}

#[test]
fn a_price_above_the_highest_and_one_that_is_not_known_are_out() {
    let costs = |price| Candidate { price, ..candidate("p", "mistral", None) };
    let most = provider(json!({"max_price": {"prompt": "2", "completion": 6.0}}));

    assert_eq!(codes(&most, &costs(Some(price("2", "6")))), NONE);
    assert_eq!(codes(&most, &costs(Some(price("2.000001", "6")))), ["max_price"]);
    assert_eq!(codes(&most, &costs(Some(price("2", "6.1")))), ["max_price"]);
    assert_eq!(codes(&most, &costs(None)), ["max_price"]);
    assert_eq!(codes(&provider(json!({"max_price": {"prompt": 3}})), &costs(Some(price("2", "600")))), NONE);
    assert_eq!(codes(&provider(json!({"max_price": {"prompt": 1e9}})), &costs(None)), ["max_price"]);
}

#[test]
fn a_region_of_the_ending_must_be_the_candidates_and_its_place_must_be_promised() {
    let frankfurt = Ended::read("m@eu-central-1", "model", &|_| false).expect("an ending");
    let asks = Preferences::default().narrowed(&frankfurt, "model").expect("they agree");
    let in_region = |region| candidate("p", "aws-bedrock", region);
    // An inference profile: called in Frankfurt, answered anywhere in the EU.
    let profile = Candidate {
        facts: facts(ROOT, json!({"inference": {"regions": ["EU"], "evidence": ["dpa"]}})),
        ..in_region(Some("eu-central-1"))
    };

    assert_eq!(codes(&asks, &in_region(Some("eu-central-1"))), NONE);
    assert_eq!(codes(&asks, &in_region(Some("eu-west-1"))), ["data_region"]);
    assert_eq!(codes(&asks, &in_region(None)), ["data_region"]);
    assert_eq!(codes(&asks, &profile), ["data_region"]);
}

#[test]
fn promises_are_judged_as_a_policy_judges_them() {
    let everything = json!({"data_residency": "eu", "zdr": true, "data_collection": "deny", "eu_owned": true});
    let all = ["data_region", "data_policy_zdr", "data_policy_training", "eu_owned"];
    let asks = provider(everything);
    let without = |key: &str| {
        let mut promises = promises();
        promises.as_object_mut().expect("an object").remove(key);
        with_promises(promises)
    };
    let with = |key: &str, value: Value| {
        let mut promises = promises();
        promises[key] = value;
        with_promises(promises)
    };

    assert_eq!(codes(&asks, &with_promises(promises())), NONE);
    assert_eq!(codes(&asks, &with_promises(json!({}))), all);
    assert_eq!(codes(&asks, &without("inference")), ["data_region"]);
    assert_eq!(codes(&asks, &with("inference", json!({"regions": ["EEA"], "evidence": ["dpa"]}))), ["data_region"]);
    assert_eq!(codes(&asks, &with("inference", json!({"regions": ["DE"]}))), ["data_region"]);
    assert_eq!(codes(&asks, &without("retention")), ["data_policy_zdr"]);
    assert_eq!(codes(&asks, &with("retention", json!({"days": 1, "evidence": ["dpa"]}))), ["data_policy_zdr"]);
    assert_eq!(codes(&asks, &without("training")), ["data_policy_training"]);
    let trains = json!({"onCustomerData": true, "evidence": ["dpa"]});
    assert_eq!(codes(&asks, &with("training", trains)), ["data_policy_training"]);
    assert_eq!(codes(&asks, &without("jurisdiction")), ["eu_owned"]);
    for (entity, parent) in [("US", "DE"), ("DE", "US"), ("NO", "DE")] {
        let jurisdiction = json!({"contractingEntity": entity, "ultimateParent": parent, "evidence": ["dpa"]});
        assert_eq!(codes(&asks, &with("jurisdiction", jurisdiction)), ["eu_owned"]);
    }
    let mut contradicted = with_promises(promises());
    contradicted.facts.inference.as_mut().expect("promised").contradiction = Some("it is elsewhere".to_owned());
    assert_eq!(codes(&asks, &contradicted), ["data_region"]);
}

#[test]
fn days_of_retention_are_told_apart_from_none() {
    let keeps = |days| with_promises(json!({"retention": {"days": days, "evidence": ["dpa"]}}));
    let month = provider(json!({"max_retention_days": 30}));

    assert_eq!(codes(&month, &keeps(30)), NONE);
    assert_eq!(codes(&month, &keeps(31)), ["retention"]);
    assert_eq!(codes(&month, &with_promises(json!({}))), ["retention"]);
    assert_eq!(codes(&provider(json!({"max_retention_days": 0})), &keeps(30)), ["data_policy_zdr"]);
    assert_eq!(objections(&month, &keeps(31))[0].message, "content is kept for 31 days; the call allows 30");
}

#[test]
fn our_own_server_needs_to_promise_no_more_than_a_policy_asks_of_it() {
    let mut own = with_promises(json!({"inference": {"regions": ["DE"], "evidence": ["dpa"]}}));
    own.facts.self_operated = true;

    let asks = provider(json!({"zdr": true, "data_collection": "deny", "eu_owned": true, "data_residency": "de"}));
    assert_eq!(codes(&asks, &own), NONE);
}

#[test]
fn evidence_counts_until_its_day() {
    let asks = provider(json!({"zdr": true}));
    let at = |day: &str| {
        asks.judge(&[policy(&[ROOT])], day.parse().expect("a day")).objections(&candidate("p", "x", None)).len()
    };

    assert_eq!(at("2026-12-31"), 0);
    assert_eq!(at("2027-01-01"), 1);
}

#[test]
fn a_promise_counts_only_if_it_counts_for_every_policy() {
    let asks = provider(json!({"zdr": true, "data_residency": "eu"}));
    let own = candidate("p", "x", None);
    let under = |policies: &[Limits]| {
        asks.judge(policies, today()).objections(&own).into_iter().map(|reason| reason.code).collect::<Vec<_>>()
    };

    assert_eq!(under(&[policy(&[ROOT])]), NONE);
    assert_eq!(under(&[policy(&[ROOT]), policy(&[ROOT, "a"])]), NONE);
    assert_eq!(under(&[policy(&[ROOT]), policy(&["a"])]), ["data_region", "data_policy_zdr"]);
    assert_eq!(under(&[]), ["data_region", "data_policy_zdr"]);
}

/// What a call that asks for every promise is told of a candidate whose evidence was reviewed on the 1st of October.
fn told_under(policies: &[Limits]) -> Vec<Reason> {
    let evidence: Vec<crate::promises::Evidence> = serde_json::from_value(json!([
        {"name": "dpa", "kind": "SelfAttested", "source": "https://example.org", "reviewedOn": "2026-10-01"}
    ]))
    .expect("evidence");
    let promises = serde_json::from_value(promises()).expect("promises");
    let facts = Facts::new(ROOT, &promises, &evidence);
    let asks = provider(json!({"zdr": true, "data_collection": "deny", "eu_owned": true, "data_residency": "eu"}));
    asks.judge(policies, today()).objections(&Candidate { facts, ..candidate("p", "x", None) })
}

#[test]
fn evidence_that_some_policy_does_not_accept_does_not_count_for_a_call_either() {
    let all = ["data_region", "data_policy_zdr", "data_policy_training", "eu_owned"];
    let accepts = |kinds: &[&str]| with_rules(&[ROOT], json!({"accept": kinds}));
    let ages = |days: i32, overdue: &str| with_rules(&[ROOT], json!({"maxAgeDays": days, "onOverdue": overdue}));
    let open = policy(&[ROOT]);
    let sentence = "rests on evidence `dpa`, which is SelfAttested; a policy here does not accept that kind";
    let review = |days| format!("was reviewed on 2026-10-01; a review counts for {days} days");
    for (policies, expected) in [
        (vec![accepts(&["SelfAttested", "Audited"]), open.clone()], vec![]),
        (vec![accepts(&["Contractual"])], vec![sentence.to_owned()]),
        (vec![open.clone(), accepts(&["Contractual"])], vec![sentence.to_owned()]),
        // Two policies that say the same are told once.
        (vec![accepts(&["Contractual"]), accepts(&["Audited"]), open.clone()], vec![sentence.to_owned()]),
        (vec![ages(54, "Exclude"), open.clone()], vec![]),
        (vec![ages(53, "Warn"), open.clone()], vec![]),
        (vec![open.clone(), ages(53, "Exclude")], vec![review(53)]),
        (vec![ages(53, "Exclude"), ages(30, "Exclude")], vec![review(53), review(30)]),
        (vec![ages(9, "Exclude"), accepts(&["Contractual"])], vec![review(9), sentence.to_owned()]),
    ] {
        let reasons = told_under(&policies);

        let codes: Vec<&str> = reasons.iter().map(|reason| reason.code.as_str()).collect();
        assert_eq!(codes, if expected.is_empty() { &all[..0] } else { &all[..] }, "{policies:?}");
        for reason in reasons {
            let sentences: Vec<&str> = reason.message.split("; promises.").collect();
            assert_eq!(sentences.len(), expected.len(), "{}", reason.message);
            assert!(sentences.iter().zip(&expected).all(|(got, end)| got.ends_with(end)), "{}", reason.message);
            assert_eq!(reason.policy, None);
        }
    }
}

#[test]
fn every_reason_is_told_and_none_is_a_policys() {
    let asks = provider(json!({"only": ["azure"], "quantizations": ["fp8"], "max_price": {"prompt": 1}, "zdr": true}));

    let reasons = objections(&asks, &with_promises(json!({})));

    let codes: Vec<_> = reasons.iter().map(|reason| reason.code.as_str()).collect();
    assert_eq!(codes, ["allowed_providers", "quantization", "max_price", "data_policy_zdr"]);
    assert!(reasons.iter().all(|reason| !reason.is_policy() && !reason.message.contains("policy")), "{reasons:?}");
}

#[test]
fn figures_are_met_when_all_that_are_measured_are() {
    let asked = Percentiles { p50: Some(10.0), p90: Some(5.0), ..Percentiles::default() };
    let measured = |p50, p90| Percentiles { p50, p90, ..Percentiles::default() };

    assert!(asked.are_met_by(&measured(Some(10.0), Some(6.0)), Bound::Floor));
    assert!(!asked.are_met_by(&measured(Some(10.0), Some(4.9)), Bound::Floor));
    assert!(!asked.are_met_by(&measured(Some(9.0), None), Bound::Floor));
    assert!(asked.are_met_by(&measured(Some(10.0), Some(5.0)), Bound::Ceiling));
    assert!(!asked.are_met_by(&measured(Some(10.1), None), Bound::Ceiling));
    assert!(asked.are_met_by(&Percentiles::default(), Bound::Floor));
    assert!(asked.are_met_by(&Percentiles::default(), Bound::Ceiling));
    assert!(Percentiles::default().are_met_by(&asked, Bound::Floor) && Percentiles::default().is_empty());
}
