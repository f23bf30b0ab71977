//! `host inspect PLUGIN`: what a plugin is and what it asks for.

use clap::Args;
use serde::Serialize;

use super::{Global, fail};
use crate::plugin::{Plugin, description};
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

/// The JSON form; its shape is documented in `docs/`.
#[derive(Serialize)]
struct Inspection<'a> {
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
    match arguments.format {
        Format::Text => text(&plugin),
        Format::Json => match serde_json::to_string_pretty(&inspection(&plugin)) {
            Ok(json) => anstream::println!("{json}"),
            Err(error) => return fail(&error.to_string()),
        },
    }
    0
}

fn inspection(plugin: &Plugin) -> Inspection<'_> {
    let description = plugin.description();
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
    Inspection {
        name: &description.name,
        version: &description.version,
        summary: &description.summary,
        digest: plugin.digest(),
        size: plugin.size(),
        parameters: parameters.collect(),
        slots: &description.slots,
        imports: plugin.imports(),
    }
}

fn text(plugin: &Plugin) {
    let description = plugin.description();
    let bold = anstyle::Style::new().bold();
    let dim = anstyle::Style::new().dimmed();
    anstream::println!("{bold}{}{bold:#} {} - {}", description.name, description.version, description.summary);
    anstream::println!("{dim}{}, {}{dim:#}", plugin.digest(), Size(plugin.size()));
    anstream::println!("\n{bold}Slots{bold:#}");
    if description.slots.is_empty() {
        anstream::println!("  none: it reaches nothing");
    }
    for slot in &description.slots {
        let optional = if slot.optional { ", optional" } else { "" };
        let access = slot.access.join(", ");
        anstream::println!("  {bold}{}{bold:#} ({}: {access}{optional})", slot.name, slot.capability);
        anstream::println!("      {}", slot.why);
        if let Some(room) = crate::capability::room(&slot.capability) {
            let words: String = slot
                .access
                .iter()
                .filter(|word| room.access.first() != Some(&word.as_str()))
                .map(|word| format!(",{word}"))
                .collect();
            anstream::println!("      {dim}--{} {}={}{words}{dim:#}", room.name, slot.name, room.target);
        }
    }
    anstream::println!("\n{bold}Parameters{bold:#}");
    if description.parameters.is_empty() {
        anstream::println!("  none");
    }
    for parameter in inspection(plugin).parameters {
        let kind = match parameter.choices {
            Some(words) => words.join("|"),
            None => parameter.kind.to_owned(),
        };
        let note = match (&parameter.default, parameter.required) {
            (Some(default), _) => format!(" [{default}]"),
            (None, true) => " (required)".into(),
            (None, false) => String::new(),
        };
        anstream::println!("  {bold}{}{bold:#}={kind}{note}", parameter.name);
        anstream::println!("      {}", parameter.summary);
    }
    anstream::println!("\n{bold}Imports{bold:#}");
    for import in plugin.imports() {
        anstream::println!("  {import}");
    }
}
