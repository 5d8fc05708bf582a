import { settlesWithin, unlessAborted } from "../silence.ts";
import type { EncodedPage } from "../transport/peer.ts";
import type { Streams } from "../transport/streams.ts";
import type { Read } from "./read.ts";

/** One connection of a read: a stream, or a series of calls. */
export interface Connection<P> {
  readonly pages: AsyncIterator<EncodedPage<P>>;
  readonly controller: AbortController;
  /** True for a series of calls. */
  readonly polls: boolean;
  /** Number of responses so far. */
  responses: number;
}

/** Makes a connection: a series of calls if the client avoids streams and the read can poll, otherwise a stream. */
export function connect<P>(read: Read<unknown, P>, streams: Streams): Connection<P> {
  return (streams.avoided ? byCalls(read) : undefined) ?? byStream(read);
}

/** Frees a connection at once. */
export function disconnect<P>({ controller, pages }: Connection<P>): void {
  // The signal frees the call at once. The iterator may still be busy; its end does not matter.
  controller.abort();
  pages.return?.().then(undefined, () => {});
}

/** The first response of a stream, or of the calls that replace the stream. */
export interface FirstResponse<P> {
  readonly connection: Connection<P>;
  readonly result: IteratorResult<EncodedPage<P>>;
}

/**
 * Waits for the first response of a stream. If the response is late, tries the same read by calls. If the server
 * answers a call and the stream stays silent for a while, the calls replace the stream. See `Streams`.
 */
export async function firstResponse<P>(
  stream: Connection<P>,
  read: Read<unknown, P>,
  streams: Streams,
  signal: AbortSignal,
): Promise<FirstResponse<P>> {
  const arriving = stream.pages.next();
  const streamed = async () => ({ connection: stream, result: await unlessAborted(arriving, signal) });
  if (await settlesWithin(arriving, streams.doubtMillis, signal)) return streamed();
  const calls = byCalls(read);
  if (calls === undefined) return streamed();
  try {
    const answer = calls.pages.next();
    const answered = answer.then(
      () => true,
      () => false,
    );
    const arrived = arriving.then(
      () => false,
      () => false,
    );
    const answeredFirst = await unlessAborted(Promise.race([arrived, answered]), signal);
    if (!answeredFirst || (await settlesWithin(arriving, streams.graceMillis, signal))) {
      disconnect(calls);
      return await streamed();
    }
    disconnect(stream);
    return { connection: calls, result: await answer };
  } catch (thrown) {
    disconnect(calls);
    throw thrown;
  }
}

function byStream<P>(read: Read<unknown, P>): Connection<P> {
  const controller = new AbortController();
  return { pages: read.open(controller.signal)[Symbol.asyncIterator](), controller, polls: false, responses: 0 };
}

function byCalls<P>(read: Read<unknown, P>): Connection<P> | undefined {
  const controller = new AbortController();
  const pages = read.poll(controller.signal)?.[Symbol.asyncIterator]();
  return pages && { pages, controller, polls: true, responses: 0 };
}
