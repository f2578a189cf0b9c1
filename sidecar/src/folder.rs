//! Follows a folder of manifests, for laptops and tests: the same snapshots as the operator's, without a cluster.
//!
//! The folder is read whole several times a second and compared by content: no notification can be missed. A change
//! counts once two reads agree, so that a file that is being written is not judged half-way. A broken folder keeps the
//! last good one in force and says what is wrong.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use jiff::civil::Date;
use lotse_crds::compile::{Compiled, compile};
use lotse_crds::name::Workload;
use lotse_crds::read::{ReadError, read};
use lotse_crds::residency::utc_day;

use crate::exchange::Exchanges;
use crate::lane::TableError;
use crate::metrics::SnapshotLabels;
use crate::moment;
use crate::report;
use crate::serve::App;

/// How often the folder is read.
const PERIOD: Duration = Duration::from_millis(200);

/// The texts of a folder's manifests, by file name.
type Files = BTreeMap<String, String>;

/// A folder of manifests, and for whom it is compiled.
#[derive(Clone, Debug)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// Who calls.
    pub workload: Workload,
    /// The namespace of platform and data protection.
    pub root_namespace: String,
    /// Shows text to a person.
    pub show: fn(&str),
}

/// Why a folder can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It can't be read.
    #[error("{0} can't be read")]
    Unreadable(PathBuf, #[source] io::Error),
    /// There is nothing in it.
    #[error("{0} holds no manifest; must hold .yaml, .yml or .json files")]
    Empty(PathBuf),
    /// Its manifests are wrong.
    #[error("{}", told(.0))]
    Wrong(Vec<ReadError>),
    /// What it compiles to can't be used.
    #[error(transparent)]
    Table(#[from] TableError),
}

fn told(errors: &[ReadError]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

impl Folder {
    /// Reads the folder for the first time and puts it in force. A folder that is broken from the start is an error.
    /// What `exchanges` gets by and by is put in force as it comes.
    pub fn start(&self, app: &App, exchanges: Arc<Exchanges>) -> Result<Follower, FolderError> {
        let files = self.files()?;
        if files.is_empty() {
            return Err(FolderError::Empty(self.path.clone()));
        }
        let day = utc_day(moment::now());
        let generation = exchanges.generation();
        self.apply(&files, (app, &exchanges))?;
        Ok(Follower { seen: Some(files.clone()), applied: files, day, exchanges, generation })
    }

    /// The manifests, by file name; sub-folders are not read, as `kubectl apply -f` does not.
    fn files(&self) -> Result<Files, FolderError> {
        let unreadable = |error| FolderError::Unreadable(self.path.clone(), error);
        let mut files = Files::new();
        for entry in fs::read_dir(&self.path).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if is_manifest(&path) {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let text = fs::read_to_string(&path).map_err(|error| FolderError::Unreadable(path, error))?;
                files.insert(name, text);
            }
        }
        Ok(files)
    }

    /// Puts files in force and counts how that went.
    fn apply(&self, files: &Files, (app, exchanges): (&App, &Exchanges)) -> Result<(), FolderError> {
        let applied = self.try_apply(files, (app, exchanges));
        count(if applied.is_ok() { "applied" } else { "refused" }, app);
        applied
    }

    fn try_apply(&self, files: &Files, (app, exchanges): (&App, &Exchanges)) -> Result<(), FolderError> {
        let mut manifests = read(files, &self.root_namespace).map_err(FolderError::Wrong)?;
        exchanges.fill(&mut manifests);
        let Compiled { snapshot, keys, findings } = compile(&manifests, &self.workload, moment::now());
        app.apply(snapshot, &keys)?;
        report::findings(&findings);
        Ok(())
    }

    /// Follows the folder for as long as the app lives. Blocks; give it a thread of its own.
    pub fn follow(&self, mut follower: Follower, app: &Weak<App>) {
        loop {
            std::thread::sleep(PERIOD);
            let Some(app) = app.upgrade() else { return };
            self.look(&mut follower, &app);
        }
    }

    fn look(&self, follower: &mut Follower, app: &App) {
        let day = utc_day(moment::now());
        let files = match self.files() {
            Ok(files) => files,
            Err(error) => {
                // A failed read is no absence: what is in force stays.
                if follower.seen.take().is_some() {
                    count("refused", app);
                    report::refused(&error);
                }
                return;
            }
        };
        let is_settled = follower.seen.as_ref() == Some(&files);
        let generation = follower.exchanges.generation();
        let is_renewed = generation != follower.generation;
        let is_new = files != follower.applied || day != follower.day;
        if !is_settled {
            follower.seen = Some(files);
            return;
        }
        if !is_new && !is_renewed {
            return;
        }
        follower.applied = files;
        follower.day = day;
        follower.generation = generation;
        let revision = || app.table().map(|table| table.revision.clone());
        let before = revision();
        match self.apply(&follower.applied, (app, &follower.exchanges)) {
            // A credential that is renewed changes nothing for people.
            Ok(()) if !is_new && before == revision() => {}
            Ok(()) => (self.show)(&report::applied(app)),
            Err(error) => report::refused(&error),
        }
    }
}

/// How far a folder has been followed.
pub struct Follower {
    /// What the last read gave; nothing when the folder could not be read, which is another thing than empty.
    seen: Option<Files>,
    applied: Files,
    day: Date,
    exchanges: Arc<Exchanges>,
    /// Of what `exchanges` held when it was last applied.
    generation: u64,
}

fn count(outcome: &'static str, app: &App) {
    app.shared.metrics.snapshots.get_or_create(&SnapshotLabels { outcome }).inc();
}

fn is_manifest(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    matches!(ending, Some("yaml" | "yml" | "json")) && path.is_file()
}
