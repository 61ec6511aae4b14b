//! Draws from a seed: the same questions in the same order give the same answers, in every run.

use std::time::Duration;

use crate::backoff::scatter;
use crate::message::Msisdn;
use crate::simulator::settings::Span;

/// Dice for one matter.
#[derive(Debug, Clone)]
pub(super) struct Dice(u64);

impl Dice {
    /// For what one handset does in one turn.
    pub(super) fn of_turn(seed: u64, number: Msisdn, turn: u32) -> Self {
        Self(scatter(scatter(seed ^ scatter(number.0)) ^ u64::from(turn)))
    }

    /// For what a handset is, whatever is sent to it.
    pub(super) fn of_handset(seed: u64, number: Msisdn) -> Self {
        Self(scatter(scatter(!seed) ^ number.0))
    }

    /// For what happens to the n-th request.
    pub(super) fn of_request(seed: u64, count: u64) -> Self {
        Self(scatter(seed.rotate_left(17) ^ count))
    }

    /// 64 bits.
    pub(super) fn roll(&mut self) -> u64 {
        self.0 = scatter(self.0);
        self.0
    }

    /// From 0 up to, not including, 1.
    pub(super) fn fraction(&mut self) -> f64 {
        /// The mantissa of an f64.
        const BITS: u32 = 53;
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit the mantissa")]
        let fraction = (self.roll() >> (64 - BITS)) as f64 / (1_u64 << BITS) as f64;
        fraction
    }

    /// Whether something with this share (0 to 1) happens. Rolls even where the share is 0, so that a changed share
    /// changes nothing drawn after it.
    pub(super) fn happens(&mut self, share: f64) -> bool {
        self.fraction() < share
    }

    /// A time in the span, short ones likelier: people mostly answer at once or much later.
    pub(super) fn within(&mut self, span: Span) -> Duration {
        let fraction = self.fraction();
        span.min + span.max.saturating_sub(span.min).mul_f64(fraction * fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_come_out_about_right_and_times_stay_in_their_span() {
        let span = Span { min: Duration::from_millis(20), max: Duration::from_millis(80) };
        let mut happened = 0;
        for number in 0..10_000 {
            let mut dice = Dice::of_turn(7, Msisdn(447_700_900_000 + number), 0);
            happened += u32::from(dice.happens(0.25));
            let time = dice.within(span);
            assert!(time >= span.min && time <= span.max);
        }
        assert!((2_300..2_700).contains(&happened), "{happened}");
    }

    #[test]
    fn every_turn_and_every_handset_has_its_own_dice() {
        let roll = |seed, number, turn| Dice::of_turn(seed, Msisdn(number), turn).roll();
        assert_eq!(roll(1, 2, 3), roll(1, 2, 3));
        assert_ne!(roll(1, 2, 3), roll(1, 2, 4));
        assert_ne!(roll(1, 2, 3), roll(1, 3, 3));
        assert_ne!(roll(1, 2, 3), roll(2, 2, 3));
    }
}
