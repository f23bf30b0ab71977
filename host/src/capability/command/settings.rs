//! Templates as settings of a grant, where they are still a table of TOML: taken in from a file, examined with the place
//! of every mistake, and shown.

use schemars::{Schema, SchemaGenerator};
use serde::Deserialize as _;
use toml::{Table, Value};

use super::arguments::check_name;
use super::template::{Template, Written};
use crate::capability::Mistake;
use crate::policy::place;

/// The key of templates that are written in place.
const TEMPLATE: &str = "template";
/// The key of a file of them.
const TEMPLATES: &str = "templates";
const NO_TABLE: &str = "`template` is a table of templates: write [...template.NAME], or name a file with `templates`";
/// Bytes of a file of templates.
const FILE_LIMIT: u64 = 1 << 20;

/// Puts the templates of the file that the settings name into the settings.
pub(super) fn expand(settings: &mut Table) -> Result<(), String> {
    if settings.get(TEMPLATE).is_some_and(|templates| !templates.is_table()) {
        return Err(NO_TABLE.into());
    }
    let Some(path) = settings.remove(TEMPLATES) else { return Ok(()) };
    let Value::String(path) = path else { return Err("`templates` is the path of a file".into()) };
    let read = std::fs::metadata(&path).and_then(|file| {
        if file.len() > FILE_LIMIT {
            return Err(std::io::Error::other(format!("it is larger than {} KiB", FILE_LIMIT >> 10)));
        }
        std::fs::read_to_string(&path)
    });
    let text = read.map_err(|error| format!("failed to read the templates in {path}: {error}"))?;
    let line = |at: Option<usize>| {
        at.map_or(String::new(), |at| format!(":{}", text.get(..at).unwrap_or(&text).matches('\n').count() + 1))
    };
    let file: Table = toml::from_str(&text)
        .map_err(|error| format!("{path}{}: {}", line(error.span().map(|span| span.start)), error.message()))?;
    if let Some(key) = file.keys().find(|key| *key != TEMPLATE) {
        let at = place::of(&text, std::slice::from_ref(key)).map(|span| span.start);
        return Err(format!("{path}{}: `{key}` is not known here; write [template.NAME]", line(at)));
    }
    let mistakes: Vec<String> = examine(&file)
        .into_iter()
        .map(|mistake| {
            let at = place::of(&text, &mistake.keys).map(|span| span.start);
            format!("{path}{}: {}", line(at), mistake.message)
        })
        .collect();
    if !mistakes.is_empty() {
        return Err(mistakes.join("; "));
    }
    let Some(Value::Table(templates)) = file.get(TEMPLATE) else {
        return Err(format!(
            "{path}: there is no template; write [template.NAME] with argv = [\"PROGRAM\", \"ARGUMENT\"]"
        ));
    };
    match settings.entry(TEMPLATE).or_insert_with(|| Value::Table(Table::new())) {
        Value::Table(own) => {
            for (name, template) in templates {
                if own.contains_key(name) {
                    return Err(format!("template `{name}` stands in {path} and beside it"));
                }
                own.insert(name.clone(), template.clone());
            }
            Ok(())
        }
        _ => Err(NO_TABLE.into()),
    }
}

/// Every mistake in the templates that are written in place.
pub(super) fn examine(settings: &Table) -> Vec<Mistake> {
    let at = |keys: &[&str], message: String| Mistake { keys: keys.iter().map(|key| (*key).into()).collect(), message };
    let templates = match settings.get(TEMPLATE) {
        None => return vec![],
        Some(Value::Table(templates)) => templates,
        Some(_) => return vec![at(&[TEMPLATE], NO_TABLE.into())],
    };
    let mut mistakes = Vec::new();
    for (name, template) in templates {
        if let Err(error) = check_name(name) {
            mistakes.push(at(&[TEMPLATE, name], format!("template {error}")));
        }
        match Written::deserialize(template.clone()) {
            // The first line names the field; what follows could quote a value.
            Err(error) => {
                let message = error.message().lines().next().unwrap_or_default();
                mistakes.push(at(&[TEMPLATE, name], format!("template `{name}`: {message}")));
            }
            Ok(written) => {
                let wrong = written.judged().err().unwrap_or_default();
                mistakes.extend(wrong.into_iter().map(|(keys, message)| Mistake {
                    keys: [vec![TEMPLATE.into(), name.clone()], keys].concat(),
                    message: format!("template `{name}`: {message}"),
                }));
            }
        }
    }
    mistakes
}

