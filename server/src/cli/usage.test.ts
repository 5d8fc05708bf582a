import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { OPTIONS } from "./options.ts";
import { flagName } from "./read-options.ts";
import { usage } from "./usage.ts";

const flags = Object.keys(OPTIONS).map((name) => `--${flagName(name)}`);

it("lists every option", () => {
  for (const flag of flags) expect(usage()).toContain(`  ${flag}`);
});

it("fits a wide terminal", () => {
  for (const line of usage().split("\n")) expect(line.length, line).toBeLessThanOrEqual(130);
});

it("agrees with the table in docs/install.md", () => {
  const page = readFileSync(new URL("../../../docs/install.md", import.meta.url), "utf8");
  for (const flag of flags) expect(page, flag).toContain(`\`${flag}`);
});
