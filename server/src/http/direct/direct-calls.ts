import type { IncomingMessage, ServerResponse } from "node:http";
import type { Http2ServerRequest, Http2ServerResponse } from "node:http2";
import type { ConnectError } from "@connectrpc/connect";
import type { Account } from "../../budgets/account.ts";
import { type Admission, SMALL_BYTES } from "../../budgets/admission.ts";
import type { Events } from "../../events.ts";
import { reasonOf, toConnectError, toRequestError } from "../../routes/connect-error.ts";
import { acceptDirectResponses } from "../../routes/direct-response.ts";
import type { Implementation, Implementations, UnaryForm } from "../../routes/implementations.ts";
import { scanBinary } from "../../routes/reading/binary-scan.ts";
import { readMessage } from "../../routes/reading/read-message.ts";
import { isGone, respond } from "../respond.ts";
import { type Answer, answerError, answerMessage, answerWhole, type WholeAnswer } from "./answers.ts";
import { bodyOf } from "./body.ts";
import { DirectContext } from "./context.ts";
import { encodeAnswer } from "./format.ts";
import { type Framing, framingOf } from "./framing.ts";

type Request = IncomingMessage | Http2ServerRequest;
type Response = ServerResponse | Http2ServerResponse;

export interface DirectCallsOptions {
  readonly implementations: Implementations;
  readonly admission: Admission;
  readonly events: Events;
}

/**
 * Answers one call directly. Returns undefined, without any effect, if Connect's handlers must answer it. The promise
 * rejects if the connection broke, or for a defect.
 */
export type DirectCalls = (
  path: string,
  request: Request,
  response: Response,
  account: Account,
) => Promise<void> | undefined;

/**
 * Creates a function that answers unary calls of Connect, binary or JSON, and of binary gRPC, from Node's request to
 * the implementation. Universal requests, web streams and signals per layer take half of the time of a small call.
 * Connect's handlers answer all other calls. Both ways give equal answers (server/test/direct-path.int.test.ts).
 *
 * Unnecessary once Connect has handlers that take the whole body as bytes and create headers and signals on demand.
 */
export function createDirectCalls({ implementations, admission, events }: DirectCallsOptions): DirectCalls {
  return (path, request, response, account) => {
    const implementation = implementations.get(path);
    if (implementation === undefined || implementation.binary.kind !== "unary") return undefined;
    const framing = framingOf(request, path);
    if (framing === undefined) return undefined;
    const form = implementation[framing.format] as UnaryForm;
    const context = new DirectContext(form.method, request, framing, account);
    const call = { implementation, form, framing, context, account, admission, events };
    return answer(call, request, response);
  };
}

interface Call {
  readonly implementation: Implementation;
  readonly form: UnaryForm;
  readonly framing: Framing;
  readonly context: DirectContext;
  /** That of the connection, until the caller is known. */
  account: Account;
  readonly admission: Admission;
  readonly events: Events;
}

async function answer(call: Call, request: Request, response: Response): Promise<void> {
  const { context, framing } = call;
  const onClose = () => {
    if (!response.writableEnded) context.cancel();
  };
  response.once("close", onClose);
  let result: Answer;
  let taken = 0;
  try {
    const message = await run(call, request, (bytes) => {
      taken += bytes;
    });
    if (message.byteLength <= SMALL_BYTES && !context.hasHeaders && request.complete) {
      return respondWhole(answerWhole(framing, message), response);
    }
    result = answerMessage(framing, context, message);
  } catch (error) {
    result = answerError(framing, context, error as ConnectError);
  } finally {
    context.end();
    call.account.give("requestBytes", taken);
  }
  if (isGone(response)) return;
  const { account } = call;
  const counted = result.bytes > SMALL_BYTES ? result.bytes : 0;
  account.add("responseBytes", counted);
  try {
    await respond(result, request, response);
  } finally {
    account.give("responseBytes", counted);
  }
}

/** Writes a small answer to a request that has arrived completely. */
function respondWhole({ headers, body, trailers }: WholeAnswer, response: Response): void {
  if (isGone(response)) return;
  const out = response as ServerResponse;
  out.writeHead(200, headers);
  if (trailers !== undefined) out.addTrailers(trailers as Record<string, string>);
  out.end(body);
}

/** Checks the caller, reads the request, calls the implementation, and resolves to the encoded answer. */
async function run(call: Call, request: Request, taken: (bytes: number) => void): Promise<Uint8Array> {
  const { implementation, form, framing, context, events } = call;
  let message: Parameters<UnaryForm["call"]>[0];
  try {
    const admitted = call.admission.admit(context.values, context);
    call.account = admitted instanceof Promise ? await context.unlessAborted(admitted) : admitted;
    const bytes = await bodyOf(request, framing, {
      admission: call.admission,
      account: call.account,
      canceled: () => context.cancel(),
      taken,
      check: (message) => scanBinary(implementation.method.input, message),
    });
    message = readMessage(implementation, bytes, framing.format);
  } catch (error) {
    const unread = toRequestError(toConnectError(error));
    const reason = reasonOf(unread);
    if (reason !== undefined) events.refused(reason);
    throw unread;
  }
  const direct =
    implementation.direct && framing.format === "binary" ? acceptDirectResponses(context.values) : undefined;
  const answer = await form.call(message, context);
  return direct?.() ?? encodeAnswer(framing.format, form, answer);
}
