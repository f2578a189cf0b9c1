//! A provider that refuses, hangs, redirects or talks nonsense is followed by the next, and never by one that is not
//! permitted.

use std::time::Duration;

use lotse_tests::manifests::policy;
use lotse_tests::provider::{Step, response, whole};
use lotse_tests::{FakeProvider, Sidecar, World};

#[tokio::test]
async fn an_answer_passes_with_only_the_model_changed_on_the_way_in_and_provider_and_cost_on_the_way_out() {
    let paris = FakeProvider::says("bonjour").await;
    let priced =
        "models: [{name: m, upstreamName: upstream, price: {inputPerMillion: \"2\", outputPerMillion: \"6\"}}]";
    let sidecar = Sidecar::of(&World::default().provider("paris", &paris.url(), priced)).await;

    let answer = sidecar.chat().await;

    assert_eq!(answer.status, 200);
    assert_eq!(answer.said(), "bonjour");
    assert_eq!(answer.json()["provider"], "lotse-system/paris");
    assert_eq!(answer.json()["usage"]["cost"], 50e-6);
    assert_eq!(answer.json()["usage"]["total_tokens"], 15);
    assert_eq!(answer.header("x-lotse-provider"), Some("lotse-system/paris"));
    assert_eq!(answer.header("x-lotse-attempts"), Some("1"));
    assert_eq!(answer.header("x-lotse-revision").map(str::to_owned), Some(sidecar.revision().await));
    assert!(answer.header("x-lotse-request-id").is_some_and(|id| id.starts_with("req_")));
    let sent = String::from_utf8(paris.last().body).expect("UTF-8");
    assert_eq!(sent, r#"{"model":"upstream","stream":false,"messages":[{"role":"user","content":"hi"}]}"#);
}

#[tokio::test]
async fn every_failure_that_is_not_the_callers_goes_on_to_the_next_candidate() {
    for status in [401, 402, 403, 404, 408, 409, 425, 429, 500, 502, 503, 520, 529] {
        let (ill, paris) = (FakeProvider::refuses(status).await, FakeProvider::says("bonjour").await);
        let sidecar = Sidecar::of(&World::of(&[("ill", &ill), ("paris", &paris)])).await;

        let (whole, stream) = (sidecar.chat().await, sidecar.stream().await);

        assert_eq!((whole.said(), stream.said()), ("bonjour".to_owned(), "bonjour".to_owned()), "{status}");
        assert_eq!(whole.header("x-lotse-attempts"), Some("2"), "{status}");
        // Who says that a limit is reached is left alone for a while.
        assert_eq!(ill.calls(), if matches!(status, 402 | 429) { 1 } else { 2 }, "{status}");
    }
}

#[tokio::test]
async fn what_is_the_callers_fault_comes_back_and_goes_nowhere_else() {
    for status in [400, 413, 422] {
        let (strict, paris) = (FakeProvider::refuses(status).await, FakeProvider::says("bonjour").await);
        let sidecar = Sidecar::of(&World::of(&[("strict", &strict), ("paris", &paris)])).await;

        let answer = sidecar.chat().await;

        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.json()["error"]["message"], "no");
        assert_eq!(answer.header("x-should-retry"), Some("false"));
        assert_eq!(paris.calls(), 0);
    }
}

