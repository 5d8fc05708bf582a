import { describe, expect, it } from "vitest";
import { cycleOf, importsOf, roomsOf, wrongImports } from "./imports.ts";

const DOCUMENT = `
### Rooms of \`server/src\`

| room | what | may import |
|---|---|---|
| \`engine/\` | streams | \`errors.ts\`, \`storage/port.ts\` |
| \`engine/rows/\` | rows | nothing |
| \`cli/\`, \`bin.ts\` | the program | all |

### Something else

| a | b |
|---|---|
| x | y |
`;

describe("the tables of permitted imports", () => {
  const [table] = roomsOf(DOCUMENT);

  it("are parsed from a document", () => {
    expect(roomsOf(DOCUMENT)).toEqual([
      {
        root: "server/src/",
        rooms: [
          { name: "engine/", mayImport: ["errors.ts", "storage/port.ts"] },
          { name: "engine/rows/", mayImport: [] },
          { name: "cli/", mayImport: "all" },
          { name: "bin.ts", mayImport: "all" },
        ],
      },
    ]);
    expect(() => roomsOf(DOCUMENT.replace("| nothing |", "| the port |"))).toThrow("expected names");
  });

  it.each([
    ["server/src/engine/a.ts", "server/src/errors.ts", 0],
    ["server/src/engine/a.ts", "server/src/engine/rows/b.ts", 0],
    ["server/src/engine/a.ts", "server/src/routes/b.ts", 1],
    ["server/src/engine/a.ts", "server/src/storage/memory.ts", 1],
    ["server/src/engine/rows/a.ts", "server/src/engine/b.ts", 1],
    ["server/src/cli/main.ts", "server/src/routes/b.ts", 0],
    ["server/src/engine/a.ts", "gen/es/src/index.ts", 0],
    ["clients/ts/src/a.ts", "server/src/errors.ts", 0],
    ["server/src/new/a.ts", "server/src/errors.ts", 1],
  ])("hold %s to its row: %s", (path, target, problems) => {
    expect(wrongImports(table, path, [target])).toHaveLength(problems);
  });
});

describe("rows that import each other", () => {
  const [table] = roomsOf(DOCUMENT);
  const cycle = (...imports: [from: string, to: string][]) =>
    cycleOf(table, new Map(imports.map(([from, to]) => [`server/src/${from}`, [`server/src/${to}`]])));

  it("are found across several files", () => {
    expect(cycle(["engine/a.ts", "cli/b.ts"], ["cli/c.ts", "bin.ts"], ["bin.ts", "engine/rows/d.ts"])).toBeUndefined();
    expect(cycle(["engine/a.ts", "cli/b.ts"], ["cli/c.ts", "bin.ts"], ["bin.ts", "engine/d.ts"])).toEqual([
      "engine/",
      "cli/",
      "bin.ts",
      "engine/",
    ]);
  });

  it("do not count within one row, nor without a row", () => {
    expect(cycle(["engine/a.ts", "engine/b.ts"], ["engine/b.ts", "engine/a.ts"])).toBeUndefined();
    expect(cycle(["new.ts", "engine/a.ts"], ["engine/a.ts", "new.ts"])).toBeUndefined();
  });
});

describe("the imports of a source", () => {
  it("are found in all their forms, but not in comments", () => {
    const source = [
      'import { a } from "./a.ts";',
      "import {",
      "  b,",
      '} from "../b.ts";',
      'import type { C } from "@streamkit/server/storage";',
      'export * from "./d.ts";',
      'const e = await import("./e.ts");',
      'import "./f.ts";',
      'import { g } from "#h/i";',
      'import { join } from "node:path";',
      " * import { g } from './g.ts'",
      '// import { h } from "./h.ts";',
    ].join("\n");
    expect(importsOf("x/src/z.ts", source)).toEqual([
      "x/src/a.ts",
      "x/b.ts",
      "server/src/index.ts",
      "x/src/d.ts",
      "x/src/e.ts",
      "x/src/f.ts",
      "x/src/h/i.ts",
    ]);
  });
});
