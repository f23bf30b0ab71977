//! The most frequent of many different things, in a fixed amount of memory: Space-Saving (Metwally, Agrawal and El Abbadi,
//! 2005). Pure.
//!
//! As long as there are no more different things than places, all counts are exact. After that a new thing takes the place
//! of the rarest and its count with it, which is then known as the most by which its own is too high. Whatever comes more
//! often than once in `capacity` is never missing.

use std::collections::HashMap;

/// The longest key, in bytes.
const KEY_LIMIT: usize = 256;

/// Counts keys, each with something that is kept along with it.
#[derive(Debug)]
pub(crate) struct Sketch<T> {
    capacity: usize,
    places: HashMap<Box<[u8]>, usize>,
    slots: Vec<Slot<T>>,
    /// Slots as a heap, the rarest on top; made when the places are full.
    heap: Vec<usize>,
    total: u64,
}

/// One key.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    pub(crate) key: Box<[u8]>,
    /// At most this often.
    pub(crate) count: u64,
    /// And at least this much less often.
    pub(crate) excess: u64,
    pub(crate) kept: T,
    /// Its place in the heap.
    at: usize,
}

impl<T: Default> Sketch<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity: capacity.max(1), places: HashMap::new(), slots: Vec::new(), heap: Vec::new(), total: 0 }
    }

    /// Counts a key, and gives what is kept with it: new when it was not there.
    pub(crate) fn add(&mut self, key: &[u8]) -> Option<&mut T> {
        let key = key.get(..KEY_LIMIT).unwrap_or(key);
        self.total += 1;
        let slot = match self.places.get(key) {
            Some(slot) => *slot,
            None if self.slots.len() < self.capacity => {
                let slot = self.slots.len();
                self.places.insert(key.into(), slot);
                self.slots.push(Slot { key: key.into(), count: 0, excess: 0, kept: T::default(), at: 0 });
                slot
            }
            None => self.replace_rarest(key)?,
        };
        let found = self.slots.get_mut(slot)?;
        found.count += 1;
        if !self.heap.is_empty() {
            let at = found.at;
            self.sink(at);
        }
        self.slots.get_mut(slot).map(|slot| &mut slot.kept)
    }

    fn replace_rarest(&mut self, key: &[u8]) -> Option<usize> {
        if self.heap.is_empty() {
            self.heap = (0..self.slots.len()).collect();
            for (at, slot) in self.slots.iter_mut().enumerate() {
                slot.at = at;
            }
            for at in (0..self.heap.len() / 2).rev() {
                self.sink(at);
            }
        }
        let rarest = *self.heap.first()?;
        let slot = self.slots.get_mut(rarest)?;
        self.places.remove(&slot.key);
        slot.key = key.into();
        slot.excess = slot.count;
        slot.kept = T::default();
        self.places.insert(key.into(), rarest);
        Some(rarest)
    }

    /// Brings a slot whose count has grown down to where it belongs.
    fn sink(&mut self, mut at: usize) {
        loop {
            let count = |at: usize| self.heap.get(at).and_then(|slot| self.slots.get(*slot)).map(|slot| slot.count);
            let Some(own) = count(at) else { return };
            let (left, right) = (2 * at + 1, 2 * at + 2);
            let smaller = match (count(left), count(right)) {
                (None, _) => return,
                (Some(one), Some(other)) if other < one => right,
                _ => left,
            };
            if count(smaller).is_none_or(|other| own <= other) {
                return;
            }
            self.heap.swap(at, smaller);
            for place in [at, smaller] {
                if let Some(slot) = self.heap.get(place).copied()
                    && let Some(slot) = self.slots.get_mut(slot)
                {
                    slot.at = place;
                }
            }
            at = smaller;
        }
    }

    /// How often anything was counted.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// How many keys there are, and whether more were seen than there are places.
    pub(crate) fn keys(&self) -> (usize, bool) {
        (self.slots.len(), !self.heap.is_empty())
    }

    /// The most frequent, of the same count by key.
    pub(crate) fn top(&self, count: usize) -> Vec<&Slot<T>> {
        let mut slots: Vec<_> = self.slots.iter().collect();
        slots.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.key.cmp(&other.key)));
        slots.truncate(count);
        slots
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(sketch: &Sketch<()>, count: usize) -> Vec<(String, u64, u64)> {
        let shown = |slot: &&Slot<()>| (String::from_utf8_lossy(&slot.key).into_owned(), slot.count, slot.excess);
        sketch.top(count).iter().map(shown).collect()
    }

    #[test]
    fn what_fits_is_counted_exactly() {
        let mut sketch = Sketch::<()>::new(3);
        for key in ["b", "a", "c", "a", "b", "a"] {
            sketch.add(key.as_bytes());
        }
        assert_eq!(counted(&sketch, 9), [("a".into(), 3, 0), ("b".into(), 2, 0), ("c".into(), 1, 0)]);
        assert_eq!((sketch.total(), sketch.keys()), (6, (3, false)));
    }

    #[test]
    fn of_more_than_fits_the_frequent_ones_stay_within_their_bounds() {
        let mut sketch = Sketch::<()>::new(50);
        let mut real = HashMap::<String, u64>::new();
        let mut state = 1_u64;
        for _ in 0..200_000 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let random = state >> 33;
            // Ten frequent ones among a hundred thousand rare ones.
            let key = if random.is_multiple_of(2) {
                format!("frequent {}", random % 10)
            } else {
                format!("rare {}", random % 100_000)
            };
            sketch.add(key.as_bytes());
            *real.entry(key).or_default() += 1;
        }
        let top = counted(&sketch, 5);
        assert!(top.iter().all(|(key, ..)| key.starts_with("frequent")), "{top:?}");
        for (key, count, excess) in counted(&sketch, 50) {
            let real = real.get(&key).copied().unwrap_or_default();
            assert!(count - excess <= real && real <= count, "{key}: {real} is not in {count} - {excess}");
        }
        let sum: u64 = counted(&sketch, 50).iter().map(|(_, count, _)| count).sum();
        assert_eq!((sum, sketch.total(), sketch.keys()), (200_000, 200_000, (50, true)));
    }

    #[test]
    fn what_is_kept_goes_with_its_key() {
        let mut sketch = Sketch::<u64>::new(2);
        for (key, expected) in [("a", 1), ("a", 2), ("b", 1), ("a", 3), ("c", 1), ("a", 4), ("b", 1)] {
            let kept = sketch.add(key.as_bytes()).unwrap();
            *kept += 1;
            assert_eq!(*kept, expected, "{key}");
        }
    }

    #[test]
    fn long_keys_are_cut() {
        let mut sketch = Sketch::<()>::new(2);
        sketch.add(&vec![b'x'; 10_000]);
        sketch.add(&vec![b'x'; 20_000]);
        assert_eq!(sketch.top(9).len(), 1);
        assert_eq!(sketch.top(9)[0].key.len(), KEY_LIMIT);
    }
}
