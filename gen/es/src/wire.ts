/**
 * What Streamkit's own peers share below the public messages: opaque methods, and the protobuf wire format's varints.
 * Not covered by semantic versioning.
 */
export * from "../gen/streamkit/internal/v1/opaque_pb.js";
export { opaqueMethod } from "./opaque.ts";
export * from "./varint.ts";
