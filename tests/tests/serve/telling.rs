//! People are told once when a task breaks and once when it mends, by each way, and through a receiver that is away for a
//! while; pings hear of every run, and of the host itself.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use taskhost_tests::http::{Received, Reply, Server};

use super::*;

const BUNDLE: &str = r#"
name = "shop"
history = "history.db"

[tell.hook]
webhook = "BASE/hook"

[tell.chat]
slack = "BASE/chat"

[tell.alerts]
alertmanager = "BASE/am"

[tell.other]
webhook = "BASE/other"
tasks = ["no-such-*"]

[tell.checks]
ping = "BASE/ping/{task}"

[tell.host]
ping = "BASE/alive"
alive = "10s"

[tell.mail]
mail = "smtp://127.0.0.1:SMTP"
from = "Host <host@example.org>"
to = ["ops@example.org"]

[tasks.work]
plugin = CONDUCT
parameters = { case = "panic" }
schedule = "* * * * *"
"#;

/// A mail server that takes everything, and keeps it.
fn mail_server() -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let mails = Arc::new(Mutex::new(Vec::new()));
    let kept = mails.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let mut writer = stream.try_clone().unwrap();
            let mut lines = BufReader::new(stream).lines();
            writer.write_all(b"220 test\r\n").unwrap();
            while let Some(Ok(line)) = lines.next() {
                let answer: &[u8] = match line.get(..4).unwrap_or_default() {
                    "DATA" => {
                        writer.write_all(b"354 go on\r\n").unwrap();
                        let mail: Vec<String> =
                            lines.by_ref().map(Result::unwrap).take_while(|line| line != ".").collect();
                        kept.lock().unwrap().push(mail.join("\n"));
                        b"250 kept\r\n"
                    }
                    "QUIT" => b"221 bye\r\n",
                    _ => b"250 ok\r\n",
                };
                if writer.write_all(answer).is_err() {
                    break;
                }
            }
        }
    });
    (port, mails)
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_told_once_when_a_task_breaks_and_once_when_it_mends() {
    let away = Arc::new(Mutex::new(2));
    let server = Server::start(move |received: &Received| {
        let mut away = away.lock().unwrap();
        // The first two that come are not taken.
        if received.path() == "/hook" && *away > 0 {
            *away -= 1;
            return Reply::new("503 Service Unavailable", &[], "");
        }
        Reply::new("200 OK", &[], "")
    });
    let (port, mails) = mail_server();
    let bundle = BUNDLE.replace("BASE", server.url("").trim_end_matches('/')).replace("SMTP", &port.to_string());
    let world = World::new(&bundle);
    let serving = world.serve(&["--grace", "1s"]);
    world.wait_for("work", 1);
    world.wait_for("work", 2);
    world.write(&bundle.replace("panic", "well-behaved"));
    let runs = world.wait_for("work", 3);
    let heard = |path: &str| -> Vec<Received> {
        server.seen().into_iter().filter(|received| received.path() == path).collect()
    };
    let begun = Instant::now();
    while heard("/hook").len() < 4 || mails.lock().unwrap().len() < 2 {
        assert!(begun.elapsed() < PATIENCE, "heard {:?}", heard("/hook"));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    serving.interrupt();
    serving.wait().expect_code(0);
    let outcomes: Vec<&str> = runs.iter().rev().map(|run| run["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["trapped", "trapped", "ok"]);

    let json = |received: &Received| serde_json::from_slice::<Value>(&received.body).unwrap();
    let hooked: Vec<Value> = heard("/hook").iter().map(json).collect();
    let events: Vec<&str> = hooked.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["breaks", "breaks", "breaks", "mends"], "the first two were not taken");
    assert_eq!(hooked[3]["line"], "shop: work is well again, and was broken");
    let chat: Vec<Value> = heard("/chat").iter().map(json).collect();
    assert_eq!(chat.len(), 2, "{chat:?}");
    assert!(chat[0]["text"].as_str().unwrap().starts_with(":red_circle: *shop: work is trapped*"), "{chat:?}");
    let alerts: Vec<Value> = heard("/am/api/v2/alerts").iter().map(json).collect();
    assert_eq!((alerts.len(), &alerts[0][0]["labels"]), (2, &alerts[1][0]["labels"]), "{alerts:?}");
    assert_eq!(heard("/other").len(), 0);
    let count = |path: &str| heard(path).len();
    let pings = ["/ping/work/start", "/ping/work", "/ping/work/fail"].map(count);
    assert_eq!(pings, [3, 1, 2]);
    assert!(count("/alive") >= 8, "{} signs of life in two minutes", count("/alive"));
    let mails = mails.lock().unwrap().clone();
    assert_eq!(mails.len(), 2, "{mails:?}");
    assert!(
        mails[0].contains("Subject: shop: work is trapped") && mails[0].contains("To: ops@example.org"),
        "{mails:?}"
    );
}

/// A receiver that is away when the host ends is told by the next host, which knows that it was not.
#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_took_before_the_host_ended_is_told_by_the_next() {
    let away = Arc::new(Mutex::new(true));
    let answers = away.clone();
    let server = Server::start(move |_: &Received| {
        let status = if *answers.lock().unwrap() { "503 Service Unavailable" } else { "200 OK" };
        Reply::new(status, &[], "")
    });
    let bundle = format!(
        "name = \"shop\"\nhistory = \"history.db\"\ntell.hook.webhook = {:?}\n[tasks.work]\nplugin = CONDUCT\n\
         parameters = {{ case = \"panic\" }}\nschedule = \"* * * * *\"\n",
        server.url("hook")
    );
    let world = World::new(&bundle);
    let first = world.serve(&["--grace", "1s"]);
    world.wait_for("work", 1);
    first.interrupt();
    first.wait().expect_code(0);
    assert_ne!(server.seen().len(), 0, "it was tried");
    *away.lock().unwrap() = false;
    let before = server.seen().len();
    let second = world.serve(&["--grace", "1s"]);
    world.wait_for("work", 2);
    let begun = Instant::now();
    while server.seen().len() == before {
        assert!(begun.elapsed() < PATIENCE, "the second host tells nobody");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    second.interrupt();
    second.wait().expect_code(0);
    let told: Value = serde_json::from_slice(&server.seen().last().unwrap().body).unwrap();
    assert_eq!(told["event"], "breaks");
}
