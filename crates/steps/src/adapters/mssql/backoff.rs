//! Trying again: when, how often, and until when. What is worth it, the error's class says.

use kaizen_engine::error::{Class, Classified};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};
use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};
use tokio::time::{Instant, sleep};

/// The first pause, at its longest.
const FIRST: Duration = Duration::from_millis(250);
/// No pause is longer.
const LONGEST: Duration = Duration::from_secs(8);

/// Pauses that double, each drawn from the upper half of its length, so that many clients of a
/// server that comes back do not all return in the same instant.
#[derive(Debug)]
pub(super) struct Pauses {
    ceiling: Duration,
    random: SmallRng,
}

impl Pauses {
    pub(super) fn seeded(seed: u64) -> Pauses {
        Pauses { ceiling: FIRST, random: SmallRng::seed_from_u64(seed) }
    }

    fn next(&mut self) -> Duration {
        let pause = self.ceiling.mul_f64(self.random.random_range(0.5..=1.0));
        self.ceiling = (self.ceiling * 2).min(LONGEST);
        pause
    }
}

/// Repeats `attempt` while its error is of [`Class::Retry`], within `patience` in all. Each attempt
/// is told how much of that is left. What it repeats must be safe to repeat.
///
/// # Errors
/// The last attempt's: of another class, or the one after which no time was left.
pub async fn retry_within<T, E, F, A>(patience: Duration, attempt: F) -> Result<T, E>
where
    E: Classified,
    F: FnMut(Duration) -> A,
    A: Future<Output = Result<T, E>>,
{
    retry(patience, Pauses::seeded(RandomState::new().hash_one(())), attempt).await
}

pub(super) async fn retry<T, E, F, A>(
    patience: Duration,
    mut pauses: Pauses,
    mut attempt: F,
) -> Result<T, E>
where
    E: Classified,
    F: FnMut(Duration) -> A,
    A: Future<Output = Result<T, E>>,
{
    let started = Instant::now();
    loop {
        let error = match attempt(patience.saturating_sub(started.elapsed())).await {
            Ok(done) => return Ok(done),
            Err(error) => error,
        };
        let pause = pauses.next();
        if error.class() != Class::Retry || started.elapsed() + pause >= patience {
            return Err(error);
        }
        tracing::debug!(code = error.code(), pause_ms = pause.as_millis(), "trying again");
        sleep(pause).await;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::cell::Cell;

    #[derive(Debug, thiserror::Error)]
    #[error("{0:?}")]
    struct Failure(Class);

    impl Classified for Failure {
        fn class(&self) -> Class {
            self.0
        }

        fn code(&self) -> &'static str {
            "failure"
        }
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_stay_in_their_upper_half() {
        let mut pauses = Pauses::seeded(7);
        for ceiling_ms in [250, 500, 1000, 2000, 4000, 8000, 8000] {
            let pause_ms = pauses.next().as_millis();
            assert!((ceiling_ms / 2..=ceiling_ms).contains(&pause_ms), "{pause_ms} {ceiling_ms}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_pauses() {
        let drawn = |seed| {
            let mut pauses = Pauses::seeded(seed);
            (pauses.next(), pauses.next())
        };
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }

    #[tokio::test(start_paused = true)]
    async fn what_may_pass_is_repeated_until_it_does() {
        let tries = Cell::new(0);
        let done = retry(Duration::from_secs(60), Pauses::seeded(1), |_| async {
            tries.set(tries.get() + 1);
            if tries.get() < 4 { Err(Failure(Class::Retry)) } else { Ok(tries.get()) }
        });
        assert_eq!(done.await.unwrap(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_person_must_mend_is_not_repeated() {
        let tries = Cell::new(0);
        let failed: Result<(), _> = retry(Duration::from_secs(60), Pauses::seeded(1), |_| async {
            tries.set(tries.get() + 1);
            Err(Failure(Class::Operator))
        })
        .await;
        assert_eq!((failed.unwrap_err().class(), tries.get()), (Class::Operator, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn patience_is_never_outlived_and_each_attempt_knows_what_is_left() {
        let started = Instant::now();
        let told = Cell::new(Duration::MAX);
        let failed: Result<(), _> = retry(Duration::from_secs(5), Pauses::seeded(1), |left| {
            assert!(left < told.get() && left <= Duration::from_secs(5));
            told.set(left);
            async { Err(Failure(Class::Retry)) }
        })
        .await;
        assert_eq!(failed.unwrap_err().class(), Class::Retry);
        assert!(told.get() < Duration::from_secs(4) && started.elapsed() < Duration::from_secs(5));
    }
}