#[tokio::test]
async fn nobody_there_and_nonsense_go_on_to_the_next_candidate() {
    let html = FakeProvider::answers(200, &[("content-type", "text/html")], "<html>Bad gateway</html>").await;
    let garbage = FakeProvider::answers(200, &[], "{\"choices\": [").await;
    let error = FakeProvider::answers(200, &[], "{\"error\": {\"message\": \"overloaded\"}}").await;
    let gzip = FakeProvider::answers(200, &[("content-encoding", "gzip")], "{\"choices\":[]}").await;
    let closes = FakeProvider::plays(|_| vec![Step::Close]).await;
    let no_http = FakeProvider::plays(|_| vec![Step::Send(b"220 smtp.example ESMTP\r\n".to_vec()), Step::Close]).await;
    let short = FakeProvider::plays(|_| {
        vec![Step::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"choices\":[]}".to_vec()), Step::Close]
    })
    .await;
    let paris = FakeProvider::says("bonjour").await;
    let world = World::default().provider("nobody", &FakeProvider::nobody().await, "").provider(
        "nowhere",
        "https://nowhere.invalid/v1",
        "",
    );
    let ill = [&html, &garbage, &error, &gzip, &closes, &no_http, &short];
    let world =
        ill.iter().enumerate().fold(world, |world, (at, ill)| world.provider(&format!("ill-{at}"), &ill.url(), ""));
    let sidecar = Sidecar::of(&world.provider("paris", &paris.url(), "")).await;

    let (whole, stream) = (sidecar.chat().await, sidecar.stream().await);

    assert_eq!((whole.said(), stream.said()), ("bonjour".to_owned(), "bonjour".to_owned()));
    assert_eq!(whole.header("x-lotse-attempts"), Some("10"));
    assert!(ill.iter().all(|ill| ill.calls() == 2));
}

#[tokio::test]
async fn a_redirect_is_neither_followed_nor_passed_on() {
    let target = FakeProvider::says("stolen").await;
    for status in [301, 302, 303, 307, 308] {
        let url = format!("{}/chat/completions", target.url());
        let redirects =
            FakeProvider::answers(status, &[("location", &url), ("refresh", "0"), ("set-cookie", "a=b")], "").await;
        let sidecar = Sidecar::of(&World::of(&[("redirects", &redirects)])).await;

        let answer = sidecar.chat().await;

        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (502, "all_providers_failed"));
        assert_eq!(answer.json()["error"]["metadata"]["attempts"][0]["code"], "redirect_refused");
        assert!(["location", "refresh", "set-cookie"].iter().all(|name| answer.header(name).is_none()));
    }
    assert_eq!(target.calls(), 0);
}

#[tokio::test]
async fn a_providers_cookies_and_links_do_not_reach_the_app() {
    let headers =
        [("set-cookie", "a=b"), ("alt-svc", "h3=\":443\""), ("link", "<x>"), ("x-ratelimit-remaining-requests", "9")];
    let body = lotse_tests::provider::completion("hi").to_string();
    let chatty = FakeProvider::answers(200, &headers, &body).await;
    let sidecar = Sidecar::of(&World::of(&[("chatty", &chatty)])).await;

    let answer = sidecar.chat().await;

    assert!(["set-cookie", "alt-svc", "link"].iter().all(|name| answer.header(name).is_none()));
    assert_eq!(answer.header("x-ratelimit-remaining-requests"), Some("9"));
}

#[tokio::test]
async fn a_provider_that_hangs_is_left_and_the_next_one_asked() {
    let (hangs, paris) = (FakeProvider::hangs().await, FakeProvider::says("bonjour").await);
    let world = World::of(&[("hangs", &hangs), ("paris", &paris)]).route("timeouts: {firstContentMilliseconds: 100}");
    let sidecar = Sidecar::of(&world).await;

    let whole = sidecar.chat().await;
    hangs.is_left_alone().await;
    let stream = sidecar.stream().await;

    assert_eq!((whole.said(), stream.said()), ("bonjour".to_owned(), "bonjour".to_owned()));
}

#[tokio::test]
async fn an_answer_that_stops_half_way_is_left_after_the_idle_time() {
    let stops = FakeProvider::plays(|_| {
        vec![Step::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{\"choices\"".to_vec()), Step::Hang]
    })
    .await;
    let paris = FakeProvider::says("bonjour").await;
    let world = World::of(&[("stops", &stops), ("paris", &paris)]).route("timeouts: {idleMilliseconds: 100}");
    let sidecar = Sidecar::of(&world).await;

    assert_eq!(sidecar.chat().await.said(), "bonjour");
}

