//! The methods, one file each, and the list of them.

mod epsilon_greedy;
mod full;
mod random_dynamic;
mod random_static;
mod static_scores;
mod ucb;
mod ucb1;
mod uncertainty;

use crate::built::Built;
use crate::options::quoted;
use crate::{Checked, Error, OptionInfo, Options, Selector, Setup};

/// Every method, in the order in which tables and legends list them.
pub const METHODS: &[MethodInfo] = &[
    full::INFO,
    random_static::INFO,
    static_scores::INFO,
    random_dynamic::INFO,
    uncertainty::INFO,
    epsilon_greedy::INFO,
    ucb::INFO,
    ucb1::INFO,
];

/// The method called `name`.
///
/// # Errors
/// [`Error::UnknownMethod`] lists the names there are.
pub fn method(name: &str) -> Result<&'static MethodInfo, Error> {
    METHODS
        .iter()
        .find(|info| info.name == name)
        .ok_or_else(|| Error::UnknownMethod {
            name: name.to_owned(),
            allowed: quoted(METHODS.iter().map(|info| info.name)),
        })
}

type Build = fn(&Setup, &Checked) -> Result<Box<dyn Selector>, Error>;

/// A registered method.
#[derive(Clone, Copy, Debug)]
pub struct MethodInfo {
    /// Its name, `kebab-case`.
    pub name: &'static str,
    /// What kind of method it is.
    pub family: Family,
    /// Whether it learns from observed scores; if not, [`Selector::observe`] does nothing.
    pub scored: bool,
    /// Whether it keeps moving averages of them, so that [`Setup::ema_weight`] counts.
    pub averages: bool,
    /// Whether it needs [`Setup::static_scores`].
    pub static_scores: bool,
    /// Its options.
    pub options: &'static [OptionInfo],
    pub(crate) cadence: fn(&Checked) -> Cadence,
    pub(crate) build: Build,
}

impl MethodInfo {
    /// A selector of this method that has observed nothing yet.
    ///
    /// # Errors
    /// An unknown option or a value out of range; a data set of no samples or of more than
    /// 4,294,967,295; an `ema_weight` outside (0, 1] where it is used; labels or static scores of
    /// another length than the data set, or static scores that are missing or NaN.
    pub fn build(&self, setup: &Setup, options: &Options) -> Result<Box<dyn Selector>, Error> {
        let checked = Checked::new(self.name, self.options, options)?;
        Ok(Box::new(Built::new(self, setup, &checked)?))
    }

    /// When a training loop should call [`Selector::select`].
    ///
    /// # Errors
    /// An unknown option or a value out of range.
    pub fn cadence(&self, options: &Options) -> Result<Cadence, Error> {
        Ok((self.cadence)(&Checked::new(self.name, self.options, options)?))
    }
}

/// What kind of method it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Nothing is pruned.
    Baseline,
    /// The subset is chosen once, before training.
    Static,
    /// The subset changes during training.
    Dynamic,
}

/// When a new selection is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cadence {
    /// Once, before the first epoch.
    Once,
    /// Before every epoch.
    EveryEpoch,
    /// Before the first epoch of every selection period.
    EveryRound,
}
