//! Who may touch what: tasks against resources at a glance, and each grant in words.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::{Answer, Call, Frame, links};
use crate::bundle::{Granted, granted};

pub(super) async fn show(call: Call) -> Answer {
    let served = call.served()?;
    let (frame, bundle) = (Frame::of(&call), served.name.as_str());
    let all = granted(&served.service.loaded().bundle);
    let mut by_resource: BTreeMap<(&str, &str), Vec<&Granted>> = BTreeMap::new();
    for grant in &all {
        by_resource.entry((grant.capability, &grant.resource)).or_default().push(grant);
    }
    let body = html! {
        div.title { h1 { "Grants" } p.quiet { "What is not here, no task can touch." } }
        @if all.is_empty() { p.quiet { "No task may touch anything." } } @else {
            section { h2 { "At a glance" } (matrix(bundle, &all)) }
            section {
                h2 { "By resource" }
                @for ((capability, resource), grants) in &by_resource {
                    h3.resource { span.tag.plain { (capability) } " " (resource) }
                    div.wide { table.even {
                        thead { tr { th { "Task" } th { "Access" } th { "Scope" } th { "Budget" } } }
                        tbody {
                            @for grant in grants {
                                tr {
                                    td { a href=(links::task(bundle, &grant.task)) { (grant.task) } " " span.quiet { (grant.slot) } }
                                    td { (access(grant)) }
                                    td { (grant.scope.join("; ")) }
                                    td { (grant.budget.join(", ")) }
                                }
                            }
                        }
                    } }
                }
            }
        }
    };
    Ok(frame.show("Grants", "grants", &body))
}

/// Words of access that only look.
fn looks(grant: &Granted, word: &str) -> bool {
    grant.access.first().is_some_and(|first| first == word)
}

fn access(grant: &Granted) -> Markup {
    html! {
        @for word in &grant.access {
            span class={ "tag " (if looks(grant, word) { "plain" } else { "warning" }) } { (word) } " "
        }
    }
}

fn matrix(bundle: &str, all: &[Granted]) -> Markup {
    let mut tasks: Vec<&str> = Vec::new();
    for grant in all {
        if tasks.last() != Some(&grant.task.as_str()) {
            tasks.push(&grant.task);
        }
    }
    let columns: BTreeSet<(&str, &str)> = all.iter().map(|grant| (grant.capability, grant.resource.as_str())).collect();
    // A connection's name says enough here; its target is below.
    let short = |resource: &str| resource.split(" (").next().unwrap_or_default().to_owned();
    html! {
        div.wide { table.matrix {
            thead { tr {
                th scope="col" { "Task" }
                @for (capability, resource) in &columns {
                    th scope="col" title=(resource) { span.quiet { (capability) } br; (short(resource)) }
                }
            } }
            tbody {
                @for task in tasks {
                    tr {
                        th scope="row" { a href=(links::task(bundle, task)) { (task) } }
                        @for (capability, resource) in &columns {
                            @let here = all.iter().filter(|grant| grant.task == task && grant.capability == *capability && grant.resource == *resource);
                            td { @for grant in here { (access(grant)) } }
                        }
                    }
                }
            }
        } }
    }
}

/// The grants of one task.
pub(super) fn list(grants: &[Granted]) -> Markup {
    html! {
        ul.grants {
            @for grant in grants {
                li {
                    div { strong { (grant.slot) } " " span.quiet { (grant.capability) } " " (access(grant)) }
                    div.target { (grant.resource) }
                    @if !grant.scope.is_empty() { div.quiet { (grant.scope.join("; ")) } }
                    @if !grant.budget.is_empty() { div.quiet { "at most " (grant.budget.join(", ")) } }
                }
            }
        }
    }
}
