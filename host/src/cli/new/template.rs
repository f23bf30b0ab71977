//! The text of a new plugin's files, put together from the pieces in `template/`: what every plugin has, and of each
//! capability its slot, its parameters, a function that looks at what is granted, and what its cases need. Pure.

use std::path::PathBuf;

const LIBRARY: &str = include_str!("template/lib.rs.in");
const CRATE: &str = include_str!("template/crate.toml.in");
const MEMBER: &str = include_str!("template/member.toml.in");
const README: &str = include_str!("template/README.md.in");
/// This repository's own: so that the text is the same in either place.
const RUSTFMT: &str = include_str!("../../../../rustfmt.toml");
const CASES: &str = include_str!("template/cases.toml.in");

/// The capabilities that a plugin can be begun with, each with its pieces.
const CAPABILITIES: &[(&str, &str)] = &[
    ("sql", include_str!("template/sql.in")),
    ("files", include_str!("template/files.in")),
    ("tls", include_str!("template/tls.in")),
    ("docker", include_str!("template/docker.in")),
    ("redis", include_str!("template/redis.in")),
    ("state", include_str!("template/state.in")),
    ("http", include_str!("template/http.in")),
    ("command", include_str!("template/command.in")),
    ("system", include_str!("template/system.in")),
    ("history", include_str!("template/history.in")),
];

/// Where a plugin is to live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Home {
    /// In a repository of its own, or another's: the SDK as its manifest names it.
    Anywhere { sdk: Sdk },
    /// In `plugins/` of this project's own workspace.
    Workspace,
}

/// Where the SDK comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sdk {
    Git(&'static str),
    Path(PathBuf),
}

/// A plugin that is to be made.
#[derive(Clone, Debug)]
pub(super) struct Plan<'a> {
    pub(super) name: &'a str,
    pub(super) capabilities: &'a [Capability],
    pub(super) home: &'a Home,
}

/// One of [`CAPABILITIES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Capability {
    pub(super) name: &'static str,
    pieces: &'static str,
}

impl std::str::FromStr for Capability {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = CAPABILITIES.iter().find(|(name, _)| *name == text);
        found.map(|&(name, pieces)| Self { name, pieces }).ok_or_else(|| {
            let all = CAPABILITIES.iter().map(|(name, _)| *name);
            let near = crate::plugin::did_you_mean(crate::plugin::nearest_word(text, all.clone()));
            format!("a plugin cannot be begun with `{text}`{near}; there are {}", all.collect::<Vec<_>>().join(", "))
        })
    }
}

impl Capability {
    /// The piece that follows a line `=== NAME`, without the line's end.
    fn piece(self, name: &str) -> &'static str {
        let heading = format!("=== {name}\n");
        let rest = self.pieces.split_once(&heading).map_or("", |(_, rest)| rest);
        if rest.starts_with("=== ") {
            return "";
        }
        rest.split_once("\n=== ").map_or(rest, |(piece, _)| piece).trim_end_matches('\n')
    }
}

