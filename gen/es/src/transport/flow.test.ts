import fc from "fast-check";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import {
  CALL_CREDIT_BYTES,
  creditFrame,
  encodeFrame,
  FrameKind,
  Inbox,
  leadingNumber,
  MAX_CREDIT_BYTES,
  MAX_FRAME_BYTES,
  MAX_SOCKET_MESSAGE_BYTES,
  Outbox,
  readFrames,
  SOCKET_CREDIT_BYTES,
} from "./index.ts";

const MAX_MESSAGE = 3 * 1024 * 1024;
/** Messages that the credit of a socket pays for, and the one that overdraws it. */
const MOST_HELD = (SOCKET_CREDIT_BYTES / CALL_CREDIT_BYTES + 1) * MAX_MESSAGE;

function frame(kind: FrameKind, call: number, ...payload: number[]) {
  return [...readFrames(encodeFrame(kind, call, Uint8Array.from(payload)))][0];
}

describe("frames", () => {
  it("come back as they went", () => {
    const bytes = encodeFrame(FrameKind.NEXT, 0xfffffffe, Uint8Array.of(1, 2));
    expect([...bytes]).toEqual([5, 255, 255, 255, 254, 0, 0, 0, 2, 1, 2]);
    expect([...readFrames(bytes)]).toEqual([{ kind: 5, call: 0xfffffffe, payload: Uint8Array.of(1, 2) }]);
    expect(leadingNumber([...readFrames(creditFrame(7, 0x80000001))][0])).toBe(0x80000001);
  });

  it.each([
    ["no frame", []],
    ["a cut header", [3, 0, 0, 0, 1, 0, 0, 0]],
    ["a cut payload", [3, 0, 0, 0, 1, 0, 0, 0, 2, 1]],
    ["kind 0", [0, 0, 0, 0, 1, 0, 0, 0, 0]],
    ["an unknown kind", [14, 0, 0, 0, 1, 0, 0, 0, 0]],
    ["a payload over the limit", [3, 0, 0, 0, 1, 0, 1, 0, 1, ...new Uint8Array(MAX_FRAME_BYTES + 1)]],
    ["a second frame that is cut", [12, 0, 0, 0, 0, 0, 0, 0, 0, 12]],
  ])("%s is refused", (_, bytes) => {
    expect(() => [...readFrames(Uint8Array.from(bytes))]).toThrow(expect.objectContaining({ closeCode: 4400 }));
  });
});

describe("Inbox refuses", () => {
  const opened = () => {
    const inbox = new Inbox(MAX_MESSAGE);
    inbox.open(1);
    return inbox;
  };

  it.each([
    ["a part without a beginning", [frame(FrameKind.NEXT, 1, 9)]],
    ["a part that is too long", [frame(FrameKind.FIRST, 1, 0, 0, 0, 1, 9, 9)]],
    ["a part without bytes", [frame(FrameKind.FIRST, 1, 0, 0, 0, 1)]],
    ["a length that is cut", [frame(FrameKind.FIRST, 1, 0, 0)]],
    ["a message inside another", [frame(FrameKind.FIRST, 1, 0, 0, 0, 2, 9), frame(FrameKind.MESSAGE, 1, 9)]],
    ["a message over the limit", [frame(FrameKind.FIRST, 1, 0, 48, 0, 1, 9)]],
  ])("%s", (_, frames) => {
    const inbox = opened();
    expect(() => frames.map((each) => inbox.receive(each))).toThrow(expect.objectContaining({ closeCode: 4400 }));
  });

  it("a message that begins without credit of its call", () => {
    const inbox = opened();
    const full = { kind: FrameKind.MESSAGE, call: 1, payload: new Uint8Array(MAX_FRAME_BYTES) };
    for (let sent = 0; sent < CALL_CREDIT_BYTES; sent += MAX_FRAME_BYTES) inbox.receive(full);
    expect(() => inbox.receive(full)).toThrow(expect.objectContaining({ closeCode: 4413 }));
  });

  it("a message that begins without credit of the socket", () => {
    const inbox = new Inbox(MAX_MESSAGE);
    const calls = SOCKET_CREDIT_BYTES / MAX_FRAME_BYTES;
    const send = (call: number) => {
      inbox.open(call);
      inbox.receive({ kind: FrameKind.MESSAGE, call, payload: new Uint8Array(MAX_FRAME_BYTES) });
    };
    for (let call = 1; call <= calls; call++) send(call);
    expect(() => send(calls + 1)).toThrow(expect.objectContaining({ closeCode: 4413 }));
    inbox.close(1);
    send(calls + 2);
  });
});

