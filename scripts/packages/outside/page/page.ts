/** A page that follows a space. */
import { createStreamkitClient, json } from "@streamkit/client";
import { createWebTransport } from "@streamkit/client/web";

const transport = createWebTransport({ baseUrl: location.origin });
const store = createStreamkitClient({ transport }).store("6f9619ff-8b86-4d01-b42d-00cf4fc964ff");
for await (const { offset, value } of store.withCodec(json<{ type: string }>()).space("orders").follow()) {
  document.querySelector("#events")?.append(`${offset} ${value.type}\n`);
}
