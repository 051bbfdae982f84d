//! Accuracies beside published ones.

use super::data::Data;
use super::{Drawing, FigureKind};
use crate::Error;

pub(super) const KIND: FigureKind = FigureKind {
    name: "accuracy-table",
    summary: "accuracies beside published ones",
    needs_history: false,
    make,
};

fn make(data: &Data) -> Result<Drawing, Error> {
    Err(Error::NothingToDraw {
        figure: data.input.id.to_owned(),
        planned: data.input.planned.len(),
    })
}
