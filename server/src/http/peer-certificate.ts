import type { IncomingMessage } from "node:http";
import type { Http2ServerRequest, Http2Session } from "node:http2";
import type { Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { PeerCertificate } from "../access/principal.ts";

/** The certificate of each connection, read once: undefined for a connection without a valid one. */
const peers = new WeakMap<Socket | Http2Session, PeerCertificate | undefined>();

/**
 * Returns the client certificate of the connection that carries a request. Returns undefined if the connection has no
 * TLS, or if its client showed no certificate that one of the accepted authorities signed.
 */
export function peerOf(request: IncomingMessage | Http2ServerRequest): PeerCertificate | undefined {
  const connection = "stream" in request ? request.stream.session : request.socket;
  if (connection === undefined) return undefined;
  if (peers.has(connection)) return peers.get(connection);
  const peer = certificateOf("socket" in connection ? connection.socket : connection);
  peers.set(connection, peer);
  return peer;
}

function certificateOf(socket: Socket): PeerCertificate | undefined {
  // Node also has certificates of unknown authorities at hand; only `authorized` tells them apart.
  if (!isSecure(socket) || !socket.authorized) return undefined;
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return undefined;
  const names = alternativeNames(certificate.subjectAltName ?? "");
  return {
    subject: certificate.subject ?? "",
    uris: names.filter(({ kind }) => kind === "URI").map(({ name }) => name),
    dnsNames: names.filter(({ kind }) => kind === "DNS").map(({ name }) => name),
    fingerprint256: certificate.fingerprint256,
    expiresAt: certificate.validToDate.getTime(),
  };
}

/** True for sockets with TLS. The socket of an HTTP/2 session is a proxy of the real one. */
function isSecure(socket: Socket): socket is TLSSocket {
  return socket instanceof TLSSocket || (socket as Partial<TLSSocket>).encrypted === true;
}

/**
 * The entries of a text such as `DNS:a.example, URI:"http://b.example/?x, DNS:c"`. Node writes a name with special
 * characters as a JSON string, so that a name cannot fake another entry.
 */
export function alternativeNames(text: string): { readonly kind: string; readonly name: string }[] {
  const entries = text.matchAll(/(?:^|, )([^:,"]+):("(?:[^"\\]|\\.)*"|[^,"]*)(?=, |$)/gy);
  return [...entries].map(([, kind = "", name = ""]) => ({
    kind,
    name: name.startsWith('"') ? String(JSON.parse(name)) : name,
  }));
}
