//! Whether a Grafana server shows what it should; on demand it imports dashboards and has provisioning loaded anew.
//!
//! It asks the server's API, with a token that the host adds. It must never save a dashboard that is there already in
//! that form, nor over one that the server has from files of its own.

mod api;
mod import;
mod judge;
mod panels;

use serde_json::json;
use taskhost_sdk::files::Filter;
use taskhost_sdk::http::{encoded, message};
use taskhost_sdk::prelude::*;
use taskhost_sdk::report;
use taskhost_sdk::words::counted;

use api::{Answer, Dashboard, DataSource, Health, Listed};

const GRAFANA: http::Slot = http::Slot::new("grafana", "its API is asked for data sources and dashboards");
const CONTROL: http::Slot =
    http::Slot::new("control", "dashboards are imported, and provisioning is loaded anew").and_post().optional();
const DASHBOARDS: files::Slot =
    files::Slot::new("dashboards", "JSON files of dashboards, to be imported").read().optional();

/// Dashboards of one page of a listing.
const PAGE: usize = 1_000;
/// The most dashboards that are looked at.
const MOST: usize = 10_000;
/// Nothing larger is a dashboard.
const FILE_LIMIT: u64 = 8 << 20;

/// What an operator may set.
#[derive(Parameters)]
struct Options {
    /// Titles or uids of dashboards that must be there.
    #[parameter(default = "")]
    expect: Vec<String>,
    /// Names of the files to import.
    #[parameter(default = "*.json")]
    pattern: String,
    /// The uid of the folder that new dashboards are imported into.
    folder: Option<String>,
    /// What provisioning is loaded anew: dashboards, datasources, plugins, access-control, alerting.
    #[parameter(default = "")]
    reload: Vec<String>,
}

/// Changes what is to be changed, then asks, judges and tells.
#[task(summary = "says whether a Grafana server shows what it should", slots = [GRAFANA, CONTROL, DASHBOARDS])]
async fn grafana_check(options: Options) -> Result<String> {
    let mut done = Vec::new();
    reload(&options.reload, &mut done).await?;

    let answer = api::get(&GRAFANA, "health").await?;
    let health: Health = answer.json().unwrap_or_default();
    if let Some(finding) = judge::server(&health, &answer.line, answer.is_success()) {
        finding.report();
        return Ok("it is not well".into());
    }
    let sources: Vec<DataSource> = api::get(&GRAFANA, "datasources").await?.json()?;
    import_all(&options, &sources, &mut done).await?;

    let failing = check_sources(&sources).await?;
    let (dashboards, troubled) = check_dashboards(&options, &sources).await?;
    let before = if done.is_empty() { String::new() } else { format!("{}; ", done.join(", ")) };
    Ok(format!(
        "{before}Grafana {}: {}, {failing} failing; {}, {troubled} with trouble",
        health.version,
        counted(sources.len(), "data source"),
        counted(dashboards, "dashboard"),
    ))
}

/// Has provisioning loaded anew.
async fn reload(what: &[String], done: &mut Vec<String>) -> Result<()> {
    for word in what {
        if !["dashboards", "datasources", "plugins", "access-control", "alerting"].contains(&word.as_str()) {
            return Err(Failure::invalid(format!(
                "reload={word} is no provisioning; there are dashboards, datasources, plugins, access-control, alerting"
            )));
        }
    }
    for word in what {
        let sent = CONTROL.post(format!("api/admin/provisioning/{word}/reload")).await;
        let Some(answer) = sent.context("reload takes the slot `control`")? else {
            done.push(format!("{word} would be loaded anew"));
            continue;
        };
        let answer = Answer::of(answer).await?;
        if answer.is_success() {
            Finding::ok(word, "provisioning was loaded anew").report();
            done.push(format!("{word} loaded anew"));
        } else {
            let finding = Finding::critical(word, "provisioning cannot be loaded").detail(answer.said());
            match answer.status {
                401 | 403 => finding.remedy("it takes an administrator: `,basic=USER:env:PASSWORD`").report(),
                _ => finding.report(),
            }
        }
    }
    Ok(())
}

