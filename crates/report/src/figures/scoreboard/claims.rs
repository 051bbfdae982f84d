//! The claims of the abstract, A1 to A8, and the statistic that tests each.

use super::rounds::{self, Kept};
use super::{Claim, Evidence, Finding, Measure, PublishedDifference, Sources, Unit, Verdict};
use crate::RunRow;
use crate::figures::costs::SAME_COST;
use crate::figures::data::{Cell, FULL_SHORT, Line, OPERATIONS, SECONDS, counted};
use crate::statistics::{Decision, Summary, Test};

/// What a loss of accuracy may be, in percentage points, and still count as none (A7).
const MARGIN: f64 = 1.0;

/// A speed-up of two (A7).
const TWICE: f64 = 2.0 / SAME_COST;

/// The share, in percent, that more than half of the samples have (A4).
const HALF: f64 = 50.0;

pub(super) const CLAIMS: &[Claim] = &[
    Claim {
        id: "A1",
        says: "Static prior work (forget, GraNd, EL2N) cuts the iterations of an epoch, but needs expensive scoring before \
               training.",
        statistic: "static scores: steps of an epoch, and scoring, over full data",
        rule: "*Compared*, by counting: the optimiser steps of an epoch over those of full data, and the operations of scoring \
               over those of a whole run on full data. *Supported* if all settings take fewer steps and pay for scoring, else \
               not supported; how expensive that is, is for the value to say.",
        supported_by: "by counting",
        beside: "",
        published: &[],
        test: cheaper_epochs,
    },
    Claim {
        id: "A2",
        says: "With that scoring counted, the total run time is often increased.",
        statistic: "static scores: total operations over full data",
        rule: "*Compared*, by counting: scoring + training operations over those of full data, for each score and s. *Supported* \
               if at least half of these settings cost more than full data, by over 1 %, else not supported. A forget score costs \
               a run on full data, EL2N and GraNd as many as the profile has scoring runs, each as far as the epoch they are \
               measured at: with fewer runs these would cost less.",
        supported_by: "by counting",
        beside: "The same in seconds, where they compare:",
        published: &[],
        test: total_cost,
    },
    Claim {
        id: "A3",
        says: "Uniform random dynamic pruning can outperform the static prior work at aggressive pruning rates.",
        statistic: "random-dynamic minus each static method",
        rule: "*Compared*: last-epoch test accuracy at the largest s of this table, in points, with that of each static score and of \
               random-static. *Supported* if random-dynamic is above all of them, not supported if it is below any.",
        supported_by: "",
        beside: "",
        published: &[PublishedDifference {
            method: "dynamic random",
            minus: "static random",
            pruned_fractions: &[0.3, 0.5, 0.7],
        }],
        test: random_dynamic,
    },
    Claim {
        id: "A4",
        says: "That is because many samples are important to the decision boundary only some of the training time.",
        statistic: "samples kept sometimes, of those ever kept (random sets would pass too)",
        rule: "*Compared* with half: of the samples that a scored method kept in any round after the first, the share that it did \
               not keep in all of them. A static property of the samples would give 0. *Supported* if for each method the share \
               is above half at some s and nowhere below. Sets drawn at random would pass this test as well, with the share that \
               stands below: it says that the methods do not follow a static property, not that they follow another. Nor is \
               it tested that such samples are the cause of A3; and epsilon-greedy keeps some samples at random. A share of \
               100 % with every seed has no spread: there it is not tested, and nothing decided.",
        supported_by: "weakly: random sets pass too",
        beside: "The share of all samples that was kept sometimes, and the share of those ever kept that sets drawn at random \
                 would give (a binomial count):",
        published: &[],
        test: sometimes_samples,
    },
    Claim {
        id: "A5",
        says: "Epsilon-greedy and UCB reach an even higher accuracy than random dynamic pruning.",
        statistic: "epsilon-greedy and ucb minus random-dynamic",
        rule: "*Compared*: last-epoch test accuracy at each s, in points. *Supported* if both are above random-dynamic at some s \
               and neither is below at any; not supported if one is below at any s.",
        supported_by: "",
        beside: "",
        published: &[
            PublishedDifference {
                method: "epsilon-greedy",
                minus: "dynamic random",
                pruned_fractions: &[0.3, 0.5, 0.7],
            },
            PublishedDifference {
                method: "UCB",
                minus: "dynamic random",
                pruned_fractions: &[0.3, 0.5, 0.7],
            },
        ],
        test: bandits,
    },
    Claim {
        id: "A6",
        says: "It is shown on CIFAR-10 and CIFAR-100 against full data and the static prior work.",
        statistic: "what was run",
        rule: "A statement of what was run, not a test: *supported* for one of the two data sets if full data, forget, EL2N and \
               GraNd have results on it.",
        supported_by: "run here",
        beside: "",
        published: &[],
        test: coverage,
    },
    Claim {
        id: "A7",
        says: "Training time falls by up to 2x without significant loss of performance.",
        statistic: "dynamic methods at 2x or more, minus full data",
        rule: "*Compared*: for each dynamic method at the smallest s that halves the operations, or else at the s with the largest \
               speed-up, its last-epoch test accuracy minus that of full data, tested against a loss of 1 point (non-inferiority \
               with that margin). A method that scores pays for it, and may halve the operations at a larger s only than one that \
               draws at random. *Supported* if a method that halves the operations is above −1 point, not supported if all that do \
               are below.",
        supported_by: "",
        beside: "Costs over full data, and the same runs minus `full-short`, full data on a schedule shortened to their steps: a \
                 method that is not above it saves no more than fewer epochs would (a family of tests of its own):",
        published: &[
            PublishedDifference {
                method: "dynamic random",
                minus: "full data",
                pruned_fractions: &[0.5, 0.7],
            },
            PublishedDifference {
                method: "epsilon-greedy",
                minus: "full data",
                pruned_fractions: &[0.5, 0.7],
            },
            PublishedDifference {
                method: "UCB",
                minus: "full data",
                pruned_fractions: &[0.5, 0.7],
            },
        ],
        test: speed_up,
    },
    Claim {
        id: "A8",
        says: "Pruning is a dynamic process tied to the training trajectory, not a static property of the data set.",
        statistic: "ucb minus the static set that it kept most",
        rule: "*Compared*: last-epoch test accuracy at each s, in points, with a run on the fixed set of the K samples that the \
               dynamic run of the same seed kept most often. *Supported* if the dynamic run is above at some s and nowhere \
               below; not supported if it is below at any.",
        supported_by: "",
        beside: "The overlap (Jaccard) of its last kept set with the first one after the first round, which a static property \
                 would make 100 %, and what two sets drawn at random have:",
        published: &[],
        test: trajectory,
    },
    Claim {
        id: "control",
        says: "No claim of the paper, but what all of them have to be held against: a method that pruned data brings no further than \
               all data on a schedule shortened to as many steps (`full-short`) would be better replaced by fewer epochs.",
        statistic: "dynamic methods minus full-short",
        rule: "*Compared*: last-epoch test accuracy of each dynamic method at each s, in points, with `full-short`. *Supported* if any \
               is above at some s, not supported if none is and one is below.",
        supported_by: "somewhere",
        beside: "",
        published: &[],
        test: control,
    },
];

