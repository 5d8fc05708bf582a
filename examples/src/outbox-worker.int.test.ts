import { createStreamkitClient, json } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";
import { expect, onTestFinished, test } from "vitest";
import { startExample, testFolder } from "./process/example.ts";
import { MailService, type Message } from "./process/mail-service.ts";
import { ServerProcess } from "./process/server-process.ts";

const READERS = ["reader-0", "reader-1", "reader-2", "reader-3", "reader-4"];
const WAIT = { timeout: 30_000, interval: 20 };

async function setUp() {
  const server = await ServerProcess.start({ path: await testFolder() });
  onTestFinished(() => server.stop("SIGKILL"));
  const mail = await MailService.start();
  const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl: server.url }) });
  const store = client.store(crypto.randomUUID()).withCodec(json<Message>());
  return {
    mail,
    store,
    /** Appends `count` messages for each reader. The subject of a message is its position in its segment. */
    async fill(count: number) {
      for (const to of READERS) {
        const segment = store.space("outbox").segment(to);
        const { lastSequence } = await segment.status();
        await segment.append(Array.from({ length: count }, (_, n) => ({ to, subject: String(lastSequence + 1 + n) })));
      }
    },
    start: () => startExample("outbox-worker", server.url, store.id, mail.url),
  };
}

/** The keys of the entries at these offsets, both included. */
const keys = (from: number, to: number) =>
  new Set(Array.from({ length: to - from + 1 }, (_, index) => `outbox/${from + index}`));

/** Checks that the service got the messages of each segment in order, up to the message `upTo`. */
function expectOrder({ taken }: MailService, upTo: number): void {
  for (const reader of READERS) {
    const sent = new Set(taken.filter(({ to }) => to === reader).map(({ subject }) => Number(subject)));
    expect([...sent]).toEqual(Array.from({ length: upTo }, (_, index) => index + 1));
  }
}

test("every message is sent, failures are retried, poison is parked, and SIGTERM leaves nothing to repeat", {
  timeout: 120_000,
}, async () => {
  const { mail, store, fill, start } = await setUp();
  await store.space("outbox").segment("nobody").publish({ to: "nobody", subject: "poison" });
  await fill(5);
  let outage = 7;
  mail.answer = ({ to }) => (to === "nobody" ? 422 : outage-- > 0 ? 503 : 202);
  const worker = await start();
  await expect.poll(() => mail.taken.length, WAIT).toBe(25);
  expect(mail.keys).toEqual(keys(2, 26));
  expectOrder(mail, 5);
  expect(mail.answered.filter(({ status }) => status === 503).length).toBe(7);
  expect(mail.answered.filter(({ to }) => to === "nobody").length, "not tried again").toBe(1);
  const parked = store.space("outbox-parked").segment("mailer");
  await expect.poll(async () => (await parked.peek())?.value, WAIT).toEqual({ to: "nobody", subject: "poison" });
  const labels = { "parked-segment": "nobody", "parked-offset": "1", "parked-error": "refused: no such mailbox" };
  expect((await parked.peek())?.metadata).toMatchObject(labels);

  // The worker gets SIGTERM while a request of every segment is under way, and must wait for all of them.
  mail.answer = () => "hold";
  await fill(1);
  await fill(1);
  await expect.poll(() => mail.held.length, WAIT).toBe(5);
  worker.child.kill("SIGTERM");
  await worker.outputMatching(/^stopping$/m);
  for (const answer of mail.held.splice(0)) answer();
  expect(await worker.exit, worker.output()).toBe(0);
  expect(worker.output()).toMatch(
    /^connecting\nlive\n((caughtUp|live)\n)*stopping\n((caughtUp|live)\n)*ended\nsent 30, parked 1\n$/,
  );
  expect(mail.held.length, "nothing more was begun").toBe(0);

  mail.answer = () => 202;
  const next = await start();
  await expect.poll(() => mail.keys, WAIT).toEqual(keys(2, 36));
  expect(mail.taken.length, "nothing came twice").toBe(35);
  expectOrder(mail, 7);
  expect(next.output(), "the lease was free").toMatch(/^connecting\nlive\n/);
});

test("the standby takes over after kill -9, and nothing is lost", { timeout: 120_000 }, async () => {
  const { mail, fill, start } = await setUp();
  await fill(12);
  let served = 0;
  mail.answer = () => (served++ < 22 ? 202 : "hold");
  const first = await start();
  await first.outputMatching(/^live$/m);
  const second = await start();
  await second.outputMatching(/^standby$/m);
  // A request of every segment is under way.
  await expect.poll(() => mail.held.length, WAIT).toBe(5);
  expect(mail.taken.length).toBe(22);
  expect(second.output()).toBe("standby\n");

  mail.answer = () => 202;
  const killed = performance.now();
  first.child.kill("SIGKILL");
  await second.outputMatching(/^live$/m);
  // A ttl and an eighth, plus time for a busy machine.
  expect(performance.now() - killed).toBeLessThan(5_000 * 1.125 + 10_000);
  await expect.poll(() => mail.keys, WAIT).toEqual(keys(1, 60));
  expectOrder(mail, 12);
  // A repeated message has the same key, so that the other side can recognise it.
  expect(new Set(mail.taken.map(({ key, to, subject }) => `${key} ${to} ${subject}`)).size).toBe(60);
});
