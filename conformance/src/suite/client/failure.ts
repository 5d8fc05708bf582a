import { create } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { ErrorDetailSchema } from "@streamkit/protocol";
import { type Failure, FailureSchema } from "@streamkit/protocol/conformance";

/** Whatever a call threw, as the suite reports it. */
export function toFailure(error: unknown): Failure {
  const connectError = ConnectError.from(error);
  return create(FailureSchema, {
    code: codeName(connectError.code),
    message: connectError.rawMessage,
    details: connectError.findDetails(ErrorDetailSchema),
  });
}

/** `Code.InvalidArgument` as "INVALID_ARGUMENT". */
function codeName(code: Code): string {
  return Code[code].replace(/(?<!^)([A-Z])/g, "_$1").toUpperCase();
}
