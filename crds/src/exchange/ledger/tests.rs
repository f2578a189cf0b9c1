//! The book of exchanges: what is begun when, what is held until when, and what is told.

use std::collections::BTreeMap;

use super::*;
use crate::exchange::ExchangeKind;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).expect("a time")
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn openai(name: &str) -> Exchange {
    let kind = ExchangeKind::OpenAI {
        identity_provider_id: "idp".to_owned(),
        service_account_id: "svc".to_owned(),
        service_account_name: "openai".to_owned(),
    };
    let key = ExchangeKey { provider: ObjectName::new("team-a", name), kind };
    Exchange { key, secrets: Vec::new(), service_account: Some("openai".to_owned()) }
}

fn google() -> Exchange {
    let key = SecretKeyRef { name: "google".to_owned(), key: "key.json".to_owned() };
    let secrets = vec![key.clone()];
    let kind = ExchangeKind::GoogleServiceAccount { key };
    let key = ExchangeKey { provider: ObjectName::new("team-a", "google"), kind };
    Exchange { key, secrets, service_account: None }
}

fn holding(value: &str) -> Manifests {
    let values = BTreeMap::from([("key.json".to_owned(), secret(value))]);
    Manifests { secrets: BTreeMap::from([(ObjectName::new("team-a", "google"), values)]), ..Manifests::default() }
}

fn wanted(exchanges: &[Exchange]) -> Vec<Wanted> {
    exchanges.iter().map(|exchange| Wanted::new(exchange.clone(), &holding("one"))).collect()
}

fn until(seconds: i64) -> Exchanged {
    Exchanged { secret: secret("token"), expires: at(seconds) }
}

#[test]
fn what_is_wanted_is_begun_once_and_held_until_it_ends() {
    let mut ledger = Ledger::default();
    assert_eq!(ledger.wake(), None);
    ledger.want(wanted(&[openai("a"), openai("b"), openai("a")]), at(0));

    assert_eq!(ledger.wake(), Some(at(0)));
    assert_eq!(ledger.begin(at(0)).len(), 2);
    assert_eq!(ledger.begin(at(0)).len(), 0);
    assert!(!ledger.has_tried_all());
    assert_eq!(ledger.end(&openai("a").key, Ok(until(3600)), 0.0, at(1)), Ended::Renewed);
    assert_eq!(ledger.end(&openai("b").key, Err("no".to_owned()), 1.0, at(1)), Ended::Failed);

    assert!(ledger.has_tried_all());
    let mut manifests = Manifests::default();
    ledger.fill(&mut manifests);
    assert!(manifests.exchanged.keys().eq([&openai("a").key]));
    assert!(manifests.unexchanged.iter().eq([(&openai("b").key, &"no".to_owned())]));
    let held: Vec<String> = ledger.held().map(|(key, _)| key.provider.to_string()).collect();
    assert_eq!(held, ["team-a/a"]);
    assert_eq!(ledger.why(&openai("b").key), Some("no"));
    assert_eq!(ledger.wake(), Some(at(2)));
    assert_eq!(ledger.begin(at(2)).len(), 1);
    assert_eq!(ledger.end(&openai("b").key, Err("no".to_owned()), 1.0, at(2)), Ended::FailedAgain);
    assert!(!ledger.expire(at(3599)));
    assert!(ledger.expire(at(3600)));
    assert_eq!(ledger.held().count(), 0);
}

#[test]
fn what_is_wanted_no_more_is_forgotten_and_what_still_is_keeps_what_it_holds() {
    let mut ledger = Ledger::default();
    ledger.want(wanted(&[openai("a"), openai("b")]), at(0));
    ledger.begin(at(0));
    ledger.end(&openai("a").key, Ok(until(3600)), 0.0, at(0));
    ledger.want(wanted(&[openai("a")]), at(1));

    assert_eq!(ledger.end(&openai("b").key, Ok(until(3600)), 0.0, at(2)), Ended::Unwanted);
    assert_eq!(ledger.held().count(), 1);
    assert_eq!(ledger.begin(at(2)).len(), 0);
}

#[test]
fn another_value_of_its_secret_is_tried_at_once() {
    let mut ledger = Ledger::default();
    ledger.want(wanted(&[google()]), at(0));
    ledger.begin(at(0));
    ledger.end(&google().key, Err("no".to_owned()), 1.0, at(0));
    ledger.want(wanted(&[google()]), at(0));
    assert_eq!(ledger.begin(at(0)).len(), 0, "the same one waits");

    ledger.want(vec![Wanted::new(google(), &holding("two"))], at(0));
    let begun = ledger.begin(at(0));

    assert_eq!(begun.len(), 1);
    assert_eq!(begun[0].values[0].1.reveal(), "two");
    let refused = begun[0].request(None, at(0)).expect_err("two is no key").to_string();
    assert!(refused.contains("must hold the JSON"), "{refused}");
    let missing = Wanted::new(google(), &Manifests::default());
    let refused = missing.request(None, at(0)).expect_err("no Secret").to_string();
    assert_eq!(refused, "Google's OAuth endpoint can't be asked: Secret google has no key `key.json`");
}

#[test]
fn a_refusal_of_a_provider_renews_its_credential_once() {
    let mut ledger = Ledger::default();
    ledger.want(wanted(&[openai("a"), openai("b")]), at(0));
    ledger.begin(at(0));
    ledger.end(&openai("a").key, Ok(until(3600)), 0.0, at(0));
    ledger.end(&openai("b").key, Ok(until(3600)), 0.0, at(0));

    for _ in 0..100 {
        ledger.refused(&ObjectName::new("team-a", "a"), at(100));
    }

    let begun = ledger.begin(at(100));
    assert_eq!(begun.len(), 1);
    assert_eq!(begun[0].exchange, openai("a"));
    assert_eq!(ledger.held().count(), 2, "what is held stays meanwhile");
}
