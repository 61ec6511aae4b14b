//! What is to happen when: one heap for a whole carrier.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// Things to come, soonest first; of the same moment in the order they were put in.
#[derive(Debug)]
pub(super) struct Timers<T> {
    heap: BinaryHeap<Timer<T>>,
    count: u64,
}

#[derive(Debug)]
struct Timer<T> {
    due_ms: i64,
    order: u64,
    what: T,
}

impl<T> Default for Timers<T> {
    fn default() -> Self {
        Self { heap: BinaryHeap::new(), count: 0 }
    }
}

impl<T> Timers<T> {
    pub(super) fn push(&mut self, due_ms: i64, what: T) {
        self.heap.push(Timer { due_ms, order: self.count, what });
        self.count += 1;
    }

    /// The next thing that is due by now.
    pub(super) fn pop_due(&mut self, now_ms: i64) -> Option<T> {
        self.heap.peek().filter(|timer| timer.due_ms <= now_ms)?;
        self.heap.pop().map(|timer| timer.what)
    }

    /// Takes out what is wanted, whenever it is due, in no order. Looks at everything.
    pub(super) fn take(&mut self, wanted: impl Fn(&T) -> bool) -> Vec<T> {
        let (taken, left) = self.heap.drain().partition::<Vec<_>, _>(|timer| wanted(&timer.what));
        self.heap.extend(left);
        taken.into_iter().map(|timer| timer.what).collect()
    }

    /// When the next thing is due.
    pub(super) fn next_ms(&self) -> Option<i64> {
        self.heap.peek().map(|timer| timer.due_ms)
    }

    /// Takes everything out, in no order.
    pub(super) fn drain(&mut self) -> impl Iterator<Item = (i64, T)> {
        self.heap.drain().map(|timer| (timer.due_ms, timer.what))
    }
}

impl<T> Ord for Timer<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.due_ms, other.order).cmp(&(self.due_ms, self.order))
    }
}

impl<T> PartialOrd for Timer<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> PartialEq for Timer<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Timer<T> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_due_comes_soonest_first_and_ties_in_the_order_they_were_put_in() {
        let mut timers = Timers::default();
        for (due_ms, what) in [(30, 'c'), (10, 'a'), (10, 'b'), (99, 'd')] {
            timers.push(due_ms, what);
        }
        assert_eq!(timers.next_ms(), Some(10));
        let due: String = std::iter::from_fn(|| timers.pop_due(30)).collect();
        assert_eq!(due, "abc");
        assert_eq!(timers.next_ms(), Some(99));
        timers.push(50, 'e');
        assert_eq!(timers.take(|what| *what == 'e'), ['e']);
        assert_eq!(timers.next_ms(), Some(99), "it is out of turn, the others are as they were");
        assert_eq!(timers.drain().collect::<Vec<_>>(), [(99, 'd')]);
    }
}
