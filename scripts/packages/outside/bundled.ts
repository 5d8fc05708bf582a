/** A server and its client in one bundle: see docs/install.md for the packages that stay outside of it. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createStreamkitClient, json } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";
import { createStreamkit, levelStorage } from "@streamkit/server";

const path = await mkdtemp(join(tmpdir(), "streamkit-bundled-"));
const streamkit = createStreamkit({ storage: levelStorage({ path }) });
const { url } = await streamkit.listen({ port: 0 });
const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl: url }) });
const segment = client
  .store(crypto.randomUUID())
  .withCodec(json<{ total: number }>())
  .space("orders")
  .segment("order-17");
await segment.append([{ total: 1 }, { total: 2 }], { expectedLastSequence: 0 });
const totals: number[] = [];
for await (const { value } of segment.consume()) totals.push(value.total);
assert.deepEqual(totals, [1, 2]);
await streamkit.close();
await rm(path, { recursive: true });
console.log("the bundle works");
