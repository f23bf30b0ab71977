//! Which program makes the dump, and with which values. Pure.

use std::collections::BTreeMap;

use taskhost_sdk::command::{Impact, Template};

/// A program to be run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chosen {
    pub(crate) template: String,
    pub(crate) values: Vec<(String, String)>,
}

/// The template that is named, or the only one, and values for its placeholders; all that is wrong at once.
pub(crate) fn choose(offered: &[Template], named: Option<&str>, arguments: &[String]) -> Result<Chosen, String> {
    let names = || offered.iter().map(|template| template.name.as_str()).collect::<Vec<_>>().join(", ");
    let template = match (named, offered) {
        (None, [only]) => only,
        (None, _) => return Err(format!("slot `dump` has several templates; say template=... of {}", names())),
        (Some(named), _) => offered
            .iter()
            .find(|template| template.name == named)
            .ok_or_else(|| format!("slot `dump` has no template `{named}`; it has {}", names()))?,
    };
    if template.impact != Impact::Observe {
        return Err(format!(
            "template `{}` may change things, and a dump only reads; if that is so, write impact = \"observe\" in it",
            template.name
        ));
    }
    let mut wrong = Vec::new();
    let mut given = BTreeMap::new();
    for argument in arguments {
        match argument.split_once('=') {
            Some((name, value)) if given.insert(name, value).is_some() => {
                wrong.push(format!("`{name}` is given twice in arguments"));
            }
            Some((name, _)) if !template.placeholders.iter().any(|one| one.name == name) => {
                wrong.push(format!("template `{}` has no placeholder `{name}`", template.name));
            }
            Some(_) => {}
            None => wrong.push(format!("`{argument}` in arguments is not written NAME=VALUE")),
        }
    }
    for one in template.placeholders.iter().filter(|one| one.required && !given.contains_key(one.name.as_str())) {
        let (template, name) = (&template.name, &one.name);
        wrong.push(format!("template `{template}` needs a value for `{name}`: add arguments={name}=..."));
    }
    if !wrong.is_empty() {
        return Err(wrong.join("; "));
    }
    let values = given.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    Ok(Chosen { template: template.name.clone(), values })
}

#[cfg(test)]
mod tests {
    use taskhost_sdk::command::Placeholder;

    use super::*;

    fn template(name: &str, impact: Impact, placeholders: &[(&str, bool)]) -> Template {
        let placeholder = |(name, required): &(&str, bool)| Placeholder {
            name: (*name).into(),
            kind: "name".into(),
            required: *required,
        };
        let placeholders = placeholders.iter().map(placeholder).collect();
        Template { name: name.into(), summary: String::new(), impact, placeholders, granted: true }
    }

    #[test]
    fn a_template_is_chosen_or_it_is_said_why_not() {
        let one = [template("dump", Impact::Observe, &[("database", true), ("jobs", false)])];
        let two = [one[0].clone(), template("purge", Impact::Destroy, &[])];
        for (offered, named, arguments, expected) in [
            (&one[..], None, &["database=app"][..], Ok("dump")),
            (&one, Some("dump"), &["database=a=b", "jobs=2"], Ok("dump")),
            (&two, Some("dump"), &["database=app"], Ok("dump")),
            (&two, None, &["database=app"], Err("several templates; say template=... of dump, purge")),
            (&two, Some("other"), &[], Err("no template `other`; it has dump, purge")),
            (&two, Some("purge"), &[], Err("may change things")),
            (&one, None, &[], Err("needs a value for `database`: add arguments=database=...")),
            (
                &one,
                None,
                &["database"],
                Err("`database` in arguments is not written NAME=VALUE; template `dump` needs"),
            ),
            (&one, None, &["database=a", "database=b"], Err("given twice")),
            (&one, None, &["database=a", "host=b"], Err("no placeholder `host`")),
        ] {
            let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).into()).collect();
            match (choose(offered, named, &arguments), expected) {
                (Ok(chosen), Ok(name)) => assert_eq!(chosen.template, name, "{arguments:?}"),
                (Err(error), Err(part)) => assert!(error.contains(part), "{arguments:?}: {error}"),
                (chosen, expected) => panic!("{named:?} {arguments:?}: {chosen:?}, {expected:?}"),
            }
        }
        let chosen = choose(&one, None, &["database=a=b".into()]).unwrap();
        assert_eq!(chosen.values, [("database".into(), "a=b".into())]);
    }
}
