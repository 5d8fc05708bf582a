/** Calls the Next.js route handler as Next.js does: an append, and a path that does not exist. Prints the answers. */
import { POST } from "../next-route.ts";

const base = "http://localhost:3000/api/streams/streamkit.v1.StreamService";
const init = (body: object): RequestInit => ({
  method: "POST",
  headers: { "content-type": "application/json", origin: "http://localhost:3000", host: "localhost:3000" },
  body: JSON.stringify(body),
});
const append = {
  storeId: "6f9619ff-8b86-4d01-b42d-00cf4fc964ff",
  space: "orders",
  appends: [{ segment: "order-17", records: [{ payload: "cGxhY2Vk" }] }],
};

const appended = await POST(new Request(`${base}/Append`, init(append)));
const { ranges } = (await appended.json()) as { ranges: { lastSequence: string }[] };
const unknown = await POST(new Request(`${base}/Nothing`, init(append)));
console.log(appended.status, ranges[0].lastSequence, unknown.status);
process.exit();