it("Inbox keeps nothing of discarded messages, and still checks their order and credit", () => {
  const inbox = new Inbox(MAX_MESSAGE);
  inbox.open(1);
  expect(inbox.receive(frame(FrameKind.FIRST, 1, 0, 0, 0, 4, 1))).toBeUndefined();
  inbox.discard(1);
  expect(inbox.isReceiving(1)).toBe(true);
  expect(() => inbox.receive(frame(FrameKind.MESSAGE, 1, 1))).toThrow("inside another");
  expect(inbox.receive(frame(FrameKind.NEXT, 1, 2, 3, 4))).toBeUndefined();
  expect(inbox.isReceiving(1)).toBe(false);
  expect(() => inbox.receive(frame(FrameKind.NEXT, 1, 5))).toThrow("0 are missing");
  const message = { kind: FrameKind.MESSAGE, call: 1, payload: new Uint8Array(MAX_FRAME_BYTES) };
  expect(inbox.receive(message)).toBeUndefined();
  expect(() => Array.from({ length: 4 }, () => inbox.receive(message))).toThrow("without credit");
  // The end of the call gives the credit back to the socket.
  inbox.close(1);
  expect(inbox.credits().map((each) => leadingNumber([...readFrames(each)][0]))).toEqual([
    4 + 64 + (1 + 64) + 4 * (MAX_FRAME_BYTES + 64),
  ]);
});

it("Inbox takes memory for the bytes that have arrived, in parts of any size", () => {
  const arrays = vi.spyOn(globalThis, "Uint8Array");
  onTestFinished(() => arrays.mockRestore());
  const inbox = new Inbox(MAX_MESSAGE);
  inbox.open(1);
  const parts = 5_000;
  inbox.receive(frame(FrameKind.FIRST, 1, 0, 0, (parts + 1) >> 8, (parts + 1) & 0xff, 7));
  const next = frame(FrameKind.NEXT, 1, 7);
  arrays.mockClear();
  const messages = Array.from({ length: parts }, () => inbox.receive(next)).filter((each) => each !== undefined);
  expect(arrays.mock.calls.length).toBeLessThan(100);
  expect(messages).toEqual([new Uint8Array(parts + 1).fill(7)]);
});

it("Outbox refuses credit that abuses it", () => {
  const outbox = new Outbox();
  outbox.open(1);
  for (const [call, bytes] of [
    [0, 0],
    [1, 0],
    [0, MAX_CREDIT_BYTES],
    [1, MAX_CREDIT_BYTES],
    [2, MAX_CREDIT_BYTES + 1],
  ]) {
    expect(() => outbox.give(call, bytes)).toThrow(expect.objectContaining({ closeCode: 4413 }));
  }
  outbox.give(2, MAX_CREDIT_BYTES);
});

it("Outbox begins no message without credit of the socket", () => {
  const outbox = new Outbox();
  const full = SOCKET_CREDIT_BYTES / CALL_CREDIT_BYTES;
  for (let call = 1; call <= full + 1; call++) {
    outbox.open(call);
    outbox.send(call, new Uint8Array(CALL_CREDIT_BYTES));
  }
  while (outbox.take() !== undefined);
  expect([outbox.waiting(full), outbox.waiting(full + 1)]).toEqual([0, 1]);
  outbox.give(0, 1);
  while (outbox.take() !== undefined);
  expect(outbox.waiting(full + 1)).toBe(0);
});

it("a large message delays others by one frame", () => {
  const outbox = new Outbox();
  outbox.open(1);
  outbox.open(2);
  outbox.send(1, new Uint8Array(MAX_MESSAGE));
  outbox.send(2, Uint8Array.of(1));
  const calls = [...readFrames(outbox.take() as Uint8Array)].map(({ call }) => call);
  expect(calls.slice(0, 3)).toEqual([1, 2, 1]);
});

