//! Where the cost goes, a stacked bar for each method and pruned fraction.

use super::data::Data;
use super::{Drawing, FigureKind};
use crate::Error;

pub(super) const KIND: FigureKind = FigureKind {
    name: "cost-breakdown",
    summary: "where the cost goes, a stacked bar for each method and pruned fraction",
    needs_history: false,
    make,
};

fn make(data: &Data) -> Result<Drawing, Error> {
    Err(Error::NothingToDraw {
        figure: data.input.id.to_owned(),
        planned: data.input.planned.len(),
    })
}
