import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { ecKey, jwksOf, type SigningKey } from "../../../test/access/issuer.ts";
import type { StreamkitEvent } from "../../event.ts";
import { Events } from "../../events.ts";
import { JwksFile } from "./jwks-file.ts";

const folder = mkdtempSync(join(tmpdir(), "streamkit-jwks-"));
afterAll(() => rmSync(folder, { recursive: true }));

const [k1, k2, k3] = [ecKey("k1"), ecKey("k2"), ecKey("k3")];
const write = async (path: string, ...keys: SigningKey[]) => writeFileSync(path, JSON.stringify(await jwksOf(...keys)));

it("takes a file that is written, replaced or linked anew, and keeps the keys of an earlier one otherwise", async () => {
  const path = join(folder, "jwks.json");
  await write(path, k1);
  const events: StreamkitEvent[] = [];
  const file = new JwksFile(path, ["ES256"], new Events((event) => events.push(event), 0), 1);
  let changes = 0;
  file.onChange = () => changes++;
  const known = () => [k1, k2, k3].map(({ id }) => file.find("ES256", id)).flatMap((keys) => keys.map(({ id }) => id));
  const becomes = (...ids: string[]) => expect.poll(known, { timeout: 60_000 }).toEqual(ids);
  const says = (message: RegExp) => expect.poll(() => events.at(-1)?.message, { timeout: 60_000 }).toMatch(message);
  expect(known()).toEqual(["k1"]);

  await write(path, k1, k2);
  await becomes("k1", "k2");
  await says(/jwks.json has 2 keys: "k1", "k2"$/);

  writeFileSync(path, '{"keys": [');
  await says(/jwks.json is not JSON; the earlier keys stay valid$/);
  unlinkSync(path);
  await says(/jwks.json cannot be read: ENOENT; the earlier keys stay valid$/);
  expect(known()).toEqual(["k1", "k2"]);

  const linked = join(folder, "linked.json");
  await write(linked, k3);
  symlinkSync(linked, path);
  await becomes("k3");
  const other = join(folder, "other.json");
  await write(other, k1);
  symlinkSync(other, join(folder, "new-link"));
  renameSync(join(folder, "new-link"), path);
  await becomes("k1");
  expect(changes).toBe(3);

  file.close();
});
