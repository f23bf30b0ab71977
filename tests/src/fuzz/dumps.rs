//! A dump means the same however the stream that brings it is cut.

use taskhost::fuzzing::{Dialect, dump};

use super::{Found, Random, ensure};

pub(super) fn check(input: &[u8]) -> Found {
    for dialect in [Dialect::Postgres, Dialect::Mysql, Dialect::Sqlite] {
        let whole = dump(dialect, [input]);
        compare(dialect, "in single bytes", &whole, &dump(dialect, input.chunks(1)))?;
        let mut random = Random::of(input);
        for _ in 0..3 {
            let borders = borders(&mut random, input.len());
            let pieces = borders.windows(2).map(|border| &input[border[0]..border[1]]);
            compare(dialect, &format!("cut at {borders:?}"), &whole, &dump(dialect, pieces))?;
        }
    }
    Ok(())
}

/// Where to cut: from 0 to `length`, in order.
fn borders(random: &mut Random, length: usize) -> Vec<usize> {
    let mut borders: Vec<_> = (0..=random.below(6)).map(|_| random.below(length + 1)).collect();
    borders.extend([0, length]);
    borders.sort_unstable();
    borders.dedup();
    borders
}

fn compare(dialect: Dialect, how: &str, whole: &[String], cut: &[String]) -> Found {
    let first = whole.iter().zip(cut).position(|(one, other)| one != other).unwrap_or(whole.len().min(cut.len()));
    ensure(whole == cut, || {
        format!(
            "a {dialect:?} dump that comes {how} is another one: event {first} is {:?}, and {:?} of the whole",
            cut.get(first),
            whole.get(first)
        )
    })
}
