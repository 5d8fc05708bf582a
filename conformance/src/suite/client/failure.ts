import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorDetailSchema } from "@streamkit/protocol";
import { type Failure, FailureSchema } from "@streamkit/protocol/conformance";

/** Converts any thrown value into the failure that the suite reports. */
export function toFailure(error: unknown): Failure {
  const connectError = ConnectError.from(error);
  return create(FailureSchema, {
    code: codeName(connectError.code),
    message: connectError.rawMessage,
    details: connectError.findDetails(ErrorDetailSchema),
  });
}

/** Returns the name of a code in the protocol's spelling: `Code.InvalidArgument` is "INVALID_ARGUMENT". */
function codeName(code: Code): string {
  return Code[code].replace(/(?<!^)([A-Z])/g, "_$1").toUpperCase();
}
