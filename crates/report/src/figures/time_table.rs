//! Cost and speed-up over full data.

use super::data::Data;
use super::{Drawing, FigureKind};
use crate::Error;

pub(super) const KIND: FigureKind = FigureKind {
    name: "time-table",
    summary: "cost and speed-up over full data",
    needs_history: false,
    make,
};

fn make(data: &Data) -> Result<Drawing, Error> {
    Err(Error::NothingToDraw {
        figure: data.input.id.to_owned(),
        planned: data.input.planned.len(),
    })
}
