//! `submit`: the cells of a recipe as an array job on a cluster.

use crate::cluster::cells::Cells;
use crate::cluster::grid::{self, Grid, Request, absolute};
use crate::cluster::resources;
use crate::cluster::submission::{JobFolder, Submission, SubmittedArray, recorded};
use crate::cluster::tasks::Tasks;
use crate::cluster::{kubernetes, shell, slurm};
use crate::failure::BadInput;
use crate::machine::Device;
use crate::output::print;
use crate::plan::{Planned, operations};
use crate::rows::now;
use crate::workspace::Workspace;
use anyhow::{Result, anyhow};
use clap::ValueEnum;
use dynaprune_spec::StaticScores;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The options of `submit`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A recipe in `experiments/`, such as `fig1`, or the path of a TOML file
    recipe: String,
    /// A profile in `experiments/profiles/`, or the path of a TOML file [default: the recipe's own]
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Who starts the tasks
    #[arg(long, value_enum)]
    scheduler: Scheduler,
    /// At most so many tasks at a time [default: as many as the cluster has room for]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    max_parallel: Option<u32>,
    /// CPU cores of a task, and the threads it computes with
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    cpus_per_task: u32,
    /// GPUs of a task [default: none]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16))]
    gpus_per_task: Option<u32>,
    /// Memory of a task: `32G`, or `4000` for MiB [default: the cluster's]
    #[arg(long, value_name = "SIZE")]
    mem: Option<String>,
    /// Slurm: the longest time of a task, which then goes on from its checkpoint: `90` minutes, `12:00:00`, `2-00`
    /// [default: the partition's]
    #[arg(long, value_name = "TIME")]
    time: Option<String>,
    /// Seconds that a task has to keep a checkpoint before it is ended
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u32).range(10..=3600))]
    grace: u32,
    /// Slurm: the partition [default: the cluster's]
    #[arg(long, value_name = "NAME")]
    partition: Option<String>,
    /// Slurm: the account
    #[arg(long, value_name = "NAME")]
    account: Option<String>,
    /// Slurm: the quality of service
    #[arg(long, value_name = "NAME")]
    qos: Option<String>,
    /// Slurm: another option of `sbatch`, as in `--sbatch=--constraint=a100`; can be given several times
    #[arg(long, value_name = "OPTION")]
    sbatch: Vec<String>,
    /// Kubernetes: an image with the program `dynaprune` on its path
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Kubernetes: the claim of a volume that all pods can write, for `results/`, with data sets in `data/`
    #[arg(long, value_name = "NAME")]
    claim: Option<String>,
    /// What computes
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    device: Device,
    /// Repetitions, with the seeds 0, 1, ... [default: as many as the profile says]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    seeds: Option<u32>,
    /// Where results are kept, in a folder that all machines share [default: `results` in the workspace]
    #[arg(long, value_name = "DIR")]
    results: Option<PathBuf>,
    /// Where data sets are, likewise [default: $DYNAPRUNE_DATA, or `data` in the workspace]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Try again what failed before
    #[arg(long)]
    retry_failed: bool,
    /// Keep no seconds, because tasks share machines: accuracies and counted operations are the same
    #[arg(long)]
    untimed: bool,
    /// Print what would be submitted, and submit and write nothing
    #[arg(long)]
    dry_run: bool,
}

/// Who starts the tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scheduler {
    /// An array job, submitted with `sbatch`.
    Slurm,
    /// The manifest of an Indexed Job, for `kubectl apply`.
    Kubernetes,
}

