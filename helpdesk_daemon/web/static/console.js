// What makes the console quicker; every page works without it.
"use strict";

function isTyping(target) {
  return target instanceof Element && target.closest("input:not([type=checkbox]), textarea, select") !== null;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || isTyping(event.target)) return;
  const search = document.querySelector(`[data-focus="${CSS.escape(event.key)}"]`);
  if (search) {
    event.preventDefault();
    search.focus();
    return;
  }
  const key = event.key.toLowerCase();
  // Enter on something that is focused is meant for that.
  if (key === "enter" && event.target instanceof Element && event.target.closest("a, button, summary")) return;
  const meant = document.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (meant && !meant.disabled) {
    event.preventDefault();
    meant.click();
  }
});

// One answer a ticket: a key that is hit twice must not sort the next one.
document.querySelectorAll("form.judge").forEach((form) => {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "1";
  });
  window.addEventListener("pageshow", () => { delete form.dataset.sent; });
});

document.querySelectorAll("details.frame").forEach((details) => {
  const frame = details.querySelector("iframe");
  const place = frame.getAttribute("src");
  frame.removeAttribute("src"); // nothing is fetched before somebody wants to see it
  details.addEventListener("toggle", () => { if (details.open && !frame.src) frame.src = place; });
});

document.addEventListener("click", (event) => {
  document.querySelectorAll("details.pop[open]").forEach((open) => {
    if (!open.contains(event.target)) open.open = false;
  });
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") document.querySelectorAll("details.pop[open]").forEach((open) => { open.open = false; });
});

// The columns of a chosen CSV file are offered for the mapping.
document.querySelectorAll("form[data-csv]").forEach((form) => {
  const file = form.querySelector("input[type=file]");
  file.addEventListener("change", async () => {
    const head = file.files.length ? (await file.files[0].slice(0, 8192).text()).split(/\r?\n/, 1)[0] : "";
    const names = head.replace(/^\uFEFF/, "").match(/("([^"]|"")*"|[^,;\t]+)/g) || [];
    form.querySelector("datalist").replaceChildren(...names.slice(0, 50).map((name) => {
      const option = document.createElement("option");
      option.value = name.replace(/^"|"$/g, "").replace(/""/g, '"').trim();
      return option;
    }));
  });
});

// On a phone the menu is a strip: the present page is in sight.
document.querySelector(".menu [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
