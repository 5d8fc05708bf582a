import { fileURLToPath } from "node:url";
import { type Client, credentials, loadPackageDefinition, type ServiceError } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import type { Target } from "./clients.ts";

interface Entries {
  readonly batches: readonly { readonly records: readonly { readonly payload: Buffer }[] }[];
}

/** The client that grpc-js makes of the service. grpc-js reads the proto files at run time. */
interface StreamClient extends Client {
  append(request: object, callback: (error: ServiceError | null) => void): void;
  consumeSpace(request: object): AsyncIterable<Entries> & { cancel(): void; on(event: "error", on: () => void): void };
}

type Services = Record<"StreamService", new (address: string, credentials: object) => StreamClient>;

const proto = fileURLToPath(new URL("../../../../proto", import.meta.url));

/** Appends, reads and follows with a gRPC client that shares no code with Streamkit and Connect. */
export async function grpcRoundTrip({ baseUrl, tls }: Target, signal: AbortSignal): Promise<void> {
  const definition = loadSync("streamkit/v1/stream_service.proto", { includeDirs: [proto] });
  const { v1 } = loadPackageDefinition(definition).streamkit as unknown as { v1: Services };
  const security = tls === undefined ? credentials.createInsecure() : credentials.createSsl(Buffer.from(tls.cert));
  const client = new v1.StreamService(new URL(baseUrl).host, security);
  const names = { storeId: crypto.randomUUID(), space: "matrix" };
  const append = (byte: number) =>
    new Promise<void>((resolve, reject) => {
      const request = { ...names, appends: [{ segment: "a", records: [{ payload: Buffer.of(byte) }] }] };
      client.append(request, (error) => (error === null ? resolve() : reject(error)));
    });
  const close = () => client.close();
  signal.addEventListener("abort", close);
  try {
    await append(1);
    const read: number[] = [];
    for await (const { batches } of client.consumeSpace(names)) {
      for (const { records } of batches) read.push(...records.map(({ payload }) => payload[0]));
    }
    const following = client.consumeSpace({ ...names, follow: true });
    following.on("error", () => undefined); // Canceling it below is one.
    for await (const { batches } of following) {
      const bytes = batches.flatMap(({ records }) => records.map(({ payload }) => payload[0]));
      read.push(...bytes);
      if (bytes.includes(1)) await append(2);
      if (bytes.includes(2)) break;
    }
    following.cancel();
    if (read.join() !== "1,1,2") throw new Error(`read ${read}; expected 1, then 1 and 2`);
  } finally {
    signal.removeEventListener("abort", close);
    client.close();
  }
}
