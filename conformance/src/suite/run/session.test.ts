import { create } from "@bufbuild/protobuf";
import { HelloSchema, type Observation, type Operation, Protocol } from "@streamkit/protocol/conformance";
import { expect, it } from "vitest";
import type { ClientFactory } from "../client/client-under-test.ts";
import type { ServerUnderTest } from "../server/server-under-test.ts";
import { Session } from "./session.ts";
import { Trace } from "./trace.ts";

/** A server that only records the actions on it. */
function fakeServer(url: string): ServerUnderTest & { readonly acts: string[] } {
  const acts: string[] = [];
  return {
    name: url,
    url,
    capabilities: [],
    acts,
    get generation() {
      return acts.length;
    },
    act: async (control) => void acts.push(control),
    close: async () => {},
  };
}

/** A session whose client answers every operation with success. `performed` lists the operations. */
async function openSession(...urls: string[]) {
  const performed: string[] = [];
  const factory: ClientFactory = async (observe) => ({
    hello: create(HelloSchema),
    perform({ id, actor, action }: Operation) {
      performed.push(
        action.case === "connect" ? `${actor} connects to ${action.value.url}` : `${actor} ${action.case}`,
      );
      observe({ operationId: id, event: { case: "end", value: {} } } as Observation);
    },
    close: async () => {},
  });
  const instances = urls.map(fakeServer);
  const session = await Session.open(factory, { instances, token: "", protocol: Protocol.GRPC }, new Trace());
  const call = (actor = "main") => session.call(actor, Session.request({ case: "getServerInfo", value: {} as never }));
  return { session, instances, performed, call };
}

it("calls instances in turn, each over separate connections", async () => {
  const { session, performed, call } = await openSession("a", "b");
  await call();
  await call("writer");
  await call();
  expect(session.takeTurn().url).toBe("b");
  await call();
  expect(performed).toEqual([
    "main@1 connects to a",
    "main@1 call",
    "writer@2 connects to b",
    "writer@2 call",
    "main@1 call",
    "main@1 call",
  ]);
});

it("spreads concurrent calls over the instances", async () => {
  const { performed, call } = await openSession("a", "b");
  await Promise.all(Array.from({ length: 4 }, () => call()));
  expect(performed.filter((each) => each.endsWith("call")).sort()).toEqual([
    "main@1 call",
    "main@1 call",
    "main@2 call",
    "main@2 call",
  ]);
});

it("acts on the instance that was called last, and reconnects to it", async () => {
  const { session, instances, performed, call } = await openSession("a", "b");
  await call();
  await call();
  await session.act("kill");
  expect(instances.map(({ acts }) => acts)).toEqual([[], ["kill"]]);
  await call();
  await call();
  expect(performed.filter((each) => each.includes("connects"))).toEqual([
    "main@1 connects to a",
    "main@2 connects to b",
    "main@2 connects to b",
  ]);
});

it("keeps the names of actors if there is one server", async () => {
  const { performed, call } = await openSession("a");
  await call();
  await call();
  expect(performed).toEqual(["main connects to a", "main call", "main call"]);
});