describe("messages inside REQUEST and RESULT", () => {
  it("pay like any other, and wait behind others of their call", () => {
    const outbox = new Outbox();
    for (let call = 1; call <= 5; call++) outbox.open(call);
    expect([1, 2, 3, 4].map((call) => outbox.pay(call, MAX_MESSAGE))).toEqual([true, true, true, true]);
    expect(outbox.pay(5, 1)).toBe(false);
    outbox.give(0, 10);
    expect([outbox.pay(1, 1), outbox.pay(5, 1), outbox.pay(6, 1)]).toEqual([false, true, false]);
    outbox.send(5, Uint8Array.of(1));
    expect(outbox.pay(5, 1)).toBe(false);
  });

  it("are counted, also for a call that has ended", () => {
    const inbox = new Inbox(MAX_MESSAGE);
    inbox.open(1);
    inbox.pay(1, 100);
    inbox.pay(2, 30);
    inbox.close(1);
    expect(inbox.credits()).toEqual([creditFrame(0, 258)]);
    for (let call = 3; call < 7; call++) {
      inbox.open(call);
      inbox.pay(call, MAX_MESSAGE);
    }
    expect(() => inbox.pay(7, 1)).toThrow(expect.objectContaining({ closeCode: 4413 }));
  });
});

it("Inbox keeps small credit back until it is worth a frame", () => {
  const inbox = new Inbox(MAX_MESSAGE, 300);
  inbox.open(1);
  for (const call of [1, 1, 2]) inbox.pay(call, 40);
  inbox.taken(1, 40);
  inbox.taken(1, 40);
  expect(inbox.credits()).toEqual([creditFrame(0, 312)]);
  inbox.pay(1, 28);
  inbox.taken(1, 28);
  expect(inbox.credits()).toEqual([creditFrame(1, 300)]);
  expect(inbox.hasCredits).toBe(false);
});

it("empty messages cost credit too, so a sender cannot fill its receiver with them", () => {
  const inbox = new Inbox(MAX_MESSAGE);
  inbox.open(1);
  const empty = frame(FrameKind.MESSAGE, 1);
  const send = () => {
    for (let sent = 0; sent < CALL_CREDIT_BYTES; sent++) inbox.receive(empty);
  };
  expect(send).toThrow(expect.objectContaining({ closeCode: 4413 }));
});

it("frames of a call leave behind its messages, and end it", () => {
  const emptied: number[] = [];
  const outbox = new Outbox((call) => emptied.push(call));
  outbox.open(1);
  outbox.send(1, new Uint8Array(MAX_FRAME_BYTES + 1));
  outbox.frame(1, encodeFrame(FrameKind.RESULT, 1, Uint8Array.of(1)), true);
  expect([...readFrames(outbox.take() as Uint8Array)].map(({ kind }) => kind)).toEqual([
    FrameKind.FIRST,
    FrameKind.NEXT,
    FrameKind.RESULT,
  ]);
  expect(emptied).toEqual([1]);
  expect(() => outbox.send(1, Uint8Array.of(1))).toThrow("not open");
});

it("frames without a message wait for no credit, and leave room for messages", () => {
  const outbox = new Outbox();
  outbox.open(1);
  outbox.send(1, new Uint8Array(MAX_FRAME_BYTES));
  for (let call = 2; call < 7; call++) {
    outbox.open(call);
    outbox.frame(call, encodeFrame(FrameKind.RESULT, call, new Uint8Array(MAX_FRAME_BYTES)), true);
  }
  const taken = () => [...readFrames(outbox.take() as Uint8Array)].map(({ call }) => call);
  expect(taken()).toEqual([2, 1, 3]);
  expect(taken()).toEqual([4, 5, 6]);
  expect([outbox.take(), outbox.controlBytes]).toEqual([undefined, 0]);
});

it.each([0, 1])("a message leaves behind the frame that opens its call, with %d messages before", (messages) => {
  const outbox = new Outbox();
  const large = new Uint8Array(MAX_FRAME_BYTES);
  for (let call = 1; call <= 4; call++) {
    outbox.open(call);
    for (let i = 0; i < messages; i++) outbox.send(call, Uint8Array.of(1));
    outbox.frame(call, encodeFrame(FrameKind.REQUEST, call, large));
  }
  outbox.send(4, Uint8Array.of(2));
  const kinds: FrameKind[] = [];
  for (let message = outbox.take(); message !== undefined; message = outbox.take()) {
    expect(message.length).toBeLessThanOrEqual(MAX_SOCKET_MESSAGE_BYTES);
    kinds.push(...[...readFrames(message)].filter(({ call }) => call === 4).map(({ kind }) => kind));
  }
  expect(kinds.slice(messages)).toEqual([FrameKind.REQUEST, FrameKind.MESSAGE]);
});

