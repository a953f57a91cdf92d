// Keeps the dashboard up to date, and lets arrow keys walk through a chart; the page works without it.
"use strict";

(() => {
  const line = document.querySelector("[data-live]");
  const said = line.querySelector(".said");
  const button = line.querySelector("button");
  const AGAIN = 20_000; // milliseconds after a refusal
  let source = null;
  let timer = 0;

  function tell(state, words) {
    line.dataset.state = state;
    said.textContent = words;
  }

  // What somebody opened or has reached by keyboard stays so when its part is drawn anew.
  function put(part, html) {
    const open = [...part.querySelectorAll("details[open]")].map((each) => each.id);
    const scrolled = [...part.querySelectorAll(".scroll")].map((each) => each.scrollLeft);
    const stops = "a[href], summary, [tabindex]";
    const held = part.contains(document.activeElement) ? [...part.querySelectorAll(stops)].indexOf(document.activeElement) : -1;
    part.innerHTML = html;
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    part.querySelectorAll(".scroll").forEach((each, number) => { each.scrollLeft = scrolled[number] ?? 0; });
    part.querySelectorAll("[data-roving]").forEach(rove);
    if (held >= 0) [...part.querySelectorAll(stops)][held]?.focus({ preventScroll: true });
  }

  function listen() {
    clearTimeout(timer);
    source = new EventSource(line.dataset.live);
    source.addEventListener("open", () => tell("on", "Live, updated"));
    source.addEventListener("parts", (event) => {
      for (const [name, html] of Object.entries(JSON.parse(event.data))) {
        const part = document.querySelector(`[data-part="${name}"]`);
        if (part) put(part, html);
      }
      tell("on", "Live, updated");
    });
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) {
        tell("off", "Not live, as of");
        timer = setTimeout(listen, AGAIN);
      } else if (line.dataset.state !== "on" || !navigator.onLine) {
        tell("off", "Connecting, as of");
      } else {
        line.dataset.state = "again"; // streams end now and then by plan; only a second failure is worth words
      }
    });
  }

  function stop() {
    clearTimeout(timer);
    source?.close();
    source = null;
  }

  button.hidden = false;
  button.addEventListener("click", () => {
    const paused = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(paused));
    if (paused) {
      stop();
      tell("paused", "Paused, as of");
    } else {
      listen();
    }
  });
  window.addEventListener("pagehide", stop);
  window.addEventListener("pageshow", () => {
    if (!source && button.getAttribute("aria-pressed") !== "true") listen();
  });

  // One stop of the Tab key a chart; arrows, Home and End move within it.
  function rove(chart) {
    const links = [...chart.querySelectorAll("a")];
    links.forEach((link, number) => link.setAttribute("tabindex", number === links.length - 1 ? "0" : "-1"));
  }

  document.querySelectorAll("[data-roving]").forEach(rove);
  document.addEventListener("keydown", (event) => {
    const chart = event.target.closest?.("[data-roving]");
    if (!chart || event.altKey || event.ctrlKey || event.metaKey) return;
    const links = [...chart.querySelectorAll("a")];
    const here = links.indexOf(event.target.closest("a"));
    const there = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: links.length - 1 }[event.key];
    if (there === undefined || !links[there]) return;
    event.preventDefault();
    links.forEach((link, number) => link.setAttribute("tabindex", number === there ? "0" : "-1"));
    links[there].focus();
  });
})();
