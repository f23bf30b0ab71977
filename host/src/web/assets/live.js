// What a run says, as it says it. All of it is other people's text, and is never anything but text.
"use strict";
(() => {
  const place = document.querySelector("[data-events]");
  if (!place) return;
  const findings = document.getElementById("findings");
  const log = document.getElementById("log");
  const step = document.getElementById("step");
  const source = new EventSource(place.dataset.events);
  // The page has what was said before it was made; the events begin anew.
  if (findings) findings.replaceChildren();
  if (log) log.replaceChildren();

  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const on = (name, show) => source.addEventListener(name, (event) => show(JSON.parse(event.data)));

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
  on("log", (said) => {
    const atEnd = log.scrollTop + log.clientHeight >= log.scrollHeight - 8;
    log.append(element("li", said.level, said.message));
    while (log.childElementCount > 2000) log.firstElementChild.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
  });
  on("progress", (said) => {
    step.textContent = said.done + (said.total === null ? "" : " of " + said.total) + " " + said.message;
  });
  on("missed", (count) => { if (log) log.append(element("li", "warn", count + " were missed; all are kept")); });
  on("ended", () => {
    source.close();
    location.reload();
  });
})();
