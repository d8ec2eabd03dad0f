// The editors of the template studio and their preview while typing.
//
// Each textarea with data-editor becomes an editor that writes back into it, so the form is the same
// without JavaScript. The preview is rendered by the server with the code that sends.

import { autocompletion, closeBrackets, closeBracketsKeymap, completeFromList, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { html } from "@codemirror/lang-html";
import { json } from "@codemirror/lang-json";
import { liquid } from "@codemirror/lang-liquid";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { highlightSelectionMatches, searchKeymap } from "@codemirror/search";
import { EditorState } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers, placeholder } from "@codemirror/view";
import { tags } from "@lezer/highlight";

const PREVIEW_AFTER_MS = 400;
const studio = document.querySelector(".studio");
const form = document.getElementById("studio-form");
const words = JSON.parse(document.getElementById("completions").textContent);
const editors = new Map();

// Colours are the desk's variables, so that both themes fit.
const colours = HighlightStyle.define([
  { tag: [tags.keyword, tags.controlKeyword, tags.operatorKeyword], color: "var(--accent)" },
  { tag: [tags.tagName, tags.angleBracket], color: "var(--accent)" },
  { tag: [tags.string, tags.attributeValue], color: "var(--good)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--late)" },
  { tag: [tags.comment], color: "var(--soft)", fontStyle: "italic" },
  { tag: [tags.variableName, tags.propertyName, tags.attributeName], color: "var(--ink)" },
  { tag: [tags.invalid], color: "var(--bad)" },
]);
const look = EditorView.theme({
  "&": { color: "var(--ink)" },
  ".cm-gutters": { backgroundColor: "var(--ground)", color: "var(--soft)", border: "0" },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "color-mix(in srgb, var(--accent) 7%, transparent)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": { backgroundColor: "var(--accent-soft) !important" },
  ".cm-tooltip": { backgroundColor: "var(--paper)", color: "var(--ink)", border: "1px solid var(--line)" },
  ".cm-placeholder": { color: "var(--soft)" },
  ".cm-scroller": { fontFamily: "ui-monospace, monospace", lineHeight: "20px", maxHeight: "480px" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "1px" },
});

