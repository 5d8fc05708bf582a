import { spawn } from "node:child_process";
import fs from "node:fs";
import { createStreamkitClient } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";

const d = fs.mkdtempSync("/tmp/w1-");
const flags = (process.env.SF || "").split(" ").filter(Boolean);
const s = spawn(
  process.execPath,
  ["--conditions=@streamkit/source", ...flags, "server/src/bin.ts", "--port", "0", "--path", d],
  { stdio: ["ignore", "pipe", "inherit"] },
);
let out = "";
const addr = await new Promise((r) =>
  s.stdout.on("data", (c) => {
    out += c;
    const m = out.match(/http:\/\/[\w.]+:\d+/);
    if (m) r(m[0]);
    if (process.env.SOUT) fs.appendFileSync(process.env.SOUT, c);
  }),
);
const N = +(process.env.N || 1e6);
const payload = new Uint8Array(256).fill(7);
function* recs(n) {
  for (let i = 0; i < n; i++) yield payload;
}
const client = createStreamkitClient({
  transport: createNodeTransport({ baseUrl: addr, ...(process.env.PROTO ? { protocol: process.env.PROTO } : {}) }),
});
const st = client.store(crypto.randomUUID());
for (let r = 0; r < +(process.env.R || 3); r++) {
  const seg = st.space("bench").segment("s" + r);
  let t = performance.now(),
    c = process.cpuUsage();
  await seg.produce(recs(N));
  let dt = performance.now() - t;
  c = process.cpuUsage(c);
  console.log("produce", ((N / dt) * 1000) | 0, "/s client cpu", ((c.user + c.system) / 1000 / dt).toFixed(2));
  if (process.env.READ) {
    for (const k of ["entries", "batches", "space"]) {
      t = performance.now();
      let n = 0,
        b = 0;
      c = process.cpuUsage();
      if (k === "entries")
        for await (const { payload } of seg.consume()) {
          n++;
          b += payload.length;
        }
      else
        for await (const batch of (k === "space"
          ? st.space("bench").consume({ minOffset: r * N + 1 })
          : seg.consume()
        ).batches())
          for (const { payload } of batch) {
            n++;
            b += payload.length;
          }
      dt = performance.now() - t;
      c = process.cpuUsage(c);
      console.log(
        " consume",
        k,
        n,
        ((n / dt) * 1000) | 0,
        "/s client cpu",
        ((c.user + c.system) / 1000 / dt).toFixed(2),
      );
    }
  }
}
const cpu = fs.readFileSync(`/proc/${s.pid}/stat`, "utf8").split(" ");
console.log(
  "server cpu s",
  (+cpu[13] + +cpu[14]) / 100,
  "rss",
  (fs.readFileSync(`/proc/${s.pid}/status`, "utf8").match(/VmRSS:\s+(\d+)/)[1] / 1024) | 0,
);
s.kill();
fs.rmSync(d, { recursive: true, force: true });
process.exit(0);
