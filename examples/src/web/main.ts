/**
 * `npm run example:web`: a page that shows flights as they arrive, over one WebSocket. The server keeps its data in a
 * temporary folder, and removes the folder at the end.
 *
 * Environment: PORT (default 8080), HOST (default 127.0.0.1; 0.0.0.0 for a phone in the same network), and
 * FLIGHTS_PER_SECOND (default 2).
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startBoard } from "./board-server.ts";

const ending = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => ending.abort());

const folder = await mkdtemp(join(tmpdir(), "streamkit-board-"));
try {
  const { PORT = "8080", HOST: host = "127.0.0.1", FLIGHTS_PER_SECOND = "2" } = process.env;
  await using board = await startBoard({ folder, host, port: Number(PORT) });
  console.log(`flight board: ${board.url}\nstop with Ctrl+C`);
  await board.feed(Number(FLIGHTS_PER_SECOND), ending.signal);
} finally {
  await rm(folder, { recursive: true, force: true });
}
