//! Rank correlations that others have published, to stand beside ours.

use dynaprune_report::Published;
use dynaprune_spec::ScoreSpec;

/// BlackHC/data_diet, an independent reproduction of "Deep Learning on a Data Diet" (Paul, Ganguli and Dziugaite 2021).
const SOURCE: &str = "BlackHC/data_diet (CIFAR-10, ResNet-18, 200 epochs)";
const DATASET: &str = "cifar10";

/// Pairs of scores with their rank correlation.
const SPEARMAN: &[(Kind, Kind, f64)] = &[
    (Kind::El2n, Kind::Grand, 0.985),
    (Kind::Forget, Kind::El2n, 0.894),
    (Kind::Forget, Kind::Grand, 0.868),
    (Kind::InitialGrand, Kind::InputNorm, 0.963),
    (Kind::InitialGrand, Kind::Grand, -0.024),
];

/// A score in its original definition, up to the epoch, which scales with the training.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Forget,
    El2n,
    Grand,
    InitialGrand,
    InputNorm,
}

impl Kind {
    fn of(spec: &ScoreSpec) -> Option<Self> {
        let word = |option: &str, original: &str| spec.scorer.text(option).ok() == Some(original);
        let epoch = spec.scorer.int("epoch").unwrap_or(0);
        match spec.scorer.name.as_str() {
            "forget" if word("counted_on", "training") && word("never_learned", "infinity") => Some(Self::Forget),
            "el2n" if word("measured", "checkpoint") && epoch > 0 => Some(Self::El2n),
            "grand" if word("parameters", "all") && epoch > 0 => Some(Self::Grand),
            "grand" if word("parameters", "all") => Some(Self::InitialGrand),
            "input-norm" => Some(Self::InputNorm),
            _ => None,
        }
    }
}

/// What is published of pairs of these tables; each comes with its label.
pub(crate) fn of<'a>(tables: &[(&str, Option<&ScoreSpec>)]) -> Vec<Published<'a>> {
    let find = |kind: Kind| {
        let found = tables
            .iter()
            .find(|(_, spec)| spec.is_some_and(|spec| spec.dataset.name == DATASET && Kind::of(spec) == Some(kind)));
        found.map(|(label, _)| (*label).to_owned())
    };
    let pair = |&(a, b, spearman): &(Kind, Kind, f64)| {
        Some(Published {
            a: find(a)?,
            b: find(b)?,
            spearman,
            source: SOURCE,
        })
    };
    SPEARMAN.iter().filter_map(pair).collect()
}
