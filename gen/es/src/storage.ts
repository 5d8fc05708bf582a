/** Messages of `streamkit.storage.v1`: the rows of the server. */
export * from "../gen/streamkit/storage/v1/coordination_pb.js";
export * from "../gen/streamkit/storage/v1/rows_pb.js";
