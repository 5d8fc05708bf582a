import { createNodeTransport } from "@streamkit/client/node";
import { makeToken } from "../tools/tokens.ts";
import type { Peer, Server, ServerPlace, Session } from "./peer.ts";
import { startWithTokens } from "./streamkit-process.ts";
import { streamkitSession } from "./streamkit-session.ts";

/** The server with tokens. Its address is a URL with a token as the fragment. */
export const peer: Peer = {
  note: "Streamkit, LevelDB storage: an ack means fsynced. A token (HS256) with each call, over HTTP/2.",

  version() {
    return "";
  },

  async startServer({ dataFolder, nodeFlags }: ServerPlace): Promise<Server> {
    const { secret, ...server } = await startWithTokens(dataFolder, [], nodeFlags);
    return { ...server, address: `${server.address}#${makeToken(secret, "bench")}` };
  },

  async connect(address: string): Promise<Session> {
    const { origin, hash } = new URL(address);
    return streamkitSession(createNodeTransport({ baseUrl: origin }), hash.slice(1));
  },
};
