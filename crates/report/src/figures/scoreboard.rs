//! Every claim with the statistic that tests it and its verdict.

use super::data::Data;
use super::{Drawing, FigureKind};
use crate::Error;

pub(super) const KIND: FigureKind = FigureKind {
    name: "scoreboard",
    summary: "every claim with the statistic that tests it and its verdict",
    needs_history: true,
    make,
};

fn make(data: &Data) -> Result<Drawing, Error> {
    Err(Error::NothingToDraw {
        figure: data.input.id.to_owned(),
        planned: data.input.planned.len(),
    })
}
