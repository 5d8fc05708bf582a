import type { DescMethod } from "@bufbuild/protobuf";
import { CursorService, LeaseService, PresenceService, StoreService, StreamService } from "@streamkit/protocol";
import { envelope } from "../doors/raw.ts";
import { wrongAnswer, wrongEnd } from "./answers.ts";
import { messageJson } from "./messages.ts";
import { mutate, type Random } from "./random.ts";

export const METHODS: readonly DescMethod[] = [
  StreamService,
  StoreService,
  LeaseService,
  CursorService,
  PresenceService,
].flatMap(({ methods }) => methods);
/** Time after which the fuzzer leaves an endless stream, and checks the messages so far. */
const LEAVE_MILLIS = 100;

export const PATHS: readonly string[] = METHODS.map((method) => `/${method.parent.typeName}/${method.name}`);

/**
 * One call with a random message of its type, whole or damaged, as Connect in JSON, over HTTP/1.1.
 *
 * @returns the problem with the answer; undefined for a documented answer
 */
export async function randomCall(url: string, random: Random): Promise<string | undefined> {
  const method = random.of(METHODS);
  const streaming = method.methodKind !== "unary";
  const text = Buffer.from(JSON.stringify(messageJson(random, method.input)));
  const json = random.chance(0.8);
  // Binary requests are random from the start, about half of them with valid tags.
  const message = json ? (random.chance(0.3) ? mutate(random, text) : text) : binary(random);
  const enveloped = streaming ? damagedEnvelope(random, message) : message;
  const kind = json ? "json" : "proto";
  const type = streaming ? `application/connect+${kind}` : `application/${kind}`;
  const leave = new AbortController();
  const timer = setTimeout(() => leave.abort(), streaming ? LEAVE_MILLIS : 60_000);
  const chunks: Buffer[] = [];
  try {
    const response = await fetch(`${url}/${method.parent.typeName}/${method.name}`, {
      method: "POST",
      headers: { "content-type": type, ...oddHeaders(random) },
      body: enveloped as BodyInit,
      signal: leave.signal,
    });
    for await (const chunk of response.body ?? []) chunks.push(Buffer.from(chunk));
    const body = Buffer.concat(chunks);
    const wrong =
      streaming && response.status === 200
        ? wrongEnd(body)
        : wrongAnswer(response.status, response.headers.get("content-type") ?? "", body.toString());
    return wrong && `${method.name} ${type} ${message.toString("latin1").slice(0, 300)} -> ${response.status} ${wrong}`;
  } catch (error) {
    // Either the fuzzer left, or Node's client refused to send the request.
    if (leave.signal.aborted) return undefined;
    return `${method.name}: no answer: ${(error as Error).cause ?? error}`;
  } finally {
    clearTimeout(timer);
  }
}

function binary(random: Random): Buffer {
  const parts: Buffer[] = [];
  for (let left = random.below(6); left > 0; left--) {
    const wire = random.of([0, 1, 2, 2, 2, 5, 3, 4, 6]);
    const tag = Buffer.of((random.below(12) << 3) | wire);
    const length = random.below(20);
    const value =
      wire === 2 ? Buffer.concat([Buffer.of(length), random.bytes(length)]) : random.bytes(random.of([1, 2, 4, 8]));
    parts.push(tag, value);
  }
  return mutate(random, Buffer.concat(parts));
}

function damagedEnvelope(random: Random, message: Buffer): Buffer {
  const whole = envelope(message, random.chance(0.9) ? 0 : random.below(256));
  return random.chance(0.2) ? mutate(random, whole) : whole;
}

function oddHeaders(random: Random): Record<string, string> {
  if (random.chance(0.8)) return {};
  return random.of<Record<string, string>>([
    { "connect-timeout-ms": random.of(["1", "0", "-1", "x", "99999999999", "9999999999999", ""]) },
    { "content-encoding": random.of(["gzip", "br", "x", ""]) },
    { "connect-content-encoding": random.of(["gzip", "br", "identity"]) },
    { "connect-protocol-version": random.of(["1", "2", "x"]) },
    { accept: "text/plain" },
  ]);
}
