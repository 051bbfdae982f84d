//! Test accuracies that others have published for full-scale runs of the same methods, to stand beside ours.
//!
//! None is from the paper itself. Each row names where it was read; methods have the names of their sources.

/// Where numbers were published, and for what protocol.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Source {
    /// What a table calls it.
    pub(crate) name: &'static str,
    /// The table or repository, and how its runs were made.
    pub(crate) details: &'static str,
}

/// Last-epoch test accuracies of a method on a data set.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) source: &'static Source,
    /// The data set's registered name.
    pub(crate) dataset: &'static str,
    /// The method as its source calls it.
    pub(crate) method: &'static str,
    /// The pruned fraction s, the share removed, with the accuracy in percent.
    pub(crate) accuracies: &'static [(f64, f64)],
}

/// Two publications with the same numbers in these rows.
pub(crate) const INFOBATCH: Source = Source {
    name: "InfoBatch",
    details: "InfoBatch (ICLR 2024), Table 1, repeated in SeTa (CVPR 2025), Table 2: ResNet-18, 200 epochs, one-cycle schedule, \
              label smoothing 0.1",
};

/// The same protocol; only this publication has the row.
pub(crate) const SETA: Source = Source {
    name: "SeTa",
    details: "SeTa (CVPR 2025), Table 2: ResNet-18, 200 epochs, one-cycle schedule, label smoothing 0.1",
};

/// An independent reproduction of "Deep Learning on a Data Diet" (Paul, Ganguli and Dziugaite 2021).
pub(crate) const DATA_DIET: Source = Source {
    name: "data_diet",
    details: "BlackHC/data_diet, an independent reproduction: ResNet-18, 78,000 steps however much is pruned, so that pruned \
              runs train as long as full data does",
};

/// All accuracies.
pub(crate) const ACCURACIES: &[Row] = &[
    Row {
        source: &INFOBATCH,
        dataset: "cifar10",
        method: "full data",
        accuracies: &[(0.0, 95.6)],
    },
    Row {
        source: &INFOBATCH,
        dataset: "cifar10",
        method: "static random",
        accuracies: &[(0.3, 94.6), (0.5, 93.3), (0.7, 90.2)],
    },
    Row {
        source: &INFOBATCH,
        dataset: "cifar10",
        method: "dynamic random",
        accuracies: &[(0.3, 94.8), (0.5, 94.5), (0.7, 93.0)],
    },
    Row {
        source: &INFOBATCH,
        dataset: "cifar10",
        method: "epsilon-greedy",
        accuracies: &[(0.3, 95.2), (0.5, 94.9), (0.7, 94.1)],
    },
    Row {
        source: &INFOBATCH,
        dataset: "cifar10",
        method: "UCB",
        accuracies: &[(0.3, 95.3), (0.5, 94.7), (0.7, 93.9)],
    },
    Row {
        source: &INFOBATCH,
        dataset: "cifar10",
        method: "InfoBatch",
        accuracies: &[(0.3, 95.6), (0.5, 95.1), (0.7, 94.7)],
    },
    Row {
        source: &SETA,
        dataset: "cifar10",
        method: "SeTa",
        accuracies: &[(0.3, 95.7), (0.5, 95.3), (0.7, 95.0)],
    },
    Row {
        source: &INFOBATCH,
        dataset: "cifar100",
        method: "full data",
        accuracies: &[(0.0, 78.2)],
    },
    Row {
        source: &INFOBATCH,
        dataset: "cifar100",
        method: "static random",
        accuracies: &[(0.3, 73.8), (0.5, 72.1), (0.7, 69.7)],
    },
    Row {
        source: &INFOBATCH,
        dataset: "cifar100",
        method: "dynamic random",
        accuracies: &[(0.3, 77.3), (0.5, 75.3)],
    },
    Row {
        source: &INFOBATCH,
        dataset: "cifar100",
        method: "epsilon-greedy",
        accuracies: &[(0.3, 76.4), (0.5, 74.8)],
    },
    Row {
        source: &INFOBATCH,
        dataset: "cifar100",
        method: "UCB",
        accuracies: &[(0.3, 77.3), (0.5, 75.3)],
    },
    Row {
        source: &INFOBATCH,
        dataset: "cifar100",
        method: "InfoBatch",
        accuracies: &[(0.3, 78.2), (0.5, 78.1), (0.7, 76.5)],
    },
    Row {
        source: &SETA,
        dataset: "cifar100",
        method: "SeTa",
        accuracies: &[(0.3, 79.4), (0.5, 79.0), (0.7, 77.7)],
    },
    Row {
        source: &DATA_DIET,
        dataset: "cifar10",
        method: "random static",
        accuracies: &[(0.1, 94.96), (0.3, 94.27), (0.5, 93.54), (0.6, 92.50)],
    },
    Row {
        source: &DATA_DIET,
        dataset: "cifar10",
        method: "EL2N@20",
        accuracies: &[(0.1, 95.09), (0.3, 95.30), (0.5, 95.22), (0.6, 94.66)],
    },
    Row {
        source: &DATA_DIET,
        dataset: "cifar10",
        method: "GraNd@20",
        accuracies: &[(0.1, 95.14), (0.3, 95.44), (0.5, 95.07), (0.6, 94.07)],
    },
    Row {
        source: &DATA_DIET,
        dataset: "cifar10",
        method: "GraNd@init",
        accuracies: &[(0.1, 95.06), (0.3, 93.91), (0.5, 92.19), (0.6, 90.77)],
    },
];

/// The epochs of training of which scores after epoch 20 were taken.
pub(crate) const EPOCHS: u32 = 200;

/// The accuracy in percent; `None` if this source has none.
pub(crate) fn accuracy(source: &Source, dataset: &str, method: &str, pruned_fraction: f64) -> Option<f64> {
    let row = ACCURACIES
        .iter()
        .find(|row| (row.source, row.dataset, row.method) == (source, dataset, method))?;
    let (_, accuracy) = row.accuracies.iter().find(|(s, _)| *s == pruned_fraction)?;
    Some(*accuracy)
}

/// A run by others that bears on the time saved.
pub(crate) struct TimeSaved {
    /// The claim that it bears on.
    pub(crate) claim: &'static str,
    /// The data set's registered name.
    pub(crate) dataset: &'static str,
    source: &'static str,
    /// Last-epoch test accuracy of full data and with pruning, in percent.
    full: f64,
    pruned: f64,
    /// The share of the time saved, and what the method's authors claim, in percent.
    saved: f64,
    claimed: f64,
}

/// An independent run of InfoBatch.
pub(crate) const TIME_SAVED: TimeSaved = TimeSaved {
    claim: "A7",
    dataset: "cifar10",
    source: "junia3, CIFAR-10, ResNet-18, one seed",
    full: 95.47,
    pruned: 95.30,
    saved: 36.4,
    claimed: 40.0,
};

impl TimeSaved {
    pub(crate) fn sentence(&self) -> String {
        format!(
            "An independent run of InfoBatch ({}) saved {} % of the time, of {} % claimed, at a test accuracy of {:.2} % \
             against {:.2} % of full data.",
            self.source, self.saved, self.claimed, self.pruned, self.full
        )
    }
}
