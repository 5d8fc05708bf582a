/** CommonJS reaches the packages too: Node 22.15 and later can `require` ES modules. */
const assert = require("node:assert/strict");
const { createStreamkitClient } = require("@streamkit/client");
const { createStreamkit, memoryStorage } = require("@streamkit/server");

const streamkit = createStreamkit({ storage: memoryStorage() });
const client = createStreamkitClient({ transport: streamkit.transport() });
const segment = client.store("6f9619ff-8b86-4d01-b42d-00cf4fc964ff").space("orders").segment("order-17");
segment
  .append([{ payload: new Uint8Array([1]) }])
  .then(({ lastSequence }) => {
    assert.equal(lastSequence, 1);
    return streamkit.close();
  })
  .then(() => console.log("required"));
