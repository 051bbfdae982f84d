//! Writes the corpora of `scores` and `cell`: `cargo run --release --example parquet_seeds`, in this folder.

use std::error::Error;
use std::fs;
use std::io::Read as _;
use std::path::Path;

use dynaprune_fuzz::{made_up, scratch};
use dynaprune_report::{Results, ScoreRow, ScoringRunRow};

fn main() -> Result<(), Box<dyn Error>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    ScoreRow::write(&corpus.join("scores/table"), &made_up::scores())?;
    ScoreRow::write(&corpus.join("scores/empty"), &[])?;
    ScoringRunRow::write(&corpus.join("scores/run"), &made_up::scoring_run())?;

    let folder = scratch();
    let results = Results::new(folder.path(), "mine");
    results.store(&made_up::run())?;
    let cell = fs::read(results.cell_path(made_up::RUN))?;
    let corpus = corpus.join("cell");
    fs::create_dir_all(&corpus)?;
    let mut archive = tar::Archive::new(cell.as_slice());
    for entry in archive.entries()? {
        let mut entry = entry?;
        let name = entry.path()?.display().to_string();
        let files = ["runs.parquet", "epochs.parquet", "selections.parquet", "traces.parquet"];
        let Some(head) = files.iter().position(|file| *file == name) else {
            continue;
        };
        let mut bytes = vec![u8::try_from(head)?];
        entry.read_to_end(&mut bytes)?;
        fs::write(corpus.join(name.trim_end_matches(".parquet")), bytes)?;
    }
    Ok(fs::write(corpus.join("whole"), [vec![255], cell].concat())?)
}
