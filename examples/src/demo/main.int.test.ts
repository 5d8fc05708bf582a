import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { type Program, runProgram } from "../process/run-program.ts";

const MAIN = fileURLToPath(new URL("./main.ts", import.meta.url));

function startDemo(): Program {
  const program = runProgram(MAIN);
  onTestFinished(async () => {
    program.child.kill("SIGTERM");
    await program.exit;
  });
  return program;
}

/** The port and the folder that the demo prints. */
async function whereabouts(program: Program) {
  const [, url, folder] = await program.outputMatching(/(http:\S+), LevelDB in (\S+)/);
  return { url, folder };
}

test("the demo passes its own checks, and leaves nothing behind", { timeout: 60_000 }, async () => {
  const program = startDemo();
  const { url, folder } = await whereabouts(program);
  expect(await program.exit, program.output()).toBe(0);
  expect(program.output()).toMatch(/^All \d+ checks passed\.$/m);
  expect(program.output()).toContain("kill -9 and restart in between");
  expect(program.output(), "no terminal, no bar").not.toContain("█");
  expect(existsSync(folder)).toBe(false);
  await expect(fetch(url), "the server is gone").rejects.toThrow();
});

test.each(["SIGINT", "SIGTERM"] as const)("ended by %s, the demo cleans up", { timeout: 60_000 }, async (signal) => {
  const program = startDemo();
  const { url, folder } = await whereabouts(program);
  await program.outputMatching(/import {3}/);
  program.child.kill(signal);
  expect(await program.exit, program.output()).toBe(130);
  expect(program.output()).toContain(`ended by ${signal}`);
  expect(existsSync(folder)).toBe(false);
  await expect(fetch(url), "the server is gone").rejects.toThrow();
});