fn cheaper_epochs(sources: &Sources, dataset: &str) -> Finding {
    let Some(full) = sources.data.full(dataset) else {
        return no_result("no run on full data");
    };
    let steps_of = |cell: &Cell| cell.summary(|run| run.steps as f64 / f64::from(run.epochs)).mean;
    let one = full.summary(RunRow::method_flops).mean;
    let (mut steps, mut scoring) = (Vec::new(), Vec::new());
    for (line, cell) in scored_static(sources, dataset) {
        steps.push(exact(line, cell, "steps of an epoch", steps_of(cell) / steps_of(full)));
        let cost = cell.summary(|run| run.scoring_flops).mean / one;
        // A table of another program need not say what it cost.
        if cost.is_finite() {
            scoring.push(exact(line, cell, "scoring", cost));
        }
    }
    if steps.is_empty() {
        return no_result("no run on static scores");
    }
    if scoring.is_empty() {
        return no_result("no run on static scores whose cost is known");
    }
    let holds = steps.iter().all(|steps| steps.value() < 1.0) && scoring.iter().all(|cost| cost.value() > 0.0);
    let text = |evidence: &[Evidence]| {
        let (low, high) = super::range(evidence.iter().map(Evidence::value)).unwrap_or_default();
        super::between(Unit::Ratio.text(low), Unit::Ratio.text(high))
    };
    let value = format!("steps {}; scoring {}", text(&steps), text(&scoring));
    steps.extend(scoring);
    Finding {
        evidence: steps,
        beside: Vec::new(),
        value: Some(value),
        verdict: if holds {
            Verdict::Supported
        } else {
            Verdict::NotSupported
        },
    }
}