#[tokio::test]
async fn the_whole_call_has_a_deadline_over_all_attempts() {
    let hangs = FakeProvider::hangs().await;
    let world = World::of(&[("hangs", &hangs)]).route("timeouts: {totalSeconds: 1}");
    let sidecar = Sidecar::of(&world).await;

    let answer = sidecar.chat().await;

    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (504, "deadline_exceeded"));
}

#[tokio::test]
async fn an_address_that_takes_no_connection_costs_the_connect_timeout_and_no_more() {
    // Nobody accepts on this port, and its queue is full: a connection is neither taken nor refused.
    let full = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = full.local_addr().expect("it is bound");
    let mut queue = Vec::new();
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(50)) {
        queue.push(stream);
    }
    let paris = FakeProvider::says("bonjour").await;
    let world = World::default()
        .provider("full", &format!("http://{address}/v1"), "")
        .provider("paris", &paris.url(), "")
        .route("timeouts: {connectMilliseconds: 100}");
    let sidecar = Sidecar::of(&world).await;

    let answer = sidecar.chat().await;

    assert_eq!(answer.said(), "bonjour");
    assert_eq!(answer.header("x-lotse-attempts"), Some("2"));
}

#[tokio::test]
async fn the_next_tier_is_tried_when_the_one_before_is_spent() {
    let (ill, paris) = (FakeProvider::refuses(500).await, FakeProvider::says("bonjour").await);
    let tiers = "- {targets: [{model: m, provider: {name: ill}}]}\n- {targets: [{model: m, provider: {name: paris}}]}";
    let sidecar = Sidecar::of(&World::of(&[("ill", &ill), ("paris", &paris)]).tiers(tiers)).await;

    assert_eq!(sidecar.chat().await.said(), "bonjour");
}

#[tokio::test]
async fn attempts_limits_how_many_are_tried_and_no_candidate_is_tried_twice() {
    let ill = FakeProvider::refuses(500).await;
    let others = [FakeProvider::refuses(500).await, FakeProvider::says("never").await];
    let providers = [("a", &ill), ("b", &others[0]), ("c", &others[1])];
    let limited = Sidecar::of(&World::of(&providers).route("attempts: 2")).await;
    let twice = "- {balance: Order, targets: [{model: m, provider: {name: a}}, {model: m, provider: {name: a}}]}\n- {targets: [{model: m, provider: {name: a}}]}";
    let repeated = Sidecar::of(&World::of(&providers).tiers(twice)).await;

    let answer = limited.chat().await;
    assert_eq!((answer.status.as_u16(), answer.header("x-lotse-attempts")), (502, Some("2")));
    assert_eq!(others[1].calls(), 0);

    assert_eq!(repeated.chat().await.header("x-lotse-attempts"), Some("1"));
}

#[tokio::test]
async fn when_all_ask_to_wait_the_caller_hears_the_shortest_wait() {
    let body = r#"{"error":{"message":"slow down"}}"#;
    let long = FakeProvider::answers(429, &[("retry-after", "30")], body).await;
    let short = FakeProvider::answers(429, &[("retry-after-ms", "1500")], body).await;
    let sidecar = Sidecar::of(&World::of(&[("long", &long), ("short", &short)])).await;

    let answer = sidecar.chat().await;

    assert_eq!((answer.status.as_u16(), answer.code().as_str()), (429, "rate_limited"));
    assert_eq!(answer.header("retry-after"), Some("2"));
}

#[tokio::test]
async fn failover_never_reaches_a_provider_that_policy_refuses() {
    let (ill, refused) = (FakeProvider::refuses(500).await, FakeProvider::says("stolen").await);
    let evidence = "evidence: [{name: e, kind: Contractual, source: s}]\npromises:";
    let promise = |region: &str| {
        let place = format!("{{regions: [{region}], evidence: [e]}}");
        format!("{evidence} {{inference: {place}, storage: {place}, access: {place}}}")
    };
    let world = World::default()
        .provider("ill", &ill.url(), &promise("FR"))
        .provider("refused", &refused.url(), &promise("US"))
        .policies(&[policy("lotse-system", "eu", "inferenceRegions: [EU]")]);
    let sidecar = Sidecar::of(&world).await;

    for _ in 0..5 {
        assert_eq!(sidecar.chat().await.code(), "all_providers_failed");
    }

    assert_eq!((ill.calls(), refused.calls()), (5, 0));
}

