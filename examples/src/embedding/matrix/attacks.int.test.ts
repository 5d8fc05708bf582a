/**
 * Requests of strangers to every embedding. Each gets an answer or a closed connection, and the process keeps serving.
 */
import { describe, expect, test } from "vitest";
import {
  HTTP1_FRAGMENTS,
  HTTP1_REQUESTS,
  HTTP2_REQUESTS,
  leave,
  type Outcome,
  sendHttp1,
  sendHttp2,
  sendTooMuch,
} from "./attacks.ts";
import { HTTP_EMBEDDINGS, startEmbedding } from "./servers.ts";

describe.each(HTTP_EMBEDDINGS)("$example", { timeout: 120_000 }, (embedding) => {
  test("answers or closes, and lives (C1)", async () => {
    const server = await startEmbedding(embedding);
    const { target, program } = server;
    const outcomes: Record<string, Outcome> = {};
    const stillServes = async (after: string) => {
      expect(program.child.exitCode, `${after}\n${program.output()}`).toBeNull();
      const headers = { ":authority": new URL(target.baseUrl).host };
      const info = embedding.http.includes("2")
        ? await sendHttp2(target, headers)
        : await sendHttp1(
            target,
            `POST /streamkit.v1.StoreService/GetServerInfo HTTP/1.1\r\nHost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`,
          );
      expect(info, `${after}\n${program.output()}`).toBe(200);
    };
    if (embedding.http.includes("1.1")) {
      for (const [name, request] of HTTP1_REQUESTS) outcomes[name] = await sendHttp1(target, request);
      outcomes["20 MiB"] = await sendTooMuch(target, 20);
    }
    await stillServes("HTTP/1.1");
    for (const bytes of HTTP1_FRAGMENTS) {
      for (const how of ["end", "destroy", "resetAndDestroy"] as const) await leave(target, bytes, how);
    }
    await stillServes("fragments");
    if (embedding.http.includes("2")) {
      for (const [name, headers] of HTTP2_REQUESTS) outcomes[`h2 ${name}`] = await sendHttp2(target, headers);
    }
    await stillServes("HTTP/2");
    // An answer of 500 is an exception that some code caught.
    expect(Object.entries(outcomes).filter(([, outcome]) => outcome === 500)).toEqual([]);
    expect(program.output()).not.toMatch(/uncaught|Unhandled|\n {4}at /);
  });
});
