import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ObservationSchema, OperationSchema } from "@streamkit/protocol/conformance";
import type { ClientUnderTest, Observer } from "../../suite/client/client-under-test.ts";
import { decodeMessage, encodeMessage } from "./channel.ts";

/** Makes a client under test in the page. */
export type PageClientMaker = (observe: Observer) => ClientUnderTest;

/** Serves clients under test in this page, over a WebSocket to the runner. `makers` has them by name. */
export function serveClients(makers: Readonly<Record<string, PageClientMaker>>): void {
  const socket = new WebSocket(`ws://${location.host}/`);
  socket.binaryType = "arraybuffer";
  const clients = new Map<number, ClientUnderTest>();
  socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
    const { client: number, bytes } = decodeMessage(data);
    const send = (bytes: Uint8Array) => socket.send(encodeMessage({ client: number, bytes }));
    const client = clients.get(number);
    if (client === undefined) {
      const name = new TextDecoder().decode(bytes);
      const make = makers[name];
      if (make === undefined)
        throw new Error(`the page has no client ${name}; it has ${Object.keys(makers).join(", ")}`);
      const made = make((observation) => send(toBinary(ObservationSchema, observation)));
      clients.set(number, made);
      send(toBinary(ObservationSchema, create(ObservationSchema, { event: { case: "hello", value: made.hello } })));
    } else if (bytes.length === 0) {
      clients.delete(number);
      void client.close().then(() => send(bytes));
    } else {
      client.perform(fromBinary(OperationSchema, bytes));
    }
  };
}
