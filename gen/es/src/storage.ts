/** Messages of `streamkit.storage.v1`: what the server stores. */
export * from "../gen/streamkit/storage/v1/coordination_pb.js";
export * from "../gen/streamkit/storage/v1/rows_pb.js";
