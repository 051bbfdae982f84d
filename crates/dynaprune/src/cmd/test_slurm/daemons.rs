//! A Slurm of one node, all of it in a temporary folder: munge, a controller and a node daemon on the loopback.

use crate::failure::BadInput;
use anyhow::{Context as _, Result, anyhow, bail};
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The programs that are needed.
const PROGRAMS: &[&str] = &[
    "munged",
    "slurmctld",
    "slurmd",
    "sbatch",
    "scontrol",
    "squeue",
    "scancel",
    "sinfo",
];
/// Where daemons are that are on no ordinary user's path.
const SYSTEM_FOLDERS: &[&str] = &["/usr/sbin", "/sbin", "/usr/local/sbin"];
/// How long a daemon may take to be there.
const START: Duration = Duration::from_secs(30);

/// Kills all that belongs to our Slurm and removes its folder, as soon as its standard input ends: when the test ends, however it
/// does. What belongs to it has our configuration in its environment: daemons, and the tasks that they start.
const WATCHDOG: &str = r#"
cat >/dev/null
for round in 1 2 3; do
    for file in $(grep -lzxF -e "SLURM_CONF=$1" /proc/[0-9]*/environ 2>/dev/null); do
        process=${file#/proc/}
        kill -9 "${process%/environ}" 2>/dev/null
    done
done
rm -rf -- "$2"
"#;

/// The daemons. All ends when this is dropped.
pub(super) struct Daemons {
    folder: PathBuf,
    node: String,
    slurmd: PathBuf,
    node_daemon: Child,
    /// Waited for in the end, so that no zombies are left.
    others: Vec<Child>,
    watchdog: Child,
}

impl Daemons {
    /// Starts them and waits until the node is idle.
    ///
    /// # Errors
    /// If Slurm or munge are not installed, or do not come up.
    pub(super) fn start() -> Result<Self> {
        let programs = find_programs()?;
        let program = |name: &str| -> Result<PathBuf> {
            let at = PROGRAMS.iter().position(|known| *known == name);
            at.map(|at| programs[at].clone())
                .ok_or_else(|| anyhow!("`{name}` was not looked for"))
        };
        let node = node_name()?;
        let folder = std::env::temp_dir().join(format!("dynaprune-slurm-{}", std::process::id()));
        for part in ["", "m", "log", "state", "spool", "results"] {
            let part = folder.join(part);
            fs::create_dir(&part).with_context(|| format!("cannot make `{}`", part.display()))?;
            // munge wants its socket where all users could reach it.
            fs::set_permissions(&part, fs::Permissions::from_mode(0o711))?;
        }
        // From here on nothing is left behind.
        let watchdog = watch(&folder)?;
        let slurmd = program("slurmd")?;
        write_key(&folder.join("m/key"))?;
        fs::write(configuration(&folder), settings(&folder, &node)?)?;

        let at = |name: &str, file: &str| -> OsString {
            let mut option = OsString::from(format!("--{name}="));
            option.push(folder.join("m").join(file));
            option
        };
        let mut munged = Command::new(program("munged")?);
        munged.args(["--foreground", "--force", "--num-threads=2"]).args([
            at("socket", "s"),
            at("key-file", "key"),
            at("pid-file", "pid"),
            at("log-file", "log"),
            at("seed-file", "seed"),
        ]);
        let munged = spawn(munged, &folder, "munged")?;
        wait_for("munge", || Ok(folder.join("m/s").exists()))
            .with_context(|| log(&folder, "munged"))
            .map_err(flat)?;
        let mut controller = Command::new(program("slurmctld")?);
        controller.arg("-D");
        let controller = spawn(controller, &folder, "slurmctld")?;
        let node_daemon = start_node(&slurmd, &folder)?;
        let daemons = Self {
            folder,
            node,
            slurmd,
            node_daemon,
            others: vec![munged, controller],
            watchdog,
        };
        daemons
            .wait_for_node()
            .map_err(|error| anyhow!("{error}\n\n{}", daemons.logs()))?;
        Ok(daemons)
    }

    /// The folder of all.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file that commands of Slurm find in `SLURM_CONF`.
    pub(super) fn configuration(&self) -> PathBuf {
        configuration(&self.folder)
    }

    /// Kills the node's daemon and starts another one; the tasks on the node go on meanwhile.
    pub(super) fn restart_node(&mut self) -> Result<()> {
        kill_and_wait(&mut self.node_daemon)?;
        self.node_daemon = start_node(&self.slurmd, &self.folder)?;
        self.wait_for_node()
    }

    /// Kills all that runs on the node, has the controller notice, and brings the node back.
    pub(super) fn lose_node(&mut self) -> Result<()> {
        kill_and_wait(&mut self.node_daemon)?;
        let lost = self.processes_of_tasks();
        if lost.is_empty() {
            bail!("no task was there to be lost");
        }
        // Those that end on their own in this moment are no failure.
        let _ = Command::new("kill").arg("-9").args(lost).stderr(Stdio::null()).status();
        // In a minute or so the controller would see it by itself.
        self.scontrol(&[
            "update",
            &format!("nodename={}", self.node),
            "state=down",
            "reason=lost",
        ])?;
        self.node_daemon = start_node(&self.slurmd, &self.folder)?;
        self.wait_for_node()
    }

    /// What the daemons wrote.
    pub(super) fn logs(&self) -> String {
        let logs = ["slurmctld", "slurmd"].map(|name| log(&self.folder, name));
        logs.join("\n")
    }

    /// Waits until the node serves, with tasks or without.
    fn wait_for_node(&self) -> Result<()> {
        wait_for("the node", || {
            let mut command = Command::new("sinfo");
            let output = command
                .args(["--noheader", "--format=%T"])
                .env("SLURM_CONF", self.configuration())
                .output()?;
            let state = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            Ok(["idle", "mixed", "allocated", "completing"].contains(&state.as_str()))
        })
    }

    fn scontrol(&self, arguments: &[&str]) -> Result<()> {
        let output = Command::new("scontrol")
            .args(arguments)
            .env("SLURM_CONF", self.configuration())
            .output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("`scontrol {}` failed: {}", arguments.join(" "), said.trim());
        }
        Ok(())
    }

    /// The processes that the node's daemon started: ours by their environment, and neither munge nor the controller.
    fn processes_of_tasks(&self) -> Vec<String> {
        let mut ours = b"SLURM_CONF=".to_vec();
        ours.extend(self.configuration().as_os_str().as_encoded_bytes());
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let is_of_task = |process: &Path| {
            let environment = fs::read(process.join("environ")).unwrap_or_default();
            let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
            environment.split(|&byte| byte == 0).any(|entry| entry == ours)
                && !["munged", "slurmctld", "slurmscriptd"].contains(&name.trim())
        };
        entries
            .filter(|entry| is_of_task(&entry.path()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
            .collect()
    }
}

impl Drop for Daemons {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let _ = self.watchdog.wait();
        for child in self.others.iter_mut().chain([&mut self.node_daemon]) {
            let _ = child.wait();
        }
    }
}

/// The paths of [`PROGRAMS`].
fn find_programs() -> Result<Vec<PathBuf>> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path)
        .chain(SYSTEM_FOLDERS.iter().map(PathBuf::from))
        .collect();
    let find = |name: &str| {
        folders
            .iter()
            .map(|folder| folder.join(name))
            .find(|path| path.is_file())
    };
    let found: Vec<Option<PathBuf>> = PROGRAMS.iter().map(|name| find(name)).collect();
    let missing: Vec<String> = PROGRAMS
        .iter()
        .zip(&found)
        .filter(|(_, path)| path.is_none())
        .map(|(name, _)| format!("`{name}`"))
        .collect();
    if !missing.is_empty() {
        let error = BadInput::new(format!("no Slurm to test with: {} not found", missing.join(", ")));
        return Err(error
            .hint("on Debian and Ubuntu: `apt-get install slurm-wlm munge`")
            .into());
    }
    Ok(found.into_iter().flatten().collect())
}

