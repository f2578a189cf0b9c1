//! The sidecar: its release binary as a process of its own, on a folder of manifests, and what it needs.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use tempfile::TempDir;

use crate::process::{self, now};
use crate::results::median;
use crate::tell;

const MANIFESTS: &str = include_str!("manifests.yaml");
const BUILD: &str = "cargo build --release -p lotse-sidecar";
/// After so long without a call a sidecar is idle.
const REST: Duration = Duration::from_secs(1);

/// A running sidecar; it ends when this is dropped.
pub(crate) struct Sidecar {
    /// Where it takes calls.
    pub(crate) address: SocketAddr,
    /// How long it took until it listened.
    pub(crate) started_in: Duration,
    child: Child,
    /// Holds its manifests and its log.
    _folder: TempDir,
}

/// What the sidecar needs.
pub(crate) struct Footprint {
    /// From its start until it listens, in milliseconds: the median.
    pub(crate) start: f64,
    /// How much memory it holds before its first call, in MiB.
    pub(crate) idle: f64,
    /// How much after all calls, in MiB.
    pub(crate) after_load: f64,
    /// How large its binary is, in MiB.
    pub(crate) binary: f64,
}

impl Sidecar {
    /// Starts in front of the provider at `upstream`.
    pub(crate) fn start(binary: &Path, upstream: SocketAddr) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (manifests, log) = (folder.path().join("manifests"), folder.path().join("log"));
        fs::create_dir(&manifests)?;
        fs::write(manifests.join("bench.yaml"), MANIFESTS.replace("127.0.0.1:0", &upstream.to_string()))?;
        let out = File::create(&log)?;
        let [calls, admin, probes] = process::free_addresses()?;
        let mut command = Command::new(binary);
        command.arg("run").arg("--manifests").arg(&manifests).args(["--namespace", "bench"]);
        for (flag, address) in [("--listen", calls), ("--admin", admin), ("--probes", probes)] {
            command.arg(flag).arg(address.to_string());
        }
        command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out);
        let began = now();
        let child = command.spawn().with_context(|| format!("{} can't be started", binary.display()))?;
        let mut sidecar = Self { address: calls, started_in: Duration::ZERO, child, _folder: folder };
        process::wait_until_listening(&mut sidecar.child, calls, &log).context("the sidecar does not start")?;
        sidecar.started_in = began.elapsed();
        Ok(sidecar)
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its resident memory when it has had nothing to do for a while, in MiB.
    pub(crate) fn idle_memory(&self) -> anyhow::Result<f64> {
        thread::sleep(REST);
        Ok(f64::from(process::memory(self.pid())?) / 1024.0)
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Footprint {
    /// Puts together what was measured.
    pub(crate) fn new(binary: &Path, starts: &[Duration], (idle, after_load): (f64, f64)) -> anyhow::Result<Self> {
        let millis = starts.iter().map(|start| start.as_secs_f64() * 1e3).collect();
        let kib = u32::try_from(fs::metadata(binary)?.len() / 1024)?;
        Ok(Self { start: median(millis).unwrap_or(f64::NAN), idle, after_load, binary: f64::from(kib) / 1024.0 })
    }
}

/// The binary to measure: the one that is asked for, or the one beside this program.
pub(crate) fn binary(asked: Option<&Path>) -> anyhow::Result<PathBuf> {
    let beside = std::env::current_exe()?.with_file_name("lotse-sidecar");
    let binary = asked.map_or(beside, Path::to_owned);
    // Built together with the tests, it would carry what only they ask of its libraries.
    ensure!(binary.is_file(), "there is no {}; build it alone: {BUILD}", binary.display());
    let built = fs::metadata(&binary)?.modified()?;
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if ["sidecar", "crds"].iter().any(|member| is_newer(&workspace.join(member), built)) {
        tell(&format!("warning: {} is older than its sources; to measure those: {BUILD}", binary.display()));
    }
    Ok(binary)
}

/// Whether a file, or any file of a folder, has changed since.
fn is_newer(path: &Path, since: SystemTime) -> bool {
    if let Ok(entries) = fs::read_dir(path) {
        return entries.flatten().any(|entry| is_newer(&entry.path(), since));
    }
    fs::metadata(path).and_then(|file| file.modified()).is_ok_and(|changed| changed > since)
}
