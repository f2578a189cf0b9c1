//! A real sidecar in the test's process, on a folder of the test's own.

use std::path::PathBuf;
use std::time::Duration;

use bytes::Bytes;
use clap::Parser as _;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use lotse_sidecar::args::{Cli, Command, Run};
use lotse_sidecar::exchange::Way;
use lotse_sidecar::{Running, StartError, start, start_by};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::asks::Asks;
use crate::client::{self, Answer};
use crate::manifests::World;
use crate::operator::Operator;

/// A sidecar between an app in namespace `app` and its providers.
pub struct Sidecar {
    running: Running,
    folder: TempDir,
}

impl Sidecar {
    /// Starts on the world's manifests.
    pub async fn of(world: &World) -> Self {
        Self::try_of(world).await.expect("the world is well-formed")
    }

    /// Starts, or says why not.
    pub async fn try_of(world: &World) -> Result<Self, StartError> {
        Self::on_files(&world.files(), &[]).await
    }

    /// Starts on these files, with more flags.
    pub async fn on_files(files: &[(String, String)], flags: &[&str]) -> Result<Self, StartError> {
        let folder = TempDir::new().expect("a folder");
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        let running = start(&flags_of(&folder, flags), |_| ()).await?;
        Ok(Self { running, folder })
    }

    /// The same, with another way to the hosts at which identities are exchanged.
    pub async fn exchanging(world: &World, flags: &[&str], way: Way) -> Self {
        let folder = TempDir::new().expect("a folder");
        for (name, text) in world.files() {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        let running = start_by(&flags_of(&folder, flags), |_| (), way).await.expect("the world is well-formed");
        Self { running, folder }
    }

    /// Starts as in a pod: it follows the operator.
    pub async fn following(operator: &Operator) -> Self {
        Self::following_with(operator, &[]).await
    }

    /// The same, with other flags.
    pub async fn following_with(operator: &Operator, flags: &[&str]) -> Self {
        let file = |name: &str| operator.folder.path().join(name).to_string_lossy().into_owned();
        let (url, ca, token) = (operator.url(), file("ca.crt"), file("token"));
        let mut all = vec!["--operator", &url, "--operator-ca", &ca, "--token", &token];
        all.extend(flags);
        Self::running_with(&all).await
    }

    /// Starts as in another pod than the first, which the operator knows.
    pub async fn in_pod(operator: &Operator, pod: &str) -> Self {
        let token = operator.folder.path().join(format!("token-of-{pod}"));
        std::fs::write(&token, format!("token-of-{pod}")).expect("a file");
        let ca = operator.folder.path().join("ca.crt").to_string_lossy().into_owned();
        let token = token.to_string_lossy().into_owned();
        Self::running_with(&["--operator", &operator.url(), "--operator-ca", &ca, "--token", &token]).await
    }

    /// Starts with these flags, and no folder.
    pub async fn running_with(flags: &[&str]) -> Self {
        let running = start(&run(flags), |_| ()).await.expect("it starts without the operator");
        Self { running, folder: TempDir::new().expect("a folder") }
    }

    /// Where a file of the folder is.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.path().join(file)
    }

    /// Writes a file of the folder, at once as `mv` does.
    pub fn write(&self, file: &str, text: &str) {
        let draft = self.path(&format!("{file}.draft"));
        std::fs::write(&draft, text).expect("a file");
        std::fs::rename(draft, self.path(file)).expect("the same folder");
    }

    /// A call for a chat completion.
    pub fn request(body: &Value) -> Request<Full<Bytes>> {
        Request::post("/v1/chat/completions")
            .header("host", "127.0.0.1")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .expect("a request")
    }

    /// Asks for `gpt-4o`, not streamed.
    pub async fn chat(&self) -> Answer {
        self.send(Self::request(&body(false))).await
    }

    /// Asks for `gpt-4o` in Chat Completions with these fields besides, not streamed.
    pub async fn asks(&self, fields: &Value) -> Answer {
        self.send(Asks::Chat.also(fields, false)).await
    }

    /// The same, streamed.
    pub async fn asks_stream(&self, fields: &Value) -> Answer {
        self.send(Asks::Chat.also(fields, true)).await
    }

    /// Asks for `gpt-4o`, streamed.
    pub async fn stream(&self) -> Answer {
        self.send(Self::request(&body(true))).await
    }

    /// Asks for `gpt-4o`, streamed, and gives the answer as it comes.
    pub async fn open_stream(&self) -> Response<Incoming> {
        client::open(self.running.calls[0], Self::request(&body(true))).await
    }

    /// Sends a request to the calls' port.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        client::send(self.running.calls[0], request).await
    }

    /// Gets a path of the calls' port.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(get(path)).await
    }

    /// Gets a path of the admin port.
    pub async fn admin(&self, path: &str) -> Answer {
        client::send(self.running.admin, get(path)).await
    }

    /// Gets a path of the probes' port.
    pub async fn probe(&self, path: &str) -> Answer {
        client::send(self.running.probes, get(path)).await
    }

    /// Stops, as it does when it is told to.
    pub async fn stop(self) {
        self.running.stop().await;
    }

    /// The running sidecar.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// The revision in force.
    pub async fn revision(&self) -> String {
        self.admin("/snapshot").await.json()["revision"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until another revision than `before` is in force.
    pub async fn has_changed_from(&self, before: &str) {
        let changed = async { while self.revision().await == before {} };
        tokio::time::timeout(Duration::from_secs(5), changed).await.expect("the folder is followed");
    }

    /// Waits until this many snapshots were applied or refused.
    pub async fn metric_is(&self, line: &str) {
        let counted = async { while !self.probe("/metrics").await.text().lines().any(|each| each == line) {} };
        let in_time = tokio::time::timeout(Duration::from_secs(5), counted).await;
        assert!(in_time.is_ok(), "no line `{line}` in:\n{}", self.probe("/metrics").await.text());
    }
}

/// The body of a call.
pub fn body(stream: bool) -> Value {
    json!({"model": "gpt-4o", "stream": stream, "messages": [{"role": "user", "content": "hi"}]})
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(path).header("host", "localhost").body(Full::default()).expect("a request")
}

fn flags_of(folder: &TempDir, more: &[&str]) -> Run {
    let path = folder.path().to_string_lossy().into_owned();
    let mut flags = vec!["--manifests", &path, "--namespace", "app"];
    flags.extend(more);
    run(&flags)
}

fn run(more: &[&str]) -> Run {
    let mut flags = vec!["lotse-sidecar", "run"];
    flags.extend(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--probes", "127.0.0.1:0"]);
    flags.extend(more);
    let Command::Run(run) = Cli::parse_from(flags).command;
    run
}
