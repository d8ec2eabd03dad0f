// Search by "/", copy buttons, pages that refresh themselves, and selections with a count.
// Without JavaScript every page works; only these comforts are missing.

const REFRESH_MS = 15_000;
const COPIED_MS = 1_500;

document.addEventListener("keydown", (event) => {
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) return;
  const search = document.querySelector(".desk-search input");
  if (search) {
    event.preventDefault();
    search.focus();
    search.select();
  }
});

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button.copy");
  if (!button) return;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.classList.add("is-copied");
  } catch {
    // Without a secure connection browsers offer no clipboard: select the id instead.
    window.prompt("Copy", button.dataset.copy);
  }
  setTimeout(() => button.classList.remove("is-copied"), COPIED_MS);
});

// The account's menu closes on a click elsewhere and on Escape.
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details.account[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});
document.addEventListener("keydown", (event) => {
  const menu = document.querySelector("details.account[open]");
  if (event.key === "Escape" && menu) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
});

// A part of a page with data-refresh is read again while the page is visible, each so many seconds.
// It ends when the part that was read says no more that it should be.
const live = document.querySelector("[data-refresh]");
async function refresh() {
  const busy = live.contains(document.activeElement) && document.activeElement.matches("input, select, textarea");
  if (document.hidden || busy) return;
  const answer = await fetch(location.href, { headers: { "X-Requested-With": "refresh" } });
  if (!answer.ok || answer.redirected) return;
  const read = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = read.getElementById(live.id);
  if (!fresh) return;
  live.replaceChildren(...fresh.childNodes);
  if (!("refresh" in fresh.dataset)) clearInterval(refreshing);
}
const everyMs = live ? 1_000 * Number(live.dataset.refresh) || REFRESH_MS : 0;
const refreshing = live ? setInterval(() => refresh().catch(() => {}), everyMs) : 0;

// How many rows are chosen, and one box for all of the page.
const chooser = document.querySelector("form.chooser");
if (chooser) {
  const all = chooser.querySelector("[data-all]");
  const count = chooser.querySelector("[data-count]");
  const boxes = () => [...chooser.querySelectorAll("input[name=chosen]")];
  const update = () => {
    const chosen = boxes().filter((box) => box.checked).length;
    chooser.classList.toggle("has-chosen", chosen > 0);
    if (count) count.textContent = String(chosen);
    if (all) all.checked = chosen > 0 && chosen === boxes().length;
  };
  chooser.addEventListener("change", (event) => {
    if (event.target === all) boxes().forEach((box) => (box.checked = all.checked));
    update();
  });
  update();
}
