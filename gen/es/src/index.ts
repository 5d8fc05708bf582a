/** Messages and services of `streamkit.v1`, and its limits. The comments of the proto files are the reference. */
export * from "../gen/streamkit/v1/access_pb.js";
export * from "../gen/streamkit/v1/cursor_service_pb.js";
export * from "../gen/streamkit/v1/errors_pb.js";
export * from "../gen/streamkit/v1/lease_service_pb.js";
export * from "../gen/streamkit/v1/limits_pb.js";
export * from "../gen/streamkit/v1/model_pb.js";
export * from "../gen/streamkit/v1/presence_service_pb.js";
export * from "../gen/streamkit/v1/store_service_pb.js";
export * from "../gen/streamkit/v1/stream_service_pb.js";
export { LIMITS } from "./limits.ts";
