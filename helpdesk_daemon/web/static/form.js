// Tells what is missing while somebody types; every page works without it.
"use strict";

function problemOf(field) {
  if (field.type === "file") {
    const files = [...field.files];
    const bytes = files.reduce((sum, file) => sum + file.size, 0);
    if (files.length > Number(field.dataset.count)) return `At most ${field.dataset.count} files, please.`;
    if (bytes > Number(field.dataset.most)) {
      return `The files are too large: ${Math.floor(Number(field.dataset.most) / 1e6)} MB together at most.`;
    }
    return "";
  }
  if (field.required && !field.value.trim()) return field.dataset.empty;
  if (field.type === "email" && !/^[^\s@]+@[^\s@]+\.[^\s@]+$/.test(field.value.trim())) return field.dataset.empty;
  return "";
}

function tell(field) {
  const problem = problemOf(field);
  const place = document.getElementById(`${field.id}-error`);
  if (!place) return problem;
  place.textContent = problem;
  place.hidden = !problem;
  if (problem) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
  return problem;
}

function watch(form) {
  const fields = [...form.querySelectorAll("input[id], textarea[id]")];
  for (const field of fields) {
    field.addEventListener("blur", () => { if (field.value) tell(field); });
    field.addEventListener(field.type === "file" ? "change" : "input", () => {
      if (field.type === "file" || field.hasAttribute("aria-invalid")) tell(field);
    });
  }
  form.addEventListener("submit", (event) => {
    const wrong = fields.filter((field) => tell(field));
    if (wrong.length) {
      event.preventDefault();
      wrong[0].focus();
      return;
    }
    const button = form.querySelector("button[data-busy]");
    if (!button) return;
    const words = button.textContent;
    button.textContent = button.dataset.busy;
    setTimeout(() => { button.disabled = true; }, 0);
    window.addEventListener("pageshow", () => { button.disabled = false; button.textContent = words; });
  });
  for (const place of form.querySelectorAll(".drop")) {
    place.addEventListener("dragover", () => place.classList.add("over"));
    for (const end of ["dragleave", "drop"]) place.addEventListener(end, () => place.classList.remove("over"));
  }
}

document.querySelectorAll("form[data-checked]").forEach(watch);
document.getElementById("summary")?.focus();
document.querySelectorAll("[data-copy]").forEach((button) => {
  if (!navigator.clipboard) return;
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  });
});
document.querySelectorAll("time[datetime]:not([data-keep])").forEach((time) => {
  const at = new Date(time.dateTime);
  time.title = time.textContent;
  time.textContent = at.toLocaleString("en-GB", {
    day: "numeric", month: "long", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
  });
});
