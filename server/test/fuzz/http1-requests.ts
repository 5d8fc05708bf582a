import type { Random } from "./random.ts";
import { mutate } from "./random.ts";

const METHODS = ["POST", "GET", "PUT", "OPTIONS", "HEAD", "DELETE", "CONNECT", "PRI", "post", ""];
const TARGETS = ["/", "*", "//", "http://[", "/?%", "/healthz", "/readyz", "/\u00ff", `/${"a".repeat(5_000)}`];
const VERSIONS = ["HTTP/1.1", "HTTP/1.1", "HTTP/1.0", "HTTP/2.0", "HTTP/9.9", "HTTP", ""];
const NAMES = [
  "host",
  "content-length",
  "transfer-encoding",
  "content-type",
  "connection",
  "expect",
  "te",
  "upgrade",
  "origin",
  "cookie",
  ":path",
  "x\u00ff",
  "",
];
const VALUES = [
  "localhost",
  "[",
  "0",
  "5",
  "-1",
  "99999999999999999999",
  "chunked",
  "gzip, chunked",
  "application/json",
  "application/grpc",
  "close",
  "upgrade",
  "100-continue",
  "null",
  "",
  "\u0000",
  "a,b",
];

/** A malformed HTTP/1.1 request, made of parts that a server interprets. */
export function http1Request(random: Random, paths: readonly string[]): Buffer {
  const target = random.chance(0.6) ? random.of(paths) : random.of(TARGETS);
  const headers = Array.from({ length: random.below(6) }, () => `${random.of(NAMES)}: ${random.of(VALUES)}\r\n`);
  if (random.chance(0.7)) headers.push("host: localhost\r\n");
  if (random.chance(0.5)) headers.push("content-type: application/json\r\n");
  const body = random.chance(0.5) ? "{}" : random.bytes(random.below(64)).toString("latin1");
  if (random.chance(0.7)) headers.push(`content-length: ${body.length}\r\n`);
  const text = `${random.of(METHODS)} ${target} ${random.of(VERSIONS)}\r\n${headers.join("")}\r\n${body}`;
  return mutate(random, Buffer.from(text, "latin1"));
}
