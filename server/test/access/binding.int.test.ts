/** Transaction ids of principals after a restart: the server finds them in storage, each under its principal. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createClient } from "@connectrpc/connect";
import { StreamService } from "@streamkit/protocol";
import { afterEach, beforeEach, expect, it } from "vitest";
import { createStreamkit, Grants, levelStorage } from "../../src/index.ts";
import { SEGMENT, SPACE, STORE } from "./calls.ts";

const transactionId = "0d9bb1a4-5f35-44f4-9d5d-3a6f6f1d0c11";

let path: string;
beforeEach(async () => {
  path = await mkdtemp(join(tmpdir(), "streamkit-binding-"));
});
afterEach(() => rm(path, { recursive: true }));

/** Appends one record on a server of its own. */
async function append(subject: string, expectedLastSequence?: bigint) {
  await using streamkit = createStreamkit({
    storage: levelStorage({ path }),
    authenticate: () => ({ subject, grants: Grants.all }),
  });
  const client = createClient(StreamService, streamkit.transport({ authenticate: true }));
  const appends = [{ segment: SEGMENT, records: [{ payload: new Uint8Array([1]) }], expectedLastSequence }];
  return await client.append({ storeId: STORE, space: SPACE, transactionId, appends });
}

it.each([undefined, 0n])("recognises a retry of its principal alone, with the expectation %s", async (expected) => {
  const first = await append("alice", expected);
  expect(await append("alice", expected)).toMatchObject({ ...first, deduplicated: true });
  const second = await append("bob", expected === undefined ? undefined : 1n);
  expect(second).toMatchObject({ deduplicated: false, transaction: { number: 2n } });
  expect(await append("alice", expected)).toMatchObject({ ...first, deduplicated: true });
});
