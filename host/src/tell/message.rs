//! What is said, in the form of each kind of receiver. Pure; every text in it is cleaned before it comes here.

use serde_json::{Value, json};

use super::{Ended, Level, Say};

/// What is told about a task.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// What happened.
    pub say: Say,
    /// How it stood, as far as was told.
    pub before: Level,
    /// The run that shows it.
    pub ended: &'a Ended,
}

impl Message<'_> {
    /// In one line.
    pub fn line(&self) -> String {
        let Ended { bundle, task, outcome, .. } = self.ended;
        match self.say {
            Say::Breaks => format!("{bundle}: {task} is {outcome}"),
            Say::Worse => format!("{bundle}: {task} is worse: {outcome}, and was {}", self.before.name()),
            Say::Mends => format!("{bundle}: {task} is well again, and was {}", self.before.name()),
        }
    }

    /// What there is to say beside that line.
    pub fn text(&self) -> String {
        let Ended { said, findings, run, at, .. } = self.ended;
        let mut text = said.clone();
        for finding in findings {
            text += &format!("\n- {finding}");
        }
        text + &format!("\nrun {run}, ended {}", at.strftime("%F %H:%M:%S UTC"))
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let Ended { bundle, task, run, level, outcome, said, findings, at, .. } = self.ended;
        let event = match self.say {
            Say::Breaks => "breaks",
            Say::Worse => "worse",
            Say::Mends => "mends",
        };
        json!({
            "event": event,
            "bundle": bundle,
            "task": task,
            "run": run,
            "level": level,
            "before": self.before,
            "outcome": outcome,
            "summary": said,
            "findings": findings,
            "at": at,
            "line": self.line(),
        })
    }

    /// For what takes messages as Slack does.
    pub fn slack(&self) -> Value {
        let sign = match self.say {
            Say::Mends => ":white_check_mark:",
            Say::Breaks | Say::Worse if self.ended.level == Level::Warning => ":warning:",
            Say::Breaks | Say::Worse => ":red_circle:",
        };
        json!({ "text": format!("{sign} *{}*\n{}", slack_text(&self.line()), slack_text(&self.text())) })
    }

    /// For the Alertmanager, which takes one as resolved when it has ended: longer than a quarter after the run that was
    /// bad, by when every task has run again.
    pub fn alert(&self) -> Value {
        let Ended { bundle, task, run, said, at, .. } = self.ended;
        let ends = match self.say {
            Say::Mends => *at,
            Say::Breaks | Say::Worse => at.saturating_add(jiff::SignedDuration::from_hours(24 * 100)).unwrap_or(*at),
        };
        // An alert is the same one as long as its labels are: how bad it is stays out of them.
        json!([{
            "labels": { "alertname": "TaskhostTask", "bundle": bundle, "task": task },
            "annotations": { "summary": self.line(), "description": self.text(), "severity": self.ended.level, "run": run, "said": said },
            "endsAt": ends,
        }])
    }
}

/// Slack reads `<`, `>` and `&` as its own signs.
fn slack_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(level: Level) -> Ended {
        Ended {
            bundle: "shop".into(),
            task: "backup-test".into(),
            run: "0190".into(),
            level,
            again: false,
            outcome: level.name(),
            said: "restored <b>1</b> of 2 tables".into(),
            findings: vec!["critical: orders: 3 rows are missing".into()],
            at: "2026-03-14T03:00:02Z".parse().unwrap(),
        }
    }

    #[test]
    fn each_receiver_gets_its_form() {
        let (bad, good) = (ended(Level::Critical), ended(Level::Ok));
        let breaks = Message { say: Say::Breaks, before: Level::Ok, ended: &bad };
        let mends = Message { say: Say::Mends, before: Level::Critical, ended: &good };
        assert_eq!(breaks.line(), "shop: backup-test is critical");
        assert_eq!(mends.line(), "shop: backup-test is well again, and was critical");
        insta::assert_snapshot!(breaks.text(), @r"
        restored <b>1</b> of 2 tables
        - critical: orders: 3 rows are missing
        run 0190, ended 2026-03-14 03:00:02 UTC
        ");
        let slack = breaks.slack()["text"].as_str().unwrap().to_owned();
        assert!(slack.starts_with(":red_circle: *shop: backup-test is critical*\nrestored &lt;b&gt;1"), "{slack}");
        assert_eq!(breaks.json()["event"], "breaks");
        let alert = |message: &Message<'_>| message.alert()[0].clone();
        assert_eq!(alert(&breaks)["labels"], alert(&mends)["labels"]);
        assert_eq!(alert(&mends)["endsAt"], "2026-03-14T03:00:02Z");
        assert_eq!(alert(&breaks)["endsAt"], "2026-06-22T03:00:02Z");
    }
}
