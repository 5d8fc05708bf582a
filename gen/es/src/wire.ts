/**
 * The tools of Streamkit's own peers below the public messages: opaque methods, and varints of the protobuf wire
 * format. Semantic versioning does not cover them.
 */
export * from "../gen/streamkit/internal/v1/opaque_pb.js";
export { opaqueMethod } from "./opaque.ts";
export * from "./varint.ts";