it("calls without credit hold nobody back, and go on when they get some", () => {
  const outbox = new Outbox();
  outbox.open(1);
  outbox.open(2);
  for (let sent = 0; sent < 3; sent++) outbox.send(1, new Uint8Array(CALL_CREDIT_BYTES / 2));
  while (outbox.take() !== undefined);
  expect(outbox.waiting(1)).toBe(1);
  outbox.send(2, Uint8Array.of(1));
  expect([...readFrames(outbox.take() as Uint8Array)].map(({ call }) => call)).toEqual([2]);
  outbox.give(1, 129);
  while (outbox.take() !== undefined);
  expect(outbox.waiting(1)).toBe(0);
});

it("flow control loses nothing, keeps order, ends, and bounds what waits at the receiver", () => {
  const step = fc.oneof(
    fc.record({
      do: fc.constant("send" as const),
      call: fc.integer({ min: 1, max: 6 }),
      size: fc.integer({ max: MAX_MESSAGE, min: 0 }),
    }),
    fc.record({
      do: fc.constant("send" as const),
      call: fc.integer({ min: 1, max: 6 }),
      size: fc.integer({ max: 2_000, min: 0 }),
    }),
    fc.record({ do: fc.constant("carry" as const) }),
    fc.record({ do: fc.constant("read" as const), call: fc.integer({ min: 1, max: 6 }) }),
    fc.record({ do: fc.constant("end" as const), call: fc.integer({ min: 1, max: 6 }) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const outbox = new Outbox();
      const inbox = new Inbox(MAX_MESSAGE);
      const sent = new Map<number, Uint8Array[]>();
      const arrived = new Map<number, Uint8Array[]>();
      const ended = new Set<number>();
      for (let call = 1; call <= 6; call++) {
        outbox.open(call);
        inbox.open(call);
        sent.set(call, []);
        arrived.set(call, []);
      }
      const held = () => [...arrived.values()].flat().reduce((sum, { length }) => sum + length, 0);
      const carry = (): boolean => {
        const message = outbox.take();
        if (message === undefined) return false;
        expect(message.length).toBeLessThanOrEqual(MAX_SOCKET_MESSAGE_BYTES);
        for (const each of readFrames(message)) {
          const complete = inbox.receive(each);
          if (complete !== undefined) arrived.get(each.call)?.push(complete);
        }
        expect(held()).toBeLessThanOrEqual(MOST_HELD);
        return true;
      };
      const credit = () => {
        for (const bytes of inbox.credits()) {
          for (const each of readFrames(bytes)) outbox.give(each.call, leadingNumber(each));
        }
      };
      const read = (call: number) => {
        const message = arrived.get(call)?.shift();
        if (message === undefined) return false;
        const expected = sent.get(call)?.shift() as Uint8Array;
        expect(Buffer.compare(message, expected)).toBe(0);
        inbox.taken(call, message.length);
        credit();
        return true;
      };
      steps.forEach((each, index) => {
        if (each.do === "carry") carry();
        else if (ended.has(each.call)) return;
        else if (each.do === "read") read(each.call);
        else if (each.do === "end") {
          // The receiver resets the call. Messages on their way cost credit, and give it back.
          ended.add(each.call);
          arrived.set(each.call, []);
          inbox.close(each.call);
          carry();
          outbox.close(each.call);
          credit();
        } else {
          const message = new Uint8Array(each.size).fill(index);
          sent.get(each.call)?.push(message);
          outbox.send(each.call, message);
        }
      });
      for (let progress = true; progress; ) {
        progress = carry();
        for (let call = 1; call <= 6; call++) if (!ended.has(call)) while (read(call)) progress = true;
        credit();
      }
      for (let call = 1; call <= 6; call++) if (!ended.has(call)) expect(sent.get(call)).toEqual([]);
      // All credit is back: the sender may now hold the rest up to the limit, and no byte more.
      expect(() => outbox.give(0, MAX_CREDIT_BYTES - SOCKET_CREDIT_BYTES + 1)).toThrow();
      outbox.give(0, MAX_CREDIT_BYTES - SOCKET_CREDIT_BYTES);
    }),
    { seed: 13, numRuns: 150 },
  );
});
