/** The standard gRPC reflection service, in both versions that tools ask for. */
export * as v1 from "../gen/grpc/reflection/v1/reflection_pb.js";
export * as v1alpha from "../gen/grpc/reflection/v1alpha/reflection_pb.js";
