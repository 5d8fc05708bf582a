import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { createStreamkit, memoryStorage } from "../../src/index.ts";

const CONNECTIONS = 2_000;
/** Opens connections, and prints how many are open once all are, or after 20 seconds. */
const CLIENT = `
  const [port, wanted] = process.argv.slice(1).map(Number);
  let open = 0;
  const finish = () => { console.log(open); process.exit(); };
  setTimeout(finish, 20_000);
  for (let i = 0; i < wanted; i++) {
    require("node:net").connect(port, "127.0.0.1").on("connect", () => ++open === wanted && finish()).on("error", finish);
  }`;

it("takes 2,000 connections while the server computes", async () => {
  await using streamkit = createStreamkit({ storage: memoryStorage() });
  const { port } = await streamkit.listen({ port: 0 });
  const kernel = Number(readFileSync("/proc/sys/net/core/somaxconn", "utf8"));
  // The server is in this process, and cannot accept anything while it waits for the other one.
  const open = Number(execFileSync(process.execPath, ["-e", CLIENT, String(port), String(CONNECTIONS)]));
  expect(open).toBeGreaterThanOrEqual(Math.min(CONNECTIONS, kernel));
});
