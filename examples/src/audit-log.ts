/**
 * Audit log: the application writes events per subject (segments), and auditors read them in the order of commits (the
 * space). An audit resumes at the offset where the last one ended, and misses no entry.
 */
import { createStreamkitClient, json, withMetadata } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";

type AuditEvent = { actor: string; action: string; role?: string };

const baseUrl = process.argv[2] ?? "http://127.0.0.1:8080";
const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl }) });
const audit = client.store(crypto.randomUUID()).withCodec(json<AuditEvent>()).space("audit");

// #region audit-log
// A change of rights concerns a user and a document: with one transaction, both logs have it or neither has.
const granted = { actor: "m.curie", action: "grant", role: "editor" };
await audit.append([
  { segment: "user/l.meitner", records: [withMetadata(granted, { request: "req-7f3a" })] },
  { segment: "document/contract-4711", records: [withMetadata(granted, { request: "req-7f3a" })] },
]);
await audit.segment("user/l.meitner").publish({ actor: "l.meitner", action: "login" });

// The first audit reads all entries, in the order of commits, and remembers its last offset.
let audited = 0;
for await (const { offset, commitTime, segment, value } of audit.consume()) {
  console.log(offset, commitTime.toISOString(), segment, value.actor, value.action);
  audited = offset;
}

// The next audit starts after that offset, here with the documents only. The bound is inclusive.
await audit.segment("document/contract-4711").publish({ actor: "l.meitner", action: "read" });
await audit.segment("user/l.meitner").publish({ actor: "l.meitner", action: "logout" });
for await (const { offset, segment, value } of audit.consume({ minOffset: audited + 1, segmentPrefix: "document/" })) {
  console.log("new:", offset, segment, value.actor, value.action);
}
// #endregion audit-log

// The latest entry of one subject.
const latest = await audit.segment("user/l.meitner").peek();
console.log("latest of user/l.meitner:", latest?.sequence, latest?.value.action);
