// Puts a screen into the document and reads its form; nothing here knows accounts. Called by page.js.
// A screen is a template of index.html; only one is in the document at a time, so that element ids are unique and a
// typed password leaves the document with its screen.

const ENGINE_NAMES = {
  addons: "Add-ons",
  addresses: "Addresses",
  bookmarks: "Bookmarks",
  creditcards: "Payment methods",
  history: "History",
  passwords: "Passwords",
  prefs: "Settings",
  tabs: "Open tabs",
};

export const byId = (id) => document.getElementById(id);

/**
 * Shows a screen, without what was said on the one before, and moves the focus to its first field or its heading.
 *
 * `fill` maps names to text: an element whose id or `data-fill` is the name gets it as text or value. `inFirefox`
 * decides about parts marked `data-when="firefox"`.
 */
export function show(name, { fill = {}, inFirefox = false } = {}) {
  const content = byId(`screen-${name}`).content.cloneNode(true);
  for (const part of content.querySelectorAll('[data-when="firefox"]')) part.hidden = !inFirefox;
  for (const [key, text] of Object.entries(fill)) {
    for (const element of content.querySelectorAll(`#${key}, [data-fill="${key}"]`)) {
      if (element instanceof HTMLInputElement) element.value = text;
      else element.textContent = text;
    }
  }
  byId("screen").replaceChildren(content);
  say("");
  document.body.dataset.screen = name;
  const heading = document.querySelector("h1");
  document.title = `${heading.textContent} – Foxhold`;
  (document.querySelector("main input:not(.unseen)") ?? heading).focus();
}

/** A sentence below the screen, read aloud by screen readers. `kind`: "note", "good" or "error". */
export function say(text, kind = "note") {
  const status = byId("status");
  status.textContent = text;
  status.dataset.kind = kind;
}

/** An error about one field: the sentence, the mark, the focus. */
export function blame(fieldId, text) {
  say(text, "error");
  const field = byId(fieldId);
  field?.setAttribute("aria-invalid", "true");
  field?.focus();
  field?.select?.();
}

/** Runs `work` on submit, with the button held down meanwhile, so that nothing is sent twice. */
export function onSubmit(work) {
  document.querySelector("main form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = byId("submit");
    if (button.disabled) return;
    button.disabled = true;
    for (const field of document.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
    say("");
    try {
      await work();
    } finally {
      button.disabled = false;
    }
  });
}

/** Runs `work` on a click, one at a time. */
export function onClick(id, work) {
  const button = byId(id);
  button?.addEventListener("click", async () => {
    button.disabled = true;
    try {
      await work();
    } finally {
      button.disabled = false;
    }
  });
}

/** The show and hide switch beside a password. */
export function wirePasswordToggle() {
  const toggle = byId("toggle-password");
  toggle.addEventListener("click", () => {
    const shown = toggle.getAttribute("aria-pressed") !== "true";
    toggle.setAttribute("aria-pressed", String(shown));
    toggle.textContent = shown ? "Hide" : "Show";
    byId("password").type = shown ? "text" : "password";
  });
}

/** Fills the list of engines; `isOn(engine)` says which are ticked at first. */
export function listEngines(engines, isOn) {
  for (const engine of engines) {
    const box = document.createElement("input");
    box.type = "checkbox";
    box.name = engine;
    box.checked = isOn(engine);
    const label = document.createElement("label");
    label.append(box, ENGINE_NAMES[engine] ?? engine);
    byId("engines").append(label);
  }
  byId("engines-choice").hidden = engines.length === 0;
}

/** The engines left unticked. */
export function declinedEngines() {
  return [...document.querySelectorAll("#engines input")].filter((box) => !box.checked).map((box) => box.name);
}

/** Makes each copy button copy the element it names. Plain http has no navigator.clipboard, hence the old way too. */
export function wireCopyButtons() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.addEventListener("click", async () => {
      const source = byId(button.dataset.copy);
      const copied = await copy(source);
      // A secret is not said once more, least of all aloud.
      const told = source.dataset.secret === undefined ? `Copied: ${source.textContent}` : "Copied.";
      say(copied ? told : "Please copy the marked text by hand.", copied ? "good" : "note");
    });
  }
}

async function copy(source) {
  try {
    await navigator.clipboard.writeText(source.textContent);
    return true;
  } catch {
    getSelection().selectAllChildren(source);
    return document.execCommand("copy");
  }
}

/** One line of the list of connected clients, with what can be done about it. */
export function clientLine(title, detail, ...buttons) {
  const line = document.createElement("li");
  const small = document.createElement("small");
  small.textContent = detail;
  line.append(title, small, ...buttons);
  return line;
}

/** A button of a line; it is read aloud with what it is `about`, since others in the list have the same text. */
export function lineButton(text, about, work) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet";
  const unseen = document.createElement("span");
  unseen.className = "unseen";
  unseen.textContent = ` ${about}`;
  button.append(text, unseen);
  button.addEventListener("click", () => work());
  return button;
}

/** A screen that only says something, with a link to go on by. */
export function notice(title, text, href) {
  show("notice", { fill: { notice: text } });
  document.querySelector("h1").textContent = title;
  document.title = `${title} – Foxhold`;
  byId("notice-link").href = href;
}
