import { createStreamkitClient, type StreamkitError } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";
import { expect, test } from "vitest";
import { startExample } from "./process/example.ts";

/** Appends and reads through the example, then leaves a follower open while the example is told to end. */
async function writeReadAndFollowToTheEnd(transport: ReturnType<typeof createNodeTransport>, end: () => void) {
  // Without retries, so that the follower tells how the server ended it.
  const client = createStreamkitClient({ transport, retry: { maxAttempts: 1 } });
  const segment = client.store(crypto.randomUUID()).space("deliveries").segment("van-3");
  await segment.append([Uint8Array.of(1), Uint8Array.of(2)], { expectedLastSequence: 0 });
  const read: number[] = [];
  for await (const entry of segment.consume()) read.push(...entry.payload);
  expect(read).toEqual([1, 2]);

  const follow = async () => {
    for await (const _ of segment.follow({ minSequence: 3, onCaughtUp: end })) throw new Error("nothing was written");
  };
  const error: StreamkitError = await follow().then(
    () => expect.unreachable("the follower ended without an error"),
    (thrown) => thrown,
  );
  expect(error.reason).toBe("SHUTTING_DOWN");
}

test("embed-node: one HTTP/1.1 port for the application and Streamkit", async () => {
  const program = await startExample("embed-node");
  const [, port] = await program.outputMatching(/listening on .*port: (\d+)/s);
  const baseUrl = `http://127.0.0.1:${port}`;
  expect((await fetch(`${baseUrl}/healthy`)).status).toBe(200);
  expect((await fetch(`${baseUrl}/elsewhere`)).status).toBe(404);
  const transport = createNodeTransport({ baseUrl, httpVersion: "1.1" });
  await writeReadAndFollowToTheEnd(transport, () => program.child.kill("SIGTERM"));
  expect(await program.exit, program.output()).toBe(0);
});

test("embed-fastify: Streamkit beside the routes of a Fastify application, over HTTP/2", async () => {
  const program = await startExample("embed-fastify");
  const [, baseUrl] = await program.outputMatching(/listening on (\S+)/);
  const transport = createNodeTransport({ baseUrl });
  await writeReadAndFollowToTheEnd(transport, () => program.child.kill("SIGTERM"));
  expect(await program.exit, program.output()).toBe(0);
});

test("embed-listen: HTTP/1.1 and HTTP/2 on a port of its own, and calls inside the process", async () => {
  const program = await startExample("embed-listen");
  const [, starts, baseUrl] = await program.outputMatching(/start number (\d+), listening on (\S+)/);
  expect(starts).toBe("1");
  for (const httpVersion of ["1.1", "2"] as const) {
    const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl, httpVersion }) });
    expect((await client.serverInfo()).storage).toBe("level");
  }
  await writeReadAndFollowToTheEnd(createNodeTransport({ baseUrl }), () => program.child.kill("SIGTERM"));
  expect(await program.exit, program.output()).toBe(0);
});
