//! Which cells a task makes, and in which order tasks start.
//!
//! The longest cells come first, so that no long one is left over when all others are done. Cells that prune by scores need a score
//! table, which takes about as long as a run: one task makes each table that is missing (tables that are measured in the same
//! scoring runs have one task in common), and the other cells of the table come after it.

use crate::plan::Plan;
use dynaprune_spec::{ScoreSpec, StaticScores};
use std::collections::BTreeSet;

/// What one task of an array does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Task {
    /// The ids of the cells that it makes, one after the other.
    pub(crate) cells: Vec<String>,
    /// The counted operations of these cells and of the scoring runs before them.
    pub(crate) flops: f64,
}

/// All tasks that are to be made.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tasks {
    /// What can start at once: first the tasks that others wait for, then the others, each of them longest first.
    pub(crate) first: Vec<Task>,
    /// How many tasks at the beginning of `first` others wait for.
    pub(crate) awaited: usize,
    /// What needs score tables or runs that tasks of `first` make; longest first.
    pub(crate) then: Vec<Task>,
}

impl Tasks {
    /// The tasks for what is to be made of a plan, but for the cells that are left out.
    pub(crate) fn of(plan: &Plan, is_left_out: impl Fn(&str) -> bool) -> Self {
        let groups = Sharing::of(plan);
        let mut candidates = Vec::new();
        for run in plan.to_do().filter(|run| !is_left_out(&run.id)) {
            let needs = match &run.cell.selection.static_scores {
                None | Some(StaticScores::Table(_)) => None,
                Some(StaticScores::Scorer(_)) => ScoreSpec::of(&run.cell).and_then(|spec| {
                    let table = spec.id().to_string();
                    let group = groups.iter().position(|group| group.tables.contains(&table))?;
                    Some(Need::Table { table, group })
                }),
                Some(StaticScores::SelectionCounts { of }) => {
                    let counted = of.id().to_string();
                    let missing = plan.to_do().any(|run| run.id == counted);
                    missing.then_some(Need::Run(counted))
                }
            };
            candidates.push(Candidate {
                id: run.id.clone(),
                flops: run.work.flops,
                needs,
            });
        }
        let scoring: Vec<f64> = groups.iter().map(|group| group.flops).collect();
        order(candidates, &scoring)
    }

    /// All tasks in the order in which they are numbered.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Task> {
        self.first.iter().chain(&self.then)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.first.len() + self.then.len()
    }

    /// How many cells they make.
    pub(crate) fn cells(&self) -> usize {
        self.all().map(|task| task.cells.len()).sum()
    }

    /// The text of `cells.txt`: a line a task with the ids of its cells.
    pub(crate) fn lines(&self) -> String {
        self.all().map(|task| task.cells.join(" ") + "\n").collect()
    }
}

/// Score tables that are still to be made and that are measured in the same scoring runs.
struct Sharing {
    /// The ids of the tables.
    tables: BTreeSet<String>,
    /// The ids of the cells that are trained for them.
    runs: BTreeSet<String>,
    /// The operations of the scoring runs that are still to be made.
    flops: f64,
}

impl Sharing {
    fn of(plan: &Plan) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for spec in &plan.tables.specs {
            let runs = spec.measurements();
            let mut group = Self {
                tables: BTreeSet::from([spec.id().to_string()]),
                runs: runs.iter().map(|run| run.cell.id().to_string()).collect(),
                flops: 0.0,
            };
            let (shared, apart): (Vec<Self>, Vec<Self>) = groups
                .into_iter()
                .partition(|other| !other.runs.is_disjoint(&group.runs));
            for other in shared {
                group.tables.extend(other.tables);
                group.runs.extend(other.runs);
            }
            groups = apart;
            groups.push(group);
        }
        for run in &plan.tables.scoring {
            let Some(first) = run.measurements.first() else {
                continue;
            };
            let id = first.cell.id().to_string();
            if let Some(group) = groups.iter_mut().find(|group| group.runs.contains(&id)) {
                group.flops += run.work.flops;
            }
        }
        groups
    }
}

/// A cell that is to be made.
struct Candidate {
    id: String,
    flops: f64,
    /// What must be made before.
    needs: Option<Need>,
}

/// What a cell needs that is not there yet.
enum Need {
    /// A score table, by its id, made with all others of its group.
    Table { table: String, group: usize },
    /// The run whose selections it counts, by its id.
    Run(String),
}

