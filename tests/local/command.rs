//! The program `lotse-sidecar` as people start it: what it prints, how it ends, and what it never writes to its log.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use lotse_tests::client;
use lotse_tests::{FakeProvider, Sidecar, World};
use tempfile::TempDir;

use crate::credentials::{TOKEN, signed};

/// A program of this workspace, built with `cargo build --workspace`.
pub(crate) fn program(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("tests run from a file");
    let path = tests.ancestors().nth(2).expect("target/debug/deps").join(name);
    assert!(path.exists(), "{} is not there; run cargo build --workspace first", path.display());
    path
}

/// The program as it runs.
pub(crate) struct Started {
    child: Child,
    /// Where it takes calls.
    pub(crate) calls: String,
    printed: String,
    _folder: TempDir,
}

impl Drop for Started {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn write(world: &World) -> TempDir {
    let folder = TempDir::new().expect("a folder");
    for (name, text) in world.files() {
        std::fs::write(folder.path().join(name), text).expect("a file");
    }
    folder
}

fn command(folder: &TempDir) -> Command {
    let mut command = Command::new(program("lotse-sidecar"));
    command.args(["run", "--namespace", "app", "--manifests"]).arg(folder.path());
    command.args(["--admin", "127.0.0.1:0", "--probes", "127.0.0.1:0"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Starts the program and reads what it prints, up to its table's last row.
pub(crate) fn started(world: &World, environment: &[(&str, &str)]) -> Started {
    let folder = write(world);
    let mut command = command(&folder);
    command.args(["--listen", "127.0.0.1:0"]).envs(environment.iter().copied());
    let mut child = command.spawn().expect("it starts");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped"));
    let mut printed = String::new();
    while !printed.contains("STATUS") && lines.read_line(&mut printed).expect("text") > 0 {}
    lines.read_line(&mut printed).expect("text");
    let calls = printed.lines().find_map(|line| line.trim().strip_prefix("calls ")).expect("it says where it listens");
    let calls = calls.trim().trim_start_matches("http://").trim_end_matches("/v1").to_owned();
    Started { child, calls, printed, _folder: folder }
}

impl Started {
    /// How much memory it has now.
    #[cfg(target_os = "linux")]
    pub(crate) fn kilobytes(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// How much memory it has had at most.
    #[cfg(target_os = "linux")]
    pub(crate) fn most_kilobytes(&self) -> u64 {
        self.status("VmHWM:")
    }

    #[cfg(target_os = "linux")]
    fn status(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix(field)).expect("the field is there");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// Asks it to end, and gives what it has written to its log.
    fn ends(mut self) -> (Option<i32>, String) {
        let terminated = Command::new("kill").arg(self.child.id().to_string()).status().expect("kill is there");
        assert!(terminated.success());
        let status = self.child.wait().expect("it ends");
        let mut log = String::new();
        self.child.stderr.take().expect("it is piped").read_to_string(&mut log).expect("text");
        (status.code(), log)
    }
}

#[tokio::test]
async fn it_prints_what_listens_and_who_would_answer_and_ends_when_told() {
    let paris = FakeProvider::says("bonjour").await;

    let sidecar = started(&World::of(&[("paris", &paris)]), &[]);

    assert!(sidecar.printed.contains("Lotse 0.1.0 for app/default, revision "), "{}", sidecar.printed);
    assert!(sidecar.printed.contains("lotse-system/paris m  eligible"), "{}", sidecar.printed);
    let answer =
        client::send(sidecar.calls.parse().expect("an address"), Sidecar::request(&lotse_tests::sidecar::body(false)))
            .await;
    assert_eq!(answer.said(), "bonjour");
    assert_eq!(sidecar.ends().0, Some(0));
}

#[tokio::test]
async fn neither_prompt_nor_answer_nor_key_nor_an_evil_environment_shows_in_the_log() {
    let paris = FakeProvider::says("canary-answer").await;
    let ill = FakeProvider::answers(500, &[], "{\"error\":\"canary-error\"}").await;
    let keyed = "headers: [{name: authorization, value: canary-key}]";
    let world = World::default().provider("ill", &ill.url(), keyed).provider("paris", &paris.url(), keyed);
    let evil = [
        ("RUST_LOG", "trace"),
        ("HTTP_PROXY", "http://127.0.0.1:1"),
        ("HTTPS_PROXY", "http://127.0.0.1:1"),
        ("ALL_PROXY", "http://127.0.0.1:1"),
        ("SSLKEYLOGFILE", "/tmp/x"),
    ];
    let sidecar = started(&world, &evil);
    let address = sidecar.calls.parse().expect("an address");
    let body = serde_json::json!({"model": "gpt-4o", "messages": [{"role": "user", "content": "canary-prompt"}]});
    let wrong = serde_json::json!({"model": "gpt-4o\n\u{1b}[31mred", "messages": "canary-prompt"});

    let answer = client::send(address, Sidecar::request(&body)).await;
    client::send(address, Sidecar::request(&wrong)).await;

    assert_eq!(answer.said(), "canary-answer");
    assert!(!answer.text().contains("canary-error"));
    let (_, log) = sidecar.ends();
    assert!(!log.contains("canary"), "{log}");
    assert!(!log.contains('\u{1b}'), "{log}");
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("JSON lines")).collect();
    let call = lines.iter().find(|line| line["message"] == "call").expect("a line for the call");
    assert_eq!(
        (&call["provider"], &call["attempts"], &call["status"]),
        (&"lotse-system/paris".into(), &2.into(), &200.into())
    );
    assert_eq!(call["failed"], "lotse-system/ill: server_error");
}

#[tokio::test]
async fn no_key_that_signs_shows_in_the_log() {
    let bedrock = FakeProvider::plays(|asked| {
        let heard = ["authorization", "x-amz-security-token"].map(|name| asked.header(name).unwrap_or_default());
        let body = serde_json::json!({"message": heard.concat()}).to_string();
        let status = if asked.head.contains("converse-stream") { 403 } else { 400 };
        vec![lotse_tests::provider::Step::Send(lotse_tests::provider::response(status, &[], &body))]
    })
    .await;
    let sidecar = started(&signed(&bedrock, TOKEN), &[("RUST_LOG", "trace")]);
    let address = sidecar.calls.parse().expect("an address");

    for stream in [false, true] {
        client::send(address, Sidecar::request(&lotse_tests::sidecar::body(stream))).await;
    }

    let (printed, (_, log)) = (sidecar.printed.clone(), sidecar.ends());
    assert_eq!((bedrock.calls(), log.matches("\"message\":\"call\"").count()), (2, 2), "{log}");
    assert!(!(printed + &log).to_lowercase().contains("canary"), "{log}");
}

#[tokio::test]
async fn a_port_that_is_taken_and_a_folder_that_is_wrong_end_it_with_78_and_a_clear_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let paris = FakeProvider::says("bonjour").await;
    let good = write(&World::of(&[("paris", &paris)]));
    let wrong = write(&World::of(&[("paris", &paris)]).file("x.yaml", "kind: [what"));
    let end = |folder: &TempDir, listen: &str| {
        let output = command(folder).args(["--listen", listen]).output().expect("it starts");
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };

    let (code, log) = end(&good, &address);
    assert_eq!(code, Some(78));
    assert!(log.contains(&format!("can't listen on {address}")), "{log}");

    let (code, log) = end(&wrong, "127.0.0.1:0");
    assert_eq!(code, Some(78));
    assert!(log.contains("x.yaml: "), "{log}");

    let (code, log) = end(&good, "0.0.0.0:0");
    assert_eq!(code, Some(2));
    assert!(log.contains("must be a loopback address"), "{log}");
}

#[tokio::test]
async fn both_loopback_addresses_answer_by_default() {
    let paris = FakeProvider::says("bonjour").await;
    let folder = write(&World::of(&[("paris", &paris)]));
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it is bound").port();
    let mut child = command(&folder).args(["--listen", &format!("localhost:{free}")]).spawn().expect("it starts");
    let mut line = String::new();
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped"));
    while !line.contains("calls") && lines.read_line(&mut line).expect("text") > 0 {}

    for ip in ["127.0.0.1", "[::1]"] {
        if !line.contains(ip) {
            assert!(std::net::TcpListener::bind(format!("{ip}:0")).is_err(), "{ip} can be used, and is not: {line}");
            continue;
        }
        let address = format!("{ip}:{free}").parse().expect("an address");
        let answer = client::send(address, Sidecar::request(&lotse_tests::sidecar::body(false))).await;
        assert_eq!(answer.said(), "bonjour", "{ip}");
    }
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}