/// Where a submission reads and writes, all from the root.
struct Places {
    root: PathBuf,
    results: PathBuf,
    data: PathBuf,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    check(args)?;
    let workspace = Workspace::find()?;
    let places = Places {
        root: absolute(workspace.root())?,
        results: absolute(&workspace.results(args.results.as_deref()))?,
        data: absolute(&workspace.data(args.data_dir.as_deref()))?,
    };
    let request = Request {
        recipe: &args.recipe,
        profile: args.profile.as_deref(),
        seeds: args.seeds,
    };
    let grid = Grid::load(&request, &workspace, &places.results, places.data.clone())?;
    let asks = args.gpus_per_task.is_some() || !args.sbatch.is_empty() || args.device == Device::Cpu;
    if grid.profile.needs_cuda && !asks {
        let message = format!("profile `{}` is for GPUs, and no task asks for one", grid.profile.name);
        let hint = match args.scheduler {
            Scheduler::Slurm => "`--gpus-per-task 1`, or an option of the cluster's own, as in `--sbatch=--gres=gpu:1`",
            Scheduler::Kubernetes => "`--gpus-per-task 1`",
        };
        return Err(BadInput::new(message).hint(hint).into());
    }
    // Tasks of Slurm run a copy of this program.
    let is_lacking = !cfg!(feature = "cuda") && args.scheduler == Scheduler::Slurm && args.device != Device::Cpu;
    if grid.profile.needs_cuda && is_lacking {
        let message = format!(
            "profile `{}` is for GPUs, and this program, which tasks would run, has no CUDA support",
            grid.profile.name
        );
        let hint =
            "`DYNAPRUNE_FEATURES=cuda cargo xtask submit ...` builds one that has, also without a GPU (docs/cuda.md)";
        if !args.dry_run {
            return Err(BadInput::new(message).hint(hint).into());
        }
        eprintln!("note: {message}: {hint}");
    }
    let mut left_out = LeftOut::default();
    if args.scheduler == Scheduler::Slurm {
        left_out.queued = with_a_task(&places.results, &grid)?;
    }
    if !args.retry_failed {
        let cells = Cells::read(&places.results, &grid.profile.name, SystemTime::now());
        left_out.failed = cells.failed.into_keys().collect();
    }
    let tasks = Tasks::of(&grid.plan, |id| {
        left_out.queued.contains(id) || left_out.failed.contains(id)
    });
    introduce(&grid, &left_out, &tasks);
    if tasks.len() == 0 {
        return Ok(());
    }
    let folder = JobFolder::new(&places.results, &grid, SystemTime::now());
    match args.scheduler {
        Scheduler::Slurm => to_slurm(args, &places, &grid, &tasks, &folder),
        Scheduler::Kubernetes => to_kubernetes(args, &grid, &tasks, &folder),
    }
}

/// Refuses what no scheduler could make sense of, or not the one that was asked for.
fn check(args: &Args) -> Result<()> {
    let is_slurm = args.scheduler == Scheduler::Slurm;
    let names = [
        ("--partition", &args.partition, true),
        ("--account", &args.account, true),
        ("--qos", &args.qos, true),
        ("--image", &args.image, false),
        ("--claim", &args.claim, false),
    ];
    for (option, value, of_slurm) in names {
        match value {
            Some(_) if of_slurm != is_slurm => return Err(misplaced(option, args.scheduler)),
            Some(value) => resources::name(option, value)?,
            None if !of_slurm && !is_slurm => {
                let message = format!("`--scheduler kubernetes` needs `{option}`");
                let hint = "`--image` names a container image with this program, `--claim` a persistent volume claim";
                return Err(BadInput::new(message).hint(hint).into());
            }
            None => {}
        }
    }
    if args.data_dir.is_some() && !is_slurm {
        return Err(misplaced("--data-dir", args.scheduler));
    }
    if let Some(claim) = &args.claim {
        resources::kubernetes_name("--claim", claim)?;
    }
    if let Some(memory) = &args.mem {
        resources::memory(memory)?;
    }
    if let Some(time) = &args.time {
        if !is_slurm {
            return Err(misplaced("--time", args.scheduler));
        }
        // Slurm may warn a minute before it was asked to.
        let least = 2 * (u64::from(args.grace) + 60);
        if resources::seconds(time)? < least {
            let message = format!(
                "`--time {time}` leaves a task no time to get on: expected {least} seconds or more with `--grace {}`",
                args.grace
            );
            return Err(BadInput::new(message).into());
        }
    }
    if let Some(first) = args.sbatch.first().filter(|_| !is_slurm) {
        return Err(misplaced(&format!("--sbatch={first}"), args.scheduler));
    }
    match args
        .sbatch
        .iter()
        .find(|option| !option.starts_with('-') || option.contains('\n'))
    {
        Some(option) => {
            let message = format!("`--sbatch`: expected an option that begins with `-`, found `{option}`");
            Err(BadInput::new(message).hint("`--sbatch=--constraint=a100`").into())
        }
        None => Ok(()),
    }
}

fn misplaced(option: &str, scheduler: Scheduler) -> anyhow::Error {
    let name = match scheduler {
        Scheduler::Slurm => "slurm",
        Scheduler::Kubernetes => "kubernetes",
    };
    BadInput::new(format!("`{option}` means nothing to `--scheduler {name}`")).into()
}

