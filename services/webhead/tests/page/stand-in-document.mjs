// A browser's window for the tests of the screens: as much of a document as screens.js uses, with the templates of the real
// index.html. An id is found only while a screen that has it is shown, and a button can be pressed only where it is.

import { readFileSync } from "node:fs";

const HTML = readFileSync(new URL("../../src/page/index.html", import.meta.url), "utf8");

/** The text of each template, by the screen's name. */
export const SCREENS = new Map([...HTML.matchAll(/<template id="screen-([a-z-]+)">(.*?)<\/template>/gs)].map((m) => m.slice(1)));

class Element {
  #text = "";
  #listeners = {};
  children = [];
  dataset = {};
  value = "";
  hidden = false;
  disabled = false;
  attributes = {};

  get textContent() {
    return this.#text + this.children.map((child) => child.textContent ?? child).join("");
  }

  set textContent(text) {
    this.#text = text;
    this.children = [];
  }

  append(...children) {
    this.children.push(...children);
  }

  replaceChildren(...children) {
    this.textContent = "";
    this.append(...children);
  }

  setAttribute(name, value) {
    this.attributes[name] = value;
  }

  getAttribute(name) {
    return this.attributes[name] ?? null;
  }

  removeAttribute(name) {
    delete this.attributes[name];
  }

  addEventListener(kind, work) {
    this.#listeners[kind] = work;
  }

  /** Resolves once what the event has set going is over. */
  async fire(kind) {
    await this.#listeners[kind]({ preventDefault() {} });
  }

  querySelectorAll() {
    return [];
  }

  focus() {
    globalThis.document.activeElement = this;
  }
}

/** The document and what else of a window the page needs, as globals; opened at `path`. */
export function openWindow(path) {
  const origin = "http://localhost:8000";
  const fixed = { status: new Element(), host: new Element(), screen: new Element() };
  let shown = {};
  let template = "";
  const inScreen = (key, has) => (has ? (shown[key] ??= new Element()) : null);
  const byId = (id) => inScreen(id, template.includes(`id="${id}"`));
  fixed.screen.replaceChildren = ({ filled, html }) => {
    template = html;
    shown = { ...filled };
  };
  globalThis.HTMLInputElement = class {};
  globalThis.location = new URL(path, origin);
  globalThis.localStorage = storage();
  globalThis.window = new EventTarget();
  globalThis.document = {
    body: new Element(),
    createElement: () => new Element(),
    getElementById(id) {
      if (fixed[id]) return fixed[id];
      const html = SCREENS.get(id.replace(/^screen-/, ""));
      return id.startsWith("screen-") && html ? { content: { cloneNode: () => contentOf(html) } } : byId(id);
    },
    querySelector: (selector) =>
      selector === "main form" ? inScreen("form", template.includes("<form")) : inScreen("h1", selector === "h1"),
    querySelectorAll: () => [],
  };
  const buttons = () => byId("clients").children.flatMap((line) => line.children.filter((part) => part.type === "button"));
  return {
    buttons,
    text: (id) => document.getElementById(id)?.textContent,
    screen: () => document.body.dataset.screen,
    type: (id, value) => (byId(id).value = value),
    submit: () => document.querySelector("main form").fire("submit"),
    click: (id) => byId(id).fire("click"),
    said: () => [fixed.status.dataset.kind, fixed.status.textContent],
    focus: () => Object.entries(shown).find(([, element]) => element === document.activeElement)?.[0],
  };
}

/** What is cloned of a template: `show` fills it before it is in the document. */
function contentOf(html) {
  const filled = {};
  return {
    html,
    filled,
    querySelectorAll(selector) {
      const id = /^#([a-z-]+),/.exec(selector)?.[1];
      return id && html.includes(`id="${id}"`) ? [(filled[id] ??= new Element())] : [];
    },
  };
}

function storage() {
  const kept = new Map();
  return {
    getItem: (name) => kept.get(name) ?? null,
    setItem: (name, value) => void kept.set(name, value),
    removeItem: (name) => void kept.delete(name),
  };
}