impl Plan<'_> {
    /// Each file's path below the plugin's directory, and its text.
    ///
    /// # Errors
    /// A name that a function of the template has.
    pub(super) fn files(&self) -> Result<Vec<(String, String)>, String> {
        let library = self.filled(LIBRARY);
        let task = format!("async fn {}(", self.task());
        if library.matches(&task).count() + library.matches(&format!("\nfn {}(", self.task())).count() > 1 {
            return Err(format!("`{}` is the name of a function that a new plugin has; choose another", self.name));
        }
        let manifest = match self.home {
            Home::Anywhere { .. } => CRATE,
            Home::Workspace => MEMBER,
        };
        let mut files = vec![
            ("Cargo.toml".into(), self.filled(manifest)),
            ("src/lib.rs".into(), library),
            (format!("cases/{}.toml", self.name), self.filled(CASES)),
            ("README.md".into(), self.filled(README)),
        ];
        if matches!(self.home, Home::Anywhere { .. }) {
            files.push(("rustfmt.toml".into(), RUSTFMT.into()));
            files.push((".gitignore".into(), "/target\n".into()));
        }
        Ok(files)
    }

    /// What it asks for, for people.
    pub(super) fn asks(&self) -> String {
        self.list("asks", ", ")
    }

    /// What follows `host run`.
    pub(super) fn command(&self) -> String {
        [self.name.to_owned(), self.list("argument", " "), self.list("flag", " ")]
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// What `host test` is given, in the directory that one works in.
    pub(super) fn place(&self) -> String {
        match self.home {
            Home::Anywhere { .. } => ".".into(),
            Home::Workspace => format!("plugins/{}", self.name),
        }
    }

    fn task(&self) -> String {
        self.name.replace('-', "_")
    }

    /// A piece of every capability that has it.
    fn list(&self, piece: &str, between: &str) -> String {
        let pieces = self.capabilities.iter().map(|capability| capability.piece(piece));
        pieces.filter(|piece| !piece.is_empty()).collect::<Vec<_>>().join(between)
    }

    fn calls(&self) -> String {
        if let [only] = self.capabilities {
            return format!("    {}(&options).await", only.piece("call"));
        }
        let names: Vec<&str> = self.capabilities.iter().map(|capability| capability.name).collect();
        let mut lines: Vec<String> = self
            .capabilities
            .iter()
            .map(|capability| format!("    let {} = {}(&options).await?;", capability.name, capability.piece("call")))
            .collect();
        let shown: Vec<String> = names.iter().map(|name| format!("{{{name}}}")).collect();
        lines.push(format!("    Ok(format!(\"{}\"))", shown.join("; ")));
        lines.join("\n")
    }

    /// The parameters of a case: those that must be given, or what this case says instead.
    fn parameters(&self, low: bool) -> String {
        let lines = self.capabilities.iter().flat_map(|capability| {
            let low = if low { capability.piece("low") } else { "" };
            let name = |line: &str| line.split(" = ").next().unwrap_or_default().to_owned();
            let given = capability.piece("given").lines();
            let given = given.filter(move |line| !low.lines().any(|other| name(other) == name(line)));
            given.chain(low.lines())
        });
        let parameters: Vec<&str> = lines.collect();
        if parameters.is_empty() { String::new() } else { format!("parameters = {{ {} }}\n", parameters.join(", ")) }
    }

    fn worlds(&self) -> String {
        let worlds = self.list("world", "\n\n");
        if worlds.is_empty() { worlds } else { format!("\n{worlds}\n") }
    }

    fn filled(&self, text: &str) -> String {
        let summary = match self.capabilities {
            [first @ .., last] if !first.is_empty() => {
                let first: Vec<&str> = first.iter().map(|capability| capability.piece("summary")).collect();
                format!("{} and {}", first.join(", "), last.piece("summary"))
            }
            _ => self.list("summary", ""),
        };
        let mut capital = summary.clone();
        if let Some(first) = capital.get_mut(..1) {
            first.make_ascii_uppercase();
        }
        let sdk = match self.home {
            Home::Workspace => String::new(),
            Home::Anywhere { sdk: Sdk::Git(repository) } => format!("{{ git = \"{repository}\" }}"),
            Home::Anywhere { sdk: Sdk::Path(path) } => {
                let mut table = toml::Table::new();
                table.insert("path".into(), path.display().to_string().into());
                toml::Value::Table(table).to_string()
            }
        };
        // The text of each is put in once: a path may look like another's mark.
        let fillings = [
            ("name", self.name.to_owned()),
            ("Summary", capital),
            ("summary", summary),
            ("rust", env!("CARGO_PKG_RUST_VERSION").to_owned()),
            ("sdk", sdk),
            ("slots", self.list("slot", "\n")),
            ("constants", self.list("constant", ", ")),
            ("parameters", self.list("parameters", "\n")),
            ("task", self.task()),
            ("calls", self.calls()),
            ("functions", self.list("function", "\n\n")),
            ("asks", self.asks()),
            ("options", self.list("options", ", ")),
            ("command", self.command()),
            ("place", self.place()),
            ("grants", self.list("grant", "\n")),
            ("worlds", self.worlds()),
            ("given", self.parameters(false)),
            ("low", self.parameters(true)),
            ("metrics", self.list("metric", ", ")),
            ("findings", self.list("finding", "\n")),
        ];
        let mut out = String::with_capacity(text.len() * 2);
        let mut rest = text;
        while let Some((before, mark, after)) = rest
            .split_once("{{")
            .and_then(|(before, after)| after.split_once("}}").map(|(mark, after)| (before, mark, after)))
        {
            out.push_str(before);
            match fillings.iter().find(|(name, _)| *name == mark) {
                Some((_, filling)) => out.push_str(filling),
                None => out.extend(["{{", mark, "}}"]),
            }
            rest = after;
        }
        out + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIECES: [&str; 15] = [
        "summary",
        "constant",
        "slot",
        "parameters",
        "call",
        "function",
        "asks",
        "options",
        "flag",
        "argument",
        "grant",
        "world",
        "given",
        "metric",
        "low",
    ];

    fn all() -> Vec<Capability> {
        CAPABILITIES.iter().map(|(name, _)| name.parse().unwrap()).collect()
    }

    fn anywhere(path: &str) -> Home {
        Home::Anywhere { sdk: Sdk::Path(path.into()) }
    }

    fn text(files: &[(String, String)], path: &str) -> String {
        files.iter().find(|(file, _)| file == path).map(|(_, text)| text.clone()).unwrap()
    }

    #[test]
    fn a_capability_has_all_of_its_pieces_and_is_a_room() {
        for capability in all() {
            for piece in PIECES {
                let heading = format!("=== {piece}\n");
                assert_eq!(capability.pieces.matches(&heading).count(), 1, "{piece} of {}", capability.name);
            }
            assert!(crate::capability::room(capability.name).is_some(), "{}", capability.name);
            assert!(!capability.piece("function").contains("==="), "{}", capability.name);
        }
    }

    #[test]
    fn no_mark_is_left_whatever_it_is_made_of() {
        let every = all();
        let mut chosen: Vec<Vec<Capability>> = every.iter().map(|capability| vec![*capability]).collect();
        chosen.push(every);
        for capabilities in &chosen {
            for home in [anywhere("/a path/with {{name}} \"in\" it"), Home::Workspace] {
                let plan = Plan { name: "old-things", capabilities, home: &home };
                for (path, text) in plan.files().unwrap() {
                    let text = text.replace("with {{name}}", "");
                    assert!(!text.contains("{{") && !text.contains("}}"), "{path}: {text}");
                    if std::path::Path::new(&path).extension().is_some_and(|ending| ending == "toml") {
                        toml::from_str::<toml::Table>(&text).unwrap_or_else(|error| panic!("{path}: {error}\n{text}"));
                    }
                }
            }
        }
    }

    #[test]
    fn the_manifest_names_the_sdk_as_it_was_asked_for() {
        let capabilities = all();
        for (home, expected) in [
            (anywhere("/opt/\"sdk\""), "/opt/\"sdk\""),
            (Home::Anywhere { sdk: Sdk::Git("https://example.org/r") }, "https://example.org/r"),
        ] {
            let plan = Plan { name: "x", capabilities: &capabilities, home: &home };
            let manifest: toml::Table = toml::from_str(&text(&plan.files().unwrap(), "Cargo.toml")).unwrap();
            let sdk = manifest["dependencies"]["taskhost-sdk"].as_table().unwrap();
            assert_eq!(sdk.values().next().unwrap().as_str(), Some(expected));
            assert_eq!(sdk.len(), 1);
        }
    }

    #[test]
    fn a_name_of_the_templates_own_is_refused() {
        let capabilities = all();
        let home = anywhere("/sdk");
        for name in ["judge", "report", "count-rows", "shake-hands"] {
            let plan = Plan { name, capabilities: &capabilities, home: &home };
            assert!(plan.files().unwrap_err().contains("choose another"), "{name}");
        }
    }

    #[test]
    fn an_unknown_capability_is_named() {
        assert_eq!(
            "file".parse::<Capability>().unwrap_err(),
            "a plugin cannot be begun with `file` (did you mean `files`?); there are sql, files, tls, docker, redis, state, \
             http, command, system, history"
        );
    }

    #[test]
    fn the_text_of_one_capability_reads_as_if_it_were_written_by_hand() {
        let files: Capability = "files".parse().unwrap();
        let home = Home::Anywhere { sdk: Sdk::Git("https://example.org/r") };
        let plan = Plan { name: "old-logs", capabilities: &[files], home: &home };
        let all: String = plan.files().unwrap().iter().map(|(path, text)| format!("--- {path}\n{text}")).collect();
        insta::assert_snapshot!(all);
    }
}
