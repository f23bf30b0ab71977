use super::*;
use taskhost_sdk::report::Severity;

fn limits() -> Limits {
    Limits {
        top: 2,
        slow_ms: 1_000.0,
        min_calls: 5,
        min_share: 1.0,
        busy: 1.0,
        temporary: 64 << 20,
        regression_percent: 100.0,
        regression_floor_ms: 10.0,
        text: Some(200),
    }
}

fn figures(calls: u64, mean_ms: f64) -> Figures {
    Figures { calls, total_ms: mean_ms * float(calls), max_ms: mean_ms, rows: calls, ..Figures::default() }
}

fn statement(id: &str, figures: Figures) -> Statement {
    Statement { id: id.into(), text: format!("select {id}"), variants: 1, figures, ..Statement::default() }
}

fn survey(statements: Vec<Statement>) -> Survey {
    let total_ms = statements.iter().map(|statement| statement.figures.total_ms).sum();
    Survey { source: "pg_stat_statements", statements, total_ms, age: Some(86_400), ..Survey::default() }
}

fn titles(survey: &Survey, memory: &Memory) -> Vec<String> {
    let findings = all(survey, memory, &limits());
    findings.iter().map(|finding| format!("{} {}", finding.subject(), finding.title())).collect()
}

#[test]
fn a_statement_is_named_for_what_it_costs() {
    for (case, figures, expected) in [
        ("quick", figures(1_000, 3.0), None),
        ("slow", figures(10, 1_000.0), Some("statement a slow on average")),
        ("slow, but called too seldom to say", figures(4, 9_000.0), None),
        ("quick, but all day long", figures(86_400_000, 1.0), Some("statement a it keeps sessions busy")),
        (
            "spills",
            Figures { temporary: Some(10 * (64 << 20)), ..figures(10, 30.0) },
            Some("statement a it spills to disk"),
        ),
        ("spills a little", Figures { temporary: Some(64 << 20), ..figures(10, 30.0) }, None),
        (
            "looks at every row",
            Figures { without_index: Some(10), examined: Some(100_000), ..figures(10, 30.0) },
            Some("statement a it uses no index"),
        ),
        ("a small table", Figures { without_index: Some(10), examined: Some(1_000), ..figures(10, 30.0) }, None),
        (
            "mostly by an index",
            Figures { without_index: Some(4), examined: Some(100_000_000), ..figures(10, 30.0) },
            None,
        ),
    ] {
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(titles(&survey(vec![statement("a", figures)]), &Memory::default()), expected, "{case}");
    }
    let small = survey(vec![statement("a", figures(10, 2_000.0)), statement("b", figures(1_000_000, 10.0))]);
    assert_eq!(titles(&small, &Memory::default()), [""; 0], "a fiftieth of a per cent of all time");
}

#[test]
fn what_got_slower_is_told_from_the_last_run() {
    let first = survey(vec![statement("a", figures(1_000, 20.0)), statement("quick", figures(1_000, 0.1))]);
    let memory = Memory::default().next(&first);
    for (case, now, expected) in [
        ("as it was", figures(2_000, 20.0), None),
        // 1,000 calls since, of 60 ms.
        ("three times as slow", figures(2_000, 40.0), Some("statement a slower than it was")),
        ("called no more", figures(1_000, 20.0), None),
        ("called too seldom to say", Figures { total_ms: 30_000.0, ..figures(1_004, 0.0) }, None),
        ("set back, and slower", figures(100, 80.0), Some("statement a slower than it was")),
        ("set back, and as it was", figures(100, 20.0), None),
    ] {
        let expected: Vec<_> = expected.into_iter().collect();
        assert_eq!(titles(&survey(vec![statement("a", now)]), &memory), expected, "{case}");
    }
    let doubled = survey(vec![statement("quick", figures(2_000, 0.4))]);
    assert_eq!(titles(&doubled, &memory), [""; 0], "tenths of a millisecond");
    let new = survey(vec![statement("new", figures(10, 20.0))]);
    assert_eq!(titles(&new, &memory), ["statement new new among the costliest"]);
    assert_eq!(all(&new, &memory, &limits()).first().map(Finding::severity), Some(Severity::Ok));
    assert_eq!(titles(&new, &Memory::default()), [""; 0], "the first run knows nothing of before");
}

#[test]
fn the_lists_are_by_time_by_average_and_by_calls() {
    let survey = survey(vec![
        statement("often", figures(10_000, 1.0)),
        statement("slow", figures(5, 500.0)),
        statement("costly", figures(1_000, 100.0)),
    ]);
    let lists = lists("shop", &survey, &limits());
    let first = |finding: &Finding| finding.text().split(':').next().unwrap_or_default().to_owned();
    let found: Vec<_> = lists.iter().map(|finding| format!("{}: {}", finding.title(), first(finding))).collect();
    assert_eq!(found, ["most time in all: costly", "slowest on average: slow", "called most: often"]);
    assert_eq!(lists[0].text().lines().count(), 2, "as many as were asked for");
    let ids: Vec<_> = listed(&survey, &limits()).iter().map(|statement| statement.id.as_str()).collect();
    assert_eq!(ids, ["costly", "often", "slow"]);
}

#[test]
fn a_text_is_shown_only_when_asked_for_and_never_more_than_fits() {
    let long = Statement { text: "x".repeat(5_000), keys: vec!["-7".into()], ..statement("a", figures(5, 1.0)) };
    let survey = survey(vec![long; 20]);
    let shown = lists("shop", &survey, &Limits { top: 20, text: Some(1_000), ..limits() });
    assert!(shown[0].text().len() < 4_096 && shown[0].text().contains("xxx…"), "{}", shown[0].text().len());
    let hidden = lists("shop", &survey, &Limits { text: None, ..limits() });
    assert!(!hidden[0].text().contains("xxx") && hidden[0].text().contains("[-7]"));
}

#[test]
fn what_the_figures_leave_out_is_said() {
    let survey = |evictions, only: Option<&str>| Survey { evictions, only: only.map(Into::into), ..survey(vec![]) };
    for (evictions, only, expected) in
        [(None, None, 0), (Some(19), None, 0), (Some(20), None, 1), (Some(0), Some("those over 1 s"), 1)]
    {
        assert_eq!(caveats(&survey(evictions, only)).len(), expected, "{evictions:?} {only:?}");
    }
}

#[test]
fn times_and_the_summary_are_for_people() {
    for (ms, expected) in
        [(0.0, "0.00 ms"), (9.999, "10.00 ms"), (12.3, "12 ms"), (1_500.0, "1.5 s"), (3.7e6, "1 h 1 min")]
    {
        assert_eq!(time(ms), expected);
    }
    let survey = survey(vec![statement("a", figures(1_000, 432_000.0))]);
    assert_eq!(
        summary(&Survey { calls: 1_000, ..survey }, 0),
        "1,000 calls in 1 shape took 5 d in 1 d, 5.00 sessions at work: in order"
    );
}
