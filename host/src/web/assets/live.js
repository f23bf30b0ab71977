// What changes on a page, as it changes, and what a run says, as it says it. All of it is other people's text: what comes
// as data is never anything but text, and what comes as a page was escaped by the host.
"use strict";

// A page that shows how things stand is read again now and then. Only what differs is put in its place, and never what
// somebody is busy with.
(() => {
  const main = document.getElementById("main");
  const stale = document.getElementById("stale");
  if (!main || !stale) return;
  const parts = (root) => new Map([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
  const isBusy = (part) =>
    part.contains(document.activeElement) ||
    [...part.querySelectorAll("input[type=text]")].some((field) => field.value !== field.defaultValue);

  const refresh = async () => {
    const answer = await fetch(location.href, { redirect: "error" });
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = parts(new DOMParser().parseFromString(await answer.text(), "text/html"));
    for (const [name, part] of parts(main)) {
      const other = fresh.get(name);
      if (other && part.innerHTML !== other.innerHTML && !isBusy(part)) part.replaceChildren(...other.childNodes);
    }
  };
  const look = async () => {
    if (document.hidden) return;
    try {
      await refresh();
      stale.hidden = true;
    } catch {
      stale.hidden = false;
    }
  };
  const again = () => setTimeout(() => look().finally(again), Number(main.dataset.refresh) * 1000);
  again();
  document.addEventListener("visibilitychange", look);
})();

// A run that waits or goes on.
(() => {
  const place = document.querySelector("[data-events]");
  if (!place) return;
  const findings = document.getElementById("findings");
  const effects = document.getElementById("effects");
  const log = document.getElementById("log");
  const step = document.getElementById("step");
  const source = new EventSource(place.dataset.events);
  // The page has what was said before it was made; the events begin anew.
  for (const list of [findings, effects, log]) if (list) list.replaceChildren();

  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const on = (name, show) => source.addEventListener(name, (event) => show(JSON.parse(event.data)));
  // The newest of a long list, at whose end one stays who is there.
  const append = (list, item) => {
    const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 8;
    list.append(item);
    while (list.childElementCount > 2000) list.firstElementChild.remove();
    if (atEnd) list.scrollTop = list.scrollHeight;
  };
  const impacts = { observe: "plain", change: "warning", destroy: "critical" };

  // A run that has begun has a page of its own kind.
  const begun = () => {
    if (log) return;
    source.close();
    location.reload();
  };

  on("begun", begun);
  on("finding", (said) => {
    const item = element("li", said.severity);
    const head = element("div", "head");
    head.append(element("span", "tag " + said.severity, said.severity), " ", element("strong", "", said.title));
    if (said.subject) head.append(" ", element("span", "subject", said.subject));
    item.append(head);
    if (said.detail) item.append(element("p", "detail", said.detail));
    if (said.remedy) item.append(element("p", "remedy", said.remedy));
    findings.append(item);
  });
  on("effect", (said) => {
    const item = element("li");
    item.append(element("span", "tag " + impacts[said.impact], said.impact), ` ${said.capability} ${said.slot} `);
    item.append(element("strong", "", said.operation), " " + said.target);
    if (said.outcome !== "done") item.append(" ", element("span", "tag critical", said.outcome));
    if (said.reason) item.append(" ", element("span", "quiet", said.reason));
    append(effects, item);
  });
  on("log", (said) => append(log, element("li", said.level, said.message)));
  on("progress", (said) => {
    step.textContent = said.done + (said.total === null ? "" : " of " + said.total) + " " + said.message;
  });
  on("missed", (count) => { if (log) append(log, element("li", "warn", count + " were missed; all are kept")); });
  on("ended", () => {
    source.close();
    location.reload();
  });
})();
