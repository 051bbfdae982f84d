//! Who makes which run: a claim is a file that its holder keeps alive.
//!
//! `leases/<id>.json` names a host, a process and a count of beats that grows while the process lives. A claim is dead if its
//! process is on this machine and gone, or if its file has not changed for [`PATIENCE`] while we looked on: no clock but our own
//! is read, so that neither a clock that was set back nor one of another machine matters. A dead claim is taken over.

use crate::signals::Stop;
use anyhow::{Result, anyhow};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A holder beats so often,
const BEAT: Duration = Duration::from_secs(5);
/// and is dead if it has not for so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// The claims of a profile's runs.
pub(crate) struct Leases {
    folder: PathBuf,
    me: Holder,
    /// How long a claim of another machine must not have changed to be dead.
    patience: Duration,
    /// Claims of others: what their files held when we looked, and since when.
    seen: BTreeMap<String, (Vec<u8>, Instant)>,
}

/// What the file of a claim says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Holder {
    pub(crate) host: String,
    pub(crate) pid: u32,
    /// What tells this machine, as long as it is up, and its space of process numbers from others of the same name.
    machine: String,
    /// When the process started, in the machine's ticks: its number may come again.
    started: u64,
    pub(crate) beats: u64,
    /// What tells this claim from all others.
    token: String,
}

/// How a claim went.
pub(crate) enum Claim {
    Ours(Lease),
    /// Someone else makes the run.
    Held(Holder),
}

/// A claim that we hold until it is dropped.
pub(crate) struct Lease {
    folder: PathBuf,
    path: PathBuf,
    token: String,
    lost: Arc<AtomicBool>,
    beater: Option<(Sender<()>, JoinHandle<()>)>,
}

static CLAIMS: AtomicU64 = AtomicU64::new(0);

impl Leases {
    /// The claims below `<results>/<profile>`. Touches nothing on the disk.
    pub(crate) fn new(profile_folder: &Path) -> Self {
        Self {
            folder: profile_folder.join("leases"),
            me: Holder::me(),
            patience: PATIENCE,
            seen: BTreeMap::new(),
        }
    }

