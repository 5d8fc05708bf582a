/**
 * The shared parts of both sides of the WebSocket transport: frames, flow control, and the messages of
 * `streamkit.transport.v1`. Semantic versioning does not cover them.
 */
export * from "../../gen/streamkit/transport/v1/frames_pb.js";
export * from "./frames.ts";
export { Inbox } from "./inbox.ts";
export { Outbox } from "./outbox.ts";
export * from "./payload.ts";
