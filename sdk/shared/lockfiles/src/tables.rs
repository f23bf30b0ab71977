//! Lockfiles in TOML: a row of `[[package]]` tables. Each is read on its own, so that one that is broken hides no other,
//! and a large file takes no more memory than its largest table.

use serde::de::DeserializeOwned;

use crate::file::Problem;

/// The most bytes of one table; larger than any that a tool wrote.
const LARGEST: usize = 1 << 20;

/// The tables of that name with the lines that they begin at, and what cannot be read.
pub(crate) fn read<T: DeserializeOwned>(text: &str, name: &str) -> (Vec<(T, usize)>, Vec<Problem>) {
    let header = format!("[[{name}]]");
    let (mut tables, mut problems) = (Vec::new(), Vec::new());
    let mut begun: Option<(usize, usize)> = None;
    let mut offset = 0;
    let mut take = |begun: Option<(usize, usize)>, end: usize| {
        let Some((start, line)) = begun else { return };
        let table = text.get(start..end).unwrap_or_default();
        if table.len() > LARGEST {
            problems.push(Problem::at(line, format!("a [[{name}]] of more than {LARGEST} bytes")));
            return;
        }
        match toml::from_str::<T>(table) {
            Ok(read) => tables.push((read, line)),
            Err(error) => {
                let before = error.span().and_then(|span| table.get(..span.start)).unwrap_or_default();
                let line = line + 1 + before.bytes().filter(|byte| *byte == b'\n').count();
                problems.push(Problem::at(line, error.message().trim_end()));
            }
        }
    };
    for (number, line) in text.split_inclusive('\n').enumerate() {
        let content = line.trim();
        let table = content.starts_with('[') && !line.starts_with([' ', '\t']);
        // A subtable, `[package.dependencies]`, belongs to its table.
        let part = content.trim_start_matches('[').strip_prefix(name).is_some_and(|rest| rest.starts_with('.'));
        if table && !part {
            take(begun.take(), offset);
            if content.split('#').next().unwrap_or_default().trim_end() == header {
                begun = Some((offset + line.len(), number + 1));
            }
        }
        offset += line.len();
    }
    take(begun.take(), text.len());
    if tables.is_empty() && problems.is_empty() {
        problems.extend(strange(text, &header));
    }
    (tables, problems)
}

/// What is wrong with a file without a table: nothing, where a tool wrote one for a project that needs nothing.
fn strange(text: &str, header: &str) -> Option<Problem> {
    if text.len() > 64 << 10 {
        return Some(Problem::whole(format!("there is no {header} in it")));
    }
    match toml::from_str::<toml::Table>(text) {
        Ok(table) if table.is_empty() => Some(Problem::whole(format!("there is no {header} in it"))),
        Ok(_) => None,
        Err(error) => Some(Problem::whole(error.message().trim_end())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Named {
        name: String,
    }

    fn names(text: &str) -> (Vec<(String, usize)>, Vec<String>) {
        let (tables, problems) = read::<Named>(text, "package");
        (
            tables.into_iter().map(|(table, line)| (table.name, line)).collect(),
            problems.iter().map(ToString::to_string).collect(),
        )
    }

    #[test]
    fn tables_are_read_one_by_one() {
        let text = "version = 4\n\n[[package]]\nname = \"a\"\ndependencies = [\n \"b\",\n]\n\n[package.source]\nurl = \"x\"\n\n[[package.files]]\nf = 1\n[[package]] # the next\nname = 'b'\n\n[metadata]\nname = 3\n";
        assert_eq!(names(text), (vec![("a".into(), 3), ("b".into(), 14)], vec![]));
        assert_eq!(names("version = 4\n"), (vec![], vec![]));
        assert_eq!(names("# nothing\n"), (vec![], vec!["there is no [[package]] in it".into()]));
    }

    #[test]
    fn a_broken_table_hides_no_other() {
        let text = "[[package]]\nname = \"a\"\n[[package]]\nversion = 1\nname = \n[[package]]\nname = \"c\"";
        let (tables, problems) = names(text);
        assert_eq!(tables, [("a".into(), 1), ("c".into(), 6)]);
        assert_eq!(problems.len(), 1);
        assert!(problems[0].starts_with("line 5: "), "{problems:?}");
    }

    #[test]
    fn a_table_that_is_far_too_large_is_a_problem() {
        let text = format!("[[package]]\nname = \"{}\"\n[[package]]\nname = \"b\"\n", "x".repeat(LARGEST));
        let (tables, problems) = names(&text);
        assert_eq!((tables, problems.len()), (vec![("b".into(), 3)], 1));
    }
}