/// This machine's name as Slurm has it: up to the first dot.
fn node_name() -> Result<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").context("cannot tell this machine's name")?;
    match name.trim().split('.').next() {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => bail!("this machine has no name"),
    }
}

/// The watchdog, in a group of its own, so that an interrupt from the keyboard does not reach it.
fn watch(folder: &Path) -> Result<Child> {
    let watchdog = Command::new("/bin/sh")
        .args(["-c", WATCHDOG, "sh"])
        .args([configuration(folder).as_path(), folder])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    watchdog.map_err(|error| anyhow!("cannot start `/bin/sh`: {error}"))
}

/// A secret that nobody else can read.
fn write_key(path: &Path) -> Result<()> {
    let mut key = [0; 128];
    File::open("/dev/urandom")?.read_exact(&mut key)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&key)?;
    Ok(())
}

fn configuration(folder: &Path) -> PathBuf {
    folder.join("slurm.conf")
}

/// A configuration that needs neither systemd nor cgroups, and the rights of no other user.
fn settings(folder: &Path, node: &str) -> Result<String> {
    let user = Command::new("id").arg("-un").output()?;
    let user = String::from_utf8_lossy(&user.stdout).trim().to_owned();
    let folder = folder.to_str().filter(|text| !text.contains([' ', '#', '"', ',']));
    let Some(folder) = folder else {
        let error =
            BadInput::new("the path of the folder for temporary files has characters that `slurm.conf` cannot hold");
        return Err(error.hint("set `TMPDIR` to another one").into());
    };
    let (controller, daemon) = (TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?);
    let (controller, daemon) = (controller.local_addr()?.port(), daemon.local_addr()?.port());
    Ok(format!(
        "ClusterName=dynaprune-test
SlurmctldHost={node}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={daemon}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/m/s
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MailProg=/bin/true
ReturnToService=2
KillWait=15
# The defaults are for many nodes: minutes until something is noticed.
SchedulerParameters=sched_interval=1,batch_sched_delay=0
SlurmdParameters=config_overrides
NodeName={node} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=test Nodes={node} Default=YES MaxTime=INFINITE State=UP
"
    ))
}

