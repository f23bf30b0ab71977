//! `host grants BUNDLE`: who may touch what, as a table by task and by resource. Reads nothing but the
//! file, and the files of templates that it names.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anstyle::Style;
use clap::Args;

use super::{check, fail, json, print};
use crate::bundle::{Granted, granted};

#[derive(Args)]
pub(super) struct Arguments {
    /// The bundle file.
    bundle: PathBuf,
    /// How the table is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people at a terminal.
    Text,
    /// For machines.
    Json,
    /// For a page.
    Markdown,
}

pub(super) fn execute(arguments: &Arguments) -> u8 {
    let path = arguments.bundle.as_path();
    let text = match check::text(path) {
        Ok(text) => text,
        Err(error) => return fail(&error),
    };
    let Some(bundle) = check::bundle(path, &text) else { return 3 };
    let lines = granted(&bundle);
    print(&match arguments.format {
        Format::Json => json(&lines),
        Format::Text => tables(&lines, &Plain),
        Format::Markdown => tables(&lines, &Markdown),
    });
    0
}

/// By task, then by resource.
fn tables(lines: &[Granted], form: &dyn Form) -> String {
    let rest = |line: &Granted| [line.access.join(", "), line.scope.join("; "), or_dash(line.budget.join(", "))];
    let by_task = lines.iter().map(|line| {
        let resource = format!("{} {}", line.capability, line.resource);
        [vec![line.task.clone(), line.slot.clone(), resource], rest(line).to_vec()].concat()
    });
    let mut resources: BTreeMap<(&str, &str), Vec<&Granted>> = BTreeMap::new();
    for line in lines {
        resources.entry((line.capability, &line.resource)).or_default().push(line);
    }
    let by_resource = resources.iter().flat_map(|((capability, resource), lines)| {
        lines.iter().enumerate().map(move |(index, line)| {
            // A resource is named once.
            let name = if index == 0 { format!("{capability} {resource}") } else { String::new() };
            [vec![name, line.task.clone()], rest(line).to_vec()].concat()
        })
    });
    let mut out = form.table("By task", &["task", "slot", "resource", "access", "scope", "budget"], by_task.collect());
    out.push('\n');
    out += &form.table("By resource", &["resource", "task", "access", "scope", "budget"], by_resource.collect());
    out
}

fn or_dash(text: String) -> String {
    if text.is_empty() { "-".into() } else { text }
}

/// How a table is written.
trait Form {
    fn table(&self, title: &str, heads: &[&str], rows: Vec<Vec<String>>) -> String;
}

struct Plain;

impl Form for Plain {
    fn table(&self, title: &str, heads: &[&str], rows: Vec<Vec<String>>) -> String {
        let bold = Style::new().bold();
        let width = |column: usize| {
            let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain(heads.get(column).map(|head| head.len())).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..heads.len()).map(width).collect();
        let line = |cells: Vec<&str>| {
            let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            format!("  {}\n", padded.collect::<Vec<_>>().join("  ").trim_end())
        };
        let head = line(heads.to_vec());
        let rule: Vec<String> = widths.iter().map(|width| "─".repeat(*width)).collect();
        let body = rows.iter().map(|row| line(row.iter().map(String::as_str).collect()));
        format!(
            "{bold}{title}{bold:#}\n{head}{}{}",
            line(rule.iter().map(String::as_str).collect()),
            body.collect::<String>()
        )
    }
}

struct Markdown;

impl Form for Markdown {
    fn table(&self, title: &str, heads: &[&str], rows: Vec<Vec<String>>) -> String {
        let escape = |cell: &str| cell.replace('|', "\\|");
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let head = line(heads.iter().map(|head| (*head).into()).collect());
        let rule = line(heads.iter().map(|_| "---".into()).collect());
        let body = rows.iter().map(|row| line(row.iter().map(|cell| escape(cell)).collect()));
        format!("### {title}\n\n{head}{rule}{}", body.collect::<String>())
    }
}
