/** Messages of `streamkit.conformance.v1`: cases, operations and observations, reports. */
export * from "../gen/streamkit/conformance/v1/case_pb.js";
export * from "../gen/streamkit/conformance/v1/known_failures_pb.js";
export * from "../gen/streamkit/conformance/v1/operation_pb.js";
export * from "../gen/streamkit/conformance/v1/report_pb.js";
