//! Curves over the epochs of training: means over the seeds, drawn as thin lines with few markers.

use crate::plot::axes::{Axis, Panel, band_of};
use crate::plot::scene::Scene;
use crate::plot::theme::{MARKER_RADIUS, MethodStyle, Stroke};
use crate::statistics::Summary;

/// Markers on a curve, so that it can be told apart without colour.
const MARKERS: usize = 7;

/// Whether some curve has a band.
pub(super) fn have_bands<'a>(curves: impl IntoIterator<Item = &'a [(u32, Summary)]>) -> bool {
    curves
        .into_iter()
        .flatten()
        .any(|(_, summary)| band_of(summary).is_some())
}

/// What a figure says whose bands are cut.
pub(super) const CUT: &str = "Bands that reach beyond a panel are cut.";

/// Whether some band reaches beyond `low..=high`.
pub(super) fn are_cut<'a>(curves: impl IntoIterator<Item = &'a [(u32, Summary)]>, (low, high): (f64, f64)) -> bool {
    let mut bands = curves.into_iter().flatten().filter_map(|(_, summary)| band_of(summary));
    bands.any(|(from, to)| from < low || to > high)
}

/// A curve and its looks.
pub(super) type Drawn<'a> = (MethodStyle, &'a [(u32, Summary)]);

/// The mean over the seeds at each epoch that all runs have a value at. `runs` are epochs and values, ascending.
pub(super) fn over_seeds(runs: &[Vec<(u32, f64)>]) -> Vec<(u32, Summary)> {
    let at = |epoch: u32| -> Option<Vec<f64>> {
        let of_run = |run: &Vec<(u32, f64)>| run.iter().find(|(other, _)| *other == epoch).map(|(_, value)| *value);
        runs.iter().map(of_run).collect()
    };
    let epochs = runs.first().into_iter().flatten().map(|(epoch, _)| *epoch);
    epochs
        .filter_map(|epoch| Some((epoch, Summary::of(&at(epoch)?)?)))
        .collect()
}

/// An axis from 0 to `last` and a little further.
pub(super) fn axis(last: u32) -> Axis {
    let last = f64::from(last);
    let mut axis = Axis::round("Epoch", (0.0, last), 6);
    axis.range.1 = 1.015 * last;
    axis.ticks.retain(|tick| *tick <= last);
    axis
}

/// The bands, and the lines on them.
pub(super) fn lines(scene: &mut Scene, curves: &[Drawn], panel: &Panel) {
    for (style, points) in curves {
        let points: Vec<_> = points
            .iter()
            .map(|(epoch, summary)| (f64::from(*epoch), *summary))
            .collect();
        panel.band(scene, &points, style.color);
    }
    for (style, points) in curves {
        let points: Vec<_> = points
            .iter()
            .map(|(epoch, summary)| (f64::from(*epoch), summary.mean))
            .collect();
        let stroke = Stroke {
            width: 1.7,
            ..style.stroke()
        };
        panel.line(scene, &points, stroke);
    }
}

/// A few markers on each curve, not at the same epochs.
pub(super) fn markers(scene: &mut Scene, curves: &[Drawn], panel: &Panel) {
    for (index, (style, points)) in curves.iter().enumerate() {
        let every = points.len().div_ceil(MARKERS).max(1);
        let first = index * every / curves.len();
        for (epoch, summary) in points.iter().skip(first).step_by(every) {
            let at = panel.at((f64::from(*epoch), summary.mean));
            scene.marker(at, 0.85 * MARKER_RADIUS, style.marker, style.filled(), style.color);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::over_seeds;

    #[test]
    fn only_epochs_of_all_runs_have_a_mean() {
        let runs = [
            vec![(5, 1.0), (10, 2.0), (15, 3.0)],
            vec![(10, 4.0), (15, 4.0), (20, 9.0)],
        ];
        let means: Vec<(u32, f64)> = over_seeds(&runs).iter().map(|(epoch, s)| (*epoch, s.mean)).collect();
        assert_eq!(means, [(10, 3.0), (15, 3.5)]);
        assert!(over_seeds(&[]).is_empty());
    }
}
