//! How many rounds selected each sample, against the binomial of a random choice.

use super::data::Data;
use super::{Drawing, FigureKind};
use crate::Error;

pub(super) const KIND: FigureKind = FigureKind {
    name: "selection-counts",
    summary: "how many rounds selected each sample, against the binomial of a random choice",
    needs_history: true,
    make,
};

fn make(data: &Data) -> Result<Drawing, Error> {
    Err(Error::NothingToDraw {
        figure: data.input.id.to_owned(),
        planned: data.input.planned.len(),
    })
}
