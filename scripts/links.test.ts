import { expect, test } from "vitest";
import { anchorsOf, brokenNames } from "./links.ts";

const files = ["README.md", "docs/install.md", "docs/limits.md", "server/test/doors/hosts.int.test.ts"];
const read = () => "# Install\n\n## `--tls`, and more\n\n## On a server\n\n## On a server\n";
const broken = (markdown: string) => brokenNames("docs/limits.md", markdown, { files, scripts: ["demo"], read });

test("anchors are those of GitHub", () => {
  expect([...anchorsOf(read())]).toEqual(["install", "--tls-and-more", "on-a-server", "on-a-server-1"]);
  expect([...anchorsOf("## A [link](x.md) & __more__ über 2\n")]).toEqual(["a-link--__more__-über-2"]);
});

test("links to files, folders and headings that exist are fine", () => {
  expect(
    broken("# Here\n[a](install.md) [b](../README.md) [c](../server/test/) [d](install.md#on-a-server-1) [e](#here)"),
  ).toEqual([]);
  expect(broken("[f](https://example.com/x.md#y) <!-- --> [g](mailto:a@example.com)")).toEqual([]);
});

test("a link without a target is reported with its line", () => {
  expect(broken("one\n[a](instal.md)\n\n[b](install.md#nowhere)\n[c](#here)")).toEqual([
    "docs/limits.md:2: no file instal.md",
    "docs/limits.md:4: no heading install.md#nowhere",
    "docs/limits.md:5: no heading #here",
  ]);
});

test("code has no links and no headings", () => {
  expect(broken("```md\n# Here\n[a](instal.md)\n```\nthen `[b](c.md)`")).toEqual([]);
  expect(broken("```md\n# Here\n```\n[a](#here)")).toEqual(["docs/limits.md:4: no heading #here"]);
});

test("documents may name a source by the end of its path", () => {
  expect(broken("| `doors/hosts.int.test.ts` | server/test/doors/hosts.int.test.ts |")).toEqual([]);
  expect(broken("| x | doors/shares.int.test.ts |")).toEqual(["docs/limits.md:1: no source doors/shares.int.test.ts"]);
});

test("commands name scripts of package.json, even in code", () => {
  expect(broken("```sh\nnpm run demo\nnpm run dmo -- x\n```\n`npm run packs`")).toEqual([
    "docs/limits.md:3: no script dmo",
    "docs/limits.md:5: no script packs",
  ]);
});