/// The cells that have a task of Slurm already, in the queue or running.
fn with_a_task(results: &Path, grid: &Grid) -> Result<BTreeSet<String>> {
    let mut cells = BTreeSet::new();
    let submissions = recorded(results, &grid.profile.name)?;
    let names: Vec<&str> = submissions
        .iter()
        .filter(|(_, submission)| submission.scheduler == SLURM)
        .map(|(_, submission)| submission.job_name.as_str())
        .collect();
    let queue = match slurm::queue(&names) {
        // Where there is no Slurm, there is nothing in its queue. One that does not answer may have all of it.
        Err(error) if error.is::<BadInput>() => return Ok(cells),
        queue => queue?,
    };
    for (folder, submission) in &submissions {
        let tasks = folder.tasks()?;
        for array in &submission.arrays {
            for task in 0..array.tasks {
                if queue.contains_key(&(array.job.clone(), task)) {
                    cells.extend(tasks.get(array.offset + task).into_iter().flatten().cloned());
                }
            }
        }
    }
    Ok(cells)
}

/// What records call the schedulers.
pub(crate) const SLURM: &str = "slurm";
pub(crate) const KUBERNETES: &str = "kubernetes";

/// Cells that are not done and get no task.
#[derive(Default)]
struct LeftOut {
    /// They have one already.
    queued: BTreeSet<String>,
    /// They failed, and nobody asked to try again.
    failed: BTreeSet<String>,
}

fn introduce(grid: &Grid, left_out: &LeftOut, tasks: &Tasks) {
    for change in &grid.adapted {
        eprintln!("note: {change}");
    }
    let among = |ids: &BTreeSet<String>, what: &str| match grid.plan.to_do().filter(|run| ids.contains(&run.id)).count()
    {
        0 => String::new(),
        count => format!(", {count} {what}"),
    };
    let what = match tasks.len() {
        0 => "nothing to submit".to_owned(),
        count => {
            let flops = tasks.all().map(|task| task.flops).sum();
            format!(
                "{} to make in {count} tasks of {} in all",
                tasks.cells(),
                operations(flops)
            )
        }
    };
    eprintln!(
        "{}, profile {}: {} runs, {} done{}{}: {what}",
        grid.recipe.name,
        grid.profile.name,
        grid.plan.runs.len(),
        grid.done(),
        among(&left_out.queued, "have a task already"),
        among(&left_out.failed, "failed (`--retry-failed` tries them again)"),
    );
}

/// What the program is called with, but for the cells: how a task names recipe, profile, and the folders of results and data.
fn arguments(args: &Args, [recipe, profile, results, data]: [&str; 4]) -> Vec<String> {
    let mut words = vec!["reproduce".to_owned()];
    words.extend(grid::words(recipe, profile, args.seeds));
    words.extend(["--results", results, "--data-dir", data, "--threads"].map(str::to_owned));
    words.push(args.cpus_per_task.to_string());
    if let Some(device) = args.device.to_possible_value().filter(|_| args.device != Device::Auto) {
        words.extend(["--device".to_owned(), device.get_name().to_owned()]);
    }
    // Kubernetes tries a task that failed again: without the flag it would meet the failure and leave it.
    let retries = args.retry_failed || args.scheduler == Scheduler::Kubernetes;
    let flags = [(args.untimed, "--untimed"), (retries, "--retry-failed")];
    words.extend(
        flags
            .iter()
            .filter(|(is_set, _)| *is_set)
            .map(|(_, flag)| (*flag).to_owned()),
    );
    words.push("--no-figure".to_owned());
    words
}

