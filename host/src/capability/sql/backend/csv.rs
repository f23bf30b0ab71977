//! CSV as RFC 4180 has it, without a header; an empty field without quotes is NULL, and one with quotes an empty text.

use super::{Dialect, Error, TableName, quote, wit};

/// One record's fields.
pub(super) type Record = Vec<Option<String>>;

/// Takes text in pieces of any size and gives the records that are complete.
#[derive(Default)]
pub(super) struct Reader {
    state: Place,
    field: Vec<u8>,
    quoted: bool,
    record: Record,
    line: u64,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Place {
    #[default]
    FieldStart,
    Plain,
    Quoted,
    /// After a quote inside quotes: the end, or the first of two.
    Quote,
    /// After a carriage return.
    Return,
}

impl Reader {
    /// The records that end in `bytes`, appended to `records`.
    pub(super) fn push(&mut self, bytes: &[u8], records: &mut Vec<Record>) -> Result<(), Error> {
        for byte in bytes.iter().copied() {
            self.byte(byte, records)?;
        }
        Ok(())
    }

    /// The record that the text ends with, when no newline follows it.
    pub(super) fn end(&mut self, records: &mut Vec<Record>) -> Result<(), Error> {
        match self.state {
            Place::Quoted => Err(self.wrong("a quoted field has no end")),
            Place::FieldStart if self.record.is_empty() => Ok(()),
            _ => self.end_record(records),
        }
    }

    fn byte(&mut self, byte: u8, records: &mut Vec<Record>) -> Result<(), Error> {
        match (self.state, byte) {
            (Place::Return | Place::FieldStart | Place::Plain | Place::Quote, b'\n') => {
                self.end_record(records)?;
            }
            (Place::Return, _) => return Err(self.wrong("a carriage return stands alone; quote the field")),
            (Place::Quoted, b'"') => self.state = Place::Quote,
            (Place::Quoted, _) => {
                self.line += u64::from(byte == b'\n');
                self.field.push(byte);
            }
            (Place::FieldStart, b'"') => {
                self.state = Place::Quoted;
                self.quoted = true;
            }
            (Place::Quote, b'"') => {
                self.state = Place::Quoted;
                self.field.push(byte);
            }
            (_, b',') => {
                self.end_field()?;
                self.state = Place::FieldStart;
            }
            (_, b'\r') => self.state = Place::Return,
            (Place::Quote, _) => return Err(self.wrong("text follows a closing quote")),
            (Place::Plain, b'"') => return Err(self.wrong("a quote stands inside a field without quotes")),
            (Place::FieldStart | Place::Plain, _) => {
                self.state = Place::Plain;
                self.field.push(byte);
            }
        }
        Ok(())
    }

    fn end_field(&mut self) -> Result<(), Error> {
        let bytes = std::mem::take(&mut self.field);
        let quoted = std::mem::take(&mut self.quoted);
        let text = String::from_utf8(bytes).map_err(|_| self.wrong("a field is not UTF-8"))?;
        self.record.push((quoted || !text.is_empty()).then_some(text));
        Ok(())
    }

    fn end_record(&mut self, records: &mut Vec<Record>) -> Result<(), Error> {
        self.end_field()?;
        self.state = Place::FieldStart;
        self.line += 1;
        records.push(std::mem::take(&mut self.record));
        Ok(())
    }

    fn wrong(&self, what: &str) -> Error {
        Error::Invalid(format!("CSV line {}: {what}", self.line + 1))
    }
}

/// Refuses a record that has not one field for each column.
pub(super) fn check_width(record: &Record, columns: usize, number: u64) -> Result<(), Error> {
    if record.len() == columns {
        return Ok(());
    }
    Err(Error::Invalid(format!("CSV record {number} has {} fields for {columns} columns", record.len())))
}

/// An INSERT of so many records, with a parameter for each field.
pub(super) fn insert(dialect: Dialect, table: &TableName, columns: &[String], records: usize) -> String {
    let names: Vec<_> = columns.iter().map(|column| quote::name(dialect, column)).collect();
    let record = format!("({})", vec!["?"; columns.len()].join(", "));
    let table = quote::table(dialect, table);
    format!("INSERT INTO {table} ({}) VALUES {}", names.join(", "), vec![record.as_str(); records].join(", "))
}

/// One row as a record with its newline.
pub(super) fn write(row: &[wit::Value], out: &mut Vec<u8>) {
    for (index, value) in row.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        match value {
            wit::Value::Null => {}
            wit::Value::Boolean(value) => out.extend_from_slice(if *value { b"t" } else { b"f" }),
            wit::Value::Integer(value) => out.extend_from_slice(value.to_string().as_bytes()),
            wit::Value::Unsigned(value) => out.extend_from_slice(value.to_string().as_bytes()),
            wit::Value::Float(value) => out.extend_from_slice(value.to_string().as_bytes()),
            wit::Value::Blob(bytes) => {
                out.extend_from_slice(b"\\x");
                for byte in bytes {
                    out.extend_from_slice(format!("{byte:02x}").as_bytes());
                }
            }
            wit::Value::Numeric(text)
            | wit::Value::Text(text)
            | wit::Value::Uuid(text)
            | wit::Value::Timestamp(text)
            | wit::Value::Date(text)
            | wit::Value::Time(text)
            | wit::Value::Json(text)
            | wit::Value::Unsupported(text) => field(text, out),
        }
    }
    out.push(b'\n');
}

fn field(text: &str, out: &mut Vec<u8>) {
    let plain = !text.is_empty() && !text.contains([',', '"', '\n', '\r']);
    if plain {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(text.replace('"', "\"\"").as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, piece: usize) -> Result<Vec<Record>, Error> {
        let (mut reader, mut records) = (Reader::default(), Vec::new());
        for piece in text.as_bytes().chunks(piece) {
            reader.push(piece, &mut records)?;
        }
        reader.end(&mut records)?;
        Ok(records)
    }

    #[test]
    fn it_reads_the_same_in_pieces_of_any_size() {
        let text = "1,\"a,\"\"b\"\"\nc\",\r\n,\"\",ä";
        let expected: Vec<Record> = vec![
            vec![Some("1".into()), Some("a,\"b\"\nc".into()), None],
            vec![None, Some(String::new()), Some("ä".into())],
        ];
        for piece in 1..=text.len() {
            assert_eq!(read(text, piece).unwrap(), expected, "{piece}");
        }
    }

    #[test]
    fn what_is_no_csv_is_an_error_with_its_line() {
        for (text, message) in [
            ("a\n\"b", "CSV line 2: a quoted field has no end"),
            ("a\"b", "CSV line 1: a quote stands inside a field without quotes"),
            ("\"a\"b", "CSV line 1: text follows a closing quote"),
            ("a\rb", "CSV line 1: a carriage return stands alone; quote the field"),
        ] {
            assert_eq!(read(text, 3).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn what_it_writes_it_reads_again() {
        let mut out = Vec::new();
        let texts = ["plain", "", "a,b", "say \"x\"", "two\nlines"];
        let mut row: Vec<_> = texts.iter().map(|text| wit::Value::Text((*text).into())).collect();
        row.push(wit::Value::Null);
        write(&row, &mut out);
        let mut expected: Record = texts.iter().map(|text| Some((*text).to_owned())).collect();
        expected.push(None);
        assert_eq!(read(std::str::from_utf8(&out).unwrap(), 7).unwrap(), [expected]);
    }
}
