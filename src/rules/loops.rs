//! Two robots that answer each other: after so many messages of one handset in so short a time, we fall silent.

/// What is looked at: a person who writes to us may write a few times in ten minutes, a robot as often as it is answered.
pub const LOOP_WINDOW_MS: i64 = 600_000;

/// Messages of one handset to one code within [`LOOP_WINDOW_MS`] that get an automatic answer, answers to our questions
/// apart: a survey ends by itself. Each answer of ours needs a message, so this bounds them too.
pub const MOST_ANSWERED: usize = 10;

/// Are we in a loop with this handset? `earlier_ms` are the times of its earlier messages to this code that were no answers.
pub fn is_loop(now_ms: i64, earlier_ms: impl IntoIterator<Item = i64>) -> bool {
    let within = |at: &i64| (0..LOOP_WINDOW_MS).contains(&(now_ms - at));
    earlier_ms.into_iter().filter(within).count() >= MOST_ANSWERED
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_answered_and_a_robot_is_not_for_long() {
        let every = |gap: i64, count: i64| (1..=count).map(move |n| 10_000_000 - n * gap);
        assert!(!is_loop(10_000_000, every(30_000, 9)));
        assert!(is_loop(10_000_000, every(30_000, 10)));
        assert!(!is_loop(10_000_000, every(61_000, 100)), "ten in ten minutes, and no more, are answered");
    }
}
