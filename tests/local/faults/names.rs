//! Names of providers: they move, resolve to many addresses or to forbidden ones, and at times nobody can be asked.
//!
//! Each test runs itself again in a network of its own, where nobody but the test answers for names.
#![cfg(target_os = "linux")]

use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::Command;

use lotse_tests::dns::{FakeResolver, Says};
use lotse_tests::provider::{Step, whole};
use lotse_tests::{FakeProvider, Sidecar, World};

/// Set where the network is the test's own.
const WITHIN: &str = "LOTSE_TEST_OWN_NETWORK";
const NAME: &str = "paris.example.org";

fn unshared() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "--net", "--", "sh", "-c"]);
    command
}

/// Whether the network is the test's own. Where it is not, the test runs itself in one, and fails as that fails.
pub(super) fn is_within(test: &str) -> bool {
    if std::env::var_os(WITHIN).is_some() {
        return true;
    }
    let mut resolver = tempfile::NamedTempFile::new().expect("a file");
    resolver.write_all(b"nameserver 127.0.0.1\n").expect("it is written");
    let script = "ip link set lo up && mount --bind \"$1\" /etc/resolv.conf && exec \"$2\" --exact \"$3\" --nocapture";
    let output = unshared()
        .args([script, "sh"])
        .arg(resolver.path())
        .arg(std::env::current_exe().expect("tests run from a file"))
        .arg(test)
        .env(WITHIN, "1")
        .output()
        .expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
    false
}

/// A provider at this address and port that closes its connections, so that each call is dialled for.
pub(super) async fn closes(text: &'static str, address: &str) -> FakeProvider {
    FakeProvider::plays_at(address, move |_| [whole(text), vec![Step::Close]].concat()).await
}

pub(super) fn at(provider: &FakeProvider) -> World {
    World::default().provider("named", &format!("http://{NAME}:{}/v1", provider.address().port()), "")
}

pub(super) fn says(addresses: &[[u8; 4]], seconds: u32) -> Says {
    Says::Addresses(addresses.iter().copied().map(Ipv4Addr::from).collect(), seconds)
}

pub(super) const ONE: [u8; 4] = [127, 0, 0, 1];
const TWO: [u8; 4] = [127, 0, 0, 2];
const DEAD: [u8; 4] = [127, 0, 0, 3];

// T96: nobody is asked again while an answer holds, and it is asked for again when it does not.
#[tokio::test]
#[cfg_attr(not(own_network), ignore = "nobody may make a network here")]
async fn a_name_that_moves_is_followed_when_its_time_is_over_and_not_before() {
    if !is_within("faults::names::a_name_that_moves_is_followed_when_its_time_is_over_and_not_before") {
        return;
    }
    let one = closes("one", "127.0.0.1:0").await;
    let two = closes("two", &format!("127.0.0.2:{}", one.address().port())).await;
    let resolver = FakeResolver::says(says(&[ONE], 3600)).await;
    let holds = Sidecar::of(&at(&one)).await;
    assert_eq!(holds.chat().await.said(), "one");
    let asked = resolver.asked();
    resolver.now_says(says(&[TWO], 0));
    assert_eq!(holds.chat().await.said(), "one");
    assert_eq!(resolver.asked(), asked);

    let moves = Sidecar::of(&at(&one)).await;
    assert_eq!(moves.chat().await.said(), "two");
    resolver.now_says(says(&[ONE], 0));
    assert_eq!(moves.chat().await.said(), "one");
    assert_eq!((one.calls(), two.calls()), (3, 1));
}

// T03, T96: a name that is not there was asked for in vain, and the next gets the call.
#[tokio::test]
#[cfg_attr(not(own_network), ignore = "nobody may make a network here")]
async fn a_name_that_is_not_there_goes_on_to_the_next() {
    if !is_within("faults::names::a_name_that_is_not_there_goes_on_to_the_next") {
        return;
    }
    let never = closes("never", "127.0.0.1:0").await;
    let resolver = FakeResolver::says(Says::NoSuchName).await;
    for wrong in [Says::NoSuchName, Says::Fails, Says::Nothing, says(&[], 60)] {
        let what = format!("{wrong:?}");
        resolver.now_says(wrong);
        let paris = FakeProvider::says("bonjour").await;
        let world = at(&never).provider("paris", &paris.url(), "");
        let sidecar = Sidecar::of(&world.route("timeouts: {connectMilliseconds: 500}")).await;

        let answer = sidecar.chat().await;

        assert_eq!((answer.said().as_str(), answer.header("x-lotse-attempts")), ("bonjour", Some("2")), "{what}");
        assert_eq!((never.calls(), paris.calls()), (0, 1), "{what}");
    }
}

// T96: of several addresses each is tried, and none that is forbidden.
#[tokio::test]
#[cfg_attr(not(own_network), ignore = "nobody may make a network here")]
async fn an_address_that_refuses_gives_way_to_the_next_and_a_forbidden_one_is_not_dialled() {
    if !is_within("faults::names::an_address_that_refuses_gives_way_to_the_next_and_a_forbidden_one_is_not_dialled") {
        return;
    }
    let one = closes("one", "127.0.0.1:0").await;
    let resolver = FakeResolver::says(says(&[DEAD, [169, 254, 169, 254], [10, 0, 0, 1], ONE], 0)).await;
    let sidecar = Sidecar::of(&at(&one)).await;
    let answer = sidecar.chat().await;
    assert_eq!((answer.said().as_str(), answer.header("x-lotse-attempts")), ("one", Some("1")));

    for forbidden in [[169, 254, 169, 254], [10, 0, 0, 1], [0, 0, 0, 0], [8, 8, 8, 8]] {
        resolver.now_says(says(&[forbidden], 0));

        let answer = sidecar.chat().await;

        let attempt = &answer.json()["error"]["metadata"]["attempts"][0];
        assert_eq!(attempt["code"], "unreachable", "{forbidden:?}: {attempt}");
        assert!(
            attempt["message"].as_str().is_some_and(|told| told.contains("its address")),
            "{forbidden:?}: {attempt}"
        );
    }
    assert_eq!(one.calls(), 1);
}
