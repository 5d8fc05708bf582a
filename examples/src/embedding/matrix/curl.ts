import { spawn } from "node:child_process";
import type { Target } from "./clients.ts";

interface Entries {
  readonly batches?: readonly { readonly records: readonly { readonly payload: string }[] }[];
}

/** Appends, reads and follows with the command `curl`: single calls in JSON, streams in Connect's envelopes of JSON. */
export function curlRoundTrip(options: Readonly<Record<"plain" | "tls", readonly string[]>>) {
  return async ({ baseUrl, tls }: Target, signal: AbortSignal): Promise<void> => {
    const args = tls === undefined ? options.plain : [...options.tls, "--cacert", tls.certFile];
    const names = { storeId: crypto.randomUUID(), space: "matrix" };
    const post = (method: string, type: string, body: string | Uint8Array) =>
      curl([...args, `${baseUrl}/streamkit.v1.StreamService/${method}`], type, body, signal);
    const append = async (byte: number) => {
      const records = [{ payload: Buffer.of(byte).toString("base64") }];
      const body = JSON.stringify({ ...names, appends: [{ segment: "a", records }] });
      const answers: Buffer[] = [];
      for await (const bytes of post("Append", "application/json", body)) answers.push(bytes);
      const answer = Buffer.concat(answers).toString();
      if (!answer.includes('"ranges"')) throw new Error(answer.trim() || "an empty answer");
    };
    const consume = async (follow: boolean, onEntry: (byte: number) => Promise<boolean>) => {
      const body = envelope(JSON.stringify({ ...names, follow }));
      for await (const message of messages(post("ConsumeSpace", "application/connect+json", body))) {
        for (const { records } of (message as Entries).batches ?? []) {
          for (const { payload } of records) if (!(await onEntry(Buffer.from(payload, "base64")[0]))) return;
        }
      }
    };
    await append(1);
    const read: number[] = [];
    await consume(false, async (byte) => read.push(byte) > 0);
    await consume(true, async (byte) => {
      read.push(byte);
      if (byte === 1) await append(2);
      return byte === 1;
    });
    if (read.join() !== "1,1,2") throw new Error(`read ${read}; expected 1, then 1 and 2`);
  };
}

/** Runs curl. Yields its output, and throws its error message. Leaving the loop ends curl. */
async function* curl(
  args: readonly string[],
  type: string,
  body: string | Uint8Array,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const options = ["--silent", "--show-error", "--no-buffer", "--header", `content-type: ${type}`];
  const child = spawn("curl", [...options, "--data-binary", "@-", ...args], { signal });
  const ended = new Promise<void>((resolve, reject) => {
    let complaint = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      complaint += text;
    });
    child.once("error", reject);
    child.once("close", (code) => (code === 0 ? resolve() : reject(new Error(complaint.trim() || `code ${code}`))));
  });
  ended.catch(() => undefined); // Awaited below, where the loop is not left before.
  child.stdin.on("error", () => undefined); // curl gives up before it has read its input: it says why.
  child.stdin.end(body);
  try {
    for await (const bytes of child.stdout) yield bytes;
    await ended;
  } finally {
    child.kill();
  }
}

const ENVELOPE_BYTES = 5;
const END_STREAM = 2;

function envelope(message: string): Uint8Array {
  const bytes = Buffer.from(message);
  const head = Buffer.alloc(ENVELOPE_BYTES);
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** Takes messages out of their envelopes: https://connectrpc.com/docs/protocol#streaming-response */
async function* messages(chunks: AsyncIterable<Buffer>): AsyncGenerator<unknown> {
  let bytes = Buffer.alloc(0);
  for await (const chunk of chunks) {
    bytes = Buffer.concat([bytes, chunk]);
    while (bytes.length >= ENVELOPE_BYTES && bytes.length >= ENVELOPE_BYTES + bytes.readUInt32BE(1)) {
      const flags = bytes[0];
      const end = ENVELOPE_BYTES + bytes.readUInt32BE(1);
      const message = JSON.parse(bytes.subarray(ENVELOPE_BYTES, end).toString());
      bytes = bytes.subarray(end);
      if ((flags & END_STREAM) === 0) yield message;
      else if (message.error !== undefined) throw new Error(JSON.stringify(message.error));
    }
  }
  if (bytes.length > 0) throw new Error(`no envelope: ${bytes.toString("latin1").slice(0, 200)}`);
}