    /// Claims the run `id`.
    pub(crate) fn claim(&mut self, id: &str) -> Result<Claim> {
        let folder = self.folder.clone();
        let cannot = |error: io::Error| anyhow!("cannot write `{}`: {error}", folder.display());
        fs::create_dir_all(&folder).map_err(cannot)?;
        let path = folder.join(format!("{id}.json"));
        // Looking costs nothing: most claims that are not ours are seen here.
        match fs::read(&path) {
            Ok(there) => {
                let holder = serde_json::from_slice(&there).unwrap_or_else(|_| Holder::unknown());
                if !self.is_dead(id, &holder, &there) {
                    return Ok(Claim::Held(holder));
                }
                let _lock = lock(&folder).map_err(cannot)?;
                // Somebody else may have found it dead, and claimed it.
                if fs::read(&path).is_ok_and(|now| now == there) {
                    fs::remove_file(&path).map_err(cannot)?;
                }
                self.seen.remove(id);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(anyhow!("cannot read `{}`: {error}", path.display())),
        }
        let claim = Holder {
            token: format!(
                "{}-{}-{}-{}",
                self.me.machine,
                self.me.pid,
                self.me.started,
                CLAIMS.fetch_add(1, Ordering::Relaxed)
            ),
            ..self.me.clone()
        };
        let is_new = dynaprune_files::write_new(&path, &serde_json::to_vec(&claim)?).map_err(cannot)?;
        // A network file system may have made the link and lost the answer.
        let holder = Holder::read(&path).unwrap_or_else(Holder::unknown);
        match is_new || holder.token == claim.token {
            true => Ok(Claim::Ours(Lease::new(&folder, path, claim))),
            false => Ok(Claim::Held(holder)),
        }
    }

    /// Claims the run `id` for a command that has nothing else to do meanwhile: a claim of another machine is looked at until it
    /// beats or is dead. `tell` is told of its holder before.
    ///
    /// # Errors
    /// As [`Leases::claim`], or [`Stopped`](crate::failure::Stopped).
    pub(crate) fn claim_patiently(&mut self, id: &str, stop: &Stop, tell: impl FnOnce(&Holder)) -> Result<Claim> {
        let held = match self.claim(id)? {
            Claim::Held(holder) if !self.is_here(&holder) => holder,
            claim => return Ok(claim),
        };
        tell(&held);
        loop {
            std::thread::sleep(self.patience / 60);
            stop.check()?;
            match self.claim(id)? {
                Claim::Held(now) if now == held => {}
                claim => return Ok(claim),
            }
        }
    }

    /// Whether the holder is a process of this machine, of which we know whether it lives.
    fn is_here(&self, holder: &Holder) -> bool {
        holder.machine == self.me.machine && !self.me.machine.is_empty()
    }

    fn is_dead(&mut self, id: &str, holder: &Holder, there: &[u8]) -> bool {
        if self.is_here(holder) {
            return is_over(&stat(holder.pid), holder.started);
        }
        let now = Instant::now();
        let (bytes, since) = self.seen.entry(id.to_owned()).or_insert_with(|| (there.to_vec(), now));
        if bytes != there {
            (*bytes, *since) = (there.to_vec(), now);
        }
        now.duration_since(*since) >= self.patience
    }
}

/// The claims there are now, dead ones too, by run.
pub(crate) fn holders(profile_folder: &Path) -> BTreeMap<String, Holder> {
    let entries = profile_folder.join("leases").read_dir().into_iter().flatten().flatten();
    let holder = |path: PathBuf| {
        let id = path.file_name()?.to_str()?.strip_suffix(".json")?.to_owned();
        Some((id, Holder::read(&path)?))
    };
    entries.filter_map(|entry| holder(entry.path())).collect()
}

impl Holder {
    /// This process.
    fn me() -> Self {
        let read = |path: &str| {
            fs::read_to_string(path)
                .map(|text| text.trim().to_owned())
                .unwrap_or_default()
        };
        let boot = read("/proc/sys/kernel/random/boot_id");
        let space = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let pid = std::process::id();
        Self {
            host: read("/proc/sys/kernel/hostname"),
            pid,
            // Where a machine does not tell, beats do.
            machine: match boot.is_empty() {
                true => String::new(),
                false => format!("{boot}/{}", space.display()),
            },
            started: stat(pid).ok().as_deref().and_then(start_in).unwrap_or(0),
            beats: 0,
            token: String::new(),
        }
    }

    fn unknown() -> Self {
        Self {
            host: "an unknown machine".to_owned(),
            pid: 0,
            machine: String::new(),
            started: 0,
            beats: 0,
            token: String::new(),
        }
    }

    fn read(path: &Path) -> Option<Self> {
        serde_json::from_slice(&fs::read(path).ok()?).ok()
    }

    /// That it is waited for, for people.
    pub(crate) fn awaited(&self) -> String {
        let seconds = PATIENCE.as_secs();
        format!("it is claimed by {self}: waiting for a sign of life, {seconds} seconds at most")
    }

