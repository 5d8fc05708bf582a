import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const docs = readdirSync(`${ROOT}/docs`).filter((name) => name.endsWith(".md"));
const documents = ["README.md", "clients/ts/README.md", "server/README.md", ...docs.map((name) => `docs/${name}`)];

test.each(documents)("programs in %s run with Node.js 22.15, whose language has no using", (path) => {
  const programs = [...readFileSync(`${ROOT}/${path}`, "utf8").matchAll(/```ts\n([\s\S]*?)```/g)].map(
    ([, code]) => code,
  );
  expect(programs.filter((code) => /^\s*(?:await )?using \w+ =/m.test(code))).toEqual([]);
});
