import { expect, test } from "vitest";
import { examplePath, testFolder } from "./process/example.ts";
import { runProgram } from "./process/run-program.ts";
import { ServerProcess } from "./process/server-process.ts";

const TIME = /\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g;

test.each([
  {
    name: "quickstart",
    prints: `order-2001-17 has 2 entries, committed at offset 1
1 placed
2 paid
1 order-2001-17 placed
2 order-2001-17 paid
3 order-2001-18 placed
`,
  },
  {
    name: "bank-account",
    prints: `5 of 8 withdrawals were covered; 0 cents left after 7 events
after the transfer: Ada 200, Grace 300
`,
  },
  {
    name: "audit-log",
    prints: `1 TIME user/l.meitner m.curie grant
2 TIME document/contract-4711 m.curie grant
3 TIME user/l.meitner l.meitner login
new: 4 document/contract-4711 l.meitner read
latest of user/l.meitner: 3 logout
`,
  },
  {
    name: "exactly-once-import",
    prints: `cut off:  {"written":600,"repeated":0}
repeated: {"written":861,"repeated":600}
1461 entries for 1461 lines; equal to the file
`,
  },
  {
    name: "coordination",
    prints: `entries per bin: { 'bin-1': 2, 'bin-2': 2 }
38 pieces, counted under token 1
too late: FENCED
picker-1 is picking in zone north
read up to offset 6, version 1
`,
  },
])("$name prints the documented output, on a real server", async ({ name, prints }) => {
  await using server = await ServerProcess.start({ path: await testFolder() });
  const program = runProgram(examplePath(name), { args: [server.url] });
  const code = await program.exit;
  expect(program.output().replaceAll(TIME, "TIME")).toBe(prints);
  expect(code).toBe(0);
});