fn total_cost(sources: &Sources, dataset: &str) -> Finding {
    let Some(full) = sources.data.full(dataset) else {
        return no_result("no run on full data");
    };
    let (mut evidence, mut beside) = (Vec::new(), Vec::new());
    for (line, cell) in scored_static(sources, dataset) {
        if let Some(cost) = cell.relative(full, OPERATIONS) {
            evidence.push(exact(line, cell, "operations", cost.mean));
        }
        if let Some(cost) = cell.relative(full, SECONDS) {
            beside.push(mean(line, cell, "seconds", Unit::Ratio, cost));
        }
    }
    if evidence.is_empty() {
        return no_result("no run on static scores");
    }
    let more = evidence.iter().filter(|cost| cost.value() > SAME_COST).count();
    let (low, high) = super::range(evidence.iter().map(Evidence::value)).unwrap_or_default();
    let costs = super::between(Unit::Ratio.text(low), Unit::Ratio.text(high));
    Finding {
        value: Some(format!("{more} of {} cost more; {costs}", evidence.len())),
        verdict: if 2 * more >= evidence.len() {
            Verdict::Supported
        } else {
            Verdict::NotSupported
        },
        evidence,
        beside,
    }
}

fn random_dynamic(sources: &Sources, dataset: &str) -> Finding {
    let Some(dynamic) = sources.data.line(dataset, "random-dynamic") else {
        return no_result("no run of random-dynamic");
    };
    let statics = || {
        let lines = sources.data.lines_of(dataset);
        lines.filter(|line| is_scored_static(line.method, line.label) || line.label == "random-static")
    };
    let shared = |cell: &&Cell| statics().any(|line| line.at(cell.pruned_fraction).is_some());
    let Some(cell) = dynamic.points.iter().rfind(shared) else {
        return no_result("no run of a static method");
    };
    let candidates = statics().filter_map(|line| {
        let that = line.at(cell.pruned_fraction)?;
        Candidate::difference((dynamic, cell), (line, that), line.label)
    });
    let evidence = tested(candidates.collect());
    let planned = sources.data.input.planned.iter().filter(|run| run.dataset == dataset);
    let mut groups: Vec<String> = Vec::new();
    for run in planned {
        let (method, label) = (run.method.as_str(), &run.method_label);
        if (is_scored_static(method, label) || label == "random-static") && !groups.contains(label) {
            groups.push(label.clone());
        }
    }
    let is_scored = |evidence: &Evidence| evidence.group != "random-static";
    let mut finding = decided(evidence, &groups, Vec::new());
    if !finding.evidence.iter().any(is_scored) {
        finding.verdict = Verdict::NoResult("no run on static scores".to_owned());
    }
    finding
}