    /// Whether the process is known to be gone; one on another machine is not.
    pub(crate) fn is_gone(&self) -> bool {
        let me = Self::me();
        !me.machine.is_empty() && self.machine == me.machine && is_over(&stat(self.pid), self.started)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {}", self.pid, self.host)
    }
}

/// What the system says of a process of this machine.
fn stat(pid: u32) -> io::Result<String> {
    fs::read_to_string(format!("/proc/{pid}/stat"))
}

/// Whether the process that `started` then is gone. One that the system does not tell of may live.
fn is_over(stat: &io::Result<String>, started: u64) -> bool {
    match stat {
        Ok(text) => start_in(text) != Some(started),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// When the process started, in ticks; `None` if it is a zombie.
fn start_in(stat: &str) -> Option<u64> {
    // The name, in parentheses, may have blanks; the state is the next field and the start the 20th from there.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    match fields.next()? {
        "Z" | "X" => None,
        _ => fields.nth(18)?.parse().ok(),
    }
}

impl Lease {
    fn new(folder: &Path, path: PathBuf, mut claim: Holder) -> Self {
        let lost = Arc::new(AtomicBool::new(false));
        let (stop, stopped) = channel::<()>();
        let token = claim.token.clone();
        let beat = {
            let (folder, path, lost) = (folder.to_owned(), path.clone(), lost.clone());
            move || {
                while stopped.recv_timeout(BEAT) == Err(RecvTimeoutError::Timeout) {
                    let _lock = lock(&folder);
                    // What cannot be read for a moment is not lost.
                    let is_lost = match fs::read(&path) {
                        Ok(text) => serde_json::from_slice(&text).is_ok_and(|now: Holder| now.token != claim.token),
                        Err(error) => error.kind() == io::ErrorKind::NotFound,
                    };
                    if is_lost {
                        lost.store(true, Ordering::Relaxed);
                        return;
                    }
                    claim.beats += 1;
                    // A beat that cannot be written is one that is missing.
                    if let Ok(text) = serde_json::to_vec(&claim) {
                        let _ = dynaprune_files::write(&path, &text);
                    }
                }
            }
        };
        let beater = std::thread::Builder::new().name("lease".to_owned()).spawn(beat);
        Self {
            folder: folder.to_owned(),
            path,
            token,
            lost,
            beater: beater.ok().map(|thread| (stop, thread)),
        }
    }

    /// Whether another process has taken the run over, because it took us for dead.
    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.beater.take() {
            drop(stop);
            let _ = thread.join();
        }
        let _lock = lock(&self.folder);
        if Holder::read(&self.path).is_some_and(|holder| holder.token == self.token) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Keeps other processes from taking over, beating and giving up claims of the folder until the answer is dropped.
fn lock(folder: &Path) -> io::Result<File> {
    dynaprune_files::lock(&folder.join(".lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(claim: Claim) -> Lease {
        match claim {
            Claim::Ours(lease) => lease,
            Claim::Held(holder) => panic!("held by {holder:?}"),
        }
    }

    fn is_held(leases: &mut Leases) -> bool {
        matches!(leases.claim("run").unwrap(), Claim::Held(_))
    }

    #[test]
    fn a_claim_is_exclusive_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let (mut a, mut b) = (Leases::new(folder.path()), Leases::new(folder.path()));
        let lease = ours(a.claim("run").unwrap());
        assert!(is_held(&mut b) && is_held(&mut a));
        assert_eq!(holders(folder.path())["run"].pid, std::process::id());
        drop(ours(b.claim("another").unwrap()));
        drop(lease);
        drop(ours(b.claim("run").unwrap()));
        assert!(holders(folder.path()).is_empty());
    }

    #[test]
    fn of_many_that_claim_at_once_one_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        let claims = std::thread::scope(|scope| {
            let claim = || Leases::new(folder.path()).claim("run").unwrap();
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(claim)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect::<Vec<_>>()
        });
        assert_eq!(claims.iter().filter(|claim| matches!(claim, Claim::Ours(_))).count(), 1);
    }

    /// A file that holds what `change` makes of a claim of ours.
    fn left_by(folder: &Path, change: impl FnOnce(&mut Holder)) {
        let mut holder = Holder {
            token: "theirs".to_owned(),
            ..Holder::me()
        };
        change(&mut holder);
        fs::create_dir_all(folder.join("leases")).unwrap();
        fs::write(folder.join("leases/run.json"), serde_json::to_vec(&holder).unwrap()).unwrap();
    }

    #[test]
    fn a_claim_of_a_process_that_is_gone_is_taken_over_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let mut dead = std::process::Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        left_by(folder.path(), |holder| holder.pid = dead.id());
        drop(ours(Leases::new(folder.path()).claim("run").unwrap()));
        // The number came again, the process did not.
        let parent = std::os::unix::process::parent_id();
        left_by(folder.path(), |holder| (holder.pid, holder.started) = (parent, 1));
        drop(ours(Leases::new(folder.path()).claim("run").unwrap()));
        // So did ours, as in a container whose first process is always number 1.
        left_by(folder.path(), |holder| holder.started = 1);
        drop(ours(Leases::new(folder.path()).claim("run").unwrap()));
        left_by(folder.path(), |holder| {
            (holder.pid, holder.started) = (parent, start_in(&stat(parent).unwrap()).unwrap())
        });
        assert!(is_held(&mut Leases::new(folder.path())), "it lives");
    }

    #[test]
    fn a_claim_of_another_machine_is_dead_when_it_has_not_changed_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let mut leases = Leases::new(folder.path());
        left_by(folder.path(), |holder| holder.machine = "elsewhere".to_owned());
        assert!(is_held(&mut leases));
        let back = |leases: &mut Leases| {
            let since = &mut leases.seen.get_mut("run").unwrap().1;
            *since = since.checked_sub(PATIENCE).unwrap();
        };
        back(&mut leases);
        left_by(folder.path(), |holder| {
            (holder.machine, holder.beats) = ("elsewhere".to_owned(), 1)
        });
        assert!(is_held(&mut leases), "it has beaten");
        back(&mut leases);
        drop(ours(leases.claim("run").unwrap()));
    }