fn start_node(slurmd: &Path, folder: &Path) -> Result<Child> {
    let mut command = Command::new(slurmd);
    command.arg("-D");
    spawn(command, folder, "slurmd")
}

/// Starts a daemon that adds to a log of its name.
fn spawn(mut command: Command, folder: &Path, name: &str) -> Result<Child> {
    let path = folder.join("log").join(name);
    let log = OpenOptions::new().create(true).append(true).open(path)?;
    command
        .current_dir(folder)
        .env("SLURM_CONF", configuration(folder))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .map_err(|error| anyhow!("cannot start `{}`: {error}", command.get_program().display()))
}

fn kill_and_wait(child: &mut Child) -> Result<()> {
    child.kill()?;
    child.wait()?;
    Ok(())
}

fn wait_for(what: &str, is_there: impl Fn() -> Result<bool>) -> Result<()> {
    let begin = Instant::now();
    while !is_there()? {
        if begin.elapsed() > START {
            bail!("{what} is not there after {} seconds", START.as_secs());
        }
        thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// The end of what a daemon wrote.
fn log(folder: &Path, name: &str) -> String {
    let text = fs::read_to_string(folder.join("log").join(name)).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let end = &lines[lines.len().saturating_sub(40)..];
    format!("{name}:\n{}", end.join("\n"))
}

/// An error with all its causes in one message.
fn flat(error: anyhow::Error) -> anyhow::Error {
    anyhow!("{error:#}")
}