/// The settings as a list of grants shows them: each template with its whole argument vector, and no environment.
pub(super) fn shown(settings: &Table) -> Vec<String> {
    let mut settings = settings.clone();
    let mut shown = Vec::new();
    if let Err(error) = expand(&mut settings) {
        shown.push(error);
    }
    if let Some(Value::Table(templates)) = settings.get(TEMPLATE) {
        shown.extend(templates.iter().map(|(name, template)| match Template::deserialize(template.clone()) {
            Ok(template) => {
                let impact = match template.impact {
                    crate::gate::Impact::Observe => "observes",
                    crate::gate::Impact::Change => "changes",
                    crate::gate::Impact::Destroy => "destroys",
                };
                let placeholders: String = template
                    .placeholders
                    .iter()
                    .map(|(name, placeholder)| format!("; {{{name}}}: {placeholder}"))
                    .collect();
                format!("{name} {impact}: {}{placeholders}", template.shown())
            }
            Err(_) => format!("{name}: a template with mistakes"),
        }));
    }
    shown
}

/// What an editor knows of the settings.
pub(super) fn schema(generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
    let template = generator.subschema_for::<Written>();
    let templates = schemars::json_schema!({
        "type": "object",
        "description": "For a command slot: the programs that may be run, by name.",
        "additionalProperties": template,
    });
    vec![(TEMPLATE, templates)]
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "[template.a]\nargv = ['true', '{x}']\n\n[template.b]\nargv = ['true']\ntimeout = 0\nplaceholder.y = { type = 'name' }\n";

    fn file(text: &str) -> (tempfile::TempDir, String) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("t.toml");
        std::fs::write(&path, text).unwrap();
        (directory, path.to_str().unwrap().into())
    }

    fn settings(path: &str) -> Table {
        toml::from_str(&format!("templates = '{path}'")).unwrap()
    }

    #[test]
    fn every_mistake_of_a_file_has_its_line() {
        for (text, expected) in [
            (
                TWO,
                &[
                    ":2: template `a`: argv names the placeholder {x}",
                    ":7: template `b`: placeholder `y` stands in no",
                    ":6: template `b`: timeout is from",
                ][..],
            ),
            ("\n[templates.a]\nargv = ['x']", &[":2: `templates` is not known here"]),
            ("[template.a]\nargv = 'x'\n", &[":1: template `a`: invalid type"]),
            ("[template.a\n", &[":1: "]),
            ("", &[": there is no template"]),
            ("template = 1", &[":1: `template` is a table"]),
        ] {
            let (_directory, path) = file(text);
            let error = expand(&mut settings(&path)).unwrap_err();
            for part in expected {
                assert!(error.contains(&format!("{path}{part}")), "{text}: {error}");
            }
        }
        assert!(
            expand(&mut settings("/no/such.toml"))
                .unwrap_err()
                .contains("failed to read the templates in /no/such.toml")
        );
        assert!(expand(&mut toml::from_str("templates = 1").unwrap()).is_err());
    }

    #[test]
    fn templates_of_a_file_and_in_place_go_together_and_not_twice() {
        let (_directory, path) = file("[template.a]\nargv = ['true']\n");
        let mut both: Table = toml::from_str(&format!("templates = '{path}'\ntemplate.b.argv = ['false']")).unwrap();
        expand(&mut both).unwrap();
        assert_eq!(both.keys().collect::<Vec<_>>(), ["template"]);
        assert_eq!(both["template"].as_table().unwrap().len(), 2);
        let mut twice: Table = toml::from_str(&format!("templates = '{path}'\ntemplate.a.argv = ['false']")).unwrap();
        assert!(expand(&mut twice).unwrap_err().contains("template `a` stands in"));
    }

    #[test]
    fn a_template_is_shown_with_its_arguments_and_without_its_environment() {
        let settings: Table = toml::from_str(
            "[template.dump]\nargv = ['pg_dump', '--table={table}', 'a b']\nimpact = 'observe'\n\
             environment = { PGPASSWORD = 'hunter2' }\nplaceholder.table = { type = 'name' }\n[template.bad]\nargv = []",
        )
        .unwrap();
        assert_eq!(
            shown(&settings),
            [
                "bad: a template with mistakes",
                "dump observes: pg_dump --table={table} 'a b'; {table}: name (letters, digits, `.`, `_`, `-`)",
            ]
        );
    }
}
