//! The names of what is learnt, as the journal and people know them.

use crate::models;

/// A thing that is learnt, in versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name {
    /// Whether a change will stay.
    Predictor,
    /// What reviewers will think of it.
    Quality,
    /// Which earlier attempts are worth showing.
    Reranker,
    /// How much each kind and designer is worth trying.
    Weights,
}

impl Name {
    pub const ALL: [Name; 4] = [Name::Predictor, Name::Quality, Name::Reranker, Name::Weights];

    /// Models that are fitted anew from the whole history; the weights move by each outcome instead.
    pub const FITTED: [Name; 3] = [Name::Predictor, Name::Quality, Name::Reranker];

    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Name::Predictor => "ChangeSuccessPredictor",
            Name::Quality => "QualityScorer",
            Name::Reranker => "SearchReranker",
            Name::Weights => "Weights",
        }
    }

    /// The thing of that name, whatever its case.
    ///
    /// # Errors
    /// [`models::Error::Unknown`], with the names that there are.
    pub fn parse(name: &str) -> Result<Name, models::Error> {
        let found = Name::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(name));
        found.ok_or_else(|| models::Error::Unknown {
            name: name.to_owned(),
            known: Name::ALL.map(Name::as_str).join(", "),
        })
    }
}
