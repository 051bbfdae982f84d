//! How a method selects, where a recipe says otherwise than the profile.

use crate::error::Result;
use crate::profile::Profile;
use crate::table::Table;
use crate::training::{FIRST_ROUNDS, FirstRound, SCORE_SOURCES, SCORES, Score, ScoreSource, Scoring};

/// What a method of a recipe changes of the profile's table `[selection]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SelectionChanges {
    /// Epochs between selection rounds.
    pub selection_period: Option<u32>,
    /// Whether K is split over the classes.
    pub class_balance: Option<bool>,
    /// What a sample's score is.
    pub score: Option<Score>,
    /// Where scores come from.
    pub score_source: Option<ScoreSource>,
    /// What the first selection period trains on.
    pub first_round: Option<FirstRound>,
    /// Weight of the new score in the moving averages.
    pub ema_weight: Option<f64>,
}

/// What a method makes use of.
#[derive(Clone, Copy)]
pub(crate) struct Uses {
    pub(crate) pruned: bool,
    pub(crate) scored: bool,
    pub(crate) averages: bool,
    pub(crate) rounds: bool,
}

impl SelectionChanges {
    /// Takes the keys that a method with these properties has a use for; others stay behind, to be refused.
    pub(crate) fn read(table: &mut Table, uses: Uses) -> Result<Self> {
        let mut changes = Self::default();
        if uses.scored || uses.rounds {
            changes.selection_period = table
                .optional_int("selection_period", 1, 1_000_000)?
                .and_then(|epochs| u32::try_from(epochs).ok());
        }
        if uses.pruned {
            changes.class_balance = table.optional("class_balance", |table| table.flag("class_balance", false))?;
        }
        if uses.scored {
            changes.score = table.optional("score", |table| table.word("score", None, &SCORES))?;
            changes.score_source =
                table.optional("score_source", |table| table.word("score_source", None, &SCORE_SOURCES))?;
            changes.first_round =
                table.optional("first_round", |table| table.word("first_round", None, &FIRST_ROUNDS))?;
        }
        if uses.averages {
            changes.ema_weight = table.optional("ema_weight", ema_weight)?;
        }
        Ok(changes)
    }

    /// Epochs between selection rounds in a profile.
    pub(crate) fn period(&self, profile: &Profile) -> u32 {
        self.selection_period.unwrap_or(profile.selection_period)
    }

    /// How samples are scored in a profile.
    pub(crate) fn scoring(&self, profile: &Profile) -> Scoring {
        let usual = &profile.scoring;
        Scoring {
            score: self.score.unwrap_or(usual.score),
            score_source: self.score_source.unwrap_or(usual.score_source),
            first_round: self.first_round.unwrap_or(usual.first_round),
            ema_weight: self.ema_weight.unwrap_or(usual.ema_weight),
        }
    }
}

/// `ema_weight`, required.
pub(crate) fn ema_weight(table: &mut Table) -> Result<f64> {
    table.float("ema_weight", None, EMA_WEIGHT, is_ema_weight)
}

pub(crate) const EMA_WEIGHT: &str = "a number above 0 and at most 1";

pub(crate) fn is_ema_weight(weight: f64) -> bool {
    weight > 0.0 && weight <= 1.0
}
