/**
 * Event sourcing: an account is the sum of its events. Two tellers never spend the same money, because an append holds
 * only if no other teller has written the account since the read.
 */
import { createStreamkitClient, json, type SpaceHandle, StreamkitError } from "@streamkit/client";
import { createNodeTransport } from "@streamkit/client/node";

type AccountEvent = { type: "opened"; owner: string } | { type: "deposited" | "withdrawn"; cents: number };
type Accounts = SpaceHandle<AccountEvent, AccountEvent>;

// #region aggregate
interface Account {
  readonly owner: string | undefined;
  readonly cents: number;
  /** Sequence of the last event that this state includes. */
  readonly version: number;
}

/** Rebuilds an account from its events. */
async function load(accounts: Accounts, iban: string): Promise<Account> {
  let account: Account = { owner: undefined, cents: 0, version: 0 };
  for await (const { sequence, value } of accounts.segment(iban).consume()) {
    account = { ...apply(account, value), version: sequence };
  }
  return account;
}

function apply(account: Account, event: AccountEvent): Account {
  switch (event.type) {
    case "opened":
      return { ...account, owner: event.owner };
    case "deposited":
      return { ...account, cents: account.cents + event.cents };
    case "withdrawn":
      return { ...account, cents: account.cents - event.cents };
  }
}

/** Decides on the latest state and appends the decision; decides again if another teller was faster. */
async function decide(accounts: Accounts, iban: string, decision: (account: Account) => AccountEvent[]): Promise<void> {
  for (;;) {
    const account = await load(accounts, iban);
    const events = decision(account);
    if (events.length === 0) return;
    try {
      await accounts.segment(iban).append(events, { expectedLastSequence: account.version });
      return;
    } catch (error) {
      const outrun = error instanceof StreamkitError && error.reason === "SEQUENCE_MISMATCH";
      if (!outrun) throw error;
    }
  }
}
// #endregion aggregate

/** Takes money from an account that has enough. */
async function withdraw(accounts: Accounts, iban: string, cents: number): Promise<boolean> {
  let covered = false;
  await decide(accounts, iban, (account) => {
    covered = account.cents >= cents;
    return covered ? [{ type: "withdrawn", cents }] : [];
  });
  return covered;
}

/** Moves money: both accounts change, or neither does, and only if both are unchanged since the read. */
async function transfer(accounts: Accounts, from: string, to: string, cents: number): Promise<void> {
  const [source, target] = await Promise.all([load(accounts, from), load(accounts, to)]);
  if (source.cents < cents) throw new Error(`${from} has ${source.cents} cents`);
  await accounts.append([
    { segment: from, records: [{ type: "withdrawn", cents }], expectedLastSequence: source.version },
    { segment: to, records: [{ type: "deposited", cents }], expectedLastSequence: target.version },
  ]);
}

const baseUrl = process.argv[2] ?? "http://127.0.0.1:8080";
const client = createStreamkitClient({ transport: createNodeTransport({ baseUrl }) });
const accounts = client.store(crypto.randomUUID()).withCodec(json<AccountEvent>()).space("accounts");

const ada = "DE89 3704 0044 0532 0130 00";
const grace = "GB29 NWBK 6016 1331 9268 19";
await decide(accounts, ada, () => [
  { type: "opened", owner: "Ada Lovelace" },
  { type: "deposited", cents: 10_000 },
]);
await decide(accounts, grace, () => [{ type: "opened", owner: "Grace Hopper" }]);

// Eight tellers want 2,000 cents each, at once, from an account that has 10,000.
const served = await Promise.all(Array.from({ length: 8 }, () => withdraw(accounts, ada, 2_000)));
const { cents, version } = await load(accounts, ada);
console.log(
  `${served.filter(Boolean).length} of 8 withdrawals were covered; ${cents} cents left after ${version} events`,
);

await decide(accounts, ada, () => [{ type: "deposited", cents: 500 }]);
await transfer(accounts, ada, grace, 300);
console.log(
  `after the transfer: Ada ${(await load(accounts, ada)).cents}, Grace ${(await load(accounts, grace)).cents}`,
);
