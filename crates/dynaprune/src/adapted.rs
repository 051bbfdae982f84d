//! What a profile makes of a recipe otherwise than the recipe says.

use dynaprune_spec::{Profile, Recipe};

/// All of it, for somebody who is about to make the runs.
pub(crate) fn all(recipe: &Recipe, profile: &Profile) -> impl Iterator<Item = String> {
    [
        replaced(recipe, profile),
        other_fractions(recipe, profile),
        left_out(recipe, profile),
    ]
    .into_iter()
    .flatten()
}

/// Which of the recipe's data sets the profile's own stands for.
pub(crate) fn replaced(recipe: &Recipe, profile: &Profile) -> Option<String> {
    let own = &profile.dataset.as_ref()?.name;
    let datasets = recipe.datasets.iter().map(|dataset| dataset.name.as_str());
    let others: Vec<&str> = datasets.filter(|name| name != own).collect();
    (!others.is_empty()).then(|| {
        format!(
            "The profile {} has {own} in the place of {}.",
            profile.name,
            others.join(" and ")
        )
    })
}

/// The methods whose selection period is longer than a run.
pub(crate) fn left_out(recipe: &Recipe, profile: &Profile) -> Option<String> {
    let methods = recipe.left_out(profile);
    let mut methods: Vec<String> = methods
        .filter_map(|method| Some((&method.choice.name, method.changes.selection_period?)))
        .map(|(name, period)| format!("{name} selection_period={period}"))
        .collect();
    // The other settings of a grid make several methods of one period.
    methods.sort();
    methods.dedup();
    let epochs = profile.training.epochs;
    (!methods.is_empty()).then(|| {
        format!(
            "Left out, because a run has {epochs} epochs only: {}.",
            methods.join(", ")
        )
    })
}

/// The recipe's pruned fractions that the profile does not run.
fn other_fractions(recipe: &Recipe, profile: &Profile) -> Option<String> {
    let own = profile.pruned_fractions.as_ref()?;
    let others = recipe.pruned_fractions.iter().filter(|s| !own.contains(s));
    let others: Vec<String> = others.map(|s| format!("s={s}")).collect();
    (!others.is_empty()).then(|| {
        let own: Vec<String> = own.iter().map(f64::to_string).collect();
        format!(
            "Left out, because the profile {} runs the pruned fractions {} only: {}.",
            profile.name,
            own.join(", "),
            others.join(", ")
        )
    })
}
