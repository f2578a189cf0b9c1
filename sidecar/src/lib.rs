//! Acts on a snapshot: takes a pod's model calls to a provider that may have the data.
//!
//! *Follow* ([`folder`] → [`table`]) → *listen* ([`listen`], [`guard`]) → *plan* ([`lotse_crds::plan()`]) → *attempt*
//! ([`outgoing`], [`attempt`], [`upstream`], [`tap`]) → *answer* ([`answer`], [`stream`]). [`serve`] has the life of a call in
//! order; [`format`](mod@format) has the dialects.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

pub mod address;
pub mod admin;
pub mod answer;
pub mod args;
pub mod attempt;
pub mod bill;
pub mod bound;
pub mod call;
pub mod caller;
pub mod decode;
pub mod dial;
pub mod endpoint;
pub mod exchange;
pub mod failure;
pub mod folder;
pub mod follow;
pub mod format;
pub mod frames;
pub mod guard;
pub mod health;
pub mod hint;
mod json_lines;
pub mod lane;
pub mod lease;
pub mod listen;
pub mod makers;
pub mod metadata;
pub mod metrics;
mod models;
mod moment;
pub mod multipart;
pub mod openai;
pub mod outgoing;
pub mod pace;
mod passed;
mod pieces;
pub mod pursuit;
mod quirks;
pub mod quota;
pub mod record;
pub mod report;
pub mod retries;
pub mod routes;
pub mod serve;
pub mod server;
mod session;
pub mod simulate;
pub mod source;
pub mod spending;
pub mod sse;
pub mod sticky;
pub mod stream;
pub mod table;
pub mod tap;
pub mod telemetry;
mod tell;
mod trial;
mod tunnel;
pub mod upstream;
mod whole;

use args::Run;
use exchange::{Exchanges, Way};
use folder::FolderError;
use listen::{ListenError, Service};
use serve::App;

/// A sidecar that answers.
pub struct Running {
    /// Where calls are taken.
    pub calls: Vec<SocketAddr>,
    /// Where `/snapshot` and `/explain` are answered.
    pub admin: SocketAddr,
    /// Where `/livez`, `/readyz` and `/metrics` are answered.
    pub probes: SocketAddr,
    stop: watch::Sender<bool>,
    tasks: JoinSet<()>,
    /// Whoever follows the operator, and what tells it that calls have ended.
    follower: Option<(watch::Sender<bool>, JoinHandle<()>)>,
}

/// How long the operator may take to hear what was spent last.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Why a sidecar can't start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folder can't be used.
    #[error("the manifests can't be used")]
    Folder(#[from] FolderError),
    /// A port can't be used.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The thread that follows the folder can't be made.
    #[error("can't follow the folder")]
    Thread(#[source] std::io::Error),
}

/// Starts a sidecar: answers calls, and follows a folder or the operator from then on. What a person at the terminal
/// should see goes to `show`.
pub async fn start(run: &Run, show: fn(&str)) -> Result<Running, StartError> {
    start_by(run, show, Way::Public).await
}

/// The same, with another way to the hosts at which identities are exchanged.
#[doc(hidden)]
pub async fn start_by(run: &Run, show: fn(&str), way: Way) -> Result<Running, StartError> {
    let app = Arc::new(App::default());
    let folder = match &run.manifests {
        None => None,
        Some(path) => {
            let folder = run.folder(path, show);
            let exchanges = Arc::new(Exchanges::new(&app.shared, run.identity_token.clone(), way));
            let follower = folder.start(&app, exchanges.clone())?;
            // Ends with the runtime.
            tokio::spawn(exchanges.run());
            Some((folder, follower))
        }
    };
    let calls = run.listen.open().await?;
    let admin = listen::bind(run.admin).await?;
    let probes = listen::bind(run.probes).await?;
    let addresses: Vec<SocketAddr> = calls.iter().filter_map(|listener| listener.local_addr().ok()).collect();
    let (stop, stopped) = watch::channel(false);
    let mut running = Running {
        admin: admin.local_addr().unwrap_or(run.admin),
        probes: probes.local_addr().unwrap_or(run.probes),
        calls: addresses,
        stop,
        tasks: JoinSet::new(),
        follower: None,
    };
    show(&report::started(&app, &running.lines()));
    for listener in calls {
        running.tasks.spawn(listen::accept(listener, Service::Calls(app.clone()), stopped.clone()));
    }
    running.tasks.spawn(tick(app.clone(), stopped.clone()));
    running.tasks.spawn(listen::accept(admin, Service::Admin(app.clone()), stopped.clone()));
    running.tasks.spawn(listen::accept(probes, Service::Probes(app.clone()), stopped));
    match folder {
        // Ends when nobody calls any more, or with the runtime.
        None => {
            let (ended, calls_ended) = watch::channel(false);
            running.follower = Some((ended, tokio::spawn(run.follow().run(app, calls_ended))));
        }
        Some((folder, follower)) => {
            let app = Arc::downgrade(&app);
            std::thread::Builder::new()
                .name("folder".to_owned())
                .spawn(move || folder.follow(follower, &app))
                .map_err(StartError::Thread)?;
        }
    }
    Ok(running)
}

/// Wakes the runtime once a second. A timer that is due before the runtime's next wake-up costs a write to its own event
/// descriptor, and another turn; with this, the timers of a call are not. It also looks at the age of what is in force.
async fn tick(app: Arc<App>, mut stop: watch::Receiver<bool>) {
    let mut second = tokio::time::interval(Duration::from_secs(1));
    let mut warned = false;
    loop {
        tokio::select! {
            _ = second.tick() => app.warn_of_age(&mut warned),
            _ = stop.wait_for(|stop| *stop) => return,
        }
    }
}

impl Running {
    fn lines(&self) -> [(&'static str, String); 3] {
        let urls: Vec<String> = self.calls.iter().map(|address| format!("http://{address}/v1")).collect();
        [
            ("calls", urls.join("  ")),
            ("admin", format!("http://{0}/snapshot  http://{0}/explain?model=", self.admin)),
            ("probes", format!("http://{0}/livez  http://{0}/readyz  http://{0}/metrics", self.probes)),
        ]
    }

    /// Takes no more connections, lets calls end, and tells the operator what they have cost.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        while self.tasks.join_next().await.is_some() {}
        let Some((calls_ended, mut follower)) = self.follower else { return };
        calls_ended.send_replace(true);
        if timeout(LAST_WORDS, &mut follower).await.is_err() {
            tracing::warn!("the operator has not said that it has heard what was spent last");
            follower.abort();
        }
    }
}
