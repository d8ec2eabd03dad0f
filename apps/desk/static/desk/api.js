// Sends the forms of the browsable API with their method and body, and shows the answer in its place.

async function send(form) {
  const field = (name) => form.querySelector(`[name="${name}"]`);
  const method = form.dataset.method;
  const body = field("_content")?.value;
  const headers = { Accept: "text/html", "X-CSRFToken": field("csrfmiddlewaretoken")?.value ?? "" };
  if (body) headers["Content-Type"] = field("_content_type").value;
  return fetch(form.action, { method, headers, body: body || undefined });
}

function show(text) {
  const answer = document.getElementById("answer");
  const read = new DOMParser().parseFromString(text, "text/html");
  // A page without an answer is that of an error outside of the API.
  const fresh = read.getElementById("answer") ?? read.querySelector(".problem");
  if (fresh) answer.replaceChildren(...fresh.childNodes);
  else answer.textContent = text;
  answer.scrollIntoView({ block: "start" });
  answer.querySelector("h1, h2")?.focus();
}

document.addEventListener("submit", async (event) => {
  const form = event.target.closest("form[data-method]");
  if (!form) return;
  event.preventDefault();
  const button = event.submitter;
  button.disabled = true;
  try {
    show(await (await send(form)).text());
  } catch {
    show("The server does not answer. Nothing is known of what became of the request.");
  } finally {
    button.disabled = false;
  }
});