    #[test]
    fn a_claim_that_a_machine_has_left_is_waited_for_and_taken_over() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = |beats| {
            left_by(folder.path(), |holder| {
                (holder.machine, holder.beats) = ("elsewhere".to_owned(), beats)
            })
        };
        let mut leases = Leases {
            patience: Duration::from_millis(60),
            ..Leases::new(folder.path())
        };
        elsewhere(0);
        let mut told = 0;
        let claim = leases.claim_patiently("run", &Stop::default(), |_| told += 1);
        drop(ours(claim.unwrap()));
        assert_eq!(told, 1);
        // One that beats lives: that is seen at the first look, long before it would be dead.
        leases.patience = Duration::from_secs(60);
        elsewhere(0);
        let clock = Instant::now();
        let claim = leases.claim_patiently("run", &Stop::default(), |_| elsewhere(1));
        assert!(matches!(claim.unwrap(), Claim::Held(holder) if holder.beats == 1));
        assert!(clock.elapsed() < Duration::from_secs(30));
        // So does a process of this machine, at once.
        let lease = ours(leases.claim("another").unwrap());
        let claim = leases.claim_patiently("another", &Stop::default(), |_| panic!("it waits"));
        assert!(matches!(claim.unwrap(), Claim::Held(_)));
        drop(lease);
    }

    #[test]
    fn a_process_that_cannot_be_looked_at_is_not_gone() {
        let failed = |kind: io::ErrorKind| is_over(&Err(kind.into()), 7);
        assert!(failed(io::ErrorKind::NotFound));
        assert!(!failed(io::ErrorKind::PermissionDenied) && !failed(io::ErrorKind::Interrupted));
    }

    #[test]
    fn what_is_no_claim_is_dead_when_it_has_not_changed_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let mut leases = Leases::new(folder.path());
        fs::create_dir_all(folder.path().join("leases")).unwrap();
        fs::write(folder.path().join("leases/run.json"), b"{half").unwrap();
        assert!(is_held(&mut leases));
        let since = &mut leases.seen.get_mut("run").unwrap().1;
        *since = since.checked_sub(PATIENCE).unwrap();
        drop(ours(leases.claim("run").unwrap()));
    }
}
