import {
  type ClientHttp2Stream,
  constants,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
  type OutgoingHttpHeaders,
} from "node:http2";
import { Code, ConnectError } from "@connectrpc/connect";
import { createAsyncIterable, getAbortSignalReason, readAllBytes } from "@connectrpc/connect/protocol";
import type { Http2SessionManager } from "@connectrpc/connect-node";
import { timerMillis } from "../silence.ts";
import { ofNode, ofReset } from "./http2-failure.ts";

/** The head of an answer. */
export type AnswerHeaders = IncomingHttpHeaders & IncomingHttpStatusHeader;

/** One request over HTTP/2, and the limits of its answer. */
export interface ExchangeOptions {
  readonly sessionManager: Http2SessionManager;
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
  readonly body: Uint8Array;
  /** Largest body of an answer, in bytes. */
  readonly readMaxBytes: number;
  /** Longest wait for the whole answer, in milliseconds; absent: no limit. */
  readonly timeoutMillis: number | undefined;
  readonly signal: AbortSignal | undefined;
  /** Checks the head of an answer before its body arrives. Throws to end the call without reading the body. */
  readonly check: (headers: AnswerHeaders) => void;
}

/** An answer in full. */
export interface ExchangedAnswer {
  readonly headers: AnswerHeaders;
  readonly body: Uint8Array;
}

/**
 * Sends a POST as bytes and gathers the answer, with one promise for all of it: no iterators, no abort signals of its
 * own.
 *
 * @throws ConnectError the errors of Connect's client for HTTP/2, for the same failures
 */
export function exchange(options: ExchangeOptions): Promise<ExchangedAnswer> {
  const { sessionManager, path, headers, body, readMaxBytes, timeoutMillis, signal, check } = options;
  return new Promise((resolve, reject) => {
    let stream: ClientHttp2Stream | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let settled = false;
    const settle = () => {
      settled = true;
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    };
    const fail = (error: ConnectError) => {
      if (settled) return;
      settle();
      if (stream !== undefined) reset(stream, error);
      reject(error);
    };
    const onAbort = () => fail(ConnectError.from(getAbortSignalReason(signal as AbortSignal), Code.Canceled));
    if (signal?.aborted) return onAbort();
    signal?.addEventListener("abort", onAbort);
    if (timeoutMillis !== undefined) {
      const late = () => fail(new ConnectError("the operation timed out", Code.DeadlineExceeded));
      timer = setTimeout(late, timerMillis(timeoutMillis));
    }
    const done = (answer: ExchangedAnswer) => {
      if (settled) return;
      settle();
      resolve(answer);
    };
    const onStream = (opened: ClientHttp2Stream) => {
      stream = opened;
      if (settled) return reset(opened, undefined);
      gather(opened, { sessionManager, readMaxBytes, check, done, fail });
      opened.end(body);
    };
    sessionManager.request("POST", path, headers, {}).then(onStream, (error) => fail(ofNode(error)));
  });
}

interface Gathering extends Pick<ExchangeOptions, "sessionManager" | "readMaxBytes" | "check"> {
  readonly done: (answer: ExchangedAnswer) => void;
  readonly fail: (error: ConnectError) => void;
}

/** Calls `done` with the answer that comes on a stream, or `fail`; the first call counts. */
function gather(stream: ClientHttp2Stream, { sessionManager, readMaxBytes, check, done, fail }: Gathering): void {
  const chunks: Uint8Array[] = [];
  let length = 0;
  let headers: AnswerHeaders | undefined;
  let complete = false;
  /** Fails as the reader of Connect does, which has a text for each thing that is wrong with a length. */
  const failToRead = (announced: string | undefined): void => {
    stream.pause();
    readAllBytes(createAsyncIterable(chunks), readMaxBytes, announced ?? null).then(
      () => fail(new ConnectError("the answer was not read to its end", Code.Internal)),
      (error) => fail(ConnectError.from(error)),
    );
  };
  stream.on("response", (received) => {
    headers = received;
    try {
      check(received);
    } catch (error) {
      return fail(ConnectError.from(error));
    }
    if (Number(received["content-length"]) > readMaxBytes) failToRead(received["content-length"]);
  });
  stream.on("data", (chunk: Uint8Array) => {
    // The head has told the manager that the connection is alive; a long body goes on telling it.
    if (chunks.length > 0) sessionManager.notifyResponseByteRead(stream);
    chunks.push(chunk);
    length += chunk.byteLength;
    if (length > readMaxBytes) failToRead(headers?.["content-length"]);
  });
  stream.on("end", () => {
    // A stream without an answer ends, too; it then closes with the reason.
    if (headers === undefined || stream.rstCode !== constants.NGHTTP2_NO_ERROR) return;
    const announced = headers["content-length"];
    if (announced !== undefined && Number(announced) !== length) return failToRead(announced);
    complete = true;
    done({ headers, body: chunks.length === 1 ? (chunks[0] as Uint8Array) : Buffer.concat(chunks, length) });
  });
  stream.on("error", (error) => fail(ofNode(error)));
  stream.on("close", () => {
    // Most streams close behind an answer, so the error is made only where it is needed.
    if (complete) return;
    const cutOff = "the stream closed before the answer was complete";
    fail(ofReset(stream.rstCode) ?? new ConnectError(cutOff, Code.Internal));
  });
}

/** Tells the server that the caller does not wait for the answer any more. */
function reset(stream: ClientHttp2Stream, error: ConnectError | undefined): void {
  if (stream.listenerCount("error") === 0) stream.on("error", () => {});
  if (stream.closed) return;
  const canceled = error === undefined || error.code === Code.Canceled;
  stream.close(canceled ? constants.NGHTTP2_CANCEL : constants.NGHTTP2_INTERNAL_ERROR);
}