fn sometimes_samples(sources: &Sources, dataset: &str) -> Finding {
    let is_scored = |line: &&Line| matches!(line.method, "uncertainty" | "epsilon-greedy" | "ucb");
    let (mut candidates, mut beside, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for line in sources.data.lines_of(dataset).filter(is_scored) {
        for cell in &line.points {
            let runs = sources.recorded.runs_of(line, cell.pruned_fraction).iter();
            let kept: Vec<Kept> = runs.filter_map(|run| Kept::of(&run.rounds)).collect();
            let share = |of: fn(&Kept) -> f64| Summary::of(&kept.iter().map(of).collect::<Vec<_>>());
            let Some(summary) = share(Kept::sometimes_of_kept) else {
                continue;
            };
            candidates.push(Candidate {
                what: format!("`{}`", line.label),
                group: line.label.to_owned(),
                pruned_fraction: cell.pruned_fraction,
                unit: Unit::Percent,
                summary,
                null: HALF,
            });
            if !groups.contains(&line.label.to_owned()) {
                groups.push(line.label.to_owned());
            }
            if let (Some(all), Some(chance)) = (share(Kept::sometimes_of_all), share(Kept::sometimes_by_chance)) {
                beside.push(mean(line, cell, "of all samples", Unit::Percent, all));
                beside.push(Evidence {
                    unit: Unit::Percent,
                    ..exact(line, cell, "if drawn at random", chance.mean)
                });
            }
        }
    }
    if candidates.is_empty() {
        return no_result("no kept sets are recorded");
    }
    let evidence = tested(candidates);
    decided(evidence, &groups, beside)
}

fn bandits(sources: &Sources, dataset: &str) -> Finding {
    let Some(random) = sources.data.line(dataset, "random-dynamic") else {
        return no_result("no run of random-dynamic");
    };
    let groups = ["epsilon-greedy", "ucb"];
    let lines = groups.iter().filter_map(|label| sources.data.line(dataset, label));
    let candidates = lines.flat_map(|line| differences(line, random, line.label));
    let evidence = tested(candidates.collect());
    if evidence.is_empty() {
        return no_result("no run of epsilon-greedy or ucb beside random-dynamic");
    }
    decided(evidence, &groups.map(str::to_owned), Vec::new())
}

fn coverage(sources: &Sources, dataset: &str) -> Finding {
    let labels = || sources.data.lines_of(dataset).map(|line| line.label);
    let runs = |method: &str| labels().any(|label| scorer(label) == method && !is_initial(label));
    let wanted = ["full", "forget", "el2n", "grand"];
    let found: Vec<&str> = labels().filter(|label| wanted.contains(&scorer(label))).collect();
    let missing: Vec<&str> = wanted.into_iter().filter(|method| !runs(method)).collect();
    let verdict = if !matches!(dataset, "cifar10" | "cifar100") {
        Verdict::NoResult("neither CIFAR-10 nor CIFAR-100".to_owned())
    } else if missing.is_empty() {
        Verdict::Supported
    } else {
        Verdict::NoResult(format!("without {}", missing.join(", ")))
    };
    Finding {
        evidence: Vec::new(),
        beside: Vec::new(),
        value: Some(found.join(", ")),
        verdict,
    }
}

fn speed_up(sources: &Sources, dataset: &str) -> Finding {
    let Some((full_line, full)) = full(sources, dataset) else {
        return no_result("no run on full data");
    };
    let cost = |cell: &Cell| cell.relative(full, OPERATIONS).map_or(f64::INFINITY, |cost| cost.mean);
    let is_twice = |cell: &Cell| 1.0 / cost(cell) >= TWICE;
    let short = sources.data.lines_of(dataset).find(|line| line.method == FULL_SHORT);
    let (mut candidates, mut controls, mut beside) = (Vec::new(), Vec::new(), Vec::new());
    for line in sources.data.lines_of(dataset).filter(|line| is_dynamic(line)) {
        let cheapest = || line.points.iter().min_by(|a, b| cost(a).total_cmp(&cost(b)));
        let Some(cell) = line.points.iter().find(|cell| is_twice(cell)).or_else(cheapest) else {
            continue;
        };
        // Methods that do not halve the operations are shown, but cannot support the claim.
        let group = if is_twice(cell) { line.label } else { "" };
        let mut difference = Candidate::difference((line, cell), (full_line, full), group);
        if let Some(difference) = &mut difference {
            difference.null = -MARGIN;
            difference.what = format!("`{}` at {:.2}× the speed minus `full`", line.label, 1.0 / cost(cell));
        }
        candidates.extend(difference);
        beside.push(exact(line, cell, "operations", cost(cell)));
        beside.extend(
            cell.relative(full, SECONDS)
                .map(|cost| mean(line, cell, "seconds", Unit::Ratio, cost)),
        );
        if let Some((short, control)) = short.and_then(|short| Some((short, short.at(cell.pruned_fraction)?))) {
            controls.extend(Candidate::difference((line, cell), (short, control), line.label));
        }
    }
    if candidates.is_empty() {
        return no_result("no run of a dynamic method beside full data");
    }
    let evidence = tested(candidates);
    beside.extend(tested(controls));
    let twice = || evidence.iter().filter(|evidence| !evidence.group.is_empty());
    let decided = |wanted| move |evidence: &Evidence| evidence.decision() == Some(wanted);
    let verdict = if twice().next().is_none() {
        Verdict::Undecided("no run at 2×".to_owned())
    } else if twice().any(decided(Decision::Above)) {
        Verdict::Supported
    } else if twice().all(decided(Decision::Below)) {
        Verdict::NotSupported
    } else {
        Verdict::undecided(&evidence, &[])
    };
    Finding {
        verdict,
        evidence,
        beside,
        value: None,
    }
}

fn trajectory(sources: &Sources, dataset: &str) -> Finding {
    let (mut candidates, mut beside, mut groups) = (Vec::new(), Vec::new(), Vec::new());
    for fixed in sources.data.lines_of(dataset) {
        let of = counted(fixed.label);
        let Some(dynamic) = of.and_then(|label| sources.data.line(dataset, label)) else {
            continue;
        };
        let differences: Vec<Candidate> = differences(dynamic, fixed, dynamic.label).collect();
        if differences.is_empty() {
            continue;
        }
        groups.push(dynamic.label.to_owned());
        candidates.extend(differences);
        for cell in &dynamic.points {
            let runs = sources.recorded.runs_of(dynamic, cell.pruned_fraction).iter();
            let overlaps = runs.filter_map(|run| rounds::first_and_last(&run.rounds));
            let overlaps: Vec<(f64, f64)> = overlaps.collect();
            let values: Vec<f64> = overlaps.iter().map(|(overlap, _)| *overlap).collect();
            if let (Some(overlap), Some((_, chance))) = (Summary::of(&values), overlaps.first()) {
                beside.push(mean(dynamic, cell, "first and last set", Unit::Percent, overlap));
                beside.push(Evidence {
                    unit: Unit::Percent,
                    ..exact(dynamic, cell, "sets drawn at random", *chance)
                });
            }
        }
    }
    if candidates.is_empty() {
        return no_result("no run on a set of most-kept samples");
    }
    let random = ["random-dynamic", "random-static"].map(|label| sources.data.line(dataset, label));
    if let [Some(dynamic), Some(fixed)] = random {
        beside.extend(tested(differences(dynamic, fixed, dynamic.label).collect()));
    }
    let evidence = tested(candidates);
    decided(evidence, &groups, beside)
}

/// Every dynamic method against full data for as many steps.
fn control(sources: &Sources, dataset: &str) -> Finding {
    let Some(short) = sources.data.lines_of(dataset).find(|line| line.method == FULL_SHORT) else {
        return no_result("no run of full-short");
    };
    let lines = sources.data.lines_of(dataset).filter(|line| is_dynamic(line));
    let candidates: Vec<Candidate> = lines.flat_map(|line| differences(line, short, line.label)).collect();
    if candidates.is_empty() {
        return no_result("no run of a dynamic method beside full-short");
    }
    let evidence = tested(candidates);
    let is_found = |wanted| evidence.iter().any(|evidence| evidence.decision() == Some(wanted));
    let verdict = match (is_found(Decision::Above), is_found(Decision::Below)) {
        (true, _) => Verdict::Supported,
        (false, true) => Verdict::NotSupported,
        (false, false) => Verdict::undecided(&evidence, &[]),
    };
    Finding {
        verdict,
        evidence,
        beside: Vec::new(),
        value: None,
    }
}

/// A member of a family of tests, not yet tested.
struct Candidate {
    what: String,
    group: String,
    pruned_fraction: f64,
    unit: Unit,
    summary: Summary,
    null: f64,
}

impl Candidate {
    /// The first cell's accuracy minus the second's, paired by seed; `None` without a common seed.
    fn difference(this: (&Line, &Cell), that: (&Line, &Cell), group: &str) -> Option<Self> {
        Some(Self {
            what: format!("`{}` minus `{}`", this.0.label, that.0.label),
            group: group.to_owned(),
            pruned_fraction: this.1.pruned_fraction,
            unit: Unit::Points,
            summary: Summary::of_paired_differences(&this.1.accuracies(), &that.1.accuracies())?,
            null: 0.0,
        })
    }
}

/// The differences of two lines at each s that both have.
fn differences<'a>(this: &'a Line, that: &'a Line, group: &'a str) -> impl Iterator<Item = Candidate> + 'a {
    this.points
        .iter()
        .filter_map(move |cell| Candidate::difference((this, cell), (that, that.at(cell.pruned_fraction)?), group))
}