// After "|" filters, after "{%" tags, elsewhere in Liquid variables.
function completions(context) {
  const before = context.state.doc.lineAt(context.pos).text.slice(0, context.pos - context.state.doc.lineAt(context.pos).from);
  const open = before.match(/\{([{%])(?![\s\S]*[}%]\})([\s\S]*)$/);
  if (!open) return null;
  const [, kind, inside] = open;
  const word = context.matchBefore(/[\w.]*/);
  const options = /\|\s*\w*$/.test(inside)
    ? words.filters.map((label) => ({ label, type: "function" }))
    : kind === "%" && /^-?\s*\w*$/.test(inside)
      ? words.tags.map((label) => ({ label, type: "keyword" }))
      : words.variables.map((label) => ({ label, type: "variable" }));
  if (!context.explicit && word.from === word.to && !/[|{%.]\s*$/.test(before)) return null;
  return completeFromList(options)(context) || { from: word.from, options };
}

// A header or a title is one line.
const oneLine = EditorState.transactionFilter.of((change) => (change.newDoc.lines > 1 ? [] : change));

function languageOf(kind) {
  if (kind === "json") return [json()];
  if (kind === "html") return [liquid({ base: html({ matchClosingTags: false }) }), autocompletion({ override: [completions] })];
  return [liquid(), autocompletion({ override: [completions] })];
}

function edit(area) {
  const kind = area.dataset.editor;
  const isLine = kind === "line";
  const label = document.querySelector(`label[for="${area.id}"]`);
  const view = new EditorView({
    doc: area.value,
    extensions: [
      history(),
      drawSelection(),
      bracketMatching(),
      closeBrackets(),
      highlightSelectionMatches(),
      syntaxHighlighting(colours),
      look,
      EditorView.lineWrapping,
      EditorView.contentAttributes.of({ "aria-label": label ? label.textContent : area.name }),
      EditorState.readOnly.of(area.readOnly),
      keymap.of([...closeBracketsKeymap, ...(isLine ? [] : searchKeymap), ...historyKeymap, ...completionKeymap, ...defaultKeymap]),
      area.dataset.hint ? placeholder(area.dataset.hint) : [],
      isLine ? oneLine : [lineNumbers(), lintGutter(), highlightActiveLine()],
      languageOf(kind),
      EditorView.updateListener.of((update) => {
        if (!update.docChanged) return;
        area.value = update.state.doc.toString();
        later();
      }),
    ],
  });
  area.hidden = true;
  area.after(view.dom);
  editors.set(area.name, view);
}

let timer = 0;
let asked = 0;
function later() {
  clearTimeout(timer);
  timer = setTimeout(() => preview().catch(() => {}), PREVIEW_AFTER_MS);
}

async function preview() {
  const mine = ++asked;
  const answer = await fetch(studio.dataset.preview, { method: "POST", body: new FormData(form) });
  if (!answer.ok || mine !== asked) return;
  const said = await answer.json();
  if (mine === asked) show(said);
}

function show(said) {
  for (const [name, view] of editors) {
    const found = said.errors.filter((error) => error.field === name);
    view.dispatch(setDiagnostics(view.state, found.map((error) => diagnostic(view, error))));
    view.dom.parentElement.classList.toggle("has-errors", found.length > 0);
  }
  const lines = said.errors.map((error) => [`${error.field}: ${error.detail}`, false]);
  if (said.failure) lines.push([said.failure, false]);
  if (said.missing?.length) lines.push([`Missing in the sample: ${said.missing.join(", ")}`, true]);
  if (said.unused?.length) lines.push([`In the sample and not used: ${said.unused.join(", ")}`, true]);
  if (said.newly_required?.length) lines.push([`Callers would have to bring: ${said.newly_required.join(", ")}`, true]);
  if (said.refused_links?.length) lines.push([`Links that lead nowhere: ${said.refused_links.join(", ")}`, false]);
  document.getElementById("problems").replaceChildren(...lines.map(([text, isSoft]) => item(text, isSoft)));
  const base = form.elements.base;
  const overtaken = document.getElementById("overtaken");
  overtaken.hidden = !said.latest || String(said.latest.number) === base.value;
  if (!overtaken.hidden) overtaken.textContent = `${said.latest.author} saved version ${said.latest.number} while you are writing.`;
  if (said.content) render(said.content);
}

function diagnostic(view, error) {
  const line = view.state.doc.line(Math.min(Math.max(error.line, 1), view.state.doc.lines));
  const from = Math.min(line.from + Math.max(error.column - 1, 0), line.to);
  return { from, to: Math.min(from + 1, line.to), severity: "error", message: error.detail };
}

function item(text, isSoft) {
  const element = document.createElement("li");
  element.textContent = text;
  element.classList.toggle("is-soft", isSoft);
  return element;
}

function render(content) {
  const frame = document.getElementById("preview-frame");
  if (frame) {
    document.getElementById("preview-subject").textContent = content.subject;
    document.getElementById("preview-text").textContent = content.text;
    frame.source = content.html ?? `<pre style="white-space:pre-wrap;font:14px sans-serif">${escaped(content.text)}</pre>`;
    paint(frame);
    return;
  }
  for (const place of document.querySelectorAll("[data-push]")) place.textContent = content[place.dataset.push];
  const facts = { Opens: content.link, Picture: content.image, ...content.data };
  const shown = Object.entries(facts).filter(([, value]) => value);
  document.getElementById("preview-facts").replaceChildren(...shown.flatMap(([name, value]) => [element("dt", name), element("dd", value)]));
}

// The chosen theme, whatever the theme of the viewer is: its media queries are made true or false.
function paint(frame) {
  const isDark = frame.scheme === "dark";
  frame.style.colorScheme = isDark ? "dark" : "light";
  frame.style.background = isDark ? "#1c1c1e" : "#fff";
  frame.srcdoc = (frame.source ?? "").replace(/\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)/gi, (_, scheme) =>
    (scheme.toLowerCase() === "dark") === isDark ? "(min-width: 0)" : "(max-width: 0)",
  );
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function escaped(text) {
  return element("p", text).innerHTML;
}

// The buttons of the preview: width, theme, part.
function press(button) {
  for (const other of button.parentElement.children) other.setAttribute("aria-pressed", String(other === button));
  const frame = document.getElementById("preview-frame");
  if (button.dataset.width) frame.style.width = button.dataset.width;
  if (button.dataset.scheme) {
    frame.scheme = button.dataset.scheme;
    paint(frame);
  }
  if (button.dataset.part) {
    document.getElementById("preview-html").hidden = button.dataset.part !== "html";
    document.getElementById("preview-text").hidden = button.dataset.part !== "text";
  }
}

if (studio) {
  for (const area of form.querySelectorAll("textarea[data-editor]")) edit(area);
  form.addEventListener("change", later);
  for (const button of studio.querySelectorAll(".segments button")) button.addEventListener("click", () => press(button));
  let isSaved = false;
  const first = JSON.stringify([...new FormData(form)]);
  form.addEventListener("submit", () => (isSaved = true));
  addEventListener("beforeunload", (event) => {
    if (!isSaved && JSON.stringify([...new FormData(form)]) !== first) event.preventDefault();
  });
  preview().catch(() => {});
}
