//! Mutations of bytes from a fixed seed: the same on every machine.

/// A generator of numbers that are random enough to mutate with (xorshift64*, Vigna 2016).
#[derive(Clone, Debug)]
pub struct Random(u64);

/// What a mutation puts in, beside what stands in the corpus.
const INTERESTING: &[&[u8]] = &[
    b"\0",
    b"\n",
    b"\r\n",
    b"\\",
    b"'",
    b"\"",
    b"`",
    b";",
    b",",
    b"=",
    b"/",
    b"..",
    b"/../",
    b"%2C",
    b"*",
    b"**",
    b"$$",
    b"--",
    b"/*",
    b"*/",
    b"/*!",
    b"\x1b[2J",
    b"\xff",
    b"\xc3",
    b"\xe2\x80\xae",
    b"\xef\xbb\xbf",
    b"\\x2e",
    b"{",
    b"[",
    b"]",
    b"(",
    b")",
    b"-1",
    b"0",
    b"18446744073709551615",
    b"1e308",
    b"NaN",
    b":",
    b"@",
    b"#",
    b" ",
];

impl Random {
    /// Begins at `seed`.
    pub fn new(seed: u64) -> Self {
        // Zero would stay zero.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Begins at a seed that `text` stands for.
    pub fn of(text: &[u8]) -> Self {
        Self::new(
            text.iter()
                .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)),
        )
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`, which is not 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.number() >> 33).expect("31 bits fit") % end
    }

    /// One of `choices`.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }

    /// `input` with one to four changes; `other` is what pieces are taken from.
    pub fn mutate(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = input.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            let end = (at + self.below(16) + 1).min(bytes.len());
            match self.below(6) {
                0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                1 => drop(bytes.drain(at..end)),
                2 => {
                    let again = bytes[at..end].to_vec();
                    drop(bytes.splice(at..at, again));
                }
                3 if !other.is_empty() => {
                    let from = self.below(other.len());
                    let to = (from + self.below(32) + 1).min(other.len());
                    drop(bytes.splice(at..end, other[from..to].iter().copied()));
                }
                4 => bytes.truncate(at),
                _ => {
                    let put = *self.pick(INTERESTING);
                    drop(bytes.splice(at..at, put.iter().copied()));
                }
            }
        }
        bytes
    }
}
