//! The digest of rows: of their values in order, each with its kind and length, so that two different contents never
//! make the same bytes. Pure.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use super::sql::Value;

/// Rows that are digested.
pub(super) struct Digest(Sha256);

impl Digest {
    pub(super) fn new() -> Self {
        Self(Sha256::new())
    }

    /// Takes in one row of what `table` names.
    pub(super) fn row(&mut self, table: &str, values: &[Value<'_>]) {
        self.0.update(format!("[{table} {}", values.len()));
        for value in values {
            match value {
                Value::Integer(Some(number)) => self.0.update(format!(" i{number}")),
                Value::Real(Some(number)) => self.0.update(format!(" r{:016x}", number.to_bits())),
                Value::Text(Some(text)) => {
                    self.0.update(format!(" t{}:", text.len()));
                    self.0.update(text.as_bytes());
                }
                Value::Integer(None) | Value::Real(None) | Value::Text(None) => self.0.update(" n"),
            }
        }
        self.0.update("]");
    }

    /// In lower-case hex.
    pub(super) fn finish(self) -> String {
        HEXLOWER.encode(&self.0.finalize())
    }
}

#[cfg(test)]
mod tests {
    use super::super::sql::values;
    use super::*;

    fn digest(rows: &[&[Value<'_>]]) -> String {
        let mut digest = Digest::new();
        for row in rows {
            digest.row("t", row);
        }
        digest.finish()
    }

    #[test]
    fn what_differs_has_another_digest() {
        let none: Option<&str> = None;
        let all = [
            digest(&[]),
            digest(&[&[]]),
            digest(&[&values!["a", "b"]]),
            digest(&[&values!["a"], &values!["b"]]),
            digest(&[&values!["ab", ""]]),
            digest(&[&values!["", "ab"]]),
            digest(&[&values!["a t1:b"]]),
            digest(&[&values!["1"]]),
            digest(&[&values![1]]),
            digest(&[&values![Some(1.0)]]),
            digest(&[&values![Some(-1.0)]]),
            digest(&[&values![none]]),
            digest(&[&values!["n"]]),
        ];
        for (index, one) in all.iter().enumerate() {
            assert!(all.iter().skip(index + 1).all(|other| other != one), "{index}");
        }
    }

    #[test]
    fn minus_zero_is_zero_as_sqlite_keeps_it() {
        assert_eq!(digest(&[&values![Some(-0.0)]]), digest(&[&values![Some(0.0)]]));
    }
}
