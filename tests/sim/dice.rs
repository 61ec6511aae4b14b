//! The one source of chance of a run: a seed in, the same numbers out.

use backchat::backoff::scatter;

/// Dice with a memory of eight octets.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(scatter(seed))
    }

    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(1);
        scatter(self.0)
    }

    /// 0..most.
    pub fn below(&mut self, most: u64) -> u64 {
        if most == 0 { 0 } else { self.roll() % most }
    }

    /// from..=to.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from + 1)
    }

    /// True so many times in a thousand.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    pub fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        let place = self.below(of.len() as u64) as usize;
        of[place]
    }
}