/// All candidates, tested as one family.
fn tested(candidates: Vec<Candidate>) -> Vec<Evidence> {
    let members: Vec<(Summary, f64)> = candidates
        .iter()
        .map(|candidate| (candidate.summary, candidate.null))
        .collect();
    let evidence = |(candidate, test): (Candidate, Test)| Evidence {
        what: candidate.what,
        group: candidate.group,
        pruned_fraction: candidate.pruned_fraction,
        unit: candidate.unit,
        measure: Measure::Tested(test),
    };
    candidates
        .into_iter()
        .zip(Test::family(&members))
        .map(evidence)
        .collect()
}

fn exact(line: &Line, cell: &Cell, of: &str, value: f64) -> Evidence {
    Evidence {
        what: format!("`{}`, {of}", line.label),
        group: line.label.to_owned(),
        pruned_fraction: cell.pruned_fraction,
        unit: Unit::Ratio,
        measure: Measure::Exact {
            value,
            n: cell.runs.len(),
        },
    }
}

fn mean(line: &Line, cell: &Cell, of: &str, unit: Unit, summary: Summary) -> Evidence {
    Evidence {
        what: format!("`{}`, {of}", line.label),
        group: line.label.to_owned(),
        pruned_fraction: cell.pruned_fraction,
        unit,
        measure: Measure::Mean(summary),
    }
}