fn to_slurm(args: &Args, places: &Places, grid: &Grid, tasks: &Tasks, folder: &JobFolder) -> Result<()> {
    let resources = slurm::Resources {
        cpus_per_task: args.cpus_per_task,
        gpus_per_task: args.gpus_per_task,
        memory: args.mem.clone(),
        time: args.time.clone(),
        partition: args.partition.clone(),
        account: args.account.clone(),
        qos: args.qos.clone(),
        grace: args.grace,
        others: args.sbatch.clone(),
    };
    let job_name = format!("dynaprune-{}-{}", grid.recipe.name, grid.profile.name).replace(char::is_whitespace, "-");
    let (recipe, profile) = (&grid.recipe.argument, &grid.profile_named.argument);
    let (results, data) = (shell::path(&places.results)?, shell::path(&places.data)?);
    let script = slurm::Script {
        job_name: &job_name,
        resources: &resources,
        root: &places.root,
        program: &folder.program(),
        arguments: &arguments(args, [recipe, profile, &results, &data]),
        cells: &folder.cells(),
        logs: &folder.logs(),
    }
    .text()?;
    let arrays = slurm::arrays(tasks, slurm::max_array_size()?, args.max_parallel.is_some());
    let path = shell::path(&folder.path().join("run.sh"))?;
    if args.dry_run {
        let mut text = script;
        // The numbers of jobs that are not submitted.
        let jobs: Vec<String> = (1..=arrays.len()).map(|number| format!("JOB{number}")).collect();
        for (at, array) in arrays.iter().enumerate() {
            let words = array.arguments(&path, args.max_parallel, &jobs[..at]);
            text += &format!("sbatch {}\n", shell::command(&words));
        }
        return print(&(text + &tasks.lines()));
    }

    slurm::check()?;
    folder.create()?;
    folder.copy_program()?;
    folder.write("cells.txt", &tasks.lines())?;
    folder.write("run.sh", &script)?;
    let mut submission = Submission {
        scheduler: SLURM.to_owned(),
        job_name,
        recipe: recipe.clone(),
        profile: profile.clone(),
        seeds: args.seeds,
        submitted_at: now(),
        arrays: Vec::new(),
    };
    let mut jobs = Vec::new();
    for array in &arrays {
        let job = slurm::submit(&array.arguments(&path, args.max_parallel, &jobs))?;
        eprintln!("submitted job {job}: an array of {} tasks", array.tasks);
        submission.arrays.push(SubmittedArray {
            job: job.clone(),
            offset: array.offset,
            tasks: array.tasks,
        });
        jobs.push(job);
        // After each: should the next one be refused, this one is known.
        folder.record(&submission)?;
    }
    let mut words = grid::words(recipe, profile, args.seeds);
    if args.results.is_some() {
        words.extend(["--results".to_owned(), results]);
    }
    let status = shell::command(&words);
    if args.data_dir.is_some() {
        words.extend(["--data-dir".to_owned(), data]);
    }
    eprintln!(
        "script and logs are in {}

    cargo xtask status {status}       # how far it is
    cargo xtask reproduce {}    # the figure, once all is done",
        folder.path().display(),
        shell::command(&words)
    );
    Ok(())
}

fn to_kubernetes(args: &Args, grid: &Grid, tasks: &Tasks, folder: &JobFolder) -> Result<()> {
    let from_file = |run: &&Planned| matches!(run.cell.selection.static_scores, Some(StaticScores::Table(_)));
    if let Some(run) = grid.plan.to_do().find(from_file) {
        let message = format!("{}: its scores are in a file, which is not in the pods", run.label());
        return Err(BadInput::new(message)
            .hint("name a scorer instead of a file, or use `--scheduler slurm`")
            .into());
    }
    let now = now();
    let name = kubernetes::job_name(&grid.recipe.name, &grid.profile.name, &now.replace(['-', ':'], ""));
    let read =
        |path: &Path| fs::read_to_string(path).map_err(|error| anyhow!("cannot read `{}`: {error}", path.display()));
    let (recipe, profile) = (read(&grid.recipe.file)?, read(&grid.profile_named.file)?);
    let file = |name: &str| format!("{name}.toml");
    // In a pod both are in a workspace, by their names.
    let names = [grid.recipe.name.as_str(), &grid.profile_named.name];
    let [results, data] = [kubernetes::results(), kubernetes::data()];
    let manifest = kubernetes::Manifest {
        name: &name,
        tasks,
        recipe: (&file(&grid.recipe.name), &recipe),
        profile: (&file(&grid.profile_named.name), &profile),
        arguments: &arguments(args, [names[0], names[1], &results, &data]),
        image: args.image.as_deref().unwrap_or_default(),
        claim: args.claim.as_deref().unwrap_or_default(),
        max_parallel: args.max_parallel,
        cpus: args.cpus_per_task,
        gpus: args.gpus_per_task,
        memory: args.mem.as_deref().map(resources::memory).transpose()?,
        grace: args.grace,
    };
    let text = serde_json::to_string_pretty(&manifest.value())? + "\n";
    if args.dry_run {
        return print(&text);
    }
    folder.create()?;
    folder.write("cells.txt", &tasks.lines())?;
    let path = folder.write("manifest.json", &text)?;
    folder.record(&Submission {
        scheduler: KUBERNETES.to_owned(),
        job_name: name,
        recipe: grid.recipe.argument.clone(),
        profile: grid.profile_named.argument.clone(),
        seeds: args.seeds,
        submitted_at: now,
        arrays: Vec::new(),
    })?;
    eprintln!("wrote {}\n\nnext:", path.display());
    print(&format!(
        "kubectl apply -f {}\n",
        shell::quoted(&path.display().to_string())
    ))
}
