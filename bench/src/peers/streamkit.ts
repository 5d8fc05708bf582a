import { createNodeTransport } from "@streamkit/client/node";
import type { Peer, Server, ServerPlace, Session } from "./peer.ts";
import { startStreamkit } from "./streamkit-process.ts";
import { streamkitSession } from "./streamkit-session.ts";

export const peer: Peer = {
  note: "Streamkit, LevelDB storage: an ack means fsynced. @streamkit/client over HTTP/2, binary, uncompressed.",

  version() {
    return "";
  },

  async startServer({ dataFolder, nodeFlags }: ServerPlace): Promise<Server> {
    return startStreamkit(["--storage", "level", "--path", dataFolder], nodeFlags);
  },

  async connect(address: string): Promise<Session> {
    return streamkitSession(createNodeTransport({ baseUrl: address }));
  },
};