/// What tests alone decide, `groups` being the methods that each have to be found in favour.
fn decided(evidence: Vec<Evidence>, groups: &[String], beside: Vec<Evidence>) -> Finding {
    Finding {
        verdict: Verdict::of(&evidence, groups),
        evidence,
        beside,
        value: None,
    }
}

fn no_result(missing: &str) -> Finding {
    Finding {
        evidence: Vec::new(),
        beside: Vec::new(),
        value: None,
        verdict: Verdict::NoResult(missing.to_owned()),
    }
}

/// The cells of the static prior work.
fn scored_static<'a>(sources: &'a Sources, dataset: &'a str) -> impl Iterator<Item = (&'a Line<'a>, &'a Cell<'a>)> {
    let lines = sources.data.lines_of(dataset);
    let scored = lines.filter(|line| is_scored_static(line.method, line.label));
    scored.flat_map(|line| line.points.iter().map(move |cell| (line, cell)))
}

/// Whether a method is static prior work: pruning by forget, EL2N or GraNd scores, in any variant but GraNd of the initial
/// network, which is known to fail.
fn is_scored_static(method: &str, label: &str) -> bool {
    method == "static" && matches!(scorer(label), "forget" | "el2n" | "grand") && !is_initial(label)
}

/// Whether a label is of GraNd on the initial network.
fn is_initial(label: &str) -> bool {
    label == "grand@0" || label.starts_with("grand@0 ")
}

/// A label without epoch and options.
fn scorer(label: &str) -> &str {
    label.split(['@', ' ']).next().unwrap_or(label)
}

fn is_dynamic(line: &Line) -> bool {
    !matches!(line.method, "full" | FULL_SHORT | "random-static" | "static")
}

fn full<'a>(sources: &'a Sources, dataset: &str) -> Option<(&'a Line<'a>, &'a Cell<'a>)> {
    let line = sources.data.lines_of(dataset).find(|line| line.is_baseline())?;
    Some((line, line.points.first()?))
}
