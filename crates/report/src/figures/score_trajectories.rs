//! Scores of never, sometimes and always selected samples, with pictures of them.

use super::data::Data;
use super::{Drawing, FigureKind};
use crate::Error;

pub(super) const KIND: FigureKind = FigureKind {
    name: "score-trajectories",
    summary: "scores of never, sometimes and always selected samples, with pictures of them",
    needs_history: true,
    make,
};

fn make(data: &Data) -> Result<Drawing, Error> {
    Err(Error::NothingToDraw {
        figure: data.input.id.to_owned(),
        planned: data.input.planned.len(),
    })
}
