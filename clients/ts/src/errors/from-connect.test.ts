import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorDetailSchema, ErrorReason } from "@streamkit/protocol";
import { WireFormatError } from "@streamkit/protocol/wire";
import { expect, test } from "vitest";
import { canceled } from "./error.ts";
import { toStreamkitError } from "./from-connect.ts";

test("carries every fact of the detail", () => {
  const value = {
    reason: ErrorReason.SEQUENCE_MISMATCH,
    retryable: false,
    segment: "a",
    expectedLastSequence: 3n,
    actualLastSequence: 4n,
    retryAfter: { seconds: 1n, nanos: 500_000_000 },
    fieldViolations: [{ field: "f", description: "d" }],
  };
  const cause = new ConnectError("text", Code.FailedPrecondition, undefined, [{ desc: ErrorDetailSchema, value }]);
  expect({ ...toStreamkitError(cause) }).toEqual({
    name: "StreamkitError",
    reason: "SEQUENCE_MISMATCH",
    code: "failed_precondition",
    retryable: false,
    segment: "a",
    expectedLastSequence: 3,
    actualLastSequence: 4,
    retryAfterMillis: 1_500,
    fieldViolations: [{ field: "f", description: "d" }],
    acknowledged: undefined,
  });
  expect(toStreamkitError(cause)).toMatchObject({ message: "text", cause });
});

test("names every code as the protocol does", () => {
  const names = Object.values(Code).filter((value) => typeof value === "number");
  expect(names.map((code) => toStreamkitError(new ConnectError("", code)).code)).toEqual([
    ...["canceled", "unknown", "invalid_argument", "deadline_exceeded", "not_found", "already_exists"],
    ...["permission_denied", "resource_exhausted", "failed_precondition", "aborted", "out_of_range"],
    ...["unimplemented", "internal", "unavailable", "data_loss", "unauthenticated"],
  ]);
});

test("names every reason of the protocol", () => {
  for (const reason of Object.values(ErrorReason).filter((value) => typeof value === "number")) {
    if (reason === ErrorReason.UNSPECIFIED) continue;
    const value = { reason, retryable: true };
    const error = new ConnectError("", Code.Internal, undefined, [{ desc: ErrorDetailSchema, value }]);
    // A request that is too large stays too large, even if the server says "retryable". CANCELED is for the caller's
    // signal.
    const retryable = !ErrorReason[reason].endsWith("_TOO_LARGE");
    const name = reason === ErrorReason.CANCELED ? "CONNECTION_LOST" : ErrorReason[reason];
    expect(toStreamkitError(error)).toMatchObject({ reason: name, retryable });
  }
});

test("a reason of a later version keeps its code and whether retrying helps", () => {
  const value = { reason: 9_999 as ErrorReason, retryable: true };
  const error = new ConnectError("", Code.ResourceExhausted, undefined, [{ desc: ErrorDetailSchema, value }]);
  expect(toStreamkitError(error)).toMatchObject({ reason: "UNKNOWN", code: "resource_exhausted", retryable: true });
});

test("without a detail, retries what may be a broken connection and nothing that somebody refused", () => {
  const retryable = (code: Code) => toStreamkitError(new ConnectError("", code)).retryable;
  const codes = Object.values(Code).filter((value) => typeof value === "number") as Code[];
  expect(codes.filter((code) => !retryable(code)).map((code) => Code[code])).toEqual([
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "OutOfRange",
    "Unimplemented",
    "DataLoss",
    "Unauthenticated",
  ]);
  expect(toStreamkitError(new TypeError("fetch failed"))).toMatchObject({ reason: "CONNECTION_LOST", retryable: true });
});

test("a reset with ENHANCE_YOUR_CALM is of the connection, not of the request", () => {
  const text = "http/2 stream closed with error code ENHANCE_YOUR_CALM (0xb)";
  expect(toStreamkitError(new ConnectError(text, Code.ResourceExhausted))).toMatchObject({
    reason: "CONNECTION_LOST",
    retryable: true,
  });
});

test("an aborted signal is what counts, whatever the call threw", () => {
  const signal = AbortSignal.abort("why");
  expect(toStreamkitError(new ConnectError("", Code.Internal), signal)).toMatchObject({
    reason: "CANCELED",
    code: "canceled",
    retryable: false,
    cause: "why",
  });
});

test("malformed batches are DATA_LOSS (G11); a StreamkitError stays as it is", () => {
  expect(toStreamkitError(new WireFormatError("x"))).toMatchObject({ reason: "DATA_LOSS", retryable: false });
  const error = canceled(AbortSignal.abort());
  expect(toStreamkitError(error)).toBe(error);
});
