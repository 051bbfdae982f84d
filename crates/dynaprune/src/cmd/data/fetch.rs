//! `data fetch`.

use super::DataDir;
use anyhow::Result;
use dynaprune_datasets::{Fetched, Progress, fetch};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::{IsTerminal as _, stderr};

/// The options of `data fetch`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The data set
    name: String,
    /// Another source: the file that would be downloaded, a folder that holds it, or an address [default: the data set's own server]
    #[arg(long, value_name = "FILE-or-URL")]
    from: Option<String>,
    #[command(flatten)]
    place: DataDir,
}

/// Runs the verb.
pub(crate) fn run(args: &Args) -> Result<()> {
    let info = super::known(&args.name)?;
    let root = args.place.root()?;
    let mut display = Display::new();
    let fetched = fetch(info, &root, args.from.as_deref(), &mut |progress| {
        display.show(progress)
    });
    display.bar.finish_and_clear();
    match fetched? {
        Fetched::NothingNeeded => eprintln!("`{}` is built in: nothing to fetch", info.name),
        Fetched::AlreadyThere => eprintln!("`{}` is in {} already, every file right", info.name, root.display()),
        Fetched::Done => eprintln!("`{}` is now in {}, every file right", info.name, root.display()),
    }
    Ok(())
}

/// A bar on a terminal, a line for each step elsewhere.
struct Display {
    bar: ProgressBar,
    lines: bool,
    last: String,
}

impl Display {
    fn new() -> Self {
        let lines = !stderr().is_terminal();
        let target = if lines {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let template = "{msg} {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}, {eta} to go";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ "));
        }
        Self {
            bar,
            lines,
            last: String::new(),
        }
    }

    fn show(&mut self, progress: Progress) {
        let step = match progress {
            Progress::Downloading { file, .. } => format!("downloading {file}"),
            Progress::Checking { file } => format!("checking {file}"),
            Progress::Unpacking { file } => format!("unpacking {file}"),
        };
        let new = step != self.last;
        if new {
            self.bar.set_message(step.clone());
            if self.lines {
                eprintln!("{step}");
            }
        }
        if let Progress::Downloading { received, size, .. } = progress {
            if new {
                // What an earlier run got says nothing of today's speed.
                self.bar.reset_eta();
            }
            if let Some(size) = size {
                self.bar.set_length(size);
            }
            self.bar.set_position(received);
        }
        self.last = step;
    }
}
