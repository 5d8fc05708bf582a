/**
 * The WebSocket transport, as far as both of its sides share it: frames, flow control, and the messages of
 * `streamkit.transport.v1`. Not covered by semantic versioning.
 */
export * from "../../gen/streamkit/transport/v1/frames_pb.js";
export * from "./frames.ts";
export { Inbox } from "./inbox.ts";
export { Outbox } from "./outbox.ts";
