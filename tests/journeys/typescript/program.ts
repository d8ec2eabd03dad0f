// A program as a user of the API writes it; the arguments are the address, the key and the user.
import createClient from "openapi-fetch";

import type { components, paths } from "./schema.js";

type SendNotification = components["schemas"]["SendNotification"];

const [address, key, userId] = process.argv.slice(2);
if (!address || !key || !userId) throw new Error("usage: program ADDRESS KEY USER");

const api = createClient<paths>({ baseUrl: address, headers: { "X-API-Key": key } });

function mail(to: string): SendNotification {
  return {
    notification_type: "email",
    user_id: to,
    template_code: "welcome",
    variables: { name: "Ada", link: "https://example.com" },
  };
}

const sent = await api.POST("/api/v1/notifications/", { body: mail(userId) });
if (sent.error) throw new Error(sent.error.title);

const status = await api.GET("/api/v1/notifications/{notification_id}/status", {
  params: { path: { notification_id: sent.data.id } },
});
if (status.error) throw new Error(status.error.title);

// An unknown user is a problem with a code and a pointer.
const refused = await api.POST("/api/v1/notifications/", { body: mail(sent.data.id) });
if (!refused.error) throw new Error("An unknown user was accepted.");
const code: string | undefined = refused.error.errors?.[0]?.code;
if (code !== "unknown_user") throw new Error(`The code is ${code}.`);

// @ts-expect-error - A channel that does not exist is refused by the compiler.
const wrong: SendNotification = { ...mail(userId), notification_type: "pigeon" };
void wrong;

const batches = await api.GET("/api/v1/batches/");
if (batches.error) throw new Error(batches.error.title);

const file = await api.POST("/api/v1/batches/upload", {
  params: { query: { notification_type: "email", template_code: "welcome" } },
  body: `user_id,variables.name,variables.link\n${userId},Ada,https://example.com\n`,
  bodySerializer: (csv) => csv,
  headers: { "Content-Type": "text/csv" },
});
if (file.error) throw new Error(file.error.title);

console.log(JSON.stringify({ id: sent.data.id, status: status.data.status, batch: file.data.batch_id }));
