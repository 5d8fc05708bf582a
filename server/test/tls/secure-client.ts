/** Clients with certificates, on the TLS of Node alone. */
import { once } from "node:events";
import { connect as connectHttp2 } from "node:http2";
import { request as requestHttp1 } from "node:https";
import { text } from "node:stream/consumers";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";

/** A GET over a new HTTP/1.1 connection. Resolves with the body. */
export async function getHttp1(url: string, options: ConnectionOptions): Promise<string> {
  const request = requestHttp1(url, { ...options, agent: false });
  request.end();
  const [response] = await once(request, "response");
  return text(response);
}

/** A GET over a new HTTP/2 connection. Resolves with the body. */
export async function getHttp2(url: string, options: ConnectionOptions): Promise<string> {
  const session = connectHttp2(url, options);
  const failed = new Promise<never>((_, reject) => {
    session.once("error", reject);
    session.once("close", () => reject(new Error("the session was closed")));
  });
  const stream = session.request({ ":path": new URL(url).pathname });
  stream.on("error", () => undefined);
  try {
    await Promise.race([once(stream, "response"), failed]);
    return await text(stream);
  } finally {
    session.destroy();
  }
}

/** A TLS connection after its handshake. */
export async function openTls(url: string, options: ConnectionOptions): Promise<TLSSocket> {
  const { hostname, port } = new URL(url);
  const socket = connectTls({ host: hostname, port: Number(port), ...options });
  await once(socket, "secureConnect");
  socket.on("error", () => undefined);
  return socket;
}