/// Puts cells in order; `scoring` has the operations of the scoring runs of each group of tables.
fn order(mut candidates: Vec<Candidate>, scoring: &[f64]) -> Tasks {
    let counted: BTreeSet<String> = candidates
        .iter()
        .filter_map(|candidate| match &candidate.needs {
            Some(Need::Run(id)) => Some(id.clone()),
            _ => None,
        })
        .collect();
    let no_cells = |&flops| Task {
        cells: Vec::new(),
        flops,
    };
    let mut makers: Vec<Task> = scoring.iter().map(no_cells).collect();
    let mut made: BTreeSet<String> = BTreeSet::new();
    let (mut free, mut then) = (Vec::new(), Vec::new());
    // The shortest cell of a table makes it: the others wait no longer than they must.
    candidates.sort_by(|a, b| a.flops.total_cmp(&b.flops));
    for Candidate { id, flops, needs } in candidates {
        let is_counted = counted.contains(&id);
        let task = Task { cells: vec![id], flops };
        match needs {
            Some(Need::Table { table, group }) if made.insert(table.clone()) => {
                makers[group].cells.extend(task.cells);
                makers[group].flops += flops;
            }
            Some(_) => then.push(task),
            None if is_counted => makers.push(task),
            None => free.push(task),
        }
    }
    makers.retain(|task| !task.cells.is_empty());
    for tasks in [&mut makers, &mut free, &mut then] {
        tasks.sort_by(|a, b| b.flops.total_cmp(&a.flops).then_with(|| a.cells.cmp(&b.cells)));
    }
    // A maker that nobody waits for is as any other task; that costs nothing but its place.
    Tasks {
        awaited: makers.len(),
        first: makers.into_iter().chain(free).collect(),
        then,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(id: &str, flops: f64, needs: Option<Need>) -> Candidate {
        let id = id.to_owned();
        Candidate { id, flops, needs }
    }

    fn table(table: &str, group: usize) -> Option<Need> {
        let table = table.to_owned();
        Some(Need::Table { table, group })
    }

    fn ids(tasks: &[Task]) -> Vec<String> {
        tasks.iter().map(|task| task.cells.join(" ")).collect()
    }

    #[test]
    fn the_longest_comes_first_whatever_the_order_before() {
        let tasks = order(
            vec![cell("b", 2.0, None), cell("c", 9.0, None), cell("a", 2.0, None)],
            &[],
        );
        assert_eq!(ids(&tasks.first), ["c", "a", "b"]);
        assert_eq!((tasks.awaited, tasks.then.len()), (0, 0));
    }

    /// `el2n` and `grand` share scoring runs, `forget` has its own, and two cells count how often `ucb` kept each sample.
    #[test]
    fn what_others_need_comes_before_all_and_they_come_after() {
        let counts = || Some(Need::Run("ucb".to_owned()));
        let cells = vec![
            cell("full", 10.0, None),
            cell("el2n-3", 7.0, table("el2n", 0)),
            cell("el2n-7", 3.0, table("el2n", 0)),
            cell("grand-3", 7.0, table("grand", 0)),
            cell("grand-7", 3.0, table("grand", 0)),
            cell("forget-3", 7.5, table("forget", 1)),
            cell("forget-7", 3.5, table("forget", 1)),
            cell("ucb", 4.0, None),
            cell("counts-3", 7.0, counts()),
            cell("counts-7", 3.0, counts()),
        ];
        let tasks = order(cells, &[5.0, 20.0]);
        assert_eq!(ids(&tasks.first), ["forget-7", "el2n-7 grand-7", "ucb", "full"]);
        let flops: Vec<f64> = tasks.first.iter().map(|task| task.flops).collect();
        assert_eq!(flops, [23.5, 11.0, 4.0, 10.0]);
        assert_eq!(tasks.awaited, 3);
        assert_eq!(
            ids(&tasks.then),
            ["forget-3", "counts-3", "el2n-3", "grand-3", "counts-7"]
        );
        assert_eq!((tasks.len(), tasks.cells()), (9, 10));
        assert!(
            tasks
                .lines()
                .starts_with("forget-7\nel2n-7 grand-7\nucb\nfull\nforget-3\n")
        );
    }

    /// Then another task makes it, and ours finds or awaits it.
    #[test]
    fn a_run_that_is_counted_may_have_its_task_elsewhere() {
        let tasks = order(vec![cell("counts", 7.0, Some(Need::Run("ucb".to_owned())))], &[1.0]);
        assert_eq!((tasks.first.len(), tasks.awaited, tasks.then.len()), (0, 0, 1));
    }
}
