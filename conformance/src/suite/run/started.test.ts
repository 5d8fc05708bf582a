import { expect, it } from "vitest";
import { Started } from "./started.ts";

it("ends started parts in reverse order, once", async () => {
  const ended: string[] = [];
  const started = new Started();
  started.adopt("first", async (name) => void ended.push(name));
  started.defer(() => void ended.push("second"));
  await started[Symbol.asyncDispose]();
  await started[Symbol.asyncDispose]();
  expect(ended).toEqual(["second", "first"]);
});

it("ends no part that was handed on", async () => {
  const ended: string[] = [];
  const started = new Started();
  started.defer(() => void ended.push("it"));
  const moved = started.move();
  await started[Symbol.asyncDispose]();
  expect(ended).toEqual([]);
  await moved[Symbol.asyncDispose]();
  expect(ended).toEqual(["it"]);
});

it("ends the other parts if one fails, and reports the failure", async () => {
  const ended: string[] = [];
  const started = new Started();
  started.defer(() => void ended.push("first"));
  started.defer(() => Promise.reject(new Error("stuck")));
  await expect(started[Symbol.asyncDispose]()).rejects.toThrow("stuck");
  expect(ended).toEqual(["first"]);
});
