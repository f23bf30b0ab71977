//! `host inspect PLUGIN`: what a plugin is and what it asks for.

use clap::Args;
use serde::Serialize;

use super::{Global, fail};
use crate::plugin::{Description, description};
use crate::policy::text::clean_line;
use crate::policy::units::Size;

/// Bytes of a default that are shown.
const DEFAULT_LIMIT: usize = 500;

/// What `inspect` takes.
#[derive(Args)]
pub(super) struct Arguments {
    /// A path, or a name on the plugin path.
    plugin: String,
    /// How it is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    Text,
    Json,
}

/// What is shown. As JSON its shape is documented in `docs/`.
#[derive(Serialize)]
pub(crate) struct Inspection<'a> {
    name: &'a str,
    version: &'a str,
    summary: &'a str,
    digest: &'a str,
    size: u64,
    parameters: Vec<Parameter<'a>>,
    slots: &'a [description::Slot],
    imports: &'a [String],
}

#[derive(Serialize)]
struct Parameter<'a> {
    name: &'a str,
    kind: &'static str,
    choices: Option<&'a [String]>,
    summary: &'a str,
    default: Option<String>,
    required: bool,
    minimum: Option<f64>,
    maximum: Option<f64>,
}

pub(super) async fn execute(global: &Global, arguments: &Arguments) -> u8 {
    let plugin = match super::options::load(global, &arguments.plugin).await {
        Ok((_, plugin)) => plugin,
        Err(message) => return fail(&message),
    };
    let inspection = Inspection::new(plugin.description(), plugin.digest(), plugin.size(), plugin.imports());
    match arguments.format {
        Format::Text => anstream::print!("{}", inspection.text()),
        Format::Json => match inspection.json() {
            Ok(json) => anstream::println!("{json}"),
            Err(error) => return fail(&error.to_string()),
        },
    }
    0
}

impl<'a> Inspection<'a> {
    pub(crate) fn new(description: &'a Description, digest: &'a str, size: u64, imports: &'a [String]) -> Self {
        let parameters = description.parameters.iter().map(|parameter| Parameter {
            name: &parameter.name,
            kind: parameter.kind.name(),
            choices: match &parameter.kind {
                description::ParameterType::Choice(words) => Some(words),
                _ => None,
            },
            summary: &parameter.summary,
            // A plugin's own text: what a terminal would obey is shown, not sent.
            default: parameter.default.as_ref().map(|default| clean_line(&default.to_string(), DEFAULT_LIMIT)),
            required: parameter.required,
            minimum: parameter.minimum,
            maximum: parameter.maximum,
        });
        Self {
            name: &description.name,
            version: &description.version,
            summary: &description.summary,
            digest,
            size,
            parameters: parameters.collect(),
            slots: &description.slots,
            imports,
        }
    }

    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string_pretty(self)
    }

    /// For people, with colours.
    pub(crate) fn text(&self) -> String {
        let bold = anstyle::Style::new().bold();
        let dim = anstyle::Style::new().dimmed();
        let mut lines = vec![
            format!("{bold}{}{bold:#} {} - {}", self.name, self.version, self.summary),
            format!("{dim}{}, {}{dim:#}", self.digest, Size(self.size)),
            format!("\n{bold}Slots{bold:#}"),
        ];
        if self.slots.is_empty() {
            lines.push("  none: it reaches nothing".into());
        }
        for slot in self.slots {
            let optional = if slot.optional { ", optional" } else { "" };
            let access = slot.access.join(", ");
            lines.push(format!("  {bold}{}{bold:#} ({}: {access}{optional})", slot.name, slot.capability));
            lines.push(format!("      {}", slot.why));
            if let Some(room) = crate::capability::room(&slot.capability) {
                let words: String = slot
                    .access
                    .iter()
                    .filter(|word| room.access.first() != Some(&word.as_str()))
                    .map(|word| format!(",{word}"))
                    .collect();
                lines.push(format!("      {dim}--{} {}={}{words}{dim:#}", room.name, slot.name, room.target));
            }
        }
        lines.push(format!("\n{bold}Parameters{bold:#}"));
        if self.parameters.is_empty() {
            lines.push("  none".into());
        }
        for parameter in &self.parameters {
            let kind = match parameter.choices {
                Some(words) => words.join("|"),
                None => parameter.kind.to_owned(),
            };
            let note = match (&parameter.default, parameter.required) {
                (Some(default), _) => format!(" [{default}]"),
                (None, true) => " (required)".into(),
                (None, false) => String::new(),
            };
            lines.push(format!("  {bold}{}{bold:#}={kind}{note}", parameter.name));
            lines.push(format!("      {}", parameter.summary));
        }
        lines.push(format!("\n{bold}Imports{bold:#}"));
        lines.extend(self.imports.iter().map(|import| format!("  {import}")));
        lines.push(String::new());
        lines.join("\n")
    }
}
