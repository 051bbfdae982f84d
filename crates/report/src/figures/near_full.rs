//! The panel that enlarges what is near full data, where some method falls far below it.

use super::data::{Cell, Data};
use crate::plot::axes::Axis;

/// What the axis of test accuracy is called.
pub(super) const ACCURACY: &str = "Test accuracy after the last epoch (%)";

/// Points below full data that the enlarged panel shows.
const NEAR: f64 = 6.0;

/// A method this many points below full data makes an enlarged panel worth its place,
const FAR: f64 = 2.5 * NEAR;

/// if it shows at least this share of the points.
const SHARE: f64 = 0.3;

/// The axis of accuracies near that of full data; `None` where all are, or none to tell apart.
pub(super) fn axis(data: &Data, dataset: &str) -> Option<Axis> {
    let full = data.full(dataset)?.accuracy().mean;
    let lines = || data.lines_of(dataset).filter(|line| !line.is_baseline());
    let means = || {
        lines()
            .flat_map(|line| &line.points)
            .map(|point| Cell::accuracy(point).mean)
    };
    let (low, high) = means().fold((full, full), |(low, high), mean| (low.min(mean), high.max(mean)));
    let (near, all) = (means().filter(|mean| *mean >= full - NEAR).count(), means().count());
    let range = (full - NEAR, (high + 0.5).min(100.0));
    let is_worth_it = near >= 2 && near as f64 >= SHARE * all as f64;
    (full - low >= FAR && is_worth_it).then(|| Axis::round(ACCURACY, range, 7))
}

/// What stands over the panel, after the name of the data set.
pub(super) const HEADING: &str = "near full data";
