import { create, type Message } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import type { Deviation } from "./deviation.ts";

/** Answers every unary call with an empty message, and ends every stream at once. */
function alwaysOk(): Transport {
  return {
    async unary(method, _signal, _timeoutMs, _header, _input) {
      const message = create(method.output) as Message;
      return {
        stream: false,
        service: method.parent,
        method,
        header: new Headers(),
        trailer: new Headers(),
        message,
      } as never;
    },
    async stream(method, _signal, _timeoutMs, _header, _input) {
      async function* nothing(): AsyncGenerator<Message> {}
      return {
        stream: true,
        service: method.parent,
        method,
        header: new Headers(),
        trailer: new Headers(),
        message: nothing(),
      } as never;
    },
  };
}

/** Fails every call. */
function nothing(): Transport {
  const fail = async (): Promise<never> => {
    throw new ConnectError("nobody is here", Code.Unavailable);
  };
  return { unary: fail, stream: fail };
}

/** Servers without any function. Nearly every case must fail on them, or the cases prove nothing. */
export const HOLLOW_SERVERS: readonly Deviation[] = [
  { name: "always-ok", wrong: "answers everything with an empty success", where: "error", transport: alwaysOk },
  { name: "null", wrong: "fails every call", where: "error", transport: nothing },
];
