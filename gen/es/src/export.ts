/** Messages of `streamkit.export.v1`: the chunks of an export. */
export * from "../gen/streamkit/export/v1/export_pb.js";