/// Imports the files that are not there already, where a directory is bound.
async fn import_all(options: &Options, sources: &[DataSource], done: &mut Vec<String>) -> Result<()> {
    let directory = match DASHBOARDS.open() {
        Ok(directory) => directory,
        Err(files::Error::Refused(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let filter = Filter { include: vec![options.pattern.clone()], ..Filter::default() };
    let (entries, _) = directory.entries(filter).await?.collect().await?;
    let mut paths: Vec<String> = entries.into_iter().map(|entry| entry.path).collect();
    paths.sort_unstable();
    let (mut imported, mut same) = (0, 0);
    for (index, path) in paths.iter().enumerate() {
        progress(index as u64, Some(paths.len() as u64), "importing dashboards");
        let bytes = directory.read_small(path, FILE_LIMIT).await.context(path)?;
        let ready = match import::read(&bytes, sources) {
            Ok(ready) => ready,
            Err(reason) => {
                Finding::warning(path, "file cannot be imported").detail(reason).report();
                continue;
            }
        };
        match save(path, &ready, options.folder.as_deref()).await? {
            Saved::Yes => imported += 1,
            Saved::Same => same += 1,
            Saved::No => {}
        }
    }
    let would = if report::rehearsing() { "would be imported" } else { "imported" };
    done.push(format!("{} {would}, {same} there already", counted(imported, "dashboard")));
    Ok(())
}

/// What became of a file.
enum Saved {
    /// It was saved, or would be.
    Yes,
    Same,
    No,
}

async fn save(path: &str, ready: &import::Ready, folder: Option<&str>) -> Result<Saved> {
    let there = api::get(&GRAFANA, &format!("dashboards/uid/{}", encoded(&ready.uid))).await?;
    let there: Option<Dashboard> = if there.status == 404 { None } else { Some(there.json()?) };
    if let Some(there) = &there {
        if import::is_same(&ready.dashboard, &there.dashboard) {
            return Ok(Saved::Same);
        }
        if there.meta.provisioned {
            Finding::warning(path, "dashboard is provisioned")
                .detail(format!("`{}` comes from a file of the server's own, and differs", ready.title))
                .remedy("change that file, and have it loaded with reload=dashboards")
                .report();
            return Ok(Saved::No);
        }
    }
    // One that is there stays in its folder.
    let folder = there.and_then(|there| there.meta.folder_uid).or_else(|| folder.map(Into::into));
    let body = json!({
        "dashboard": ready.dashboard, "folderUid": folder, "overwrite": true, "message": "imported from a file",
    });
    let sent = CONTROL.post("api/dashboards/db").json(&body)?.await;
    let Some(answer) = sent.context("importing takes the slot `control`")? else { return Ok(Saved::Yes) };
    let answer = Answer::of(answer).await?;
    if answer.is_success() {
        Finding::ok(&ready.title, "dashboard was imported").detail(path).report();
        return Ok(Saved::Yes);
    }
    Finding::critical(path, "dashboard was not imported").detail(answer.said()).report();
    Ok(Saved::No)
}

/// Asks each data source for its health; how many are failing.
async fn check_sources(sources: &[DataSource]) -> Result<usize> {
    let mut failing = 0;
    for source in sources {
        let asked = GRAFANA.get(format!("api/datasources/uid/{}/health", encoded(&source.uid))).await;
        let finding = match asked {
            Ok(response) => {
                let answer = Answer::of(response).await?;
                judge::source(source, answer.status, &answer.said())
            }
            // One that does not come to an end is the data source's doing.
            Err(error @ http::Error::TimedOut(_)) => judge::source(source, 504, &message(&error)),
            Err(error) => return Err(error.into()),
        };
        if let Some(finding) = finding {
            failing += 1;
            finding.report();
        }
    }
    if let Some(finding) = judge::sources(sources) {
        finding.report();
    }
    Metric::new("grafana_data_sources", number(sources.len())).report();
    Metric::new("grafana_data_sources_failing", number(failing)).crit_above(0.0).report();
    Ok(failing)
}

/// Looks at every dashboard: how many there are, and how many have trouble.
async fn check_dashboards(options: &Options, sources: &[DataSource]) -> Result<(usize, usize)> {
    let mut listed: Vec<Listed> = Vec::new();
    for page in 1..=MOST / PAGE {
        let found = api::get(&GRAFANA, &format!("search?type=dash-db&limit={PAGE}&page={page}")).await?;
        let found: Vec<Listed> = found.json()?;
        let count = found.len();
        listed.extend(found);
        if count < PAGE {
            break;
        }
    }
    let mut troubled = 0;
    for (index, one) in listed.iter().enumerate() {
        progress(index as u64, Some(listed.len() as u64), "looking at dashboards");
        let answer = api::get(&GRAFANA, &format!("dashboards/uid/{}", encoded(&one.uid))).await?;
        let findings = match answer.json::<Dashboard>() {
            Ok(dashboard) => judge::dashboard(one, &panels::examine(&dashboard.dashboard, sources)),
            Err(failure) => {
                vec![Finding::critical(judge::name(one), "dashboard does not answer").detail(failure.message)]
            }
        };
        troubled += usize::from(findings.iter().any(|finding| finding.severity() != report::Severity::Ok));
        findings.into_iter().for_each(Finding::report);
    }
    judge::expected(&options.expect, &listed).into_iter().for_each(Finding::report);
    Metric::new("grafana_dashboards", number(listed.len())).report();
    Metric::new("grafana_dashboards_with_trouble", number(troubled)).warn_above(0.0).report();
    Ok((listed.len(), troubled))
}

#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn number(count: usize) -> f64 {
    count as f64
}