#[tokio::test]
async fn an_address_that_was_not_allowed_is_not_dialled() {
    let paris = FakeProvider::says("bonjour").await;
    for (url, allowed) in [
        (paris.url(), "[10.0.0.0/8]"),
        (paris.url().replace("127.0.0.1", "localhost"), "[10.0.0.0/8]"),
        ("http://169.254.169.254/v1".to_owned(), "[0.0.0.0/0]"),
        ("https://[::ffff:127.0.0.1]:1/v1".to_owned(), "[10.0.0.0/8]"),
    ] {
        let world = World::default().provider("p", &url, "");
        let world = world.files().into_iter().map(|(name, text)| (name, text.replace("[127.0.0.0/8]", allowed)));
        let sidecar = Sidecar::on_files(&world.collect::<Vec<_>>(), &[]).await.expect("well-formed");

        let answer = sidecar.chat().await;

        assert_eq!(answer.json()["error"]["metadata"]["attempts"][0]["code"], "unreachable", "{url}");
    }
    assert_eq!(paris.calls(), 0);
}

#[tokio::test]
async fn a_name_is_resolved_and_connections_are_used_again() {
    let paris = FakeProvider::says("bonjour").await;
    let world = World::default().provider("p", &paris.url().replace("127.0.0.1", "localhost"), "");
    let files = world
        .files()
        .into_iter()
        .map(|(name, text)| (name, text.replace("[127.0.0.0/8]", "[127.0.0.0/8, \"::1/128\"]")));
    let sidecar = Sidecar::on_files(&files.collect::<Vec<_>>(), &[]).await.expect("well-formed");

    for _ in 0..3 {
        assert_eq!(sidecar.chat().await.said(), "bonjour");
    }

    assert!(paris.last().header("host").is_some_and(|host| host.starts_with("localhost:")));
}

#[tokio::test]
async fn a_connection_that_closes_while_idle_costs_no_call_and_no_second_request() {
    let closes = FakeProvider::plays(|_| {
        let mut steps = whole("bonjour");
        steps.push(Step::Close);
        steps
    })
    .await;
    let sidecar = Sidecar::of(&World::of(&[("closes", &closes)])).await;

    for _ in 0..200 {
        assert_eq!(sidecar.chat().await.said(), "bonjour");
    }

    assert_eq!(closes.calls(), 200);
}

#[tokio::test]
async fn an_app_that_goes_away_before_the_answer_is_not_waited_for() {
    let hangs = FakeProvider::hangs().await;
    let sidecar = Sidecar::of(&World::of(&[("hangs", &hangs)])).await;

    let call = sidecar.chat();
    let given_up = tokio::time::timeout(Duration::from_millis(300), call).await;

    assert!(given_up.is_err());
    hangs.is_left_alone().await;
}

#[tokio::test]
async fn a_provider_reads_defaults_then_the_request_then_overrides_then_force() {
    let paris = FakeProvider::plays(|_| vec![Step::Send(response(200, &[], "{\"choices\":[]}"))]).await;
    let world = World::default()
        .provider("paris", &paris.url(), "force: {store: false, user: forced}")
        .route("defaults: {temperature: 0.1, top_p: 0.5}\noverrides: {user: overridden, seed: 7}");
    let sidecar = Sidecar::of(&world).await;
    let body = serde_json::json!({"temperature": 0.9, "user": "app", "store": true, "model": "gpt-4o", "messages": []});

    sidecar.send(Sidecar::request(&body)).await;

    let expected = serde_json::json!({
        "temperature": 0.9, "user": "forced", "store": false, "model": "upstream", "messages": [], "top_p": 0.5, "seed": 7
    });
    assert_eq!(paris.last().json(), expected);
}
